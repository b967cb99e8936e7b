//! What to do about a file, in the order in which nothing more is lost.
//!
//! ```text
//! damaged     another copy, stop, copy, mend the copy, check, start
//! no damage   the one step that helps, if there is one
//! ```
//! The order is that of recovery practice: a server that runs may write over the file at any moment, and the only copy of
//! damaged data is not the place to try things.

use super::around::{not_allowed, not_read};
use super::{Cause, Step, plural, run, step};
use crate::aof::dir::Role;
use crate::repair::aof::{Way, WayKind};
use crate::report::causes::CauseCode as C;
use crate::report::{Code, Kind, Report, Severity, Verdict};

/// Returns what to do about a file: nothing, if it is sound and nothing about it is remarkable.
///
/// # Examples
/// ```
/// use redis_persistence::diagnose::{advice, diagnose};
/// use redis_persistence::verify::{self, Options};
///
/// let packed = b"\x1f\x8b\x08\0";
/// let report = verify::slice(packed, &Options::default());
/// let steps = advice(&report, diagnose(packed, packed, &report).as_ref());
/// assert_eq!(steps[0].command.as_deref(), Some("gzip -dc FILE | rdbcheck -"));
/// ```
#[must_use]
pub fn advice(report: &Report, cause: Option<&Cause>) -> Vec<Step> {
    tried(report, cause, None)
}

/// Returns the same for append-only files on a disk, where what would help was tried
/// ([`repair::aof::ways`](crate::repair::aof::ways)): the steps name what works on these files, and what it loses.
#[must_use]
pub fn tried(report: &Report, cause: Option<&Cause>, ways: Option<&[Way]>) -> Vec<Step> {
    let mendable = report.verdict == Verdict::Damaged && matches!(report.kind, Kind::Aof | Kind::AofDir);
    if let Some(cause) = cause.filter(|cause| !mendable || is_instead(cause.code, ways))
        && let Some(text) = instead(cause)
    {
        let step = Step { text: text.to_owned(), command: cause.command.clone() };
        return [not_read(report), vec![step]].concat();
    }
    match (report.verdict, report.kind) {
        (Verdict::Damaged, Kind::Aof | Kind::AofDir) => commands(report, cause, ways),
        (Verdict::Damaged, _) => snapshot(report, cause),
        (_, Kind::AofDir | Kind::Aof) => [not_read(report), not_allowed(report)].concat(),
        _ => Vec::new(),
    }
}

/// Returns whether what the cause tells to do stands in the place of the ways that were found for damaged append-only files.
fn is_instead(code: C, ways: Option<&[Way]>) -> bool {
    match code {
        C::CopiedDuringRewrite | C::TwoRdbs => false,
        // Of a file whose first page is lost the rest may be read.
        C::NoKnownKind | C::Text | C::Program => ways.is_none_or(<[Way]>::is_empty),
        _ => true,
    }
}

