//! The commands of an append-only file, as another server takes them.

use std::io::{self, Read, Seek, SeekFrom, Write};

use crate::ReadError;
use crate::aof::{Grammar, Reader, Record};

/// What is copied at a time.
const BLOCK: usize = 1 << 20;

/// Copies the commands of an append-only file, behind the RDB image that it may begin with; returns how many there are. `records` and
/// `bytes` are both the file, from its start. Annotations, which servers know from 7.0 on, are copied if that is asked for.
///
/// # Errors
/// If an input or the output fails, or the bytes leave no way on.
///
/// # Examples
/// ```
/// use redis_persistence::rewrite::aof::commands;
///
/// let file = b"#TS:1700000000\r\n*1\r\n$8\r\nFLUSHALL\r\n";
/// let mut out = Vec::new();
/// assert_eq!(commands(&file[..], std::io::Cursor::new(file), false, &mut out)?, 1);
/// assert_eq!(out, b"*1\r\n$8\r\nFLUSHALL\r\n");
/// # Ok::<(), redis_persistence::ReadError>(())
/// ```
pub fn commands(
    records: impl Read,
    mut bytes: impl Read + Seek,
    annotations: bool,
    out: &mut dyn Write,
) -> Result<u64, ReadError> {
    let mut reader = Reader::behind_image(records, Grammar::Loader)?;
    let mut count = 0;
    // What is to be copied, up to the next record.
    let start = reader.image().map_or(0, |image| image.end);
    let (mut from, mut to) = (start, start);
    while let Some(record) = reader.next_record()? {
        let (start, end) = (record.start(), record.end());
        let is_kept = match record {
            Record::Command(_) => {
                count += 1;
                true
            }
            Record::Annotation(_) => annotations,
        };
        if is_kept {
            to = end;
        } else {
            copy(&mut bytes, from, start, out)?;
            (from, to) = (end, end);
        }
    }
    copy(&mut bytes, from, to, out)?;
    Ok(count)
}

/// Copies bytes of a file.
///
/// # Errors
/// If the input or the output fails, or the file is shorter.
pub fn copy(bytes: &mut (impl Read + Seek), from: u64, to: u64, out: &mut dyn Write) -> io::Result<()> {
    bytes.seek(SeekFrom::Start(from))?;
    let mut left = to.saturating_sub(from);
    let mut block = vec![0; usize::try_from(left).unwrap_or(BLOCK).min(BLOCK)];
    while left > 0 {
        let len = usize::try_from(left).unwrap_or(BLOCK).min(block.len());
        bytes.read_exact(&mut block[..len])?;
        out.write_all(&block[..len])?;
        left -= len as u64;
    }
    Ok(())
}
