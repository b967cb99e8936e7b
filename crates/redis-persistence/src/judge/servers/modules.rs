//! Which value types and commands a module brings, for those that are met most.
//!
//! An RDB names the types that it needs, nine characters each, and an append-only file names commands; a configuration
//! names files of modules. Between them lies this table.

use crate::rdb::{BLOOM_TYPES, GRAPH_TYPES, JSON_TYPES, SEARCH_TYPES, TIME_SERIES_TYPES, VALKEY_BLOOM_TYPES};

/// A module: its names, its types, and what its commands begin with.
type Module = (&'static [&'static str], &'static [&'static str], &'static [&'static str]);

/// Names of a module: of its file, and what `MODULE LIST` and people call it; its types, and what its commands begin with.
///
/// The files are those of the modules' own releases, of Redis Stack and of Redis 8, which brings the same four along: they are
/// modules there too, and a build without them (Debian's) has vector sets alone.
static MODULES: [Module; 7] = [
    (&["rejson", "redisjson", "json", "libjson", "valkey-json"], JSON_TYPES, &["JSON."]),
    (&["redisbloom", "bloom", "bf"], BLOOM_TYPES, &["BF.", "CF.", "CMS.", "TOPK.", "TDIGEST."]),
    (&["libvalkey_bloom", "valkey-bloom"], VALKEY_BLOOM_TYPES, &["BF."]),
    (&["redistimeseries", "timeseries"], TIME_SERIES_TYPES, &["TS."]),
    (&["redisearch", "search"], SEARCH_TYPES, &["FT.", "_FT."]),
    (&["libsearch", "valkey-search"], &[], &["FT.", "_FT."]),
    (&["redisgraph", "graph"], GRAPH_TYPES, &["GRAPH."]),
];

/// A name for the four of Redis Stack and Redis 8 together.
const STACK: &str = "redis-stack";
const OF_STACK: [&str; 4] = ["rejson", "redisbloom", "redistimeseries", "redisearch"];

/// Returns whether a module given by name, by the file it is loaded from, or by one of its types brings the type.
pub(super) fn brings(module: &str, value_type: &str) -> bool {
    module == "*" || module == value_type || meant(module).any(|(_, types, _)| types.contains(&value_type))
}

/// Returns the types that a module given so brings; `*` stands for any.
pub(super) fn types(module: &str) -> Vec<String> {
    let own = std::iter::once(module).chain(meant(module).flat_map(|(_, types, _)| *types).copied());
    own.map(str::to_owned).collect()
}

/// Returns whether a module given so brings the command, whose name is in upper case.
pub(super) fn brings_command(module: &str, command: &[u8]) -> bool {
    prefixes(module).iter().any(|prefix| match *prefix {
        "." => command.contains(&b'.'),
        prefix => command.starts_with(prefix.as_bytes()),
    })
}

/// Returns what the names of commands begin with that a module given so brings; a dot alone stands for all that hold one.
pub(super) fn prefixes(module: &str) -> Vec<&'static str> {
    if module == "*" {
        return vec!["."];
    }
    let mut found = Vec::new();
    let of_type = MODULES.iter().filter(|(_, types, _)| types.contains(&module));
    for prefix in meant(module).chain(of_type).flat_map(|(_, _, prefixes)| *prefixes) {
        if !found.contains(prefix) {
            found.push(prefix);
        }
    }
    found
}

/// Returns the name of the module that brings a type, if it is known.
pub(super) fn that_brings(value_type: &str) -> Option<&'static str> {
    MODULES.iter().find(|(_, types, _)| types.contains(&value_type)).map(|(names, ..)| names[0])
}

/// Returns the rows for a module that is given by a name or its file.
fn meant(module: &str) -> impl Iterator<Item = &'static Module> {
    let stem = file_stem(module);
    MODULES
        .iter()
        .filter(move |(names, ..)| names.contains(&stem.as_str()) || stem == STACK && OF_STACK.contains(&names[0]))
}

/// Returns the name of a module's file, without its folder and ending.
fn file_stem(module: &str) -> String {
    let file = module.rsplit(['/', '\\']).next().unwrap_or(module).to_ascii_lowercase();
    file.strip_suffix(".so").unwrap_or(&file).to_owned()
}

#[cfg(test)]
mod tests {
    use super::{brings, brings_command, that_brings};

    #[test]
    fn by_type_by_name_and_by_file() {
        for module in ["ReJSON-RL", "rejson", "/opt/redis/modules/rejson.so", "modules/libjson.so", "*"] {
            assert!(brings(module, "ReJSON-RL"), "{module}");
        }
        for (module, value_type) in [
            ("ReJSON", "ReJSON-RL"),
            ("bf", "TopK-TYPE"),
            ("RedisTimeSeries", "TSDB-TYPE"),
            ("redisearch.so", "ft_index0"),
            ("redis-stack", "ReJSON-RL"),
            ("redis-stack", "TSDB-TYPE"),
        ] {
            assert!(brings(module, value_type), "{module}");
        }
        assert!(!brings("redis-stack", "graphdata"));
        assert_eq!((that_brings("CMSk-TYPE"), that_brings("nosuchmod")), (Some("redisbloom"), None));
        assert!(!brings("/opt/redis/rejson.so", "MBbloom--"));
        assert!(!brings("rejson-unstable.so", "ReJSON-RL"));
    }

    #[test]
    fn commands_by_what_they_begin_with() {
        for module in ["rejson", "/opt/rejson.so", "ReJSON-RL", "*"] {
            assert!(brings_command(module, b"JSON.SET"), "{module}");
        }
        assert!(brings_command("bf", b"TOPK.ADD") && brings_command("redis-stack", b"FT.CREATE"));
        assert!(!brings_command("bloom", b"JSON.SET"));
        assert!(!brings_command("*", b"NOSUCH"));
    }
}