/// Returns what helps where no repair does, or none is needed.
fn instead(cause: &Cause) -> Option<&'static str> {
    Some(match cause.code {
        C::Gzip | C::Zstd | C::Lz4 | C::Xz | C::Bzip2 | C::Zip => "Unpack it; nothing is lost.",
        C::Tar => "See what it holds, take the files out, and check those.",
        C::Program | C::Text | C::NoKnownKind => {
            "Look for the right file: CONFIG GET dir, dbfilename and appenddirname say where a server keeps its own."
        }
        C::GitLfsPointer | C::GitAnnexPointer => {
            "Fetch the content in the repository that this was taken from; nothing of it is in this file."
        }
        C::ErrorPage => "Fetch the file again, with the right to read it: nothing of the data is in this one.",
        C::Empty | C::AllZero => {
            "Nothing is in it. Look for another copy: a replica, a backup, or temp-*.rdb in the same folder, which a save \
             that did not end leaves behind."
        }
        C::ByteOrderMark if cause.reversible => "Take the mark off again; nothing is lost.",
        C::Utf16 | C::Utf8 | C::CrLf if cause.reversible => {
            "Fetch it again as binary, or undo the change: the checksum proves whether that was right. Nothing is lost."
        }
        C::Base64
        | C::Base32
        | C::Uuencoded
        | C::Hex
        | C::Numbers
        | C::QuotedPrintable
        | C::Escaped
        | C::Chunked
        | C::Surrounded => {
            if cause.reversible {
                "Take out what it holds; nothing is lost."
            } else {
                "What lies in it is damaged too. Look for another copy; --salvage takes it out, and keeps what can be read."
            }
        }
        C::CrLfCommands | C::LineEndsLost => {
            "Fetch it again as binary. Or have the line ends brought back in a new folder: the lengths prove them, but for values that \
             held line ends of both kinds, whose commands are left out and named."
        }
        C::Utf8Lossy => "Fetch it again as binary: what was replaced cannot be brought back from this file.",
        C::ByteOrderMark | C::Utf16 | C::Utf8 | C::CrLf => {
            "Fetch it again as binary: nothing that was tried brings an RDB back from this file."
        }
        C::TwoRdbs => "Servers load the first one only, and nothing of the second. This checks the second.",
        C::ReplicationCapture | C::LeadingNewlines => "Leave out what stands before the RDB; nothing is lost.",
        C::ReplicationMark => "Servers pass over it. This keeps the RDB alone, for an archive.",
        C::VersionDigit => {
            "Nothing is lost. In a copy, set the version back (bytes 5 to 8), here to 0009; the one for which the checksum fits is \
             the right one."
        }
        C::DumpPayload if cause.reversible => "Give it back to a server, a value under the name of its key.",
        C::DumpPayload => {
            "Take it from the server again, or the key from another copy: RESTORE answers with an error to this one."
        }
        C::AppendOnlyFile | C::Manifest => "It belongs to aofcheck.",
        C::RdbNamedAof => "Servers load it as it is. This checks it as what it is.",
        C::ValkeyEnvelope if cause.command.is_some() => {
            "For a server before that, take the RDB out; a Valkey that knows this form loads it as it is."
        }
        C::ValkeyEnvelope => "Let a Valkey that knows this form load it and save it without compression.",
        C::Dragonfly | C::KeyDb | C::RedisEnterprise | C::OtherProduct => {
            "Do not repair it. Load it with the product that wrote it, and move the data over the network."
        }
        C::ModuleCommands => {
            "Load it with a server that has the module (loadmodule). --set modules says that it has, and --conf gives its \
             configuration: what is known of the commands then is that the server has them."
        }
        C::UnknownCommands => {
            "Do not repair it. If the server that wrote it renamed commands, or has modules, give its configuration; else load it \
             with the product that wrote it."
        }
        C::NewerVersion => {
            "Do not repair it. Load it with a server at least as new as the one that wrote it, and check it with a newer \
             build of this tool."
        }
        C::CopiedDuringRewrite => {
            "Copy it again while no rewrite runs: CONFIG SET auto-aof-rewrite-percentage 0, wait until INFO persistence says \
             aof_rewrite_in_progress:0, copy, and set it back."
        }
        C::AllExpired => {
            "The file is sound, but a server drops these keys while it loads. To have them back, load it on a machine whose \
             clock is set to the time of the save."
        }
        C::ZeroTail
        | C::ZeroTailOfCommands
        | C::Hole
        | C::Cut
        | C::CutCommand
        | C::OpenTransaction
        | C::DuplicateKeys
        | C::BitRot
        | C::ManifestLost
        | C::PartMissing
        | C::DataLost
        | C::DataNotRead => return None,
    })
}

/// Returns a damaged RDB.
fn snapshot(report: &Report, cause: Option<&Cause>) -> Vec<Step> {
    let newest = match report.format.as_ref().map(|format| format.product.unwrap_or(format.family)) {
        Some(crate::rdb::Family::Valkey) => "rdbcheck --for valkey-newest OUT",
        _ => "rdbcheck --for redis-newest OUT",
    };
    vec![
        step(
            "Look for the data elsewhere first: a server that still runs can save them again (BGSAVE), a replica or an older \
             backup may have them whole.",
        ),
        step("Stop the server, and whatever restarts it: it writes over the file when it saves."),
        step("Copy the file to a safe place, and work on the copy."),
        run("rdbcheck --salvage OUT FILE", format!("Write what can be read to a new file: {}.", keeps(report, cause))),
        run(newest, "Check the new file, for the server that is to load it."),
        step(
            "Put it in the place of the old one, start the server, and count the keys (DBSIZE) before clients come back.",
        ),
    ]
}

/// Returns what a salvage keeps, and what it cannot.
fn keeps(report: &Report, cause: Option<&Cause>) -> String {
    let of = |code: Code| report.findings_by_code.get(&code).copied().unwrap_or(0);
    let keys = plural(report.counts.keys, "key");
    let errors = || report.findings.iter().filter(|finding| finding.severity == Severity::Error);
    if report.checksum.is_none() {
        let broken = errors().map(|finding| finding.start).max().unwrap_or(0);
        let broken = cause.and_then(|cause| cause.offset).map_or(broken, |at| at.min(broken));
        let behind = plural(report.size.saturating_sub(broken), "byte");
        return match cause.map(|cause| cause.code) {
            Some(C::Cut) => {
                format!("it keeps what stands before byte {broken}, {keys}; what came after is not in the file")
            }
            Some(C::ZeroTail) => {
                format!("it keeps what stands before byte {broken}, {keys} at most; the zeros hold none")
            }
            _ => format!(
                "it keeps what was read, {keys}; of the {behind} from byte {broken} on, what can be found again"
            ),
        };
    }
    if of(Code::RdbDuplicateKey) > 0 {
        return "of each key that stands twice one value goes".to_owned();
    }
    let mut damaged: Vec<_> =
        errors().filter_map(|finding| finding.key.as_ref().map(|key| (finding.db, key))).collect();
    damaged.sort_unstable();
    damaged.dedup();
    match damaged.len() as u64 {
        0 if of(Code::RdbChecksumMismatch) > 0 => {
            format!("it keeps all it can read, {keys}, but a value among them may be wrong, and none can say which")
        }
        0 => format!("it keeps what is sound, {keys} at most"),
        n => format!("of {keys}, it leaves out {n}, or what is damaged in them"),
    }
}

