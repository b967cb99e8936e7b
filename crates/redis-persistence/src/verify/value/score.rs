//! Scores of packed sorted sets: exactly, and as roughly as an order needs.

mod stored;

use crate::rdb::packed::PackedValue;
use crate::rdb::score::decimal;
pub(super) use crate::rdb::score::{Score, parse};

pub(super) use stored::stored_roughly;

/// Returns the score of a packed element, if it is one that writers write.
pub(super) fn exact(score: PackedValue<'_>) -> Option<f64> {
    match score {
        // Servers make a double of it as well.
        PackedValue::Int(score) => Some(score as f64),
        PackedValue::Bytes(text) => match parse(text) {
            Score::Plain(score) => Some(score),
            _ => None,
        },
    }
}

/// A score to all but its last bits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rough(f64);

impl Rough {
    /// Returns whether it is below another one by more than the bits that are missing in both.
    #[inline]
    pub(super) fn is_clearly_below(self, other: Self) -> bool {
        self.0 >= 0.0 && other.0 - self.0 > other.0 * 2.0_f64.powi(-49)
    }
}

/// Returns the score, if it is an integer or a plain decimal.
#[inline]
pub(super) fn rough(value: PackedValue<'_>) -> Option<Rough> {
    match value {
        PackedValue::Int(value) => Some(Rough(value as f64)),
        PackedValue::Bytes(text) => decimal(text).map(|(value, _)| Rough(value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_clearly_below_is_below() {
        let rough = |text: &str| rough(PackedValue::Bytes(text.as_bytes())).expect("a decimal");
        for (a, b, clear) in [
            ("1", "1.5", true),
            ("0", "0.00000000000000001", true),
            ("374.54000000000002", "374.541", true),
            ("1.12345678901234567", "1.12345678901234568", false),
            ("0.1", "0.10000000000000001", false),
            ("9007199254740992", "9007199254740993", false),
            ("-2", "-1", false),
        ] {
            assert_eq!(rough(a).is_clearly_below(rough(b)), clear, "{a} {b}");
            assert!(!rough(b).is_clearly_below(rough(a)), "{b} {a}");
        }
        assert!(super::rough(PackedValue::Bytes(b"1e5")).is_none());
        assert!(super::rough(PackedValue::Bytes(b"12345678901234567890")).is_none());
    }
}
