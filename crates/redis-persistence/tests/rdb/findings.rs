//! Each finding about the frame: bytes that produce it, and the offsets that it names.

use crate::three_ways;

use redis_persistence::Limits;
use redis_persistence::verify::{self, Code, Duplicates, Options, Report, Severity, Verdict};
use testkit::rdb::{KeyMeta, LenForm, ModuleOp, RdbWriter, StrForm};
use three_ways::verify_all;

/// Where the version number ends and the first record begins.
const FIRST: u64 = 9;

/// Verifies in three ways and answers code, start and failing place of all findings but those in `besides`.
fn findings_of(bytes: &[u8], besides: &[Code]) -> Vec<(Code, u64, u64)> {
    let report = verify_all(bytes, &Options::default(), 5, 40);
    assert_severity_rule(&report);
    report.findings.iter().filter(|f| !besides.contains(&f.code)).map(|f| (f.code, f.start, f.failed_at)).collect()
}

/// The verdict follows from the severities.
fn assert_severity_rule(report: &Report) {
    let errors = report.findings.iter().any(|f| f.severity == Severity::Error);
    assert_eq!(report.verdict == Verdict::Damaged, errors, "{:?}", report.findings);
}

fn only(bytes: &[u8], code: Code, start: u64, failed_at: u64) {
    assert_eq!(findings_of(bytes, &[]), [(code, start, failed_at)]);
}

/// A writer behind the header and SELECTDB 0.
fn writer(version: u32) -> RdbWriter {
    let mut w = RdbWriter::redis(version);
    w.select_db(0);
    w
}

#[test]
fn nothing_to_report_on_a_sound_file() {
    let bytes = writer(11).resize_db(1, 1).expire_ms(1_900_000_000_000).string_key(b"k", b"v").finish();
    assert_eq!(findings_of(&bytes, &[]), []);
}

#[test]
fn files_that_are_none() {
    only(b"", Code::RdbEmptyFile, 0, 0);
    only(&[0; 40], Code::RdbZeroFilled, 0, 0);
    only(b"REDYS0011\xff", Code::RdbBadMagic, 0, 0);
    only(b"\xef\xbb\xbfREDIS0011\xff", Code::RdbBadMagic, 0, 0);
    for other in
        [&b"\x1f\x8b\x08rest"[..], b"<html>", b"just text", b"*2\r\n$6\r\nSELECT\r\n", b"file a seq 1 type b\n"]
    {
        only(other, Code::RdbNotAnRdb, 0, 0);
        assert_eq!(verify::slice(other, &Options::default()).verdict, Verdict::Unknown);
    }
}

#[test]
fn versions() {
    only(b"REDISabcd\xff", Code::RdbBadVersion, 0, 9);
    let mut bytes = RdbWriter::with_header(b"REDIS11zz", 11).finish();
    only(&bytes, Code::RdbBadVersion, 0, 0);
    bytes = RdbWriter::with_header(b"REDIS0081", 81).finish();
    only(&bytes, Code::RdbBadVersion, 0, 0);
    bytes = RdbWriter::with_header(b"VALKEY011", 11).finish();
    only(&bytes, Code::RdbBadVersion, 0, 0);
    bytes = RdbWriter::with_header(b"REDIS1006", 6).finish();
    only(&bytes, Code::RdbForeignProduct, 0, 0);
    for header in [b"REDIS0016", b"REDIS0079", b"VALKEY081"] {
        bytes = RdbWriter::with_header(header, 80).finish();
        only(&bytes, Code::RdbNewerVersion, 0, 0);
        assert_eq!(verify::slice(&bytes, &Options::default()).verdict, Verdict::Unknown);
    }
    // A newer file with something unknown in it is still not damaged.
    bytes = RdbWriter::with_header(b"REDIS0042", 42).raw(&[0x96, 1, 2, 3]).finish();
    assert_eq!(findings_of(&bytes, &[]), [(Code::RdbNewerVersion, 0, 0), (Code::RdbNewerVersion, FIRST, FIRST)]);
    // Another product is known by its AUX fields.
    bytes = RdbWriter::redis(9).aux(b"redis-ver", b"df-v1.2").raw(&[0xd2]).finish();
    let at = bytes.len() as u64 - 10;
    only(&bytes, Code::RdbForeignProduct, at, at);
}

