//! Faults of values, packed and not.

use super::{KEY, Plant};
use crate::rdb::{Array, ArrayValue, Intset, Listpack, RdbWriter, Value, VectorSet, Ziplist, Zipmap};

const LATE: i64 = 1_900_000_000_000;

/// Writes a key of that type whose value is a blob; answers where in the file a byte of the blob lies.
fn blob(w: &mut RdbWriter, type_byte: u8, blob: &[u8], at: usize) -> usize {
    w.key(type_byte, KEY).str(blob);
    w.pos() - blob.len() + at
}

/// A blob whose fault begins where its value does.
fn whole(w: &mut RdbWriter, type_byte: u8, blob: &[u8]) -> usize {
    let start = w.key(type_byte, KEY).pos();
    w.str(blob);
    start
}

/// A listpack; its element of that number is the one.
fn listpack(w: &mut RdbWriter, type_byte: u8, list: &Listpack, n: usize) -> usize {
    blob(w, type_byte, &list.finish(), list.starts()[n])
}

fn ziplist(w: &mut RdbWriter, type_byte: u8, list: &Ziplist, n: usize) -> usize {
    blob(w, type_byte, &list.finish(), list.starts()[n])
}

/// Writes two equal strings, each with something behind it; answers where the second one begins.
fn twice(w: &mut RdbWriter, behind: impl Fn(&mut RdbWriter)) -> usize {
    w.len(2).str(b"same");
    behind(w);
    let second = w.pos();
    w.str(b"same");
    behind(w);
    second
}

pub(super) fn plants() -> Vec<Plant> {
    [plain().to_vec(), listpacks().to_vec(), older_blobs().to_vec(), newer().to_vec(), vector_sets().to_vec()].concat()
}

fn plain() -> [Plant; 8] {
    let records = Plant::records;
    [
        records("set-duplicate-member", |w| twice(w.key(2, KEY), |_| ())),
        records("zset-duplicate-member", |w| twice(w.key(5, KEY), |w| _ = w.double(1.0))).since(8),
        records("hash-duplicate-field", |w| twice(w.key(4, KEY), |w| _ = w.str(b"v"))),
        records("zset-nan-score", |w| w.key(5, KEY).len(1).str(b"m").double(f64::NAN).pos() - 8).since(8),
        records("zset-bad-score", |w| w.key(3, KEY).len(1).str(b"m").old_double_text(b"abc").pos() - 4),
        records("hash-expiry-invalid", |w| {
            let start = w.key(24, KEY).pos();
            w.i64_le(-1).len(1).len(0).str(b"f").str(b"v");
            start
        })
        .since(12),
        records("quicklist-plain-empty", |w| {
            w.key(18, KEY).len(2).len(1).str(b"a");
            let start = w.pos();
            w.len(1).str(b"");
            start + 1
        })
        .since(10),
        records("quicklist-bad-container", |w| {
            w.key(18, KEY).len(1);
            let start = w.pos();
            w.len(7).str(b"node");
            start
        })
        .since(10),
    ]
}

fn listpacks() -> [Plant; 9] {
    let records = |code, write| Plant::records(code, write).since(11);
    [
        records("zset-unordered", |w| listpack(w, 17, Listpack::new().push(b"a").push(b"2").push(b"b").push(b"1"), 2)),
        records("hash-expiry-order", |w| {
            let mut list = Listpack::new();
            list.push(b"a").push(b"v").int(LATE).push(b"b").push(b"v").int(LATE - 1);
            w.key(25, KEY).i64_le(LATE - 1).str(&list.finish());
            w.pos() - list.finish().len() + list.starts()[5]
        })
        .since(12),
        records("packed-odd-count", |w| blob(w, 16, &Listpack::of(["a", "b", "c"]), 0)),
        records("listpack-bad-header", |w| blob(w, 20, &Listpack::new().push(b"a").total(99).finish(), 0)),
        records("listpack-bad-encoding", |w| listpack(w, 20, Listpack::new().push(b"a").push_raw(&[0xF5], &[1]), 1)),
        records("listpack-bad-backlen", |w| {
            listpack(w, 20, Listpack::new().push(b"a").push_with_backlen(b"b", &[7]), 1)
        }),
        records("listpack-overrun", |w| blob(w, 20, b"\x0A\0\0\0\x01\0\x8Aab\xFF", 6)),
        records("listpack-bad-end", |w| blob(w, 20, b"\x07\0\0\0\0\0\0", 6)),
        records("listpack-bad-count", |w| blob(w, 20, &Listpack::new().push(b"a").count(2).finish(), 4)),
    ]
}

