//! Parts of damaged collections: on request, marked, never made up, and loaded by a server.
//!
//! `PARTIAL_CASES=200` tries so many files instead of 10, and prints what became of the elements.

#[path = "salvage_support/harm.rs"]
mod harm;

use std::collections::{BTreeMap, HashSet};
use std::io::Cursor;
use std::ops::Range;

use harm::{HARMS, Harmed, harm};
use redis_persistence::repair::rdb::salvage::{Loss, Options, plan};
use redis_persistence::verify::{self, Code, Verdict};
use testkit::rdb::{Encoded, Family, File, Intset, Key, QuicklistNode, TtlField, Value};
use testkit::rng::Rng;
use testkit::server::{Product, Reply, Server, require};

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

type Held = BTreeMap<(u64, Vec<u8>), Vec<Vec<u8>>>;

/// The elements of each key as a server tells them, in order: a row has its field, its value or score, and its expiry.
fn held(server: &mut Server, db: u32, held: &mut Held) {
    let bytes = |reply: &Reply| reply.bytes().expect("a string").to_vec();
    let all = |reply: Reply| -> Vec<Vec<u8>> { reply.array().expect("an array").iter().map(bytes).collect() };
    let rows = |flat: Vec<Vec<u8>>| -> Vec<Vec<u8>> { flat.chunks_exact(2).map(|row| row.join(&b" = "[..])).collect() };
    server.run(&["SELECT", &db.to_string()]).expect("it selects");
    for name in all(server.run(&["KEYS", "*"]).expect("it answers")) {
        let mut ask = |parts: &[&[u8]]| server.run(parts).expect("it answers");
        let kind = ask(&[b"TYPE", &name]).text().expect("a word").to_owned();
        let elements = match kind.as_str() {
            "list" => all(ask(&[b"LRANGE", &name, b"0", b"-1"])),
            "set" => all(ask(&[b"SMEMBERS", &name])),
            "zset" => rows(all(ask(&[b"ZRANGE", &name, b"0", b"-1", b"WITHSCORES"]))),
            "hash" => {
                let flat = all(ask(&[b"HGETALL", &name]));
                let fields: Vec<&[u8]> = flat.iter().step_by(2).map(Vec::as_slice).collect();
                let count = fields.len().to_string();
                let command = [&[&b"HPEXPIRETIME"[..], &name, b"FIELDS", count.as_bytes()], &fields[..]].concat();
                let times = ask(&command);
                let times = times.array().expect("an array").iter().map(|time| time.integer().expect("a time"));
                rows(flat.clone())
                    .into_iter()
                    .zip(times)
                    .map(|(row, ms)| [row, format!(" {ms}").into()].concat())
                    .collect()
            }
            // None was there; a copied page can look like some.
            _ => vec![name.clone()],
        };
        held.insert((u64::from(db), name), elements);
    }
}

fn loaded(bytes: &[u8]) -> Option<Held> {
    let installed = require(Product::Redis86)?;
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("dump.rdb"), bytes).expect("it can be written");
    let mut server = Server::start(&installed, folder.path(), &[]).expect("it loads the file");
    let mut all = Held::new();
    for db in server.databases().expect("it answers").into_keys() {
        held(&mut server, db, &mut all);
    }
    Some(all)
}

/// Whether the element stands in what was written over the file. A score or an expiry may follow its text.
fn comes_from_damage(element: &[u8], harmed: &Harmed) -> bool {
    let text = element.split(|byte| *byte == b'=').next().unwrap_or(element).trim_ascii_end();
    let near = |now: &Range<usize>| {
        &harmed.bytes[now.start.saturating_sub(text.len())..(now.end + text.len()).min(harmed.bytes.len())]
    };
    harmed.now.iter().any(|now| memchr::memmem::find(near(now), text).is_some())
}

/// Whether the elements stand in the other list in the same order.
fn in_order(part: &[&Vec<u8>], whole: &[Vec<u8>]) -> bool {
    let mut rest = whole.iter();
    part.iter().all(|element| rest.any(|other| other == *element))
}

#[test]
fn what_a_server_then_holds_is_a_part_of_the_original() {
    let cases = std::env::var("PARTIAL_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(10);
    let sources = [source(1, true), source(2, false)];
    let Some(originals) = sources.iter().map(|source| loaded(&source.bytes)).collect::<Option<Vec<_>>>() else {
        return;
    };
    let (mut kept, mut lost, mut odd, mut keys) = (0, 0, 0, 0);
    for case in 0..cases {
        let mut rng = Rng::new(case);
        let which = rng.size(0..=1);
        let kind = *rng.pick(&HARMS);
        let regions = rng.size(1..=3);
        let harmed = harm(&sources[which].bytes, kind, regions, &mut rng);
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
            let known = saved.loss.uncertain > 0 || comes_from_damage(name, &harmed);
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
                other.into_iter().filter(|element| !comes_from_damage(element, &harmed)).collect();
            // What lies beside the damage may have an end from it.
            assert!(
                other.len() <= 4 * harmed.was.len(),
                "{what}: {} unknown, such as {:?}",
                other.len(),
                other[0].escape_ascii().to_string()
            );
            assert!(key.value_type.type_name() != "list" || in_order(&same, original), "{what}");
            (kept, odd, keys) = (kept + same.len(), odd + other.len(), keys + 1);
            lost += original.len() - same.len();
        }
    }
    println!(
        "{cases} files: {keys} collections in part, {kept} elements of them saved, {lost} not, {odd} not as they were"
    );
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
