//! `Serialize` for what does not have the form of its fields: names of kinds, bytes as text, values that are computed. All else
//! derives it where it is defined. The forms are those of `docs/report.schema.json`.

use std::ops::Range;
use std::path::Path;

use serde::ser::{Serialize, SerializeMap as _, Serializer};

use crate::aof::changes::ChangeKind;
use crate::aof::dir::{NextStart, Role, UnreadKind};
use crate::base::escape::{base64, plain};
use crate::judge::diagnose::CauseCode;
use crate::judge::servers::{Basis, Loads, Moment, Outcome, Reason, ReleaseAnswer};
use crate::rdb::Family;
use crate::repair::aof::salvage::{self as salvage_aof, Certainty, Image, SalvagedFile, SkipKind};
use crate::repair::rdb::salvage::{
    self, Anchor, DbLoss, Doubt, DoubtfulKey, LeftOut, LeftOutKind, LostKey, PartialKey,
};
use crate::repair::rdb::syndrome::Candidate;
use crate::repair::{Applied, Plan, Step, Undone};
use crate::report::stats::{Estimate, Histogram, LargeKey, Prefix, Prefixes, Stats, TypeStats};
use crate::report::{AofLoadFacts, Checksum, Code, DuplicateCheck, Finding, Kind, Name, UnreadFacts, Verdict};

/// Types whose form is the name that reports use.
macro_rules! names {
    ($($type:ty),+ $(,)?) => {
        $(impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        })+
    };
}

/// Types whose form is their text.
macro_rules! texts {
    ($($type:ty),+ $(,)?) => {
        $(impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        })+
    };
}

/// A type whose form is a map of these fields.
macro_rules! fields {
    ($type:ty as $it:ident, $($name:literal: $value:expr),+ $(,)?) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let $it = self;
                let mut map = serializer.serialize_map(None)?;
                $(map.serialize_entry($name, &$value)?;)+
                map.end()
            }
        }
    };
}

names!(
    Basis,
    CauseCode,
    Certainty,
    ChangeKind,
    Checksum,
    Code,
    DuplicateCheck,
    Kind,
    Doubt,
    LeftOutKind,
    Moment,
    Outcome,
    Reason
);
names!(Role, SkipKind, UnreadKind, Verdict);
texts!(Family, Name);

/// Returns a name as text, if it is text.
fn text(name: &[u8]) -> Option<&str> {
    std::str::from_utf8(name).ok()
}

/// Returns a name in base64, if it is not text.
fn not_text(name: &[u8]) -> Option<String> {
    text(name).is_none().then(|| base64(name))
}

fn path(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn paths<P: AsRef<Path>>(all: &[P]) -> Vec<String> {
    all.iter().map(|one| path(one.as_ref())).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

// Reports.

fields!(Finding as found,
    "code": found.code,
    "severity": found.severity,
    "file": found.file,
    "start": found.start,
    "failed_at": found.failed_at,
    "end": found.end,
    "line": found.line,
    "record": found.record,
    "command": found.command,
    "db": found.db,
    "key": found.key.as_deref().and_then(text),
    "key_base64": found.key.as_deref().and_then(not_text),
    "type": found.value_type,
    "encoding": found.encoding,
    "element": found.element,
    "reading": found.reading,
    "message": found.message,
    "hint": found.hint,
);

fields!(AofLoadFacts as load,
    "next_start": load.next_start.as_ref().map(|next| Next(next, &load.unread)),
);

/// What the next start does, and what it does not read.
struct Next<'a>(&'a NextStart, &'a [UnreadFacts]);

impl Next<'_> {
    /// Returns what it does, what it overwrites, and what it appends to.
    fn does(&self) -> (&'static str, Option<String>, Option<String>) {
        let name = |name: &Option<Vec<u8>>| name.as_ref().map(|name| name.escape_ascii().to_string());
        match self.0 {
            NextStart::LoadsFile => ("loads-file", None, None),
            NextStart::LoadsManifest => ("loads-manifest", None, None),
            NextStart::Migrates => ("migrates", None, None),
            NextStart::Empty { overwrites, appends } => ("starts-empty", name(overwrites), name(appends)),
            NextStart::Refuses => ("refuses", None, None),
        }
    }
}

fields!(Next<'_> as next,
    "does": next.does().0,
    "overwrites": next.does().1,
    "appends": next.does().2,
    "not_read": next.1,
);

fields!(UnreadFacts as unread,
    "file": unread.name,
    "kind": unread.kind,
    "size": unread.size,
    "modified": unread.modified,
    "sound": unread.content.as_ref().map(|content| content.is_sound),
    "keys": unread.content.as_ref().map(|content| content.keys),
    "commands": unread.content.as_ref().map(|content| content.commands),
    "written": unread.content.as_ref().and_then(|content| content.written),
);

fields!(Loads as answer,
    "loads": answer.loads,
    "by_default": answer.by_default,
    "cuts": answer.cuts,
    "skips": answer.skips,
    "reading": answer.reading,
    "because": answer.because,
    "start": answer.start,
    "basis": answer.release.basis(),
    "releases": answer.releases,
);

fields!(ReleaseAnswer as answer,
    "release": answer.release,
    "by_default": answer.by_default,
    "build": answer.build,
    "origin": answer.origin,
);

// Statistics.

/// The prefixes of a depth that are listed, those that take most bytes first.
const FIRST_PREFIXES: usize = 1000;

fields!(Stats as stats,
    "databases": stats.databases,
    "largest": stats.largest,
    "prefixes": stats.prefixes.first().map_or_else(Vec::new, listed),
    "without_prefix": stats.prefixes.first().map(|depth| depth.without).unwrap_or_default(),
    "other_prefixes": stats.prefixes.first().map(others).unwrap_or_default(),
    "deeper_prefixes": stats.prefixes.iter().skip(1).map(Deeper).collect::<Vec<_>>(),
    "memory_of": stats.memory.as_str(),
    "memory_basis": stats.memory.basis(),
    "estimate": stats.estimate,
);

struct Deeper<'a>(&'a Prefixes);

