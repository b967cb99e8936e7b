//! The laws of `digest`: it depends on what a file holds, on all of it, and on nothing else.

use std::num::NonZero;

use redis_persistence::digest::{self, Digests, Options};
use testkit::rdb::{ArrayValue, EntryFields, Expire, Family, File, Key, ModuleOp, QuicklistNode, Value};
use testkit::rng::Rng;

const VERSIONS: [(Family, u32); 9] = [
    (Family::Redis, 1),
    (Family::Redis, 4),
    (Family::Redis, 7),
    (Family::Redis, 9),
    (Family::Redis, 11),
    (Family::Redis, 12),
    (Family::Redis, 13),
    (Family::Redis, 15),
    (Family::Valkey, 80),
];

fn file(seed: u64) -> File {
    let mut rng = Rng::new(seed);
    let (family, version) = *rng.pick(&VERSIONS);
    File::arbitrary(&mut rng, family, version, 60)
}

fn digests(file: &File) -> Digests {
    digest::reader(&file.encode().bytes[..], &Options::default()).expect("a sound file")
}

fn on_threads(bytes: &[u8], threads: usize) -> Digests {
    let options = Options { threads: NonZero::new(threads), ..Options::default() };
    digest::reader(bytes, &options).expect("a sound file")
}

#[test]
fn threads_make_no_difference() {
    let mut rng = Rng::new(3);
    let mut large = File::arbitrary(&mut rng, Family::Redis, 13, 20_000);
    large.keys.extend((0..60_000_u32).map(|n| Key::new(format!("k{n}").as_bytes(), Value::String(rng.bytes(20)))));
    let bytes = large.encode().bytes;
    assert!(bytes.len() > 2 << 20, "{}", bytes.len());
    let alone = on_threads(&bytes, 1);
    assert_eq!(alone.keys, large.keys.len() as u64);
    for threads in [2, 3, 8, 64] {
        assert_eq!(on_threads(&bytes, threads), alone, "{threads}");
    }
}

/// The order of what has none.
fn shuffle(rng: &mut Rng, value: &mut Value) {
    match value {
        Value::Set(members) | Value::SetListpack(members) => rng.shuffle(members),
        Value::Zset(members) | Value::Zset2(members) => rng.shuffle(members),
        Value::Hash(fields) | Value::HashZipmap(fields) | Value::HashZiplist(fields) | Value::HashListpack(fields) => {
            rng.shuffle(fields);
        }
        Value::ValkeyHash2(fields) | Value::HashMetadata { fields, .. } => rng.shuffle(fields),
        _ => {}
    }
}

#[test]
fn order_and_compression_make_no_difference() {
    for seed in 0..150 {
        let before = file(seed);
        let mut rng = Rng::new(seed);
        let mut after = before.clone();
        after.compression = !before.compression;
        after.aux.clear();
        after.keys.iter_mut().for_each(|key| shuffle(&mut rng, &mut key.value));
        rng.shuffle(&mut after.keys);
        after.keys.sort_by_key(|key| key.db);
        for key in &mut after.keys {
            (key.idle, key.freq) = (None, None);
        }
        let (one, two) = (digests(&before), digests(&after));
        assert_eq!(
            (one.digest, one.debug_digest, one.databases),
            (two.digest, two.debug_digest, two.databases),
            "{seed}"
        );
    }
}

/// Another encoding of the same value.
fn recoded(value: &Value) -> Option<Value> {
    Some(match value.clone() {
        Value::List(items) => Value::ListQuicklist2(vec![QuicklistNode::Packed(items)]),
        Value::ListZiplist(items) => Value::List(items),
        Value::ListQuicklist(nodes) => Value::List(nodes.concat()),
        Value::Set(members) => Value::SetListpack(members),
        Value::SetIntset(set) => Value::Set(set.numbers.iter().map(|n| n.to_string().into_bytes()).collect()),
        Value::Zset(members) => Value::ZsetListpack(members),
        Value::Zset2(members) => Value::Zset(members),
        Value::ZsetZiplist(members) => Value::Zset2(members),
        Value::Hash(fields) => Value::HashListpack(fields),
        Value::HashZiplist(fields) | Value::HashZipmap(fields) => Value::Hash(fields),
        Value::HashListpackEx { fields, .. } => Value::HashMetadata { min: None, fields },
        _ => return None,
    })
}

#[test]
fn encodings_make_no_difference() {
    let mut changed = 0;
    for seed in 0..150 {
        let mut before = file(seed);
        if before.family == Family::Redis {
            before.version = before.version.max(12);
        }
        let mut after = before.clone();
        for key in &mut after.keys {
            if let Some(value) = recoded(&key.value) {
                key.value = value;
                changed += 1;
            }
        }
        let (one, two) = (digests(&before), digests(&after));
        assert_eq!((one.digest, one.debug_digest), (two.digest, two.debug_digest), "{seed}");
    }
    assert!(changed > 500, "{changed}");
}

