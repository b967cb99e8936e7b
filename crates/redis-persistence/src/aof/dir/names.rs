//! The names that servers give to the files of a set.
//!
//! ```text
//! <prefix>.manifest                          appendonlydir
//! <prefix>.<seq>.base.rdb | .base.aof        appendonlydir
//! <prefix>.<seq>.incr.aof                    appendonlydir
//! temp-<prefix>.manifest  temp-<prefix>.incr appendonlydir
//! temp-rewriteaof-<pid>.aof                  the server's own directory
//! temp-rewriteaof-bg-<pid>.aof               the server's own directory
//! temp-<pid>.rdb  temp-<time>.<pid>.rdb      the server's own directory
//! <prefix>                                   the server's own directory
//! ```

use super::set::TemporaryKind;

/// What a name says of its file, whatever the prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Name<'a> {
    Manifest(&'a [u8]),
    Base(&'a [u8], u64),
    Incr(&'a [u8], u64),
    Temporary(TemporaryKind),
    Other,
}

impl<'a> Name<'a> {
    /// The prefix of a part.
    pub(crate) fn prefix(self) -> Option<&'a [u8]> {
        if let Self::Base(prefix, _) | Self::Incr(prefix, _) = self { Some(prefix) } else { None }
    }
}

pub(super) const MANIFEST: &[u8] = b".manifest";

pub(crate) fn classify(name: &[u8]) -> Name<'_> {
    if name.starts_with(b"temp-") {
        return temporary(name).map_or(Name::Other, Name::Temporary);
    }
    if let Some(prefix) = name.strip_suffix(MANIFEST).filter(|prefix| !prefix.is_empty()) {
        return Name::Manifest(prefix);
    }
    let base = name.strip_suffix(b".base.rdb").or_else(|| name.strip_suffix(b".base.aof"));
    let numbered = |stem: &'static str| {
        let rest = if stem == "base" { base? } else { name.strip_suffix(b".incr.aof")? };
        let dot = memchr::memrchr(b'.', rest).filter(|dot| *dot > 0)?;
        let digits = std::str::from_utf8(&rest[dot + 1..]).ok()?;
        let seq = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())??;
        Some((&rest[..dot], seq))
    };
    match (numbered("base"), numbered("incr")) {
        (Some((prefix, seq)), _) => Name::Base(prefix, seq),
        (_, Some((prefix, seq))) => Name::Incr(prefix, seq),
        _ => Name::Other,
    }
}

/// What a server was writing into a file of that name.
fn temporary(name: &[u8]) -> Option<TemporaryKind> {
    let digits = |text: &[u8]| !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let between = |start: &[u8], end: &[u8]| name.strip_prefix(start)?.strip_suffix(end);
    if name.starts_with(b"temp-rewriteaof-") {
        return Some(TemporaryKind::Rewrite);
    }
    if name.ends_with(MANIFEST) {
        return Some(TemporaryKind::Manifest);
    }
    if name.ends_with(b".incr") {
        return Some(TemporaryKind::Incr);
    }
    let number = between(b"temp-", b".rdb")?;
    match number.iter().position(|byte| *byte == b'.') {
        None => digits(number).then_some(TemporaryKind::Save),
        Some(dot) => (digits(&number[..dot]) && digits(&number[dot + 1..])).then_some(TemporaryKind::Transfer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_scheme() {
        let cases: [(&str, Name<'_>); 13] = [
            ("appendonly.aof.manifest", Name::Manifest(b"appendonly.aof")),
            ("temp-appendonly.aof.manifest", Name::Temporary(TemporaryKind::Manifest)),
            ("temp-appendonly.aof.incr", Name::Temporary(TemporaryKind::Incr)),
            ("temp-rewriteaof-bg-12.aof", Name::Temporary(TemporaryKind::Rewrite)),
            ("temp-412.rdb", Name::Temporary(TemporaryKind::Save)),
            ("temp-1700000000.412.rdb", Name::Temporary(TemporaryKind::Transfer)),
            ("temp-mine.rdb", Name::Other),
            ("temp-other", Name::Other),
            ("a.b.12.base.rdb", Name::Base(b"a.b", 12)),
            ("a.0.base.aof", Name::Base(b"a", 0)),
            ("a.7.incr.aof", Name::Incr(b"a", 7)),
            ("a.7.incr.rdb", Name::Other),
            (".1.incr.aof", Name::Other),
        ];
        for (name, expected) in cases {
            assert_eq!(classify(name.as_bytes()), expected, "{name}");
        }
    }
}
