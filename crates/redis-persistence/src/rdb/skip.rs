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

use super::grammar::{Arm, Kind, Op, ValueType, any, opcodes as opcode};
use super::wire::shortest;
use super::{Header, Role};

/// Strings whose decoded size is above this are left to the parser's own thread: each thread may hold one.
const LONGEST_DECODED: usize = 4 << 20;

/// Passes over records of files of one version.
#[derive(Debug)]
pub(crate) struct RecordSkipper([Option<Layout>; 256]);

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
#[derive(Debug, PartialEq, Eq)]
enum Layout {
    /// A string: what most values are, packed ones too.
    Str,
    Steps(Box<[Step]>),
}

/// A step of a layout as it is passed over: versions chosen, and what is of fixed size taken together.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Str,
    /// This many numbers.
    Numbers(usize),
    /// This many bytes.
    Pass(usize),
    /// A sorted set's score as text.
    ScoreText,
    /// 0, or 1 and a number.
    Optional,
    /// A count, what lies behind it, and as many times the body.
    Many {
        behind: Box<[Self]>,
        body: Box<[Self]>,
    },
    /// A number that decides what follows.
    Switch {
        arms: Box<[(u64, Box<[Self]>)]>,
        otherwise: Option<Box<[Self]>>,
    },
}

impl RecordSkipper {
    /// Of the types that a file with this header may have.
    pub(crate) fn new(header: Header) -> Self {
        Self::only(header, &|_| true)
    }

    /// The same, of some types only.
    pub(crate) fn only(header: Header, is_meant: &dyn Fn(ValueType) -> bool) -> Self {
        let mut layouts = [const { None }; 256];
        for &value_type in ValueType::ALL {
            let fits = value_type.belongs_to(header.family) && value_type.min_version() <= header.version;
            if fits && is_meant(value_type) && stands_alone(value_type.layout()) {
                layouts[usize::from(value_type.byte())] = Some(match value_type.layout() {
                    [Op::Str(_)] => Layout::Str,
                    ops => Layout::Steps(Step::of(ops, value_type.layout_version())),
                });
            }
        }
        Self(layouts)
    }

    /// Returns the records that the window begins with: as many as are whole, up to about `most` bytes.
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
        let layout = self.0[usize::from(byte)].as_ref()?;
        // An empty key may be part of a hole.
        if walk.rest.first() == Some(&0) {
            return None;
        }
        walk.string()?;
        match layout {
            Layout::Str => walk.string()?,
            Layout::Steps(steps) => walk.run(steps)?,
        }
        Some(expires)
    }
}

/// Returns whether a value tells by itself how far it reaches and what it means. What modules write is left to the parser
/// as well.
fn stands_alone(ops: &'static [Op]) -> bool {
    let leans = |op| matches!(op, Op::Names(_) | Op::PerName(_) | Op::Str(Role::TemplateValues) | Op::Module);
    !ops.is_empty() && !any(ops, &leans)
}

impl Step {
    fn of(ops: &'static [Op], version: u8) -> Box<[Self]> {
        let mut steps = Vec::new();
        for op in ops {
            match *op {
                Op::Str(_) => steps.push(Self::Str),
                Op::ScoreText => steps.push(Self::ScoreText),
                Op::Numbers(numbers) => {
                    Self::numbers(numbers.kinds().first, &mut steps);
                    if version >= numbers.kinds().since {
                        Self::numbers(numbers.kinds().more, &mut steps);
                    }
                }
                Op::Many(numbers, body) => {
                    // The count is a length, and the first of them.
                    let mut behind = Vec::new();
                    Self::numbers(&numbers.kinds().first[1..], &mut behind);
                    steps.push(Self::Many { behind: behind.into(), body: Self::of(body, version) });
                }
                Op::Since(since, body) => {
                    if version >= since {
                        steps.extend(Self::of(body, version));
                    }
                }
                Op::Switch { on, arms, otherwise } => {
                    // The last of them decides.
                    let kinds = on.kinds().first;
                    Self::numbers(&kinds[..kinds.len() - 1], &mut steps);
                    let arm = |arm: &Arm| {
                        let mut steps = Vec::new();
                        Self::numbers(arm.numbers, &mut steps);
                        steps.extend(Self::of(arm.then, version));
                        (arm.tag, steps.into())
                    };
                    let otherwise = otherwise.map(|body| Self::of(body, version));
                    steps.push(Self::Switch { arms: arms.iter().map(arm).collect(), otherwise });
                }
                // See `stands_alone`.
                Op::Names(_) | Op::PerName(_) | Op::Module => {}
            }
        }
        steps.into()
    }

