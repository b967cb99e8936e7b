//! Causes by their names, and what the first bytes of a file show.
//!
//! The causes: their names, whether they can be undone, and the command that helps.
//!
//! What the first bytes of a file show, where it is no RDB.

use std::fmt;

use self::CauseCode as C;
use super::codes::page;

macro_rules! causes {
    ($($variant:ident $name:literal $reversible:literal $command:expr;)*) => {
        /// A cause that can be told from the bytes of a file.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum CauseCode {
            $(#[doc = concat!("`", $name, "`")] $variant,)*
        }

        impl CauseCode {
            /// Every cause.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Returns the name that reports and machines use.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Returns the cause of that name.
            ///
            /// # Examples
            /// ```
            /// use redis_persistence::diagnose::CauseCode;
            ///
            /// assert_eq!(CauseCode::from_name("cut"), Some(CauseCode::Cut));
            /// ```
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|code| code.as_str() == name)
            }

            /// Returns its page: what happened, and what to do or how to undo it.
            ///
            /// # Examples
            /// ```
            /// use redis_persistence::diagnose::CauseCode;
            ///
            /// assert!(CauseCode::Gzip.explain().contains("gzip -dc FILE"));
            /// ```
            #[must_use]
            pub fn explain(self) -> &'static str {
                page(include_str!("../../docs/causes.md"), self.as_str())
            }

            /// Returns whether what was done to the file can as a rule be undone without loss.
            pub(crate) fn reversible(self) -> bool {
                match self { $(Self::$variant => $reversible,)* }
            }

            /// Returns the command that helps, with `FILE`, `OUT`, and for offsets `OFFSET` and `NEXT`.
            pub(crate) fn command(self) -> Option<&'static str> {
                match self { $(Self::$variant => $command,)* }
            }
        }
    };
}

const SALVAGE: Option<&str> = Some("rdbcheck --salvage OUT FILE");
const SALVAGE_COMMANDS: Option<&str> = Some("aofcheck --salvage OUT FILE");
const FIX: Option<&str> = Some("aofcheck --fix --dry-run FILE");

causes! {
    Empty "empty" false Some("ls -l temp-*.rdb");
    AllZero "all-zero" false None;
    ZeroTail "zero-tail" false SALVAGE;
    ZeroTailOfCommands "zero-tail-of-commands" true FIX;
    Hole "hole" false SALVAGE;
    Cut "cut" false SALVAGE;
    CutCommand "cut-command" false FIX;
    OpenTransaction "open-transaction" false FIX;
    Gzip "gzip" true Some("gzip -dc FILE | rdbcheck -");
    Zstd "zstd" true Some("zstd -dc FILE | rdbcheck -");
    Lz4 "lz4" true Some("lz4 -dc FILE | rdbcheck -");
    Xz "xz" true Some("xz -dc FILE | rdbcheck -");
    Bzip2 "bzip2" true Some("bzip2 -dc FILE | rdbcheck -");
    Zip "zip" true Some("unzip -p FILE | rdbcheck -");
    Tar "tar" true Some("tar -tf FILE");
    Program "program" false None;
    ErrorPage "error-page" false None;
    Base64 "base64" true None;
    Base32 "base32" true None;
    Uuencoded "uuencoded" true None;
    Hex "hex" true None;
    Numbers "number-list" true None;
    QuotedPrintable "quoted-printable" true None;
    Escaped "escaped" true None;
    Chunked "chunked" true None;
    Surrounded "surrounded" true None;
    GitLfsPointer "git-lfs-pointer" true Some("git lfs pull");
    GitAnnexPointer "git-annex-pointer" true Some("git annex get FILE");
    Text "text" false None;
    NoKnownKind "no-known-kind" false None;
    ByteOrderMark "byte-order-mark" true Some("tail -c +4 FILE | rdbcheck -");
    Utf16 "utf-16" false None;
    Utf8 "utf-8" true Some("iconv -f UTF-8 -t LATIN1 FILE | rdbcheck -");
    Utf8Lossy "utf-8-lossy" false None;
    CrLf "crlf" true Some("sed 's/\\r$//' FILE | rdbcheck -");
    CrLfCommands "crlf-commands" true SALVAGE_COMMANDS;
    LineEndsLost "line-ends-lost" true SALVAGE_COMMANDS;
    TwoRdbs "two-rdbs" true Some("tail -c +NEXT FILE | rdbcheck -");
    ReplicationCapture "replication-capture" true Some("tail -c +NEXT FILE | rdbcheck -");
    ReplicationMark "replication-mark" true Some("head -c OFFSET FILE > OUT");
    LeadingNewlines "leading-newlines" true Some("tail -c +NEXT FILE | rdbcheck -");
    DumpPayload "dump-payload" true Some("redis-cli -x RESTORE KEY 0 < FILE");
    AppendOnlyFile "append-only-file" true Some("aofcheck FILE");
    Manifest "manifest" true Some("aofcheck FILE");
    RdbNamedAof "rdb-named-aof" true Some("rdbcheck FILE");
    ValkeyEnvelope "valkey-envelope" true None;
    Dragonfly "dragonfly" true None;
    KeyDb "keydb" true None;
    RedisEnterprise "redis-enterprise" true None;
    OtherProduct "other-product" true None;
    ModuleCommands "module-commands" true Some("aofcheck --for SERVER --set modules=NAME FILE");
    UnknownCommands "unknown-commands" true Some("aofcheck --for SERVER --conf CONF FILE");
    NewerVersion "newer-version" true None;
    VersionDigit "version-digit" true Some("{ head -c 5 FILE ; printf 0009 ; tail -c +10 FILE ; } > OUT");
    DuplicateKeys "duplicate-keys" false SALVAGE;
    BitRot "bit-rot" false SALVAGE;
    ManifestLost "manifest-lost" true Some("aofcheck --fix --dry-run FILE");
    PartMissing "part-missing" false None;
    DataLost "data-lost" false None;
    DataNotRead "data-not-read" true None;
    CopiedDuringRewrite "copied-during-rewrite" false None;
    AllExpired "all-expired" false None;
}

impl fmt::Display for CauseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

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

/// Returns what the first bytes show, where that is not an RDB with a damaged beginning: the sort, and the same in words.
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

/// Returns whether the first bytes are a signature with damage: a few bytes changed, cut, or shifted by a byte-order mark.
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

/// Returns whether an RDB begins there.
pub(crate) fn is_signature(head: &[u8]) -> bool {
    let digits = |n: &[u8]| n.iter().all(u8::is_ascii_digit);
    match head {
        [b'R', b'E', b'D', b'I', b'S', a, b, c, d, ..] => digits(&[*a, *b, *c, *d]),
        [b'V', b'A', b'L', b'K', b'E', b'Y', a, b, c, ..] => digits(&[*a, *b, *c]),
        _ => false,
    }
}

/// Returns what a page of HTML, XML or JSON says: the text of its error code, or its title.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_a_page_and_every_page_a_cause() {
        for cause in C::ALL {
            assert!(cause.explain().contains("Means: "), "{cause} has no page in docs/causes.md");
            // Where one command helps whatever the file is, the page has the same.
            if let Some(command) = cause.command() {
                assert!(cause.explain().replace('\n', " ").contains(&format!("`{command}`")), "{cause}: {command}");
            }
        }
        for line in include_str!("../../docs/causes.md").lines().filter_map(|line| line.strip_prefix("## ")) {
            assert!(C::from_name(line).is_some(), "{line}");
        }
    }
}
