//! What a server holds once it has replayed append-only files: a reading of the records and a model of a few commands, both
//! written apart from those of the library.
//!
//! ```text
//! line      = up to 1023 bytes with LF, or what the end of the file leaves
//! record    = "*" number line-end, then number times: "$" length line-end, length bytes, any two bytes
//! "#" line  = passed over
//! ```
//! Numbers are read as `strtol` reads them. A command that servers answer with an error changes nothing, and is counted.

mod commands;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::Bytes;

/// A server reads a line in pieces of so many bytes.
const LONGEST_LINE: usize = 1023;

/// A command as it lies in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Framed {
    /// All of its bytes.
    pub span: Range<usize>,
    /// The arguments.
    pub arguments: Vec<Range<usize>>,
}

/// What a reading came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The end of the file, between two records.
    Clean,
    /// The end of the file, inside the record that begins there.
    Short(usize),
    /// Something there is no record.
    Bad(usize),
}

/// Reads records as servers do, from the byte `from` on.
#[must_use]
pub fn records(bytes: &[u8], from: usize) -> (Vec<Framed>, End) {
    records_in_lines(bytes, from, LONGEST_LINE)
}

/// The same, where a line is read in pieces of so many bytes: 127 before Redis 7.0.
#[must_use]
pub fn records_in_lines(bytes: &[u8], from: usize, longest: usize) -> (Vec<Framed>, End) {
    let mut found = Vec::new();
    let mut at = from;
    while at < bytes.len() {
        let start = at;
        let line = line(bytes, &mut at, longest);
        match line[0] {
            b'#' => continue,
            b'*' => {}
            _ => return (found, End::Bad(start)),
        }
        match line.get(1) {
            None if at == bytes.len() => return (found, End::Short(start)),
            None | Some(0) => return (found, End::Bad(start)),
            Some(_) => {}
        }
        // The number is cut to 32 bits.
        let [a, b, c, d, ..] = number(&line[1..]).to_le_bytes();
        let count = i32::from_le_bytes([a, b, c, d]);
        if count < 1 {
            return (found, End::Bad(start));
        }
        let mut arguments = Vec::new();
        for _ in 0..count {
            match argument(bytes, &mut at, longest) {
                Ok(range) => arguments.push(range),
                Err(true) => return (found, End::Short(start)),
                Err(false) => return (found, End::Bad(start)),
            }
        }
        found.push(Framed { span: start..at, arguments });
    }
    (found, End::Clean)
}

/// One argument; whether the file ended in it otherwise.
fn argument(bytes: &[u8], at: &mut usize, longest: usize) -> Result<Range<usize>, bool> {
    if *at == bytes.len() {
        return Err(true);
    }
    let line = line(bytes, at, longest);
    if line[0] != b'$' {
        return Err(false);
    }
    let length = usize::try_from(number(&line[1..])).map_err(|_| false)?;
    let end =
        at.checked_add(length).filter(|end| end.checked_add(2).is_some_and(|all| all <= bytes.len())).ok_or(true)?;
    let range = *at..end;
    *at = end + 2;
    Ok(range)
}

fn line<'b>(bytes: &'b [u8], at: &mut usize, longest: usize) -> &'b [u8] {
    let rest = &bytes[*at..bytes.len().min(*at + longest)];
    let length = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |lf| lf + 1);
    *at += length;
    &rest[..length]
}

fn number(text: &[u8]) -> i64 {
    let blanks = text.iter().take_while(|byte| b" \t\n\x0b\x0c\r".contains(byte)).count();
    let (negative, digits) = match &text[blanks..] {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let digits = digits.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0_i64, |sum, digit| {
        let digit = i64::from(digit - b'0');
        sum.saturating_mul(10).saturating_add(if negative { -digit } else { digit })
    })
}

/// What a key holds.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Held {
    Text(Bytes),
    List(Vec<Bytes>),
    Set(BTreeSet<Bytes>),
    Hash(BTreeMap<Bytes, Bytes>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    held: Held,
    /// The time at which it expires, in milliseconds.
    until: Option<i64>,
}

