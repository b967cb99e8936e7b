//! Repair of an RDB by its checksum: from the syndrome, the place and the former value of a few damaged bytes.
//!
//! ```text
//! syndrome = crc(content as it is) ^ checksum as stored; 0 if nothing is wrong
//! ```
//! A CRC is linear, so a change at a given offset contributes the same to the syndrome whatever the bytes around it are. At
//! each offset exactly one change of 8 bytes explains the syndrome: what tells the true place is that the change is *short*.
//! Among `n` offsets chance alone is expected to make up `n * 2^(8b - 64)` changes of up to `b` bytes. These are the odds of a
//! [`Candidate`]. It is only taken for the truth if
//!
//! * its odds are below 1 in 1000: up to 3 bytes in a file of 1 GiB, 4 bytes in 4 MiB, 5 bytes in 16 KiB;
//! * the mended file then parses, is sound and its checksum fits;
//! * no second candidate with such odds passes the same.
//!
//! Where the structure is broken too, the damage is expected close before the break. The few thousand offsets there are
//! a range of their own, with better odds.
//!
//! Where the records end is where the walk found their end, and also 8 bytes before the end of the file: a damaged byte can
//! hide the end or feign one. A version below 5 has no checksum; 8 bytes behind its end then are one, and a digit of
//! the version is what is damaged.
//!
//! The search is one pass in constant memory, over the checksum alone: the bytes are read once before it, and once for each
//! candidate. Only what could be shown is verified, and at most 16 candidates are.

mod walk_back;

use super::patch::{KeyPlace, Patched};
use crate::base::crc64::Crc64;
use crate::rdb::reader::BLOCK;
use crate::report::{Checksum, Code, Finding, Report, Severity};
use crate::verify::Options;
use std::fmt;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::ops::Range;
use walk_back::{Burst, Stretch, bursts, in_trailer};

/// The bytes of the checksum.
const TRAILER: u64 = 8;
/// The shortest content: signature, version and the end opcode.
const SHORTEST: u64 = 10;
/// How far before a break, in bytes, its cause is expected.
const BEFORE_BREAK: u64 = 4096;
/// How far behind the place that is named: what is read there may be longer than its first byte.
const BEHIND_BREAK: u64 = 16;
/// More bytes than this, in the trailer alone, and it is not held for a damaged trailer.
const LONGEST_IN_TRAILER: u32 = 4;
/// How many candidates are kept, and of those how many are verified. Chance is expected to make up less than two.
const MOST_KEPT: usize = 64;
const MOST_VERIFIED: usize = 16;

/// What the checksum of a file tells about its damage.
#[derive(Debug, Clone, PartialEq)]
pub struct Search {
    /// The offsets that were searched.
    pub range: Range<u64>,
    /// The offsets around a break of the structure, which have odds of their own.
    pub near_break: Option<Range<u64>>,
    /// What came out.
    pub outcome: Outcome,
}

/// How a search came out.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// One change makes the file sound, and it is no chance.
    Mended(Candidate),
    /// Changes make the file sound that could be chance, or of which only one can be true. Nothing is mended.
    Ambiguous {
        /// The changes, the least likely to be chance first.
        candidates: Vec<Candidate>,
        /// How many more there are that were not verified.
        others: u64,
    },
    /// Everything parses and no change fits: the checksum itself is as suspect as the content.
    TrailerOrContent,
    /// No change fits: there is more damage than a short burst.
    NotFound,
    /// The file has no checksum, or its writer did not compute one.
    NoChecksum,
    /// The checksum fits the bytes as they are: whatever is wrong was so when they were written.
    ChecksumFits,
}

/// A change after which the checksum fits and the file is sound.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// The offset of the first byte that changes.
    pub offset: u64,
    /// The bytes that are there.
    pub old: Vec<u8>,
    /// The bytes that belong there: as many, 1 to 8.
    pub new: Vec<u8>,
    /// The key in whose record the first byte lies, in the mended file.
    pub key: Option<KeyPlace>,
    /// How many changes no longer than this chance was expected to make up in the range that was searched.
    pub odds: f64,
    /// Whether the change is within the checksum alone, so that the content was never damaged.
    pub trailer: bool,
}

