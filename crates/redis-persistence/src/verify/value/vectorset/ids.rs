//! The ids of a vector set's elements, as ranges: servers give them out in order.

/// Ids that were met, in bounded memory.
#[derive(Debug)]
pub(super) struct Ids {
    /// Least and greatest id of a run of neighbours.
    runs: Vec<(u64, u64)>,
    most: usize,
    complete: bool,
}

/// What is known when all were met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unique {
    /// An id that occurs twice.
    pub(super) twice: Option<u64>,
    /// Whether all ids were remembered.
    pub(super) complete: bool,
}

impl Ids {
    /// Remembers them in at most this many bytes.
    pub(super) fn new(budget: usize) -> Self {
        Self { runs: Vec::new(), most: (budget / 32).max(1), complete: true }
    }

    pub(super) fn add(&mut self, id: u64) {
        if let Some((least, greatest)) = self.runs.last_mut() {
            if id.checked_add(1) == Some(*least) {
                *least = id;
                return;
            }
            if greatest.checked_add(1) == Some(id) {
                *greatest = id;
                return;
            }
        }
        if self.runs.len() < self.most {
            self.runs.push((id, id));
        } else {
            self.complete = false;
        }
    }

    /// Compares them. Then [`contains`](Self::contains) can be asked.
    pub(super) fn settle(&mut self) -> Unique {
        self.runs.sort_unstable();
        let mut greatest: Option<u64> = None;
        let mut twice = None;
        for (least, last) in &self.runs {
            if greatest.is_some_and(|before| *least <= before) {
                twice.get_or_insert(*least);
            }
            greatest = greatest.max(Some(*last));
        }
        Unique { twice, complete: self.complete }
    }

    pub(super) fn contains(&self, id: u64) -> bool {
        let after = self.runs.partition_point(|(least, _)| *least <= id);
        self.runs[..after].iter().next_back().is_some_and(|(_, greatest)| id <= *greatest)
    }
}
