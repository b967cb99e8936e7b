//! Every row of the grammar through all that derives from it, with what testkit writes.
//!
//! testkit knows the format by itself, so a row and the bytes are two opinions. The skipper, which is not public, is held against the
//! rows in its own tests.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Cursor;

use redis_persistence::rdb::{Family, Keys, Payload, Value, ValueType, Writer, events};
use redis_persistence::repair::rdb::salvage;
use redis_persistence::verify::stats::StatsOptions;
use redis_persistence::verify::{self, Options};
use testkit::Bytes;
use testkit::rdb::{Family as Kit, File, Key, TemplateNames, Value as Written};
use testkit::rng::Rng;

use crate::values::expected;

/// The one type of which nobody but its module can tell where a value ends.
const WITHOUT_FRAME: ValueType = ValueType::Module;

/// A file with values of that type and no other, as servers write them.
fn file_of(value_type: ValueType) -> File {
    let (family, version) = if value_type.belongs_to(Family::Redis) { (Kit::Redis, 15) } else { (Kit::Valkey, 80) };
    let names: Vec<Bytes> = vec![b"age".to_vec(), b"name".to_vec()];
    let values: Vec<Bytes> = vec![b"41".to_vec(), b"alice".to_vec()];
    let inline = |value| {
        let mut file = File::new(family, version);
        file.keys.push(Key::new(b"first", value));
        file
    };
    match value_type {
        // These two belong into the payloads of DUMP, and so are no part of a random file.
        ValueType::HashTmplLp => inline(Written::HashTmplLp { names: TemplateNames::Listpack(names), id: 3, values }),
        ValueType::HashTmplArray => inline(Written::HashTmplArray { names: TemplateNames::Strings(names), values }),
        _ => File::arbitrary_of(&mut Rng::new(5), family, version, 64, &[value_type.byte()]),
    }
}

/// How many elements a value has, as HLEN and the like count.
fn elements(value: &Value) -> u64 {
    let count = match value {
        Value::String(_) => 0,
        Value::List(items) | Value::Set(items) => items.len(),
        Value::Hash(fields) => fields.len(),
        Value::ZSet(members) => members.len(),
        Value::Stream(stream) => stream.entries.len(),
        Value::Array(elements) => elements.len(),
        // Those of a vector set, which these are not.
        Value::Module { .. } => 0,
        other => panic!("count the elements of {other:?}"),
    };
    count as u64
}

#[test]
fn every_row_is_parsed_written_counted_and_decoded() {
    let rows: Vec<_> = ValueType::ALL.iter().copied().filter(|value_type| *value_type != WITHOUT_FRAME).collect();
    assert!(rows.len() > 30);
    for value_type in rows {
        let file = file_of(value_type);
        let bytes = file.encode().bytes;
        let of_type = file.keys.iter().filter(|key| key.value.type_byte() == value_type.byte()).count();
        assert!(of_type > 0 && of_type == file.keys.len(), "testkit has a variant for {value_type}");

        // Parsed, and written as it was.
        let family = if file.family == Kit::Valkey { Family::Valkey } else { Family::Redis };
        let mut writer = Writer::new(Vec::new(), family, file.version).expect("a version");
        let (mut records, mut ended) = (0, 0);
        for event in events(&bytes) {
            let event = event.unwrap_or_else(|error| panic!("{value_type}: {error}"));
            if let Payload::Record(record) = &event.payload {
                assert_eq!(record.value_type, value_type);
                records += 1;
            }
            ended += usize::from(event.ends_record);
            writer.event(&event).expect("memory");
        }
        assert_eq!((records, ended), (of_type, of_type), "{value_type}");
        assert!(writer.finish().expect("memory") == bytes, "{value_type} is written as it was");

        // Decoded.
        let templates: HashMap<u64, Vec<Bytes>> = file.templates.iter().cloned().collect();
        let written: BTreeMap<&[u8], Value> =
            file.keys.iter().map(|key| (&key.name[..], expected(&key.value, &templates))).collect();
        let mut keys = Keys::new(&bytes[..]);
        let mut decoded = 0;
        while let Some(key) = keys.next().expect("a sound file") {
            let name = key.name().to_vec();
            let mut value = key.value().expect("a value");
            if let Value::Stream(stream) = &mut value {
                assert!(stream.info.take().is_some(), "the numbers of a stream");
            }
            assert_eq!(value, written[&name[..]], "{value_type}");
            decoded += 1;
        }
        assert_eq!(decoded, of_type, "{value_type}");

        // Counted.
        let stats = Some(StatsOptions { largest: 1000, ..StatsOptions::default() });
        let report = verify::slice(&bytes, &Options { stats, ..Options::default() });
        let stats = report.stats.expect("statistics");
        assert_eq!(stats.largest.len(), of_type, "{value_type}");
        for key in stats.largest {
            let value = &written[&key.key[..]];
            assert_eq!((key.encoding, key.elements), (value_type.encoding_name(), elements(value)), "{value_type}");
        }
    }
}

#[test]
fn every_row_is_salvaged_around_damage() {
    for &value_type in ValueType::ALL.iter().filter(|value_type| **value_type != WITHOUT_FRAME) {
        let file = file_of(value_type);
        let names: BTreeSet<Bytes> = file.keys.iter().map(|key| key.name.clone()).collect();
        let whole = file.encode();
        // Behind the last key, a record of a type that does not exist, and the end once more.
        let end = whole.bytes.len() - 9;
        let bytes = [&whole.bytes[..end], b"\x08\x05damaged", &whole.bytes[end..]].concat();
        let plan = salvage::plan(&mut Cursor::new(&bytes[..]), &salvage::Options::default()).expect("a plan");
        assert_eq!(plan.loss.keys, names.len() as u64, "{value_type}: {:?}", plan.loss);
        let mut out = Vec::new();
        plan.write(&mut Cursor::new(&bytes[..]), &mut out).expect("memory");
        let mut kept = BTreeSet::new();
        let mut keys = Keys::new(&out[..]);
        while let Some(key) = keys.next().expect("what was salvaged can be read") {
            kept.insert(key.name().to_vec());
        }
        assert_eq!(kept, names, "{value_type}");
    }
}
