use std::io::Read as _;

use redis_persistence::verify::{Options, Verdict};
use testkit::rdb::RdbWriter;
use testkit::rng::Rng;

use super::pages::{Page, Units};
use super::*;

/// An RDB in which every byte occurs.
fn rdb() -> Vec<u8> {
    let mut w = RdbWriter::redis(11);
    w.compression(false).select_db(0);
    let all: Vec<u8> = (0..=255).collect();
    w.string_key(b"all", &all).string_key(b"lines", b"a\r\nb\nc").string_key(b"zeros", &[0; 100]);
    w.finish()
}

/// What is found in a file, and the RDB that comes out.
fn found(file: &[u8]) -> Option<(Cause, Vec<u8>)> {
    let options = Options::default();
    let report = verify::slice(file, &options);
    let input: &dyn ReadAt = &file;
    let disguise = find(input, file.len() as u64, file, &report, &options).expect("nothing fails to be read")?;
    let mut out = Vec::new();
    disguise.reader(input).expect("opened once already").read_to_end(&mut out).expect("it was read once already");
    Some((disguise.cause(None), out))
}

#[track_caller]
fn comes_back(file: &[u8], original: &[u8], code: CauseCode, says: &str) {
    let (cause, out) = found(file).unwrap_or_else(|| panic!("nothing is found: {says}"));
    assert_eq!(cause.code, code, "{cause:?}");
    assert!(out == original, "{says}: {} bytes instead of {}", out.len(), original.len());
    assert!(cause.reversible && cause.command.is_some(), "{cause:?}");
    assert!(format!("{cause:?}").contains(says), "{says}: {cause:?}");
}

fn base64(bytes: &[u8], alphabet: &[u8; 2], padded: bool) -> String {
    let digit = |n: u32| match n & 63 {
        n @ 0..26 => b'A' + u8::try_from(n).expect("small"),
        n @ 26..52 => b'a' + u8::try_from(n - 26).expect("small"),
        n @ 52..62 => b'0' + u8::try_from(n - 52).expect("small"),
        n => alphabet[n as usize - 62],
    };
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits = three.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        let shown = three.len() + 1;
        (0..shown).for_each(|at| text.push(char::from(digit(bits >> (18 - 6 * at)))));
        (shown..4).for_each(|_| text.push_str(if padded { "=" } else { "" }));
    }
    text
}

fn lines(text: &str, width: usize, end: &str) -> String {
    text.as_bytes().chunks(width).map(|line| format!("{}{end}", String::from_utf8_lossy(line))).collect()
}

#[test]
fn base64_of_all_kinds() {
    let mut rdb = rdb();
    for _ in 0..3 {
        let (std, url) = (base64(&rdb, b"+/", true), base64(&rdb, b"-_", false));
        comes_back(std.as_bytes(), &rdb, CauseCode::Base64, "base64 -d FILE");
        comes_back(lines(&std, 76, "\n").as_bytes(), &rdb, CauseCode::Base64, "base64 -d FILE");
        for text in [
            url.clone(),
            lines(&url, 11, "\n"),
            lines(&std, 64, "\r\n"),
            format!("data:application/octet-stream;base64,{std}"),
            format!("-----BEGIN RDB-----\n{}-----END RDB-----\n", lines(&std, 64, "\n")),
            format!("{{\"name\":\"dump.rdb\",\"data\":\"{std}\",\"more\":1}}\n"),
            format!("{{\"data\":\"{}\"}}", lines(&std, 60, "\\n").replace('/', "\\/")),
        ] {
            comes_back(text.as_bytes(), &rdb, CauseCode::Base64, "--salvage OUT FILE");
        }
        // Of another length, and so with other padding.
        rdb = RdbWriter::redis(11).string_key(b"k", &rdb[..rdb.len() - 9]).finish();
    }
}

#[test]
fn hex_and_escapes() {
    let rdb = rdb();
    let digits: String = rdb.iter().map(|byte| format!("{byte:02x}")).collect();
    let dump = |bar: bool| -> String {
        let line = |(at, bytes): (usize, &[u8])| {
            let pair =
                |b: &[u8]| b.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(if bar { " " } else { "" });
            let columns: Vec<String> = bytes.chunks(if bar { 8 } else { 2 }).map(pair).collect();
            if bar {
                format!("{:08x}  {}  |{}|\n", at * 16, columns.join("  "), ".".repeat(bytes.len()))
            } else {
                format!("{:08x}: {:<39}  {}\n", at * 16, columns.join(" "), ".".repeat(bytes.len()))
            }
        };
        rdb.chunks(16).enumerate().map(line).collect()
    };
    for text in [digits.clone(), digits.to_uppercase(), lines(&digits, 60, "\n"), format!("\\x{digits}\n"), dump(false)]
    {
        comes_back(text.as_bytes(), &rdb, CauseCode::Hex, "an RDB as ");
    }
    let end = format!("{}{:08x}\n", dump(true), rdb.len());
    comes_back(end.as_bytes(), &rdb, CauseCode::Hex, "a dump of its bytes");
    // Lines that repeat stand once, and a star for the others.
    let all: Vec<&str> = end.lines().collect();
    let mut short: Vec<&str> = Vec::new();
    let same = |a: &str, b: &str| a.len() > 9 && a.get(9..) == b.get(9..);
    for (at, line) in all.iter().enumerate() {
        match at.checked_sub(1).map(|at| all[at]) {
            Some(before) if same(before, line) => {
                if short.last() != Some(&"*") {
                    short.push("*");
                }
            }
            _ => short.push(line),
        }
    }
    assert!(short.contains(&"*"));
    comes_back(short.join("\n").as_bytes(), &rdb, CauseCode::Hex, "a dump of its bytes");
    let escaped: String = rdb.iter().flat_map(|b| std::ascii::escape_default(*b)).map(char::from).collect();
    for text in [format!("\"{escaped}\"\n"), escaped.clone(), format!("b'{escaped}'"), format!("1) \"{escaped}\"\n")] {
        comes_back(text.as_bytes(), &rdb, CauseCode::Escaped, "escapes");
    }
}

