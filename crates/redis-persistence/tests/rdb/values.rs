//! `Keys` and `Value`: what testkit wrote is what is read, in every encoding, whatever the limits and the chunks.

use crate::three_ways;

use std::collections::HashMap;

use redis_persistence::rdb::{ArrayItem, Element, HashField, Keys, ModuleData, ModuleItem, StreamEntry, Value};
use redis_persistence::{Limits, ReadError};
use testkit::Bytes;
use testkit::rdb::{
    ArrayValue, Checksum, EntryFields, Expire, Family, File, Key, ModuleOp, QuicklistNode, Stream, TemplateNames,
    TtlField, Value as Written,
};
use testkit::rng::Rng;
use three_ways::Dribble;

/// What a value holds, by what testkit was told to write.
pub(crate) fn expected(value: &Written, templates: &HashMap<u64, Vec<Bytes>>) -> Value {
    let pairs =
        |pairs: &[(Bytes, Bytes)]| Value::Hash(pairs.iter().map(|(name, value)| field(name, value, None)).collect());
    let named = |names: &[Bytes], values: &[Bytes]| {
        assert_eq!(names.len(), values.len());
        Value::Hash(names.iter().zip(values).map(|(name, value)| field(name, value, None)).collect())
    };
    let timed =
        |fields: &[TtlField]| Value::Hash(fields.iter().map(|f| field(&f.field, &f.value, f.expires)).collect());
    match value {
        Written::String(text) | Written::StringAs(_, text) => Value::String(text.clone()),
        Written::List(items) | Written::ListZiplist(items) => Value::List(items.clone()),
        Written::ListQuicklist(nodes) => Value::List(nodes.concat()),
        Written::ListQuicklist2(nodes) => Value::List(nodes.iter().flat_map(node).collect()),
        Written::Set(members) | Written::SetListpack(members) => Value::Set(members.clone()),
        Written::SetIntset(set) => Value::Set(set.numbers.iter().map(|n| n.to_string().into_bytes()).collect()),
        Written::Zset(members)
        | Written::Zset2(members)
        | Written::ZsetZiplist(members)
        | Written::ZsetListpack(members) => Value::ZSet(members.clone()),
        Written::Hash(fields)
        | Written::HashZipmap(fields)
        | Written::HashZiplist(fields)
        | Written::HashListpack(fields) => pairs(fields),
        Written::HashMetadataPreGa(fields) | Written::HashListpackExPreGa(fields) | Written::ValkeyHash2(fields) => {
            timed(fields)
        }
        Written::HashMetadata { fields, .. } | Written::HashListpackEx { fields, .. } => timed(fields),
        Written::Stream(stream) => Value::Stream(Box::new(expected_stream(stream))),
        Written::Array(array) => Value::Array(array.elements.iter().map(|(index, v)| (*index, item(v))).collect()),
        Written::HashTmplLp { names, values, .. } | Written::HashTmplArray { names, values } => match names {
            TemplateNames::Listpack(names) | TemplateNames::Strings(names) => named(names, values),
        },
        Written::HashTmplLpRef { id, values } => named(&templates[&u64::try_from(*id).expect("a number")], values),
        Written::HashTmplArrayRef { id, values } => named(&templates[id], values),
        Written::Module2 { id, ops } => Value::Module {
            id: redis_persistence::rdb::ModuleId(*id),
            items: ops.iter().map(op).chain([ModuleData::Number(ModuleItem::End)]).collect(),
        },
        Written::Gcra(_) | Written::Blob { .. } | Written::Raw { .. } => unreachable!("nothing that servers write"),
    }
}

fn field(name: &[u8], value: &[u8], expires_ms: Option<i64>) -> HashField {
    HashField { name: name.to_vec(), value: value.to_vec(), expires_ms }
}

fn node(node: &QuicklistNode) -> Vec<Bytes> {
    match node {
        QuicklistNode::Plain(item) => vec![item.clone()],
        QuicklistNode::Packed(items) => items.clone(),
        QuicklistNode::Other(..) => unreachable!("nothing that servers write"),
    }
}

fn item(value: &ArrayValue) -> ArrayItem {
    match value {
        ArrayValue::Long(text) | ArrayValue::Short(text) => ArrayItem::Text(text.clone()),
        ArrayValue::Int(number) => ArrayItem::Int(*number),
        ArrayValue::Float(number) => ArrayItem::Float(*number),
        ArrayValue::Other(..) => unreachable!("nothing that servers write"),
    }
}

