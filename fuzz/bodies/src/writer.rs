//! What testkit writes is what the library reads, and what the library reads it writes.

use redis_persistence::Limits;
use redis_persistence::rdb::packed::{IntText, Intset, Listpack, PackedEntry, PackedError, Ziplist, Zipmap};
use redis_persistence::rdb::{Events, Payload, RdbString, Record, Role, ValueType};
use redis_persistence::verify::{self, Options, Severity};
use testkit::rdb::number::score_text;
use testkit::rdb::{Expire, Family, File, Key, QuicklistNode, Value, released_types};
use testkit::rng::Rng;

use crate::rewrite::rewrite;

/// What a file may lack that is written.
const CHECKSUM: usize = 8;

/// An RDB file, or else a script for testkit's generator.
pub fn writer(data: &[u8]) {
    if data.starts_with(b"REDIS") || data.starts_with(b"VALKEY") {
        settles(data);
    } else {
        scripted(data);
    }
}

/// What was read from any file and written reads back, and is written in the same way again: it has its shortest form. Only
/// a long run of attributes, the last of which counts, takes several turns.
fn settles(data: &[u8]) {
    let limits = Limits::default();
    let Some(mut settled) = rewrite(data, &limits) else { return };
    assert!(settled.len() <= data.len() + CHECKSUM, "it became longer");
    loop {
        let again = rewrite(&settled, &limits).expect("what was written can be read");
        if again == settled {
            return;
        }
        let repeated =
            Events::with_limits(&settled, limits.clone()).filter_map(Result::ok).any(|event| match event.payload {
                Payload::Attributes(attributes) | Payload::Record(Record { attributes, .. }) => attributes.repeated,
                _ => false,
            });
        assert!(repeated && again.len() < settled.len(), "{} became {}", settled.escape_ascii(), again.escape_ascii());
        settled = again;
    }
}

/// Makes a sound file from a script: what is read is what was written, nothing is wrong with it, and the library writes
/// the same.
fn scripted(data: &[u8]) {
    let mut rng = Rng::scripted(data);
    let family = *rng.pick(&[Family::Redis, Family::Valkey]);
    let version = if family == Family::Valkey { 80 } else { 1 + u32::from(rng.byte() % 15) };
    let budget = usize::from(rng.byte() % 64);
    let all = released_types(family, version);
    let types: Vec<u8> = (0..1 + rng.below(4)).map(|_| *rng.pick(&all)).collect();
    let file = File::arbitrary_of(&mut rng, family, version, budget, &types);
    let encoded = file.encode();
    let bytes = &encoded.bytes;

    let report = verify::slice(bytes, &Options::default());
    let wrong: Vec<_> = report.findings.iter().filter(|finding| finding.severity > Severity::Note).collect();
    assert!(wrong.is_empty(), "{wrong:?} in {file:?}");
    assert_eq!(report.counts.keys, file.keys.len() as u64);
    assert_eq!(rewrite(bytes, &Limits::default()).as_ref(), Some(bytes), "{file:?}");

    let mut keys = encoded.keys.iter().map(|span| &file.keys[span.index]);
    let mut reading: Option<Reading<'_>> = None;
    let mut db = 0;
    for event in Events::with_limits(bytes, Limits { inline_bytes: usize::MAX, ..Limits::default() }) {
        let event = event.unwrap_or_else(|error| panic!("{error} in {file:?}"));
        match event.payload {
            Payload::SelectDb { db: number } => db = number,
            Payload::Record(record) => {
                let key = keys.next().expect("no more keys than were written");
                assert_eq!(text(&record.key), key.name);
                assert_eq!((db, record.value_type.byte()), (key.db, key.value.type_byte()));
                let expire = record.attributes.expire.map(|expire| expire.ms);
                assert_eq!(expire, key.expire.map(milliseconds));
                assert_eq!((record.attributes.idle, record.attributes.freq), (key.idle, key.freq));
                let elements = record.value.iter().map(text).collect();
                reading = Some(Reading { key, value_type: record.value_type, elements });
            }
            Payload::Str { role, ref string } => {
                if let Some(reading) = &mut reading {
                    reading.add(role, &text(string));
                }
            }
            _ => {}
        }
        if event.ends_record {
            reading.take().expect("a record ends that began").check();
        }
    }
    assert!(keys.next().is_none(), "a key was not read");
}

