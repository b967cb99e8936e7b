//! How far a key's record reaches, by following nothing but its lengths.
//!
//! ```text
//! [FC ms | FD s] [F8 idle | F9 freq] type key value
//! ```
//!
//! This is what lets one thread find records for others to look into. It knows less than the parser and never more: where
//! a record is cut off by the end of the window, has a length in a longer form than it needs, or is of a type with state
//! outside of it (templates, modules), the answer is `None`, and the parser reads it. Where there is an answer, the parser
//! would come to the same end.

use super::consts::{ValueType, opcode};
use super::{Family, Header};

/// Strings whose decoded size is above this are left to the parser's own thread: each thread may hold one.
const LONGEST_DECODED: usize = 4 << 20;

/// What every byte that can stand before a key means in files of one version.
#[derive(Debug)]
pub(crate) struct Layouts([Option<Layout>; 256]);

/// A run of records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Their bytes.
    pub(crate) len: usize,
    pub(crate) keys: u64,
    /// Those of them that expire.
    pub(crate) expires: u64,
}

/// What follows a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// So many strings.
    Strings(u8),
    /// Eight bytes, then a string.
    WordString,
    /// A count of elements; `word` says that the count has eight bytes in front of it.
    Elements {
        word: bool,
        element: &'static [Part],
    },
    Stream {
        version: u8,
    },
}

/// What an element is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Str,
    Number,
    /// Eight bytes.
    Word,
    /// A sorted set's score as text.
    OldScore,
}

impl Layouts {
    /// Of the types that a file with this header may have.
    pub(crate) fn new(header: Header) -> Self {
        let mut layouts = [None; 256];
        for &value_type in ValueType::ALL {
            let fits = value_type.belongs_to(header.family) && value_type.min_version() <= header.version;
            // Byte 22 stands for another type in each family.
            if fits && ValueType::from_byte(value_type.byte(), header.family) == Some(value_type) {
                layouts[usize::from(value_type.byte())] = layout(value_type, header.family);
            }
        }
        Self(layouts)
    }

    /// The records that the window begins with: as many as are whole, up to about `most` bytes.
    pub(crate) fn records(&self, window: &[u8], most: usize) -> Extent {
        let mut extent = Extent::default();
        while extent.len < most {
            let mut walk = Walk { rest: &window[extent.len..] };
            let Some(expires) = self.record(&mut walk) else { break };
            extent.len = window.len() - walk.rest.len();
            extent.keys += 1;
            extent.expires += u64::from(expires);
        }
        extent
    }

    /// Passes over a record, and says whether its key expires.
    #[inline]
    fn record(&self, walk: &mut Walk<'_>) -> Option<bool> {
        let mut byte = walk.byte()?;
        let expires = match byte {
            opcode::EXPIRETIME_MS => walk.pass(8).is_some(),
            opcode::EXPIRETIME => walk.pass(4).is_some(),
            _ => false,
        };
        if expires {
            byte = walk.byte()?;
        }
        if matches!(byte, opcode::FREQ | opcode::IDLE) {
            if byte == opcode::FREQ {
                walk.pass(1)?;
            } else {
                walk.number()?;
            }
            byte = walk.byte()?;
        }
        let layout = self.0[usize::from(byte)]?;
        // An empty key may be part of a hole.
        if walk.rest.first() == Some(&0) {
            return None;
        }
        walk.string()?;
        walk.value(layout)?;
        Some(expires)
    }
}

