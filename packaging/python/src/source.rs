//! What is read: a path, bytes in memory, or a binary file object.
//!
//! | given | read |
//! |---|---|
//! | `str`, `os.PathLike` | as the commands read it |
//! | `bytes` | where they lie, without a copy |
//! | what has a buffer (`bytearray`, `memoryview`, `mmap`) | piece by piece, under the interpreter's lock |
//! | a file object that can seek | piece by piece, by `seek` and `read`, from where it stands |
//! | any other file object | once, into a temporary file without a name |

use std::io::{self, Read, Write as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyMemoryView};
use rdbcheck::caller::Caller;
use rdbcheck::page::Given;
use redis_persistence::verify::ReadAt;

/// How much is asked of a file object at a time.
const PIECE: usize = 1 << 20;

/// What is read.
pub(crate) enum Source {
    Path(PathBuf),
    /// Bytes that can be read at any place.
    Bytes(Given),
    /// A file object that can be read once.
    Once(PathBuf, Stream),
}

/// What an exception in a file object was.
#[derive(Clone, Default)]
pub(crate) struct Raised(Arc<Mutex<Kept>>);

/// It can be dropped anywhere: also where a library lets go of what it took, without the interpreter's lock.
#[derive(Default)]
struct Kept(Option<PyErr>);

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some(error) = self.0.take() {
            // There PyO3 knows that the lock is not held, and leaves it to a thread that has it.
            let _ = std::thread::Builder::new().spawn(move || drop(error));
        }
    }
}

impl Raised {
    /// Keeps the first.
    fn keep(&self, error: PyErr) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.0.is_none() {
            kept.0 = Some(error);
        }
    }

    /// Returns it, if there was one.
    pub(crate) fn get(&self, py: Python<'_>) -> Option<PyErr> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0.as_ref().map(|error| error.clone_ref(py))
    }

    /// Returns whether there was one.
    pub(crate) fn is_some(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0.is_some()
    }
}

/// An input, and what goes with its reading.
pub(crate) struct Opened {
    pub(crate) source: Source,
    pub(crate) raised: Raised,
}

impl Opened {
    /// Takes what Python gives. `name` is what a report calls it.
    pub(crate) fn of(given: &Bound<'_, PyAny>, name: Option<PathBuf>, caller: &Arc<Caller>) -> PyResult<Self> {
        let raised = Raised::default();
        let source = Self::source(given, name, caller, &raised)?;
        Ok(Self { source, raised })
    }

    fn source(
        given: &Bound<'_, PyAny>,
        name: Option<PathBuf>,
        caller: &Arc<Caller>,
        raised: &Raised,
    ) -> PyResult<Source> {
        let unnamed = || name.clone().unwrap_or_else(|| PathBuf::from("-"));
        let caller = Arc::clone(caller);
        if given.is_instance_of::<PyBytes>() {
            let bytes = Memory { bytes: given.extract::<PyBackedBytes>()?, caller };
            let size = bytes.bytes.len() as u64;
            return Ok(Source::Bytes(Given { path: unnamed(), size, modified: None, bytes: Arc::new(bytes) }));
        }
        if given.hasattr("read")? {
            let called = || given.getattr("name").and_then(|name| name.extract::<PathBuf>());
            let path = name.clone().or_else(|| called().ok()).unwrap_or_else(unnamed);
            let seekable = given.hasattr("seekable")? && given.call_method0("seekable")?.is_truthy()?;
            let stream = Stream { object: given.clone().unbind(), caller, raised: raised.clone() };
            if !seekable {
                return Ok(Source::Once(path, stream));
            }
            let base: u64 = given.call_method0("tell")?.extract()?;
            let end: u64 = given.call_method1("seek", (0, 2))?.extract()?;
            given.call_method1("seek", (base,))?;
            let size = end.saturating_sub(base);
            let bytes = Arc::new(Seekable { stream: Mutex::new(stream), base, size });
            return Ok(Source::Bytes(Given { path, size, modified: None, bytes }));
        }
        if let Ok(path) = given.extract::<PathBuf>() {
            return Ok(Source::Path(path));
        }
        let Ok(view) = PyMemoryView::from(given) else {
            let kind = given.get_type().name()?;
            return Err(PyTypeError::new_err(format!("a path, bytes or a binary file object is wanted, not {kind}")));
        };
        let view = view.call_method1("cast", ("B",))?;
        let size: u64 = view.getattr("nbytes")?.extract()?;
        let bytes = Arc::new(Buffer { view: view.unbind(), size, caller, raised: raised.clone() });
        Ok(Source::Bytes(Given { path: unnamed(), size, modified: None, bytes }))
    }
}

