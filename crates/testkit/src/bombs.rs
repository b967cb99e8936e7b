//! Files that are made to exhaust whoever reads them: small ones that claim huge sizes, and large ones of which each part
//! is tiny.
//!
//! ```
//! let bomb = testkit::bombs::rdb().into_iter().find(|bomb| bomb.name == "set of 2^62 members").expect("it is there");
//! assert!((bomb.write)(testkit::bombs::Share::WHOLE).len() < 100);
//! ```

mod aof;
mod within;

pub use aof::{Folder, aof};

use crate::rdb::string::compressed;
use crate::rdb::{LenForm, Listpack, RdbWriter, StreamId, module_id};

/// One such file.
#[derive(Debug, Clone, Copy)]
pub struct Bomb {
    /// What it claims or repeats.
    pub name: &'static str,
    /// Makes its bytes: all of it, or a share, where it can be smaller.
    pub write: fn(Share) -> Vec<u8>,
    /// What a reader may hold of it at once: its largest packed value, as stored and decoded, in bytes.
    pub blob: u64,
    /// Whether tables are needed: of its many names, to find duplicates, or of its many damaged places.
    pub names: bool,
}

/// How much of a bomb is made, so that what it takes can be held against its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share(u64);

impl Share {
    /// All of it.
    pub const WHOLE: Self = Self(256);

    /// So many parts of 256.
    #[must_use]
    pub const fn parts(parts: u64) -> Self {
        Self(parts)
    }

    /// That share of a number.
    fn of(self, number: u64) -> u64 {
        number * self.0 / Self::WHOLE.0
    }

    /// The same of a size in memory.
    fn size(self, size: usize) -> usize {
        usize::try_from(self.of(size as u64)).expect("a share is smaller")
    }
}

const MILLION: u64 = 1_000_000;

/// The stated sizes: where a signed number turns negative, and below.
const HUGE: u64 = 1 << 62;

/// Small files that claim much.
fn claims() -> Vec<Bomb> {
    let small = |name, write| Bomb { name, write, blob: 0, names: false };
    vec![
        small("compressed string of 2^60 bytes", |_| string_of(|w| w.raw(&compressed(b"\x01ab", 3, 1 << 60)))),
        small("compressed listpack of 2^60 bytes", |_| key_of(16, |w| w.raw(&compressed(b"\x01ab", 3, 1 << 60)))),
        small("compressed listpack of 2^33 bytes from 2^32", |_| {
            key_of(16, |w| w.raw(&compressed(b"\x01ab", 1 << 32, 1 << 33)))
        }),
        small("string of 2^63 bytes", |_| string_of(|w| w.len_as(LenForm::SixtyFour, 1 << 63).raw(b"abc"))),
        small("listpack of 2^63 bytes", |_| key_of(16, |w| w.len_as(LenForm::SixtyFour, 1 << 63).raw(b"abc"))),
        small("listpack of 900 MB that is cut", |_| key_of(16, |w| w.len(900 << 20).raw(b"abc"))),
        small("name of 2^63 bytes", |_| writer().raw(&[0]).len_as(LenForm::SixtyFour, 1 << 63).raw(b"abc").take()),
        small("field about the file of 2^63 bytes", |_| {
            writer().raw(&[0xFA]).len_as(LenForm::SixtyFour, 1 << 63).raw(b"abc").take()
        }),
        small("list of 2^62 elements", |_| key_of(1, |w| w.len(HUGE).str(b"a"))),
        small("set of 2^62 members", |_| key_of(2, |w| w.len(HUGE).str(b"a").str(b"b"))),
        small("sorted set of 2^62 members", |_| key_of(5, |w| w.len(HUGE).str(b"a").double(1.0))),
        small("hash of 2^62 fields", |_| key_of(4, |w| w.len(HUGE).str(b"a").str(b"b"))),
        small("hash of 2^62 fields that expire", |_| key_of(24, |w| w.i64_le(0).len(HUGE).len(0).str(b"a").str(b"b"))),
        small("list of 2^62 nodes", |_| key_of(18, |w| w.len(HUGE).len(1).str(b"a"))),
        small("stream of 2^62 nodes", |_| key_of(21, |w| w.len(HUGE).len(16).raw(&[0; 16]))),
        small("stream of 2^62 groups", |_| key_of(21, |w| stream_head(w).len(HUGE).str(b"g").len(0).len(0).len(0))),
        small("group of 2^62 pending entries", |_| {
            key_of(21, |w| stream_head(w).len(1).str(b"g").len(0).len(0).len(0).len(HUGE).raw(&[0; 25]))
        }),
        small("array of 2^62 elements", |_| key_of(28, |w| w.len(HUGE).len(HUGE).len(HUGE))),
        small("template of 2^62 names", |_| writer().raw(&[0xF2]).len(0).len(HUGE).str(b"a").take()),
        small("database 2^64 - 1 of 2^62 keys", |_| writer().select_db(u64::MAX).resize_db(HUGE, HUGE).finish()),
        small("module value of 4 MB that is cut", |_| {
            let mut bytes = writer().key(7, b"m").len(module_id("testkit-1", 1)).take();
            bytes.extend([2, 0].repeat(2 << 20));
            bytes
        }),
    ]
}

