//! What RESTORE is given: a value with its version and checksum.
//!
//! ```text
//! type (1), value as in an RDB, RDB version (2, little-endian), CRC-64 of all before (8)
//! ```
//! The value is verified as an RDB of one key. What a server does with it is what it does with that RDB, but that it answers
//! with an error where the version or the type is not of its own, or the value is empty; where the value is damaged it ends, as for
//! an RDB: it takes the payload for one that it loads.

use std::collections::BTreeMap;

use crate::base::crc64;
use crate::base::error::ErrorKind;
use crate::base::limits::Limits;
use crate::rdb::{self, Body, Family, NEWEST_REDIS, NEWEST_VALKEY, Payload, ValueType};
use crate::report::codes::{Code, Severity};
use crate::report::facts::{Failing, Fails, HeaderFacts, Name, Occurrences, Place, RdbFacts, ReplyFacts, RestoreFacts};
use crate::verify::options::Options;
use crate::verify::slice;

/// Version and checksum.
pub(in crate::verify) const TAIL: usize = 10;
/// What the search for duplicates in one value may take.
const DUPLICATES: usize = 4 << 20;
/// Longer names of keys are cut in the RDB of one key.
const LONGEST_KEY: usize = 63;

/// What a payload comes to.
pub(in crate::verify) enum Checked {
    /// It is a value; whether a server takes it depends on the server.
    Taken,
    /// It is damaged, at that byte of it. `why` stands there if servers pass over the command.
    Damaged { why: Option<Fails>, offset: u64, message: String },
    /// No server known here takes it.
    Unknown(String),
}

/// The payloads of a set so far.
#[derive(Debug)]
pub(in crate::verify) struct Payloads {
    options: Options,
    /// By version, and whether the checksum is 0.
    groups: BTreeMap<(u16, bool), RestoreFacts>,
    /// Values that were not looked at.
    pub(in crate::verify) unchecked: u64,
}

/// Returns the value without version and checksum, and the version; or why the checksum is wrong.
pub(in crate::verify) fn split(bytes: &[u8]) -> Result<(&[u8], u16, bool), String> {
    let Some((body, [a, b, sum @ ..])) = bytes.split_last_chunk::<TAIL>() else {
        return Err(format!("a payload of {} bytes, which is too short for its version and checksum", bytes.len()));
    };
    let stated = u64::from_le_bytes(*sum);
    let computed = crc64::checksum(&bytes[..bytes.len() - sum.len()]);
    if stated != 0 && stated != computed {
        return Err(format!(
            "the checksum of the payload does not match: {stated:016x} is stated, {computed:016x} is right; servers answer with an error"
        ));
    }
    Ok((body, u16::from_le_bytes([*a, *b]), stated != computed))
}

/// The sources of libraries.
type Sources = Vec<Vec<u8>>;

/// Returns the version of a payload of function libraries, and their sources; none if it holds something else.
pub(super) fn libraries(bytes: &[u8]) -> Result<(u16, Option<Sources>), String> {
    let (body, version, _) = split(bytes)?;
    let file = [header(version).1.as_bytes(), body].concat();
    let mut codes = Vec::new();
    let mut any = false;
    let mut events = rdb::events(&file);
    while events.offset() < file.len() as u64 {
        match events.next() {
            Some(Ok(event)) => match event.payload {
                Payload::Header(_) => {}
                Payload::Function { pre_ga: false } => any = true,
                Payload::Str { string, .. } if any => match string.body {
                    Body::Long { .. } => return Ok((version, None)),
                    _ => match string.decode() {
                        Ok(code) => codes.push(code.into_owned()),
                        Err(_) => return Ok((version, None)),
                    },
                },
                _ => return Ok((version, None)),
            },
            _ => return Ok((version, None)),
        }
    }
    Ok((version, Some(codes)))
}

/// Returns the header of an RDB of that version, or of the nearest one that is known.
pub(in crate::verify) fn header(version: u16) -> (HeaderFacts, String) {
    if u32::from(version) >= NEWEST_VALKEY {
        let header = HeaderFacts { family: Family::Valkey, version: NEWEST_VALKEY, digits: *b"0080" };
        return (header, format!("VALKEY{NEWEST_VALKEY:03}"));
    }
    let version = u32::from(version).clamp(1, NEWEST_REDIS);
    let text = format!("{version:04}");
    let mut digits = [0; 4];
    digits.copy_from_slice(text.as_bytes());
    (HeaderFacts { family: Family::Redis, version, digits }, format!("REDIS{text}"))
}

impl Payloads {
    pub(in crate::verify) fn new(options: &Options) -> Self {
        let duplicate_bytes = options.limits.duplicate_bytes.min(DUPLICATES);
        let limits = Limits { duplicate_bytes, ..options.limits.clone() };
        let options = Options { max_findings: 4, stats: None, functions: None, limits, ..options.clone() };
        Self { options, groups: BTreeMap::new(), unchecked: 0 }
    }

