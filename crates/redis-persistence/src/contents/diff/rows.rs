//! Keys as rows of a temporary file, sorted within a budget of memory.
//!
//! Keys as rows of a temporary file, in the order of the result: database, name, side.
//!
//! Sorts rows within a budget of memory: what does not fit is sorted in runs that lie in temporary files.

use super::Entry;
use crate::report::SpillTo;
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek as _, Write};
use xxhash_rust::xxh3::xxh3_128;

/// One of the two files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// The first one.
    First,
    /// The second one.
    Second,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) db: u64,
    pub(super) name: Vec<u8>,
    pub(super) side: Side,
    pub(super) entry: Entry,
}

impl PartialOrd for Row {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Row {
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |row: &Self| (row.db, row.side);
        self.db.cmp(&other.db).then_with(|| self.name.cmp(&other.name)).then_with(|| key(self).cmp(&key(other)))
    }
}

impl Row {
    pub(super) fn is_same_key(&self, other: &Self) -> bool {
        self.db == other.db && self.name == other.name
    }

    /// Returns how much memory it takes.
    pub(super) fn weight(&self) -> usize {
        size_of::<Self>() + self.name.capacity()
    }

    /// Returns a number for all that is compared.
    pub(super) fn sum(&self) -> u128 {
        let mut bytes = [0; 41];
        bytes[..32].copy_from_slice(&self.entry.hash);
        bytes[32] = u8::from(self.entry.expires_ms.is_some());
        bytes[33..].copy_from_slice(&self.entry.expires_ms.unwrap_or(0).to_le_bytes());
        xxh3_128(&bytes)
    }

    pub(super) fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let Entry { type_name, elements, expires_ms, hash } = &self.entry;
        let numbers = [self.db, self.name.len() as u64, *elements, expires_ms.unwrap_or(0).cast_unsigned()];
        numbers.iter().try_for_each(|number| to.write_all(&number.to_le_bytes()))?;
        let kind = KINDS.iter().position(|kind| kind == type_name).and_then(|at| u8::try_from(at).ok()).unwrap_or(0);
        to.write_all(&[u8::from(self.side == Side::Second), u8::from(expires_ms.is_some()), kind])?;
        to.write_all(hash)?;
        to.write_all(&self.name)
    }

    /// Reads the next row; `None` at the end.
    pub(super) fn read(from: &mut impl Read) -> io::Result<Option<Self>> {
        let mut first = [0; 8];
        match from.read(&mut first[..1])? {
            0 => return Ok(None),
            _ => from.read_exact(&mut first[1..])?,
        }
        let mut number = || -> io::Result<u64> {
            let mut bytes = [0; 8];
            from.read_exact(&mut bytes)?;
            Ok(u64::from_le_bytes(bytes))
        };
        let (len, elements, expires) = (number()?, number()?, number()?);
        let (mut marks, mut hash) = ([0; 3], [0; 32]);
        from.read_exact(&mut marks)?;
        from.read_exact(&mut hash)?;
        let mut name = vec![0; usize::try_from(len).map_err(io::Error::other)?];
        from.read_exact(&mut name)?;
        let [second, expiring, kind] = marks;
        Ok(Some(Self {
            db: u64::from_le_bytes(first),
            name,
            side: if second == 0 { Side::First } else { Side::Second },
            entry: Entry {
                type_name: KINDS.get(usize::from(kind)).copied().unwrap_or_default(),
                elements,
                expires_ms: (expiring != 0).then_some(expires.cast_signed()),
                hash,
            },
        }))
    }
}

/// The names of all types.
const KINDS: [&str; 8] = ["string", "list", "set", "zset", "hash", "stream", "array", "module"];

/// This many runs are read at once; more are put together first.
const RUNS: usize = 64;

#[derive(Debug)]
pub(super) struct Sorter {
    rows: Vec<Row>,
    weight: usize,
    memory: usize,
    spill: SpillTo,
    runs: Vec<File>,
}

impl Sorter {
    pub(super) fn new(memory: usize, spill: SpillTo) -> Self {
        Self { rows: Vec::new(), weight: 0, memory, spill, runs: Vec::new() }
    }

    /// Adds a row.
    ///
    /// # Errors
    /// If there is no room in the temporary file.
    pub(super) fn add(&mut self, row: Row) -> io::Result<()> {
        self.weight += row.weight();
        self.rows.push(row);
        if self.weight > self.memory {
            self.end_run()?;
        }
        Ok(())
    }

    fn end_run(&mut self) -> io::Result<()> {
        self.rows.sort_unstable();
        let mut out = BufWriter::new(self.spill.open()?);
        for row in self.rows.drain(..) {
            row.write(&mut out)?;
        }
        self.weight = 0;
        self.runs.push(finished(out)?);
        if self.runs.len() == RUNS {
            let mut out = BufWriter::new(self.spill.open()?);
            merge(std::mem::take(&mut self.runs), &mut |row| row.write(&mut out))?;
            self.runs.push(finished(out)?);
        }
        Ok(())
    }

    /// Hands out all rows in their order.
    ///
    /// # Errors
    /// If the temporary files cannot be read; what `sink` says.
    pub(super) fn into_sorted(mut self, sink: &mut dyn FnMut(Row) -> io::Result<()>) -> io::Result<()> {
        if self.runs.is_empty() {
            self.rows.sort_unstable();
            return self.rows.into_iter().try_for_each(sink);
        }
        if !self.rows.is_empty() {
            self.end_run()?;
        }
        merge(self.runs, sink)
    }
}

fn finished(out: BufWriter<File>) -> io::Result<File> {
    let mut file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.flush()?;
    file.rewind()?;
    Ok(file)
}

fn merge(runs: Vec<File>, sink: &mut dyn FnMut(Row) -> io::Result<()>) -> io::Result<()> {
    let mut runs: Vec<_> = runs.into_iter().map(BufReader::new).collect();
    let mut heads = BinaryHeap::new();
    for (at, run) in runs.iter_mut().enumerate() {
        heads.extend(Row::read(run)?.map(|row| Reverse((row, at))));
    }
    while let Some(Reverse((row, at))) = heads.pop() {
        heads.extend(Row::read(&mut runs[at])?.map(|row| Reverse((row, at))));
        sink(row)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rdb::ValueType;

    #[test]
    fn every_type_has_its_place() {
        for value_type in ValueType::ALL {
            assert!(KINDS.contains(&value_type.type_name()), "{value_type}");
        }
    }

    #[test]
    fn rows_come_back() -> io::Result<()> {
        let entry = Entry { type_name: "zset", elements: 7, expires_ms: Some(-5), hash: [9; 32] };
        let row = Row { db: 3, name: b"name".to_vec(), side: Side::Second, entry };
        let mut bytes = Vec::new();
        row.write(&mut bytes)?;
        row.write(&mut bytes)?;
        let mut rest = bytes.as_slice();
        assert_eq!(Row::read(&mut rest)?, Some(row.clone()));
        assert_eq!(Row::read(&mut rest)?, Some(row));
        assert_eq!(Row::read(&mut rest)?, None);
        assert!(Row::read(&mut &bytes[..20]).is_err());
        Ok(())
    }
}
