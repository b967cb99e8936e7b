//! Commands that no server known here has: whose they are, as far as their names tell, and which ones a configuration brings.
//!
//! A file of another product is not damaged, and one byte of a name that rotted is damage: a record says the same in both
//! cases. What tells them apart is the rest of the file (`is_plausible`, `is_one_byte_off`).

use super::commands::all;

/// Whose command it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// Another product's.
    Product(&'static str),
    /// A module's.
    Module(&'static str),
}

impl Origin {
    /// Returns the name of the product or module.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Product(name) | Self::Module(name) => name,
        }
    }
}

/// Products, and the commands that they write and servers do not know. What ends in a star stands for all that begin so. The names are
/// from the products' own documents; CAS and CAD are none of a product, for Tair and Kvrocks have both.
const PRODUCTS: [(&str, &[&str]); 8] = [
    ("KeyDB", &["EXPIREMEMBER", "EXPIREMEMBERAT", "KEYDB.*", "PEXPIREMEMBERAT", "RREPLAY"]),
    (
        "Tile38",
        &[
            "AOFMD5",
            "AOFSHRINK",
            "DELCHAN",
            "DELHOOK",
            "DROP",
            "FSET",
            "JDEL",
            "JSET",
            "PDEL",
            "PDELCHAN",
            "PDELHOOK",
            "SETCHAN",
            "SETHOOK",
        ],
    ),
    ("Dragonfly", &["DFLY", "FIELDEXPIRE", "SADDEX", "STICK"]),
    ("Kvrocks", &["CLUSTERX", "HRANGEBYLEX", "SIADD", "SIRANGE", "SIREM"]),
    ("Codis", &["SLOTSDEL", "SLOTSMGRT*", "SLOTSRESTORE*"]),
    ("Disque", &["ADDJOB", "DELJOB", "LOADJOB"]),
    (
        "Tair",
        &[
            "EXAPPEND",
            "EXCAD",
            "EXCAS",
            "EXGAE",
            "EXGET",
            "EXHDEL",
            "EXHEXPIRE*",
            "EXHINCRBY*",
            "EXHMSET*",
            "EXHPERSIST",
            "EXHPEXPIRE*",
            "EXHSET*",
            "EXINCRBY*",
            "EXPREPEND",
            "EXSET",
            "EXSETVER",
            "EXZADD",
            "EXZINCRBY",
            "EXZREM*",
            "GIS.*",
            "TAIRHASH*",
            "TR.*",
            "TVS.*",
        ],
    ),
    ("Redis Enterprise", &["CRDT.*"]),
];

/// What the names of a module's commands begin with, and what people call it.
const MODULES: [(&str, &str); 21] = [
    ("AI.", "RedisAI"),
    ("BF.", "RedisBloom"),
    ("CF.", "RedisBloom"),
    ("CL.", "redis-cell"),
    ("CMS.", "RedisBloom"),
    ("FT.", "RediSearch"),
    ("_FT.", "RediSearch"),
    ("GRAPH.", "RedisGraph"),
    ("JSON.", "RedisJSON"),
    ("ML.", "redis-ml"),
    ("NR.", "neural-redis"),
    ("RAFT.", "RedisRaft"),
    ("RG.", "RedisGears"),
    ("R.", "redis-roaring"),
    ("ROCKET.", "rocket"),
    ("SG.", "RedisGraph"),
    ("TDIGEST.", "RedisBloom"),
    ("TFUNCTION", "RedisGears"),
    ("TIMESERIES.", "redis-timeseries"),
    ("TOPK.", "RedisBloom"),
    ("TS.", "RedisTimeSeries"),
];

/// Whose command that is, by its name in upper case; a subcommand stands behind its container and a bar.
///
/// # Examples
/// ```
/// use redis_persistence::aof::foreign::{Origin, origin};
///
/// assert_eq!(origin(b"EXPIREMEMBER"), Some(Origin::Product("KeyDB")));
/// assert_eq!(origin(b"JSON.SET"), Some(Origin::Module("RedisJSON")));
/// assert_eq!(origin(b"S3CR3T-SET"), None);
/// ```
#[must_use]
pub fn origin(name: &[u8]) -> Option<Origin> {
    let name = name.split(|byte| *byte == b'|').next().unwrap_or(name);
    let fits = |known: &&str| match known.strip_suffix('*') {
        Some(start) => name.starts_with(start.as_bytes()),
        None => name == known.as_bytes(),
    };
    let product = PRODUCTS.iter().find(|(_, names)| names.iter().any(fits));
    product.map(|(product, _)| Origin::Product(product)).or_else(|| {
        let module = MODULES.iter().find(|(prefix, _)| name.starts_with(prefix.as_bytes()));
        module.map(|(_, module)| Origin::Module(module))
    })
}

