//! Writes what is saved as a new RDB.
//!
//! ```text
//! signature, version    the lowest version that all of it needs
//! AUX                   about the writer; %salvaged
//! MODULE_AUX, FUNCTION2, HASH_TEMPLATE
//! for each database     SELECTDB, RESIZEDB with the true counts, the keys as they stand in the damaged file, parts of others
//! MODULE_AUX            those that stood behind the keys
//! FF, checksum
//! ```
//! What would be false of the new file is left out: where a replica stood, which slots were moving, how many keys a slot has.

use std::io::{self, Read, Seek, Write};
use std::ops::Range;

use super::Plan;
use super::collect::PartKind;
use super::partial::Partial;
use super::source_window::SourceWindow;
use crate::base::source::{Seekable, Source};
use crate::rdb::Writer;
use crate::report::Report;
use crate::verify::{Options, Push};

/// What is copied at a time.
const BLOCK: usize = 1 << 20;

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Bytes.
    pub bytes: u64,
    /// Keys.
    pub keys: u64,
}

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A new RDB.
    Rdb,
    /// Commands for a live server, which hold keys and functions alone.
    Commands,
}

impl Plan {
    /// Writes the new RDB. `input` is the damaged one that the plan was made of.
    ///
    /// # Errors
    /// If the input or the output fails.
    pub fn write(&self, input: &mut (impl Read + Seek), out: impl Write) -> io::Result<Written> {
        self.write_as(Form::Rdb, input, out)
    }

    /// Returns what a verification makes of the output, without writing it: for a decision on it before anything is written.
    ///
    /// Of commands it is that of the RDB with the same keys and functions, in which payloads have the same version.
    ///
    /// # Errors
    /// If the input fails.
    pub fn report(&self, form: Form, input: &mut (impl Read + Seek), options: &Options) -> io::Result<Report> {
        let mut push = Push::new(options);
        self.write_as(form, input, Fed(&mut push))?;
        Ok(push.finish())
    }

    fn write_as(&self, form: Form, input: &mut (impl Read + Seek), out: impl Write) -> io::Result<Written> {
        let mut from = Copier { source: Seekable { input, base: 0 }, block: vec![0; BLOCK] };
        let mut writer = Writer::new(out, self.family, self.version)?;
        self.parts(PartKind::Aux, &mut from, &mut writer)?;
        if self.version >= 10 {
            writer.aux(b"aof-base", b"0")?;
        }
        writer.aux(b"%salvaged", self.note().as_bytes())?;
        if form == Form::Rdb {
            self.parts(PartKind::ModuleAux, &mut from, &mut writer)?;
        }
        self.parts(PartKind::Function, &mut from, &mut writer)?;
        self.parts(PartKind::Template, &mut from, &mut writer)?;
        for (db, tally) in self.loss.databases.iter().filter(|(_, tally)| tally.keys > 0) {
            writer.select_db(*db)?;
            writer.resize_db(tally.keys, tally.expires)?;
            for range in self.ranges_of(*db) {
                from.copy(range, &mut writer)?;
            }
            let mut input = SourceWindow::new(&mut from.source, self.loss.size);
            self.partials_of(*db).try_for_each(|partial| partial.write_key(&mut input, &mut writer))?;
        }
        if form == Form::Rdb {
            self.parts(PartKind::ModuleAuxAfter, &mut from, &mut writer)?;
        }
        let end = if self.version >= 5 { 9 } else { 1 };
        let bytes = writer.written() + end;
        writer.finish()?;
        Ok(Written { bytes, keys: self.loss.keys })
    }

    /// Returns what the field says that marks the file.
    fn note(&self) -> String {
        format!(
            "redis-persistence {}: {} of {} bytes skipped, {} damaged keys left out, {} saved in part",
            env!("CARGO_PKG_VERSION"),
            self.loss.bytes_skipped(),
            self.loss.size,
            self.loss.damaged_total + self.loss.repeated,
            self.loss.partial_total
        )
    }

    fn parts<R: Read + Seek, W: Write>(
        &self,
        kind: PartKind,
        from: &mut Copier<R>,
        to: &mut Writer<W>,
    ) -> io::Result<()> {
        let parts = self.parts.iter().filter(|part| part.kind == kind);
        parts.map(|part| part.range.clone()).try_for_each(|range| from.copy(range, to))
    }

    /// Returns the collections of a database of which a part is kept.
    pub(super) fn partials_of(&self, db: u64) -> impl Iterator<Item = &Partial> + '_ {
        let first = self.partials.partition_point(|partial| self.databases[partial.section] < db);
        self.partials[first..].iter().take_while(move |partial| self.databases[partial.section] == db)
    }

    /// Returns the bytes of a database's keys, without what is left out of them.
    pub(super) fn ranges_of(&self, db: u64) -> impl Iterator<Item = Range<u64>> + '_ {
        let first = self.runs.partition_point(|run| self.databases[run.section] < db);
        let runs = self.runs[first..].iter().take_while(move |run| self.databases[run.section] == db);
        runs.flat_map(|run| {
            let inside = self.left_out.behind(run.range.start).take_while(|range| range.start < run.range.end);
            let starts = std::iter::once(run.range.start).chain(inside.clone().map(|range| range.end));
            let ends = inside.map(|range| range.start).chain(std::iter::once(run.range.end));
            starts.zip(ends).map(|(start, end)| start..end).filter(|range| range.start < range.end)
        })
    }
}

/// Feeds a verification with what is written.
struct Fed<'a>(&'a mut Push);

impl Write for Fed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.feed(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Copies bytes of the damaged file.
struct Copier<R> {
    source: Seekable<R>,
    block: Vec<u8>,
}

impl<R: Read + Seek> Copier<R> {
    fn copy<W: Write>(&mut self, range: Range<u64>, to: &mut Writer<W>) -> io::Result<()> {
        let mut at = range.start;
        while at < range.end {
            let len = usize::try_from(range.end - at).unwrap_or(usize::MAX).min(BLOCK);
            let n = self.source.read_at(at, &mut self.block[..len])?;
            if n == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file became shorter"));
            }
            to.copy(&self.block[..n])?;
            at += n as u64;
        }
        Ok(())
    }
}
