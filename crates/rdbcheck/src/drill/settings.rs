//! How the server is started: what it is told in any case, and what a user may add.

use std::ffi::OsString;

/// What `--conf` may set: how values are stored, read and counted. None of these opens a port, a file or a connection, or runs anything.
pub(crate) const HARMLESS: [&str; 31] = [
    "active-expire-effort",
    "activedefrag",
    "activerehashing",
    "aof-load-corrupt-tail-max-size",
    "aof-load-truncated",
    "databases",
    "hash-max-listpack-entries",
    "hash-max-listpack-value",
    "hash-max-ziplist-entries",
    "hash-max-ziplist-value",
    "hz",
    "io-threads",
    "key-load-delay",
    "list-compress-depth",
    "list-max-listpack-size",
    "list-max-ziplist-size",
    "loading-process-events-interval-bytes",
    "loglevel",
    "maxmemory",
    "maxmemory-policy",
    "proto-max-bulk-len",
    "rdb-version-check",
    "rdbchecksum",
    "sanitize-dump-payload",
    "set-max-intset-entries",
    "set-max-listpack-entries",
    "set-max-listpack-value",
    "stream-node-max-bytes",
    "stream-node-max-entries",
    "zset-max-listpack-entries",
    "zset-max-ziplist-entries",
];

/// Commands that a server of a drill does not have: they connect to others, load code, and write elsewhere. A script in an append-only file
/// may call MIGRATE, and all of them are run by a server that loads them.
const UNNEEDED: [(&str, (u32, u32)); 6] = [
    ("CLUSTER", (3, 0)),
    ("CONFIG", (2, 0)),
    ("MIGRATE", (2, 6)),
    ("MODULE", (4, 0)),
    ("REPLICAOF", (5, 0)),
    ("SLAVEOF", (1, 0)),
];

/// Reads what `--conf` says.
///
/// # Errors
/// If it is no setting, or none of the harmless ones.
pub(crate) fn harmless(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("a setting is KEY=VALUE")?;
    let name = name.trim().to_ascii_lowercase();
    if !HARMLESS.contains(&&*name) {
        return Err(format!("a drill takes none but harmless settings: {}", HARMLESS.join(", ")));
    }
    let value = value.trim();
    // A value that begins so would be taken for the name of the next setting.
    if value.starts_with('-') && value.parse::<i64>().is_err() || value.contains(['\n', '\r', '\0']) {
        return Err("that is no value of a setting".to_owned());
    }
    Ok((name, value.to_owned()))
}

/// What a server says that it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Release {
    /// Such as `Redis 7.0.15`.
    pub(crate) name: String,
    /// Major and minor version.
    pub(crate) version: (u32, u32),
}

impl Release {
    /// Reads what it prints for `--version`: `Redis server v=7.0.15 sha=...`.
    pub(crate) fn of(text: &str) -> Option<Self> {
        let line = text.lines().find(|line| line.contains(" server v="))?;
        let (name, rest) = line.split_once(" server v=")?;
        let version = rest.split_whitespace().next()?;
        let mut numbers = version.split('.').map(|number| number.parse().ok());
        let (major, minor) = (numbers.next()??, numbers.next()??);
        let name = name.split_whitespace().last().unwrap_or(name);
        Some(Self { name: crate::escape::plain(format!("{name} {version}").as_bytes()), version: (major, minor) })
    }

    /// Returns whether append-only files of this server lie in a folder, under a manifest.
    pub(crate) fn has_manifests(&self) -> bool {
        self.version >= (7, 0)
    }

    /// Returns whether the digest of scores is the one of Redis up to 7.0.
    pub(crate) fn has_old_digest(&self) -> bool {
        self.version <= (7, 0)
    }
}

/// Returns the arguments of the server. What it is to read is said by `of_data`.
pub(crate) fn arguments(
    release: &Release,
    socket: &str,
    of_data: &[(&str, OsString)],
    added: &[(String, String)],
) -> Vec<OsString> {
    let mut arguments = Vec::new();
    let mut set = |name: &str, value: OsString| arguments.extend([OsString::from(format!("--{name}")), value]);
    for (name, value) in [
        ("port", "0"),
        ("unixsocket", socket),
        ("unixsocketperm", "700"),
        ("daemonize", "no"),
        ("save", ""),
        ("logfile", ""),
        ("auto-aof-rewrite-percentage", "0"),
    ] {
        set(name, value.into());
    }
    // A memory test after a crash would take its time. Servers before 6.2 do not know the setting.
    if release.version >= (6, 2) {
        set("crash-memcheck-enabled", "no".into());
    }
    // Before 7.0 the command needs no permission.
    if release.version >= (7, 0) {
        set("enable-debug-command", "local".into());
    }
    for (name, value) in added {
        set(name, value.into());
    }
    for (name, value) in of_data {
        set(name, value.clone());
    }
    for (command, _) in UNNEEDED.iter().filter(|(_, since)| release.version >= *since) {
        arguments.extend(["--rename-command", *command, ""].map(OsString::from));
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_harmless_settings_are_taken() {
        assert_eq!(harmless("databases=32"), Ok(("databases".into(), "32".into())));
        assert_eq!(harmless("List-Max-Listpack-Size=-2"), Ok(("list-max-listpack-size".into(), "-2".into())));
        for bad in [
            "port=6379",
            "loadmodule=/tmp/x.so",
            "dir=/",
            "replicaof=host 1",
            "databases",
            "hz=--port",
            "hz= --port",
            "hz=1\n2",
        ] {
            assert!(harmless(bad).is_err(), "{bad}");
        }
        assert!(HARMLESS.is_sorted(), "the list is for people");
    }

    #[test]
    fn releases_are_read() {
        let of = |text| Release::of(text).map(|release| (release.name, release.version));
        let long = "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=6e0a";
        assert_eq!(of(long), Some(("Redis 7.0.15".into(), (7, 0))));
        assert_eq!(of("Valkey server v=9.1.0 sha=0"), Some(("Valkey 9.1.0".into(), (9, 1))));
        for none in ["", "GNU bash, version 5.2", "Redis server v=x"] {
            assert_eq!(of(none), None, "{none}");
        }
    }
}
