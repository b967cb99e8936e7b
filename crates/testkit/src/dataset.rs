//! Fills a server with every type and encoding it has, so that the files it writes hold all of the format.
//!
//! What depends on the version is asked of the server, never of a table of versions. The content is the same on every
//! run but for what the server itself decides: times, and the order of its hash tables.
//!
//! ```no_run
//! # use testkit::{dataset::{self, Dataset}, server::Server};
//! # fn example(mut server: Server) -> std::io::Result<()> {
//! dataset::fill(&mut server, &Dataset::default())?;
//! let truth = dataset::census(&mut server)?;
//! server.save()?;
//! # Ok(())
//! # }
//! ```

mod census;
mod collections;
mod extensions;
mod random;
mod streams;
mod strings;

use std::io;

use crate::rng::Rng;
use crate::server::{Reply, Server};

pub use census::{Census, DatabaseCensus, census};
pub use random::random;

/// What to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    /// The databases to write to: the first gets everything, the others a few keys each.
    pub databases: Vec<u32>,
    /// Whether to write what is large: strings of 1 MB, collections of 20,000 elements.
    pub large: bool,
    /// Whether some keys, and fields where the server can, expire; far in the future.
    pub expiries: bool,
    /// Whether to load function libraries, where the server can.
    pub functions: bool,
}

impl Default for Dataset {
    fn default() -> Self {
        Self { databases: vec![0, 1, 15], large: true, expiries: true, functions: true }
    }
}

/// Expiry times in milliseconds: the year 2100, one with a fraction of a second, and one beyond the year 2200.
const EXPIRIES: [&str; 3] = ["4102444800000", "4102444800123", "7289654400001"];

/// Where an encoding changes with the number of elements, in one version or another, and the numbers around.
const COUNTS: [usize; 10] = [1, 2, 127, 128, 129, 255, 256, 511, 512, 513];

/// Where the header of a string, or an encoding, changes with the length of an element.
const LENGTHS: [usize; 15] = [0, 1, 19, 20, 21, 44, 45, 63, 64, 65, 253, 254, 255, 4095, 4096];

/// Integers around the edges of every width they are stored in.
const INTEGERS: [i64; 27] = [
    0,
    1,
    -1,
    12,
    13,
    127,
    128,
    -127,
    -128,
    -129,
    255,
    256,
    4095,
    4096,
    -4096,
    -4097,
    32767,
    32768,
    -32768,
    -32769,
    8_388_607,
    8_388_608,
    -8_388_609,
    2_147_483_647,
    2_147_483_648,
    i64::MAX,
    i64::MIN,
];

/// Writes `dataset` to an empty server.
///
/// # Errors
///
/// When the server refuses a command or is gone.
pub fn fill(server: &mut Server, dataset: &Dataset) -> io::Result<()> {
    let mut writer = Writer { server, large: dataset.large };
    for (index, database) in dataset.databases.iter().enumerate() {
        writer.run(&["SELECT", &database.to_string()])?;
        if index > 0 {
            writer.few_keys(*database)?;
            continue;
        }
        strings::write(&mut writer)?;
        collections::write_lists(&mut writer)?;
        collections::write_sets(&mut writer)?;
        collections::write_zsets(&mut writer)?;
        collections::write_hashes(&mut writer)?;
        streams::write(&mut writer)?;
        extensions::write_vector_sets(&mut writer)?;
        if dataset.expiries {
            writer.expiring_keys()?;
            extensions::write_expiring_fields(&mut writer)?;
        }
    }
    if dataset.functions {
        extensions::load_functions(&mut writer)?;
    }
    writer.run(&["SELECT", "0"]).map(drop)
}

/// A server being filled.
struct Writer<'a> {
    server: &'a mut Server,
    large: bool,
}

impl Writer<'_> {
    fn run<A: AsRef<[u8]>>(&mut self, arguments: &[A]) -> io::Result<Reply> {
        self.server.run(arguments)
    }

    /// Runs `command key element...`, with as many commands as keep each of them small. `together` elements belong to
    /// each other, such as a field and its value.
    fn extend(&mut self, command: &str, key: &str, elements: &[Vec<u8>], together: usize) -> io::Result<()> {
        for part in elements.chunks(together * 500) {
            let mut arguments = vec![command.as_bytes(), key.as_bytes()];
            arguments.extend(part.iter().map(Vec::as_slice));
            self.run(&arguments)?;
        }
        Ok(())
    }

    /// Whether this version has a setting.
    fn has_setting(&mut self, name: &str) -> io::Result<bool> {
        let reply = self.run(&["CONFIG", "GET", name])?;
        Ok(reply.array().is_some_and(|found| !found.is_empty()))
    }

    fn few_keys(&mut self, database: u32) -> io::Result<()> {
        self.run(&["SET", "same-name", &format!("in database {database}")])?;
        self.run(&["RPUSH", "list", "a", "b", "c"])?;
        self.run(&["SADD", "set", "1", "2", "3"])?;
        self.run(&["HSET", "hash", "field", "value"])?;
        self.run(&["SET", "expiring", "value", "PXAT", EXPIRIES[0]]).map(drop)
    }

    fn expiring_keys(&mut self) -> io::Result<()> {
        for (number, time) in EXPIRIES.iter().enumerate() {
            self.run(&["SET", &format!("expiring:string:{number}"), "value", "PXAT", time])?;
            let hash = format!("expiring:hash:{number}");
            self.run(&["HSET", &hash, "field", "value"])?;
            self.run(&["PEXPIREAT", &hash, time])?;
            let set = format!("expiring:set:{number}");
            self.extend("SADD", &set, &numbered("member", 600), 1)?;
            self.run(&["PEXPIREAT", &set, time])?;
        }
        Ok(())
    }
}

/// Writes so many small keys of names that begin alike: texts, numbers that expire in 2100, and hashes, in turn.
///
/// # Errors
/// If the server refuses a command, or the connection breaks.
pub fn fill_pages(server: &mut Server, count: u32) -> io::Result<()> {
    for n in 0..count {
        let key = format!("page:{n}");
        match n % 3 {
            0 => server.run(&["SET", &key, &format!("the content of page {n}")]),
            1 => {
                server.run(&["SET", &key, &n.to_string(), "PXAT", &(4_102_444_800_000_u64 + u64::from(n)).to_string()])
            }
            _ => server.run(&["HSET", &key, "title", &format!("Page {n}"), "views", &n.to_string()]),
        }?;
    }
    Ok(())
}

/// `prefix:0`, `prefix:1` and so on.
fn numbered(prefix: &str, count: usize) -> Vec<Vec<u8>> {
    (0..count).map(|number| format!("{prefix}:{number}").into_bytes()).collect()
}

/// Every integer and every length at which the form of an element changes; all different.
fn edge_elements() -> Vec<Vec<u8>> {
    let integers = INTEGERS.iter().map(|integer| integer.to_string().into_bytes());
    let strings = LENGTHS.iter().map(|&length| vec![b'x'; length]);
    // What looks like an integer, and is none to a server.
    let lookalikes =
        ["-0", "01", "+1", " 1", "9223372036854775808", "1e3", "0x10"].map(|text| text.as_bytes().to_vec());
    integers.chain(strings).chain(lookalikes).chain([vec![0, 13, 10, 255]]).collect()
}

/// Bytes that no compressor shortens, the same for the same seed.
fn noise(length: usize, seed: u64) -> Vec<u8> {
    Rng::new(seed).bytes(length)
}
