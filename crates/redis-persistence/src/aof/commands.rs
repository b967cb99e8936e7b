//! The commands that servers know, by version: what a loading server looks up before it runs a record.
//!
//! ```text
//! commands.tsv   name TAB arity TAB w|- TAB versions of Redis TAB versions of Valkey
//! versions       "7.0+" from there on | "5.0-6.2" those | "-" none
//! ```
//!
//! An arity counts the name; a negative one is the least number of arguments. A subcommand stands as `XGROUP|CREATE`. A
//! command whose arity changed has a row for each.
//!
//! What a loading server looks at: the name (6.2 and before), the name and the subcommand (7.0 on), and the arity too
//! (Valkey 8.1 on). Flags such as `noscript` or `blocking` it does not look at, so the table keeps only whether a command
//! writes.
//!
//! The table is made from the replies of real servers by the example `command_table` of testkit; which ones, its first line
//! says. The versions between those are derived from the servers' own documents, those after them are taken from published
//! ones.

use std::sync::OnceLock;

use crate::rdb::Family;

const TABLE: &str = include_str!("commands.tsv");

/// Major and minor version.
pub type Version = (u32, u32);

/// A row of the table: a command as some versions know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CommandSpec {
    /// Its name in upper case; a subcommand behind its container and a bar.
    pub name: &'static str,
    /// How many arguments it takes, its name among them; at least so many if negative.
    pub arity: i32,
    /// Whether it writes.
    pub writes: bool,
    /// The versions of Redis that know it so.
    pub redis: Option<Versions>,
    /// The versions of Valkey that know it so.
    pub valkey: Option<Versions>,
}

/// A range of versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Versions {
    /// The first.
    pub first: Version,
    /// The last; none if the newest that is known here is among them.
    pub last: Option<Version>,
}

impl Versions {
    /// Returns whether a version is among them.
    pub(crate) fn contain(&self, version: Version) -> bool {
        self.first <= version && self.last.is_none_or(|last| version <= last)
    }
}

/// How an argument count fits an arity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fit {
    /// It does.
    Fits,
    /// There are too few.
    TooFew,
    /// There are too many.
    TooMany,
}

impl CommandSpec {
    /// Returns whether the newest server of a family knows it so; of any family, if none is given.
    pub(crate) fn is_current(&self, family: Option<Family>) -> bool {
        let newest = |versions: Option<Versions>| versions.is_some_and(|versions| versions.last.is_none());
        match family {
            Some(Family::Redis) => newest(self.redis),
            Some(Family::Valkey) => newest(self.valkey),
            None => newest(self.redis) || newest(self.valkey),
        }
    }

    /// Returns how so many arguments fit, the name among them.
    #[must_use]
    pub fn fit(&self, args: u64) -> Fit {
        let arity = u64::from(self.arity.unsigned_abs());
        if args < arity {
            Fit::TooFew
        } else if args > arity && self.arity > 0 {
            Fit::TooMany
        } else {
            Fit::Fits
        }
    }
}

/// Returns every row, by name.
#[must_use]
pub fn all() -> &'static [CommandSpec] {
    static ROWS: OnceLock<Vec<CommandSpec>> = OnceLock::new();
    ROWS.get_or_init(|| TABLE.lines().filter_map(row).collect())
}

/// Returns the rows of a command, by its name in upper case; none for a name that no server knows.
///
/// # Examples
/// ```
/// use redis_persistence::aof::commands::{Fit, named};
///
/// let [spec] = named(b"XGROUP|CREATE") else { unreachable!() };
/// assert_eq!(spec.fit(3), Fit::TooFew);
/// assert!(named(b"JSON.SET").is_empty());
/// ```
#[must_use]
pub fn named(name: &[u8]) -> &'static [CommandSpec] {
    let rows = all();
    let from = rows.partition_point(|row| row.name.as_bytes() < name);
    let rows = &rows[from..];
    &rows[..rows.iter().take_while(|row| row.name.as_bytes() == name).count()]
}

/// Returns whether some server looks for subcommands of that command.
#[must_use]
pub fn is_container(name: &[u8]) -> bool {
    let rows = all();
    let before = |row: &CommandSpec| row.name.as_bytes().iter().lt(name.iter().chain(b"|"));
    let after = rows.get(rows.partition_point(before)).map(|row| row.name.as_bytes());
    after.and_then(|row| row.strip_prefix(name)).is_some_and(|rest| rest.starts_with(b"|"))
}

fn row(line: &'static str) -> Option<CommandSpec> {
    let mut fields = line.split('\t');
    let name = fields.next().filter(|name| !name.starts_with('#'))?;
    let arity = fields.next()?.parse().ok()?;
    let writes = fields.next()? == "w";
    let (redis, valkey) = (versions(fields.next()?)?, versions(fields.next()?)?);
    Some(CommandSpec { name, arity, writes, redis, valkey })
}

/// The outer option is for a text that cannot be read.
#[expect(clippy::option_option, reason = "no versions are as good as some")]
fn versions(text: &str) -> Option<Option<Versions>> {
    let version = |text: &str| {
        let (major, minor) = text.split_once('.')?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    };
    if text == "-" {
        return Some(None);
    }
    if let Some(first) = text.strip_suffix('+') {
        return Some(Some(Versions { first: version(first)?, last: None }));
    }
    let (first, last) = text.split_once('-')?;
    Some(Some(Versions { first: version(first)?, last: Some(version(last)?) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_read_and_the_names_are_in_order() {
        let lines = TABLE.lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(all().len(), lines);
        assert!(lines > 400);
        assert!(all().is_sorted_by_key(|row| row.name));
        for row in all() {
            assert!(row.redis.is_some() || row.valkey.is_some(), "{row:?}");
            assert!(row.arity != 0 && row.name == row.name.to_ascii_uppercase(), "{row:?}");
            let container = row.name.split_once('|').map(|(container, _)| container);
            assert!(container.is_none_or(|name| !named(name.as_bytes()).is_empty()), "{row:?}");
        }
    }

    #[test]
    fn no_version_knows_a_command_twice() {
        for pair in all().windows(2).filter(|pair| pair[0].name == pair[1].name) {
            for versions in [[pair[0].redis, pair[1].redis], [pair[0].valkey, pair[1].valkey]] {
                if let [Some(a), Some(b)] = versions {
                    assert!(!a.contain(b.first) && !b.contain(a.first), "{pair:?}");
                }
            }
        }
    }

    #[test]
    fn names_and_arguments() {
        for container in [&b"XGROUP"[..], b"CONFIG", b"SCRIPT", b"FUNCTION"] {
            assert!(is_container(container), "{}", container.escape_ascii());
        }
        for plain in [&b"SET"[..], b"", b"XGROU", b"ZZZ", b"XGROUP|CREATE"] {
            assert!(!is_container(plain), "{}", plain.escape_ascii());
        }
        let [new, old] = named(b"EXPIRE") else { panic!("{:?}", named(b"EXPIRE")) };
        assert_eq!((new.fit(2), new.fit(3), new.fit(4)), (Fit::TooFew, Fit::Fits, Fit::Fits));
        assert_eq!((old.fit(2), old.fit(3), old.fit(4)), (Fit::TooFew, Fit::Fits, Fit::TooMany));
        assert!(old.redis.is_some_and(|versions| versions.contain((6, 2)) && !versions.contain((7, 0))));
    }
}