/// A key that is being read, and its elements so far.
struct Reading<'a> {
    key: &'a Key,
    value_type: ValueType,
    elements: Vec<Vec<u8>>,
}

impl Reading<'_> {
    fn add(&mut self, role: Role, bytes: &[u8]) {
        let blob: Result<Vec<PackedEntry<'_>>, PackedError> = match (role, self.value_type.byte()) {
            (Role::Value | Role::Item | Role::Member | Role::Field | Role::FieldValue | Role::PlainNode, _) => {
                self.elements.push(bytes.to_vec());
                return;
            }
            (Role::Packed, 9) => {
                let pairs = Zipmap::new(bytes).and_then(|map| map.iter().collect::<Result<Vec<_>, _>>());
                let pairs = pairs.expect("it is sound");
                self.elements.extend(pairs.iter().flat_map(|pair| [pair.key.to_vec(), pair.value.to_vec()]));
                return;
            }
            (Role::Packed, 11) => Intset::new(bytes).map(|set| set.iter().collect()),
            (Role::Packed, 10 | 12 | 13) | (Role::ListNode, 14) => {
                Ziplist::new(bytes).and_then(|list| list.iter().collect())
            }
            (Role::Packed, 16 | 17 | 20) | (Role::ListNode, 18) => {
                Listpack::new(bytes).and_then(|list| list.iter().collect())
            }
            _ => return,
        };
        let mut buffer = IntText::new();
        let entries = blob.expect("it is sound");
        self.elements.extend(entries.iter().map(|entry| entry.value.text(&mut buffer).to_vec()));
    }

    fn check(self) {
        if let Some(written) = elements(&self.key.value) {
            assert_eq!(self.elements, written, "{:?}", self.key);
        }
    }
}

/// The elements of a value in the order of the file, but for scores that are no text; nothing for types that have more
/// than elements.
fn elements(value: &Value) -> Option<Vec<Vec<u8>>> {
    let pairs = |pairs: &[(Vec<u8>, Vec<u8>)]| pairs.iter().flat_map(|(f, v)| [f.clone(), v.clone()]).collect();
    let scored = |members: &[(Vec<u8>, f64)]| {
        members.iter().flat_map(|(member, score)| [member.clone(), score_text(*score).into_bytes()]).collect()
    };
    Some(match value {
        Value::String(text) | Value::StringAs(_, text) => vec![text.clone()],
        Value::List(items) | Value::Set(items) | Value::ListZiplist(items) | Value::SetListpack(items) => items.clone(),
        Value::Hash(of) | Value::HashZipmap(of) | Value::HashZiplist(of) | Value::HashListpack(of) => pairs(of),
        Value::Zset(of) | Value::Zset2(of) => of.iter().map(|(member, _)| member.clone()).collect(),
        Value::ZsetZiplist(of) | Value::ZsetListpack(of) => scored(of),
        Value::SetIntset(set) => set.numbers.iter().map(|number| number.to_string().into_bytes()).collect(),
        Value::ListQuicklist(nodes) => nodes.concat(),
        Value::ListQuicklist2(nodes) => nodes
            .iter()
            .flat_map(|node| match node {
                QuicklistNode::Plain(element) => vec![element.clone()],
                QuicklistNode::Packed(items) => items.clone(),
                QuicklistNode::Other(..) => Vec::new(),
            })
            .collect(),
        _ => return None,
    })
}

fn text(string: &RdbString<&[u8]>) -> Vec<u8> {
    string.decode().expect("it is sound").into_owned()
}

fn milliseconds(expire: Expire) -> i64 {
    match expire {
        Expire::Seconds(seconds) => i64::from(seconds) * 1000,
        Expire::Millis(ms) => ms,
    }
}
