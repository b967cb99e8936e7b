//! Which value types and commands a module brings, for those that are met most.
//!
//! An RDB names the types that it needs, nine characters each, and an append-only file names commands; a configuration
//! names files of modules. Between them lies this table.

/// The name of a module's file, its types, and what its commands begin with.
const MODULES: [(&str, &[&str], &[&str]); 14] = [
    ("rejson", JSON, &["JSON."]),
    ("redisjson", JSON, &["JSON."]),
    ("json", JSON, &["JSON."]),
    ("libjson", JSON, &["JSON."]),
    ("valkey-json", JSON, &["JSON."]),
    ("redisbloom", BLOOM, &["BF.", "CF.", "CMS.", "TOPK.", "TDIGEST."]),
    ("bloom", BLOOM, &["BF.", "CF.", "CMS.", "TOPK.", "TDIGEST."]),
    ("libvalkey_bloom", &["bloomfltr"], &["BF."]),
    ("valkey-bloom", &["bloomfltr"], &["BF."]),
    ("redistimeseries", &["TSDB-TYPE"], &["TS."]),
    ("timeseries", &["TSDB-TYPE"], &["TS."]),
    ("redisearch", SEARCH, &["FT.", "_FT."]),
    ("search", SEARCH, &["FT.", "_FT."]),
    ("redisgraph", &["graphdata", "graphmeta"], &["GRAPH."]),
];

const JSON: &[&str] = &["ReJSON-RL"];
const BLOOM: &[&str] = &["MBbloom--", "MBbloomCF", "CMSk-TYPE", "TopK-TYPE", "TDIS-TYPE"];
const SEARCH: &[&str] = &["ft_index0", "ft_invidx", "numericdx", "taginvidx", "trietype0"];

/// Whether a module given by name, by the file it is loaded from, or by one of its types brings the type.
pub(super) fn brings(module: &str, value_type: &str) -> bool {
    module == "*" || module == value_type || row(module, |types, _| types.contains(&value_type))
}

/// Whether a module given so brings the command, whose name is in upper case.
pub(super) fn brings_command(module: &str, command: &[u8]) -> bool {
    prefixes(module).iter().any(|prefix| match *prefix {
        "." => command.contains(&b'.'),
        prefix => command.starts_with(prefix.as_bytes()),
    })
}

/// What the names of commands begin with that a module given so brings; a dot alone stands for all that hold one.
pub(super) fn prefixes(module: &str) -> Vec<&'static str> {
    if module == "*" {
        return vec!["."];
    }
    let mut found = Vec::new();
    let rows = MODULES.iter().filter(|(name, types, _)| file_stem(module) == *name || types.contains(&module));
    for prefix in rows.flat_map(|(_, _, prefixes)| *prefixes) {
        if !found.contains(prefix) {
            found.push(prefix);
        }
    }
    found
}

/// Whether one of the rows for a module fits.
fn row(module: &str, fits: impl Fn(&[&str], &[&str]) -> bool) -> bool {
    let stem = file_stem(module);
    MODULES.iter().any(|(name, types, prefixes)| stem == *name && fits(types, prefixes))
}

/// The name of a module's file, without its folder and ending.
fn file_stem(module: &str) -> String {
    let file = module.rsplit(['/', '\\']).next().unwrap_or(module).to_ascii_lowercase();
    file.strip_suffix(".so").unwrap_or(&file).to_owned()
}

#[cfg(test)]
mod tests {
    use super::{brings, brings_command};

    #[test]
    fn by_type_by_name_and_by_file() {
        for module in ["ReJSON-RL", "rejson", "/opt/redis/modules/rejson.so", "modules/libjson.so", "*"] {
            assert!(brings(module, "ReJSON-RL"), "{module}");
        }
        assert!(!brings("/opt/redis/rejson.so", "MBbloom--"));
        assert!(!brings("rejson-unstable.so", "ReJSON-RL"));
    }

    #[test]
    fn commands_by_what_they_begin_with() {
        for module in ["rejson", "/opt/rejson.so", "ReJSON-RL", "*"] {
            assert!(brings_command(module, b"JSON.SET"), "{module}");
        }
        assert!(!brings_command("bloom", b"JSON.SET"));
        assert!(!brings_command("*", b"NOSUCH"));
    }
}
