//! What `redis-check-aof` says of a file: its verdict, its offsets, its lines, its exit code.
//!
//! It follows the tool of Redis 8.6.3 step by step, for everyone who compares or who has scripts around that tool. What it
//! does not follow:
//!
//! * nothing is opened for writing and nothing is cut here: a cut is handed back as a [`Cut`], to be asked for and done;
//! * a huge argument length is an argument that is cut short, not an attempt to allocate it;
//! * a cut that would destroy a manifest, or a snapshot with Valkey's signature, is refused ([`Outcome::refused`]).
//!
//! The official tool stops at the first damage and in the first damaged file; so does this. For all findings of all files
//! there is the verifier.

mod single;
mod walk;

use std::io::{self, Read};
use std::path::{Path, PathBuf};

pub use single::{FileReport, FileVerdict};
pub use walk::Problem;

use crate::aof::Manifest;
use crate::aof::dir::{Files, Opened, has_file_line};
use crate::aof::manifest::{Dialect, looks_like_manifest};
use single::Single;
pub(crate) use walk::Walk;

/// Which tool to stand in for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Tool {
    /// `redis-check-aof` 7.0: any line that begins with `file` makes a manifest of the file.
    Redis70,
    /// `redis-check-aof` 8.6.3: only the first line that is no comment counts.
    #[default]
    Redis86,
    /// `valkey-check-aof` 9.1.2.
    Valkey91,
}

impl Tool {
    fn name(self) -> &'static str {
        if self == Self::Valkey91 { "valkey-check-aof" } else { "redis-check-aof" }
    }

    fn dialect(self) -> Dialect {
        if self == Self::Valkey91 { Dialect::Valkey } else { Dialect::Redis }
    }
}

/// What the tool is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Task {
    /// Check only.
    #[default]
    Check,
    /// `--fix`: cut what is not valid off the last file.
    Fix,
    /// `--truncate-to-timestamp`: cut from the first timestamp that is greater. 0 checks only.
    TruncateToTimestamp(i64),
}

/// Reads the argument of `--truncate-to-timestamp` as the tool does. `None`: "Invalid timestamp, aborting...".
///
/// # Examples
/// ```
/// use redis_persistence::aof::official::timestamp_argument;
///
/// assert_eq!(timestamp_argument(b" -5"), Some(-5));
/// assert_eq!(timestamp_argument(b""), Some(0));
/// assert_eq!(timestamp_argument(b"5s"), None);
/// ```
#[must_use]
pub fn timestamp_argument(text: &[u8]) -> Option<i64> {
    let number = crate::aof::resp::strtol(text);
    (number.end == text.len() && !number.overflow).then_some(number.value)
}

/// A line of output, without its line end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line<'a> {
    /// Printed as it is.
    Out(&'a [u8]),
    /// Written by the tool as a line of a server's log, with process number and date before it.
    Log(&'a [u8]),
    /// A line of statistics, printed as it is or to the file that was named for them.
    Statistics(&'a [u8]),
}

/// Takes the lines as they come.
pub type Print<'a> = dyn FnMut(Line<'_>) + 'a;

/// What the tool makes of the RDB image at the start of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Image {
    /// Nothing is wrong: the offset of the first byte behind it, its checksum included.
    EndsAt(u64),
    /// Something is wrong.
    NotSane,
    /// The code that loads images in servers found something wrong, which ends the tool at once: nothing more is said.
    EndsRun,
}

/// Judges the RDB image at the start of a file.
///
/// This is where the RDB half of the library plugs in, so that neither parser needs to know the other.
pub trait Preamble {
    /// Reads the image from `input`, which stands at the first byte of the file, and prints the report of the official RDB
    /// check. It may read beyond the image: the caller seeks.
    ///
    /// # Errors
    /// Those of the input.
    fn check(&mut self, path: &Path, input: &mut dyn Read, print: &mut Print<'_>) -> io::Result<Image>;
}

/// A cut that the tool would make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// The file.
    pub path: PathBuf,
    /// Its name in the tool's lines.
    pub name: Vec<u8>,
    /// Its size when it was opened.
    pub from: u64,
    /// Where it would end.
    pub to: u64,
    /// What the tool prints, without a line end, before it reads the answer from its standard input; `None` if it does not
    /// ask. The answer is yes if its first byte is `y` or `Y`.
    pub question: Option<&'static str>,
    /// The line after another answer; the exit code is then 1.
    pub declined: &'static str,
    /// The lines after the cut was made.
    pub done: Vec<Vec<u8>>,
    /// The line if it could not be made; the exit code is then 1.
    pub failed: Vec<u8>,
}