/// Large files of tiny parts.
fn crowds() -> Vec<Bomb> {
    let crowd = |name, write| Bomb { name, write, blob: 0, names: false };
    let names = |name, write| Bomb { name, write, blob: 0, names: true };
    vec![
        crowd("10^6 databases", |s| {
            many(s, |w, i| {
                w.select_db(i).string_key(b"k", b"v");
            })
        }),
        crowd("10^6 fields about the file", |s| {
            many(s, |w, i| {
                w.aux(&name(i), b"v");
            })
        }),
        crowd("5 * 10^6 attributes", |s| {
            let mut bytes = writer().take();
            bytes.extend([0xF9, 5].repeat(s.size(5_000_000)));
            bytes
        }),
        names("10^6 keys of one name", |s| {
            many(s, |w, _| {
                w.string_key(b"k", b"v");
            })
        }),
        names("10^6 keys", |s| {
            many(s, |w, i| {
                w.string_key(&name(i), b"v");
            })
        }),
        names("10^6 names of functions", |s| {
            many(s, |w, i| {
                w.function2(format!("#!lua name=f{i}\nx").as_bytes());
            })
        }),
        // Each copies strings until it is ended, and runs few instructions. Lua may take 64 MiB by itself.
        names("10^3 functions that copy strings", |s| {
            let mut w = writer();
            for i in 0..s.of(1000) {
                let code = "local s = ('x'):rep(2^23) while true do local t = s .. 'y' end";
                w.function2(format!("#!lua name=f{i}\n{code}").as_bytes());
            }
            w.finish_with(0)
        }),
        crowd("10^6 types of modules", |s| {
            many(s, |w, i| {
                w.key(7, b"m").len(i << 10).raw(&[0]);
            })
        }),
        crowd("10^6 modules with data", |s| {
            many(s, |w, i| {
                w.module_aux(i << 10, 2, &[]);
            })
        }),
        names("10^5 damaged places", places),
        names("10^7 bytes that are lists of one name", |s| {
            let mut w = RdbWriter::redis(15);
            // Without the opcode that follows it, a SELECTDB proves nothing, and neither does what comes.
            w.select_db(0).raw(&vec![1; s.size(10_000_000)]);
            w.finish_with(0)
        }),
        names("10^6 heads of hashes of 10^6 fields", |s| {
            many(s, |w, i| {
                w.key(4, &name(i)).len(MILLION);
            })
        }),
        names("10^6 heads of hashes of two fields, the second of which is missing", |s| {
            many(s, |w, i| {
                w.key(4, &name(i)).len(2).str(b"f").str(b"v").raw(&[0xFB]);
            })
        }),
        names("16 MB that look like keys without a name", |s| {
            let mut w = writer();
            w.raw(&[0xC1]).raw(&vec![0; s.size(16 << 20)]);
            w.finish_with(0)
        }),
        crowd("10^6 damaged values", |s| {
            many(s, |w, i| {
                w.key(16, &name(i % 9)).str(b"no listpack");
            })
        }),
        crowd("10^6 slots", |s| {
            many(s, |w, i| {
                w.slot_info(i, 1, 1);
            })
        }),
        Bomb {
            // As many as are remembered: of the file, and of what is kept of it.
            blob: 24 << 20,
            ..crowd("10^6 templates", |s| {
                many(s, |w, i| {
                    w.hash_template(i, &[b"f"]);
                })
            })
        },
        names("template of 10^6 names", |s| {
            let mut w = writer();
            w.raw(&[0xF2]).len(0).len(s.of(MILLION));
            strings(&mut w, s.of(MILLION), name);
            w.take()
        }),
        names("set of 10^6 equal members", |s| {
            let mut w = writer();
            w.key(2, b"s").len(s.of(MILLION));
            strings(&mut w, s.of(MILLION), |_| *b"the same");
            w.finish_with(0)
        }),
        names("set of 3 * 10^6 members", |s| {
            let mut w = writer();
            w.key(2, b"s").len(s.of(3 * MILLION));
            strings(&mut w, s.of(3 * MILLION), name);
            w.finish_with(0)
        }),
        names("group of 10^6 pending entries", pending),
        names("stream of 10^6 groups", groups),
        names("group of 10^6 consumers", consumers),
        names("stream of 10^6 nodes", nodes),
        names("10^5 names of 1 KB that stand twice", |s| {
            let mut w = writer();
            for i in 0..s.of(200_000) {
                w.string_key(format!("{:01000}", i % s.of(100_000)).as_bytes(), b"v");
            }
            w.finish_with(0)
        }),
        crowd("string of 200 MB", |s| string_of(|w| w.len(s.of(200 << 20)).raw(&vec![b'x'; s.size(200 << 20)]))),
        crowd("string of 300 MB of zeros, compressed to 4 MB", |s| {
            string_of(|w| {
                let tokens = zeros(s.size(4 << 20));
                let inflated = 1 + 264 * ((tokens.len() as u64 - 2) / 3);
                w.raw(&compressed(&tokens, tokens.len() as u64, inflated))
            })
        }),
    ]
}

