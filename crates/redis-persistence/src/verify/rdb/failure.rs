//! What it means that the walk cannot go on: damage, something newer, or no RDB at all.

use super::RdbVerifier;
use crate::error::{Error, ErrorKind};
use crate::verify::codes::Code;
use crate::verify::facts::Detail;
use crate::verify::report::Kind;
use crate::verify::sink::Place;

/// Reports the error with which the walk ended.
pub(super) fn report(verifier: &mut RdbVerifier, error: &Error, window: &[u8]) {
    let place = Place::new(error.start(), error.failed_at()).reading(error.reading());
    if let ErrorKind::BadMagic = error.kind() {
        return no_signature(verifier, window);
    }
    if verifier.header.is_none() && error.failed_at() == 0 {
        verifier.kind = Kind::Unknown;
        verifier.findings.add(Code::RdbEmptyFile, place, || "the file is empty".to_owned());
        return;
    }
    let truncated = matches!(error.kind(), ErrorKind::UnexpectedEof { .. });
    if !truncated && verifier.is_newer() {
        let place = place.detail(Detail::Unread);
        verifier.findings.add(Code::RdbNewerVersion, place, || format!("it cannot be walked on: {error}"));
        return;
    }
    if let (Some(product), ErrorKind::UnknownType(_)) = (verifier.aux.product, error.kind()) {
        verifier.unjudged = true;
        verifier
            .findings
            .add(Code::RdbForeignProduct, place, || format!("a record of {product} that is not known here"));
        return;
    }
    let code = match error.kind() {
        ErrorKind::UnexpectedEof { .. } => Code::RdbTruncated,
        ErrorKind::BadVersion => Code::RdbBadVersion,
        ErrorKind::BadLength(_) => Code::RdbBadLength,
        ErrorKind::BadStringEncoding(_) => Code::RdbBadStringEncoding,
        ErrorKind::ModuleV1 => Code::RdbModuleV1,
        ErrorKind::BadModuleOpcode(_) => Code::RdbModuleBadOpcode,
        ErrorKind::BadArray { .. } => Code::ArrayInvalid,
        ErrorKind::BadFieldForm(_) | ErrorKind::UncountableFields => Code::TemplateHashInvalid,
        ErrorKind::UnknownTemplate(_) => Code::TemplateUnknown,
        ErrorKind::LimitExceeded { .. } => Code::RdbLimitExceeded,
        _ => Code::RdbUnknownType,
    };
    verifier.findings.add(code, place, || error.to_string());
}

/// The file does not begin as an RDB does: a damaged one, or something else?
fn no_signature(verifier: &mut RdbVerifier, window: &[u8]) {
    verifier.kind = Kind::Unknown;
    let place = Place::at(0).reading(crate::error::Reading::Header);
    let findings = &mut verifier.findings;
    if window.iter().all(|b| *b == 0) {
        return findings.add(Code::RdbZeroFilled, place, || "the file begins with nothing but zero bytes".to_owned());
    }
    if let Some(what) = another_kind(window) {
        verifier.unjudged = true;
        return findings.add(Code::RdbNotAnRdb, place, || format!("this is no RDB: {what}"));
    }
    findings.add(Code::RdbBadMagic, place, || {
        let head: String = window.iter().take(9).flat_map(|b| std::ascii::escape_default(*b)).map(char::from).collect();
        format!("the file begins with \"{head}\" instead of REDIS or VALKEY and a version")
    });
}

/// Names what the first bytes show, where that is not a damaged RDB.
fn another_kind(window: &[u8]) -> Option<&'static str> {
    const KNOWN: [(&[u8], &str); 14] = [
        (b"\x1f\x8b", "it is compressed with gzip"),
        (b"\x28\xb5\x2f\xfd", "it is compressed with zstd"),
        (b"\x04\x22\x4d\x18", "it is compressed with lz4"),
        (b"\xfd7zXZ\0", "it is compressed with xz"),
        (b"BZh", "it is compressed with bzip2"),
        (b"PK\x03\x04", "it is a zip archive"),
        (b"\x7fELF", "it is a program or library"),
        (b"VKCS", "it is a compressed stream of Valkey"),
        (b"<", "it looks like HTML or XML"),
        (b"{", "it looks like JSON"),
        (b"*", "it looks like an append-only file"),
        (b"#TS:", "it looks like an append-only file"),
        (b"file ", "it looks like the manifest of an append-only directory"),
        (b"$EOF:", "it is a replication stream with its frame"),
    ];
    if let Some((_, what)) = KNOWN.iter().find(|(magic, _)| window.starts_with(magic)) {
        return Some(what);
    }
    if window.get(257..262) == Some(b"ustar") {
        return Some("it is a tar archive");
    }
    if near_signature(window) {
        return None;
    }
    let text = !window.is_empty()
        && window.iter().take(512).all(|b| b.is_ascii_graphic() || matches!(b, b' ' | b'\t' | b'\r' | b'\n'));
    Some(if text { "it is text" } else { "it begins like none of the files known here" })
}

/// Whether the first bytes are a signature with damage: a few bytes changed, cut, or shifted by a byte-order mark.
fn near_signature(window: &[u8]) -> bool {
    let window = window.strip_prefix(b"\xef\xbb\xbf").unwrap_or(window);
    let window = &window[window.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count()..];
    let near = |signature: &[u8], digits: usize| {
        let wrong = signature.iter().zip(window).filter(|(a, b)| !a.eq_ignore_ascii_case(b)).count();
        let number = window.get(signature.len()..signature.len() + digits);
        let wrong_digits = number.map_or(0, |n| n.iter().filter(|b| !b.is_ascii_digit()).count());
        let short = window.len() < signature.len();
        if short { wrong == 0 } else { wrong + wrong_digits <= 2 }
    };
    near(b"REDIS", 4) || near(b"VALKEY", 3)
}