/// Returns a damaged append-only file or set.
fn commands(report: &Report, cause: Option<&Cause>, ways: Option<&[Way]>) -> Vec<Step> {
    let code = cause.map(|cause| cause.code);
    let first = |code| matches!(code, C::CopiedDuringRewrite | C::NoKnownKind | C::Text | C::Program);
    let again = cause.filter(|cause| first(cause.code)).and_then(instead);
    let mut steps: Vec<Step> = again.map(step).into_iter().collect();
    steps.push(step("Stop the server, and whatever restarts it: each start can change the files."));
    if code == Some(C::PartMissing) {
        steps.push(step(
            "Look for the missing file in the folder that this was copied from, and in backups: what it holds is lost without \
             it, and what follows it may make no sense.",
        ));
    }
    if code == Some(C::DataLost) {
        steps.push(step(
            "Look for the data: is the volume mounted, and the right one? A replica, a snapshot of the volume or a backup may have \
             the files whole.",
        ));
    }
    steps.push(step("Copy the whole folder to a safe place (cp -a), and work on the copy."));
    steps.extend(not_read(report));
    if code == Some(C::DataLost) {
        steps.push(step(if report.size == 0 {
            "Put the files of that copy in the place of these: nothing in these can be mended."
        } else {
            "Put the files of that copy in the place of these. Without one, what the other files hold is all there is."
        }));
        return steps;
    }
    if report.findings_by_code.contains_key(&Code::AofPreambleDamaged) {
        steps.push(step(
            "The RDB image at the start is damaged, and no cut mends that: a replica or a backup may have it whole.",
        ));
    }
    let base = report.parts.iter().any(|part| part.role == Role::Base && part.size.is_none());
    match ways {
        None => steps.push(step("Check the files on a disk: aofcheck tries there what helps, and says what is lost by it.")),
        Some([]) if code == Some(C::PartMissing) && base => {
            steps.push(step("Without the base nothing of the set can be mended: what follows it makes no sense by itself."));
        }
        Some([]) => steps.push(step(
            "No cut, no change of the manifest and no salvage makes files of these that a server loads: they can only come from \
             another copy.",
        )),
        Some(ways) => {
            let written = ways[0].kind == WayKind::Salvage;
            for (number, way) in ways.iter().enumerate() {
                steps.extend(of(way, number > 0, code));
            }
            steps.push(step(if written {
                "Put the new files in the place of the old ones, start the server, and count the keys (DBSIZE) before clients come \
                 back."
            } else {
                "Start the server when aofcheck calls it sound, and count the keys (DBSIZE) before clients come back."
            }));
        }
    }
    steps
}

/// Returns the command of a way, for a look at it if it changes files.
pub(super) fn command(way: &Way, plan: &str) -> Option<String> {
    match &way.kind {
        WayKind::Salvage => Some("aofcheck --salvage OUT FILE".to_owned()),
        WayKind::Fix => Some(format!("aofcheck --fix{plan} FILE")),
        WayKind::FixFile(name) => {
            // A name that a shell could take for something else is named by nobody.
            let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
            let plain = name.iter().all(is_word) && !name.starts_with(b"-");
            plain.then(|| format!("aofcheck --fix{plan} --file {} FILE", name.escape_ascii()))
        }
    }
}

/// Returns what a plan does that changes nothing but the manifest.
fn manifest(code: Option<C>) -> &'static str {
    match code {
        Some(C::ManifestLost) => "a manifest of the files that are there; no command goes",
        Some(C::PartMissing) => "the manifest is to take in what is there; what the missing file held is lost",
        _ => "the manifest as it should be; no command goes",
    }
}

/// Returns what to do for one way; `other` if one that loses less was named before.
fn of(way: &Way, other: bool, code: Option<C>) -> Vec<Step> {
    let loss = way.loss;
    let one = |plan, text: String| Step { text, command: command(way, plan) };
    let saved = "What goes is saved first, and --undo brings it back.";
    match (&way.kind, other) {
        (WayKind::Salvage, _) if !way.cuts => {
            vec![one("", "Write what can be read to a new folder; no command goes.".to_owned())]
        }
        (WayKind::Salvage, _) => vec![one("", format!("Write what can be read to a new folder: this loses {loss}."))],
        (_, true) => vec![one("", format!("Or cut the files where they are, which loses more: {loss}. {saved}"))],
        _ if !way.cuts => {
            vec![one(" --dry-run", format!("See the plan: {}.", manifest(code))), one("", format!("Apply it. {saved}"))]
        }
        (WayKind::FixFile(name), _) => vec![
            one(
                " --dry-run",
                format!(
                    "See the plan: a cut takes away {loss}. Files follow {}, and what they hold is run without those writes.",
                    name.escape_ascii()
                ),
            ),
            one("", format!("Apply it. {saved}")),
        ],
        _ => vec![
            one(" --dry-run", format!("See the plan: a cut takes away {loss}.")),
            one("", format!("Apply it. {saved}")),
        ],
    }
}
