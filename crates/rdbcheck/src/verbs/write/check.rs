//! Whether what was written may have its name.

use std::fs::File;
use std::io::{self, Seek as _, Write};

use redis_persistence::digest::{self, Digest};
use redis_persistence::functions::Prover;
use redis_persistence::repair::rdb::salvage;
use redis_persistence::rewrite::{NotWritten, Plan};
use redis_persistence::servers::{Reason, Why};
use redis_persistence::verify::{self, Options, Report, Verdict};

use crate::console::{reason, without_number};
use crate::exit::Exit;
use crate::servers::Servers;
use crate::style::because;
use crate::units::number;

/// Why nothing was written, and how the run ends.
#[derive(Debug)]
pub(in crate::verbs) struct Stop {
    pub(in crate::verbs) why: String,
    pub(in crate::verbs) exit: Exit,
}

impl Stop {
    pub(in crate::verbs) fn refused(why: impl Into<String>) -> Self {
        Self { why: without_number(why.into()), exit: Exit::Damaged }
    }

    pub(in crate::verbs) fn unreadable(why: impl Into<String>) -> Self {
        Self { why: without_number(why.into()), exit: Exit::Unreadable }
    }
}

/// Why OUT was not written.
#[derive(Debug)]
pub(in crate::verbs) enum Failed {
    /// The server would not load it, because of bytes that are not there once collections are encoded anew.
    Packed(String),
    /// The server would not load it.
    Refused(String),
    Other(String),
}

impl From<Failed> for Stop {
    fn from(failed: Failed) -> Self {
        let (Failed::Packed(why) | Failed::Refused(why) | Failed::Other(why)) = failed;
        Self::refused(why)
    }
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::Other(reason(&error))
    }
}

/// Who runs the code of function libraries.
pub(in crate::verbs) fn prover() -> Option<Prover> {
    #[cfg(feature = "functions")]
    return Some(crate::functions::prover());
    #[cfg(not(feature = "functions"))]
    None
}

/// Whether what a report is about is sound, and the server would load it.
pub(in crate::verbs) fn judged(report: &Report, servers: &Servers) -> Result<(), Failed> {
    if report.verdict != Verdict::Sound {
        let what = report.findings.iter().map(|finding| finding.code.as_str()).next().unwrap_or("unknown");
        return Err(Failed::Other(format!("what was written is not sound ({what})")));
    }
    let Some(answer) = servers.judge(report).into_iter().find(|answer| !answer.loads) else { return Ok(()) };
    let why: Vec<String> = answer.because.iter().map(because).collect();
    let is_of_vectors = |why: &Why| why.reason.as_str().starts_with("vectorset-");
    let way = match answer.because.iter().all(is_of_vectors) {
        true => "; --without vector-sets leaves that out",
        false => "",
    };
    let said = format!("{} would not load it: {}{way}", answer.release, why.join("; "));
    let is_packed = answer.because.iter().any(is_of_packed) && answer.because.iter().all(|why| !is_of_vectors(why));
    Err(if is_packed { Failed::Packed(said) } else { Failed::Refused(said) })
}

/// Whether a server minds how a collection is packed.
fn is_of_packed(why: &Why) -> bool {
    let Reason::Finding(code) = why.reason else { return false };
    let of = ["packed-", "listpack-", "ziplist-", "intset-", "zipmap-", "quicklist-", "lzf-", "collection-"];
    let of_elements = ["set-", "zset-", "hash-"];
    of.iter().chain(&of_elements).any(|start| code.as_str().starts_with(start))
}

/// Writes a plan, and once more with collections encoded anew where the server minds how they are packed.
pub(in crate::verbs) fn or_anew<T>(
    plan: Plan,
    files: &mut [File],
    planned: &mut dyn FnMut(&Plan),
    mut write: impl FnMut(&Plan, &mut [File]) -> Result<T, Failed>,
) -> Result<Result<T, Failed>, NotWritten> {
    planned(&plan);
    match write(&plan, files) {
        Err(Failed::Packed(_)) if plan.copied > 0 => {
            let plan = plan.anew(files)?;
            planned(&plan);
            Ok(write(&plan, files))
        }
        result => Ok(result),
    }
}

/// Writes the commands that restore what a sound RDB holds: so many keys; gives their bytes.
pub(in crate::verbs) fn commands(whole: &mut File, keys: u64, out: impl Write) -> io::Result<u64> {
    let options = salvage::Options { sound: true, ..salvage::Options::default() };
    let written = salvage::plan(whole, &options)?.write_commands(whole, &options, out)?;
    if written.keys == keys {
        return Ok(written.bytes);
    }
    let why = format!("{} could be made a command, of {}", number(written.keys, "key"), number(keys, "key"));
    Err(io::Error::other(why))
}

/// Whether a written RDB is sound, the server would load it, and it holds what the sources hold.
pub(in crate::verbs) fn check(
    out: &mut File,
    wanted: Digest,
    servers: &Servers,
    options: &Options,
) -> Result<(), Failed> {
    out.rewind()?;
    judged(&verify::file(&mut *out, options)?, servers)?;
    out.rewind()?;
    let options = digest::Options { debug_digest: false, threads: options.threads, ..digest::Options::default() };
    let found = digest::reader(&mut *out, &options).map_err(|error| Failed::Other(error.to_string()))?;
    if found.digest != wanted {
        let is = found.digest;
        return Err(Failed::Other(format!("what was written has the digest {is}, and the sources have {wanted}")));
    }
    Ok(())
}
