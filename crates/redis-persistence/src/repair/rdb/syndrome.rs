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
//! The search is one pass in constant memory. Only what could be shown is verified, and at most 16 candidates are.

mod display;
mod walk_back;

use std::ops::Range;

use super::patch::{KeyPlace, Patched};
use crate::crc64::checksum;
use crate::rdb::{Events, Payload};
use crate::verify::{Code, Finding, Options, Report, Severity};
use walk_back::{Burst, bursts, in_trailer};

/// The bytes of the checksum.
const TRAILER: usize = 8;
/// The shortest content: signature, version and the end opcode.
const SHORTEST: usize = 10;
/// How far before a break, in bytes, its cause is expected.
const BEFORE_BREAK: usize = 4096;
/// How far behind the place that is named: what is read there may be longer than its first byte.
const BEHIND_BREAK: usize = 16;
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
    /// Changes the bytes of the file. Answers `false`, and changes nothing, if they are not those of the search.
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
}

impl Search {
    /// The change that mends the file.
    #[must_use]
    pub fn mended(&self) -> Option<&Candidate> {
        match &self.outcome {
            Outcome::Mended(candidate) => Some(candidate),
            _ => None,
        }
    }

    /// Mends the file. Answers `false`, and changes nothing, if the search did not find out how, or not in these bytes.
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
    let near = near_break(data.len(), report);
    let outcome = match trailers(data, options) {
        Trailers::None => Outcome::NoChecksum,
        Trailers::Fits => Outcome::ChecksumFits,
        Trailers::At(trailers) => {
            let offsets = trailers.iter().map(|t| t.at + TRAILER).sum();
            let near = near.clone().unwrap_or(0..0);
            let mut found = Found { data, offsets, near, bursts: Vec::new(), others: 0 };
            trailers.iter().for_each(|trailer| found.search(trailer));
            found.judge(options).unwrap_or_else(|| nothing(report))
        }
    };
    let wide = |range: Range<usize>| range.start as u64..range.end as u64;
    Search { range: wide(0..data.len()), near_break: near.map(wide), outcome }
}

/// What it means that there is no candidate at all.
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

/// The offsets at which the cause of the first break may begin.
fn near_break(len: usize, report: &Report) -> Option<Range<usize>> {
    let broken = |f: &&Finding| f.severity == Severity::Error && f.code != Code::RdbChecksumMismatch;
    let finding = report.findings.iter().find(broken)?;
    let start = usize::try_from(finding.start).ok()?.min(len);
    let failed_at = usize::try_from(finding.failed_at).ok()?.clamp(start, len);
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
    at: usize,
    syndrome: u64,
}

enum Trailers {
    None,
    Fits,
    At(Vec<Trailer>),
}

fn trailers(data: &[u8], options: &Options) -> Trailers {
    let last = data.len().checked_sub(TRAILER).filter(|at| *at >= SHORTEST);
    let places = match end_of_records(data, options) {
        Some((at, version)) if version < 5 => [Some(at).filter(|at| data.len() - at == TRAILER), None],
        Some((at, _)) => [Some(at), last.filter(|last| *last > at)],
        None => [last, None],
    };
    let mut trailers = Vec::new();
    for at in places.into_iter().flatten() {
        let Some((content, stored)) = data.split_at_checked(at).and_then(|(c, rest)| Some((c, rest.first_chunk()?)))
        else {
            continue;
        };
        let stored = u64::from_le_bytes(*stored);
        match checksum(content) ^ stored {
            _ if stored == 0 => {}
            0 => return Trailers::Fits,
            syndrome => trailers.push(Trailer { at, syndrome }),
        }
    }
    if trailers.is_empty() { Trailers::None } else { Trailers::At(trailers) }
}

/// Where the walk found the end of the records, and the version; `None` if it broke off before.
fn end_of_records(data: &[u8], options: &Options) -> Option<(usize, u32)> {
    let mut version = 0;
    for event in Events::with_limits(data, options.limits.clone()) {
        let event = event.ok()?;
        match event.payload {
            Payload::Header(header) => version = header.version,
            Payload::Eof => return Some((usize::try_from(event.end).ok()?, version)),
            _ => {}
        }
    }
    None
}

/// The changes that were met.
struct Found<'a> {
    data: &'a [u8],
    /// How many offsets are searched.
    offsets: usize,
    near: Range<usize>,
    bursts: Vec<(Burst, f64, bool)>,
    others: u64,
}

impl Found<'_> {
    fn search(&mut self, trailer: &Trailer) {
        let burst = in_trailer(trailer.syndrome, trailer.at);
        if burst.len() <= LONGEST_IN_TRAILER {
            self.keep(burst, TRAILER, true);
        }
        let (far, near) = (longest(self.offsets), longest(self.near.len()));
        let (start, end) = (self.near.start.min(trailer.at), self.near.end.min(trailer.at));
        let stretches = [(0..start, far), (start..end, near.max(far)), (end..trailer.at, far)];
        bursts(trailer.syndrome, &stretches, |burst| {
            let range = if self.near.contains(&burst.at) { self.near.len() } else { self.offsets };
            self.keep(burst, range, false);
        });
    }

    fn keep(&mut self, burst: Burst, range: usize, trailer: bool) {
        if self.bursts.len() == MOST_KEPT {
            self.others += 1;
        } else {
            self.bursts.push((burst, odds(range, burst.len()), trailer));
        }
    }

    /// Verifies what was met. `None` if nothing passes.
    fn judge(mut self, options: &Options) -> Option<Outcome> {
        self.bursts.sort_by(|a, b| a.1.total_cmp(&b.1));
        self.others += self.bursts.len().saturating_sub(MOST_VERIFIED) as u64;
        let mut candidates = Vec::new();
        for &(burst, odds, trailer) in self.bursts.iter().take(MOST_VERIFIED) {
            let old = &self.data[burst.at..burst.at + burst.len() as usize];
            let new: Vec<u8> = old.iter().zip(burst.pattern.to_le_bytes()).map(|(old, change)| old ^ change).collect();
            let patched = Patched { data: self.data, at: burst.at, new: &new };
            if patched.is_proven(options) {
                let key = patched.key(&options.limits);
                let (offset, old) = (burst.at as u64, old.to_vec());
                candidates.push(Candidate { offset, old, new, key, odds, trailer });
            }
        }
        let provable = candidates.iter().filter(|c| c.odds < MOST_LIKELY).count();
        if provable == 1 && self.others == 0 {
            return Some(Outcome::Mended(candidates.swap_remove(0)));
        }
        (!candidates.is_empty()).then_some(Outcome::Ambiguous { candidates, others: self.others })
    }
}

/// What is more likely than this is not taken for the truth.
const MOST_LIKELY: f64 = 1e-3;

/// How many changes of up to `len` bytes chance is expected to make up among so many offsets.
#[expect(clippy::cast_precision_loss, reason = "odds need no more digits")]
fn odds(offsets: usize, len: u32) -> f64 {
    offsets as f64 / 2_f64.powi(64 - 8 * i32::try_from(len).unwrap_or(8))
}

/// The longest change that is worth showing: of which chance is expected to make up less than one.
fn longest(offsets: usize) -> u32 {
    (1..=8).take_while(|len| odds(offsets, *len) < 1.0).last().unwrap_or(0)
}
