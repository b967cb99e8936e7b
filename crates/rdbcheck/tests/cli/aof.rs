//! The command `aofcheck`.

#[cfg(unix)]
mod elsewhere;
mod fix;
#[cfg(target_os = "linux")]
mod full_disk;
mod golden;
mod input;
#[cfg(unix)]
mod killed;
mod limits;
#[cfg(unix)]
mod others;
#[cfg(feature = "packed")]
mod packed;
mod preen;
mod salvage;
mod terminal;
mod timeline;
mod undo;

use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;
use testkit::folder::{copy, files};

use crate::{NOW, Ran, ran, testdata};

/// The command in a folder, at a fixed time. Its standard input is no terminal.
pub fn aofcheck(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aofcheck"));
    command.current_dir(folder).args(["--now", NOW]).args(args).timeout(Duration::from_secs(60));
    command
}

fn run(folder: &Path, args: &[&str]) -> Result<Ran, Box<dyn Error>> {
    ran(aofcheck(folder, args).output())
}

/// A copy of one of the test sets, under the name `set`, in a folder of its own.
struct Copy {
    folder: TempDir,
    before: BTreeMap<PathBuf, Vec<u8>>,
}

impl Copy {
    /// Copies a folder of `testdata/aof`.
    fn of(name: &str) -> Result<Self, Box<dyn Error>> {
        let folder = tempfile::tempdir()?;
        let set = folder.path().join("set");
        copy(&testdata().join("aof").join(name), &set)?;
        let before = files(&set)?;
        Ok(Self { folder, before })
    }

    /// Where the command runs: above `set`.
    fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn run(&self, args: &[&str]) -> Result<Ran, Box<dyn Error>> {
        run(self.folder(), args)
    }

    /// One of the files.
    fn file(&self, name: &str) -> PathBuf {
        self.folder().join("set").join(name)
    }

    /// The document's only entry, which fits the schema, and the exit code.
    fn json(&self, args: &[&str]) -> Result<(Value, Option<i32>), Box<dyn Error>> {
        let run = self.run(&[&["--json"], args].concat())?;
        crate::golden::assert_fits_the_schema(self.folder(), &run.out)?;
        let document: Value = serde_json::from_str(&run.out)?;
        Ok((document["files"][0].clone(), run.code))
    }

    /// Whether everything is as it was copied, and nothing new is there.
    fn is_untouched(&self) -> io::Result<bool> {
        Ok(files(&self.folder().join("set"))? == self.before)
    }

    /// The one file of that ending in the set's folder.
    fn ending(&self, ending: &str) -> Result<PathBuf, Box<dyn Error>> {
        let mut found =
            files(&self.folder().join("set"))?.into_keys().filter(|path| path.to_string_lossy().ends_with(ending));
        let path = found.next().ok_or_else(|| format!("no {ending}"))?;
        assert_eq!(found.next(), None);
        Ok(path)
    }
}
