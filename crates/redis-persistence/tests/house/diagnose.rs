//! One file for each cause, made byte by byte, and what is said of it.

use redis_persistence::diagnose::{Cause, CauseCode, diagnose};
use redis_persistence::verify::{self, Name, Options, Report, Verdict};
use testkit::rdb::RdbWriter;

type TestResult = Result<(), Box<dyn std::error::Error>>;

/// As much of a file's beginning and end as a caller would hand over.
const PART: usize = 4096;

fn parts(bytes: &[u8]) -> (&[u8], &[u8]) {
    (&bytes[..bytes.len().min(PART)], &bytes[bytes.len() - bytes.len().min(PART)..])
}

fn cause_of(bytes: &[u8], report: &Report) -> Cause {
    let (head, tail) = parts(bytes);
    diagnose(head, tail, report).unwrap_or_else(|| panic!("no cause: {:?}", report.findings))
}

fn rdb(bytes: &[u8]) -> Cause {
    cause_of(bytes, &verify::slice(bytes, &Options { now_ms: Some(1_800_000_000_000), ..Options::default() }))
}

fn aof(bytes: &[u8]) -> Result<Cause, Box<dyn std::error::Error>> {
    Ok(cause_of(bytes, &verify::aof_slice(bytes, &Options::default())?))
}

fn says(cause: &Cause, code: CauseCode, words: &[&str]) {
    assert_eq!(cause.code, code, "{cause:?}");
    let text = format!("{} {}", cause.message, cause.evidence.join(" "));
    for word in words {
        assert!(text.contains(word), "{word:?} is missing: {cause:?}");
    }
}

/// A sound file of so many keys.
fn sound(keys: usize) -> Vec<u8> {
    let mut w = RdbWriter::redis(11);
    w.aux(b"redis-ver", b"7.2.4").select_db(0).resize_db(keys as u64, 0);
    for n in 0..keys {
        w.string_key(format!("key:{n}").as_bytes(), format!("value\n{n}\u{e9}").as_bytes());
    }
    w.finish()
}

#[test]
fn a_sound_file_has_no_cause() {
    let bytes = sound(50);
    let (head, tail) = parts(&bytes);
    assert_eq!(diagnose(head, tail, &verify::slice(&bytes, &Options::default())), None);
}

#[test]
fn empty_and_zero() -> TestResult {
    says(&rdb(b""), CauseCode::Empty, &["empty"]);
    says(&aof(b"\0\0\0\0\0\0\0\0\0\0\0\0")?, CauseCode::ZeroTailOfCommands, &["12"]);
    says(&rdb(&[0; 100]), CauseCode::AllZero, &["whole file", "100 bytes"]);
    says(&rdb(&[0; 20_000]), CauseCode::AllZero, &["begins and ends", "20000"]);
    Ok(())
}

#[test]
fn zeros_at_the_end() -> TestResult {
    let mut bytes = sound(200);
    let cut = bytes.len() / 2;
    bytes.truncate(cut);
    bytes.resize(16_384, 0);
    let cause = rdb(&bytes);
    says(&cause, CauseCode::ZeroTail, &["all zero", "multiple of 4096"]);
    let from = cause.offset.ok_or("no offset")?;
    assert!(from >= cut as u64 && from < cut as u64 + 20, "{from} {cut}");

    // How many zeros there are is known where the part at hand shows where they begin, or the hole tells it.
    assert!(!cause.message.contains("at least"), "{cause:?}");
    let mut long = RdbWriter::redis(11);
    long.select_db(0).key(0, b"k").len(40_000).raw(&[b'v'; 10_000]);
    let mut bytes = long.finish_with(0);
    bytes.truncate(10_000);
    let zeros = |count: usize| rdb(&[&bytes[..], &vec![0; count][..]].concat());
    says(&zeros(2000), CauseCode::ZeroTail, &["from byte 10000 to the end all zero, 2000 bytes:"]);
    says(&zeros(20_000), CauseCode::ZeroTail, &["from byte 25904 to the end all zero, at least 4096 bytes:"]);

    let mut commands = b"*1\r\n$8\r\nFLUSHALL\r\n".to_vec();
    commands.resize(18 + 4096, 0);
    let cause = aof(&commands)?;
    says(&cause, CauseCode::ZeroTailOfCommands, &["no command is lost", "4096"]);
    assert!(cause.reversible);
    Ok(())
}

#[test]
fn a_hole() {
    let mut bytes = sound(400);
    // From the type byte of a key on.
    let at = bytes.windows(5).position(|w| w == b"key:9").expect("there") - 2;
    bytes[at..at + 600].fill(0);
    let cause = rdb(&bytes);
    says(&cause, CauseCode::Hole, &["zero bytes", "where records should be"]);
    assert_eq!(cause.offset, Some(at as u64));
}

