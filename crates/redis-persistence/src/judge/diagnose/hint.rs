//! One line of help for each kind of error: the command, and what it would lose. The safe order of steps is in `advice`.

use crate::report::{Code, Kind, Severity};

/// What helps against a finding of that code in a file of that kind; nothing, if it is no error.
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