impl Source {
    /// Returns what can be read at any place, which may lay it down in a temporary file first; or the path.
    ///
    /// # Errors
    /// If it cannot be read, or there is no room for the file.
    pub(crate) fn laid_down(self) -> io::Result<Result<Given, PathBuf>> {
        match self {
            Self::Path(path) => Ok(Err(path)),
            Self::Bytes(given) => Ok(Ok(given)),
            Self::Once(path, mut stream) => {
                let mut file = tempfile::tempfile()?;
                let size = io::copy(&mut io::BufReader::with_capacity(PIECE, &mut stream), &mut file)?;
                file.flush()?;
                let bytes = Arc::new(Laid { file, caller: stream.caller });
                Ok(Ok(Given { path, size, modified: None, bytes }))
            }
        }
    }
}

/// `bytes`.
struct Memory {
    bytes: PyBackedBytes,
    caller: Arc<Caller>,
}

impl ReadAt for Memory {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.caller.go_on()?;
        (&*self.bytes).read_at(buffer, offset)
    }
}

/// What was laid down, or unpacked.
pub(crate) struct Laid {
    pub(crate) file: std::fs::File,
    pub(crate) caller: Arc<Caller>,
}

impl ReadAt for Laid {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.caller.go_on()?;
        self.file.read_at(buffer, offset)
    }
}

/// Keeps an exception for the one who called, and fails.
fn failed(error: PyErr, raised: &Raised) -> io::Error {
    let text = error.to_string();
    raised.keep(error);
    io::Error::other(text)
}

/// What has a buffer.
struct Buffer {
    view: Py<PyAny>,
    size: u64,
    caller: Arc<Caller>,
    raised: Raised,
}

impl ReadAt for Buffer {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.caller.go_on()?;
        let end = self.size.min(offset.saturating_add(buffer.len() as u64));
        if offset >= end {
            return Ok(0);
        }
        Python::attach(|py| {
            let part = pyo3::types::PySlice::new(py, as_index(offset)?, as_index(end)?, 1);
            let bytes = self.view.bind(py).get_item(part)?.call_method0("tobytes")?;
            let bytes = bytes.cast::<PyBytes>()?.as_bytes();
            buffer[..bytes.len()].copy_from_slice(bytes);
            Ok(bytes.len())
        })
        .map_err(|error| failed(error, &self.raised))
    }
}

fn as_index(offset: u64) -> PyResult<isize> {
    Ok(isize::try_from(offset)?)
}

/// A file object.
pub(crate) struct Stream {
    object: Py<PyAny>,
    caller: Arc<Caller>,
    raised: Raised,
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.caller.go_on()?;
        let most = buffer.len().min(PIECE);
        let read = |py: Python<'_>| -> PyResult<usize> {
            let read = self.object.bind(py).call_method1("read", (most,))?;
            let Ok(bytes) = read.cast::<PyBytes>() else {
                let kind = read.get_type().name()?;
                return Err(PyTypeError::new_err(format!(
                    "the file object gives {kind}: it has to be open in binary mode"
                )));
            };
            let bytes = bytes.as_bytes();
            let length = bytes.len().min(most);
            buffer[..length].copy_from_slice(&bytes[..length]);
            Ok(length)
        };
        Python::attach(read).map_err(|error| failed(error, &self.raised))
    }
}

/// A file object that can seek.
struct Seekable {
    stream: Mutex<Stream>,
    base: u64,
    size: u64,
}

impl ReadAt for Seekable {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let left = usize::try_from(self.size.saturating_sub(offset)).unwrap_or(usize::MAX);
        let length = buffer.len().min(left);
        if length == 0 {
            return Ok(0);
        }
        // First this lock and then the interpreter's, always: whoever has that one waits for none of ours.
        let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        let sought = Python::attach(|py| stream.object.bind(py).call_method1("seek", (self.base + offset,)).map(drop));
        sought.map_err(|error| failed(error, &stream.raised))?;
        stream.read(&mut buffer[..length])
    }
}
