//! `rdbcheck seal`: what a sound file was, kept beside it, and held against it later.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read as _, Write};
use std::path::{Path, PathBuf};

use clap::Parser;
use redis_persistence::digest::{self, Digest};
use redis_persistence::repair::{Existing, check_output, write_output};
use redis_persistence::seal::{self, Bytes, Hashed, NotSealed, Seal};
use redis_persistence::verify::{self, Options, Verdict};
use serde::{Deserialize, Serialize};

use super::{Failed, Reading, rdbs};
use crate::console::{say, written};
use crate::escape;
use crate::exit::Exit;
use crate::input::packed_input;
use crate::units::{date, now_ms, number, size};

const TOOL: &str = "rdbcheck seal";

/// A seal takes less than this.
const LARGEST: u64 = 16 << 20;

/// Verify RDB files and write beside each what it was: FILE.seal.json, with the SHA-256 of its bytes and the digest of its data.
///
/// With --check, hold files against their seals: whether they are the same bytes, or other bytes with the same data. Only a sound
/// file is sealed. A seal does not say who made it: sign FILE.seal.json with minisign or ssh-keygen -Y sign.
/// A file of that name is ./seal.
#[derive(Debug, Parser)]
#[command(name = "rdbcheck seal", max_term_width = 110, after_help = EXAMPLES)]
pub(super) struct SealArgs {
    /// RDB files, also in gzip, zstd, lz4 or xz
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Hold the files against their seals, and write nothing
    #[arg(long)]
    check: bool,
    /// Hold one file against this seal [default: FILE.seal.json]
    #[arg(long, value_name = "SEAL")]
    against: Option<PathBuf>,
    /// Write over a seal that is there
    #[arg(long, conflicts_with_all = ["check", "against"])]
    force: bool,
    #[command(flatten)]
    reading: Reading,
}

const EXAMPLES: &str = "\
Examples:
  rdbcheck seal dump.rdb               writes dump.rdb.seal.json
  rdbcheck seal --check dump.rdb       the same bytes, the same data, or neither?
  minisign -Sm dump.rdb.seal.json      says who made it
Exit codes: 0 sealed, or as sealed   1 damaged, or not as sealed   2 usage, or not readable   3 no RDB";

pub(super) fn run(args: &SealArgs) -> Exit {
    if args.against.is_some() && args.files.len() > 1 {
        say(TOOL, "--against SEAL takes one file");
        return Exit::Unreadable;
    }
    let mut exit = Exit::Sound;
    for path in &args.files {
        let seal = args.against.clone().unwrap_or_else(|| beside(path));
        let done =
            if args.check || args.against.is_some() { check(path, &seal, args) } else { make(path, &seal, args) };
        exit = exit.and(match done {
            Ok((line, exit)) => exit.and(written(TOOL, writeln!(io::stdout().lock(), "{line}"))),
            Err(failed) => failed.say(TOOL),
        });
    }
    exit
}

fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".seal.json");
    name.into()
}

/// Seals a file.
fn make(path: &Path, seal: &Path, args: &SealArgs) -> Result<(String, Exit), Failed> {
    let existing = if args.force { Existing::Replace } else { Existing::Keep };
    let refused = |why: String| Failed { path: seal.to_owned(), why, exit: Exit::Unreadable };
    check_output(seal, existing).map_err(|error| refused(error.to_string()))?;
    let of = sealed(path, args)?;
    let stored = Stored::of(&of);
    let text = serde_json::to_string_pretty(&stored).map_err(|error| refused(error.to_string()))?;
    let like = File::open(path).ok();
    write_output(seal, existing, like.as_ref(), &mut |_| (), |out| writeln!(out, "{text}"), |_| Ok(()))
        .map_err(|error| refused(error.to_string()))?;
    Ok((format!("{}: sealed, {}", shown(path), stored.summary()), Exit::Sound))
}

/// Holds a file against a seal.
fn check(path: &Path, seal: &Path, args: &SealArgs) -> Result<(String, Exit), Failed> {
    let was = Stored::read(seal)?;
    let bytes = bytes_of(path)?;
    let at = date(was.sealed_at);
    if (bytes.size, bytes.sha256.to_string()) == (was.size, was.sha256.clone()) {
        return Ok((format!("{}: the bytes that were sealed on {at}, {}", shown(path), was.summary()), Exit::Sound));
    }
    let now = Stored::of(&sealed(path, args)?);
    let what = if now.digest == was.digest {
        format!("other bytes than were sealed on {at}, with the same data: {}", now.summary())
    } else {
        let keys = match now.keys.cmp(&was.keys) {
            std::cmp::Ordering::Equal => "as many keys".to_owned(),
            std::cmp::Ordering::Less => format!("{} fewer", number(was.keys - now.keys, "key")),
            std::cmp::Ordering::Greater => format!("{} more", number(now.keys - was.keys, "key")),
        };
        format!("not what was sealed on {at}: {keys}, other data ({}, then {})", now.summary(), was.summary())
    };
    Ok((format!("{}: {what}", shown(path)), Exit::Damaged))
}

fn shown(path: &Path) -> String {
    escape::plain(path.as_os_str().as_encoded_bytes())
}

/// Opens what is a file on a disk: it is read more than once.
fn regular(path: &Path) -> Result<File, Failed> {
    let failed = |error: &io::Error| Failed::of_io(path.to_owned(), error);
    let data = fs::metadata(path).map_err(|error| failed(&error))?;
    if !data.is_file() {
        let why = "only a regular file can be sealed: it is read more than once".to_owned();
        return Err(Failed { path: path.to_owned(), why, exit: Exit::Unreadable });
    }
    File::open(path).map_err(|error| failed(&error))
}

