//! The manifest of a multi-part append-only file: which files, in which order.
//!
//! ```text
//! # comment, only in column 0
//! file appendonly.aof.2.base.rdb seq 2 type b
//! file appendonly.aof.1.incr.aof seq 1 type h
//! file appendonly.aof.2.incr.aof seq 2 type i startoffset 1234
//! ```
//!
//! The rules are those of the servers' own parser, to the last oddity, and their check tools use the same one. A line has
//! room for 1024 bytes with its LF, and needs that LF. Pairs of key and value may come in any order, keys in any case; of a
//! repeated key the last counts; unknown keys are ignored. What stops a server does not stop [`Manifest::parse`]: it notes
//! the error and goes on with the next line. The first error is the one that a server or tool would name.

mod error;
mod split;

use std::ops::Range;

pub use error::{ManifestError, ManifestErrorKind};
use split::{Token, split};

use crate::aof::resp;

/// A line has room for this many bytes, its LF among them.
const MAX_LINE: usize = 1024;
/// How many errors are kept.
const MOST_ERRORS: usize = 1 << 14;

/// Returns the words of a line of a configuration file, or `None` if its quotes are wrong.
pub(crate) fn words(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let tokens = split(line, Dialect::Redis).ok()?;
    Some(tokens.iter().map(|token| token.text().to_vec()).collect())
}

/// Whose rules to read a manifest by; they differ in two points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Dialect {
    /// Redis 8: knows `startoffset` and `endoffset`; a closing quote must end its token. Redis 7 differs only in that it
    /// ignores the two keys.
    #[default]
    Redis,
    /// Valkey 9: ignores the two keys; a token may go on after a closing quote.
    Valkey,
}

/// What a file of the set is, by the first letter of its `type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// `b`: the snapshot that the rest builds on.
    Base,
    /// `h`: a file that is no longer part of the set and waits to be deleted.
    History,
    /// `i`: commands since the base or the file before.
    Incr,
}

impl EntryKind {
    /// Returns the letter in the manifest.
    #[must_use]
    pub fn letter(self) -> char {
        match self {
            Self::Base => 'b',
            Self::History => 'h',
            Self::Incr => 'i',
        }
    }
}

/// One line of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name of the file; any bytes but NUL, `/` and `\`.
    pub name: Vec<u8>,
    /// Its sequence number; never 0, negative only for a base or history file.
    pub seq: i64,
    /// What it is.
    pub kind: EntryKind,
    /// The replication offset at which the file begins, if stated.
    pub start_offset: Option<i64>,
    /// The replication offset at which the file ends, if stated.
    pub end_offset: Option<i64>,
    /// The number of its line, from 1; 0 in an entry that was not read from a manifest.
    pub line: u64,
    /// The bytes of its line in the manifest, with the LF; empty in an entry that was not read from one.
    pub range: Range<usize>,
}

/// The files of a set, in the order of the manifest.
///
/// # Examples
/// ```
/// use redis_persistence::aof::Manifest;
///
/// let text = b"file a.1.base.rdb seq 1 type b\nfile a.1.incr.aof seq 1 type i\n";
/// let (manifest, errors) = Manifest::parse(text);
/// assert!(errors.is_empty());
/// assert_eq!(manifest.base().map(|base| &base.name[..]), Some(&b"a.1.base.rdb"[..]));
/// assert_eq!(manifest.to_bytes(), text);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Manifest {
    /// The entries that a server would have taken, history among them.
    pub entries: Vec<Entry>,
}

impl Manifest {
    /// Reads a manifest by the rules of Redis 8, and names the lines that a server would refuse, the first 16,384 of them.
    #[must_use]
    pub fn parse(data: &[u8]) -> (Self, Vec<ManifestError>) {
        Self::parse_as(data, Dialect::Redis)
    }

    /// Reads a manifest by the rules of one family.
    #[must_use]
    pub fn parse_as(data: &[u8], dialect: Dialect) -> (Self, Vec<ManifestError>) {
        let mut parser = Parser { dialect, ..Parser::default() };
        let mut at = 0;
        while at < data.len() {
            at += parser.chunk(data, at);
        }
        if parser.line == 0 {
            parser.errors.push(ManifestError::new(ManifestErrorKind::Empty, 0, 0..0, 0, &[]));
        }
        (parser.manifest, parser.errors)
    }

    /// Returns the base file.
    #[must_use]
    pub fn base(&self) -> Option<&Entry> {
        self.of(EntryKind::Base).next()
    }

    /// Returns the incremental files, in order.
    pub fn incrs(&self) -> impl Iterator<Item = &Entry> {
        self.of(EntryKind::Incr)
    }

    /// Returns the files that wait to be deleted.
    pub fn history(&self) -> impl Iterator<Item = &Entry> {
        self.of(EntryKind::History)
    }

    fn of(&self, kind: EntryKind) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.kind == kind)
    }

    /// Returns the manifest as a server writes it: base, history, incremental files; names quoted where they need it.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for entry in self.base().into_iter().chain(self.history()).chain(self.incrs()) {
            out.extend_from_slice(b"file ");
            split::quote_into(&mut out, &entry.name);
            out.extend_from_slice(format!(" seq {} type {}", entry.seq, entry.kind.letter()).as_bytes());
            if let Some(start) = entry.start_offset {
                out.extend_from_slice(format!(" startoffset {start}").as_bytes());
                if let Some(end) = entry.end_offset {
                    out.extend_from_slice(format!(" endoffset {end}").as_bytes());
                }
            }
            out.push(b'\n');
        }
        out
    }
}

