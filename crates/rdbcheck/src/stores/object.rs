//! An object, read at any place: by ranged requests, several at once where it is read in order.
//!
//! ```text
//!            run.start              the reader                         run.end
//! object  ...[ here | here | here | here | here | coming | coming | coming ]....
//!                                        |--------- at most AHEAD ---------|
//! ```
//! A reader that goes on has the next pieces fetched before it asks, the more of them the further it came. One that jumps begins
//! anew, with a small piece. All pieces together keep to a bound: those that nobody asked for the longest time are dropped.

use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use redis_persistence::verify::ReadAt;
use tokio::task::AbortHandle;

use super::address::Address;
use super::connect::{spawn, wait};
use super::failed::Failed;
use super::fetch::{Begun, Mark, Source};
use super::listing;
use super::stream::Stream;

/// The largest piece.
const PIECE: u64 = 4 << 20;
/// The first piece of a reader that jumped.
const FIRST: u64 = 256 << 10;
/// How far before a reader pieces are fetched.
const AHEAD: u64 = 16 << 20;
/// How much may be there or coming.
const MOST: u64 = 24 << 20;

/// What was opened.
#[derive(Debug)]
pub enum Opened {
    /// All of a small object.
    Whole(Vec<u8>),
    /// An object that can be read at any place.
    Object(Object),
    /// What a server gives as a whole alone.
    Stream(Stream),
}

/// Opens what lies at an address.
///
/// # Errors
/// If it is no address, there is nothing, or it may not be read. The text says which, without the address and without secrets.
pub fn open(path: &Path) -> io::Result<Opened> {
    let address = Address::of(path).ok_or(io::ErrorKind::InvalidInput)?;
    if address.is_prefix() {
        let why = match listing::list(path)?.is_empty() {
            true => Failed::new(io::ErrorKind::NotFound, "there is no object below it"),
            false => Failed::new(io::ErrorKind::IsADirectory, "it is a prefix, and no object"),
        };
        return Err(why.into());
    }
    let source = Source::of(address)?;
    let begun = source.clone();
    Ok(match wait(async move { begun.begin().await })? {
        Begun::Whole(bytes) => Opened::Whole(bytes),
        Begun::Head { mark, size, bytes } => Opened::Object(Object::new(source, mark, size, bytes)),
        Begun::Stream { size, stream } => Opened::Stream(Stream::new(size, stream)?),
    })
}

/// An object that can be read at any place, by several threads at once. It stays the one that was opened: where another one took its
/// place meanwhile, reading fails.
#[derive(Debug)]
pub struct Object(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    source: Source,
    mark: Mark,
    size: u64,
    state: Mutex<State>,
    arrived: Condvar,
}

#[derive(Debug)]
struct State {
    pieces: Vec<Piece>,
    /// What was asked for in order, from where to where.
    run: (u64, u64),
    /// Where the reader is.
    at: u64,
    /// Counts the questions.
    clock: u64,
    spare: Vec<Vec<u8>>,
}

#[derive(Debug)]
struct Piece {
    start: u64,
    len: u64,
    filled: Filled,
    /// When it was last asked for.
    used: u64,
}

#[derive(Debug)]
enum Filled {
    Coming(AbortHandle),
    Here(Arc<Vec<u8>>),
    Failed(Failed),
}

impl Object {
    fn new(source: Source, mark: Mark, size: u64, head: Vec<u8>) -> Self {
        let len = head.len() as u64;
        let first = Piece { start: 0, len, filled: Filled::Here(Arc::new(head)), used: 0 };
        let state = State { pieces: vec![first], run: (0, len), at: 0, clock: 0, spare: Vec::new() };
        let (state, arrived) = (Mutex::new(state), Condvar::new());
        Self(Arc::new(Inner { source, mark, size, state, arrived }))
    }

    /// Returns how many bytes it has.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.0.size
    }
}

