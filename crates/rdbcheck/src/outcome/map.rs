//! Where in its files the damage lies: what a strip in a text and the map of a page show.

use redis_persistence::verify::{Kind, Report, Severity};

/// What became of a stretch of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mark {
    /// It was read, and nothing is wrong with it.
    Sound,
    /// It was not read: it lies behind damage that leaves no way on.
    Unread,
    /// An error lies in it.
    Damaged,
}

/// A file, and what is marked in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Map {
    /// Its name, if it is one of a set.
    pub(crate) name: Option<String>,
    /// How many bytes it has.
    pub(crate) size: u64,
    /// From where to where what lies that is not sound, in order. They may overlap.
    pub(crate) marks: Vec<(u64, u64, Mark)>,
}

impl Map {
    /// Returns the maps of the files in which something is not sound.
    pub(crate) fn of(report: &Report) -> Vec<Self> {
        let of_set = matches!(report.kind, Kind::Aof | Kind::AofDir);
        if !of_set {
            let mut map = Self { name: None, size: report.size, marks: errors(report, None) };
            // Whatever stopped the walk stands at its end: no checksum was reached.
            if report.checksum.is_none() && report.format.is_some() {
                let stopped = map.marks.iter().map(|(_, end, _)| *end).max();
                map.marks.extend(stopped.filter(|end| *end < map.size).map(|end| (end, map.size, Mark::Unread)));
            }
            return Some(map).filter(|map| map.size > 0 && !map.marks.is_empty()).into_iter().collect();
        }
        let parts = report.parts.iter().filter(|part| part.role.is_loaded());
        let maps = parts.filter_map(|part| {
            let size = part.size.filter(|size| *size > 0)?;
            let name = (report.kind == Kind::AofDir).then(|| part.name.clone());
            let mut map = Self { marks: errors(report, name.as_deref()), name, size };
            let end = part.loads_up_to.unwrap_or(0);
            if end < size {
                map.marks.push((end, size, Mark::Damaged));
            }
            Some(map)
        });
        maps.filter(|map| !map.marks.is_empty()).collect()
    }

    /// Returns what stands in each of so many cells of equal width: the worst of its bytes.
    pub(crate) fn cells(&self, count: usize) -> Vec<Mark> {
        let mut cells = vec![Mark::Sound; count];
        let cell = |at: u64| {
            let at = u128::from(at) * count as u128 / u128::from(self.size.max(1));
            usize::try_from(at).unwrap_or(count).min(count.saturating_sub(1))
        };
        for (start, end, mark) in &self.marks {
            let last = cell(end.saturating_sub(1).max(*start));
            for of in cells.iter_mut().take(last + 1).skip(cell(*start)) {
                *of = (*mark).max(*of);
            }
        }
        cells
    }
}

/// Where the errors of a file lie.
fn errors(report: &Report, name: Option<&str>) -> Vec<(u64, u64, Mark)> {
    let errors = report.findings.iter().filter(|found| found.severity == Severity::Error);
    let of_it = errors.filter(|found| name.is_none() || found.file.as_deref() == name);
    // What is about the whole file lies nowhere.
    let placed = of_it.filter(|found| found.failed_at > 0 || found.end.is_some() || name.is_none());
    let mut marks: Vec<_> = placed
        .map(|found| {
            let end = found.end.unwrap_or(found.failed_at.saturating_add(1)).max(found.start.saturating_add(1));
            (found.start, end, Mark::Damaged)
        })
        .collect();
    marks.sort_unstable();
    marks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_shows_the_worst_of_its_bytes() {
        use Mark::{Damaged, Sound, Unread};
        let map = Map { name: None, size: 100, marks: vec![(42, 43, Damaged), (43, 100, Unread)] };
        assert_eq!(map.cells(5), [Sound, Sound, Damaged, Unread, Unread]);
        let map = Map { name: None, size: 3, marks: vec![(2, 9, Damaged)] };
        assert_eq!(map.cells(6), [Sound, Sound, Sound, Sound, Damaged, Damaged]);
        assert_eq!(
            Map { name: None, size: u64::MAX, marks: vec![(u64::MAX - 1, u64::MAX, Damaged)] }.cells(2),
            [Sound, Damaged]
        );
    }
}
