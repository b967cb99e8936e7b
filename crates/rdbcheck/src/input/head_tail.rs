//! The first and the last bytes of an input: from them, and from the findings, the cause of what is wrong is named.

use std::io::{self, Read, Seek, SeekFrom};

/// So much of either end.
const MOST: usize = 64 << 10;

/// The first and the last bytes of an input.
#[derive(Debug, Clone, Default)]
pub struct Ends {
    /// The first ones, then the last ones; of a small input all, once.
    bytes: Vec<u8>,
    /// How many of them are the first ones, and the last ones.
    head: usize,
    tail: usize,
}

impl Ends {
    /// Those of all that there is.
    #[must_use]
    pub fn of_all(bytes: Vec<u8>) -> Self {
        let most = bytes.len().min(MOST);
        Self { bytes, head: most, tail: most }
    }

    /// Reads them, from `base` on.
    ///
    /// # Errors
    /// If the input fails.
    pub fn of(mut input: impl Read + Seek, base: u64) -> io::Result<Self> {
        let mut bytes = Vec::new();
        input.seek(SeekFrom::Start(base))?;
        let head = input.by_ref().take(MOST as u64).read_to_end(&mut bytes)?;
        let end = input.seek(SeekFrom::End(0))?;
        input.seek(SeekFrom::Start(end.saturating_sub(MOST as u64).max(base)))?;
        let tail = input.take(MOST as u64).read_to_end(&mut bytes)?;
        Ok(Self { bytes, head, tail })
    }

    /// Returns the first bytes.
    #[must_use]
    pub fn head(&self) -> &[u8] {
        &self.bytes[..self.head]
    }

    /// Returns the last bytes.
    #[must_use]
    pub fn tail(&self) -> &[u8] {
        &self.bytes[self.bytes.len() - self.tail..]
    }

    /// This many bytes from an offset on of an input of that size, as far as they were kept.
    #[must_use]
    pub fn read(&self, size: u64, at: u64, len: usize) -> Vec<u8> {
        let in_tail = at.checked_sub(size.saturating_sub(self.tail as u64));
        let from = |kept: &[u8], at: u64| {
            let from = usize::try_from(at).unwrap_or(usize::MAX).min(kept.len());
            kept[from..kept.len().min(from.saturating_add(len))].to_vec()
        };
        in_tail.map_or_else(|| from(self.head(), at), |at| from(self.tail(), at))
    }
}

/// An input that can be read once, of which the ends are kept.
#[derive(Debug)]
pub struct Kept<R> {
    input: R,
    head: Vec<u8>,
    tail: Vec<u8>,
}

impl<R> Kept<R> {
    /// Keeps the ends of what will be read.
    pub fn new(input: R) -> Self {
        Self { input, head: Vec::new(), tail: Vec::new() }
    }

    /// The ends of what was read.
    #[must_use]
    pub fn ends(self) -> Ends {
        let Self { head: mut bytes, tail, .. } = self;
        let (head, tail) = (bytes.len(), &tail[tail.len().saturating_sub(MOST)..]);
        bytes.extend_from_slice(tail);
        Ends { bytes, head, tail: tail.len() }
    }

    /// Takes what comes next.
    fn push(&mut self, bytes: &[u8]) {
        let room = MOST - self.head.len();
        self.head.extend_from_slice(&bytes[..bytes.len().min(room)]);
        if self.tail.len() + bytes.len() > 2 * MOST {
            let kept = MOST.saturating_sub(bytes.len()).min(self.tail.len());
            self.tail.drain(..self.tail.len() - kept);
        }
        self.tail.extend_from_slice(&bytes[bytes.len().saturating_sub(MOST)..]);
    }
}

impl<R: Read> Read for Kept<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.input.read(buf)?;
        self.push(&buf[..n]);
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_once_has_the_same_ends() -> io::Result<()> {
        let all: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
        for len in [0, 1, MOST - 1, MOST, MOST + 1, 3 * MOST + 7, all.len()] {
            let bytes = &all[..len];
            let same = |ends: &Ends, how: &str| {
                assert!(*ends.head() == bytes[..len.min(MOST)], "{len} {how}");
                assert!(*ends.tail() == bytes[len - len.min(MOST)..], "{len} {how}");
                for at in [0, 5, MOST / 2, len.saturating_sub(9)] {
                    // Between the ends nothing is kept.
                    let there = if at < MOST || at + MOST >= len { &bytes[at.min(len)..len.min(at + 20)] } else { &[] };
                    assert_eq!(ends.read(len as u64, at as u64, 20), there, "{len} {at} {how}");
                }
            };
            same(&Ends::of(io::Cursor::new(bytes), 0)?, "of what can seek");
            same(&Ends::of_all(bytes.to_vec()), "of all");
            for piece in [1000, MOST, 5 * MOST] {
                let mut kept = Kept::new(bytes);
                let mut buf = vec![0; piece];
                while kept.read(&mut buf)? > 0 {}
                same(&kept.ends(), "of what is read once");
            }
        }
        Ok(())
    }

    #[test]
    fn what_stands_before_the_base_is_left_out() -> io::Result<()> {
        let ends = Ends::of(io::Cursor::new(b"0123456789"), 6)?;
        assert_eq!((ends.head(), ends.tail()), (&b"6789"[..], &b"6789"[..]));
        Ok(())
    }
}
