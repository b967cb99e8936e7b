//! The data that the benches run over: RDB files of one character each, made by testkit.

pub mod counted;

use testkit::rdb::RdbWriter;
use testkit::rdb::lzf::deflate;
use testkit::rdb::{Intset, Listpack, StrForm};
use testkit::rng::Rng;

/// An RDB of about so many bytes: small string keys, every fifth of which expires.
#[must_use]
pub fn small_keys(size: usize) -> Vec<u8> {
    let mut rng = Rng::new(1);
    file(size, |w, number| {
        if number.is_multiple_of(5) {
            w.expire_ms(4_102_531_200_000 + i64::from(number));
        }
        let value = format!("{:016x}{:08x}", rng.next_u64(), number);
        w.string_key(format!("user:{number:010}:name").as_bytes(), value.as_bytes());
    })
}

/// Lists, sets, sorted sets and hashes, most of them packed.
#[must_use]
pub fn collections(size: usize) -> Vec<u8> {
    let mut rng = Rng::new(2);
    file(size, |w, number| {
        let mut words = |count| words(&mut rng, count);
        let name = format!("key:{number}");
        match number % 5 {
            0 => w.key(16, name.as_bytes()).str(&Listpack::of(words(40))),
            1 => {
                w.key(4, name.as_bytes()).len(150);
                for word in words(300) {
                    w.str(word.as_bytes());
                }
                w
            }
            2 => {
                let pairs = words(30).into_iter().enumerate().flat_map(|(i, word)| [word, format!("{}.25", i * 3)]);
                w.key(17, name.as_bytes()).str(&Listpack::of(pairs))
            }
            3 => {
                let numbers: Vec<i64> = (0..100).map(|i| i * 1000 + i64::from(number)).collect();
                w.key(11, name.as_bytes()).str(&Intset::of(&numbers))
            }
            _ => {
                w.key(18, name.as_bytes()).len(2);
                for _ in 0..2 {
                    w.len(2).str(&Listpack::of(words(60)));
                }
                w
            }
        };
    })
}

/// Texts of 2 KB that compress to less than half.
#[must_use]
pub fn texts(size: usize) -> Vec<u8> {
    let mut rng = Rng::new(3);
    file(size, |w, number| {
        w.key(0, format!("document:{number}").as_bytes());
        w.str_as(StrForm::Lzf, text(&mut rng).as_bytes());
    })
}

/// Values of 0.25 to 2 MB that cannot be compressed.
#[must_use]
pub fn large_values(size: usize) -> Vec<u8> {
    let mut rng = Rng::new(4);
    file(size, |w, number| {
        let len = rng.size(250_000..=2_000_000);
        w.string_key(format!("blob:{number}").as_bytes(), &rng.bytes(len));
    })
}

/// A text as programs store them: JSON of 2 KB.
pub fn text(rng: &mut Rng) -> String {
    let mut text = String::from("{\"version\": 3, \"items\": [");
    while text.len() < 2000 {
        let (id, kind, price) = (rng.next_u64() >> 24, rng.word(), rng.below(50_000));
        text += &format!("{{\"id\": {id}, \"kind\": \"{kind}\", \"price\": {price}, \"available\": true}}, ");
    }
    text + "null]}"
}

/// What an LZF string holds: the compressed form of `text`.
///
/// # Panics
/// If the text cannot be compressed.
#[must_use]
pub fn compressed(text: &[u8]) -> Vec<u8> {
    deflate(text).expect("texts compress")
}

/// So many short, mostly different texts.
fn words(rng: &mut Rng, count: usize) -> Vec<String> {
    (0..count).map(|_| format!("{}:{:x}", rng.word(), rng.next_u64())).collect()
}

fn file(size: usize, mut key: impl FnMut(&mut RdbWriter, u32)) -> Vec<u8> {
    let mut w = RdbWriter::redis(10);
    w.select_db(0);
    let mut number = 0;
    while w.pos() < size {
        key(&mut w, number);
        number += 1;
    }
    w.finish()
}
