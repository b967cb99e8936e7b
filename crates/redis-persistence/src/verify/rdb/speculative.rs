//! Records found and checked in the middle of a file, before it is known that they begin there.
//!
//! ```text
//! block  [ ..rest of a record | records ........ | start of one.. ]
//!                             ^ guessed: several records follow one another from here
//! ```
//!
//! Whoever reads a block guesses where its first whole record begins, and checks what follows at once, as a batch. The walk
//! takes that over only if it comes to that very byte, in the same database and slot: then it is the batch that it would
//! have cut there. Otherwise it is dropped. So a wrong guess costs time and nothing else.

use super::RdbVerifier;
use super::batch::{Batch, Surroundings};
use crate::rdb::{Extent, RecordSkipper};
use crate::verify::duplicates::Table;

/// This many bytes are tried for the start of a record: collections of some kilobytes are common.
const TRIED: usize = 16 << 10;
/// This many records have to follow one another, with this many bytes.
const LEAST: Extent = Extent { len: 512, keys: 4, expires: 0 };

/// Records that were checked on the guess that they are some.
#[derive(Debug)]
pub(crate) struct SpeculativeBatch {
    /// Where they begin in the file.
    pub(crate) start: u64,
    pub(crate) extent: Extent,
    around: Surroundings,
    pub(crate) batch: Batch,
    /// The names of their keys.
    pub(crate) names: Table,
}

impl SpeculativeBatch {
    /// Returns whether it is about records that belong to this.
    pub(crate) fn is_within(&self, around: &Surroundings) -> bool {
        self.around.is_same_place(around)
    }
}

impl RdbVerifier {
    /// Guesses where records begin in a block at `offset`, and checks them. `names` is an empty table for the names of their
    /// keys.
    pub(crate) fn guess(
        &mut self,
        block: &[u8],
        offset: u64,
        around: Surroundings,
        skipper: &RecordSkipper,
        names: Table,
    ) -> Option<SpeculativeBatch> {
        let begin = first_record(block, skipper)?;
        let (bytes, start) = (&block[begin..], offset + begin as u64);
        let others = std::mem::replace(&mut self.keys.table, names);
        self.begin_batch(around);
        let (len, failed) = self.records_in(bytes, start, around.header, skipper);
        let batch = self.end_batch(failed);
        let mut names = std::mem::replace(&mut self.keys.table, others);
        names.pack();
        let (keys, expires) = batch.counted();
        (batch.failed.is_none()).then_some(SpeculativeBatch {
            start,
            extent: Extent { len, keys, expires },
            around,
            batch,
            names,
        })
    }
}

/// Returns where records seem to begin.
fn first_record(block: &[u8], skipper: &RecordSkipper) -> Option<usize> {
    (0..TRIED.min(block.len())).find(|&at| {
        let mut run = skipper.records(&block[at..], LEAST.len);
        while run.len > 0 && run.keys < LEAST.keys {
            let more = skipper.records(&block[at + run.len..], 1);
            if more.len == 0 {
                return false;
            }
            run.len += more.len;
            run.keys += more.keys;
        }
        run.len >= LEAST.len.min(block.len() / 4)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rdb::{Payload, events};
    use testkit::rdb::{Family, File, Key, Value};

    fn file() -> Vec<u8> {
        let mut file = File::new(Family::Redis, 11);
        for i in 0..2000 {
            let name = format!("key:{i}");
            let value = if i % 3 == 0 {
                Value::String(b"some value".to_vec())
            } else {
                Value::String(name.repeat(i % 9).into_bytes())
            };
            file.keys.push(Key::new(name.as_bytes(), value));
        }
        file.encode().bytes
    }

    #[test]
    fn records_are_found_from_any_byte() -> Result<(), crate::Error> {
        let bytes = file();
        let (mut starts, mut header) = (Vec::new(), None);
        for event in events(&bytes) {
            let event = event?;
            match event.payload {
                Payload::Header(found) => header = Some(found),
                Payload::Record(_) => starts.push(event.start),
                _ => {}
            }
        }
        let skipper = RecordSkipper::new(header.expect("a header"));
        let (mut tried, mut right) = (0, 0);
        for from in (starts[0]..starts[starts.len() - 100]).step_by(7) {
            let at = usize::try_from(from).expect("a small file");
            let found = first_record(&bytes[at..], &skipper).expect("records follow");
            let next = starts[starts.partition_point(|start| *start < from)];
            tried += 1;
            right += u64::from(from + found as u64 == next);
        }
        assert!(tried > 1000 && right * 100 > tried * 98, "{right} of {tried}");
        Ok(())
    }

    #[test]
    fn nothing_is_found_where_there_are_no_records() {
        let bytes = file();
        let header = events(&bytes).next().and_then(Result::ok).map(|event| event.payload);
        let Some(Payload::Header(header)) = header else { panic!("a header") };
        let skipper = RecordSkipper::new(header);
        assert_eq!(first_record(&b"plain text ".repeat(1000), &skipper), None);
        assert_eq!(first_record(&[], &skipper), None);
        assert_eq!(first_record(&[0; 8000], &skipper), None);
    }
}
