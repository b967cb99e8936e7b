//! What a server says it holds: the truth that a report on its files is compared with.

use std::collections::BTreeMap;
use std::io;

use crate::server::{Keyspace, Reply, Server};

/// What one database holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DatabaseCensus {
    /// Keys, and those of them that expire.
    pub keyspace: Keyspace,
    /// Keys of each type, by the name that the `TYPE` command gives it.
    pub types: BTreeMap<String, u64>,
}

/// What a server holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// The databases that are not empty.
    pub databases: BTreeMap<u32, DatabaseCensus>,
    /// Keys of each type and encoding, over all databases, by the names that `TYPE` and `OBJECT ENCODING` give them:
    /// of the encoding in memory, which a saved file need not share.
    pub encodings: BTreeMap<(String, String), u64>,
    /// Function libraries; 0 on servers without.
    pub functions: u64,
}

/// Counts what `server` holds, and leaves database 0 selected.
///
/// # Errors
///
/// When the server refuses a command or is gone, or answers in an unexpected form.
pub fn census(server: &mut Server) -> io::Result<Census> {
    let mut census = Census::default();
    for (database, keyspace) in server.databases()? {
        server.run(&["SELECT", &database.to_string()])?;
        let counts = census.databases.entry(database).or_default();
        counts.keyspace = keyspace;
        for key in keys(server)? {
            let kind = text(&server.run(&[b"TYPE", key.as_slice()])?)?;
            let encoding = text(&server.run(&[b"OBJECT", b"ENCODING".as_slice(), &key])?)?;
            *counts.types.entry(kind.clone()).or_default() += 1;
            *census.encodings.entry((kind, encoding)).or_default() += 1;
        }
    }
    if server.knows("FUNCTION")? {
        let libraries = server.run(&["FUNCTION", "LIST"])?;
        census.functions = libraries.array().ok_or_else(|| unexpected(&libraries))?.len() as u64;
    }
    server.run(&["SELECT", "0"])?;
    Ok(census)
}

/// The keys of the selected database. `KEYS` blocks a server, which matters to nobody here, and names each key once.
fn keys(server: &mut Server) -> io::Result<Vec<Vec<u8>>> {
    let reply = server.run(&["KEYS", "*"])?;
    let keys = reply.array().ok_or_else(|| unexpected(&reply))?;
    keys.iter().map(|key| key.bytes().map(<[u8]>::to_vec).ok_or_else(|| unexpected(key))).collect()
}

fn text(reply: &Reply) -> io::Result<String> {
    reply.text().map(str::to_owned).ok_or_else(|| unexpected(reply))
}

fn unexpected(reply: &Reply) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("an unexpected reply: {reply:?}"))
}
