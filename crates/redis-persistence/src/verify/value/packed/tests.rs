use super::*;
use crate::base::limits::Limits;
use crate::verify::duplicates::Table;
use crate::verify::value::seen::Seen;
use crate::verify::value::testing::{Checked, check, check_within};
use testkit::rdb::string::compressed;
use testkit::rdb::{
    Family, File, Intset, Listpack as Lp, LpForm, QuicklistNode, RdbWriter, StrForm, Value, Ziplist as Zl, Zipmap,
};
use testkit::rng::Rng;

/// Where the bytes of a short blob begin in [`file`].
const AT: u64 = 13;

/// A file of one key `k` without checksum, whose value begins at byte 12.
fn file(type_byte: u8, value: &[u8]) -> Vec<u8> {
    [b"REDIS0012", &[type_byte, 1, b'k'][..], value, b"\xFF\0\0\0\0\0\0\0\0"].concat()
}

fn check_blob(type_byte: u8, blob: &[u8]) -> Checked {
    let checked = check(&file(type_byte, &StrForm::Raw.encode(blob)));
    assert!(checked.suspects.is_empty(), "what lies in a blob is confirmed at once");
    assert!(checked.findings.is_empty() || !told_plain(type_byte, blob), "{:?}", checked.findings);
    checked
}

fn told_plain(type_byte: u8, blob: &[u8]) -> bool {
    let value_type = ValueType::from_byte(type_byte, crate::rdb::Family::Redis).expect("a type");
    let packing = value_type.packing().expect("a packed type");
    let (mut seen, mut table) = (Seen::default(), Table::new(1 << 20, crate::verify::value::testing::form()));
    // With bytes behind it the listpack is read by the table, without them by its entries.
    let wide = [blob, &[0x5A; 64]].concat();
    let slow = is_plain(packing, blob, blob, Buffers { seen: &mut seen, table: &mut table, compare: true });
    let fast = is_plain(packing, blob, &wide, Buffers { seen: &mut seen, table: &mut table, compare: true });
    assert_eq!(slow, fast, "{blob:02X?}");
    fast
}

#[test]
fn what_is_told_plain_has_no_finding() {
    let long = "x".repeat(70);
    let ranking = ["b", "-1.5", "a", "0.10000000000000001", "c", "0.10000000000000001", "d", "37", "e", "37.25"];
    let pairs = ["field", "-70000", "other", "value", "12", &long];
    let sound = [
        (11, Intset::of(&[-70_000, 3, 4])),
        (12, Zl::of(9, ranking)),
        (13, Zl::of(9, pairs)),
        (10, Zl::of(9, pairs)),
        (17, Lp::of(ranking)),
        (16, Lp::of(pairs)),
        (18, Lp::of(pairs)),
        (20, Lp::of(pairs)),
    ];
    for (type_byte, mut blob) in sound {
        // The list node of type 18 is looked at as a set's: both are one listpack.
        let whole = if type_byte == 18 { 20 } else { type_byte };
        assert!(told_plain(type_byte, &blob), "type {type_byte}");
        for at in 0..blob.len() {
            for byte in [0, 1, 0x30, 0x7F, 0x80, 0xC3, 0xFF, blob[at].wrapping_add(1), blob[at] ^ 0x20] {
                let before = std::mem::replace(&mut blob[at], byte);
                if type_byte != 10 {
                    check_blob(whole, &blob);
                }
                blob[at] = before;
            }
        }
    }
    for unordered in [["a", "2", "b", "1"], ["b", "0.10000000000000001", "a", "0.10000000000000001"]] {
        assert!(!told_plain(17, &Lp::of(unordered)));
    }
    assert!(!told_plain(20, &Lp::of(["a", "b", "a"])) && told_plain(18, &Lp::of(["a", "b", "a"])));
    assert!(!told_plain(20, &Lp::of([""; 0])));
}