    /// Looks at a payload.
    pub(in crate::verify) fn check(&mut self, bytes: &[u8], (key, db): (&[u8], u64), place: Place) -> Checked {
        let (body, version, unsummed) = match split(bytes) {
            Ok(split) => split,
            Err(message) => {
                let offset = bytes.len().saturating_sub(8) as u64;
                return Checked::Damaged { why: Some(Fails::PayloadChecksum), offset, message };
            }
        };
        let (header, magic) = header(version);
        let Some(value_type) = body.first().and_then(|byte| ValueType::from_byte(*byte, header.family)) else {
            let what = body.first().map_or("no value".to_owned(), |byte| format!("a value of type {byte}"));
            return Checked::Unknown(format!("{what}, which no server known here takes: {}", super::PASSED_OVER));
        };
        if is_plain_string(body) {
            let Some(group) = self.group(version, unsummed, header, place) else { return Checked::Taken };
            group.rdb.types.entry(value_type).or_default().add(|| Name::key(db, key));
            return Checked::Taken;
        }
        let mut file = magic.into_bytes();
        let before = file.len() + key.len().min(LONGEST_KEY) + 1;
        file.push(body[0]);
        file.push(u8::try_from(key.len().min(LONGEST_KEY)).unwrap_or(0));
        file.extend_from_slice(&key[..key.len().min(LONGEST_KEY)]);
        file.extend_from_slice(&body[1..]);
        match end(&file) {
            Ok(end) => file.truncate(end),
            Err(true) => {
                let message = format!(
                    "the checksum of the payload is right, and it ends inside its {value_type}: servers answer with an error, or \
                     take what follows for the rest"
                );
                return Checked::Damaged { why: Some(Fails::PayloadValue), offset: 0, message };
            }
            Err(false) => {}
        }
        file.extend_from_slice(b"\xff\0\0\0\0\0\0\0\0");
        if header.version < 5 {
            file.truncate(file.len() - 8);
        }
        let report = slice(&file, &self.options);
        let error = report.findings.iter().find(|finding| finding.severity == Severity::Error);
        let checked = error.map_or(Checked::Taken, |error| Checked::Damaged {
            why: None,
            offset: error.failed_at.saturating_sub(before as u64).min(bytes.len() as u64),
            message: format!(
                "the checksum of the payload is right, and its value is damaged ({}): {}",
                error.code, error.message
            ),
        });
        if let (Some(rdb), Some(group)) = (report.rdb, self.group(version, unsummed, header, place)) {
            merge(&mut group.rdb, rdb, db, key);
        }
        checked
    }

    /// Returns the payloads of that version, counted with one more.
    fn group(&mut self, version: u16, unsummed: bool, header: HeaderFacts, place: Place) -> Option<&mut RestoreFacts> {
        if self.groups.len() >= ReplyFacts::MOST_VERSIONS && !self.groups.contains_key(&(version, unsummed)) {
            self.unchecked += 1;
            return None;
        }
        let group = self.groups.entry((version, unsummed)).or_insert_with(|| RestoreFacts {
            version,
            unsummed,
            commands: Failing::default(),
            rdb: RdbFacts { header: Some(header), complete: true, ..RdbFacts::default() },
        });
        group.commands.add(place);
        Some(group)
    }

    pub(in crate::verify) fn into_facts(self) -> Vec<RestoreFacts> {
        self.groups.into_values().collect()
    }
}

/// Returns where the record of one key ends; or whether the bytes end before it does.
fn end(file: &[u8]) -> Result<usize, bool> {
    for event in rdb::events(file) {
        match event {
            Ok(event) if event.ends_record && !matches!(event.payload, Payload::Header(_)) => {
                return usize::try_from(event.end).map_err(|_| false);
            }
            Ok(_) => {}
            Err(error) => return Err(matches!(error.kind(), ErrorKind::UnexpectedEof { .. })),
        }
    }
    Err(true)
}

/// Returns whether it is a string of plain bytes, and all of it is there: most payloads are.
fn is_plain_string(body: &[u8]) -> bool {
    match body {
        [0, a, rest @ ..] if a >> 6 == 0 => usize::from(*a) == rest.len(),
        [0, a, b, rest @ ..] if a >> 6 == 1 => usize::from(a & 63) << 8 | usize::from(*b) == rest.len(),
        _ => false,
    }
}

/// Adds what is known of one more value.
fn merge(all: &mut RdbFacts, one: RdbFacts, db: u64, key: &[u8]) {
    // The RDB around the value was made here.
    let ours = [Code::RdbChecksumDisabled, Code::RdbChecksumAbsent, Code::RdbTypeNewerThanVersion];
    let named = |tallied: Occurrences| Occurrences { first: vec![Name::key(db, key)], at: None, ..tallied };
    for (class, tallied) in one.classes.into_iter().filter(|(class, _)| !ours.contains(&class.code)) {
        all.classes.entry(class).or_default().append(named(tallied));
    }
    for (value_type, tallied) in one.types {
        all.types.entry(value_type).or_default().append(named(tallied));
    }
    for (module, tallied) in one.modules {
        all.modules.entry(module).or_default().append(named(tallied));
    }
    all.complete &= one.complete;
}
