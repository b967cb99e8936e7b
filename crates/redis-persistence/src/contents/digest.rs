//! Digests of what a file holds, whatever the version, encoding, compression and order in which it is stored.
//!
//! Two of them:
//!
//! * [`Digests::digest`] is our own: 256 bits over databases, keys, types, values, expiries (of fields too), and the groups of
//!   streams. It is the sum of one SHA-256 for each key, so the order of keys does not matter; nor does that of members and
//!   fields. Two files with the same data have the same digest, whoever wrote them.
//! * [`Digests::debug_digest`] is the one that the command `DEBUG DIGEST` prints on a server that loaded the file. So a server
//!   can be asked whether it holds what the file holds.
//!
//! Neither tells whether the file is sound: the frame, the checksum and every value are read, and what cannot be read is an
//! error, but a key that occurs twice counts twice. [`verify`](crate::verify) tells that. And a sum is no proof against
//! somebody who chooses the data: for that, sign the bytes of the file.
//!
//! What the own digest leaves out, because servers that hold the same data do not store the same of it: idle times and
//! frequencies; of streams the counters `entries-added` and `max-deleted-id`, of groups `entries-read`, of consumers when they
//! were last seen and active.

mod debug;
pub(crate) mod own;
mod score;

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read};
use std::num::NonZero;

use crate::base::error::ReadError;
use crate::base::limits::{Limits, threads_of_machine};
use crate::contents::records::{self, Worker};
use crate::contents::select::Selection;
use crate::rdb::{Element, Family, Head, ModuleId, Part};
use debug::{Both, KeyDigest};
use own::{Own, Sum};

/// What is to be computed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Which keys are digested. Function libraries are, whatever is chosen.
    pub selection: Selection,
    /// Whether the digest of `DEBUG DIGEST` is wanted as well.
    pub debug_digest: bool,
    /// On how many threads at most. `None` stands for one on each processor that may be used. The result does not depend on it.
    pub threads: Option<NonZero<usize>>,
    /// What the contents of a file may make the library hold in memory: each thread holds one string at a time.
    pub limits: Limits,
}

impl Default for Options {
    fn default() -> Self {
        Self { selection: Selection::default(), debug_digest: true, threads: None, limits: Limits::default() }
    }
}

/// A digest of 256 bits. It is shown as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(pub [u8; 32]);

/// The digest that `DEBUG DIGEST` prints. It is shown as 40 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DebugDigest(pub [u8; 20]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for DebugDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for DebugDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The digests of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digests {
    /// Over all that the file holds, function libraries included.
    pub digest: Digest,
    /// What `DEBUG DIGEST` prints on a server that loaded the file, before a key expired. `None` if it was not asked for, or
    /// nobody knows how a server digests some of the values: see [`undigested`](Self::undigested).
    pub debug_digest: Option<DebugDigest>,
    /// The same on Redis up to 7.0, which has another text for some scores of sorted sets.
    pub debug_digest_old: Option<DebugDigest>,
    /// Keys of all databases.
    pub keys: u64,
    /// Those of them that expire.
    pub expires: u64,
    /// Function libraries.
    pub functions: u64,
    /// The databases that hold keys, by their numbers.
    pub databases: BTreeMap<u64, Database>,
    /// Values of which the digest of servers is not known, by type (`array`, or the name of a module's type), and how many
    /// there are.
    pub undigested: BTreeMap<String, u64>,
    /// The family of the file, by its signature.
    pub family: Family,
    /// The version of the file.
    pub version: u32,
    /// The size of the RDB in bytes. What follows it was not looked at.
    pub size: u64,
    /// Whether the file has a checksum, which then fits.
    pub checksum: bool,
}

/// One database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Database {
    /// Its keys.
    pub keys: u64,
    /// Those of them that expire.
    pub expires: u64,
    /// The digest over them, without the number of the database: one that was moved has the same.
    pub digest: Digest,
}

