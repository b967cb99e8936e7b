//! RDBs behind text, headers or a frame, and in the chunks of HTTP.

use super::reader::{Misfit, Undo};

/// How a frame of replication is named.
pub(super) const FRAME: &str = "the frame of a replication stands before it";

/// Whether an RDB begins there.
pub(super) fn is_signature(head: &[u8]) -> bool {
    let digits = |n: &[u8]| n.iter().all(u8::is_ascii_digit);
    match head {
        [b'R', b'E', b'D', b'I', b'S', version @ ..] => version.get(..4).is_some_and(digits),
        [b'V', b'A', b'L', b'K', b'E', b'Y', version @ ..] => version.get(..3).is_some_and(digits),
        _ => false,
    }
}

/// Where an RDB may begin behind something else.
pub(super) fn signatures(head: &[u8]) -> impl Iterator<Item = u64> {
    (1..head.len()).filter(|at| is_signature(&head[*at..])).map(|at| at as u64)
}

/// What stands before an RDB, by the first bytes.
pub(super) fn describe(head: &[u8]) -> &'static str {
    let before = signatures(head).next().and_then(|at| head.get(..usize::try_from(at).ok()?)).unwrap_or(head);
    let text = before.iter().all(|b| b.is_ascii_graphic() || b" \t\r\n".contains(b));
    match before {
        [b'\n' | b'\r', ..] if before.iter().all(|b| b"\r\n".contains(b)) => {
            "line ends stand before it, as a primary sends them to keep a link alive"
        }
        _ if before.starts_with(b"HTTP/") => "the header of an HTTP answer stands before it",
        [b'$', ..] => FRAME,
        _ if before.starts_with(b"+FULLRESYNC") || before.starts_with(b"+CONTINUE") => FRAME,
        _ if text => "text stands before it",
        _ => "something else stands before it",
    }
}

/// Where the chunks of HTTP begin.
pub(super) fn chunks_at(head: &[u8]) -> Option<u64> {
    let body = if head.starts_with(b"HTTP/") {
        let end = head.windows(4).position(|four| four == b"\r\n\r\n")?;
        let header = String::from_utf8_lossy(&head[..end]).to_ascii_lowercase();
        let mut lines = header.lines().filter_map(|line| line.strip_prefix("transfer-encoding:"));
        lines.any(|coding| coding.contains("chunked")).then_some(end + 4)?
    } else {
        0
    };
    let line = head[body..].iter().take(64).position(|b| *b == b'\n')?;
    size_of(&head[body..body + line])?;
    // Without a header, the RDB itself has to follow.
    (body > 0 || is_signature(&head[line + 1..])).then_some(body as u64)
}

/// The size that the line before a chunk says.
fn size_of(line: &[u8]) -> Option<u64> {
    let line = line.strip_suffix(b"\r")?;
    let digits = line.split(|b| *b == b';').next()?;
    u64::from_str_radix(std::str::from_utf8(digits).ok()?.trim_end(), 16).ok()
}

/// Takes chunks apart.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    /// What is left of the chunk, its line end among it.
    left: u64,
    line: Vec<u8>,
}

impl Undo for Chunks {
    fn take(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) -> Result<bool, Misfit> {
        const LINE_END: u64 = 2;
        while let [first, rest @ ..] = bytes {
            if self.left > LINE_END {
                let n = usize::try_from(self.left - LINE_END).unwrap_or(usize::MAX).min(bytes.len());
                out.extend_from_slice(&bytes[..n]);
                self.left -= n as u64;
                bytes = &bytes[n..];
                continue;
            }
            bytes = rest;
            if self.left > 0 {
                let expected = if self.left == LINE_END { b'\r' } else { b'\n' };
                self.left -= 1;
                if *first != expected {
                    return Err(Misfit);
                }
            } else if *first == b'\n' {
                let size = size_of(&self.line).ok_or(Misfit)?;
                self.line.clear();
                if size == 0 {
                    return Ok(false);
                }
                self.left = size.checked_add(LINE_END).ok_or(Misfit)?;
            } else if self.line.len() < 64 {
                self.line.push(*first);
            } else {
                return Err(Misfit);
            }
        }
        Ok(true)
    }

    fn end(&mut self, _: &mut Vec<u8>) -> Result<(), Misfit> {
        // The last chunk says that it is the last.
        Err(Misfit)
    }
}
