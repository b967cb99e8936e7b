//! Verifying what an asynchronous input delivers, such as a socket or an object store's response. Feature `tokio`.
//!
//! The work between two reads is done on the task that awaits it: some milliseconds for each mebibyte. Where that is too much
//! for the other tasks of a thread, feed a [`verify::Push`] on a thread for blocking work.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::rdb::Event;
use crate::rdb::push::Push;
use crate::report::Report;
use crate::verify::{self, Options};

/// What is read at a time.
const CHUNK: usize = 64 << 10;

/// Verifies an RDB up to the end of an input.
///
/// # Errors
/// If the input fails. Damage is no error, but findings.
///
/// # Examples
/// ```
/// use redis_persistence::asynchronous;
/// use redis_persistence::verify::{Options, Verdict};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let upload = &b"REDIS0004\xfe\x00\x00\x01k\x01v\xff"[..];
/// let report = asynchronous::verify(upload, &Options::default()).await?;
/// assert_eq!(report.verdict, Verdict::Sound);
/// # Ok::<(), std::io::Error>(())
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub async fn verify(mut input: impl AsyncRead + Unpin, options: &Options) -> io::Result<Report> {
    let mut push = verify::Push::new(options);
    let mut chunk = vec![0; CHUNK];
    loop {
        match input.read(&mut chunk).await? {
            0 => return Ok(push.finish()),
            n => push.feed(&chunk[..n]),
        }
    }
}

/// Reads the events of an RDB, and calls `on` for each. What follows the end of the records is read and passed over.
///
/// # Errors
/// If the input fails, or if its bytes leave no way on; the latter as [`io::ErrorKind::InvalidData`] around the
/// [`Error`](crate::Error).
pub async fn events(mut input: impl AsyncRead + Unpin, mut on: impl FnMut(Event<&[u8]>)) -> io::Result<()> {
    let damaged = |error| io::Error::new(io::ErrorKind::InvalidData, error);
    let mut push = Push::default();
    let mut chunk = vec![0; CHUNK];
    loop {
        match input.read(&mut chunk).await? {
            0 => return push.finish(|event, _| on(event)).map_err(damaged),
            n => {
                push.feed(&chunk[..n], |event, _| on(event)).map_err(damaged)?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rdb::Payload;
    use crate::report::Verdict;

    /// Returns a file of two keys, which comes in pieces of a few bytes with pauses between them.
    fn trickle(bytes: &'static [u8]) -> impl AsyncRead + Unpin {
        let (mut writer, reader) = tokio::io::duplex(7);
        tokio::spawn(async move {
            for piece in bytes.chunks(5) {
                tokio::task::yield_now().await;
                // The reader may have given up.
                let _ = tokio::io::AsyncWriteExt::write_all(&mut writer, piece).await;
            }
        });
        reader
    }

    const FILE: &[u8] = b"REDIS0004\xfe\x00\x00\x01k\x01v\x00\x01l\x0a0123456789\xff";

    #[tokio::test]
    async fn what_trickles_in_has_the_report_of_the_whole() -> io::Result<()> {
        let report = verify(trickle(FILE), &Options::default()).await?;
        assert_eq!(report, verify::slice(FILE, &Options::default()));
        let cut = verify(trickle(&FILE[..25]), &Options::default()).await?;
        assert_eq!(cut.verdict, Verdict::Damaged);
        Ok(())
    }

    #[tokio::test]
    async fn events_come_as_from_a_slice() -> io::Result<()> {
        let mut keys = 0;
        events(trickle(FILE), |event| keys += usize::from(matches!(event.payload, Payload::Record(_)))).await?;
        assert_eq!(keys, 2);
        let error = events(trickle(&FILE[..25]), |_| ()).await.expect_err("it is cut");
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        Ok(())
    }
}
