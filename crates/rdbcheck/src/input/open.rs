//! What may be opened, and how: regular files, `-` for standard input, and pipes that the shell hands over under
//! `/dev/fd`. Anything else is refused, for to open it could wait for ever or set something going: a FIFO, a socket, a
//! device. Reading needs no right to write and leaves nothing behind. What lies in a store is opened by its address.

mod system;

use std::fs::{self, File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::num::NonZeroU64;
use std::path::{Component, Path};
use std::sync::atomic::{AtomicU64, Ordering};

use redis_persistence::aof::dir::Node;
use redis_persistence::verify::ReadAt;

use crate::stores::{self, Object, Opened, Stream};

/// Files up to this size are read whole when they are opened, so that the head, the check, and the ends cost one call of the
/// system. It is what a check reads at a time.
pub const SMALL: u64 = 512 << 10;
/// Files from this size on are not left in the page cache: they would push out what a server on the host needs.
const LARGE: u64 = 1 << 30;
/// How much is dropped at once.
const DROP: u64 = 16 << 20;

/// An opened input.
#[derive(Debug)]
pub struct Input {
    source: Source,
    /// Whether it can be read again: a regular file.
    pub seekable: bool,
    /// How many bytes are left of it, if that can be known.
    pub size: Option<u64>,
    /// Where it stood when it was opened.
    base: u64,
    at: u64,
    /// All that is left of a small file, read when it was opened.
    whole: Option<Vec<u8>>,
    /// What was looked at before it was read, of an input that cannot seek.
    ahead: Vec<u8>,
    /// Up to where pages were dropped, where they are.
    dropped: Option<AtomicU64>,
}

/// What is read.
#[derive(Debug)]
enum Source {
    File(File),
    /// All of it stands in `whole`.
    Nothing,
    Object(Object),
    Stream(Box<Stream>),
}

/// Opens an input to read.
///
/// # Errors
/// If it does not exist, may not be read, or is of a kind that is not opened. The text says which, without the path.
pub fn open(path: &Path) -> io::Result<Input> {
    if path == Path::new("-") {
        let file = system::standard_input()?;
        let metadata = file.metadata()?;
        return Input::new(file, &metadata, true);
    }
    if stores::is_remote(path) {
        return Ok(Input::of_store(stores::open(path)?));
    }
    let handed_over = is_descriptor(path);
    system::admit(fs::metadata(path)?.file_type(), handed_over)?;
    let file = system::file(path)?;
    let metadata = file.metadata()?;
    Input::new(file, &metadata, handed_over)
}

/// Returns whether the path names an open descriptor of this process.
#[must_use]
pub fn is_descriptor(path: &Path) -> bool {
    let is_number = |name: &Path| name.to_str().is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    let plain = path.components().all(|c| !matches!(c, Component::ParentDir));
    path == Path::new("/dev/stdin")
        || plain && ["/dev/fd", "/proc/self/fd"].iter().any(|dir| path.strip_prefix(dir).is_ok_and(is_number))
}

/// Returns whether the path stands for something that is open already, and that can perhaps be read once.
#[must_use]
pub fn is_stream(path: &Path) -> bool {
    path == Path::new("-") || is_descriptor(path)
}

/// Returns whether the path stands for a file, or for one in a store. What is none is for who opens it to say.
#[must_use]
pub fn is_file(path: &Path) -> bool {
    match stores::is_remote(path) {
        true => matches!(stores::stat(path), Ok(Some(Node::File(_)))),
        false => fs::metadata(path).is_ok_and(|data| data.is_file()),
    }
}

impl Input {
    /// Returns an input of an open file, from where it stands. `handed_over`: the caller opened it, so that it may be
    /// anything that can be read.
    fn new(mut file: File, metadata: &Metadata, handed_over: bool) -> io::Result<Self> {
        let kind = metadata.file_type();
        if !handed_over || kind.is_dir() {
            system::admit(kind, false)?;
        }
        if !kind.is_file() {
            let (size, whole, ahead, dropped) = (None, None, Vec::new(), None);
            let source = Source::File(file);
            return Ok(Self { source, seekable: false, size, base: 0, at: 0, whole, ahead, dropped });
        }
        // What was just opened stands at its first byte.
        let at = if handed_over { file.stream_position()? } else { 0 };
        let size = metadata.len().checked_sub(at);
        let small = size.filter(|size| *size <= SMALL).and_then(|size| usize::try_from(size).ok());
        let whole = match small {
            Some(size) => whole(&file, at, size)?,
            None => None,
        };
        if whole.is_none() {
            system::read_in_order(&file);
        }
        let dropped = (metadata.len() >= LARGE).then(|| at.into());
        let source = Source::File(file);
        Ok(Self { source, seekable: true, size, base: at, at, whole, ahead: Vec::new(), dropped })
    }

    /// Returns an input of what was opened in a store.
    fn of_store(opened: Opened) -> Self {
        let (source, size, whole) = match opened {
            Opened::Whole(bytes) => (Source::Nothing, bytes.len() as u64, Some(bytes)),
            Opened::Object(object) => {
                let size = object.size();
                (Source::Object(object), size, None)
            }
            Opened::Stream(stream) => {
                let size = stream.size();
                (Source::Stream(Box::new(stream)), size, None)
            }
        };
        let seekable = !matches!(source, Source::Stream(_));
        Self { source, seekable, size: Some(size), base: 0, at: 0, whole, ahead: Vec::new(), dropped: None }
    }

    /// Returns all that is left of it, if it is a small file.
    #[must_use]
    pub fn whole(&self) -> Option<&[u8]> {
        self.whole.as_deref()
    }

    /// Returns the same, to be kept.
    #[must_use]
    pub fn into_whole(self) -> Option<Vec<u8>> {
        self.whole
    }

    /// Returns the file itself, which stands anywhere.
    ///
    /// # Errors
    /// If it lies in a store.
    pub fn into_file(self) -> io::Result<File> {
        match self.source {
            Source::File(file) => Ok(file),
            _ => Err(stores::no_file()),
        }
    }

    /// Returns the same file, open once more; nothing where it lies in a store.
    ///
    /// # Errors
    /// If the system has no room for that.
    pub fn same_file(&self) -> io::Result<Option<File>> {
        match &self.source {
            Source::File(file) => file.try_clone().map(Some),
            _ => Ok(None),
        }
    }

    /// Returns whether it is a file of this machine.
    #[must_use]
    pub fn is_on_disk(&self) -> bool {
        matches!(self.source, Source::File(_))
    }

    /// Returns whether it is a file that was read of before it came here: what is left of it is the input.
    #[must_use]
    pub fn begins_inside(&self) -> bool {
        self.base > 0
    }

    /// Returns whether any place of it can be read.
    #[must_use]
    pub fn is_seekable(&self) -> bool {
        self.seekable
    }

    /// Returns the next bytes, at most `most` of them, which stay to be read.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn head(&mut self, most: usize) -> io::Result<Vec<u8>> {
        if let Some(whole) = &self.whole {
            let left = behind(whole, self.at.saturating_sub(self.base));
            return Ok(left[..left.len().min(most)].to_vec());
        }
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
        let (Some(dropped), Source::File(file)) = (&self.dropped, &self.source) else { return };
        let from = dropped.load(Ordering::Relaxed);
        if let Some(len) = to.checked_sub(from).filter(|len| *len >= DROP).and_then(NonZeroU64::new) {
            system::drop_pages(file, from, len);
            dropped.fetch_max(to, Ordering::Relaxed);
        }
    }
}