impl Candidate {
    /// Changes the bytes of the file. Returns `false`, and changes nothing, if they are not those of the search.
    #[must_use]
    pub fn apply_to(&self, data: &mut [u8]) -> bool {
        let range = usize::try_from(self.offset).ok().and_then(|at| Some(at..at.checked_add(self.old.len())?));
        match range.and_then(|range| data.get_mut(range)) {
            Some(bytes) if *bytes == *self.old => {
                bytes.copy_from_slice(&self.new);
                true
            }
            _ => false,
        }
    }

    /// Returns the mended file, read from the damaged one that was searched.
    ///
    /// # Errors
    /// If the input fails, or does not hold the [`old`](Self::old) bytes.
    pub fn over<R: Read + Seek + Send>(&self, mut input: R) -> io::Result<Patched<'_, R>> {
        let mut old = vec![0; self.old.len()];
        input.seek(SeekFrom::Start(self.offset))?;
        input.read_exact(&mut old)?;
        if old != self.old {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the file is not the one that was searched"));
        }
        Patched::new(input, self.offset, &self.new)
    }
}

impl Search {
    /// Returns the change that mends the file.
    #[must_use]
    pub fn mended(&self) -> Option<&Candidate> {
        match &self.outcome {
            Outcome::Mended(candidate) => Some(candidate),
            _ => None,
        }
    }

    /// Mends the file. Returns `false`, and changes nothing, if the search did not find out how, or not in these bytes.
    #[must_use]
    pub fn apply_to(&self, data: &mut [u8]) -> bool {
        self.mended().is_some_and(|candidate| candidate.apply_to(data))
    }
}

/// Searches for the few bytes that are damaged in an RDB. `report` is what [`slice`](crate::verify::slice()) said of the same
/// bytes, and `options` are those it was made with.
///
/// # Examples
/// ```
/// use redis_persistence::{repair::rdb::syndrome, verify::{self, Options}};
///
/// let options = Options::default();
/// let mut file = b"REDIS0011\xFF\xC0\x22\x8A\x8D\x74\x38\x97\x62".to_vec();
/// file[8] = b'2';
///
/// let search = syndrome::search(&file, &verify::slice(&file, &options), &options);
/// assert!(search.apply_to(&mut file));
/// assert!(file.starts_with(b"REDIS0011"));
/// ```
#[must_use]
pub fn search(data: &[u8], report: &Report, options: &Options) -> Search {
    let nothing = Search { range: 0..data.len() as u64, near_break: None, outcome: Outcome::NotFound };
    // Memory does not fail.
    search_in(&mut Cursor::new(data), report, options).unwrap_or(nothing)
}

/// Returns the same for an input of which any place can be read, such as a file; it is read from its start, and none of it
/// is held.
///
/// # Errors
/// If the input fails.
pub fn search_in(input: &mut (impl Read + Seek + Send), report: &Report, options: &Options) -> io::Result<Search> {
    let size = input.seek(SeekFrom::End(0))?;
    let near = near_break(size, report);
    let outcome = match trailers(input, size, report)? {
        Trailers::None => Outcome::NoChecksum,
        Trailers::Fits => Outcome::ChecksumFits,
        Trailers::At(trailers) => {
            let offsets = trailers.iter().map(|t| t.at + TRAILER).sum();
            let near = near.clone().unwrap_or(0..0);
            let mut found = Found { offsets, near, bursts: Vec::new(), others: 0 };
            trailers.iter().for_each(|trailer| found.search(trailer, options.threads()));
            found.judge(input, options)?.unwrap_or_else(|| nothing(report))
        }
    };
    Ok(Search { range: 0..size, near_break: near, outcome })
}

/// Returns what it means that there is no candidate at all.
fn nothing(report: &Report) -> Outcome {
    let only_the_checksum = report
        .findings_by_code
        .keys()
        .filter(|code| code.severity() == Severity::Error)
        .all(|code| *code == Code::RdbChecksumMismatch);
    if report.findings_by_code.contains_key(&Code::RdbChecksumMismatch) && only_the_checksum {
        return Outcome::TrailerOrContent;
    }
    match &report.format {
        Some(format) if format.rdb_version < 5 && report.checksum.is_none() => Outcome::NoChecksum,
        _ => Outcome::NotFound,
    }
}

