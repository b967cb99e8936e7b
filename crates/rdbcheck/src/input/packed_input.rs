//! What an input is, by its first bytes and not by its name: a file as it is, a packed one, a tar, a packed tar.
//!
//! ```text
//! dump.rdb            Content::Plain
//! dump.rdb.zst        Content::Packed, read once while it is unpacked
//! data.tar            an Archive of its members, where they lie
//! data.tar.zst        laid down in a temporary file without a name first, then the same
//! -                   an RDB: read once; append-only files and tars: laid down likewise
//! ```
//! An append-only set cannot be judged in one pass over a stream: its manifest may come last, and a check goes back at each
//! oddity. That is why such a stream is laid down. An RDB needs one pass, and a tar on disk is read where it lies.

use std::fs::File;
use std::io::{self, Read, Seek as _};
use std::path::{Path, PathBuf};

use crate::console;
use crate::disguise;
use crate::escape;
use crate::input::archive::Archive;
use crate::input::open::{self, Input};
use crate::progress::{Watched, When};
use crate::unpack::{self, Budget, Damage, Packing, Unpacked};

/// As much of an input as tells whether it is a tar.
pub const HEAD: usize = 512;

/// How to open an input.
#[derive(Debug, Clone, Copy)]
pub struct How {
    /// How much a packed input may unpack to.
    pub budget: Budget,
    /// How much memory the unpacking may take.
    pub memory: u64,
    /// When progress is shown.
    pub progress: When,
}

impl How {
    /// With the usual limits where none is given.
    #[must_use]
    pub fn new(max_unpacked: Option<usize>, unpack_memory: Option<usize>, progress: When) -> Self {
        let budget = max_unpacked.map_or(Budget::Usual, |most| Budget::Bytes(most as u64));
        Self { budget, memory: unpack_memory.map_or(unpack::MEMORY, |most| most as u64), progress }
    }
}

/// An opened input.
#[derive(Debug)]
pub struct Stored {
    /// The content, from its first byte on.
    pub content: Content,
    /// How it was packed.
    pub packing: Option<Packing>,
    /// What is wrong with the packing, once the content was read.
    pub damage: Damage,
    /// Whether the content is a tar.
    pub is_tar: bool,
    /// Whether it may be an RDB in disguise.
    pub is_disguised: bool,
    /// Whether the input itself can seek.
    pub seekable: bool,
    /// The name for messages.
    name: String,
    how: How,
}

/// The content of an input, unpacked.
#[derive(Debug)]
pub enum Content {
    /// It was not packed.
    Plain(Watched<Input>),
    /// It was packed.
    Packed(Unpacked),
}

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(input) => input.read(buffer),
            Self::Packed(input) => input.read(buffer),
        }
    }
}

/// Opens an input.
///
/// # Errors
/// If it cannot be read, or not be unpacked.
pub fn open(path: &Path, how: How) -> io::Result<Stored> {
    let input = open::open(path)?;
    let (seekable, size) = (input.seekable, input.size);
    let name = escape::plain(path.as_os_str().as_encoded_bytes());
    // From here on the time counts: already the first bytes can be slow to come.
    let mut input = Watched::new(input, name.clone(), size, how.progress);
    let mut head = input.get_mut().head(HEAD)?;
    let packing = Packing::of(&head).filter(|_| cfg!(feature = "packed"));
    let mut damage = Damage::default();
    let content = match packing {
        None => Content::Plain(input),
        Some(packing) => {
            let mut unpacked = Unpacked::new(input, packing, how.budget, how.memory)?;
            damage = unpacked.damage();
            head = unpacked.head(HEAD)?.to_vec();
            Content::Packed(unpacked)
        }
    };
    let is_tar = is_tar(&head);
    let is_disguised = !is_tar && disguise::is_suspected(&head);
    Ok(Stored { content, packing, damage, is_tar, is_disguised, seekable, name, how })
}

