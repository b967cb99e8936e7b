//! Reading what a server has loaded, key by key: what it took in without a look can still end it then.

use std::io;

use super::{Reply, Server};

/// What became of reading all keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadVerdict {
    /// The server answered each time.
    Read {
        /// Keys that were there.
        keys: u64,
    },
    /// The server was gone, or did not answer.
    Died {
        /// The command that it did not survive.
        command: String,
    },
}

impl Server {
    /// Reads every key of every database in all the ways that its type has. Errors are answers too.
    #[must_use]
    pub fn read_all(&mut self) -> ReadVerdict {
        let mut last = "INFO".to_owned();
        match self.read_keys(&mut last) {
            Ok(keys) => ReadVerdict::Read { keys },
            Err(_) => ReadVerdict::Died { command: last },
        }
    }

    fn read_keys(&mut self, last: &mut String) -> io::Result<u64> {
        let mut keys = 0;
        for database in self.databases()?.into_keys() {
            for name in self.names(database)? {
                keys += 1;
                for command in reads(&name, &self.ask(&[b"TYPE", &name], last)?) {
                    let arguments: Vec<&[u8]> = command.iter().map(|part| &part[..]).collect();
                    self.ask(&arguments, last)?;
                }
            }
        }
        // A server that broke down behind its last answer does not give this one.
        self.ask(&[b"PING"], last)?;
        Ok(keys)
    }

    fn ask(&mut self, arguments: &[&[u8]], last: &mut String) -> io::Result<Reply> {
        *last = String::from_utf8_lossy(arguments.first().copied().unwrap_or_default()).into_owned();
        self.command(arguments)
    }
}

/// The commands that read a key of that type.
fn reads(name: &[u8], kind: &Reply) -> Vec<Vec<Vec<u8>>> {
    // In place of the key stands a dot: no other argument is one.
    let of_kind: &[&str] = match kind.text() {
        Some("string") => &["GET ."],
        Some("list") => &["LRANGE . 0 -1", "LINDEX . -1"],
        Some("set") => &["SMEMBERS .", "SRANDMEMBER . 3"],
        Some("zset") => &["ZRANGE . 0 -1 WITHSCORES", "ZREVRANGE . 0 -1", "ZRANGEBYSCORE . -inf +inf"],
        Some("hash") => &["HGETALL .", "HKEYS .", "HSCAN . 0", "HPEXPIRETIME . FIELDS 1 a"],
        Some("stream") => &["XRANGE . - +", "XREVRANGE . + -", "XINFO STREAM . FULL", "XINFO GROUPS ."],
        Some("vectorset") => &["VINFO .", "VCARD .", "VRANDMEMBER . 5", "VDIM ."],
        _ => &[],
    };
    ["OBJECT ENCODING .", "DUMP ."]
        .iter()
        .chain(of_kind)
        .map(|line| line.split(' ').map(|word| if word == "." { name.to_vec() } else { word.into() }).collect())
        .collect()
}