/// Returns the offsets at which the cause of the first break may begin.
fn near_break(len: u64, report: &Report) -> Option<Range<u64>> {
    let broken = |f: &&Finding| f.severity == Severity::Error && f.code != Code::RdbChecksumMismatch;
    let finding = report.findings.iter().find(broken)?;
    let start = finding.start.min(len);
    let failed_at = finding.failed_at.clamp(start, len);
    let around = match finding.code {
        // The thing that promises more than there is.
        Code::RdbTruncated => start.saturating_sub(BEFORE_BREAK)..start.saturating_add(BEFORE_BREAK),
        Code::RdbVersionDigitDamaged => 0..SHORTEST,
        _ if failed_at - start <= BEFORE_BREAK => {
            start.saturating_sub(BEFORE_BREAK)..failed_at.saturating_add(BEHIND_BREAK)
        }
        _ => failed_at.saturating_sub(BEFORE_BREAK)..failed_at.saturating_add(BEHIND_BREAK),
    };
    Some(around.start..around.end.min(len))
}

/// A place where the checksum may lie.
struct Trailer {
    at: u64,
    syndrome: u64,
}

enum Trailers {
    None,
    Fits,
    At(Vec<Trailer>),
}

fn trailers(input: &mut (impl Read + Seek), size: u64, report: &Report) -> io::Result<Trailers> {
    let last = size.checked_sub(TRAILER).filter(|at| *at >= SHORTEST);
    let end = report.rdb.as_ref().and_then(|rdb| rdb.trailing).map_or(size, |(at, _)| at);
    // Whether the walk came to the end of the records; a version without a checksum has its end there.
    let places = match report.checksum {
        Some(Checksum::Absent) => [Some(end).filter(|at| size - at == TRAILER), None],
        Some(_) => [end.checked_sub(TRAILER), last.filter(|last| last + TRAILER > end)],
        None => [last, None],
    };
    let (mut crc, mut pos) = (Crc64::new(), 0);
    let mut trailers = Vec::new();
    input.rewind()?;
    for at in places.into_iter().flatten() {
        crc = checksum_on(input, crc, at - pos)?;
        let mut stored = 0_u64.to_le_bytes();
        input.read_exact(&mut stored)?;
        input.seek(SeekFrom::Start(at))?;
        pos = at;
        let stored = u64::from_le_bytes(stored);
        match crc.value() ^ stored {
            _ if stored == 0 => {}
            0 => return Ok(Trailers::Fits),
            syndrome => trailers.push(Trailer { at, syndrome }),
        }
    }
    Ok(if trailers.is_empty() { Trailers::None } else { Trailers::At(trailers) })
}

/// Takes the next bytes of the input into a checksum.
fn checksum_on(input: &mut impl Read, mut crc: Crc64, len: u64) -> io::Result<Crc64> {
    let mut block = vec![0; BLOCK];
    let mut left = len;
    while left > 0 {
        let most = usize::try_from(left).unwrap_or(BLOCK).min(BLOCK);
        input.read_exact(&mut block[..most])?;
        crc.update(&block[..most]);
        left -= most as u64;
    }
    Ok(crc)
}

/// The changes that were met.
struct Found {
    /// How many offsets are searched.
    offsets: u64,
    near: Range<u64>,
    bursts: Vec<(Burst, f64, bool)>,
    others: u64,
}

impl Found {
    fn search(&mut self, trailer: &Trailer, threads: usize) {
        let burst = in_trailer(trailer.syndrome, trailer.at);
        if burst.len() <= LONGEST_IN_TRAILER {
            self.keep(burst, TRAILER, true);
        }
        let near = self.near.start.min(trailer.at)..self.near.end.min(trailer.at);
        let (far_len, near_len) = (longest(self.offsets), longest(self.near.end - self.near.start));
        for (offsets, longest) in
            [(near.end..trailer.at, far_len), (near.clone(), near_len.max(far_len)), (0..near.start, far_len)]
        {
            for burst in bursts(trailer.syndrome, trailer.at, &Stretch { offsets, longest }, threads) {
                let range = if self.near.contains(&burst.at) { self.near.end - self.near.start } else { self.offsets };
                self.keep(burst, range, false);
            }
        }
    }

