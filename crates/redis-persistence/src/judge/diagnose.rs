//! Names the cause: what was done to a file, as far as its bytes and its findings tell.
//!
//! A finding says which byte is wrong; a cause says what happened, whether it can be undone, and which command helps.
//! The first of these that fits is named:
//!
//! ```text
//! dump.rs       the answer of DUMP
//! pointer.rs    it stands for a file that is elsewhere
//! kinds.rs      it is something else: compressed, an archive, an error page, another sort of file
//! transfer.rs   it went through something that takes files for text
//! foreign.rs    commands of another product, of a module, or renamed ones
//! sets.rs       append-only files: cut, not closed, copied at the wrong time, something missing
//! damage.rs     an RDB: newer, another product's, zeros, two in one, keys twice, cut, changed bytes
//! ```
//!
//! What to do about it says [`advice`], in steps; [`to_load`] where a server would not load it; and [`hint`] in a line for
//! each kind of error.

mod advice;
mod around;
mod damage;
mod dump;
mod foreign;
mod hint;
mod pointer;
mod sets;
mod transfer;

use crate::repair::aof::Way;
use crate::report::causes;
use crate::report::{Finding, Kind, Name, Report};

pub use crate::report::causes::CauseCode;
pub use advice::{advice, tried};
pub use hint::hint;
pub use hint::to_load;

/// One step of what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Step {
    /// What to do and why, in a sentence.
    pub text: String,
    /// The command: `FILE` stands for the file, `OUT` for one to be written, each as a word of its own.
    pub command: Option<String>,
}

fn step(text: impl Into<String>) -> Step {
    Step { text: text.into(), command: None }
}

fn run(command: &str, text: impl Into<String>) -> Step {
    Step { text: text.into(), command: Some(command.to_owned()) }
}

/// Why a file is as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Cause {
    /// The cause.
    pub code: CauseCode,
    /// The cause in a sentence, without the names of keys.
    pub message: String,
    /// Whether it can be undone without loss.
    pub reversible: bool,
    /// The command that helps: `FILE` stands for the file, `OUT` for one to be written, each as a word of its own.
    pub command: Option<String>,
    /// The file of a set in which that byte lies.
    pub file: Option<String>,
    /// The byte where it begins, if there is one.
    pub offset: Option<u64>,
    /// Keys that it is about, the first ten.
    pub keys: Vec<Name>,
    /// What it is told from.
    pub evidence: Vec<String>,
}

impl Cause {
    fn new(code: CauseCode, message: String) -> Self {
        Self {
            code,
            message,
            reversible: code.reversible(),
            evidence: Vec::new(),
            keys: Vec::new(),
            offset: None,
            file: None,
            command: code.command().map(str::to_owned),
        }
    }

    /// Returns a cause that was found out by undoing it; the command is one that was tried, and gives what was lost sight of.
    #[must_use]
    pub fn tried(code: CauseCode, message: String, command: Option<String>) -> Self {
        Self { reversible: command.is_some(), command, ..Self::new(code, message) }
    }

    /// Returns the same where it may be undone or not, and that was tried in vain or not at all: no command is advised.
    #[must_use]
    pub fn untried(self) -> Self {
        let open = matches!(self.code, CauseCode::Utf16 | CauseCode::Utf8 | CauseCode::CrLf | CauseCode::ByteOrderMark);
        self.reversible_if(!open)
    }

    fn evidence(mut self, evidence: String) -> Self {
        self.evidence.push(evidence);
        self
    }

    fn offset(mut self, offset: u64) -> Self {
        self.offset = Some(offset);
        let number = |at: u64, command: String, word| command.replace(word, &at.to_string());
        self.command = self.command.map(|command| number(offset + 1, number(offset, command, "OFFSET"), "NEXT"));
        self
    }

    /// It can be undone only if that holds as well.
    fn reversible_if(mut self, reversible: bool) -> Self {
        if !reversible {
            (self.reversible, self.command) = (false, None);
        }
        self
    }

    /// The same with the command of what was tried on these files and helps, or none if nothing does, where it named a repair.
    #[must_use]
    pub fn with_ways(mut self, ways: &[Way]) -> Self {
        if self.command.as_ref().is_some_and(|command| command.starts_with("aofcheck --")) {
            self.command = ways.first().and_then(|way| advice::command(way, " --dry-run"));
        }
        self
    }

    fn names<'a>(mut self, findings: impl IntoIterator<Item = &'a Finding>) -> Self {
        for finding in findings {
            let Some(key) = &finding.key else { continue };
            let name = Name::key(finding.db.unwrap_or(0), key);
            if self.keys.len() < 10 && !self.keys.contains(&name) {
                self.keys.push(name);
            }
        }
        self
    }
}

/// `1 key`, `2 keys`.
fn plural(n: u64, thing: &str) -> String {
    format!("{n} {thing}{}", if n == 1 { "" } else { "s" })
}

