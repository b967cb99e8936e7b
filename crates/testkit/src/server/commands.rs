//! What a server says of its commands: the replies to `COMMAND` and `COMMAND DOCS`.
//!
//! ```text
//! COMMAND        array of  [name, arity, [flag...], first key, last key, step, (7.0:) [category...], [tip...],
//!                           [key spec...], [subcommand, of this same shape...]]
//! COMMAND DOCS   name, [field, value...], name, ...     fields: since, history [[version, text]...], subcommands
//! ```

use std::collections::BTreeMap;
use std::io;

use super::{Reply, Server};

/// A command of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandEntry {
    /// How many arguments it takes, its name among them; at least so many if negative.
    pub arity: i64,
    /// Its flags, such as `write`.
    pub flags: Vec<String>,
    /// The version that brought it, as far as the server says so.
    pub since: Option<String>,
    /// Versions that changed it, with what they changed.
    pub history: Vec<(String, String)>,
}

impl Server {
    /// Every command by its name in lower case, a subcommand as `container|subcommand`.
    ///
    /// # Errors
    ///
    /// As [`Server::run`], and when the reply has another shape.
    pub fn commands(&mut self) -> io::Result<BTreeMap<String, CommandEntry>> {
        let mut commands = BTreeMap::new();
        let reply = self.run(&["COMMAND"])?;
        for entry in reply.array().unwrap_or_default() {
            add(entry, &mut commands).ok_or_else(|| io::Error::other(format!("COMMAND: {entry:?}")))?;
        }
        // Redis 6.2 has no documents, and says so.
        if let Reply::Array(documents) = self.command(&["COMMAND", "DOCS"])? {
            describe(&documents, &mut commands);
        }
        Ok(commands)
    }
}

fn add(entry: &Reply, commands: &mut BTreeMap<String, CommandEntry>) -> Option<()> {
    let fields = entry.array()?;
    let name = fields.first()?.text()?.to_ascii_lowercase();
    let flags = fields.get(2)?.array()?.iter().filter_map(Reply::text).map(str::to_owned).collect();
    let arity = fields.get(1)?.integer()?;
    commands.insert(name, CommandEntry { arity, flags, since: None, history: Vec::new() });
    fields.get(9).and_then(Reply::array).unwrap_or_default().iter().try_for_each(|entry| add(entry, commands))
}

fn describe(documents: &[Reply], commands: &mut BTreeMap<String, CommandEntry>) {
    for document in documents.chunks_exact(2) {
        let name = document[0].text().unwrap_or_default().to_ascii_lowercase();
        let fields = document[1].array().unwrap_or_default();
        let field = |wanted: &str| fields.chunks_exact(2).find(|f| f[0].text() == Some(wanted)).map(|f| &f[1]);
        if let Some(entry) = commands.get_mut(&name) {
            entry.since = field("since").and_then(Reply::text).map(str::to_owned);
            let history = field("history").and_then(Reply::array).unwrap_or_default();
            entry.history = history.iter().filter_map(change).collect();
        }
        describe(field("subcommands").and_then(Reply::array).unwrap_or_default(), commands);
    }
}

fn change(reply: &Reply) -> Option<(String, String)> {
    let [version, text] = reply.array()? else { return None };
    Some((version.text()?.to_owned(), text.text()?.to_owned()))
}
