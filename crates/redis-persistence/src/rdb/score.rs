//! Scores that are stored as text: in type 3, and in the listpacks and ziplists of small sorted sets.
//!
//! Servers read them with the C library (`sscanf` with `%lg`, or `strtod`): blanks before the number, hexadecimal
//! numbers, any spelling of infinity and NaN pass, and what follows the number is not looked at.

/// What a text is as a score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Score {
    /// A number in a form that writers use.
    Plain(f64),
    /// Servers read this number, but no writer spells it that way.
    Odd(f64),
    /// Not a number, in words.
    Nan,
    /// No number at all.
    Bad,
}

/// Reads a score.
pub(crate) fn parse(text: &[u8]) -> Score {
    match text {
        b"inf" => return Score::Plain(f64::INFINITY),
        b"-inf" => return Score::Plain(f64::NEG_INFINITY),
        _ => {}
    }
    if let Some(value) = short_decimal(text) {
        return Score::Plain(value);
    }
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    if digits.first().is_some_and(u8::is_ascii_digit) && decimal_len(digits) == digits.len() {
        return number(text).map_or(Score::Bad, Score::Plain);
    }
    odd(text)
}

/// Returns the decimal's value, if digits and divisor are exact doubles, and so the quotient is rounded once: what most
/// scores are, several times faster than by the general way.
#[inline]
fn short_decimal(text: &[u8]) -> Option<f64> {
    decimal(text).and_then(|(value, exact)| exact.then_some(value))
}

/// Digits with a fraction, so few that they make an integer of 64 bits. Answers also whether the value is exact; if not,
/// it is off by two roundings at most.
#[inline]
pub(crate) fn decimal(text: &[u8]) -> Option<(f64, bool)> {
    const DIGITS_MAX: usize = 19;
    const DIGITS_EXACT: usize = 15;
    const POWERS: [f64; DIGITS_MAX + 1] =
        [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19];
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.len() > DIGITS_MAX + 1 || !digits.first()?.is_ascii_digit() {
        return None;
    }
    let (mut value, mut point) = (0_u64, None);
    for (at, &byte) in digits.iter().enumerate() {
        match byte {
            // Twenty digits, which are too many, may not fit.
            b'0'..=b'9' => value = value.wrapping_mul(10).wrapping_add(u64::from(byte - b'0')),
            b'.' if point.is_none() => point = Some(at),
            _ => return None,
        }
    }
    let fraction = point.map_or(0, |at| digits.len() - at - 1);
    let count = digits.len() - usize::from(point.is_some());
    if count > DIGITS_MAX {
        return None;
    }
    // Below 10^15, a double holds the digits.
    let value = value as f64 / POWERS[fraction];
    Some((if negative { -value } else { value }, count <= DIGITS_EXACT))
}

