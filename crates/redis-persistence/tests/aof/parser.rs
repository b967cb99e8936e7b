//! The parser against itself: whatever the slices, it says the same; and against the table of what servers and tools accept.

use crate::aof_slices;

use std::io::{self, Cursor, Read, Seek, SeekFrom};

use aof_slices::{GRAMMARS, check_reader, feed};
use proptest::collection::vec;
use proptest::prelude::*;
use redis_persistence::aof::{Grammar, LineEnd, Reader, Record};
use redis_persistence::{Error, ErrorKind, ReadError, Reading};
use testkit::resp::record;

fn piece() -> impl Strategy<Value = Vec<u8>> {
    let odd = prop::sample::select(vec![
        "*0\r\n",
        "*-1\r\n",
        "*\r\n",
        "*+1\r\n$ 2\r\nab\r\n",
        "*01\r\n$1\r\na\r\n",
        "*1\n$1\na\r\n",
        "*1\r\n$1x\r\nabc",
        "$1\r\n",
        "#TS:17\r\n",
        "#x\n",
        "#",
        "\0",
        "\n",
        "*1\r\n$9223372036854775805\r\n",
        "*1\r\n$9223372036854775807\r\n",
        "*2147483648\r\n",
        "*4294967297\r\n$1\r\na\r\n",
        "*99999999999999999999\r\n",
        "*1\r\n$-1\r\n",
        "*\0\r\n",
        "*1\r\n$3\r\nabcde",
        "*",
        "*\r3\r\n",
    ]);
    prop_oneof![
        6 => vec(vec(any::<u8>(), 0..12), 1..6).prop_map(|args| record(&args)),
        1 => (0..600_usize).prop_map(|len| record(&[&b"SET"[..], &vec![b'v'; len]])),
        1 => (60..70_usize).prop_map(|args| record(&vec!["x"; args])),
        1 => (0..1100_usize).prop_map(|len| [&b"#"[..], &vec![b'c'; len], b"\r\n"].concat()),
        1 => (0..1100_usize).prop_map(|len| [&b"*"[..], &vec![b'0'; len], b"1\r\n$1\r\na\r\n"].concat()),
        2 => odd.prop_map(|text| text.as_bytes().to_vec()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn slices_do_not_matter(
        pieces in vec(piece(), 0..6), cut in 0..40_usize, flip in any::<(u16, u8)>(), sizes in vec(0..300_usize, 1..8), limit in 0..300_usize,
    ) {
        let mut data = pieces.concat();
        data.truncate(data.len().saturating_sub(cut));
        if flip.1 < 80 && !data.is_empty() {
            let at = usize::from(flip.0) % data.len();
            data[at] ^= flip.1 | 1;
        }
        for grammar in GRAMMARS {
            let whole = feed(grammar, &data, &[data.len()], limit, false);
            for (sizes, skip) in [(&sizes[..], false), (&sizes[..], true), (&[1][..], false), (&[1][..], true)] {
                prop_assert_eq!(&feed(grammar, &data, sizes, limit, skip), &whole);
            }
        }
    }

    #[test]
    fn what_is_strict_means_the_same_to_all(pieces in vec(piece(), 0..6)) {
        let data = pieces.concat();
        let strict = feed(Grammar::Strict, &data, &[data.len()], 100, false);
        for grammar in [Grammar::Loader, Grammar::Tool] {
            let other = feed(grammar, &data, &[data.len()], 100, false);
            prop_assert!(other.records.len() >= strict.records.len());
            prop_assert_eq!(&other.records[..strict.records.len()], &strict.records[..]);
        }
    }

    #[test]
    fn the_reader_says_what_the_parser_says(pieces in vec(piece(), 0..6)) {
        let data = pieces.concat();
        for grammar in GRAMMARS {
            check_reader(grammar, &data);
        }
    }
}

/// How each grammar takes a record, after `aof-format`: `y` takes it, `n` does not.
#[test]
fn acceptance_follows_the_table() {
    let zeros = |count: usize| format!("*{}1\r\n$4\r\nPING\r\n", "0".repeat(count));
    let table: Vec<(String, &str)> = vec![
        ("*1\r\n$4\r\nPING\r\n".into(), "yyy"),
        ("*0\r\n".into(), "nny"),
        ("*-1\r\n".into(), "nny"),
        ("*\r\n".into(), "nny"),
        ("*+1\r\n$4\r\nPING\r\n".into(), "nyy"),
        ("* 1\r\n$4\r\nPING\r\n".into(), "nyy"),
        ("*001\r\n$4\r\nPING\r\n".into(), "nyy"),
        ("*1\n$4\r\nPING\r\n".into(), "nyn"),
        ("*1 \r\n$4\r\nPING\r\n".into(), "nyn"),
        ("*1abc\r\n$4\r\nPING\r\n".into(), "nyn"),
        (zeros(124), "nyn"),
        (zeros(123), "nyy"),
        (zeros(1019), "nyn"),
        (zeros(1100), "nnn"),
        ("*1\r\n$-1\r\n".into(), "nnn"),
        ("*1\r\n$+4\r\nPING\r\n".into(), "nyy"),
        ("*1\r\n$4\nPING\r\n".into(), "nyn"),
        ("*1\r\n$4abc\r\nPING\r\n".into(), "nyn"),
        ("*1\r\n$\r\n\r\n".into(), "nyy"),
        ("*1\r\n$4\r\nPINGxx".into(), "nyn"),
        ("*1\r\n$9223372036854775807\r\nPING\r\n".into(), "nnn"),
        ("*1\r\n$99999999999999999999\r\nPING\r\n".into(), "nnn"),
        ("*4294967297\r\n$4\r\nPING\r\n".into(), "nyn"),
        ("*2147483648\r\n".into(), "nnn"),
        ("*99999999999999999999\r\n".into(), "nnn"),
        ("PING\r\n".into(), "nnn"),
        ("\n".into(), "nnn"),
        ("\0".into(), "nnn"),
        ("*1\r\n#TS:1\r\n$4\r\nPING\r\n".into(), "nnn"),
        (format!("#{}\r\n", "c".repeat(1020)), "yyy"),
        (format!("#{}\r\n", "c".repeat(1021)), "nnn"),
        (format!("#{}*1\r\n$4\r\nPING\r\n", "c".repeat(1022)), "nyy"),
        ("#TS:1".into(), "yyy"),
        ("#".into(), "yyy"),
    ];
    for (text, expected) in table {
        let got: String = GRAMMARS
            .iter()
            .map(|grammar| {
                let said = feed(*grammar, text.as_bytes(), &[text.len()], 100, false);
                if said.end == Ok(text.len() as u64) { 'y' } else { 'n' }
            })
            .collect();
        assert_eq!(got, expected, "{text:?}");
    }
}

#[test]
fn errors_say_where() {
    let good = "*1\r\n$4\r\nPING\r\n";
    let cases: [(&str, u64, Reading, ErrorKind); 9] = [
        ("x", 0, Reading::AofRecord, ErrorKind::NotARecord(b'x')),
        ("*1\n", 2, Reading::ArgCount, ErrorKind::BadLineEnd([b'\n', 0])),
        ("*1x\r\n", 2, Reading::ArgCount, ErrorKind::BadLineEnd(*b"x\0")),
        ("*x\r\n", 1, Reading::ArgCount, ErrorKind::BadNumber),
        ("*1\r\n+", 4, Reading::ArgLength, ErrorKind::BadPrefix { wanted: b'$', found: b'+' }),
        ("*1\r\n$3\r\nPING\r\n", 11, Reading::Arg, ErrorKind::BadLineEnd(*b"G\r")),
        ("*1\r\n$4\r\nPI", 10, Reading::Arg, ErrorKind::UnexpectedEof { missing: 4 }),
        ("*1\r\n$4\r\nPING\r", 13, Reading::Arg, ErrorKind::UnexpectedEof { missing: 1 }),
        ("*2\r\n$4\r\nPING\r\n", 14, Reading::ArgLength, ErrorKind::UnexpectedEof { missing: 1 }),
    ];
    for (text, at, reading, kind) in cases {
        let said = feed(Grammar::Strict, format!("{good}{text}").as_bytes(), &[5], 100, false);
        assert_eq!(said.records.len(), 1);
        assert_eq!(said.end, Err(Error::new(14, 14 + at, reading, kind)), "{text:?}");
    }
    // The tool reads the number, and then misses the line end right behind it.
    for (text, at) in [("*12x\r\n", 3), ("*1234\n", 5), ("*1\r\n$12x\r\n", 7)] {
        let said = feed(Grammar::Tool, format!("{good}{text}").as_bytes(), &[5], 100, false);
        let failed = said
            .end
            .map_err(|error| (error.start(), error.failed_at(), matches!(error.kind(), ErrorKind::BadLineEnd(_))));
        assert_eq!(failed, Err((14, 14 + at, true)), "{text:?}");
    }
    let text = Error::new(14, 15, Reading::ArgLength, ErrorKind::BadPrefix { wanted: b'$', found: 7 }).to_string();
    assert_eq!(
        text,
        "expected '$', found 0x07 while reading the length of an argument, at byte 15 (it began at byte 14)"
    );
}

#[test]
fn a_star_at_the_end_is_a_short_read_to_a_loader() {
    let star = feed(Grammar::Loader, b"*", &[1], 100, false);
    assert!(matches!(star.end.map_err(|error| error.kind().clone()), Err(ErrorKind::UnexpectedEof { .. })));
    let digit = feed(Grammar::Loader, b"*1", &[1], 100, false);
    assert!(
        matches!(digit.end.map_err(|error| error.reading()), Err(Reading::ArgLength)),
        "the cut line counts as read"
    );
    let letter = feed(Grammar::Loader, b"*x", &[1], 100, false);
    assert!(matches!(letter.end.map_err(|error| error.kind().clone()), Err(ErrorKind::BadArgCount(0))));
}

/// A file that is one long argument; it counts how much of it is read.
struct Long {
    head: Vec<u8>,
    size: u64,
    at: u64,
    read: u64,
}

impl Read for &mut Long {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.size - self.at).unwrap_or(usize::MAX).min(buffer.len());
        for byte in &mut buffer[..left] {
            let tail = match self.size - self.at {
                2 => b'\r',
                1 => b'\n',
                _ => b'v',
            };
            *byte = usize::try_from(self.at).ok().and_then(|at| self.head.get(at).copied()).unwrap_or(tail);
            self.at += 1;
        }
        self.read += left as u64;
        Ok(left)
    }
}

