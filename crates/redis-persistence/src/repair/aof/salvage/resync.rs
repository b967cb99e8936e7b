//! Finds where the records go on behind damage.
//!
//! ```text
//! *3 CR LF $3 CR LF SET CR LF $1 CR LF k CR LF $?0 CR LF 0123456789 CR LF *3 CR LF ...
//! 0      1          2                          3: one byte of it is wrong           4: what is looked for
//! ```
//! First the record itself is asked: if one byte in the head of the first argument that does not fit were another one, would it
//! fit, and would many records follow? Then the record's own structure says where it ends, whatever text its values hold, and
//! what it was. Otherwise the bytes are searched for the next record, or for an argument from which arguments lead to one.

use std::io;

use super::classify::{Kind, Lost, lost};
use super::events::{Gap, PAGE};
use super::source::Source;
use crate::aof::resp;

/// This many records make a place believable.
const RUN: u32 = 3;
/// This many where a byte has to be another one first.
pub(super) const LONG_RUN: u32 = 12;
/// Arguments that are followed one after another.
const MOST_ARGUMENTS: u32 = 1 << 16;
/// The longest head of an argument that is mended: `$`, 10 digits, CR LF.
const LONGEST_HEAD: usize = 13;
/// This many bytes that are not text may be damage alone; more may be a value.
const MOST_STRANGE: usize = 4;
/// Bytes that may be missing where it seems that none are: a page, once in 16 times.
const DOUBT: u64 = PAGE / 16;
/// Shorter gaps are looked at to tell what they were.
const SHORT: u64 = 4 << 10;

/// A record as far as it can be read.
#[derive(Debug, Default)]
struct Torn {
    /// The number of arguments that its first line says.
    argc: Option<u64>,
    /// Its first two arguments, if they are short.
    words: Vec<Vec<u8>>,
    /// How many arguments can be read.
    arguments: u64,
    /// Where the first one begins that cannot.
    at: u64,
}

/// A search in a file.
#[derive(Debug)]
pub(super) struct Resync<'s> {
    source: &'s mut Source,
    excluded: &'s [(u64, u64)],
}

impl<'s> Resync<'s> {
    pub(super) fn new(source: &'s mut Source, excluded: &'s [(u64, u64)]) -> Self {
        Self { source, excluded }
    }

    /// Returns the gap that begins at `start`.
    pub(super) fn gap(&mut self, start: u64) -> io::Result<Gap> {
        let torn = self.torn(start)?;
        let mended = self.mended(&torn)?;
        let size = self.source.size();
        let end = self.search(start + 1, mended.map_or(size, |(end, _)| end))?;
        if let Some((mended, in_place)) = mended
            && (end >= mended || !self.leads_to(end, mended)?)
        {
            // What was found before it, if anything, is text in a value.
            let lost = if in_place { self.lost(&torn) } else { Lost::Anything };
            return Ok(Gap::new(start, mended, lost));
        }
        let gap = Gap::new(start, end, Lost::Anything);
        if end - start <= SHORT { self.what_it_was(gap, &torn) } else { Ok(gap) }
    }

