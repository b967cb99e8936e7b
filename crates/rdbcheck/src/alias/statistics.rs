//! Where the lines of `--stats` go: to standard output, or with `--output FILE` to that file.
//!
//! The tool writes them into FILE only where standard output is a terminal; else they stay in its buffer, of which whole blocks of
//! 4,096 bytes land in FILE, other lines among them, and the rest on standard output. Here FILE has all of them and nothing else, and
//! standard output has them as well if it is no terminal. The tool writes over the start of what stood in FILE; here the new lines
//! take its place. The file that is checked is never written to.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, IsTerminal as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use redis_persistence::official::Line;

use super::output::Output;

/// Takes the lines of the statistics.
#[derive(Debug)]
pub(super) struct Statistics {
    checked: PathBuf,
    to: To,
}

#[derive(Debug)]
enum To {
    Output,
    /// Not opened yet: the tool does that with the first line.
    Named(PathBuf),
    File(PathBuf, BufWriter<File>),
    Failed,
}

impl Statistics {
    /// Of the file that is checked, to the file that is named.
    pub(super) fn new(checked: &Path, output: Option<&OsStr>) -> Self {
        let to = output.map_or(To::Output, |named| To::Named(named.into()));
        Self { checked: checked.to_owned(), to }
    }

    pub(super) fn line(&mut self, line: &[u8], output: &mut Output) {
        if let To::Named(path) = &self.to {
            let path = path.clone();
            self.to = match open(&path, &self.checked) {
                Ok(file) => To::File(path, BufWriter::new(file)),
                Err(error) => failed("open", &path, &error, output),
            };
        }
        let also_shown = match &mut self.to {
            To::Output => true,
            To::File(path, file) => {
                let written = file.write_all(line).and_then(|()| file.write_all(b"\n"));
                if let Err(error) = written {
                    let path = path.clone();
                    self.to = failed("write", &path, &error, output);
                    return;
                }
                !io::stdout().is_terminal()
            }
            To::Named(_) | To::Failed => false,
        };
        if also_shown {
            output.line(Line::Statistics(line));
        }
    }

    pub(super) fn has_failed(&self) -> bool {
        matches!(self.to, To::Failed)
    }

    /// Writes what is left; returns whether all went where it was to go.
    pub(super) fn finish(mut self, output: &mut Output) -> bool {
        if let To::File(path, file) = &mut self.to
            && let Err(error) = file.flush()
        {
            let path = path.clone();
            self.to = failed("write", &path, &error, output);
        }
        !self.has_failed()
    }
}

fn open(path: &Path, checked: &Path) -> io::Result<File> {
    if let (Ok(output), Ok(input)) = (path.metadata(), checked.metadata())
        && (output.dev(), output.ino()) == (input.dev(), input.ino())
    {
        return Err(io::Error::other("It is the file that is checked"));
    }
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o644).open(path)
}

/// Says what the tool says of a file that it cannot open.
fn failed(what: &str, path: &Path, error: &io::Error, output: &mut Output) -> To {
    output.flush();
    let path = path.to_string_lossy();
    let path = crate::escape::plain(path.as_bytes());
    let error = error.to_string();
    // The tools name no number.
    let reason = error.split(" (os error").next().unwrap_or(&error);
    // Nobody is left to tell who closed standard error.
    let _ = writeln!(io::stderr(), "Cannot {what} output file: '{path}': {reason}");
    To::Failed
}
