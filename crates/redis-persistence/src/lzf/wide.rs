//! Decoding at full width, without saying what is wrong if something is; and the copies and steps that it shares with the others.
//!
//! Most runs are a few bytes long, where a call to copy them costs more than they do. A fixed width compiles to vector
//! moves; what it writes past the end of a run is written again by the next one. So the output needs room behind it, or a run is
//! copied as it is.
//!
//! A step is a match and the literal run behind it, read at once and without a branch:
//!
//! ```text
//! | ctrl low | ctrl content.. |         a short match, a literal run
//! | ctrl more low | ctrl low ..         a long match, and no literal run: what follows belongs to the next step
//! ```
//!
//! Texts alternate between literal runs, short and long matches without any pattern, so whoever branches on the kind of a
//! token guesses wrong at nearly every second one, and that is what the time goes into. What follows is only known once the
//! token before is read, so a step reads both from the same four bytes.

use super::tokens::LzfError;
use std::hint::select_unpredictable as select;

/// What is read of a step at a time: a long match, and the longest literal run.
const STEP: usize = 4 + SLACK;
/// So much is written past the end of a run at most.
const SLACK: usize = 32;
/// What is copied of a match at once.
const COPIED: usize = 16;

/// Room for decoded bytes that is used again: it is longer than what it holds, and never cleared.
#[derive(Debug, Default)]
pub(crate) struct Room(Vec<u8>);

impl Room {
    /// Decodes `input` to exactly `declared` bytes, as [`inflate_into`](super::inflate_into) does.
    pub(crate) fn inflate(&mut self, input: &[u8], declared: u64) -> Result<&[u8], LzfError> {
        self.inflate_wide(input, declared).map(|(bytes, _)| bytes)
    }

    /// Returns the same, and the bytes with some more behind them that mean nothing.
    pub(crate) fn inflate_wide(&mut self, input: &[u8], declared: u64) -> Result<(&[u8], &[u8]), LzfError> {
        let declared = usize::try_from(declared).unwrap_or(usize::MAX);
        if let Some(room) = room(input, declared) {
            if self.0.len() < room {
                self.0.resize(room, 0);
            }
            if decode(input, declared, &mut self.0[..room]) {
                return Ok((&self.0[..declared], &self.0[..room]));
            }
        }
        self.0.clear();
        super::inflate_into(input, declared, &mut self.0)?;
        Ok((&self.0, &self.0))
    }

    /// Holds bytes that were not compressed.
    pub(crate) fn hold(&mut self, bytes: &[u8]) -> &[u8] {
        self.0.clear();
        self.0.extend_from_slice(bytes);
        &self.0
    }
}

/// Appends what `input` decodes to, if that is exactly `declared` bytes.
pub(super) fn append(input: &[u8], declared: usize, out: &mut Vec<u8>) -> bool {
    let start = out.len();
    let Some(room) = room(input, declared) else { return false };
    out.reserve_exact(room);
    out.resize(start + room, 0);
    let sound = decode(input, declared, &mut out[start..]);
    out.truncate(if sound { start + declared } else { start });
    sound
}

/// Returns the room that it takes to decode, unless it is clear beforehand that so much cannot be.
fn room(input: &[u8], declared: usize) -> Option<usize> {
    let possible = declared > 0 && declared as u64 <= (input.len() as u64).saturating_mul(super::MAX_RATIO);
    if possible { declared.checked_add(SLACK) } else { None }
}

/// Decodes `input` into `out`, which has [`SLACK`] bytes more than are declared, and returns whether it is sound.
fn decode(input: &[u8], declared: usize, out: &mut [u8]) -> bool {
    let Some((rest, to)) = steps(input, 0, out, 0) else { return false };
    // The last ones may be shorter than what is read of a step.
    let mut last = [FILL; 2 * STEP];
    last[..rest.len()].copy_from_slice(rest);
    let Some((behind, to)) = steps(&last[..rest.len() + STEP], STEP, out, to) else { return false };
    behind.len() == STEP && to == declared
}

