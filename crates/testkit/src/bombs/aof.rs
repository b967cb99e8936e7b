//! Append-only files of this kind, and folders of them.

use super::{HUGE, MILLION, Share, different, key_of, many, name, places};
use crate::Bytes;
use crate::rdb::LenForm;
use crate::resp::{AofWriter, record};

/// A folder of append-only files.
#[derive(Debug, Clone, Copy)]
pub struct Folder {
    /// What it claims or repeats.
    pub name: &'static str,
    /// Makes its files: their names and what they hold. The first one is what is to be read.
    pub write: fn(Share) -> Vec<(String, Bytes)>,
    /// The largest packed value in it, as stored and decoded, in bytes.
    pub blob: u64,
    /// Whether tables are needed: of its many names, to find duplicates or to tell databases apart, or of its many damaged places.
    pub names: bool,
}

/// Every one of them.
#[must_use]
pub fn aof() -> Vec<Folder> {
    [claims(), lines(), crowds(), starts(), images(), sets()].concat()
}

const fn small(name: &'static str, write: fn(Share) -> Vec<(String, Bytes)>) -> Folder {
    Folder { name, write, blob: 0, names: false }
}

fn alone(bytes: Bytes) -> Vec<(String, Bytes)> {
    vec![("appendonly.aof".to_owned(), bytes)]
}

/// Behind a sound record, so that it is taken for an append-only file.
fn behind(bytes: &[u8]) -> Vec<(String, Bytes)> {
    alone(AofWriter::new().select(0).raw(bytes).take())
}

/// As many times the same as there are numbers, but for the number.
fn repeated(times: u64, part: impl Fn(&mut AofWriter, u64)) -> Vec<(String, Bytes)> {
    let mut w = AofWriter::new();
    w.select(0);
    (0..times).for_each(|i| part(&mut w, i));
    alone(w.take())
}

/// Small files that claim much.
fn claims() -> Vec<Folder> {
    vec![
        small("record of 2^62 arguments", |_| behind(format!("*{HUGE}\r\n$1\r\na\r\n").as_bytes())),
        small("record of 2^31 - 1 arguments", |_| behind(format!("*{}\r\n$1\r\na\r\n", i32::MAX).as_bytes())),
        small("argument of 2^62 bytes", |_| behind(format!("*1\r\n${HUGE}\r\nabc").as_bytes())),
        small("argument of 2^63 - 1 bytes", |_| behind(format!("*1\r\n${}\r\nabc", i64::MAX).as_bytes())),
        small("argument of 900 MB that is cut", |_| behind(b"*1\r\n$943718400\r\nabc")),
        small("database 2^63 - 1", |_| behind(&record(&["SELECT", &i64::MAX.to_string()]))),
    ]
}

/// Lines without an end, or with a late one.
fn lines() -> Vec<Folder> {
    const LONG: usize = 40 << 20;
    vec![
        small("40 MB without a line end", |s| alone(vec![b'x'; s.size(LONG)])),
        small("40 MB without a line end, behind a record", |s| behind(&vec![b'x'; s.size(LONG)])),
        small("count of 40 MB of digits", |s| behind(&[b"*", &vec![b'1'; s.size(LONG)][..]].concat())),
        small("length of 40 MB of zeros", |s| {
            behind(&[b"*1\r\n$", &vec![b'0'; s.size(LONG)][..], b"1\r\na\r\n"].concat())
        }),
        small("annotation of 40 MB", |s| behind(&[b"#", &vec![b'x'; s.size(LONG)][..], b"\r\n"].concat())),
        small("time of 40 MB of digits", |s| behind(&[b"#TS:", &vec![b'1'; s.size(LONG)][..], b"\r\n"].concat())),
        small("argument of 40 MB", |s| behind(&record(&[&b"SET"[..], b"k", &vec![b'x'; s.size(LONG)]]))),
        small("name of a command of 40 MB", |s| behind(&record(&[&vec![b'x'; s.size(LONG)]]))),
        small("database of 40 MB of digits", |s| behind(&record(&[&b"SELECT"[..], &vec![b'1'; s.size(LONG)]]))),
    ]
}

