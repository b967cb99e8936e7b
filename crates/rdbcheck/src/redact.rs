//! Reports that leave the house: names and values that come from the data are replaced by hashes.
//!
//! It is done to what was found, before it is printed, so that no form of output can forget it. What stays: types, places,
//! counts, names of files, of module types and of commands, and the version of the writer.

use std::fmt::Write as _;

use redis_persistence::diagnose::Cause;
use redis_persistence::repair::rdb::salvage::Loss;
use redis_persistence::target::{Loads, Reason, Why};
use redis_persistence::verify::{Name, Report};
use sha2::{Digest as _, Sha256};

/// What stands for a key: `key#` and the first 64 bits of its SHA-256, in 16 hexadecimal digits. The same key has the
/// same stand-in in every report. Who can guess the name can confirm the guess.
///
/// # Examples
/// ```
/// assert_eq!(rdbcheck::redact::key(b"user:1"), "key#abc3a47b8ad18b85");
/// ```
#[must_use]
pub fn key(name: &[u8]) -> String {
    hashed("key#", name)
}

/// The same of all keys that a loss report names.
pub fn loss(loss: &mut Loss) {
    let damaged = loss.damaged.iter_mut().map(|key| &mut key.name);
    for name in damaged.chain(loss.partial.iter_mut().map(|key| &mut key.name)) {
        *name = key(name).into_bytes();
    }
}

fn hashed(lead: &str, bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().take(8).fold(lead.to_owned(), |mut out, byte| {
        // Writing to a String cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// A message in which everything between double quotes is replaced: there, and only there, messages hold bytes of the
/// data, escaped.
///
/// # Examples
/// ```
/// use rdbcheck::redact::text;
///
/// assert_eq!(text(r#"member "a\"b" twice"#), r#"member "text#e87f8dfc45aabab9" twice"#);
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

/// Where the quotes end.
fn closing(quoted: &str) -> Option<usize> {
    let mut escaped = false;
    quoted.bytes().position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    })
}

/// Replaces what comes from the data.
pub fn report(report: &mut Report) {
    for finding in &mut report.findings {
        if let Some(name) = &mut finding.key {
            *name = key(name).into_bytes();
        }
        finding.message = text(&finding.message);
        finding.hint = finding.hint.as_deref().map(text);
        finding.command = finding.command.as_deref().map(command);
    }
    if let Some(stats) = &mut report.stats {
        stats.largest.iter_mut().for_each(|large| large.key = key(&large.key).into_bytes());
        stats.prefixes.by_prefix.iter_mut().for_each(|(name, _)| *name = hashed("prefix#", name).into_bytes());
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
        *message = text(message);
        names(first);
        if *reason == Reason::Engine {
            first.iter_mut().for_each(|name| *name = Name::Text(hashed("text#", name.to_string().as_bytes())));
        }
    }
}

fn names(names: &mut [Name]) {
    for name in names {
        if let Name::Key { key: name, .. } = name {
            *name = key(name).into_bytes();
        }
    }
}

/// The name of a command; what no command is called may be an argument that damage brought there.
fn command(name: &str) -> String {
    let is_name = name.len() <= 40 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._|-".contains(&b));
    if is_name { name.to_owned() } else { hashed("text#", name.as_bytes()) }
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
        for (name, stays) in [("SET", true), ("JSON.SET", true), ("", true), ("my secret", false), ("\\x00", false)] {
            assert_eq!(command(name) == name, stays, "{name}");
        }
    }
}
