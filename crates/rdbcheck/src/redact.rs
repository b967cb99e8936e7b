//! Reports that leave the house: names and values that come from the data are replaced by hashes.
//!
//! It is done to what was found, before it is printed, so that no form of output can forget it. What stays: types, places,
//! counts, names of files, of module types and of commands, and the version of the writer.

use std::collections::hash_map::RandomState;
use std::fmt::Write as _;
use std::fs::File;
use std::hash::BuildHasher as _;
use std::io::Read as _;
use std::sync::OnceLock;

use redis_persistence::aof::commands;
use redis_persistence::diagnose::Cause;
use redis_persistence::repair::rdb::salvage::{LeftOutKind, Loss};
use redis_persistence::servers::{Loads, Reason, Why};
use redis_persistence::verify::{Finding, Name, Report};
use sha2::{Digest as _, Sha256};

/// Returns what stands for a key: `key#` and 64 bits of a hash in 16 hexadecimal digits, under a key that is random for
/// each run. The same name has the same stand-in within one run, and in no other: nobody can try names against it. Unless
/// the command line gave the key: then two reports can be compared, and it has to be one that nobody guesses.
///
/// # Examples
/// ```
/// use rdbcheck::redact::key;
///
/// assert_eq!(key(b"user:1"), key(b"user:1"));
/// assert_ne!(key(b"user:1"), key(b"user:2"));
/// ```
#[must_use]
pub fn key(name: &[u8]) -> String {
    hashed("key#", name)
}

static SECRET: OnceLock<Vec<u8>> = OnceLock::new();

/// Takes a text for the key of this run, before anything is hidden: then the same name has the same stand-in in all runs with it, and
/// whoever knows or guesses the text can try names.
pub(crate) fn use_key(text: &str) {
    // Of a fixed length, so that no text and name put together are another text and name.
    let secret = Sha256::digest(text.as_bytes()).to_vec();
    // A command has one.
    let _ = SECRET.set(secret);
}

/// Returns the key of this run: random, unless it was given.
fn secret() -> &'static [u8] {
    SECRET.get_or_init(|| {
        let mut secret = Vec::new();
        // Where the system gives no bytes, what seeds the maps of the standard library has to do, four times 64 bits of it.
        let random = File::open("/dev/urandom").and_then(|file| file.take(32).read_to_end(&mut secret));
        if random.ok() != Some(32) {
            secret.extend((0..4).flat_map(|_| RandomState::new().hash_one(0).to_le_bytes()));
        }
        secret
    })
}

/// The same of all keys that a loss report names.
pub fn loss(loss: &mut Loss) {
    let damaged = loss.damaged.iter_mut().map(|key| &mut key.name);
    // The names of module types stay.
    let left_out = loss.left_out.iter_mut().filter(|left| left.kind != LeftOutKind::ModuleData);
    let left_out = left_out.map(|left| &mut left.name);
    let doubtful = loss.doubtful.iter_mut().map(|key| &mut key.name);
    for name in damaged.chain(loss.partial.iter_mut().map(|key| &mut key.name)).chain(doubtful).chain(left_out) {
        *name = key(name).into_bytes();
    }
}

