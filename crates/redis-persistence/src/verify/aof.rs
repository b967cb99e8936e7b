//! Verifies append-only files: one file, or all files of a set, in one run.
//!
//! ```text
//! aof::dir::find -> AofSet -> manifest.rs   the manifest, and what lies about
//!                             each part     RDB image -> drive::image, records -> records.rs
//!                             the others    unread.rs
//!                          -> Log, AofFacts -> Report
//! ```
//! Beside the verdict runs the official tool's own count (`aof::official::Walk`), for people who compare.

mod around;
mod commands;
mod damage;
mod image;
mod log;
mod manifest;
mod records;
mod repeat;
mod replies;
pub(in crate::verify) use replies::payload;
mod unread;

use std::io::{self, Read, Seek, SeekFrom};
use std::num::NonZero;
use std::ops::ControlFlow;
use std::path::Path;

use super::options::Options;
use crate::aof::dir::{self, AofSet, NextStart, Node, Role, Shape, Tree};
use crate::aof::dir::{Disk, Opened, has_file_line};
use crate::aof::official::Walk;
use crate::aof::{Grammar, Reader, Sizes};
use crate::base::source::Clamped;
use crate::rdb::has_signature;
use crate::report::codes::{Code, Severity};
use crate::report::facts::{AofLoadFacts, Name};
use crate::report::{AofFacts, Counts, DuplicateCheck, Kind, Part, Report, Verdict};
pub(crate) use commands::swallows;
use log::Log;
use records::{Place, Records};
pub(crate) use repeat::ImageKeys;
pub(crate) use replies::{Replayed, replay};
use replies::{Replies, Said};

/// Verifies what lies under a path: an append-only file, a manifest, an `appendonlydir`, or a server's directory.
///
/// # Errors
/// If nothing lies there, if it is no regular file and no such directory, or if it cannot be read. Damage is no error, but
/// findings.
///
/// # Examples
/// ```
/// use redis_persistence::verify::{self, Options};
///
/// let error = verify::aof_path("no/such/appendonlydir".as_ref(), &Options::default());
/// assert!(error.is_err());
/// ```
pub fn aof_path(path: &Path, options: &Options) -> io::Result<Report> {
    aof_in(&mut Disk, path, options)
}

/// Verifies one append-only file in memory.
///
/// # Examples
/// ```
/// use redis_persistence::verify::{self, Options, Verdict};
///
/// let report = verify::aof_slice(b"*1\r\n$8\r\nLASTSAVE\r\n*1\r\n$4\r\nPI", &Options::default())?;
/// assert_eq!(report.verdict, Verdict::Damaged);
/// assert_eq!(report.findings[0].code.as_str(), "aof-truncated-record");
/// assert_eq!(report.parts[0].loads_up_to, Some(18));
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// None but those of an input that fails.
pub fn aof_slice(data: &[u8], options: &Options) -> io::Result<Report> {
    let mut files = dir::Memory::default();
    files.add("appendonly.aof", data.to_vec());
    let set = dir::single(Path::new("appendonly.aof"), data.len() as u64);
    // What the caller holds is verified on the caller's thread.
    aof_set(&mut files, &set, &Options { threads: Some(NonZero::<usize>::MIN), ..options.clone() })
}

/// Verifies what lies under a path of any tree of files.
///
/// # Errors
/// As [`aof_path`].
pub fn aof_in<T: Tree>(tree: &mut T, path: &Path, options: &Options) -> io::Result<Report> {
    let set = dir::find(tree, path)?;
    aof_set(tree, &set, options)
}

/// Verifies a set that was found before.
///
/// # Errors
/// As [`aof_path`].
pub fn aof_set<T: Tree>(tree: &mut T, set: &AofSet, options: &Options) -> io::Result<Report> {
    set_in(tree, set, options, Sizes::default())
}

fn set_in<T: Tree>(tree: &mut T, set: &AofSet, options: &Options, sizes: Sizes) -> io::Result<Report> {
    let mut run = Run {
        tree,
        set,
        options,
        sizes,
        log: Log::new(options),
        facts: AofFacts { load: surroundings(set), ..AofFacts::default() },
        parts: Vec::new(),
        image: None,
        images: Vec::new(),
        repeated: None,
        tool: Tool { line: 1, goes_on: true },
        replies: Replies::new(options),
    };
    run.all()?;
    Ok(run.report())
}

fn surroundings(set: &AofSet) -> AofLoadFacts {
    AofLoadFacts {
        shape: Some(set.shape),
        prefix: set.prefix.escape_ascii().to_string(),
        folder: set.root.file_name().map(|name| name.as_encoded_bytes().escape_ascii().to_string()),
        next_start: Some(set.next_start.clone()),
        in_directory: set.directory.is_some(),
        has_folder: set.has_folder,
        manifest_is_bad: set.manifest.as_ref().is_some_and(|manifest| !manifest.errors.is_empty()),
        next_numbers: set.next_numbers(),
        access: set.access.clone(),
        ..AofLoadFacts::default()
    }
}