#[cold]
fn odd(text: &[u8]) -> Score {
    let blanks = text.iter().take_while(|byte| matches!(byte, b' ' | b'\t'..=b'\r')).count();
    let (negative, rest) = match &text[blanks..] {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let value = if starts_with(rest, b"nan") {
        return Score::Nan;
    } else if starts_with(rest, b"inf") {
        Some(f64::INFINITY)
    } else if starts_with(rest, b"0x") {
        hexadecimal(&rest[2..])
    } else {
        number(&rest[..decimal_len(rest)])
    };
    value.map_or(Score::Bad, |value| Score::Odd(if negative { -value } else { value }))
}

fn starts_with(text: &[u8], word: &[u8]) -> bool {
    text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
}

fn number(text: &[u8]) -> Option<f64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Returns how long the decimal number is that the text begins with: digits, a fraction, an exponent.
fn decimal_len(text: &[u8]) -> usize {
    let run = |from: usize| text[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let whole = run(0);
    let mut len = whole;
    if text.get(len) == Some(&b'.') {
        let fraction = run(len + 1);
        if whole + fraction == 0 {
            return 0;
        }
        len += 1 + fraction;
    }
    if len > 0
        && let Some(b'e' | b'E') = text.get(len)
    {
        let sign = usize::from(matches!(text.get(len + 1), Some(b'+' | b'-')));
        let exponent = if len + 1 + sign <= text.len() { run(len + 1 + sign) } else { 0 };
        if exponent > 0 {
            len += 1 + sign + exponent;
        }
    }
    len
}

/// Returns what follows `0x`: digits, a fraction, a binary exponent.
fn hexadecimal(text: &[u8]) -> Option<f64> {
    let (mut value, mut scale, mut digits, mut fraction) = (0.0_f64, 0_i32, 0, false);
    let mut rest = text.iter();
    let mut exponent: &[u8] = b"";
    while let Some(&byte) = rest.next() {
        match byte {
            b'.' if !fraction => fraction = true,
            b'p' | b'P' => {
                exponent = rest.as_slice();
                break;
            }
            _ => {
                let Some(digit) = char::from(byte).to_digit(16) else { break };
                value = value * 16.0 + f64::from(digit);
                scale = scale.saturating_sub(if fraction { 4 } else { 0 });
                digits += 1;
            }
        }
    }
    let (negative, exponent) = match exponent {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let power = exponent.iter().take_while(|byte| byte.is_ascii_digit());
    let power = power.fold(0_i32, |power, byte| power.saturating_mul(10).saturating_add(i32::from(byte - b'0')));
    let scale = scale.saturating_add(if negative { -power } else { power });
    (digits > 0).then(|| value * 2.0_f64.powi(scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_writers_write_is_plain() {
        for text in ["0", "-0", "3", "-17", "1.5", "0.10000000000000001", "1e+100", "-2.5e-300", "1E5", "007", "5."] {
            assert_eq!(parse(text.as_bytes()), Score::Plain(text.parse().expect("a number")), "{text}");
        }
        assert_eq!(parse(b"inf"), Score::Plain(f64::INFINITY));
        assert_eq!(parse(b"-inf"), Score::Plain(f64::NEG_INFINITY));
    }

    #[test]
    fn short_ones_are_rounded_as_long_ones_are() {
        let mut state = 1_u64;
        for _ in 0..20_000 {
            state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
            let digits = state % 10_u64.pow((state >> 60) as u32);
            let mut text = format!("{digits:03}");
            text.insert(1 + (state >> 40) as usize % text.len(), '.');
            assert_eq!(short_decimal(text.as_bytes()), text.parse().ok(), "{text}");
        }
        assert_eq!(short_decimal(b"999999999999999"), Some(999_999_999_999_999.0));
        for text in ["1234567890123456", "0.123456789012345", "1e5", "", "-", ".5", "1.2.3", "12345678901234567"] {
            assert_eq!(short_decimal(text.as_bytes()), None, "{text}");
        }
        assert!(short_decimal(b"-0").is_some_and(f64::is_sign_negative));
    }

    #[test]
    fn what_the_c_library_reads_as_well_is_odd() {
        let cases: [(&str, f64); 17] = [
            (" 3", 3.0),
            ("\x0B1", 1.0),
            ("+4", 4.0),
            ("1.5abc", 1.5),
            ("1.2.3", 1.2),
            (".5", 0.5),
            ("-.5x", -0.5),
            ("1e", 1.0),
            ("1e+", 1.0),
            ("100er", 100.0),
            ("INF", f64::INFINITY),
            ("-Infinity", f64::NEG_INFINITY),
            ("0x1F", 31.0),
            ("0x.8", 0.5),
            ("-0X1.8p1z", -3.0),
            ("0x10p-4", 1.0),
            ("12 ", 12.0),
        ];
        for (text, value) in cases {
            assert_eq!(parse(text.as_bytes()), Score::Odd(value), "{text}");
        }
    }

    #[test]
    fn nan_and_no_number() {
        for text in ["nan", "-nan", " NaN", "nan(1)"] {
            assert_eq!(parse(text.as_bytes()), Score::Nan, "{text}");
        }
        for text in ["", "-", ".", "-.", "abc", "e5", "--1", "in", "0x", "0xg", " ", "\u{ff}"] {
            assert_eq!(parse(text.as_bytes()), Score::Bad, "{text}");
        }
    }
}
