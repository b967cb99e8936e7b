//! Inputs that fail while they are read: the error comes out, interruptions do not matter, and a file that changes under
//! the verifier does no harm.

#[path = "support/three_ways.rs"]
mod three_ways;

use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::num::NonZero;

use redis_persistence::reader::Reader;
use redis_persistence::verify::{self, Code, Duplicates, Options, Report, Severity};
use redis_persistence::{Limits, ReadError};
use testkit::rdb::{Family, File, RdbWriter};
use testkit::rng::Rng;
use three_ways::Dribble;

/// Options for one thread, and for several.
fn threads() -> [Options; 2] {
    [1, 3].map(|n| Options { threads: NonZero::new(n), ..Options::default() })
}

fn sound() -> Vec<u8> {
    File::arbitrary(&mut Rng::new(6), Family::Redis, 13, 300).encode().bytes
}

/// Gives out so many bytes, and then an error.
struct Failing<'a> {
    data: Dribble<'a>,
    with: io::ErrorKind,
}

impl Read for Failing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.data.read(buffer)? {
            0 => Err(self.with.into()),
            n => Ok(n),
        }
    }
}

#[test]
fn an_error_in_mid_file_is_handed_on() {
    let file = sound();
    let mut rng = Rng::new(1);
    for (round, options) in (0..200).zip(threads().iter().cycle()) {
        // After the last byte, too: nobody knows that it was the last one.
        let end = rng.size(0..=file.len());
        let with = *rng.pick(&[io::ErrorKind::Other, io::ErrorKind::PermissionDenied, io::ErrorKind::UnexpectedEof]);
        let input = || Failing { data: Dribble::new(&file[..end], round, 700), with };
        let error = verify::reader(input(), options).expect_err("no verdict on what could not be read");
        assert_eq!(error.kind(), with, "after {end} bytes");
        let mut reader = Reader::with_limits(input(), Limits::default());
        let failed = loop {
            match reader.next() {
                Ok(Some(_)) => {}
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
        };
        match failed {
            Some(ReadError::Io(error)) => assert_eq!(error.kind(), with),
            // All records were there: what may follow is not the reader's business.
            None => assert_eq!(end, file.len()),
            Some(other) => panic!("{other} after {end} bytes"),
        }
    }
}

/// Is interrupted at every other read.
struct Interrupted<R> {
    input: R,
    now: bool,
}

impl<R: Read> Read for Interrupted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.now = !self.now;
        if self.now { Err(io::ErrorKind::Interrupted.into()) } else { self.input.read(buffer) }
    }
}

#[test]
fn interruptions_and_short_reads_do_not_matter() {
    let file = sound();
    for most in [1, 7, 5000] {
        for cut in [file.len(), file.len() / 2, 5, 0] {
            for options in threads() {
                let input = Interrupted { input: Dribble::new(&file[..cut], 3, most), now: false };
                let report = verify::reader(input, &options).expect("nothing else is wrong");
                assert_eq!(report, verify::slice(&file[..cut], &options), "{cut} bytes, {most} at a time");
            }
        }
    }
}

/// A file whose content is another one as soon as it is read a second time from where it was.
struct Replaced<'a> {
    before: Cursor<&'a [u8]>,
    after: Cursor<&'a [u8]>,
    replaced: bool,
}

impl Read for Replaced<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.replaced { self.after.read(buffer) } else { self.before.read(buffer) }
    }
}

impl Seek for Replaced<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = if self.replaced { self.after.seek(to)? } else { self.before.seek(to)? };
        self.replaced |=
            self.before.position() == self.before.get_ref().len() as u64 || at == 0 && self.before.position() > 0;
        let at = self.after.seek(SeekFrom::Start(at))?;
        self.before.seek(SeekFrom::Start(at))
    }
}

fn with_duplicates() -> Vec<u8> {
    let mut w = RdbWriter::redis(11);
    w.select_db(0);
    for i in 0..400 {
        w.string_key(format!("key:{}", i % 390).as_bytes(), b"value");
    }
    w.finish()
}

/// The second look, for duplicates, meets something else: nothing, less, zeros, another file.
#[test]
fn a_file_that_changes_between_two_looks() {
    let file = with_duplicates();
    let zeros = vec![0; file.len()];
    let longer = [&file[..], b"and more"].concat();
    let tight = Limits { duplicate_bytes: 4096, ..Limits::default() };
    for after in [&b""[..], &file[..100], &zeros, &longer, &sound()] {
        for duplicates in [Duplicates::On, Duplicates::Full] {
            for limits in [Limits::default(), tight.clone()] {
                let options = Options { duplicates, limits, threads: NonZero::new(1), ..Options::default() };
                let (before, after) = (Cursor::new(&file[..]), Cursor::new(after));
                let input = Replaced { before, after, replaced: false };
                // An error is an answer, too. What was found by the first look stays found.
                if let Ok(report) = verify::file(input, &options) {
                    check(&report, &file);
                }
            }
        }
    }
}

fn check(report: &Report, file: &[u8]) {
    let errors = report.findings_by_code.keys().any(|code| code.severity() == Severity::Error);
    let says_so = report.findings_by_code.contains_key(&Code::RdbDuplicatesUnchecked);
    assert!(errors || says_so, "ten keys occur twice: {:?}", report.findings);
    assert!(report.findings.iter().all(|f| f.failed_at <= report.size.max(file.len() as u64)));
}
