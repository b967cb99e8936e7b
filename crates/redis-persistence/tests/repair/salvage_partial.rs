//! Parts of damaged collections: on request, marked, and loaded by a server.
//!
//! What stands in the damaged bytes themselves may be taken for elements: nothing checks the bytes of a string. Behind them, some
//! may be read out of step, with bytes of texts taken for lengths, until one ends where a true one begins. Nothing tells those
//! from true ones either: they are elements in the form that servers write, and they lead to the true end. So a few of
//! them are suffered shortly behind each damage ([`MOST`]), and anywhere else none. Where texts are
//! packed or compressed, their place cannot be told, and only their number is held against that.
//!
//! `PARTIAL_CASES=200` tries so many files instead of 10, and prints what became of the elements.

use crate::harm;

use std::collections::{BTreeMap, HashSet};
use std::io::Cursor;
use std::ops::Range;

use harm::{HARMS, Harmed, harm};
use redis_persistence::rdb::ValueType;
use redis_persistence::repair::rdb::salvage::{Loss, Options, plan};
use redis_persistence::verify::{self, Code, Verdict};
use testkit::rdb::stream::{
    Consumer, EntryFields, Group, Idmp, Pending, Stream, StreamEntry, StreamId, StreamNode, StreamVersion,
};
use testkit::rdb::{Encoded, Family, File, Intset, Key, QuicklistNode, TtlField, Value};
use testkit::rng::Rng;
use testkit::server::{Product, Server, require};

type Pair = (Vec<u8>, Vec<u8>);

/// Soonest first, as servers keep them.
fn expiring(pairs: &[Pair]) -> Vec<TtlField> {
    let with = |(n, (field, value)): (usize, &Pair)| TtlField {
        field: field.clone(),
        value: value.clone(),
        expires: i64::try_from(n).ok().filter(|n| *n < 50).map(|n| 4_000_000_000_000 + 1000 * n),
    };
    pairs.iter().enumerate().map(with).collect()
}

/// A collection of so many elements, each of which tells by its text where it belongs.
fn collection(kind: usize, n: usize, count: usize) -> Value {
    let texts: Vec<Vec<u8>> = (0..count).map(|e| format!("element {e} of {n}, {:x}", e * 7919 + n).into()).collect();
    let pairs: Vec<Pair> = texts.iter().map(|text| (text.clone(), [b"value of ", &text[..]].concat())).collect();
    let scored = || texts.iter().cloned().zip((0_u32..).map(f64::from)).collect();
    let nodes = || texts.chunks(40).map(<[Vec<u8>]>::to_vec);
    match kind % KINDS {
        0 => Value::List(texts),
        1 => Value::Set(texts),
        2 => Value::Zset(scored()),
        3 => Value::Hash(pairs),
        4 => Value::Zset2(scored()),
        5 => Value::ListZiplist(texts),
        6 => Value::SetIntset(Intset::new(&(0..).take(count).map(|e| e * 1000).collect::<Vec<i64>>())),
        7 => Value::ZsetZiplist(scored()),
        8 => Value::HashZiplist(pairs),
        9 => Value::ListQuicklist(nodes().collect()),
        10 => Value::HashListpack(pairs),
        11 => Value::ZsetListpack(scored()),
        12 => Value::ListQuicklist2(nodes().map(QuicklistNode::Packed).collect()),
        13 => Value::SetListpack(texts),
        14 => Value::HashMetadata { min: None, fields: expiring(&pairs) },
        _ => Value::HashListpackEx { min: None, fields: expiring(&pairs) },
    }
}

const KINDS: usize = 16;

fn source(seed: u64, compression: bool) -> Encoded {
    let mut rng = Rng::new(seed);
    let mut file = File::new(Family::Redis, 12);
    file.compression = compression;
    file.keys = (0..48)
        .map(|n| {
            let most = if n % KINDS < 5 { 1500 } else { 400 };
            Key::new(format!("collection:{n}").as_bytes(), collection(n, n, rng.size(100..=most)))
        })
        .collect();
    file.encode()
}

struct Saved {
    loss: Loss,
    out: Vec<u8>,
}