#[derive(Debug, Default)]
struct Parser {
    dialect: Dialect,
    manifest: Manifest,
    errors: Vec<ManifestError>,
    /// Lines so far, counted as the servers count: each piece of up to 1024 bytes is one.
    line: u64,
    max_incr: i64,
    has_base: bool,
}

impl Parser {
    /// Takes the next line, or as much of it as there is room for; returns how much of `data` is done with.
    fn chunk(&mut self, data: &[u8], at: usize) -> usize {
        let resp::Line::Read(chunk) = resp::line(&data[at..], MAX_LINE, true) else { return data.len() - at };
        self.line += 1;
        if chunk[0] == b'#' {
            // Only the piece is a comment: what is left of a longer one is read as a line of its own.
            return chunk.len();
        }
        if !chunk.ends_with(b"\n") || chunk.contains(&0) {
            // The rest of the line means nothing any more, so it is not worth an error of its own.
            let end = memchr::memchr(b'\n', &data[at..]).map_or(data.len(), |lf| at + lf + 1);
            let kind = match memchr::memchr(0, chunk) {
                Some(_) => ManifestErrorKind::NulByte,
                None if chunk.len() < MAX_LINE => ManifestErrorKind::NoFinalNewline,
                None => ManifestErrorKind::LineTooLong,
            };
            let column = memchr::memchr(0, chunk).unwrap_or(chunk.len());
            self.refuse(ManifestError::new(kind, self.line, at..end, column, &[]));
            return end - at;
        }
        let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
        let leading = chunk.iter().take_while(|byte| blank(byte)).count();
        let trailing = chunk[leading..].iter().rev().take_while(|byte| blank(byte)).count();
        let text = &chunk[leading..chunk.len() - trailing];
        let range = at..at + chunk.len();
        if text.is_empty() {
            self.refuse(ManifestError::new(ManifestErrorKind::BlankLine, self.line, range, 0, text));
            return chunk.len();
        }
        if let Err((kind, column)) = self.entry(text, range.clone()) {
            self.refuse(ManifestError::new(kind, self.line, range, leading + column, text));
        }
        chunk.len()
    }

    fn refuse(&mut self, error: ManifestError) {
        if self.errors.len() < MOST_ERRORS {
            self.errors.push(error);
        }
    }

    /// Takes the entry of a line; an error comes with its place in `text`.
    fn entry(&mut self, text: &[u8], range: Range<usize>) -> Result<(), (ManifestErrorKind, usize)> {
        use ManifestErrorKind as Kind;
        let tokens = split(text, self.dialect).map_err(|column| (Kind::BadQuoting, column))?;
        if tokens.len() < 6 || tokens.len() % 2 == 1 {
            return Err((Kind::NotPairs, tokens.last().map_or(0, |token| token.at)));
        }
        let mut name = None;
        let mut seq = 0;
        let mut letter = (0, 0);
        let (mut start_offset, mut end_offset) = (None, None);
        for pair in tokens.chunks_exact(2) {
            let [key, value] = pair else { continue };
            let is = |name: &[u8]| key.text().eq_ignore_ascii_case(name);
            if is(b"file") {
                if let Some(slash) = value.text().iter().position(|byte| matches!(byte, b'/' | b'\\')) {
                    return Err((Kind::NameIsPath, value.at + slash.min(value.len)));
                }
                name = Some(value);
            } else if is(b"seq") {
                seq = number(value);
            } else if is(b"type") {
                letter = (value.text().first().copied().unwrap_or(0), value.at);
            } else if self.dialect == Dialect::Redis && is(b"startoffset") {
                start_offset = Some(number(value)).filter(|offset| *offset != -1);
            } else if self.dialect == Dialect::Redis && is(b"endoffset") {
                end_offset = Some(number(value)).filter(|offset| *offset != -1);
            }
        }
        let name = name.ok_or((Kind::NoName, 0))?.text().to_vec();
        let kind = match letter {
            _ if seq == 0 => return Err((Kind::NoSeq, 0)),
            (0, _) => return Err((Kind::NoType, 0)),
            (b'b', at) if self.has_base => return Err((Kind::SecondBase, at)),
            (b'b', _) => EntryKind::Base,
            (b'h', _) => EntryKind::History,
            (b'i', _) if seq <= self.max_incr => return Err((Kind::SeqNotRising, 0)),
            (b'i', _) => EntryKind::Incr,
            (_, at) => return Err((Kind::UnknownType, at)),
        };
        if kind == EntryKind::Incr {
            self.max_incr = seq;
        }
        self.has_base |= kind == EntryKind::Base;
        self.manifest.entries.push(Entry { name, seq, kind, start_offset, end_offset, line: self.line, range });
        Ok(())
    }
}

/// C's `atoll`.
fn number(token: &Token) -> i64 {
    resp::strtol(token.text()).value
}

/// Returns whether the text is meant as a manifest: its first line that is no comment is made of pairs and names a file, a
/// sequence number and a type, in whatever order and case, though the tools may not see it as one.
#[must_use]
pub fn looks_like_manifest(data: &[u8]) -> bool {
    let Some(line) =
        data.split(|byte| *byte == b'\n').find(|line| !line.starts_with(b"#") && !line.trim_ascii().is_empty())
    else {
        return false;
    };
    let Ok(tokens) = split(&line[..line.len().min(2 * MAX_LINE)], Dialect::Valkey) else { return false };
    let has = |key: &[u8]| tokens.iter().step_by(2).any(|token| token.text().eq_ignore_ascii_case(key));
    has(b"file") && has(b"seq") && has(b"type")
}
