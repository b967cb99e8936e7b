//! Which code stands for which fault of a packed encoding.

use super::blob::Blob;
use crate::rdb::packed::{PackedError, PackedErrorKind as Kind};
use crate::report::codes::Code;
use crate::report::collector::{Collector, Location};
use crate::report::facts::Visibility;

/// The packed encodings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Listpack,
    Ziplist,
    Intset,
    Zipmap,
}

/// Reports a fault of a packed value. Where it lies in one of the value's elements, `element` is that one's number.
pub(crate) fn report(
    error: &PackedError,
    encoding: Encoding,
    blob: &Blob<'_>,
    element: Option<u64>,
    findings: &mut Collector,
) {
    let kind = error.kind;
    let detail = detail(encoding, kind, blob.bytes);
    let place = Location { element, ..blob.place(error.start, error.failed_at) }.detail(detail);
    findings
        .add(code(encoding, kind), place, || format!("{}: {kind}{}", encoding.name(), blob.locate(error.failed_at)));
}

/// A set of more than 512 numbers is unpacked by default while it is loaded: so many bytes those have at least.
const MOST_IN_INTSET: u64 = 8 + 512 * 2;

/// A packed sorted set of more than 128 members, or a hash of more fields, is unpacked while it is loaded, whatever else its header
/// says: where that count stands in a ziplist, and from which on.
const COUNT_OF_ZIPLIST: std::ops::Range<usize> = 8..10;
const MOST_IN_ZIPLIST: u16 = 2 * 128;

/// Returns what servers compare before they look at elements.
fn detail(encoding: Encoding, kind: Kind, bytes: &[u8]) -> Visibility {
    match kind {
        // Servers that do not compare it read their header from what lies behind the bytes.
        Kind::TooShort { .. } if matches!(encoding, Encoding::Ziplist | Encoding::Listpack) => Visibility::Header,
        Kind::TotalMismatch { .. } if encoding == Encoding::Ziplist => {
            let count = bytes.get(COUNT_OF_ZIPLIST).and_then(|count| count.try_into().ok()).map(u16::from_le_bytes);
            if count.is_some_and(|count| count > MOST_IN_ZIPLIST) { Visibility::Walked } else { Visibility::Usual }
        }
        // Servers before 6.2 go by the end, and look at the number of pairs no more than that it is there.
        Kind::CountMismatch { .. } if encoding == Encoding::Zipmap => Visibility::Usual,
        Kind::LongFormLength(_) => Visibility::Lenient,
        _ if encoding == Encoding::Zipmap => Visibility::Walked,
        Kind::BadTerminator(_) | Kind::TailNowhere { .. } => Visibility::Header,
        Kind::IntsetSize { stated, .. } if stated > MOST_IN_INTSET => Visibility::Walked,
        _ => Visibility::Usual,
    }
}

impl Encoding {
    fn name(self) -> &'static str {
        match self {
            Self::Listpack => "listpack",
            Self::Ziplist => "ziplist",
            Self::Intset => "intset",
            Self::Zipmap => "zipmap",
        }
    }
}

