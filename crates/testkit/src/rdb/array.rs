//! Arrays, type 28.
//!
//! ```text
//! len count, len flag, [len cursor if the flag is 1]
//! per element: len index, len tag, payload
//! tag 0 and 3: a string, 3 for up to 7 bytes; 1: i64le; 2: a double of 8 bytes
//! ```

use super::number::canonical_int;
use super::writer::{MarkKind, RdbWriter};
use crate::Bytes;

/// An array. Elements are written in the order given; servers write ascending indexes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Array {
    /// The index of the last insertion through the cursor.
    pub cursor: Option<u64>,
    /// Index and value.
    pub elements: Vec<(u64, ArrayValue)>,
}

/// One element of an array.
#[derive(Debug, Clone, PartialEq)]
pub enum ArrayValue {
    /// Tag 0.
    Long(Bytes),
    /// Tag 1.
    Int(i64),
    /// Tag 2.
    Float(f64),
    /// Tag 3.
    Short(Bytes),
    /// Any tag with any bytes.
    Other(u64, Bytes),
}

impl ArrayValue {
    /// As a server of 64 bits stores this text.
    #[must_use]
    pub fn of(text: &[u8]) -> Self {
        const INLINE: i64 = 1 << 61;
        match (canonical_int(text), inline_float(text)) {
            (Some(n), _) if (-INLINE..INLINE).contains(&n) => Self::Int(n),
            (_, Some(x)) => Self::Float(x),
            _ if text.len() <= 7 => Self::Short(text.to_vec()),
            _ => Self::Long(text.to_vec()),
        }
    }
}

/// The double that `text` is the plain form of, if that double has its two lowest bits free.
fn inline_float(text: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(text).ok()?;
    let plain = text.strip_prefix('-').unwrap_or(text).bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let x: f64 = text.parse().ok()?;
    let same = x.to_bits() & 3 == 0 && format!("{x:?}") == text;
    (plain && text.matches('.').count() == 1 && same).then_some(x)
}

impl Array {
    /// Appends the value.
    pub fn encode(&self, w: &mut RdbWriter) {
        w.count(self.elements.len()).len(u64::from(self.cursor.is_some()));
        if let Some(cursor) = self.cursor {
            w.len(cursor);
        }
        for (index, value) in &self.elements {
            w.len(*index);
            match value {
                ArrayValue::Long(text) => w.len(0).marked_str(MarkKind::Element, text),
                ArrayValue::Int(n) => w.len(1).i64_le(*n),
                ArrayValue::Float(x) => w.len(2).double(*x),
                ArrayValue::Short(text) => w.len(3).marked_str(MarkKind::Element, text),
                ArrayValue::Other(tag, bytes) => w.len(*tag).raw(bytes),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_decides_the_tag() {
        assert_eq!(ArrayValue::of(b"42"), ArrayValue::Int(42));
        assert_eq!(ArrayValue::of(b"1.5"), ArrayValue::Float(1.5));
        assert_eq!(ArrayValue::of(b"-2.0"), ArrayValue::Float(-2.0));
        for text in ["1e5", "+1", "01", "-0", "abc", "", "1.50", ".5", "nan"] {
            assert_eq!(ArrayValue::of(text.as_bytes()), ArrayValue::Short(text.into()), "{text}");
        }
        assert_eq!(ArrayValue::of(b"12345678x"), ArrayValue::Long(b"12345678x".to_vec()));
        assert_eq!(ArrayValue::of(b"2305843009213693952"), ArrayValue::Long(b"2305843009213693952".to_vec()));
    }
}