#[test]
fn what_the_checksum_vouches_for_is_somebodys_own() {
    let file = |byte: u8| writer(11).string_key(b"before", b"it").raw(&[byte, 1, 2, 3]).string_key(b"k", b"v").finish();
    let at = writer(11).string_key(b"before", b"it").pos() as u64;
    for (byte, name) in [(60, "somebody's own"), (107, "Redis Enterprise"), (220, "somebody's own")] {
        let bytes = file(byte);
        only(&bytes, Code::RdbForeignProduct, at, at);
        let report = verify::slice(&bytes, &Options::default());
        assert_eq!(report.verdict, Verdict::Unknown);
        assert!(report.findings[0].message.contains(name), "{}", report.findings[0].message);
        // One bit, or one byte behind it, and nothing vouches for it any more.
        let mut flipped = bytes.clone();
        flipped[usize::try_from(at).expect("small") - 1] ^= 1;
        for changed in [flipped, [&bytes[..], &[10]].concat()] {
            assert!(
                verify::slice(&changed, &Options::default()).findings.iter().any(|f| f.code == Code::RdbUnknownType)
            );
        }
    }
    // A large file is read by several threads.
    let mut w = writer(11);
    for key in 0..40_000_u32 {
        w.string_key(&key.to_be_bytes(), &[b'v'; 40]);
    }
    let at = w.pos() as u64;
    only(&w.raw(&[60, 1]).finish(), Code::RdbForeignProduct, at, at);
}

#[test]
fn types_of_dragonfly_are_its_own() {
    // The numbers are those of later types of Redis.
    for (byte, version, own) in
        [(30, 9, true), (31, 11, true), (35, 9, true), (20, 9, true), (20, 11, false), (0, 9, false)]
    {
        let mut w = RdbWriter::redis(version);
        let at = w.aux(b"redis-ver", b"df-v1.27.1").pos() as u64;
        let bytes = w.raw(&[byte]).str(b"doc").str(b"\x0b\0\0\0\x02\0\x01\x01\x02\x01\xff").finish();
        let found = findings_of(&bytes, &[]);
        assert_eq!(found.first() == Some(&(Code::RdbForeignProduct, at, at)), own, "type {byte}: {found:?}");
        let verdict = if own { Verdict::Unknown } else { Verdict::Sound };
        assert_eq!(verify::slice(&bytes, &Options::default()).verdict, verdict, "type {byte}");
    }
    for version in ["6.3.4-keydb", "kvrocks-2.9", "tair-5"] {
        let bytes = RdbWriter::redis(9).aux(b"redis-ver", version.as_bytes()).raw(&[64, 0, 0]).finish();
        assert!(findings_of(&bytes, &[]).iter().any(|found| found.0 == Code::RdbForeignProduct), "{version}");
    }
}

#[test]
fn a_damaged_version_digit_turns_the_checksum_off() {
    let mut bytes = writer(11).string_key(b"k", b"v").finish();
    let end = bytes.len() as u64 - 8;
    bytes[7] = b'0';
    only(&bytes, Code::RdbVersionDigitDamaged, 5, end);
    let old = writer(3).string_key(b"k", b"v").finish();
    only(&old, Code::RdbChecksumAbsent, old.len() as u64, old.len() as u64);
}

#[test]
fn frames_that_leave_no_way_on() {
    let mut w = writer(11);
    let at = w.pos() as u64;
    only(&w.raw(&[0x00, 0x85]).finish(), Code::RdbBadLength, at + 1, at + 1);
    only(&writer(11).raw(&[0x00, 0xc9]).finish(), Code::RdbBadStringEncoding, at + 1, at + 1);
    for byte in [0x64, 8] {
        let mut unknown = writer(11).raw(&[byte]).finish();
        *unknown.last_mut().expect("a checksum") ^= 1;
        only(&unknown, Code::RdbUnknownType, at, at);
    }
    only(&writer(8).key(6, b"m").raw(&[1, 2]).finish(), Code::RdbModuleV1, at, at);
    let module = writer(9).key(7, b"m").len(1 << 40).raw(&[9]).finish();
    let bad = module.iter().rposition(|b| *b == 9).expect("it was written") as u64;
    assert_eq!(findings_of(&module, &[Code::RdbModuleNeeded]), [(Code::RdbModuleBadOpcode, bad, bad + 1)]);
    let sound = writer(11).string_key(b"key", b"value").finish();
    only(&sound[..17], Code::RdbTruncated, 16, 17);
    only(&sound[..sound.len() - 3], Code::RdbTruncated, sound.len() as u64 - 8, sound.len() as u64 - 3);
    let limits = Limits { templates: 1, ..Limits::default() };
    let mut w = RdbWriter::redis(15);
    w.hash_template(0, &[b"a"]);
    let second = w.pos() as u64;
    let bytes = w.hash_template(1, &[b"a"]).finish();
    let report = verify_all(&bytes, &Options { limits, ..Options::default() }, 1, 9);
    let found = report.findings.iter().find(|f| f.severity == Severity::Error).map(|f| (f.code, f.start));
    assert_eq!(found, Some((Code::RdbLimitExceeded, second)));
}

