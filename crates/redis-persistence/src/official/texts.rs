//! The tools' words for value types, and messages that occur in several places.

use super::Tool;
use crate::rdb::{Family, ValueType};

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
