//! Checks what lies under one path, an append-only file or a set of them; and repairs or salvages it if that is asked for.

use std::io;
use std::path::Path;

use redis_persistence::aof::dir::Opened;
use redis_persistence::aof::dir::{self, AofSet, Node, Tree};
use redis_persistence::diagnose::Cause;
use redis_persistence::repair::aof::{Way, ways};
use redis_persistence::verify::{self, Finding, Kind, Options, Report, Verdict};

use super::disguised;
#[cfg(unix)]
use super::fix::Fix;
#[cfg(unix)]
use super::salvage_aof;
use crate::args::{AofCheck, Format};
use crate::console::{reason, say};
use crate::input::head_tail::Ends;
use crate::input::hex;
use crate::input::laid::{self, Laid};
use crate::input::open::{self, is_stream};
use crate::input::packed_input::{self, Stored};
use crate::input::tree::WatchedDisk;
use crate::outcome::{Entry, Show, Timeline, Unpack};
use crate::progress::When;
use crate::seals::{self, NoSeal};
use crate::servers::Servers;
use crate::stores;
use crate::unpack::Packing;

const TOOL: &str = "aofcheck";

/// How to check.
pub(crate) struct How<'a> {
    pub(crate) args: &'a AofCheck,
    pub(crate) options: Options,
    pub(crate) servers: Servers,
}

impl How<'_> {
    pub(crate) fn unreadable(&self, path: &Path, error: &io::Error) -> Entry {
        Entry::new(path.to_owned(), Err(reason(error)), self.args.common.demands())
    }
}

/// Checks what lies under a path on the calling thread alone and without progress, if it is a plain file, or a set of them, of at
/// most so many bytes.
pub(crate) fn alone(path: &Path, limit: u64, how: &How<'_>) -> Option<Entry> {
    // An object that is not small would be asked for twice.
    if is_stream(path) || limit <= open::SMALL && stores::is_remote(path) {
        return None;
    }
    small(path, limit, how).unwrap_or_else(|error| Some(how.unreadable(path, &error)))
}

fn small(path: &Path, limit: u64, how: &How<'_>) -> io::Result<Option<Entry>> {
    let mut tree = WatchedDisk::new(When::Never);
    // What is no file is for the check to say.
    if open::is_file(path) {
        let mut input = open::open(path)?;
        if input.size.is_none_or(|size| size > limit) || !packed_input::is_plain(&input.head(packed_input::HEAD)?) {
            return Ok(None);
        }
        tree.keep(path, input);
    }
    let set = dir::find_as(&mut tree, path, &how.servers.layout())?;
    let sizes = set.parts.iter().map(|part| if let Some(Node::File(size)) = part.node { size } else { 0 });
    if sizes.sum::<u64>() > limit {
        return Ok(None);
    }
    entry(path, &mut tree, set, how, Around::default()).map(Some)
}

/// Checks what lies under a path, and repairs it if that is asked for.
#[cfg(unix)]
pub(crate) fn one(path: &Path, how: &How<'_>, show: &mut dyn Show) {
    let args = how.args;
    if stores::is_remote(path) && args.plans() && args.salvage.salvage.is_none() {
        return show.done(how.unreadable(path, &stores::no_file()));
    }
    if args.salvage.salvage.is_some() {
        let laid = match laid::down(path, args.common.how()) {
            Ok(None) if stores::is_remote(path) => laid_of_store(path, how).map(Some),
            laid => laid,
        };
        match laid {
            Ok(None) => {}
            Ok(Some(laid)) => return salvage_laid(path, &laid, how, show),
            Err(error) => return show.done(how.unreadable(path, &error)),
        }
    }
    if let Some(inside) = inside(path, how, &mut |entry| show.done(entry)) {
        if let Err(error) = inside {
            show.done(how.unreadable(path, &error));
        }
        return;
    }
    let entry = check(path, how);
    if !args.plans() {
        return show.done(entry);
    }
    if args.salvage.salvage.is_some() {
        return match as_they_were(path, &entry, how) {
            Ok(None) => salvage(path, entry, how, show),
            Ok(Some(laid)) => salvage_laid(path, &laid, how, show),
            Err(error) => show.done(how.unreadable(path, &error)),
        };
    }
    show.checked(&entry);
    let fix = Fix { tool: TOOL, args, path, show };
    let entry = fix.run(entry, || check(path, how));
    show.take(entry);
}

/// Returns the files of a set in a store, laid down for a salvage.
#[cfg(unix)]
fn laid_of_store(path: &Path, how: &How<'_>) -> io::Result<Laid> {
    let mut tree = WatchedDisk::new(how.args.common.progress);
    let set = dir::find_as(&mut tree, path, &how.servers.layout())?;
    laid::as_they_were(&mut tree, path, &set, |_| None::<io::Result<io::Empty>>)
}

