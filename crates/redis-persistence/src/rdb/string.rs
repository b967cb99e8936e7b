//! Strings as they stand in the file: raw, a number, or compressed; decoded only when somebody asks.

use std::borrow::Cow;

use super::wire::{StringHead, string_head};
use crate::base::cursor::{Cursor, Outcome, Span, Stop};
use crate::base::error::Reading;
use crate::lzf;
use crate::rdb::packed::{IntText, PackedValue};

/// A string of the file.
///
/// `B` says how its bytes are held: `&[u8]` in events, `Vec<u8>` after [`into_owned`](RdbString::into_owned).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RdbString<B> {
    /// The file offset of its first byte (of its length, not of its content).
    pub start: u64,
    /// One past its last byte in the file. For [`Body::Long`] that is where its content begins.
    pub end: u64,
    /// What it holds.
    pub body: Body<B>,
}

/// The forms that a string can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body<B> {
    /// The bytes themselves.
    Raw(B),
    /// The decimal text of a number.
    Int(i32),
    /// LZF-compressed bytes.
    Lzf {
        /// The compressed bytes.
        data: B,
        /// What they decode to, in bytes, as the file says.
        decoded: u64,
    },
    /// Longer than [`Limits::inline_bytes`](crate::Limits::inline_bytes): its bytes follow as
    /// [`Piece`](crate::rdb::Payload::Piece) events.
    Long {
        /// Bytes in the file.
        stored: u64,
        /// What they decode to, if they are compressed.
        decoded: Option<u64>,
    },
}

impl<B: AsRef<[u8]>> Body<B> {
    /// See [`RdbString::text_len`].
    pub(crate) fn text_len(&self) -> u64 {
        match self {
            Self::Raw(bytes) => bytes.as_ref().len() as u64,
            Self::Int(value) => PackedValue::Int(i64::from(*value)).text_len() as u64,
            Self::Lzf { decoded, .. } => *decoded,
            Self::Long { stored, decoded } => decoded.unwrap_or(*stored),
        }
    }
}

/// Why a string has no text that [`RdbString::decode`] could return.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Its compressed bytes are damaged.
    #[error(transparent)]
    Lzf(#[from] lzf::LzfError),
    /// It is too long to be held, and comes in pieces: the events that follow have them.
    #[error("the string of {bytes} bytes comes in pieces")]
    Long {
        /// The length of its text.
        bytes: u64,
    },
}

impl<B> RdbString<B> {
    /// Returns the length of the string's text in bytes, as the file states it.
    pub fn text_len(&self) -> u64
    where
        B: AsRef<[u8]>,
    {
        self.body.text_len()
    }

    /// Returns the same string with its bytes held in another way.
    pub(crate) fn map<C>(self, f: &mut impl FnMut(B) -> C) -> RdbString<C> {
        RdbString {
            start: self.start,
            end: self.end,
            body: match self.body {
                Body::Raw(bytes) => Body::Raw(f(bytes)),
                Body::Int(value) => Body::Int(value),
                Body::Lzf { data, decoded } => Body::Lzf { data: f(data), decoded },
                Body::Long { stored, decoded } => Body::Long { stored, decoded },
            },
        }
    }
}

/// Reads the string that begins at `offset` of a file, of which `window` holds the bytes from there on.
///
/// # Errors
/// With the length of the window that is wanted, which is `usize::MAX` where there is no string.
pub(crate) fn string_at(window: &[u8], offset: u64) -> Result<RdbString<&[u8]>, usize> {
    let mut c = Cursor::new(window, offset);
    let mut read = || -> Outcome<RdbString<Span>> {
        let (head, _) = c.read(Reading::Key, string_head)?;
        let body = match head {
            StringHead::Int(value) => Body::Int(value),
            StringHead::Raw(len) => Body::Raw(c.span_of(len, offset, Reading::Key)?),
            StringHead::Lzf { stored, decoded } => {
                Body::Lzf { data: c.span_of(stored, offset, Reading::Key)?, decoded }
            }
        };
        Ok(RdbString { start: offset, end: c.offset(), body })
    };
    match read() {
        Ok(string) => Ok(string.map(&mut |span| span.of(window))),
        Err(Stop::Need { upto, .. }) => Err(upto),
        Err(Stop::Fail(_)) => Err(usize::MAX),
    }
}

/// Returns the same up to the string's content, which is always said to follow, unless it is a number.
///
/// # Errors
/// As those of [`string_at`].
pub(crate) fn string_head_at(window: &[u8], offset: u64) -> Result<RdbString<&[u8]>, usize> {
    let mut c = Cursor::new(window, offset);
    match c.read(Reading::Key, string_head) {
        Ok((head, _)) => {
            let body = match head {
                StringHead::Int(value) => Body::Int(value),
                StringHead::Raw(stored) => Body::Long { stored, decoded: None },
                StringHead::Lzf { stored, decoded } => Body::Long { stored, decoded: Some(decoded) },
            };
            Ok(RdbString { start: offset, end: c.offset(), body })
        }
        Err(Stop::Need { upto, .. }) => Err(upto),
        Err(Stop::Fail(_)) => Err(usize::MAX),
    }
}

impl<'a> RdbString<&'a [u8]> {
    /// Returns the text of the string, borrowed where it lies in the file as it is.
    ///
    /// # Errors
    /// If the compressed bytes are damaged, or claim more than they can hold: at most 88 times the compressed size is
    /// reserved. And of a [`Body::Long`] string, whose bytes are in the events that follow.
    ///
    /// # Examples
    /// ```
    /// use redis_persistence::rdb::{Body, RdbString};
    ///
    /// let number = RdbString { start: 0, end: 2, body: Body::Int(-7) };
    /// assert_eq!(&*number.decode()?, b"-7");
    /// # Ok::<(), redis_persistence::rdb::DecodeError>(())
    /// ```
    pub fn decode(&self) -> Result<Cow<'a, [u8]>, DecodeError> {
        match self.body {
            Body::Raw(bytes) => Ok(Cow::Borrowed(bytes)),
            Body::Int(value) => Ok(Cow::Owned(IntText::new().write(i64::from(value)).to_vec())),
            // Servers since 6.2 take an error for success here: whatever the bytes are, the string is empty.
            Body::Lzf { decoded: 0, .. } => Ok(Cow::Borrowed(b"")),
            Body::Lzf { data, decoded } => {
                let mut out = Vec::new();
                lzf::inflate_into(data, usize::try_from(decoded).unwrap_or(usize::MAX), &mut out)?;
                Ok(Cow::Owned(out))
            }
            Body::Long { .. } => Err(DecodeError::Long { bytes: self.text_len() }),
        }
    }

    /// Returns the same string with bytes of its own.
    #[must_use]
    pub fn into_owned(self) -> RdbString<Vec<u8>> {
        self.map(&mut |bytes| bytes.to_vec())
    }
}
