//! The settings of a server that decide whether it loads a file, and the reader of its configuration file.
//!
//! ```text
//! line      = blank* ( "#" any* | name word* )     words split and quoted as in a manifest
//! ```
//!
//! The last line about a setting wins, but `loadmodule` lines add up. An `include` is reported and not followed: the file
//! may lie on another machine.

use super::modules;
use super::promise::{Fsync, points};
use super::users::User;
use crate::aof::dir::Layout;
use crate::aof::foreign::Extra;
use crate::aof::manifest::words;
use crate::functions::Prover;

/// The settings of a server that decide whether it loads a file. The default is a server's own.
///
/// # Examples
/// ```
/// use redis_persistence::servers::Settings;
///
/// let (settings, notes) = Settings::from_conf(b"databases 32\nappendfilename \"my file.aof\"\ninclude other.conf\n");
/// assert_eq!((settings.databases, settings.appendfilename.as_str()), (32, "my file.aof"));
/// assert_eq!(notes[0].line, 3);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// How many databases it has.
    pub databases: u64,
    /// How many it has in cluster mode: Redis and Valkey before 9.0 have one.
    pub cluster_databases: u64,
    /// Whether it is a node of a cluster.
    pub cluster_enabled: bool,
    /// Whether it cuts off a last record that is not complete.
    pub aof_load_truncated: bool,
    /// It cuts off an end that is damaged if that is smaller than so many bytes (Redis 8.6 and later).
    pub aof_load_corrupt_tail_max_size: u64,
    /// Whether it takes files of versions that are not its own (Valkey 8.1 and later; others do not start with that setting).
    pub rdb_version_check: VersionCheck,
    /// Whether it compares the checksum.
    pub rdbchecksum: bool,
    /// Whether it looks at every byte of a packed value while it loads (Redis 6.2 and later).
    pub sanitize_dump_payload: bool,
    /// Modules that it loads: by the nine characters of a value type, by name, or by file. `*` stands for all.
    pub modules: Vec<String>,
    /// The folder of the append-only files, from Redis 7.0 on.
    pub appenddirname: String,
    /// What the names of the append-only files begin with.
    pub appendfilename: String,
    /// Whether it reads append-only files when it starts, and not its RDB; `None` where nothing says.
    pub appendonly: Option<bool>,
    /// The name of its RDB.
    pub dbfilename: String,
    /// Runs the code of function libraries. Without one a file with functions is never said to load.
    pub functions: Option<Prover>,
    /// The user "default", if the configuration changes what it may do.
    pub default_user: Option<User>,
    /// The file of its users.
    pub aclfile: Option<String>,
    /// Commands that it knows under another name, or under none if the second is empty.
    pub renamed_commands: Vec<(String, String)>,
    /// Whether it writes its bases as RDB images.
    pub aof_use_rdb_preamble: bool,
    /// When it saves an RDB unasked: after so many seconds, if there were so many changes.
    pub save: Vec<(u64, u64)>,
    /// When what it appends reaches the disk.
    pub appendfsync: Fsync,
    /// Whether it takes no more writes after a save that failed.
    pub stop_writes_on_bgsave_error: bool,
    /// Which of the names of its files were given, and do not merely stand here as the usual ones.
    pub(super) given: Given,
}

/// Which names were given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Given {
    pub(super) appenddirname: bool,
    pub(super) appendfilename: bool,
    pub(super) dbfilename: bool,
    pub(super) save: bool,
}

/// What Valkey makes of the version of an RDB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum VersionCheck {
    /// Its own, and those that Redis and Valkey shared.
    #[default]
    Strict,
    /// Any.
    Relaxed,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            databases: 16,
            cluster_databases: 1,
            cluster_enabled: false,
            aof_load_truncated: true,
            aof_load_corrupt_tail_max_size: 0,
            rdb_version_check: VersionCheck::Strict,
            rdbchecksum: true,
            sanitize_dump_payload: false,
            modules: Vec::new(),
            appenddirname: "appendonlydir".to_owned(),
            appendfilename: "appendonly.aof".to_owned(),
            appendonly: None,
            dbfilename: "dump.rdb".to_owned(),
            functions: None,
            renamed_commands: Vec::new(),
            default_user: None,
            aclfile: None,
            aof_use_rdb_preamble: true,
            save: vec![(3600, 1), (300, 100), (60, 10_000)],
            appendfsync: Fsync::Everysec,
            stop_writes_on_bgsave_error: true,
            given: Given::default(),
        }
    }
}

