//! What RESTORE of a server answers: to the payloads of an append-only file while that is loaded, and to what DUMP answered and
//! somebody kept.

use super::answer::{Loads, Outcome, Reason, Why};
use super::releases::Server;
use super::{Product, Settings, Target, rdb};
use crate::report::{Code, Failing, Name, Occurrences, Report, RestoreFacts, Verdict};

/// The first Redis that takes a payload whose checksum is 0. Measured: 8.2.3 does not, 8.6.3 does.
const TAKES_NO_SUM: Target = Target::Redis86;

/// What becomes of payloads of one version.
pub(super) struct Restored {
    /// Why it answers with an error before it looks at the value, in words that follow the name of a server and a verb.
    pub(super) errors: Vec<Why>,
    /// What it makes of the values.
    pub(super) values: Option<Loads>,
}

/// Judges payloads of one version. `tallied` names their commands.
pub(super) fn restore(
    group: &RestoreFacts,
    target: Server,
    settings: &Settings,
    tallied: impl Fn(&Failing) -> Occurrences,
) -> Restored {
    let version = u32::from(group.version);
    let versions = target.rdb_versions();
    let taken = match target.reads_valkey() {
        true => versions.contains(&version) || version == 80,
        // Servers before Valkey 9 ask for no least version.
        false => version <= *versions.end(),
    };
    let unsummed = group.unsummed && !(target.product() == Product::Redis && *target >= TAKES_NO_SUM);
    if !taken || unsummed {
        let what = if taken { "without a checksum".to_owned() } else { format!("of RDB version {version}") };
        let message = format!("RESTORE of payloads {what}");
        let why = Why::new(Reason::Restore, &tallied(&group.commands), message);
        return Restored { errors: vec![why], values: None };
    }
    let Some(header) = group.rdb.header else { return Restored { errors: Vec::new(), values: None } };
    let mut errors = Vec::new();
    for (value_type, tallied) in &group.rdb.types {
        if !target.knows_type(*value_type, header.family) {
            let message = format!("RESTORE of values of type {} ({value_type})", value_type.byte());
            errors.push(Why::new(Reason::Restore, tallied, message));
        }
    }
    let mut facts = group.rdb.clone();
    facts.types.retain(|value_type, _| target.knows_type(*value_type, header.family));
    facts.classes.retain(|class, _| class.value_type.is_none_or(|t| target.knows_type(t, header.family)));
    let mut values = rdb::judge(&facts, target, settings);
    values.because.retain(|why| why.reason != Reason::Version);
    Restored { errors, values: Some(values) }
}

/// Judges what DUMP answered. A server loads it if its RESTORE takes it; it refuses if that answers with an error. Where the value is
/// damaged under a right checksum, the answer is that for a file with such a value. Some payloads fare otherwise, on Redis before 6.2 above
/// all, which ends where others answer with an error.
pub(super) fn judge(report: &Report, target: Server, settings: &Settings) -> Loads {
    let mut answer = Loads::unknown(*target);
    let Some(group) = &report.dump else {
        if report.verdict == Verdict::Damaged {
            let of_sum = Occurrences { count: 1, first: vec![Name::Offset(0)], at: None };
            let message = format!("{target} answers with an error: RESTORE of a payload that is damaged");
            answer.by_default = Outcome::Refuses;
            answer.because.push(Why::new(Reason::Finding(Code::DumpDamaged), &of_sum, message));
        }
        return answer;
    };
    let restored = restore(group, target, settings, |_| Occurrences { count: 1, ..Occurrences::default() });
    for why in restored.errors {
        answer.by_default = Outcome::Refuses;
        answer.because.push(Why {
            message: format!("{target} answers with an error: {}", why.message),
            first: Vec::new(),
            ..why
        });
    }
    if !answer.because.is_empty() {
        return answer;
    }
    let Some(values) = restored.values else { return answer };
    let unnamed = |whys: Vec<Why>| whys.into_iter().map(|why| Why { first: Vec::new(), ..why });
    // A key that is empty, or whose elements have all expired, is no error of a file, and one of RESTORE.
    let outcome = match values.by_default {
        Outcome::Loads if !values.skips.is_empty() => Outcome::Refuses,
        // What servers say while they load a file they say here in an answer.
        outcome => outcome,
    };
    Loads {
        by_default: outcome,
        loads: outcome == Outcome::Loads,
        because: unnamed(values.because.into_iter().chain(values.skips).collect()).collect(),
        reading: unnamed(values.reading).collect(),
        ..answer
    }
}
