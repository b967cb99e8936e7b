//! The arguments that both verbs have, and what follows from them.

use std::path::{Path, PathBuf};

use clap::Args;
use redis_persistence::repair::Existing;
use redis_persistence::rewrite::{Dialect, Kind};
use redis_persistence::servers::Release;

use super::check::{Stop, prover};
use crate::console::{reason, say};
use crate::run::target::to_stream;
use crate::servers::{Asked, Servers, setting};
use crate::shell;

/// The server, and what is left out for it.
#[derive(Debug, Args)]
pub(in crate::verbs) struct ForServer {
    /// The server that has to load OUT, such as redis-6.2 or valkey-newest
    #[arg(long = "for", value_name = "SERVER")]
    pub(in crate::verbs) server: Release,
    /// A setting of that server, such as databases=32
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting)]
    settings: Vec<(String, String)>,
    /// The configuration file of that server
    #[arg(long, value_name = "FILE")]
    conf: Option<PathBuf>,
    #[arg(long, value_name = "KIND", value_delimiter = ',', help = format!("Leave out: {}", Kind::NAMES.join(", ")))]
    pub(in crate::verbs) without: Vec<Kind>,
}

impl ForServer {
    /// Returns the server with its settings, and what it takes. Tells what of its configuration was not understood.
    pub(in crate::verbs) fn servers(&self, tool: &str) -> Result<(Servers, Dialect), Stop> {
        let servers = Servers::new(&[Asked::One(self.server)], self.conf.as_deref(), &self.settings, prover())
            .map_err(|error| Stop::unreadable(reason(&error)))?;
        let conf = self.conf.as_deref().map(shell::word).unwrap_or_default();
        for note in &servers.notes {
            say(tool, &format!("{conf}: line {}: {}", note.line, note.message));
        }
        let dialect = servers.dialects().pop().ok_or_else(|| Stop::unreadable("no server"))?;
        Ok((servers, dialect))
    }
}

/// What is written, and what is said of it.
#[derive(Debug, Args)]
pub(in crate::verbs) struct Output {
    /// Write commands for a live server instead; OUT may be a pipe then, and - is standard output
    #[arg(long)]
    pub(in crate::verbs) resp: bool,
    /// Replace OUT if it exists and is a file
    #[arg(long)]
    pub(in crate::verbs) force: bool,
    /// Print one JSON document
    #[arg(long, conflicts_with = "quiet")]
    pub(in crate::verbs) json: bool,
    /// Print nothing but errors
    #[arg(short, long)]
    pub(in crate::verbs) quiet: bool,
}

impl Output {
    pub(in crate::verbs) fn existing(&self) -> Existing {
        if self.force { Existing::Replace } else { Existing::Keep }
    }

    /// Returns whether OUT is written to as it is, from its start to its end.
    pub(in crate::verbs) fn is_stream(&self, out: &Path) -> bool {
        to_stream(out, self.resp)
    }
}
