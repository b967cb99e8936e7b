//! Keys that a value has swallowed, as a part of it is missing: they are found again, and what is in it is not made up.

use std::io::Cursor;

use redis_persistence::repair::rdb::salvage::{Loss, Options, plan};
use testkit::rdb::{LenForm, RdbWriter};
use testkit::rng::Rng;

fn loss(file: &[u8]) -> Loss {
    plan(&mut Cursor::new(file), &Options::default()).expect("memory").loss
}

/// Keys that take 30 bytes each.
fn keys(w: &mut RdbWriter, numbers: std::ops::Range<u32>) {
    for n in numbers {
        w.string_key(format!("user:{n:03}").as_bytes(), format!("this is text {n:06}").as_bytes());
    }
}

/// A file of a long value, the same bytes as a string or as the last one in a hash, between keys that take 30 bytes each. Where the
/// value ends.
fn around_a_long_value(value: &[u8], in_a_hash: bool) -> (Vec<u8>, usize) {
    let mut w = RdbWriter::redis(11);
    w.compression(false).aux(b"redis-ver", b"7.2.4").select_db(0).resize_db(101, 0);
    keys(&mut w, 0..50);
    w.key(if in_a_hash { 4 } else { 0 }, b"user:long");
    if in_a_hash {
        w.len(2).str(b"name").str(b"x").str(b"bytes");
    }
    w.str(value);
    let end = w.pos();
    keys(&mut w, 50..100);
    (w.finish(), end)
}

#[test]
fn a_value_that_lacks_a_part_does_not_swallow_the_keys_behind_it() {
    let value = Rng::new(7).bytes(2000);
    for in_a_hash in [false, true] {
        let (sound, end) = around_a_long_value(&value, in_a_hash);
        // So much is missing before and behind the end of the value, which then ends just with a key.
        for (before, behind) in [(300, 75), (90, 60), (90, 0), (560, 20), (1200, 0)] {
            assert_eq!((before + 2 * behind) % 30, 0);
            let was = end - before..end + behind;
            let mut bytes = sound.clone();
            bytes.drain(was.clone());
            let name = format!("{before} before and {behind} behind, in a hash: {in_a_hash}");
            let loss = loss(&bytes);
            let touched = 1 + behind.div_ceil(30) as u64;
            assert_eq!((loss.keys, loss.damaged_total), (101 - touched, 1), "{name}: {loss:?}");
            assert_eq!(loss.damaged[0].name, b"user:long", "{name}");
        }
    }
}

#[test]
fn a_value_that_lacks_a_part_does_not_swallow_the_expiry_of_a_key() {
    let mut w = RdbWriter::redis(11);
    w.select_db(0).resize_db(60, 60);
    let mut end = 0;
    for n in 0..60_u32 {
        w.expire_ms(4_102_444_800_000);
        w.string_key(format!("user:{n:03}").as_bytes(), format!("this is text {n:06}").as_bytes());
        end = if n == 30 { w.pos() } else { end };
    }
    let sound = w.finish();
    // The value of a key takes 19 bytes, and each key 39. So much is missing of them, and of the keys behind.
    for (before, behind) in [(9, 0), (15, 33), (18, 69)] {
        assert_eq!((before + behind) % 39, 9);
        let mut bytes = sound.clone();
        bytes.drain(end - before..end + behind);
        let loss = loss(&bytes);
        let whole = 59 - behind.div_ceil(39) as u64;
        assert_eq!((loss.keys, loss.expires), (whole, whole), "{before} {behind}: {loss:?}");
    }
}

#[test]
fn what_a_value_holds_is_no_key_where_it_is_an_rdb_of_its_own() {
    let (inner, _) = around_a_long_value(b"short", false);
    let (sound, end) = around_a_long_value(&inner, false);
    let mut bytes = sound.clone();
    // Far from the value.
    bytes.drain(end + 1000..end + 1010);
    let loss = loss(&bytes);
    assert_eq!((loss.keys, loss.damaged_total), (100, 1), "{loss:?}");
}

#[test]
fn a_value_that_ends_between_fields_makes_no_keys_of_them() {
    for seed in 0..4 {
        let mut w = RdbWriter::redis(12);
        w.compression(false).aux(b"redis-ver", b"8.6.0").select_db(0).resize_db(112, 0);
        keys(&mut w, 0..50);
        w.key(0, b"user:long").str(&Rng::new(seed).bytes(3000));
        let end = w.pos();
        keys(&mut w, 50..60);
        // The least expiry, and fields of which the first expires: from the second on they look like keys.
        w.key(24, b"user:fields").i64_le(4_102_444_800_000).len(200);
        let mut fields = Vec::new();
        for n in 0..200_u32 {
            fields.push(w.pos());
            w.len(u64::from(n == 0)).str(format!("field:{n:03}").as_bytes()).str(b"x");
        }
        keys(&mut w, 60..110);
        let sound = w.finish();
        // The cut lies in the value: so much of the file is swallowed as is missing.
        let missing = fields[20 + 10 * usize::try_from(seed).unwrap_or(0)] - end;
        let mut bytes = sound.clone();
        bytes.drain(end - 2900..end - 2900 + missing);
        let loss = loss(&bytes);
        assert_eq!((loss.keys, loss.damaged_total), (111, 1), "{loss:?}");
        assert_eq!(loss.damaged[0].name, b"user:long");
    }
}