fn hashed(lead: &str, bytes: &[u8]) -> String {
    let hash = Sha256::new().chain_update(secret()).chain_update(bytes).finalize();
    hash.iter().take(8).fold(lead.to_owned(), |mut out, byte| {
        // Writing to a String cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// Returns a message in which everything between double quotes is replaced: there, and only there, messages hold bytes of the
/// data, escaped.
///
/// # Examples
/// ```
/// use rdbcheck::redact::text;
///
/// let shown = text(r#"member "a\"b" twice"#);
/// assert!(shown.starts_with(r#"member "text#"#) && shown.ends_with(r#"" twice"#) && !shown.contains(r#"a\"#));
/// assert_eq!(text("nothing to hide"), "nothing to hide");
/// ```
#[must_use]
pub fn text(message: &str) -> String {
    let mut out = String::with_capacity(message.len());
    let mut rest = message;
    while let Some(open) = rest.find('"') {
        let (before, quoted) = (&rest[..open], &rest[open + 1..]);
        let close = closing(quoted);
        let inside = &quoted[..close.unwrap_or(quoted.len())];
        let _ = write!(out, "{before}\"{}\"", hashed("text#", inside.as_bytes()));
        rest = close.map_or("", |close| &quoted[close + 1..]);
    }
    out.push_str(rest);
    out
}

/// Returns where the quotes end.
fn closing(quoted: &str) -> Option<usize> {
    let mut escaped = false;
    quoted.bytes().position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    })
}

/// The same in a finding.
pub fn finding(finding: &mut Finding) {
    if let Some(name) = &mut finding.key {
        *name = key(name).into_bytes();
    }
    finding.message = commands_in(&text(&finding.message));
    finding.hint = finding.hint.as_deref().map(text);
    finding.command = finding.command.as_deref().map(command);
}

/// Replaces what comes from the data.
pub fn report(report: &mut Report) {
    if let Some(format) = &mut report.format {
        format.writer = format.writer.as_deref().map(version);
    }
    report.findings.iter_mut().for_each(finding);
    if let Some(stats) = &mut report.stats {
        stats.largest.iter_mut().for_each(|large| large.key = key(&large.key).into_bytes());
        let prefixes = stats.prefixes.iter_mut().flat_map(|depth| &mut depth.by_prefix);
        prefixes.for_each(|(name, _)| *name = hashed("prefix#", name).into_bytes());
    }
    if let Some(facts) = &mut report.aof {
        let names = std::mem::take(&mut facts.commands_by_name);
        for (name, n) in names {
            *facts.commands_by_name.entry(command(&name)).or_default() += n;
        }
    }
}

/// The same in a cause.
pub fn cause(cause: &mut Cause) {
    cause.message = text(&cause.message);
    cause.evidence.iter_mut().for_each(|line| *line = text(line));
    names(&mut cause.keys);
}

/// The same in what a server would do.
pub fn loads(answer: &mut Loads) {
    for why in answer.because.iter_mut().chain(&mut answer.skips).chain(&mut answer.reading) {
        let Why { reason, first, message, .. } = why;
        *message = commands_in(&text(message));
        names(first);
        for name in first {
            if let Name::Text(shown) = name {
                *shown = match reason {
                    Reason::Engine => hashed("text#", shown.as_bytes()),
                    Reason::Command | Reason::Arity | Reason::Stop => at_its_place(shown),
                    // The types of modules stay; commands of modules are known to no table.
                    Reason::Module if shown.contains(" at ") => at_its_place(shown),
                    _ => text(shown),
                };
            }
        }
        // The one message that gives a name of the data without quotes.
        if let (Reason::Engine, Some(from), Some(to)) =
            (&*reason, message.find("engine"), message.find(" for functions"))
        {
            *message = format!(
                "{}engine {}{}",
                &message[..from],
                hashed("text#", &message.as_bytes()[from..to]),
                &message[to..]
            );
        }
    }
}

/// `NAME at byte 7`, with the name of a command.
fn at_its_place(shown: &str) -> String {
    let (name, place) = shown.rsplit_once(" at ").unwrap_or((shown, ""));
    if place.is_empty() { spoken(name) } else { format!("{} at {place}", spoken(name)) }
}

/// Returns a message in which the names of commands that no server has are replaced: they stand behind "the command",
/// without quotes.
fn commands_in(message: &str) -> String {
    const LEAD: &str = "the command ";
    let Some(at) = message.find(LEAD) else { return message.to_owned() };
    let (before, rest) = message.split_at(at + LEAD.len());
    // A name may hold the colon that ends it: then what follows goes with it.
    let end = rest.rfind(": ").unwrap_or(rest.len());
    format!("{before}{}{}", spoken(&rest[..end]), &rest[end..])
}

/// Returns the name of a command with that of its subcommand behind a blank.
fn spoken(name: &str) -> String {
    let shown = command(&name.replacen(' ', "|", 1));
    if shown.starts_with("text#") { shown } else { name.to_owned() }
}

fn names(names: &mut [Name]) {
    for name in names {
        if let Name::Key { key: name, .. } = name {
            *name = key(name).into_bytes();
        }
    }
}

/// Returns the name of a command that some server has, or that has subcommands; any other may be an argument that damage
/// brought there.
fn command(name: &str) -> String {
    let known = |name: &str| {
        let name = name.to_ascii_uppercase();
        !commands::named(name.as_bytes()).is_empty() || commands::is_container(name.as_bytes())
    };
    if known(name) { name.to_owned() } else { hashed("text#", name.as_bytes()) }
}

/// Returns the version of a server, if it is one: the field can hold anything.
fn version(text: &str) -> String {
    let digits = |part: &str| !part.is_empty() && part.len() <= 3 && part.bytes().all(|b| b.is_ascii_digit());
    let is_version = (2..=4).contains(&text.split('.').count()) && text.split('.').all(digits);
    if is_version { text.to_owned() } else { hashed("text#", text.as_bytes()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_quote_is_replaced_whatever_is_in_it() {
        let shown = text(r#"first "se\\" then "cr\"et" and an open "end"#);
        assert!(!shown.contains("se\\") && !shown.contains("cr") && !shown.contains("\"end"), "{shown}");
        assert_eq!(shown.matches("text#").count(), 3);
        assert_eq!(text("\"x\""), text("\"x\""));
    }

    #[test]
    fn names_of_commands_stay() {
        for (name, stays) in
            [("SET", true), ("set", true), ("mysecret", false), ("", false), ("my secret", false), ("\\x00", false)]
        {
            assert_eq!(command(name) == name, stays, "{name}");
        }
    }
}
