//! What came of one input, as plain data: a report or the reason why there is none, whether the demands of the command line are
//! met, and what a repair or a salvage did. Nothing here prints: `run` makes it, `render` shows it.

pub(crate) mod baseline;
mod map;
mod repair;
mod timeline;
mod told;
mod unpack;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use redis_persistence::aof::dir::AofSet;
use redis_persistence::diagnose::{Cause, Step};
use redis_persistence::servers::{Loads, Outcome};
use redis_persistence::verify::{Checksum, Finding, Kind, Report, Severity, Verdict};

use crate::disguise::Disguise;
use crate::exit::Exit;
use crate::input::hex::Span;
use crate::redact;
use crate::seals::Held;
use crate::shell;
use crate::units::{commas, number};
use crate::unpack::Packing;

pub(crate) use map::{Map, Mark};
pub use repair::{RepairStatus, Repaired, SalvageStatus, Salvaged, SalvagedAof};
pub use timeline::{MOST_CHANGES, Row, Timeline};
pub use told::{Show, Told, UndoOutcome};
pub use unpack::Unpack;

/// What came of one input.
#[derive(Debug)]
pub struct Entry {
    /// The input, as it was named.
    pub path: PathBuf,
    /// Its report, or in one line why it could not be read.
    pub outcome: Result<Report, String>,
    /// The demands that a sound or damaged file does not meet, each in a few words.
    pub unmet: Vec<String>,
    /// What happened to the file, as far as that can be told.
    pub cause: Option<Cause>,
    /// What to do about it.
    pub advice: Vec<Step>,
    /// What the servers that were asked for would do with it.
    pub loads: Vec<Loads>,
    /// How the input was packed.
    pub packing: Option<Packing>,
    /// How to get at it, if it is packed or lies in an archive.
    pub unpack: Option<Unpack>,
    /// What is wrong with the packing or the archive that the file lies in: it was reported on as far as it could be read.
    pub damage: Option<String>,
    /// The bytes around the findings, by their number; empty unless asked for.
    pub hex: Vec<Vec<Span>>,
    /// Whether what comes from the data is hidden.
    pub redacts: bool,
    /// The files of an append-only set.
    pub set: Option<AofSet>,
    /// The timestamps in them, if these were asked for.
    pub timeline: Option<Timeline>,
    /// What a repair did; the report is the one from after it.
    pub repaired: Option<Repaired>,
    /// What a salvage of append-only files did; the report is that of the damaged ones.
    pub salvaged_aof: Option<SalvagedAof>,
    /// What a salvage did; the report is the one of the damaged file.
    pub salvaged: Option<Salvaged>,
    /// What it holds, if that is an RDB in disguise.
    pub disguise: Option<Disguise>,
    /// How it was held against a seal.
    pub seal: Option<Held>,
    /// How long it took to get there.
    pub took: Option<Duration>,
}

/// What the command line asks for beyond the absence of errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Demands {
    /// No warning either.
    pub strict: bool,
    /// A checksum that was computed.
    pub checksum: bool,
    /// That many keys at least.
    pub keys: Option<u64>,
}

impl Entry {
    /// Returns an entry, held against the demands.
    #[must_use]
    pub fn new(path: PathBuf, outcome: Result<Report, String>, demands: Demands) -> Self {
        let unmet = outcome.as_ref().map(|report| demands.unmet(report)).unwrap_or_default();
        Self {
            path,
            outcome,
            unmet,
            cause: None,
            advice: Vec::new(),
            loads: Vec::new(),
            packing: None,
            unpack: None,
            damage: None,
            hex: Vec::new(),
            redacts: false,
            set: None,
            timeline: None,
            repaired: None,
            salvaged_aof: None,
            salvaged: None,
            disguise: None,
            seal: None,
            took: None,
        }
    }

    /// Returns what to do about it, with commands for this file.
    #[must_use]
    pub fn steps(&self) -> Vec<Step> {
        match &self.unpack {
            Some(unpack) => unpack.steps(&self.advice, &self.path),
            None => unpack::filled(&self.advice, &self.path),
        }
    }

    /// Returns a command of its cause or of a finding, for this file.
    #[must_use]
    pub fn command(&self, command: &str) -> String {
        let filled = || shell::fill(command, &self.path);
        self.unpack.as_ref().map_or_else(filled, |unpack| unpack.and_then(command, &self.path))
    }

