//! LZF token streams.
//!
//! ```text
//! 00..1F            that + 1 literal bytes follow
//! 20..DF d          copy (c >> 5) + 2 bytes from ((c & 1F) << 8 | d) + 1 bytes back
//! E0..FF l d        copy l + 9 bytes from there
//! ```

use std::collections::HashMap;

/// A token stream for `text`, or `None` if it would not be smaller.
///
/// Written here because `compress` of the `lzf` crate (1.0.0) indexes out of bounds on some texts that hardly compress.
#[must_use]
pub fn deflate(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut seen: HashMap<&[u8], usize> = HashMap::new();
    let (mut at, mut copied) = (0, 0);
    while at + 3 <= text.len() {
        let known = seen.insert(&text[at..at + 3], at).filter(|from| at - from <= 0x2000);
        let Some(from) = known else {
            at += 1;
            continue;
        };
        let length = (3..264.min(text.len() - at)).find(|n| text[from + n] != text[at + n]);
        let length = length.unwrap_or(264.min(text.len() - at));
        out.extend(literals(&text[copied..at]));
        let distance = u16::try_from(at - from - 1).expect("it is within the window").to_be_bytes();
        let short = u8::try_from(length - 2).unwrap_or(7).min(7);
        out.push(short << 5 | distance[0]);
        if short == 7 {
            out.push(u8::try_from(length - 9).expect("at most 264 bytes are copied"));
        }
        out.push(distance[1]);
        at += length;
        copied = at;
    }
    out.extend(literals(&text[copied..]));
    (out.len() < text.len()).then_some(out)
}

/// A valid token stream of literals alone: larger than `text`.
#[must_use]
pub fn literals(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for run in text.chunks(32) {
        out.push(u8::try_from(run.len() - 1).expect("a run has 1 to 32 bytes"));
        out.extend_from_slice(run);
    }
    out
}

/// Decompresses one byte at a time. `None` if a token is cut, copies from before the start, or the output is not
/// exactly `inflated` bytes long.
#[must_use]
pub fn naive_inflate(tokens: &[u8], inflated: usize) -> Option<Vec<u8>> {
    let mut input = tokens.iter().copied();
    let mut out = Vec::new();
    while let Some(control) = input.next() {
        if control < 0x20 {
            for _ in 0..=control {
                out.push(input.next()?);
            }
        } else {
            let short = usize::from(control >> 5) + 2;
            let length = if short == 9 { 9 + usize::from(input.next()?) } else { short };
            let distance = (usize::from(control & 0x1F) << 8 | usize::from(input.next()?)) + 1;
            for _ in 0..length {
                out.push(*out.get(out.len().checked_sub(distance)?)?);
            }
        }
        if out.len() > inflated {
            return None;
        }
    }
    (out.len() == inflated).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn inflates_what_was_deflated() {
        let mut rng = Rng::new(3);
        for _ in 0..300 {
            let words = rng.size(0..=200);
            let text: Vec<u8> = (0..words).flat_map(|_| rng.word().bytes()).collect();
            if let Some(tokens) = deflate(&text) {
                assert_eq!(naive_inflate(&tokens, text.len()).as_ref(), Some(&text));
            }
            assert_eq!(naive_inflate(&literals(&text), text.len()), Some(text));
        }
    }

    #[test]
    fn refuses_bad_tokens() {
        assert_eq!(naive_inflate(b"\x02ab", 3), None, "cut literal run");
        assert_eq!(naive_inflate(b"\x00a\x20\x01", 4), None, "from before the start");
        assert_eq!(naive_inflate(b"\x00a\x20\x00", 4).as_deref(), Some(&b"aaaa"[..]));
        assert_eq!(naive_inflate(b"\x00a\x20\x00", 5), None, "too short");
        assert_eq!(naive_inflate(b"\x00a\xE0", 10), None, "cut match");
    }
}
