//! What each server makes of each finding.
//!
//! One line is a code, or a part of its findings; one letter a group of versions:
//!
//! | letter | the server |
//! |---|---|
//! | `.` | loads the file |
//! | `s` | loads the file without the key |
//! | `e` | loads the file without the key, but refuses it if it makes deep checks |
//! | `d` | loads the file, but not if it makes deep checks |
//! | `R` | refuses |
//! | `c` | crashes, but refuses the file if it makes deep checks |
//! | `C` | crashes |
//! | `H` | hangs: it finds the file bad, and the check that it then runs never ends |
//! | `?` | the bytes around decide whether it loads the key, loads something else or nothing for it, refuses or crashes |
//! | `q` | the same, but refuses the file if it makes deep checks |
//!
//! Of the lines for a code the first one that fits a finding counts. A value type that a server does not know is refused
//! before anything is asked here, so its letters do not matter.
//!
//! Sources: the columns whose binary has a build were measured on it; 7.2, 8.4 and Valkey 7.2 are taken from their
//! neighbours; 8.8 and 8.10 rest on source and documents.

use super::releases::BINARIES;
use crate::rdb::ValueType as T;
use crate::report::{Code, FindingClass, Visibility};

/// What a server makes of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    Loads,
    Skips,
    /// Without deep checks, which refuse it.
    SkipsUnlessDeep,
    /// Only deep checks refuse it.
    Deep,
    Refuses,
    Crashes,
    /// Without deep checks, which refuse it.
    CrashesUnlessDeep,
    Hangs,
    /// The bytes around decide.
    Depends,
    /// Without deep checks, which refuse it.
    DependsUnlessDeep,
}

