//! The commands without a file system, for a page in a browser or whoever else has files by their bytes alone: what a command line asks
//! of one file, or of a set of them, and the report as a document.
//!
//! ```text
//! arguments, files -> check   -> Answer                         as `rdbcheck` and `aofcheck`
//!                  -> salvage -> Answer, and OUT on a shelf     as `rdbcheck --salvage`
//! ```
//! Nothing here opens a file or asks for the time. A packed file is unpacked onto the shelf first, where it has to be read more than once.

mod given;

use std::io::{self, Read};
use std::num::NonZero;
use std::path::Path;

use clap::Parser;
use redis_persistence::ReadError;
use redis_persistence::aof::dir;
use redis_persistence::servers::Target;
use redis_persistence::verify::Options;

use crate::args::{AofCheck, Common, RdbCheck};
use crate::console::reason;
use crate::exit::Exit;
use crate::outcome::{Entry, Unpack};
use crate::render::{self, Form};
use crate::run::{aof, rdb, read, salvage_rdb};
use crate::servers::Servers;
use crate::unpack::{self, Packing};

use given::{Files, Reader};
pub use given::{Given, Shelf};

/// As much of a file as tells what it is.
const HEAD: usize = 512;

/// What is asked.
#[derive(Debug)]
pub struct Request<'a> {
    /// What would stand on the command line, without the name of the command and without files. `--now` has to be among it.
    pub arguments: &'a [String],
    /// What the files are called together: the one file, or the folder that they lie in.
    pub path: &'a Path,
    /// The files, by their paths.
    pub files: Vec<Given>,
    /// A random number: names that are made to collide are compared by a hash that it keys.
    pub seed: u64,
}

/// What came of it.
#[derive(Debug)]
pub struct Answer {
    /// The command that was asked.
    pub tool: &'static str,
    /// The report, in the form that was asked for.
    pub document: String,
    /// The exit code.
    pub exit: u8,
    /// That of each file of the report.
    pub exits: Vec<u8>,
    /// How many bytes of OUT are on the shelf, if a salvage wrote any.
    pub written: Option<u64>,
}

/// Checks a file or a set of files.
///
/// # Errors
/// If the arguments make no sense.
pub fn check(request: Request<'_>, shelf: &mut dyn Shelf) -> Result<Answer, String> {
    if request.files.iter().any(is_append_only) {
        let args: AofCheck = parsed(AOFCHECK, request.arguments, request.path)?;
        let servers = judges(&args.common)?;
        let options = Options { commands: servers.commands(), ..options(&args.common, request.seed) };
        let how = aof::How { args: &args, options, servers };
        let path = request.path;
        let entry = append_only(path, request.files, &how, shelf);
        let entry = entry.unwrap_or_else(|error| how.unreadable(path, &error));
        return answer(AOFCHECK, &args.common, vec![entry]);
    }
    let args: RdbCheck = parsed(RDBCHECK, request.arguments, request.path)?;
    let how = rdb_how(&args, request.seed)?;
    let entries = request.files.into_iter().map(|given| {
        let path = given.path.clone();
        let checked = one_rdb(&path, given, &how, shelf);
        checked.map_or_else(|error| how.unreadable(&path, &error), |(entry, _)| entry)
    });
    answer(RDBCHECK, &args.common, entries.collect())
}

/// Returns the servers that `--for` knows, by their names.
#[must_use]
pub fn servers() -> Vec<String> {
    let known = Target::ALL.iter().map(ToString::to_string);
    known.chain(["newest".to_owned()]).collect()
}

/// Returns the hashes by which a policy names the style and the script of a report.
#[must_use]
pub fn hashes() -> [String; 2] {
    render::page_hashes()
}