#[test]
fn the_key_of_a_cut_value_is_named() {
    let sound = writer(11).string_key(b"key", b"value").finish();
    let report = verify::slice(&sound[..sound.len() - 11], &Options::default());
    assert_eq!(report.findings[0].code, Code::RdbTruncated);
    assert_eq!(report.findings[0].key.as_deref(), Some(&b"key"[..]));
}

#[test]
fn types_against_version_and_family() {
    let mut w = writer(9);
    let at = w.pos() as u64;
    let listpack = [9, 0, 0, 0, 2, 0, 1, 1, 2, 1, 0xff];
    let mut blob = listpack;
    blob[0] = 11;
    only(&w.key(20, b"s").str(&blob).finish(), Code::RdbTypeNewerThanVersion, at, at);
    only(&RdbWriter::redis(6).aux(b"ctime", b"1700000000").finish(), Code::RdbTypeNewerThanVersion, FIRST, FIRST);
    let foreign = RdbWriter::valkey(80).key(25, b"h").i64_le(0).str(&[7, 0, 0, 0, 0, 0, 0xff]).finish();
    assert_eq!(findings_of(&foreign, &[Code::CollectionEmpty]), [(Code::RdbForeignType, FIRST, FIRST)]);
}

#[test]
fn checksums() {
    let mut bytes = writer(11).string_key(b"k", b"v").finish();
    let at = bytes.len() - 8;
    bytes[at] ^= 1;
    only(&bytes, Code::RdbChecksumMismatch, at as u64, at as u64);
    only(&writer(11).finish_with(0), Code::RdbChecksumDisabled, 12, 12);
}

#[test]
fn what_follows_the_end() {
    let sound = writer(11).string_key(b"k", b"v").finish();
    let end = sound.len() as u64;
    for (tail, words) in [
        (&b"*1\r\n$4\r\nPING\r\n"[..], "append-only"),
        (b"0123456789abcdef0123456789abcdef01234567", "replication"),
        (&sound[..], "second RDB"),
        (&[0; 100], "zero"),
        (b"\n", "line end"),
        (b"garbage", "no known meaning"),
    ] {
        let bytes = [&sound[..], tail].concat();
        only(&bytes, Code::RdbTrailingBytes, end, end);
        let report = verify::slice(&bytes, &Options::default());
        assert!(report.findings[0].message.contains(words), "{}", report.findings[0].message);
        assert_eq!(report.size, bytes.len() as u64);
    }
}

#[test]
fn zero_pages_are_no_keys() {
    let mut w = writer(11);
    w.string_key(b"a", b"1");
    let at = w.pos() as u64;
    let bytes = w.raw(&[0; 4096]).finish();
    let report = verify_all(&bytes, &Options::default(), 1, 100);
    // 4096 is no multiple of three: the last zero is taken for the type of a key whose name is the checksum.
    assert_eq!((report.findings[0].code, report.findings[0].start), (Code::RdbZeroHole, at));
    assert!(report.counts.keys <= 2, "{} keys", report.counts.keys);
}

#[test]
fn keys_that_come_twice() {
    let mut w = writer(11);
    let first = w.pos() as u64 + 1;
    w.string_key(b"123", b"v").string_key(b"other", b"v");
    let later = w.pos() as u64 + 1;
    // The same text in another form.
    let bytes = w.raw(&[0]).str_as(StrForm::Raw, b"123").str(b"w").select_db(1).string_key(b"123", b"v").finish();
    let report = verify_all(&bytes, &Options::default(), 1, 30);
    assert_eq!(report.findings_by_code.get(&Code::RdbDuplicateKey), Some(&1));
    let found = report.findings.iter().find(|f| f.code == Code::RdbDuplicateKey).expect("it is kept");
    assert_eq!((found.start, found.db, found.key.as_deref()), (later, Some(0), Some(&b"123"[..])));
    assert!(found.message.contains(&first.to_string()), "{}", found.message);
    let off = Options { duplicates: Duplicates::Off, ..Options::default() };
    assert_eq!(verify_all(&bytes, &off, 1, 30).findings_by_code.get(&Code::RdbDuplicateKey), None);
}

