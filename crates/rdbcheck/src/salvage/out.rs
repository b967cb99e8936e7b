//! What is written to OUT, and whether that is fit to have its name.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::Path;

use redis_persistence::repair::rdb::salvage;
use redis_persistence::verify::{self, Verdict};

use super::{Content, How};
use crate::progress::Meter;
use crate::{redact, render};

/// Writes what OUT is to hold; gives the number of keys.
pub(super) fn write(content: &Content, file: &mut File, how: &How<'_>, out: &mut impl Write) -> io::Result<u64> {
    match content {
        Content::Left(plan) if how.args.resp => Ok(plan.write_commands(file, &how.salvage, out)?.keys),
        Content::Left(plan) => Ok(plan.write(file, out)?.keys),
        Content::Same { .. } => write_whole(file, how, out),
        Content::Mended(candidate) => write_whole(&mut candidate.over(file)?, how, out),
    }
}

/// Writes a sound file.
fn write_whole(input: &mut (impl Read + Seek + Send), how: &How<'_>, out: &mut impl Write) -> io::Result<u64> {
    if how.args.resp {
        return Ok(salvage::plan(input, &how.salvage)?.write_commands(input, &how.salvage, out)?.keys);
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

/// Verifies what was written, before it gets its name; and that the servers load it that were asked for.
pub(super) fn judge(out: &mut File, content: &Content, how: &How<'_>) -> io::Result<()> {
    let report = verify::file(out, &how.options)?;
    if report.verdict != Verdict::Sound {
        let what = report.findings.iter().map(|finding| finding.code.as_str()).next().unwrap_or("unknown");
        return Err(io::Error::other(format!("what was written is not sound ({what})")));
    }
    if let Some(answer) = how.servers.judge(&report).iter_mut().find(|answer| !answer.loads) {
        if how.common.redact {
            redact::loads(answer);
        }
        let because: Vec<String> = answer.because.iter().map(render::reason).collect();
        return Err(io::Error::other(format!("{} would not load it: {}", answer.release, because.join("; "))));
    }
    match content {
        Content::Left(plan) if plan.loss.keys != report.counts.keys => {
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
