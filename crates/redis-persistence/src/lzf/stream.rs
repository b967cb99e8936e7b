//! The ways in for strings that are too long to be held: any number of pieces, constant memory.

use std::fmt;

use super::tokens::{LzfError, Sink, Tokens};

/// How far back a match can reach.
const WINDOW: usize = 8192;
/// The window and room for what is decoded before it is handed on.
const BUFFER: usize = 4 * WINDOW;

/// Checks a compressed string that comes in pieces, without decoding it.
///
/// # Examples
/// ```
/// use redis_persistence::lzf::Walker;
///
/// let mut walker = Walker::new(5, 10)?;
/// walker.push(b"\x00a\xE0")?;
/// walker.push(b"\x00\x00")?;
/// walker.finish()?;
/// # Ok::<(), redis_persistence::lzf::LzfError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Walker(Tokens);

impl Walker {
    /// For `input_len` compressed bytes, all of which the caller will push, that are to give `declared` bytes.
    ///
    /// # Errors
    /// Where the two sizes alone cannot be.
    pub fn new(input_len: u64, declared: u64) -> Result<Self, LzfError> {
        Tokens::new(input_len, declared).map(Self)
    }

    /// Checks the next piece of the input.
    ///
    /// # Errors
    /// What is wrong, at an offset in the whole input. Every later call gives the same error.
    pub fn push(&mut self, piece: &[u8]) -> Result<(), LzfError> {
        self.0.push(piece, &mut Nowhere)
    }

    /// Says that the input is at its end.
    ///
    /// # Errors
    /// Where it ends inside a token, or gave fewer bytes than declared.
    pub fn finish(&mut self) -> Result<(), LzfError> {
        self.0.finish()
    }
}

/// The sink of a check: nothing is written.
struct Nowhere;

impl Sink for Nowhere {
    #[inline]
    fn literal(&mut self, _: &[u8], _: usize) {}
    #[inline]
    fn repeat(&mut self, _: usize, _: usize) {}
}

/// Decodes a compressed string that comes in pieces, in 32 KiB of memory.
///
/// # Examples
/// ```
/// use redis_persistence::lzf::Inflater;
///
/// let mut text = Vec::new();
/// let mut inflater = Inflater::new(5, 10)?;
/// inflater.push(b"\x00a\xE0", &mut |piece| text.extend_from_slice(piece))?;
/// inflater.push(b"\x00\x00", &mut |piece| text.extend_from_slice(piece))?;
/// inflater.finish()?;
/// assert_eq!(text, b"aaaaaaaaaa");
/// # Ok::<(), redis_persistence::lzf::LzfError>(())
/// ```
#[derive(Clone)]
pub struct Inflater {
    tokens: Tokens,
    buffer: Box<[u8]>,
    /// Where in the buffer the next byte goes. The last 8 KiB of output always lie before it.
    at: usize,
}

impl Inflater {
    /// For `input_len` compressed bytes, all of which the caller will push, that are to give `declared` bytes.
    ///
    /// # Errors
    /// Where the two sizes alone cannot be.
    pub fn new(input_len: u64, declared: u64) -> Result<Self, LzfError> {
        let tokens = Tokens::new(input_len, declared)?;
        Ok(Self { tokens, buffer: vec![0; BUFFER].into_boxed_slice(), at: 0 })
    }

    /// Decodes the next piece of the input. All that it gives has gone to `sink`, in order, when this returns; where the
    /// input is bad, all that it gives before the bad token.
    ///
    /// # Errors
    /// What is wrong, at an offset in the whole input. Every later call gives the same error.
    pub fn push(&mut self, piece: &[u8], sink: &mut dyn FnMut(&[u8])) -> Result<(), LzfError> {
        let mut ring = Ring { buffer: &mut self.buffer, handed_on: self.at, at: self.at, sink };
        let result = self.tokens.push(piece, &mut ring);
        ring.hand_on();
        self.at = ring.at;
        result
    }

    /// Says that the input is at its end.
    ///
    /// # Errors
    /// Where it ends inside a token, or gave fewer bytes than declared.
    pub fn finish(&mut self) -> Result<(), LzfError> {
        self.tokens.finish()
    }
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflater").field("tokens", &self.tokens).field("at", &self.at).finish_non_exhaustive()
    }
}

/// The sink of [`Inflater`]: decodes into a buffer, and moves the window to its front when it is full.
struct Ring<'a> {
    buffer: &'a mut [u8],
    handed_on: usize,
    at: usize,
    sink: &'a mut dyn FnMut(&[u8]),
}

impl Ring<'_> {
    fn hand_on(&mut self) {
        if self.handed_on < self.at {
            (self.sink)(&self.buffer[self.handed_on..self.at]);
            self.handed_on = self.at;
        }
    }

    #[inline]
    fn make_room(&mut self, len: usize) {
        if self.buffer.len() - self.at < len {
            self.hand_on();
            self.buffer.copy_within(self.at - WINDOW..self.at, 0);
            self.at = WINDOW;
            self.handed_on = WINDOW;
        }
    }
}

impl Sink for Ring<'_> {
    #[inline]
    fn literal(&mut self, from: &[u8], len: usize) {
        self.make_room(len);
        literal(self.buffer, self.at, from, len);
        self.at += len;
    }

    #[inline]
    fn repeat(&mut self, distance: usize, len: usize) {
        self.make_room(len);
        repeat(self.buffer, self.at, distance, len);
        self.at += len;
    }
}

// Most runs are a few bytes long, where a call to copy them costs more than they do. Where there is room, a fixed width is copied
// instead, which compiles to vector moves; what it writes past the end is written again by the next token.

/// Copies the first `len` (at most 32) bytes of `from` to `out[at..]`. Up to 32 bytes are written if `out` has room.
#[inline]
fn literal(out: &mut [u8], at: usize, from: &[u8], len: usize) {
    let to = &mut out[at..];
    if len <= 32
        && let (Some(wide_to), Some(wide_from)) = (to.first_chunk_mut::<32>(), from.first_chunk::<32>())
    {
        *wide_to = *wide_from;
    } else {
        to[..len].copy_from_slice(&from[..len]);
    }
}

/// Copies `len` bytes from `distance` bytes before `at` to `out[at..]`, as if byte by byte: where the distance is shorter
/// than the length, the copy reads what it wrote. Up to 15 bytes more are written if `out` has room.
#[inline]
fn repeat(out: &mut [u8], at: usize, distance: usize, len: usize) {
    const WIDTH: usize = 16;
    let start = at - distance;
    let window = &mut out[start..];
    if distance >= WIDTH && window.len() - distance >= len + (WIDTH - 1) {
        let mut done = 0;
        while done < len {
            let mut wide = [0; WIDTH];
            wide.copy_from_slice(&window[done..done + WIDTH]);
            window[distance + done..distance + done + WIDTH].copy_from_slice(&wide);
            done += WIDTH;
        }
    } else if distance == 1 {
        let byte = window[0];
        window[1..=len].fill(byte);
    } else {
        // What is copied is a whole number of periods, and doubles each time.
        let mut done = 0;
        while done < len {
            let ready = distance + done;
            let next = ready.min(len - done);
            window.copy_within(..next, ready);
            done += next;
        }
    }
}
