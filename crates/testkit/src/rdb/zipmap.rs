//! Zipmaps, the small hashes of Redis 2.4 and before.
//!
//! ```text
//! u8      number of pairs, 254 = count them
//! ...     pairs: key length, key, value length, u8 free, value, that many unused bytes
//! FF
//! ```
//! A length is one byte up to 253, or FE and u32le.

use super::number::unsigned_le;

/// Builds a zipmap, right or wrong.
///
/// ```
/// use testkit::rdb::Zipmap;
///
/// assert_eq!(Zipmap::new().pair(b"f", b"v").finish(), b"\x01\x01f\x01\0v\xFF");
/// ```
#[derive(Debug, Clone, Default)]
pub struct Zipmap {
    pairs: Vec<u8>,
    number: usize,
    count: Option<u8>,
    terminator: Option<Vec<u8>>,
}

impl Zipmap {
    /// Without pairs.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a pair without unused bytes.
    pub fn pair(&mut self, key: &[u8], value: &[u8]) -> &mut Self {
        self.pair_with_free(key, value, b"")
    }

    /// Appends a pair with unused bytes behind the value; writers left up to 4.
    ///
    /// # Panics
    /// If there are more than 255.
    pub fn pair_with_free(&mut self, key: &[u8], value: &[u8], free: &[u8]) -> &mut Self {
        let spare = u8::try_from(free.len()).expect("the field has one byte");
        let bytes = [&length(key.len()), key, &length(value.len()), &[spare], value, free].concat();
        self.pair_raw(&bytes)
    }

    /// Appends any bytes as a pair.
    pub fn pair_raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.pairs.extend_from_slice(bytes);
        self.number += 1;
        self
    }

    /// Lets the header say this number of pairs.
    pub fn count(&mut self, count: u8) -> &mut Self {
        self.count = Some(count);
        self
    }

    /// Other bytes in the place of the closing FF.
    pub fn terminator(&mut self, bytes: &[u8]) -> &mut Self {
        self.terminator = Some(bytes.to_vec());
        self
    }

    /// The blob.
    #[must_use]
    pub fn finish(&self) -> Vec<u8> {
        let count = self.count.unwrap_or(u8::try_from(self.number.min(254)).unwrap_or(254));
        [&[count], &self.pairs[..], self.terminator.as_deref().unwrap_or(&[0xFF])].concat()
    }
}

fn length(n: usize) -> Vec<u8> {
    match u8::try_from(n) {
        Ok(small) if small < 254 => vec![small],
        _ => [&[0xFE], &(n as u64).to_le_bytes()[..4]].concat(),
    }
}

/// Decodes a zipmap; `None` if anything is out of bounds, miscounted, doubled, empty, or behind the end byte.
#[must_use]
pub fn naive_zipmap(blob: &[u8]) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
    let (&count, mut rest) = blob.split_first()?;
    let mut pairs: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    while *rest.first()? != 0xFF {
        let key_len = naive_length(&mut rest)?;
        let key = take(&mut rest, key_len)?;
        let value_len = naive_length(&mut rest)?;
        let free = take(&mut rest, 1)?[0];
        let value = take(&mut rest, value_len)?;
        take(&mut rest, u64::from(free))?;
        if pairs.iter().any(|(k, _)| *k == key) {
            return None;
        }
        pairs.push((key, value));
    }
    let counted = count == 254 || usize::from(count) == pairs.len();
    (rest.len() == 1 && counted && !pairs.is_empty()).then_some(pairs)
}

fn naive_length(rest: &mut &[u8]) -> Option<u64> {
    match take(rest, 1)?[0] {
        0xFE => Some(unsigned_le(&take(rest, 4)?)).filter(|&n| n >= 254),
        0xFF => None,
        small => Some(u64::from(small)),
    }
}

fn take(rest: &mut &[u8], n: u64) -> Option<Vec<u8>> {
    let (head, tail) = rest.split_at_checked(usize::try_from(n).ok()?)?;
    *rest = tail;
    Some(head.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comes_back() {
        assert_eq!(Zipmap::new().pair(b"f", b"v").finish(), [1, 1, 0x66, 1, 0, 0x76, 0xFF]);
        let mut zipmap = Zipmap::new();
        let mut want = Vec::new();
        for n in [0_usize, 1, 253, 254, 300] {
            let (key, value) = (vec![b'k'; n], vec![b'v'; 300 - n]);
            zipmap.pair_with_free(&key, &value, &b"....."[..n % 5]);
            want.push((key, value));
        }
        assert_eq!(naive_zipmap(&zipmap.finish()), Some(want));
        let mut many = Zipmap::new();
        for n in 0_u32..300 {
            many.pair(&n.to_le_bytes(), b"");
        }
        assert_eq!(many.finish()[0], 254);
        assert_eq!(naive_zipmap(&many.finish()).map(|pairs| pairs.len()), Some(300));
    }

    #[test]
    fn wrong_ones_are_refused() {
        let bad = [
            Zipmap::new().finish(),
            Zipmap::new().pair(b"a", b"1").count(2).finish(),
            Zipmap::new().pair(b"a", b"1").pair(b"a", b"2").finish(),
            Zipmap::new().pair(b"a", b"1").terminator(b"").finish(),
            Zipmap::new().pair(b"a", b"1").terminator(b"\xFFjunk\xFF").finish(),
            Zipmap::new().pair_raw(b"\xFE\x01\0\0\0a\x01\x001").finish(),
            Zipmap::new().pair_raw(b"\x09a").finish(),
        ];
        for blob in bad {
            assert_eq!(naive_zipmap(&blob), None, "{blob:02X?}");
        }
    }
}
