//! Seals: what a file was when it was found sound, to be held against the file later.
//!
//! ```text
//! file -> SHA-256 of its bytes, and digest of its data   one pass
//!      -> verification                                   another
//!      -> the same file as before?                       size, time of change, identity
//!      -> Seal
//! ```
//! The SHA-256 tells whether it is the same bytes; the [digest](mod@crate::digest) tells whether other bytes hold the same data. A seal
//! says nothing about who made it: sign the file that it is kept in.

use std::fs::File;
use std::io::{self, Read};
use std::time::SystemTime;

use sha2::{Digest as _, Sha256};

use crate::base::error::ReadError;
use crate::contents::digest::{self, Digest, Digests};
use crate::report::{Checksum, DuplicateCheck, Report, Verdict};
use crate::verify::{self, Options};

/// What a sound file was.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Seal {
    /// The bytes of the file, as it is stored.
    pub bytes: Bytes,
    /// The digests and counts of what it holds.
    pub contents: Digests,
    /// How its own checksum came out.
    pub checksum: Option<Checksum>,
    /// Whether keys and elements that occur twice were looked for.
    pub duplicates: DuplicateCheck,
    /// The version of the server that wrote it, if the file says so.
    pub writer: Option<String>,
    /// When that was, in seconds since the epoch, if the file says so.
    pub created: Option<i64>,
}

/// The bytes of a file, by their number and their SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bytes {
    /// How many there are.
    pub size: u64,
    /// Their SHA-256.
    pub sha256: Digest,
}

/// Why there is no seal.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotSealed {
    /// The file is not sound, or cannot be judged.
    #[error("it is {} {}", .0.verdict.as_str(), findings(.0))]
    NotSound(Box<Report>),
    /// The file changed while it was read.
    #[error("the file changed while it was read")]
    Changed,
    /// It could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

fn findings(report: &Report) -> String {
    report.findings.first().map_or_else(String::new, |finding| format!("({} at byte {})", finding.code, finding.start))
}

impl From<io::Error> for NotSealed {
    fn from(error: io::Error) -> Self {
        Self::Read(error.into())
    }
}

/// Verifies a file, and returns its seal.
///
/// # Errors
/// If the file is not sound, changes meanwhile, or cannot be read.
///
/// # Examples
/// ```no_run
/// use std::fs::File;
///
/// use redis_persistence::verify::Options;
/// use redis_persistence::{digest, seal};
///
/// let seal = seal::file(&File::open("dump.rdb")?, &Options::default(), &digest::Options::default())?;
/// println!("{} keys, SHA-256 {}", seal.contents.keys, seal.bytes.sha256);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn file(file: &File, options: &Options, digests: &digest::Options) -> Result<Seal, NotSealed> {
    let before = identity(file)?;
    let report = verify::file_at(file, options)?;
    if report.verdict != Verdict::Sound {
        return Err(NotSealed::NotSound(Box::new(report)));
    }
    let mut hashed = Hashed::new(file);
    io::Seek::seek(&mut hashed.input, io::SeekFrom::Start(0))?;
    let contents = digest::reader(&mut hashed, digests)?;
    let bytes = hashed.finish()?;
    if before != identity(file)? || bytes.size != report.size {
        return Err(NotSealed::Changed);
    }
    Ok(Seal::of(&report, contents, bytes))
}

impl Seal {
    /// Returns the seal of a file of which the parts were found out one by one, as for one that is stored packed: `bytes` are
    /// those that are stored.
    #[must_use]
    pub fn of(report: &Report, contents: Digests, bytes: Bytes) -> Self {
        let format = report.format.as_ref();
        Self {
            bytes,
            contents,
            checksum: report.checksum,
            duplicates: report.duplicates,
            writer: format.and_then(|format| format.writer.clone()),
            created: format.and_then(|format| format.created),
        }
    }
}

/// Sums bytes as they pass.
#[derive(Debug)]
pub struct Hashed<R> {
    input: R,
    sum: Sha256,
    size: u64,
}

impl<R: Read> Hashed<R> {
    /// Returns an input that sums what is read of `input`.
    pub fn new(input: R) -> Self {
        Self { input, sum: Sha256::new(), size: 0 }
    }

    /// Reads what is left, and returns the sum.
    ///
    /// # Errors
    /// Those of the input.
    pub fn finish(mut self) -> io::Result<Bytes> {
        io::copy(&mut self, &mut io::sink())?;
        Ok(Bytes { size: self.size, sha256: Digest(self.sum.finalize().into()) })
    }
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        self.sum.update(&buffer[..read]);
        self.size += read as u64;
        Ok(read)
    }
}

/// What tells one state of a file from another: which file it is, its size, and when it was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// Device and inode.
    which: (u64, u64),
    size: u64,
    modified: Option<SystemTime>,
}

/// Returns what a file is now, to be compared later: equal if nobody changed it meanwhile.
///
/// # Errors
/// If the system does not tell.
pub fn identity(file: &File) -> io::Result<Identity> {
    let data = file.metadata()?;
    #[cfg(unix)]
    let which = {
        use std::os::unix::fs::MetadataExt as _;
        (data.dev(), data.ino())
    };
    #[cfg(not(unix))]
    let which = (0, 0);
    Ok(Identity { which, size: data.len(), modified: data.modified().ok() })
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn sealed(data: &[u8]) -> Result<Seal, NotSealed> {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(data).expect("room");
        super::file(&file, &Options::default(), &digest::Options::default())
    }

    /// One key, without a checksum: version 4 has none.
    const ONE: &[u8] = b"REDIS0004\xfe\x00\x00\x03key\x05value\xff";

    #[test]
    fn a_sound_file_has_a_seal() {
        let seal = sealed(ONE).expect("it is sound");
        assert_eq!((seal.bytes.size, seal.contents.keys), (ONE.len() as u64, 1));
        assert_eq!(seal.bytes.sha256, Digest(Sha256::digest(ONE).into()));
        // Another order of the same length of the text is other data.
        let other = sealed(b"REDIS0004\xfe\x00\x00\x03key\x05valve\xff").expect("it is sound");
        assert_ne!(seal.contents.digest, other.contents.digest);
    }

    #[test]
    fn a_damaged_file_has_none() {
        let error = sealed(&ONE[..ONE.len() - 3]).expect_err("it is cut");
        assert!(matches!(&error, NotSealed::NotSound(_)) && error.to_string().contains("rdb-truncated"), "{error}");
    }
}
