//! The sets of data over which instructions are counted, each for one way through the verifier.

use crate::{collections, file, large_values, small_keys, texts, words};
use testkit::rdb::{
    EntryFields, Idmp, Intset, Stream, StreamEntry, StreamId, StreamNode, StreamVersion, Value, Ziplist,
};
use testkit::resp::record;
use testkit::rng::Rng;

/// One set.
#[derive(Debug)]
pub struct Set {
    /// Its name.
    pub name: &'static str,
    /// Its bytes.
    pub make: fn() -> Vec<u8>,
    /// Whether duplicates are looked for.
    pub duplicates: bool,
    /// Whether it is an append-only file, and no RDB.
    pub records: bool,
}

const SIZE: usize = 4 << 20;

const fn rdb(name: &'static str, make: fn() -> Vec<u8>) -> Set {
    Set { name, make, duplicates: true, records: false }
}

/// All of them.
pub const SETS: [Set; 10] = [
    rdb("small", || small_keys(SIZE)),
    Set { duplicates: false, ..rdb("small-off", || small_keys(SIZE)) },
    rdb("numbers", numbers),
    rdb("collections", || collections(SIZE)),
    rdb("streams", streams),
    rdb("ziplists", ziplists),
    rdb("tables", tables),
    rdb("texts", || texts(SIZE)),
    rdb("large", || large_values(SIZE)),
    Set { records: true, ..rdb("records", records) },
];

/// Strings that are numbers, and counters.
fn numbers() -> Vec<u8> {
    let mut rng = Rng::new(11);
    file(SIZE, |w, number| {
        let value = rng.next_u64() >> (rng.below(40) + 8);
        w.string_key(format!("counter:{number}").as_bytes(), value.to_string().as_bytes());
    })
}

/// Streams of one node, as compressed as servers write it.
fn streams() -> Vec<u8> {
    let mut rng = Rng::new(12);
    file(SIZE, |w, number| {
        let ms = 1_700_000_000_000 + u64::from(number);
        let entries: Vec<StreamEntry> = (0..8)
            .map(|entry| StreamEntry {
                id: StreamId::new(ms, entry),
                deleted: false,
                fields: EntryFields::Shared(words(&mut rng, 2).into_iter().map(String::into_bytes).collect()),
            })
            .collect();
        let (first, last) = (StreamId::new(ms, 0), StreamId::new(ms, 7));
        let fields = vec![b"sensor".to_vec(), b"value".to_vec()];
        let nodes = vec![StreamNode { master: first, fields, entries, ..StreamNode::default() }];
        let version = StreamVersion::V2;
        let stream = Stream {
            version,
            nodes,
            length: 8,
            last,
            first,
            entries_added: 8,
            max_deleted: StreamId::default(),
            groups: Vec::new(),
            idmp: Idmp::default(),
        };
        let value = Value::Stream(stream);
        value.encode(w.key(value.type_byte(), format!("stream:{number}").as_bytes()));
    })
}

/// Hashes, sorted sets and lists as servers before 7.0 pack them.
fn ziplists() -> Vec<u8> {
    let mut rng = Rng::new(13);
    file(SIZE, |w, number| {
        let name = format!("key:{number}");
        let some = words(&mut rng, 40);
        match number % 3 {
            0 => w.key(13, name.as_bytes()).str(&Ziplist::of(9, some)),
            1 => {
                let pairs = some.into_iter().enumerate().flat_map(|(i, word)| [word, format!("{}.125", i * 7)]);
                w.key(12, name.as_bytes()).str(&Ziplist::of(9, pairs))
            }
            _ => w.key(14, name.as_bytes()).len(1).str(&Ziplist::of(9, some)),
        };
    })
}

/// Sets, sorted sets and hashes too large to be packed, and sets of numbers.
fn tables() -> Vec<u8> {
    let mut rng = Rng::new(14);
    file(SIZE, |w, number| {
        let name = format!("key:{number}");
        let some = words(&mut rng, 300);
        match number % 4 {
            0 => {
                w.key(2, name.as_bytes()).len(300);
                some.iter().for_each(|word| _ = w.str(word.as_bytes()));
            }
            1 => {
                w.key(5, name.as_bytes()).len(300);
                for (score, word) in (0_u32..).zip(&some) {
                    w.str(word.as_bytes()).i64_le((f64::from(1000 - score) * 1.5).to_bits().cast_signed());
                }
            }
            2 => {
                w.key(4, name.as_bytes()).len(2000);
                for word in words(&mut rng, 4000) {
                    w.str(word.as_bytes());
                }
            }
            _ => {
                let numbers: Vec<i64> = (0..500).map(|i| i * 1000 + i64::from(number)).collect();
                w.key(11, name.as_bytes()).str(&Intset::of(&numbers));
            }
        }
    })
}

/// Commands of a few kinds, in runs and mixed.
fn records() -> Vec<u8> {
    let mut rng = Rng::new(15);
    let mut bytes = record(&[&b"SELECT"[..], b"0"]);
    let mut number = 0;
    while bytes.len() < SIZE {
        let key = format!("key:{number}");
        let some = words(&mut rng, 6);
        let command = if number % 200 < 100 { 0 } else { number % 4 };
        let arguments: Vec<&[u8]> = match command {
            0 => vec![b"SET", key.as_bytes(), some[0].as_bytes()],
            1 => vec![b"RPUSH", key.as_bytes(), some[0].as_bytes(), some[1].as_bytes()],
            2 => [&b"HSET"[..], key.as_bytes()].into_iter().chain(some.iter().map(|word| word.as_bytes())).collect(),
            _ => vec![b"SADD", key.as_bytes(), some[0].as_bytes()],
        };
        bytes.extend(record(&arguments));
        number += 1;
    }
    bytes
}