/// Reads a small file of that size, from a place on. One that is longer by now is no small file.
fn whole(file: &File, at: u64, size: usize) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = vec![0; size + 1];
    let mut filled = 0;
    // Once there are as many as there should be, the end needs no question of its own.
    while filled < size {
        match file.read_at(&mut bytes[filled..], at + filled as u64) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    // A file of no bytes can be one that the system makes up when it is read.
    if filled > size || size == 0 && file.read_at(&mut bytes, at)? > 0 {
        return Ok(None);
    }
    bytes.truncate(filled);
    Ok(Some(bytes))
}

/// Returns what stands at an offset and behind it.
fn behind(bytes: &[u8], offset: u64) -> &[u8] {
    usize::try_from(offset).ok().and_then(|at| bytes.get(at..)).unwrap_or_default()
}

impl Read for Input {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if let Some(whole) = &self.whole {
            let n = behind(whole, self.at.saturating_sub(self.base)).read(buf)?;
            self.at += n as u64;
            return Ok(n);
        }
        if !self.ahead.is_empty() {
            let n = self.ahead.len().min(buf.len());
            buf[..n].copy_from_slice(&self.ahead[..n]);
            self.ahead.drain(..n);
            return Ok(n);
        }
        let n = match &mut self.source {
            Source::File(file) => file.read(buf)?,
            Source::Object(object) => object.read_at(buf, self.at)?,
            Source::Stream(stream) => stream.read(buf)?,
            Source::Nothing => 0,
        };
        self.at += n as u64;
        self.drop_behind(self.at);
        Ok(n)
    }
}