fields!(Deeper<'_> as depth,
    "prefixes": listed(depth.0),
    "without_prefix": depth.0.without,
    "other_prefixes": others(depth.0),
);

fn listed(depth: &Prefixes) -> Vec<OfPrefix<'_>> {
    depth.by_prefix.iter().take(FIRST_PREFIXES).map(OfPrefix).collect()
}

/// All keys whose prefix is not listed.
fn others(depth: &Prefixes) -> Prefix {
    let add = |sum: Prefix, of: &Prefix| Prefix { keys: sum.keys + of.keys, bytes: sum.bytes.saturating_add(of.bytes) };
    let unlisted = depth.by_prefix.iter().skip(FIRST_PREFIXES);
    unlisted.fold(depth.other, |sum, (_, of)| add(sum, of))
}

struct OfPrefix<'a>(&'a (Vec<u8>, Prefix));

fields!(OfPrefix<'_> as of,
    "prefix": text(&of.0.0).map_or_else(|| of.0.0.escape_ascii().to_string(), str::to_owned),
    "keys": of.0.1.keys,
    "bytes": of.0.1.bytes,
);

fields!(TypeStats as of,
    "keys": of.keys,
    "expires": of.expires,
    "expired": of.expired,
    "memory_bytes": (of.memory > 0).then_some(of.memory),
    "bytes": of.sizes,
    "elements": any(&of.elements),
    "ttl_seconds": any(&of.ttls),
    "idle_seconds": any(&of.idle),
    "frequency": any(&of.frequencies),
);

fn any(histogram: &Histogram) -> Option<&Histogram> {
    (histogram.count() > 0).then_some(histogram)
}

fields!(Histogram as of,
    "total": of.sum(),
    "p50": of.quantile(50),
    "p99": of.quantile(99),
    "max": of.max(),
    "powers": of.powers().collect::<Vec<_>>(),
);

fields!(LargeKey as large,
    "db": large.db,
    "key": text(&large.key),
    "key_base64": not_text(&large.key),
    "type": large.value_type,
    "encoding": large.encoding,
    "bytes": large.bytes,
    "elements": large.elements,
    "offset": large.offset,
    "memory_bytes": large.memory,
);

fields!(Estimate as estimate,
    "memory_bytes": estimate.memory_bytes(),
    "cpu_ms": estimate.cpu_ms(),
    "basis": Estimate::BASIS,
);

// Repairs.

fields!(Plan as plan,
    "sufficient": plan.sufficient(),
    "steps": plan.steps,
    "loss": plan.loss(),
    "notes": plan.notes,
    "reasons": plan.reasons,
);

impl Step {
    /// Returns what is done, the size before and after it, and why.
    fn does(&self) -> (&'static str, Option<u64>, Option<u64>, Vec<&str>) {
        match self {
            Self::Cut(cut) => ("cut", Some(cut.from()), Some(cut.to), vec![&cut.why]),
            Self::Rewrite(rewrite) => {
                let action = if rewrite.file.is_some() { "rewrite" } else { "create" };
                let (from, to) = (rewrite.file.as_ref().map(|file| file.size), rewrite.content.len() as u64);
                (action, from, Some(to), rewrite.why.iter().map(String::as_str).collect())
            }
            Self::SetAside(aside) => ("set-aside", Some(aside.file.size), None, vec![&aside.why]),
        }
    }
}

fields!(Step as step,
    "action": step.does().0,
    "file": path(step.path()),
    "from": step.does().1,
    "to": step.does().2,
    "why": step.does().3,
    "loss": step.loss(),
);

fields!(Applied as applied,
    "record": path(&applied.record),
    "saved": paths(&applied.saved),
);

fields!(Undone as undone,
    "restored": paths(&undone.restored),
    "untouched": paths(&undone.untouched),
);

// Salvages of RDBs.

/// The skipped ranges that are listed.
const FIRST_SKIPPED: usize = 10_000;

