//! No key is lost in silence: what no damage touched is saved, or listed by its place as a doubtful one.
//!
//! `NAMED_CASES=5000` damages so many files instead of 24, and prints what became of the keys; `NAMED_FROM=5000` takes others,
//! `NAMED_KEEP=FOLDER` keeps the files that fall short.

use std::collections::{BTreeMap, HashSet};
use std::io::Cursor;
use std::ops::Range;

use redis_persistence::repair::rdb::salvage::{Loss, Options, plan};
use testkit::rdb::{Family, File, released_types};
use testkit::rng::Rng;

use crate::harm::{HARMS, Harmed, harm};
use crate::truth::{Held, keys};

/// Whose files, and of which versions.
const WRITERS: [(Family, u32); 4] =
    [(Family::Redis, 12), (Family::Valkey, 80), (Family::Redis, 9), (Family::Redis, 10)];
/// Cases that fell short once: values that end like the attributes of a key, and keys that were read from pieces of another.
const ONCE: [u64; 9] = [25, 109, 115, 252, 303, 396, 1845, 2928, 5292];

fn asked(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().and_then(|n| n.parse().ok())
}

/// Keys of every type that a version has, some with names of any bytes.
fn made(seed: u64, (family, version): (Family, u32), files: u64) -> Vec<u8> {
    let types: Vec<u8> = released_types(family, version).into_iter().filter(|kind| *kind != 7).collect();
    let mut all = File::new(family, version);
    let mut names = HashSet::new();
    for n in 0..files {
        let file = File::arbitrary_of(&mut Rng::new(seed << 8 | n), family, version, 400, &types);
        all.aux = file.aux;
        all.keys.extend(file.keys.into_iter().filter(|key| names.insert((key.db, key.name.clone()))));
    }
    all.keys.sort_by_key(|key| key.db);
    all.encode().bytes
}

/// One damaged file, and what came of it.
struct Case {
    name: String,
    sound: Vec<u8>,
    harmed: Harmed,
    loss: Loss,
    out: Vec<u8>,
}

impl Case {
    fn new(n: u64) -> Self {
        let mut rng = Rng::new(n ^ 0x9E37_79B9);
        let writer = WRITERS[usize::try_from(n).unwrap_or(0) % WRITERS.len()];
        let sound = made(rng.next_u64() >> 16, writer, rng.size(2..=8) as u64);
        let kind = *rng.pick(&HARMS);
        let regions = rng.size(1..=4);
        let harmed = harm(&sound, kind, regions, &mut rng);
        let mut input = Cursor::new(&harmed.bytes);
        let plan = plan(&mut input, &Options::default()).expect("memory can be read");
        let mut out = Vec::new();
        plan.write(&mut input, &mut out).expect("memory can be written");
        let name = format!("case {n}: {writer:?}, {kind:?} at {:?}", harmed.was);
        Self { name, sound, harmed, loss: plan.loss, out }
    }

    /// What became of each key that no damage touched; those that are lost in silence.
    fn compare(&self, tally: &mut BTreeMap<&'static str, u64>) -> Vec<String> {
        let (before, _) = keys(&self.sound);
        let (after, _) = keys(&self.out);
        let saved: HashSet<&[u8]> = after.iter().map(|key| key.bytes(&self.out)).collect();
        let names: HashSet<&[u8]> = after.iter().map(|key| &key.name[..]).collect();
        let mut short = Vec::new();
        for key in before.iter().filter(|key| !key.touches(&self.harmed.was)) {
            let bytes = key.bytes(&self.sound);
            let what = match () {
                () if saved.contains(bytes) => "saved",
                () if self.is_listed(bytes) => "listed as doubtful",
                () if self.loss.repeated > 0 && names.contains(&key.name[..]) => {
                    "left out, as one of its name is there"
                }
                () => {
                    short.push(format!("{} {} at {:?}", key.kind, key.name.escape_ascii(), key.range));
                    "lost in silence"
                }
            };
            *tally.entry(what).or_default() += 1;
        }
        for key in &after {
            let Some(what) = self.made_up(key, &before) else { continue };
            *tally.entry(what).or_default() += 1;
            if what == "made up of sound bytes" {
                println!("{}: {what}: {} {}", self.name, key.kind, key.name.escape_ascii());
            }
        }
        short
    }

    /// What a key is that the sound file does not have.
    fn made_up(&self, key: &Held, before: &[Held]) -> Option<&'static str> {
        let bytes = key.bytes(&self.out);
        if before.iter().any(|was| was.bytes(&self.sound) == bytes) {
            return None;
        }
        let touches = |at: usize| {
            self.harmed.now.iter().any(|now| now.start < at + bytes.len() && at < now.end.max(now.start + 1))
        };
        if memchr::memmem::find_iter(&self.harmed.bytes, bytes).any(touches) {
            return Some("made up of damaged bytes");
        }
        let lies_in_damaged = memchr::memmem::find_iter(&self.sound, bytes).any(|at| {
            let place = at..at + bytes.len();
            before.iter().any(|key| key.touches(std::slice::from_ref(&place)) && key.touches(&self.harmed.was))
        });
        Some(if lies_in_damaged { "made up of a damaged key" } else { "made up of sound bytes" })
    }

    fn is_listed(&self, bytes: &[u8]) -> bool {
        let text = |range: &Range<u64>| {
            let place = usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?;
            self.harmed.bytes.get(place)
        };
        self.loss.doubtful.iter().any(|listed| text(&listed.range).is_some_and(|text| text.ends_with(bytes)))
    }
}

#[test]
fn a_key_that_no_damage_touched_is_saved_or_listed() {
    let from = asked("NAMED_FROM").unwrap_or(0);
    let cases = asked("NAMED_CASES").map_or(0..24, |count| from..from + count);
    let mut tally = BTreeMap::new();
    let mut failed = Vec::new();
    for n in ONCE.into_iter().chain(cases) {
        let case = Case::new(n);
        let short = case.compare(&mut tally);
        if !short.is_empty() {
            println!("{}: {short:?}", case.name);
            if let Ok(folder) = std::env::var("NAMED_KEEP") {
                std::fs::write(format!("{folder}/{n}.rdb"), &case.harmed.bytes).expect("it can be written");
                std::fs::write(format!("{folder}/{n}-sound.rdb"), &case.sound).expect("it can be written");
            }
            failed.push(n);
        }
    }
    tally.iter().for_each(|(what, n)| println!("{n:>9} {what}"));
    assert!(tally.get("saved").is_some_and(|saved| *saved > 1000), "{tally:?}");
    assert_eq!(failed, [], "{tally:?}");
}
