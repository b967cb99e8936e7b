//! How many bytes the tools have consumed where the parser stops.
//!
//! They read in small steps, each of which is done or fails as a whole: the first byte of a length and then the rest of
//! it; a number of fixed size; the content of a string. The parser knows where the length, number or string began.

use crate::base::error::{Error, ErrorKind, Reading};
use crate::rdb::length_size;

/// Returns how many bytes of a length or string, which cannot be read, were consumed: the whole steps, and the byte that is
/// wrong.
pub(super) fn steps(bytes: &[u8]) -> usize {
    match bytes {
        [] => 0,
        [0xc3, rest @ ..] => {
            let stored = length(rest);
            // The second length comes only after a first one that is complete.
            if stored == 0 || !is_whole(rest) { 1 + stored } else { 1 + stored + length(&rest[stored..]) }
        }
        [0xc0..=0xff, ..] => 1,
        _ => length(bytes),
    }
}

/// Returns the same of a length alone; all of it if it is complete.
pub(super) fn length(bytes: &[u8]) -> usize {
    let whole = whole_length(bytes);
    if bytes.len() >= whole { whole } else { bytes.len().min(1) }
}

fn whole_length(bytes: &[u8]) -> usize {
    bytes.first().map_or(1, |first| length_size(*first))
}

fn is_whole(bytes: &[u8]) -> bool {
    bytes.len() >= whole_length(bytes) && !matches!(bytes.first(), None | Some(0x82..=0xbf))
}

/// Returns whether the parser stopped at an item of a module's data that it does not know; returns how long its number is.
pub(super) fn unknown_module_item(error: &Error, data: &[u8]) -> Option<usize> {
    matches!(error.kind(), ErrorKind::BadModuleOpcode(_)).then(|| length(data))
}

pub(super) fn is_module_v1(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::ModuleV1)
}

/// Returns where the parser stopped, counted from the start of `data`, which lies at the parser's offset `base`: the start
/// of the thing that it was reading. `fixed` says that it is of fixed size.
pub(super) fn consumed(error: &Error, base: u64, data: &[u8], fixed: bool) -> usize {
    let start = usize::try_from(error.start().saturating_sub(base)).unwrap_or(usize::MAX).min(data.len());
    if fixed || error.reading() == Reading::Opcode { start } else { start + steps(&data[start..]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_whole_or_not_at_all() {
        let cases: [(&[u8], usize); 16] = [
            (b"", 0),
            (b"\x05ab", 1),
            (b"\x41", 1),
            (b"\x41\x00", 2),
            (b"\x80ab", 1),
            (b"\x80abcd", 5),
            (b"\x81abcdefg", 1),
            (b"\x82", 1),
            (b"\xc0", 1),
            (b"\xc2ab", 1),
            (b"\xc7", 1),
            (b"\xc3", 1),
            (b"\xc3\x1e", 2),
            (b"\xc3\x1e\x40\x64abc", 4),
            (b"\xc3\x82", 2),
            (b"\xc3\x01\x82", 3),
        ];
        for (bytes, expected) in cases {
            assert_eq!(steps(bytes), expected, "{bytes:?}");
        }
    }
}
