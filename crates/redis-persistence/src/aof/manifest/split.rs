//! Splits a line into tokens, and quotes one.
//!
//! ```text
//! token   = ( plain | '"' escaped* '"' | "'" single* "'" )+
//! escaped = "\x" hex hex | "\n" | "\r" | "\t" | "\b" | "\a" | "\" any | any but '"'
//! single  = "\'" | any but "'"
//! ```

use super::Dialect;
use crate::aof::resp::is_space;

/// A token with its quotes resolved.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Token {
    bytes: Vec<u8>,
    /// Where it begins in the line.
    pub at: usize,
    /// How many bytes of the line it takes.
    pub len: usize,
}

impl Token {
    /// Returns the token as C sees it: up to its first NUL, which an escape can make.
    pub fn text(&self) -> &[u8] {
        self.bytes.split(|byte| *byte == 0).next().unwrap_or_default()
    }
}

/// Returns the tokens of a line, or the place where its quoting is wrong.
pub(super) fn split(line: &[u8], dialect: Dialect) -> Result<Vec<Token>, usize> {
    let mut tokens = Vec::new();
    let mut at = 0;
    loop {
        at += line[at..].iter().take_while(|byte| is_space(**byte)).count();
        if at == line.len() {
            return Ok(tokens);
        }
        let (bytes, len) = token(&line[at..], dialect).map_err(|wrong| at + wrong)?;
        tokens.push(Token { bytes, at, len });
        at += len;
    }
}

/// Returns the token at the start of `text` and its length there.
fn token(text: &[u8], dialect: Dialect) -> Result<(Vec<u8>, usize), usize> {
    let mut bytes = Vec::new();
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        match byte {
            b' ' | b'\n' | b'\r' | b'\t' => break,
            quote @ (b'"' | b'\'') => {
                let inside = &text[at + 1..];
                let taken = if quote == b'"' { double(inside, &mut bytes) } else { single(inside, &mut bytes) };
                // The place of a quote that is never closed is where it was opened.
                at += 1 + taken.ok_or(at)?;
                let closed = text.get(at).is_none_or(|next| is_space(*next));
                if !closed && dialect == Dialect::Redis {
                    return Err(at);
                }
                if closed {
                    break;
                }
            }
            plain => {
                bytes.push(plain);
                at += 1;
            }
        }
    }
    Ok((bytes, at))
}

/// Returns what follows `"`, up to and including the closing one; how many bytes that takes.
fn double(text: &[u8], out: &mut Vec<u8>) -> Option<usize> {
    let mut at = 0;
    loop {
        let taken = match text[at..] {
            [] => return None,
            [b'"', ..] => return Some(at + 1),
            [b'\\', b'x', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                out.push(hex(high) << 4 | hex(low));
                4
            }
            [b'\\', escaped, ..] => {
                out.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 8,
                    b'a' => 7,
                    other => other,
                });
                2
            }
            [plain, ..] => {
                out.push(plain);
                1
            }
        };
        at += taken;
    }
}

/// Returns what follows `'`, up to and including the closing one; how many bytes that takes.
fn single(text: &[u8], out: &mut Vec<u8>) -> Option<usize> {
    let mut at = 0;
    loop {
        match text[at..] {
            [] => return None,
            [b'\'', ..] => return Some(at + 1),
            [b'\\', b'\'', ..] => {
                out.push(b'\'');
                at += 2;
            }
            [plain, ..] => {
                out.push(plain);
                at += 1;
            }
        }
    }
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        letter => (letter | 0x20) - b'a' + 10,
    }
}

/// Writes a token so that [`split`] gives it back.
pub(super) fn quote_into(out: &mut Vec<u8>, token: &[u8]) {
    // A bare ' would open a quote when it is read back, so it is quoted, though servers leave it bare.
    let bare = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'\\');
    if !token.is_empty() && token.iter().all(bare) {
        out.extend_from_slice(token);
        return;
    }
    out.push(b'"');
    for &byte in token {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            7 => out.extend_from_slice(b"\\a"),
            8 => out.extend_from_slice(b"\\b"),
            b' ' => out.push(b' '),
            plain if plain.is_ascii_graphic() => out.push(plain),
            other => out.extend_from_slice(format!("\\x{other:02x}").as_bytes()),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(line: &[u8], dialect: Dialect) -> Result<Vec<Vec<u8>>, usize> {
        Ok(split(line, dialect)?.into_iter().map(|token| token.bytes).collect())
    }

    #[test]
    fn quotes_and_escapes() {
        let cases: [(&[u8], &[&[u8]]); 7] = [
            (b"a  b\tc", &[b"a", b"b", b"c"]),
            (b"\x0b\x0ca\x0bb c", &[b"a\x0bb", b"c"]),
            (br#"x"y z" k"#, &[b"xy z", b"k"]),
            (br#""\x41\x4g\n\q\"" 'it\'s \n'"#, &[b"Ax4g\nq\"", br"it's \n"]),
            (br#""" ''"#, &[b"", b""]),
            (br#""\x00" b"#, &[b"\0", b"b"]),
            (b"", &[]),
        ];
        for (line, expected) in cases {
            assert_eq!(
                texts(line, Dialect::Redis).as_deref(),
                Ok(&expected.iter().map(|t| t.to_vec()).collect::<Vec<_>>()[..])
            );
        }
    }

    #[test]
    fn a_quote_must_close_and_end_its_token() {
        assert_eq!(texts(br#"ab "cd"#, Dialect::Redis), Err(3));
        assert_eq!(texts(br"'cd\'", Dialect::Redis), Err(0));
        assert_eq!(texts(br#""cd"e f"#, Dialect::Redis), Err(4));
        assert_eq!(texts(br#""cd"e f"#, Dialect::Valkey), Ok(vec![b"cde".to_vec(), b"f".to_vec()]));
    }

    #[test]
    fn what_is_quoted_reads_back() {
        for byte in 0..=255_u8 {
            for token in [vec![byte], vec![b'a', byte, b'1'], vec![byte, byte]] {
                let mut line = Vec::new();
                quote_into(&mut line, &token);
                assert_eq!(texts(&line, Dialect::Redis), Ok(vec![token]));
            }
        }
        let mut line = Vec::new();
        quote_into(&mut line, b"");
        assert_eq!(line, b"\"\"");
        line.clear();
        quote_into(&mut line, b"a b\xff");
        assert_eq!(line, br#""a b\xff""#);
    }
}