fn older_blobs() -> [Plant; 12] {
    let records = |code, write| Plant::records(code, write).since(4).until(9);
    [
        records("ziplist-bad-header", |w| blob(w, 10, &Ziplist::new().push(b"a").total(99).finish(), 0)),
        records("ziplist-bad-encoding", |w| ziplist(w, 10, Ziplist::new().push(b"a").push_raw(&[3], &[0xFF]), 1)),
        records("ziplist-bad-prevlen", |w| ziplist(w, 10, Ziplist::new().push(b"a").push_with_prevlen(9, b"b"), 1)),
        records("ziplist-overrun", |w| ziplist(w, 10, Ziplist::new().push_raw(&[0], &[0x3F, b'a']), 0)),
        records("ziplist-bad-end", |w| {
            let list = Ziplist::new().push(b"a").terminator(b"\0").finish();
            blob(w, 10, &list, list.len() - 1)
        }),
        records("ziplist-bad-count", |w| blob(w, 10, &Ziplist::new().push(b"a").count(2).finish(), 8)),
        records("ziplist-bad-tail", |w| blob(w, 10, &Ziplist::new().push(b"a").push(b"b").tail(10).finish(), 4)),
        records("intset-bad-header", |w| blob(w, 11, &Intset { width: 3, ..Intset::new(&[1]) }.finish(), 0)),
        records("intset-empty", |w| whole(w, 11, &Intset::of(&[]))),
        records("intset-unordered", |w| blob(w, 11, &Intset::of(&[5, 3]), 10)),
        records("zipmap-bad-structure", |w| blob(w, 9, b"\x01\x09a\xFF", 1)),
        records("zipmap-empty", |w| whole(w, 9, &Zipmap::new().finish())),
    ]
}

fn newer() -> [Plant; 6] {
    fn array(w: &mut RdbWriter, indexes: &[u64]) {
        let elements = indexes.iter().map(|index| (*index, ArrayValue::Int(1))).collect();
        Value::Array(Array { cursor: None, elements }).encode(w.key(28, KEY));
    }
    let records = Plant::records;
    [
        records("array-invalid", |w| {
            array(w, &[]);
            w.pos() - 2
        })
        .since(14),
        records("array-index-order", |w| {
            array(w, &[7, 3]);
            // Index, tag and the number.
            w.pos() - 10
        })
        .since(14),
        records("template-invalid", |w| {
            w.hash_template(u64::MAX, &["a"]);
            0
        })
        .since(15),
        records("template-unknown", |w| listpack(w, 30, Listpack::new().push(b"999").push(b"x"), 0)).since(15),
        records("template-hash-invalid", |w| listpack(w, 30, Listpack::new().push(b"id").push(b"x"), 0)).since(15),
        Plant {
            templates: Some(0),
            ..records("rdb-limit-exceeded", |w| {
                w.hash_template(0, &["a"]);
                0
            })
            .since(14)
            .until(14)
        },
    ]
}

fn vector_sets() -> [Plant; 5] {
    /// Writes a vector set; answers where its stream begins.
    fn write(w: &mut RdbWriter, set: &VectorSet) -> usize {
        // The number of the module's id takes nine bytes.
        let start = w.key(7, KEY).pos() + 9;
        set.encode(w);
        start
    }
    let records = |code, write| Plant::records(code, write).since(12);
    // Four numbers in nine bytes, then elements of 4 bytes of name, 5 of vector, 2 of count.
    [
        records("vectorset-invalid", |w| {
            let mut set = VectorSet::chain(1);
            set.elements[0].vector.push(0);
            write(w, &set) + 9 + 4
        }),
        records("vectorset-links", |w| {
            let mut set = VectorSet::chain(1);
            set.elements[0].levels[0].1 = vec![1];
            // Id, level, count and most stand before the link.
            write(w, &set) + 9 + 4 + 5 + 2 + 8
        }),
        records("vectorset-projection", |w| {
            let mut set = VectorSet::chain(1);
            set.projection = Some((3, vec![0; 35]));
            write(w, &set) + 9 + 2
        }),
        records("vectorset-duplicate", |w| {
            let mut set = VectorSet::chain(1);
            set.elements[0].id = 0;
            write(w, &set) + 9 + 4 + 5 + 2
        }),
        records("vectorset-empty", |w| write(w, &VectorSet::chain(0)) + 2),
    ]
}