/// The official tool's way through the files.
struct Tool {
    line: u64,
    goes_on: bool,
}

struct Run<'a, T> {
    tree: &'a mut T,
    set: &'a AofSet,
    options: &'a Options,
    sizes: Sizes,
    log: Log,
    facts: AofFacts,
    parts: Vec<Part>,
    /// What was found out about the first RDB image.
    image: Option<Report>,
    /// The parts that begin with an image, for keys that stand in two of them.
    images: Vec<usize>,
    /// The key of the image at hand that stands in an earlier one.
    repeated: Option<Name>,
    tool: Tool,
    replies: Replies<'a>,
}

impl<T: Tree> Run<'_, T> {
    fn all(&mut self) -> io::Result<()> {
        let set = self.set;
        manifest::check(set, &mut self.log);
        around::check(set, &mut self.log);
        self.start_tool()?;
        let last = set.parts.iter().rposition(|part| part.role.is_loaded());
        for (number, part) in set.parts.iter().enumerate() {
            self.parts.push(Part {
                name: part.name.escape_ascii().to_string(),
                role: part.role,
                size: part.size(),
                ok_up_to: None,
                loads_up_to: None,
                preamble_end: None,
                rdb: None,
                records: None,
            });
            if part.role.is_loaded() {
                let name = (set.shape == Shape::MultiPart).then(|| part.name.escape_ascii().to_string());
                self.log.next_file(name);
                self.part(number, Some(number) == last)?;
            }
        }
        self.unread()
    }

    /// The tool looks at what it is given before it looks at any part.
    fn start_tool(&mut self) -> io::Result<()> {
        match &self.set.manifest {
            Some(file) if !has_file_line(&file.bytes[..], false)? => {
                // It takes the manifest for an append-only file, and looks no further.
                if file.size > 0 {
                    let mut walk = Walk::new(0, 1);
                    let mut reader = Reader::new(&file.bytes[..], Grammar::Tool);
                    walk.run(&mut reader, b"", |_| ControlFlow::<()>::Continue(()))?;
                    self.analyzed(&walk, file.size);
                }
                self.tool.goes_on = false;
            }
            Some(file) => self.tool.goes_on = file.errors.is_empty(),
            None if self.set.shape == Shape::MultiPart => self.tool.goes_on = false,
            None => {}
        }
        // It knows nothing of a file that a server would move in.
        self.tool.goes_on &= self.set.next_start != NextStart::Migrates;
        Ok(())
    }

    fn part(&mut self, number: usize, last: bool) -> io::Result<()> {
        let part = &self.set.parts[number];
        let (file, size) = match part.node {
            Some(Node::File(_)) => match self.tree.open(&part.path) {
                Ok(Opened::File { file, size }) => (file, size),
                Ok(Opened::Directory) => return self.absent(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return self.absent(),
                Err(error) => {
                    return Err(io::Error::new(error.kind(), format!("{}: {error}", part.path.display())));
                }
            },
            _ => return self.absent(),
        };
        self.parts[number].size = Some(size);
        let mut input = Clamped::new(file, size);
        if size == 0 {
            (self.parts[number].loads_up_to, self.parts[number].ok_up_to) = (Some(0), Some(0));
            if part.role == Role::Base && part.name.ends_with(b".rdb") {
                self.log.note(Code::AofEmptyBase, || {
                    "the base is named as a snapshot and is of 0 bytes, which no server writes: its keys are lost, and servers \
                     start with the files after it alone"
                        .to_owned()
                });
            }
            return Ok(());
        }
        self.content(number, last, &mut input)?;
        let now = input.size_now()?;
        if now > size {
            self.log.note(Code::AofGrewWhileRead, || {
                format!("the file grew from {size} to {now} bytes while it was read; the first {size} were judged")
            });
        } else if now < size {
            self.log.note(Code::AofShrankWhileRead, || {
                format!("the file shrank from {size} to {now} bytes while it was read; check it again")
            });
        }
        Ok(())
    }

    /// A part that cannot be opened ends the tool's run; the finding is the manifest's.
    fn absent(&mut self) -> io::Result<()> {
        self.tool.goes_on = false;
        Ok(())
    }

    fn content(&mut self, number: usize, last: bool, input: &mut Clamped<T::File>) -> io::Result<()> {
        let role = self.set.parts[number].role;
        let head = input.peek(0, 6)?;
        let image = has_signature(&head);
        // The tool looks for an image in a base only, and knows Redis' signature only.
        let tool_sees_it = head.starts_with(b"REDIS") && input.size() >= 8 && role == Role::Base;
        if self.set.shape == Shape::Single {
            input.seek(SeekFrom::Start(0))?;
            // A file that begins as a manifest does is one for the tool.
            self.tool.goes_on &= image || !has_file_line(input.by_ref().take(1 << 20), false)?;
        }
        let mut start = 0;
        let mut tool_line = Some(self.tool.line);
        if image {
            let Some((end, sane)) = self.rdb(number, input)? else {
                if tool_sees_it {
                    self.tool.goes_on = false;
                } else {
                    self.unseen_image(number, input.size());
                }
                return Ok(());
            };
            start = end;
            if !tool_sees_it {
                self.unseen_image(number, input.size());
                tool_line = None;
            } else if !sane {
                self.tool.goes_on = false;
            }
        }
        let format = self.image.as_ref().and_then(|image| image.format.as_ref());
        let family = format.map(|format| format.product.unwrap_or(format.family));
        let Options { commands: extra, limits, no_fast_paths, .. } = self.options;
        if let Some(rdb) = self.parts[number].rdb.as_deref() {
            self.replies.image(&rdb.scripts);
        }
        let place = Place { part: number, start, tool_line, last, family, extra, limits, fast: !no_fast_paths };
        let mut records = Records::new(place, &mut self.log, &mut self.replies);
        let threads = self.options.threads();
        let outcome = match T::at_places(input.file()) {
            Some(file) => {
                let mut input = Clamped::at_places(file, input.size());
                records.walk(&mut input, |input| Some(input.clone()), threads, self.sizes)?
            }
            None => records.walk(input, |_| None, threads, self.sizes)?,
        };
        self.parts[number].records = Some(Box::new(records.add_to(number, &mut self.facts)));
        let (log, replies) = (&mut self.log, &mut self.replies);
        replies.long(input, &mut |start, Said { code, at, message }| log.add(code, (start, at), || message, |_| ()))?;
        let sound = !image || self.parts[number].preamble_end.is_some();
        self.parts[number].loads_up_to = sound.then_some(outcome.loads_up_to);
        if let Some(walk) = &outcome.tool {
            self.parts[number].ok_up_to = Some(walk.ok_up_to);
            self.analyzed(walk, input.size());
        }
        Ok(())
    }

    /// An image that the tool takes for records, so that it stops at its first byte.
    fn unseen_image(&mut self, number: usize, size: u64) {
        self.parts[number].ok_up_to = Some(0);
        let walk = Walk::new(0, self.tool.line);
        self.analyzed(&walk, size);
    }

    /// The tool prints its analysis of a file, and goes on to the next one if this one is valid.
    fn analyzed(&mut self, walk: &Walk, size: u64) {
        if std::mem::replace(&mut self.tool.goes_on, false) {
            let diff = i64::try_from(i128::from(size) - i128::from(walk.ok_up_to)).unwrap_or(i64::MAX);
            (self.facts.ok_up_to, self.facts.ok_up_to_line) = (Some(walk.ok_up_to), Some(walk.line));
            self.facts.diff = Some(diff);
            self.tool.line = walk.line;
            self.tool.goes_on = diff == 0;
        }
    }

    /// Commands about functions that no server runs as they should.
    fn functions(&mut self) {
        let parts = &self.parts;
        let images = |part: usize| {
            parts.get(part).and_then(|part| part.rdb.as_ref()).map_or(Vec::new(), |rdb| rdb.libraries.clone())
        };
        for (place, message) in self.replies.functions(&images) {
            let name =
                parts.get(place.part).filter(|_| self.set.shape == Shape::MultiPart).map(|part| part.name.clone());
            self.log.add(Code::AofCommandFails, (place.at, place.at), || message, |finding| finding.file = name);
        }
    }

    fn report(mut self) -> Report {
        self.functions();
        self.facts.load.replies = self.replies.finish();
        commands::settle(&mut self.log, &self.facts.load);
        let damaged = self.log.any(Severity::Error);
        let unknown = self.image.as_ref().is_some_and(|image| image.verdict == Verdict::Unknown)
            || !self.facts.load.foreign.is_empty();
        let (findings, more, findings_by_code) = self.log.into_parts();
        let image = self.image;
        Report {
            kind: if self.set.shape == Shape::Single { Kind::Aof } else { Kind::AofDir },
            verdict: match (damaged, unknown) {
                (true, _) => Verdict::Damaged,
                (false, true) => Verdict::Unknown,
                (false, false) => Verdict::Sound,
            },
            size: self.parts.iter().filter(|part| part.role.is_loaded()).filter_map(|part| part.size).sum(),
            format: image.as_ref().and_then(|image| image.format.clone()),
            checksum: image.as_ref().and_then(|image| image.checksum),
            duplicates: image.as_ref().map_or(DuplicateCheck::Off, |image| image.duplicates),
            dump: None,
            rdb: image.as_ref().and_then(|image| image.rdb.clone()),
            stats: image.as_ref().and_then(|image| image.stats.clone()),
            counts: image.map_or_else(Counts::default, |image| image.counts),
            findings,
            more,
            findings_total: findings_by_code.values().sum(),
            findings_by_code,
            aof: Some(self.facts),
            parts: self.parts,
        }
    }
}

#[cfg(test)]
mod tests;