/// Why a setting was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingError {
    /// No setting that decides anything has that name.
    #[error("\"{0}\" is no setting that decides whether a file is loaded: see Settings::NAMES")]
    UnknownName(String),
    /// The setting cannot have that value.
    #[error("{name} cannot be \"{value}\": it is {expected}")]
    BadValue {
        /// The setting.
        name: String,
        /// What was given.
        value: String,
        /// What it can be.
        expected: &'static str,
    },
}

/// Something to know about a configuration file that was read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ConfNote {
    /// The line, from 1.
    pub line: u64,
    /// What there is to know.
    pub message: String,
}

impl Settings {
    /// What [`set`](Self::set) takes.
    pub const NAMES: [&'static str; 18] = [
        "databases",
        "cluster-databases",
        "cluster-enabled",
        "aof-load-truncated",
        "aof-load-corrupt-tail-max-size",
        "rdb-version-check",
        "rdbchecksum",
        "sanitize-dump-payload",
        "modules",
        "appenddirname",
        "appendfilename",
        "appendonly",
        "dbfilename",
        "rename-command",
        "aof-use-rdb-preamble",
        "save",
        "appendfsync",
        "stop-writes-on-bgsave-error",
    ];

    /// Takes a setting by the name and in the words of a configuration file. Beside those, `modules` takes a list of
    /// modules with commas between them.
    ///
    /// # Errors
    /// If the name is none of [`Settings::NAMES`], or the value none that a server takes.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), SettingError> {
        let name = name.trim().to_ascii_lowercase();
        let bad = |expected| SettingError::BadValue { name: name.clone(), value: value.to_owned(), expected };
        let yes_or_no = || match value {
            _ if value.eq_ignore_ascii_case("yes") => Ok(true),
            _ if value.eq_ignore_ascii_case("no") => Ok(false),
            _ => Err(bad("yes or no")),
        };
        let count = || value.parse::<u64>().ok().filter(|n| (1..=1 << 31).contains(n)).ok_or_else(|| bad("a count"));
        match name.as_str() {
            "databases" => self.databases = count()?,
            "cluster-databases" => self.cluster_databases = count()?,
            "cluster-enabled" => self.cluster_enabled = yes_or_no()?,
            "aof-load-truncated" => self.aof_load_truncated = yes_or_no()?,
            "aof-load-corrupt-tail-max-size" => {
                self.aof_load_corrupt_tail_max_size = size(value).ok_or_else(|| bad("a number of bytes"))?;
            }
            "rdb-version-check" => {
                self.rdb_version_check = match value.to_ascii_lowercase().as_str() {
                    "strict" => VersionCheck::Strict,
                    "relaxed" => VersionCheck::Relaxed,
                    _ => return Err(bad("strict or relaxed")),
                }
            }
            "rdbchecksum" => self.rdbchecksum = yes_or_no()?,
            "sanitize-dump-payload" => {
                // "clients" leaves out what is loaded from a file.
                self.sanitize_dump_payload = match value.to_ascii_lowercase().as_str() {
                    "yes" => true,
                    "no" | "clients" => false,
                    _ => return Err(bad("yes, no or clients")),
                }
            }
            "modules" => {
                self.modules = value.split(',').map(str::trim).filter(|m| !m.is_empty()).map(str::to_owned).collect();
            }
            "appenddirname" | "appendfilename" | "dbfilename" => {
                if value.is_empty() || value.contains(['/', '\\']) {
                    return Err(bad("a name without a path"));
                }
                let (target, given) = match name.as_str() {
                    "appenddirname" => (&mut self.appenddirname, &mut self.given.appenddirname),
                    "appendfilename" => (&mut self.appendfilename, &mut self.given.appendfilename),
                    _ => (&mut self.dbfilename, &mut self.given.dbfilename),
                };
                value.clone_into(target);
                *given = true;
            }
            "appendonly" => self.appendonly = Some(yes_or_no()?),
            "aof-use-rdb-preamble" => self.aof_use_rdb_preamble = yes_or_no()?,
            "stop-writes-on-bgsave-error" => self.stop_writes_on_bgsave_error = yes_or_no()?,
            "appendfsync" => {
                self.appendfsync = match value.to_ascii_lowercase().as_str() {
                    "always" => Fsync::Always,
                    "everysec" => Fsync::Everysec,
                    "no" => Fsync::No,
                    _ => return Err(bad("always, everysec or no")),
                }
            }
            "save" => self.save = points(value).ok_or_else(|| bad("pairs of seconds and changes, or empty"))?,
            "rename-command" => {
                let (old, new) = value.split_once(char::is_whitespace).ok_or_else(|| bad("an old and a new name"))?;
                self.renamed_commands.push((old.to_owned(), new.trim().trim_matches('"').to_owned()));
            }
            _ => return Err(SettingError::UnknownName(name)),
        }
        Ok(())
    }

    /// Returns the names of its files, as far as they were given, and whether it reads append-only files.
    #[must_use]
    pub fn layout(&self) -> Layout {
        let name = |given: bool, name: &String| given.then(|| name.clone());
        Layout {
            appenddirname: name(self.given.appenddirname, &self.appenddirname),
            appendfilename: name(self.given.appendfilename, &self.appendfilename),
            dbfilename: name(self.given.dbfilename, &self.dbfilename),
            appendonly: self.appendonly,
        }
    }

    /// Reads a server's configuration file. What does not matter here is passed over. Names that it does not give are the usual
    /// ones, unless it includes other files.
    #[must_use]
    pub fn from_conf(text: &[u8]) -> (Self, Vec<ConfNote>) {
        let given = Given { appenddirname: true, appendfilename: true, dbfilename: true, save: false };
        let mut settings = Self { given, ..Self::default() };
        let mut notes = Vec::new();
        for (number, line) in (1..).zip(text.split(|byte| *byte == b'\n')) {
            let line = line.trim_ascii();
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            if let Err(message) = settings.line(line) {
                notes.push(ConfNote { line: number, message });
            }
        }
        (settings, notes)
    }

    /// Returns the commands that it has beside its own.
    #[must_use]
    pub fn commands(&self) -> Extra {
        let mut extra = Extra::default();
        for (old, new) in self.renamed_commands.iter().filter(|(_, new)| !new.is_empty()) {
            extra.rename(old.as_bytes(), new.as_bytes());
        }
        for prefix in self.modules.iter().flat_map(|module| modules::prefixes(module)) {
            extra.module(prefix.as_bytes());
        }
        extra
    }

    /// Reads the file of a server's users.
    ///
    /// # Errors
    /// What is odd about a line, with its number.
    pub fn users(&mut self, text: &[u8]) -> Result<(), ConfNote> {
        for (number, line) in (1..).zip(text.split(|byte| *byte == b'\n')) {
            let line = line.trim_ascii();
            if line.starts_with(b"user") {
                self.line(line).map_err(|message| ConfNote { line: number, message })?;
            }
        }
        Ok(())
    }

    fn line(&mut self, line: &[u8]) -> Result<(), String> {
        let Some(words) = words(line) else {
            return Err("unbalanced quotes: a server does not start with this line".to_owned());
        };
        let words: Vec<_> = words.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
        let Some((name, values)) = words.split_first() else { return Ok(()) };
        let name = name.to_ascii_lowercase();
        match (name.as_str(), values) {
            ("include", _) => {
                self.given = Given::default();
                Err(format!("include {} is not followed", values.join(" ")))
            }
            ("loadmodule", [module, ..]) => {
                self.modules.push(module.clone());
                Ok(())
            }
            ("rename-command", [old, new]) => {
                self.renamed_commands.push((old.clone(), new.clone()));
                Ok(())
            }
            ("user", [name, rules @ ..]) if name == "default" => {
                self.default_user = Some(User::of(rules));
                Ok(())
            }
            ("user", _) => Ok(()),
            ("aclfile", [file]) => {
                self.aclfile = Some(file.clone()).filter(|file| !file.is_empty());
                Ok(())
            }
            // The first line takes the place of the usual points, and the others add to it.
            ("save", values) => {
                let text = values.join(" ");
                let points = points(&text).ok_or_else(|| format!("save cannot be \"{text}\""))?;
                if points.is_empty() || !std::mem::replace(&mut self.given.save, true) {
                    self.save.clear();
                }
                self.save.extend(points);
                Ok(())
            }
            // The names of others may be the same as ours by chance, but "modules" is ours alone.
            ("modules", _) => Ok(()),
            (name, [value]) if Self::NAMES.contains(&name) => self.set(name, value).map_err(|error| error.to_string()),
            (name, _) if Self::NAMES.contains(&name) => Err(format!("{name} takes one value")),
            _ => Ok(()),
        }
    }
}

