//! Checks one RDB, and salvages it if that is asked for.

use std::fs::File;
use std::io;
use std::path::Path;

use redis_persistence::verify::Options;

use super::{around, read, salvage_rdb, target};
use crate::args::RdbCheck;
use crate::console::{reason, say};
use crate::input::open::SMALL;
use crate::outcome::{Entry, Show};
use crate::seals;
use crate::servers::Servers;
use crate::stores;

const TOOL: &str = "rdbcheck";

/// How to check.
pub(crate) struct How<'a> {
    pub(crate) args: &'a RdbCheck,
    pub(crate) options: Options,
    pub(crate) servers: Servers,
}

impl How<'_> {
    pub(crate) fn entry(&self, checked: read::Checked) -> (Entry, Option<File>) {
        let common = &self.args.common;
        let beside = around::beside(&checked.path, &self.servers, &self.options);
        let entry = Entry::new(checked.path, Ok(checked.report), common.demands());
        let entry = Entry { disguise: checked.disguise, cause: checked.cause, ..entry };
        let entry = entry
            .packed(checked.packing, checked.unpack, checked.damage)
            .diagnosed(&checked.ends)
            .judged(&self.servers);
        let entry = beside.said_of(entry);
        let path = entry.path.clone();
        let seal = seals::of(&path, common.against.as_deref());
        let entry = entry.sealed(seal, |seal| seals::rdb::held(&path, seal, common.how(), common.threads));
        (Entry { hex: checked.hex, ..entry }.redacted(common.redact), checked.file)
    }

    pub(crate) fn unreadable(&self, path: &Path, error: &io::Error) -> Entry {
        Entry::new(path.to_owned(), Err(reason(error)), self.args.common.demands())
    }
}

/// Checks an input on the calling thread alone, if it is a plain file of at most this many bytes.
pub(crate) fn alone(path: &Path, limit: u64, how: &How<'_>) -> Option<Entry> {
    // An object that is not small would be asked for twice.
    if path.is_dir() || limit <= SMALL && stores::is_remote(path) {
        return None;
    }
    match read::alone(path, limit, &how.options, how.args.common.wants_hex()).transpose()? {
        Ok(checked) => Some(how.entry(checked).0),
        Err(error) => Some(how.unreadable(path, &error)),
    }
}

/// Checks an input, and salvages it if that is asked for.
pub(crate) fn one(path: &Path, how: &How<'_>, show: &mut dyn Show) {
    let (args, common) = (how.args, &how.args.common);
    if args.salvage.salvage.as_deref().is_some_and(target::is_standard_output) {
        show.leave_standard_output();
    }
    let salvages = args.salvage.salvage.is_some();
    if !salvages && path.is_dir() {
        match around::folder(path, common, &how.servers, &how.options) {
            // It is the directory of no server.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            entry => {
                let entry = entry.unwrap_or_else(|error| how.unreadable(path, &error));
                return show.done(entry);
            }
        }
    }
    let mut kept = None;
    let mut found = 0;
    let read = read::rdb(path, &how.options, common.how(), (common.wants_hex(), salvages), |one| {
        let (entry, file) = how.entry(one);
        found += 1;
        if !salvages {
            show.done(entry);
            return;
        }
        show.checked(&entry);
        if found == 1 {
            kept = Some((entry, file));
        } else {
            show.take(Entry { outcome: Err("not salvaged".to_owned()), ..entry });
        }
    });
    match kept {
        Some((entry, _)) if found > 1 => {
            let why = "it holds several RDB files; --salvage takes one: unpack that first";
            say(TOOL, &format!("{}: {why}", path.display()));
            show.take(Entry { outcome: Err("not salvaged".to_owned()), ..entry });
        }
        Some((entry, file)) => {
            let so = (common, &how.servers);
            let entry = salvage_rdb::run(TOOL, &args.salvage, so, (path, file), entry, show);
            show.take(entry);
        }
        None => {}
    }
    if let Err(error) = read {
        show.done(how.unreadable(path, &error));
    }
}
