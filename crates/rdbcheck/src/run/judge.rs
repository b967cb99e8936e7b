//! What a check says beyond the report: damage of the packing, the cause and the advice, the answers of servers; and what
//! `--redact` hides.

use std::path::{Path, PathBuf};

use redis_persistence::diagnose::{self, Cause, CauseCode};
use redis_persistence::repair::aof::Way;
use redis_persistence::servers::Loads;
use redis_persistence::verify::{Report, Verdict};

use crate::input::head_tail::Ends;
use crate::outcome::{Entry, Unpack, is_refused};
use crate::redact;
use crate::seals::{Held, NoSeal};
use crate::servers::Servers;
use crate::unpack::Packing;

impl Entry {
    /// The same with damage of what it was packed in: nothing vouches for what is missing.
    #[must_use]
    pub fn packed(mut self, packing: Option<Packing>, unpack: Option<Unpack>, damage: Option<String>) -> Self {
        if let (Some(_), Ok(report)) = (&damage, &mut self.outcome) {
            report.verdict = Verdict::Damaged;
        }
        let unpack = unpack.map(|unpack| unpack.damaged(damage.is_some()));
        Self { packing, unpack, damage, ..self }
    }

    /// Returns the same with the cause, and with what to do about it.
    #[must_use]
    pub fn diagnosed(self, ends: &Ends) -> Self {
        self.diagnosed_with(ends, |_, _| None)
    }

    /// Returns the same, where `ways` finds out what helps by trying it.
    #[must_use]
    pub fn diagnosed_with(
        mut self,
        ends: &Ends,
        ways: impl FnOnce(&Report, Option<&Cause>) -> Option<Vec<Way>>,
    ) -> Self {
        let undone = self.cause.take();
        let Ok(report) = &self.outcome else { return self };
        let seen = || diagnose::diagnose(ends.head(), ends.tail(), report);
        let cause = match (undone, &self.disguise) {
            (Some(cause), _) => Some(cause),
            (None, Some(disguise)) => Some(disguise.cause(seen())),
            (None, None) => seen().map(Cause::untried),
        };
        let cause = cause.or_else(|| in_compressed_stream(self.packing?));
        let ways = ways(report, cause.as_ref());
        let advice = diagnose::tried(report, cause.as_ref(), ways.as_deref());
        let cause = match &ways {
            Some(ways) => cause.map(|cause| cause.with_ways(ways)),
            None => cause,
        };
        Self { advice, cause, ..self }
    }

    /// The same with what servers would do with it, and what to do if one would not load it.
    #[must_use]
    pub fn judged(mut self, servers: &Servers) -> Self {
        let Ok(report) = &self.outcome else { return self };
        self.loads = servers.judge(report);
        if self.packing == Some(Packing::Valkey) {
            self.loads = std::mem::take(&mut self.loads).into_iter().map(Loads::in_compressed_stream).collect();
        }
        for answer in self.loads.iter().filter(|answer| is_refused(answer)) {
            for step in diagnose::to_load(report, answer) {
                if report.verdict != Verdict::Damaged && !self.advice.contains(&step) {
                    self.advice.push(step);
                }
            }
        }
        self
    }

    /// Returns the same held against a seal, if there is one.
    #[must_use]
    pub(crate) fn sealed(mut self, seal: Option<PathBuf>, held: impl FnOnce(&Path) -> Result<Held, NoSeal>) -> Self {
        let Some(seal) = seal else { return self };
        match held(&seal) {
            Ok(held) => {
                self.unmet.extend(held.unmet());
                self.seal = Some(held);
            }
            Err(why) => self.unmet.push(format!("as sealed ({}: {why})", seal.display())),
        }
        self
    }

    /// Returns the same without names and values from the data, if `redact`.
    #[must_use]
    pub fn redacted(mut self, redact: bool) -> Self {
        self.redacts = redact;
        if redact {
            if let Ok(report) = &mut self.outcome {
                redact::report(report);
            }
            self.cause.iter_mut().for_each(redact::cause);
            self.loads.iter_mut().for_each(redact::loads);
        }
        self
    }
}

/// Returns what is to be known of an RDB in the compressed stream of Valkey.
fn in_compressed_stream(packing: Packing) -> Option<Cause> {
    let message = "the RDB lies in a compressed stream, as Valkey 9.2 is to write them (rdbcompression lz4): no server before reads it";
    let salvage = Some("rdbcheck --salvage OUT FILE".to_owned());
    (packing == Packing::Valkey).then(|| Cause::tried(CauseCode::ValkeyEnvelope, message.to_owned(), salvage))
}