/// Packed values that have to be held, and are all elements.
fn blobs() -> Vec<Bomb> {
    const SIZE: u64 = 50 << 20;
    let blob = |name, write| Bomb { name, write, blob: SIZE, names: true };
    vec![
        blob("list in a listpack of 50 MB", |s| key_of(18, |w| w.len(1).len(2).str(&equal(s)))),
        blob("set in a listpack of 50 MB", |s| key_of(20, |w| w.str(&equal(s)))),
        blob("set in a listpack of 50 MB of different numbers", |s| key_of(20, |w| w.str(&different(s)))),
        blob("sorted set in a listpack of 50 MB", |s| key_of(17, |w| w.str(&different(s)))),
        blob("hash in a listpack of 50 MB", |s| key_of(16, |w| w.str(&different(s)))),
        Bomb {
            name: "listpack of 300 MB of zeros, compressed to 4 MB",
            write: |s| {
                key_of(20, |w| {
                    let tokens = zeros(s.size(4 << 20));
                    let inflated = 1 + 264 * ((tokens.len() as u64 - 2) / 3);
                    w.raw(&compressed(&tokens, tokens.len() as u64, inflated))
                })
            },
            blob: (4 << 20) + 1 + 264 * ((4 << 20) / 3),
            names: false,
        },
    ]
}

/// Every RDB file of this kind.
#[must_use]
pub fn rdb() -> Vec<Bomb> {
    [claims(), crowds(), within::bombs(), blobs()].concat()
}

fn writer() -> RdbWriter {
    let mut w = RdbWriter::redis(15);
    w.compression(false).select_db(0).resize_db(MILLION, 0);
    w
}

/// A file of one key `k`, whose value `value` writes.
fn key_of(type_byte: u8, value: impl FnOnce(&mut RdbWriter) -> &mut RdbWriter) -> Vec<u8> {
    let mut w = writer();
    value(w.key(type_byte, b"k"));
    w.finish_with(0)
}

fn string_of(value: impl FnOnce(&mut RdbWriter) -> &mut RdbWriter) -> Vec<u8> {
    key_of(0, value)
}

/// A million times the same, but for a number.
fn many(s: Share, part: impl Fn(&mut RdbWriter, u64)) -> Vec<u8> {
    let mut w = writer();
    (0..s.of(MILLION)).for_each(|i| part(&mut w, i));
    w.finish_with(0)
}

