//! Random values of every type but streams.

use std::collections::BTreeSet;

use super::{Source, far_ms, module_ops, test_module};
use crate::Bytes;
use crate::rdb::array::{Array, ArrayValue};
use crate::rdb::file::Family;
use crate::rdb::hash::TtlField;
use crate::rdb::intset::Intset;
use crate::rdb::stream::StreamVersion;
use crate::rdb::value::{Pair, QuicklistNode, Scored, Value};
use crate::rng::Rng;

impl Source<'_> {
    pub(super) fn value(&mut self, family: Family, kind: u8) -> Value {
        match kind {
            0 => Value::String(element(self.rng)),
            1 => Value::List(self.elements()),
            2 => Value::Set(self.members()),
            3 => Value::Zset(self.scored()),
            4 => Value::Hash(self.pairs()),
            5 => {
                let mut members = self.scored();
                sort_scored(&mut members);
                members.reverse();
                Value::Zset2(members)
            }
            7 => Value::Module2 { id: test_module(), ops: module_ops(self.rng) },
            9 => Value::HashZipmap(self.pairs()),
            10 => Value::ListZiplist(self.elements()),
            11 => Value::SetIntset(self.intset()),
            12 => Value::ZsetZiplist(self.sorted()),
            13 => Value::HashZiplist(self.pairs()),
            14 => Value::ListQuicklist((0..self.rng.size(1..=3)).map(|_| self.elements()).collect()),
            15 => Value::Stream(self.stream(StreamVersion::V1)),
            16 => Value::HashListpack(self.pairs()),
            17 => Value::ZsetListpack(self.sorted()),
            18 => Value::ListQuicklist2((0..self.rng.size(1..=3)).map(|_| self.node()).collect()),
            19 => Value::Stream(self.stream(StreamVersion::V2)),
            20 => Value::SetListpack(self.members()),
            21 => Value::Stream(self.stream(StreamVersion::V3)),
            22 if family == Family::Valkey => Value::ValkeyHash2(self.ttl_fields()),
            22 => Value::HashMetadataPreGa(self.ttl_fields()),
            23 => Value::HashListpackExPreGa(self.soonest_first()),
            24 => Value::HashMetadata { min: None, fields: self.ttl_fields() },
            25 => Value::HashListpackEx { min: None, fields: self.soonest_first() },
            26 => Value::Stream(self.stream(StreamVersion::V4)),
            27 => Value::Stream(self.stream(StreamVersion::V5)),
            28 => Value::Array(self.array()),
            30 => {
                let (id, values) = self.template_values();
                Value::HashTmplLpRef { id: id.cast_signed(), values }
            }
            32 => {
                let (id, values) = self.template_values();
                Value::HashTmplArrayRef { id, values }
            }
            _ => panic!("type {kind} cannot be made at random"),
        }
    }

    pub(super) fn count(&mut self) -> usize {
        self.rng.size(1..=self.most)
    }

    pub(super) fn elements(&mut self) -> Vec<Bytes> {
        (0..self.count()).map(|_| element(self.rng)).collect()
    }

    pub(super) fn members(&mut self) -> Vec<Bytes> {
        let n = self.count();
        distinct(self.rng, n)
    }

    pub(super) fn pairs(&mut self) -> Vec<Pair> {
        self.members().into_iter().map(|field| (field, element(self.rng))).collect()
    }

    fn scored(&mut self) -> Vec<Scored> {
        self.members().into_iter().map(|member| (member, score(self.rng))).collect()
    }

    fn sorted(&mut self) -> Vec<Scored> {
        let mut members = self.scored();
        sort_scored(&mut members);
        members
    }

    fn intset(&mut self) -> Intset {
        let n = self.count();
        let shift = *self.rng.pick(&[49, 33, 1]);
        let numbers: BTreeSet<i64> = (0..n).map(|_| self.rng.next_u64().cast_signed() >> shift).collect();
        let mut intset = Intset::new(&numbers.into_iter().collect::<Vec<_>>());
        // A set never shrinks again when its widest number leaves.
        if self.rng.chance(20) {
            intset.width = 8;
        }
        intset
    }

    fn node(&mut self) -> QuicklistNode {
        if self.rng.chance(20) {
            let word = self.rng.word();
            return QuicklistNode::Plain(word.repeat(self.rng.size(2000..=2500)).into_bytes());
        }
        QuicklistNode::Packed(self.elements())
    }

    fn ttl_fields(&mut self) -> Vec<TtlField> {
        let mut fields: Vec<TtlField> = self
            .pairs()
            .into_iter()
            .map(|(field, value)| {
                let expires = self.rng.chance(60).then(|| far_ms(self.rng));
                TtlField { field, value, expires }
            })
            .collect();
        // Without any the server would have written a plain hash.
        fields[0].expires.get_or_insert_with(|| far_ms(self.rng));
        fields
    }

    fn soonest_first(&mut self) -> Vec<TtlField> {
        let mut fields = self.ttl_fields();
        fields.sort_by_key(|field| field.expires.unwrap_or(i64::MAX));
        fields
    }

    fn array(&mut self) -> Array {
        let mut index = 0;
        let elements: Vec<(u64, ArrayValue)> = (0..self.count())
            .map(|_| {
                index += self.rng.range(1..=50);
                (index - 1, array_value(self.rng))
            })
            .collect();
        let cursor = self.rng.chance(50).then(|| self.rng.range(0..=index));
        Array { cursor, elements }
    }

    fn template_values(&mut self) -> (u64, Vec<Bytes>) {
        let (id, names) = self.rng.pick(&self.templates).clone();
        (id, names.iter().map(|_| element(self.rng)).collect())
    }
}

