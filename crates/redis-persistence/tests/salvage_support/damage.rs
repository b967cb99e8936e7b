//! Damage to a file, of the kinds that disks, copies and memory do, with a record of which bytes are left and where.

use testkit::rng::Rng;

use crate::stream::pick;

const PAGE: usize = 4096;

/// A damaged file.
#[derive(Debug)]
pub struct Damaged {
    pub bytes: Vec<u8>,
    /// Bytes that are left: from there to there in the original, and where they are now.
    pub left: Vec<(usize, usize, usize)>,
    /// What was done, in words.
    pub regions: Vec<String>,
}

impl Damaged {
    pub fn none(original: &[u8]) -> Self {
        Self { bytes: original.to_vec(), left: vec![(0, original.len(), 0)], regions: Vec::new() }
    }

    /// Where a range of the original is now, if none of it was touched.
    pub fn place(&self, start: usize, end: usize) -> Option<usize> {
        let at = self.left.partition_point(|(_, to, _)| *to < end);
        let (from, to, now) = *self.left.get(at)?;
        (from <= start && end <= to).then(|| now + start - from)
    }

    /// Bytes are no longer what they were.
    fn touched(&mut self, from: usize, to: usize) {
        let mut left = Vec::new();
        for (start, end, now) in self.left.drain(..) {
            let here = now..now + end - start;
            if to <= here.start || here.end <= from {
                left.push((start, end, now));
                continue;
            }
            if here.start < from {
                left.push((start, start + from - here.start, now));
            }
            if to < here.end {
                left.push((start + to - here.start, end, to));
            }
        }
        self.left = left;
    }

    fn cut_out(&mut self, from: usize, to: usize) {
        self.touched(from, to);
        self.bytes.drain(from..to);
        for (_, _, now) in self.left.iter_mut().filter(|(_, _, now)| *now >= to) {
            *now -= to - from;
        }
    }
}

/// Damages a file in so many regions.
pub fn damage(original: &[u8], rng: &mut Rng, regions: usize) -> Damaged {
    let mut damaged = Damaged::none(original);
    for _ in 0..regions {
        let size = damaged.bytes.len();
        let at = rng.size(0..=size - 1);
        let page = at / PAGE * PAGE;
        let text = match rng.below(5) {
            0 => {
                let end = (at + rng.size(1..=64)).min(size);
                damaged.bytes[at..end].iter_mut().for_each(|byte| *byte = rng.next_u64().to_le_bytes()[0]);
                damaged.touched(at, end);
                format!("random {at}..{end}")
            }
            1 => {
                let end = (page + PAGE * rng.size(1..=2)).min(size);
                damaged.bytes[page..end].fill(0);
                damaged.touched(page, end);
                format!("zeros {page}..{end}")
            }
            2 => {
                let from = rng.size(0..=size / PAGE) * PAGE;
                let length = PAGE.min(size - page).min(size - from);
                damaged.bytes.copy_within(from..from + length, page);
                damaged.touched(page, page + length);
                format!("page {page} is a copy of {from}")
            }
            3 => {
                let end = (at + rng.size(1024..=4096)).min(size);
                damaged.cut_out(at, end);
                format!("cut out {at}..{end}")
            }
            _ => {
                let end = size - rng.size(1..=(size / 100).clamp(1, 5000));
                damaged.cut_out(end, size);
                format!("ends at {end}")
            }
        };
        damaged.regions.push(text);
    }
    damaged
}

/// One byte that is another one.
pub fn one_byte(original: &[u8], at: usize, byte: u8) -> Damaged {
    let mut damaged = Damaged::none(original);
    damaged.bytes[at] = byte;
    damaged.touched(at, at + 1);
    damaged
}

/// How many regions a file gets.
pub fn regions(rng: &mut Rng) -> usize {
    *pick(rng, &[1, 2, 3, 4, 5])
}
