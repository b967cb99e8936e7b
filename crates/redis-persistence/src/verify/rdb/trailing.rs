//! What follows the end of an RDB: no server looks at it.

use crate::report::facts::TrailingBytes;

/// Looks at the bytes behind the end as they pass, in constant memory.
#[derive(Debug, Default)]
pub(super) struct Trailing {
    head: Vec<u8>,
    pub(super) len: u64,
    nonzero: bool,
}

const HEAD: usize = 64;

impl Trailing {
    /// Takes the next bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.len += bytes.len() as u64;
        self.nonzero = self.nonzero || bytes.iter().any(|b| *b != 0);
        let room = HEAD - self.head.len();
        self.head.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    pub(super) fn all_zero(&self) -> bool {
        !self.nonzero
    }

    /// What the bytes look like.
    pub(super) fn kind(&self) -> TrailingBytes {
        let hex = |bytes: &[u8]| bytes.iter().all(u8::is_ascii_hexdigit);
        match &self.head[..] {
            _ if self.all_zero() => TrailingBytes::Zeros,
            [b'*' | b'#', ..] => TrailingBytes::Commands,
            mark if self.len == 40 && hex(mark) => TrailingBytes::ReplicationMark,
            head if head.starts_with(b"REDIS0") || head.starts_with(b"VALKEY") => TrailingBytes::SecondRdb,
            [b'\n' | b'\r', ..] if self.len <= 2 => TrailingBytes::LineEnd,
            _ => TrailingBytes::Other,
        }
    }

    /// The same in words.
    pub(super) fn describe(&self) -> &'static str {
        match self.kind() {
            TrailingBytes::Zeros => "all of them zero",
            TrailingBytes::Commands => "they look like the commands of an append-only file",
            TrailingBytes::ReplicationMark => "the end mark of a diskless replication: harmless",
            TrailingBytes::SecondRdb => "a second RDB begins there",
            TrailingBytes::LineEnd => "a line end",
            TrailingBytes::Other => "of no known meaning",
        }
    }
}