fn salvage(damaged: &[u8], partial: bool) -> Saved {
    let options = Options { partial, ..Options::default() };
    let mut input = Cursor::new(damaged);
    let plan = plan(&mut input, &options).expect("memory can be read");
    let mut out = Vec::new();
    let written = plan.write(&mut input, &mut out).expect("memory can be written");
    assert_eq!((written.bytes, written.keys), (out.len() as u64, plan.loss.keys));
    let report = verify::slice(&out, &verify::Options::default());
    assert_eq!(report.verdict, Verdict::Sound, "{:?}", report.findings);
    assert!(report.findings_by_code.contains_key(&Code::RdbContentUnproven));
    assert_eq!(report.counts.keys, plan.loss.keys);
    let mut commands = Vec::new();
    let restored = plan.write_commands(&mut input, &options, &mut commands).expect("memory can be written");
    assert_eq!((restored.bytes, restored.keys), (commands.len() as u64, plan.loss.keys));
    Saved { loss: plan.loss, out }
}

/// How far behind damage elements may be out of step, in bytes.
const OUT_OF_STEP: usize = 2048;
/// What a score takes, behind its member.
const SCORE: usize = 8;
/// How many such elements each damage may leave in a collection; as many numbers of a set may be damaged and in order all the same.
const MOST: usize = 4;

/// Whether the damage touches the key, or the attributes before it.
fn touches(now: &Range<usize>, key: &Range<u64>) -> bool {
    now.start as u64 <= key.end && key.start <= now.end as u64
}

type Held = BTreeMap<(u64, Vec<u8>), Vec<Vec<u8>>>;

fn loaded(bytes: &[u8]) -> Option<Held> {
    let installed = require(Product::Redis86)?;
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("dump.rdb"), bytes).expect("it can be written");
    let mut server = Server::start(&installed, folder.path(), &[]).expect("it loads the file");
    let mut all = Held::new();
    for db in server.databases().expect("it answers").into_keys() {
        for name in server.names(db).expect("it answers") {
            let elements = server.elements(&name).expect("it answers");
            all.insert((u64::from(db), name), elements);
        }
    }
    Some(all)
}

/// Whether an element, or what it holds behind a `=`, stands in what was written over the file, or so many bytes behind that; or
/// right before, where its score does. Of a hole of zeros come empty ones.
fn comes_from_damage(element: &[u8], harmed: &Harmed, behind: usize) -> bool {
    let mut parts = element.splitn(2, |byte| *byte == b'=').map(<[u8]>::trim_ascii);
    let stands_there = |text: &[u8]| {
        let near = |now: &Range<usize>| {
            let end = (now.end + behind + text.len()).min(harmed.bytes.len());
            &harmed.bytes[now.start.saturating_sub(text.len() + SCORE)..end]
        };
        !text.is_empty() && harmed.now.iter().any(|now| memchr::memmem::find(near(now), text).is_some())
    };
    element.is_empty() || element.starts_with(b" = ") || parts.any(stands_there)
}

/// Whether elements of such a value stand in the file as they are.
fn is_plain(value_type: ValueType) -> bool {
    use ValueType::{Hash, HashMetadata, List, Set, ZSet, ZSet2};
    matches!(value_type, List | Set | ZSet | ZSet2 | Hash | HashMetadata)
}

/// Whether the elements stand in the other list in the same order.
fn in_order(part: &[&Vec<u8>], whole: &[Vec<u8>]) -> bool {
    let mut rest = whole.iter();
    part.iter().all(|element| rest.any(|other| other == *element))
}

