//! Keys that a value has swallowed.
//!
//! ```text
//! was:  [type name length][value ............][expiry type name value][type name value]
//! is:   [type name length][value ...  xpiry type name value][type name value]
//!                          \\___ so much as the length says ___/
//! ```
//! Where a part of a long value is missing, its length reaches into the keys behind it. Mostly it ends within one of them, and the
//! walk cannot go on. But where it ends just with one of them, or with the expiry of one, or between fields of a hash that look like
//! keys, it can, and nothing but what the value holds tells that it is damaged: keys like those of the file, up to its very end or over
//! it, where the next unit follows. Between them something may be skipped, as a part of what was swallowed may be missing, too. Looked at
//! are values of 64 bytes or more that end with a string which may hold any bytes. A whole RDB in a value is not taken for that.

use std::io;

use super::candidate::{Candidate, CandidateKind, PLAUSIBLE_MS};
use super::decode::{Decoder, Start};
use super::search::{LOCKED, OPEN, chains_over};
use crate::rdb::{Frame, PlainElement, ValueType, opcode};

/// In fewer bytes there is no room for keys that tell something.
const LEAST: u64 = 64;
/// What stands before a key takes no more than so many bytes: when it expires, and how often or when it was used.
const ATTRIBUTES: u64 = 16;

/// Returns where the keys begin that the value of a unit has swallowed, if it has; or the attributes of the key behind it.
pub(super) fn swallowed_by(unit: &Candidate, decoder: &mut Decoder<'_>) -> io::Result<Option<u64>> {
    let CandidateKind::Key(key) = &unit.what else { return Ok(None) };
    let Some(from) = key.raw_at.map(|at| at + 1) else { return Ok(None) };
    if let Some(first) = keys(from, unit.end, decoder)? {
        return Ok(Some(first));
    }
    // The expiry of a field stands behind its value, which may end with the byte of that opcode.
    let ends_with_time = matches!(key.value_type.frame(), Frame::Elements { element: PlainElement::PairExpiry, .. });
    if ends_with_time { Ok(None) } else { expiry(from, unit.end, decoder) }
}

/// Returns where keys begin that are like others and follow each other up to `end`, or over it: what is read from there on
/// then lies in one of them, such as fields of a hash that look like keys.
fn keys(from: u64, end: u64, decoder: &mut Decoder<'_>) -> io::Result<Option<u64>> {
    if end.saturating_sub(from) < LEAST || !decoder.may_hold_keys(from..end)? {
        return Ok(None);
    }
    // The bytes of a string would fit wherever they end. And a key of which the value holds no more than attributes tells nothing: a
    // byte or two of any value look like those.
    let crosses = |unit: &Candidate| match &unit.what {
        CandidateKind::Key(key) if key.type_at >= end => Some(0),
        CandidateKind::Key(key) if key.value_type != ValueType::String => Some(unit.bits),
        _ => None,
    };
    let mut chains = chains_over(from, end, crosses, decoder)?;
    let Some(last_chain) = chains.pop() else { return Ok(None) };
    let (Some(mut first), Some(last)) = (are_keys(&last_chain, end, decoder)?, last_chain.last()) else {
        return Ok(None);
    };
    let goes_on = last.end == end || decoder.unit(last.end, Start::Known)?.as_ref().is_some_and(Candidate::is_credible);
    if !goes_on {
        return Ok(None);
    }
    // A part may be missing of what was swallowed, too.
    while let Some(chain) = chains.pop() {
        let Some(start) = are_keys(&chain, end, decoder)? else { break };
        first = start;
    }
    Ok(Some(first))
}

/// Returns where a chain begins, if it is one of keys like others, as far as they begin before `end`.
fn are_keys(chain: &[Candidate], end: u64, decoder: &mut Decoder<'_>) -> io::Result<Option<u64>> {
    let (mut bits, mut keys, mut alike) = (0_i32, 0, 0);
    let is_before = |unit: &&Candidate| unit.key().is_none_or(|key| key.type_at < end);
    for unit in chain.iter().filter(is_before) {
        match unit.what {
            CandidateKind::Aux { .. } | CandidateKind::End => return Ok(None),
            CandidateKind::Key(_) => (keys, alike) = (keys + 1, alike + u32::from(decoder.has_known_prefix(unit)?)),
            _ => {}
        }
        bits = bits.saturating_add(unit.bits);
    }
    let least = if alike * 2 > keys { OPEN } else { 2 * LOCKED };
    Ok(chain.first().filter(|_| bits >= least).map(|first| first.start))
}

/// Returns where an expiry of our time begins that ends at `end`, perhaps with more attributes, of the key which begins
/// there.
fn expiry(from: u64, end: u64, decoder: &mut Decoder<'_>) -> io::Result<Option<u64>> {
    for at in from.max(end.saturating_sub(ATTRIBUTES))..end {
        if decoder.input.bytes(at, 1)?.first() != Some(&opcode::EXPIRETIME_MS) {
            continue;
        }
        // What is no head of the key behind it is not read to its end, which may be far.
        if let Some((key, _)) = decoder.head(at)?
            && key.type_at == end
            && key.last_expire_at.is_none()
            && key.expire.is_some_and(|ms| PLAUSIBLE_MS.contains(&ms))
            && decoder.unit(at, Start::Known)?.is_some_and(|unit| unit.is_key())
        {
            return Ok(Some(at));
        }
    }
    Ok(None)
}