/// Findings of one blob, offsets counted from its start, and their elements.
#[track_caller]
fn finds(type_byte: u8, blob: &[u8], want: &[(Code, usize, usize, Option<u64>)]) -> Checked {
    assert!(blob.len() < 64, "the length has one byte");
    let checked = check_blob(type_byte, blob);
    let want: Vec<_> = want.iter().map(|w| (w.0, AT + w.1 as u64, AT + w.2 as u64, w.3)).collect();
    let found: Vec<_> = checked.findings.iter().map(|f| (f.code, f.start, f.failed_at, f.element)).collect();
    assert_eq!(found, want, "{:?}", checked.findings);
    let end = AT + blob.len() as u64;
    assert!(checked.findings.iter().all(|finding| finding.end == Some(end)));
    checked
}

#[test]
fn sound_files_have_no_finding() {
    let mut rng = Rng::new(22);
    for version in [2, 5, 6, 9, 12, 15] {
        for budget in [0, 300, 3000] {
            let types = [9, 10, 11, 12, 13, 14, 16, 17, 18, 20, 23, 25];
            let file = File::arbitrary_of(&mut rng, Family::Redis, version, budget, &types);
            let checked = check(&file.encode().bytes);
            assert_eq!((checked.findings, checked.suspects.len()), (vec![], 0), "version {version}, budget {budget}");
        }
    }
}

#[test]
fn elements_are_counted() {
    let mut w = RdbWriter::redis(12);
    w.key(9, b"9").str(&Zipmap::new().pair(b"a", b"b").finish()).key(11, b"11").str(&Intset::of(&[1, 2]));
    w.key(13, b"13").str(&Zl::of(9, ["a", "b"])).key(17, b"17").str(&Lp::of(["a", "1", "b", "2"]));
    w.key(20, b"20").str(&Lp::of(["a", "b", "c"])).key(25, b"25").i64_le(0).str(&Lp::of(["a", "b", "0"]));
    let nodes = vec![QuicklistNode::Packed(vec![b"a".to_vec(); 3]), QuicklistNode::Plain(b"b".to_vec())];
    Value::ListQuicklist2(nodes).encode(w.key(18, b"18"));
    assert_eq!(check(&w.finish()).elements, [1, 2, 1, 2, 3, 1, 4]);
}

#[test]
fn faults_of_the_encoding_keep_their_place_and_element() {
    let bad = Lp::new().push(b"a").push(b"b").push(b"c").push_raw(&[0xF5], &[1]).finish();
    let checked = finds(16, &bad, &[(Code::ListpackBadEncoding, 15, 15, Some(1))]);
    assert_eq!(checked.elements, [1]);
    finds(20, &Lp::new().push(b"a").count(2).finish(), &[(Code::ListpackBadCount, 4, 9, Some(1))]);
    finds(20, b"\x07\0\0\0\0\0\0", &[(Code::ListpackBadEnd, 6, 6, None)]);
    finds(20, b"\x0a\0\0\0\x01\0\x85a\x02\xFF", &[(Code::ListpackOverrun, 6, 9, Some(0))]);
    let prevlen = Zl::new().push(b"a").push_with_prevlen(9, b"b").finish();
    finds(13, &prevlen, &[(Code::ZiplistBadPrevlen, 13, 13, Some(0))]);
    finds(11, &Intset { width: 3, ..Intset::new(&[1]) }.finish(), &[(Code::IntsetBadHeader, 0, 0, None)]);
    finds(9, b"\x01\x09a\xFF", &[(Code::ZipmapBadStructure, 1, 3, Some(0))]);
    finds(9, b"\x01\x00", &[(Code::ZipmapBadStructure, 1, 1, None)]);
}

#[test]
fn elements_that_make_no_pair() {
    let checked = finds(16, &Lp::of(["a", "b", "c"]), &[(Code::PackedOddCount, 0, 16, Some(1))]);
    assert_eq!(checked.elements, [1]);
    finds(12, &Zl::of(9, ["m"]), &[(Code::PackedOddCount, 0, 14, Some(0))]);
    finds(23, &Lp::of(["f", "v"]), &[(Code::PackedOddCount, 0, 13, Some(0))]);
    finds(23, &Lp::of(["f"]), &[(Code::PackedOddCount, 0, 10, Some(0))]);
}