/// Salvages an RDB onto the shelf.
///
/// # Errors
/// If the arguments make no sense, or the file is no RDB.
pub fn salvage(request: Request<'_>, shelf: &mut dyn Shelf) -> Result<Answer, String> {
    let given = match &request.files[..] {
        [given] if !is_append_only(given) => given.clone(),
        _ => return Err("one RDB is salvaged here; for append-only files, use aofcheck --salvage".to_owned()),
    };
    let args: RdbCheck = parsed(RDBCHECK, request.arguments, request.path)?;
    let how = rdb_how(&args, request.seed)?;
    let (entry, file) = match one_rdb(request.path, given, &how, shelf) {
        Ok(found) => found,
        Err(error) => return answer(RDBCHECK, &args.common, vec![how.unreadable(request.path, &error)]),
    };
    let mut file = match &entry.disguise {
        Some(disguise) => {
            let stream = disguise.reader(&file).and_then(|stream| laid_down(stream, shelf));
            Reader::new(stream.map_err(|error| reason(&error))?)
        }
        None => file,
    };
    let so = (&args.common, &how.servers, &how.options);
    let entry = salvage_rdb::over(&args.salvage, so, &mut file, entry, &mut given::Laying(shelf));
    let written = entry.salvaged.as_ref().and_then(|salvaged| salvaged.written).map(|(bytes, _)| bytes);
    Ok(Answer { written, ..answer(RDBCHECK, &args.common, vec![entry])? })
}

pub(crate) const RDBCHECK: &str = "rdbcheck";
pub(crate) const AOFCHECK: &str = "aofcheck";

/// Returns whether a file is for `aofcheck`: by its name, or as records without a name that says so.
fn is_append_only(given: &Given) -> bool {
    // Who reads it later says why that fails.
    let head = || Reader::new(given.clone()).head(HEAD).unwrap_or_default();
    is_called_append_only(&given.path) || begins_with_commands(&head())
}

/// Returns whether a file has the name of an append-only file or of a manifest.
pub(crate) fn is_called_append_only(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    [".aof", ".manifest"].iter().any(|end| name.ends_with(end)) || name.contains(".aof.")
}

/// Returns whether a file that begins so holds commands.
pub(crate) fn begins_with_commands(head: &[u8]) -> bool {
    head.starts_with(b"*") || head.starts_with(b"#TS:")
}

/// Returns what a command line asks of a path.
pub(crate) fn parsed<T: Parser>(tool: &str, arguments: &[String], path: &Path) -> Result<T, String> {
    let arguments = arguments.iter().map(Into::into);
    let path = path.as_os_str().to_owned();
    let all = [tool.into()].into_iter().chain(arguments).chain(["--".into(), path]);
    T::try_parse_from(all).map_err(|error| error.to_string())
}

fn judges(common: &Common) -> Result<Servers, String> {
    common.judges().map_err(|error| reason(&error))
}

fn options(common: &Common, seed: u64) -> Options {
    let own = Options { hash_key: Some(seed), ..common.options() };
    // Where there is no system, there is neither a thread nor a temporary file.
    if cfg!(target_family = "wasm") { Options { spill: None, threads: NonZero::new(1), ..own } } else { own }
}

fn rdb_how(args: &RdbCheck, seed: u64) -> Result<rdb::How<'_>, String> {
    Ok(rdb::How { args, options: options(&args.common, seed), servers: judges(&args.common)? })
}

pub(crate) fn answer(tool: &'static str, common: &Common, entries: Vec<Entry>) -> Result<Answer, String> {
    let exit = entries.iter().map(Entry::exit).fold(Exit::Sound, Exit::and);
    let exits = entries.iter().map(|entry| entry.exit().code()).collect();
    let document = Form::new(tool, common).document(entries).map_err(|error| reason(&error))?;
    Ok(Answer { tool, document, exit: exit.code(), exits, written: None })
}

/// Checks an RDB; gives what it unpacks to beside that.
fn one_rdb(path: &Path, given: Given, how: &rdb::How<'_>, shelf: &mut dyn Shelf) -> io::Result<(Entry, Reader)> {
    let Content { file, packing, damage } = unpacked(given, shelf)?;
    let reader = Reader::new(file);
    let checked = read::again(path.to_owned(), reader.clone(), &how.options, how.args.common.wants_hex())?;
    let unpack = packing.map(|packing| Unpack::stream(path, packing));
    let checked = read::Checked { packing, unpack, damage, ..checked };
    Ok((how.entry(checked).0, reader))
}

