//! What the tools say, and at which byte: their words for value types, messages that occur in several places, and how many bytes
//! they have consumed where the parser stops.
//!
//! They read in small steps, each of which is done or fails as a whole: the first byte of a length and then the rest of
//! it; a number of fixed size; the content of a string. The parser knows where the length, number or string began.

use super::Tool;
use crate::base::error::{Error, ErrorKind, Reading};
use crate::rdb::{Family, ValueType, length_size};

pub(super) const UNEXPECTED_EOF: &str = "Unexpected EOF reading RDB file";
pub(super) const BAD_LZF: &str = "Invalid LZF compressed string";

/// Returns whether the tool knows the value type. 22 and above are the business of their own family.
pub(super) fn knows_type(tool: Tool, byte: u8) -> bool {
    match tool {
        Tool::Redis70 => matches!(byte, 0..=7 | 9..=19),
        Tool::Redis86 => matches!(byte, 0..=7 | 9..=26),
        Tool::Valkey91 => matches!(byte, 0..=7 | 9..=22),
    }
}

/// Returns the tool's name of a value type.
pub(super) fn type_name(tool: Tool, byte: u8) -> &'static str {
    use ValueType as T;
    let family = if tool == Tool::Valkey91 { Family::Valkey } else { Family::Redis };
    let Some(value_type) = T::from_byte(byte, family) else { return "unknown" };
    match value_type {
        T::String => "string",
        T::List => "list-linked",
        T::Set => "set-hashtable",
        T::ZSet => "zset-v1",
        T::Hash => "hash-hashtable",
        T::ZSet2 => "zset-v2",
        T::Module if tool == Tool::Redis70 => "module-value",
        T::Module => "module-pre-release",
        T::Module2 if tool == Tool::Redis70 => "",
        T::Module2 => "module-value",
        T::HashZipmap => "hash-zipmap",
        T::ListZiplist => "list-ziplist",
        T::SetIntset => "set-intset",
        T::ZSetZiplist => "zset-ziplist",
        T::HashZiplist => "hash-ziplist",
        T::ListQuicklist => "quicklist",
        T::StreamListpacks => "stream",
        T::HashListpack => "hash-listpack",
        T::ZSetListpack => "zset-listpack",
        T::ListQuicklist2 => "quicklist-v2",
        T::StreamListpacks2 if tool == Tool::Redis70 => "unknown",
        T::StreamListpacks2 => "stream-v2",
        T::SetListpack => "set-listpack",
        T::StreamListpacks3 => "stream-v3",
        T::Hash2 => "hash-volatile-items",
        T::HashMetadataPreGa => "hash-hashtable-md-pre-release",
        T::HashListpackExPreGa => "hash-listpack-md-pre-release",
        T::HashMetadata => "hash-hashtable-md",
        T::HashListpackEx => "hash-listpack-md",
        T::StreamListpacks4 => "stream-v4",
        // No tool of these three knows them.
        T::StreamListpacks5 | T::Array | T::HashTmplLp | T::HashTmplLpRef | T::HashTmplArray | T::HashTmplArrayRef => {
            "unknown"
        }
    }
}

/// Returns the text up to its first NUL, where C's strings end.
pub(super) fn c_string(text: &[u8]) -> &[u8] {
    text.split(|byte| *byte == 0).next().unwrap_or(text)
}

/// What a tool's buffer for a message holds.
const MESSAGE_MAX: usize = 1023;

/// What the tool says when it stops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    /// How many bytes it has consumed.
    pub(super) at: u64,
    pub(super) message: Vec<u8>,
    /// Whether the code that loads files in servers said it, and not the tool's own: the tool then ends at once.
    pub(super) internal: bool,
}

impl Failure {
    pub(super) fn new(at: u64, message: impl AsRef<[u8]>) -> Self {
        let mut message = message.as_ref().to_vec();
        message.truncate(MESSAGE_MAX);
        Self { at, message, internal: false }
    }

    pub(super) fn internal(at: u64, message: impl AsRef<[u8]>) -> Self {
        let text = [b"Internal error in RDB reading offset 0, function at rdb.c:0 -> ", message.as_ref()].concat();
        Self { internal: true, ..Self::new(at, text) }
    }
}

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
