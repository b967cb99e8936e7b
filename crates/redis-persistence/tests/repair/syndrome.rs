//! Repair by the checksum: short damage is undone byte for byte, longer damage never wrongly.
//!
//! `SYNDROME_CASES=1000` tries as many cases of each kind, instead of 60; `SYNDROME_BIG=1` among them files of up to 50 MB, which
//! servers write, and times it with 100 to 400 MB.

use std::collections::BTreeMap;
use std::io::{Cursor, Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use crate::timed::Clock;

use redis_persistence::repair::rdb::syndrome::{Outcome, Search, search, search_in};
use redis_persistence::verify::{self, Options, Report, Verdict};
use testkit::rdb::{Checksum, Family, File, Key, Value};
use testkit::rng::Rng;
use testkit::server::{Product, Server, require};

fn real(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/rdb").join(name);
    std::fs::read(path).expect("it lies in testdata")
}

/// A file of so many keys that a server wrote, of about 100 bytes each that nothing compresses.
fn written_by(product: Product, keys: u32) -> Option<Vec<u8>> {
    let installed = require(product)?;
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = Server::start(&installed, folder.path(), &[]).expect("it starts");
    const FILL: &str = "for i = tonumber(ARGV[1]), tonumber(ARGV[2]) do \
        redis.call('SET', 'key:' .. i, redis.sha1hex(i) .. redis.sha1hex(-i)) end";
    for from in (0..keys).step_by(10_000) {
        let to = (from + 9_999).min(keys - 1);
        server.run(&["EVAL", FILL, "0", &from.to_string(), &to.to_string()]).expect("it takes them");
    }
    server.save().expect("it saves");
    Some(std::fs::read(folder.path().join("dump.rdb")).expect("it wrote one"))
}

fn made(family: Family, version: u32, budget: usize) -> Vec<u8> {
    File::arbitrary(&mut Rng::new(u64::from(version)), family, version, budget).encode().bytes
}

/// Ten files with a checksum, of different versions, from 50 KB on.
fn samples() -> &'static [(&'static str, Vec<u8>)] {
    static SAMPLES: OnceLock<Vec<(&str, Vec<u8>)>> = OnceLock::new();
    SAMPLES.get_or_init(|| {
        let mut all = vec![
            ("version 6 of Redis 2.8", real("redis-2.8-thresholds-100000.rdb")),
            ("version 10 of Redis 7.0", real("redis-7.0-thresholds-100000.rdb")),
            ("version 11 of Valkey", real("valkey-9.1-replica-sync-to-old.rdb")),
            ("version 5", made(Family::Redis, 5, 1_500)),
            ("version 7", made(Family::Redis, 7, 2_500)),
            ("version 9", made(Family::Redis, 9, 4_000)),
            ("version 12", made(Family::Redis, 12, 2_000)),
            ("version 13", made(Family::Redis, 13, 1_500)),
            ("version 15", made(Family::Redis, 15, 3_000)),
            ("version 80 of Valkey", made(Family::Valkey, 80, 4_500)),
        ];
        if std::env::var_os("SYNDROME_BIG").is_some() {
            let big = [
                (5, "50 MB of Redis 6.2", Product::Redis62, 500_000),
                (9, "20 MB of Valkey 9.1", Product::Valkey91, 200_000),
                (7, "4 MB of Redis 8.6", Product::Redis86, 40_000),
            ];
            for (at, name, product, keys) in big {
                if let Some(bytes) = written_by(product, keys) {
                    all[at] = (name, bytes);
                }
            }
        }
        all
    })
}

