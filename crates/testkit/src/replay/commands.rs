//! A model of the commands that tests write: strings, lists, sets, hashes and expiries.

use std::collections::{BTreeMap, BTreeSet};

use super::{Held, Key, Replay};
use crate::Bytes;

/// Servers have this many databases unless told otherwise.
const DATABASES: i64 = 16;

/// Why a command changed nothing.
enum Failed {
    /// Servers answer it with an error.
    Error,
    /// It is not modelled.
    Unknown,
}

type Done = Result<(), Failed>;

impl Replay {
    /// Runs a command.
    pub(super) fn command(&mut self, database: &mut u32, arguments: &[&[u8]]) {
        match self.run(database, arguments) {
            Ok(()) => {}
            Err(Failed::Error) => self.failed += 1,
            Err(Failed::Unknown) => {
                self.unknown.get_or_insert_with(|| arguments[0].escape_ascii().to_string());
            }
        }
    }

    fn run(&mut self, database: &mut u32, arguments: &[&[u8]]) -> Done {
        let name = arguments[0].to_ascii_uppercase();
        let keys = self.databases.entry(*database).or_default();
        match (&name[..], &arguments[1..]) {
            (b"PING", _) => {}
            (b"EXEC" | b"MULTI", _) => return Err(Failed::Error),
            (b"SELECT", [number]) => {
                let number = integer(number).filter(|number| (0..DATABASES).contains(number));
                *database = number.and_then(|number| u32::try_from(number).ok()).ok_or(Failed::Error)?;
            }
            (b"SET", [key, value]) => {
                keys.insert(key.to_vec(), Key { held: Held::Text(value.to_vec()), until: None });
            }
            (b"DEL", names @ [_, ..]) => {
                for name in names {
                    keys.remove(*name);
                }
            }
            (b"INCR", [key]) => {
                let text = text(keys, key, b"0")?;
                let next = integer(text).and_then(|number| number.checked_add(1)).ok_or(Failed::Error)?;
                *text = next.to_string().into_bytes();
            }
            (b"APPEND", [key, more]) => text(keys, key, b"")?.extend_from_slice(more),
            (b"RPUSH", [key, values @ ..]) if !values.is_empty() => {
                let Held::List(list) = held(keys, key, || Held::List(Vec::new())) else { return Err(Failed::Error) };
                list.extend(values.iter().map(|value| value.to_vec()));
            }
            (b"SADD", [key, members @ ..]) if !members.is_empty() => {
                let Held::Set(set) = held(keys, key, || Held::Set(BTreeSet::new())) else { return Err(Failed::Error) };
                set.extend(members.iter().map(|member| member.to_vec()));
            }
            (b"HSET", [key, rows @ ..]) if rows.len() >= 2 => {
                if rows.len() % 2 != 0 {
                    return Err(Failed::Error);
                }
                let Held::Hash(hash) = held(keys, key, || Held::Hash(BTreeMap::new())) else {
                    return Err(Failed::Error);
                };
                hash.extend(rows.chunks_exact(2).map(|row| (row[0].to_vec(), row[1].to_vec())));
            }
            (b"PEXPIREAT", [key, time]) => {
                let time = integer(time).ok_or(Failed::Error)?;
                if let Some(key) = keys.get_mut(*key) {
                    key.until = Some(time);
                }
            }
            _ => return Err(Failed::Unknown),
        }
        Ok(())
    }
}

fn held<'k>(keys: &'k mut BTreeMap<Bytes, Key>, name: &[u8], new: impl FnOnce() -> Held) -> &'k mut Held {
    &mut keys.entry(name.to_vec()).or_insert_with(|| Key { held: new(), until: None }).held
}

fn text<'k>(keys: &'k mut BTreeMap<Bytes, Key>, name: &[u8], new: &[u8]) -> Result<&'k mut Bytes, Failed> {
    match held(keys, name, || Held::Text(new.to_vec())) {
        Held::Text(text) => Ok(text),
        _ => Err(Failed::Error),
    }
}

/// A number as servers take it: no blanks, no `+`, no leading zeros.
fn integer(text: &[u8]) -> Option<i64> {
    let number: i64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    (number.to_string().as_bytes() == text).then_some(number)
}