/// One element: words, numbers of every width, texts that look like numbers, long and binary strings.
pub(super) fn element(rng: &mut Rng) -> Bytes {
    match rng.below(100) {
        0..30 => rng.word().into(),
        30..45 => rng.signed(-200..=200).to_string().into_bytes(),
        45..65 => (rng.next_u64().cast_signed() >> rng.below(64)).to_string().into_bytes(),
        65..72 => rng.pick(&["007", "-0", "+1", "1.5", " 1", "9223372036854775808", "1e5"]).as_bytes().to_vec(),
        72..74 => Bytes::new(),
        74..86 => {
            let words = rng.size(4..=30);
            (0..words).flat_map(|_| rng.word().bytes().chain([b' '])).collect()
        }
        86..96 => {
            let len = rng.size(1..=90);
            rng.bytes(len)
        }
        96..99 => {
            let len = rng.size(100..=600);
            rng.bytes(len)
        }
        _ => rng.word().repeat(rng.size(700..=1000)).into_bytes(),
    }
}

/// `n` elements of different text, in any order.
pub(super) fn distinct(rng: &mut Rng, n: usize) -> Vec<Bytes> {
    let mut seen = BTreeSet::new();
    for i in 0..n {
        let item = element(rng);
        if !seen.insert(item) {
            seen.insert(format!("element {i}").into_bytes());
        }
    }
    let mut items: Vec<Bytes> = seen.into_iter().collect();
    rng.shuffle(&mut items);
    items
}

/// Sums of quarters, so that no writer's way of printing doubles shows.
fn score(rng: &mut Rng) -> f64 {
    match rng.below(20) {
        0 => f64::INFINITY,
        1 => f64::NEG_INFINITY,
        2..8 => f64::from(i16::from_le_bytes([rng.byte(), rng.byte()])) / 4.0,
        _ => f64::from(rng.byte()) - 100.0,
    }
}

fn sort_scored(members: &mut [Scored]) {
    members.sort_by(|a, b| a.1.total_cmp(&b.1).then_with(|| a.0.cmp(&b.0)));
}

fn array_value(rng: &mut Rng) -> ArrayValue {
    if rng.chance(20) {
        let quarters = rng.signed(-1000..=1000);
        return ArrayValue::of(format!("{}.{}", quarters / 4, ["0", "25", "5", "75"][rng.size(0..=3)]).as_bytes());
    }
    ArrayValue::of(&element(rng))
}
