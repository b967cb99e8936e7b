//! What JavaScript calls, and what it has to give. Files stay with it: bytes are asked for when they are needed.
//!
//! ```text
//! JavaScript                                this module
//! room(length), then the request there
//! run()                                     read(file, offset, to, length)     bytes of a file
//!                                           put(from, length), taken()         a new file, piece by piece
//!                                           answer(kind, from, length)         texts
//! ```
//! The request is JSON (`Request`). No function here takes an address from the other side: `unsafe` is the naming alone.

mod host;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rdbcheck::page::{self, Given};
use serde::{Deserialize, Serialize};

use host::{Kind, Shelf};

/// What is asked.
#[derive(Debug, Deserialize)]
struct Request {
    /// `check` or `salvage`.
    action: Action,
    arguments: Vec<String>,
    path: PathBuf,
    files: Vec<File>,
    /// In decimal: JavaScript has no such numbers in JSON.
    seed: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Action {
    Check,
    Salvage,
}

#[derive(Debug, Deserialize)]
struct File {
    path: PathBuf,
    size: u64,
    modified: Option<i64>,
}

/// What came of it, beside the document.
#[derive(Debug, Serialize)]
struct Outcome {
    tool: &'static str,
    exit: u8,
    written: Option<u64>,
}

/// What there is to know before anything is asked.
#[derive(Debug, Serialize)]
struct About {
    version: &'static str,
    servers: Vec<String>,
    style: String,
    script: String,
}

static REQUEST: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// Makes room for a request, and returns its address.
#[unsafe(no_mangle)]
pub extern "C" fn room(length: usize) -> *mut u8 {
    let mut request = REQUEST.lock().unwrap_or_else(PoisonError::into_inner);
    *request = vec![0; length];
    request.as_mut_ptr()
}

/// Tells what there is to know before anything is asked, as JSON: the version, the servers, the hashes of a report's style and script.
#[unsafe(no_mangle)]
pub extern "C" fn about() {
    let [style, script] = page::hashes();
    let about = About { version: env!("CARGO_PKG_VERSION"), servers: page::servers(), style, script };
    match serde_json::to_string(&about) {
        Ok(text) => host::answer(Kind::Outcome, &text),
        Err(error) => host::answer(Kind::Failure, &error.to_string()),
    }
}

/// Does what the request asks.
#[unsafe(no_mangle)]
pub extern "C" fn run() {
    std::panic::set_hook(Box::new(|why| host::answer(Kind::Failure, &why.to_string())));
    let request = std::mem::take(&mut *REQUEST.lock().unwrap_or_else(PoisonError::into_inner));
    if let Err(why) = answer(&request) {
        host::answer(Kind::Refusal, &why);
    }
}

fn answer(request: &[u8]) -> Result<(), String> {
    let request: Request = serde_json::from_slice(request).map_err(|error| error.to_string())?;
    let seed = request.seed.parse().map_err(|_| "the seed is no number of 64 bits".to_owned())?;
    let files = request.files.into_iter().enumerate().map(|(number, file)| given(number, file)).collect();
    let asked = page::Request { arguments: &request.arguments, path: &request.path, files, seed };
    let mut shelf = Shelf::new();
    let answer = match request.action {
        Action::Check => page::check(asked, &mut shelf),
        Action::Salvage => page::salvage(asked, &mut shelf),
    }?;
    let outcome = Outcome { tool: answer.tool, exit: answer.exit, written: answer.written };
    host::answer(Kind::Document, &answer.document);
    host::answer(Kind::Outcome, &serde_json::to_string(&outcome).map_err(|error| error.to_string())?);
    Ok(())
}

fn given(number: usize, file: File) -> Given {
    host::file(number, &file.path as &Path, file.size, file.modified)
}
