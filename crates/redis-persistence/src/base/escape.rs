//! Text out of a file, made safe to print or to put into JSON: no control character, no terminal escape, no invalid byte.

use std::fmt::Write as _;

/// Returns a name in double quotes, with everything escaped that is not plain text, the quotes themselves included.
///
/// # Examples
/// ```
/// use redis_persistence::escape::quoted;
///
/// assert_eq!(quoted(b"user:1"), "\"user:1\"");
/// assert_eq!(quoted(b"a\x1b[31m\xff\"\n"), r#""a\x1b[31m\xff\"\n""#);
/// ```
#[must_use]
pub fn quoted(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() + 2);
    out.push('"');
    push(&mut out, bytes, true);
    out.push('"');
    out
}

/// Text of a report that may hold text of a file: the same without quotes, and with quotes and backslashes left alone.
///
/// # Examples
/// ```
/// use redis_persistence::escape::plain;
///
/// assert_eq!(plain(b"it's \"fine\"\x07"), "it's \"fine\"\\x07");
/// ```
#[must_use]
pub fn plain(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    push(&mut out, bytes, false);
    out
}

fn push(out: &mut String, bytes: &[u8], quoting: bool) {
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' | '\\' if quoting => out.extend(['\\', c]),
                _ if is_plain(c) => out.push(c),
                // As the clients of the servers print them; escape_debug would write a zero as `\0`.
                '\0'..='\x1f' | '\x7f' if !matches!(c, '\t' | '\n' | '\r') => byte(out, c as u32),
                _ => out.extend(c.escape_debug()),
            }
        }
        chunk.invalid().iter().for_each(|invalid| byte(out, u32::from(*invalid)));
    }
}

fn byte(out: &mut String, byte: u32) {
    // Writing to a String cannot fail.
    let _ = write!(out, "\\x{byte:02x}");
}

/// Returns whether a terminal shows this character as itself: no control, format, private or unassigned one.
#[must_use]
pub fn is_plain(c: char) -> bool {
    match c {
        '"' | '\'' | '\\' => true,
        _ if c.is_ascii() => !c.is_ascii_control(),
        // A combining mark is plain behind a letter, but escape_debug does not see the letter.
        _ => c.escape_debug().len() == 1,
    }
}

/// Base64 of RFC 4648, with padding.
#[must_use]
pub fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let number = (0..3).fold(0_usize, |n, i| n << 8 | usize::from(three.get(i).copied().unwrap_or(0)));
        for digit in 0..4 {
            let is_padding = digit > three.len();
            out.push(if is_padding { '=' } else { char::from(DIGITS[number >> (18 - 6 * digit) & 63]) });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_a_terminal_that_it_would_act_on() {
        let all: Vec<u8> = (0..=255).collect();
        for text in [quoted(&all), plain(&all)] {
            assert!(text.bytes().all(|b| (0x20..0x7f).contains(&b)), "{text}");
        }
        // A control of eight bits, an override of the writing direction, a character of no width.
        assert_eq!(quoted("\u{9b}31m\u{202e}\u{200b}".as_bytes()), r#""\u{9b}31m\u{202e}\u{200b}""#);
        assert_eq!(quoted("Zürich 日本".as_bytes()), "\"Zürich 日本\"");
    }

    #[test]
    fn base64_is_that_of_the_rfc() {
        let examples =
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE=")];
        for (text, expected) in examples {
            assert_eq!(base64(text.as_bytes()), expected);
        }
        assert_eq!(base64(b"\xff\xfe\xfd"), "//79");
    }
}