#[test]
fn long_keys_that_come_twice() {
    let limits = Limits { inline_bytes: 16, ..Limits::default() };
    let key = b"a long key that compresses, compresses, compresses, compresses";
    let mut w = writer(11);
    w.string_key(key, b"v");
    let later = w.pos() as u64 + 1;
    let bytes = w.raw(&[0]).str_as(StrForm::Raw, key).str(b"v").finish();
    let report = verify_all(&bytes, &Options { limits, ..Options::default() }, 3, 20);
    let found: Vec<_> = report.findings.iter().map(|f| (f.code, f.start)).collect();
    assert_eq!(found, [(Code::RdbDuplicateKey, later)]);
}

#[test]
fn past_the_budget_it_says_so() {
    let mut w = writer(11);
    for i in 0..5000 {
        w.string_key(format!("key:{i}").as_bytes(), b"v");
    }
    let limits = Limits { duplicate_bytes: 1 << 15, ..Limits::default() };
    let bytes = w.finish();
    let report = verify_all(&bytes, &Options { limits: limits.clone(), ..Options::default() }, 1, 9999);
    assert_eq!(report.duplicates, verify::DuplicateCheck::Partial);
    assert_eq!(report.findings_by_code.get(&Code::RdbDuplicatesUnchecked), Some(&1));
    // All of them, in as many walks as it takes.
    let full = Options { limits, duplicates: Duplicates::Full, ..Options::default() };
    let report = verify::slice(&bytes, &full);
    assert_eq!((report.duplicates, report.findings_total), (verify::DuplicateCheck::Checked, 0));
}

#[test]
fn promises_of_the_writer() {
    let mut w = writer(11);
    let at = w.pos() as u64;
    only(&w.resize_db(2, 0).string_key(b"k", b"v").finish(), Code::RdbResizedbMismatch, at, at);
    let bytes = writer(11).resize_db(1 << 40, 0).string_key(b"k", b"v").finish();
    assert_eq!(findings_of(&bytes, &[Code::RdbResizedbMismatch]), [(Code::RdbResizedbImpossible, at, at)]);
    only(&writer(11).select_db(0).string_key(b"k", b"v").finish(), Code::RdbDbOrder, at, at);
    only(&RdbWriter::redis(11).select_db(16).string_key(b"k", b"v").finish(), Code::RdbDbBeyondDefault, FIRST, FIRST);
    // `k` is of slot 7629.
    let slots = |slot, keys| writer(12).slot_info(slot, keys, 0).string_key(b"k", b"v").finish();
    only(&slots(7629, 2), Code::RdbSlotInfoMismatch, at, at);
    let key = at + 6;
    only(&slots(7630, 1), Code::RdbWrongSlot, key, key);
    let far = writer(12).slot_info(16384, 0, 0).finish();
    only(&far, Code::RdbSlotOutOfRange, at, at);
    let twice = writer(12).slot_info(5, 0, 0).slot_info(5, 0, 0).finish();
    only(&twice, Code::RdbSlotOrder, at + 4, at + 4);
}

#[test]
fn attributes() {
    let at = 11;
    let with = |f: fn(&mut RdbWriter) -> &mut RdbWriter| f(&mut writer(11)).string_key(b"k", b"v").finish();
    only(&with(|w| w.freq(1).freq(2)), Code::RdbAttributesRepeated, at, at);
    only(&with(|w| w.freq(1).aux(b"x", b"y")), Code::RdbAttributesInterrupted, at, at);
    only(&with(|w| w.freq(1).idle(2)), Code::RdbIdleAndFreq, at, at);
    only(&with(|w| w.expire_ms(-1)), Code::RdbExpireMinusOne, at, at);
    // In seconds it is a time for all servers, and has passed.
    only(&with(|w| w.expire_s(-1)), Code::RdbExpireNegative, at, at);
    only(&with(|w| w.expire_ms(-5)), Code::RdbExpireNegative, at, at);
    only(&with(|w| w.expire_ms(1_900_000_000)), Code::RdbExpireImplausible, at, at);
    only(&with(|w| w.expire_ms(i64::MAX)), Code::RdbExpireImplausible, at, at);
    let pending = writer(11).string_key(b"k", b"v").expire_ms(1_900_000_000_000).finish();
    let at = pending.len() as u64 - 18;
    only(&pending, Code::RdbAttributesPending, at, pending.len() as u64);
    let swapped = writer(6).expire_ms_big_endian(1_900_000_000_000).string_key(b"k", b"v").finish();
    only(&swapped, Code::RdbExpireImplausible, 11, 11);
    assert!(verify::slice(&swapped, &Options::default()).findings[0].message.contains("swapped"));
}

