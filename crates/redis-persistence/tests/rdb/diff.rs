//! Differences between two files are those that a comparison of all their values finds, whatever the memory.

use std::collections::BTreeMap;
use std::io;

use redis_persistence::diff::{self, Change, DiffError, Options, Summary};
use redis_persistence::rdb::{Keys, Value};
use redis_persistence::verify::SpillTo;
use testkit::rdb::{Family, File, Key};
use testkit::rng::Rng;

/// Keys by database and name: expiry and value, in an order of its own where the order means nothing.
type Held = BTreeMap<(u64, Vec<u8>), (Option<i64>, String)>;

fn held(bytes: &[u8]) -> Held {
    let mut keys = Keys::new(bytes);
    let mut held = Held::new();
    while let Some(key) = keys.next().expect("a sound file") {
        let (db, name, expires) = (key.db(), key.name().to_vec(), key.expires_ms());
        let mut value = key.value().expect("a sound value");
        match &mut value {
            Value::Set(members) => members.sort(),
            Value::Hash(fields) => fields.sort_by(|one, two| one.name.cmp(&two.name)),
            Value::ZSet(members) => members.sort_by(|one, two| one.0.cmp(&two.0)),
            _ => {}
        }
        held.insert((db, name), (expires, format!("{value:?}")));
    }
    held
}

fn compared(one: &[u8], two: &[u8], options: &Options) -> Result<(Summary, Vec<Change>), DiffError> {
    let mut changes = Vec::new();
    let summary = diff::readers(
        &mut || Ok(Box::new(io::Cursor::new(one.to_vec()))),
        &mut || Ok(Box::new(io::Cursor::new(two.to_vec()))),
        options,
        &mut |change| {
            changes.push(change);
            Ok(())
        },
    )?;
    Ok((summary, changes))
}

/// The same file with some keys gone, some new, some changed, and all in another order.
fn altered(rng: &mut Rng, file: &File) -> File {
    let other = File::arbitrary(rng, file.family, file.version, 60);
    let mut after = file.clone();
    rng.shuffle(&mut after.keys);
    for _ in 0..rng.below(5) {
        after.keys.pop();
    }
    for key in after.keys.iter_mut().take(4) {
        if rng.chance(50) {
            key.value = rng.pick(&other.keys).value.clone();
        } else {
            key.expire = Some(testkit::rdb::Expire::Millis(1_900_000_000_000));
        }
    }
    let new = |n: usize, key: &Key| Key { name: format!("new:{n}").into_bytes(), ..key.clone() };
    after.keys.extend(other.keys.iter().take(3).enumerate().map(|(n, key)| new(n, key)));
    after.keys.sort_by_key(|key| key.db);
    after
}

#[test]
fn differences_are_those_of_all_values() {
    let tempfile = SpillTo::new(tempfile::tempfile);
    let mut differences = 0;
    for seed in 0..60 {
        let mut rng = Rng::new(seed);
        let (family, version) = *rng.pick(&[(Family::Redis, 6), (Family::Redis, 13), (Family::Valkey, 80)]);
        let file = File { cluster: false, ..File::arbitrary(&mut rng, family, version, 120) };
        let (one, two) = (file.encode().bytes, altered(&mut rng, &file).encode().bytes);
        let (before, after) = (held(&one), held(&two));
        let keys = before.keys().chain(after.keys().filter(|key| !before.contains_key(*key)));
        let mut expected: Vec<_> = keys.filter(|key| before.get(*key) != after.get(*key)).cloned().collect();
        expected.sort();
        for memory in [1 << 20, 500, 0] {
            let options = Options { memory, ..Options::new(tempfile) };
            let (summary, changes) = compared(&one, &two, &options).expect("sound files");
            let found: Vec<_> = changes.iter().map(|change| (change.db, change.name.clone())).collect();
            assert_eq!(found, expected, "seed {seed}, memory {memory}");
            for change in &changes {
                let key = (change.db, change.name.clone());
                assert_eq!(change.first.is_some(), before.contains_key(&key));
                assert_eq!(change.second.is_some(), after.contains_key(&key));
            }
            let counted = summary.only_first + summary.only_second + summary.changed;
            assert_eq!((summary.first, summary.second), (before.len() as u64, after.len() as u64));
            assert_eq!((counted, summary.is_same()), (expected.len() as u64, expected.is_empty()));
            let again =
                |bytes: &Vec<u8>| -> io::Result<Box<dyn io::Read>> { Ok(Box::new(io::Cursor::new(bytes.clone()))) };
            let same = diff::is_same(&mut || again(&one), &mut || again(&two), &options).expect("sound files");
            assert_eq!(same, summary.is_same(), "seed {seed}");
        }
        differences += expected.len();
        let (summary, changes) = compared(&one, &one, &Options::new(tempfile)).expect("a sound file");
        assert!(summary.is_same() && changes.is_empty());
    }
    assert!(differences > 300, "{differences}");
}

#[test]
fn which_file_is_damaged_is_said() {
    let whole = File::new(Family::Redis, 11).encode().bytes;
    let options = Options::new(SpillTo::new(tempfile::tempfile));
    let cut = &whole[..whole.len() - 3];
    for (one, two, side) in [(cut, &whole[..], diff::Side::First), (&whole[..], cut, diff::Side::Second)] {
        let error = compared(one, two, &options).expect_err("one is cut");
        assert!(matches!(error, DiffError::Read { side: said, .. } if said == side), "{error:?}");
    }
}

#[test]
fn a_full_disk_is_an_error() {
    let mut file = File::new(Family::Redis, 11);
    file.keys = vec![Key::new(b"a", testkit::rdb::Value::String(b"1".to_vec()))];
    let one = file.encode().bytes;
    file.keys[0].name = b"b".to_vec();
    let options = Options { memory: 0, ..Options::new(SpillTo::new(|| Err(io::ErrorKind::StorageFull.into()))) };
    assert!(compared(&one, &file.encode().bytes, &options).is_err());
}
