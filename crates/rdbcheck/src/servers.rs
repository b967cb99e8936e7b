//! `--for`, `--set` and `--conf`: which servers a file is judged for, and their settings.

use std::fmt;
use std::io::{self, Read as _};
use std::path::Path;
use std::str::FromStr;

use redis_persistence::aof::dir::Layout;
use redis_persistence::aof::foreign::Extra;
use redis_persistence::functions::{Api, Prover};
use redis_persistence::rdb::Family;
use redis_persistence::rewrite::Dialect;
use redis_persistence::servers::{ConfNote, Loads, Release, Settings, UnknownTarget, judge};
use redis_persistence::verify::Report;

use crate::console;
use crate::input::open;

/// What `--for` names: a server, or the newest of both families.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// That one: a series, or a release.
    One(Release),
    /// The newest Redis and the newest Valkey.
    Newest,
}

impl FromStr for Asked {
    type Err = UnknownTarget;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.eq_ignore_ascii_case("newest") { Ok(Self::Newest) } else { text.parse().map(Self::One) }
    }
}

impl Asked {
    fn targets(self) -> Vec<Release> {
        match self {
            Self::One(target) => vec![target],
            Self::Newest => ["redis-newest", "valkey-newest"].iter().filter_map(|name| name.parse().ok()).collect(),
        }
    }
}

/// Returns a setting as `--set` takes it, with its value.
///
/// # Errors
/// If it is no setting that matters, or cannot have that value.
///
/// # Examples
/// ```
/// use rdbcheck::servers::setting;
///
/// assert_eq!(setting("databases=32"), Ok(("databases".to_owned(), "32".to_owned())));
/// assert!(setting("databases=many").is_err());
/// ```
pub fn setting(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("a setting is NAME=VALUE")?;
    match Settings::default().set(name, value) {
        Ok(()) => Ok((name.to_owned(), value.to_owned())),
        Err(redis_persistence::servers::SettingError::UnknownName(name)) => {
            let known = Settings::NAMES.join(", ");
            Err(format!(
                "{} decides nothing here: the settings that do are {known}",
                crate::escape::quoted(name.as_bytes())
            ))
        }
        Err(error) => Err(error.to_string()),
    }
}

/// The servers that files are judged for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Servers {
    targets: Vec<Release>,
    settings: Settings,
    /// What there is to know about the configuration file.
    pub notes: Vec<ConfNote>,
}

/// A configuration file that is larger is none.
const CONF: u64 = 4 << 20;

impl Servers {
    /// Returns the servers asked for, each once, in that order, with the settings of a configuration file and those given
    /// beside. `functions` runs code.
    ///
    /// # Errors
    /// If the configuration file cannot be read, or is too large to be one.
    pub fn new(
        asked: &[Asked],
        conf: Option<&Path>,
        set: &[(String, String)],
        functions: Option<Prover>,
    ) -> io::Result<Self> {
        let mut targets: Vec<Release> = Vec::new();
        for target in asked.iter().flat_map(|asked| asked.targets()) {
            if !targets.contains(&target) {
                targets.push(target);
            }
        }
        let (mut settings, mut notes) = match conf {
            Some(path) => Settings::from_conf(&read(path)?),
            None => Default::default(),
        };
        for (name, value) in set {
            settings.set(name, value).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        }
        if let (Some(conf), Some(file)) = (conf, settings.aclfile.clone()) {
            notes.extend(users(conf, &file, &mut settings));
        }
        settings.functions = functions;
        Ok(Self { targets, settings, notes })
    }

    /// Returns what each of them would do with a file.
    #[must_use]
    pub fn judge(&self, report: &Report) -> Vec<Loads> {
        self.targets.iter().map(|target| judge(report, *target, &self.settings)).collect()
    }

    /// Returns what a file has to be for each of them.
    #[must_use]
    pub fn dialects(&self) -> Vec<Dialect> {
        self.targets.iter().map(|target| target.dialect(&self.settings)).collect()
    }

    /// Returns whether none was asked for.
    #[must_use]
    pub fn judges_none(&self) -> bool {
        self.targets.is_empty()
    }

    /// Returns whether their configuration switches append-only files on; `None` where it does not say.
    #[must_use]
    pub fn appendonly(&self) -> Option<bool> {
        self.settings.appendonly
    }

    /// Returns the names that their configuration gives to files.
    #[must_use]
    pub fn layout(&self) -> Layout {
        self.settings.layout()
    }

    /// Returns the commands that their configuration gives them beside their own.
    #[must_use]
    pub fn commands(&self) -> Extra {
        self.settings.commands()
    }

    /// Returns how they present themselves to the code of functions, those that have functions.
    #[must_use]
    pub fn apis(&self) -> Vec<Api> {
        self.targets.iter().filter(|target| target.series().knows_functions()).map(|target| target.api()).collect()
    }

    /// Returns the family that a file has to be of, if one of them does not read both.
    #[must_use]
    pub fn family(&self) -> Option<Family> {
        self.targets.iter().any(|target| !target.series().reads_valkey()).then_some(Family::Redis)
    }
}

/// Reads the file of users that a configuration names: where it says, or beside it. Answers with what stands in the way.
fn users(conf: &Path, file: &str, settings: &mut Settings) -> Option<ConfNote> {
    let beside = conf.with_file_name(Path::new(file).file_name().unwrap_or_default());
    let text = read(Path::new(file)).or_else(|_| read(&beside));
    match text {
        Ok(text) => settings.users(&text).err(),
        Err(error) => {
            let mut note = ConfNote::default();
            note.message =
                format!("aclfile {file} is not read, so its users are not known: {}", console::reason(&error));
            Some(note)
        }
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    open::open(path)?.take(CONF + 1).read_to_end(&mut text)?;
    if text.len() as u64 > CONF {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is too large for a configuration file"));
    }
    Ok(text)
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(target) => target.fmt(f),
            Self::Newest => f.pad("newest"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_server_is_asked_once() -> io::Result<()> {
        let asked = ["newest", "valkey-9.1", "redis-7.0"].map(|name| name.parse().expect(name));
        let servers = Servers::new(&asked, None, &[], None)?;
        let names: Vec<_> = servers.targets.iter().map(ToString::to_string).collect();
        assert_eq!(names, ["redis-8.10", "valkey-9.1", "redis-7.0"]);
        Ok(())
    }

    #[test]
    fn what_is_set_outranks_the_file() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let conf = folder.path().join("redis.conf");
        std::fs::write(&conf, "databases 4\ncluster-enabled yes\ninclude other.conf\n")?;
        let servers = Servers::new(&[], Some(&conf), &[("databases".to_owned(), "8".to_owned())], None)?;
        assert_eq!((servers.settings.databases, servers.settings.cluster_enabled), (8, true));
        assert_eq!(servers.notes.len(), 1);
        Ok(())
    }

    #[test]
    fn what_is_no_setting_is_answered_with_those_that_are() {
        let error = setting("maxmemory=1gb").expect_err("no such setting");
        assert!(error.contains("databases, "), "{error}");
        assert!(setting("databases").is_err());
    }
}