#[test]
fn what_a_server_then_holds_is_a_part_of_the_original() {
    let cases = std::env::var("PARTIAL_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(10);
    // With whether texts stand in it as they are.
    let sources = [(source(1, true), false), (source(2, false), true)];
    let Some(originals) = sources.iter().map(|(source, _)| loaded(&source.bytes)).collect::<Option<Vec<_>>>() else {
        return;
    };
    let (mut kept, mut lost, mut odd, mut keys, mut most_made_up) = (0, 0, 0, 0, 0);
    let mut astray = Vec::new();
    for case in 0..cases {
        let mut rng = Rng::new(case);
        let which = rng.size(0..=1);
        let kind = *rng.pick(&HARMS);
        let regions = rng.size(1..=3);
        let harmed = harm(&sources[which].0.bytes, kind, regions, &mut rng);
        let saved = salvage(&harmed.bytes, true);
        let now = loaded(&saved.out).expect("it is installed");
        assert_eq!(now.len() as u64, saved.loss.keys, "case {case} ({kind:?}): each is loaded, {:?}", saved.loss);
        let without = salvage(&harmed.bytes, false).loss;
        assert_eq!(
            (without.partial_total, without.keys),
            (0, saved.loss.keys - saved.loss.partial_total),
            "case {case}"
        );
        for (db, name) in now.keys().filter(|key| !originals[which].contains_key(*key)) {
            let known = saved.loss.uncertain > 0 || comes_from_damage(name, &harmed, 0);
            assert!(known, "case {case} ({kind:?}): {} of database {db} is made up", name.escape_ascii());
        }
        for key in &saved.loss.partial {
            let what = format!("case {case} ({kind:?}): {key:?}, {}", key.name.escape_ascii());
            let elements = &now[&(key.db, key.name.clone())];
            assert_eq!(elements.len() as u64, key.elements, "{what}");
            assert!(!elements.is_empty(), "{what}");
            let Some(original) = originals[which].get(&(key.db, key.name.clone())) else {
                odd += 1;
                continue;
            };
            let known: HashSet<&Vec<u8>> = original.iter().collect();
            let (same, other): (Vec<&Vec<u8>>, Vec<_>) = elements.iter().partition(|element| known.contains(element));
            let other: Vec<&Vec<u8>> =
                other.into_iter().filter(|element| !comes_from_damage(element, &harmed, 0)).collect();
            let touching = harmed.now.iter().filter(|now| touches(now, &key.range)).count();
            let is_near = |element: &&Vec<u8>| comes_from_damage(element, &harmed, OUT_OF_STEP);
            let is_plain = sources[which].1 && is_plain(key.value_type);
            let far = other.iter().filter(|element| is_plain && !is_near(element));
            astray.extend(far.map(|element| format!("{what}: {}", element.escape_ascii())));
            if other.len() > MOST * touching {
                astray.push(format!("{what}: {} made up by {touching} places", other.len()));
            }
            most_made_up = most_made_up.max(other.len());
            assert!(key.value_type.type_name() != "list" || in_order(&same, original), "{what}");
            (kept, odd, keys) = (kept + same.len(), odd + other.len(), keys + 1);
            lost += original.len() - same.len();
        }
    }
    println!(
        "{cases} files: {keys} collections in part, {kept} elements of them saved, {lost} not, {odd} made up, \
         at most {most_made_up} in one"
    );
    assert_eq!(astray, Vec::<String>::new());
    assert!(keys > 0 && kept > lost, "{kept} of {}", kept + lost);
}

/// A file of one collection between two others, and where the element lies that has such a text.
fn one(value: Value, text: &str) -> (Vec<u8>, usize) {
    let mut file = File::new(Family::Redis, 12);
    file.compression = false;
    let around = |name: &str| Key::new(name.as_bytes(), Value::HashListpack(vec![(b"a".to_vec(), b"b".to_vec())]));
    file.keys = (0..20).map(|n| around(&format!("before:{n}"))).collect();
    file.keys.push(Key::new(b"damaged:1", value));
    file.keys.extend((0..20).map(|n| around(&format!("behind:{n}"))));
    let bytes = file.encode().bytes;
    let at = memchr::memmem::find(&bytes, text.as_bytes()).expect("it is there");
    (bytes, at)
}

fn part_of(bytes: &[u8]) -> (u64, Option<u64>, Option<Code>) {
    let loss = salvage(bytes, true).loss;
    let [key] = &loss.partial[..] else { panic!("{:?}", loss) };
    assert_eq!((&key.name[..], loss.keys, loss.damaged_total), (&b"damaged:1"[..], 41, 0));
    let without = salvage(bytes, false).loss;
    assert_eq!((without.keys, without.partial.len()), (40, 0));
    (key.elements, key.declared, key.code)
}

#[test]
fn one_length_costs_a_plain_collection_one_element() {
    for kind in 0..5 {
        let (mut bytes, at) = one(collection(kind, 3, 300), "element 100 of 3,");
        bytes[at - 1] ^= 0x80;
        assert_eq!(part_of(&bytes), (299, Some(300), None), "kind {kind}");
    }
    let (mut bytes, at) = one(collection(14, 3, 300), "element 100 of 3,");
    bytes[at - 1] ^= 0x80;
    assert_eq!(part_of(&bytes), (299, Some(300), None));
}

#[test]
fn blobs_are_read_from_both_ends() {
    for kind in [5, 7, 8, 10, 11, 13, 15] {
        let (mut bytes, at) = one(collection(kind, 3, 300), "element 100 of 3,");
        bytes[at - 1..at + 30].fill(0xff);
        let (elements, declared, code) = part_of(&bytes);
        assert!((297..300).contains(&elements) && declared == Some(300) && code.is_some(), "kind {kind}: {elements}");
    }
}

#[test]
fn other_nodes_of_a_list_are_kept() {
    for kind in [9, 12] {
        let (mut bytes, at) = one(collection(kind, 3, 300), "element 100 of 3,");
        bytes[at - 1..at + 30].fill(0xff);
        let (elements, declared, code) = part_of(&bytes);
        assert!((elements, declared) == (260, Some(300)) && code.is_some(), "kind {kind}: {elements}");
    }
}

#[test]
fn integers_out_of_order_are_left_out() {
    let numbers: Vec<i64> = (0..300).map(|n| 70_000 * n).collect();
    let mut file = File::new(Family::Redis, 12);
    file.compression = false;
    file.keys = vec![Key::new(b"damaged:1", Value::SetIntset(Intset::new(&numbers)))];
    let mut bytes = file.encode().bytes;
    let at = memchr::memmem::find(&bytes, &7_000_000_i32.to_le_bytes()).expect("it is there");
    bytes[at + 3] = 0x70;
    let loss = salvage(&bytes, true).loss;
    assert_eq!((loss.partial[0].elements, loss.partial[0].declared), (299, Some(300)));
}

#[test]
fn a_cut_leaves_what_is_before_it() {
    for kind in 0..5 {
        let (bytes, at) = one(collection(kind, 3, 300), "element 200 of 3,");
        let loss = salvage(&bytes[..at + 4], true).loss;
        let part = &loss.partial[0];
        // Whether the last fields of a hash are still fields is only sure some rows before the cut.
        assert!((192..=200).contains(&part.elements) && part.declared == Some(300), "kind {kind}: {part:?}");
    }
}

#[test]
fn a_part_yields_to_the_whole_key_of_its_name() {
    let mut file = File::new(Family::Redis, 12);
    file.compression = false;
    let key = |name: &str, e| Key::new(name.as_bytes(), collection(1, e, 100));
    file.keys = (0..10).map(|n| key(&format!("name:{n}"), n)).collect();
    let sound = file.encode();
    // A copy of one key behind it, whose elements are then broken off.
    let Range { start, end } = sound.keys[4].start..sound.keys[4].end;
    let mut copy = sound.bytes[start..end].to_vec();
    let half = copy.len() / 2;
    copy[half..half + 200].fill(0xee);
    let bytes = [&sound.bytes[..end], &copy, &sound.bytes[end..]].concat();
    let loss = salvage(&bytes, true).loss;
    assert_eq!((loss.keys, loss.partial_total, loss.repeated), (10, 0, 1));
}

/// A stream of five entries, with these groups.
fn stream(version: StreamVersion, groups: &[&str]) -> Value {
    let id = |n: u64| StreamId::new(1_700_000_000_000 + n, 0);
    let fields = |n: u64| EntryFields::Own(vec![(b"field".to_vec(), n.to_string().into_bytes())]);
    let entries = (1..=5).map(|n| StreamEntry { id: id(n), deleted: false, fields: fields(n) }).collect();
    let group = |name: &&str| Group {
        name: name.as_bytes().to_vec(),
        last: id(2),
        entries_read: 2,
        pending: vec![Pending { id: id(2), time: 1_700_000_000_100, count: 1 }],
        consumers: vec![Consumer {
            name: b"consumer".to_vec(),
            seen: 1_700_000_000_100,
            active: 1_700_000_000_100,
            owned: vec![id(2)],
        }],
        nacked: Vec::new(),
    };
    Value::Stream(Stream {
        version,
        nodes: vec![StreamNode { master: id(1), entries, ..StreamNode::default() }],
        length: 5,
        last: id(5),
        first: id(1),
        max_deleted: StreamId::default(),
        entries_added: 5,
        groups: groups.iter().map(group).collect(),
        idmp: Idmp::default(),
    })
}

#[test]
fn a_stream_whose_groups_are_damaged_keeps_its_entries() {
    for version in [StreamVersion::V1, StreamVersion::V2, StreamVersion::V3] {
        // The length of the name becomes one of two bytes.
        let (mut bytes, at) = one(stream(version, &["first-group", "second-group"]), "second-group");
        bytes[at - 1] ^= 0xc0;
        assert_eq!(part_of(&bytes), (5, Some(5), None), "{version:?}");
        let (bytes, _) = one(stream(version, &["same-group", "same-group"]), "same-group");
        assert_eq!(part_of(&bytes), (5, Some(5), Some(Code::StreamDuplicateGroup)), "{version:?}");
        let original = loaded(&one(stream(version, &[]), "before:1").0);
        let Some((original, now)) = original.zip(loaded(&salvage(&bytes, true).out)) else { continue };
        assert_eq!(now, original, "{version:?}");
    }
    // Nothing is kept where an entry is damaged.
    let (mut bytes, at) = one(stream(StreamVersion::V2, &["first-group"]), "field");
    bytes[at - 1] ^= 0x40;
    assert_eq!(salvage(&bytes, true).loss.partial_total, 0);
}