#[test]
fn expired_keys_are_counted_against_a_time() {
    let bytes = writer(11).expire_ms(1_600_000_000_000).string_key(b"k", b"v").finish();
    let at = |now_ms| verify::slice(&bytes, &Options { now_ms, ..Options::default() }).counts.expired;
    assert_eq!((at(None), at(Some(1_500_000_000_000)), at(Some(1_700_000_000_000))), (0, 0, 1));
}

#[test]
fn aux_fields() {
    let with = |name: &[u8], value: &[u8]| RdbWriter::redis(11).aux(name, value).finish();
    let twice = RdbWriter::redis(11).aux(b"ctime", b"1700000000").aux(b"ctime", b"1700000000").finish();
    let second = FIRST + 12;
    only(&twice, Code::RdbAuxDuplicate, second + 1, second + 1);
    let at = FIRST + 1;
    for (name, value) in [("ctime", "soon"), ("redis-bits", "31"), ("repl-id", "abc"), ("used-mem", "-4")] {
        only(&with(name.as_bytes(), value.as_bytes()), Code::RdbAuxImplausible, at, at);
    }
    only(&RdbWriter::valkey(80).aux(b"redis-ver", b"7.2.0").finish(), Code::RdbAuxFamily, at, at);
    only(&with(b"slot-info", b"1,2"), Code::RdbAuxSlotInfoBad, at, at);
    only(&with(b"slot-info", b"7629,1,0"), Code::RdbSlotInfoMismatch, at, at);
    only(&with(b"%salvaged", b"rdbcheck 1"), Code::RdbContentUnproven, at, at);
}

#[test]
fn functions_and_modules() {
    let sound = b"#!lua name=lib\nredis.register_function('f', function() return 1 end)";
    assert_eq!(findings_of(&RdbWriter::redis(10).function2(sound).finish(), &[]), []);
    only(&RdbWriter::redis(10).function2(b"not a library").finish(), Code::RdbFunctionInvalid, FIRST, FIRST + 1);
    let mut w = RdbWriter::redis(10);
    w.function2(sound);
    let second = w.pos() as u64;
    only(&w.function2(sound).finish(), Code::RdbFunctionDuplicate, second, second + 1);
    only(&RdbWriter::redis(10).function2(b"#!js name=lib\nx").finish(), Code::RdbModuleNeeded, FIRST, FIRST + 1);
    let pre_ga = RdbWriter::redis(10).function_pre_ga(b"lib", b"lua", Some(b"about"), sound).finish();
    assert_eq!(findings_of(&pre_ga, &[Code::RdbFunctionInvalid]), [(Code::RdbFunctionPreGa, FIRST, FIRST)]);
    let aux = RdbWriter::redis(9).module_aux(1 << 40, 1, &[ModuleOp::Uint(5)]).finish();
    only(&aux, Code::RdbModuleNeeded, FIRST, FIRST);
    let bad = RdbWriter::redis(9).raw(&[0xf7]).len(1 << 40).len(1).len(1).raw(&[0]).finish();
    assert_eq!(findings_of(&bad, &[Code::RdbModuleNeeded]), [(Code::RdbModuleAuxWhen, FIRST, FIRST)]);
}

#[test]
fn a_library_longer_than_the_window_is_checked_too() {
    let mut code = b"#!lua name=lib\n".to_vec();
    code.resize(200_000, b'-');
    assert_eq!(findings_of(&RdbWriter::redis(10).function2(&code).finish(), &[]), []);
    code[0] = b'x';
    let bytes = RdbWriter::redis(10).function2(&code).finish();
    only(&bytes, Code::RdbFunctionInvalid, FIRST, FIRST + 1);
}