/// Decodes steps, whose output begins at `to`, as long as more than `behind` bytes follow that a step may be read from.
/// Returns what is left, and where its output begins.
#[inline]
fn steps<'a>(input: &'a [u8], behind: usize, out: &mut [u8], to: usize) -> Option<(&'a [u8], usize)> {
    let (mut rest, mut to) = (input, to);
    while rest.len() > behind
        && let Some(bytes) = rest.first_chunk::<STEP>()
    {
        let [ctrl, second, third, fourth, ref behind_long @ ..] = *bytes;
        if ctrl < 0x20 {
            let run: &[u8; SLACK] = bytes[1..].first_chunk()?;
            *out.get_mut(to..)?.first_chunk_mut()? = *run;
            to += usize::from(ctrl) + 1;
            rest = &rest[usize::from(ctrl) + 2..];
            continue;
        }
        let step = Step::read([ctrl, second, third, fourth]);
        let (len, distance) = (step.len as usize, step.distance as usize);
        let from = to.checked_sub(distance)?;
        if (len <= COPIED) & (len <= distance) {
            let copied: [u8; COPIED] = *out.get(from..)?.first_chunk()?;
            *out.get_mut(to..)?.first_chunk_mut()? = copied;
        } else {
            repeat::<COPIED>(out, from, to, len)?;
        }
        to += len;
        let run: &[u8; SLACK] = select(ctrl < 0xE0, bytes[3..].first_chunk()?, behind_long);
        *out.get_mut(to..)?.first_chunk_mut()? = *run;
        to += step.run as usize;
        rest = &rest[step.size as usize..];
    }
    Some((rest, to))
}

/// Copies `len` bytes from `from` to `to` in steps, as if byte by byte: where they reach into what is written, it is read
/// again.
#[inline]
fn repeat<const STEP: usize>(out: &mut [u8], from: usize, to: usize, len: usize) -> Option<()> {
    if to - from < STEP {
        return repeat_near::<STEP>(out, from, to, len);
    }
    let mut done = 0;
    loop {
        let step: [u8; STEP] = *out.get(from + done..)?.first_chunk()?;
        *out.get_mut(to + done..)?.first_chunk_mut()? = step;
        done += STEP;
        if done >= len {
            return Some(());
        }
    }
}

/// Returns the same from less than a step away: byte by byte, until what is there are so many periods that they fill a step.
#[inline(never)]
fn repeat_near<const STEP: usize>(out: &mut [u8], from: usize, to: usize, len: usize) -> Option<()> {
    let period = to - from;
    let far = period * STEP.div_ceil(period);
    let near = len.min(far - period);
    for at in to..to + near {
        *out.get_mut(at)? = *out.get(at - period)?;
    }
    if near < len { repeat::<STEP>(out, to + near - far, to + near, len - near) } else { Some(()) }
}

/// Fills up what is read of the last step: no literal run begins with it.
pub(super) const FILL: u8 = 0xFF;

/// What a step says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    /// How many bytes the match repeats, and from how far back.
    pub(super) len: u32,
    pub(super) distance: u32,
    /// The length of the literal run, 0 if there is none. Its content ends where the step ends.
    pub(super) run: u32,
    /// How many bytes the step takes.
    pub(super) size: u32,
}

impl Step {
    /// Returns what begins with a match.
    #[inline]
    pub(super) fn read(bytes: [u8; 4]) -> Self {
        let [ctrl, second, third, fourth] = bytes.map(u32::from);
        let long = ctrl >= 0xE0;
        // Both are worked out before it is known which one counts.
        let size = select(long, 3 + run_at(fourth), 2 + run_at(third));
        let taken = size - 2 - u32::from(long);
        Self {
            len: (ctrl >> 5) + 2 + select(long, second, 0),
            distance: ((ctrl & 0x1F) << 8 | select(long, third, second)) + 1,
            run: taken.saturating_sub(1),
            size,
        }
    }
}

/// Returns the size of the literal run that begins with this byte, 0 if none does.
#[inline]
fn run_at(ctrl: u32) -> u32 {
    select(ctrl < 0x20, ctrl + 2, 0)
}
