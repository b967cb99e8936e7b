//! Values within values, each of which reaches to the end of the file. Between their heads are a few keys that a salvage believes in, so
//! that it looks at each of them, and at what it reaches over.
//!
//! ```text
//! [key]...[head of a value.[key]...[head of a value.[key]...          ]]
//! ```

use super::{Bomb, Share, name};
use crate::rdb::{LenForm, RdbWriter, StreamId};

/// So many keys stand in front of each head.
const KEYS: u64 = 10;
const VALUE: &[u8] = b"a value";
/// What each takes: type, two lengths, a name of twelve bytes and the value.
const KEY: u64 = 3 + 12 + VALUE.len() as u64;
const HEADS: u64 = 100_000;

/// All of them.
pub(super) fn bombs() -> Vec<Bomb> {
    let within = |name, write| Bomb { name, write, blob: 0, names: true };
    vec![
        within("10^5 strings within strings", |s| {
            file(s, 0, |w, level, rest| _ = strange(w, 0, level).len_as(LenForm::ThirtyTwo, rest))
        }),
        within("10^5 strings within strings, each of which ends behind the one around it", |s| {
            file(s, s.of(HEADS), |w, level, rest| {
                w.key(0, &like_others(KEYS * level + 5)).len_as(LenForm::ThirtyTwo, rest + KEY * level);
            })
        }),
        within("10^5 names within names", |s| {
            file(s, 0, |w, _, rest| _ = w.raw(&[0]).len_as(LenForm::ThirtyTwo, rest))
        }),
        Bomb {
            // The outermost is held, as a damaged one.
            blob: HEADS * (KEYS * KEY + 12),
            ..within("10^5 hashes in listpacks within listpacks", |s| {
                file(s, 0, |w, level, rest| _ = strange(w, 16, level).len_as(LenForm::ThirtyTwo, rest))
            })
        },
        Bomb {
            blob: HEADS * (KEYS * KEY + 30),
            ..within("10^5 streams within nodes of streams", |s| {
                file(s, 0, |w, level, rest| {
                    let id = StreamId::new(level, 1).bytes();
                    strange(w, 21, level).len(1).str(&id).len_as(LenForm::ThirtyTwo, rest);
                })
            })
        },
        // All that follows is read as strings: a type is an empty one or the length of one, and so is the first byte of a name.
        within("10^5 lists within lists, of all strings that follow", |s| {
            file(s, 0, |w, level, _| {
                let [a, b, c, ..] = name(level);
                let name = [16, a, b, c, a, b, c, a, b, c, a, b];
                w.key(1, &name).len_as(LenForm::ThirtyTwo, u64::from(u32::MAX));
            })
        }),
    ]
}

/// A head behind every few keys, which is told how many bytes follow it up to the end of the last level; then more keys.
fn file(s: Share, more: u64, head: impl Fn(&mut RdbWriter, u64, u64)) -> Vec<u8> {
    let mut w = RdbWriter::redis(11);
    w.compression(false).select_db(0);
    let key = |w: &mut RdbWriter, n| _ = w.string_key(&like_others(n), VALUE);
    let mut one = RdbWriter::redis(11);
    one.take();
    head(&mut one, 0, 0);
    let size = KEYS * KEY + one.take().len() as u64;
    let count = s.of(HEADS);
    for level in 0..count {
        (level * KEYS..(level + 1) * KEYS).for_each(|n| key(&mut w, n));
        head(&mut w, level, (count - level - 1) * size);
    }
    (count * KEYS..count * KEYS + more).for_each(|n| key(&mut w, n));
    w.finish_with(0)
}

/// A key with a name of three bytes like no other.
fn strange(w: &mut RdbWriter, value_type: u8, level: u64) -> &mut RdbWriter {
    w.key(value_type, &[0x80 | name(level)[0], 0xF1, 0xE2])
}

fn like_others(n: u64) -> Vec<u8> {
    format!("key:{n:08}").into_bytes()
}
