//! The members of a tar, and where they lie in it.
//!
//! The walk goes from header to header and holds nothing of the members. What a tar says of lengths and names is believed as far
//! as the file and the limits here reach: 290 bytes can unpack to a name of 50,000 levels.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

use redis_persistence::verify::ReadAt as _;
use tar::Header;

use super::Place;

/// How much memory names and their folders may take.
const NAMES: usize = 32 << 20;
/// The longest path that a system takes.
const PATH: usize = 4096;
/// How much of an extended header is read.
const EXTENDED: u64 = 64 << 10;
const BLOCK: u64 = 512;

/// What a tar holds.
#[derive(Debug, Default)]
pub(super) struct Listed {
    pub(super) members: BTreeMap<PathBuf, Place>,
    /// What is wrong with the tar: what came before is listed.
    pub(super) damage: Option<String>,
    /// Whether it ends where a member does, without the zero blocks that end a tar.
    pub(super) unended: bool,
}

/// What extended headers say about the member that follows.
#[derive(Debug, Default)]
struct Next {
    path: Option<Vec<u8>>,
    size: Option<u64>,
    sparse: bool,
    too_long: bool,
}

/// Lists the regular files of a tar that begins at `start`, as far as they can matter. Of several under one name the last one
/// counts, as for who unpacks it.
///
/// # Errors
/// If the file cannot be read, or a member that matters is stored with holes.
pub(super) fn members(file: &File, start: u64) -> io::Result<Listed> {
    let end = file.metadata()?.len();
    let (mut listed, mut next, mut at, mut names, mut too_long) = (Listed::default(), Next::default(), start, 0, 0_u64);
    loop {
        let mut block = [0; 512];
        match full(file, &mut block, at)? {
            0 => {
                listed.unended = true;
                break;
            }
            512 => {}
            _ => {
                listed.damage = Some(format!("it ends inside the header at byte {}", at - start));
                break;
            }
        }
        if block == [0; 512] {
            break;
        }
        let header = Header::from_byte_slice(&block);
        let (true, Ok(stated)) = (sum_fits(header), header.entry_size()) else {
            listed.damage = Some(format!("the header at byte {} is damaged", at - start));
            break;
        };
        let kind = header.entry_type();
        let mut content = at + BLOCK;
        if kind.is_gnu_sparse() {
            let mut more = block[482];
            while more != 0 {
                let mut extension = [0; 512];
                if full(file, &mut extension, content)? < 512 {
                    break;
                }
                (more, content) = (extension[504], content + BLOCK);
            }
        }
        let extends = kind.is_gnu_longname() || kind.is_gnu_longlink() || is_pax(header);
        let size = if extends { stated } else { next.size.unwrap_or(stated) };
        let after = size.div_ceil(BLOCK).checked_mul(BLOCK).and_then(|length| content.checked_add(length));
        let cut = content.saturating_add(size) > end;
        if extends {
            let bytes = head(file, content, size.min(EXTENDED))?;
            if kind.is_gnu_longname() {
                let path: Vec<u8> = bytes.iter().copied().take_while(|byte| *byte != 0).collect();
                next.path = Some(path);
            } else if kind.is_pax_local_extensions() {
                next.pax(&bytes);
            }
            // A link may lead to a longer one: it is no file.
            next.too_long |= size > EXTENDED && !kind.is_gnu_longlink();
        } else {
            let of = std::mem::take(&mut next);
            let name = of.path.unwrap_or_else(|| header.path_bytes().into_owned());
            let is_file = (kind.is_file() || kind.is_contiguous() || kind.is_gnu_sparse()) && !name.ends_with(b"/");
            if is_file && (of.too_long || name.len() > PATH) {
                too_long += 1;
            } else if is_file {
                let path = plain(Path::new(OsStr::from_bytes(&name)));
                let place = Place { start: content, size: size.min(end.saturating_sub(content)) };
                if matters(&path) || is_rdb(&head(file, content, place.size.min(6))?) {
                    if of.sparse || kind.is_gnu_sparse() {
                        let why = format!("tar: {} is stored with holes; unpack it first", path.display());
                        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
                    }
                    // Each folder on the way is remembered, too.
                    names += path.ancestors().map(|path| path.as_os_str().len()).sum::<usize>() + 128;
                    if names > NAMES {
                        listed.damage = Some(format!("the names of its members take more than {} MiB", NAMES >> 20));
                        break;
                    }
                    listed.members.insert(path, place);
                }
            }
        }
        match after {
            Some(after) if !cut => at = after,
            _ => {
                listed.damage = Some(format!("it ends inside the member at byte {}", at - start));
                break;
            }
        }
    }
    if too_long > 0 && listed.damage.is_none() {
        listed.damage =
            Some(format!("{too_long} of its members have longer names than a system takes, and are left out"));
    }
    Ok(listed)
}

impl Next {
    /// Takes what a PAX header says: lines of `length key=value`.
    fn pax(&mut self, mut bytes: &[u8]) {
        while let Some((length, line)) = record(bytes) {
            bytes = &bytes[length..];
            let Some(equals) = line.iter().position(|byte| *byte == b'=') else { continue };
            let (key, value) = (&line[..equals], &line[equals + 1..]);
            match key {
                b"path" | b"GNU.sparse.name" => self.path = Some(value.to_vec()),
                b"size" => self.size = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()),
                _ => self.sparse |= key.starts_with(b"GNU.sparse."),
            }
        }
    }
}

/// The first record: its length, and what stands between its length and its line end.
fn record(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let digits = bytes.iter().take(8).position(|byte| *byte == b' ')?;
    let length: usize = std::str::from_utf8(&bytes[..digits]).ok()?.parse().ok()?;
    let line = bytes.get(digits + 1..length.checked_sub(1)?)?;
    Some((length, line))
}

fn is_pax(header: &Header) -> bool {
    header.entry_type().is_pax_local_extensions() || header.entry_type().is_pax_global_extensions()
}

/// Whether a file of that name may belong to an append-only set, or be an RDB.
fn matters(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_bytes();
    let has = |part: &[u8]| name.windows(part.len()).any(|at| at == part);
    name.starts_with(b"temp-") || [&b".aof"[..], b".rdb", b".manifest"].iter().any(|part| has(part))
}

fn is_rdb(head: &[u8]) -> bool {
    head.starts_with(b"REDIS") || head == b"VALKEY"
}

/// Whether the sum of a header is that of its bytes, its own field taken for blanks.
fn sum_fits(header: &Header) -> bool {
    let bytes = header.as_bytes();
    let sum: u32 =
        bytes.iter().enumerate().map(|(i, byte)| if (148..156).contains(&i) { 32 } else { u32::from(*byte) }).sum();
    header.cksum().is_ok_and(|stated| stated == sum)
}

fn head(file: &File, at: u64, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(most).map_err(io::Error::other)?];
    let n = full(file, &mut bytes, at)?;
    bytes.truncate(n);
    Ok(bytes)
}

/// Fills the buffer from an offset on, as far as the file goes.
fn full(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], at.saturating_add(filled as u64)) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// The path as files of the tar refer to each other: `./data/dump.rdb` is `data/dump.rdb`. Nothing is ever written there.
fn plain(path: &Path) -> PathBuf {
    path.components().filter(|part| matches!(part, Component::Normal(_))).collect()
}
