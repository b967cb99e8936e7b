//! What may be opened, and how: regular files, `-` for standard input, and pipes that the shell hands over under
//! `/dev/fd`. Anything else is refused, for to open it could wait for ever or set something going: a FIFO, a socket, a
//! device. Reading needs no right to write and leaves nothing behind.

use std::fs::{self, File, FileType};
use std::io::{self, Read, Seek, SeekFrom};
use std::num::NonZeroU64;
use std::os::fd::AsFd as _;
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Component, Path};
use std::sync::atomic::{AtomicU64, Ordering};

use redis_persistence::verify::ReadAt;
use rustix::fs::{Advice, OFlags, fadvise, fcntl_getfl, fcntl_setfl};

/// Files from this size on are not left in the page cache: they would push out what a server on the host needs.
const LARGE: u64 = 1 << 30;
/// How much is dropped at once.
const DROP: u64 = 16 << 20;

/// An opened input.
#[derive(Debug)]
pub struct Input {
    file: File,
    /// Whether it can be read again: a regular file.
    pub seekable: bool,
    /// How many bytes are left of it, if that can be known.
    pub size: Option<u64>,
    /// Where it stood when it was opened.
    base: u64,
    at: u64,
    /// What was looked at before it was read, of an input that cannot seek.
    ahead: Vec<u8>,
    /// Up to where pages were dropped, where they are.
    dropped: Option<AtomicU64>,
}

/// Opens an input to read.
///
/// # Errors
/// If it does not exist, may not be read, or is of a kind that is not opened. The text says which, without the path.
pub fn open(path: &Path) -> io::Result<Input> {
    if path == Path::new("-") {
        let file = File::from(io::stdin().as_fd().try_clone_to_owned()?);
        return Input::new(file, true);
    }
    let handed_over = is_descriptor(path);
    admit(fs::metadata(path)?.file_type(), handed_over)?;
    // Between the look and the opening it can become something else: then opening must not wait either.
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    if file.metadata()?.file_type().is_fifo() {
        let flags = fcntl_getfl(&file)?;
        fcntl_setfl(&file, flags - OFlags::NONBLOCK)?;
    }
    Input::new(file, handed_over)
}

/// Whether the path names an open descriptor of this process.
#[must_use]
pub fn is_descriptor(path: &Path) -> bool {
    let is_number = |name: &Path| name.to_str().is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    let plain = path.components().all(|c| !matches!(c, Component::ParentDir));
    path == Path::new("/dev/stdin")
        || plain && ["/dev/fd", "/proc/self/fd"].iter().any(|dir| path.strip_prefix(dir).is_ok_and(is_number))
}

/// Lets regular files pass, and with `handed_over` pipes.
fn admit(kind: FileType, handed_over: bool) -> io::Result<()> {
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

impl Input {
    /// An input of an open file, from where it stands. `handed_over`: the caller opened it, so that it may be anything
    /// that can be read.
    fn new(mut file: File, handed_over: bool) -> io::Result<Self> {
        let metadata = file.metadata()?;
        let kind = metadata.file_type();
        if !handed_over || kind.is_dir() {
            admit(kind, false)?;
        }
        if !kind.is_file() {
            return Ok(Self { file, seekable: false, size: None, base: 0, at: 0, ahead: Vec::new(), dropped: None });
        }
        let at = file.stream_position()?;
        // These are wishes: where the system does not grant them, nothing is lost.
        let _ = fadvise(&file, 0, None, Advice::Sequential);
        let _ = fadvise(&file, 0, None, Advice::NoReuse);
        let (size, dropped) = (metadata.len().checked_sub(at), (metadata.len() >= LARGE).then(|| at.into()));
        Ok(Self { file, seekable: true, size, base: at, at, ahead: Vec::new(), dropped })
    }

    /// The file itself, which stands anywhere.
    #[must_use]
    pub fn into_file(self) -> File {
        self.file
    }

    /// The same file, open once more.
    ///
    /// # Errors
    /// If the system has no room for that.
    pub fn same_file(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Whether it is a file that was read of before it came here: what is left of it is the input.
    #[must_use]
    pub fn begins_inside(&self) -> bool {
        self.base > 0
    }

    /// Whether any place of it can be read.
    #[must_use]
    pub fn is_seekable(&self) -> bool {
        self.seekable
    }

    /// The next bytes, at most `most` of them, which stay to be read.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn head(&mut self, most: usize) -> io::Result<Vec<u8>> {
        let mut head = Vec::new();
        self.by_ref().take(most as u64).read_to_end(&mut head)?;
        if self.seekable {
            self.seek(SeekFrom::Current(-i64::try_from(head.len()).map_err(io::Error::other)?))?;
        } else {
            self.ahead.splice(..0, head.iter().copied());
        }
        Ok(head)
    }

    /// Drops what lies before `to`, once it is worth it.
    fn drop_behind(&self, to: u64) {
        let Some(dropped) = &self.dropped else { return };
        let from = dropped.load(Ordering::Relaxed);
        if let Some(len) = to.checked_sub(from).filter(|len| *len >= DROP).and_then(NonZeroU64::new) {
            let _ = fadvise(&self.file, from, Some(len), Advice::DontNeed);
            dropped.fetch_max(to, Ordering::Relaxed);
        }
    }
}

impl Read for Input {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if !self.ahead.is_empty() {
            let n = self.ahead.len().min(buf.len());
            buf[..n].copy_from_slice(&self.ahead[..n]);
            self.ahead.drain(..n);
            return Ok(n);
        }
        let n = self.file.read(buf)?;
        self.at += n as u64;
        self.drop_behind(self.at);
        Ok(n)
    }
}

/// From where the input stood when it was opened; it must be one that can be read again.
impl ReadAt for Input {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let at = self.base.saturating_add(offset);
        let n = self.file.read_at(buffer, at)?;
        // Others may still be reading a little before.
        self.drop_behind(at.saturating_sub(DROP));
        Ok(n)
    }
}

impl Seek for Input {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = self.file.seek(to)?;
        // Who seeks reads here and there: what was read once is dropped, no more.
        if self.dropped.as_mut().is_some_and(|from| at < *from.get_mut()) {
            self.dropped = None;
        }
        self.at = at;
        Ok(at)
    }
}

/// What the system says about a failure, without its number.
#[must_use]
pub fn reason(error: &io::Error) -> String {
    without_number(error.to_string())
}

/// An error's text without the system's number at its end.
#[must_use]
pub fn without_number(mut text: String) -> String {
    if let Some(at) = text.rfind(" (os error ") {
        text.truncate(at);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_descriptors_may_be_pipes() {
        for (path, expected) in [
            ("/dev/fd/63", true),
            ("/proc/self/fd/0", true),
            ("/dev/stdin", true),
            ("/dev/fd/", false),
            ("/dev/fd/../null", false),
            ("/dev/fd/1/2", false),
            ("dev/fd/1", false),
        ] {
            assert_eq!(is_descriptor(Path::new(path)), expected, "{path}");
        }
    }

    #[test]
    fn devices_and_directories_are_not_opened() {
        for path in ["/dev/null", "/dev/zero", "/"] {
            assert!(open(Path::new(path)).is_err(), "{path}");
        }
    }
}
