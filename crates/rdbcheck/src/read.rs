//! Reads one RDB, from wherever it lies and however it is packed.

use std::io::{self, Read, Seek as _};
use std::path::Path;

use redis_persistence::verify::{self, Options, Report};

use crate::args::Common;
use crate::ends::{Ends, Kept};
use crate::escape;
use crate::open;
use crate::progress::Watched;
use crate::unpack::{Packing, Unpacked};

/// What was read.
#[derive(Debug)]
pub struct Checked {
    /// What the verifier says.
    pub report: Report,
    /// The ends of the RDB, unpacked.
    pub ends: Ends,
    /// How the input was packed.
    pub packing: Option<Packing>,
}

/// Verifies one RDB.
///
/// # Errors
/// If it cannot be read, or not unpacked.
pub fn rdb(path: &Path, options: &Options, common: &Common) -> io::Result<Checked> {
    let mut input = open::open(path)?;
    let (seekable, size) = (input.seekable, input.size);
    let packing = Packing::of(&input.head(Packing::HEAD)?).filter(|_| cfg!(feature = "packed"));
    let name = escape::plain(path.as_os_str().as_encoded_bytes());
    let mut input = Watched::new(input, name, size, common.progress);
    if let Some(packing) = packing {
        let (report, ends) = once(Unpacked::new(input, packing, common.budget())?, options)?;
        return Ok(Checked { report, ends, packing: Some(packing) });
    }
    if !seekable {
        let (report, ends) = once(input, options)?;
        return Ok(Checked { report, ends, packing: None });
    }
    let base = input.stream_position()?;
    let report = verify::file(&mut input, options)?;
    Ok(Checked { report, ends: Ends::of(input, base)?, packing: None })
}

/// Verifies an RDB that can be read once.
fn once(input: impl Read + Send, options: &Options) -> io::Result<(Report, Ends)> {
    let mut input = Kept::new(input);
    let report = verify::reader(&mut input, options)?;
    Ok((report, input.ends()))
}
