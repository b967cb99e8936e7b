//! Keys as rows of a temporary file, in the order of the result: database, name, side.

use std::cmp::Ordering;
use std::io::{self, Read, Write};

use xxhash_rust::xxh3::xxh3_128;

use super::Entry;

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

    /// How much memory it takes.
    pub(super) fn weight(&self) -> usize {
        size_of::<Self>() + self.name.capacity()
    }

    /// A number for all that is compared.
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
