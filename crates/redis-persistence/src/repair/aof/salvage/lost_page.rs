//! Pages that were overwritten with a copy of other ones: what they hold reads well, and is wrong. Run again, its commands would
//! bring old values back.
//!
//! A copy begins or ends in a gap, it is found a second time in the file, and both are the same over whole pages of 4 KiB, no
//! more and no less. Where it lies is not asked: bytes that were lost before it have moved it.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use memchr::memmem::Finder;

use super::events::Gap;

const PAGE: u64 = 4096;
/// The longest copy that is looked for.
const LONGEST: u64 = 16 * PAGE;
/// Bytes that the two may have in common by chance, beyond the copy.
const CHANCE: u64 = 64;
/// This many bytes are searched for.
const PROBE: usize = 128;
/// This many searches are made.
const MOST: usize = 64;
/// This many places are looked at in each.
const MOST_PLACES: usize = 16;
/// What is searched at a time.
const WINDOW: usize = 1 << 20;

/// Bytes before or behind a gap that may be a copy.
#[derive(Debug)]
struct Suspect {
    /// Where they begin.
    at: u64,
    probe: Vec<u8>,
    places: Vec<u64>,
}

/// Returns the copies in a file, as ranges.
pub(super) fn repeated(file: &mut File, size: u64, gaps: &[Gap]) -> io::Result<Vec<(u64, u64)>> {
    let mut suspects = Vec::new();
    let mut before = 0;
    for gap in gaps {
        for at in [gap.start.checked_sub(PROBE as u64).filter(|at| *at >= before), Some(gap.end)].into_iter().flatten()
        {
            if suspects.len() < MOST && at + (PROBE as u64) <= size {
                suspects.push(Suspect { at, probe: bytes(file, at, PROBE as u64)?, places: Vec::new() });
            }
        }
        before = gap.end;
    }
    if suspects.is_empty() {
        return Ok(Vec::new());
    }
    find(file, size, &mut suspects)?;
    let mut found = Vec::new();
    for suspect in &suspects {
        for place in &suspect.places {
            let (before, after) = common(file, size, suspect.at, *place)?;
            let length = before + after;
            if (PAGE..=LONGEST + CHANCE).contains(&length) && length % PAGE <= CHANCE {
                found.push((suspect.at - before, suspect.at + after));
                break;
            }
        }
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// Looks for all probes in one reading.
fn find(file: &mut File, size: u64, suspects: &mut [Suspect]) -> io::Result<()> {
    let finders: Vec<_> = suspects.iter().map(|suspect| Finder::new(&suspect.probe).into_owned()).collect();
    let mut at = 0;
    while at + (PROBE as u64) < size {
        let window = bytes(file, at, (WINDOW + PROBE) as u64)?;
        for (finder, suspect) in finders.iter().zip(&mut *suspects) {
            let room = MOST_PLACES.saturating_sub(suspect.places.len());
            let places = finder.find_iter(&window).map(|found| at + found as u64);
            let others: Vec<_> = places.filter(|place| *place != suspect.at).take(room).collect();
            suspect.places.extend(others);
        }
        at += WINDOW as u64;
    }
    Ok(())
}

fn bytes(file: &mut File, at: u64, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(at))?;
    file.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Returns how many bytes before and from two places on are the same.
fn common(file: &mut File, size: u64, a: u64, b: u64) -> io::Result<(u64, u64)> {
    let reach = LONGEST + PAGE;
    let back = reach.min(a).min(b);
    let (before_a, before_b) = (bytes(file, a - back, back)?, bytes(file, b - back, back)?);
    let before = before_a.iter().rev().zip(before_b.iter().rev()).take_while(|(x, y)| x == y).count();
    let on = reach.min(size - a).min(size - b);
    let (after_a, after_b) = (bytes(file, a, on)?, bytes(file, b, on)?);
    let after = after_a.iter().zip(&after_b).take_while(|(x, y)| x == y).count();
    Ok((before as u64, after as u64))
}