    fn numbers(kinds: &[Kind], to: &mut Vec<Self>) {
        for kind in kinds {
            let size = match kind {
                Kind::Len | Kind::Index => {
                    match to.last_mut() {
                        Some(Self::Numbers(count)) => *count += 1,
                        _ => to.push(Self::Numbers(1)),
                    }
                    continue;
                }
                Kind::Optional => {
                    to.push(Self::Optional);
                    continue;
                }
                Kind::Byte => 1,
                Kind::Four => 4,
                Kind::Eight => 8,
                Kind::Id => 16,
            };
            match to.last_mut() {
                Some(Self::Pass(bytes)) => *bytes += size,
                _ => to.push(Self::Pass(size)),
            }
        }
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

    /// Returns a number in the shortest form that holds it.
    #[inline]
    fn number(&mut self) -> Option<u64> {
        let (value, size) = shortest(self.rest)?;
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

    /// Passes over the steps of a layout. Every body of a loop has at least a byte, so that a wrong count ends with the window.
    fn run(&mut self, steps: &[Step]) -> Option<()> {
        for step in steps {
            match step {
                Step::Str => self.string()?,
                Step::Pass(bytes) => self.pass(*bytes)?,
                Step::Many { behind, body } => {
                    let count = self.number()?;
                    if !behind.is_empty() {
                        self.run(behind)?;
                    }
                    for _ in 0..count {
                        // Most elements are made of these.
                        for step in body {
                            match step {
                                Step::Str => self.string()?,
                                Step::Pass(bytes) => self.pass(*bytes)?,
                                other => self.run(std::slice::from_ref(other))?,
                            }
                        }
                    }
                }
                Step::Numbers(count) => {
                    for _ in 0..*count {
                        self.number()?;
                    }
                }
                Step::Switch { arms, otherwise } => {
                    let tag = self.number()?;
                    match arms.iter().find(|(arm, _)| *arm == tag) {
                        Some((_, body)) => self.run(body)?,
                        None => self.run(otherwise.as_deref()?)?,
                    }
                }
                Step::ScoreText => match self.byte()? {
                    253..=255 => {}
                    len => self.pass(usize::from(len))?,
                },
                Step::Optional => match self.number()? {
                    0 => {}
                    1 => _ = self.number()?,
                    _ => return None,
                },
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::limits::Limits;
    use crate::rdb::{Family, Parsed, Parser, Payload, Shape};
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
                let extent = RecordSkipper::new(header).records(&bytes[at..], 1);
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

    /// A new row is either passed over, up to the place where its values end, or one of those that lean on something else.
    #[test]
    fn every_row_is_passed_over_or_left_to_the_parser() {
        let left = |value_type: ValueType| match value_type.shape() {
            Shape::Module | Shape::HashTemplate => true,
            Shape::String
            | Shape::List
            | Shape::Set
            | Shape::ZSet
            | Shape::Hash
            | Shape::HashTtl
            | Shape::Stream
            | Shape::Array => false,
        };
        for &value_type in ValueType::ALL.iter().filter(|value_type| !left(**value_type)) {
            let (kit, family, version) = if value_type.belongs_to(Family::Redis) {
                (Kit::Redis, Family::Redis, 15)
            } else {
                (Kit::Valkey, Family::Valkey, 80)
            };
            let file = File::arbitrary_of(&mut Rng::new(3), kit, version, 40, &[value_type.byte()]).encode();
            let header = Header { family, version, digits: *b"0000", well_formed: true };
            let skipper = RecordSkipper::new(header);
            let mut passed = 0;
            for key in &file.keys {
                let extent = skipper.records(&file.bytes[key.type_at..], 1);
                // A text that is compressed from very much is left alone.
                passed += usize::from(extent.keys == 1);
                assert!(extent.keys == 0 || extent.len == key.end - key.type_at, "{value_type}");
            }
            assert!(passed > 0 && passed * 10 >= file.keys.len() * 9, "{value_type}: {passed} of {}", file.keys.len());
        }
    }

    #[test]
    fn a_count_beyond_the_window_is_cut_off() {
        let header = Header { family: Family::Redis, version: 11, digits: *b"0011", well_formed: true };
        let skipper = RecordSkipper::new(header);
        assert_eq!(skipper.records(b"\x01\x01k\x81\xff\xff\xff\xff\xff\xff\xff\xff\x01a", 100), Extent::default());
        assert_eq!(skipper.records(b"\x00\x00\x00", 100), Extent::default());
        assert_eq!(skipper.records(b"\x00\x01k\x01v\x00\x01", 100), Extent { len: 5, keys: 1, expires: 0 });
    }
}
