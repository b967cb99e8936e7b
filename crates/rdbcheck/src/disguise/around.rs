//! How RDBs and append-only files begin, behind text, headers or a frame, and in the chunks of HTTP.

use super::reader::{Misfit, Undo};

/// How a frame of replication is named.
pub(super) const FRAME: &str = "the frame of a replication stands before it";

/// Returns whether an RDB begins there.
pub(super) fn is_signature(head: &[u8]) -> bool {
    let digits = |n: &[u8]| n.iter().all(u8::is_ascii_digit);
    match head {
        [b'R', b'E', b'D', b'I', b'S', version @ ..] => version.get(..4).is_some_and(digits),
        [b'V', b'A', b'L', b'K', b'E', b'Y', version @ ..] => version.get(..3).is_some_and(digits),
        _ => false,
    }
}

/// What is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Goal {
    /// An RDB.
    Rdb,
    /// An append-only file, which may begin with an RDB.
    Commands,
}

impl Goal {
    /// Returns whether it begins there.
    pub(crate) fn begins(self, head: &[u8]) -> bool {
        is_signature(head) || self == Self::Commands && begins_commands(head)
    }
}

/// Returns whether a command, or a timestamp, begins there.
fn begins_commands(head: &[u8]) -> bool {
    let number = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    match head {
        [b'*', rest @ ..] => {
            let digits = number(rest);
            (1..=7).contains(&digits) && rest[digits..].starts_with(b"\r\n$")
        }
        _ => head.strip_prefix(b"#TS:").is_some_and(|rest| number(rest) > 0),
    }
}

/// Returns where what is looked for may begin behind something else. Commands begin everywhere in a file of commands: they
/// have to follow an empty line.
pub(super) fn starts(head: &[u8], goal: Goal) -> impl Iterator<Item = u64> {
    let is_start = move |at: &usize| {
        let (before, text) = head.split_at(*at);
        is_signature(text) || goal == Goal::Commands && goal.begins(text) && is_behind_empty_line(before)
    };
    (1..head.len()).filter(is_start).map(|at| at as u64)
}

fn is_behind_empty_line(before: &[u8]) -> bool {
    let is_text = before.len() < 4096 && before.iter().all(|b| b.is_ascii_graphic() || b.is_ascii_whitespace());
    is_text && (before.ends_with(b"\n\n") || before.ends_with(b"\n\r\n") || before.iter().all(u8::is_ascii_whitespace))
}

/// Returns what stands before an RDB, by the first bytes.
pub(super) fn describe(head: &[u8]) -> &'static str {
    let before = starts(head, Goal::Rdb).next().and_then(|at| head.get(..usize::try_from(at).ok()?)).unwrap_or(head);
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

/// Returns whether the chunks of HTTP begin there, behind a header that says so or without one.
pub(super) fn is_chunked(text: &[u8]) -> bool {
    let body = if text.starts_with(b"HTTP/") {
        let Some(end) = text.windows(4).position(|four| four == b"\r\n\r\n") else { return false };
        let header = String::from_utf8_lossy(&text[..end]).to_ascii_lowercase();
        let mut lines = header.lines().filter_map(|line| line.strip_prefix("transfer-encoding:"));
        if !lines.any(|coding| coding.contains("chunked")) {
            return false;
        }
        &text[end + 4..]
    } else {
        text
    };
    let line = body.iter().take(64).position(|b| *b == b'\n');
    line.is_some_and(|line| size_of(&body[..line]).is_some())
}

/// Returns the size that the line before a chunk says.
fn size_of(line: &[u8]) -> Option<u64> {
    let line = line.strip_suffix(b"\r")?;
    let digits = line.split(|b| *b == b';').next()?;
    u64::from_str_radix(std::str::from_utf8(digits).ok()?.trim_end(), 16).ok()
}

/// Leaves out the header of an answer of HTTP.
#[derive(Debug, Default)]
pub(super) struct HttpBody {
    /// The last four bytes.
    last: [u8; 4],
    has_ended: bool,
}

impl Undo for HttpBody {
    fn take(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<bool, Misfit> {
        let mut rest = bytes;
        while let ([first, others @ ..], false) = (rest, self.has_ended) {
            let [_, b, c, d] = self.last;
            (self.last, rest) = ([b, c, d, *first], others);
            self.has_ended = self.last == *b"\r\n\r\n";
        }
        out.extend_from_slice(rest);
        Ok(true)
    }
}

/// Takes chunks apart; a header before them is left out.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    begun: bool,
    header: Option<HttpBody>,
    /// What is left of the chunk, its line end among it.
    left: u64,
    line: Vec<u8>,
}

impl Undo for Chunks {
    fn take(&mut self, all: &[u8], out: &mut Vec<u8>) -> Result<bool, Misfit> {
        const LINE_END: u64 = 2;
        let mut bytes = all;
        if !std::mem::replace(&mut self.begun, true) && bytes.first() == Some(&b'H') {
            self.header = Some(HttpBody::default());
        }
        let body;
        if let Some(header) = &mut self.header {
            let mut behind = Vec::new();
            header.take(bytes, &mut behind)?;
            body = behind;
            bytes = &body;
        }
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
