//! What is said about files as they really get damaged: each test is named after a pattern that users meet, makes such a
//! file, and holds the first lines of the report against what they would want to be told.

use std::fs;
use std::path::Path;

use tempfile::TempDir;
use testkit::rdb::{Listpack, RdbWriter};
use testkit::resp::AofWriter;

use crate::{Ran, TestResult, aof::aofcheck, ran, rdbcheck};

type Said = Result<Ran, Box<dyn std::error::Error>>;

/// The report on an RDB of these bytes.
fn rdb(bytes: &[u8], args: &[&str]) -> Said {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("dump.rdb"), bytes)?;
    ran(rdbcheck(&[args, &["dump.rdb"]].concat()).current_dir(folder.path()).output())
}

/// The report on an append-only file of these bytes.
fn aof(bytes: &[u8], args: &[&str]) -> Said {
    set(&[("appendonly.aof", bytes)], &[args, &["appendonly.aof"]].concat())
}

/// The report on files in one folder.
fn set(files: &[(&str, &[u8])], args: &[&str]) -> Said {
    let folder = folder(files)?;
    ran(aofcheck(folder.path(), args).output())
}

fn folder(files: &[(&str, &[u8])]) -> Result<TempDir, Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    for (name, bytes) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
        fs::write(path, bytes)?;
    }
    Ok(folder)
}

/// Asserts the exit code, and that the report holds all of these, in that order.
fn says(ran: &Ran, code: i32, texts: &[&str]) {
    assert_eq!(ran.code, Some(code), "{ran:?}");
    let mut rest = ran.out.as_str();
    for text in texts {
        let at =
            rest.find(text).unwrap_or_else(|| panic!("{text:?} is missing, or stands before another:\n{}", ran.out));
        rest = &rest[at + text.len()..];
    }
}

/// So many keys, with line ends and bytes of all values in them.
fn sound(keys: usize) -> Vec<u8> {
    let mut w = RdbWriter::redis(11);
    w.aux(b"redis-ver", b"7.2.4").select_db(0).resize_db(keys as u64, 0);
    for n in 0..keys {
        w.string_key(format!("key:{n}").as_bytes(), format!("value\n{n}\u{e9}").as_bytes());
    }
    w.finish()
}

fn place(bytes: &[u8], text: &[u8]) -> Result<usize, &'static str> {
    bytes.windows(text.len()).position(|window| window == text).ok_or("the text is not there")
}

/// `SELECT 0`, and `SET` of so many keys.
fn commands(keys: usize) -> Vec<u8> {
    let mut all = AofWriter::new();
    all.select(0);
    for n in 0..keys {
        all.record(&["SET", &format!("key:{n}"), "v"]);
    }
    all.take()
}

const BASE: &str = "appendonlydir/appendonly.aof.1.base.rdb";
const INCR: &str = "appendonlydir/appendonly.aof.1.incr.aof";
const NEXT: &str = "appendonlydir/appendonly.aof.2.incr.aof";
const MANIFEST: &str = "appendonlydir/appendonly.aof.manifest";
const LINES: &[u8] = b"file appendonly.aof.1.base.rdb seq 1 type b\nfile appendonly.aof.1.incr.aof seq 1 type i\n";

#[test]
fn row_1_bit_rot() -> TestResult {
    let mut w = RdbWriter::redis(11);
    w.select_db(0).string_key(b"a", b"b").key(17, b"JPY:M1.price").str(&Listpack::of(["f", "1"]));
    let mut bytes = w.finish();
    let at = place(&bytes, b"\x81f")?;
    bytes[at + 2] = 9;
    says(
        &rdb(&bytes, &["--hex"])?,
        1,
        &[
            "cause: bytes have changed: 1 of 2 keys is damaged, the rest can be read (bit-rot)",
            "db 0 key \"JPY:M1.price\"",
            "listpack-bad-backlen at byte",
            "rdb-checksum-mismatch",
            "rdbcheck --salvage dump.new.rdb dump.rdb",
        ],
    );
    let mut bytes = sound(3);
    let at = place(&bytes, b"value")?;
    bytes[at] ^= 4;
    says(&rdb(&bytes, &[])?, 1, &["all of it can be read, 3 keys, but a byte somewhere has changed since"]);
    Ok(())
}