fn op(op: &ModuleOp) -> ModuleData {
    ModuleData::Number(match op {
        ModuleOp::Sint(number) => ModuleItem::Signed(*number),
        ModuleOp::Uint(number) => ModuleItem::Unsigned(*number),
        ModuleOp::Float(number) => ModuleItem::Float(*number),
        ModuleOp::Double(number) => ModuleItem::Double(*number),
        ModuleOp::Str(text) => return ModuleData::Text(text.clone()),
        ModuleOp::Raw(_) => unreachable!("nothing that servers write"),
    })
}

fn expected_stream(stream: &Stream) -> redis_persistence::rdb::Stream {
    let v2 = stream.version.type_byte() > 15;
    let v3 = stream.version.type_byte() > 19;
    let pair = |id: testkit::rdb::StreamId| (id.ms, id.seq);
    let entries = stream.nodes.iter().flat_map(|node| {
        node.entries.iter().filter(|entry| !entry.deleted).map(move |entry| {
            let fields = match &entry.fields {
                EntryFields::Shared(values) => node.fields.iter().cloned().zip(values.iter().cloned()).collect(),
                EntryFields::Own(fields) => fields.clone(),
            };
            StreamEntry { id: pair(entry.id), fields }
        })
    });
    let groups = stream.groups.iter().map(|group| redis_persistence::rdb::Group {
        name: group.name.clone(),
        last_id: pair(group.last),
        entries_read: v2.then_some(group.entries_read),
        pending: group.pending.iter().map(|entry| (pair(entry.id), entry.time, entry.count)).collect(),
        consumers: group
            .consumers
            .iter()
            .map(|consumer| redis_persistence::rdb::Consumer {
                name: consumer.name.clone(),
                seen: consumer.seen,
                active: v3.then_some(consumer.active),
                pending: consumer.owned.iter().copied().map(pair).collect(),
            })
            .collect(),
    });
    redis_persistence::rdb::Stream { entries: entries.collect(), info: None, groups: groups.collect() }
}

/// A key as it is read: database, name, expiry in milliseconds, value.
type Found = (u64, Bytes, Option<i64>, Value);

fn written(file: &File) -> Vec<Found> {
    let templates = file.templates.iter().cloned().collect();
    let mut keys: Vec<&Key> = file.keys.iter().collect();
    if file.cluster {
        keys.sort_by_key(|key| (key.db, testkit::rdb::slot(&key.name)));
    }
    let expiry = |key: &Key| match key.expire {
        Some(Expire::Millis(ms)) => Some(ms),
        Some(Expire::Seconds(seconds)) => Some(i64::from(seconds) * 1000),
        _ => None,
    };
    keys.into_iter().map(|key| (key.db, key.name.clone(), expiry(key), expected(&key.value, &templates))).collect()
}

fn read(bytes: &[u8], seed: u64, limits: &Limits) -> Result<Vec<Found>, ReadError> {
    let mut keys = Keys::with_limits(Dribble::new(bytes, seed, 3000), limits.clone());
    let mut found = Vec::new();
    while let Some(key) = keys.next()? {
        let (db, name, expires) = (key.db(), key.name().to_vec(), key.expires_ms());
        let mut value = key.value()?;
        if let Value::Stream(stream) = &mut value {
            assert!(stream.info.take().is_some());
        }
        found.push((db, name, expires, value));
    }
    Ok(found)
}

#[test]
fn every_encoding_says_what_was_written() {
    let tight = Limits { inline_bytes: 8, ..Limits::default() };
    let versions = (1..=15).map(|version| (Family::Redis, version)).chain([(Family::Valkey, 80)]);
    for (family, version) in versions {
        for seed in 0..12 {
            let file = File::arbitrary(&mut Rng::new(seed), family, version, 120);
            let bytes = file.encode().bytes;
            for limits in [&Limits::default(), &tight] {
                let found = read(&bytes, seed, limits).expect("a sound file");
                let wanted = written(&file);
                assert_eq!(found.len(), wanted.len());
                for (found, wanted) in found.iter().zip(&wanted) {
                    assert_eq!(found, wanted, "{family:?} {version}, seed {seed}");
                }
            }
        }
    }
}

#[test]
fn types_of_payloads_and_candidates_are_read_too() {
    let names = TemplateNames::Strings(vec![b"a".to_vec(), b"bb".to_vec()]);
    let packed = TemplateNames::Listpack(vec![b"a".to_vec(), b"7".to_vec()]);
    let values = vec![b"one".to_vec(), b"2".to_vec()];
    let fields = vec![
        TtlField { field: b"f".to_vec(), value: b"1".to_vec(), expires: Some(1_900_000_000_000) },
        TtlField { field: b"g".to_vec(), value: b"v".to_vec(), expires: None },
    ];
    for value in [
        Written::HashTmplLp { names: packed, id: 3, values: values.clone() },
        Written::HashTmplArray { names, values },
        Written::HashMetadataPreGa(fields.clone()),
        Written::HashListpackExPreGa(fields),
    ] {
        let mut file = File::new(Family::Redis, 15);
        file.checksum = Checksum::On;
        file.keys = vec![Key::new(b"key", value)];
        let found = read(&file.encode().bytes, 1, &Limits::default()).expect("a sound file");
        assert_eq!(found, written(&file));
    }
}

