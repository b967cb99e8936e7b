//! What DUMP answers, kept in a file: one value without its key, for RESTORE; or what FUNCTION DUMP answers.
//!
//! ```text
//! type (1), value as in an RDB, RDB version (2, little-endian), CRC-64 of all before (8)  [a line end, as redis-cli prints one]
//! 245, source of a library, 245, ..., version, CRC-64
//! ```
//! A checksum that fits proves what it is. Without one it is told by its beginning and its version; see [`looks_like`].

use std::collections::BTreeMap;

use super::aof::payload::{self, Checked, Payloads, TAIL};
use super::options::Options;
use super::slice;
use crate::base::crc64;
use crate::rdb::{NEWEST_REDIS, NEWEST_VALKEY, ValueType, opcode};
use crate::report::codes::{Code, Severity};
use crate::report::facts::{Failing, Fails, Place, RdbFacts, RestoreFacts, TrailingBytes};
use crate::report::finding::Finding;
use crate::report::spill::More;
use crate::report::{Checksum, Counts, DuplicateCheck, Format, Kind, Report, Verdict};

/// Versions beyond this are none, whatever is written yet.
const LAST_VERSION: u16 = 200;
/// The first version whose payloads are told without a checksum that fits.
const FIRST_VERSION: u16 = 6;
/// The opcodes of function libraries: as released, and as release candidates of 7.0 wrote them.
const FUNCTIONS: [u8; 2] = [opcode::FUNCTION2, opcode::FUNCTION_PRE_GA];

/// Verifies what DUMP or FUNCTION DUMP answered: its checksum, its version and what it holds. `None` if it is no such thing.
///
/// # Examples
/// ```
/// use redis_persistence::verify::{self, Kind, Options, Verdict};
///
/// let mut payload = b"\x00\x05hello\x0b\x00".to_vec();
/// payload.extend(redis_persistence::crc64::checksum(&payload).to_le_bytes());
/// let report = verify::dump(&payload, &Options::default()).ok_or("no payload")?;
/// assert_eq!((report.kind, report.verdict), (Kind::Dump, Verdict::Sound));
/// payload[3] = b'u';
/// let report = verify::dump(&payload, &Options::default()).ok_or("no payload")?;
/// assert_eq!(report.findings[0].code.as_str(), "dump-damaged");
/// # Ok::<(), &str>(())
/// ```
#[must_use]
pub fn dump(bytes: &[u8], options: &Options) -> Option<Report> {
    let payload = extent(bytes)?;
    let mut report = check(&bytes[..payload], options);
    report.size = bytes.len() as u64;
    if payload < bytes.len() {
        let trailing = Some((payload as u64, TrailingBytes::LineEnd));
        report.rdb = Some(RdbFacts { trailing, ..RdbFacts::default() });
    }
    Some(report)
}

/// Returns how many of the first bytes are a payload: all of them, or all but the line end that redis-cli adds.
fn extent(bytes: &[u8]) -> Option<usize> {
    let without = |end: &[u8]| bytes.strip_suffix(end);
    let forms = || [Some(bytes), without(b"\n"), without(b"\r\n")].into_iter().flatten();
    let found = forms().find(|form| is_proven(form)).or_else(|| forms().find(|form| looks_like(form)));
    found.map(<[u8]>::len)
}

/// Returns the version that a payload says.
fn version(bytes: &[u8]) -> Option<u16> {
    let at = bytes.len().checked_sub(TAIL).filter(|at| *at > 1)?;
    Some(u16::from_le_bytes([bytes[at], bytes[at + 1]]))
}

/// Returns whether its checksum fits.
fn is_proven(bytes: &[u8]) -> bool {
    let Some((body, sum)) = bytes.split_last_chunk::<8>() else { return false };
    version(bytes).is_some_and(|version| (1..=LAST_VERSION).contains(&version))
        && crc64::checksum(body) == u64::from_le_bytes(*sum)
}

/// Returns whether it begins with a type that its version has. That is three bytes which are right by chance in one of some
/// ten thousand files, and no text begins so.
fn looks_like(bytes: &[u8]) -> bool {
    let Some((version, first)) = version(bytes).zip(bytes.first()) else { return false };
    let known = u32::from(version) == NEWEST_VALKEY || version >= FIRST_VERSION && u32::from(version) <= NEWEST_REDIS;
    let family = payload::header(version).0.family;
    let of_version = |of: ValueType| of.min_version() <= u32::from(version) && of.belongs_to(family);
    known && (FUNCTIONS.contains(first) || ValueType::from_byte(*first, family).is_some_and(of_version))
}

