//! Which names in a server's directory are its files: those of its configuration, the usual ones, or the only ones there.

use super::names::{self, Name, classify};
use super::{Node, node_in};

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

    /// Whether a server that is given these names looks nowhere else.
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
        Some((first.to_vec(), others.iter().map(|prefix| [prefix, names::MANIFEST].concat()).collect()))
    }

    /// The old-style file of a server's directory: by its name, or the only one that ends in `.aof`.
    pub(super) fn old_style(&self, names: &[(Vec<u8>, Node)]) -> Option<Vec<u8>> {
        if is_file(names, self.prefix()) {
            return Some(self.prefix().to_vec());
        }
        let plain = |name: &Vec<u8>| name.ends_with(b".aof") && classify(name) == Name::Other && is_file(names, name);
        let mut named = names.iter().map(|(name, _)| name).filter(|name| plain(name));
        named.next().filter(|_| named.next().is_none()).cloned()
    }

    /// The old-style file in a folder for the parts of a set: without a manifest no server reads it there.
    pub(super) fn misplaced(&self, names: &[(Vec<u8>, Node)]) -> Option<Vec<u8>> {
        prefix_of_parts(names).is_none().then(|| self.old_style(names)).flatten()
    }

    /// The RDB of a server's directory: by its name, or the only one that ends in `.rdb`.
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

/// The prefix of files that are named like parts.
pub(super) fn prefix_of_parts(names: &[(Vec<u8>, Node)]) -> Option<Vec<u8>> {
    names.iter().find_map(|(name, _)| classify(name).prefix()).map(<[u8]>::to_vec)
}

/// The same, of one prefix.
pub(super) fn has_parts_of(names: &[(Vec<u8>, Node)], prefix: &[u8]) -> bool {
    names.iter().any(|(name, _)| classify(name).prefix() == Some(prefix))
}
