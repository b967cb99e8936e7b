//! The new files as they would be written, so that they can be verified before anything is: what a verification finds wrong with a
//! whole record is the record's fault, and it is left out.
//!
//! ```text
//! Salvage -> pieces: ranges of the old files, SELECTs, images made anew -> verify -> sound
//!    ^                                                                      |
//!    +----- without the records that servers refuse, or answer with an error+
//! ```

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::source::Source;
use super::{Image, Salvage, SalvagedFile, line_ends};
use crate::aof::dir::{Files, Opened};
use crate::aof::dir::{Names, Node, Tree, os_name};
use crate::report::{Code, Finding, Report, Severity, Verdict};
use crate::verify::{self, Options};

/// What is made anew is held in memory for this, up to this many bytes.
pub(super) const MOST_HELD: u64 = 64 << 20;
/// The folder that the files seem to lie in.
const FOLDER: &str = "appendonlydir";

/// What the new files come to.
#[derive(Debug)]
pub(super) enum Proof {
    /// They are sound.
    Sound,
    /// They are too large to be made to see.
    Unknown,
    /// These records are whole, and servers refuse them or answer them with an error: by file, where they begin.
    Records(HashMap<Vec<u8>, HashSet<u64>>),
    /// They are not sound.
    Unsound(String),
}

/// Verifies what would be written.
pub(super) fn prove(salvage: &Salvage) -> io::Result<Proof> {
    let Some(mut prepared) = Prepared::of(salvage)? else { return Ok(Proof::Unknown) };
    let path = prepared.path.clone();
    let report = verify::aof_in(&mut prepared, &path, &Options::default())?;
    if report.verdict == Verdict::Sound || is_foreign(&report) {
        return Ok(Proof::Sound);
    }
    let errors = || report.findings.iter().filter(|finding| finding.severity == Severity::Error);
    let mut records: HashMap<Vec<u8>, HashSet<u64>> = HashMap::new();
    for finding in errors().filter(|finding| is_of_record(finding)) {
        if let Some((file, at)) = prepared.origin(finding) {
            records.entry(file).or_default().insert(at);
        }
    }
    if !records.is_empty() {
        return Ok(Proof::Records(records));
    }
    let what = errors().next().map_or("they cannot be judged".to_owned(), |finding| {
        let file = finding.file.as_ref().map_or_else(String::new, |file| format!(" of {file}"));
        // Without the message: that may hold names from the data.
        format!("{} at byte {}{file} would stay", finding.code, finding.start)
    });
    Ok(Proof::Unsound(what))
}

/// Returns what a verification says of what would be written; nothing if that is too large to be made to see.
pub(super) fn report(salvage: &Salvage) -> io::Result<Option<Report>> {
    let Some(mut prepared) = Prepared::of(salvage)? else { return Ok(None) };
    let path = prepared.path.clone();
    verify::aof_in(&mut prepared, &path, &Options::default()).map(Some)
}

/// Commands of another product are no damage.
fn is_foreign(report: &Report) -> bool {
    report.verdict == Verdict::Unknown && report.aof.as_ref().is_some_and(|facts| !facts.load.foreign.is_empty())
}

/// Returns whether it is the fault of one record, whatever stands around it.
fn is_of_record(finding: &Finding) -> bool {
    matches!(
        finding.code,
        Code::AofRestoreDamaged
            | Code::AofScriptDamaged
            | Code::AofUnknownCommand
            | Code::AofEmptyCommandName
            | Code::AofNulInCommandName
            | Code::AofWrongArity
            | Code::AofShutdown
    )
}

/// Bytes of a new file.
#[derive(Debug, Clone)]
enum Piece {
    Made(Bytes),
    /// A range of the old one.
    Range(u64, u64),
}

impl Piece {
    fn size(&self) -> u64 {
        match self {
            Self::Made(bytes) => bytes.len() as u64,
            Self::Range(start, end) => end - start,
        }
    }
}

/// A new file: where each piece begins in it.
#[derive(Debug, Clone, Default)]
struct Laid {
    pieces: Vec<(u64, Piece)>,
    size: u64,
    old: PathBuf,
}

impl Laid {
    fn add(&mut self, piece: Piece) {
        let size = piece.size();
        if size > 0 {
            self.pieces.push((self.size, piece));
            self.size += size;
        }
    }

    /// Returns the piece in which a byte lies, and how far into it.
    fn piece(&self, at: u64) -> Option<(&Piece, u64)> {
        let number = self.pieces.partition_point(|(start, _)| *start <= at).checked_sub(1)?;
        let (start, piece) = &self.pieces[number];
        let into = at - start;
        (into < piece.size()).then_some((piece, into))
    }

