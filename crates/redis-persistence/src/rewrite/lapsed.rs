//! Keys whose expiry has passed, in commands that are sent to a live server.
//!
//! A server that loads a file keeps such a key until all is loaded, and a later command may renew it. A live server drops it at once, so
//! that what later commands do to it happens to a key that is not there: a PERSIST does nothing, an INCR begins at 0.
//!
//! ```text
//! an expiry that has passed                        the key is dropped     PEXPIREAT, EXPIREAT, SET, RESTORE
//! a value, or the end of the key                   it is as it should be  SET, RESTORE, DEL, UNLINK, FLUSHDB, FLUSHALL
//! anything else that names it while it is dropped  it differs             until one of the above
//! ```
//! Fields of hashes that expire are not followed.

use std::collections::{BTreeMap, HashMap};
use std::io::{Read, Seek, SeekFrom};
use std::mem;

use super::duplicates::hash;
use super::survey::{Named, shown};
use crate::ReadError;
use crate::aof::{Command, Grammar, Reader, Record, StreamState};
use crate::base::limits::Limits;
use crate::contents::records::{self, Worker};
use crate::rdb::Part;

/// So many keys are followed. More of them are counted as they come.
const MOST: usize = 1 << 22;
/// Of so many arguments of a command the names are looked at, as long as they all fit into so many bytes.
const ARGUMENTS: usize = 1 << 20;
const BYTES: usize = 16 << 20;

/// What a live server has of a key that it dropped.
#[derive(Debug)]
enum Fate {
    /// Nothing, and so it should be if nothing follows.
    Dropped,
    /// Something else than it should, under this name.
    Differs(Vec<u8>),
}

/// Follows what becomes of keys whose expiry has passed.
///
/// # Examples
/// ```
/// use redis_persistence::rewrite::Lapsed;
///
/// let expired = "*3\r\n$9\r\nPEXPIREAT\r\n$3\r\nkey\r\n$4\r\n1000\r\n";
/// let renewed = "*3\r\n$9\r\nPEXPIREAT\r\n$3\r\nkey\r\n$13\r\n4102444800000\r\n";
/// let mut lapsed = Lapsed::new(1_700_000_000_000);
/// lapsed.commands(expired.as_bytes())?;
/// assert_eq!(lapsed.differ().total, 0);
/// lapsed.commands(renewed.as_bytes())?;
/// assert_eq!(lapsed.differ().list(), "key");
/// # Ok::<(), redis_persistence::ReadError>(())
/// ```
#[derive(Debug)]
pub struct Lapsed {
    now_ms: i64,
    databases: BTreeMap<u64, HashMap<u128, Fate>>,
    held: usize,
    /// Those that could not be followed.
    beyond: Named,
}

impl Lapsed {
    /// Begins, as of a time in milliseconds since the epoch.
    #[must_use]
    pub fn new(now_ms: i64) -> Self {
        Self { now_ms, databases: BTreeMap::new(), held: 0, beyond: Named::default() }
    }

    /// Takes the keys of an RDB image that will be restored.
    ///
    /// # Errors
    /// If the input fails, or cannot be read.
    pub fn image(&mut self, input: &mut (impl Read + Seek)) -> Result<(), ReadError> {
        input.seek(SeekFrom::Start(0))?;
        let now_ms = self.now_ms;
        let make = || Image { now_ms, names: Vec::new() };
        records::each(input, &Limits::default(), 1, make, &mut |names: Vec<(u64, Vec<u8>)>| {
            names.into_iter().for_each(|(db, name)| self.dropped(db, &name));
            Ok(())
        })
        .map(drop)
    }

    /// Takes the commands of a file, behind the image that it may begin with.
    ///
    /// # Errors
    /// If the input fails, or the bytes leave no way on.
    pub fn commands(&mut self, records: impl Read) -> Result<(), ReadError> {
        let limits = Limits { arguments: ARGUMENTS, inline_bytes: BYTES, ..Limits::default() };
        let mut reader = Reader::behind_image(records, Grammar::Loader)?.with_limits(&limits);
        let mut state = StreamState::default();
        while let Some(record) = reader.next_record()? {
            state.feed(&record);
            if let Record::Command(command) = record {
                self.command(&command, u64::from(state.db()));
            }
        }
        Ok(())
    }

    /// Returns the keys of which the live server has something else in the end.
    #[must_use]
    pub fn differ(&self) -> Named {
        let mut differ = self.beyond.clone();
        for (db, keys) in &self.databases {
            let mut names: Vec<_> = keys.values().filter_map(|fate| fate.name()).collect();
            names.sort_unstable();
            names.into_iter().for_each(|name| differ.add(Some(*db), name));
        }
        differ
    }

