//! What each server makes of each finding.
//!
//! One line is a code, or a part of its findings; one letter a group of versions:
//!
//! | letter | the server |
//! |---|---|
//! | `.` | loads the file |
//! | `s` | loads the file without the key |
//! | `d` | loads the file, but not if it makes deep checks |
//! | `R` | refuses |
//! | `c` | crashes, but refuses the file if it makes deep checks |
//! | `C` | crashes |
//!
//! Of the lines for a code the first one that fits a finding counts. A value type that a server does not know is refused
//! before anything is asked here, so its letters do not matter.
//!
//! Sources: the columns 6.0, 6.2, 7.0, 7.4 (Redis 8.0), 8.6 and 9 (Valkey 9.1) were measured; 7.2 and Valkey 7.2 are
//! taken from their neighbours; 5.0, 8.8, 8.10 and Valkey 8 rest on source and documents.

use crate::rdb::ValueType as T;
use crate::verify::{Class, Code, Detail};

/// What a server makes of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    Loads,
    Skips,
    /// Only deep checks refuse it.
    Deep,
    Refuses,
    Crashes,
    /// Without deep checks, which refuse it.
    CrashesUnlessDeep,
}

/// Which findings of a code a line is for.
enum When {
    All,
    /// With that detail.
    Detail(Detail),
    /// About a value of one of these types.
    Of(&'static [T]),
    /// Both.
    Both(&'static [T], Detail),
}

use Detail::{First, Header, Lenient, Walked};
use When::{All, Both, Of};

const PLAIN_SETS: &[T] = &[T::Set];
const PLAIN_ZSETS: &[T] = &[T::ZSet, T::ZSet2];
const PLAIN_HASHES: &[T] = &[T::Hash, T::HashMetadata, T::HashMetadataPreGa];
const ZIPLISTS: &[T] = &[T::ListZiplist, T::ZSetZiplist, T::HashZiplist, T::ListQuicklist];
const STREAM_1: &[T] = &[T::StreamListpacks];
const STREAMS: &[T] =
    &[T::StreamListpacks, T::StreamListpacks2, T::StreamListpacks3, T::StreamListpacks4, T::StreamListpacks5];

#[rustfmt::skip]
const RULES: &[(Code, When, [u8; 12])] = &[
    //                                      Redis  5 6 6 7 7 7 8 8 8  Valkey 7 8 9
    //                                             0 0 2 0 2 4 6 8 10        2   0
    (Code::RdbEmptyFile, All,                   *b"RRRRRRRRRRRR"),
    (Code::RdbZeroFilled, All,                  *b"RRRRRRRRRRRR"),
    (Code::RdbBadMagic, All,                    *b"RRRRRRRRRRRR"),
    (Code::RdbNotAnRdb, All,                    *b"RRRRRRRRRRRR"),
    // The version is judged by its number.
    (Code::RdbBadVersion, All,                  *b"............"),
    (Code::RdbNewerVersion, When::Detail(Detail::Unread), *b"RRRRRRRRRRRR"),
    (Code::RdbVersionDigitDamaged, All,         *b"............"),
    (Code::RdbTruncated, All,                   *b"RRRRRRRRRRRR"),
    (Code::RdbForeignProduct, All,              *b"RRRRRRRRRRRR"),
    (Code::RdbBadLength, All,                   *b"RRRRRRRRRRRR"),
    (Code::RdbBadStringEncoding, All,           *b"RRRRRRRRRRRR"),
    (Code::RdbUnknownType, All,                 *b"RRRRRRRRRRRR"),
    // Types and modules are judged by their own.
    (Code::RdbForeignType, All,                 *b"............"),
    (Code::RdbLimitExceeded, All,               *b"............"),
    (Code::RdbModuleV1, All,                    *b"RRRRRRRRRRRR"),
    (Code::RdbChecksumMismatch, All,            *b"RRRRRRRRRRRR"),
    (Code::RdbZeroHole, All,                    *b"CCCCCCCCCCCC"),
    (Code::RdbDuplicateKey, All,                *b"CCCCCCCCCCCC"),
    // Judged by the number, below.
    (Code::RdbResizedbImpossible, All,          *b"............"),
    (Code::RdbSlotOutOfRange, All,              *b"............"),
    (Code::RdbExpireMinusOne, All,              *b"......sss..."),
    (Code::RdbAuxSlotInfoBad, All,              *b"..........RR"),
    (Code::RdbFunctionInvalid, All,             *b"...RRRRRRRRR"),
    (Code::RdbFunctionDuplicate, All,           *b"...RRRRRRRRR"),
    (Code::RdbFunctionPreGa, All,               *b"............"),
    (Code::RdbModuleBadOpcode, All,             *b"RRRRRRRRRRRR"),
    (Code::RdbModuleAuxWhen, All,               *b"RRRRRRRRRRRR"),
    (Code::RdbKeyMetaInvalid, All,              *b"......RRR..."),
    (Code::RdbKeyMetaNeeded, All,               *b"......RRR..."),
    (Code::RdbSlotImportInvalid, All,           *b"...........R"),
    (Code::LzfDamaged, When::Detail(Lenient),   *b"..RRRRRRRRRR"),
    (Code::LzfDamaged, All,                     *b"RRRRRRRRRRRR"),
    (Code::LzfEmpty, All,                       *b"RR.........."),
    (Code::CollectionEmpty, All,                *b"..ssssssssss"),
    (Code::SetDuplicateMember, Of(PLAIN_SETS),  *b"..RRRRRRRRRR"),
    (Code::SetDuplicateMember, When::Detail(Walked), *b"....cccccccR"),
    (Code::SetDuplicateMember, All,             *b"....dddddddR"),
    (Code::ZsetDuplicateMember, Of(PLAIN_ZSETS), *b"..RRRRRRRRRR"),
    (Code::ZsetDuplicateMember, Of(ZIPLISTS),   *b"..dRRRRRRRRR"),
    (Code::ZsetDuplicateMember, When::Detail(Walked), *b"...ccccccccR"),
    (Code::ZsetDuplicateMember, All,            *b"...ddddddddR"),
    (Code::HashDuplicateField, Both(PLAIN_HASHES, Walked), *b"RRRRRRRRRRRR"),
    (Code::HashDuplicateField, Of(PLAIN_HASHES), *b"..dddddddddR"),
    (Code::HashDuplicateField, Of(&[T::HashZipmap]), *b"..RRRRRRRRRR"),
    (Code::HashDuplicateField, Of(ZIPLISTS),    *b"..dRRRRRRRRR"),
    (Code::HashDuplicateField, Of(&[T::Hash2]), *b"...........R"),
    (Code::HashDuplicateField, When::Detail(Walked), *b"...ccccccccR"),
    (Code::HashDuplicateField, All,             *b"...ddddddddR"),
    (Code::ZsetNanScore, Of(PLAIN_ZSETS),       *b"CCCRRRRRRRRR"),
    (Code::ZsetNanScore, When::Detail(Walked),   *b"CCCCCCCCCCCR"),
    (Code::ZsetNanScore, All,                   *b"...........R"),
    (Code::ZsetBadScore, Of(PLAIN_ZSETS),       *b"..RRRRRRRRRR"),
    (Code::ZsetBadScore, All,                   *b"............"),
    (Code::ZsetUnordered, All,                  *b"............"),
    (Code::HashExpiryInvalid, When::Detail(Lenient), *b"............"),
    (Code::HashExpiryInvalid, Of(&[T::HashMetadata, T::HashMetadataPreGa, T::Hash2]), *b"RRRRRRRRRRRR"),
    (Code::HashExpiryInvalid, All,              *b".....dddd..."),
    (Code::HashExpiryOrder, All,                *b".....dddd..."),
    (Code::PackedOddCount, Of(ZIPLISTS),        *b"..dRRRRRRRRR"),
    (Code::PackedOddCount, When::Detail(Walked), *b"...ccccccccR"),
    (Code::PackedOddCount, All,                 *b"...ddddddddR"),
    (Code::ListpackBadHeader, Of(STREAMS),      *b"..RRRRRRRRRR"),
    (Code::ListpackBadHeader, All,              *b"RRRRRRRRRRRR"),
    (Code::ListpackBadEnd, When::Detail(Header), *b"..RRRRRRRRRR"),
    (Code::ListpackBadEnd, Both(STREAMS, First), *b"..cccccccccR"),
    (Code::ListpackBadEnd, Both(STREAM_1, Walked), *b"..dccccccccR"),
    (Code::ListpackBadEnd, Of(STREAMS),         *b"..dddddddddR"),
    (Code::ListpackBadEnd, When::Detail(Walked), *b"...ccccccccR"),
    (Code::ListpackBadEnd, All,                 *b"..dddddddddR"),
    (Code::ListpackBadEncoding, Both(STREAMS, First), *b"..cccccccccR"),
    (Code::ListpackBadEncoding, Both(STREAM_1, Walked), *b"..dccccccccR"),
    (Code::ListpackBadEncoding, Of(STREAMS),     *b"..dddddddddR"),
    (Code::ListpackBadEncoding, When::Detail(Walked), *b"...ccccccccR"),
    (Code::ListpackBadEncoding, All,            *b"..dddddddddR"),
    (Code::ListpackBadBacklen, Both(STREAMS, First), *b"..cccccccccR"),
    (Code::ListpackBadBacklen, Both(STREAM_1, Walked), *b"..dccccccccR"),
    (Code::ListpackBadBacklen, Of(STREAMS),     *b"..dddddddddR"),
    (Code::ListpackBadBacklen, When::Detail(Walked), *b"...ccccccccR"),
    (Code::ListpackBadBacklen, All,             *b"..dddddddddR"),
    (Code::ListpackOverrun, Both(STREAMS, First), *b"..cccccccccR"),
    (Code::ListpackOverrun, Both(STREAM_1, Walked), *b"..dccccccccR"),
    (Code::ListpackOverrun, Of(STREAMS),        *b"..dddddddddR"),
    (Code::ListpackOverrun, When::Detail(Walked), *b"...ccccccccR"),
    (Code::ListpackOverrun, All,                *b"..dddddddddR"),
    // Deep checks of Redis do not compare it in a stream.
    (Code::ListpackBadCount, Of(STREAMS),       *b"...........R"),
    (Code::ListpackBadCount, All,               *b"...ddddddddR"),
    (Code::ZiplistBadHeader, All,               *b"..RRRRRRRRRR"),
    (Code::ZiplistBadEncoding, Of(&[T::ListZiplist]), *b"..cRRRRRRRRR"),
    (Code::ZiplistBadEncoding, When::Detail(Walked), *b"..cRRRRRRRRR"),
    (Code::ZiplistBadEncoding, All,             *b"..dRRRRRRRRR"),
    (Code::ZiplistBadPrevlen, Of(&[T::ListZiplist]), *b"..cRRRRRRRRR"),
    (Code::ZiplistBadPrevlen, When::Detail(Walked), *b"..cRRRRRRRRR"),
    (Code::ZiplistBadPrevlen, All,              *b"..dRRRRRRRRR"),
    (Code::ZiplistOverrun, Of(&[T::ListZiplist]), *b"..cRRRRRRRRR"),
    (Code::ZiplistOverrun, When::Detail(Walked), *b"..cRRRRRRRRR"),
    (Code::ZiplistOverrun, All,                 *b"..dRRRRRRRRR"),
    (Code::ZiplistBadEnd, When::Detail(Header), *b"CCRRRRRRRRRR"),
    (Code::ZiplistBadEnd, All,                  *b"..dRRRRRRRRR"),
    (Code::ZiplistBadCount, All,                *b"..dRRRRRRRRR"),
    (Code::ZiplistBadTail, When::Detail(Header), *b"..RRRRRRRRRR"),
    (Code::ZiplistBadTail, All,                 *b"..dRRRRRRRRR"),
    (Code::IntsetBadHeader, All,                *b"..RRRRRRRRRR"),
    (Code::IntsetEmpty, All,                    *b"..RRRRRRRRRR"),
    (Code::IntsetUnordered, All,                *b"..dddddddddR"),
    (Code::ZipmapBadStructure, All,             *b"..RRRRRRRRRR"),
    (Code::ZipmapEmpty, All,                    *b"..RRRRRRRRRR"),
    (Code::QuicklistBadContainer, All,          *b"...RRRRRRRRR"),
    (Code::StreamBadNodeId, All,                *b"RRRRRRRRRRRR"),
    (Code::StreamDuplicateNode, All,            *b"RRRRRRRRRRRR"),
    (Code::StreamNodeOrder, All,                *b"............"),
    (Code::StreamBadNode, When::Detail(Header), *b"..RRRRRRRRRR"),
    (Code::StreamBadNode, When::Detail(First),  *b"..dddddRRddR"),
    (Code::StreamBadNode, All,                  *b"..dddddddddR"),
    (Code::StreamNodeCount, When::Detail(First), *b"..dddddRRddR"),
    (Code::StreamNodeCount, All,                *b"..dddddddddR"),
    (Code::StreamEntryOrder, All,               *b"............"),
    (Code::StreamLengthMismatch, When::Detail(Header), *b"...RRRRRRRRR"),
    (Code::StreamLengthMismatch, All,           *b".......RR..R"),
    (Code::StreamLengthDrift, All,              *b".......RR..R"),
    (Code::StreamEntriesAdded, All,             *b"........R..."),
    (Code::StreamEntriesRead, All,              *b"........R..."),
    (Code::StreamEntriesReadRange, All,         *b"........R..."),
    (Code::StreamDuplicateGroup, All,           *b"RRRRRRRRRRRR"),
    (Code::StreamDuplicateConsumer, All,        *b"...RRRRRRRRR"),
    (Code::StreamDuplicatePending, All,         *b"RRRRRRRRRRRR"),
    (Code::StreamPendingUnknown, All,           *b"RRRRRRRRRRRR"),
    (Code::StreamPendingShared, All,            *b".......RR..."),
    (Code::StreamPendingUnowned, All,           *b"..dddddddddR"),
    (Code::StreamNackInvalid, When::Detail(Lenient), *b"............"),
    (Code::StreamNackInvalid, All,              *b".......RR..."),
    (Code::StreamIdmpInvalid, All,              *b"......RRR..."),
    (Code::ArrayInvalid, All,                   *b".......RR..."),
    (Code::ArrayIndexOrder, All,                *b"............"),
    (Code::TemplateInvalid, All,                *b"........R..."),
    (Code::TemplateUnknown, All,                *b"........R..."),
    (Code::TemplateHashInvalid, All,            *b"........R..."),
    // Of an image behind another one of the same set.
    (Code::AofRdbKeyRepeated, All,              *b"CCCCCCCCCCCC"),
];

/// What a server of that column makes of a finding of that class.
pub(super) fn effect(class: &Class, column: usize) -> Effect {
    let fits = |when: &When| match when {
        All => true,
        When::Detail(detail) => class.detail == *detail,
        Of(types) => class.value_type.is_some_and(|t| types.contains(&t)),
        Both(types, detail) => class.detail == *detail && class.value_type.is_some_and(|t| types.contains(&t)),
    };
    let row = RULES.iter().find(|(code, when, _)| *code == class.code && fits(when));
    match row.and_then(|(_, _, letters)| letters.get(column)) {
        Some(b's') => Effect::Skips,
        Some(b'd') => Effect::Deep,
        Some(b'R') => Effect::Refuses,
        Some(b'c') => Effect::CrashesUnlessDeep,
        Some(b'C') => Effect::Crashes,
        _ => Effect::Loads,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::Severity;

    #[test]
    fn every_error_of_an_rdb_has_a_line() {
        let prefixes = ["aof-", "manifest-", "target-"];
        for code in Code::ALL {
            let of_rdb = !prefixes.iter().any(|prefix| code.as_str().starts_with(prefix));
            let lines: Vec<_> = RULES.iter().filter(|(c, _, _)| c == code).collect();
            if of_rdb && code.severity() == Severity::Error {
                assert!(lines.last().is_some_and(|(_, when, _)| matches!(when, All)), "{code}");
            }
            // A line behind the one for all would never be asked.
            assert!(lines.iter().rev().skip(1).all(|(_, when, _)| !matches!(when, All)), "{code}");
        }
    }

    #[test]
    fn the_letters_are_known() {
        for (code, _, letters) in RULES {
            assert!(letters.iter().all(|letter| b".sdRcC".contains(letter)), "{code}");
        }
    }

    #[test]
    fn an_error_stands_in_someones_way() {
        // Errors that every server loads are damage all the same: the servers do not look.
        let unseen = [
            Code::RdbBadVersion,
            Code::RdbVersionDigitDamaged,
            Code::RdbForeignType,
            Code::RdbLimitExceeded,
            Code::RdbResizedbImpossible,
            Code::RdbSlotOutOfRange,
            Code::RdbFunctionPreGa,
            Code::ZsetUnordered,
            Code::StreamNodeOrder,
            Code::StreamEntryOrder,
            Code::ArrayIndexOrder,
        ];
        for (code, when, letters) in RULES {
            let seen = letters.iter().any(|letter| b"dRcC".contains(letter));
            let should = code.severity() == Severity::Error && matches!(when, All) && !unseen.contains(code);
            assert!(seen || !should || *code == Code::ZsetBadScore, "{code}");
        }
    }
}
