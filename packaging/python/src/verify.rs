//! Reports, as the commands print them.

use std::fs::File;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use rdbcheck::caller::Caller;
use rdbcheck::calls::{self, Tool};
use rdbcheck::page::{self, Answer, Given, Request, Shelf};

use crate::errors;
use crate::source::{Laid, Opened, Source};
use crate::work;

/// A document, its exit code, those of its files, and what the command would have said on standard error.
type Found = (String, u8, Vec<u8>, Vec<String>);

/// Checks an input as the command `tool` does, or the one of both that it is for.
#[pyfunction]
pub(crate) fn verify(
    py: Python<'_>,
    source: &Bound<'_, PyAny>,
    name: Option<PathBuf>,
    tool: Option<&str>,
    arguments: Vec<String>,
) -> PyResult<Found> {
    let tool = match tool {
        None => None,
        Some("rdbcheck") => Some(Tool::Rdb),
        Some("aofcheck") => Some(Tool::Aof),
        Some(_) => return Err(PyValueError::new_err("the tool is rdbcheck or aofcheck")),
    };
    let caller = Arc::new(Caller::default());
    let Opened { source, raised } = Opened::of(source, name, &caller)?;
    let for_work = Arc::clone(&caller);
    let result = work::attended(py, &caller, move || check(source, tool, &arguments, &for_work))?;
    if let Some(error) = raised.get(py) {
        return Err(error);
    }
    match result {
        Ok(Ok(answer)) => Ok((answer.document, answer.exit, answer.exits, caller.said())),
        Ok(Err(why)) => Err(PyValueError::new_err(without_usage(&why))),
        Err(error) => Err(errors::Error::new_err(error.to_string())),
    }
}

/// Returns the servers that can be asked about, by their names.
#[pyfunction]
pub(crate) fn servers() -> Vec<String> {
    page::servers()
}

/// Returns why arguments make no sense, without what a command line adds to that.
fn without_usage(why: &str) -> String {
    let why = ["\n\nUsage:", "\n\nFor more information"]
        .into_iter()
        .fold(why, |why, end| why.split(end).next().unwrap_or(why));
    why.strip_prefix("error: ").unwrap_or(why).trim_end().to_owned()
}

fn check(
    source: Source,
    tool: Option<Tool>,
    arguments: &[String],
    caller: &Arc<Caller>,
) -> io::Result<Result<Answer, String>> {
    let given = match source.laid_down()? {
        Err(path) => return Ok(calls::check(tool, arguments, &path, caller)),
        Ok(given) => given,
    };
    let path = given.path.clone();
    let seed = RandomState::new().hash_one(&path);
    let request = Request { arguments, path: &path, files: vec![given], seed };
    Ok(page::check(request, &mut Folder { file: None, caller: Arc::clone(caller) }))
}

/// Where packed bytes are unpacked to: temporary files without a name.
struct Folder {
    file: Option<(File, u64)>,
    caller: Arc<Caller>,
}

impl Shelf for Folder {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.caller.go_on()?;
        let (file, size) = match &mut self.file {
            Some(file) => file,
            none => none.insert((tempfile::tempfile()?, 0)),
        };
        *size += bytes.len() as u64;
        file.write_all(bytes)
    }

    fn taken(&mut self) -> io::Result<Given> {
        let (file, size) = self.file.take().map_or_else(|| tempfile::tempfile().map(|file| (file, 0)), Ok)?;
        let bytes = Arc::new(Laid { file, caller: Arc::clone(&self.caller) });
        Ok(Given { path: PathBuf::new(), size, modified: None, bytes })
    }
}