/// Which findings of a code a line is for.
enum When {
    All,
    /// With that detail.
    Visibility(Visibility),
    /// About a value of one of these types.
    Of(&'static [T]),
    /// Both.
    Both(&'static [T], Visibility),
}

use Visibility::{First, Header, Lenient, Walked};
use When::{All, Both, Of};

const PLAIN_SETS: &[T] = &[T::Set];
const PLAIN_ZSETS: &[T] = &[T::ZSet, T::ZSet2];
const PLAIN_HASHES: &[T] = &[T::Hash, T::HashMetadata, T::HashMetadataPreGa];
const ZIPLISTS: &[T] = &[T::ListZiplist, T::ZSetZiplist, T::HashZiplist, T::ListQuicklist];
const LISTS: &[T] = &[T::ListZiplist, T::ListQuicklist, T::ListQuicklist2];
const STREAM_1: &[T] = &[T::StreamListpacks];
const STREAMS: &[T] =
    &[T::StreamListpacks, T::StreamListpacks2, T::StreamListpacks3, T::StreamListpacks4, T::StreamListpacks5];

#[rustfmt::skip]
const RULES: &[(Code, When, [u8; BINARIES.len()])] = &[
    // The columns are those of BINARIES:    Redis 5 6 6 7 7 7 8 8 8 8 8 8 8  Valkey 7 8 8 8 9 9
    //                                             0 0 2 0 2 4 0 0 2 4 6 8 10        2 0 1 1 0 1
    //                                                         2 6                       1 8
    (Code::RdbEmptyFile, All,                   *b"RRRRRRRRRRRRRRRRRRR"),
    (Code::RdbZeroFilled, All,                  *b"RRRRRRRRRRRRRRRRRRR"),
    (Code::RdbBadMagic, All,                    *b"RRRRRRRRRRRRRRRRRRR"),
    (Code::RdbNotAnRdb, All,                    *b"RRRRRRRRRRRRRRRRRRR"),
    // The version is judged by its number.
    (Code::RdbBadVersion, All,                  *b"..................."),
    (Code::RdbNewerVersion, When::Visibility(Visibility::Unread), *b"RRRRRRRRRRRRRRRRRRR"),
    (Code::RdbVersionDigitDamaged, All,         *b"..................."),
    (Code::RdbTruncated, When::Visibility(Visibility::BetweenItems), *b"RRHHHHHHHHHHHHHHHHH"),
    (Code::RdbTruncated, All,                   *b"RRRRRRRRRRRRRRRRRRR"),
    (Code::RdbForeignProduct, All,              *b"RRRRRRRRRRRRRRRRRRR"),
    (Code::RdbBadLength, All,                   *b"RRRRRRRRRRRRRRRRRRR"),
    (Code::RdbBadStringEncoding, All,           *b"RRRRRRRRRRRRRRRRRRR"),
    (Code::RdbUnknownType, All,                 *b"RRRRRRRRRRRRRRRRRRR"),
    // Types and modules are judged by their own.
    (Code::RdbForeignType, All,                 *b"..................."),
    (Code::RdbLimitExceeded, All,               *b"..................."),
    (Code::RdbModuleV1, All,                    *b"RRRRRRRRRRRRRRRRRRR"),
    (Code::RdbChecksumMismatch, All,            *b"RRRRRRRRRRRRRRRRRRR"),
    (Code::RdbZeroHole, All,                    *b"CCCCCCCCCCCCCCCCCCC"),
    (Code::RdbDuplicateKey, All,                *b"CCCCCCCCCCCCCCCCCCC"),
    // Judged by the number, below.
    (Code::RdbResizedbImpossible, All,          *b"..................."),
    (Code::RdbSlotOutOfRange, All,              *b"..................."),
    (Code::RdbAttributesRepeated, When::Visibility(Visibility::FirstExpired), *b"..........sss......"),
    (Code::RdbExpireMinusOne, When::Visibility(Lenient), *b"..................."),
    (Code::RdbExpireMinusOne, All,              *b"..........sss......"),
    (Code::RdbAuxSlotInfoBad, All,              *b"..............RRRRR"),
    (Code::RdbFunctionInvalid, All,             *b"...RRRRRRRRRRRRRRRR"),
    (Code::RdbFunctionDuplicate, All,           *b"...RRRRRRRRRRRRRRRR"),
    (Code::RdbFunctionPreGa, All,               *b"..................."),
    (Code::RdbModuleBadOpcode, All,             *b"RRRRRRRRRRRRRRRRRRR"),
    (Code::RdbModuleAuxWhen, All,               *b"RRRRRRRRRRRRRRRRRRR"),
    (Code::RdbKeyMetaInvalid, All,              *b"..........RRR......"),
    (Code::RdbKeyMetaNeeded, All,               *b"..........RRR......"),
    (Code::RdbSlotImportInvalid, All,           *b".................CR"),
    (Code::LzfDamaged, Both(&[T::ListZiplist, T::HashZipmap], Lenient), *b"??RRRRRRRRRRRRRRRRR"),
    (Code::LzfDamaged, When::Visibility(Lenient),   *b"..RRRRRRRRRRRRRRRRR"),
    (Code::LzfDamaged, All,                     *b"RRRRRRRRRRRRRRRRRRR"),
    (Code::LzfEmpty, All,                       *b"RR................."),
    (Code::CollectionEmpty, All,                *b"..sssssssssssssssss"),
    (Code::SetDuplicateMember, Of(PLAIN_SETS),  *b"..RRRRRRRRRRRRRRRRR"),
    (Code::SetDuplicateMember, When::Visibility(Walked), *b"....ccccccccccccccR"),
    (Code::SetDuplicateMember, All,             *b"....ddddddddddddddR"),
    (Code::ZsetDuplicateMember, Of(PLAIN_ZSETS), *b"..RRRRRRRRRRRRRRRRR"),
    (Code::ZsetDuplicateMember, Of(ZIPLISTS),   *b"..dRRRRRRRRRRRRRRRR"),
    (Code::ZsetDuplicateMember, When::Visibility(Walked), *b"...cccccccccccccccR"),
    (Code::ZsetDuplicateMember, All,            *b"...dddddddddddddddR"),
    (Code::HashDuplicateField, Both(PLAIN_HASHES, Walked), *b"RRRRRRRRRRRRRRRRRRR"),
    (Code::HashDuplicateField, Of(PLAIN_HASHES), *b"..ddddddddddddddddR"),
    (Code::HashDuplicateField, Of(&[T::HashZipmap]), *b"CCRRRRRRRRRRRRRRRRR"),
    (Code::HashDuplicateField, Of(ZIPLISTS),    *b"..dRRRRRRRRRRRRRRRR"),
    (Code::HashDuplicateField, Of(&[T::Hash2]), *b".................RR"),
    (Code::HashDuplicateField, When::Visibility(Walked), *b"...cccccccccccccccR"),
    (Code::HashDuplicateField, All,             *b"...dddddddddddddddR"),
    (Code::ZsetNanScore, Of(PLAIN_ZSETS),       *b"CCCRRRRRRRRRRRRRRRR"),
    (Code::ZsetNanScore, When::Visibility(Walked),   *b"CCCCCCCCCCCCCCCCCCR"),
    (Code::ZsetNanScore, All,                   *b"..................R"),
    (Code::ZsetBadScore, Of(PLAIN_ZSETS),       *b"..RRRRRRRRRRRRRRRRR"),
    (Code::ZsetBadScore, All,                   *b"..................."),
    (Code::ZsetUnordered, All,                  *b"..................."),
    (Code::HashExpiryInvalid, When::Visibility(Lenient), *b"..................."),
    (Code::HashExpiryInvalid, Of(&[T::HashMetadata, T::HashMetadataPreGa, T::Hash2]), *b"RRRRRRRRRRRRRRRRRRR"),
    (Code::HashExpiryInvalid, When::Visibility(Visibility::NoNumber), *b".....cccccccc......"),
    (Code::HashExpiryInvalid, When::Visibility(Walked), *b".....dddddcdd......"),
    (Code::HashExpiryInvalid, All,              *b".....dddddddd......"),
    // Redis and Valkey 9.0 load it and delete it at once, Valkey 9.1 does not load it.
    (Code::HashFieldsExpired, All,              *b"sssssssssssssssssss"),
    (Code::HashExpiryOrder, All,                *b".....dddddddd......"),
    (Code::PackedOddCount, Of(ZIPLISTS),        *b"..dRRRRRRRRRRRRRRRR"),
    (Code::PackedOddCount, When::Visibility(Walked), *b"...cccccccccccccccR"),
    (Code::PackedOddCount, All,                 *b"...dddddddddddddddR"),
    (Code::ListpackBadHeader, Both(STREAMS, Header), *b"??RRRRRRRRRRRRRRRRR"),
    (Code::ListpackBadHeader, Of(STREAMS),      *b"..RRRRRRRRRRRRRRRRR"),
    (Code::ListpackBadHeader, All,              *b"RRRRRRRRRRRRRRRRRRR"),
    (Code::ListpackBadEnd, When::Visibility(Header), *b"..RRRRRRRRRRRRRRRRR"),
    (Code::ListpackBadEnd, Both(STREAMS, First), *b"..ccccccccccccccccR"),
    (Code::ListpackBadEnd, Both(STREAM_1, Walked), *b"..dcccccccccccccccR"),
    (Code::ListpackBadEnd, Of(STREAMS),         *b"..ddddddddddddddddR"),
    (Code::ListpackBadEnd, When::Visibility(Walked), *b"...cccccccccccccccR"),
    (Code::ListpackBadEnd, All,                 *b"..ddddddddddddddddR"),
    (Code::ListpackBadEncoding, Both(STREAMS, First), *b"..ccccccccccccccccR"),
    (Code::ListpackBadEncoding, Both(STREAM_1, Walked), *b"..dcccccccccccccccR"),
    (Code::ListpackBadEncoding, Of(STREAMS),     *b"..ddddddddddddddddR"),
    (Code::ListpackBadEncoding, When::Visibility(Walked), *b"...cccccccccccccccR"),
    (Code::ListpackBadEncoding, All,            *b"..ddddddddddddddddR"),
    (Code::ListpackBadBacklen, Both(STREAMS, First), *b"..ccccccccccccccccR"),
    (Code::ListpackBadBacklen, Both(STREAM_1, Walked), *b"..dcccccccccccccccR"),
    (Code::ListpackBadBacklen, Of(STREAMS),     *b"..ddddddddddddddddR"),
    (Code::ListpackBadBacklen, When::Visibility(Walked), *b"...cccccccccccccccR"),
    (Code::ListpackBadBacklen, All,             *b"..ddddddddddddddddR"),
    (Code::ListpackOverrun, Both(STREAMS, First), *b"..ccccccccccccccccR"),
    (Code::ListpackOverrun, Both(STREAM_1, Walked), *b"..dcccccccccccccccR"),
    (Code::ListpackOverrun, Of(STREAMS),        *b"..ddddddddddddddddR"),
    (Code::ListpackOverrun, When::Visibility(Walked), *b"...cccccccccccccccR"),
    (Code::ListpackOverrun, All,                *b"..ddddddddddddddddR"),
    // Deep checks of Redis do not compare it in a stream.
    // Of a list the node is dropped, and the key if it has no other.
    (Code::ListpackBadCount, Both(LISTS, Visibility::Emptied), *b"...qqqqqqqqqqqqqqqR"),
    (Code::ListpackBadCount, When::Visibility(Visibility::Emptied), *b"...eeeeeeeeeeeeeeeR"),
    (Code::ListpackBadCount, Of(STREAMS),       *b"..................R"),
    (Code::ListpackBadCount, All,               *b"...dddddddddddddddR"),
    (Code::ZiplistBadHeader, Of(&[T::ListZiplist]), *b"??RRRRRRRRRRRRRRRRR"),
    // Of fewer bytes than a header has they take the rest for it that memory has behind them.
    (Code::ZiplistBadHeader, When::Visibility(Header), *b"??RRRRRRRRRRRRRRRRR"),
    (Code::ZiplistBadHeader, When::Visibility(Walked), *b"??RRRRRRRRRRRRRRRRR"),
    (Code::ZiplistBadHeader, All,               *b"..RRRRRRRRRRRRRRRRR"),
    (Code::ZiplistBadEncoding, Of(&[T::ListZiplist]), *b"CCcRRRRRRRRRRRRRRRR"),
    (Code::ZiplistBadEncoding, When::Visibility(Walked), *b"CCcRRRRRRRRRRRRRRRR"),
    (Code::ZiplistBadEncoding, All,             *b"..dRRRRRRRRRRRRRRRR"),
    (Code::ZiplistBadPrevlen, Of(&[T::ListZiplist]), *b"??qRRRRRRRRRRRRRRRR"),
    (Code::ZiplistBadPrevlen, When::Visibility(Walked), *b"??qRRRRRRRRRRRRRRRR"),
    (Code::ZiplistBadPrevlen, All,              *b"..dRRRRRRRRRRRRRRRR"),
    (Code::ZiplistOverrun, Of(&[T::ListZiplist]), *b"??cRRRRRRRRRRRRRRRR"),
    (Code::ZiplistOverrun, When::Visibility(Walked), *b"CCcRRRRRRRRRRRRRRRR"),
    (Code::ZiplistOverrun, All,                 *b"..dRRRRRRRRRRRRRRRR"),
    (Code::ZiplistBadEnd, Both(&[T::ListZiplist], Header), *b"??RRRRRRRRRRRRRRRRR"),
    (Code::ZiplistBadEnd, When::Visibility(Header), *b"..RRRRRRRRRRRRRRRRR"),
    (Code::ZiplistBadEnd, All,                  *b"..dRRRRRRRRRRRRRRRR"),
    (Code::ZiplistBadCount, Both(&[T::ListQuicklist], Visibility::Emptied), *b"..qRRRRRRRRRRRRRRRR"),
    (Code::ZiplistBadCount, Both(LISTS, Visibility::Emptied), *b"..dRRRRRRRRRRRRRRRR"),
    (Code::ZiplistBadCount, When::Visibility(Visibility::Emptied), *b"..eRRRRRRRRRRRRRRRR"),
    (Code::ZiplistBadCount, All,                *b"..dRRRRRRRRRRRRRRRR"),
    (Code::ZiplistBadTail, When::Visibility(Header), *b"..RRRRRRRRRRRRRRRRR"),
    (Code::ZiplistBadTail, All,                 *b"..dRRRRRRRRRRRRRRRR"),
    (Code::IntsetBadHeader, When::Visibility(Walked), *b"CCRRRRRRRRRRRRRRRRR"),
    (Code::IntsetBadHeader, All,                *b"??RRRRRRRRRRRRRRRRR"),
    (Code::IntsetEmpty, All,                    *b"..RRRRRRRRRRRRRRRRR"),
    (Code::IntsetUnordered, All,                *b"..ddddddddddddddddR"),
    // A short length in five bytes: servers before the releases of 2025 took it for one byte.
    (Code::ZipmapBadStructure, When::Visibility(Lenient), *b"??????RR??RRR??RR?R"),
    (Code::ZipmapBadStructure, When::Visibility(Walked), *b"??RRRRRRRRRRRRRRRRR"),
    (Code::ZipmapBadStructure, All,             *b"..RRRRRRRRRRRRRRRRR"),
    (Code::ZipmapEmpty, All,                    *b"..RRRRRRRRRRRRRRRRR"),
    (Code::QuicklistBadContainer, All,          *b"...RRRRRRRRRRRRRRRR"),
    (Code::QuicklistPlainEmpty, All,            *b"...RRRRRRRRRRRRRRRR"),
    (Code::StreamBadNodeId, All,                *b"RRRRRRRRRRRRRRRRRRR"),
    (Code::StreamDuplicateNode, All,            *b"RRRRRRRRRRRRRRRRRRR"),
    (Code::StreamNodeOrder, All,                *b"..................."),
    (Code::StreamBadNode, When::Visibility(Header), *b"..RRRRRRRRRRRRRRRRR"),
    (Code::StreamBadNode, Both(STREAM_1, Walked), *b"..dcccccccccccccccR"),
    (Code::StreamBadNode, When::Visibility(First),  *b"..dddddddddRRdddddR"),
    (Code::StreamBadNode, All,                  *b"..ddddddddddddddddR"),
    (Code::StreamNodeCount, When::Visibility(First), *b"..dddddddddRRdddddR"),
    (Code::StreamNodeCount, All,                *b"..ddddddddddddddddR"),
    (Code::StreamEntryOrder, All,               *b"..................."),
    (Code::StreamLengthMismatch, When::Visibility(Header), *b"...RRRRRRRRRRRRRRRR"),
    (Code::StreamLengthMismatch, All,           *b"...........RR.....R"),
    (Code::StreamLengthDrift, All,              *b"...........RR.....R"),
    (Code::StreamEntriesAdded, All,             *b"............R......"),
    (Code::StreamEntriesRead, All,              *b"............R......"),
    (Code::StreamEntriesReadRange, All,         *b"............R......"),
    (Code::StreamDuplicateGroup, All,           *b"RRRRRRRRRRRRRRRRRRR"),
    (Code::StreamDuplicateConsumer, All,        *b"...RRRRRRRRRRRRRRRR"),
    (Code::StreamDuplicatePending, All,         *b"RRRRRRRRRRRRRRRRRRR"),
    (Code::StreamPendingUnknown, All,           *b"RRRRRRRRRRRRRRRRRRR"),
    (Code::StreamPendingShared, All,            *b"...R..RR...RR..R..R"),
    (Code::StreamPendingUnowned, All,           *b"..ddddddddddddddddR"),
    (Code::StreamNackInvalid, When::Visibility(Lenient), *b"..................."),
    (Code::StreamNackInvalid, All,              *b"...........RR......"),
    (Code::StreamIdmpInvalid, All,              *b"..........RRR......"),
    (Code::VectorsetInvalid, When::Visibility(Lenient), *b"..................."),
    (Code::VectorsetInvalid, All,               *b"RRRRRRRRRRRRRRRRRRR"),
    (Code::VectorsetLinks, All,                 *b".......RRRRRR......"),
    (Code::VectorsetProjection, All,            *b"......RR.RRRR......"),
    (Code::VectorsetDuplicate, All,             *b"..................."),
    (Code::VectorsetEmpty, All,                 *b"..................."),
    (Code::VectorsetDimension, All,             *b".........RRRR......"),
    (Code::VectorsetIndex, All,                 *b"......R............"),
    (Code::ArrayInvalid, All,                   *b"...........RR......"),
    (Code::ArrayIndexOrder, All,                *b"..................."),
    (Code::TemplateInvalid, All,                *b"............R......"),
    (Code::TemplateUnknown, All,                *b"............R......"),
    (Code::TemplateHashInvalid, All,            *b"............R......"),
    // Of an image behind another one of the same set.
    (Code::AofRdbKeyRepeated, All,              *b"CCCCCCCCCCCCCCCCCCC"),
];

/// Returns what a server of that column makes of a finding of that class.
pub(super) fn effect(class: &FindingClass, column: usize) -> Effect {
    let fits = |when: &When| match when {
        All => true,
        When::Visibility(detail) => class.detail == *detail,
        Of(types) => class.value_type.is_some_and(|t| types.contains(&t)),
        Both(types, detail) => class.detail == *detail && class.value_type.is_some_and(|t| types.contains(&t)),
    };
    let row = RULES.iter().find(|(code, when, _)| *code == class.code && fits(when));
    match row.and_then(|(_, _, letters)| letters.get(column)) {
        Some(b's') => Effect::Skips,
        Some(b'e') => Effect::SkipsUnlessDeep,
        Some(b'd') => Effect::Deep,
        Some(b'R') => Effect::Refuses,
        Some(b'c') => Effect::CrashesUnlessDeep,
        Some(b'C') => Effect::Crashes,
        Some(b'H') => Effect::Hangs,
        Some(b'?') => Effect::Depends,
        Some(b'q') => Effect::DependsUnlessDeep,
        _ => Effect::Loads,
    }
}

/// Returns whether a server that has loaded a value with such a finding can break down when it reads it. What it does
/// depends on the bytes around: it may answer with nonsense instead.
pub(super) fn kills_when_read(class: &FindingClass, column: usize) -> bool {
    // The first VSIM; measured on 8.6.
    let empty = class.code == Code::VectorsetEmpty && (9..13).contains(&column);
    // Redis 5.0 and 6.0 take fewer bytes than were promised, and the rest as memory has it.
    let short = column < 2 && class.code == Code::LzfDamaged && class.detail == Lenient;
    empty
        || short
        || matches!(
            class.code,
            Code::PackedOddCount
                | Code::ListpackBadHeader
                | Code::ListpackBadEnd
                | Code::ListpackBadEncoding
                | Code::ListpackBadBacklen
                | Code::ListpackOverrun
                | Code::ListpackBadCount
                | Code::ZiplistBadHeader
                | Code::ZiplistBadEncoding
                | Code::ZiplistBadPrevlen
                | Code::ZiplistOverrun
                | Code::ZiplistBadEnd
                | Code::ZiplistBadCount
                | Code::ZiplistBadTail
                | Code::IntsetBadHeader
                | Code::IntsetUnordered
                | Code::HashExpiryInvalid
                | Code::StreamBadNode
                | Code::StreamNodeCount
                | Code::StreamPendingShared
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Severity;

    #[test]
    fn every_error_of_an_rdb_has_a_line() {
        let prefixes = ["aof-", "dump-", "manifest-", "target-"];
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
            assert!(letters.iter().all(|letter| b".sedRcCH?q".contains(letter)), "{code}");
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
            Code::VectorsetDuplicate,
            Code::VectorsetEmpty,
        ];
        for (code, when, letters) in RULES {
            let seen = letters.iter().any(|letter| b"edRcCH?q".contains(letter));
            let should = code.severity() == Severity::Error && matches!(when, All) && !unseen.contains(code);
            assert!(seen || !should || *code == Code::ZsetBadScore, "{code}");
        }
    }
}
