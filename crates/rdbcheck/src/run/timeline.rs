//! `--timeline`: the timestamps of append-only files, where they are, how much was written between them, and the commands that took
//! much away at once. History files, which a server with `aof-disable-auto-gc yes` keeps, come first: they are older.

use std::io;

use redis_persistence::ReadError;
use redis_persistence::aof::changes::{Change, Changes};
use redis_persistence::aof::dir::Opened;
use redis_persistence::aof::dir::{AofSet, Role, Tree};
use redis_persistence::aof::{Grammar, Image, Reader, Record};
use redis_persistence::verify::{Options, Report};

use crate::outcome::{MOST_CHANGES, Row, Timeline};

/// More rows are brought down by putting two neighbours together, as often as it takes.
const MOST: usize = 1 << 16;

impl Timeline {
    /// Reads the files again that `report` is about, each as far as servers load it, and the history files of the set.
    ///
    /// # Errors
    /// If a file cannot be read any more.
    pub fn of<T: Tree>(tree: &mut T, set: &AofSet, report: &Report, options: &Options) -> io::Result<Self> {
        let mut timeline = Self::default();
        // The manifest lists the newest one first.
        let history = set.parts.iter().enumerate().rev().filter(|(_, part)| part.role == Role::History);
        for (number, part) in history {
            // Nothing needs them: one that is gone is no error.
            let Some(size) = part.size() else { continue };
            let Opened::File { file, .. } = tree.open(&part.path)? else { continue };
            let reader = match Reader::behind_image(file, Grammar::Loader) {
                Ok(reader) => reader.with_limits(&options.limits).seeking(),
                Err(ReadError::Io(error)) => return Err(error),
                Err(ReadError::Parse(_)) => continue,
            };
            let image = reader.image();
            if let Some(Image { end: bytes, made, .. }) = image {
                let (offset, commands, stamps) = (0, 0, 0);
                timeline.push(Row { part: number, offset, bytes, timestamp: made, commands, stamps, image: true });
            }
            timeline.records(number, (image.map_or(0, |image| image.end), size), reader)?;
        }
        for (number, (part, of)) in report.parts.iter().zip(&set.parts).enumerate() {
            let Some(end) = part.loads_up_to else { continue };
            let Opened::File { file, .. } = tree.open(&of.path)? else { continue };
            let start = part.preamble_end.unwrap_or(0);
            let reader = Reader::at(file, Grammar::Loader, start)?.with_limits(&options.limits);
            timeline.records(number, (start, end), reader)?;
        }
        Ok(timeline)
    }

    fn records<R: io::Read>(&mut self, part: usize, (start, end): (u64, u64), mut reader: Reader<R>) -> io::Result<()> {
        let mut row = Row { part, offset: start, bytes: 0, timestamp: None, commands: 0, stamps: 0, image: false };
        let mut changes = Changes::default();
        loop {
            let line = reader.parser().line_ends() + 1;
            let record = match reader.next_record() {
                Ok(Some(record)) if record.end() <= end => record,
                Ok(_) | Err(ReadError::Parse(_)) => break,
                Err(ReadError::Io(error)) => return Err(error),
            };
            for change in changes.feed(&record, line).into_iter().flatten() {
                self.change(part, change);
            }
            match record {
                Record::Annotation(stamp) if stamp.timestamp().is_some() => {
                    let next =
                        Row { offset: stamp.start(), timestamp: stamp.timestamp(), commands: 0, stamps: 1, ..row };
                    row.bytes = stamp.start() - row.offset;
                    self.push(std::mem::replace(&mut row, next));
                }
                Record::Annotation(_) => {}
                Record::Command(_) => row.commands += 1,
            }
        }
        if let Some(change) = changes.end() {
            self.change(part, change);
        }
        row.bytes = end.saturating_sub(row.offset);
        self.push(row);
        Ok(())
    }

    fn change(&mut self, part: usize, change: Change) {
        if self.changes.len() < MOST_CHANGES {
            self.changes.push((part, change));
        } else {
            self.more_changes += 1;
        }
    }

    fn push(&mut self, row: Row) {
        if row.bytes > 0 {
            self.rows.push(row);
        }
        // A row for each file stays, whatever their number.
        if self.rows.len() >= MOST.max(self.thinned * 2) {
            self.thin();
            self.thinned = self.rows.len();
        }
    }

    /// Puts two rows of a file together, everywhere.
    fn thin(&mut self) {
        let mut thin: Vec<Row> = Vec::with_capacity(self.rows.len() / 2 + 1);
        let mut single = false;
        for row in self.rows.drain(..) {
            match thin.last_mut() {
                Some(last) if single && last.part == row.part && last.timestamp.is_some() && !last.image => {
                    last.bytes += row.bytes;
                    last.commands += row.commands;
                    last.stamps += row.stamps;
                    single = false;
                }
                _ => {
                    thin.push(row);
                    single = true;
                }
            }
        }
        self.rows = thin;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(data: &[u8]) -> io::Result<Timeline> {
        let mut timeline = Timeline::default();
        timeline.records(0, (0, data.len() as u64), Reader::new(data, Grammar::Loader))?;
        Ok(timeline)
    }

    #[test]
    fn rows_cover_the_file() -> io::Result<()> {
        let timeline =
            read(b"*1\r\n$4\r\nPING\r\n#TS:10\r\n#other\r\n#TS:20\r\n*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nPING\r\n")?;
        let rows: Vec<_> =
            timeline.rows.iter().map(|row| (row.offset, row.bytes, row.timestamp, row.commands)).collect();
        assert_eq!(rows, [(0, 14, None, 1), (14, 16, Some(10), 0), (30, 36, Some(20), 2)]);
        Ok(())
    }

    #[test]
    fn a_flood_of_stamps_is_put_together() -> io::Result<()> {
        let mut data = Vec::new();
        for time in 0..3 * MOST {
            data.extend_from_slice(format!("#TS:{time}\r\n*1\r\n$4\r\nPING\r\n").as_bytes());
        }
        let timeline = read(&data)?;
        assert!(timeline.rows.len() < MOST);
        assert_eq!(timeline.rows.iter().map(|row| row.stamps).sum::<u64>(), 3 * MOST as u64);
        assert_eq!(timeline.rows.iter().map(|row| row.bytes).sum::<u64>(), data.len() as u64);
        assert!(timeline.rows.windows(2).all(|pair| pair[0].offset + pair[0].bytes == pair[1].offset));
        Ok(())
    }
}
