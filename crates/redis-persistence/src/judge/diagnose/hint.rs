//! What to do, in a line for each kind of error, and where only a server stands in the way.
//!
//! One line of help for each kind of error: the command, and what it would lose. The safe order of steps is in `advice`.
//!
//! What to do where a file is sound, or good enough, but a server would not load it.

use super::Step;
use crate::judge::servers::{Loads, Outcome, Product, Reason};
use crate::report::Report;
use crate::report::{Code, Kind, Severity};

/// Returns what helps against a finding of that code in a file of that kind; nothing, if it is no error.
///
/// # Examples
/// ```
/// use redis_persistence::diagnose::hint;
/// use redis_persistence::verify::{Code, Kind};
///
/// let line = hint(Code::RdbTruncated, Kind::Rdb).ok_or("an error has a hint")?;
/// assert!(line.contains("rdbcheck --salvage OUT FILE"));
/// # Ok::<(), &str>(())
/// ```
#[must_use]
pub fn hint(code: Code, kind: Kind) -> Option<&'static str> {
    (code.severity() == Severity::Error).then(|| match kind {
        Kind::Aof | Kind::AofDir => commands(code),
        Kind::Dump => "take it from the server again: RESTORE answers with an error to what is damaged",
        _ => snapshot(code),
    })
}

/// For a finding about an RDB.
fn snapshot(code: Code) -> &'static str {
    use Code as F;
    match code {
        F::RdbEmptyFile | F::RdbZeroFilled => {
            "nothing is in it: look for a replica, a backup, or temp-*.rdb in the same folder"
        }
        F::RdbBadMagic | F::RdbBadVersion => {
            "see the cause: a file that went through a transfer as text can often be turned back"
        }
        F::RdbVersionDigitDamaged => {
            "in a copy, put the version of the server that wrote it; the checksum then proves it; nothing is lost"
        }
        F::RdbChecksumMismatch => {
            "on a copy: rdbcheck --salvage OUT FILE writes it with a new checksum; it keeps every key, a wrong byte among them"
        }
        F::RdbDuplicateKey => "on a copy: rdbcheck --salvage OUT FILE leaves one of the two; the other value is lost",
        F::RdbFunctionInvalid | F::RdbFunctionDuplicate | F::RdbFunctionPreGa => {
            "on a copy: rdbcheck --salvage OUT FILE leaves the library out; load it again with FUNCTION LOAD"
        }
        F::RdbLimitExceeded => "nothing is proven wrong: it is larger than this check may hold in memory",
        F::RdbForeignType => "load it with the product that wrote it; no repair helps",
        F::RdbTruncated
        | F::RdbBadLength
        | F::RdbBadStringEncoding
        | F::RdbUnknownType
        | F::RdbZeroHole
        | F::RdbModuleV1
        | F::RdbModuleBadOpcode
        | F::RdbModuleAuxWhen
        | F::RdbResizedbImpossible
        | F::RdbAuxSlotInfoBad
        | F::RdbSlotOutOfRange
        | F::RdbSlotImportInvalid => {
            "on a copy: rdbcheck --salvage OUT FILE keeps what stands before it and what can be found again behind it"
        }
        _ => "on a copy: rdbcheck --salvage OUT FILE leaves out what is damaged of this key, and keeps the others",
    }
}

/// For a finding about append-only files.
fn commands(code: Code) -> &'static str {
    use Code as F;
    match code {
        F::ManifestMissingFile | F::ManifestNotAFile => {
            "look for the file in the folder that this was copied from, and in backups; without it its commands are lost"
        }
        F::ManifestMissing | F::AofEmptyStart => {
            "do not start a server on it: it would begin empty; aofcheck --fix --dry-run FILE proposes a manifest"
        }
        _ if code.as_str().starts_with("manifest-") => {
            "on a copy: aofcheck --fix --dry-run FILE shows the manifest as it should be; no command is lost"
        }
        F::AofPreambleDamaged => "no cut mends an RDB image: look for another copy of it first",
        _ if code.as_str().starts_with("aof-") => {
            "on a copy: aofcheck --fix --dry-run FILE shows the cut that mends it, and what goes with it"
        }
        _ => "it lies in the RDB image, which no cut mends: look for another copy of it first",
    }
}

/// Returns what to do so that a server loads the file, one step for each sort of reason.
///
/// # Examples
/// ```
/// use redis_persistence::diagnose::to_load;
/// use redis_persistence::servers::{Settings, Target, judge};
/// use redis_persistence::verify::{self, Options};
///
/// let report = verify::slice(b"REDIS0011\xfe\x10\x00\x01k\x01v\xff\0\0\0\0\0\0\0\0", &Options::default());
/// let answer = judge(&report, "redis-7.2".parse::<Target>()?, &Settings::default());
/// assert!(to_load(&report, &answer)[0].text.contains("databases 17"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn to_load(report: &Report, answer: &Loads) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    if answer.loads || answer.by_default == Outcome::Unknown {
        return steps;
    }
    for why in &answer.because {
        let Some(text) = text(report, answer, why.reason) else { continue };
        if steps.iter().all(|step| step.text != text) {
            steps.push(Step { text, command: None });
        }
    }
    steps
}

fn text(report: &Report, answer: &Loads, reason: Reason) -> Option<String> {
    let target = answer.target;
    Some(match reason {
        Reason::Databases => {
            let largest = report.rdb.as_ref().and_then(|facts| facts.largest_db).map_or(0, |(db, _)| db);
            let enough = largest.saturating_add(1);
            format!("Give the server enough databases: databases {enough} in its configuration. Nothing is lost.")
        }
        Reason::Cluster => "Load it on a server outside of a cluster, and move the keys from there (MIGRATE): a cluster has \
                            database 0 only."
            .to_owned(),
        Reason::Module => "Give the server the modules that the file needs (loadmodule), no older than those of the server \
                           that wrote it."
            .to_owned(),
        Reason::Engine => "Give the server the module that brings the engine of the functions.".to_owned(),
        Reason::Version if target.product() == Product::Valkey && target.version() >= (9, 0) => format!(
            "{target} tries files of other versions with rdb-version-check relaxed; ask again with --set \
             rdb-version-check=relaxed."
        ),
        Reason::Version | Reason::Type | Reason::Opcode => {
            "The file is newer than the server or from another family, not damaged. Load it on a server at least as new as \
             its writer, and bring the data over from there as an append-only file written with aof-use-rdb-preamble no, or \
             with a client that copies the values. Payloads of DUMP carry that version too."
                .to_owned()
        }
        Reason::Command | Reason::Arity => {
            "Load it on a server that knows these commands, with its modules and its renamed commands (--conf or --set \
             rename-command says them here), and bring the data over from there."
                .to_owned()
        }
        Reason::Annotation => {
            "The server takes timestamps for damage: take them out on one that knows them, by a rewrite with \
             aof-timestamp-enabled no."
                .to_owned()
        }
        Reason::Appendonly => {
            "Set appendonly yes before the start if these files are to be read; what the RDB holds beyond them is not loaded then."
                .to_owned()
        }
        Reason::Manifest | Reason::Names => {
            "Give the server the names that the files have: appenddirname and appendfilename; servers before 7.0 read one file \
             alone."
                .to_owned()
        }
        _ => return None,
    })
}
