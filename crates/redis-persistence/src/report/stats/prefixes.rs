//! Keys by what stands before the first colon of their names.

use std::collections::HashMap;

/// What keys of one prefix come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Prefix {
    /// Keys.
    pub keys: u64,
    /// What they take in the file, in bytes.
    pub bytes: u64,
}

/// Keys by prefix.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Prefixes {
    /// The prefixes, the colon included; those that take most bytes first.
    pub by_prefix: Vec<(Vec<u8>, Prefix)>,
    /// Keys without a colon in the first 64 bytes of their names.
    pub without: Prefix,
    /// Keys with a prefix that came up when as many were counted apart as are wanted.
    pub other: Prefix,
}

/// Longer prefixes are none.
const LONGEST: usize = 64;

/// The table while it is filled.
#[derive(Debug, Default)]
pub(crate) struct Table {
    most: usize,
    by_prefix: HashMap<Vec<u8>, Prefix>,
    without: Prefix,
    other: Prefix,
}

impl Table {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, ..Self::default() }
    }

    /// Counts a key.
    pub(crate) fn add(&mut self, name: &[u8], bytes: u64) {
        let colon = memchr::memchr(b':', &name[..name.len().min(LONGEST)]);
        let prefix = match colon.map(|colon| &name[..=colon]) {
            None => &mut self.without,
            Some(text) => {
                let full = self.by_prefix.len() >= self.most;
                match self.by_prefix.get_mut(text) {
                    Some(prefix) => prefix,
                    None if full => &mut self.other,
                    None => self.by_prefix.entry(text.to_vec()).or_default(),
                }
            }
        };
        prefix.keys += 1;
        prefix.bytes = prefix.bytes.saturating_add(bytes);
    }

    pub(crate) fn into_prefixes(self) -> Prefixes {
        let mut by_prefix: Vec<_> = self.by_prefix.into_iter().collect();
        by_prefix.sort_by(|(a, x), (b, y)| y.bytes.cmp(&x.bytes).then_with(|| a.cmp(b)));
        Prefixes { by_prefix, without: self.without, other: self.other }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_prefixes_are_counted_together() {
        let mut table = Table::new(2);
        for name in ["a:1", "b:1", "a:2", "c:1", "plain", "d:1"] {
            table.add(name.as_bytes(), 10);
        }
        let prefixes = table.into_prefixes();
        let named: Vec<_> = prefixes.by_prefix.iter().map(|(name, n)| (&name[..], n.keys)).collect();
        assert_eq!(named, [(&b"a:"[..], 2), (b"b:", 1)]);
        assert_eq!((prefixes.other.keys, prefixes.without.keys), (2, 1));
    }
}