/// Each database that is not empty: its keys, and what each holds as `Server::elements` gives it.
pub type Contents = BTreeMap<u32, BTreeMap<Bytes, Vec<Bytes>>>;

/// The keys of a server.
#[derive(Debug, Clone, Default)]
pub struct Replay {
    databases: BTreeMap<u32, BTreeMap<Bytes, Key>>,
    /// How many commands were answered with an error.
    pub failed: u64,
    /// A command that is not modelled: what is held from there on is not known.
    pub unknown: Option<String>,
}

impl Replay {
    /// Takes a string of an RDB image.
    pub fn text(&mut self, database: u32, key: &[u8], value: &[u8]) {
        let key_of = Key { held: Held::Text(value.to_vec()), until: None };
        self.databases.entry(database).or_default().insert(key.to_vec(), key_of);
    }

    /// Replays the records of a file from the byte `from` on: to its end, or to where a server stops. A transaction that is open
    /// then is dropped.
    pub fn file(&mut self, bytes: &[u8], from: usize) -> End {
        let (records, end) = records(bytes, from);
        let mut database = 0;
        let mut queue: Option<Vec<Vec<&[u8]>>> = None;
        for record in &records {
            let arguments: Vec<&[u8]> = record.arguments.iter().map(|range| &bytes[range.clone()]).collect();
            let is = |name: &[u8]| arguments[0].eq_ignore_ascii_case(name);
            match &mut queue {
                Some(_) if is(b"EXEC") => {
                    for command in queue.take().unwrap_or_default() {
                        self.command(&mut database, &command);
                    }
                }
                Some(queue) => queue.push(arguments),
                None if is(b"MULTI") => queue = Some(Vec::new()),
                None => self.command(&mut database, &arguments),
            }
        }
        end
    }

    /// The keys at that time, in milliseconds.
    #[must_use]
    pub fn contents(&self, now: i64) -> Contents {
        let databases = self.databases.iter().map(|(number, keys)| {
            let living = keys.iter().filter(|(_, key)| key.until.is_none_or(|until| until > now));
            (*number, living.map(|(name, key)| (name.clone(), key.held.elements())).collect())
        });
        databases.filter(|(_, keys): &(u32, BTreeMap<_, _>)| !keys.is_empty()).collect()
    }
}

impl Held {
    fn elements(&self) -> Vec<Bytes> {
        match self {
            Self::Text(text) => vec![text.clone()],
            Self::List(list) => list.clone(),
            Self::Set(set) => set.iter().cloned().collect(),
            Self::Hash(hash) => {
                let mut rows: Vec<Bytes> =
                    hash.iter().map(|(field, value)| [field, &b" = "[..], value].concat()).collect();
                rows.sort();
                rows
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp::{AofWriter, record};

    #[test]
    fn reads_what_servers_read() {
        let whole = record(&["SET", "k", "v"]);
        let lenient = b"#x\n* 3\n$+3\nSET..$1\nk..$1x\r\nv..".to_vec();
        let (found, end) = records(&[whole.clone(), lenient.clone()].concat(), 0);
        assert_eq!((found.len(), end), (2, End::Clean));
        for cut in 1..whole.len() {
            let at = lenient.len();
            assert_eq!(records(&[&lenient[..], &whole[..cut]].concat(), 0).1, End::Short(at), "{cut}");
        }
        for bad in [&b"*0\r\n"[..], b"*-1\r\n", b"*\0", b"SET", b"\n", b"*1\r\nx", b"*1\r\n$-1\r\n"] {
            assert_eq!(records(bad, 0), (Vec::new(), End::Bad(0)), "{}", bad.escape_ascii());
        }
    }

    #[test]
    fn an_open_transaction_changes_nothing() {
        let mut w = AofWriter::new();
        w.record(&["SET", "a", "1"]).multi().record(&["INCR", "a"]).exec().multi().record(&["DEL", "a"]);
        let mut replay = Replay::default();
        assert_eq!(replay.file(&w.take(), 0), End::Clean);
        assert_eq!(replay.contents(0)[&0][&b"a"[..]], [b"2"]);
    }
}
