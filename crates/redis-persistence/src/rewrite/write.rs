//! Writes what a plan says.
//!
//! ```text
//! signature, version    those of the server's own files
//! AUX                   its name and version, when the data were saved; scripts, for servers before 7.0
//! FUNCTION2             each library once
//! for each database     SELECTDB, RESIZEDB with the true counts, keys
//! FF, checksum
//! ```
//! What would be false of the new file is not in it: where a replica stood, how many keys a slot has, which slots were moving.

use std::io::{self, Read, Seek, Write};

use super::Plan;
use super::out::{Out, turns};
use super::pass;
use crate::rdb::Writer;

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Written {
    /// Bytes.
    pub bytes: u64,
    /// Keys.
    pub keys: u64,
}

impl Plan {
    /// Writes the file. `sources` are those that the plan was made of.
    ///
    /// # Errors
    /// If a source or the output fails, or a source is not what it was.
    pub fn write<R: Read + Seek>(&self, sources: &mut [R], out: impl Write) -> io::Result<Written> {
        let dialect = &self.options.dialect;
        let mut out = Out::new(Writer::new(out, dialect.family, dialect.version)?);
        out.writer.aux(dialect.writer.0.as_bytes(), dialect.writer.1.as_bytes())?;
        out.writer.aux(b"redis-bits", b"64")?;
        let saved = self.reports.iter().filter_map(|report| report.format.as_ref()?.created).max();
        if let Some(seconds) = saved {
            out.writer.aux(b"ctime", seconds.to_string().as_bytes())?;
        }
        // So it is called since there are functions.
        let name: &[u8] = if dialect.functions { b"aof-base" } else { b"aof-preamble" };
        out.writer.aux(name, if self.options.aof_base { b"1" } else { b"0" })?;
        for code in &self.libraries {
            out.writer.function(code)?;
        }
        for turn in turns(self, sources.len()) {
            let input = sources.get_mut(turn.source).ok_or(io::ErrorKind::InvalidInput)?;
            pass::run(self, turn, input, &mut out)?;
        }
        if out.keys != self.keys {
            let why = format!("{} keys were written instead of {}: a source has changed", out.keys, self.keys);
            return Err(io::Error::other(why));
        }
        let bytes = out.writer.written() + if dialect.version >= 5 { 9 } else { 1 };
        out.writer.finish()?;
        Ok(Written { bytes, keys: out.keys })
    }
}