fn layout(value_type: ValueType, family: Family) -> Option<Layout> {
    use Part::{Number, OldScore, Str, Word};
    use ValueType as T;
    let elements = |element| Some(Layout::Elements { word: false, element });
    match value_type {
        T::String
        | T::HashZipmap
        | T::ListZiplist
        | T::SetIntset
        | T::ZSetZiplist
        | T::HashZiplist
        | T::HashListpack
        | T::ZSetListpack
        | T::SetListpack
        | T::HashListpackExPreGa => Some(Layout::Strings(1)),
        T::HashListpackEx => Some(Layout::WordString),
        T::List | T::Set | T::ListQuicklist => elements(&[Str]),
        T::ZSet => elements(&[Str, OldScore]),
        T::ZSet2 => elements(&[Str, Word]),
        T::Hash => elements(&[Str, Str]),
        T::HashMetadataPreGa => elements(&[Number, Str, Str]),
        T::HashMetadata => Some(Layout::Elements { word: true, element: &[Number, Str, Str] }),
        T::Hash2 if family == Family::Valkey => elements(&[Str, Str, Word]),
        T::ListQuicklist2 => elements(&[Number, Str]),
        _ => value_type.stream_version().map(|version| Layout::Stream { version }),
    }
}

/// What is left of the window.
struct Walk<'a> {
    rest: &'a [u8],
}

