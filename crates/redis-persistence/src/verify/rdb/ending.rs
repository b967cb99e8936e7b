//! Where a walk over an RDB ends: behind the end mark, or where it cannot go on.
//!
//! What follows the end of an RDB: no server looks at it.
//!
//! What it means that the walk cannot go on: damage, something newer, or no RDB at all.

use super::RdbVerifier;
use super::aux_fields::DRAGONFLY;
use crate::base::error::{Error, ErrorKind, Reading};
use crate::rdb::dragonfly;
use crate::report::codes::Code;
use crate::report::collector::Location;
use crate::report::facts::{TrailingBytes, Visibility};
use crate::report::{Kind, causes};

/// Looks at the bytes behind the end as they pass, in constant memory.
#[derive(Debug, Default)]
pub(super) struct Trailing {
    head: Vec<u8>,
    pub(super) len: u64,
    nonzero: bool,
}

const HEAD: usize = 64;

impl Trailing {
    /// Takes the next bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.len += bytes.len() as u64;
        self.nonzero = self.nonzero || bytes.iter().any(|b| *b != 0);
        let room = HEAD - self.head.len();
        self.head.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    pub(super) fn all_zero(&self) -> bool {
        !self.nonzero
    }

    /// Returns what the bytes look like.
    pub(super) fn kind(&self) -> TrailingBytes {
        let hex = |bytes: &[u8]| bytes.iter().all(u8::is_ascii_hexdigit);
        match &self.head[..] {
            _ if self.all_zero() => TrailingBytes::Zeros,
            [b'*' | b'#', ..] => TrailingBytes::Commands,
            mark if self.len == 40 && hex(mark) => TrailingBytes::ReplicationMark,
            head if head.starts_with(b"REDIS0") || head.starts_with(b"VALKEY") => TrailingBytes::SecondRdb,
            [b'\n' | b'\r', ..] if self.len <= 2 => TrailingBytes::LineEnd,
            _ => TrailingBytes::Other,
        }
    }

    /// Returns the same in words.
    pub(super) fn describe(&self) -> &'static str {
        match self.kind() {
            TrailingBytes::Zeros => "all of them zero",
            TrailingBytes::Commands => "they look like the commands of an append-only file",
            TrailingBytes::ReplicationMark => "the end mark of a diskless replication: harmless",
            TrailingBytes::SecondRdb => "a second RDB begins there",
            TrailingBytes::LineEnd => "a line end",
            TrailingBytes::Other => "of no known meaning",
        }
    }
}

/// Opcodes of Redis Enterprise, by which its files are known.
const ENTERPRISE: [u8; 5] = [100, 101, 102, 107, 121];

/// Reports the error with which the walk ended. `proven` says that the checksum of the file is right over all its bytes.
pub(super) fn report(verifier: &mut RdbVerifier, error: &Error, window: &[u8], proven: bool) {
    let place = Location::new(error.start(), error.failed_at()).reading(error.reading());
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
        let place = place.detail(Visibility::Unread);
        verifier.findings.add(Code::RdbNewerVersion, place, || format!("it cannot be walked on: {error}"));
        return;
    }
    if let ErrorKind::UnknownType(byte) = *error.kind()
        && let Some(message) = somebodys_own(verifier.aux.product.as_deref(), byte, proven)
    {
        verifier.unjudged = true;
        return verifier.findings.add(Code::RdbForeignProduct, place, || message);
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
    // An item begins with its number.
    let between_items = truncated && error.reading() == Reading::ModuleItem && error.failed_at() == error.start();
    let place = if between_items { place.detail(Visibility::BetweenItems) } else { place };
    verifier.findings.add(code, place, || error.to_string());
}

/// Returns what an unknown type or opcode is, where it is no damage: a field names another product, or the checksum vouches
/// for it.
fn somebodys_own(product: Option<&str>, byte: u8, proven: bool) -> Option<String> {
    let product = product.or_else(|| (proven && ENTERPRISE.contains(&byte)).then_some("Redis Enterprise"));
    match product {
        Some(product) => {
            let known = if product == DRAGONFLY { dragonfly::describe(byte) } else { None };
            let known = known.map(|known| format!(", {known}")).unwrap_or_default();
            Some(format!("a record of {product} that is not known here (type or opcode {byte}{known})"))
        }
        None if proven => Some(format!("type or opcode {byte} is somebody's own: the checksum is right")),
        None => None,
    }
}

/// The file does not begin as an RDB does: a damaged one, or something else?
fn no_signature(verifier: &mut RdbVerifier, window: &[u8]) {
    verifier.kind = Kind::Unknown;
    let place = Location::at(0).reading(Reading::Header);
    let findings = &mut verifier.findings;
    if window.iter().all(|b| *b == 0) {
        return findings.add(Code::RdbZeroFilled, place, || "the file begins with nothing but zero bytes".to_owned());
    }
    if let Some(what) = causes::sort(window).map(|(_, what)| what) {
        verifier.unjudged = true;
        return findings.add(Code::RdbNotAnRdb, place, || format!("this is no RDB: {what}"));
    }
    findings.add(Code::RdbBadMagic, place, || {
        let head: String = window.iter().take(9).flat_map(|b| std::ascii::escape_default(*b)).map(char::from).collect();
        format!("the file begins with \"{head}\" instead of REDIS or VALKEY and a version")
    });
}