/// Verifies a payload.
fn check(bytes: &[u8], options: &Options) -> Report {
    let place = Place { part: 0, at: 0 };
    let version = version(bytes).unwrap_or_default();
    let header = payload::header(version).0;
    let mut report = Report {
        kind: Kind::Dump,
        verdict: Verdict::Sound,
        size: bytes.len() as u64,
        format: Some(Format {
            family: header.family,
            rdb_version: u32::from(version),
            writer: None,
            product: None,
            created: None,
        }),
        counts: Counts::default(),
        checksum: Some(if is_proven(bytes) { Checksum::Ok } else { Checksum::Mismatch }),
        duplicates: DuplicateCheck::Checked,
        findings: Vec::new(),
        more: More::default(),
        findings_total: 0,
        findings_by_code: BTreeMap::new(),
        rdb: None,
        dump: None,
        stats: None,
        aof: None,
        parts: Vec::new(),
    };
    let mut payloads = Payloads::new(options);
    let is_functions = bytes.first().is_some_and(|first| FUNCTIONS.contains(first));
    let checked =
        if is_functions { functions(bytes, &mut report, options) } else { payloads.check(bytes, (b"", 0), place) };
    let newer = u32::from(version) > NEWEST_VALKEY || (NEWEST_REDIS + 1..NEWEST_VALKEY).contains(&u32::from(version));
    match checked {
        Checked::Damaged { why: Some(Fails::PayloadChecksum), offset, message } => report.error(offset, message),
        // What is wrong by the rules of this build may be right by those of a newer one.
        _ if newer => report.verdict = Verdict::Unknown,
        Checked::Damaged { offset, message, .. } => report.error(offset, message),
        Checked::Unknown(_) => report.verdict = Verdict::Unknown,
        Checked::Taken => {}
    }
    if !is_functions {
        report.dump = payloads.into_facts().pop().map(Box::new);
        let value_type = bytes.first().and_then(|first| ValueType::from_byte(*first, header.family));
        if let Some(value_type) = value_type {
            report.counts.keys = 1;
            report.counts.types.insert(value_type.type_name().to_owned(), 1);
            report.counts.encodings.insert(value_type.encoding_name(), 1);
        }
        if report.dump.as_ref().is_some_and(|facts| facts.unsummed) {
            report.checksum = Some(Checksum::Disabled);
        }
    }
    report
}

/// Verifies what FUNCTION DUMP answered, as an RDB of functions alone.
fn functions(bytes: &[u8], report: &mut Report, options: &Options) -> Checked {
    let (body, version, unsummed) = match payload::split(bytes) {
        Ok(split) => split,
        Err(message) => {
            return Checked::Damaged { why: None, offset: bytes.len().saturating_sub(8) as u64, message };
        }
    };
    let (header, magic) = payload::header(version);
    let file = [magic.as_bytes(), body, b"\xff\0\0\0\0\0\0\0\0"].concat();
    let inner = slice(&file, &Options { max_findings: 4, stats: None, spill: None, ..options.clone() });
    report.counts.functions = inner.counts.functions;
    let error = inner.findings.iter().find(|finding| finding.severity == Severity::Error);
    let checked = error.map_or(Checked::Taken, |error| Checked::Damaged {
        why: None,
        offset: error.failed_at.saturating_sub(magic.len() as u64).min(bytes.len() as u64),
        message: format!("the checksum is right, and what it holds is damaged ({}): {}", error.code, error.message),
    });
    let mut rdb = inner.rdb.unwrap_or_default();
    let ours = [Code::RdbChecksumDisabled, Code::RdbChecksumAbsent];
    rdb.classes.retain(|class, _| !ours.contains(&class.code));
    rdb.header = Some(header);
    report.dump =
        Some(Box::new(RestoreFacts { version, unsummed, commands: Failing { count: 1, first: Vec::new() }, rdb }));
    checked
}

impl Report {
    /// Notes that the payload is damaged.
    fn error(&mut self, at: u64, message: String) {
        self.verdict = Verdict::Damaged;
        self.findings.push(Finding::new(Code::DumpDamaged, 0, at, message));
        self.findings_total = 1;
        self.findings_by_code.insert(Code::DumpDamaged, 1);
    }

    /// Returns whether it is about function libraries, where it is about what a server answered.
    #[must_use]
    pub fn is_function_dump(&self) -> bool {
        self.kind == Kind::Dump && self.counts.keys == 0
    }
}