impl Walk<'_> {
    #[inline]
    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*byte)
    }

    #[inline]
    fn pass(&mut self, len: usize) -> Option<()> {
        self.rest = self.rest.get(len..)?;
        Some(())
    }

    /// A number in the shortest form that holds it.
    #[inline]
    fn number(&mut self) -> Option<u64> {
        let (value, size) = match *self.rest {
            [value @ ..=0x3F, ..] => (u64::from(value), 1),
            [high @ 0x40..=0x7F, low, ..] => {
                let value = u64::from(high & 0x3F) << 8 | u64::from(low);
                ((value > 0x3F).then_some(value)?, 2)
            }
            [0x80, a, b, c, d, ..] => {
                let value = u64::from(u32::from_be_bytes([a, b, c, d]));
                ((value > 0x3FFF).then_some(value)?, 5)
            }
            [0x81, a, b, c, d, e, f, g, h, ..] => {
                let value = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
                ((value > u64::from(u32::MAX)).then_some(value)?, 9)
            }
            _ => return None,
        };
        self.rest = &self.rest[size..];
        Some(value)
    }

    fn size(&mut self) -> Option<usize> {
        usize::try_from(self.number()?).ok()
    }

    #[inline]
    fn string(&mut self) -> Option<()> {
        match *self.rest {
            [len @ ..=0x3F, ..] => self.pass(1 + usize::from(len)),
            [0xC0, ..] => self.pass(2),
            [0xC1, ..] => self.pass(3),
            [0xC2, ..] => self.pass(5),
            [0xC3, ..] => {
                self.pass(1)?;
                let (stored, decoded) = (self.size()?, self.size()?);
                if decoded > LONGEST_DECODED {
                    return None;
                }
                self.pass(stored)
            }
            _ => {
                let len = self.size()?;
                self.pass(len)
            }
        }
    }

    fn value(&mut self, layout: Layout) -> Option<()> {
        match layout {
            Layout::Strings(count) => (0..count).try_for_each(|_| self.string()),
            Layout::WordString => {
                self.pass(8)?;
                self.string()
            }
            Layout::Elements { word, element } => {
                if word {
                    self.pass(8)?;
                }
                // Every element has at least a byte, so that a wrong count ends with the window.
                self.each(|walk| element.iter().try_for_each(|part| walk.part(*part)))
            }
            Layout::Stream { version } => self.stream(version),
        }
    }

    fn part(&mut self, part: Part) -> Option<()> {
        match part {
            Part::Str => self.string(),
            Part::Number => self.number().map(drop),
            Part::Word => self.pass(8),
            Part::OldScore => match self.byte()? {
                253..=255 => Some(()),
                len => self.pass(usize::from(len)),
            },
        }
    }

    /// A count, and as many times what `one` passes over.
    fn each(&mut self, mut one: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        let count = self.number()?;
        (0..count).try_for_each(|_| one(self))
    }

    fn numbers(&mut self, count: usize) -> Option<()> {
        (0..count).try_for_each(|_| self.number().map(drop))
    }

    /// See the layout in the parser's `stream.rs`.
    fn stream(&mut self, version: u8) -> Option<()> {
        self.each(|walk| walk.string().and_then(|()| walk.string()))?;
        self.numbers(if version >= 2 { 8 } else { 3 })?;
        self.each(|walk| {
            walk.string()?;
            walk.numbers(if version >= 2 { 3 } else { 2 })?;
            walk.each(|walk| walk.pass(24).and_then(|()| walk.number().map(drop)))?;
            walk.each(|walk| {
                walk.string()?;
                walk.pass(if version >= 3 { 16 } else { 8 })?;
                walk.each(|walk| walk.pass(16))
            })?;
            if version >= 5 { walk.each(|walk| walk.pass(16)) } else { Some(()) }
        })?;
        if version >= 4 {
            self.numbers(2)?;
            self.each(|walk| {
                walk.string()?;
                walk.each(|walk| walk.string().and_then(|()| walk.numbers(2)))
            })?;
            self.numbers(2)?;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::limits::Limits;
    use crate::rdb::{Parsed, Parser, Payload};
    use testkit::rdb::{Family as Kit, File};
    use testkit::rng::Rng;

    /// Runs over a file, and compares every run of records with what the parser makes of it. Answers in how many of the
    /// keys an extent was found.
    fn compare(bytes: &[u8]) -> (u64, u64) {
        let mut parser = Parser::new(Limits::default());
        let (mut at, mut found, mut keys) = (0, 0, 0);
        let mut expected: Option<(usize, Extent)> = None;
        while !parser.is_done() {
            if expected.is_none()
                && parser.is_between_records()
                && let Some(header) = parser.header()
            {
                let extent = Layouts::new(header).records(&bytes[at..], 1);
                expected = (extent.keys > 0).then_some((at + extent.len, extent));
            }
            let Ok(Parsed::Event { consumed, event }) = parser.parse(&bytes[at..], true) else { return (found, keys) };
            at += consumed;
            if let Payload::Record(record) = event.payload {
                keys += 1;
                if let Some((_, extent)) = expected {
                    assert_eq!(extent.expires == 1, record.attributes.expire.is_some());
                }
            }
            if let Some((end, extent)) = expected {
                assert_eq!((event.ends_record, extent.keys), (at == end, 1), "{}", bytes.escape_ascii());
                if at == end {
                    found += 1;
                    expected = None;
                }
            }
        }
        (found, keys)
    }

    #[test]
    fn agrees_with_the_parser() {
        for seed in 0..400 {
            let mut rng = Rng::new(seed);
            let (family, version) =
                *rng.pick(&[(Kit::Redis, 6), (Kit::Redis, 10), (Kit::Redis, 12), (Kit::Redis, 15), (Kit::Valkey, 80)]);
            let mut bytes = File::arbitrary(&mut rng, family, version, 60).encode().bytes;
            compare(&bytes);
            for _ in 0..20 {
                let at = rng.size(9..=bytes.len() - 1);
                let before = std::mem::replace(&mut bytes[at], rng.byte());
                compare(&bytes);
                bytes[at] = before;
            }
        }
    }

    #[test]
    fn finds_most_records() {
        let (mut found, mut keys) = (0, 0);
        for seed in 0..50 {
            let file = File::arbitrary(&mut Rng::new(seed), Kit::Redis, 11, 200).encode();
            let more = compare(&file.bytes);
            (found, keys) = (found + more.0, keys + more.1);
        }
        assert!(found * 10 > keys * 7, "{found} of {keys}");
    }

    #[test]
    fn a_count_beyond_the_window_is_cut_off() {
        let header = Header { family: Family::Redis, version: 11, digits: *b"0011", well_formed: true };
        let layouts = Layouts::new(header);
        assert_eq!(layouts.records(b"\x01\x01k\x81\xff\xff\xff\xff\xff\xff\xff\xff\x01a", 100), Extent::default());
        assert_eq!(layouts.records(b"\x00\x00\x00", 100), Extent::default());
        assert_eq!(layouts.records(b"\x00\x01k\x01v\x00\x01", 100), Extent { len: 5, keys: 1, expires: 0 });
    }
}
