//! Writes the table of commands that the library holds append-only files against.
//!
//! `cargo run -p testkit --example command_table > crates/redis-persistence/src/aof/commands.tsv`
//!
//! It starts every server that is installed (`.ci/servers`) and takes what each says of its commands. The versions between
//! and before those are derived: a command is in them from the version on that the servers' own documents name, with the
//! arity of the version below, unless their history says what changed when. What came after the newest server at hand is
//! read from `command_table/documented.tsv`.

use std::collections::BTreeMap;
use std::error::Error;

use testkit::server::{CommandEntry, Product, Server};

type Version = (u32, u32);
/// The commands of one server, by name in lower case.
type Commands = BTreeMap<String, CommandEntry>;

const REDIS: &[Version] =
    &[(5, 0), (6, 0), (6, 2), (7, 0), (7, 2), (7, 4), (8, 0), (8, 2), (8, 4), (8, 6), (8, 8), (8, 10)];
const VALKEY: &[Version] = &[(7, 2), (8, 0), (8, 1), (9, 0), (9, 1)];
/// From this version of Redis on, servers look up subcommands.
const SUBCOMMANDS: Version = (7, 0);
/// Commands that left before servers had documents of them, with the versions that brought them.
const GONE: [(&str, &str); 3] = [("stralgo", "6.0.0"), ("host:", "3.2.0"), ("post", "3.2.0")];
const DOCUMENTED: &str = include_str!("command_table/documented.tsv");

/// What a version makes of a command: its arity, and whether it writes.
type Cell = (i64, bool);

/// What is only documented: a name, its cell, and the first version.
type Documented = (String, Cell, Version);

/// The servers of one family.
struct Family<'a> {
    versions: &'a [Version],
    at_hand: BTreeMap<Version, Commands>,
    documented: Vec<Documented>,
}