#[test]
fn of_keys_that_a_value_has_swallowed_none_is_lost_before_a_second_damage() {
    let (sound, end) = around_a_long_value(&Rng::new(7).bytes(2000), false);
    // The value reaches over 40 keys of 30 bytes. The type of the eleventh is damaged.
    let mut bytes = sound;
    bytes.drain(end - 1200..end);
    bytes[end - 1200 + 10 * 30] = 0xee;
    let loss = loss(&bytes);
    assert_eq!((loss.keys, loss.damaged[0].name.as_slice()), (99, &b"user:long"[..]), "{loss:?}");
}

/// A set of members that no name is like.
fn set(w: &mut RdbWriter, name: &str, members: u64) -> usize {
    w.key(2, name.as_bytes()).len(members);
    for n in 0..members {
        w.str(format!("<{n}>").as_bytes());
    }
    w.pos()
}

#[test]
fn a_short_key_is_found_behind_damage_by_what_stands_behind_it() {
    for alone in [false, true] {
        // In such a file, fields of hashes look like keys that are strings.
        let mut w = RdbWriter::redis(12);
        w.compression(false).aux(b"redis-ver", b"8.6.0").select_db(0).resize_db(82, 0);
        keys(&mut w, 0..40);
        let first = set(&mut w, "user:set", 400);
        w.string_key(b"maple:26", b"x");
        let second = set(&mut w, "maple:27", 400);
        for n in 28..68 {
            set(&mut w, &format!("maple:{n}"), 1);
        }
        let mut bytes = w.finish();
        bytes[first - 60..first - 20].fill(0xee);
        if alone {
            bytes[second - 60..second - 20].fill(0xee);
        }
        let loss = loss(&bytes);
        assert_eq!(loss.keys, 82 - u64::from(alone), "{loss:?}");
    }
}

/// A module key whose name no other key confirms is as likely a piece of something.
#[test]
fn a_module_that_nothing_confirms_is_not_believed_behind_damage() {
    for (name, is_known) in [("ReJSON-RL", true), ("AAAAAAAAJ", false)] {
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let six = |byte| ALPHABET.iter().position(|known| *known == byte).expect("one of them") as u64;
        let id = name.bytes().fold(0, |id, byte| id << 6 | six(byte)) << 10 | 3;
        let mut w = RdbWriter::redis(11);
        w.compression(false).aux(b"redis-ver", b"7.2.4").select_db(0).resize_db(82, 0);
        keys(&mut w, 0..40);
        let first = set(&mut w, "user:set", 400);
        // An id, one string, and the end.
        w.key(7, b"user:mod").len_as(LenForm::SixtyFour, id).len(5).str(b"{}").len(0);
        keys(&mut w, 40..80);
        let mut bytes = w.finish();
        bytes[first - 60..first - 20].fill(0xee);
        assert_eq!(loss(&bytes).keys, 80 + u64::from(is_known), "{name}");
    }
}

/// A byte or two at the end of a value look like attributes of the key behind it. It is no reason to leave that value out, however far
/// from the damage it lies, nor is the expiry of a field behind a value that ends with the byte of one.
#[test]
fn a_value_that_ends_like_the_attributes_of_a_key_has_swallowed_none() {
    let expiry = 4_102_444_800_000_i64.to_le_bytes();
    let tails: [(&[u8], u8); 4] = [(&[0xF9, 7], 2), (&[0xF8, 0x41, 0], 2), (&[0xFD, 1, 2, 3, 4], 2), (&[0xFC], 22)];
    for (tail, value_type) in tails {
        let mut w = if value_type == 22 { RdbWriter::valkey(80) } else { RdbWriter::redis(11) };
        w.compression(false).select_db(0).resize_db(102, 0);
        keys(&mut w, 0..50);
        let mut value = vec![0xB7; 100];
        value.extend(tail);
        w.key(value_type, b"user:tail").len(1);
        if value_type == 22 {
            w.str(b"field").str(&value).raw(&expiry);
        } else {
            w.str(&value);
        }
        set(&mut w, "user:set", 400);
        let damaged = w.pos();
        keys(&mut w, 50..100);
        let mut bytes = w.finish();
        bytes[damaged] = 0xE3;
        let loss = loss(&bytes);
        assert_eq!((loss.keys, loss.doubtful_total), (101, 0), "{tail:?}: {loss:?}");
    }
}
