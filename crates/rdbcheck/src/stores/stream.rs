//! What a server gives as a whole alone, from its start to its end.

use std::fmt;
use std::io::{self, Read};

use bytes::{Buf as _, Bytes};
use tokio::sync::mpsc::{self, Receiver};

use super::connect::spawn;
use super::failed::Failed;
use super::fetch::Answer;

/// So many pieces of an answer may wait, each of what came at once.
const AHEAD: usize = 64;

/// An answer, read while it comes.
pub struct Stream {
    size: u64,
    coming: Receiver<Result<Bytes, Failed>>,
    bytes: Bytes,
    failed: Option<Failed>,
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("size", &self.size).finish_non_exhaustive()
    }
}

impl Stream {
    pub(super) fn new(size: u64, mut answer: Answer) -> Result<Self, Failed> {
        let (sender, coming) = mpsc::channel(AHEAD);
        spawn(async move {
            loop {
                let next = answer.next().await.transpose();
                let Some(next) = next else { return };
                let failed = next.is_err();
                // The reader may be gone.
                if sender.send(next).await.is_err() || failed {
                    return;
                }
            }
        })?;
        Ok(Self { size, coming, bytes: Bytes::new(), failed: None })
    }

    /// Returns how many bytes it will give.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.bytes.is_empty() && !buffer.is_empty() {
            if let Some(failed) = &self.failed {
                return Err(failed.clone().into());
            }
            match self.coming.blocking_recv() {
                Some(Ok(bytes)) => self.bytes = bytes,
                Some(Err(failed)) => self.failed = Some(failed),
                None => return Ok(0),
            }
        }
        let n = self.bytes.len().min(buffer.len());
        buffer[..n].copy_from_slice(&self.bytes[..n]);
        self.bytes.advance(n);
        Ok(n)
    }
}