/// Returns a number of bytes, with a unit as configuration files have it.
fn size(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" => 1000,
        "kb" => 1 << 10,
        "m" => 1_000_000,
        "mb" => 1 << 20,
        "g" => 1_000_000_000,
        "gb" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_configuration_file() {
        let conf = b"# a comment\r\n\r\n # don't\n#databases \"3\n  databases 4\r\nDATABASES \"20\"\nsave 3600 1 300 100\ncluster-enabled yes\n\
            aof-load-truncated no\naof-load-corrupt-tail-max-size 4kb\nrdb-version-check relaxed\n\
            sanitize-dump-payload clients\nloadmodule /opt/rejson.so ARG 1\nloadmodule bloom.so\n\
            appenddirname 'my dir'\nrename-command FLUSHALL \"\"\nmodules x\nnot-known 1\n";
        let (settings, notes) = Settings::from_conf(conf);
        assert_eq!(notes, []);
        let want = Settings {
            databases: 20,
            cluster_enabled: true,
            aof_load_truncated: false,
            aof_load_corrupt_tail_max_size: 4096,
            rdb_version_check: VersionCheck::Relaxed,
            modules: vec!["/opt/rejson.so".to_owned(), "bloom.so".to_owned()],
            appenddirname: "my dir".to_owned(),
            renamed_commands: vec![("FLUSHALL".to_owned(), String::new())],
            save: vec![(3600, 1), (300, 100)],
            given: Given { appenddirname: true, appendfilename: true, dbfilename: true, save: true },
            ..Settings::default()
        };
        assert_eq!(settings, want);
    }

    #[test]
    fn what_cannot_be_taken_is_noted_with_its_line() {
        let (settings, notes) =
            Settings::from_conf(b"databases many\ninclude /etc/a.conf\nappendfilename a/b\ndatabases 1 2\nx \"y\n");
        assert_eq!(settings, Settings::default());
        let lines: Vec<_> = notes.iter().map(|note| note.line).collect();
        assert_eq!(lines, [1, 2, 3, 4, 5]);
        assert!(notes[1].message.contains("not followed"), "{notes:?}");
    }

    #[test]
    fn sets_by_name() {
        let mut settings = Settings::default();
        for (name, value) in [("modules", "ReJSON-RL, bloom"), ("rdbchecksum", "no"), ("rename-command", "GET mine")] {
            settings.set(name, value).expect(name);
        }
        assert_eq!(settings.modules, ["ReJSON-RL", "bloom"]);
        assert_eq!(settings.renamed_commands, [("GET".to_owned(), "mine".to_owned())]);
        assert!(!settings.rdbchecksum);
        for (name, value) in [("databases", "0"), ("databases", "-1"), ("cluster-enabled", "1"), ("maxmemory", "1gb")] {
            let error = settings.set(name, value).expect_err(name).to_string();
            assert!(error.contains(name), "{error}");
        }
    }
}
