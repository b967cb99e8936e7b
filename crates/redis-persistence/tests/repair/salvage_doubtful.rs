//! Records that lie whole in what is skipped: none is lost in silence, and none is saved unasked.

use std::io::Cursor;
use std::ops::Range;

use redis_persistence::repair::rdb::salvage::{Doubt, Loss, Options, plan};
use redis_persistence::verify::{self, Verdict};
use testkit::rdb::RdbWriter;

use crate::truth;

/// What is lost, and the file that is written.
fn salvaged(file: &[u8], doubtful: bool) -> (Loss, Vec<u8>) {
    let mut input = Cursor::new(file);
    let plan = plan(&mut input, &Options { doubtful, ..Options::default() }).expect("memory");
    let mut out = Vec::new();
    plan.write(&mut input, &mut out).expect("memory");
    assert_eq!(verify::slice(&out, &verify::Options::default()).verdict, Verdict::Sound);
    (plan.loss, out)
}

fn names(out: &[u8]) -> Vec<Vec<u8>> {
    truth::keys(out).0.into_iter().map(|key| key.name).collect()
}

fn keys(w: &mut RdbWriter, numbers: Range<u32>) {
    for n in numbers {
        w.string_key(format!("user:{n:03}").as_bytes(), format!("this is text {n:06}").as_bytes());
    }
}

const STRANGE: &[u8] = &[0x9C, 0x80, 0xE7, 0x03, 0xB5];

/// A hundred keys, and among them two with damaged types, with others between them. Where these lie.
fn between_damages(between: impl Fn(&mut RdbWriter)) -> (Vec<u8>, Range<usize>) {
    let mut w = RdbWriter::redis(11);
    w.compression(false).aux(b"redis-ver", b"7.2.4").select_db(0);
    keys(&mut w, 0..50);
    let first = w.pos();
    keys(&mut w, 50..51);
    let start = w.pos();
    between(&mut w);
    let end = w.pos();
    keys(&mut w, 51..100);
    let mut bytes = w.finish();
    (bytes[first], bytes[end]) = (0xE3, 0xE3);
    (bytes, start..end)
}

#[test]
fn a_key_between_two_damages_whose_name_tells_nothing_is_named_and_saved_on_request() {
    let (bytes, range) = between_damages(|w| {
        w.string_key(STRANGE, b"a value");
    });
    let (loss, out) = salvaged(&bytes, false);
    assert_eq!((loss.keys, loss.doubtful_total, loss.doubtful_saved), (98, 1, 0), "{loss:?}");
    let listed = &loss.doubtful[0];
    assert_eq!((&listed.name[..], listed.db, listed.doubt, listed.saved), (STRANGE, 0, Doubt::Name, false));
    assert_eq!(listed.range, range.start as u64..range.end as u64);
    assert_eq!(loss.spent_from, None);
    assert!(!names(&out).iter().any(|name| name == STRANGE));

    let (kept, out) = salvaged(&bytes, true);
    assert_eq!((kept.keys, kept.doubtful_total, kept.doubtful_saved), (99, 1, 1), "{kept:?}");
    assert!(kept.doubtful[0].saved);
    assert!(names(&out).iter().any(|name| name == STRANGE));
    assert_eq!(kept.bytes_skipped() + (range.end - range.start) as u64, loss.bytes_skipped());
    // It may be no key: what is known to be lost stays so.
    assert!(kept.keys_known_lost() >= 1, "{kept:?}");
}

#[test]
fn of_two_of_one_name_the_doubtful_one_is_left_out() {
    let (bytes, _) = between_damages(|w| {
        w.string_key(STRANGE, b"a value");
        w.string_key(b"user:007", b"another");
    });
    let (loss, out) = salvaged(&bytes, true);
    let sevens = truth::keys(&out).0;
    let sevens: Vec<_> = sevens.iter().filter(|key| key.name == b"user:007").collect();
    assert_eq!((sevens.len(), loss.repeated), (1, 1), "{loss:?}");
    assert!(sevens[0].bytes(&out).ends_with(b"this is text 000007"));
}

#[test]
fn pieces_of_a_damaged_hash_that_look_like_keys_are_named_and_are_no_keys_of_the_file() {
    let mut w = RdbWriter::redis(12);
    w.compression(false).aux(b"redis-ver", b"8.6.0").select_db(0);
    keys(&mut w, 0..50);
    w.key(24, b"user:fields").i64_le(4_102_444_800_000).len(20);
    let start = w.pos();
    for n in 0..20_u32 {
        w.len(u64::from(n == 3)).str(format!("field:{n:03}").as_bytes()).str(b"of a hash");
    }
    let end = w.pos();
    keys(&mut w, 50..100);
    let mut bytes = w.finish();
    // The length of the first field.
    bytes[start + 1] = 0xE3;
    let (loss, out) = salvaged(&bytes, false);
    assert_eq!((loss.keys, loss.damaged_total), (100, 1), "{loss:?}");
    assert!(names(&out).iter().all(|name| name.starts_with(b"user:")));
    // From the second field on, and a value behind the zeros of the least expiry, which ends where that begins.
    assert_eq!(loss.doubtful_total, 19, "{loss:?}");
    let fields = loss.doubtful.iter().filter(|listed| listed.name.starts_with(b"field:"));
    assert_eq!(fields.count(), 18, "{loss:?}");
    for listed in &loss.doubtful {
        assert!(listed.range.start >= loss.skipped[0].start && listed.range.end <= end as u64, "{listed:?}");
        assert_eq!(listed.doubt, Doubt::Field, "{listed:?}");
    }
}