impl ReadAt for Object {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let inner = &self.0;
        if offset >= inner.size || buffer.is_empty() {
            return Ok(0);
        }
        let (start, bytes) = inner.piece_at(offset, buffer.len() as u64)?;
        let rest = usize::try_from(offset - start).ok().and_then(|at| bytes.get(at..)).unwrap_or_default();
        let n = rest.len().min(buffer.len());
        buffer[..n].copy_from_slice(&rest[..n]);
        Ok(n)
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the piece in which an offset lies.
    fn piece_at(self: &Arc<Self>, offset: u64, len: u64) -> Result<(u64, Arc<Vec<u8>>), Failed> {
        let mut state = self.lock();
        state.clock += 1;
        state.at = offset;
        loop {
            if state.find(offset).is_none() {
                let (_, end) = state.run;
                let goes_on = offset == end;
                if !goes_on {
                    state.run = (offset, offset);
                }
                let len = if goes_on { state.step() } else { FIRST };
                self.ask(&mut state, offset, len, true)?;
            }
            self.read_ahead(&mut state, offset, len)?;
            let clock = state.clock;
            match state.find(offset) {
                Some(Piece { filled: Filled::Here(bytes), start, used, .. }) => {
                    *used = clock;
                    return Ok((*start, Arc::clone(bytes)));
                }
                Some(Piece { filled: Filled::Failed(failed), .. }) => return Err(failed.clone()),
                Some(piece) => piece.used = clock,
                None => {}
            }
            state = self.arrived.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Has the next pieces fetched, where a reader goes on.
    fn read_ahead(self: &Arc<Self>, state: &mut State, offset: u64, len: u64) -> Result<(), Failed> {
        let (start, end) = state.run;
        if !(start..end).contains(&offset) {
            return Ok(());
        }
        let came = offset + len - start;
        let ahead = offset.saturating_add((4 * came).min(AHEAD)).min(self.size);
        while state.run.1 < ahead {
            let (next, len) = (state.run.1, state.step());
            if !self.ask(state, next, len, false)? {
                break;
            }
        }
        Ok(())
    }

    /// Asks for a piece, which may already be there. Answers whether there was room, which there is for what is needed.
    fn ask(self: &Arc<Self>, state: &mut State, start: u64, len: u64, needed: bool) -> Result<bool, Failed> {
        let next = state.pieces.iter().map(|piece| piece.start).filter(|at| *at > start).min().unwrap_or(self.size);
        let end = start.saturating_add(len).min(self.size).min(next);
        if let Some(piece) = state.find(start) {
            state.run.1 = piece.start + piece.len;
            return Ok(true);
        }
        if !state.make_room(end - start) && !needed {
            return Ok(false);
        }
        let (buffer, source, mark) = (state.spare.pop().unwrap_or_default(), self.source.clone(), self.mark.clone());
        let inner = Arc::downgrade(self);
        let task = spawn(async move {
            let got = source.piece(&mark, start..end, buffer).await;
            if let Some(inner) = inner.upgrade() {
                inner.take(start, got);
            }
        })?;
        let filled = Filled::Coming(task.abort_handle());
        state.pieces.push(Piece { start, len: end - start, filled, used: state.clock });
        state.run.1 = end;
        Ok(true)
    }

    /// Takes what came of a request.
    fn take(&self, start: u64, got: Result<Vec<u8>, Failed>) {
        let mut state = self.lock();
        if let Some(piece) = state.pieces.iter_mut().find(|piece| piece.start == start) {
            piece.filled = match got {
                Ok(bytes) => Filled::Here(Arc::new(bytes)),
                Err(failed) => Filled::Failed(failed),
            };
        }
        drop(state);
        self.arrived.notify_all();
    }
}

impl State {
    fn find(&mut self, offset: u64) -> Option<&mut Piece> {
        self.pieces.iter_mut().find(|piece| (piece.start..piece.start + piece.len).contains(&offset))
    }

    /// How long the next piece of the run is to be.
    fn step(&self) -> u64 {
        (self.run.1 - self.run.0).clamp(FIRST, PIECE)
    }

    /// Drops what was not asked for the longest, until there is room. What is coming stays.
    fn make_room(&mut self, len: u64) -> bool {
        loop {
            let total: u64 = self.pieces.iter().map(|piece| piece.len).sum();
            if total + len <= MOST {
                return true;
            }
            let here = self.pieces.iter().enumerate().filter(|(_, piece)| matches!(piece.filled, Filled::Here(_)));
            let (start, end) = self.run;
            let is_ahead = |piece: &Piece| piece.start + piece.len > self.at && (start..end).contains(&piece.start);
            let old = here.filter(|(_, piece)| !is_ahead(piece)).min_by_key(|(_, piece)| (piece.used, piece.start));
            let Some((at, _)) = old else { return false };
            if let Filled::Here(bytes) = self.pieces.swap_remove(at).filled
                && let Ok(bytes) = Arc::try_unwrap(bytes)
                && bytes.capacity() as u64 >= PIECE
            {
                self.spare.push(bytes);
                self.spare.truncate(1);
            }
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        for piece in &state.pieces {
            if let Filled::Coming(task) = &piece.filled {
                task.abort();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(len: usize) -> Vec<u8> {
        (0..len).map(|at| at.wrapping_mul(0x9e37_79b9).to_be_bytes()[4]).collect()
    }

    fn opened(bytes: Vec<u8>) -> io::Result<(Source, Object)> {
        let (source, begun) = wait(async move {
            let source = Source::in_memory(bytes).await?;
            let begun = source.begin().await?;
            Ok((source, begun))
        })?;
        match begun {
            Begun::Head { mark, size, bytes } => Ok((source.clone(), Object::new(source, mark, size, bytes))),
            _ => Err(io::Error::other("it is small")),
        }
    }

    /// Reads one place, all of it.
    fn read(object: &Object, offset: usize, len: usize) -> io::Result<Vec<u8>> {
        let mut read = vec![0; len];
        let mut filled = 0;
        while filled < len {
            match object.read_at(&mut read[filled..], (offset + filled) as u64)? {
                0 => break,
                n => filled += n,
            }
        }
        read.truncate(filled);
        Ok(read)
    }

    #[test]
    fn any_place_is_read_within_the_bound() -> io::Result<()> {
        let all = bytes(50_000_000);
        let (_, object) = opened(all.clone())?;
        let check = |offset: usize, len: usize| {
            let there = &all[offset.min(all.len())..all.len().min(offset + len)];
            assert!(read(&object, offset, len)? == there, "{offset} {len}");
            let state = object.0.lock();
            let held: u64 = state.pieces.iter().map(|piece| piece.len).sum();
            assert!(held <= MOST + FIRST, "{held} bytes are held at {offset}");
            Ok::<_, io::Error>(())
        };
        for offset in (0..all.len()).step_by(512 << 10) {
            check(offset, 512 << 10)?;
        }
        let mut state = 7_u64;
        for _ in 0..300 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            check((state >> 33) as usize % (all.len() + 1000), (state >> 20) as usize % 100_000)?;
        }
        // Two that go on side by side, and one that goes back.
        for step in 0..100 {
            check(step * 100_000, 100_000)?;
            check(40_000_000 - step * 100_000, 100_000)?;
        }
        check(all.len() - 1, 10)
    }

    #[test]
    fn threads_read_at_once() -> io::Result<()> {
        let all = bytes(30_000_000);
        let (_, object) = opened(all.clone())?;
        std::thread::scope(|scope| {
            let readers = (0..4_usize).map(|reader| {
                let (all, object) = (&all, &object);
                scope.spawn(move || {
                    for block in (reader..57).step_by(4) {
                        let offset = block * (512 << 10);
                        let there = &all[offset..all.len().min(offset + (512 << 10))];
                        assert!(read(object, offset, there.len()).is_ok_and(|read| read == there), "{block}");
                    }
                })
            });
            readers.collect::<Vec<_>>().into_iter().try_for_each(|reader| reader.join())
        })
        .map_err(|_| io::Error::other("a reader failed"))
    }

    #[test]
    fn an_object_in_its_place_is_an_error() -> io::Result<()> {
        let (source, object) = opened(bytes(20_000_000))?;
        wait(async move { source.replace(bytes(20_000_000)).await })?;
        assert!(read(&object, 0, 1000).is_ok(), "that was there already");
        let error = read(&object, 15_000_000, 10).expect_err("it is another object");
        assert_eq!(error.to_string(), "the object was replaced while it was read: read it again");
        Ok(())
    }
}
