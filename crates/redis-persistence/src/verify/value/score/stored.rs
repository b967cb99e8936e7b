//! The score of a packed sorted set by its first eight digits, without a branch for each of them.
//!
//! Most scores are told apart by that. It gives bounds, of which a test holds that [`parse`](super::parse) keeps to them.

use crate::verify::value::stored::{MASKS, no_digits};

/// The powers of ten from 10^-8 on.
const POWERS: [f64; 17] = [1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8];
/// The digits and zeros of a text as numbers.
const DIGITS: u128 = 0x0F0F_0F0F_0F0F_0F0F_0F0F_0F0F_0F0F_0F0F;

/// Returns the score that begins at `at` as a listpack's element, if it is a decimal with a point and without a sign, or a
/// number up to 127: what it is at least but for rounding, what it is below by more than that, and where its element ends.
/// `None` says nothing.
#[inline]
pub(in crate::verify::value) fn stored_roughly(wide: &[u8], at: usize) -> Option<(f64, f64, usize)> {
    let bytes: &[u8; 17] = wide.get(at..)?.first_chunk()?;
    let first = bytes[0];
    if first < 0x80 {
        let value = f64::from(first);
        return (bytes[1] == 1).then_some((value, value, at + 2));
    }
    let len = usize::from(first & 0x3F);
    if first >= 0xC0 || !(2..=20).contains(&len) || usize::from(*wide.get(at + len + 1)?) != len + 1 {
        return None;
    }
    let text = u128::from_le_bytes(*bytes.last_chunk()?);
    let [low, high] = halves(text).map(no_digits);
    let no = (u128::from(low) | u128::from(high) << 64) & MASKS[len.min(16)];
    // Just one is no digit, and that is a point, and not the first.
    let point = no.trailing_zeros() as usize / 8;
    if no & no.wrapping_sub(1) != 0 || !(1..16).contains(&point) || bytes[1 + point] != b'.' {
        return None;
    }
    if len > 16 {
        let tail = u64::from_le_bytes(*wide.get(at + len - 7..)?.first_chunk()?);
        // Of the last eight, those beyond the first sixteen.
        if no_digits(tail) >> (8 * (24 - len)) != 0 {
            return None;
        }
    }
    // The digits without the point, and zeros behind them.
    let digits = (text & DIGITS) & MASKS[len.min(16)];
    let [digits, _] = halves(digits & MASKS[point] | (digits >> 8) & !MASKS[point]);
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8);
    let value = (pairs & 0x0000_00FF_0000_00FF)
        .wrapping_mul(0x000F_4240_0000_0064)
        .wrapping_add((pairs >> 16 & 0x0000_00FF_0000_00FF).wrapping_mul(0x0000_2710_0000_0001))
        >> 32;
    let (value, unit) = (value as f64, POWERS[point]);
    Some((value * unit, (value + 1.0001) * unit, at + len + 2))
}

#[expect(clippy::cast_possible_truncation, reason = "the low half is meant")]
#[inline]
fn halves(text: u128) -> [u64; 2] {
    [text as u64, (text >> 64) as u64]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::value::score::{Score, parse};
    use crate::verify::value::stored::BEHIND;
    use testkit::rdb::Listpack;
    use testkit::rng::Rng;

    /// Returns the bounds of a score that is an element of its own.
    fn roughly(text: &str) -> Option<(f64, f64)> {
        let mut blob = Listpack::of([text]);
        let end = blob.len() - 1;
        blob.extend([0x35; BEHIND]);
        let (low, above, ends) = stored_roughly(&blob, 6)?;
        assert_eq!(ends, end, "{text}");
        Some((low, above))
    }

    /// Returns a decimal of so many digits, and perhaps a fraction.
    fn decimal(rng: &mut Rng) -> String {
        let (whole, fraction) = (rng.size(1..=9), rng.size(0..=14));
        let mut digits =
            |count: usize| rng.bytes(count).iter().map(|byte| char::from(b'0' + byte % 10)).collect::<String>();
        let whole = digits(whole);
        if fraction > 0 { format!("{whole}.{}", digits(fraction)) } else { whole }
    }

    fn value(text: &str) -> f64 {
        let Score::Plain(value) = parse(text.as_bytes()) else { panic!("{text} is not plain") };
        value
    }

    /// To within the rounding of the lower bound.
    #[track_caller]
    fn holds(text: &str) -> bool {
        let (Some((low, above)), value) = (roughly(text), value(text)) else { return false };
        let exact = low == above && value == low;
        assert!(exact || low <= value * (1.0 + 1e-15) && value * (1.0 + 1e-15) < above, "{text}: {low} to {above}");
        true
    }

    #[test]
    fn bounds_hold_what_parsing_gives() {
        let mut rng = Rng::new(11);
        let known = (0..50_000).filter(|_| holds(&decimal(&mut rng))).count();
        assert!(known > 30_000, "{known}");
        for text in ["0.1", "0.00000001", "0.000000001", "99999999.9", "1.0", "5.", "127", "0", "1234567.12345678"] {
            assert!(holds(text), "{text}");
        }
    }

    /// Where the bounds tell two apart, so does their order.
    #[test]
    fn what_lies_clearly_above_is_above() {
        let mut rng = Rng::new(12);
        let mut clear = 0;
        for _ in 0..50_000 {
            let one = decimal(&mut rng);
            let mut other = one.clone().into_bytes();
            // Texts that begin alike.
            let at = rng.size(0..=other.len() - 1);
            other[at..].iter_mut().filter(|byte| **byte != b'.').for_each(|byte| *byte = b'0' + rng.bytes(1)[0] % 10);
            let other = String::from_utf8(other).expect("digits");
            let (Some((_, above)), Some((low, _))) = (roughly(&one), roughly(&other)) else { continue };
            if low > above {
                assert!(value(&other) > value(&one), "{one} {other}");
                clear += 1;
            }
        }
        assert!(clear > 5000, "{clear}");
    }

    #[test]
    fn what_is_no_such_decimal_is_not_known() {
        let texts = [
            "-1.5",
            ".5",
            "1e5",
            "1.5e3",
            "inf",
            "-inf",
            "nan",
            "1..2",
            "1.2.3",
            "abc",
            "1234567890123456.5",
            "",
            "12345",
        ];
        for text in texts.into_iter().chain(["1.23456789012345x7", "0x1.8", "1.123456789012345678901"]) {
            assert_eq!(roughly(text), None, "{text}");
        }
    }
}