/// Large files of tiny parts.
fn crowds() -> Vec<Folder> {
    vec![
        small("10^6 databases", |s| {
            repeated(s.of(MILLION), |w, i| {
                w.select(i);
            })
        }),
        small("10^6 names of commands", |s| {
            repeated(s.of(MILLION), |w, i| {
                w.record(&[&name(i)]);
            })
        }),
        small("record of 3 * 10^6 arguments", |s| {
            let mut args = vec!["a"; s.size(3_000_000)];
            args[0] = "DEL";
            behind(&record(&args))
        }),
        small("10^6 times, each before the last", |s| {
            repeated(s.of(MILLION), |w, i| {
                w.timestamp(1_700_000_000 - i64::try_from(i).unwrap_or(0));
            })
        }),
        small("3 * 10^6 empty annotations", |s| behind(&b"#\r\n".repeat(s.size(3_000_000)))),
        small("3 * 10^6 records without arguments", |s| behind(&b"*0\r\n".repeat(s.size(3_000_000)))),
        small("10^6 transactions that begin", |s| {
            repeated(s.of(MILLION), |w, _| {
                w.multi();
            })
        }),
        small("10^6 transactions that end", |s| {
            repeated(s.of(MILLION), |w, _| {
                w.record(&["EXEC"]);
            })
        }),
        Folder { names: true, ..small("transaction of 10^6 commands that does not end", open_transaction) },
        small("10^6 copies of a record", |s| {
            repeated(s.of(MILLION), |w, _| {
                w.record(&["RPUSH", "list", "the same element"]);
            })
        }),
    ]
}

fn open_transaction(s: Share) -> Vec<(String, Bytes)> {
    let mut w = AofWriter::new();
    w.select(0).multi();
    (0..s.of(MILLION)).for_each(|i| {
        w.record(&[&b"SET"[..], &name(i), b"v"]);
    });
    alone(w.take())
}

