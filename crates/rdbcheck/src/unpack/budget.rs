//! How much a packed stream may unpack to: a bomb of a few kilobytes must not keep a machine busy for a day.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A stream may unpack to that much, however small it is.
const FREE: u64 = 4 << 30;
/// Beyond that, to so many times its own size. Dumps of one text over and over stay below it.
const RATIO: u64 = 250;

/// The most bytes that a stream may unpack to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Budget {
    /// 4 GiB, or 250 times what was read of the stream if that is more.
    #[default]
    Usual,
    /// This many bytes.
    Bytes(u64),
}

impl Budget {
    /// Lets so many unpacked bytes pass, for which so many packed ones were read.
    pub(crate) fn admit(self, unpacked: u64, packed: u64) -> io::Result<()> {
        let most = match self {
            Self::Usual => FREE.max(packed.saturating_mul(RATIO)),
            Self::Bytes(most) => most,
        };
        if unpacked <= most {
            return Ok(());
        }
        let why = format!(
            "{packed} packed bytes unpack to more than {most}: no dump does, unless --max-unpacked says that this one may"
        );
        Err(io::Error::new(io::ErrorKind::FileTooLarge, why))
    }
}

/// What was read of an input so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Count(Arc<AtomicU64>);

impl Count {
    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counts what is read of an input.
pub(super) fn counted<R: Read>(input: R) -> (Counted<R>, Count) {
    let count = Count::default();
    (Counted { input, count: count.clone() }, count)
}

/// An input that is counted.
#[derive(Debug)]
pub(super) struct Counted<R> {
    input: R,
    count: Count,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.input.read(buffer)?;
        self.count.0.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}