#[test]
fn empty_ones() {
    for type_byte in [16, 17, 20, 23] {
        let checked = check_blob(type_byte, &Lp::of([""; 0]));
        assert_eq!(checked.places(), [(Code::CollectionEmpty, 12, 12)]);
    }
    for type_byte in [10, 12, 13] {
        assert_eq!(check_blob(type_byte, &Zl::of(9, [""; 0])).codes(), [Code::CollectionEmpty]);
    }
    assert_eq!(check_blob(11, &Intset::of(&[])).places(), [(Code::IntsetEmpty, 12, 12)]);
    assert_eq!(check_blob(9, &Zipmap::new().finish()).places(), [(Code::ZipmapEmpty, 12, 12)]);
}

#[test]
fn quicklists() {
    let (empty, one) = (StrForm::Raw.encode(&Lp::of([""; 0])), StrForm::Raw.encode(&Lp::of(["a"])));
    let list = |parts: &[&[u8]]| check(&file(18, &parts.concat()));
    assert_eq!(list(&[b"\x01\x02", &one]).places(), []);
    assert_eq!(list(&[b"\0"]).places(), [(Code::CollectionEmpty, 12, 12)]);
    let some = list(&[b"\x02\x02", &one, b"\x02", &empty]);
    assert_eq!(some.places(), [(Code::QuicklistEmptyNode, 26, 26)]);
    assert_eq!((some.findings[0].element, &some.elements), (Some(1), &vec![1]));
    let all = list(&[b"\x02\x02", &empty, b"\x02", &empty]);
    assert_eq!(all.codes(), [Code::CollectionEmpty, Code::QuicklistEmptyNode, Code::QuicklistEmptyNode]);
    let other = list(&[b"\x02\x01\x01a\x03\x01a"]);
    assert_eq!(other.places(), [(Code::QuicklistBadContainer, 16, 16)]);
    assert_eq!(other.findings[0].element, Some(1));
    assert_eq!(list(&[b"\x01\x02\0"]).codes(), [Code::ListpackBadHeader]);
    // A plain node of no bytes, stored as it is and compressed.
    assert_eq!(list(&[b"\x02\x01\x01a\x01\0"]).places(), [(Code::QuicklistPlainEmpty, 17, 17)]);
    assert!(list(&[b"\x01\x01\xc3\0\0"]).codes().contains(&Code::QuicklistPlainEmpty));
    let ziplists = [b"\x02", &StrForm::Raw.encode(&Zl::of(9, ["a"]))[..], &StrForm::Raw.encode(&Zl::of(9, [""; 0]))];
    assert_eq!(check(&file(14, &ziplists.concat())).places(), [(Code::QuicklistEmptyNode, 28, 28)]);
    // The second node's fault has the number of the element in the list.
    let bad = StrForm::Raw.encode(&Lp::new().push(b"x").push_raw(&[0xF5], &[1]).finish());
    assert_eq!(list(&[b"\x02\x02", &one, b"\x02", &bad]).findings[0].element, Some(2));
}

#[test]
fn duplicates_are_compared_as_text() {
    let five = Lp::new().push(b"5").push(b"a").push_as(LpForm::Str6, b"5").push(b"b").push(b"a").finish();
    let wants = [
        (Code::SetDuplicateMember, 11, 11, Some(2)),
        (Code::PackedNoncanonical, 11, 11, None),
        (Code::SetDuplicateMember, 17, 17, Some(4)),
    ];
    finds(20, &five, &wants);
    finds(16, &Lp::of(["f", "f", "g", "f", "f", "w"]), &[(Code::HashDuplicateField, 18, 18, Some(2))]);
    finds(17, &Lp::of(["m", "1", "m", "2"]), &[(Code::ZsetDuplicateMember, 11, 11, Some(1))]);
    finds(13, &Zl::of(9, ["300", "", "300", ""]), &[(Code::HashDuplicateField, 16, 16, Some(1))]);
    finds(23, &Lp::of(["f", "v", "0", "f", "v", "0"]), &[(Code::HashDuplicateField, 14, 14, Some(1))]);
    let zipmap = Zipmap::new().pair(b"f", b"v").pair(b"g", b"v").pair(b"f", b"w").finish();
    finds(9, &zipmap, &[(Code::HashDuplicateField, 11, 11, Some(2))]);
    finds(10, &Zl::of(9, ["a", "a"]), &[]);
}