/// Names of more bytes are no command's.
const LONGEST: usize = 128;

/// Returns whether somebody may have given a command that name, in upper case: servers take any for a renamed one, and
/// people take what they can type.
pub(crate) fn is_plausible(name: &[u8]) -> bool {
    !name.is_empty() && name.len() <= LONGEST && name.iter().all(u8::is_ascii_graphic)
}

/// Returns whether a name in upper case becomes that of a known command by another byte in one place.
pub(crate) fn is_one_byte_off(name: &[u8]) -> bool {
    all().iter().any(|row| {
        let row = row.name.as_bytes();
        row.len() == name.len() && row.iter().zip(name).filter(|(a, b)| a != b).count() == 1
    })
}

/// Commands that a server has beside its own: renamed ones, and those of its modules.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Extra {
    /// The new name and the old one, both in upper case.
    renamed: Vec<(Vec<u8>, Vec<u8>)>,
    /// What the names of commands begin with that its modules bring.
    prefixes: Vec<Vec<u8>>,
}

impl Extra {
    /// A command has another name.
    pub fn rename(&mut self, old: &[u8], new: &[u8]) {
        self.renamed.push((new.to_ascii_uppercase(), old.to_ascii_uppercase()));
    }

    /// A module brings commands whose names begin so; a single dot stands for all that hold one.
    pub fn module(&mut self, prefix: &[u8]) {
        self.prefixes.push(prefix.to_ascii_uppercase());
    }

    /// Returns the name in upper case by which a command is known that has this one.
    pub(crate) fn own_name<'a>(&'a self, name: &'a [u8]) -> &'a [u8] {
        self.renamed.iter().find(|(new, _)| new == name).map_or(name, |(_, old)| old)
    }

    /// Returns whether a module brings a command of that name, in upper case.
    #[must_use]
    pub fn brings(&self, name: &[u8]) -> bool {
        let fits = |prefix: &Vec<u8>| if prefix == b"." { name.contains(&b'.') } else { name.starts_with(prefix) };
        self.prefixes.iter().any(fits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aof::commands::named;

    #[test]
    fn no_server_has_what_is_said_to_be_another_products() {
        for (product, names) in PRODUCTS {
            assert!(names.is_sorted(), "{product}");
            for name in names {
                let start = name.strip_suffix('*');
                let known = start.map_or(!named(name.as_bytes()).is_empty(), |start| {
                    all().iter().any(|row| row.name.starts_with(start))
                });
                assert!(!known, "{product}: {name}");
            }
        }
        for (prefix, _) in MODULES {
            assert!(all().iter().all(|row| !row.name.starts_with(prefix)), "{prefix}");
        }
    }

    #[test]
    fn names_tell_whose_they_are() {
        for (name, whose) in [
            ("KEYDB.CRON", Some("KeyDB")),
            ("SETCHAN", Some("Tile38")),
            ("SLOTSRESTORE-ASYNC", Some("Codis")),
            ("EXHSET", Some("Tair")),
            ("TS.ADD", Some("RedisTimeSeries")),
            ("SET", None),
            ("JSONSET", None),
            ("MYMODULE.SET", None),
        ] {
            assert_eq!(origin(name.as_bytes()).map(Origin::name), whose, "{name}");
        }
    }

    #[test]
    fn a_name_that_rotted_is_near_to_one_that_is_known() {
        for near in [&b"SEU"[..], b"HSE\xd4", b"XGROUP|CREATF"] {
            assert!(is_one_byte_off(near), "{}", near.escape_ascii());
        }
        for far in [&b"S3CR3T-SET"[..], b"EXPIREMEMBER", b"NOSUCH", b""] {
            assert!(!is_one_byte_off(far), "{}", far.escape_ascii());
        }
        assert!(
            !is_plausible(b"a b") && !is_plausible(b"\xffSET") && is_plausible(b"b840fc02d524045429941cc15f59e41c")
        );
    }

    #[test]
    fn a_configuration_brings_commands() {
        let mut extra = Extra::default();
        extra.rename(b"set", b"s3cr3t-set");
        extra.module(b"json.");
        assert_eq!((extra.own_name(b"S3CR3T-SET"), extra.own_name(b"GET")), (&b"SET"[..], &b"GET"[..]));
        assert!(extra.brings(b"JSON.SET") && !extra.brings(b"FT.ADD"));
        extra.module(b".");
        assert!(extra.brings(b"FT.ADD") && !extra.brings(b"FTADD"));
    }
}