/// Kinds that an encoding does not know are put where they would belong.
fn code(encoding: Encoding, kind: Kind) -> Code {
    match encoding {
        Encoding::Listpack => match kind {
            Kind::BadTerminator(_) | Kind::DataAfterTerminator { .. } => Code::ListpackBadEnd,
            Kind::CountMismatch { .. } => Code::ListpackBadCount,
            Kind::ElementBeyondEnd => Code::ListpackOverrun,
            Kind::BadEncoding(_) => Code::ListpackBadEncoding,
            Kind::BadBacklen { .. } | Kind::EndlessBacklen | Kind::BacklenBeforeStart { .. } => {
                Code::ListpackBadBacklen
            }
            _ => Code::ListpackBadHeader,
        },
        Encoding::Ziplist => match kind {
            Kind::BadTerminator(_) | Kind::DataAfterTerminator { .. } => Code::ZiplistBadEnd,
            Kind::CountMismatch { .. } => Code::ZiplistBadCount,
            Kind::ElementBeyondEnd => Code::ZiplistOverrun,
            Kind::BadEncoding(_) => Code::ZiplistBadEncoding,
            Kind::BadPrevlen { .. } | Kind::PrevlenNowhere { .. } => Code::ZiplistBadPrevlen,
            Kind::TailMismatch { .. } | Kind::TailNowhere { .. } => Code::ZiplistBadTail,
            _ => Code::ZiplistBadHeader,
        },
        Encoding::Intset => Code::IntsetBadHeader,
        Encoding::Zipmap => Code::ZipmapBadStructure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rdb::{Body, RdbString};

    fn reported(bytes: &[u8], body: Body<&[u8]>, error: PackedError, encoding: Encoding) -> crate::report::Finding {
        let mut findings = Collector::new(9);
        let mut decoded = crate::lzf::Room::default();
        let string = RdbString { start: 100, end: 110 + bytes.len() as u64, body };
        let blob = Blob::open(&string, &mut decoded, 1 << 20, &mut findings).expect("readable");
        report(&error, encoding, &blob, Some(4), &mut findings);
        findings.into_kept().remove(0)
    }

    #[test]
    fn the_place_is_in_the_file() {
        let bytes = [0; 30];
        let error = PackedError { start: 6, failed_at: 9, kind: Kind::BadEncoding(0xF5) };
        let finding = reported(&bytes, Body::Raw(&bytes), error, Encoding::Listpack);
        assert_eq!((finding.start, finding.failed_at, finding.end), (116, 119, Some(140)));
        assert_eq!((finding.code, finding.element), (Code::ListpackBadEncoding, Some(4)));
        assert_eq!(finding.message, "listpack: 0xf5 is no encoding");
    }

    #[test]
    fn in_compressed_bytes_the_place_is_the_string_and_the_message_says_the_rest() {
        let data = b"\x01ab";
        let error = PackedError { start: 0, failed_at: 1, kind: Kind::ElementBeyondEnd };
        let finding = reported(&[], Body::Lzf { data, decoded: 2 }, error, Encoding::Ziplist);
        assert_eq!((finding.start, finding.failed_at, finding.end), (100, 100, Some(110)));
        assert_eq!(finding.code, Code::ZiplistOverrun);
        assert!(finding.message.ends_with("(at byte 1 of the decoded value)"), "{}", finding.message);
    }

    #[test]
    fn each_encoding_has_its_own_codes() {
        use Encoding::{Intset, Listpack, Ziplist, Zipmap};
        let mismatch = Kind::TotalMismatch { stated: 1, actual: 2 };
        let wants = [
            (Listpack, mismatch, Code::ListpackBadHeader),
            (Listpack, Kind::TooShort { min: 7 }, Code::ListpackBadHeader),
            (Listpack, Kind::BadTerminator(0), Code::ListpackBadEnd),
            (Listpack, Kind::DataAfterTerminator { bytes: 2 }, Code::ListpackBadEnd),
            (Listpack, Kind::CountMismatch { stated: 1, counted: 2 }, Code::ListpackBadCount),
            (Listpack, Kind::EndlessBacklen, Code::ListpackBadBacklen),
            (Ziplist, mismatch, Code::ZiplistBadHeader),
            (Ziplist, Kind::BadTerminator(0), Code::ZiplistBadEnd),
            (Ziplist, Kind::CountMismatch { stated: 1, counted: 2 }, Code::ZiplistBadCount),
            (Ziplist, Kind::BadEncoding(0xFF), Code::ZiplistBadEncoding),
            (Ziplist, Kind::BadPrevlen { stated: 1, actual: 2 }, Code::ZiplistBadPrevlen),
            (Ziplist, Kind::TailMismatch { stated: 1, actual: 2 }, Code::ZiplistBadTail),
            (Intset, Kind::IntsetWidth(3), Code::IntsetBadHeader),
            (Intset, Kind::IntsetSize { stated: 1, actual: 2 }, Code::IntsetBadHeader),
            (Zipmap, Kind::ElementBeyondEnd, Code::ZipmapBadStructure),
            (Zipmap, Kind::LongFormLength(3), Code::ZipmapBadStructure),
        ];
        for (encoding, kind, want) in wants {
            assert_eq!(code(encoding, kind), want, "{encoding:?} {kind:?}");
        }
    }
}
