//! Files with data that the next start leaves alone: what they hold, and whether that is worth a word.
//!
//! Nothing is said of a dump beside a set that holds as much: servers leave one there at every save.

use std::io::{self, Seek, SeekFrom};

use super::{Run, set_in};
use crate::aof::dir::Opened;
use crate::aof::dir::{self, NextStart, Tree, Unread, UnreadKind};
use crate::base::source::Clamped;
use crate::report::codes::Code;
use crate::report::facts::{UnreadContent, UnreadFacts};
use crate::report::{Report, Verdict};
use crate::verify::drive;

/// Beside a set that is loaded, a larger file is only read if it is larger than the set: otherwise it hardly holds more.
const SMALL: u64 = 64 << 20;

/// Why a file that is not read is worth a word.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Because {
    StartsEmpty,
    /// An old-style file cannot be moved to where it lies.
    InTheWay,
    Refuses,
    SetIsEmpty,
    /// It may be newer than the set, and hold more.
    MayBeNewer,
}

impl<T: Tree> Run<'_, T> {
    /// Looks into them where the set holds nothing, or is not loaded, or may be older.
    pub(super) fn unread(&mut self) -> io::Result<()> {
        self.log.next_file(None);
        let set = self.set;
        for unread in &set.unread {
            let because = self.because(unread);
            // A server that reads no append-only files reads the dump; one that knows no manifest, the old-style file.
            let is_read = match unread.kind {
                UnreadKind::Dump => set.appendonly == Some(false),
                kind => kind == UnreadKind::OldStyle && unread.size <= SMALL,
            };
            let content = if because.is_some() || is_read { self.unread_content(unread)? } else { None };
            if let (Some(because), Some(content)) = (because, &content) {
                self.say_unread(unread, content, because);
            }
            self.facts.load.unread.push(UnreadFacts {
                kind: unread.kind,
                name: unread.name.escape_ascii().to_string(),
                size: unread.size,
                modified: unread.modified,
                content,
            });
        }
        Ok(())
    }

    fn keys(&self) -> u64 {
        self.image.as_ref().map_or(0, |image| image.counts.keys)
    }

    fn because(&mut self, unread: &Unread) -> Option<Because> {
        let is_orphan = unread.kind == UnreadKind::Orphan;
        match self.set.next_start {
            NextStart::Empty { .. } => Some(Because::StartsEmpty),
            _ if is_orphan => None,
            NextStart::Migrates if unread.kind == UnreadKind::OldStyleInFolder => Some(Because::InTheWay),
            NextStart::Refuses => Some(Because::Refuses),
            _ if self.keys() == 0 && self.facts.commands == 0 => Some(Because::SetIsEmpty),
            _ => {
                let loaded = self.set.parts.iter().filter(|part| part.role.is_loaded() && part.size().is_some());
                let newest = loaded.filter_map(|part| self.tree.modified(&part.path)).max();
                let newer = newest.zip(unread.modified).is_some_and(|(set, file)| file > set);
                let size: u64 =
                    self.parts.iter().filter(|part| part.role.is_loaded()).filter_map(|part| part.size).sum();
                (newer && (unread.size <= SMALL || unread.size > size)).then_some(Because::MayBeNewer)
            }
        }
    }

    /// Returns what is in such a file; nothing if it is gone by now, or may not be read.
    fn unread_content(&mut self, unread: &Unread) -> io::Result<Option<UnreadContent>> {
        let report = if unread.kind == UnreadKind::Dump {
            let Ok(Opened::File { file, size }) = self.tree.open(&unread.path) else { return Ok(None) };
            let mut input = Clamped::new(file, size);
            input.seek(SeekFrom::Start(0))?;
            let (report, _) = match T::at_places(input.file()) {
                Some(file) => drive::image_at(&Clamped::at_places(file, size), size, self.options)?,
                None => drive::image(&mut input, size, self.options)?,
            };
            report
        } else {
            match set_in(self.tree, &dir::single(&unread.path, unread.size), self.options, self.sizes) {
                Ok(report) => report,
                Err(_) => return Ok(None),
            }
        };
        let Report { verdict, counts, aof, rdb, format, .. } = report;
        Ok(Some(UnreadContent {
            is_sound: verdict == Verdict::Sound,
            keys: counts.keys,
            commands: aof.map_or(0, |facts| facts.commands),
            written: format.and_then(|format| format.created),
            rdb: rdb.map(Box::new),
        }))
    }

    fn say_unread(&mut self, unread: &Unread, content: &UnreadContent, because: Because) {
        // Orphans have a finding of their own.
        if unread.kind == UnreadKind::Orphan || !content.holds_data() && because != Because::InTheWay {
            return;
        }
        let (keys, commands) = (self.keys(), self.facts.commands);
        let file = format!("{}, {} bytes, {}", unread.name.escape_ascii(), unread.size, content.describe());
        let what = match because {
            _ if unread.kind == UnreadKind::Dump && unread.size == 0 => {
                "no server writes one of 0 bytes: a volume or a copy has lost its data"
            }
            Because::StartsEmpty if unread.kind == UnreadKind::Dump => {
                "with appendonly yes the next start begins with no data, and its first save writes over this file"
            }
            Because::StartsEmpty => "the next start begins with no data",
            Because::InTheWay => {
                "servers from 7.0 on abort, because the old-style file above would have to be moved to where it lies"
            }
            Because::Refuses => "see whether it holds what the set has lost",
            Because::SetIsEmpty => "the set that is read holds no data",
            Because::MayBeNewer if content.keys > keys.saturating_add(commands) || content.commands > commands => {
                "it is newer than the set that is read, and holds more"
            }
            Because::MayBeNewer => return,
        };
        self.log.note(Code::AofDataNotRead, || format!("{file}, is not read: {what}"));
    }
}