fn strings(w: &mut RdbWriter, count: u64, text: impl Fn(u64) -> [u8; 8]) {
    for i in 0..count {
        w.str(&text(i));
    }
}

/// A short name for each number, in an order that is not that of the numbers.
fn name(i: u64) -> [u8; 8] {
    i.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes()
}

/// One literal zero, and copies of the longest length, in about so many bytes.
fn zeros(bytes: usize) -> Vec<u8> {
    let mut tokens = vec![0, 0];
    tokens.extend([0xE0, 0xFF, 0].repeat((bytes - 2) / 3));
    tokens
}

/// A listpack of 50 MB of one small number: two bytes each.
fn equal(s: Share) -> Vec<u8> {
    list(&[1, 1].repeat(s.size(25 << 20)))
}

/// A listpack of 50 MB of ascending numbers: six bytes each, from the least number that takes four of them.
fn different(s: Share) -> Vec<u8> {
    let count = u32::try_from(s.of(50 << 20) / 6).expect("50 MB");
    let element = |i: u32| {
        let [a, b, c, d] = ((1 << 23) + i).to_le_bytes();
        [0xF3, a, b, c, d, 5]
    };
    // An odd one would have no partner in a hash.
    list(&(0..count & !1).flat_map(element).collect::<Vec<u8>>())
}

fn list(elements: &[u8]) -> Vec<u8> {
    let total = u32::try_from(elements.len() + 7).expect("50 MB");
    [&total.to_le_bytes()[..], &[0xFF, 0xFF], elements, &[0xFF]].concat()
}

/// A stream of type 21 without nodes, up to its groups.
fn stream_head(w: &mut RdbWriter) -> &mut RdbWriter {
    counters(w.len(0), 0)
}

fn counters(w: &mut RdbWriter, length: u64) -> &mut RdbWriter {
    w.len(length).len(MILLION).len(MILLION).len(0).len(0).len(0).len(0).len(length)
}

/// Three keys each time, of names and values that are worth beginning with again, and then what is none.
fn places(s: Share) -> Vec<u8> {
    let mut w = writer();
    for i in 0..s.of(100_000) {
        for key in 3 * i..3 * i + 3 {
            w.key(0, format!("user:{key:08}").as_bytes()).raw(&[0xC1]).raw(&key.to_le_bytes()[..2]);
        }
        w.raw(b"de");
    }
    w.finish_with(0)
}

fn pending(s: Share) -> Vec<u8> {
    key_of(21, |w| {
        stream_head(w).len(1).str(b"g").len(1).len(1).len(0).len(s.of(MILLION));
        for i in 0..s.of(MILLION) {
            w.raw(&StreamId::new(i, 1).bytes()).i64_le(1).len(1);
        }
        w.len(1).str(b"c").i64_le(1).i64_le(1).len(s.of(MILLION));
        for i in 0..s.of(MILLION) {
            w.raw(&StreamId::new(i, 1).bytes());
        }
        w
    })
}

fn groups(s: Share) -> Vec<u8> {
    key_of(21, |w| {
        stream_head(w).len(s.of(MILLION));
        for i in 0..s.of(MILLION) {
            w.str(&name(i)).len(1).len(1).len(0).len(0).len(0);
        }
        w
    })
}

fn consumers(s: Share) -> Vec<u8> {
    key_of(21, |w| {
        stream_head(w).len(1).str(b"g").len(1).len(1).len(0).len(0).len(s.of(MILLION));
        for i in 0..s.of(MILLION) {
            w.str(&name(i)).i64_le(1).i64_le(1).len(0);
        }
        w
    })
}

fn nodes(s: Share) -> Vec<u8> {
    key_of(21, |w| {
        w.len(s.of(MILLION));
        // One living entry without deltas, whose one field is the master's.
        let node = Listpack::of(["1", "0", "1", "f", "0", "2", "0", "0", "v", "4"]);
        for i in 0..s.of(MILLION) {
            w.len(16).raw(&StreamId::new(i, 1).bytes()).str(&node);
        }
        counters(w, s.of(MILLION)).len(0)
    })
}
