//! What becomes of the bytes of one file: kept, or not and why.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

/// Bytes that are kept, as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// The offset of the first byte.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
    /// The database that a SELECT in front of them selects; none if the one in force is right.
    pub select: Option<u32>,
}

/// Bytes that are not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Skip {
    /// The offset of the first byte.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
    /// Why.
    pub kind: SkipKind,
    /// How many commands in them can be read.
    pub commands: u64,
}

/// Why bytes are not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SkipKind {
    /// They cannot be read as records that servers know.
    Damage,
    /// A page of 4 KiB that is a copy of another one.
    RepeatedPage,
    /// A transaction of which a part is damaged or missing.
    Transaction,
    /// An EXEC without a MULTI.
    StrayExec,
    /// Commands of which it cannot be told to which database they belong.
    Database,
    /// Commands with a value whose line ends were changed, and of which it cannot be told how they were.
    LineEnds,
    /// A command that is not wanted.
    LeftOut,
    /// Whole commands that servers refuse, or answer with an error and pass over.
    Refused,
}

impl SkipKind {
    /// Returns the name that reports use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Damage => "damage",
            Self::RepeatedPage => "repeated-page",
            Self::Transaction => "transaction",
            Self::StrayExec => "stray-exec",
            Self::Database => "database",
            Self::LineEnds => "line-ends",
            Self::LeftOut => "left-out",
            Self::Refused => "refused",
        }
    }
}

impl fmt::Display for SkipKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Damage => "cannot be read",
            Self::RepeatedPage => "a copy of another page",
            Self::Transaction => "of a torn transaction",
            Self::StrayExec => "an EXEC without a MULTI",
            Self::Database => "of an unknown database",
            Self::LineEnds => "with a value of which it cannot be told where its line ends had a CR",
            Self::LeftOut => "left out, as asked for",
            Self::Refused => "refused by servers, or answered with an error",
        })
    }
}

/// Commands between a gap that may have held a SELECT and the next SELECT: their database is uncertain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Stretch {
    /// The offset of the first byte.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
    /// How many commands it has.
    pub commands: u64,
    /// The database that they go to; none if they are set aside.
    pub db: Option<u32>,
    /// What speaks for it.
    pub certainty: Certainty,
}

/// What speaks for the database of a stretch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Certainty {
    /// The file selects no other.
    OnlyDatabase,
    /// It was in force before the gap, which is short, and SELECTs are rare.
    AsBefore,
    /// Its keys are those of the stretch.
    ByKeys,
    /// The next SELECT leaves no other.
    BySelect,
    /// Not enough.
    Unknown,
}

impl Certainty {
    /// Returns the name that reports use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OnlyDatabase => "only-database",
            Self::AsBefore => "as-before",
            Self::ByKeys => "by-keys",
            Self::BySelect => "by-select",
            Self::Unknown => "unknown",
        }
    }
}

/// What becomes of the bytes of one file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Account {
    /// What is kept, in the order of the file.
    pub kept: Vec<Keep>,
    /// What is not, in the order of the file.
    pub skipped: Vec<Skip>,
    /// The stretches of an uncertain database.
    pub stretches: Vec<Stretch>,
    /// How many commands are kept.
    pub kept_commands: u64,
    /// How many commands go though they can be read.
    pub skipped_commands: u64,
    /// About how many cannot be read.
    unreadable: u64,
}

impl Account {
    pub(super) fn skip(&mut self, skip: Skip) {
        self.skipped_commands += skip.commands;
        match self.skipped.last_mut() {
            Some(last) if last.end == skip.start && last.kind == skip.kind => {
                last.end = skip.end;
                last.commands += skip.commands;
            }
            _ if skip.start == skip.end => {}
            _ => self.skipped.push(skip),
        }
    }

    /// Returns how many bytes are kept.
    #[must_use]
    pub fn kept_bytes(&self) -> u64 {
        self.kept.iter().map(|keep| keep.end - keep.start).sum()
    }

    /// Returns how many bytes are not kept.
    #[must_use]
    pub fn skipped_bytes(&self) -> u64 {
        self.skipped.iter().map(|skip| skip.end - skip.start).sum()
    }

    /// About how many commands lie in bytes that cannot be read: as many as begin there; where none can be seen to, as many as there
    /// are in this many bytes elsewhere.
    pub(crate) fn unreadable_commands_estimated(&self) -> u64 {
        self.unreadable
    }

    /// Counts the commands in the bytes that cannot be read.
    pub(super) fn estimate(&mut self, file: &mut File) -> io::Result<()> {
        // Where none was found to measure by, bytes say nothing of commands.
        if self.kept_commands == 0 {
            return Ok(());
        }
        let each = (self.kept_bytes() / self.kept_commands).max(SHORTEST);
        let damage = self.skipped.iter().filter(|skip| matches!(skip.kind, SkipKind::Damage | SkipKind::RepeatedPage));
        self.unreadable = 0;
        for skip in damage {
            let begin = heads(file, skip.start, skip.end)?;
            self.unreadable += if begin > 0 { begin } else { (skip.end - skip.start).div_ceil(each) };
        }
        Ok(())
    }
}

/// Returns how many records can be seen to begin in a range: `*`, a count, a line end and `$`.
fn heads(file: &mut File, start: u64, end: u64) -> io::Result<u64> {
    file.seek(SeekFrom::Start(start))?;
    let mut input = file.take(end - start);
    let (mut window, mut found) = (Vec::with_capacity(BLOCK + LONGEST_HEAD), 0);
    loop {
        let read = input.by_ref().take(BLOCK as u64).read_to_end(&mut window)?;
        // A head that reaches over the end of a block is counted with the next one.
        let counted = if read == 0 { window.len() } else { window.len().saturating_sub(LONGEST_HEAD) };
        found +=
            memchr::memchr_iter(b'*', &window[..counted]).filter(|star| is_head(&window[star + 1..])).count() as u64;
        if read == 0 {
            return Ok(found);
        }
        window.drain(..counted);
    }
}

/// Returns the rest of a head.
fn is_head(bytes: &[u8]) -> bool {
    let digits = bytes.iter().take(LONGEST_HEAD - 4).take_while(|byte| byte.is_ascii_digit()).count();
    digits > 0 && bytes[digits..].starts_with(b"\r\n$")
}

/// How much is looked at a time, and the longest head of a record.
const BLOCK: usize = 64 << 10;
const LONGEST_HEAD: usize = 16;
/// The bytes of the shortest command.
const SHORTEST: u64 = 11;