/// Changes one thing that the value says. Not all can be changed in every way: then nothing is.
fn change(rng: &mut Rng, value: &mut Value) -> bool {
    let more = |text: &mut Vec<u8>| text.push(b'+');
    match value {
        Value::String(text) | Value::StringAs(_, text) => more(text),
        Value::List(items) | Value::ListZiplist(items) => {
            let at = rng.size(0..=items.len() - 1);
            match items.len() {
                2.. if at > 0 && items[at] != items[at - 1] && rng.chance(50) => items.swap(at, at - 1),
                _ => more(&mut items[at]),
            }
        }
        Value::ListQuicklist(nodes) => more(&mut nodes[0][0]),
        Value::ListQuicklist2(nodes) => match &mut nodes[0] {
            QuicklistNode::Packed(items) => more(&mut items[0]),
            QuicklistNode::Plain(item) | QuicklistNode::Other(_, item) => more(item),
        },
        Value::Set(members) | Value::SetListpack(members) => more(rng.pick_mut(members)),
        Value::Zset(members) | Value::Zset2(members) | Value::ZsetZiplist(members) | Value::ZsetListpack(members) => {
            let (member, score) = rng.pick_mut(members);
            if score.is_finite() && rng.chance(50) {
                *score = if *score == 0.0 { 1.0 } else { *score * 2.0 };
                return score.is_finite() && *score != 0.0;
            }
            more(member);
        }
        Value::Hash(fields) | Value::HashZipmap(fields) | Value::HashZiplist(fields) | Value::HashListpack(fields) => {
            let (name, value) = rng.pick_mut(fields);
            more(if rng.chance(50) { name } else { value });
        }
        Value::HashMetadataPreGa(fields)
        | Value::ValkeyHash2(fields)
        | Value::HashListpackExPreGa(fields)
        | Value::HashMetadata { fields, .. }
        | Value::HashListpackEx { fields, .. } => {
            let field = rng.pick_mut(fields);
            match &mut field.expires {
                Some(ms) if rng.chance(50) => *ms += 1,
                _ => more(&mut field.value),
            }
        }
        Value::Stream(stream) => {
            let groups = stream.groups.len();
            if groups > 0 && rng.chance(60) {
                let group = &mut stream.groups[rng.size(0..=groups - 1)];
                match group.pending.first_mut() {
                    Some(pending) if rng.chance(50) => pending.time += 1,
                    Some(pending) if rng.chance(50) => pending.count += 1,
                    _ if rng.chance(50) => group.last.seq += 1,
                    _ => more(&mut group.name),
                }
                return true;
            }
            let living = stream.nodes.iter_mut().flat_map(|node| &mut node.entries).find(|entry| !entry.deleted);
            match living.map(|entry| &mut entry.fields) {
                Some(EntryFields::Own(fields)) if !fields.is_empty() => more(&mut fields[0].1),
                Some(EntryFields::Shared(values)) if !values.is_empty() => more(&mut values[0]),
                _ => stream.last.seq += 1,
            }
        }
        Value::Array(array) => match array.elements.last_mut() {
            Some((_, ArrayValue::Int(number))) => *number ^= 1,
            Some((index, _)) => *index += 1,
            None => return false,
        },
        Value::Module2 { ops, .. } => ops.push(ModuleOp::Uint(7)),
        Value::HashTmplLpRef { values, .. } | Value::HashTmplArrayRef { values, .. } => more(&mut values[0]),
        Value::SetIntset(_)
        | Value::HashTmplLp { .. }
        | Value::HashTmplArray { .. }
        | Value::Gcra(_)
        | Value::Blob { .. }
        | Value::Raw { .. } => return false,
    }
    true
}

#[test]
fn every_single_change_makes_a_difference() {
    let (mut changes, mut seed) = (0, 0);
    while changes < 10_000 {
        seed += 1;
        let before = File { cluster: false, ..file(seed) };
        let digest = digests(&before);
        let mut rng = Rng::new(seed);
        for _ in 0..40 {
            let mut after = before.clone();
            let at = rng.size(0..=after.keys.len() - 1);
            let key = &mut after.keys[at];
            let what = rng.below(8);
            match what {
                0 => key.name.push(b'+'),
                1 => {
                    key.expire = match key.expire {
                        Some(Expire::Seconds(seconds)) => Some(Expire::Seconds(seconds + 1)),
                        Some(Expire::Millis(ms)) => Some(Expire::Millis(ms + 1)),
                        None => Some(Expire::Seconds(1_900_000_000)),
                    }
                }
                2 => {
                    key.db += 20;
                    after.keys.sort_by_key(|key| key.db);
                }
                3 => drop(after.keys.remove(at)),
                4 => after.functions.push(b"#!lua name=more\n".to_vec()),
                _ if change(&mut rng, &mut key.value) => {}
                _ => continue,
            }
            if what == 4 && before.version < 10 {
                continue;
            }
            changes += 1;
            let key = before.keys.get(at);
            assert_ne!(digests(&after).digest, digest.digest, "seed {seed}, {what}, {key:?}");
        }
    }
}

#[test]
fn damage_is_an_error() {
    let whole = file(7).encode().bytes;
    let error = |bytes: &[u8]| digest::reader(bytes, &Options::default()).expect_err("damaged").to_string();
    assert!(error(&whole[..whole.len() / 2]).contains("end too early"));
    assert!(error(b"no RDB at all").contains("no RDB signature"));
    let sound = File::new(Family::Redis, 11);
    let mut bytes = sound.encode().bytes;
    assert!(digest::reader(&bytes[..], &Options::default()).is_ok());
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let error = error(&bytes);
    assert!(error.contains("checksum"), "{error}");
}