/// Returns the files of a set with those in disguise as they were, laid down for a salvage.
fn as_they_were(path: &Path, entry: &Entry, how: &How<'_>) -> io::Result<Option<Laid>> {
    let (Ok(report), Some(set), true) = (&entry.outcome, &entry.set, entry.disguise.is_some()) else { return Ok(None) };
    let mut tree = WatchedDisk::new(how.args.common.progress);
    let found = disguised::find(&mut tree, set, report, &how.options, true)?;
    disguised::laid_down(&mut tree, path, set, &found).map(Some)
}

#[cfg(unix)]
fn salvage(path: &Path, entry: Entry, how: &How<'_>, show: &mut dyn Show) {
    show.checked(&entry);
    let entry = salvage_aof::run(TOOL, how.args, &how.servers, path, entry, show);
    show.take(entry);
}

/// Salvages what was laid down for that.
#[cfg(unix)]
fn salvage_laid(path: &Path, laid: &Laid, how: &How<'_>, show: &mut dyn Show) {
    if let Some(why) = laid.warning.filter(|_| laid.damage.is_none()) {
        say(TOOL, &format!("{}: {why}", path.display()));
    }
    let mut tree = WatchedDisk::new(how.args.common.progress);
    let around = Around { packing: laid.packing, unpack: None, damage: laid.damage.clone(), packed: true };
    let set = dir::find_as(&mut tree, &laid.path(), &how.servers.layout());
    let entry = set.and_then(|set| entry(path, &mut tree, set, how, around));
    salvage(path, entry.unwrap_or_else(|error| how.unreadable(path, &error)), how, show);
}

fn check(path: &Path, how: &How<'_>) -> Entry {
    let mut tree = WatchedDisk::new(how.args.common.progress);
    let set = dir::find_as(&mut tree, path, &how.servers.layout());
    let entry = set.and_then(|set| entry(path, &mut tree, set, how, Around::default()));
    entry.unwrap_or_else(|error| how.unreadable(path, &error))
}