/// From where the input stood when it was opened; it must be one that can be read again.
impl ReadAt for Input {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        if let Some(whole) = &self.whole {
            return behind(whole, offset).read(buffer);
        }
        let at = self.base.saturating_add(offset);
        let n = match &self.source {
            Source::File(file) => file.read_at(buffer, at)?,
            Source::Object(object) => object.read_at(buffer, at)?,
            Source::Stream(_) | Source::Nothing => return Err(io::ErrorKind::NotSeekable.into()),
        };
        // Others may still be reading a little before.
        self.drop_behind(at.saturating_sub(DROP));
        Ok(n)
    }
}

impl Seek for Input {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        if let Some(whole) = &self.whole {
            self.at = super::sought(to, self.at, self.base + whole.len() as u64)?;
            return Ok(self.at);
        }
        let at = match &mut self.source {
            Source::File(file) => file.seek(to)?,
            Source::Object(object) => super::sought(to, self.at, object.size())?,
            Source::Stream(_) | Source::Nothing => return Err(io::ErrorKind::NotSeekable.into()),
        };
        // Who seeks reads here and there: what was read once is dropped, no more.
        if self.dropped.as_mut().is_some_and(|from| at < *from.get_mut()) {
            self.dropped = None;
        }
        self.at = at;
        Ok(at)
    }
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
    fn a_small_file_is_the_same_from_memory() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("file");
        for len in [0, 1, 700, SMALL - 1, SMALL, SMALL + 1] {
            let bytes: Vec<u8> = (0..len).map(|i| u8::try_from(i % 251).unwrap_or(0)).collect();
            fs::write(&path, &bytes)?;
            let mut input = open(&path)?;
            assert_eq!(input.whole().is_some(), len <= SMALL, "{len}");
            assert_eq!(input.head(512)?, bytes[..bytes.len().min(512)]);
            let mut all = Vec::new();
            input.read_to_end(&mut all)?;
            assert_eq!((all == bytes, input.stream_position()?), (true, len), "{len}");
            assert_eq!(input.seek(SeekFrom::End(-(bytes.len().min(3) as i64)))?, len - len.min(3));
            let mut end = Vec::new();
            input.read_to_end(&mut end)?;
            assert!(bytes.ends_with(&end) && end.len() == bytes.len().min(3), "{len}");
            input.seek(SeekFrom::Start(len + 5))?;
            assert_eq!(input.read(&mut [0; 4])?, 0);
            assert!(input.seek(SeekFrom::Start(0)).is_ok() && input.seek(SeekFrom::Current(-1)).is_err());
            let mut two = [0; 2];
            let n = ReadAt::read_at(&input, &mut two, len.saturating_sub(1))?;
            assert_eq!(&two[..n], &bytes[bytes.len().saturating_sub(1)..], "{len}");
            assert_eq!(ReadAt::read_at(&input, &mut two, len + 1)?, 0);
        }
        Ok(())
    }

    #[test]
    fn a_file_that_grows_is_read_to_its_end() -> io::Result<()> {
        let path = tempfile::tempdir()?;
        let path = path.path().join("file");
        fs::write(&path, b"0123456789")?;
        let file = File::open(&path)?;
        assert_eq!(whole(&file, 0, 10)?.as_deref(), Some(&b"0123456789"[..]));
        assert_eq!(whole(&file, 4, 6)?.as_deref(), Some(&b"456789"[..]));
        // It was cut meanwhile, or grew.
        assert_eq!(whole(&file, 0, 12)?.as_deref(), Some(&b"0123456789"[..]));
        assert_eq!(whole(&file, 0, 9)?, None);
        assert_eq!(whole(&file, 0, 0)?, None);
        Ok(())
    }

    #[test]
    fn devices_and_directories_are_not_opened() {
        for path in ["/dev/null", "/dev/zero", "/"] {
            assert!(open(Path::new(path)).is_err(), "{path}");
        }
    }
}