#[test]
fn values_that_nobody_asks_for_are_passed_over() {
    let file = File::arbitrary(&mut Rng::new(5), Family::Redis, 13, 300);
    let bytes = file.encode().bytes;
    let mut keys = Keys::new(&bytes[..]);
    let mut names = Vec::new();
    while let Some(key) = keys.next().expect("a sound file") {
        names.push(key.name().to_vec());
        // The first element of every other key alone.
        if names.len() % 2 == 0 {
            let mut elements = 0;
            key.for_each(|_| elements += 1).expect("a sound value");
            assert!(elements > 0);
        }
    }
    assert_eq!(names, written(&file).into_iter().map(|(_, name, ..)| name).collect::<Vec<_>>());
}

/// The entries of a stream, taken one by one, are those of its value.
#[test]
fn entries_one_by_one_are_those_of_the_value() {
    let mut compared = 0;
    for seed in 0..20 {
        let bytes = File::arbitrary_of(&mut Rng::new(seed), Family::Redis, 11, 200, &[15, 19, 21]).encode().bytes;
        let mut keys = Keys::new(&bytes[..]);
        for (_, _, _, value) in read(&bytes, seed, &Limits::default()).expect("a sound file") {
            let Value::Stream(stream) = value else { panic!("{value:?}") };
            let mut entries = Vec::new();
            let key = keys.next().expect("a sound file").expect("as many keys");
            key.for_each(|element| {
                if let Element::Entry { id, fields } = element {
                    assert_eq!(fields.clone().count(), fields.to_vec().len());
                    entries.push(StreamEntry { id, fields: fields.to_vec() });
                }
            })
            .expect("a sound value");
            assert_eq!(entries, stream.entries);
            compared += entries.iter().map(|entry| entry.fields.len()).sum::<usize>();
        }
    }
    assert!(compared > 50, "{compared} fields");
}

#[test]
fn limits_hold_for_strings_and_for_whole_values() {
    let mut file = File::new(Family::Redis, 11);
    file.keys = vec![Key::new(b"list", Written::List((0..100_u32).map(|n| n.to_string().into_bytes()).collect()))];
    let bytes = file.encode().bytes;
    let limits = Limits { packed_bytes: 1000, ..Limits::default() };
    let error = read(&bytes, 1, &limits).expect_err("100 elements do not fit");
    assert!(error.to_string().contains("beyond the limit of 1000"), "{error}");
    // One by one they do.
    let mut keys = Keys::with_limits(&bytes[..], limits.clone());
    let mut elements = 0;
    let key = keys.next().expect("a sound file").expect("a key");
    key.for_each(|_| elements += 1).expect("each is small");
    assert_eq!(elements, 100);
    file.keys = vec![Key::new(b"text", Written::String(vec![b'x'; 100_000]))];
    let error = read(&file.encode().bytes, 1, &limits).expect_err("too long");
    assert!(error.to_string().contains("100000 bytes are beyond the limit of 1000"), "{error}");
}

/// Reads all that can be read; errors are as good as values.
fn read_on(bytes: &[u8]) -> usize {
    let mut keys = Keys::with_limits(bytes, Limits { packed_bytes: 1 << 20, ..Limits::default() });
    let mut read = 0;
    while let Ok(Some(key)) = keys.next() {
        read += usize::from(key.value().is_ok());
    }
    read
}

#[test]
fn damage_is_an_error_and_nothing_worse() {
    let mut rng = Rng::new(77);
    let (mut whole, mut read) = (0, 0);
    for seed in 0..60 {
        let (family, version) = if seed % 4 == 0 { (Family::Valkey, 80) } else { (Family::Redis, 15) };
        let bytes = File::arbitrary(&mut Rng::new(seed), family, version, 60).encode().bytes;
        whole += read_on(&bytes) * 40;
        for _ in 0..40 {
            let mut bytes = bytes.clone();
            for _ in 0..rng.size(1..=3) {
                let at = rng.size(9..=bytes.len() - 1);
                bytes[at] = rng.bytes(1)[0];
            }
            read += read_on(&bytes);
        }
    }
    assert!(read > 0 && read < whole, "{read} of {whole}");
}
