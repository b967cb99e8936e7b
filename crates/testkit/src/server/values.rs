//! What the keys of a running server hold, so that two servers, or a file and its repair, can be compared.

use std::io;

use super::{Reply, Server};
use crate::replay::Contents;

impl Server {
    /// All keys of all databases with what they hold, as [`Server::elements`] gives it.
    ///
    /// # Errors
    ///
    /// As [`Server::run`].
    pub fn contents(&mut self) -> io::Result<Contents> {
        let mut contents = Contents::new();
        for number in self.databases()?.into_keys() {
            for name in self.names(number)? {
                let elements = self.elements(&name)?;
                contents.entry(number).or_default().insert(name, elements);
            }
        }
        Ok(contents)
    }

    /// The names of the keys in a database, in order; the database stays selected.
    ///
    /// # Errors
    ///
    /// As [`Server::run`].
    pub fn names(&mut self, database: u32) -> io::Result<Vec<Vec<u8>>> {
        self.run(&["SELECT", &database.to_string()])?;
        let mut names = strings(&self.run(&["KEYS", "*"])?);
        names.sort();
        Ok(names)
    }

    /// What a key of the selected database holds, in the order of the server, or sorted where that order means nothing: a string, the
    /// entries of a list or stream, members, `member = score`, `field = value` and, if the field expires, its time. Of other
    /// types nothing.
    ///
    /// # Errors
    ///
    /// As [`Server::run`].
    pub fn elements(&mut self, name: &[u8]) -> io::Result<Vec<Vec<u8>>> {
        let kind = self.run(&[b"TYPE", name])?;
        let rows = |reply: &Reply| -> Vec<(Vec<u8>, Vec<u8>)> {
            strings(reply).chunks_exact(2).map(|row| (row[0].clone(), row[1].clone())).collect()
        };
        let mut elements: Vec<Vec<u8>> = match kind.text() {
            Some("string") => self.run(&[b"GET", name])?.bytes().map(<[u8]>::to_vec).into_iter().collect(),
            Some("list") => strings(&self.run(&[b"LRANGE", name, b"0", b"-1"])?),
            Some("set") => strings(&self.run(&[b"SMEMBERS", name])?),
            Some("zset") => {
                let reply = self.run(&[&b"ZRANGE"[..], name, b"0", b"-1", b"WITHSCORES"])?;
                rows(&reply).iter().map(|(member, text)| row(member, score(text))).collect()
            }
            Some("hash") => {
                let reply = self.run(&[b"HGETALL", name])?;
                let mut held = rows(&reply);
                for (field, value) in &mut held {
                    // Servers before 7.4 do not know the command: their fields do not expire.
                    let reply = self.command(&[&b"HPEXPIRETIME"[..], name, b"FIELDS", b"1", field])?;
                    let time = reply.array().and_then(|times| times.first()?.integer()).filter(|time| *time > 0);
                    value.extend(time.map(|time| format!(" until {time}").into_bytes()).unwrap_or_default());
                }
                held.iter().map(|(field, value)| [field, &b" = "[..], value].concat()).collect()
            }
            Some("stream") => {
                let entries = self.run(&[b"XRANGE", name, b"-", b"+"])?;
                entries.array().unwrap_or_default().iter().map(|entry| format!("{entry:?}").into_bytes()).collect()
            }
            _ => Vec::new(),
        };
        if matches!(kind.text(), Some("set" | "hash")) {
            elements.sort();
        }
        Ok(elements)
    }
}

fn strings(reply: &Reply) -> Vec<Vec<u8>> {
    reply.array().unwrap_or_default().iter().filter_map(Reply::bytes).map(<[u8]>::to_vec).collect()
}

/// A member and its score, which servers spell in more than one way.
fn row(member: &[u8], score: f64) -> Vec<u8> {
    [member, format!(" = {score:?}").as_bytes()].concat()
}

fn score(text: &[u8]) -> f64 {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).unwrap_or(f64::NAN)
}
