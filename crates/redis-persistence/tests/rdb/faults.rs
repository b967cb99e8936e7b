//! Inputs that fail while they are read: the error comes out, interruptions do not matter, and a file that changes under
//! the verifier does no harm.

use crate::three_ways;

use std::fs::{self, File as DiskFile};
use std::io::{self, Cursor, Read, Seek, SeekFrom, Write as _};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use redis_persistence::aof::dir::{Files, Opened};
use redis_persistence::aof::dir::{Memory, Node, Tree};
use redis_persistence::reader::Reader;
use redis_persistence::verify::{self, Code, Duplicates, Options, ReadAt, Report, Severity, Verdict};
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

/// What is done to a file.
type Meddle = fn(&Path) -> io::Result<()>;

/// A file on disk, to which something is done when half of it has been read.
struct Meddled<'a> {
    file: DiskFile,
    path: &'a Path,
    left: usize,
    meddle: Option<Meddle>,
}

impl Read for Meddled<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0
            && let Some(meddle) = self.meddle.take()
        {
            meddle(self.path)?;
        }
        let most = if self.meddle.is_some() { self.left.min(buffer.len()) } else { buffer.len() };
        let n = self.file.read(&mut buffer[..most])?;
        self.left = self.left.saturating_sub(n);
        Ok(n)
    }
}

impl Seek for Meddled<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

/// The same for threads that read at once.
struct AtOnce<'a>(Mutex<Meddled<'a>>);

impl ReadAt for AtOnce<'_> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(offset))?;
        file.read(buffer)
    }
}

/// Shrinks, grows, is filled with zeros, or makes way for another: what was read is judged.
#[test]
fn a_file_that_changes_on_disk_while_it_is_read() -> io::Result<()> {
    let meddling: [(Meddle, Verdict, Option<Code>); 5] = [
        (|path| DiskFile::options().write(true).open(path)?.set_len(3), Verdict::Damaged, Some(Code::RdbTruncated)),
        (
            |path| DiskFile::options().append(true).open(path)?.write_all(b"and more"),
            Verdict::Sound,
            Some(Code::RdbTrailingBytes),
        ),
        (
            |path| {
                let zeros = vec![0; usize::try_from(fs::metadata(path)?.len()).expect("small")];
                let mut file = DiskFile::options().write(true).open(path)?;
                file.write_all(&zeros)
            },
            Verdict::Damaged,
            None,
        ),
        // What was opened stays what it was.
        (
            |path| {
                let other = path.with_extension("other");
                fs::write(&other, b"REDIS0011")?;
                fs::rename(other, path)
            },
            Verdict::Sound,
            None,
        ),
        (|path| fs::remove_file(path), Verdict::Sound, None),
    ];
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("dump.rdb");
    let bytes = sound();
    for (number, (meddle, verdict, code)) in meddling.into_iter().enumerate() {
        for options in threads() {
            for at_once in [false, true] {
                fs::write(&path, &bytes)?;
                let file = DiskFile::open(&path)?;
                let input = Meddled { file, path: &path, left: bytes.len() / 2, meddle: Some(meddle) };
                let report = if at_once {
                    verify::file_at(&AtOnce(Mutex::new(input)), &options)?
                } else {
                    verify::file(input, &options)?
                };
                assert_eq!(report.verdict, verdict, "{number}: {:?}", report.findings);
                let named = |code: Code| report.findings.iter().any(|finding| finding.code == code);
                assert!(code.is_none_or(named), "{number}: {:?}", report.findings);
            }
        }
    }
    Ok(())
}

/// A tree of files of which one cannot be read to its end.
struct Unreadable {
    tree: Memory,
    path: PathBuf,
    after: u64,
}

/// Gives out so many bytes, and then an error.
struct Bad(Cursor<bytes::Bytes>, u64);

impl Read for Bad {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.1.saturating_sub(self.0.position())).expect("small");
        if left == 0 && !buffer.is_empty() {
            return Err(io::Error::other("bad sector"));
        }
        let most = left.min(buffer.len());
        self.0.read(&mut buffer[..most])
    }
}

impl Seek for Bad {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
}

impl Files for Unreadable {
    type File = Bad;

    fn open(&mut self, path: &Path) -> io::Result<Opened<Bad>> {
        Ok(match self.tree.open(path)? {
            Opened::File { file, size } => {
                let after = if path == self.path { self.after } else { u64::MAX };
                Opened::File { file: Bad(file, after), size }
            }
            Opened::Directory => Opened::Directory,
        })
    }
}

impl Tree for Unreadable {
    fn stat(&mut self, path: &Path) -> io::Result<Option<Node>> {
        self.tree.stat(path)
    }

    fn list(&mut self, folder: &Path) -> io::Result<Vec<(Vec<u8>, Node)>> {
        self.tree.list(folder)
    }
}

#[test]
fn an_error_in_any_file_of_a_set_is_handed_on() {
    for seed in 0..60 {
        let mut rng = Rng::new(seed);
        let set = testkit::planted::set::sound(&mut rng);
        let mut tree = Memory::default();
        for (name, bytes) in &set.files {
            tree.add(Path::new("d").join(name), bytes.clone());
        }
        let manifest = Path::new("d").join(&set.manifest);
        // Files of history are not read.
        let read = set.files.iter().filter(|(_, bytes)| !bytes.is_empty()).collect::<Vec<_>>();
        let (name, bytes) = rng.pick(&read);
        let after = rng.below(bytes.len() as u64);
        let mut tree = Unreadable { tree, path: Path::new("d").join(name), after };
        let error = verify::aof_in(&mut tree, &manifest, &Options::default());
        let error = error.expect_err("no verdict on what could not be read");
        assert!(error.to_string().contains("bad sector"), "{name} after {after} bytes: {error}");
        tree.path = PathBuf::new();
        assert!(verify::aof_in(&mut tree, &manifest, &Options::default()).is_ok());
    }
}
