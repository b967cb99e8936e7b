//! The files of a set as a plan would leave them, so that the result can be verified before anything is changed.

use std::fmt;
use std::io::{self, Cursor, Read, Seek};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::aof::dir::{self, Node, Tree};
use crate::aof::official::{Disk, Files, Opened};
use crate::repair::{Plan, Step};
use crate::verify::{self, Clamped, Options, Report};

/// Verifies what the files would be once the plan was applied. `path` is that of the manifest or of the single file.
pub(super) fn verify(plan: &Plan, path: &Path) -> io::Result<Report> {
    let mut planned = Planned { plan };
    let set = dir::find(&mut planned, path)?;
    verify::aof_set(&mut planned, &set, &Options::default())
}

#[derive(Debug)]
struct Planned<'p> {
    plan: &'p Plan,
}

/// An open file.
trait Input: Read + Seek + Send + fmt::Debug {}
impl<F: Read + Seek + Send + fmt::Debug> Input for F {}

impl Planned<'_> {
    fn step(&self, path: &Path) -> Option<&Step> {
        self.plan.steps.iter().find(|step| step.path() == path)
    }

    /// What lies there then, where the plan changes it.
    fn node(&self, path: &Path) -> Option<Option<Node>> {
        self.step(path).map(|step| match step {
            Step::Cut(cut) => Some(Node::File(cut.to)),
            Step::Rewrite(rewrite) => Some(Node::File(rewrite.content.len() as u64)),
            Step::SetAside(_) => None,
        })
    }
}

impl Files for Planned<'_> {
    type File = Box<dyn Input>;

    fn open(&mut self, path: &Path) -> io::Result<Opened<Self::File>> {
        if let Some(Step::Rewrite(rewrite)) = self.step(path) {
            let content = Bytes::copy_from_slice(&rewrite.content);
            return Ok(Opened::File { size: content.len() as u64, file: Box::new(Cursor::new(content)) });
        }
        Ok(match (Disk.open(path)?, self.node(path)) {
            (Opened::Directory, _) => Opened::Directory,
            (Opened::File { file, .. }, Some(Some(Node::File(size)))) => {
                Opened::File { file: Box::new(Clamped::new(file, size)), size }
            }
            (Opened::File { .. }, Some(_)) => return Err(io::ErrorKind::NotFound.into()),
            (Opened::File { file, size }, None) => Opened::File { file: Box::new(file), size },
        })
    }
}

impl Tree for Planned<'_> {
    fn stat(&mut self, path: &Path) -> io::Result<Option<Node>> {
        self.node(path).map_or_else(|| Disk.stat(path), Ok)
    }

    fn list(&mut self, folder: &Path) -> io::Result<Vec<(Vec<u8>, Node)>> {
        let mut names = Disk.list(folder)?;
        names.retain_mut(|(name, node)| {
            let path: PathBuf = folder.join(dir::os_name(name));
            match self.node(&path) {
                Some(Some(planned)) => *node = planned,
                Some(None) => return false,
                None => {}
            }
            true
        });
        Ok(names)
    }

    fn modified(&mut self, path: &Path) -> Option<i64> {
        Disk.modified(path)
    }
}