#[test]
fn duplicates_in_large_blobs() {
    let text = |i: usize| format!("element {i}").into_bytes();
    let mut members: Vec<Vec<u8>> = (0..3000).map(text).collect();
    members.push(text(7));
    let mut writer = Lp::new();
    members.iter().for_each(|member| _ = writer.push(member));
    let checked = check_blob(20, &writer.finish());
    assert_eq!(checked.codes(), [Code::SetDuplicateMember]);
    // The blob begins behind the five bytes of its length.
    let at = 12 + 5 + writer.starts()[3000] as u64;
    assert_eq!((checked.findings[0].start, checked.findings[0].element), (at, Some(3000)));

    let mut zipmap = Zipmap::new();
    members.iter().for_each(|member| _ = zipmap.pair(member, b""));
    let checked = check_blob(9, &zipmap.finish());
    assert_eq!((checked.codes(), checked.findings[0].element), (vec![Code::HashDuplicateField], Some(3000)));

    let limits = Limits { duplicate_bytes: 1 << 14, ..Limits::default() };
    let checked = check_within(&file(20, &StrForm::Raw.encode(&writer.finish())), &limits);
    assert!(checked.codes().contains(&Code::ElementsUnchecked), "{:?}", checked.codes());
    assert!(checked.places().contains(&(Code::ElementsUnchecked, 12, 12)));
}

#[test]
fn a_count_that_is_too_small_fills_no_table() {
    let mut writer = Lp::new();
    (0..500).for_each(|i| _ = writer.push(format!("m{i}").as_bytes()));
    let checked = check_blob(20, &writer.count(2).finish());
    assert_eq!((checked.codes(), checked.elements), (vec![Code::ListpackBadCount], vec![500]));
}

#[test]
fn scores() {
    finds(17, &Lp::of(["a", "-inf", "b", "-0", "c", "0", "d", "0.5", "e", "1e+100", "f", "inf"]), &[]);
    finds(17, &Lp::of(["a", "nan"]), &[(Code::ZsetNanScore, 9, 9, Some(0))]);
    finds(17, &Lp::of(["a", "x"]), &[(Code::ZsetBadScore, 9, 9, Some(0))]);
    finds(12, &Zl::of(9, ["a", "1", "b", "2x"]), &[(Code::ZsetOddScore, 18, 18, Some(1))]);
}

#[test]
fn the_order_of_sorted_sets() {
    finds(17, &Lp::of(["a", "1", "b", "1", "ab", "2", "5", "3", "6", "3"]), &[]);
    finds(17, &Lp::of(["a", "2", "b", "1.5", "c", "3"]), &[(Code::ZsetUnordered, 11, 11, Some(1))]);
    finds(17, &Lp::of(["b", "1", "a", "1"]), &[(Code::ZsetUnordered, 11, 11, Some(1))]);
    // Numbers are compared as text: 10 comes before 9.
    finds(12, &Zl::of(9, ["10", "0", "9", "0"]), &[]);
    finds(12, &Zl::of(9, ["9", "0", "10", "0"]), &[(Code::ZsetUnordered, 14, 14, Some(1))]);
    finds(17, &Lp::of(["ab", "0", "a", "-0"]), &[(Code::ZsetUnordered, 12, 12, Some(1))]);
}

#[test]
fn intsets_ascend() {
    finds(
        11,
        &Intset::of(&[-1, 3, 2, 2]),
        &[(Code::IntsetUnordered, 12, 12, Some(2)), (Code::IntsetUnordered, 14, 14, Some(3))],
    );
    finds(11, &Intset { width: 8, ..Intset::new(&[-1, 1]) }.finish(), &[]);
}