#[test]
fn row_2_keys_that_stand_twice() -> TestResult {
    let bytes = RdbWriter::redis(11).select_db(0).string_key(b"", b"v").string_key(b"", b"v").finish();
    says(
        &rdb(&bytes, &[])?,
        1,
        &[
            "cause: a key occurs twice in one database: every server aborts",
            "key \"\"",
            "the key stands at byte 12 already",
        ],
    );
    Ok(())
}

#[test]
fn row_3_an_append_only_file_padded_with_zeros() -> TestResult {
    let mut bytes = commands(2);
    let end = bytes.len();
    bytes.resize(end + 4096, 0);
    says(
        &aof(&bytes, &[])?,
        1,
        &[
            "no command is lost in the zeros",
            &format!("at byte {end}"),
            "a cut takes away 4096 bytes",
            "aofcheck --fix",
        ],
    );
    Ok(())
}

#[test]
fn row_4_a_torn_command_and_an_open_transaction() -> TestResult {
    let bytes = commands(3);
    says(
        &aof(&bytes[..bytes.len() - 4], &[])?,
        1,
        &["cause: the last write did not reach the disk", "aof-truncated-record", "record 3, SET", "--fix --dry-run"],
    );
    let open = [&commands(1)[..], b"*1\r\n$5\r\nMULTI\r\n*1\r\n$8\r\nFLUSHALL\r\n"].concat();
    says(&aof(&open, &[])?, 1, &["cause: the last transaction was never committed", "aof-open-transaction"]);
    Ok(())
}

#[test]
fn row_5_nothing_was_written() -> TestResult {
    says(&rdb(b"", &[])?, 1, &["cause: the file is empty: a full disk", "what to do", "temp-*.rdb"]);
    Ok(())
}

#[test]
fn row_6_a_copy_that_was_broken_off() -> TestResult {
    says(
        &rdb(&sound(300)[..2048], &[])?,
        1,
        &[
            "cause: the file ends in the middle of a ",
            "at byte 2048 (cut)",
            "db 0 key \"key:",
            "the end mark and the checksum are missing; 2048 bytes, a multiple of 512; a RESIZEDB declares 300 keys,",
        ],
    );
    Ok(())
}

#[test]
fn row_7_a_copy_taken_during_a_rewrite() -> TestResult {
    let (base, incr) = (sound(2), commands(1));
    says(
        &set(&[(BASE, &base), (INCR, &incr), (NEXT, &incr), (MANIFEST, LINES)], &["."])?,
        0,
        &["the copy was taken while the server was writing or rewriting", "auto-aof-rewrite-percentage 0"],
    );
    Ok(())
}

#[test]
fn row_8_a_transfer_in_text_mode() -> TestResult {
    let mut bytes = Vec::new();
    for byte in sound(20) {
        bytes.extend_from_slice(if byte == b'\n' { b"\r\n" } else { std::slice::from_ref(&byte) });
    }
    says(
        &rdb(&bytes, &[])?,
        1,
        &[
            "cause: every line feed follows a carriage return: the file went through a transfer in text mode",
            "sed 's/\\r$//'",
        ],
    );
    let lost: Vec<u8> = commands(1).into_iter().filter(|byte| *byte != b'\r').collect();
    says(
        &aof(&lost, &[])?,
        1,
        &["lines end with a line feed alone", "have the line ends brought back in a new folder"],
    );
    Ok(())
}

#[test]
fn row_9_saved_as_text() -> TestResult {
    let text: String = sound(20).into_iter().map(char::from).collect();
    says(
        &rdb(text.as_bytes(), &[])?,
        1,
        &["stand as UTF-8 characters of two bytes", "iconv -f UTF-8 -t LATIN1 dump.rdb"],
    );
    says(
        &rdb(&[b"\xef\xbb\xbf", &sound(2)[..]].concat(), &[])?,
        1,
        &["a byte-order mark stand before an RDB", "tail -c +4 dump.rdb | rdbcheck -"],
    );
    Ok(())
}

