//! JSON that a terminal can show, and how wide text is. The library escapes text out of a file.

use std::fmt::Write as _;

pub use redis_persistence::escape::{base64, is_plain, plain, quoted};

/// JSON in which every character that a terminal might act on is written as `\uXXXX`. Outside of strings JSON is ASCII
/// without such characters, so that the text as a whole may be passed.
#[must_use]
pub fn json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_plain(c) || c == '\n' {
            out.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            let _ = write!(out, "\\u{unit:04x}");
        }
    }
    out
}

/// Returns how many columns text takes at most: two for what lies beyond the European scripts.
#[must_use]
pub fn columns(text: &str) -> usize {
    text.chars().map(width).sum()
}

/// Returns how many columns a character takes at most.
#[must_use]
pub fn width(c: char) -> usize {
    1 + usize::from(c >= '\u{1100}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_json_says_the_same() -> Result<(), serde_json::Error> {
        let text = "é\u{7f}\u{9b}\u{202e}\u{e0001}\"\\\n";
        let escaped = json(&serde_json::to_string(text)?);
        assert_eq!(escaped, r#""é\u007f\u009b\u202e\udb40\udc01\"\\\n""#);
        assert_eq!(serde_json::from_str::<String>(&escaped)?, text);
        Ok(())
    }
}
