use super::*;
use crate::base::limits::Limits;
use crate::verify::value::testing::{Checked, check, check_within};
use testkit::rdb::string::compressed;
use testkit::rdb::{Family, File, RdbWriter, StrForm};
use testkit::rng::Rng;

const REDIS: &[u8] = b"REDIS0012";

/// A file of one key `k` without checksum, whose value begins at byte 12.
fn file(type_byte: u8, value: &[u8]) -> Vec<u8> {
    [REDIS, &[type_byte, 1, b'k'], value, b"\xFF\0\0\0\0\0\0\0\0"].concat()
}

#[track_caller]
fn finds(type_byte: u8, value: &[u8], want: &[(Code, u64, u64)]) -> Checked {
    let checked = check(&file(type_byte, value));
    assert_eq!(checked.places(), want, "{:?}", checked.findings);
    checked
}

fn pairs(checked: &Checked) -> Vec<(Code, u64, u64)> {
    checked.suspects.iter().map(|suspect| (suspect.what, suspect.first, suspect.later)).collect()
}

#[test]
fn sound_files_have_no_finding() {
    let mut rng = Rng::new(21);
    for version in [9, 12, 15] {
        for budget in [0, 300, 3000] {
            let file = File::arbitrary_of(&mut rng, Family::Redis, version, budget, &[1, 2, 3, 4, 5, 22, 24]);
            let checked = check(&file.encode().bytes);
            assert_eq!((checked.findings, checked.suspects.len()), (vec![], 0), "version {version}, budget {budget}");
        }
    }
    let file = File::arbitrary_of(&mut rng, Family::Valkey, 80, 3000, &[22]);
    assert!(check(&file.encode().bytes).findings.is_empty());
}

#[test]
fn elements_are_counted() {
    let mut w = RdbWriter::valkey(80);
    w.key(1, b"l").raw(b"\x02\x01a\x01a").key(2, b"s").raw(b"\x01\x01a").key(4, b"h").raw(b"\x02\x01a\0\x01b\0");
    w.key(5, b"z").raw(b"\x01\x01a\0\0\0\0\0\0\0\0").key(22, b"x").raw(b"\x01\x01f\x01v").i64_le(-1);
    assert_eq!(check(&w.finish()).elements, [2, 1, 2, 1, 1]);
}

#[test]
fn empty_collections() {
    for type_byte in 1..=5 {
        finds(type_byte, b"\0", &[(Code::CollectionEmpty, 12, 12)]);
    }
    finds(24, b"\0\0\0\0\0\0\0\0\0", &[(Code::CollectionEmpty, 20, 20)]);
}

#[test]
fn duplicates_are_compared_as_text_in_every_form() {
    let long = [b'x'; 40];
    let (raw, lzf) = (StrForm::Raw.encode(&long), StrForm::Lzf.encode(&long));
    let value = [&[5][..], b"\xC0\x05", b"\x01a", b"\x015", &raw, &lzf].concat();
    let mut found = pairs(&finds(2, &value, &[]));
    found.sort_unstable();
    assert_eq!(found, [(Code::SetDuplicateMember, 13, 17), (Code::SetDuplicateMember, 19, 19 + raw.len() as u64)]);
    let hash = finds(4, b"\x02\x01f\x01v\x01f\x01w", &[]);
    assert_eq!(pairs(&hash), [(Code::HashDuplicateField, 13, 17)]);
    let zset = finds(3, b"\x02\x01m\x011\x01m\x012", &[]);
    assert_eq!(pairs(&zset), [(Code::ZsetDuplicateMember, 13, 17)]);
    assert!(finds(1, b"\x02\x01a\x01a", &[]).suspects.is_empty());
    assert!(finds(4, b"\x02\x01f\x01v\x01g\x01v", &[]).suspects.is_empty());
}

#[test]
fn long_members_are_hashed_piece_by_piece() {
    let text = b"0123456789".repeat(20_000);
    let limits = Limits { inline_bytes: 100, ..Limits::default() };
    let (raw, lzf) = (StrForm::Raw.encode(&text), StrForm::Lzf.encode(&text));
    let value = [&[2][..], &raw, &lzf].concat();
    let checked = check_within(&file(2, &value), &limits);
    assert_eq!(checked.places(), []);
    assert_eq!(pairs(&checked), [(Code::SetDuplicateMember, 13, 13 + raw.len() as u64)]);
    assert_eq!(checked.elements, [2]);
}

#[test]
fn damaged_compressed_members() {
    // A match that reaches back before the start.
    let bad = compressed(b"\x00a\x20\x05", 4, 4);
    let value = [&[2][..], b"\x01z", &bad].concat();
    let checked = finds(2, &value, &[(Code::LzfDamaged, 15, 20)]);
    assert_eq!((checked.findings[0].element, checked.findings[0].end), (Some(1), Some(22)));
    finds(4, &[&[1][..], &bad, b"\x01v"].concat(), &[(Code::LzfDamaged, 13, 18)]);
    // Of a list, and of a field's value, the frame's check tells.
    finds(1, &[&[1][..], &bad].concat(), &[]);
    finds(4, &[&[1][..], b"\x01f", &bad].concat(), &[]);
    let empty = compressed(b"\x00a", 2, 0);
    // The form of each string is looked at in the frame; the member counts as the empty one.
    assert_eq!(pairs(&finds(2, &[&[2][..], &empty, b"\0"].concat(), &[])).len(), 1);

    let limits = Limits { inline_bytes: 2, ..Limits::default() };
    let long = check_within(&file(2, &[&[1][..], &bad].concat()), &limits);
    assert_eq!(long.places(), [(Code::LzfDamaged, 13, 18)]);
    let short = compressed(b"\x00a\x20\x00", 4, 9);
    let long = check_within(&file(2, &[&[1][..], &short].concat()), &limits);
    assert_eq!(long.places(), [(Code::LzfDamaged, 13, 20)]);
    let impossible = compressed(b"\x00a\x20\x00", 4, 9999);
    let long = check_within(&file(2, &[&[1][..], &impossible].concat()), &limits);
    assert_eq!(long.codes(), [Code::LzfDamaged]);
    let empty = compressed(b"\x00a\x20\x00", 4, 0);
    let long = check_within(&file(2, &[&[1][..], &empty].concat()), &limits);
    assert_eq!(long.codes(), []);
}

