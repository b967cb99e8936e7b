//! The tools' words for value types, and messages that occur in several places.

use super::Tool;

pub(super) const UNEXPECTED_EOF: &str = "Unexpected EOF reading RDB file";
pub(super) const BAD_LZF: &str = "Invalid LZF compressed string";

/// Whether the tool knows the value type. 22 and above are the business of their own family.
pub(super) fn knows_type(tool: Tool, byte: u8) -> bool {
    match tool {
        Tool::Redis70 => matches!(byte, 0..=7 | 9..=19),
        Tool::Redis86 => matches!(byte, 0..=7 | 9..=26),
        Tool::Valkey91 => matches!(byte, 0..=7 | 9..=22),
    }
}

/// The tool's name of a value type.
pub(super) fn type_name(tool: Tool, byte: u8) -> &'static str {
    match byte {
        0 => "string",
        1 => "list-linked",
        2 => "set-hashtable",
        3 => "zset-v1",
        4 => "hash-hashtable",
        5 => "zset-v2",
        6 if tool == Tool::Redis70 => "module-value",
        6 => "module-pre-release",
        7 if tool == Tool::Redis70 => "",
        7 => "module-value",
        9 => "hash-zipmap",
        10 => "list-ziplist",
        11 => "set-intset",
        12 => "zset-ziplist",
        13 => "hash-ziplist",
        14 => "quicklist",
        15 => "stream",
        16 => "hash-listpack",
        17 => "zset-listpack",
        18 => "quicklist-v2",
        19 if tool != Tool::Redis70 => "stream-v2",
        20 => "set-listpack",
        21 => "stream-v3",
        22 if tool == Tool::Valkey91 => "hash-volatile-items",
        22 => "hash-hashtable-md-pre-release",
        23 => "hash-listpack-md-pre-release",
        24 => "hash-hashtable-md",
        25 => "hash-listpack-md",
        26 => "stream-v4",
        _ => "unknown",
    }
}

/// The text up to its first NUL, where C's strings end.
pub(super) fn c_string(text: &[u8]) -> &[u8] {
    text.split(|byte| *byte == 0).next().unwrap_or(text)
}
