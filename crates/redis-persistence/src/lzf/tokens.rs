//! The machine that reads tokens and checks them, at any cut of the input, and what can be wrong with them.
//!
//! What holds between two pieces: how much of a literal run is still to come, or the first one or two bytes of a match.
//! The loop in [`Tokens::push`] reads whole tokens and never touches either.

/// What is done with the tokens.
pub(super) trait Sink {
    /// The first `len` bytes of `from` are output. What follows them in `from` may be read, but means nothing.
    fn literal(&mut self, from: &[u8], len: usize);
    /// `len` bytes are output again from `distance` bytes back; they lie inside the output.
    fn repeat(&mut self, distance: usize, len: usize);
}

/// Reads tokens out of pieces of input.
#[derive(Debug, Clone)]
pub(super) struct Tokens {
    declared: u64,
    produced: u64,
    /// How much input was pushed before the current piece.
    read: u64,
    /// Where the token that the last piece ended in begins.
    token_at: u64,
    literal_left: usize,
    held: [u8; 2],
    held_len: usize,
    failed: Option<LzfError>,
}

impl Tokens {
    pub(super) fn new(input_len: u64, declared: u64) -> Result<Self, LzfError> {
        let kind = if input_len == 0 {
            LzfErrorKind::EmptyInput
        } else if declared == 0 {
            LzfErrorKind::DeclaredZero
        } else if declared > input_len.saturating_mul(super::MAX_RATIO) {
            LzfErrorKind::ImpossibleRatio
        } else {
            return Ok(Self {
                declared,
                produced: 0,
                read: 0,
                token_at: 0,
                literal_left: 0,
                held: [0; 2],
                held_len: 0,
                failed: None,
            });
        };
        Err(LzfError { at: 0, kind })
    }

    pub(super) fn push<S: Sink>(&mut self, piece: &[u8], sink: &mut S) -> Result<(), LzfError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let mut rest = self.resume(piece, sink)?;
        let here = |rest: &[u8]| self.read + (piece.len() - rest.len()) as u64;
        let mut room = self.declared - self.produced;
        let (kind, at) = loop {
            let (distance, len, after) = match *rest {
                [] => break (None, self.token_at),
                [ctrl @ ..0x20, ref body @ ..] => {
                    let len = usize::from(ctrl) + 1;
                    if len as u64 > room {
                        break (Some(LzfErrorKind::LiteralBeyondSize), here(rest));
                    }
                    let ready = len.min(body.len());
                    sink.literal(body, ready);
                    room -= ready as u64;
                    if ready < len {
                        self.literal_left = len - ready;
                        break (None, here(rest));
                    }
                    rest = &body[len..];
                    continue;
                }
                [ctrl @ ..=0xDF, low, ref after @ ..] => (distance(ctrl, low), usize::from(ctrl >> 5) + 2, after),
                [ctrl @ 0xE0..=0xFF, more, low, ref after @ ..] => (distance(ctrl, low), usize::from(more) + 9, after),
                ref cut => {
                    self.held[..cut.len()].copy_from_slice(cut);
                    self.held_len = cut.len();
                    break (None, here(rest));
                }
            };
            if let Err(kind) = check_match(self.declared, room, distance, len) {
                break (Some(kind), here(rest));
            }
            sink.repeat(distance, len);
            room -= len as u64;
            rest = after;
        };
        self.produced = self.declared - room;
        self.read += piece.len() as u64;
        self.token_at = at;
        kind.map_or(Ok(()), |kind| Err(self.fail(kind)))
    }

    /// Completes the token that the last piece ended in. Gives what is left of the piece.
    fn resume<'a, S: Sink>(&mut self, piece: &'a [u8], sink: &mut S) -> Result<&'a [u8], LzfError> {
        let mut rest = piece;
        if self.literal_left > 0 {
            let ready = self.literal_left.min(rest.len());
            sink.literal(rest, ready);
            self.literal_left -= ready;
            self.produced += ready as u64;
            rest = &rest[ready..];
        }
        while self.held_len > 0
            && let [byte, after @ ..] = rest
        {
            rest = after;
            let (len, low) = match (self.held[0], self.held_len) {
                (ctrl @ ..=0xDF, _) => (usize::from(ctrl >> 5) + 2, *byte),
                (_, 2) => (usize::from(self.held[1]) + 9, *byte),
                _ => {
                    self.held[1] = *byte;
                    self.held_len = 2;
                    continue;
                }
            };
            self.held_len = 0;
            let distance = distance(self.held[0], low);
            let room = self.declared - self.produced;
            check_match(self.declared, room, distance, len).map_err(|kind| self.fail(kind))?;
            sink.repeat(distance, len);
            self.produced += len as u64;
        }
        Ok(rest)
    }

    pub(super) fn finish(&mut self) -> Result<(), LzfError> {
        if let Some(error) = self.failed {
            Err(error)
        } else if self.literal_left > 0 || self.held_len > 0 {
            Err(self.fail(LzfErrorKind::CutToken))
        } else if self.produced < self.declared {
            self.token_at = self.read;
            Err(self.fail(LzfErrorKind::ShortOutput { produced: self.produced }))
        } else {
            Ok(())
        }
    }

    #[cold]
    fn fail(&mut self, kind: LzfErrorKind) -> LzfError {
        let error = LzfError { at: self.token_at, kind };
        self.failed = Some(error);
        error
    }
}

/// Returns how far back a match reaches: the low five bits of its first byte are the high ones of the distance.
#[inline]
pub(super) fn distance(ctrl: u8, low: u8) -> usize {
    (usize::from(ctrl & 0x1F) << 8 | usize::from(low)) + 1
}

#[inline]
fn check_match(declared: u64, room: u64, distance: usize, len: usize) -> Result<(), LzfErrorKind> {
    if len as u64 > room {
        Err(LzfErrorKind::MatchBeyondSize)
    } else if distance as u64 > declared - room {
        Err(LzfErrorKind::MatchBeforeStart)
    } else {
        Ok(())
    }
}

/// Why a compressed string does not decode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{kind}, at byte {at} of the compressed data")]
pub struct LzfError {
    /// The offset in the compressed input at which the bad token begins; the end of the input for
    /// [`LzfErrorKind::ShortOutput`], 0 where the sizes alone are wrong.
    pub at: u64,
    /// What is wrong.
    pub kind: LzfErrorKind,
}

/// What is wrong with a compressed string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LzfErrorKind {
    /// There are no compressed bytes.
    #[error("no compressed data")]
    EmptyInput,
    /// The declared size is 0. No writer compresses an empty string, and several servers take any garbage for one.
    #[error("the declared size is 0")]
    DeclaredZero,
    /// No input of this length can give the declared size.
    #[error("so few bytes cannot give the declared size")]
    ImpossibleRatio,
    /// A literal run would write past the declared size.
    #[error("a literal run goes beyond the declared size")]
    LiteralBeyondSize,
    /// A match would write past the declared size.
    #[error("a match goes beyond the declared size")]
    MatchBeyondSize,
    /// A match reaches back to before the first byte of the output.
    #[error("a match reaches back before the start")]
    MatchBeforeStart,
    /// The input ends inside a token.
    #[error("the data end inside a token")]
    CutToken,
    /// Every token is good, but they give less than the declared size.
    #[error("the data give only {produced} bytes, fewer than declared")]
    ShortOutput {
        /// How many bytes they give.
        produced: u64,
    },
}
