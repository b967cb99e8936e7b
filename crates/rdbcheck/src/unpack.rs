//! Inputs as backups store them: one stream, packed by gzip, zstd, lz4 or xz.
//!
//! ```text
//! packed bytes -> [ a thread of its own: decoder -> Budget -> blocks ] -> channel -> Read
//!                                                     ^---- emptied blocks ----'
//! ```
//! The decoder has its own thread, so that the check takes no longer than the unpacking. A handful of blocks goes around,
//! whatever the size of the stream.

mod budget;
mod decode;
#[cfg(feature = "packed")]
mod gzip;
#[cfg(feature = "packed")]
mod lz4;
mod packing;
#[cfg(feature = "packed")]
mod valkey;

use std::io::{self, Read};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};

pub use budget::Budget;
pub use packing::Packing;

use crate::stores;

/// How many unpacked bytes go through the channel at once.
const BLOCK: usize = 256 << 10;
/// How many blocks may wait.
const AHEAD: usize = 4;

/// How much memory a decoder may take for its window, unless told otherwise: all presets but `--ultra` and `--long` keep to it.
pub const MEMORY: u64 = 64 << 20;

/// What is wrong with the packing itself, once that was found out: what came before was read as it is.
pub type Damage = Arc<OnceLock<String>>;

/// What lies in a packed stream. Where its packing is damaged it ends, and [`Unpacked::damage`] says so; an error is only what
/// keeps all of it from being read, and a limit.
#[derive(Debug)]
pub struct Unpacked {
    filled: Option<Receiver<io::Result<Vec<u8>>>>,
    emptied: Sender<Vec<u8>>,
    block: Vec<u8>,
    at: usize,
    worker: Option<JoinHandle<()>>,
    unpacked: u64,
    damage: Damage,
}

impl Unpacked {
    /// Unpacks a stream from where it stands to its end, within a budget.
    ///
    /// # Errors
    /// If this build cannot unpack that, or the system gives no thread. Damage of the stream is an error of reading.
    pub fn new(input: impl Read + Send + 'static, packing: Packing, budget: Budget, memory: u64) -> io::Result<Self> {
        packing.admit()?;
        let (filled, from_worker) = mpsc::sync_channel(AHEAD);
        let (emptied, to_worker) = mpsc::channel();
        let worker = thread::Builder::new().name(format!("un{packing}")).spawn(move || {
            if let Err(error) = work(input, packing, (budget, memory), &filled, &to_worker) {
                // Nobody waits for it any more if this fails.
                let _ = filled.send(Err(error));
            }
        })?;
        Ok(Self {
            filled: Some(from_worker),
            emptied,
            block: Vec::new(),
            at: 0,
            worker: Some(worker),
            unpacked: 0,
            damage: Damage::default(),
        })
    }

    /// Returns where it will be said what is wrong with the packing.
    #[must_use]
    pub fn damage(&self) -> Damage {
        Arc::clone(&self.damage)
    }

    /// Returns the next bytes, at most `most` of them and no more than a block, which stay to be read.
    ///
    /// # Errors
    /// As those of reading.
    pub fn head(&mut self, most: usize) -> io::Result<&[u8]> {
        while self.at == self.block.len() && self.next_block()? {}
        let rest = &self.block[self.at..];
        Ok(&rest[..rest.len().min(most)])
    }

    /// Waits for the next block. At the end of the stream there is none.
    fn next_block(&mut self) -> io::Result<bool> {
        let Some(filled) = &self.filled else { return Ok(false) };
        let block = match filled.recv() {
            Ok(Ok(block)) => block,
            Ok(Err(error)) if self.unpacked > 0 && is_damage(&error) => {
                self.filled = None;
                let _ = self.damage.set(error.to_string());
                return Ok(false);
            }
            Ok(Err(error)) => return Err(error),
            Err(_) => {
                self.filled = None;
                let failed = self.worker.take().is_some_and(|worker| worker.join().is_err());
                return if failed { Err(io::Error::other("the decoder failed")) } else { Ok(false) };
            }
        };
        self.unpacked += block.len() as u64;
        let used = std::mem::replace(&mut self.block, block);
        self.at = 0;
        // The worker is gone by now, or takes it.
        let _ = self.emptied.send(used);
        Ok(true)
    }
}

/// Returns the same on the calling thread, within the usual limits.
///
/// # Errors
/// If this build cannot unpack that.
pub(crate) fn inline<'i>(input: impl Read + Send + 'i, packing: Packing) -> io::Result<Box<dyn Read + Send + 'i>> {
    let (input, packed) = budget::counted(input);
    let decoder = decode::decoder(packing, input, MEMORY)?;
    Ok(Box::new(Bounded { decoder, packed, unpacked: 0 }))
}

/// What a decoder gives, within the budget.
struct Bounded<R> {
    decoder: R,
    packed: budget::Count,
    unpacked: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.decoder.read(buffer)?;
        self.unpacked += n as u64;
        Budget::Usual.admit(self.unpacked, self.packed.get())?;
        Ok(n)
    }
}

/// Unpacks until the stream or the reader's wish ends.
fn work(
    input: impl Read + Send + 'static,
    packing: Packing,
    (budget, memory): (Budget, u64),
    filled: &SyncSender<io::Result<Vec<u8>>>,
    emptied: &Receiver<Vec<u8>>,
) -> io::Result<()> {
    let (input, packed) = budget::counted(input);
    let mut decoder = decode::decoder(packing, input, memory).map_err(|error| explained(packing, memory, 0, error))?;
    let mut unpacked = 0;
    loop {
        let mut block = emptied.try_recv().unwrap_or_default();
        block.clear();
        let outcome = decoder.by_ref().take(BLOCK as u64).read_to_end(&mut block);
        let length = block.len() as u64;
        if length > 0 && filled.send(Ok(block)).is_err() {
            return Ok(());
        }
        unpacked += length;
        outcome.map_err(|error| explained(packing, memory, unpacked, error))?;
        if length == 0 {
            return Ok(());
        }
        budget.admit(unpacked, packed.get())?;
    }
}

/// Returns whether an error is damage of the packed stream: neither a failure of the input nor a limit.
pub(crate) fn is_damage(error: &io::Error) -> bool {
    let limit = matches!(error.kind(), io::ErrorKind::FileTooLarge | io::ErrorKind::Unsupported);
    !stores::is_of_input(error) && !limit
}

/// Returns an error of the decoder, with what was being read and how far it came.
pub(crate) fn explained(packing: Packing, memory: u64, unpacked: u64, error: io::Error) -> io::Error {
    let what = match error.kind() {
        _ if stores::is_of_input(&error) => return error,
        _ if decode::is_limit(&error) => {
            let why =
                format!("{packing}: unpacking takes more than {memory} bytes of memory; --unpack-memory allows more");
            return io::Error::new(io::ErrorKind::FileTooLarge, why);
        }
        io::ErrorKind::UnexpectedEof => "the packed data end too early".to_owned(),
        _ => format!("the packed data are damaged ({error})"),
    };
    io::Error::new(error.kind(), format!("{packing}: {what}, after {unpacked} unpacked bytes"))
}

impl Read for Unpacked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.block.len() && !self.next_block()? {
            return Ok(0);
        }
        let rest = &self.block[self.at..];
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        self.at += length;
        Ok(length)
    }
}

impl Drop for Unpacked {
    fn drop(&mut self) {
        // The worker sees a closed channel at its next block, and ends.
        self.filled = None;
        if let Some(worker) = self.worker.take() {
            let _ = worker.join();
        }
    }
}

#[cfg(test)]
mod tests;
