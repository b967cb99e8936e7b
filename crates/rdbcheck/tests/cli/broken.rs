//! The files of `testdata/broken`: how each was made. `BLESS=1` writes them.

use std::fs;

use testkit::rdb::{Checksum, Encoded, Family, File, Key, Listpack, RdbWriter, Value};

use crate::{TestResult, sound, testdata};

/// Every damaged or foreign input, by its name without `.rdb`.
fn inputs() -> std::io::Result<Vec<(&'static str, Vec<u8>)>> {
    let large = sound("redis-7.0-multidb.rdb")?;
    let small = sound("redis-7.0-module-testrdb-aux.rdb")?;
    let old = sound("crafted-expiretime-253-past-v9.rdb")?;
    Ok(vec![
        ("empty-file", Vec::new()),
        ("zeros", vec![0; 100]),
        ("text", b"This is no dump: someone saved a log under its name.\n".to_vec()),
        ("gzip", GZIP_IN_GZIP.to_vec()),
        ("byte-order-mark", [b"\xef\xbb\xbf".as_slice(), &old].concat()),
        ("version-digit", changed(&old, 8, b'4')),
        ("newer-version", RdbWriter::redis(42).select_db(0).string_key(b"key", b"value").finish()),
        ("dragonfly", RdbWriter::redis(9).aux(b"redis-ver", b"df-v1.27.1").select_db(0).key(35, b"key").finish()),
        ("unknown-type", RdbWriter::redis(11).select_db(0).string_key(b"before", b"1").key(99, b"key").finish()),
        ("unknown-type-damaged", unknown_type_damaged()),
        // In the middle of the name "mk1".
        ("cut-in-key", small[..0xbb].to_vec()),
        // In the text "value1": only the checksum can tell.
        ("byte-changed", changed(&small, 0xcb, b'!')),
        ("checksum-off", File { checksum: Checksum::Off, ..keys(&[b"one", b"two"]) }.encode().bytes),
        ("second-rdb", [small.as_slice(), &old].concat()),
        ("zero-page", [&large[..4096], vec![0; large.len() - 4096].as_slice()].concat()),
        ("duplicate-key", keys(&[b"user:1", b"user:2", b"user:1"]).encode().bytes),
        ("many-duplicates", many_duplicates().bytes),
        ("error-page", b"<?xml version=\"1.0\"?>\n<Error><Code>NoSuchKey</Code><Key>dump.rdb</Key></Error>\n".to_vec()),
        ("manifest", b"file appendonly.aof.1.base.rdb seq 1 type b\n".to_vec()),
        ("crlf", with_returns(&large)),
        ("utf-8", small.iter().copied().map(char::from).collect::<String>().into_bytes()),
        ("replication-capture", [b"$EOF:0123456789abcdef0123456789abcdef01234567\r\n", &small[..], MARK].concat()),
        ("replication-mark", [&small[..], MARK].concat()),
        ("dump-payload", changed(&RdbWriter::bare(11).raw(b"\x00\x05hello").finish_dump(), 4, b'L')),
        // A value, its name and those after it.
        ("hole", [&large[..1000], &[0; 512], &large[1512..]].concat()),
        ("value-damaged", value_damaged()),
        ("all-expired", all_expired()),
        ("hostile-names", keys(&[HOSTILE, HOSTILE, b"a\xff\x00b", b"a\xff\x00b"]).encode().bytes),
    ])
}

/// The same with a checksum that does not vouch for it.
fn unknown_type_damaged() -> Vec<u8> {
    let mut bytes = RdbWriter::redis(11).select_db(0).string_key(b"before", b"1").key(99, b"key").finish();
    bytes.last_mut().into_iter().for_each(|byte| *byte ^= 1);
    bytes
}

/// Packed twice: one gzip is unpacked, the other is not looked for.
const GZIP_IN_GZIP: &[u8] = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x93\xef\xe6\x60\x00\
    \x03\x66\x66\x06\x18\x00\x00\xfb\x70\xee\xc6\x14\x00\x00\x00";

/// A name that clears a terminal, sets its title, and writes from right to left.
const HOSTILE: &[u8] = "\x1b[2J\x1b]0;title\x07\r\n\"quoted\" \u{9b}31m \u{202e}\u{200b}日本".as_bytes();

/// What a replication without a disk ends with.
const MARK: &[u8] = b"0123456789abcdef0123456789abcdef01234567";

/// What a transfer in text mode makes of line feeds.
fn with_returns(file: &[u8]) -> Vec<u8> {
    file.iter()
        .flat_map(|byte| if *byte == b'\n' { &b"\r\n"[..] } else { std::slice::from_ref(byte) })
        .copied()
        .collect()
}

/// A hash of which one length is wrong, between two sound keys.
fn value_damaged() -> Vec<u8> {
    let mut w = RdbWriter::redis(11);
    w.aux(b"redis-ver", b"7.2.4").select_db(0).string_key(b"before", b"1");
    w.key(16, b"user:7").str(&Listpack::of(["name", "Ada", "city", "Oslo"])).string_key(b"behind", b"2");
    let mut bytes = w.finish();
    if let Some(at) = bytes.windows(4).position(|window| window == b"\x83Ada") {
        bytes[at] = 0x8a;
    }
    bytes
}

/// Keys of which nearly all are past.
fn all_expired() -> Vec<u8> {
    let mut w = RdbWriter::redis(11);
    w.select_db(0).string_key(b"counter", b"7");
    for n in 0..12 {
        w.expire_ms(1_700_000_000_000).string_key(format!("session:{n}").as_bytes(), b"v");
    }
    w.finish()
}

/// The file with another byte at `at`.
fn changed(file: &[u8], at: usize, byte: u8) -> Vec<u8> {
    let mut file = file.to_vec();
    file[at] = byte;
    file
}

/// A file of string keys, in that order.
fn keys(names: &[&[u8]]) -> File {
    let keys = names.iter().map(|name| Key::new(name, Value::String(b"value".to_vec()))).collect();
    File { keys, ..File::new(Family::Redis, 11) }
}

fn many_duplicates() -> Encoded {
    let names: Vec<_> = (0..12).map(|n| format!("key:{n}").into_bytes()).collect();
    let twice: Vec<&[u8]> = names.iter().chain(&names).map(Vec::as_slice).collect();
    let mut file = keys(&twice);
    file.keys.iter_mut().skip(20).for_each(|key| key.freq = Some(5));
    file.encode()
}

#[test]
fn the_files_are_what_this_makes() -> TestResult {
    let folder = testdata().join("broken");
    for (name, bytes) in inputs()? {
        let path = folder.join(name).with_extension("rdb");
        if crate::golden::blessing() {
            fs::write(&path, &bytes)?;
        }
        assert!(fs::read(&path)? == bytes, "{name} differs; BLESS=1 writes it");
    }
    Ok(())
}

#[test]
fn no_file_is_left_without_a_maker() -> TestResult {
    let made: Vec<_> = inputs()?.into_iter().map(|(name, _)| name.to_owned()).collect();
    for file in crate::golden::rdb_files(&testdata().join("broken"))? {
        let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        assert!(made.contains(&stem), "{stem}");
    }
    Ok(())
}
