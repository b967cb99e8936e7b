//! `rdbcheck seal`, `aofcheck seal`: what sound files were, kept beside them, and held against them later.

use std::fs::File;
use std::io::{self, Write};
use std::num::NonZero;
use std::path::{Path, PathBuf};

use clap::Parser;
use redis_persistence::digest;
use redis_persistence::repair::{Existing, check_output, write_output};
use redis_persistence::seal::{self, NotSealed, Seal};
use redis_persistence::verify::{self, Options, Verdict};

use super::{Failed, Reading, rdbs};
use crate::console::{say, written};
use crate::escape;
use crate::exit::Exit;
use crate::input::packed_input;
use crate::seals::rdb::{self, Against, Stored};
use crate::seals::{self, NoSeal, beside, bytes_of, regular};
use crate::stores;
use crate::units::{self, date, now_ms, number};

const TOOL: &str = "rdbcheck seal";

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

/// Seal append-only files: verify them, and write beside the set what each of them was, in PATH.seal.json, with the SHA-256 of its bytes.
///
/// Each file is sealed up to the byte that it had: commands that are added later are no difference. A rewrite replaces the files, and
/// makes another set of them. Only a sound set is sealed. A seal does not say who made it: sign it with minisign or ssh-keygen -Y sign.
/// A file of that name is ./seal.
#[derive(Debug, Parser)]
#[command(name = "aofcheck seal", max_term_width = 110, after_help = AOF_EXAMPLES)]
pub(super) struct AofSealArgs {
    /// Append-only files, manifests, appendonlydirs, or servers' directories
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// Write over a seal that is there
    #[arg(long)]
    force: bool,
    /// Work on N threads [default: one for each processor]
    #[arg(long, value_name = "N", value_parser = units::threads)]
    threads: Option<NonZero<usize>>,
}

const AOF_EXAMPLES: &str = "\
Examples:
  aofcheck seal appendonlydir          writes appendonlydir.seal.json
  aofcheck appendonlydir               finds it, and holds the files against it
  aofcheck --against kept.seal.json appendonlydir
Exit codes: 0 sealed   1 damaged   2 usage, or not readable   3 cannot be judged";

pub(super) fn aofcheck(args: &AofSealArgs) -> Exit {
    const TOOL: &str = "aofcheck seal";
    let options = Options { threads: args.threads, now_ms: Some(now_ms()), ..Options::default() };
    let mut exit = Exit::Sound;
    for path in &args.paths {
        if stores::is_remote(path) {
            exit = exit.and(Failed::of_io(path.clone(), &stores::no_file()).say(TOOL));
            continue;
        }
        let seal = beside(path);
        let of = || {
            let of = seals::aof::seal(path, &options).map_err(|error| {
                let exit = match &error {
                    seals::aof::NotSealed::NotSound(Verdict::Unknown) => Exit::Unknown,
                    seals::aof::NotSealed::NotSound(_) => Exit::Damaged,
                    _ => Exit::Unreadable,
                };
                Failed { path: path.clone(), why: format!("not sealed: {error}"), exit }
            })?;
            Ok((of.summary(), serde_json::to_string_pretty(&of)))
        };
        exit = exit.and(match write(&seal, args.force, None, of) {
            Ok(summary) => {
                let line = format!("{}: sealed, {summary}", shown(path));
                written(TOOL, writeln!(io::stdout().lock(), "{line}"))
            }
            Err(failed) => failed.say(TOOL),
        });
    }
    exit
}

/// Writes a seal, and returns what is said of it.
fn write(
    seal: &Path,
    force: bool,
    like: Option<File>,
    of: impl FnOnce() -> Result<(String, serde_json::Result<String>), Failed>,
) -> Result<String, Failed> {
    let existing = if force { Existing::Replace } else { Existing::Keep };
    let refused = |why: String| Failed { path: seal.to_owned(), why, exit: Exit::Unreadable };
    check_output(seal, existing).map_err(|error| refused(error.to_string()))?;
    let (summary, text) = of()?;
    let text = text.map_err(|error| refused(error.to_string()))?;
    write_output(seal, existing, like.as_ref(), &mut |_| (), |out| writeln!(out, "{text}"), |_| Ok(()))
        .map_err(|error| refused(error.to_string()))?;
    Ok(summary)
}