#[test]
fn row_10_the_wrong_file() -> TestResult {
    let page = b"<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>";
    for (bytes, said) in [
        (&b"BZh91AY"[..], &["it is compressed with bzip2", "bzip2 -dc dump.rdb | rdbcheck -"][..]),
        (b"PK\x03\x04more", &["it is a zip archive", "unzip -p dump.rdb"]),
        (page, &["it says: AccessDenied", "Fetch the file again"]),
        (b"\x7fELF\x02\x01\x01", &["it is a program or library", "CONFIG GET dir"]),
        (LINES, &["the manifest of an append-only directory", "aofcheck dump.rdb"]),
    ] {
        says(&rdb(bytes, &[])?, 3, said);
    }
    let folder = tempfile::tempdir()?;
    let directory = ran(rdbcheck(&["."]).current_dir(folder.path()).output())?;
    assert_eq!((directory.code, directory.err.as_str()), (Some(2), "rdbcheck: .: it is a directory\n"));
    Ok(())
}

#[test]
fn row_11_two_files_in_one() -> TestResult {
    let bytes = sound(3);
    let end = bytes.len();
    says(
        &rdb(&[&bytes[..], &bytes].concat(), &[])?,
        0,
        &[
            &format!("an RDB ends at byte {end}, and another one begins there, {end} bytes long"),
            "nothing of the second",
        ],
    );
    Ok(())
}

#[test]
fn row_12_what_a_replication_leaves() -> TestResult {
    let bytes = sound(3);
    let mark = b"0123456789abcdef0123456789abcdef01234567";
    says(
        &rdb(&[&bytes[..], mark].concat(), &[])?,
        0,
        &["the last 40 bytes are the mark with which a diskless replication ends", &format!("head -c {}", bytes.len())],
    );
    says(&rdb(&[b"\n", &bytes[..]].concat(), &[])?, 1, &["1 line end stands before the RDB", "tail -c +2 dump.rdb"]);
    Ok(())
}

#[test]
fn row_13_zeros() -> TestResult {
    says(&rdb(&[0; 4096], &[])?, 1, &["the whole file is zero, 4096 bytes in all"]);
    let mut bytes = sound(400);
    let end = bytes.len();
    bytes[4096..].fill(0);
    says(&rdb(&bytes, &[])?, 1, &["to the end all zero", "at byte 40", &format!("{end} bytes")]);
    let mut bytes = sound(400);
    let at = place(&bytes, b"key:9")? - 2;
    bytes[at..at + 600].fill(0);
    says(&rdb(&bytes, &[])?, 1, &["zero bytes from byte", "lie where records should be (hole)"]);
    Ok(())
}

#[test]
fn row_14_two_servers_in_one_folder() -> TestResult {
    let lines =
        b"file appendonly.aof.1.base.rdb seq 1 type b\nfile appendonly.aof.1.incr.aof seq 1 type i startoffset 0 \
                  endoffset 500\nfile appendonly.aof.2.incr.aof seq 2 type i startoffset 900\n";
    let (base, incr) = (sound(2), commands(1));
    says(
        &set(&[(BASE, &base), (INCR, &incr), (NEXT, &incr), (MANIFEST, lines)], &["."])?,
        0,
        &["manifest-offsets-do-not-chain in appendonly.aof.manifest"],
    );
    Ok(())
}

#[test]
fn row_15_the_manifest_is_lost() -> TestResult {
    let (base, incr) = (sound(2), commands(1));
    for files in [&[(BASE, &base[..]), (INCR, &incr)][..], &[(BASE, &base), (INCR, &incr), (MANIFEST, b"")]] {
        says(
            &set(files, &["appendonlydir"])?,
            1,
            &[
                "cause: the manifest was lost or emptied, but the files of the set may all be there",
                "a manifest of the files that are there; no command goes",
            ],
        );
    }
    Ok(())
}

