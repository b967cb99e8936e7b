//! What the elements of a packed value are: bytes, or integers that stand for their decimal text.

/// An element as it is stored. An integer means the same as its decimal text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PackedValue<'a> {
    /// A string, borrowed from the blob.
    Bytes(&'a [u8]),
    /// A string that is the decimal text of this number.
    Int(i64),
}

impl<'a> PackedValue<'a> {
    /// Returns the string that is meant: borrowed from the blob, or written into `buffer`.
    ///
    /// # Examples
    /// ```
    /// use redis_persistence::rdb::packed::{IntText, PackedValue};
    ///
    /// let mut buffer = IntText::new();
    /// assert_eq!(PackedValue::Int(-5).text(&mut buffer), b"-5");
    /// assert_eq!(PackedValue::Bytes(b"five").text(&mut buffer), b"five");
    /// ```
    #[must_use]
    pub fn text<'b>(&self, buffer: &'b mut IntText) -> &'b [u8]
    where
        'a: 'b,
    {
        match *self {
            Self::Bytes(bytes) => bytes,
            Self::Int(value) => buffer.write(value),
        }
    }

    /// Returns the length in bytes of the string that is meant.
    #[must_use]
    pub fn text_len(&self) -> usize {
        match *self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Int(value) => {
                let digits = value.unsigned_abs().checked_ilog10().map_or(1, |log| log as usize + 1);
                digits + usize::from(value < 0)
            }
        }
    }

    /// Returns the number that is meant, if the string is one in canonical form, whichever way it is stored.
    #[must_use]
    pub fn as_int(&self) -> Option<i64> {
        match *self {
            Self::Bytes(bytes) => canonical_int(bytes),
            Self::Int(value) => Some(value),
        }
    }
}

/// One element of a packed value and where it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackedEntry<'a> {
    /// The element.
    pub value: PackedValue<'a>,
    /// The offset in the blob at which it begins, with all that belongs to it.
    pub at: usize,
    /// The offset in the blob behind it.
    pub end: usize,
    /// Whether a genuine server may have stored it this way: in the shortest form, and as an integer if it is the text of
    /// one. What is not canonical is readable, but was written or changed by something else.
    pub canonical: bool,
}

/// Room for the decimal text of an `i64`.
#[derive(Debug, Clone, Default)]
pub struct IntText {
    bytes: [u8; 20],
}

impl IntText {
    /// Empty room.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes the decimal text of `value` and lends it.
    pub fn write(&mut self, value: i64) -> &[u8] {
        let mut rest = value.unsigned_abs();
        let mut at = self.bytes.len();
        loop {
            at -= 1;
            self.bytes[at] = b"0123456789"[(rest % 10) as usize];
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        if value < 0 {
            at -= 1;
            self.bytes[at] = b'-';
        }
        &self.bytes[at..]
    }
}

/// The number whose decimal text `text` is, in the one form in which a server stores numbers as such: an optional minus,
/// no leading zeros, no `-0`, nothing else, within the range of `i64`.
///
/// # Examples
/// ```
/// use redis_persistence::rdb::packed::canonical_int;
///
/// assert_eq!(canonical_int(b"-12"), Some(-12));
/// assert_eq!(canonical_int(b"012"), None);
/// ```
#[inline]
#[must_use]
pub fn canonical_int(text: &[u8]) -> Option<i64> {
    // Nearly all that is no number shows it in the first byte.
    let (negative, digits) = match *text {
        [b'0'] => return Some(0),
        [b'-', ref digits @ ..] => (true, digits),
        ref digits => (false, digits),
    };
    if matches!(digits, [b'1'..=b'9', ..]) { parse_digits(negative, digits) } else { None }
}

fn parse_digits(negative: bool, digits: &[u8]) -> Option<i64> {
    // 19 digits fit into a u64, and 20 into no i64.
    if digits.len() > 19 {
        return None;
    }
    let mut value = 0_u64;
    for &byte in digits {
        if !byte.is_ascii_digit() {
            return None;
        }
        value = value * 10 + u64::from(byte - b'0');
    }
    if negative { 0_i64.checked_sub_unsigned(value) } else { i64::try_from(value).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EDGES: [i64; 12] =
        [0, 1, -1, 9, 10, -10, 99, 100, i64::MAX, i64::MAX - 1, i64::MIN, 1_000_000_000_000_000_000];

    #[test]
    fn numbers_are_written_and_read_back() {
        let mut buffer = IntText::new();
        for number in EDGES {
            let value = PackedValue::Int(number);
            assert_eq!(value.text(&mut buffer), number.to_string().as_bytes());
            assert_eq!(value.text_len(), number.to_string().len());
            assert_eq!(value.as_int(), Some(number));
            assert_eq!(canonical_int(number.to_string().as_bytes()), Some(number));
        }
    }

    #[test]
    fn only_one_text_of_a_number_is_canonical() {
        for text in [
            "",
            "-",
            "--1",
            "+1",
            "-0",
            "00",
            "01",
            "-01",
            " 1",
            "1 ",
            "1.0",
            "1e3",
            "0x1",
            "1-",
            "9223372036854775808",
            "-9223372036854775809",
            "10000000000000000000",
            "99999999999999999999",
            "123456789012345678901",
            "one",
        ] {
            assert_eq!(canonical_int(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(PackedValue::Bytes(b"42").as_int(), Some(42));
        assert_eq!(PackedValue::Bytes(b"042").as_int(), None);
    }
}