#[test]
fn key_metadata_and_slot_imports() {
    let class = |spec| KeyMeta { spec, ops: vec![ModuleOp::Uint(5)] };
    let with = |classes: &[KeyMeta]| writer(13).key_meta(classes).string_key(b"k", b"v").finish();
    assert_eq!(findings_of(&with(&[class(1)]), &[]), []);
    only(&with(&[class(0)]), Code::RdbKeyMetaNeeded, 13, 13);
    let many: Vec<_> = (0..8).map(|i| class(i << 8 | 1)).collect();
    only(&with(&many), Code::RdbKeyMetaInvalid, 11, 11);
    let mut w = writer(13);
    w.key_meta(&[class(1)]);
    let end = w.pos() as u64;
    let bytes = w.freq(3).string_key(b"k", b"v").finish();
    only(&bytes, Code::RdbKeyMetaInvalid, end, end + 2);
    let import = |job: &[u8], ranges: &[(u64, u64)]| RdbWriter::valkey(80).slot_import(job, ranges).finish();
    let job = b"0123456789abcdefghijklmnopqrstuvwxyzABCD";
    assert_eq!(findings_of(&import(job, &[(0, 5), (7, 16383)]), &[]), []);
    let job_at = FIRST + 1;
    only(&import(b"short", &[]), Code::RdbSlotImportInvalid, job_at, job_at);
    let range_at = FIRST + 1 + 41 + 1;
    only(&import(job, &[(5, 4)]), Code::RdbSlotImportInvalid, range_at, range_at);
}

#[test]
fn forms_that_no_server_writes() {
    let with = |f: fn(&mut RdbWriter) -> &mut RdbWriter| f(&mut writer(11)).finish();
    only(&with(|w| w.raw(&[0]).len_as(LenForm::Fourteen, 1).raw(b"k").str(b"v")), Code::RdbOverlongLength, 12, 12);
    only(&with(|w| w.raw(&[0xfb, 0xc1, 0]).string_key(b"k", b"v")), Code::RdbSpecialAsNumber, 12, 12);
    only(&with(|w| w.raw(&[0]).str_as(StrForm::Raw, b"12").str(b"v")), Code::RdbNoncanonicalString, 12, 12);
    only(&with(|w| w.raw(&[0]).str_as(StrForm::Int32, b"5").str(b"v")), Code::RdbNoncanonicalString, 12, 12);
    only(
        &with(|w| w.raw(&[0]).str_as(StrForm::Lzf, b"aaaaaaaaaaaaaaa").str(b"v")),
        Code::RdbNoncanonicalString,
        12,
        12,
    );
    only(&with(|w| w.raw(&[0, 1, b'k', 0xc3, 3, 0, 9, 9, 9])), Code::LzfEmpty, 14, 14);
}

#[test]
fn damaged_compressed_strings() {
    let text = [b'a'; 100];
    for long in [false, true] {
        let limits = Limits { inline_bytes: if long { 4 } else { 1 << 16 }, ..Limits::default() };
        let options = Options { limits, ..Options::default() };
        let mut bytes = writer(11).string_key(b"k", &text).finish();
        let at = bytes.iter().position(|b| *b == 0xc3).expect("it is compressed");
        let tokens = at + 4;
        assert_eq!(verify_all(&bytes, &options, 1, 7).findings_total, 0);
        bytes[tokens] = 0x1f;
        let report = verify_all(&bytes, &options, 1, 7);
        let found = report.findings.iter().find(|f| f.code == Code::LzfDamaged).expect("it is found");
        assert_eq!((found.start, found.failed_at), (at as u64, tokens as u64));
        assert_eq!(found.key.as_deref(), Some(&b"k"[..]));
    }
}

#[test]
fn all_findings_are_counted_and_errors_are_kept_first() {
    let mut w = writer(11);
    for i in 0..100 {
        w.raw(&[0]).str(format!("key {i}").as_bytes()).str_as(StrForm::Raw, b"12");
    }
    let bytes = w.string_key(b"key 1", b"v").finish();
    let report = verify_all(&bytes, &Options { max_findings: 3, ..Options::default() }, 1, 1000);
    assert_eq!((report.findings.len(), report.findings_total), (3, 101));
    assert!(report.findings.iter().any(|f| f.code == Code::RdbDuplicateKey));
}

#[test]
fn an_element_that_runs_beyond_its_listpack() {
    let mut w = writer(11);
    w.key(20, b"s");
    let blob = w.pos() as u64 + 1;
    // A string of ten bytes is announced at byte 6, and two bytes follow.
    let bytes = w.str(&[10, 0, 0, 0, 1, 0, 0x8a, b'a', b'b', 0xff]).finish();
    let found = findings_of(&bytes, &[]);
    assert_eq!(
        found.iter().map(|(code, start, _)| (*code, *start)).collect::<Vec<_>>(),
        [(Code::ListpackOverrun, blob + 6)]
    );
}
