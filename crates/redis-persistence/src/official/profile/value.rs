//! The elements of the value at hand, and how large each is.
//!
//! A pair of a hash or a stream is one element of both its sizes. The tool counts a pair of a sorted set twice where a server
//! holds it as a listpack.

use super::super::values::Within;
use super::spread::{SIZES, Spread};
use crate::rdb::packed::{Intset, Listpack, PackedValue, Ziplist, Zipmap};
use crate::rdb::{Event, Packing, Payload, Role, Score, Tuple, ValueType};

/// Sorted sets of more pairs than this, or with a longer member, are no listpacks in a server.
const SMALL_PAIRS: u64 = 128;
const SMALL_MEMBER: u64 = 64;
/// What the tool puts in place of a module's value.
const MODULE: &str = "module-dummy-value";

/// What was read of a value.
#[derive(Debug, Clone, Default)]
pub(in crate::official) struct Pending {
    pub(super) count: u64,
    pub(super) bytes: u64,
    pub(super) sizes: Spread,
    /// The pairs of a sorted set that may be held as a listpack.
    small: Option<Vec<(u64, f64)>>,
}

impl Pending {
    /// Takes an event of a value. `field` is how long the member or field at hand is.
    pub(in crate::official) fn event(
        &mut self,
        value_type: ValueType,
        event: &Event<&[u8]>,
        within: &Within<'_>,
        field: u64,
    ) {
        let text = within.text;
        match event.payload {
            Payload::Record(record) if value_type == ValueType::String && record.value.is_some() => {
                self.element(text.len);
            }
            Payload::Items { of: Role::Member, count } => self.small = (count <= SMALL_PAIRS).then(Vec::new),
            Payload::Module(_) => self.element(MODULE.len() as u64),
            Payload::Stream(info) => self.count = info.length,
            Payload::Score(score) => self.pair(field, value_of(score)),
            Payload::Str { role, .. } | Payload::Piece { role, .. } => match role {
                Role::Value | Role::Item | Role::PlainNode => self.element(text.len),
                Role::FieldValue => self.element(field.saturating_add(text.len)),
                Role::Packed | Role::ListNode => self.packed(value_type, &text.start),
                Role::StreamNode => self.stream_node(&text.start),
                Role::AuxName | Role::AuxValue | Role::Key | Role::Member | Role::Field | Role::NodeId => {}
                Role::Group | Role::Pending | Role::Consumer | Role::ConsumerPending | Role::Nacked => {}
                Role::Producer | Role::ProducerEntry | Role::ModuleString | Role::SlotImportJob => {}
                Role::FunctionCode | Role::FunctionName | Role::FunctionEngine | Role::FunctionDescription => {}
                Role::TemplateField | Role::TemplateFields | Role::TemplateValues => {}
                Role::ArrayShort | Role::ArrayLong => {}
            },
            _ => {}
        }
    }

    /// The value is complete.
    pub(super) fn end(&mut self) {
        let Some(pairs) = self.small.take() else { return };
        if pairs.iter().all(|(member, _)| *member <= SMALL_MEMBER) {
            self.count = 2 * pairs.len() as u64;
            // A listpack holds no negative zero.
            pairs.iter().for_each(|(member, score)| self.size(member + text_len(*score + 0.0)));
        } else {
            pairs.iter().for_each(|(member, score)| self.element(member + text_len(*score)));
        }
    }

    fn pair(&mut self, member: u64, score: f64) {
        match &mut self.small {
            Some(pairs) => pairs.push((member, score)),
            None => self.element(member.saturating_add(text_len(score))),
        }
    }

    fn element(&mut self, size: u64) {
        self.count += 1;
        self.size(size);
    }

    /// The size of an element that is counted elsewhere.
    fn size(&mut self, size: u64) {
        self.bytes = self.bytes.saturating_add(size);
        // There are no more buckets than this of sizes within the limit.
        let _ = self.sizes.add(size, SIZES, usize::MAX);
    }

    fn packed(&mut self, value_type: ValueType, blob: &[u8]) {
        match value_type.packing() {
            Some(Packing::Intset) => {
                let set = Intset::new(blob);
                set.iter().flat_map(Intset::iter).for_each(|entry| self.element(len(entry.value)));
            }
            Some(Packing::Zipmap) => {
                let map = Zipmap::new(blob);
                let pairs = map.iter().flat_map(Zipmap::iter).map_while(Result::ok);
                pairs.for_each(|pair| self.element((pair.key.len() + pair.value.len()) as u64));
            }
            Some(Packing::Ziplist(tuple)) => {
                let list = Ziplist::new(blob);
                self.listed(tuple, list.iter().flat_map(Ziplist::iter).map_while(Result::ok).map(|entry| entry.value));
            }
            Some(Packing::Listpack(tuple)) => {
                let list = Listpack::new(blob);
                self.listed(tuple, list.iter().flat_map(Listpack::iter).map_while(Result::ok).map(|entry| entry.value));
            }
            None => {}
        }
    }