#[test]
fn cut() -> TestResult {
    let bytes = sound(300);
    let cause = rdb(&bytes[..2048]);
    says(
        &cause,
        CauseCode::Cut,
        &["in the middle of a", "at byte 2048", "declares 300 keys", "multiple of 512", "checksum"],
    );
    assert!(matches!(&cause.keys[..], [Name::Key { db: 0, .. }]), "{:?}", cause.keys);
    assert!(!cause.reversible);
    says(&rdb(b"REDIS"), CauseCode::Cut, &["at byte 5"]);

    says(&aof(b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*3\r\n$3\r\nSE")?, CauseCode::CutCommand, &["did not reach"]);
    says(&aof(b"*1\r\n$5\r\nMULTI\r\n*1\r\n$8\r\nFLUSHALL\r\n")?, CauseCode::OpenTransaction, &["never committed"]);
    Ok(())
}

#[test]
fn compressed_or_packed() {
    let mut tar = vec![b'a'; 512];
    tar[257..262].copy_from_slice(b"ustar");
    let cases: [(&[u8], CauseCode, &str); 9] = [
        (b"\x1f\x8b\x08\0more", CauseCode::Gzip, "gzip"),
        (b"\x28\xb5\x2f\xfdmore", CauseCode::Zstd, "zstd"),
        (b"\x04\x22\x4d\x18more", CauseCode::Lz4, "lz4"),
        (b"\xfd7zXZ\0more", CauseCode::Xz, "xz"),
        (b"BZh91AY", CauseCode::Bzip2, "bzip2"),
        (b"PK\x03\x04more", CauseCode::Zip, "zip"),
        (&tar, CauseCode::Tar, "tar"),
        (b"VKCS\x01\x01\0\0", CauseCode::ValkeyEnvelope, "Valkey"),
        (b"\x7fELF\x02\x01\x01", CauseCode::Program, "program"),
    ];
    for (bytes, code, word) in cases {
        let cause = rdb(bytes);
        says(&cause, code, &[word]);
        assert_eq!(cause.reversible, code != CauseCode::Program, "{code}");
    }
    assert_eq!(rdb(b"\x1f\x8b\x08").command.as_deref(), Some("gzip -dc FILE | rdbcheck -"));
}

#[test]
fn pages_and_texts() -> TestResult {
    says(&rdb(b"<!DOCTYPE html><html><title>404\nNot Found</title>"), CauseCode::ErrorPage, &["404 Not Found"]);
    says(&rdb(b"{\"error\":{\"message\":\"expired\"}}"), CauseCode::ErrorPage, &["JSON", "expired"]);
    says(&rdb(b"maxmemory 100mb\nsave 60 1\n"), CauseCode::Text, &["text"]);
    says(&rdb(&[0x99; 40]), CauseCode::NoKnownKind, &["none of the files"]);
    says(&rdb(b"\xff\xfeR\0E\0D\0I\0S\0"), CauseCode::Utf16, &["UTF-16"]);
    says(&aof(b"<html>hello</html>")?, CauseCode::ErrorPage, &["no append-only file"]);
    assert_eq!(aof(b"\x1f\x8b\x08\0\0\0\0\0\0\0")?.command.as_deref(), Some("gzip -dc FILE > OUT"));
    Ok(())
}

/// Two wrong bytes are damage, unless there are no more.
#[test]
fn short_beginnings() {
    for (head, is_near) in
        [(&b"R"[..], true), (b"REDI", true), (b"REDXS", true), (b"VALKEX", true), (b"AB", false), (b"QEDI", false)]
    {
        let verdict = verify::slice(head, &Options::default()).verdict;
        let wanted = if is_near { Verdict::Damaged } else { Verdict::Unknown };
        assert_eq!(verdict, wanted, "{}", head.escape_ascii());
    }
}

#[test]
fn taken_for_text() -> TestResult {
    let bytes = sound(100);
    says(&rdb(&[&b"\xef\xbb\xbf"[..], &bytes].concat()), CauseCode::ByteOrderMark, &["before an RDB"]);

    let latin: String = bytes.iter().copied().map(char::from).collect();
    let cause = rdb(latin.as_bytes());
    says(&cause, CauseCode::Utf8, &["opened and saved as text"]);
    assert!(cause.reversible);
    let both = rdb(&[b"\xef\xbb\xbf", latin.as_bytes()].concat());
    says(&both, CauseCode::ByteOrderMark, &["saved as text"]);

    let cause = rdb(String::from_utf8_lossy(&bytes).as_bytes());
    says(&cause, CauseCode::Utf8Lossy, &["lost"]);
    assert!(!cause.reversible && cause.command.is_none());

    let mut crlf = Vec::new();
    for byte in &bytes {
        crlf.extend_from_slice(if *byte == b'\n' { b"\r\n" } else { std::slice::from_ref(byte) });
    }
    let cause = rdb(&crlf);
    says(&cause, CauseCode::CrLf, &["text mode", "checksum will prove"]);
    assert!(cause.reversible);

    says(&aof(b"*1\r\r\n$8\r\r\nFLUSHALL\r\r\n")?, CauseCode::CrLfCommands, &["two carriage returns"]);
    let lost = aof(b"*1\n$8\nFLUSHALL\n")?;
    says(&lost, CauseCode::LineEndsLost, &["line feed alone"]);
    assert_eq!(lost.command.as_deref(), Some("aofcheck --salvage OUT FILE"));
    let record = testkit::resp::record(&["SET", "a", "1"]);
    let part = [&record[..], &String::from_utf8_lossy(&record).replace('\r', "").into_bytes()].concat();
    says(&aof(&part)?, CauseCode::LineEndsLost, &["some lines"]);
    Ok(())
}

#[test]
fn two_in_one() -> TestResult {
    let bytes = sound(3);
    let cause = rdb(&[&bytes[..], &bytes].concat());
    says(&cause, CauseCode::TwoRdbs, &["another one begins there"]);
    assert_eq!(cause.offset, Some(bytes.len() as u64));
    assert!(cause.command.is_some_and(|command| command.contains(&(bytes.len() + 1).to_string())));
    says(&aof(&[&bytes[..], &bytes].concat())?, CauseCode::TwoRdbs, &["RDB image begins here"]);
    Ok(())
}

#[test]
fn captured_replication() {
    let bytes = sound(3);
    let mark = b"0123456789abcdef0123456789abcdef01234567";
    let cause = rdb(&[b"\n\n$EOF:", &mark[..], b"\r\n", &bytes, mark].concat());
    says(&cause, CauseCode::ReplicationCapture, &["begins at byte 49", "repeat the mark"]);
    let length = format!("${}\r\n", bytes.len());
    let cause = rdb(&[length.as_bytes(), &bytes].concat());
    says(&cause, CauseCode::ReplicationCapture, &[]);
    assert_eq!(cause.offset, Some(length.len() as u64));
    says(&rdb(&[&bytes[..], mark].concat()), CauseCode::ReplicationMark, &["last 40 bytes", "do not look"]);
    says(&rdb(&[b"\n\n", &bytes[..]].concat()), CauseCode::LeadingNewlines, &["2 line ends"]);
}

#[test]
fn other_files_of_a_server() -> TestResult {
    let mut dump = RdbWriter::bare(11);
    says(&rdb(&dump.raw(b"\x00\x05hello").finish_dump()), CauseCode::DumpPayload, &["DUMP", "version 11"]);
    says(&rdb(b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n"), CauseCode::AppendOnlyFile, &["append-only"]);
    says(&rdb(b"#TS:1700000000\r\n*1\r\n"), CauseCode::AppendOnlyFile, &["append-only"]);
    says(&rdb(b"file appendonly.aof.1.base.rdb seq 1 type b\n"), CauseCode::Manifest, &["manifest"]);
    says(&aof(&sound(2))?, CauseCode::RdbNamedAof, &["no command"]);
    Ok(())
}

/// Commands that no server has: of a product, of a module, of nobody.
#[test]
fn commands_of_others() -> TestResult {
    let product = aof(b"*4\r\n$12\r\nEXPIREMEMBER\r\n$1\r\na\r\n$1\r\nb\r\n$2\r\n10\r\n")?;
    says(&product, CauseCode::KeyDb, &["1 command of KeyDB (EXPIREMEMBER)", "no damage"]);
    let module = aof(b"*3\r\n$6\r\nBF.ADD\r\n$1\r\na\r\n$1\r\nb\r\n")?;
    says(&module, CauseCode::ModuleCommands, &["1 command of the module RedisBloom (BF.ADD)"]);
    let nobody = aof(b"*1\r\n$4\r\nPING\r\n*2\r\n$6\r\nNOSUCH\r\n$1\r\na\r\n")?;
    says(&nobody, CauseCode::UnknownCommands, &["1 command that no server known here has (\"NOSUCH\")"]);
    assert_eq!((product.offset, module.offset, nobody.offset), (Some(0), Some(0), Some(14)));
    Ok(())
}

#[test]
fn other_products_and_versions() {
    let df = RdbWriter::redis(9).aux(b"redis-ver", b"df-v1.2").raw(&[0xd2]).finish();
    says(&rdb(&df), CauseCode::Dragonfly, &["not damaged"]);
    let keydb = RdbWriter::redis(9).aux(b"mvcc-tstamp", b"1").raw(&[64]).finish();
    says(&rdb(&keydb), CauseCode::KeyDb, &["KeyDB"]);
    let enterprise = RdbWriter::with_header(b"REDIS1006", 6).finish();
    says(&rdb(&enterprise), CauseCode::RedisEnterprise, &["Redis Enterprise"]);
    let newer = RdbWriter::with_header(b"REDIS0042", 42).aux(b"redis-ver", b"11.0.1").finish();
    says(&rdb(&newer), CauseCode::NewerVersion, &["version 42", "11.0.1"]);
    let hostile = RdbWriter::with_header(b"REDIS0042", 42).aux(b"redis-ver", b"1\x1b[2J").finish();
    says(&rdb(&hostile), CauseCode::NewerVersion, &["1\\u{1b}[2J"]);
}

#[test]
fn keys_twice_and_changed_bytes() {
    let twice = RdbWriter::redis(11).select_db(2).string_key(b"k", b"v").string_key(b"k", b"v").finish();
    let cause = rdb(&twice);
    says(&cause, CauseCode::DuplicateKeys, &["a key occurs twice", "aborts"]);
    assert_eq!(cause.keys, [Name::Key { db: 2, key: b"k".to_vec() }]);

    let mut bytes = sound(20);
    let at = bytes.windows(5).position(|w| w == b"value").expect("there");
    bytes[at] ^= 1;
    says(&rdb(&bytes), CauseCode::BitRot, &["can be read, 20 keys"]);

    let mut list = RdbWriter::redis(11);
    list.select_db(0).string_key(b"a", b"b").key(16, b"bad").str(&testkit::rdb::Listpack::of(["f", "v"]));
    let mut bytes = list.finish();
    let at = bytes.windows(2).position(|w| w == b"\x81f").expect("there");
    bytes[at + 2] = 9;
    let cause = rdb(&bytes);
    says(&cause, CauseCode::BitRot, &["1 of 2 keys is damaged"]);
    assert_eq!(cause.keys, [Name::Key { db: 0, key: b"bad".to_vec() }]);

    let mut digit = sound(2);
    digit[7] = b'0';
    says(&rdb(&digit), CauseCode::VersionDigit, &["no checksum"]);
}

#[test]
fn expired_keys() {
    let mut w = RdbWriter::redis(11);
    w.select_db(0).string_key(b"a", b"b");
    for n in 0..19 {
        w.expire_ms(1_600_000_000_000).string_key(format!("k{n}").as_bytes(), b"v");
    }
    says(&rdb(&w.finish()), CauseCode::AllExpired, &["19 of 20", "will show 1"]);
}

#[test]
fn sets_of_files() -> TestResult {
    use redis_persistence::aof::dir::Memory;
    let of = |files: &[(&str, &[u8])]| -> Result<Cause, Box<dyn std::error::Error>> {
        let mut tree = Memory::default();
        for (name, bytes) in files {
            tree.add(format!("appendonlydir/{name}"), bytes.to_vec());
        }
        let report = verify::aof_in(&mut tree, "appendonlydir".as_ref(), &Options::default())?;
        diagnose(b"", b"", &report).ok_or_else(|| format!("no cause: {:?}", report.findings).into())
    };
    let base = sound(2);
    let (name, incr) = ("appendonly.aof.1.base.rdb", "appendonly.aof.1.incr.aof");
    says(&of(&[(name, &base), (incr, b"")])?, CauseCode::ManifestLost, &["manifest"]);
    says(&of(&[("appendonly.aof.manifest", b""), (name, &base)])?, CauseCode::ManifestLost, &["emptied"]);
    let manifest = b"file appendonly.aof.1.base.rdb seq 1 type b\nfile appendonly.aof.1.incr.aof seq 1 type i\n";
    says(&of(&[("appendonly.aof.manifest", manifest), (name, &base)])?, CauseCode::PartMissing, &[incr]);
    let next = ("appendonly.aof.2.incr.aof", &b"*1\r\n$4\r\nPING\r\n"[..]);
    let all = of(&[("appendonly.aof.manifest", manifest), (name, &base), (incr, b""), next])?;
    says(&all, CauseCode::CopiedDuringRewrite, &["rewriting"]);
    Ok(())
}

#[test]
fn a_dump_payload_is_known_by_its_checksum() {
    let payload = RdbWriter::bare(11).raw(b"\x00\x05hello").finish_dump();
    for (end, command) in
        [("", "redis-cli -x RESTORE KEY 0 < FILE"), ("\n", "head -c 17 FILE"), ("\r\n", "head -c 17 FILE")]
    {
        let file = [&payload[..], end.as_bytes()].concat();
        let report = verify::slice(&file, &Options::default());
        let cause = diagnose(&file, &file, &report).expect("a cause");
        assert_eq!(cause.code.as_str(), "dump-payload");
        assert!(cause.command.as_ref().is_some_and(|said| said.starts_with(command)), "{cause:?}");
    }
}
