//! What an interrupted write leaves at the end of a file, told apart from damage.
//!
//! ```text
//! torn            a command as a writer makes it, and the file ends inside it
//! zeros           nothing but zeros from a boundary on: the file system had given the room, and the bytes never came
//! torn, zeros     both: a command that goes over into zeros, which last to the end
//! ```
//! A length with a wrong digit looks like a torn command too, one that takes in whatever follows. So a torn command that holds
//! the head of another one is damage, though its value may have been meant to hold that.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use crate::aof::{Grammar, Reader};
use crate::{ErrorKind, ReadError};

/// What is read at a time.
const BLOCK: usize = 64 << 10;
/// The longest head that is looked for: `CR LF * count CR LF $`, with a count of ten digits.
const HEAD: usize = 16;
/// Servers take no longer value by default, and write hardly a command of more arguments: what claims more was damaged.
const LONGEST: u64 = 512 << 20;
const MOST: u64 = 1 << 20;

/// What lies at the end of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::repair) enum Tail {
    /// The file ends inside a command.
    Torn,
    /// There are only zeros.
    Zeros,
    /// A command goes over into zeros.
    TornThenZeros,
    /// The file ends inside a command that holds the head of another one, or claims to be longer than any.
    Swallowing,
    /// Anything else.
    Foreign,
}

/// Tells what the bytes from `start` to the end of the file are; a record should begin at `start`.
pub(in crate::repair) fn classify(file: &mut File, start: u64, size: u64) -> io::Result<Tail> {
    let zeros = zeros_from(file, start, size)?;
    if zeros == start {
        return Ok(Tail::Zeros);
    }
    let mut reader = Reader::at(file.try_clone()?, Grammar::Strict, start)?;
    let tail = match reader.next_record() {
        Err(ReadError::Io(error)) => return Err(error),
        Err(ReadError::Parse(error)) => match error.kind() {
            ErrorKind::UnexpectedEof { missing } => {
                let argc = reader.parser().unfinished().map_or(0, |command| command.argc());
                if *missing > LONGEST || argc > MOST { Tail::Swallowing } else { Tail::Torn }
            }
            _ if zeros < size && error.failed_at() >= zeros => Tail::TornThenZeros,
            // A line end that is not whole fails at its CR.
            _ if zeros < size && error.failed_at() + 1 == zeros && byte_at(file, zeros - 1)? == b'\r' => {
                Tail::TornThenZeros
            }
            _ => Tail::Foreign,
        },
        Ok(_) => Tail::Foreign,
    };
    let is_tear = matches!(tail, Tail::Torn | Tail::TornThenZeros);
    Ok(if is_tear && holds_a_head(file, start + 1, zeros)? { Tail::Swallowing } else { tail })
}

/// Returns where the zeros at the end of the file begin, not before `start`.
pub(in crate::repair) fn zeros_from(file: &mut File, start: u64, size: u64) -> io::Result<u64> {
    let mut block = vec![0; BLOCK];
    let mut end = size;
    while end > start {
        let from = end.saturating_sub(BLOCK as u64).max(start);
        let block = &mut block[..usize::try_from(end - from).unwrap_or(BLOCK)];
        file.seek(SeekFrom::Start(from))?;
        file.read_exact(block)?;
        if let Some(last) = block.iter().rposition(|byte| *byte != 0) {
            return Ok(from + last as u64 + 1);
        }
        end = from;
    }
    Ok(start)
}

fn byte_at(file: &mut File, at: u64) -> io::Result<u8> {
    let mut byte = [0];
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(&mut byte)?;
    Ok(byte[0])
}

/// Returns whether the first lines of a record stand somewhere from `from` to `to`, after a line end.
fn holds_a_head(file: &mut File, from: u64, to: u64) -> io::Result<bool> {
    file.seek(SeekFrom::Start(from))?;
    let mut input = file.take(to.saturating_sub(from));
    let mut window = Vec::with_capacity(BLOCK + HEAD);
    loop {
        let read = input.by_ref().take(BLOCK as u64).read_to_end(&mut window)?;
        if memchr::memmem::find_iter(&window, b"\r\n*").any(|at| is_head(&window[at + 3..])) {
            return Ok(true);
        }
        if read == 0 {
            return Ok(false);
        }
        window.drain(..window.len().saturating_sub(HEAD));
    }
}

/// A count and the `$` of the first argument.
fn is_head(bytes: &[u8]) -> bool {
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    digits > 0 && bytes[digits..].starts_with(b"\r\n$")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use std::io::Write;

    fn tail(data: &[u8]) -> Tail {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(data).unwrap();
        classify(&mut file, 0, data.len() as u64).unwrap()
    }

    #[test]
    fn every_cut_of_a_record_is_torn() {
        let record = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$12\r\nvalue\0\0value\r\n";
        for end in 1..record.len() {
            assert_eq!(tail(&record[..end]), Tail::Torn, "{end}");
            for zeros in [1, 2, 100_000] {
                let data = [&record[..end], &vec![0; zeros]].concat();
                let torn = matches!(tail(&data), Tail::Torn | Tail::TornThenZeros);
                assert!(torn, "{end} {zeros}");
            }
        }
        assert_eq!(tail(&[0; 3]), Tail::Zeros);
    }

    #[test]
    fn a_wrong_length_is_not_a_tear() {
        let next = "*1\r\n$4\r\nPING\r\n";
        let swallowed = |fill: usize| format!("*2\r\n$3\r\nSET\r\n$9000000\r\n{}\r\n{next}", "v".repeat(fill));
        for fill in [1, BLOCK - 40, BLOCK - 30, BLOCK - 20, 3 * BLOCK] {
            assert_eq!(tail(swallowed(fill).as_bytes()), Tail::Swallowing, "{fill}");
        }
        assert_eq!(tail(b"*2\r\n$3\r\nSET\r\n$99999999999\r\nv"), Tail::Swallowing);
        assert_eq!(tail(b"*2\r\n$3x\r\nSET"), Tail::Foreign);
        assert_eq!(tail(b"hello"), Tail::Foreign);
        assert_eq!(tail(b"*1\r\n$4\r\nPING\0\0x"), Tail::Foreign);
    }
}