    fn command(&mut self, command: &Command<'_>, db: u64) {
        let argument = |at: usize| command.arg(at).and_then(|arg| arg.whole());
        let Some(name) = argument(0).filter(|name| name.len() < 16) else { return self.touched(command, db) };
        let name = name.to_ascii_uppercase();
        match &name[..] {
            b"FLUSHALL" => (self.databases, self.held) = (BTreeMap::new(), 0),
            b"FLUSHDB" => self.held -= self.databases.remove(&db).map_or(0, |keys| keys.len()),
            b"SWAPDB" => {
                let [one, other] = [1, 2].map(|at| argument(at).and_then(number).and_then(|n| u64::try_from(n).ok()));
                if let (Some(one), Some(other)) = (one, other) {
                    let [of_one, of_other] = [one, other].map(|db| self.databases.remove(&db).unwrap_or_default());
                    self.databases.extend([(one, of_other), (other, of_one)]);
                }
            }
            b"DEL" | b"UNLINK" => {
                command.args().skip(1).filter_map(|arg| arg.whole()).for_each(|key| self.is_as_it_should(db, key));
            }
            b"SET" | b"RESTORE" | b"PEXPIREAT" | b"EXPIREAT" => {
                let (Some(key), Some(of)) = (argument(1), Expiry::of(&name, command)) else {
                    return self.touched(command, db);
                };
                match of.at_ms {
                    Some(ms) if ms <= self.now_ms => self.dropped(db, key),
                    _ if of.is_value => self.is_as_it_should(db, key),
                    _ => self.touched(command, db),
                }
            }
            _ => self.touched(command, db),
        }
    }

    /// The server drops a key.
    fn dropped(&mut self, db: u64, name: &[u8]) {
        let keys = self.databases.entry(db).or_default();
        let hash = hash(db, name);
        if self.held >= MOST && !keys.contains_key(&hash) {
            self.beyond.add(Some(db), name);
            return;
        }
        self.held += usize::from(keys.insert(hash, Fate::Dropped).is_none());
    }

    fn is_as_it_should(&mut self, db: u64, name: &[u8]) {
        if let Some(keys) = self.databases.get_mut(&db).filter(|keys| !keys.is_empty()) {
            self.held -= usize::from(keys.remove(&hash(db, name)).is_some());
        }
    }

    /// A command does something to keys that may be dropped: any of its arguments may be the name of one.
    fn touched(&mut self, command: &Command<'_>, db: u64) {
        let Some(keys) = self.databases.get_mut(&db).filter(|keys| !keys.is_empty()) else { return };
        for name in command.args().skip(1).filter_map(|arg| arg.whole()) {
            if let Some(fate) = keys.get_mut(&hash(db, name)) {
                *fate = Fate::Differs(shown(name).to_vec());
            }
        }
    }
}

impl Fate {
    fn name(&self) -> Option<&[u8]> {
        if let Self::Differs(name) = self { Some(name) } else { None }
    }
}

/// What a command says of an expiry.
struct Expiry {
    at_ms: Option<i64>,
    /// Whether the key has a new value, whatever it had before.
    is_value: bool,
}

impl Expiry {
    /// Reads a command that sets an expiry, or a value; `None` if it depends on what is there.
    fn of(name: &[u8], command: &Command<'_>) -> Option<Self> {
        let argument = |at: usize| command.arg(at).and_then(|arg| arg.whole());
        let is = |at: usize, word: &[u8]| argument(at).is_some_and(|text| text.eq_ignore_ascii_case(word));
        let argc = usize::try_from(command.argc()).ok()?;
        match name {
            b"SET" => {
                let seconds = |at: usize| argument(at + 1).and_then(number).map(|s| s.saturating_mul(1000));
                match argc {
                    3 => Some(Self { at_ms: None, is_value: true }),
                    5 if is(3, b"PXAT") => Some(Self { at_ms: Some(argument(4).and_then(number)?), is_value: true }),
                    5 if is(3, b"EXAT") => Some(Self { at_ms: Some(seconds(3)?), is_value: true }),
                    5 if is(3, b"PX") || is(3, b"EX") => Some(Self { at_ms: None, is_value: true }),
                    _ => None,
                }
            }
            b"RESTORE" => {
                let is_absolute = (4..argc).any(|at| is(at, b"ABSTTL"));
                let ttl = argument(2).and_then(number)?;
                Some(Self { at_ms: Some(ttl).filter(|ttl| is_absolute && *ttl != 0), is_value: true })
            }
            b"EXPIREAT" if argc == 3 => {
                let seconds = argument(2).and_then(number)?;
                Some(Self { at_ms: Some(seconds.saturating_mul(1000)), is_value: false })
            }
            _ if argc == 3 => Some(Self { at_ms: Some(argument(2).and_then(number)?), is_value: false }),
            _ => None,
        }
    }
}

fn number(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Collects the keys of an image whose expiry has passed.
struct Image {
    now_ms: i64,
    names: Vec<(u64, Vec<u8>)>,
}

impl Worker for Image {
    type Out = Vec<(u64, Vec<u8>)>;

    fn part(&mut self, part: Part<'_>) {
        if let Part::Key(head, name) = part
            // In a file -1 is none.
            && head.expires_ms.is_some_and(|ms| ms != -1 && ms <= self.now_ms)
        {
            self.names.push((head.db, name.to_vec()));
        }
    }

    fn take(&mut self) -> Option<Self::Out> {
        Some(mem::take(&mut self.names)).filter(|names| !names.is_empty())
    }
}