/// Names the cause of what a report says, or of a file that is no RDB at all.
///
/// `head` and `tail` are the first and the last bytes of the file, 64 KiB of each being plenty; of a set, those of the
/// file that was named, or nothing.
///
/// # Examples
/// ```
/// use redis_persistence::diagnose::diagnose;
/// use redis_persistence::verify::{self, Options};
///
/// let page = b"<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>";
/// let report = verify::slice(page, &Options::default());
/// let cause = diagnose(page, page, &report).ok_or("no cause")?;
/// assert_eq!(cause.code.as_str(), "error-page");
/// assert!(cause.message.contains("AccessDenied"));
/// # Ok::<(), &str>(())
/// ```
#[must_use]
pub fn diagnose(head: &[u8], tail: &[u8], report: &Report) -> Option<Cause> {
    if report.size == 0 && report.kind != Kind::AofDir {
        let message = "the file is empty: a full disk, a copy that was broken off, or a file created beforehand";
        return Some(Cause::new(CauseCode::Empty, message.to_owned()));
    }
    if report.kind == Kind::Dump {
        return Some(dump::cause(report));
    }
    if report.kind == Kind::Unknown
        && let Some(cause) = no_rdb(head, tail, report)
    {
        return Some(cause);
    }
    transfer::cause(head, tail, report)
        .or_else(|| foreign::cause(report))
        .or_else(|| sets::cause(report))
        .or_else(|| other_kind_of_commands(head, report))
        .or_else(|| damage::cause(head, tail, report))
}

/// How long a tar of no member is: two blocks of zeros, and with GNU tar a record of twenty.
const EMPTY_TARS: [u64; 2] = [1024, 10_240];

/// Returns the cause of a file without the signature of an RDB.
fn no_rdb(head: &[u8], tail: &[u8], report: &Report) -> Option<Cause> {
    if head.iter().chain(tail).all(|byte| *byte == 0) {
        let whole = head.len() as u64 >= report.size;
        if whole && EMPTY_TARS.contains(&report.size) {
            let size = plural(report.size, "byte");
            let message = format!("it looks like a tar archive without a member: {size}, all of them zero");
            let other = "a file of that size whose content did not reach the disk looks the same";
            return Some(Cause::new(CauseCode::Tar, message).evidence(other.to_owned()));
        }
        let what = if whole { "the whole file is" } else { "the file begins and ends with bytes that are" };
        let size = plural(report.size, "byte");
        let message = format!("{what} zero, {size} in all: its size reached the disk, its content did not");
        return Some(Cause::new(CauseCode::AllZero, message));
    }
    if head.starts_with(transfer::BOM) {
        return None;
    }
    let lines = head.iter().take_while(|byte| matches!(byte, b'\n' | b'\r')).count();
    if let Some(start) = frame(&head[lines..]) {
        let at = (lines + start) as u64;
        let message = format!("a replication was captured with its frame: the RDB begins at byte {at}");
        let cause = Cause::new(CauseCode::ReplicationCapture, message).offset(at);
        let marked = head[lines..].starts_with(b"$EOF:");
        return Some(if marked {
            cause.evidence("its last 40 bytes repeat the mark of the frame".to_owned())
        } else {
            cause
        });
    }
    if lines > 0 && causes::is_signature(&head[lines..]) {
        let stand = if lines == 1 { "1 line end stands" } else { &format!("{lines} line ends stand") };
        let message = format!("{stand} before the RDB, as a primary sends them to keep a link alive");
        return Some(Cause::new(CauseCode::LeadingNewlines, message).offset(lines as u64));
    }
    if let Some(cause) = dump::of_bytes(head, report) {
        return Some(cause);
    }
    if let Some(cause) = pointer::cause(head, report.size) {
        return Some(cause);
    }
    let (code, what) = causes::sort(head)?;
    let cause = Cause::new(code, format!("this is no RDB: {what}"));
    Some(match code {
        CauseCode::ErrorPage => match causes::page_says(head) {
            Some(said) => Cause { message: format!("{}; it says: {said}", cause.message), ..cause },
            None => cause,
        }
        .evidence("a download that failed leaves the page of its error in the place of the file".to_owned()),
        CauseCode::ValkeyEnvelope => {
            cause.evidence("the RDB lies inside, header and all; Valkey unpacks it".to_owned())
        }
        _ => cause,
    })
}

/// Returns where the RDB begins in the frame of a replication: behind `$`, a length or a mark, and a line end.
fn frame(head: &[u8]) -> Option<usize> {
    let rest = head.strip_prefix(b"$")?;
    let end = memchr::memchr(b'\n', &rest[..rest.len().min(64)])?;
    let said = rest[..end].strip_suffix(b"\r")?;
    let mark = said.strip_prefix(b"EOF:").is_some_and(|mark| mark.len() == 40);
    let length = !said.is_empty() && said.iter().all(u8::is_ascii_digit);
    (mark || length).then_some(end + 2)
}

/// Something else was given to the checker of append-only files.
fn other_kind_of_commands(head: &[u8], report: &Report) -> Option<Cause> {
    let of_commands = matches!(report.kind, Kind::Aof) && !head.starts_with(b"*") && !head.starts_with(b"#");
    let damaged = report.verdict == crate::report::Verdict::Damaged && !causes::is_signature(head) && !head.is_empty();
    if !of_commands || !damaged {
        return None;
    }
    if head.iter().all(|byte| *byte == 0) {
        let message = "the file begins with nothing but zero bytes: its size reached the disk, its content did not";
        return Some(Cause::new(CauseCode::AllZero, message.to_owned()));
    }
    if let Some(cause) = pointer::cause(head, report.size) {
        return Some(cause);
    }
    let (code, what) = causes::sort(head)?;
    // aofcheck reads files alone: a set is more than one.
    let inner = |command: &str| command.replace("| rdbcheck -", "> OUT");
    let cause = Cause::new(code, format!("this is no append-only file: {what}"));
    let command = cause.command.as_deref().map(inner);
    Some(Cause { command, ..cause })
}
