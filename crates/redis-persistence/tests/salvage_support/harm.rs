//! Damage to whole regions of a file, and which bytes it touched.

use std::ops::Range;

use testkit::rng::Rng;

/// A kind of damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Harm {
    /// 1 to 64 random bytes.
    RandomBytes,
    /// A page of 4 KiB is zero.
    ZeroPage,
    /// A page of 4 KiB stands in the place of another one.
    RepeatedPage,
    /// 1 to 4 KiB are missing.
    Cut,
    /// The end is missing.
    NoTail,
    /// Any of them.
    Mixed,
}

pub const HARMS: [Harm; 6] =
    [Harm::RandomBytes, Harm::ZeroPage, Harm::RepeatedPage, Harm::Cut, Harm::NoTail, Harm::Mixed];

const PAGE: usize = 4096;

/// A damaged file.
pub struct Harmed {
    pub bytes: Vec<u8>,
    /// What was touched, in the sound file.
    pub was: Vec<Range<usize>>,
    /// What stands there, in the damaged one; an empty range where something is missing.
    pub now: Vec<Range<usize>>,
}

/// Damages so many regions, from the end to the front, so that places do not move.
pub fn harm(sound: &[u8], kind: Harm, regions: usize, rng: &mut Rng) -> Harmed {
    let mut places: Vec<(usize, Harm)> = (0..regions)
        .map(|n| {
            let kind = match kind {
                Harm::Mixed => *rng.pick(&HARMS[..4]),
                Harm::NoTail if n > 0 => Harm::RandomBytes,
                kind => kind,
            };
            (rng.size(0..=sound.len() - 1), kind)
        })
        .collect();
    places.sort_by_key(|(at, kind)| (*kind == Harm::NoTail, *at));
    let mut harmed = Harmed { bytes: sound.to_vec(), was: Vec::new(), now: Vec::new() };
    let mut end = sound.len();
    for (at, kind) in places.into_iter().rev() {
        let (was, with) = one(sound, at.min(end), kind, rng);
        if was.end > end || was.is_empty() {
            continue;
        }
        end = was.start;
        let moved = with.len().wrapping_sub(was.len());
        for range in &mut harmed.now {
            *range = range.start.wrapping_add(moved)..range.end.wrapping_add(moved);
        }
        harmed.now.push(was.start..was.start + with.len());
        harmed.bytes.splice(was.clone(), with);
        harmed.was.push(was);
    }
    harmed
}

fn one(sound: &[u8], at: usize, kind: Harm, rng: &mut Rng) -> (Range<usize>, Vec<u8>) {
    let page = at / PAGE * PAGE..(at / PAGE * PAGE + PAGE).min(sound.len());
    match kind {
        Harm::ZeroPage => (page.clone(), vec![0; page.len()]),
        Harm::RepeatedPage => {
            let other = rng.size(0..=sound.len() / PAGE) * PAGE;
            let from = other.min(sound.len() - page.len());
            (page.clone(), sound[from..from + page.len()].to_vec())
        }
        Harm::Cut => (at..(at + rng.size(1024..=4096)).min(sound.len()), Vec::new()),
        Harm::NoTail => (at..sound.len(), Vec::new()),
        _ => {
            let range = at..(at + rng.size(1..=64)).min(sound.len());
            let with = rng.bytes(range.len());
            (range, with)
        }
    }
}
