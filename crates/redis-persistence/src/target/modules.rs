//! Which value types a module brings, for those that are met most.
//!
//! A file names the types that it needs, nine characters each; a configuration names files of modules. Between them lies
//! this table.

/// The beginning of a module's file name, and its types.
const MODULES: [(&str, &[&str]); 12] = [
    ("rejson", &["ReJSON-RL"]),
    ("libjson", &["ReJSON-RL"]),
    ("valkey-json", &["ReJSON-RL"]),
    ("redisbloom", BLOOM),
    ("bloom", BLOOM),
    ("libvalkey_bloom", &["bloomfltr"]),
    ("valkey-bloom", &["bloomfltr"]),
    ("redistimeseries", &["TSDB-TYPE"]),
    ("timeseries", &["TSDB-TYPE"]),
    ("redisearch", &["ft_index0", "ft_invidx", "numericdx", "taginvidx", "trietype0"]),
    ("search", &["ft_index0", "ft_invidx", "numericdx", "taginvidx", "trietype0"]),
    ("redisgraph", &["graphdata", "graphmeta"]),
];

const BLOOM: &[&str] = &["MBbloom--", "MBbloomCF", "CMSk-TYPE", "TopK-TYPE", "TDIS-TYPE"];

/// Whether a module given by name, by the file it is loaded from, or by one of its types brings the type.
pub(super) fn brings(module: &str, value_type: &str) -> bool {
    if module == "*" || module == value_type {
        return true;
    }
    let file = module.rsplit(['/', '\\']).next().unwrap_or(module).to_ascii_lowercase();
    let stem = file.strip_suffix(".so").unwrap_or(&file);
    MODULES.iter().any(|(name, types)| stem == *name && types.contains(&value_type))
}

#[cfg(test)]
mod tests {
    use super::brings;

    #[test]
    fn by_type_by_name_and_by_file() {
        for module in ["ReJSON-RL", "rejson", "/opt/redis/modules/rejson.so", "modules/libjson.so", "*"] {
            assert!(brings(module, "ReJSON-RL"), "{module}");
        }
        assert!(!brings("/opt/redis/rejson.so", "MBbloom--"));
        assert!(!brings("rejson-unstable.so", "ReJSON-RL"));
    }
}
