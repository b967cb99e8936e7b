//! Whether a file is as it was written: then nothing in it is doubted.

use std::io;

use super::candidate::CandidateKind;
use super::decode::{Decoder, Start};
use super::source_window::BLOCK;
use crate::base::crc64::Crc64;

/// The checksum behind the end of the records.
const CHECKSUM: u64 = 8;

/// Returns whether the checksum of a file fits, and its records lead from `at` to it, each of them sound. One that a server
/// wrote of damaged memory has a checksum that fits as well, and is no such file.
pub(super) fn is_whole(decoder: &mut Decoder<'_>, at: u64) -> io::Result<bool> {
    let size = decoder.input.size();
    let Some(end) = size.checked_sub(CHECKSUM).filter(|end| *end > at) else { return Ok(false) };
    Ok(fits(decoder, end)? && leads_to(decoder, at)?)
}

/// Returns whether the checksum at `end` is that of all before it. Zeros stand for none.
fn fits(decoder: &mut Decoder<'_>, end: u64) -> io::Result<bool> {
    let stored = decoder.input.bytes(end, 8)?.first_chunk().copied().map(u64::from_le_bytes);
    let Some(stored) = stored.filter(|stored| *stored != 0) else { return Ok(false) };
    let mut crc = Crc64::new();
    let mut at = 0;
    while at < end {
        let len = usize::try_from(end - at).unwrap_or(BLOCK).min(BLOCK);
        crc.update(&decoder.input.bytes(at, len)?[..len]);
        at += len as u64;
    }
    Ok(crc.value() == stored)
}

/// Returns whether sound units follow each other from `at` to the end of the file.
pub(super) fn leads_to(decoder: &mut Decoder<'_>, mut at: u64) -> io::Result<bool> {
    let size = decoder.input.size();
    while let Some(unit) = decoder.unit(at, Start::Known)? {
        match unit.what {
            CandidateKind::End => return Ok(unit.end == size),
            CandidateKind::Broken { .. } | CandidateKind::Unsound => break,
            _ => at = unit.end,
        }
    }
    Ok(false)
}
