//! What the first bytes of a file show, where it is no RDB.

use super::cause_code::CauseCode as C;

/// The byte-order mark that editors put before UTF-8.
pub(crate) const BOM: &[u8] = b"\xef\xbb\xbf";

/// First bytes, what they are of, and the same in words.
const KNOWN: [(&[u8], C, &str); 18] = [
    (b"\x1f\x8b", C::Gzip, "it is compressed with gzip"),
    (b"\x28\xb5\x2f\xfd", C::Zstd, "it is compressed with zstd"),
    (b"\x04\x22\x4d\x18", C::Lz4, "it is compressed with lz4"),
    (b"\xfd7zXZ\0", C::Xz, "it is compressed with xz"),
    (b"BZh", C::Bzip2, "it is compressed with bzip2"),
    (b"PK\x03\x04", C::Zip, "it is a zip archive"),
    (b"\x7fELF", C::Program, "it is a program or library"),
    (b"VCS\x01", C::ValkeyEnvelope, "it is a compressed stream of Valkey"),
    (b"VKCS", C::ValkeyEnvelope, "it is a compressed stream of Valkey"),
    (b"<?xml", C::ErrorPage, "it looks like HTML or XML"),
    (b"<", C::ErrorPage, "it looks like HTML or XML"),
    (b"{", C::ErrorPage, "it looks like JSON"),
    (b"*", C::AppendOnlyFile, "it looks like an append-only file"),
    (b"#TS:", C::AppendOnlyFile, "it looks like an append-only file"),
    (b"file ", C::Manifest, "it looks like the manifest of an append-only directory"),
    (b"$EOF:", C::ReplicationCapture, "it is a replication stream with its frame"),
    (b"\xff\xfe", C::Utf16, "it is text in UTF-16"),
    (b"\xfe\xff", C::Utf16, "it is text in UTF-16"),
];

/// What the first bytes show, where that is not an RDB with a damaged beginning: the sort, and the same in words.
pub(crate) fn sort(head: &[u8]) -> Option<(C, &'static str)> {
    if let Some((_, code, what)) = KNOWN.iter().find(|(magic, _, _)| head.starts_with(magic)) {
        return Some((*code, what));
    }
    if head.get(257..262) == Some(b"ustar") {
        return Some((C::Tar, "it is a tar archive"));
    }
    if near_signature(head) {
        return None;
    }
    let text = !head.is_empty()
        && head.iter().take(512).all(|b| b.is_ascii_graphic() || matches!(b, b' ' | b'\t' | b'\r' | b'\n'));
    Some(if text { (C::Text, "it is text") } else { (C::NoKnownKind, "it begins like none of the files known here") })
}

/// Whether the first bytes are a signature with damage: a few bytes changed, cut, or shifted by a byte-order mark.
fn near_signature(head: &[u8]) -> bool {
    let head = head.strip_prefix(BOM).unwrap_or(head);
    let head = &head[head.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count()..];
    let near = |signature: &[u8], digits: usize| {
        let wrong = signature.iter().zip(head).filter(|(a, b)| !a.eq_ignore_ascii_case(b)).count();
        let number = head.get(signature.len()..signature.len() + digits);
        let wrong_digits = number.map_or(0, |n| n.iter().filter(|b| !b.is_ascii_digit()).count());
        let short = head.len() < signature.len();
        if short { wrong == 0 } else { wrong + wrong_digits <= 2 }
    };
    near(b"REDIS", 4) || near(b"VALKEY", 3)
}

/// Whether an RDB begins there.
pub(crate) fn is_signature(head: &[u8]) -> bool {
    let digits = |n: &[u8]| n.iter().all(u8::is_ascii_digit);
    match head {
        [b'R', b'E', b'D', b'I', b'S', a, b, c, d, ..] => digits(&[*a, *b, *c, *d]),
        [b'V', b'A', b'L', b'K', b'E', b'Y', a, b, c, ..] => digits(&[*a, *b, *c]),
        _ => false,
    }
}

/// What a page of HTML, XML or JSON says: the text of its error code, or its title.
pub(crate) fn page_says(head: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(&head[..head.len().min(4096)]);
    let between = |open: &str, close: &str| {
        let start = text.find(open)? + open.len();
        let end = text[start..].find(close)?;
        let said = text[start..start + end].trim().chars().take(100);
        Some(said.map(|c| if c.is_control() { ' ' } else { c }).collect::<String>())
    };
    [("<Code>", "</Code>"), ("<title>", "</title>"), ("<TITLE>", "</TITLE>"), ("\"message\":\"", "\"")]
        .iter()
        .find_map(|(open, close)| between(open, close))
        .filter(|said| !said.is_empty())
}
