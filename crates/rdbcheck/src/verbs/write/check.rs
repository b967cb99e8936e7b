//! Whether what was written may have its name.

use std::fs::File;
use std::io::{self, Seek as _};

use redis_persistence::digest::{self, Digest};
use redis_persistence::functions::Prover;
use redis_persistence::servers::Why;
use redis_persistence::verify::{self, Options, Report, Verdict};

use crate::console::{reason, without_number};
use crate::exit::Exit;
use crate::servers::Servers;
use crate::style::because;

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
    /// The server would not load it.
    Refused(String),
    Other(String),
}

impl From<Failed> for Stop {
    fn from(failed: Failed) -> Self {
        let (Failed::Refused(why) | Failed::Other(why)) = failed;
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
    Err(Failed::Refused(format!("{} would not load it: {}{way}", answer.release, why.join("; "))))
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
