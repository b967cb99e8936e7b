//! Records that are left out of a salvage because somebody does not want them: a FLUSHALL, a DEL that was a mistake.

use std::fs::File;
use std::io;

use super::{Account, Keep, Salvage, SalvagedFile, Skip, SkipKind};
use crate::ReadError;
use crate::aof::{Grammar, Reader, Record};

impl Salvage {
    /// Leaves out the records that begin at these bytes of a file: the one of that name, or the last one. What cannot be left out
    /// is a reason to write nothing.
    ///
    /// # Errors
    /// If the file cannot be read any more.
    pub fn leave_out(&mut self, name: Option<&[u8]>, bytes: &[u64]) -> io::Result<()> {
        if bytes.is_empty() || !self.reasons.is_empty() {
            return Ok(());
        }
        let file = match name {
            Some(name) => self.files.iter_mut().find(|file| file.name == name),
            None => self.files.last_mut(),
        };
        let Some(file) = file else {
            let name = name.unwrap_or_default().escape_ascii();
            self.reasons.push(format!("servers load no file of the name {name}"));
            return Ok(());
        };
        for at in bytes {
            if let Err(why) = file.leave_out(*at)? {
                self.reasons.push(format!("{}: {why}", file.name.escape_ascii()));
            }
        }
        Ok(())
    }
}

impl SalvagedFile {
    fn leave_out(&mut self, at: u64) -> io::Result<Result<(), String>> {
        if self.line_ends.is_some() {
            return Ok(Err("its line ends are mended, and nothing can be left out of it: salvage it first".to_owned()));
        }
        let kept = self.account.kept.iter().position(|keep| (keep.start..keep.end).contains(&at));
        let Some(place) = kept else {
            return Ok(Err(format!("no record that is kept begins at byte {at}")));
        };
        let start = self.account.kept[place].start;
        let mut reader = Reader::at(File::open(&self.seen.path)?, Grammar::Loader, start)?;
        loop {
            let record = match reader.next_record() {
                Ok(Some(record)) if record.start() <= at => record,
                Ok(_) | Err(ReadError::Parse(_)) => return Ok(Err(format!("no record begins at byte {at}"))),
                Err(ReadError::Io(error)) => return Err(error),
            };
            if record.start() != at {
                continue;
            }
            let Record::Command(command) = &record else {
                return Ok(Err(format!("an annotation begins at byte {at}, and no command")));
            };
            if let Some(name) = ["SELECT", "MULTI", "EXEC"].iter().find(|name| command.is(name.as_bytes())) {
                return Ok(Err(format!(
                    "{name} begins at byte {at}: without it other commands would mean something else"
                )));
            }
            self.account.split(place, (at, record.end()));
            return Ok(Ok(()));
        }
    }
}

impl Account {
    /// Takes one command out of a range that is kept.
    fn split(&mut self, place: usize, (from, to): (u64, u64)) {
        let Keep { start, end, select } = self.kept[place];
        let before = (start < from).then_some(Keep { start, end: from, select });
        // The SELECT stands in front of what is kept first.
        let behind = (to < end).then_some(Keep { start: to, end, select: select.filter(|_| before.is_none()) });
        self.kept.splice(place..=place, before.into_iter().chain(behind));
        self.kept_commands = self.kept_commands.saturating_sub(1);
        self.skipped_commands += 1;
        let skip = Skip { start: from, end: to, kind: SkipKind::LeftOut, commands: 1 };
        let at = self.skipped.partition_point(|other| other.start < from);
        self.skipped.insert(at, skip);
    }
}
