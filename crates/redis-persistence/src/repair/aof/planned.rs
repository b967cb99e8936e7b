//! The files of a set as a plan would leave them, so that the result can be verified before anything is changed.

use std::fmt;
use std::io::{self, Cursor, Read, Seek};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::aof::dir::{self, AofSet, Node, Tree};
use crate::aof::dir::{Disk, Files, Opened};
use crate::base::source::Clamped;
use crate::repair::{Plan, Step};
use crate::report::{Code, Finding, Report, Severity, Verdict};
use crate::verify::{self, Options};

/// What a plan comes to.
#[derive(Debug)]
pub(super) enum Proof {
    /// Servers load what is left.
    Loads,
    /// They do not, and no cut mends that.
    Refused(String),
    /// They stop at a record that can be read.
    Record { file: Vec<u8>, at: u64, why: String },
}

/// Holds what a plan would leave against what servers load.
pub(super) fn prove(set: &AofSet, plan: &Plan) -> io::Result<Proof> {
    let Some(report) = verify(set, plan)? else { return Ok(Proof::Loads) };
    let mut errors = report.findings.iter().filter(|finding| finding.severity == Severity::Error).peekable();
    let any = errors.peek().is_some();
    let Some(error) = errors.find(|finding| !is_passed_over(finding.code)) else {
        return Ok(match report.verdict {
            Verdict::Damaged if !any => Proof::Refused("what would be left is damaged".to_owned()),
            _ => Proof::Loads,
        });
    };
    let file = error.file.as_ref().map_or_else(String::new, |file| format!(" of {file}"));
    let part = set.parts.iter().find(|part| {
        error.file.as_ref().is_none_or(|file| *file == part.name.escape_ascii().to_string()) && part.size().is_some()
    });
    Ok(match part {
        Some(part) if is_refused_record(error) => Proof::Record {
            file: part.name.clone(),
            at: error.start,
            why: format!("servers refuse the command at byte {} ({})", error.start, error.code),
        },
        // Without the message: that may hold names from the data.
        _ => {
            Proof::Refused(format!("{} at byte {}{file} would stay, and servers refuse that", error.code, error.start))
        }
    })
}

/// Returns whether servers answer it with an error, and go on.
fn is_passed_over(code: Code) -> bool {
    matches!(code, Code::AofRestoreDamaged | Code::AofScriptDamaged)
}

/// Returns whether it is a whole record at which servers end, and none that only another server, or one with a module, knows.
fn is_refused_record(error: &Finding) -> bool {
    let is_word = |name: &String| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    match error.code {
        Code::AofUnknownCommand => !error.command.as_ref().is_some_and(is_word),
        Code::AofEmptyCommandName
        | Code::AofNulInCommandName
        | Code::AofWrongArity
        | Code::AofShutdown
        | Code::AofWatchedTransaction => true,
        _ => false,
    }
}

/// Verifies what the files would be once the plan was applied; nothing if there is no file then.
pub(super) fn verify(set: &AofSet, plan: &Plan) -> io::Result<Option<Report>> {
    let mut planned = Planned { plan };
    let made = plan.steps.iter().find_map(|step| match step {
        Step::Rewrite(rewrite) => Some(&rewrite.path),
        _ => None,
    });
    let manifest = made.or(set.manifest.as_ref().map(|file| &file.path));
    let Some(path) = manifest.or(set.parts.first().map(|part| &part.path)) else { return Ok(None) };
    let set = dir::find(&mut planned, path)?;
    verify::aof_set(&mut planned, &set, &Options::default()).map(Some)
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

    /// Returns what lies there then, where the plan changes it.
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

    fn free(&mut self, folder: &Path) -> Option<u64> {
        Disk.free(folder)
    }

    fn owner(&mut self, path: &Path) -> Option<dir::Owner> {
        Disk.owner(path)
    }
}
