//! What can be wrong with a line of a manifest.

use std::fmt;
use std::ops::Range;

/// Why a server refuses a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ManifestErrorKind {
    /// The manifest has no bytes at all.
    Empty,
    /// More than 1024 bytes without a line end.
    LineTooLong,
    /// The last line has no LF.
    NoFinalNewline,
    /// A NUL byte hides the line end.
    NulByte,
    /// Nothing but blanks.
    BlankLine,
    /// A quote that is not closed, or that something follows at once.
    BadQuoting,
    /// Fewer than three pairs, or a key without a value.
    NotPairs,
    /// The name holds a slash or a backslash.
    NameIsPath,
    /// No `file`.
    NoName,
    /// No `seq`, or it is 0.
    NoSeq,
    /// No `type`, or it is empty.
    NoType,
    /// A type that is none of `b`, `h`, `i`.
    UnknownType,
    /// A second base file.
    SecondBase,
    /// The sequence number of an incremental file is not greater than the one before.
    SeqNotRising,
}

impl ManifestErrorKind {
    /// Returns the reason as servers and check tools print it.
    #[must_use]
    pub fn official(self) -> &'static str {
        match self {
            Self::Empty => "Found an empty AOF manifest",
            Self::LineTooLong | Self::NoFinalNewline | Self::NulByte => "The AOF manifest file contains too long line",
            Self::BlankLine | Self::BadQuoting | Self::NotPairs | Self::NoName | Self::NoSeq | Self::NoType => {
                "Invalid AOF manifest file format"
            }
            Self::NameIsPath => "File can't be a path, just a filename",
            Self::UnknownType => "Unknown AOF file type",
            Self::SecondBase => "Found duplicate base file information",
            Self::SeqNotRising => "Found a non-monotonic sequence number",
        }
    }
}

impl fmt::Display for ManifestErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the manifest is empty",
            Self::LineTooLong => "the line is longer than 1024 bytes",
            Self::NoFinalNewline => "the last line has no line feed",
            Self::NulByte => "the line holds a NUL byte",
            Self::BlankLine => "the line is blank",
            Self::BadQuoting => "a quote is not closed, or not followed by a blank",
            Self::NotPairs => "the line is not made of three or more pairs of key and value",
            Self::NameIsPath => "the file name holds a slash or a backslash",
            Self::NoName => "the line names no file",
            Self::NoSeq => "the line has no sequence number, or it is 0",
            Self::NoType => "the line has no type",
            Self::UnknownType => "the type is none of b, h, i",
            Self::SecondBase => "there is a base file already",
            Self::SeqNotRising => "the sequence number is not greater than that of the incremental file before",
        })
    }
}

/// A line of a manifest that servers refuse.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}, in line {line}, column {} of the manifest", column + 1)]
pub struct ManifestError {
    kind: ManifestErrorKind,
    line: u64,
    range: Range<usize>,
    column: usize,
    text: Vec<u8>,
}

impl ManifestError {
    pub(super) fn new(kind: ManifestErrorKind, line: u64, range: Range<usize>, column: usize, text: &[u8]) -> Self {
        Self { kind, line, range, column, text: text.to_vec() }
    }

    /// Returns what is wrong.
    #[must_use]
    pub fn kind(&self) -> ManifestErrorKind {
        self.kind
    }

    /// Returns the number of the line, from 1, as servers count; 0 for the whole manifest.
    #[must_use]
    pub fn line(&self) -> u64 {
        self.line
    }

    /// Returns the column of the byte that is wrong, from 0; the first one where the whole line is.
    #[must_use]
    pub fn column(&self) -> usize {
        self.column
    }

    /// Returns the bytes of the line in the manifest.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    /// Returns the offset in the manifest of the byte that is wrong.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.range.start + self.column
    }

    /// Returns the line without the blanks around it, as servers quote it; `None` where they quote none.
    #[must_use]
    pub fn text(&self) -> Option<&[u8]> {
        use ManifestErrorKind as Kind;
        let quoted = !matches!(self.kind, Kind::Empty | Kind::LineTooLong | Kind::NoFinalNewline | Kind::NulByte);
        quoted.then_some(&self.text[..])
    }

    /// Returns what a server or tool prints: pieces, each of which it logs by itself.
    #[must_use]
    pub fn official_log(&self) -> Vec<Vec<u8>> {
        let mut log = vec![b"\n*** FATAL AOF MANIFEST FILE ERROR ***\n".to_vec()];
        if let Some(text) = self.text() {
            log.push(format!("Reading the manifest file, at line {}\n", self.line).into_bytes());
            log.push([b">>> '", text, b"'\n"].concat());
        }
        log.push(format!("{}\n", self.kind.official()).into_bytes());
        log
    }
}