fn bytes_of(path: &Path) -> Result<Bytes, Failed> {
    Hashed::new(regular(path)?).finish().map_err(|error| Failed::of_io(path.to_owned(), &error))
}

/// Verifies a file, and returns its seal.
fn sealed(path: &Path, args: &SealArgs) -> Result<Seal, Failed> {
    let file = regular(path)?;
    let options = Options { threads: args.reading.threads, now_ms: Some(now_ms()), ..Options::default() };
    let digests = digest::Options { threads: args.reading.threads, ..digest::Options::default() };
    let stored =
        packed_input::open(path, args.reading.how()).map_err(|error| Failed::of_io(path.to_owned(), &error))?;
    if stored.is_tar {
        let why = "a tar holds more than one file: unpack it, and seal what is in it".to_owned();
        return Err(Failed { path: path.to_owned(), why, exit: Exit::Unreadable });
    }
    if stored.packing.is_none() {
        return seal::file(&file, &options, &digests).map_err(|error| not_sealed(path, error));
    }
    let before = bytes_of(path)?;
    let report = verify::reader(stored.content, &options).map_err(|error| Failed::of_io(path.to_owned(), &error))?;
    if report.verdict != Verdict::Sound {
        return Err(not_sealed(path, NotSealed::NotSound(Box::new(report))));
    }
    let mut found = rdbs::each(path, args.reading.how(), &mut |input| digest::reader(input, &digests));
    let (_, contents) = found.remove(0)?;
    if before != bytes_of(path)? {
        return Err(not_sealed(path, NotSealed::Changed));
    }
    Ok(Seal::of(&report, contents, before))
}

fn not_sealed(path: &Path, error: NotSealed) -> Failed {
    let exit = match &error {
        NotSealed::NotSound(report) if report.verdict == Verdict::Unknown => Exit::Unknown,
        NotSealed::NotSound(_) => Exit::Damaged,
        NotSealed::Read(error) => return Failed::of_read(path.to_owned(), error),
        _ => Exit::Unreadable,
    };
    Failed { path: path.to_owned(), why: format!("not sealed: {error}"), exit }
}

/// A seal, as it is kept.
#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    schema_version: u32,
    /// The command that made it, and its version.
    tool: String,
    /// When it was made, in seconds since the epoch.
    sealed_at: i64,
    size: u64,
    sha256: String,
    digest: String,
    debug_digest: Option<String>,
    debug_digest_old: Option<String>,
    keys: u64,
    expires: u64,
    functions: u64,
    databases: BTreeMap<u64, Database>,
    family: String,
    rdb_version: u32,
    writer: Option<String>,
    created: Option<i64>,
    checked: Checked,
}

#[derive(Debug, Serialize, Deserialize)]
struct Database {
    keys: u64,
    expires: u64,
    digest: String,
}

/// What was checked before the file was sealed.
#[derive(Debug, Serialize, Deserialize)]
struct Checked {
    verdict: String,
    checksum: Option<String>,
    duplicates: String,
}

impl Stored {
    fn of(seal: &Seal) -> Self {
        let of = &seal.contents;
        let databases = of
            .databases
            .iter()
            .map(|(db, of)| (*db, Database { keys: of.keys, expires: of.expires, digest: of.digest.to_string() }));
        Self {
            schema_version: 1,
            tool: format!("rdbcheck {}", env!("CARGO_PKG_VERSION")),
            sealed_at: now_ms() / 1000,
            size: seal.bytes.size,
            sha256: seal.bytes.sha256.to_string(),
            digest: of.digest.to_string(),
            debug_digest: of.debug_digest.map(|digest| digest.to_string()),
            debug_digest_old: of.debug_digest_old.map(|digest| digest.to_string()),
            keys: of.keys,
            expires: of.expires,
            functions: of.functions,
            databases: databases.collect(),
            family: of.family.to_string(),
            rdb_version: of.version,
            writer: seal.writer.clone(),
            created: seal.created,
            checked: Checked {
                verdict: Verdict::Sound.as_str().to_owned(),
                checksum: seal.checksum.map(|checksum| checksum.as_str().to_owned()),
                duplicates: seal.duplicates.as_str().to_owned(),
            },
        }
    }

    /// Reads a seal.
    fn read(path: &Path) -> Result<Self, Failed> {
        let failed = |why: String, exit| Failed { path: path.to_owned(), why, exit };
        let mut text = Vec::new();
        regular(path)?.take(LARGEST).read_to_end(&mut text).map_err(|error| Failed::of_io(path.to_owned(), &error))?;
        let seal: Self = serde_json::from_slice(&text)
            .map_err(|error| failed(format!("it is no seal: {error}"), Exit::Unreadable))?;
        let digits = |text: &str| text.len() == 2 * size_of::<Digest>() && text.bytes().all(|b| b.is_ascii_hexdigit());
        match seal.schema_version {
            1 if digits(&seal.sha256) && digits(&seal.digest) => Ok(seal),
            1 => Err(failed("it is no seal: its sums are not 64 hexadecimal digits".to_owned(), Exit::Unreadable)),
            n => Err(failed(format!("a seal of version {n}, which this build does not know"), Exit::Unknown)),
        }
    }

    fn summary(&self) -> String {
        format!("{}, {}, digest {}", number(self.keys, "key"), size(self.size), &self.digest[..16])
    }
}