    fn listed<'a>(&mut self, tuple: Tuple, mut entries: impl Iterator<Item = PackedValue<'a>> + Clone) {
        match tuple {
            Tuple::Pair | Tuple::Triple => {
                while let (Some(field), Some(value)) = (entries.next(), entries.next()) {
                    self.element(len(field) + len(value));
                }
            }
            Tuple::Scored => {
                let small = entries.clone().count() as u64 / 2 <= SMALL_PAIRS;
                while let (Some(member), Some(score)) = (entries.next(), entries.next()) {
                    self.element(len(member) + text_len(number(score)));
                    self.count += u64::from(small);
                }
            }
            Tuple::Item | Tuple::Member => entries.for_each(|entry| self.element(len(entry))),
        }
    }

    /// The pairs of the living entries of a node, which was found sound; the stream itself says how many entries there are.
    fn stream_node(&mut self, blob: &[u8]) {
        const DELETED: i64 = 1;
        const SAME_FIELDS: i64 = 2;
        let Ok(list) = Listpack::new(blob) else { return };
        let mut entries = list.iter().map_while(Result::ok).map(|entry| entry.value);
        let mut head = [0; 3];
        head.fill_with(|| entries.next().and_then(|value| value.as_int()).unwrap_or(0));
        let fields: Vec<u64> = (&mut entries).take(usize::try_from(head[2]).unwrap_or(0)).map(len).collect();
        // The zero behind the fields.
        entries.next();
        while let Some(flags) = entries.next().and_then(|flags| flags.as_int()) {
            // Milliseconds and sequence.
            entries.nth(1);
            let same = flags & SAME_FIELDS != 0;
            let own = if same { 0 } else { entries.next().and_then(|value| value.as_int()).unwrap_or(0) };
            let pairs = if same { fields.len() } else { usize::try_from(own).unwrap_or(0) };
            let mut names = fields.iter();
            for _ in 0..pairs {
                let field = if same { names.next().copied() } else { entries.next().map(len) };
                let Some(value) = entries.next() else { return };
                if flags & DELETED == 0 {
                    self.size(field.unwrap_or(0) + len(value));
                }
            }
            // How many elements the entry took.
            entries.next();
        }
    }
}

fn len(value: PackedValue<'_>) -> u64 {
    value.text_len() as u64
}

fn number(score: PackedValue<'_>) -> f64 {
    match score {
        PackedValue::Int(score) => score as f64,
        PackedValue::Bytes(text) => parsed(text),
    }
}

fn value_of(score: Score<&[u8]>) -> f64 {
    match score {
        Score::Binary(score) => score,
        Score::Text(text) => parsed(text),
        Score::Mark(255) => f64::NEG_INFINITY,
        Score::Mark(254) => f64::INFINITY,
        Score::Mark(_) => f64::NAN,
    }
}

fn parsed(text: &[u8]) -> f64 {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).unwrap_or(0.0)
}

/// Returns how long the text of a score is: the fewest digits that tell it from others, with zeros, a point or an exponent.
fn text_len(score: f64) -> u64 {
    let sign = u64::from(score.is_sign_negative());
    if score.is_nan() {
        return 3;
    }
    if score.is_infinite() {
        return 3 + sign;
    }
    let scientific = format!("{:e}", score.abs());
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i64 = exponent.parse().unwrap_or(0);
    let digits = mantissa.bytes().filter(u8::is_ascii_digit).count() as u64;
    let behind = digits.cast_signed() - 1 - exponent;
    let text = match behind {
        // Zeros up to the point.
        ..=0 if exponent.unsigned_abs() < digits + 7 => digits + behind.unsigned_abs(),
        1.. if behind < 7 || exponent.abs() < 4 => digits + 1 + exponent.min(0).unsigned_abs(),
        _ => digits + u64::from(digits > 1) + 2 + exponent.unsigned_abs().to_string().len() as u64,
    };
    sign + text
}

#[cfg(test)]
mod tests {
    use super::text_len;

    #[test]
    fn scores_are_as_long_as_measured() {
        for (score, len) in [
            (1.0, 1),
            (-3.0, 2),
            (0.1, 3),
            (1e100, 6),
            (4.141_592_653_589_79, 16),
            (1e21, 5),
            (1e16, 5),
            (1e7, 8),
            (1e10, 5),
            (1000.0, 4),
            (1e-7, 4),
            (0.00001, 7),
            (2.5e-5, 8),
            (f64::NEG_INFINITY, 4),
            (123_456_789_012.0, 12),
            (12_345_678_901_234_567_890.0, 20),
            (5e-324, 6),
            (0.0, 1),
            (-0.0, 2),
        ] {
            assert_eq!(text_len(score), len, "{score}");
        }
    }
}