fn cases() -> usize {
    std::env::var("SYNDROME_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(60)
}

fn judge(data: &[u8]) -> (Report, Search) {
    let options = Options::default();
    let report = verify::slice(data, &options);
    let search = search(data, &report, &options);
    (report, search)
}

/// Changes `len` bytes at `at`, the first and the last of them for certain.
fn burst(data: &mut [u8], at: usize, len: usize, rng: &mut Rng) {
    for (n, byte) in data[at..at + len].iter_mut().enumerate() {
        let least = u64::from(n == 0 || n + 1 == len);
        *byte ^= u8::try_from(rng.range(least..=255)).expect("a byte");
    }
}

/// Damages and searches. Answers whether it was undone, and panics where it was undone wrongly.
fn try_burst(name: &str, sound: &[u8], at: usize, len: usize, rng: &mut Rng) -> (bool, Search) {
    let mut data = sound.to_vec();
    burst(&mut data, at, len, rng);
    let (_, search) = judge(&data);
    let mended = search.apply_to(&mut data);
    assert!(!mended || data == sound, "{name}: {len} bytes at {at} were mended wrongly: {search}");
    if let (true, Some(mend)) = (mended, search.mended()) {
        let (first, end) = (mend.offset, mend.offset + mend.new.len() as u64);
        assert!(first >= at as u64 && end <= (at + len) as u64, "{name}: {search}");
    }
    (mended, search)
}

/// A random change of `lens` bytes for each case, one file after the other: (file size, length, whether it was undone).
fn tally(lens: std::ops::RangeInclusive<usize>, seed: u64) -> Vec<(usize, usize, bool, String)> {
    let mut rng = Rng::new(seed);
    let samples = samples();
    let mut all = Vec::new();
    for n in 0..cases() {
        let (name, sound) = &samples[n % samples.len()];
        let len = rng.size(lens.clone());
        let at = rng.size(0..=sound.len() - len);
        let (undone, search) = try_burst(name, sound, at, len, &mut rng);
        all.push((sound.len(), len, undone, format!("{name}: {len} bytes at {at} of {}: {search}", sound.len())));
    }
    all
}

#[test]
fn samples_are_sound_and_large_enough() {
    for (name, bytes) in samples() {
        println!("{name}: {} bytes", bytes.len());
        assert_eq!(verify::slice(bytes, &Options::default()).verdict, Verdict::Sound, "{name}");
        assert!(bytes.len() >= 50_000, "{name} has {} bytes", bytes.len());
        assert_eq!(judge(bytes).1.outcome, Outcome::ChecksumFits, "{name}");
    }
}

#[test]
fn single_bytes_are_undone() {
    for (.., undone, what) in tally(1..=1, 1) {
        assert!(undone, "{what}");
    }
}

#[test]
fn bursts_of_two_and_three_bytes_are_undone() {
    for (.., undone, what) in tally(2..=3, 2) {
        assert!(undone, "{what}");
    }
}

#[test]
fn longer_bursts_are_never_mended_wrongly() {
    let mut shares: BTreeMap<usize, (u32, u32)> = BTreeMap::new();
    for (size, len, undone, what) in tally(4..=8, 3) {
        assert!(undone || len > 4 || size > 4 << 20, "{what}");
        let share = shares.entry(len).or_default();
        *share = (share.0 + u32::from(undone), share.1 + 1);
    }
    for (len, (undone, all)) in shares {
        println!("{len} bytes: {undone} of {all} undone");
    }
}

#[test]
fn version_digits_are_mended() {
    let sound = made(Family::Redis, 11, 100);
    for digits in [b"0001", b"0004", b"0010", b"0019", b"9911", b"0000", b"00:1", b"1011", b"0x11"] {
        let mut data = sound.clone();
        data[5..9].copy_from_slice(digits);
        let (_, search) = judge(&data);
        assert!(search.apply_to(&mut data) && data == sound, "{}: {search}", digits.escape_ascii());
    }
}

#[test]
fn every_byte_of_a_small_file_is_mended() {
    let sound = real("redis-7.0-functions.rdb");
    let mut rng = Rng::new(8);
    for at in 0..sound.len() {
        for len in 1..=4.min(sound.len() - at) {
            let (undone, search) = try_burst("small", &sound, at, len, &mut rng);
            assert!(undone, "{len} bytes at {at}: {search}");
        }
    }
}

#[test]
fn a_damaged_trailer_is_told_from_damaged_content() {
    let sound = made(Family::Redis, 12, 500);
    let trailer = sound.len() - 8;
    let mut rng = Rng::new(4);
    for (at, len) in (1..=4).flat_map(|len| (0..=8 - len).map(move |at| (at, len))) {
        let (undone, search) = try_burst("trailer", &sound, trailer + at, len, &mut rng);
        assert!(undone && search.mended().is_some_and(|mend| mend.trailer), "{len} bytes at {at}: {search}");
    }
    for (before, len) in (2..=4).flat_map(|len| (1..len).map(move |before| (before, len))) {
        let (undone, search) = try_burst("across", &sound, trailer - before, len, &mut rng);
        assert!(undone && search.mended().is_some_and(|mend| !mend.trailer), "{len} from {before} before: {search}");
    }
    let mut data = sound.clone();
    burst(&mut data, trailer, 8, &mut rng);
    assert_eq!(judge(&data).1.outcome, Outcome::TrailerOrContent);
}

#[test]
fn the_key_is_named() {
    let mut file = File::new(Family::Redis, 11);
    file.keys = vec![
        Key::new(b"first", Value::String(b"one".to_vec())),
        Key::new(b"second", Value::String(b"two".to_vec())).in_db(3),
    ];
    let sound = file.encode();
    let at = sound.keys[1].end - 2;
    let mut data = sound.bytes.clone();
    data[at] = b'W';
    let (_, search) = judge(&data);
    let mend = search.mended().expect("a single byte");
    assert_eq!((mend.offset, &mend.old[..], &mend.new[..]), (at as u64, &b"W"[..], &b"w"[..]));
    let key = mend.key.as_ref().expect("it lies in a key");
    assert_eq!((key.db, &key.name[..], key.start), (3, &b"second"[..], sound.keys[1].start as u64));
    let lines = search.to_string();
    assert!(
        lines.contains(&format!("mended at offset {at}: 77 instead of 57, in key \"second\" of database 3")),
        "{lines}"
    );
    assert!(!mend.apply_to(&mut data[..at]), "there are no such bytes");
    assert!(search.apply_to(&mut data) && !search.apply_to(&mut data), "once is enough");
}

#[test]
fn without_a_checksum_there_is_nothing_to_go_by() {
    for (version, checksum) in [(11, Checksum::Off), (4, Checksum::Absent)] {
        let mut file = File::arbitrary(&mut Rng::new(7), Family::Redis, version, 100);
        file.checksum = checksum;
        let mut data = file.encode();
        assert_eq!(judge(&data.bytes).1.outcome, Outcome::NoChecksum, "version {version}");
        let type_at = data.keys[1].type_at;
        data.bytes[type_at] = 0xe0;
        let (report, search) = judge(&data.bytes);
        assert_eq!((report.verdict, search.outcome), (Verdict::Damaged, Outcome::NoChecksum), "version {version}");
    }
}

#[test]
fn two_damages_are_not_mended_wrongly() {
    let samples = samples();
    let mut rng = Rng::new(5);
    for n in 0..cases() {
        let (name, sound) = &samples[n % samples.len()];
        let first = rng.size(0..=sound.len() - 100);
        let mut data = sound.clone();
        burst(&mut data, first, 1, &mut rng);
        burst(&mut data, rng.size(first + 8..=sound.len() - 1), 1, &mut rng);
        let (_, search) = judge(&data);
        assert!(search.mended().is_none(), "{name}: {search}");
        assert!(matches!(
            search.outcome,
            Outcome::NotFound | Outcome::TrailerOrContent | Outcome::Ambiguous { .. } | Outcome::NoChecksum
        ));
    }
}

#[test]
fn bytes_behind_the_end_do_not_hide_it() {
    let sound = [made(Family::Redis, 11, 300), b"*1\r\n$4\r\nPING\r\n".to_vec()].concat();
    let (undone, search) = try_burst("trailing", &sound, sound.len() - 40, 2, &mut Rng::new(6));
    assert!(undone, "{search}");
}

#[test]
fn a_file_is_mended_without_being_held() {
    let sound = made(Family::Redis, 11, 300);
    let mut data = sound.clone();
    data[1000] ^= 0x21;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("dump.rdb");
    std::fs::write(&path, &data).expect("it can be written");
    let mut file = std::fs::File::open(&path).expect("it is there");
    let (report, in_memory) = judge(&data);
    let found = search_in(&mut file, &report, &Options::default()).expect("it can be read");
    assert_eq!(found, in_memory);
    let mend = found.mended().expect("a single byte");
    let mut mended = Vec::new();
    let mut over = mend.over(&file).expect("it is the same file");
    over.read_to_end(&mut mended).expect("it can be read");
    assert!(mended == sound);
    for from in [0, 998, 1000, 1001] {
        over.seek(SeekFrom::Start(from)).expect("it can seek");
        let mut bytes = [0; 3];
        over.read_exact(&mut bytes).expect("it can be read");
        assert_eq!(bytes[..], sound[usize::try_from(from).expect("small")..][..3]);
    }
    assert!(mend.over(Cursor::new(&sound)).is_err(), "another file");
}

/// Half of it short keys, half long strings; so many MB.
fn large(megabytes: usize) -> Vec<u8> {
    let mut rng = Rng::new(11);
    let mut file = File::new(Family::Redis, 11);
    file.compression = false;
    file.keys = (0..megabytes / 2)
        .map(|n| Key::new(format!("long:{n}").as_bytes(), Value::String(rng.bytes(1_000_000))))
        .chain((0..megabytes * 5_000).map(|n| Key::new(format!("k:{n}").as_bytes(), Value::String(vec![b'x'; 90]))))
        .collect();
    file.encode().bytes
}

#[test]
fn time_is_linear() {
    let sizes = if std::env::var_os("SYNDROME_BIG").is_some() { [100, 200, 400] } else { [12, 24, 48] };
    let options = Options::default();
    let mut per_megabyte = Vec::new();
    for megabytes in sizes {
        let mut data = large(megabytes);
        let sound = data.clone();
        let at = data.len() / 5;
        data[at] ^= 1;
        // The best of three: other tests run beside this one.
        let (mut verified, mut searched) = (Duration::MAX, Duration::MAX);
        for _ in 0..3 {
            let start = Clock::start();
            let report = verify::slice(&data, &options);
            verified = verified.min(start.elapsed());
            let start = Clock::start();
            let found = search(&data, &report, &options);
            searched = searched.min(start.elapsed());
            let mut mended = data.clone();
            assert!(found.apply_to(&mut mended) && mended == sound, "{found}");
        }
        println!("{} bytes: verify {verified:?}, search {searched:?}", data.len());
        assert!(searched < 30 * verified.max(Duration::from_millis(5)), "verify {verified:?}, search {searched:?}");
        per_megabyte.push(searched / u32::try_from(megabytes).expect("small"));
    }
    let (first, last) = (per_megabyte[0], per_megabyte[2]);
    assert!(last < 3 * first, "for each MB {per_megabyte:?}");
}