/// Returns whether an input that begins so is neither packed nor a tar.
#[must_use]
pub fn is_plain(head: &[u8]) -> bool {
    !cfg!(feature = "packed") || Packing::of(head).is_none() && !is_tar(head)
}

fn is_tar(head: &[u8]) -> bool {
    cfg!(feature = "packed") && head.get(257..262) == Some(b"ustar")
}

impl Stored {
    /// Returns the members of the tar that the content is.
    ///
    /// # Errors
    /// If it is no tar, is cut, or cannot be laid down.
    pub fn members(self) -> io::Result<Archive> {
        let (name, progress, budget) = (self.name.clone(), self.how.progress, self.how.budget);
        let (file, start) = self.laid_down_from()?;
        Archive::of_tar(file, start, budget, name, progress)
    }

    /// Returns the content as the one file of an archive, under that name.
    ///
    /// # Errors
    /// If it cannot be laid down.
    pub fn only_member(self, path: &Path) -> io::Result<Archive> {
        let (name, progress) = (self.name.clone(), self.how.progress);
        let (file, start) = self.laid_down_from()?;
        Archive::of_one(file, start, path, name, progress)
    }

    /// Returns a file that holds the content from its first byte on, which the input itself may be.
    ///
    /// # Errors
    /// If it is a tar, its packing is damaged, or it cannot be laid down.
    pub fn into_file(self) -> io::Result<File> {
        if self.is_tar {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "it is a tar, which holds more than one file: unpack it first",
            ));
        }
        let damage = self.damage.clone();
        let (mut file, start) = self.laid_down_from()?;
        match damage.get() {
            Some(damage) => Err(io::Error::new(io::ErrorKind::InvalidData, damage.to_owned())),
            None if start > 0 => {
                file.seek(io::SeekFrom::Start(start))?;
                lay_down(file)
            }
            None => Ok(file),
        }
    }

    /// Returns a file that holds the content, which the input itself may be, and where the content begins in it.
    fn laid_down_from(self) -> io::Result<(File, u64)> {
        match self.content {
            Content::Plain(mut input) if self.seekable && input.get().is_on_disk() => {
                let start = input.stream_position()?;
                let file = input.into_inner().into_file()?;
                Ok((file, start))
            }
            content => Ok((lay_down(content)?, 0)),
        }
    }
}

/// Copies what is left to read to a temporary file without a name.
///
/// # Errors
/// If it cannot be read, or there is no room.
pub fn lay_down(content: impl Read) -> io::Result<File> {
    let folder = temporary()?;
    let file = tempfile::tempfile_in(&folder).map_err(|error| no_room(&folder, &error))?;
    copy_into(file, &folder, content)
}

/// Returns the folder for temporary files. Where there is no file system there is none.
pub(crate) fn temporary() -> io::Result<PathBuf> {
    if cfg!(target_family = "wasm") {
        return Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "it has to be laid down in a file, and there are no files here",
        ));
    }
    Ok(std::env::temp_dir())
}

/// Copies what is left to read to a file in a folder, and gives the file back.
pub(crate) fn copy_into(mut file: File, folder: &Path, mut content: impl Read) -> io::Result<File> {
    let mut buffer = vec![0; 256 << 10];
    loop {
        match content.read(&mut buffer)? {
            0 => return Ok(file),
            n => io::Write::write_all(&mut file, &buffer[..n]).map_err(|error| no_room(folder, &error))?,
        }
    }
}

/// Returns the path that a report gives a member of an archive: `data.tar:data/dump.rdb`.
#[must_use]
pub fn member_path(archive: &Path, member: &Path) -> PathBuf {
    let mut path = archive.as_os_str().to_owned();
    path.push(":");
    path.push(member);
    path.into()
}

pub(crate) fn no_room(folder: &Path, error: &io::Error) -> io::Error {
    let why = console::reason(error);
    let text = format!("it has to be laid down in {} (TMPDIR says where), which fails: {why}", folder.display());
    io::Error::new(error.kind(), text)
}