#[test]
fn zipmaps_that_hide_bytes() {
    finds(9, &Zipmap::new().pair_with_free(b"f", b"v", b"1234").finish(), &[]);
    let mut roomy = Zipmap::new();
    roomy.pair(b"e", b"").pair_with_free(b"f", b"v", b"12345").pair_with_free(b"g", b"", b"12345");
    finds(9, &roomy.finish(), &[(Code::ZipmapHiddenBytes, 5, 5, None)]);
    let early = Zipmap::new().pair(b"f", b"v").terminator(b"\xFFhid\xFF").finish();
    finds(9, &early, &[(Code::ZipmapHiddenBytes, 6, 7, None)]);
}

#[test]
fn odd_forms_are_told_once_for_each_blob() {
    let wide = Lp::new().push(b"a").push_as(LpForm::Int16, b"5").push_as(LpForm::Int32, b"6").push(b"b").finish();
    let checked = finds(16, &wide, &[(Code::PackedNoncanonical, 9, 9, None)]);
    assert_eq!(checked.findings[0].message, "2 elements are stored as no server stores them");
}

const T: i64 = 1_900_000_000_000;

/// A listpack of type 23 or 25 with one-letter fields, empty values and these expiries.
fn ex(expiries: &[i64]) -> Vec<u8> {
    let mut writer = Lp::new();
    for (i, ms) in (0_u8..).zip(expiries) {
        writer.push(&[b'a' + i]).push(b"").int(*ms);
    }
    writer.finish()
}

#[test]
fn expiries_in_listpacks() {
    // Elements: field at 6, value at 9, expiry at 11 with 10 bytes; the next field at 21.
    finds(23, &ex(&[T, T, T + 1, 0]), &[]);
    finds(23, &ex(&[0, T]), &[(Code::HashExpiryOrder, 18, 18, Some(1))]);
    finds(23, &ex(&[T, T - 1]), &[(Code::HashExpiryOrder, 26, 26, Some(1))]);
    finds(23, &ex(&[1 << 48]), &[(Code::HashExpiryInvalid, 11, 11, Some(0))]);
    finds(23, &ex(&[(1 << 48) - 1]), &[]);
    finds(23, &ex(&[-5]), &[(Code::HashExpiryInvalid, 11, 11, Some(0))]);
    finds(23, &Lp::of(["f", "", "soon"]), &[(Code::HashExpiryInvalid, 11, 11, Some(0))]);
    finds(23, &ex(&[1_900_000_000]), &[(Code::HashExpiryImplausible, 11, 11, Some(0))]);
}

#[test]
fn the_least_expiry_of_type_25() {
    let value = |least: i64| [&least.to_le_bytes()[..], &StrForm::Raw.encode(&ex(&[T, 0]))].concat();
    for least in [0, T - 1, T] {
        assert_eq!(check(&file(25, &value(least))).places(), [], "{least}");
    }
    for least in [T + 1, -1] {
        assert_eq!(check(&file(25, &value(least))).places(), [(Code::HashMinExpireWrong, 12, 12)], "{least}");
    }
}

#[test]
fn compressed_blobs_and_blobs_that_cannot_be_opened() {
    let blob = Lp::of(["aaaaaaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaaaaaa"]);
    let stored = StrForm::Lzf.encode(&blob);
    let checked = check(&file(20, &stored));
    assert_eq!(checked.places(), [(Code::SetDuplicateMember, 12, 12)]);
    assert!(checked.findings[0].message.ends_with("(at byte 28 of the decoded value)"));
    assert_eq!(checked.findings[0].end, Some(12 + stored.len() as u64));

    let damaged = check(&file(20, &compressed(b"\x00a\x20\x05", 4, 4)));
    assert_eq!(damaged.places(), [(Code::LzfDamaged, 12, 17)]);
    let limits = Limits { packed_bytes: 20, ..Limits::default() };
    assert_eq!(check_within(&file(20, &stored), &limits).places(), [(Code::PackedUnchecked, 12, 12)]);
    // What is too large to be looked into can still be known not to be that large.
    let bomb = compressed(b"\x01ab", 3, 1 << 60);
    assert_eq!(check(&file(20, &bomb)).codes(), [Code::LzfDamaged]);
    let raw = file(20, &StrForm::Raw.encode(&blob));
    assert_eq!(check_within(&raw, &limits).places(), [(Code::PackedUnchecked, 12, 12)]);
}