/// Checks a set that lies in a tree.
pub(crate) fn entry<T: Tree>(path: &Path, tree: &mut T, set: AofSet, how: &How<'_>, around: Around) -> io::Result<Entry>
where
    T::File: Send,
{
    let How { args, options, servers } = how;
    let Around { packing, unpack, damage, packed } = around;
    let report = verify::aof_set(tree, &set, options)?;
    let timeline = if args.timeline || args.common.format() == Format::Html {
        Some(Timeline::of(tree, &set, &report, options)?)
    } else {
        None
    };
    let ends = ends(tree, &set, &report)?;
    let hex = hex::of(&report, args.common.wants_hex(), |found, at, len| read(tree, &set, found, at, len))?;
    let disguised = disguised::find(tree, &set, &report, options, !packed)?.into_iter().next();
    let entry = Entry::new(path.to_owned(), Ok(report), args.common.demands()).packed(packing, unpack, damage);
    let (file, disguise) = disguised.map(|found| (found.name, found.disguise)).unzip();
    let is_disguised = disguise.is_some();
    let ways = |report: &Report, cause: Option<&Cause>| {
        if is_disguised { None } else { tried(how, &set, report, cause, packed) }
    };
    let mut entry = Entry { disguise, ..entry }.diagnosed_with(&ends, ways).judged(servers);
    if !args.plans() {
        let common = &args.common;
        entry = entry.sealed(seals::of_set(path, &set, common.against.as_deref()), |seal| match packed {
            true => Err(NoSeal::Io(io::Error::other("what is packed is sealed as an RDB alone: unpack it first"))),
            false => seals::held(path, &set, seal, common.how(), common.threads),
        });
    }
    if let Some(cause) = entry.cause.as_mut().filter(|_| is_disguised && set.parts.len() > 1) {
        cause.file = file;
    }
    if args.plans() {
        // The plan that follows is the advice.
        entry.advice.clear();
    }
    Ok(Entry { set: Some(set), timeline, hex, ..entry }.redacted(args.common.redact))
}

/// What a set lies in.
#[derive(Default)]
pub(crate) struct Around {
    pub(crate) packing: Option<Packing>,
    /// How to get at it.
    pub(crate) unpack: Option<Unpack>,
    /// What is wrong with it.
    pub(crate) damage: Option<String>,
    /// Whether it is no set of files on disk, so that nothing can be repaired.
    pub(crate) packed: bool,
}

/// Returns what helps with damaged files, tried on them. They are read again for that, so it is left out where nobody would
/// be told.
fn tried(how: &How<'_>, set: &AofSet, report: &Report, cause: Option<&Cause>, packed: bool) -> Option<Vec<Way>> {
    let told = how.args.common.format() == Format::Text && !how.args.common.quiet;
    let named = cause.is_some_and(|cause| cause.command.is_some());
    let wanted = report.verdict == Verdict::Damaged
        && !packed
        && !stores::is_remote(&set.root)
        && !how.args.plans()
        && (told || named);
    wanted.then(|| ways(set).ok()).flatten()
}

/// The ends of a single file; a set has none.
fn ends<T: Tree>(tree: &mut T, set: &AofSet, report: &Report) -> io::Result<Ends> {
    let [part] = &set.parts[..] else { return Ok(Ends::default()) };
    if report.kind != Kind::Aof {
        return Ok(Ends::default());
    }
    match tree.open(&part.path)? {
        Opened::File { file, .. } => Ends::of(file, 0),
        Opened::Directory => Ok(Ends::default()),
    }
}

/// Checks what lies in a tar, a packed file, or standard input; answers with nothing if the path is none of these.
fn inside(path: &Path, how: &How<'_>, each: &mut dyn FnMut(Entry)) -> Option<io::Result<()>> {
    let is_stream = is_stream(path);
    // What is no file is for the check to say.
    if !is_stream && !open::is_file(path) {
        return None;
    }
    match packed_input::open(path, how.args.common.how()) {
        Ok(stored) if !stored.is_tar && stored.packing.is_none() && !is_stream && stored.seekable => None,
        Ok(_) if how.args.plans() => {
            let why = "only files on disk are repaired: unpack it, and repair what comes of it";
            Some(Err(io::Error::new(io::ErrorKind::Unsupported, why)))
        }
        Ok(stored) if stored.is_tar => Some(members(path, stored, how, each)),
        Ok(stored) => Some(only_member(path, stored, how).map(each)),
        Err(error) => Some(Err(error)),
    }
}

fn members(path: &Path, stored: Stored, how: &How<'_>, each: &mut dyn FnMut(Entry)) -> io::Result<()> {
    let (packing, unpacking) = (stored.packing, stored.damage.clone());
    let mut archive = stored.members()?;
    let damage = archive.is_damaged(unpacking.get());
    if let Some(why) = archive.warning().filter(|_| damage.is_none()) {
        say(TOOL, &format!("{}: {why}", path.display()));
    }
    let mut sets = archive.sets()?.into_iter().peekable();
    if sets.peek().is_none() {
        let why = "a tar without an append-only file (rdbcheck looks for RDBs)".to_owned();
        let why = damage.map_or(why.clone(), |damage| format!("{why}; {damage}"));
        return Err(io::Error::new(io::ErrorKind::NotFound, why));
    }
    while let Some((member, set)) = sets.next() {
        // What is missing behind the last one belongs to no other.
        let damage = if sets.peek().is_none() { damage.clone() } else { None };
        let unpack = Some(Unpack::member(path, packing, archive.stored_name(&member).as_deref(), &member));
        let around = Around { packing, unpack, damage, packed: true };
        each(entry(&packed_input::member_path(path, &member), &mut archive, set, how, around)?);
    }
    Ok(())
}

fn only_member(path: &Path, stored: Stored, how: &How<'_>) -> io::Result<Entry> {
    let (packing, damage) = (stored.packing, stored.damage.clone());
    // As a file of that name it would be the whole content of its folder.
    let name = Path::new(path.file_name().unwrap_or(path.as_os_str()));
    let mut archive = stored.only_member(name)?;
    let set = dir::find(&mut archive, name)?;
    let unpack = packing.map(|packing| Unpack::stream(path, packing));
    entry(path, &mut archive, set, how, Around { packing, unpack, damage: damage.get().cloned(), packed: true })
}

/// Bytes of the file that a finding lies in.
fn read<T: Tree>(tree: &mut T, set: &AofSet, found: &Finding, at: u64, len: usize) -> io::Result<Vec<u8>> {
    let is_its = |name: &[u8]| found.file.as_ref().is_none_or(|file| *file == name.escape_ascii().to_string());
    let Some(part) = set.parts.iter().find(|part| is_its(&part.name)) else { return Ok(Vec::new()) };
    match tree.stat(&part.path)? {
        Some(Node::File(_)) => match tree.open(&part.path)? {
            Opened::File { file, .. } => hex::read(file, at, len),
            Opened::Directory => Ok(Vec::new()),
        },
        _ => Ok(Vec::new()),
    }
}
