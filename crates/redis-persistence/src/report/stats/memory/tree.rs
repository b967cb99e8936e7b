//! How many nodes the trees of a stream have: that of its packed values, and those of pending entries.

/// How many nodes a radix tree has, of keys of 16 bytes that come in order: a node for each key and for each place where keys part, and one
/// more for bytes in a row that none parts at.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tree {
    last: Option<u128>,
    /// Where the path to the last key parts from others, counted in bytes.
    parts: [u8; 16],
    depth: usize,
    pub(super) nodes: u64,
}

impl Tree {
    /// Its nodes beside the one that an empty tree has.
    pub(super) fn more(&self) -> u64 {
        self.nodes.saturating_sub(1)
    }

    pub(super) fn add(&mut self, key: u128) {
        const END: u8 = 16;
        // From one place to a deeper one; from the root, if `from` is none.
        let row = |from: Option<u8>, to: u8| u64::from(from.map_or(to > 0, |from| to > from + 1));
        let Some(last) = self.last.replace(key) else {
            self.nodes = 1 + row(None, END);
            return;
        };
        let Ok(common) = u8::try_from((last ^ key).leading_zeros() / 8) else { return };
        if common >= END {
            return;
        }
        let mut below = END;
        while self.depth > 0 && self.parts[self.depth - 1] > common {
            self.depth -= 1;
            below = self.parts[self.depth];
        }
        let above = self.depth.checked_sub(1).map(|top| self.parts[top]);
        if above != Some(common) {
            self.nodes = self.nodes + 1 + row(above, common) + row(Some(common), below) - row(above, below);
            self.parts[self.depth] = common;
            self.depth += 1;
        }
        self.nodes += 1 + row(Some(common), END);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The nodes of a tree are those of one that is made in the plain way.
    #[test]
    fn trees_have_the_nodes_that_parting_keys_make() {
        fn nodes(keys: &[[u8; 16]], depth: usize) -> u64 {
            let [first, .., last] = keys else { return u64::from(depth < 16) + 1 };
            let parts = (depth..16).find(|at| first[*at] != last[*at]).unwrap_or(16);
            let groups = keys.chunk_by(|a, b| a[parts] == b[parts]);
            u64::from(parts > depth) + 1 + groups.map(|group| nodes(group, parts + 1)).sum::<u64>()
        }
        let mut rng = testkit::rng::Rng::new(3);
        for case in 0..300_u64 {
            let mut ids: Vec<(u64, u64)> = (0..rng.size(1..=60))
                .map(|_| match case % 3 {
                    0 => (1_700_000_000_000 + rng.range(0..=9), rng.range(0..=20)),
                    1 => (1_700_000_000_000 + 37 * rng.range(0..=5000), 0),
                    _ => (u64::from(rng.byte()) << 56, u64::from(rng.byte())),
                })
                .collect();
            ids.sort_unstable();
            ids.dedup();
            let mut tree = Tree::default();
            let keys = || ids.iter().map(|(ms, seq)| u128::from(*ms) << 64 | u128::from(*seq));
            keys().for_each(|key| tree.add(key));
            let keys = keys().map(u128::to_be_bytes);
            assert_eq!(tree.nodes, nodes(&keys.collect::<Vec<_>>(), 0), "{ids:?}");
        }
    }
}
