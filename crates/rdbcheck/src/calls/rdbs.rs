//! The RDBs of an input, to be read from their first byte to their last: the file itself, unpacked, or the members of a tar.

use std::fmt;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use redis_persistence::ReadError;

use crate::caller::Caller;
use crate::console::reason;
use crate::exit::Exit;
use crate::input::packed_input::How;
use crate::page::{self, Given};
use crate::progress::When;
use crate::verbs::{exit_of, rdbs};

use super::named;

/// Reads an RDB, and says what failed.
pub type Use<'u> = &'u mut dyn FnMut(&mut dyn Read) -> Result<(), ReadError>;

/// Why an RDB was not read to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// In a sentence, with the path.
    pub why: String,
    /// What it means for the exit code: damaged, not readable, or no RDB.
    pub exit: Exit,
    /// The byte where the thing began and the byte where it failed, if it is about bytes.
    pub at: Option<(u64, u64)>,
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

/// Hands each RDB under a path to `with`.
///
/// # Errors
/// The first that failed, after all were tried.
pub fn each(path: &Path, caller: &Arc<Caller>, with: Use<'_>) -> Result<(), Unread> {
    let mut at = None;
    let mut with = |input: &mut dyn Read| with(input).inspect_err(|error| note(&mut at, error));
    let how = How::new(None, None, When::Never);
    let results = caller.run(|| rdbs::each(&named(path), how, &mut with));
    match results.into_iter().find_map(Result::err) {
        None => Ok(()),
        Some(failed) => Err(Unread { why: failed.to_string(), exit: failed.exit, at }),
    }
}

/// Hands an RDB that is there by its bytes to `with`.
///
/// # Errors
/// If it cannot be read or unpacked.
pub fn of_given(given: Given, caller: &Arc<Caller>, with: Use<'_>) -> Result<(), Unread> {
    let path = given.path.display().to_string();
    let unread = |why: &dyn fmt::Display, exit, at| Unread { why: format!("{path}: {why}"), exit, at };
    let result = caller.run(|| page::with_unpacked(given, with));
    match result {
        Ok(None) => Ok(()),
        Ok(Some(damage)) => Err(unread(&damage, Exit::Damaged, None)),
        Err(ReadError::Io(error)) => Err(unread(&reason(&error), Exit::Unreadable, None)),
        Err(ReadError::Parse(error)) => {
            let at = Some((error.start(), error.failed_at()));
            Err(unread(&error, exit_of(&error), at))
        }
    }
}

/// Notes where the first failed.
fn note(at: &mut Option<(u64, u64)>, error: &ReadError) {
    if let ReadError::Parse(error) = error {
        at.get_or_insert((error.start(), error.failed_at()));
    }
}
