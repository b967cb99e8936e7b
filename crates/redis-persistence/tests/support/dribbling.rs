//! A tree of files that are read a few bytes at a time, with interruptions.

use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use redis_persistence::aof::dir::{Files, Opened};
use redis_persistence::aof::dir::{Node, Tree};
use redis_persistence::verify::{Code, Report};
use testkit::rng::Rng;

/// Gives out the files of another tree so.
#[derive(Debug)]
pub struct Dribbling<T> {
    pub tree: T,
    pub rng: Rng,
}

/// A file of such a tree.
#[derive(Debug)]
pub struct Dribble<F> {
    file: F,
    rng: Rng,
}

impl<F: Read> Read for Dribble<F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.rng.chance(10) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let most = self.rng.size(1..=40).min(buffer.len());
        self.file.read(&mut buffer[..most])
    }
}

impl<F: Seek> Seek for Dribble<F> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

impl<T: Files> Files for Dribbling<T> {
    type File = Dribble<T::File>;

    fn open(&mut self, path: &Path) -> io::Result<Opened<Self::File>> {
        Ok(match self.tree.open(path)? {
            Opened::File { file, size } => Opened::File { file: Dribble { file, rng: self.rng.clone() }, size },
            Opened::Directory => Opened::Directory,
        })
    }
}

impl<T: Tree> Tree for Dribbling<T> {
    fn stat(&mut self, path: &Path) -> io::Result<Option<Node>> {
        self.tree.stat(path)
    }

    fn list(&mut self, folder: &Path) -> io::Result<Vec<(Vec<u8>, Node)>> {
        self.tree.list(folder)
    }
}

/// What must agree between reports.
pub fn essence(report: &Report) -> impl PartialEq + std::fmt::Debug + use<'_> {
    let findings: Vec<(Code, Option<&str>, u64, u64)> =
        report.findings.iter().map(|f| (f.code, f.file.as_deref(), f.start, f.failed_at)).collect();
    (report.verdict, report.size, report.aof.as_ref().map(|facts| facts.commands), findings)
}