pub(super) fn run(args: &SealArgs) -> Exit {
    if args.against.is_some() && args.files.len() > 1 {
        say(TOOL, "--against SEAL takes one file");
        return Exit::Unreadable;
    }
    let mut exit = Exit::Sound;
    for path in &args.files {
        if stores::is_remote(path) {
            exit = exit.and(Failed::of_io(path.clone(), &stores::no_file()).say(TOOL));
            continue;
        }
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

/// Seals a file.
fn make(path: &Path, seal: &Path, args: &SealArgs) -> Result<(String, Exit), Failed> {
    let summary = write(seal, args.force, regular(path).ok(), || {
        let stored = Stored::of(&sealed(path, args)?);
        Ok((stored.summary(), serde_json::to_string_pretty(&stored)))
    })?;
    Ok((format!("{}: sealed, {summary}", shown(path)), Exit::Sound))
}

/// Holds a file against a seal.
fn check(path: &Path, seal: &Path, args: &SealArgs) -> Result<(String, Exit), Failed> {
    let against = rdb::against(path, seal, args.reading.how(), args.reading.threads);
    let Against { was, differs, now } = against.map_err(|error| Failed {
        path: seal.to_owned(),
        why: error.to_string(),
        exit: if matches!(error, NoSeal::Newer(_)) { Exit::Unknown } else { Exit::Unreadable },
    })?;
    let at = date(was.sealed_at);
    if differs.is_empty() {
        return Ok((format!("{}: the bytes that were sealed on {at}, {}", shown(path), was.summary()), Exit::Sound));
    }
    let what = match &now {
        None => format!("not what was sealed on {at}: it cannot be read to its end (then {})", was.summary()),
        Some((now, bytes)) => {
            let summary = seals::summary(now.keys, *bytes, &now.digest.to_string());
            let keys = match now.keys.cmp(&was.keys) {
                _ if !differs.iter().any(|what| what == "digest") => {
                    let same = format!("other bytes than were sealed on {at}, with the same data: {summary}");
                    return Ok((format!("{}: {same}", shown(path)), Exit::Damaged));
                }
                std::cmp::Ordering::Equal => "as many keys".to_owned(),
                std::cmp::Ordering::Less => format!("{} fewer", number(was.keys - now.keys, "key")),
                std::cmp::Ordering::Greater => format!("{} more", number(now.keys - was.keys, "key")),
            };
            format!("not what was sealed on {at}: {keys}, other data ({summary}, then {})", was.summary())
        }
    };
    Ok((format!("{}: {what}", shown(path)), Exit::Damaged))
}

fn shown(path: &Path) -> String {
    escape::plain(path.as_os_str().as_encoded_bytes())
}

/// Verifies a file, and returns its seal.
fn sealed(path: &Path, args: &SealArgs) -> Result<Seal, Failed> {
    let file = regular(path).map_err(|error| Failed::of_io(path.to_owned(), &error))?;
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
    let failed = |error: io::Error| Failed::of_io(path.to_owned(), &error);
    let before = seal::identity(&file).map_err(failed)?;
    let bytes = bytes_of(&file).map_err(failed)?;
    let report = verify::reader(stored.content, &options).map_err(|error| Failed::of_io(path.to_owned(), &error))?;
    if report.verdict != Verdict::Sound {
        return Err(not_sealed(path, NotSealed::NotSound(Box::new(report))));
    }
    let mut found = rdbs::each(path, args.reading.how(), &mut |input| digest::reader(input, &digests));
    let (_, contents) = found.remove(0)?;
    // It was opened by its name each time.
    let after = regular(path).and_then(|file| seal::identity(&file)).map_err(failed)?;
    if before != after {
        return Err(not_sealed(path, NotSealed::Changed));
    }
    Ok(Seal::of(&report, contents, bytes))
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