#[test]
fn row_16_a_part_is_missing() -> TestResult {
    let (base, incr) = (sound(2), commands(1));
    let lines = [LINES, b"file appendonly.aof.2.incr.aof seq 2 type i\n"].concat();
    says(
        &set(&[(BASE, &base), (INCR, &incr), (MANIFEST, &lines)], &["."])?,
        1,
        &["cause: a file of the set is missing: appendonly.aof.2.incr.aof is not there", "Look for the missing file"],
    );
    let gap = [LINES, b"file appendonly.aof.3.incr.aof seq 3 type i\n"].concat();
    let third = "appendonlydir/appendonly.aof.3.incr.aof";
    says(&set(&[(BASE, &base), (INCR, &incr), (third, &incr), (MANIFEST, &gap)], &["."])?, 0, &["manifest-gap"]);
    Ok(())
}

#[test]
fn row_17_a_newer_version_is_not_damage() -> TestResult {
    let bytes = RdbWriter::redis(13).aux(b"redis-ver", b"8.6.3").select_db(0).string_key(b"a", b"b").finish();
    says(
        &rdb(&bytes, &["--for", "redis-7.2"])?,
        1,
        &["dump.rdb: sound", "the file says REDIS 13; redis-7.2 takes REDIS 1 to 11", "not damaged"],
    );
    let newer = RdbWriter::redis(42).finish();
    says(&rdb(&newer, &[])?, 3, &["cannot be judged: not damaged", "version 42", "Do not repair it"]);
    Ok(())
}

#[test]
fn row_18_what_the_server_does_not_know() -> TestResult {
    let file = crate::sound("redis-7.0-module-testrdb-aux.rdb")?;
    says(
        &rdb(&file, &["--for", "redis-7.2"])?,
        1,
        &["redis-7.2 has no module for the type test__rdb", "db 0 key \"mk", "Give the server the modules"],
    );
    Ok(())
}

#[test]
fn row_19_several_databases_in_a_cluster() -> TestResult {
    let mut w = RdbWriter::redis(11);
    w.select_db(0).string_key(b"a", b"b").select_db(3).string_key(b"c", b"d");
    says(
        &rdb(&w.finish(), &["--for", "redis-7.2", "--set", "cluster-enabled=yes"])?,
        1,
        &["redis-7.2     NO       refuses", "outside of a cluster"],
    );
    Ok(())
}

#[test]
fn row_20_no_checksum() -> TestResult {
    let bytes = fs::read(crate::testdata().join("broken/checksum-off.rdb"))?;
    says(&rdb(&bytes, &[])?, 0, &["the structure is checked, the content is unproven"]);
    says(&rdb(&bytes, &["--require-checksum"])?, 1, &["not as demanded: --require-checksum (it is switched off)"]);
    Ok(())
}

#[test]
fn row_21_what_no_checksum_guards() -> TestResult {
    says(&aof(&commands(2), &[])?, 0, &["no checksum: the framing is proven, a changed value cannot be seen"]);
    Ok(())
}

#[test]
fn row_22_a_start_without_anybody_there() -> TestResult {
    let mut bytes = commands(2);
    bytes.extend_from_slice(&[0; 100]);
    let folder = folder(&[("appendonly.aof", &bytes)])?;
    let run = |args: &[&str]| ran(aofcheck(folder.path(), &[args, &["appendonly.aof"]].concat()).output());
    assert_eq!(run(&["--preen", "--max-loss", "10"])?.code, Some(1));
    assert_eq!(run(&["--preen", "--max-loss", "1K"])?.code, Some(0));
    assert_eq!(run(&["--quiet"])?.code, Some(0));
    Ok(())
}

#[test]
fn row_23_everything_has_expired() -> TestResult {
    let mut w = RdbWriter::redis(11);
    w.select_db(0).string_key(b"a", b"b");
    for n in 0..19 {
        w.expire_ms(1_600_000_000_000).string_key(format!("k{n}").as_bytes(), b"v");
    }
    says(&rdb(&w.finish(), &[])?, 0, &["19 of 20 keys have expired: a server started now will show 1", "clock"]);
    Ok(())
}
