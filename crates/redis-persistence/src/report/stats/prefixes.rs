//! Keys by the prefixes of their names, in bounded memory.
//!
//! ```text
//! user:17:name   with `:`   user:      at depth 1
//!                           user:17:   at depth 2
//! ```
//! Where there are more prefixes than are told apart, the shortest ones are, and of those of one length the first by their bytes:
//! that does not depend on the order in which they come, so parts of a file can be counted apart, and what many keys share is
//! short.

use std::collections::HashMap;

/// Longer prefixes are none.
const LONGEST: usize = 64;
/// Deeper ones are not counted.
const DEEPEST: usize = 16;

/// What keys of one prefix come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Prefix {
    /// Keys.
    pub keys: u64,
    /// What they take in the file, in bytes.
    pub bytes: u64,
}

impl Prefix {
    fn add(&mut self, other: Self) {
        self.keys += other.keys;
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

/// Keys by prefix, at one depth.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Prefixes {
    /// The prefixes, the separator included; those that take most bytes first.
    pub by_prefix: Vec<(Vec<u8>, Prefix)>,
    /// Keys with fewer separators in the first 64 bytes of their names.
    pub without: Prefix,
    /// Keys with a prefix that is longer than as many as are told apart.
    pub other: Prefix,
}

/// The prefixes of all depths while they are counted.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    separators: [bool; 256],
    by_depth: Vec<Depth>,
}

impl Table {
    pub(crate) fn new(separators: &[u8], depth: usize, most: usize) -> Self {
        let mut ends = [false; 256];
        separators.iter().for_each(|byte| ends[usize::from(*byte)] = true);
        Self { separators: ends, by_depth: vec![Depth::new(most); depth.min(DEEPEST)] }
    }

    /// Counts a key.
    pub(crate) fn add(&mut self, name: &[u8], bytes: u64) {
        let name = &name[..name.len().min(LONGEST)];
        let mut ends = (0..name.len()).filter(|at| self.separators[usize::from(name[*at])]).map(|at| at + 1);
        for depth in &mut self.by_depth {
            let of = Prefix { keys: 1, bytes };
            match ends.next() {
                Some(end) => depth.add(&name[..end], of),
                None => depth.without.add(of),
            }
        }
    }

    /// Adds those of another part of the file.
    pub(crate) fn merge(&mut self, other: Self) {
        for (own, other) in self.by_depth.iter_mut().zip(other.by_depth) {
            own.without.add(other.without);
            own.other.add(other.other);
            other.by_prefix.into_iter().for_each(|(text, of)| own.add(&text, of));
        }
    }

    /// Returns the prefixes of each depth.
    pub(crate) fn into_prefixes(self) -> Vec<Prefixes> {
        self.by_depth.into_iter().map(Depth::into_prefixes).collect()
    }
}

/// The prefixes of one depth.
#[derive(Debug, Clone)]
struct Depth {
    most: usize,
    by_prefix: HashMap<Vec<u8>, Prefix>,
    /// The last one that was kept when the table was full: none behind it will be.
    last: Option<Vec<u8>>,
    without: Prefix,
    other: Prefix,
}

/// The shorter one comes first.
fn rank(text: &[u8]) -> (usize, &[u8]) {
    (text.len(), text)
}

impl Depth {
    fn new(most: usize) -> Self {
        Self { most, by_prefix: HashMap::new(), last: None, without: Prefix::default(), other: Prefix::default() }
    }

    fn add(&mut self, text: &[u8], of: Prefix) {
        if let Some(prefix) = self.by_prefix.get_mut(text) {
            prefix.add(of);
        } else if self.most == 0 || self.last.as_ref().is_some_and(|last| rank(text) > rank(last)) {
            self.other.add(of);
        } else {
            self.by_prefix.insert(text.to_vec(), of);
            // Twice as many, so that each is looked at a few times at most.
            if self.by_prefix.len() >= self.most.saturating_mul(2) {
                self.prune();
            }
        }
    }

    /// Keeps as many as are told apart.
    fn prune(&mut self) {
        if self.by_prefix.len() <= self.most {
            return;
        }
        let mut all: Vec<_> = self.by_prefix.drain().collect();
        all.sort_unstable_by(|(a, _), (b, _)| rank(a).cmp(&rank(b)));
        all.drain(self.most..).for_each(|(_, of)| self.other.add(of));
        self.last = all.last().map(|(text, _)| text.clone());
        self.by_prefix.extend(all);
    }

    fn into_prefixes(mut self) -> Prefixes {
        self.prune();
        let mut by_prefix: Vec<_> = self.by_prefix.into_iter().collect();
        by_prefix.sort_by(|(a, x), (b, y)| y.bytes.cmp(&x.bytes).then_with(|| a.cmp(b)));
        Prefixes { by_prefix, without: self.without, other: self.other }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(prefixes: &Prefixes) -> Vec<(String, u64)> {
        prefixes.by_prefix.iter().map(|(name, n)| (name.escape_ascii().to_string(), n.keys)).collect()
    }

    #[test]
    fn separators_end_prefixes_of_each_depth() {
        let mut table = Table::new(b":/", 2, 100);
        for name in ["user:1:name", "user:1/mail", "user:2", "web/a:b", "plain", ":"] {
            table.add(name.as_bytes(), 10);
        }
        let depths = table.into_prefixes();
        let owned = |of: &[(&str, u64)]| of.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect::<Vec<_>>();
        assert_eq!(named(&depths[0]), owned(&[("user:", 3), (":", 1), ("web/", 1)]));
        assert_eq!(named(&depths[1]), owned(&[("user:1/", 1), ("user:1:", 1), ("web/a:", 1)]));
        assert_eq!((depths[0].without.keys, depths[1].without.keys), (1, 3));
    }

    /// Whatever their order, and however they are divided.
    #[test]
    fn the_shortest_are_told_apart() {
        let names: Vec<String> =
            (0..3000_u32).map(|n| format!("{}:{n}", n.wrapping_mul(2_654_435_761) % 700)).collect();
        let most = 100;
        let count = |names: &mut dyn Iterator<Item = &String>| {
            let mut table = Table::new(b":", 1, most);
            names.for_each(|name| table.add(name.as_bytes(), 3));
            table
        };
        let whole = count(&mut names.iter()).into_prefixes();
        assert_eq!(count(&mut names.iter().rev()).into_prefixes(), whole);
        let mut parts = count(&mut names[2000..].iter());
        parts.merge(count(&mut names[..700].iter()));
        parts.merge(count(&mut names[700..2000].iter()));
        assert_eq!(parts.into_prefixes(), whole);
        let Prefixes { by_prefix, other, without } = &whole[0];
        assert_eq!(by_prefix.len(), most);
        // All of one digit and two.
        assert!(by_prefix.iter().all(|(name, _)| name.len() <= 3), "{by_prefix:?}");
        let kept: u64 = by_prefix.iter().map(|(_, of)| of.keys).sum();
        assert_eq!((kept + other.keys, without.keys), (3000, 0));
        assert!(
            by_prefix
                .iter()
                .all(|(name, of)| of.keys
                    == names.iter().filter(|text| text.as_bytes().starts_with(name)).count() as u64)
        );
    }
}
