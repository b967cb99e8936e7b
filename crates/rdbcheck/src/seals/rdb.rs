//! The seal of an RDB.

use std::collections::BTreeMap;
use std::io;
use std::num::NonZero;
use std::path::Path;

use redis_persistence::digest::{self, Digests};
use redis_persistence::seal::{self, Seal};
use redis_persistence::verify::Verdict;
use serde::{Deserialize, Serialize};

use super::{Held, NoSeal, bytes_of, is_sum, read, regular, summary};
use crate::input::packed_input::{self, How};
use crate::units::now_ms;

/// A file against its seal.
#[derive(Debug)]
pub(crate) struct Against {
    pub(crate) was: Stored,
    /// What is not as it was.
    pub(crate) differs: Vec<String>,
    /// What the file holds now and how large it is, where it is not the same bytes and can be read.
    pub(crate) now: Option<(Digests, u64)>,
}

/// Holds a file against a seal: first by its bytes, and where these are others, by its data.
pub(crate) fn against(path: &Path, seal: &Path, how: How, threads: Option<NonZero<usize>>) -> Result<Against, NoSeal> {
    let was = Stored::read(seal)?;
    let file = regular(path)?;
    let before = seal::identity(&file)?;
    let bytes = bytes_of(&file)?;
    let mut differs = Vec::new();
    if bytes.size != was.size {
        differs.push("size".to_owned());
    }
    if bytes.sha256.to_string() != was.sha256.to_ascii_lowercase() {
        differs.push("sha256".to_owned());
    }
    let mut now = None;
    if !differs.is_empty() {
        let options = digest::Options { debug_digest: false, threads, ..digest::Options::default() };
        // What cannot be read is not the same data.
        now = digest::reader(packed_input::open(path, how)?.content, &options).ok().map(|of| (of, bytes.size));
        if now.as_ref().is_none_or(|(now, _)| now.digest.to_string() != was.digest.to_ascii_lowercase()) {
            differs.push("digest".to_owned());
        }
    }
    if seal::identity(&regular(path)?)? != before {
        return Err(NoSeal::Io(io::Error::other("the file changed while it was held against its seal")));
    }
    Ok(Against { was, differs, now })
}

/// The same for a report.
pub(crate) fn held(path: &Path, seal: &Path, how: How, threads: Option<NonZero<usize>>) -> Result<Held, NoSeal> {
    let against = against(path, seal, how, threads)?;
    Ok(Held::new(seal, against.was.sealed_at, against.differs, 0))
}

/// A seal, as it is kept.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Stored {
    schema_version: u32,
    /// The command that made it, and its version.
    tool: String,
    /// When it was made, in seconds since the epoch.
    pub(crate) sealed_at: i64,
    pub(crate) size: u64,
    pub(crate) sha256: String,
    pub(crate) digest: String,
    debug_digest: Option<String>,
    debug_digest_old: Option<String>,
    pub(crate) keys: u64,
    expires: u64,
    functions: u64,
    databases: BTreeMap<u64, Database>,
    family: String,
    rdb_version: u32,
    writer: Option<String>,
    created: Option<i64>,
    checked: Checked,
}

#[derive(Debug, Serialize, Deserialize)]
struct Database {
    keys: u64,
    expires: u64,
    digest: String,
}

/// What was checked before the file was sealed.
#[derive(Debug, Serialize, Deserialize)]
struct Checked {
    verdict: String,
    checksum: Option<String>,
    duplicates: String,
}

impl Stored {
    pub(crate) fn of(seal: &Seal) -> Self {
        let of = &seal.contents;
        let databases = of
            .databases
            .iter()
            .map(|(db, of)| (*db, Database { keys: of.keys, expires: of.expires, digest: of.digest.to_string() }));
        Self {
            schema_version: 1,
            tool: format!("rdbcheck {}", env!("CARGO_PKG_VERSION")),
            sealed_at: now_ms() / 1000,
            size: seal.bytes.size,
            sha256: seal.bytes.sha256.to_string(),
            digest: of.digest.to_string(),
            debug_digest: of.debug_digest.map(|digest| digest.to_string()),
            debug_digest_old: of.debug_digest_old.map(|digest| digest.to_string()),
            keys: of.keys,
            expires: of.expires,
            functions: of.functions,
            databases: databases.collect(),
            family: of.family.to_string(),
            rdb_version: of.version,
            writer: seal.writer.clone(),
            created: seal.created,
            checked: Checked {
                verdict: Verdict::Sound.as_str().to_owned(),
                checksum: seal.checksum.map(|checksum| checksum.as_str().to_owned()),
                duplicates: seal.duplicates.as_str().to_owned(),
            },
        }
    }

    /// Reads a seal.
    pub(crate) fn read(path: &Path) -> Result<Self, NoSeal> {
        let seal = read(path, |seal: &Self| seal.schema_version)?;
        if is_sum(&seal.sha256) && is_sum(&seal.digest) {
            return Ok(seal);
        }
        Err(NoSeal::Other("its sums are not 64 hexadecimal digits".to_owned()))
    }

    /// Returns it in a few words.
    pub(crate) fn summary(&self) -> String {
        summary(self.keys, self.size, &self.digest)
    }
}
