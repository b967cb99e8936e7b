//! What opening an input asks of the system. Elsewhere than on Unix files are opened as they are.

use std::fs::{File, FileType};
use std::io;
use std::path::Path;

#[cfg(unix)]
pub(super) use unix::{admit, drop_pages, file, read_in_order, standard_input};

#[cfg(not(unix))]
pub(super) use other::{admit, drop_pages, file, read_in_order, standard_input};

#[cfg(unix)]
mod unix {
    use std::num::NonZeroU64;
    use std::os::fd::AsFd as _;
    use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};

    use rustix::fs::{Advice, OFlags, fadvise, fcntl_getfl, fcntl_setfl};

    use super::{File, FileType, Path, io};

    /// Lets regular files pass, and with `handed_over` pipes.
    pub(in super::super) fn admit(kind: FileType, handed_over: bool) -> io::Result<()> {
        let what = match kind {
            _ if kind.is_file() => return Ok(()),
            _ if kind.is_dir() => "it is a directory",
            _ if kind.is_fifo() && handed_over => return Ok(()),
            _ if kind.is_fifo() => "it is a FIFO, which is not opened (use - and a redirection)",
            _ if kind.is_socket() => "it is a socket, which is not opened",
            _ if kind.is_block_device() || kind.is_char_device() => "it is a device, which is not opened",
            _ => "it is no regular file",
        };
        Err(io::Error::new(io::ErrorKind::InvalidInput, what))
    }

    /// Opens a file, without waiting for whoever writes to a pipe.
    pub(in super::super) fn file(path: &Path) -> io::Result<File> {
        // Between the look and the opening it can become something else: then opening must not wait either.
        let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
        let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
        let file = File::options().read(true).custom_flags(flags).open(path)?;
        if file.metadata()?.file_type().is_fifo() {
            let flags = fcntl_getfl(&file)?;
            fcntl_setfl(&file, flags - OFlags::NONBLOCK)?;
        }
        Ok(file)
    }

    pub(in super::super) fn standard_input() -> io::Result<File> {
        Ok(File::from(io::stdin().as_fd().try_clone_to_owned()?))
    }

    /// Wishes for a file that is read from its start to its end: where the system does not grant them, nothing is lost.
    pub(in super::super) fn read_in_order(file: &File) {
        let _ = fadvise(file, 0, None, Advice::Sequential);
        let _ = fadvise(file, 0, None, Advice::NoReuse);
    }

    /// Wishes that what was read of a file does not stay in memory.
    pub(in super::super) fn drop_pages(file: &File, from: u64, len: NonZeroU64) {
        let _ = fadvise(file, from, Some(len), Advice::DontNeed);
    }
}

#[cfg(not(unix))]
mod other {
    use std::num::NonZeroU64;

    use super::{File, FileType, Path, io};

    pub(in super::super) fn admit(kind: FileType, _: bool) -> io::Result<()> {
        let what = match kind {
            _ if kind.is_file() => return Ok(()),
            _ if kind.is_dir() => "it is a directory",
            _ => "it is no regular file",
        };
        Err(io::Error::new(io::ErrorKind::InvalidInput, what))
    }

    pub(in super::super) fn file(path: &Path) -> io::Result<File> {
        File::open(path)
    }

    pub(in super::super) fn standard_input() -> io::Result<File> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "there is no standard input here"))
    }

    pub(in super::super) fn read_in_order(_: &File) {}

    pub(in super::super) fn drop_pages(_: &File, _: u64, _: NonZeroU64) {}
}