/// What the tool makes of its input.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outcome {
    /// The exit code; of an outcome with a [`Cut`], once that is made.
    pub exit: u8,
    /// What was said of each file that was opened, in order.
    pub files: Vec<FileReport>,
    /// The cut to be made.
    pub cut: Option<Cut>,
    /// Whether the tool would have offered a cut that destroys a good file.
    pub refused: bool,
}

/// A whole run: the tool, the task, and the file on its command line.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Which tool.
    pub tool: Tool,
    /// What to do.
    pub task: Task,
    /// The file on the command line.
    pub path: &'a Path,
}

/// Why a run is over before its end; the lines are printed.
enum Stop {
    Exit(u8),
    Refused,
}

/// Does what the tool does with one file on its command line.
///
/// # Examples
/// ```
/// use std::io::{self, Cursor, Read};
/// use std::path::Path;
/// use redis_persistence::aof::dir::{Files, Opened};
/// use redis_persistence::aof::official::{Image, Line, Preamble, Print, Request, Task, Tool, check};
///
/// struct One(&'static [u8]);
/// impl Files for One {
///     type File = Cursor<&'static [u8]>;
///     fn open(&mut self, _: &Path) -> io::Result<Opened<Self::File>> {
///         Ok(Opened::File { file: Cursor::new(self.0), size: self.0.len() as u64 })
///     }
/// }
/// struct NoImages;
/// impl Preamble for NoImages {
///     fn check(&mut self, _: &Path, _: &mut dyn Read, _: &mut Print<'_>) -> io::Result<Image> {
///         Ok(Image::NotSane)
///     }
/// }
///
/// let request = Request { tool: Tool::Redis86, task: Task::Fix, path: Path::new("a.aof") };
/// let mut lines = Vec::new();
/// let mut print = |line: Line<'_>| if let Line::Out(text) = line { lines.push(text.to_vec()) };
/// let outcome = check(&request, &mut One(b"*1\r\n$4\r\nPING\r\n*1\r"), &mut NoImages, &mut print);
/// assert_eq!(outcome.cut.map(|cut| (cut.from, cut.to)), Some((17, 14)));
/// assert_eq!(lines[1], b"0x               e: Expected \\r\\n, got: 0d00");
/// ```
pub fn check<F: Files>(
    request: &Request<'_>,
    files: &mut F,
    preamble: &mut dyn Preamble,
    print: &mut Print<'_>,
) -> Outcome {
    let mut run = Run { request, files, preamble, print, line: 1, outcome: Outcome::default() };
    match run.run() {
        Ok(()) => {}
        Err(Stop::Exit(code)) => run.outcome.exit = code,
        Err(Stop::Refused) => {
            run.outcome.exit = 1;
            run.outcome.refused = true;
        }
    }
    run.outcome
}

struct Run<'a, 'p, F> {
    request: &'a Request<'a>,
    files: &'a mut F,
    preamble: &'a mut dyn Preamble,
    print: &'a mut Print<'p>,
    /// The line counter, which the tool never resets.
    line: u64,
    outcome: Outcome,
}

/// A manifest is read whole; no set has one anywhere near this size.
const MAX_MANIFEST: u64 = 16 << 20;

impl<F: Files> Run<'_, '_, F> {
    fn run(&mut self) -> Result<(), Stop> {
        let path = self.request.path;
        if self.is_manifest(path)? {
            return self.multi_part(path);
        }
        let has_preamble = self.is_rdb(path)?;
        self.say("Start checking Old-Style AOF");
        let name = bytes_of(path).to_vec();
        self.single(&Single { role: "AOF", name, path: path.to_owned(), last: true, has_preamble })
    }

    fn multi_part(&mut self, path: &Path) -> Result<(), Stop> {
        self.say("Start checking Multi Part AOF");
        let manifest = self.manifest(path)?;
        let folder = match path.parent() {
            Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
            Some(parent) => parent,
            None => path,
        };
        let mut left = manifest.base().iter().count() + manifest.incrs().count();
        if let Some(base) = manifest.base() {
            let path = join(folder, &base.name);
            let has_preamble = self.is_rdb(&path)?;
            let format = if has_preamble { "RDB" } else { "RESP" };
            self.say(&format!("Start to check BASE AOF ({format} format)."));
            left -= 1;
            self.single(&Single { role: "BASE AOF", name: base.name.clone(), path, last: left == 0, has_preamble })?;
        }
        if manifest.incrs().next().is_some() {
            self.say("Start to check INCR files.");
        }
        for incr in manifest.incrs() {
            left -= 1;
            let path = join(folder, &incr.name);
            let name = incr.name.clone();
            self.single(&Single { role: "INCR AOF", name, path, last: left == 0, has_preamble: false })?;
        }
        self.say_after_cut(b"All AOF files and manifest are valid");
        Ok(())
    }

