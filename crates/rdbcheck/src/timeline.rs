//! `--timeline`: the timestamps of append-only files, where they are, and how much was written between them.

use std::io::{self, Seek as _, SeekFrom};

use redis_persistence::ReadError;
use redis_persistence::aof::dir::{AofSet, Tree};
use redis_persistence::aof::official::Opened;
use redis_persistence::aof::{Grammar, Parser, Reader, Record};
use redis_persistence::verify::{Options, Report};

/// More rows are brought down by putting two neighbours together, as often as it takes.
const MOST: usize = 1 << 16;

/// The timestamps of a file or a set, in the order of the records.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Timeline {
    /// One row for each stretch of records.
    pub rows: Vec<Row>,
    /// How many rows there were when they were last brought down.
    thinned: usize,
}

/// What was written from a timestamp on up to the next one, or up to the first one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The file's number among the parts of the report.
    pub part: usize,
    /// Where the stretch begins: at its timestamp, or where the records of the file begin.
    pub offset: u64,
    /// How many bytes it has.
    pub bytes: u64,
    /// The timestamp, in seconds since the epoch; `None` for what stands before the first one of a file.
    pub timestamp: Option<i64>,
    /// How many commands it has.
    pub commands: u64,
    /// How many timestamps it has: more than one where there are too many for a row each.
    pub stamps: u64,
}

impl Timeline {
    /// Reads the files again that `report` is about, each as far as servers load it.
    ///
    /// # Errors
    /// If a file cannot be read any more.
    pub fn of<T: Tree>(tree: &mut T, set: &AofSet, report: &Report, options: &Options) -> io::Result<Self> {
        let mut timeline = Self::default();
        for (number, (part, of)) in report.parts.iter().zip(&set.parts).enumerate() {
            let Some(end) = part.loads_up_to else { continue };
            let Opened::File { mut file, .. } = tree.open(&of.path)? else { continue };
            let start = part.preamble_end.unwrap_or(0);
            file.seek(SeekFrom::Start(start))?;
            let parser = Parser::at(Grammar::Loader, start);
            let mut reader = Reader::with_parser(file, parser).with_limits(&options.limits).seeking();
            timeline.records(number, (start, end), &mut reader)?;
        }
        Ok(timeline)
    }

    fn records<R: io::Read>(
        &mut self,
        part: usize,
        (start, end): (u64, u64),
        reader: &mut Reader<R>,
    ) -> io::Result<()> {
        let mut row = Row { part, offset: start, bytes: 0, timestamp: None, commands: 0, stamps: 0 };
        loop {
            let record = match reader.next_record() {
                Ok(Some(record)) if record.end() <= end => record,
                Ok(_) | Err(ReadError::Parse(_)) => break,
                Err(ReadError::Io(error)) => return Err(error),
            };
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
        row.bytes = end.saturating_sub(row.offset);
        self.push(row);
        Ok(())
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
                Some(last) if single && last.part == row.part && last.timestamp.is_some() => {
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
        timeline.records(0, (0, data.len() as u64), &mut Reader::new(data, Grammar::Loader))?;
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
