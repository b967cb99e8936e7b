//! Reads a file ahead of the walk over it, on a thread of its own.
//!
//! ```text
//! file -- read --> blocks in order -- copied out as they are asked for --> walk
//!   ^-- used again -----'
//! ```
//!
//! There are a few blocks, which go round. A seek to a place that is not ahead already makes the reader go on from there, one
//! block at first: where long payloads are passed over, what lies in them is not read for nothing.

use std::collections::VecDeque;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::verify::drive::read_block;

const BLOCK: usize = 256 << 10;
const BLOCKS: usize = 4;

/// Calls `walk` with an input that gives what `file` would give.
pub(super) fn with<T>(file: &mut (impl Read + Seek + Send), walk: impl FnOnce(Ahead<'_>) -> T) -> T {
    let shared = Shared { state: Mutex::new(State::new()), changed: Condvar::new() };
    std::thread::scope(|scope| {
        let closing = Closing(&shared);
        scope.spawn(|| shared.read(file));
        let walked = walk(Ahead { shared: &shared, block: Block::default(), at: 0 });
        drop(closing);
        walked
    })
}

/// A part of the file.
#[derive(Debug, Default)]
struct Block {
    start: u64,
    data: Vec<u8>,
    len: usize,
}

impl Block {
    fn end(&self) -> u64 {
        self.start + self.len as u64
    }
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// Read and not asked for, in order.
    ready: VecDeque<Block>,
    free: Vec<Vec<u8>>,
    /// How many blocks may be ready: more with every one that was asked for.
    most_ready: usize,
    /// Where the reader goes on, once it was told where to begin.
    next: Option<u64>,
    /// How often it was told to go on elsewhere.
    turn: u64,
    ended: bool,
    error: Option<io::Error>,
    closed: bool,
}

impl State {
    fn new() -> Self {
        Self {
            ready: VecDeque::new(),
            free: vec![vec![0; BLOCK]; BLOCKS],
            most_ready: 1,
            next: None,
            turn: 0,
            ended: false,
            error: None,
            closed: false,
        }
    }

    fn go_on_at(&mut self, offset: u64) {
        self.free.extend(self.ready.drain(..).map(|block| block.data));
        (self.next, self.ended, self.error) = (Some(offset), false, None);
        (self.turn, self.most_ready) = (self.turn + 1, 1);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'g>(&self, state: MutexGuard<'g, State>) -> MutexGuard<'g, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads until it is closed.
    fn read(&self, file: &mut (impl Read + Seek)) {
        let _closing = Closing(self);
        let mut stands_at = None;
        let mut state = self.lock();
        while !state.closed {
            let room = state.ready.len() < state.most_ready && !state.free.is_empty();
            let (Some(start), false, true) = (state.next, state.ended, room) else {
                state = self.wait(state);
                continue;
            };
            let (mut data, turn) = (state.free.pop().unwrap_or_default(), state.turn);
            drop(state);
            let moved = if stands_at == Some(start) { Ok(start) } else { file.seek(SeekFrom::Start(start)) };
            let read = moved.and_then(|_| read_block(file, &mut data));
            let len = *read.as_ref().unwrap_or(&0);
            stands_at = read.is_ok().then_some(start + len as u64);
            state = self.lock();
            if state.turn != turn {
                state.free.push(data);
                continue;
            }
            (state.next, state.ended, state.error) = (Some(start + len as u64), len < data.len(), read.err());
            state.ready.push_back(Block { start, data, len });
            self.changed.notify_all();
        }
    }
}

/// Ends the other side when it is dropped, for whatever reason.
struct Closing<'a>(&'a Shared);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.changed.notify_all();
    }
}

/// The input.
pub(super) struct Ahead<'a> {
    shared: &'a Shared,
    /// The block at hand.
    block: Block,
    at: u64,
}