    fn of(file: &SalvagedFile) -> io::Result<Option<Self>> {
        let mut laid = Self { old: file.seen.path.clone(), ..Self::default() };
        if file.image == Image::Kept {
            laid.add(Piece::Range(0, file.image_end));
        } else if file.image_end <= MOST_HELD {
            let mut made = Vec::new();
            file.image.write(&File::open(&laid.old)?, file.image_end, &mut made)?;
            laid.add(Piece::Made(made.into()));
        } else {
            return Ok(None);
        }
        if file.line_ends.is_some() && file.account.kept_bytes() > MOST_HELD {
            return Ok(None);
        }
        for keep in &file.account.kept {
            if let Some(db) = keep.select {
                laid.add(Piece::Made(super::select(db).into()));
            }
            if file.line_ends.is_some() {
                let mut made = Vec::new();
                line_ends::write(Source::new(File::open(&laid.old)?, file.seen.size), keep, &mut made)?;
                laid.add(Piece::Made(made.into()));
            } else {
                laid.add(Piece::Range(keep.start, keep.end));
            }
        }
        Ok(Some(laid))
    }
}

/// The new files, as a tree of them.
#[derive(Debug)]
struct Prepared {
    /// What a server is to load: the manifest, or the only file.
    path: PathBuf,
    names: Names,
    laid: HashMap<PathBuf, (Vec<u8>, Arc<Laid>)>,
    manifest: Option<Bytes>,
}

impl Prepared {
    fn of(salvage: &Salvage) -> io::Result<Option<Self>> {
        let (mut names, mut laid) = (Names::default(), HashMap::new());
        for file in &salvage.files {
            let Some(of) = Laid::of(file)? else { return Ok(None) };
            let path = Path::new(FOLDER).join(os_name(&file.name));
            names.add(path.clone(), of.size);
            laid.insert(path, (file.name.clone(), Arc::new(of)));
        }
        let single = salvage.files.first().map_or(&b""[..], |file| &file.name);
        let name = salvage.manifest.as_ref().map_or(single, |(name, _)| name);
        let path = Path::new(FOLDER).join(os_name(name));
        let manifest = salvage.manifest.as_ref().map(|(_, content)| Bytes::copy_from_slice(content));
        if let Some(content) = &manifest {
            names.add(path.clone(), content.len() as u64);
        }
        Ok(Some(Self { path, names, laid, manifest }))
    }

    /// Returns where the record of a finding begins in the old file.
    fn origin(&self, finding: &Finding) -> Option<(Vec<u8>, u64)> {
        let is_meant = |name: &[u8]| finding.file.as_ref().is_none_or(|file| *file == name.escape_ascii().to_string());
        let (name, laid) = self.laid.values().find(|(name, _)| is_meant(name))?;
        match laid.piece(finding.start)? {
            (Piece::Range(start, _), into) => Some((name.clone(), start + into)),
            (Piece::Made(_), _) => None,
        }
    }
}

/// An open file.
trait Input: Read + Seek + Send + fmt::Debug {}
impl<F: Read + Seek + Send + fmt::Debug> Input for F {}

impl Files for Prepared {
    type File = Box<dyn Input>;

    fn open(&mut self, path: &Path) -> io::Result<Opened<Self::File>> {
        if let Some(content) = self.manifest.as_ref().filter(|_| path == self.path) {
            return Ok(Opened::File { size: content.len() as u64, file: Box::new(io::Cursor::new(content.clone())) });
        }
        if let Some((_, laid)) = self.laid.get(path) {
            let old = File::open(&laid.old)?;
            return Ok(Opened::File { size: laid.size, file: Box::new(Pieced { laid: Arc::clone(laid), old, at: 0 }) });
        }
        match self.names.stat(path) {
            Some(_) => Ok(Opened::Directory),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

impl Tree for Prepared {
    fn stat(&mut self, path: &Path) -> io::Result<Option<Node>> {
        Ok(self.names.stat(path))
    }

    fn list(&mut self, folder: &Path) -> io::Result<Vec<(Vec<u8>, Node)>> {
        Ok(self.names.list(folder))
    }
}

/// A new file that is read.
#[derive(Debug)]
struct Pieced {
    laid: Arc<Laid>,
    old: File,
    at: u64,
}

impl Read for Pieced {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some((piece, into)) = self.laid.piece(self.at) else { return Ok(0) };
        let left = usize::try_from(piece.size() - into).unwrap_or(usize::MAX).min(buffer.len());
        let read = match piece {
            Piece::Made(bytes) => {
                let from = usize::try_from(into).unwrap_or(usize::MAX);
                buffer[..left].copy_from_slice(&bytes[from..from + left]);
                left
            }
            Piece::Range(start, _) => {
                self.old.seek(SeekFrom::Start(start + into))?;
                self.old.read(&mut buffer[..left])?
            }
        };
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for Pieced {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let from = |base: u64, by: i64| base.checked_add_signed(by).ok_or(io::ErrorKind::InvalidInput);
        self.at = match to {
            SeekFrom::Start(offset) => offset,
            SeekFrom::Current(by) => from(self.at, by)?,
            SeekFrom::End(by) => from(self.laid.size, by)?,
        };
        Ok(self.at)
    }
}