fields!(salvage::Loss as loss,
    "header_is_sound": loss.header_is_sound,
    "end_was_found": loss.end_was_found,
    "keys": loss.keys,
    "expires": loss.expires,
    "expired": loss.expired,
    "uncertain": loss.uncertain,
    "keys_lost": loss.keys_lost(),
    "bytes_skipped": loss.bytes_skipped(),
    "databases": loss.databases,
    "skipped": loss.skipped.iter().take(FIRST_SKIPPED).collect::<Vec<&Range<u64>>>(),
    "skipped_total": loss.skipped.len(),
    "damaged": loss.damaged,
    "damaged_total": loss.damaged_total,
    "partial": loss.partial,
    "partial_total": loss.partial_total,
    "doubtful": loss.doubtful,
    "doubtful_total": loss.doubtful_total,
    "doubtful_saved": loss.doubtful_saved,
    "repeated": loss.repeated,
    "expiries_lost": loss.expiries_lost,
    "functions": loss.functions,
    "functions_lost": loss.functions_lost,
    "left_out": loss.left_out,
    "left_out_total": loss.left_out_total,
    "anchors": loss.anchors,
    "anchors_total": loss.anchors_total,
    "full_from": loss.full_from,
    "unsaved": loss.unsaved,
    "spent_from": loss.spent_from,
);

fields!(DbLoss as of,
    "stated": of.stated,
    "keys": of.keys,
    "expires": of.expires,
    "uncertain": of.uncertain,
    "lost": of.lost(),
    "left_out": of.left_out,
);

fields!(LostKey as lost,
    "db": lost.db,
    "key": plain(&lost.name),
    "type": lost.value_type.type_name(),
    "start": lost.range.start,
    "end": lost.range.end,
    "code": lost.code,
    "reads_to": lost.reads_to,
);

fields!(DoubtfulKey as key,
    "db": key.db,
    "key": plain(&key.name),
    "type": key.value_type.type_name(),
    "start": key.range.start,
    "end": key.range.end,
    "doubt": key.doubt,
    "saved": key.saved,
);

fields!(PartialKey as part,
    "db": part.db,
    "key": plain(&part.name),
    "type": part.value_type.type_name(),
    "start": part.range.start,
    "end": part.range.end,
    "elements": part.elements,
    "declared": part.declared,
    "code": part.code,
);

fields!(LeftOut as left,
    "kind": left.kind,
    "db": left.db,
    "name": plain(&left.name),
    "start": left.range.start,
    "end": left.range.end,
);

fields!(Anchor as anchor,
    "start": anchor.range.start,
    "end": anchor.range.end,
    "keys": anchor.keys,
    "first_bits": anchor.first_bits,
    "bits": anchor.bits,
);

fields!(Candidate as change,
    "offset": change.offset,
    "old": hex(&change.old),
    "new": hex(&change.new),
    "odds": change.odds,
    "in_trailer": change.trailer,
);

// Salvages of append-only files.

fields!(salvage_aof::Salvage as plan,
    "files": plan.files,
    "notes": plan.notes,
    "reasons": plan.reasons,
);

fields!(SalvagedFile as file,
    "name": file.name.escape_ascii().to_string(),
    "size": file.seen.size,
    "image_end": file.image_end,
    "image": (!matches!(file.image, Image::Kept)).then_some(&file.image),
    "line_ends": file.line_ends,
    "kept_bytes": file.account.kept_bytes(),
    "kept_commands": file.account.kept_commands,
    "skipped_bytes": file.account.skipped_bytes(),
    "skipped_commands": file.account.skipped_commands,
    "unreadable_commands_estimated": file.account.unreadable_commands_estimated(),
    "selects_added": file.account.kept.iter().filter(|keep| keep.select.is_some()).count(),
    "skipped": file.account.skipped,
    "uncertain": file.account.stretches,
);

fields!(Image as image,
    "mended": if let Image::Mended(change) = image { Some(change) } else { None },
    "loss": if let Image::Salvaged(plan) = image { Some(&plan.loss) } else { None },
);

#[cfg(test)]
mod tests {
    use super::*;

    fn is<T: Serialize + ?Sized>() {}

    /// What the feature `serde` promises. It holds where this compiles.
    #[test]
    fn reports_serialize() {
        // With all that is in them.
        is::<crate::verify::Report>();
        is::<crate::verify::AofFacts>();
        is::<crate::verify::Part>();
        is::<crate::verify::Counts>();
        is::<crate::verify::Format>();
        is::<Finding>();
        is::<crate::verify::Severity>();
        is::<crate::judge::diagnose::Cause>();
        is::<crate::judge::diagnose::Step>();
        is::<Loads>();
        is::<ReleaseAnswer>();
        is::<Plan>();
        is::<crate::repair::Loss>();
        is::<Applied>();
        is::<Undone>();
        is::<salvage::Loss>();
        is::<LostKey>();
        is::<PartialKey>();
        is::<Anchor>();
        is::<Candidate>();
        is::<salvage_aof::Salvage>();
        is::<SalvagedFile>();
        is::<crate::aof::changes::Change>();
        is::<Stats>();
    }
}