impl Ahead<'_> {
    /// Gets the block in which the place lies. It is empty at the end of the file.
    fn next_block(&mut self) -> io::Result<()> {
        let mut state = self.shared.lock();
        let used = std::mem::take(&mut self.block).data;
        if !used.is_empty() {
            state.free.push(used);
        }
        let ahead = state.ready.front().map(|block| block.start).or(state.next);
        if ahead.is_none_or(|start| self.at < start) || state.next.is_none_or(|next| self.at > next) {
            state.go_on_at(self.at);
        }
        self.shared.changed.notify_all();
        loop {
            match state.ready.pop_front() {
                Some(block) if block.len > 0 && block.end() <= self.at => {
                    state.free.push(block.data);
                    self.shared.changed.notify_all();
                }
                Some(block) if block.len > 0 => {
                    state.most_ready = BLOCKS.min(2 * state.most_ready);
                    self.shared.changed.notify_all();
                    self.block = block;
                    return Ok(());
                }
                Some(block) => state.free.push(block.data),
                None => {
                    if let Some(error) = state.error.take() {
                        return Err(error);
                    }
                    if state.ended {
                        return Ok(());
                    }
                    if state.closed {
                        return Err(io::Error::other("the thread that reads ahead has ended"));
                    }
                    state = self.shared.wait(state);
                }
            }
        }
    }
}

impl Read for Ahead<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !(self.block.start..self.block.end()).contains(&self.at) {
            self.next_block()?;
        }
        let within = usize::try_from(self.at - self.block.start.min(self.at)).unwrap_or(usize::MAX);
        let rest = self.block.data.get(within..self.block.len).unwrap_or_default();
        let n = rest.len().min(buffer.len());
        buffer[..n].copy_from_slice(&rest[..n]);
        self.at += n as u64;
        Ok(n)
    }
}

impl Seek for Ahead<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.at = match to {
            SeekFrom::Start(offset) => offset,
            SeekFrom::Current(by) => self.at.checked_add_signed(by).ok_or(io::ErrorKind::InvalidInput)?,
            SeekFrom::End(_) => return Err(io::ErrorKind::Unsupported.into()),
        };
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;
    use testkit::rng::Rng;

    #[test]
    fn gives_what_the_file_gives() -> io::Result<()> {
        let mut rng = Rng::new(11);
        let data = rng.bytes(3 * BLOCK + 1000);
        for _ in 0..20 {
            let mut file = Cursor::new(&data);
            with(&mut Cursor::new(&data), |mut ahead| {
                for _ in 0..rng.size(1..=40) {
                    if rng.chance(30) {
                        let to = SeekFrom::Start(rng.below(data.len() as u64 + 100));
                        assert_eq!(ahead.seek(to)?, file.seek(to)?);
                    }
                    let (mut a, mut b) = (vec![0; rng.size(0..=BLOCK + 10)], Vec::new());
                    let wanted = a.len();
                    let n = read_block(&mut ahead, &mut a)?;
                    file.by_ref().take(wanted as u64).read_to_end(&mut b)?;
                    assert_eq!((n, &a[..n]), (b.len(), &b[..]));
                    // At the end the cursor stands where it was, whatever was asked for.
                    file.set_position(ahead.stream_position()?);
                }
                io::Result::Ok(())
            })?;
        }
        Ok(())
    }

    /// Fails, or panics, behind its first bytes.
    struct Bad(bool);

    impl Read for Bad {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            assert!(!self.0, "a reader that panics");
            Err(io::Error::other("gone"))
        }
    }

    impl Seek for Bad {
        fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
            Ok(0)
        }
    }

    #[test]
    fn a_file_that_fails() {
        let read = |mut ahead: Ahead<'_>| ahead.read(&mut [0; 10]).map_err(|error| error.to_string());
        assert_eq!(with(&mut Bad(false), read), Err("gone".to_owned()));
    }

    #[test]
    #[should_panic(expected = "a scoped thread panicked")]
    fn a_file_that_panics() {
        with(&mut Bad(true), |mut ahead| ahead.read(&mut [0; 10]).is_err());
    }
}