#[test]
fn past_the_memory_some_elements_are_unchecked() {
    let mut w = RdbWriter::bare(12);
    w.count(40_000);
    for i in 0..40_000_u32 {
        w.str(format!("m{i}").as_bytes());
    }
    let limits = Limits { duplicate_bytes: 16 * 20_000, ..Limits::default() };
    let checked = check_within(&file(2, &w.take()), &limits);
    assert_eq!(checked.places(), [(Code::ElementsUnchecked, 12, 12)]);
    // Two thirds of the 16,842 that the table holds.
    assert!(
        checked.findings[0].message.starts_with("of 40000 elements only 11228 "),
        "{}",
        checked.findings[0].message
    );
}

#[test]
fn scores_as_text() {
    finds(3, b"\x03\x01a\xFF\x01b\xFE\x01c\x031.5", &[]);
    finds(3, b"\x02\x01a\x01\x31\x01b\xFD", &[(Code::ZsetNanScore, 19, 19)]);
    let nan = finds(3, b"\x01\x01a\x03nan", &[(Code::ZsetNanScore, 15, 15)]);
    assert_eq!((nan.findings[0].element, nan.findings[0].end), (Some(0), Some(19)));
    finds(3, b"\x01\x01a\x061.5abc", &[(Code::ZsetOddScore, 15, 15)]);
    finds(3, b"\x01\x01a\x03abc", &[(Code::ZsetBadScore, 15, 15)]);
    finds(3, b"\x01\x01a\x00", &[(Code::ZsetBadScore, 15, 15)]);
}

#[test]
fn scores_as_numbers() {
    let zset = |scores: &[f64]| {
        let mut w = RdbWriter::bare(12);
        w.count(scores.len());
        for (i, score) in (0_u8..).zip(scores) {
            w.str(&[b'a' + i]).double(*score);
        }
        w.take()
    };
    finds(5, &zset(&[f64::INFINITY, 2.0, 2.0, 0.0, -0.0, 0.0, f64::NEG_INFINITY]), &[]);
    finds(5, &zset(&[1.0, f64::NAN, 0.5]), &[(Code::ZsetNanScore, 25, 25)]);
    let ascending = finds(5, &zset(&[1.0, 2.0, 3.0]), &[(Code::ZsetWriteOrder, 25, 25)]);
    assert_eq!(ascending.findings[0].element, Some(1));
}

/// Type 24 with these stored expiries.
fn hash(least: i64, stored: &[u64]) -> Vec<u8> {
    let mut w = RdbWriter::bare(12);
    w.i64_le(least).count(stored.len());
    for (i, ttl) in (0_u8..).zip(stored) {
        w.len(*ttl).str(&[b'a' + i]).str(b"v");
    }
    w.take()
}

const T: i64 = 1_900_000_000_000;

#[test]
fn expiries_of_type_24() {
    let least = T.cast_unsigned();
    finds(24, &hash(T, &[1, 0, 1000]), &[]);
    finds(24, &hash(T, &[0, 5]), &[(Code::HashMinExpireWrong, 12, 12)]);
    finds(24, &hash(T, &[0, 0]), &[(Code::HashMinExpireWrong, 12, 12)]);
    finds(24, &hash(0, &[0]), &[]);
    finds(24, &hash(1 << 48, &[0]), &[]);
    finds(24, &hash(-1, &[0]), &[(Code::HashExpiryInvalid, 12, 12)]);
    let wrapped = finds(24, &hash(T, &[1, u64::MAX]), &[(Code::HashExpiryInvalid, 26, 26)]);
    assert_eq!((wrapped.findings[0].element, wrapped.findings[0].end), (Some(1), Some(35)));
    finds(24, &hash(T, &[1, expiry::MAX - least + 1]), &[]);
    finds(24, &hash(T, &[1, expiry::MAX - least + 2]), &[(Code::HashExpiryInvalid, 26, 26)]);
    finds(24, &hash(1_900_000_000, &[1]), &[(Code::HashExpiryImplausible, 21, 21)]);
}

#[test]
fn expiries_of_both_types_22() {
    finds(22, b"\x02\0\x01a\x01v\x81\0\0\x01\xBA\x60\x4D\x4C\0\x01b\x01v", &[]);
    let beyond = [b"\x01\x81", &(1_u64 << 48).to_be_bytes()[..], b"\x01b\x01v"].concat();
    finds(22, &beyond, &[(Code::HashExpiryInvalid, 13, 13)]);

    let valkey = |ms: i64| {
        let value = [b"\x01\x01f\x01v", &ms.to_le_bytes()[..]].concat();
        let mut file = file(22, &value);
        file[..9].copy_from_slice(b"VALKEY080");
        check(&file).places()
    };
    assert_eq!(valkey(-1), []);
    assert_eq!(valkey(T), []);
    assert_eq!(valkey(-2), [(Code::HashExpiryInvalid, 17, 17)]);
    assert_eq!(valkey(1_900_000_000), [(Code::HashExpiryImplausible, 17, 17)]);
    assert_eq!(valkey(i64::MAX), [(Code::HashExpiryImplausible, 17, 17)]);
}
