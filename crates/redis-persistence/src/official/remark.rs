//! Which findings of the verifier the tools see in a value, and what they say.

use super::Tool;
use super::texts::UNEXPECTED_EOF;
use crate::rdb::{Frame, Packing, Tuple, ValueType};
use crate::report::Code;

/// What a tool says about a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remark {
    /// The message, from the code that the tool shares with the server.
    Internal(&'static str),
    /// The message, from the tool itself.
    Plain(&'static str),
}

/// Returns what the tool says about a finding in a value of that type; `None` if it does not see it.
///
/// What is about the frame and about streams is not in this table: the tools' words there depend on the place. They are
/// blind to duplicate keys, database numbers, bytes behind the checksum, counts of keys, slots, functions, key metadata,
/// forms that no server writes, and the order of sorted sets.
///
/// # Examples
/// ```
/// use redis_persistence::rdb::ValueType;
/// use redis_persistence::verify::Code;
/// use redis_persistence::official::{Remark, Tool, remark};
///
/// let said = remark(Tool::Redis86, Code::ListpackBadCount, ValueType::HashListpack);
/// assert_eq!(said, Some(Remark::Internal("Hash listpack integrity check failed.")));
/// assert_eq!(remark(Tool::Redis86, Code::ZsetUnordered, ValueType::ZSetListpack), None);
/// ```
#[must_use]
pub fn remark(tool: Tool, code: Code, value_type: ValueType) -> Option<Remark> {
    use Code as C;
    use ValueType as T;
    let valkey = tool == Tool::Valkey91;
    match (code, value_type) {
        (C::CollectionEmpty, _) => Some(Remark::Plain(UNEXPECTED_EOF)),
        (C::ZsetNanScore, T::ZSet | T::ZSet2) => Some(Remark::Internal("Zset with NAN score detected")),
        (C::ZsetNanScore, T::ZSetListpack) if valkey => Some(Remark::Internal("Zset listpack with NAN score detected")),
        (C::ZsetNanScore, T::ZSetZiplist) if valkey => Some(Remark::Internal("Zset ziplist with NAN score detected")),
        (C::ZsetBadScore, T::ZSet) => Some(Remark::Plain(UNEXPECTED_EOF)),
        (C::QuicklistBadContainer, _) => Some(Remark::Internal("Quicklist integrity check failed.")),
        (
            C::PackedOddCount
            | C::SetDuplicateMember
            | C::ZsetDuplicateMember
            | C::HashDuplicateField
            | C::HashExpiryInvalid
            | C::HashExpiryOrder
            | C::ListpackBadHeader
            | C::ListpackBadEncoding
            | C::ListpackBadBacklen
            | C::ListpackOverrun
            | C::ListpackBadEnd
            | C::ListpackBadCount
            | C::ZiplistBadHeader
            | C::ZiplistBadEncoding
            | C::ZiplistBadPrevlen
            | C::ZiplistOverrun
            | C::ZiplistBadEnd
            | C::ZiplistBadCount
            | C::ZiplistBadTail
            | C::IntsetBadHeader
            | C::IntsetEmpty
            | C::IntsetUnordered
            | C::ZipmapBadStructure
            | C::ZipmapEmpty,
            _,
        ) => integrity(value_type).map(Remark::Internal),
        _ => None,
    }
}

/// Returns what the tools say of a packed value that is damaged.
fn integrity(value_type: ValueType) -> Option<&'static str> {
    let nodes = matches!(value_type.frame(), Frame::Nodes { .. });
    Some(match value_type.packing()? {
        Packing::Zipmap => "Zipmap integrity check failed.",
        Packing::Intset => "Intset integrity check failed.",
        Packing::Ziplist(Tuple::Item) if nodes => "Ziplist integrity check failed.",
        Packing::Ziplist(Tuple::Item) => "List ziplist integrity check failed.",
        Packing::Ziplist(Tuple::Scored) => "Zset ziplist integrity check failed.",
        Packing::Ziplist(Tuple::Pair) => "Hash ziplist integrity check failed.",
        // Nothing of this kind was ever packed so.
        Packing::Ziplist(Tuple::Member | Tuple::Triple) => return None,
        Packing::Listpack(Tuple::Item) => "Listpack integrity check failed.",
        Packing::Listpack(Tuple::Member) => "Set listpack integrity check failed.",
        Packing::Listpack(Tuple::Scored) => "Zset listpack integrity check failed.",
        Packing::Listpack(Tuple::Pair | Tuple::Triple) => "Hash listpack integrity check failed.",
    })
}

/// Of several findings in one value, the one that the tools come upon first: they look at the structure of a packed value
/// before they look at what it holds.
pub(super) fn first(tool: Tool, codes: impl Iterator<Item = Code>, value_type: ValueType) -> Option<(Code, Remark)> {
    let rank = |code: Code| match code {
        Code::CollectionEmpty => 3,
        Code::ZsetNanScore | Code::ZsetBadScore => 2,
        Code::HashDuplicateField => 1,
        _ => 0,
    };
    codes.filter_map(|code| Some((code, remark(tool, code, value_type)?))).min_by_key(|(code, _)| rank(*code))
}