impl Seek for &mut Long {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.at = match to {
            SeekFrom::Start(at) => at,
            SeekFrom::End(by) => self.size.saturating_add_signed(by),
            SeekFrom::Current(by) => self.at.saturating_add_signed(by),
        };
        Ok(self.at)
    }
}

#[test]
fn long_payloads_are_passed_over() -> Result<(), ReadError> {
    let payload = 100 << 40;
    let head = format!("*2\r\n$4\r\nECHO\r\n${payload}\r\n").into_bytes();
    let size = head.len() as u64 + payload + 2;
    let mut file = Long { head: head.clone(), size, at: 0, read: 0 };
    let mut reader = Reader::new(&mut file, Grammar::Strict).seeking();
    let Some(Record::Command(echo)) = reader.next_record()? else { panic!("a command") };
    let arg = echo.arg(1).expect("an argument");
    assert_eq!(
        (echo.end(), arg.at, arg.len, arg.whole(), arg.head.len()),
        (size, head.len() as u64, payload, None, 128)
    );
    assert!(reader.next_record()?.is_none());
    assert!(file.read < 1 << 20, "{} bytes were read", file.read);

    let mut cut = Long { head, size: size - 10, at: 0, read: 0 };
    let mut reader = Reader::new(&mut cut, Grammar::Tool).seeking();
    let Err(ReadError::Parse(error)) = reader.next_record() else { panic!("an error") };
    assert_eq!(
        (error.start(), error.failed_at(), error.kind()),
        (0, size - 10, &ErrorKind::UnexpectedEof { missing: 10 })
    );
    Ok(())
}

