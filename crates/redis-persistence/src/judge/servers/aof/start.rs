//! Which files of its directory a start reads, which it may not, and which go later without having been read.
//!
//! ```text
//! appendonly   from 7.0 on                              before
//! yes          the manifest and what it lists, or the   the old-style file
//!              old-style file, which it moves in
//! no           the manifest, without what it lists;     the RDB
//!              the RDB
//! ```
//! A rewrite makes a base and, if append-only files are on, an incremental file of the next numbers, whatever lies there under their
//! names; what the manifest lists before it is deleted then.

use super::Case;
use crate::aof::dir::{Guarded, NextStart, Role, Shape, UnreadKind};
use crate::judge::servers::answer::{Moment, Overwrite, Reason, StartFiles, Why};
use crate::judge::servers::loss_window;
use crate::report::{Name, UnreadContent, UnreadFacts};

impl Case<'_> {
    pub(super) fn unread_of(&self, kind: UnreadKind) -> Option<&UnreadFacts> {
        self.load().unread.iter().find(|unread| unread.kind == kind)
    }

    /// Returns the RDB under the name that the server gives it.
    pub(super) fn dump(&self) -> Option<&UnreadFacts> {
        self.unread_of(UnreadKind::Dump).filter(|dump| dump.name == self.settings.dbfilename)
    }

    fn migrates(&self) -> bool {
        self.load().next_start == Some(NextStart::Migrates)
    }

    fn is_single(&self) -> bool {
        self.load().shape == Some(Shape::Single)
    }

    /// Why the user of the server cannot start it on these files.
    pub(super) fn denied(&self) -> Option<Why> {
        let access = self.load().access.as_ref()?;
        let (target, off) = (self.target, self.settings.appendonly == Some(false));
        let may = |what| access.of(what).map(|denied| denied.may);
        let cannot_read = |what| may(what).is_some_and(|may| !may.read);
        let cannot_write = |what| may(what).is_some_and(|may| !may.write);
        let cannot_enter = |what| may(what).is_some_and(|may| !may.enter);
        let first =
            |whats: &[Guarded], cannot: &dyn Fn(Guarded) -> bool| whats.iter().copied().find(|what| cannot(*what));
        let folder_is_shut = cannot_enter(Guarded::Folder);
        // Where a start makes files, and in which folder.
        let makes_in = if self.load().has_folder { Guarded::Folder } else { Guarded::Directory };
        let has_incr = self.report.parts.iter().any(|part| part.role == Role::Incr);
        let what = if cannot_enter(Guarded::Directory) {
            Some(Guarded::Directory)
        } else if !target.knows_manifests() {
            let has_old = self.is_single() || self.migrates() || self.unread_of(UnreadKind::OldStyle).is_some();
            match (off, has_old) {
                (true, _) => self.dump().and_then(|_| first(&[Guarded::Dump], &cannot_read)),
                (false, true) => first(&[Guarded::OldStyle], &|what| cannot_read(what) || cannot_write(what)),
                (false, false) => first(&[Guarded::Directory], &cannot_write),
            }
        } else if self.elsewhere().is_some() {
            // What lies there under other names does not matter to it.
            match off {
                true => self.dump().and_then(|_| first(&[Guarded::Dump], &cannot_read)),
                false if self.load().folder.as_ref() == Some(&self.settings.appenddirname) => {
                    first(&[makes_in, Guarded::Directory], &cannot_write)
                }
                false => first(&[Guarded::Directory], &cannot_write),
            }
        } else if !folder_is_shut && cannot_read(Guarded::Manifest) {
            Some(Guarded::Manifest)
        } else if off {
            self.dump().and_then(|_| first(&[Guarded::Dump], &cannot_read))
        } else if folder_is_shut {
            Some(Guarded::Folder)
        } else if self.is_single() || self.migrates() {
            first(&[Guarded::OldStyle], &cannot_read)
                .or_else(|| first(&[makes_in, Guarded::Directory, Guarded::NextIncr], &cannot_write))
                .or_else(|| first(&[Guarded::Folder], &cannot_read))
        } else if self.load().next_start == Some(NextStart::LoadsManifest) {
            first(&[Guarded::Base, Guarded::Incr, Guarded::LastIncr], &cannot_read).or_else(|| match has_incr {
                true => first(&[Guarded::LastIncr], &cannot_write),
                false => first(&[Guarded::Folder, Guarded::NextIncr], &cannot_write),
            })
        } else {
            first(&[makes_in, Guarded::Directory, Guarded::NextIncr], &cannot_write)
                .or_else(|| first(&[Guarded::Folder], &cannot_read))
        };
        let denied = access.of(what?)?;
        let (cannot, _) = denied.effect().unwrap_or(("write to it", ""));
        let (uid, gid) = access.user;
        let message = format!("{target} does not start: as {uid}:{gid}, the owner of its folder, it cannot {cannot}");
        let first = vec![Name::Text(denied.path.display().to_string())];
        Some(Why { reason: Reason::Access, count: 1, first, message })
    }

    /// Why the server finds nothing where its configuration says: what lies there has other names.
    pub(super) fn elsewhere(&self) -> Option<Why> {
        let (load, settings) = (self.load(), self.settings);
        let single = self.is_single();
        let named = |given, is: Option<&String>, wanted: &String| is.filter(|is| given && *is != wanted).cloned();
        let prefix = named(
            settings.given.appendfilename && (load.in_directory || !single),
            Some(&load.prefix),
            &settings.appendfilename,
        );
        let folder = named(
            settings.given.appenddirname && load.in_directory && !single,
            load.folder.as_ref(),
            &settings.appenddirname,
        );
        let setting = match (&prefix, &folder) {
            (Some(_), _) => format!("appendfilename {}", settings.appendfilename),
            (None, Some(_)) => format!("appenddirname {}", settings.appenddirname),
            (None, None) => return None,
        };
        let files = self.report.parts.iter().filter(|part| part.role.is_loaded() || part.role == Role::Orphan);
        if !files.into_iter().any(|part| part.size.is_some()) {
            return None;
        }
        let mut holds = Vec::new();
        if self.report.counts.keys > 0 {
            holds.push(format!("{} keys", self.report.counts.keys));
        }
        if self.facts.commands > 0 {
            holds.push(format!("{} commands", self.facts.commands));
        }
        let holds = if holds.is_empty() { String::new() } else { format!(" ({})", holds.join(", ")) };
        let message = format!(
            "{setting}: {} starts with no data, and does not read what lies there under another name{holds}",
            self.target
        );
        Some(Why {
            reason: Reason::Names,
            count: 1,
            first: prefix.or(folder).map(Name::Text).into_iter().collect(),
            message,
        })
    }

    /// Returns the files that a start loads, from the server's directory.
    pub(super) fn loaded(&self) -> Vec<String> {
        let loaded = self.report.parts.iter().filter(|part| part.role.is_loaded() && part.size.is_some());
        let inside = |part: &crate::report::Part| {
            let moved = part.role == Role::Base && self.migrates();
            if moved || self.is_single() { part.name.clone() } else { self.below(&part.name) }
        };
        loaded.map(inside).collect()
    }

    fn below(&self, name: &str) -> String {
        format!("{}/{name}", self.load().folder.as_ref().unwrap_or(&self.settings.appenddirname))
    }

    /// Returns a start that reads what the report is about.
    pub(super) fn start_files(&self, reads: Vec<String>) -> StartFiles {
        let (keys, commands) = if reads.is_empty() { (0, 0) } else { (self.report.counts.keys, self.facts.commands) };
        let size = if reads.is_empty() { 0 } else { self.report.size };
        self.files_of(reads, Some(keys), commands, size)
    }

    /// Returns a start that reads a file which is not part of the set.
    pub(super) fn start_with(&self, file: Option<&UnreadFacts>) -> StartFiles {
        let content = file.map(|file| file.content.as_ref());
        let keys = content.map_or(Some(0), |content| content.map(|content: &UnreadContent| content.keys));
        let commands = content.flatten().map_or(0, |content| content.commands);
        let size = file.map_or(0, |file| file.size);
        self.files_of(file.map(|file| file.name.clone()).into_iter().collect(), keys, commands, size)
    }

    fn files_of(&self, reads: Vec<String>, keys: Option<u64>, commands: u64, size: u64) -> StartFiles {
        let mut overwrites = Vec::new();
        let mut goes = |file: String, at| {
            if !reads.contains(&file) && overwrites.iter().all(|other: &Overwrite| other.file != file) {
                overwrites.push(Overwrite { file, at });
            }
        };
        let dump = self.dump().filter(|dump| dump.size > 0);
        let off = self.settings.appendonly == Some(false);
        if self.target.knows_manifests() {
            self.numbered(off, &mut goes);
        } else if off {
            let old =
                self.report.parts.iter().filter(|part| part.size > Some(0) && (self.is_single() || self.migrates()));
            let old = old.into_iter().find(|part| part.role == Role::Base).map(|part| part.name.clone());
            let old = old.or_else(|| self.unread_of(UnreadKind::OldStyle).map(|old| old.name.clone()));
            old.filter(|old| *old == self.settings.appendfilename)
                .into_iter()
                .for_each(|old| goes(old, Moment::Rewrite));
        }
        dump.into_iter().for_each(|dump| goes(dump.name.clone(), Moment::Save));
        overwrites.sort_by_key(|overwrite| overwrite.at);
        let seconds = StartFiles::estimate(size, keys.unwrap_or(0), commands);
        let loss = if self.settings.appendonly.is_some() { loss_window(self.settings) } else { Vec::new() };
        StartFiles { reads, keys, commands, overwrites, seconds, loss }
    }

    /// What goes in the folder of the parts.
    fn numbered(&self, off: bool, goes: &mut impl FnMut(String, Moment)) {
        let (load, prefix) = (self.load(), &self.settings.appendfilename);
        if self.elsewhere().is_some() {
            return;
        }
        let there = |name: &String| {
            self.report.parts.iter().any(|part| part.role == Role::Orphan && part.name == *name && part.size > Some(0))
        };
        let ending = if self.settings.aof_use_rdb_preamble { "rdb" } else { "aof" };
        let base = |number: i64| format!("{prefix}.{number}.base.{ending}");
        let incr = |number: i64| format!("{prefix}.{number}.incr.aof");
        let (mut next_base, mut next_incr) = load.next_numbers;
        let mut names = Vec::new();
        if !off {
            let parts = &self.report.parts;
            for part in parts.iter().filter(|part| part.role == Role::History && part.size > Some(0)) {
                goes(self.below(&part.name), Moment::Start);
            }
            match load.next_start {
                // The old-style file gets the first number.
                _ if self.is_single() || self.migrates() => next_base = 2,
                Some(NextStart::Empty { .. }) => {
                    names.push((base(next_base), Moment::Start));
                    next_base = next_base.saturating_add(1);
                }
                _ => {}
            }
            if !parts.iter().any(|part| part.role == Role::Incr) {
                names.push((incr(next_incr), Moment::Start));
                next_incr = next_incr.saturating_add(1);
            }
            names.push((incr(next_incr), Moment::Rewrite));
        }
        names.push((base(next_base), Moment::Rewrite));
        for (name, at) in names.into_iter().filter(|(name, _)| there(name)) {
            goes(self.below(&name), at);
        }
        if off && !load.manifest_is_bad {
            let listed =
                self.report.parts.iter().filter(|part| part.size > Some(0) && !self.migrates() && !self.is_single());
            for part in listed.filter(|part| part.role.is_loaded() || part.role == Role::History) {
                goes(self.below(&part.name), Moment::Rewrite);
            }
        }
    }
}
