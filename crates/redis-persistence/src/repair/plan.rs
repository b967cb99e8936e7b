//! A plan: what a repair would change, as plain data, before anything is changed.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::identity::{FileIdentity, witness};

/// What goes when bytes are taken from a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Loss {
    /// How many bytes.
    pub bytes: u64,
    /// How many commands, as far as they can still be read.
    #[cfg_attr(feature = "serde", serde(rename = "commands"))]
    pub records: u64,
    /// How many of their transactions, the open one among them.
    pub transactions: u64,
    /// How many different first arguments those commands have: about as many keys.
    pub keys_estimated: u64,
    /// Whether there are parts that cannot be read, so that the three counts are the least there can be.
    pub at_least: bool,
    /// The last timestamp before what goes, in unix seconds: the writes since then go.
    pub since: Option<i64>,
}

impl Loss {
    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_add(other.bytes),
            records: self.records.saturating_add(other.records),
            transactions: self.transactions.saturating_add(other.transactions),
            keys_estimated: self.keys_estimated.saturating_add(other.keys_estimated),
            at_least: self.at_least || other.at_least,
            since: self.since.into_iter().chain(other.since).min(),
        }
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let least = if self.at_least { "at least " } else { "" };
        write!(f, "{}, {least}{}", number(self.bytes, "byte"), number(self.records, "command"))?;
        if self.transactions > 0 {
            write!(f, ", {}", number(self.transactions, "transaction"))?;
        }
        if self.keys_estimated > 0 {
            write!(f, ", about {}", number(self.keys_estimated, "key"))?;
        }
        Ok(())
    }
}

pub(super) fn number(n: u64, thing: &str) -> String {
    format!("{n} {thing}{}", if n == 1 { "" } else { "s" })
}

/// Takes the end off a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// The file, with its size.
    pub file: FileIdentity,
    /// Where it is to end.
    pub to: u64,
    /// A hash over the bytes on both sides of the cut: they must read the same when it is made.
    pub witness: u64,
    /// What goes.
    pub loss: Loss,
    /// Why, in a sentence.
    pub why: String,
}

impl Cut {
    /// Returns a cut at `to` in an open file.
    ///
    /// # Errors
    /// If the file cannot be read, or does not reach beyond `to`.
    pub fn new(path: &Path, file: &mut File, to: u64, why: &str) -> io::Result<Self> {
        let seen = FileIdentity::of(path, file)?;
        let bytes = seen.size.checked_sub(to).filter(|bytes| *bytes > 0);
        let bytes = bytes.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "nothing lies behind the cut"))?;
        let witness = witness(file, to, seen.size)?;
        let loss = Loss { bytes, ..Loss::default() };
        Ok(Self { file: seen, to, witness, loss, why: why.to_owned() })
    }

    /// Returns the size of the file before the cut.
    #[must_use]
    pub fn from(&self) -> u64 {
        self.file.size
    }
}

/// Gives a small file a new content, or makes one that is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewrite {
    /// Where it lies.
    pub path: PathBuf,
    /// The file as it was; `None` if there is none yet.
    pub file: Option<FileIdentity>,
    /// The new content.
    pub content: Vec<u8>,
    /// The file whose owner, group, mode and attributes a new file takes over.
    pub like: Option<PathBuf>,
    /// What changes, a sentence each.
    pub why: Vec<String>,
}

/// Moves a file that is no longer part of the set to where the backups are; not a byte of it is lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAside {
    /// The file.
    pub file: FileIdentity,
    /// What the set loses with it.
    pub loss: Loss,
    /// Why, in a sentence.
    pub why: String,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Takes the end off a file.
    Cut(Cut),
    /// Gives a small file a new content.
    Rewrite(Rewrite),
    /// Moves a file out of the set.
    SetAside(SetAside),
}

impl Step {
    /// Returns the file that changes.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Cut(cut) => &cut.file.path,
            Self::Rewrite(rewrite) => &rewrite.path,
            Self::SetAside(aside) => &aside.file.path,
        }
    }

    /// Returns what goes with it.
    #[must_use]
    pub fn loss(&self) -> Loss {
        match self {
            Self::Cut(cut) => cut.loss,
            Self::Rewrite(_) => Loss::default(),
            Self::SetAside(aside) => aside.loss,
        }
    }
}

/// What a repair would change, in the order in which it changes it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// The changes; none if there is nothing to change, or nothing that helps.
    pub steps: Vec<Step>,
    /// Every file that was read to make the plan, as it was.
    pub read: Vec<FileIdentity>,
    /// Where what is taken away goes, if no other folder is named.
    pub backup_dir: PathBuf,
    /// Why the result would still not be sound; empty if it would.
    pub reasons: Vec<String>,
    /// What else one should know before one agrees.
    pub notes: Vec<String>,
    /// How many bytes may go.
    pub max_loss: Option<u64>,
}

impl Plan {
    /// Returns the plan of one cut that somebody else decided on, such as [`official`](crate::aof::official).
    ///
    /// # Errors
    /// If the file cannot be read, or does not have `from` bytes any more.
    pub fn one_cut(path: &Path, from: u64, to: u64, why: &str) -> io::Result<Self> {
        let mut cut = Cut::new(path, &mut File::open(path)?, to, why)?;
        if cut.from() != from {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the file has another size now"));
        }
        cut.loss.at_least = true;
        let read = vec![cut.file.clone()];
        let backup_dir = path.parent().unwrap_or(Path::new("")).to_owned();
        Ok(Self { steps: vec![Step::Cut(cut)], read, backup_dir, ..Self::default() })
    }