    /// Returns the findings that are not held in memory, as they may be shown.
    ///
    /// # Errors
    /// If the temporary file that holds them cannot be read.
    pub fn beyond(&self) -> io::Result<impl Iterator<Item = io::Result<Finding>> + use<>> {
        let more = self.outcome.as_ref().map(|report| report.more.clone()).unwrap_or_default();
        let redacts = self.redacts;
        Ok(more.read()?.map(move |finding| {
            let mut finding = finding?;
            if redacts {
                redact::finding(&mut finding);
            }
            Ok(finding)
        }))
    }

    /// Returns whether there are any.
    #[must_use]
    pub fn has_beyond(&self) -> bool {
        self.outcome.as_ref().is_ok_and(|report| report.more.count() > 0)
    }

    /// Returns what was asked for and does not hold, in one text: demands, and servers that do not load it.
    #[must_use]
    pub fn complaint(&self) -> String {
        let mut complaint = String::new();
        if let Some(damage) = &self.damage {
            complaint.push_str(&format!("; {damage}"));
        }
        if let Some(why) = self.outcome.as_ref().ok().and_then(|report| report.more.failed()) {
            complaint.push_str(&format!("; not all findings are listed, for lack of a temporary file: {why}"));
        }
        if !self.unmet.is_empty() {
            complaint.push_str(&format!("; not as demanded: {}", self.unmet.join(", ")));
        }
        let refused: Vec<_> = self.loads.iter().filter(|answer| is_refused(answer)).collect();
        if !refused.is_empty() {
            let servers: Vec<_> =
                refused.iter().map(|answer| format!("{} ({})", answer.release, answer.by_default)).collect();
            complaint.push_str(&format!("; not loaded as it is by {}", servers.join(", ")));
        }
        complaint
    }

    /// Returns whether there is a report without an error.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.outcome.as_ref().is_ok_and(|report| report.verdict == Verdict::Sound)
    }

    /// Returns what it means for the exit code.
    #[must_use]
    pub fn exit(&self) -> Exit {
        if let Some(exit) = self.salvaged_aof.as_ref().and_then(SalvagedAof::exit) {
            return exit;
        }
        if let Some(exit) = self.salvaged.as_ref().and_then(Salvaged::exit) {
            return exit;
        }
        match &self.outcome {
            Err(_) => Exit::Unreadable,
            Ok(_) if self.repaired.as_ref().is_some_and(|repaired| repaired.status == RepairStatus::Forbidden) => {
                Exit::Unreadable
            }
            Ok(_) if self.repaired.as_ref().is_some_and(|repaired| repaired.status.is_failure()) => Exit::Damaged,
            Ok(_) if !self.unmet.is_empty() || self.loads.iter().any(is_refused) => Exit::Damaged,
            Ok(report) => match report.verdict {
                Verdict::Sound if self.loads.iter().any(|answer| answer.by_default == Outcome::Unknown) => {
                    Exit::Unknown
                }
                Verdict::Sound => Exit::Sound,
                Verdict::Damaged => Exit::Damaged,
                Verdict::Unknown if self.repaired.as_ref().is_some_and(|done| done.status == RepairStatus::Foreign) => {
                    Exit::Sound
                }
                Verdict::Unknown => Exit::Unknown,
            },
        }
    }
}

/// Returns whether a server was asked for that does not load the file as it is.
pub(crate) fn is_refused(answer: &Loads) -> bool {
    !answer.loads && answer.by_default != Outcome::Unknown
}

impl Demands {
    /// Returns the demands that a report does not meet. What cannot be judged is held against none.
    fn unmet(self, report: &Report) -> Vec<String> {
        let mut unmet = Vec::new();
        if report.verdict == Verdict::Unknown {
            return unmet;
        }
        let warnings = count(report, Severity::Warning);
        if self.strict && warnings > 0 {
            unmet.push(format!("--strict ({})", number(warnings, "warning")));
        }
        match report.checksum {
            Some(Checksum::Ok | Checksum::Mismatch) => {}
            _ if !self.checksum => {}
            Some(Checksum::Disabled) => unmet.push("--require-checksum (it is switched off)".to_owned()),
            _ => unmet.push("--require-checksum (it has none)".to_owned()),
        }
        if let Some(least) = self.keys.filter(|least| report.counts.keys < *least) {
            let holder = if report.kind == Kind::Rdb { "it" } else { "its RDB image" };
            unmet.push(format!("--expect-keys {least} ({holder} holds {})", commas(report.counts.keys)));
        }
        unmet
    }
}

/// Returns how many findings of that severity a report counted.
#[must_use]
pub fn count(report: &Report, severity: Severity) -> u64 {
    report.findings_by_code.iter().filter(|(code, _)| code.severity() == severity).map(|(_, n)| n).sum()
}