    /// Returns whether the record at `start`, which reads well and ends at `end` where nothing can be read, is itself the
    /// damaged one.
    pub(super) fn is_to_blame(&mut self, start: u64, end: u64) -> io::Result<bool> {
        // Its count was more than that.
        if self.source.argument(end)?.is_some() {
            return Ok(true);
        }
        // One of its lengths took in the beginning of another record, which goes on behind it.
        let mut at = start + 1;
        while let Some(star) = self.find(at, end, b"\r\n*")? {
            at = star + 3;
            let Some((after, kind)) = self.source.record(star + 2)? else { continue };
            if after > end && !matches!(kind, Kind::Broken(_)) && self.source.run(after, RUN)?.has(RUN) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Reads what can be read of the record at `start`.
    fn torn(&mut self, start: u64) -> io::Result<Torn> {
        let mut torn = Torn { at: start, ..Torn::default() };
        let head = self.source.bytes(start, 24)?;
        let Ok((rest, argc)) = resp::multibulk(head) else { return Ok(torn) };
        torn.at = start + (head.len() - rest.len()) as u64;
        torn.argc = Some(argc);
        while torn.arguments < argc.min(u64::from(MOST_ARGUMENTS)) {
            let Some((payload, end)) = self.source.argument(torn.at)? else { break };
            self.word(&mut torn.words, payload, end)?;
            torn.arguments += 1;
            torn.at = end;
        }
        Ok(torn)
    }

    fn word(&mut self, words: &mut Vec<Vec<u8>>, payload: u64, end: u64) -> io::Result<()> {
        let length = usize::try_from(end - 2 - payload).unwrap_or(usize::MAX);
        if words.len() < 2 && length <= 64 {
            let bytes = self.source.bytes(payload, length)?;
            words.push(bytes.get(..length).unwrap_or_default().to_vec());
        } else if words.len() < 2 {
            words.push(Vec::new());
        }
        Ok(())
    }

    /// Returns what a record was of which so much can be read.
    fn lost(&self, torn: &Torn) -> Lost {
        let word = |at: usize| torn.words.get(at).map_or(&[][..], |word| &word[..]);
        match (torn.argc, torn.words.is_empty()) {
            (Some(argc), false) if word(0).eq_ignore_ascii_case(b"SELECT") => lost(argc, word(0), word(1)),
            (Some(_), false) if [&b"MULTI"[..], b"EXEC"].iter().any(|name| word(0).eq_ignore_ascii_case(name)) => {
                Lost::Anything
            }
            (Some(argc), false) => lost(argc, word(0), word(1)),
            (Some(argc), true) if argc > 2 => Lost::Data,
            _ => Lost::Anything,
        }
    }

    /// Returns where the record ends if one byte in the head of the first argument that does not fit is another one; and
    /// whether it has to be another one, for else it would be no head at all. A head that reads well may also be that of a
    /// value of which bytes were cut out.
    fn mended(&mut self, torn: &Torn) -> io::Result<Option<(u64, bool)>> {
        let Some(left) = torn.argc.and_then(|argc| argc.checked_sub(torn.arguments)).filter(|left| *left > 0) else {
            return Ok(None);
        };
        let head = self.source.bytes(torn.at, LONGEST_HEAD)?;
        let head = head.get(..LONGEST_HEAD.min(head.len())).unwrap_or_default().to_vec();
        let mut lengths: Vec<(u64, u64)> = lengths(&head);
        lengths.sort_unstable_by_key(|(_, length)| *length);
        for (digits, length) in lengths {
            let Some(end) = (torn.at + digits).checked_add(length).filter(|end| *end < self.source.size()) else {
                continue;
            };
            if !self.source.bytes(end, 2)?.starts_with(b"\r\n") {
                continue;
            }
            let mut at = Some(end + 2);
            for _ in 1..left.min(u64::from(MOST_ARGUMENTS)) {
                let Some(here) = at else { break };
                at = self.source.argument(here)?.map(|(_, end)| end);
            }
            if let Some(at) = at
                && self.is_allowed(torn.at, at)
                && self.source.run(at, LONG_RUN)?.has(LONG_RUN)
            {
                return Ok(Some((at, resp::bulk(&head).is_err())));
            }
        }
        Ok(None)
    }

    /// Returns whether records lead from one place to another one, or beyond.
    fn leads_to(&mut self, mut at: u64, to: u64) -> io::Result<bool> {
        while at < to {
            match self.source.record(at)? {
                Some((end, kind)) if !matches!(kind, Kind::Broken(_)) => at = end,
                _ => return Ok(false),
            }
        }
        Ok(true)
    }

    fn is_allowed(&self, from: u64, to: u64) -> bool {
        !self.excluded.iter().any(|(start, end)| from < *end && *start < to)
    }

    /// Returns the first place from `at` on where records go on; `to` if there is none before it.
    fn search(&mut self, mut at: u64, to: u64) -> io::Result<u64> {
        while at < to && !self.source.is_exhausted() {
            if let Some((_, end)) = self.excluded.iter().find(|(start, end)| (*start..*end).contains(&at)) {
                at = *end;
                continue;
            }
            let bytes = self.source.bytes(at, 24)?;
            let Some(found) = memchr::memchr3(b'*', b'$', b'#', bytes) else {
                at += bytes.len().max(1) as u64;
                continue;
            };
            let (place, byte) = (at + found as u64, bytes[found]);
            at = place + 1;
            if self.excluded.iter().any(|(start, end)| (*start..*end).contains(&place)) {
                continue;
            }
            let start = match byte {
                b'$' => self.behind_arguments(place)?,
                _ => Some(place),
            };
            if let Some(start) = start
                && self.begins(start)?
            {
                return Ok(start.min(to));
            }
        }
        Ok(if at < to { self.source.size() } else { to })
    }

    /// Returns whether records begin there.
    pub(super) fn begins(&mut self, at: u64) -> io::Result<bool> {
        let head = self.source.bytes(at, 24)?;
        let possible = match head {
            [b'*', digit, ..] => digit.is_ascii_digit(),
            [b'#', rest @ ..] => rest.starts_with(b"TS:"),
            _ => false,
        };
        if !possible {
            return Ok(false);
        }
        let Some((end, _)) = self.source.record(at)? else { return Ok(false) };
        Ok(self.is_allowed(at, end) && self.source.run(at, RUN)?.has(RUN))
    }

    /// Returns where a chain of arguments that begins at `at` ends.
    fn behind_arguments(&mut self, at: u64) -> io::Result<Option<u64>> {
        let mut end = None;
        let mut next = at;
        for _ in 0..MOST_ARGUMENTS {
            let Some((_, after)) = self.source.argument(next)? else { break };
            if !self.is_allowed(next, after) {
                return Ok(None);
            }
            (next, end) = (after, Some(after));
            if self.source.bytes(next, 1)?.first() != Some(&b'$') {
                break;
            }
        }
        if end.is_some() {
            // Each of them is the beginning of a chain of its own.
            self.source.in_vain((next - at).min(1 << 16));
        }
        Ok(end)
    }

    /// Returns whether so many records follow one another from there on, or lead to the end.
    pub(super) fn runs(&mut self, at: u64, records: u32) -> io::Result<bool> {
        Ok(self.source.run(at, records)?.has(records))
    }

    /// Returns the byte at a place.
    pub(super) fn byte(&mut self, at: u64) -> io::Result<Option<u8>> {
        Ok(self.source.bytes(at, 1)?.first().copied())
    }

    /// Returns the first place of these bytes that begins before `to`.
    pub(super) fn find(&mut self, mut at: u64, to: u64, bytes: &[u8]) -> io::Result<Option<u64>> {
        while at < to && !self.source.is_exhausted() {
            let window = self.source.bytes(at, 4096)?;
            let found = memchr::memmem::find(window, bytes);
            crate::base::work::did_read(found.unwrap_or(window.len()));
            match found {
                Some(found) if at + (found as u64) < to => return Ok(Some(at + found as u64)),
                Some(_) => return Ok(None),
                None => at += window.len().saturating_sub(bytes.len() - 1).max(1) as u64,
            }
        }
        Ok(None)
    }

    /// Returns what may have been in a short gap, told by what is left of it: the beginning of a record, damage in place,
    /// and the arguments behind it.
    fn what_it_was(&mut self, gap: Gap, torn: &Torn) -> io::Result<Gap> {
        let Gap { start, end, .. } = gap;
        if torn.argc == Some(torn.arguments) && torn.at == end {
            // It can be read, and is none that a server knows.
            return Ok(Gap { lost: self.lost(torn), ..gap });
        }
        let (mut suffix, mut first) = (0, end);
        let mut at = torn.at;
        while let Some(dollar) = self.find_byte(at, end)? {
            at = dollar + 1;
            if let Some(arguments) = self.arguments_up_to(dollar, end)? {
                (suffix, first) = (arguments, dollar);
                break;
            }
        }
        let head = self.source.bytes(torn.at, 24)?;
        let is_head = if torn.argc.is_some() { resp::bulk(head).is_ok() } else { resp::multibulk(head).is_ok() };
        let bad = if is_head { self.payload_end(torn.at)?.filter(|at| *at < end) } else { Some(torn.at) };
        let Some(bad) = bad.filter(|_| torn.argc.is_none() || torn.arguments > 0) else { return Ok(gap) };
        let strange = self.strange(bad, bad + 6)?;
        if strange == 0 {
            // Bytes that were cut out leave text; random ones do not.
            return Ok(gap);
        }
        match torn.argc {
            Some(argc) if !is_head && torn.arguments + suffix < argc && self.strange(bad, first)? <= MOST_STRANGE => {
                Ok(Gap { lost: self.lost(torn), ..gap })
            }
            // A cut may also have gone into a value of such bytes.
            Some(_) => Ok(Gap { room: first.max(bad) - bad + DOUBT, ..gap }),
            None if !is_head && first - start <= 8 && suffix > 0 => {
                let mut whole = Torn { argc: Some(suffix), ..Torn::default() };
                let mut at = first;
                while whole.words.len() < 2 {
                    let Some((payload, after)) = self.source.argument(at)? else { break };
                    self.word(&mut whole.words, payload, after)?;
                    at = after;
                }
                Ok(Gap { lost: self.lost(&whole), ..gap })
            }
            None => Ok(gap),
        }
    }

    /// Returns where the payload of the argument at `at` ends, by its length.
    fn payload_end(&mut self, at: u64) -> io::Result<Option<u64>> {
        let head = self.source.bytes(at, LONGEST_HEAD)?;
        Ok(resp::bulk(head).ok().and_then(|(rest, length)| (at + (head.len() - rest.len()) as u64).checked_add(length)))
    }

    /// Returns how many bytes there are none of text.
    fn strange(&mut self, from: u64, to: u64) -> io::Result<usize> {
        let length = usize::try_from(to.saturating_sub(from)).unwrap_or(usize::MAX);
        let bytes = self.source.bytes(from, length)?;
        let text = |byte: &&u8| (b' '..=b'~').contains(*byte) || matches!(byte, b'\r' | b'\n');
        Ok(bytes[..length.min(bytes.len())].iter().filter(|byte| !text(byte)).count())
    }

    fn find_byte(&mut self, at: u64, to: u64) -> io::Result<Option<u64>> {
        let left = usize::try_from(to.saturating_sub(at)).unwrap_or(0);
        let bytes = self.source.bytes(at, left)?;
        Ok(memchr::memchr(b'$', &bytes[..left.min(bytes.len())]).map(|found| at + found as u64))
    }

    /// Returns how many arguments lead from `at` to `end`.
    fn arguments_up_to(&mut self, mut at: u64, end: u64) -> io::Result<Option<u64>> {
        let mut arguments = 0;
        while at < end {
            let Some((_, after)) = self.source.argument(at)? else { return Ok(None) };
            arguments += 1;
            at = after;
        }
        Ok((at == end).then_some(arguments))
    }
}

/// Returns the lengths that the head of an argument says if one of its bytes is another one, each with the length of the
/// head.
fn lengths(head: &[u8]) -> Vec<(u64, u64)> {
    let mut found = Vec::new();
    for digits in 1..head.len().saturating_sub(2) {
        let mut one = [&[b'$'][..], &head[1..=digits], b"\r\n"].concat();
        let wrong: Vec<usize> = (0..one.len())
            .filter(|at| if (1..=digits).contains(at) { !head[*at].is_ascii_digit() } else { head[*at] != one[*at] })
            .collect();
        let places = match wrong[..] {
            [] => (1..=digits).collect(),
            [at] if (1..=digits).contains(&at) => vec![at],
            [_] => Vec::new(),
            _ => continue,
        };
        if places.is_empty() {
            found.extend(number(&one[1..=digits]).map(|length| (digits as u64 + 3, length)));
        }
        for place in places {
            let before = one[place];
            for digit in (b'0'..=b'9').filter(|digit| *digit != before) {
                one[place] = digit;
                found.extend(number(&one[1..=digits]).map(|length| (digits as u64 + 3, length)));
            }
            one[place] = before;
        }
    }
    found
}

fn number(digits: &[u8]) -> Option<u64> {
    let plain = digits == b"0" || digits.first() != Some(&b'0');
    std::str::from_utf8(digits).ok().filter(|_| plain)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_byte_of_a_head_may_be_wrong() {
        let has = |head: &[u8], length: u64| lengths(head).iter().any(|(_, found)| *found == length);
        assert!(has(b"$1?\r\n.....", 17));
        assert!(has(b"$17\r\n.....", 14));
        assert!(has(b"?17\r\n.....", 17));
        assert!(has(b"$17.\n.....", 17));
        assert!(!has(b"$17\r\n.....", 17));
        assert!(!has(b"?1?\r\n.....", 17));
    }
}