#[test]
fn only_the_first_arguments_are_kept() -> Result<(), ReadError> {
    let value = vec![b'v'; 40 << 10];
    let mut args = vec![&b"MSET"[..], &value, b"k", &value, b"last"];
    args.extend(vec![&b"x"[..]; 100_000]);
    let data = record(&args);
    let mut reader = Reader::new(Cursor::new(&data), Grammar::Strict);
    let Some(Record::Command(mset)) = reader.next_record()? else { panic!("a command") };
    assert_eq!((mset.argc(), mset.args().count(), mset.end()), (100_005, 64, data.len() as u64));
    let whole: Vec<bool> = mset.args().take(5).map(|arg| arg.whole().is_some()).collect();
    assert_eq!(whole, [true, true, true, false, true]);
    assert!(mset.is(b"mset") && mset.arg(64).is_none());
    Ok(())
}

#[test]
fn annotations_are_kept_byte_for_byte() -> Result<(), ReadError> {
    let lines: [(&[u8], LineEnd, Option<i64>); 6] = [
        (b"#TS:1700000000\r\n", LineEnd::CrLf, Some(1_700_000_000)),
        (b"#TS:1700000000\n", LineEnd::Lf, None),
        (b"#TS:17x\r\n", LineEnd::CrLf, None),
        (b"#TS:\r\n", LineEnd::CrLf, None),
        (b"#HDR:v1;len:5;checksum:00;\r\n", LineEnd::CrLf, None),
        (b"#TS:17", LineEnd::Missing, None),
    ];
    let data = lines.map(|(line, ..)| line).concat();
    let mut reader = Reader::new(&data[..], Grammar::Strict);
    for (line, end, time) in lines {
        let Some(Record::Annotation(found)) = reader.next_record()? else { panic!("an annotation") };
        assert_eq!((found.bytes(), found.line_end(), found.timestamp()), (line, end, time));
    }
    assert!(reader.next_record()?.is_none());
    Ok(())
}

