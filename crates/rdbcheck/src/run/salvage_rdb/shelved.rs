//! A salvage of what is no file on a disk, onto what is none either.

use std::io::{self, Read, Seek, Write};

use redis_persistence::verify::Options;

use super::{Args, How, content, of_others, out, reason};
use crate::args::Common;
use crate::outcome::{Entry, SalvageStatus, Salvaged};
use crate::servers::Servers;

/// Where OUT is written, to be read again before it counts.
pub(crate) trait Onto: Write {
    /// What was written.
    type Written: Read + Seek + Send;

    /// Returns what was written.
    ///
    /// # Errors
    /// If there was no room.
    fn written(&mut self) -> io::Result<Self::Written>;
}

/// Salvages what a check has found damaged. What is on the shelf in the end is OUT only if the entry says that it was written.
pub(crate) fn over(
    args: &Args,
    (common, servers, options): (&Common, &Servers, &Options),
    file: &mut (impl Read + Seek + Send),
    entry: Entry,
    onto: &mut impl Onto,
) -> Entry {
    let (Some(out), Ok(report)) = (&args.salvage, &entry.outcome) else { return entry };
    let mut done = Salvaged::begun(out, args);
    let how = How::new(args, common, servers, options.clone());
    if let Some(why) = of_others(report) {
        (done.status, done.why) = (SalvageStatus::Foreign, Some(why));
        return Entry { salvaged: Some(done), ..entry };
    }
    let report = entry.disguise.as_ref().map_or(report, |disguise| &disguise.report);
    done.why = done.shelve(file, report, &how, onto).err();
    Entry { salvaged: Some(done), ..entry }
}

impl Salvaged {
    fn shelve(
        &mut self,
        file: &mut (impl Read + Seek + Send),
        report: &super::Report,
        how: &How<'_>,
        onto: &mut impl Onto,
    ) -> Result<(), String> {
        let text = |error: io::Error| reason(&error);
        let content = content(file, report, how)?;
        self.note(&content, how);
        self.admit(&content, file, how)?;
        if how.args.dry_run {
            self.status = SalvageStatus::Planned;
            return Ok(());
        }
        let mut counted = Counting { out: io::BufWriter::with_capacity(1 << 20, &mut *onto), bytes: 0 };
        let keys = out::write(&content, file, how, &mut counted).map_err(text)?;
        counted.flush().map_err(text)?;
        let bytes = counted.bytes;
        drop(counted);
        let mut written = onto.written().map_err(text)?;
        if !how.args.resp {
            out::judge(&mut written, &content, how).map_err(text)?;
        }
        (self.status, self.written) = (SalvageStatus::Written, Some((bytes, keys)));
        Ok(())
    }
}

/// Counts what passes.
struct Counting<W> {
    out: W,
    bytes: u64,
}

impl<W: Write> Write for Counting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.out.write(bytes)?;
        self.bytes += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
