//! Names of files: those of a set, and which names in a server's directory are its files.
//!
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
//!
//! Which names in a server's directory are its files: those of its configuration, the usual ones, or the only ones there.

use super::set::TemporaryKind;
use super::{Node, node_in};

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
    /// Returns the prefix of a part.
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

/// Returns what a server was writing into a file of that name.
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

/// The names that a server's configuration gives to its files, and which of them it reads at its start.
///
/// Without a name the usual one is taken if it is there, or else the only one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Layout {
    /// The folder of the append-only files.
    pub appenddirname: Option<String>,
    /// What the names of the append-only files begin with.
    pub appendfilename: Option<String>,
    /// The name of the RDB.
    pub dbfilename: Option<String>,
    /// Whether append-only files are read, and not the RDB; `None` where nothing says.
    pub appendonly: Option<bool>,
}

impl Layout {
    pub(super) fn folder(&self) -> &[u8] {
        self.appenddirname.as_ref().map_or(b"appendonlydir", |name| name.as_bytes())
    }

    pub(super) fn prefix(&self) -> &[u8] {
        self.appendfilename.as_ref().map_or(b"appendonly.aof", |name| name.as_bytes())
    }

    pub(super) fn dump(&self) -> &[u8] {
        self.dbfilename.as_ref().map_or(b"dump.rdb", |name| name.as_bytes())
    }

    /// Returns whether a server that is given these names looks nowhere else.
    pub(super) fn is_given(&self) -> bool {
        self.appenddirname.is_some() || self.appendfilename.is_some()
    }

    /// The prefix of the manifest to take, the server's if it is there, and the names of the others.
    pub(super) fn manifests(&self, names: &[(Vec<u8>, Node)]) -> Option<(Vec<u8>, Vec<Vec<u8>>)> {
        let mut prefixes: Vec<_> = names
            .iter()
            .filter_map(|(name, _)| if let Name::Manifest(prefix) = classify(name) { Some(prefix) } else { None })
            .collect();
        prefixes.sort_by_key(|prefix| *prefix != self.prefix());
        let (first, others) = prefixes.split_first()?;
        Some((first.to_vec(), others.iter().map(|prefix| [prefix, MANIFEST].concat()).collect()))
    }

    /// Returns the old-style file of a server's directory: by its name, or the only one that ends in `.aof`.
    pub(super) fn old_style(&self, names: &[(Vec<u8>, Node)]) -> Option<Vec<u8>> {
        if is_file(names, self.prefix()) {
            return Some(self.prefix().to_vec());
        }
        let plain = |name: &Vec<u8>| name.ends_with(b".aof") && classify(name) == Name::Other && is_file(names, name);
        let mut named = names.iter().map(|(name, _)| name).filter(|name| plain(name));
        named.next().filter(|_| named.next().is_none()).cloned()
    }

    /// Returns the old-style file in a folder for the parts of a set: without a manifest no server reads it there.
    pub(super) fn misplaced(&self, names: &[(Vec<u8>, Node)]) -> Option<Vec<u8>> {
        prefix_of_parts(names).is_none().then(|| self.old_style(names)).flatten()
    }

    /// Returns the RDB of a server's directory: by its name, or the only one that ends in `.rdb`.
    pub(super) fn dump_in<'a>(&self, names: &'a [(Vec<u8>, Node)]) -> Option<&'a Vec<u8>> {
        if let Some((name, _)) = names.iter().find(|(name, _)| name == self.dump() && is_file(names, name)) {
            return Some(name);
        }
        let plain =
            |name: &&Vec<u8>| name.ends_with(b".rdb") && !name.starts_with(b"temp-") && classify(name) == Name::Other;
        let mut named = names.iter().map(|(name, _)| name).filter(plain).filter(|name| is_file(names, name));
        named.next().filter(|_| named.next().is_none())
    }
}

fn is_file(names: &[(Vec<u8>, Node)], name: &[u8]) -> bool {
    matches!(node_in(names, name), Some(Node::File(_)))
}

/// Returns the prefix of files that are named like parts.
pub(super) fn prefix_of_parts(names: &[(Vec<u8>, Node)]) -> Option<Vec<u8>> {
    names.iter().find_map(|(name, _)| classify(name).prefix()).map(<[u8]>::to_vec)
}

/// Returns the same, of one prefix.
pub(super) fn has_parts_of(names: &[(Vec<u8>, Node)], prefix: &[u8]) -> bool {
    names.iter().any(|(name, _)| classify(name).prefix() == Some(prefix))
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
