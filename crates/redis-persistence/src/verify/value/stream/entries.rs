//! What is remembered of a stream's entries: numbers, the order so far, and enough to say which ids are gone.

use super::Id;

/// The entries of the nodes so far.
#[derive(Debug)]
pub(super) struct Entries {
    /// How many were walked, deleted ones included.
    pub(super) seen: u64,
    /// How many of them live.
    pub(super) living: u64,
    /// How many of them are deleted.
    pub(super) deleted: u64,
    /// How many live, as the nodes say.
    pub(super) stated: u64,
    /// Whether there is a node that does not say it.
    pub(super) unknown_nodes: bool,
    /// Whether every entry of every node was read, and all are in order.
    pub(super) complete: bool,
    /// The first and the greatest living one.
    pub(super) oldest: Option<Id>,
    pub(super) newest: Option<Id>,
    /// The living one before, and the one before, if the order is known.
    pub(super) last_living: Option<Id>,
    pub(super) last: Option<Id>,
    /// The first and last living entry of each node.
    ranges: Vec<(Id, Id)>,
    tombstones: Vec<Id>,
    /// How many ranges, and how many tombstones, are kept.
    most: usize,
    /// Whether all ranges were kept.
    kept: bool,
}

impl Default for Entries {
    fn default() -> Self {
        Self {
            seen: 0,
            living: 0,
            deleted: 0,
            stated: 0,
            unknown_nodes: false,
            complete: true,
            oldest: None,
            newest: None,
            last_living: None,
            last: None,
            ranges: Vec::new(),
            tombstones: Vec::new(),
            most: 0,
            kept: true,
        }
    }
}

impl Entries {
    /// Bounds what is kept, by the budget for all tables.
    pub(super) fn bound(&mut self, budget: usize) {
        self.most = budget / 16 / size_of::<(Id, Id)>();
    }

    /// The order is broken where that was reported; it is taken up again behind it.
    pub(super) fn lose_order(&mut self) {
        (self.last, self.last_living, self.complete) = (None, None, false);
    }

    /// A node cannot be read at all.
    pub(super) fn lose_node(&mut self) {
        self.unknown_nodes = true;
        self.lose_order();
    }

    #[inline]
    pub(super) fn add_living(&mut self, id: Id) {
        self.oldest.get_or_insert(id);
        self.newest = self.newest.max(Some(id));
        (self.last, self.last_living) = (Some(id), Some(id));
    }

    /// Adds all entries of a node, which live and ascend, and are as many as it says.
    pub(super) fn add_node(&mut self, first: Id, last: Id, living: u64) {
        self.stated = self.stated.saturating_add(living);
        self.seen += living;
        self.living += living;
        self.add_living(first);
        self.add_living(last);
        self.end_node(Some(first));
    }

    pub(super) fn add_deleted(&mut self, id: Id) {
        self.last = Some(id);
        if self.tombstones.len() < self.most {
            self.tombstones.push(id);
        }
    }

    /// The living entries of a node lie from `first` to the last one added.
    pub(super) fn end_node(&mut self, first: Option<Id>) {
        if let (Some(first), Some(last)) = (first, self.last_living) {
            if self.ranges.len() < self.most {
                self.ranges.push((first, last));
            } else {
                self.kept = false;
            }
        }
    }

    /// There are no more nodes.
    pub(super) fn finish(&mut self) {
        self.complete &= !self.unknown_nodes;
        self.tombstones.sort_unstable();
    }

    /// Returns whether there is certainly no living entry of that id: it lies in no node, or is deleted.
    pub(super) fn is_gone(&self, id: Id) -> bool {
        if !self.complete || !self.kept {
            return false;
        }
        let after = self.ranges.partition_point(|(first, _)| *first <= id);
        let inside = after > 0 && self.ranges[after - 1].1 >= id;
        !inside || self.tombstones.binary_search(&id).is_ok()
    }
}