#[test]
fn in_a_file_that_is_sound_nothing_is_doubtful() {
    let mut w = RdbWriter::redis(11);
    w.compression(false).select_db(0);
    keys(&mut w, 0..50);
    w.string_key(STRANGE, b"a value");
    let (loss, _) = salvaged(&w.finish(), true);
    assert_eq!((loss.keys, loss.doubtful_total, loss.content_proven), (51, 0, true));
}

#[test]
fn the_list_is_bounded_and_what_is_not_listed_is_counted_and_not_saved() {
    let mut w = RdbWriter::redis(12);
    w.compression(false).aux(b"redis-ver", b"8.6.0").select_db(0);
    keys(&mut w, 0..50);
    w.key(24, b"user:fields").i64_le(4_102_444_800_000).len(20_000);
    let start = w.pos();
    for n in 0..20_000_u32 {
        w.len(0).str(format!("field:{n:05}").as_bytes()).str(b"v");
    }
    keys(&mut w, 50..100);
    let mut bytes = w.finish();
    bytes[start + 1] = 0xE3;
    let (loss, _) = salvaged(&bytes, true);
    assert_eq!(
        (loss.doubtful.len(), loss.doubtful_total, loss.doubtful_saved),
        (10_000, 19_999, 10_000),
        "{:?}",
        &loss.doubtful[..9]
    );
    assert_eq!(loss.keys, 100 + 10_000);
}

#[test]
fn a_hash_of_a_strange_name_is_named_though_its_last_field_looks_like_a_key() {
    let mut w = RdbWriter::redis(12);
    w.compression(false).aux(b"redis-ver", b"8.6.0").select_db(0);
    keys(&mut w, 0..50);
    let first = w.pos();
    keys(&mut w, 50..51);
    let start = w.pos();
    w.key(24, STRANGE).i64_le(4_102_444_800_000).len(24);
    for n in 0..23_u32 {
        w.len(u64::from(n == 3)).str(format!("field:{n:03}").as_bytes()).str(b"of a hash");
    }
    let field = w.pos();
    w.len(0).str(b"user:777").str(b"of a hash");
    let end = w.pos();
    keys(&mut w, 51..100);
    let mut bytes = w.finish();
    bytes[first] = 0xE3;
    let (loss, out) = salvaged(&bytes, false);
    assert!(!names(&out).iter().any(|name| name == b"user:777"), "it is no key: {loss:?}");
    assert_eq!((loss.keys, loss.skipped.len(), loss.skipped[0].clone()), (99, 1, first as u64..end as u64));
    let listed =
        |name: &[u8]| loss.doubtful.iter().find(|listed| listed.name == name).map(|listed| listed.range.clone());
    assert_eq!(listed(STRANGE), Some(start as u64..end as u64), "{loss:?}");
    assert_eq!(listed(b"user:777"), Some(field as u64..end as u64), "{loss:?}");
    // Of two that overlap one is saved.
    let (kept, out) = salvaged(&bytes, true);
    let names = names(&out);
    assert!(names.iter().any(|name| name == STRANGE) && !names.iter().any(|name| name == b"user:777"), "{kept:?}");
}

#[test]
fn a_key_whose_head_a_value_before_it_has_swallowed_is_named_and_cannot_be_saved() {
    // At the end of a string, of the last member of a set, and of the one before the last, which is empty.
    for (value_type, members) in [(0, 0), (2, 1), (2, 2)] {
        let mut w = RdbWriter::redis(11);
        w.compression(false).aux(b"redis-ver", b"7.2.4").select_db(0);
        keys(&mut w, 0..50);
        w.key(value_type, b"user:before");
        if value_type == 2 {
            w.len(members);
        }
        let length = w.pos();
        w.str(&[0xB7; 30]);
        let start = w.pos();
        w.key(2, STRANGE).len(9).str(b"member \0");
        (1..9).for_each(|n| _ = w.str(format!("member {n}").as_bytes()));
        let end = w.pos();
        keys(&mut w, 50..100);
        let mut bytes = w.finish();
        // It reaches over the type, the name and the count of the one behind it, and a few bytes more.
        bytes[length] += if members == 2 { 16 } else { 18 };
        let (loss, out) = salvaged(&bytes, true);
        let listed: Vec<_> = loss.doubtful.iter().filter(|listed| listed.name == STRANGE).collect();
        let saved = names(&out).iter().any(|name| name == STRANGE);
        assert!(!saved, "{loss:?}");
        assert_eq!(listed.len(), 1, "{loss:?}");
        assert_eq!((listed[0].range.clone(), listed[0].saved), (start as u64..end as u64, false));
        assert!(loss.keys >= 100, "{loss:?}");
    }
}

#[test]
fn a_search_that_uses_up_what_it_may_do_in_vain_says_so() {
    let file = |crafted: usize| {
        let mut w = RdbWriter::redis(11);
        w.compression(false).aux(b"redis-ver", b"7.2.4").select_db(0);
        keys(&mut w, 0..50);
        let damaged = w.pos();
        // Lists of 16,383 elements, each of which takes some kilobytes, so that each reaches over those behind it.
        w.raw(b"\xE3").raw(&b"\x01\x01a\x7f\xff".repeat(crafted));
        (w.finish(), damaged as u64)
    };
    let (loss, _) = salvaged(&file(20).0, false);
    assert_eq!((loss.keys, loss.spent_from), (50, None));
    let (bytes, damaged) = file(60_000);
    let (loss, _) = salvaged(&bytes, false);
    let from = loss.spent_from.expect("that is too much");
    assert!(from >= damaged && from < bytes.len() as u64, "{from}");
    assert_eq!(loss.keys, 50);
}
