use std::io::Cursor;

use super::*;
use crate::aof::dir::Files;
use crate::base::source::ReadAt;
use testkit::resp::AofWriter;
use testkit::rng::Rng;

/// So small that a file of a few kilobytes has many blocks, and payloads that are worth a seek.
const SMALL: Sizes = Sizes { block: 300, room: 1100, alone_blocks: 2, worth_a_seek: 1500 };

/// One file, which several threads can read at once.
struct AtOnce(Vec<u8>);

impl Files for AtOnce {
    type File = Shared;

    fn open(&mut self, _: &Path) -> io::Result<Opened<Shared>> {
        Ok(Opened::File { size: self.0.len() as u64, file: Shared(Cursor::new(self.0.clone())) })
    }

    fn at_places(file: &Shared) -> Option<&dyn ReadAt> {
        Some(file)
    }
}

impl Tree for AtOnce {
    fn stat(&mut self, _: &Path) -> io::Result<Option<Node>> {
        Ok(Some(Node::File(self.0.len() as u64)))
    }

    fn list(&mut self, _: &Path) -> io::Result<Vec<(Vec<u8>, Node)>> {
        Ok(Vec::new())
    }
}

struct Shared(Cursor<Vec<u8>>);

impl ReadAt for Shared {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.get_ref().as_slice().read_at(buffer, offset)
    }
}

impl Read for Shared {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Seek for Shared {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
}

fn report<T: Tree>(tree: &mut T, size: usize, threads: usize, sizes: Sizes) -> Report {
    let set = dir::single(Path::new("appendonly.aof"), size as u64);
    let options = Options { threads: NonZero::new(threads), ..Options::default() };
    set_in(tree, &set, &options, sizes).expect("memory can be read")
}

/// The report, which is the same for every number of threads, however they read.
#[track_caller]
fn same(bytes: &[u8], sizes: Sizes) -> Report {
    let mut memory = dir::Memory::default();
    memory.add("appendonly.aof", bytes.to_vec());
    let alone = report(&mut memory, bytes.len(), 1, Sizes::default());
    // As many threads as that for one file in eight: else it would be the time of the whole test.
    let many = bytes.len().is_multiple_of(8);
    for threads in [1, 2, 3, 8, 64].into_iter().filter(|threads| many || *threads < 8) {
        let more = report(&mut memory, bytes.len(), threads, sizes);
        assert_eq!(format!("{more:#?}"), format!("{alone:#?}"), "{threads} threads");
        let at_once = report(&mut AtOnce(bytes.to_vec()), bytes.len(), threads, sizes);
        assert_eq!(format!("{at_once:#?}"), format!("{alone:#?}"), "{threads} threads that read at once");
    }
    alone
}

/// Mostly plain commands, among them all that is not: transactions, odd forms, payloads that look like records, long ones.
fn arbitrary(rng: &mut Rng, commands: usize) -> Vec<u8> {
    let mut w = AofWriter::new();
    for number in 0..commands {
        let key = format!("key:{}", rng.below(1000));
        match rng.below(60) {
            0 => drop(w.select(rng.below(20))),
            1 => drop(w.multi().record(&["SET", &key, "in a transaction"]).exec()),
            2 => drop(w.timestamp(1_700_000_000 + number as i64)),
            3 => drop(w.record(&["set", &key, "a\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n"])),
            4 => drop(w.record(&["SET".into(), key, "long".repeat(rng.size(100..=2000))])),
            5 => drop(w.record(&["NOSUCHCOMMAND", &key])),
            6 => drop(w.raw(b"*2\n$3\nDEL\r\n$1\nk..")),
            7 => drop(w.record(&["SADD".into(), key, "member".repeat(rng.size(1..=40))])),
            8 => drop(w.record(&["WATCH", &key]).record(&["UNWATCH"])),
            9..=30 => drop(w.record(&["SET", &key, "value of a key"])),
            31..=45 => drop(w.record(&["HSET", &key, "field", &"v".repeat(rng.size(0..=120))])),
            _ => drop(w.record(&["RPUSH", &key, "one", "two", "three"])),
        }
    }
    w.take()
}

#[test]
fn arbitrary_files() {
    let mut rng = Rng::new(1);
    for _ in 0..150 {
        let bytes = arbitrary(&mut rng, 300);
        assert_eq!(same(&bytes, SMALL).parts[0].loads_up_to, Some(bytes.len() as u64));
    }
}

#[test]
fn damaged_files() {
    let mut rng = Rng::new(2);
    let mut damaged = 0;
    for _ in 0..300 {
        let mut bytes = arbitrary(&mut rng, 150);
        let at = rng.size(0..=bytes.len() - 1);
        match rng.below(4) {
            0 => bytes[at] ^= 1 << rng.below(8),
            1 => bytes.truncate(at),
            2 => bytes[at..].fill(0),
            _ => drop(bytes.drain(at..(at + 40).min(bytes.len()))),
        }
        damaged += u32::from(same(&bytes, SMALL).verdict == Verdict::Damaged);
    }
    assert!(damaged > 150, "{damaged}");
}

/// Nothing but small commands, in blocks of the size that a user gets.
#[test]
fn many_small_commands() {
    let mut rng = Rng::new(3);
    let mut w = AofWriter::new();
    for number in 0..60_000 {
        w.record(&["SET", &format!("key:{number}"), &"v".repeat(rng.size(0..=64))]);
    }
    let report = same(&w.take(), Sizes::default());
    assert_eq!((report.verdict, report.aof.map(|facts| facts.commands)), (Verdict::Sound, Some(60_000)));
}