/// Computes the digests of an RDB.
///
/// # Errors
/// If the input fails, the bytes leave no way on, a value cannot be read or is beyond the limits, or the checksum does not fit.
///
/// # Examples
/// ```
/// use redis_persistence::digest;
///
/// // The same list, as elements and as a ziplist.
/// let plain = b"REDIS0004\xfe\x00\x01\x04list\x02\x01a\x01b\xff";
/// let packed = b"REDIS0004\xfe\x00\x0a\x04list\x11\x11\0\0\0\x0d\0\0\0\x02\0\0\x01a\x03\x01b\xff\xff";
/// let [plain, packed] = [&plain[..], &packed[..]].map(|file| digest::reader(file, &digest::Options::default()));
/// assert_eq!(plain?.digest, packed?.digest);
/// # Ok::<(), redis_persistence::ReadError>(())
/// ```
pub fn reader(mut input: impl Read, options: &Options) -> Result<Digests, ReadError> {
    let mut total = Tally::default();
    let threads = options.threads.or_else(threads_of_machine).map_or(1, NonZero::get);
    let make = || Digester {
        selection: (!options.selection.is_all()).then_some(&options.selection),
        own: Own::default(),
        debug: options.debug_digest.then(KeyDigest::default),
        head: None,
        unknown: None,
        tally: None,
    };
    let ended = records::each(&mut input, &options.limits, threads, make, &mut |tally: Tally| {
        total.add(&tally);
        io::Result::Ok(())
    })?;
    let (mut keys, mut expires, mut sum) = (0, 0, total.functions_sum);
    for (db, of) in &total.databases {
        keys += of.keys;
        expires += of.expires;
        sum.add(&own::of_database(*db, of.keys, of.sum));
    }
    let known = options.debug_digest && total.undigested.is_empty();
    Ok(Digests {
        digest: own::finish(keys, sum),
        debug_digest: known.then(|| debug::finish(total.databases.iter().map(|(db, of)| (*db, of.debug.new)))),
        debug_digest_old: known.then(|| debug::finish(total.databases.iter().map(|(db, of)| (*db, of.debug.old)))),
        keys,
        expires,
        functions: total.functions,
        databases: total
            .databases
            .iter()
            .map(|(db, of)| {
                let digest = own::finish(of.keys, of.sum);
                (*db, Database { keys: of.keys, expires: of.expires, digest })
            })
            .collect(),
        undigested: total.undigested,
        family: ended.header.family,
        version: ended.header.version,
        size: ended.end,
        checksum: ended.summed,
    })
}

/// What a run of records adds up to.
#[derive(Debug, Default)]
struct Tally {
    databases: BTreeMap<u64, Totals>,
    functions: u64,
    functions_sum: Sum,
    undigested: BTreeMap<String, u64>,
}

/// The same of one database.
#[derive(Debug, Default)]
struct Totals {
    keys: u64,
    expires: u64,
    sum: Sum,
    debug: Both,
}

impl Tally {
    fn add(&mut self, other: &Self) {
        for (db, of) in &other.databases {
            let to = self.databases.entry(*db).or_default();
            to.keys += of.keys;
            to.expires += of.expires;
            to.sum.add(&of.sum);
            to.debug.xor(&of.debug);
        }
        self.functions += other.functions;
        self.functions_sum.add(&other.functions_sum);
        for (name, count) in &other.undigested {
            *self.undigested.entry(name.clone()).or_default() += count;
        }
    }
}

#[derive(Debug)]
struct Digester<'o> {
    /// Which keys are taken, if not all are.
    selection: Option<&'o Selection>,
    own: Own,
    debug: Option<KeyDigest>,
    /// The key at hand, if it is taken.
    head: Option<Head>,
    /// Why a server's digest of the value at hand is not known.
    unknown: Option<Unknown>,
    tally: Option<Tally>,
}

#[derive(Debug, Clone, Copy)]
enum Unknown {
    Array,
    Module(ModuleId),
}

impl Worker for Digester<'_> {
    type Out = Tally;

    #[inline]
    fn part(&mut self, part: Part<'_>) {
        match part {
            Part::Key(head, name) => {
                self.unknown = None;
                if self.selection.is_some_and(|selection| !selection.takes(head, name)) {
                    self.head = None;
                    return;
                }
                self.head = Some(*head);
                self.own.begin(head, name);
                if let Some(debug) = &mut self.debug {
                    debug.begin(head, name);
                }
            }
            Part::Element(_) if self.head.is_none() => {}
            Part::Element(element) => {
                match &element {
                    Element::Module(id) => self.unknown = Some(Unknown::Module(*id)),
                    Element::Slot { .. } => self.unknown = Some(Unknown::Array),
                    _ => {}
                }
                if let Some(debug) = &mut self.debug {
                    debug.element(&element);
                }
                self.own.element(&element);
            }
            Part::End(_) => {
                let Some(head) = self.head.take() else { return };
                let tally = self.tally.get_or_insert_default();
                let of = tally.databases.entry(head.db).or_default();
                of.keys += 1;
                of.expires += u64::from(head.expires_ms.is_some());
                of.sum.add(&self.own.end());
                if let Some(debug) = &mut self.debug {
                    of.debug.xor(&debug.end());
                }
                match self.unknown.take() {
                    Some(Unknown::Array) => *tally.undigested.entry("array".to_owned()).or_default() += 1,
                    Some(Unknown::Module(id)) => *tally.undigested.entry(id.name()).or_default() += 1,
                    None => {}
                }
            }
            Part::Function(code) => {
                let tally = self.tally.get_or_insert_default();
                tally.functions += 1;
                tally.functions_sum.add(&own::of_function(code));
            }
        }
    }

    fn take(&mut self) -> Option<Tally> {
        self.tally.take()
    }
}
