//! `rdbcheck` on the directory of a server, and on an RDB that lies in one: there it matters whether a start reads it at all.

use std::io;
use std::path::Path;

use redis_persistence::aof::dir::{self, AofSet, Node, Tree as _};
use redis_persistence::verify::{self, Code, Finding, Options};

use crate::args::Common;
use crate::input::head_tail::Ends;
use crate::input::tree::WatchedDisk;
use crate::outcome::Entry;
use crate::progress::When;
use crate::seals;
use crate::servers::Servers;
use crate::stores;

/// Beside an RDB no larger set is read.
const SMALL: u64 = 64 << 20;

/// Checks a folder as `aofcheck` does: what a start reads, and what it leaves alone.
///
/// # Errors
/// If it is no directory of a server, or cannot be read.
pub fn folder(path: &Path, common: &Common, servers: &Servers, options: &Options) -> io::Result<Entry> {
    let mut tree = WatchedDisk::new(common.progress);
    let set = dir::find_as(&mut tree, path, &servers.layout())?;
    let options = Options { commands: servers.commands(), ..options.clone() };
    let report = verify::aof_set(&mut tree, &set, &options)?;
    let entry = Entry::new(path.to_owned(), Ok(report), common.demands()).diagnosed(&Ends::default()).judged(servers);
    let entry = entry.sealed(seals::of_set(path, &set, common.against.as_deref()), |seal| {
        seals::held(path, &set, seal, common.how(), common.threads)
    });
    Ok(Entry { set: Some(set), ..entry.redacted(common.redact) })
}

/// What is to be said of an RDB for the place where it lies.
#[derive(Debug, Default)]
pub struct Beside {
    /// That it holds more than the append-only files that are read in its place.
    finding: Option<Finding>,
    /// That it is not read.
    left_alone: bool,
}

/// Looks around an RDB that has the name under which a server keeps its own.
#[must_use]
pub fn beside(path: &Path, servers: &Servers, options: &Options) -> Beside {
    let layout = servers.layout();
    let name = layout.dbfilename.as_deref().unwrap_or("dump.rdb");
    if stores::is_web(path)
        || servers.appendonly() == Some(false)
        || path.file_name().is_none_or(|its| its.to_str() != Some(name))
    {
        return Beside::default();
    }
    let left_alone = servers.appendonly() == Some(true);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut tree = WatchedDisk::new(When::Never);
    if !matches!(tree.stat(folder), Ok(Some(Node::Directory))) {
        return Beside { finding: None, left_alone };
    }
    let found = dir::find_as(&mut tree, folder, &layout).ok().filter(|set| is_read(set) && size(set) <= SMALL);
    let report = found.and_then(|set| verify::aof_set(&mut tree, &set, options).ok());
    let mut findings = report.into_iter().flat_map(|report| report.findings);
    let finding = findings.find(|found| found.code == Code::AofDataNotRead && found.message.starts_with(name));
    Beside { finding, left_alone }
}

/// Returns whether there is more than the RDB.
fn is_read(set: &AofSet) -> bool {
    set.parts.iter().any(|part| part.size().is_some())
}

fn size(set: &AofSet) -> u64 {
    set.parts.iter().filter(|part| part.role.is_loaded()).filter_map(dir::Part::size).sum()
}

impl Beside {
    /// Adds it to what is said of the RDB.
    #[must_use]
    pub fn said_of(self, mut entry: Entry) -> Entry {
        if let (Some(finding), Ok(report)) = (self.finding, &mut entry.outcome) {
            report.findings_total += 1;
            *report.findings_by_code.entry(finding.code).or_default() += 1;
            report.findings.push(finding);
        }
        if self.left_alone {
            let answers = std::mem::take(&mut entry.loads).into_iter();
            let message =
                |target| format!("appendonly yes: {target} reads append-only files at its start, and not this RDB");
            entry.loads = answers
                .map(|answer| (message(answer.target), answer))
                .map(|(why, answer)| answer.left_alone(why))
                .collect();
        }
        entry
    }
}
