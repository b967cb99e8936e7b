//! What a start does with the files around those that it loads, and with what it cannot follow.

use super::{Case, Loads};
use crate::aof::dir::{Guarded, NextStart, Role, Shape, UnreadKind};
use crate::judge::servers::answer::{Cut, Outcome, Reason, Why};
use crate::judge::servers::{Product, rdb};
use crate::report::{Code, Name, Occurrences, Severity, UnreadContent, UnreadFacts};

/// `dump.rdb (294 bytes, 30 keys)`.
fn shown(unread: &UnreadFacts) -> String {
    let content = unread.content.as_ref().map_or_else(String::new, |content| format!(", {}", content.describe()));
    format!("{} ({} bytes{content})", unread.name, unread.size)
}

impl Case<'_> {
    /// Returns the answer where no file is loaded at all.
    pub(super) fn without_files(&self) -> Option<Loads> {
        let target = self.target;
        let answer = |by_default, start| Loads { by_default, start: Some(start), ..Loads::unknown(*target) };
        if self.settings.appendonly == Some(false) {
            return Some(self.switched_off());
        }
        // One that knows no folder goes by the other name alone.
        let other_name = self.load().prefix != self.settings.appendfilename;
        if let Some(why) = self.elsewhere().filter(|_| target.knows_manifests() || other_name) {
            return Some(Loads { because: vec![why], ..answer(Outcome::StartsEmpty, self.start_files(Vec::new())) });
        }
        if let Some(crash) = self.cannot_move() {
            return Some(crash);
        }
        if self.load().shape == Some(Shape::Single) || self.load().next_start == Some(NextStart::Migrates) {
            return None;
        }
        if !target.knows_manifests() && !self.report.parts.is_empty() {
            let mut message = format!("{target} knows no manifest: it starts without a look at the folder");
            let old = self.unread_of(UnreadKind::OldStyle);
            if let Some(old) = old {
                message.push_str(&format!(", and reads {}", shown(old)));
            }
            let because = vec![Why { reason: Reason::Manifest, count: 1, first: Vec::new(), message }];
            let content = old.and_then(|old| old.content.as_ref());
            // What it makes of a file that is not sound was not asked.
            let known = old.is_none_or(|_| content.is_some_and(|content| content.is_sound));
            let by_default = if known { Outcome::StartsEmpty } else { Outcome::Unknown };
            let start = self.start_with(old);
            return Some(Loads { because, ..answer(by_default, start) });
        }
        match &self.load().next_start {
            Some(NextStart::Refuses) => {
                Some(Loads { because: self.manifest(), by_default: Outcome::Refuses, ..Loads::unknown(*target) })
            }
            Some(NextStart::Empty { overwrites, appends }) => Some(self.starts_empty(overwrites, appends)),
            _ => None,
        }
    }

    /// Returns the answer where an old-style file is to be moved, and a file of its name lies there already.
    fn cannot_move(&self) -> Option<Loads> {
        let target = self.target;
        let in_the_way = self.load().unread.iter().find(|unread| unread.kind == UnreadKind::OldStyleInFolder)?;
        if self.load().next_start != Some(NextStart::Migrates) || !target.knows_manifests() {
            return None;
        }
        let message =
            format!("{target} aborts: it would move the old-style file into the folder, where one of that name lies");
        let reason = Reason::Finding(Code::AofDataNotRead);
        let because = vec![Why { reason, count: 1, first: vec![Name::Text(shown(in_the_way))], message }];
        Some(Loads { because, by_default: Outcome::Crashes, ..Loads::unknown(*target) })
    }

    /// Returns a start with no data, over files that may hold some.
    fn starts_empty(&self, overwrites: &Option<Vec<u8>>, appends: &Option<Vec<u8>>) -> Loads {
        let file = |name: &Option<Vec<u8>>| {
            let name = name.as_ref()?.escape_ascii().to_string();
            // What is history was to be deleted in any case.
            let part = self.report.parts.iter().find(|part| part.name == name && part.role == Role::Orphan)?;
            Some((name, part.size.filter(|size| *size > 0)?))
        };
        let mut names = Occurrences::default();
        let mut cuts = Vec::new();
        if let Some((name, size)) = file(overwrites) {
            names.add(|| Name::Text(name.clone()));
            cuts.push(Cut { file: Some(name), from: size, to: 0 });
        }
        if let Some((name, _)) = file(appends) {
            names.add(|| Name::Text(name));
        }
        let mut skips = Vec::new();
        if names.count > 0 {
            let message =
                format!("{} starts with no data, and writes over these or behind what they hold", self.target);
            skips.push(Why::new(Reason::Overwritten, &names, message));
        }
        skips.extend(self.deleted());
        // An empty start is as good as any where there is nothing to read.
        let mut because = self.unread();
        let loads = because.is_empty() && cuts.is_empty();
        let by_default = if loads { Outcome::Loads } else { Outcome::StartsEmpty };
        if loads {
            skips.extend(self.manifest());
        } else {
            because.extend(self.manifest());
        }
        let start = Some(self.start_files(Vec::new()));
        Loads { loads, by_default, cuts, skips, because, start, ..Loads::unknown(*self.target) }
    }

    /// Returns the files with data that are left alone, by what they are.
    fn unread(&self) -> Vec<Why> {
        let target = self.target;
        let mut whys = Vec::new();
        for (kind, what) in [
            (UnreadKind::Orphan, "no manifest lists these"),
            (
                UnreadKind::OldStyleInFolder,
                "an old-style file is looked for in the server's directory, not in the folder below",
            ),
            (UnreadKind::OldStyle, "the old-style file is not looked at beside a set"),
            (UnreadKind::Dump, "with appendonly yes no RDB is read"),
        ] {
            let mut names = Occurrences::default();
            let of_kind = self.load().unread.iter().filter(|unread| unread.kind == kind);
            for unread in of_kind.filter(|unread| unread.content.as_ref().is_none_or(UnreadContent::holds_data)) {
                names.add(|| Name::Text(shown(unread)));
            }
            if names.count > 0 {
                let message = format!("{target} starts with no data, and leaves unread what lies there: {what}");
                whys.push(Why::new(Reason::Finding(Code::AofDataNotRead), &names, message));
            }
        }
        whys
    }

    /// Returns the answer where append-only files are switched off: the RDB is read, if there is one. A manifest is read
    /// all the same.
    fn switched_off(&self) -> Loads {
        let (target, settings) = (self.target, self.settings);
        let is_shut = self.load().access.as_ref().and_then(|access| access.of(Guarded::Folder));
        let sees_it = target.knows_manifests() && is_shut.is_none_or(|denied| denied.may.enter);
        if sees_it && self.load().manifest_is_bad && self.elsewhere().is_none() {
            return Loads { because: self.manifest(), by_default: Outcome::Refuses, ..Loads::unknown(*target) };
        }
        let dump = self.dump();
        let nothing_else = self.report.parts.is_empty() && self.load().unread.iter().all(|unread| Some(unread) == dump);
        let of_dump =
            dump.and_then(|dump| dump.content.as_ref()?.rdb.as_ref()).map(|facts| rdb::judge(facts, target, settings));
        let start = Some(self.start_with(dump));
        if let Some(answer) = &of_dump
            && (nothing_else || !answer.by_default.comes_up())
        {
            return Loads { start, ..answer.clone() };
        }
        let reads = dump.map_or_else(
            || format!("{} is not there", settings.dbfilename),
            |dump| format!("it reads {}", shown(dump)),
        );
        let message = format!("appendonly no: {target} does not read these files; {reads}");
        let because = vec![Why { reason: Reason::Appendonly, count: 1, first: Vec::new(), message }];
        let looked_into = dump.is_some_and(|dump| dump.content.is_some());
        let by_default = if looked_into && of_dump.is_none() { Outcome::Unknown } else { Outcome::StartsEmpty };
        Loads { because, by_default, start, ..Loads::unknown(*target) }
    }

    /// Returns what is wrong with the manifest.
    fn manifest(&self) -> Vec<Why> {
        let report = self.report;
        let of_set = |code: &Code| code.as_str().starts_with("manifest-") || *code == Code::AofEmptyStart;
        let codes = report.findings_by_code.iter();
        codes
            .filter(|(code, _)| of_set(code) && code.severity() == Severity::Error)
            .map(|(code, count)| {
                let mut findings = report.findings.iter().filter(|finding| finding.code == *code).peekable();
                let message = findings.peek().map_or_else(|| code.to_string(), |finding| finding.message.clone());
                let lines = findings.filter_map(|finding| finding.line);
                let first = lines.take(Occurrences::MOST).map(|line| Name::Text(format!("line {line}"))).collect();
                Why { reason: Reason::Finding(*code), count: *count, first, message }
            })
            .collect()
    }

    fn names(&self, role: Role) -> Occurrences {
        let mut names = Occurrences::default();
        for part in self.report.parts.iter().filter(|part| part.role == role && part.size.is_some()) {
            names.add(|| Name::Text(part.name.clone()));
        }
        names
    }

    fn deleted(&self) -> Option<Why> {
        let history = self.names(Role::History);
        let message = format!("{} deletes these when it has loaded the others", self.target);
        (history.count > 0).then(|| Why::new(Reason::Deleted, &history, message))
    }

    pub(super) fn surroundings(&mut self) {
        self.databases();
        let (target, settings) = (self.target, self.settings);
        if !target.knows_manifests() {
            return;
        }
        let deleted = self.deleted();
        self.skips.extend(deleted);
        let orphans = self.names(Role::Orphan);
        if orphans.count > 0 {
            let message = "no line of the manifest lists these: they are not loaded".to_owned();
            self.skips.push(Why::new(Reason::Ignored, &orphans, message));
        }
        let single = self.load().shape == Some(Shape::Single);
        let migrates = self.load().next_start == Some(NextStart::Migrates);
        let base = self.report.parts.first().map(|part| part.name.clone()).unwrap_or_default();
        if migrates || single && base == settings.appendfilename {
            let folder = &settings.appenddirname;
            let message = format!("{target} moves the file into the folder {folder} before it loads it");
            self.skips.push(Why { reason: Reason::Moved, count: 1, first: vec![Name::Text(base)], message });
        }
        let load = self.load();
        let (named, looked_for) = if load.prefix != settings.appendfilename {
            (&load.prefix, &settings.appendfilename)
        } else {
            (load.folder.as_ref().unwrap_or(&settings.appenddirname), &settings.appenddirname)
        };
        if !single && named != looked_for {
            let message = format!("the server looks for {looked_for}, and starts with no data where that is not there");
            let first = vec![Name::Text(named.clone())];
            self.skips.push(Why { reason: Reason::Names, count: 1, first, message });
        }
    }

    /// A SELECT that fails is ignored: what follows goes into the database before.
    fn databases(&mut self) {
        let (target, settings) = (self.target, self.settings);
        let most = match settings.cluster_enabled {
            false => settings.databases,
            true if target.product() == Product::Valkey && target.reads_valkey() => settings.cluster_databases,
            true => 1,
        };
        let Some((_, place)) = self.load().largest_db.filter(|(db, _)| *db >= most) else { return };
        let mut beyond = Occurrences::default();
        for (db, commands) in self.facts.databases.range(most..) {
            beyond.add_many(*commands, || Name::Text(format!("database {db}")));
        }
        if beyond.count == 0 {
            beyond.add(|| self.at(place));
        }
        let message = format!(
            "{target} has {most} databases (setting databases): it ignores a SELECT beyond them, and runs these commands in \
             the database before"
        );
        self.drops.push(Why::new(Reason::Databases, &beyond, message));
    }
}