    fn keep(&mut self, burst: Burst, range: u64, trailer: bool) {
        if self.bursts.len() == MOST_KEPT {
            self.others += 1;
        } else {
            self.bursts.push((burst, odds(range, burst.len()), trailer));
        }
    }

    /// Verifies what was met. `None` if nothing passes.
    fn judge(mut self, input: &mut (impl Read + Seek + Send), options: &Options) -> io::Result<Option<Outcome>> {
        self.bursts.sort_by(|a, b| a.1.total_cmp(&b.1));
        self.others += self.bursts.len().saturating_sub(MOST_VERIFIED) as u64;
        let mut candidates = Vec::new();
        for &(burst, odds, trailer) in self.bursts.iter().take(MOST_VERIFIED) {
            let mut old = vec![0; burst.len() as usize];
            input.seek(SeekFrom::Start(burst.at))?;
            input.read_exact(&mut old)?;
            let new: Vec<u8> = old.iter().zip(burst.pattern.to_le_bytes()).map(|(old, change)| old ^ change).collect();
            let mut patched = Patched::new(&mut *input, burst.at, &new)?;
            if patched.is_proven(options)? {
                let key = patched.key(&options.limits)?;
                candidates.push(Candidate { offset: burst.at, old, new, key, odds, trailer });
            }
        }
        let provable = candidates.iter().filter(|c| c.odds < MOST_LIKELY).count();
        if provable == 1 && self.others == 0 {
            return Ok(Some(Outcome::Mended(candidates.swap_remove(0))));
        }
        Ok((!candidates.is_empty()).then_some(Outcome::Ambiguous { candidates, others: self.others }))
    }
}

/// What is more likely than this is not taken for the truth.
const MOST_LIKELY: f64 = 1e-3;

/// Returns how many changes of up to `len` bytes chance is expected to make up among so many offsets.
#[expect(clippy::cast_precision_loss, reason = "odds need no more digits")]
fn odds(offsets: u64, len: u32) -> f64 {
    offsets as f64 / 2_f64.powi(64 - 8 * i32::try_from(len).unwrap_or(8))
}

/// Returns the longest change that is worth showing: of which chance is expected to make up less than one.
fn longest(offsets: u64) -> u32 {
    (1..=8).take_while(|len| odds(offsets, *len) < 1.0).last().unwrap_or(0)
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at offset {}: {} instead of {}", self.offset, Hex(&self.new), Hex(&self.old))?;
        match &self.key {
            Some(key) => write!(f, ", in key \"{}\" of database {}", key.name.escape_ascii(), key.db)?,
            None if self.trailer => f.write_str(", in the checksum itself: the content is undamaged")?,
            None => {}
        }
        write!(f, "; odds of chance 1 in {:.0}", 1.0 / self.odds)
    }
}

impl fmt::Display for Search {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "searched offsets {} to {}", self.range.start, self.range.end)?;
        if let Some(near) = &self.near_break {
            write!(f, ", those before the break ({} to {}) for longer changes", near.start, near.end)?;
        }
        match &self.outcome {
            Outcome::Mended(candidate) => write!(f, "\nmended {candidate}"),
            Outcome::Ambiguous { candidates, others } => {
                f.write_str("\nnothing is mended: what fits could be chance, or is not the only one")?;
                candidates.iter().try_for_each(|candidate| write!(f, "\ncould be {candidate}"))?;
                if *others > 0 { write!(f, "\n{others} more were not verified") } else { Ok(()) }
            }
            Outcome::TrailerOrContent => f.write_str(
                "\nnothing is mended: everything parses and no short change fits, so that the checksum is as suspect as \
                 the content",
            ),
            Outcome::NotFound => f.write_str("\nnothing is mended: no short change fits; more than a few bytes are damaged"),
            Outcome::NoChecksum => f.write_str("\nnothing is mended: the file has no checksum to go by"),
            Outcome::ChecksumFits => {
                f.write_str("\nnothing is mended: the checksum fits, so that the file was written as it is")
            }
        }
    }
}

/// Bytes as a row of hexadecimal digits.
struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