    /// Returns whether there is nothing to change.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Returns whether the result would be sound: nothing is left that the steps do not mend.
    #[must_use]
    pub fn sufficient(&self) -> bool {
        self.reasons.is_empty()
    }

    /// Returns all that goes.
    #[must_use]
    pub fn loss(&self) -> Loss {
        self.steps.iter().map(Step::loss).fold(Loss::default(), Loss::and)
    }

    /// Returns whether no more bytes go than may.
    #[must_use]
    pub fn within_max_loss(&self) -> bool {
        self.max_loss.is_none_or(|max| self.loss().bytes <= max)
    }

    /// Returns whether a job may apply it without asking: there is something to do, it is enough, and it costs no more than
    /// allowed.
    #[must_use]
    pub fn may_be_applied_unasked(&self) -> bool {
        !self.is_empty() && self.sufficient() && self.within_max_loss()
    }

    /// Returns the plan for people, line by line, with times in unix seconds.
    #[must_use]
    pub fn describe(&self) -> Vec<String> {
        self.describe_with(&|seconds| seconds.to_string())
    }

    /// Returns the plan for people, line by line. `time` prints unix seconds.
    #[must_use]
    pub fn describe_with(&self, time: &dyn Fn(i64) -> String) -> Vec<String> {
        let mut lines = Vec::new();
        for step in &self.steps {
            let path = step.path().display();
            match step {
                Step::Cut(cut) => {
                    lines.push(format!("cut {path} from {} to {} bytes: {}", cut.from(), cut.to, cut.why));
                    lines.push(format!("  goes: {}{}", cut.loss, since(&cut.loss, cut.file.modified, time)));
                }
                Step::Rewrite(rewrite) => {
                    let verb = if rewrite.file.is_some() { "rewrite" } else { "create" };
                    lines.push(format!("{verb} {path} with {} bytes", rewrite.content.len()));
                    lines.extend(rewrite.why.iter().map(|why| format!("  {why}")));
                }
                Step::SetAside(aside) => {
                    lines.push(format!("set {path} aside: {}", aside.why));
                    lines.push(format!(
                        "  goes from the set: {}{}",
                        aside.loss,
                        since(&aside.loss, aside.file.modified, time)
                    ));
                }
            }
        }
        if self.steps.len() > 1 && self.loss().bytes > 0 {
            lines.push(format!("in all: {}", self.loss()));
        }
        if let Some(max) = self.max_loss.filter(|_| !self.within_max_loss()) {
            lines.push(format!("this is more than the {max} bytes that may go"));
        }
        lines.extend(self.notes.iter().map(|note| format!("note: {note}")));
        lines.extend(self.reasons.iter().map(|reason| format!("not enough: {reason}")));
        lines
    }
}

/// Returns how the writes that go are placed in time.
fn since(loss: &Loss, modified: SystemTime, time: &dyn Fn(i64) -> String) -> String {
    let written = modified.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let written = time(i64::try_from(written).unwrap_or(i64::MAX));
    match loss.since.map(time) {
        Some(stamp) => format!(", written after the timestamp {stamp}; the file was last written to at {written}"),
        None => format!("; the file was last written to at {written}"),
    }
}

/// How many lines of one kind are said.
const MOST_LINES: usize = 1000;

/// Leaves the first so many of the lines that something has for each of its files, and says how many more there were.
pub(super) fn first_lines(lines: &mut Vec<String>) {
    let more = lines.len().saturating_sub(MOST_LINES);
    if more > 0 {
        lines.truncate(MOST_LINES);
        lines.push(format!("and {more} more of this kind"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(size: u64) -> FileIdentity {
        FileIdentity { path: "a.aof".into(), device: 1, inode: 2, size, modified: SystemTime::UNIX_EPOCH }
    }

    fn cut(bytes: u64) -> Step {
        let loss = Loss { bytes, records: 2, transactions: 1, keys_estimated: 1, at_least: true, since: Some(70) };
        Step::Cut(Cut { file: seen(100 + bytes), to: 100, witness: 0, loss, why: "the file ends in a record".into() })
    }

    #[test]
    fn a_plan_says_what_goes() {
        let plan = Plan { steps: vec![cut(50)], max_loss: Some(40), ..Plan::default() };
        assert_eq!(
            plan.describe(),
            [
                "cut a.aof from 150 to 100 bytes: the file ends in a record",
                "  goes: 50 bytes, at least 2 commands, 1 transaction, about 1 key, written after the timestamp 70; the \
                 file was last written to at 0",
                "this is more than the 40 bytes that may go",
            ]
        );
        assert!(!plan.may_be_applied_unasked());
    }

    #[test]
    fn only_an_enough_and_cheap_plan_is_applied_unasked() {
        let plan = Plan { steps: vec![cut(50), cut(10)], max_loss: Some(60), ..Plan::default() };
        assert!(plan.may_be_applied_unasked());
        assert_eq!(plan.loss().bytes, 60);
        assert!(!Plan { max_loss: Some(59), ..plan.clone() }.may_be_applied_unasked());
        assert!(!Plan { reasons: vec!["a file is missing".into()], ..plan.clone() }.may_be_applied_unasked());
        assert!(!Plan { steps: Vec::new(), ..plan }.may_be_applied_unasked());
    }
}
