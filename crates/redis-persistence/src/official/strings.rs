//! Strings: what the tools print of them, whether their compressed bytes are sound, their texts as hashes of 128 bits, and which
//! occurred in a value before.

use super::texts::{BAD_LZF, Failure};
use crate::lzf::{self, Inflater};
use crate::rdb::packed::IntText;
use crate::rdb::{Body, RdbString};
use std::collections::HashSet;
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

/// As much of a long text as is kept for printing.
const PRINTED: usize = 1024;

/// The text of a string, or what is needed of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Text {
    /// The text, of a long one the start.
    pub(super) start: Vec<u8>,
    pub(super) len: u64,
    pub(super) hash: u128,
}

/// What became of a string.
pub(super) enum Taken {
    Whole,
    /// Its pieces follow.
    Long(Box<Long>),
}

/// Reads the text of a string into `text`. `end` is where it ends, or where the content of a long one begins.
pub(super) fn take(string: &RdbString<&[u8]>, end: u64, text: &mut Text) -> Result<Taken, Failure> {
    text.start.clear();
    match string.body {
        Body::Raw(bytes) => text.start.extend_from_slice(bytes),
        Body::Int(value) => text.start.extend_from_slice(IntText::new().write(i64::from(value))),
        // The tools take the sign of an error for the size here.
        Body::Lzf { decoded: 0, .. } => {}
        Body::Lzf { data, decoded } => {
            let size = usize::try_from(decoded).unwrap_or(usize::MAX);
            if lzf::inflate_into(data, size, &mut text.start).is_err() {
                return Err(Failure::internal(end, BAD_LZF));
            }
        }
        Body::Long { stored, decoded } => return Ok(Taken::Long(Box::new(Long::new(stored, decoded, end)))),
    }
    text.len = text.start.len() as u64;
    text.hash = hash(&text.start);
    Ok(Taken::Whole)
}

/// A string whose pieces are coming.
pub(super) struct Long {
    /// Where its content begins: a tool that cannot read all of it has consumed none of it.
    pub(super) content: u64,
    inflater: Option<Inflater>,
    damaged: bool,
    text: Text,
    hasher: Xxh3,
}

impl Long {
    fn new(stored: u64, decoded: Option<u64>, content: u64) -> Self {
        let inflater = decoded.filter(|size| *size > 0).map(|size| Inflater::new(stored, size)).transpose();
        Self {
            content,
            damaged: inflater.is_err(),
            inflater: inflater.ok().flatten(),
            text: Text::default(),
            hasher: Xxh3::new(),
        }
    }

    /// Takes a piece, which ends at `end`; answers with the text after the last one.
    pub(super) fn piece(&mut self, bytes: &[u8], last: bool, end: u64) -> Result<Option<Text>, Failure> {
        let Self { inflater, text, hasher, .. } = self;
        let mut on = |piece: &[u8]| {
            hasher.update(piece);
            text.len += piece.len() as u64;
            text.start.extend(piece.iter().take(PRINTED - text.start.len()));
        };
        match inflater {
            None => on(bytes),
            Some(inflater) if !self.damaged => {
                let pushed = inflater.push(bytes, &mut on);
                self.damaged = pushed.and_then(|()| if last { inflater.finish() } else { Ok(()) }).is_err();
            }
            Some(_) => {}
        }
        if !last {
            return Ok(None);
        }
        if self.damaged {
            return Err(Failure::internal(end, BAD_LZF));
        }
        let mut text = std::mem::take(&mut self.text);
        text.hash = self.hasher.digest128();
        Ok(Some(text))
    }
}

/// A table that grew beyond this is not kept for the next value: to clear it takes as long as it is large.
const KEPT: usize = 4096;
/// What an entry takes, about.
const ENTRY: usize = 32;

/// The texts that occurred. Beyond its budget it forgets: the rest passes as new.
#[derive(Debug)]
pub(super) struct Seen {
    texts: HashSet<u128>,
    most: usize,
}

impl Seen {
    pub(super) fn new(budget: usize) -> Self {
        Self { texts: HashSet::new(), most: budget / ENTRY }
    }

    pub(super) fn clear(&mut self) {
        if self.texts.capacity() > KEPT {
            self.texts = HashSet::new();
        } else {
            self.texts.clear();
        }
    }

    /// Adds a text; returns whether it is new.
    pub(super) fn is_new(&mut self, hash: u128) -> bool {
        if self.texts.len() >= self.most { !self.texts.contains(&hash) } else { self.texts.insert(hash) }
    }
}

/// Returns the hash of a text.
pub(super) fn hash(text: &[u8]) -> u128 {
    xxh3_128(text)
}
