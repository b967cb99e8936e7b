//! Manifests of multi-part append-only files.
//!
//! ```text
//! file <name> seq <n> type <b|h|i>[ startoffset <n>[ endoffset <n>]] LF
//! ```
//! A name stands in quotes if it holds a blank, a control or non-ASCII byte, `"` or `\`.

use crate::Bytes;

/// Writes a manifest line by line.
///
/// ```
/// use testkit::manifest::{Manifest, base_name, incr_name};
///
/// let text = Manifest::new().base(&base_name("a.aof", 1, "rdb"), 1).incr(&incr_name("a.aof", 1), 1).take();
/// assert_eq!(text, b"file a.aof.1.base.rdb seq 1 type b\nfile a.aof.1.incr.aof seq 1 type i\n");
/// ```
#[derive(Debug, Clone, Default)]
pub struct Manifest {
    bytes: Bytes,
}

impl Manifest {
    /// Without lines.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The base file.
    pub fn base(&mut self, name: &str, seq: i64) -> &mut Self {
        self.file(name.as_bytes(), &seq.to_string(), "b", "")
    }

    /// A file of commands that came after the base.
    pub fn incr(&mut self, name: &str, seq: i64) -> &mut Self {
        self.file(name.as_bytes(), &seq.to_string(), "i", "")
    }

    /// An incr with the replication offsets at which it begins and, if it was closed, ends.
    pub fn incr_at(&mut self, name: &str, seq: i64, start: i64, end: Option<i64>) -> &mut Self {
        let end = end.map_or(String::new(), |end| format!(" endoffset {end}"));
        self.file(name.as_bytes(), &seq.to_string(), "i", &format!(" startoffset {start}{end}"))
    }

    /// A file that is no longer needed.
    pub fn history(&mut self, name: &str, seq: i64) -> &mut Self {
        self.file(name.as_bytes(), &seq.to_string(), "h", "")
    }

    /// A line with any texts; the name is quoted if it has to be.
    pub fn file(&mut self, name: &[u8], seq: &str, kind: &str, more: &str) -> &mut Self {
        let tail = format!(" seq {seq} type {kind}{more}\n");
        self.raw(&[b"file ", &quote(name)[..], tail.as_bytes()].concat())
    }

    /// A comment.
    pub fn comment(&mut self, text: &str) -> &mut Self {
        self.raw(format!("#{text}\n").as_bytes())
    }

    /// Any bytes; the line feed is the caller's.
    pub fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// Takes the bytes.
    pub fn take(&mut self) -> Bytes {
        std::mem::take(&mut self.bytes)
    }
}

/// The name as a server writes it into the manifest.
#[must_use]
pub fn quote(name: &[u8]) -> Bytes {
    if name.iter().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\')) {
        return name.to_vec();
    }
    let mut out = b"\"".to_vec();
    for &byte in name {
        match byte {
            b'"' | b'\\' => out.extend([b'\\', byte]),
            b'\n' => out.extend(b"\\n"),
            b'\r' => out.extend(b"\\r"),
            b'\t' => out.extend(b"\\t"),
            0x07 => out.extend(b"\\a"),
            0x08 => out.extend(b"\\b"),
            b' '..=b'~' => out.push(byte),
            _ => out.extend(format!("\\x{byte:02x}").into_bytes()),
        }
    }
    out.push(b'"');
    out
}

/// The name of a base file; `suffix` is `rdb` or `aof`.
#[must_use]
pub fn base_name(prefix: &str, seq: u64, suffix: &str) -> String {
    format!("{prefix}.{seq}.base.{suffix}")
}

/// The name of an incr.
#[must_use]
pub fn incr_name(prefix: &str, seq: u64) -> String {
    format!("{prefix}.{seq}.incr.aof")
}

/// The name of the manifest.
#[must_use]
pub fn manifest_name(prefix: &str) -> String {
    format!("{prefix}.manifest")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_quotes() {
        let text = Manifest::new()
            .comment(" x")
            .base("base file.rdb", 1)
            .history("h.aof", 1)
            .incr_at("i.aof", 2, 0, Some(999))
            .incr_at("j.aof", 3, 999, None)
            .raw(b"junk")
            .take();
        let want = b"# x\nfile \"base file.rdb\" seq 1 type b\nfile h.aof seq 1 type h\n\
            file i.aof seq 2 type i startoffset 0 endoffset 999\nfile j.aof seq 3 type i startoffset 999\njunk";
        assert_eq!(text, want);
        assert_eq!(quote(b"a\"b\\c\n\xE9"), br#""a\"b\\c\n\xe9""#);
        assert_eq!(quote(b"it's"), b"it's");
    }
}