    fn manifest(&mut self, path: &Path) -> Result<Manifest, Stop> {
        let mut data = Vec::new();
        let read = match self.files.open(path) {
            Ok(Opened::File { file, .. }) => file.take(MAX_MANIFEST + 1).read_to_end(&mut data).map(drop),
            Ok(Opened::Directory) => Err(io::ErrorKind::IsADirectory.into()),
            Err(error) => Err(error),
        };
        if read.is_err() {
            (self.print)(Line::Log(b"Read AOF manifest failed"));
            return Err(Stop::Exit(1));
        }
        let (manifest, errors) = Manifest::parse_as(&data, self.request.tool.dialect());
        if let Some(error) = errors.first() {
            for piece in error.official_log() {
                (self.print)(Line::Log(&piece));
            }
            return Err(Stop::Exit(1));
        }
        if data.len() as u64 > MAX_MANIFEST {
            (self.print)(Line::Log(b"The AOF manifest file is too large"));
            return Err(Stop::Exit(1));
        }
        Ok(manifest)
    }

    /// Opens a file to find out what it is.
    fn probe(&mut self, path: &Path) -> Result<Option<(F::File, u64)>, Stop> {
        match self.files.open(path) {
            Ok(Opened::File { file, size }) => Ok(Some((file, size))),
            Ok(Opened::Directory) => Ok(None),
            Err(error) => {
                self.say_of("Cannot open file ", bytes_of(path), &format!(": {}", plain(&error)));
                Err(Stop::Exit(1))
            }
        }
    }

    fn is_manifest(&mut self, path: &Path) -> Result<bool, Stop> {
        let found = match self.probe(path)? {
            Some((file, _)) => has_file_line(file, self.request.tool == Tool::Redis70),
            None => Err(io::ErrorKind::IsADirectory.into()),
        };
        found.map_err(|_| {
            self.say_of("Cannot read file: ", bytes_of(path), "");
            Stop::Exit(1)
        })
    }

    fn is_rdb(&mut self, path: &Path) -> Result<bool, Stop> {
        let Some((mut file, size)) = self.probe(path)? else { return Ok(false) };
        let mut signature = [0; 5];
        Ok(size >= 8 && file.read_exact(&mut signature).is_ok() && signature == *b"REDIS")
    }

    /// Returns whether cutting the file to `to` bytes would destroy something that is good, in the words of the refusal.
    fn precious(&mut self, path: &Path, to: u64) -> Option<&'static str> {
        let mut start = Vec::new();
        let Ok(Opened::File { file, .. }) = self.files.open(path) else { return None };
        file.take(1 << 20).read_to_end(&mut start).ok()?;
        match &start[..] {
            [b'V', b'A', b'L', b'K', b'E', b'Y', version @ ..]
                if to == 0 && version.iter().take(3).all(u8::is_ascii_digit) =>
            {
                Some("a snapshot that Valkey wrote")
            }
            _ if looks_like_manifest(&start) => Some("a manifest"),
            _ => None,
        }
    }

    fn say(&mut self, text: &str) {
        (self.print)(Line::Out(text.as_bytes()));
    }

    fn say_of(&mut self, before: &str, name: &[u8], after: &str) {
        (self.print)(Line::Out(&[before.as_bytes(), name, after.as_bytes()].concat()));
    }

    /// Prints a line, or keeps it until the cut that comes before it is made.
    fn say_after_cut(&mut self, line: &[u8]) {
        match &mut self.outcome.cut {
            Some(cut) => cut.done.push(line.to_vec()),
            None => (self.print)(Line::Out(line)),
        }
    }
}

/// Returns the text of an error without the number that Rust adds to it.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    text.split_once(" (os error").map_or_else(|| text.clone(), |(text, _)| text.to_owned())
}

fn bytes_of(path: &Path) -> &[u8] {
    path.as_os_str().as_encoded_bytes()
}

/// Returns the file of that name in a folder, joined as the tool does: by a slash, whatever the name is.
fn join(folder: &Path, name: &[u8]) -> PathBuf {
    let mut path = folder.as_os_str().to_owned();
    path.push("/");
    path.push(os_name(name));
    path.into()
}

#[cfg(unix)]
fn os_name(name: &[u8]) -> &std::ffi::OsStr {
    std::os::unix::ffi::OsStrExt::from_bytes(name)
}

#[cfg(not(unix))]
fn os_name(name: &[u8]) -> std::ffi::OsString {
    String::from_utf8_lossy(name).into_owned().into()
}