/// Gives a few bytes at a time.
struct Few<R>(R);

impl<R: Read> Read for Few<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(1000);
        self.0.read(&mut buffer[..most])
    }
}

#[test]
fn an_image_before_the_records_is_passed_over() {
    let mut image = testkit::rdb::RdbWriter::redis(9);
    image.aux(b"ctime", b"1700000000").select_db(0);
    for n in 0..300 {
        // Blocks of the image's reader end in images and in records.
        image.string_key(format!("key:{n}").as_bytes(), &vec![b'v'; 1000 + 7 * n]);
    }
    let image = image.finish();
    let records: Vec<u8> = (0..20_000).flat_map(|n| record(&["SET", "key", &n.to_string()])).collect();
    for (image, made) in [(&image[..], Some(1_700_000_000)), (&b"REDIS0009\xff\0\0\0\0\0\0\0\0"[..], None), (b"", None)]
    {
        let data = [image, &records].concat();
        let starts = |mut reader: Reader<Box<dyn Read + '_>>| {
            let found = reader.image();
            assert_eq!(
                found.map(|image| (image.end, image.made)),
                (!image.is_empty()).then_some((image.len() as u64, made))
            );
            let mut starts = Vec::new();
            while let Some(record) = reader.next_record().expect("records") {
                starts.push(record.start());
            }
            starts
        };
        let mut wanted = Vec::new();
        let mut at = Reader::at(Cursor::new(&data), Grammar::Strict, image.len() as u64).expect("memory");
        while let Some(record) = at.next_record().expect("records") {
            wanted.push(record.start());
        }
        assert_eq!(wanted.len(), 20_000);
        let whole = Reader::behind_image(Box::new(&data[..]) as Box<dyn Read>, Grammar::Strict);
        assert_eq!(starts(whole.expect("an image")), wanted);
        let few = Reader::behind_image(Box::new(Few(&data[..])) as Box<dyn Read>, Grammar::Strict);
        assert_eq!(starts(few.expect("an image")), wanted);
    }
    let cut = Reader::behind_image(&image[..image.len() / 2], Grammar::Strict);
    assert!(
        matches!(cut.map(drop), Err(ReadError::Parse(error)) if matches!(error.kind(), ErrorKind::UnexpectedEof { .. }))
    );
}