/// Damage all over, where much looks like the start of a record.
fn starts() -> Vec<Folder> {
    const FEW: u64 = 200_000;
    vec![
        small("2 * 10^5 records, something behind each", |s| {
            repeated(s.of(FEW), |w, i| {
                w.record(&[&b"SET"[..], &name(i), b"v"]).raw(b"xyz");
            })
        }),
        small("2 * 10^5 records with other ends", |s| {
            repeated(s.of(FEW), |w, i| {
                w.raw(format!("*3\r\n$3\r\nSETxx$1\r\nk\r\n$6\r\n{i:06}\r\n").as_bytes());
            })
        }),
        small("10^7 stars", |s| behind(&vec![b'*'; s.size(10_000_000)])),
        small("10^7 bytes of counts", |s| behind(&b"*9\r\n".repeat(s.size(2_500_000)))),
        small("10^7 bytes of arguments that claim what is there", |s| {
            behind(&b"*2\r\n$5000000\r\n".repeat(s.size(660_000)))
        }),
        small("10^7 bytes of arguments that claim 2^40", |s| {
            behind(&b"*2\r\n$1099511627776\r\n".repeat(s.size(500_000)))
        }),
        small("10^7 bytes of records whose last argument is long", |s| {
            behind(&b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1000000\r\n".repeat(s.size(270_000)))
        }),
        small("10^7 bytes of records of 10^6 arguments", |s| {
            behind(&b"*1000000\r\n$1\r\na\r\n".repeat(s.size(580_000)))
        }),
        small("20 MB of line ends", |s| behind(&b"\r\n".repeat(s.size(10 << 20)))),
        small("20 MB of zeros", |s| behind(&vec![0; s.size(20 << 20)])),
    ]
}

/// RDB images before the records, and among them.
fn images() -> Vec<Folder> {
    let image = |name, write| small(name, write);
    vec![
        image("image: set of 2^62 members", |_| before_records(key_of(2, |w| w.len(HUGE).str(b"a").str(b"b")))),
        image("image: listpack of 2^63 bytes", |_| {
            before_records(key_of(16, |w| w.len_as(LenForm::SixtyFour, 1 << 63).raw(b"abc")))
        }),
        image("image: 10^6 databases", |s| {
            before_records(many(s, |w, i| {
                w.select_db(i).string_key(b"k", b"v");
            }))
        }),
        image("image: 10^6 damaged values", |s| {
            before_records(many(s, |w, i| {
                w.key(16, &name(i % 9)).str(b"no listpack");
            }))
        }),
        Folder { names: true, ..image("image: 10^5 damaged places", |s| before_records(places(s))) },
        image("image: string of 80 MB", |s| {
            before_records(key_of(0, |w| w.len(s.of(80 << 20)).raw(&vec![b'x'; s.size(80 << 20)])))
        }),
        Folder {
            names: true,
            ..image("image: 10^6 keys", |s| {
                before_records(many(s, |w, i| {
                    w.string_key(&name(i), b"v");
                }))
            })
        },
        Folder {
            blob: 50 << 20,
            names: true,
            ..image("image: hash in a listpack of 50 MB", |s| before_records(key_of(16, |w| w.str(&different(s)))))
        },
        image("10^5 images", |s| alone(key_of(0, |w| w.str(b"v")).repeat(s.size(100_000)))),
    ]
}

fn before_records(image: Bytes) -> Vec<(String, Bytes)> {
    alone(AofWriter::new().raw(&image).select(0).record(&["SET", "k", "v"]).take())
}

/// Manifests of many files, or of long lines.
fn sets() -> Vec<Folder> {
    vec![
        small("manifest of 3 * 10^4 files that are not there", |s| listed(s.of(30_000), |i| short(i + 1, 'i'))),
        small("manifest of 3 * 10^4 files of numbers that fall", |s| listed(s.of(30_000), |i| short(90_000 - i, 'i'))),
        small("manifest of 3 * 10^4 old files", |s| listed(s.of(30_000), |i| short(i, 'h'))),
        small("manifest of 3 * 10^4 bases", |s| listed(s.of(30_000), |i| short(i, 'b'))),
        small("manifest of 2 * 10^4 lines for one file", |s| listed(s.of(20_000), |_| incr(1))),
        small("manifest of 5 * 10^4 old lines for one file", |s| {
            listed(s.of(50_000), |_| "file a seq 1 type h\n".to_owned())
        }),
        small("manifest of 10^5 unknown words", |s| listed(s.of(100_000), |i| format!("w{i} x\n"))),
        small("manifest of one line of 1 MB", |s| manifest(vec![b'x'; s.size(1 << 20)])),
        small("manifest of 40 MB", |s| manifest(incr(1).repeat(s.size(40 << 20) / incr(1).len()).into_bytes())),
        small("manifest of empty lines", |s| manifest(vec![b'\n'; s.size(1 << 20)])),
        small("manifest of zeros", |s| manifest(vec![0; s.size(1 << 20)])),
        small("file number 2^63 - 1", |_| listed(1, |_| incr(i64::MAX.unsigned_abs()))),
        small("1,000 files of a record each", |s| {
            let mut files = listed(s.of(1000), |i| incr(i + 1));
            let bytes = AofWriter::new().select(0).record(&["SET", "k", "v"]).take();
            files.extend((1..=s.of(1000)).map(|i| (incr_name(i), bytes.clone())));
            files
        }),
    ]
}

fn manifest(bytes: Bytes) -> Vec<(String, Bytes)> {
    vec![("appendonly.aof.manifest".to_owned(), bytes), (incr_name(1), AofWriter::new().select(0).take())]
}

fn listed(lines: u64, line: impl Fn(u64) -> String) -> Vec<(String, Bytes)> {
    manifest((0..lines).map(line).collect::<String>().into_bytes())
}

fn incr_name(number: u64) -> String {
    format!("appendonly.aof.{number}.incr.aof")
}

/// A line as short as such a line can be.
fn short(number: u64, kind: char) -> String {
    format!("file {number}.aof seq {number} type {kind}\n")
}

fn incr(number: u64) -> String {
    format!("file {} seq {number} type i\n", incr_name(number))
}