#[test]
fn text_in_any_page() {
    let rdb = rdb();
    // What stands behind is a line end of a shell.
    for (page, name) in [
        (Page::Oem(437), "code page 437"),
        (Page::Oem(850), "code page 850"),
        (Page::Oem(866), "code page 866"),
        (Page::Named("windows-1252"), "code page 1252"),
        (Page::Named("windows-1251"), "code page 1251"),
        (Page::Named("koi8-r"), "koi8-r"),
        (Page::Latin1, "Latin-1"),
    ] {
        let upper = page.table();
        let text: String = rdb
            .iter()
            .map(|b| if b.is_ascii() { char::from(*b) } else { upper[usize::from(*b) - 128].expect("all") })
            .collect();
        let units: Vec<u16> = text.encode_utf16().collect();
        let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
        let shell = [b"\xff\xfe".as_slice(), &little, b"\r\0\n\0"].concat();
        for file in [little, big.clone(), [b"\xfe\xff".as_slice(), &big].concat(), shell] {
            comes_back(&file, &rdb, CauseCode::Utf16, name);
        }
        comes_back(text.as_bytes(), &rdb, CauseCode::Utf8, name);
        comes_back(&[b"\xef\xbb\xbf", text.as_bytes()].concat(), &rdb, CauseCode::Utf8, name);
        // What is lost is lost.
        let lost = text.replace(upper[100].expect("all"), "\u{fffd}");
        assert!(found(lost.as_bytes()).is_none(), "{name}");
    }
}

#[test]
fn things_around_it() {
    let rdb = rdb();
    let file = |before: &str, after: &str| [before.as_bytes(), &rdb, after.as_bytes()].concat();
    comes_back(
        &file("sending REPLCONF\n", "Transfer finished\n"),
        &rdb,
        CauseCode::Surrounded,
        "tail -c +18 FILE | head -c",
    );
    comes_back(&file("\n\n", ""), &rdb, CauseCode::Surrounded, "tail -c +3 FILE | rdbcheck -");
    comes_back(&file("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", ""), &rdb, CauseCode::Surrounded, "HTTP");
    comes_back(&file(&format!("${}\r\n", rdb.len()), ""), &rdb, CauseCode::ReplicationCapture, "frame");
    let mark = "0123456789abcdef0123456789abcdef01234567";
    comes_back(&file(&format!("$EOF:{mark}\r\n"), mark), &rdb, CauseCode::ReplicationCapture, "frame");
    // A text that begins like one is passed over.
    comes_back(&file("a REDIS or VALKEY001, REDIS0011?\n", ""), &rdb, CauseCode::Surrounded, "byte 33");
    for header in ["", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"] {
        let mut chunked = header.as_bytes().to_vec();
        for chunk in rdb.chunks(100) {
            chunked.extend_from_slice(format!("{:x};x=1\r\n", chunk.len()).as_bytes());
            chunked.extend_from_slice(&[chunk, b"\r\n"].concat());
        }
        chunked.extend_from_slice(b"0\r\n\r\n");
        comes_back(&chunked, &rdb, CauseCode::Chunked, "chunks");
    }
    let returns: Vec<u8> = rdb.iter().flat_map(|b| if *b == b'\n' { vec![b'\r', b'\n'] } else { vec![*b] }).collect();
    comes_back(&returns, &rdb, CauseCode::CrLf, "sed");
}

#[test]
fn what_is_sound_or_no_rdb_is_left_alone() {
    let rdb = rdb();
    let value = [b"*1\r\n$999\r\n", &rdb[..]].concat();
    for file in
        [&rdb[..], &rdb[..rdb.len() - 20], &value, b"REDIS0011 is how an RDB begins", b"", b"\xff\xfe", b"UkVESVMwMDEx"]
    {
        assert!(found(file).is_none(), "{}", String::from_utf8_lossy(file));
    }
    // What lies in it is damaged: that is said, and no command is advised.
    let mut damaged = rdb.clone();
    damaged[20] ^= 1;
    let (cause, out) = found(base64(&damaged, b"+/", true).as_bytes()).expect("an RDB");
    assert!(!cause.reversible && cause.command.is_none() && out == damaged, "{cause:?}");
}

#[test]
fn hostile_texts_end() {
    let rdb = rdb();
    let std = base64(&rdb, b"+/", true);
    let star = b"00000000: 5245 4449 5330 3030 3031 fa00 0000 0000\n*\nffffffffffffffff: 00\n".to_vec();
    let mut seeds = vec![std.into_bytes(), star, [b"5\r\n".as_slice(), &rdb].concat(), [b"\"", &rdb[..]].concat()];
    seeds.push(rdb.iter().flat_map(|b| [*b, 0]).collect());
    let mut rng = Rng::new(17);
    for _ in 0..2000 {
        let mut file = seeds[rng.size(0..=seeds.len() - 1)].clone();
        for _ in 0..rng.size(1..=4) {
            let at = rng.size(0..=file.len() - 1);
            file[at] = rng.byte();
        }
        file.truncate(rng.size(0..=file.len()));
        // What comes out is whole, or nothing is advised.
        if let Some((cause, out)) = found(&file) {
            let sound = verify::slice(&out, &Options::default()).verdict == Verdict::Sound;
            assert_eq!(cause.command.is_some(), sound, "{cause:?}");
        }
    }
    assert!(matches!(pages::utf16(&seeds[4]), Some((Units::Utf16 { big: false }, 0))));
}
