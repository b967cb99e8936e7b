//! Law 4: memory is bounded by the limits, not by the file.
//!
//! The file is made while it is read, so that it needs no disk: a string, a set, a packed value and small keys, each far
//! larger than any buffer. `BIG_FILE=full` makes it 5 GB, with a string of 2 GiB, a set of 20 million members and a packed
//! value of 300 MB; otherwise it is 50 times smaller. The only test of its binary, so that the peak is its own.

use std::io::Read;

use redis_persistence::crc64::Crc64;
use redis_persistence::verify::{self, Options, Severity, Verdict};

/// Makes the file's parts one after another.
struct Source {
    parts: Vec<Part>,
    chunk: Vec<u8>,
    at: usize,
    crc: Crc64,
}

/// Writes out the thing of that number.
type Make = Box<dyn Fn(u64, &mut Vec<u8>) + Send>;

/// A run of like things: how many, and what number `i` looks like.
struct Part {
    next: u64,
    count: u64,
    make: Make,
}

impl Part {
    fn new(count: u64, make: impl Fn(u64, &mut Vec<u8>) + Send + 'static) -> Self {
        Self { next: 0, count, make: Box::new(make) }
    }

    fn once(bytes: Vec<u8>) -> Self {
        Self::new(1, move |_, out| out.extend_from_slice(&bytes))
    }
}

impl Source {
    fn new(mut parts: Vec<Part>) -> Self {
        parts.reverse();
        Self { parts, chunk: Vec::new(), at: 0, crc: Crc64::new() }
    }

    fn refill(&mut self) {
        (self.at, _) = (0, self.chunk.clear());
        while self.chunk.len() < 1 << 16 {
            let Some(part) = self.parts.last_mut() else { break };
            (part.make)(part.next, &mut self.chunk);
            part.next += 1;
            if part.next == part.count {
                self.parts.pop();
            }
        }
        self.crc.update(&self.chunk);
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.at == self.chunk.len() {
            let was_open = !self.parts.is_empty();
            self.refill();
            if self.chunk.is_empty() && was_open {
                return self.read(buffer);
            }
            if self.parts.is_empty() && was_open {
                self.chunk.extend_from_slice(&self.crc.value().to_le_bytes());
            }
        }
        let n = buffer.len().min(self.chunk.len() - self.at);
        buffer[..n].copy_from_slice(&self.chunk[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}

fn length(value: u64) -> Vec<u8> {
    match value {
        0..0x40 => vec![value.to_le_bytes()[0]],
        0x40..0x4000 => vec![0x40 | (value >> 8).to_le_bytes()[0], value.to_le_bytes()[0]],
        0x4000..0x1_0000_0000 => [&[0x80][..], &value.to_be_bytes()[4..]].concat(),
        _ => [&[0x81][..], &value.to_be_bytes()].concat(),
    }
}

/// A listpack of field and value pairs, each of 8 and 80 bytes.
const PAIR: u64 = 10 + 83;

fn parts(string: u64, members: u64, packed: u64, keys: u64) -> Vec<Part> {
    let pairs = packed / PAIR;
    let listpack = pairs * PAIR + 7;
    let mut packed_head = [&b"\x10\x06packed"[..], &length(listpack)].concat();
    packed_head.extend_from_slice(&u32::try_from(listpack).expect("it fits a listpack").to_le_bytes());
    packed_head.extend_from_slice(&u16::try_from(pairs * 2).unwrap_or(u16::MAX).to_le_bytes());
    vec![
        Part::once([&b"REDIS0011\xfe\x00\x00\x06string"[..], &length(string)].concat()),
        Part::new(string / 4096, |i, out| out.resize(out.len() + 4096, i.to_le_bytes()[0])),
        Part::once([&b"\x02\x03set"[..], &length(members)].concat()),
        Part::new(members, |i, out| {
            out.push(16);
            out.extend_from_slice(format!("member:{i:09}").as_bytes());
        }),
        Part::once(packed_head),
        Part::new(pairs, |i, out| {
            out.push(0x88);
            out.extend_from_slice(format!("f{i:07}").as_bytes());
            out.extend_from_slice(&[9, 0xe0, 80]);
            out.resize(out.len() + 80, b'v');
            out.push(82);
        }),
        Part::once(vec![0xff]),
        Part::new(keys, |i, out| {
            out.push(0xfc);
            out.extend_from_slice(&1_900_000_000_000u64.to_le_bytes());
            out.extend_from_slice(&[0, 14]);
            out.extend_from_slice(format!("key:{i:010}").as_bytes());
            out.push(30);
            out.resize(out.len() + 30, b'x');
        }),
        Part::once(vec![0xff]),
    ]
}

/// The highest resident size of this process so far, in bytes, where the system tells.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
}

#[test]
fn a_file_of_any_size_fits() {
    let scale = if std::env::var("BIG_FILE").is_ok_and(|v| v == "full") { 50 } else { 1 };
    let (string, members, packed, keys) = ((2 << 30) / 50 * scale, 400_000 * scale, 6_000_000 * scale, 800_000 * scale);
    let string = string / 4096 * 4096;
    let report = verify::reader(Source::new(parts(string, members, packed, keys)), &Options::default())
        .expect("the source does not fail");
    let serious: Vec<_> = report.findings.iter().filter(|f| f.severity == Severity::Error).collect();
    assert_eq!((report.verdict, serious.len()), (Verdict::Sound, 0), "{serious:?}");
    assert_eq!(report.counts.keys, keys + 3);
    let Some(peak) = peak() else {
        eprintln!("not run: this system does not tell the peak of resident memory");
        return;
    };
    let tables = Options::default().limits.duplicate_bytes as u64;
    println!("{} bytes, peak {} KiB, findings {:?}", report.size, peak / 1024, report.findings_by_code);
    assert!(peak < (64 << 20) + packed + tables, "peak {peak}");
}