fn version(text: &str) -> Version {
    let mut numbers = text.split('.').map(|number| number.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

fn cell(entry: &CommandEntry) -> Cell {
    (entry.arity, entry.flags.iter().any(|flag| flag == "write"))
}

impl Family<'_> {
    /// The newest server at hand that knows the command, asked for a fact.
    fn newest<'s, T>(&'s self, name: &str, fact: impl Fn(&'s CommandEntry) -> Option<T>) -> Option<T> {
        self.at_hand.values().rev().find_map(|commands| commands.get(name).and_then(&fact))
    }

    fn since(&self, name: &str) -> Version {
        let gone = || GONE.iter().find(|(gone, _)| *gone == name).map(|(_, since)| *since);
        version(self.newest(name, |entry| entry.since.as_deref()).or_else(gone).unwrap_or("0.0"))
    }

    /// Whether the arguments changed after one version, and with another one at the latest.
    fn changed(&self, name: &str, after: Version, until: Version) -> bool {
        let arguments = |text: &str| text.contains("argument") || text.contains("ption");
        let within = |change: &str| version(change) > after && version(change) <= until;
        self.newest(name, |entry| {
            entry.history.iter().find(|(change, text)| within(change) && arguments(text)).map(|_| ())
        })
        .is_some()
    }

    fn cell(&self, name: &str, at: Version) -> Option<Cell> {
        if let Some(commands) = self.at_hand.get(&at) {
            return commands.get(name).map(cell);
        }
        let below = self.at_hand.range(..at).next_back();
        let Some((_, above)) = self.at_hand.range(at..).next() else {
            let documented = self.documented.iter().rev().find(|(other, _, since)| other == name && *since <= at);
            return documented.map(|(_, cell, _)| *cell).or_else(|| below?.1.get(name).map(cell));
        };
        let above = cell(above.get(name).filter(|_| self.since(name) <= at)?);
        match below.and_then(|(version, commands)| Some((*version, cell(commands.get(name)?)))) {
            Some((version, below)) if below != above => {
                Some(if self.changed(name, version, at) { above } else { below })
            }
            _ => Some(above),
        }
    }

    /// The cells of a command, each with the versions that it is true of.
    fn spans(&self, name: &str, first: Version) -> Vec<(Cell, String)> {
        let mut spans: Vec<(Cell, Version, Version)> = Vec::new();
        for at in self.versions.iter().filter(|version| !name.contains('|') || **version >= first) {
            match (self.cell(name, *at), spans.last_mut()) {
                (Some(found), Some((cell, _, last))) if found == *cell && self.follows(*last, *at) => *last = *at,
                (Some(found), _) => spans.push((found, *at, *at)),
                (None, _) => {}
            }
        }
        let newest = self.versions.last();
        let text = |from: Version, to: Version| {
            let from = format!("{}.{}", from.0, from.1);
            if Some(&to) == newest { format!("{from}+") } else { format!("{from}-{}.{}", to.0, to.1) }
        };
        spans.into_iter().map(|(cell, from, to)| (cell, text(from, to))).collect()
    }

    fn follows(&self, last: Version, next: Version) -> bool {
        self.versions.windows(2).any(|pair| pair == [last, next])
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut redis = Family { versions: REDIS, at_hand: BTreeMap::new(), documented: documented()? };
    let mut valkey = Family { versions: VALKEY, at_hand: BTreeMap::new(), documented: Vec::new() };
    let mut measured = Vec::new();
    for product in Product::THOROUGH {
        let installed = product.find().ok_or_else(|| format!("{product} is not installed (run .ci/servers)"))?;
        let folder = std::env::temp_dir().join(format!("command-table-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let mut server = Server::start(&installed, &folder, &[])?;
        let info = server.info("server")?;
        let number = info.get("valkey_version").or(info.get("redis_version")).ok_or("no version")?;
        let family = if product == Product::Valkey91 { &mut valkey } else { &mut redis };
        family.at_hand.insert(version(number), server.commands()?);
        measured.push(format!("{} {number}", if product == Product::Valkey91 { "Valkey" } else { "Redis" }));
        server.kill()?;
        std::fs::remove_dir_all(&folder)?;
    }
    let mut names: Vec<_> = redis.at_hand.values().chain(valkey.at_hand.values()).flat_map(BTreeMap::keys).collect();
    names.extend(redis.documented.iter().map(|(name, _, _)| name));
    // As they are written: `_` comes after the capitals.
    names.sort_unstable_by_key(|name| name.to_ascii_uppercase());
    names.dedup();
    println!("# Made by the example command_table of testkit: see there. Measured: {}.", measured.join(", "));
    println!("# name, subcommands behind a bar; arity, at least so many arguments if negative; w if it writes;");
    println!("# the versions of Redis, and those of Valkey, that it is true of");
    for name in names {
        let mut rows: BTreeMap<Cell, [Vec<String>; 2]> = BTreeMap::new();
        for (column, family) in [&redis, &valkey].into_iter().enumerate() {
            for (cell, span) in family.spans(name, SUBCOMMANDS) {
                rows.entry(cell).or_default()[column].push(span);
            }
        }
        for ((arity, writes), spans) in rows {
            let rows = spans.iter().map(Vec::len).max().unwrap_or(0);
            for row in 0..rows {
                let [redis, valkey] = spans.each_ref().map(|spans| spans.get(row).map_or("-", String::as_str));
                let flag = if writes { "w" } else { "-" };
                println!("{}\t{arity}\t{flag}\t{redis}\t{valkey}", name.to_ascii_uppercase());
            }
        }
    }
    Ok(())
}

fn documented() -> Result<Vec<Documented>, Box<dyn Error>> {
    let rows = DOCUMENTED.lines().filter(|line| !line.starts_with('#'));
    rows.map(|row| match row.split('\t').collect::<Vec<_>>()[..] {
        [name, arity, flag, since] => Ok((name.to_ascii_lowercase(), (arity.parse()?, flag == "w"), version(since))),
        _ => Err(format!("documented.tsv: {row}").into()),
    })
    .collect()
}
