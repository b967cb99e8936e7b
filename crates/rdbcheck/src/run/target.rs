//! OUT: what may be written to, and what is no place for a file.

use std::fs;
use std::path::Path;

use redis_persistence::repair::{Existing, check_output};

use crate::console::without_number;
use crate::shell;
use crate::stores;

/// Why nothing can be written to OUT, if so: it is known before the work is done. `inputs` are the files that are read, `resp` is whether
/// commands are written.
pub(crate) fn out_refused(inputs: &[&Path], out: &Path, resp: bool, existing: Existing) -> Option<String> {
    if to_stream(out, resp) {
        return None;
    }
    if stores::is_remote(out) {
        return Some(stores::NOT_WRITTEN_TO.to_owned());
    }
    if out.as_os_str() == "-" {
        return Some("an RDB is verified before it is handed out: only --resp goes to standard output".to_owned());
    }
    if let Some(why) = is_read(inputs, out) {
        return Some(why);
    }
    if fs::symlink_metadata(out).is_ok_and(|found| found.is_file()) && existing == Existing::Keep {
        return Some("the file exists; --force replaces it".to_owned());
    }
    check_output(out, existing).err().map(|error| without_number(error.to_string()))
}

/// Why OUT may not be replaced, if it is one of the files that are read.
pub(crate) fn is_read(inputs: &[&Path], out: &Path) -> Option<String> {
    let input = inputs.iter().find(|input| is_same_file(input, out))?;
    Some(format!("it is the same file as {}, which is read, and never written to", shell::word(input)))
}

/// Returns whether OUT is written to as it is, from its start to its end: commands go to standard output or a pipe.
pub(crate) fn to_stream(out: &Path, resp: bool) -> bool {
    resp && (out.as_os_str() == "-" || is_pipe(out))
}

/// Returns whether OUT is standard output, by whatever name.
pub(crate) fn is_standard_output(out: &Path) -> bool {
    out.as_os_str() == "-" || is_same_file(Path::new("/dev/stdout"), out)
}

#[cfg(unix)]
fn is_pipe(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt as _;
    fs::metadata(path).is_ok_and(|found| found.file_type().is_fifo() || found.file_type().is_char_device())
}

#[cfg(not(unix))]
fn is_pipe(_: &Path) -> bool {
    false
}

/// Returns whether two paths name the same file.
#[cfg(unix)]
fn is_same_file(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let file = |path: &Path| fs::metadata(path).ok().map(|data| (data.dev(), data.ino()));
    file(one).is_some_and(|one| file(other) == Some(one))
}

/// Returns whether two paths name the same file: nothing is ever written here.
#[cfg(not(unix))]
fn is_same_file(_: &Path, _: &Path) -> bool {
    false
}