/// Checks an append-only file, or a set of them.
fn append_only(path: &Path, files: Vec<Given>, how: &aof::How<'_>, shelf: &mut dyn Shelf) -> io::Result<Entry> {
    let mut files = files;
    let mut around = aof::Around { packed: true, ..aof::Around::default() };
    if let [file] = &mut files[..] {
        let content = unpacked(file.clone(), shelf)?;
        (*file, around.packing, around.damage) = (content.file, content.packing, content.damage);
        around.unpack = around.packing.map(|packing| Unpack::stream(path, packing));
    }
    let mut tree = Files::new(files);
    let set = dir::find_as(&mut tree, path, &how.servers.layout())?;
    aof::entry(path, &mut tree, set, how, around)
}

/// Hands what a file unpacks to to `with`, from its first byte on; returns what is wrong with its packing.
///
/// # Errors
/// If it cannot be read or unpacked; and those of `with`.
pub(crate) fn with_unpacked(
    given: Given,
    with: &mut dyn FnMut(&mut dyn Read) -> Result<(), ReadError>,
) -> Result<Option<String>, ReadError> {
    let mut reader = Reader::new(given);
    let Some(packing) = packing_of(&reader.head(HEAD)?)? else { return with(&mut reader).map(|()| None) };
    let mut damage = None;
    let mut stream = Sound { stream: unpack::inline(reader, packing)?, packing, unpacked: 0, damage: &mut damage };
    let result = with(&mut stream);
    // What follows is read too: the packing may be damaged there.
    let rest = io::copy(&mut stream, &mut io::sink());
    if damage.is_none() {
        result?;
        rest?;
    }
    Ok(damage)
}

/// Returns how a file is packed that begins so.
fn packing_of(head: &[u8]) -> io::Result<Option<Packing>> {
    if head.get(257..262) == Some(b"ustar") {
        let why = "it is a tar: unpack it, and give what lies in it, or give it to the command";
        return Err(io::Error::new(io::ErrorKind::Unsupported, why));
    }
    Ok(Packing::of(head).filter(|_| cfg!(feature = "packed")))
}

/// A file, unpacked.
#[derive(Debug)]
struct Content {
    file: Given,
    packing: Option<Packing>,
    /// What is wrong with the packing.
    damage: Option<String>,
}

/// Returns a file as it is, or what it unpacks to, laid on the shelf.
fn unpacked(given: Given, shelf: &mut dyn Shelf) -> io::Result<Content> {
    let mut reader = Reader::new(given.clone());
    let Some(packing) = packing_of(&reader.head(HEAD)?)? else {
        return Ok(Content { file: given, packing: None, damage: None });
    };
    let mut damage = None;
    let stream = Sound { stream: unpack::inline(reader, packing)?, packing, unpacked: 0, damage: &mut damage };
    let laid = laid_down(stream, shelf)?;
    let file = Given { path: given.path, modified: given.modified, ..laid };
    let head = Reader::new(file.clone()).head(HEAD)?;
    if head.get(257..262) == Some(b"ustar") {
        let why = "it is a packed tar: unpack it, and give what lies in it, or give it to the command";
        return Err(io::Error::new(io::ErrorKind::Unsupported, why));
    }
    Ok(Content { file, packing: Some(packing), damage })
}

/// A stream that ends where its packing is damaged.
struct Sound<'a, R> {
    stream: R,
    packing: Packing,
    unpacked: u64,
    damage: &'a mut Option<String>,
}

impl<R: Read> Read for Sound<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.stream.read(buffer) {
            Ok(n) => {
                self.unpacked += n as u64;
                Ok(n)
            }
            Err(error) => {
                let error = unpack::explained(self.packing, unpack::MEMORY, self.unpacked, error);
                if self.unpacked == 0 || !unpack::is_damage(&error) {
                    return Err(error);
                }
                *self.damage = Some(error.to_string());
                Ok(0)
            }
        }
    }
}

/// Lays what a stream gives on the shelf.
fn laid_down(mut stream: impl Read, shelf: &mut dyn Shelf) -> io::Result<Given> {
    let mut buffer = vec![0; 1 << 20];
    loop {
        match stream.read(&mut buffer)? {
            0 => return shelf.taken(),
            n => shelf.put(&buffer[..n])?,
        }
    }
}
