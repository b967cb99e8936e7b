//! What is written to OUT, and whether that is fit to have its name.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::Path;

use redis_persistence::repair::rdb::salvage::Form;
use redis_persistence::servers::{Loads, Reason};
use redis_persistence::verify::{self, Report, Verdict};

use super::{Content, How};
use crate::console::reason;
use crate::progress::Meter;
use crate::redact;
use crate::style::because;

/// Writes what OUT is to hold; gives the number of keys.
pub(super) fn write(
    content: &Content,
    file: &mut (impl Read + Seek + Send),
    how: &How<'_>,
    out: &mut impl Write,
) -> io::Result<u64> {
    match &content.mended {
        Some(mended) => write_from(&mut mended.over(file)?, content, how, out),
        None => write_from(file, content, how, out),
    }
}

fn write_from(
    input: &mut (impl Read + Seek + Send),
    content: &Content,
    how: &How<'_>,
    out: &mut impl Write,
) -> io::Result<u64> {
    match &content.plan {
        Some(plan) if how.args.resp => return Ok(plan.write_commands(input, &how.salvage, out)?.keys),
        Some(plan) => return Ok(plan.write(input, out)?.keys),
        None => {}
    }
    input.rewind()?;
    io::copy(input, out)?;
    input.rewind()?;
    Ok(verify::reader(input, &how.options)?.counts.keys)
}

/// Writes commands to a pipe, a device, or standard output; gives the bytes and the keys.
pub(super) fn stream(
    to: &Path,
    content: &Content,
    file: &mut File,
    how: &How<'_>,
    meter: &mut Meter,
) -> io::Result<(u64, u64)> {
    let to: Box<dyn Write> = match to.as_os_str() == "-" {
        true => Box::new(io::stdout().lock()),
        // It exists: nothing is made here, and what has an end is not cut.
        false => Box::new(File::options().write(true).open(to)?),
    };
    let mut out = Counted { out: io::BufWriter::new(to), bytes: 0, meter };
    let keys = write(content, file, how, &mut out)?;
    out.flush()?;
    Ok((out.bytes, keys))
}

/// Why a server that was asked for would not load what is to be written, if so.
pub(super) fn decide(content: &Content, file: &mut (impl Read + Seek + Send), how: &How<'_>) -> Result<(), String> {
    let Some(plan) = content.plan.as_ref().filter(|_| !how.servers.judges_none()) else { return Ok(()) };
    let form = if how.args.resp { Form::Commands } else { Form::Rdb };
    let report = match &content.mended {
        Some(mended) => mended.over(file).and_then(|mut file| plan.report(form, &mut file, &how.options)),
        None => plan.report(form, file, &how.options),
    };
    refused(&report.map_err(|error| reason(&error))?, how).map_or(Ok(()), Err)
}

/// Returns the first server that would not load what a report is about, and why.
fn refused(report: &Report, how: &How<'_>) -> Option<String> {
    let mut answer = how.servers.judge(report).into_iter().find(|answer| !answer.loads)?;
    if how.common.redact {
        redact::loads(&mut answer);
    }
    let because: Vec<String> = answer.because.iter().map(because).collect();
    Some(format!("{} would not load it: {}{}", answer.release, because.join("; "), leave_out(&answer)))
}

/// Returns which kind could be left out so that a server loads the rest, if that is all that it takes.
fn leave_out(answer: &Loads) -> String {
    let kinds = answer.because.iter().map(|why| match why.reason {
        Reason::Module if why.message.ends_with(" vectorset") => Some("vector-sets"),
        Reason::Module => Some("modules"),
        Reason::Engine | Reason::Function | Reason::FunctionUnproven => Some("functions"),
        Reason::Opcode if why.message.contains("(function2)") => Some("functions"),
        _ => None,
    });
    match kinds.collect::<Option<BTreeSet<_>>>() {
        Some(kinds) if !kinds.is_empty() => {
            format!("; --without {} leaves that out", kinds.into_iter().collect::<Vec<_>>().join(","))
        }
        _ => String::new(),
    }
}

/// Verifies what was written, before it gets its name; and that the servers load it that were asked for.
pub(super) fn judge(out: &mut (impl Read + Seek + Send), content: &Content, how: &How<'_>) -> io::Result<()> {
    let report = verify::file(out, &how.options)?;
    if report.verdict != Verdict::Sound {
        let what = report.findings.iter().map(|finding| finding.code.as_str()).next().unwrap_or("unknown");
        return Err(io::Error::other(format!("what was written is not sound ({what})")));
    }
    if let Some(why) = refused(&report, how) {
        return Err(io::Error::other(why));
    }
    match &content.plan {
        Some(plan) if plan.loss.keys != report.counts.keys => {
            Err(io::Error::other(format!("{} keys were written instead of {}", report.counts.keys, plan.loss.keys)))
        }
        _ => Ok(()),
    }
}

/// Counts what passes.
pub(super) struct Counted<'a, W> {
    pub(super) out: W,
    pub(super) bytes: u64,
    pub(super) meter: &'a mut Meter,
}

impl<W: Write> Write for Counted<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.out.write(bytes)?;
        self.bytes += n as u64;
        self.meter.reached(self.bytes);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
