//! The members of a tar, and where they lie in it.
//!
//! The walk goes from header to header and holds nothing of the members. What a tar says of lengths and names is believed as far
//! as the file and the limits here reach: 290 bytes can unpack to a name of 50,000 levels.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use tar::Header;

use super::sparse::{BLOCK, Map, Said, field, full};
use super::{Lead, Place};
use crate::unpack::Budget;

/// How much memory names, their folders, and the maps of holes may take.
const NAMES: usize = 32 << 20;
/// The longest path that a system takes.
const PATH: usize = 4096;
/// How much of an extended header is read.
const EXTENDED: u64 = 1 << 20;

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
    sparse: Said,
    too_long: bool,
}

/// Lists the regular files of a tar that begins at `start`, as far as they can matter. Of several under one name the last one
/// counts, as for who unpacks it.
///
/// # Errors
/// If the file cannot be read, or has more holes than `budget` allows.
pub(super) fn members(file: &Arc<File>, start: u64, budget: Budget) -> io::Result<Listed> {
    let end = file.metadata()?.len();
    let (mut listed, mut next, mut at, mut names, mut too_long) = (Listed::default(), Next::default(), start, 0, 0_u64);
    let mut with_holes = 0_u64;
    loop {
        let mut block = [0; 512];
        match full(file, &mut block, at)? {
            0 => {
                listed.unended = true;
                break;
            }
            512 => {}
            _ => {
                listed.damage.get_or_insert(format!("it ends inside the header at byte {}", at - start));
                break;
            }
        }
        if block == [0; 512] {
            break;
        }
        let header = Header::from_byte_slice(&block);
        let (true, Some(stated)) = (sum_fits(header), field(&header.as_old().size)) else {
            listed.damage.get_or_insert(format!("the header at byte {} is damaged", at - start));
            break;
        };
        let kind = header.entry_type();
        let mut content = at + BLOCK;
        let mut map = None;
        if kind.is_gnu_sparse() {
            let read;
            (content, read) = Map::old(file, header, content, NAMES - names)?;
            map = Some(read);
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
            let mut of = std::mem::take(&mut next);
            let name = of.sparse.name.take().or(of.path).unwrap_or_else(|| header.path_bytes().into_owned());
            let is_file = (kind.is_file() || kind.is_contiguous() || kind.is_gnu_sparse()) && !name.ends_with(b"/");
            if is_file && (of.too_long || name.len() > PATH) {
                too_long += 1;
            } else if is_file {
                let path = plain(Path::new(&*os_text(&name)));
                let found = match map {
                    // Both ways in one are none.
                    Some(map) if !of.sparse.any => map.and_then(|map| map.place_old(header, (content, size), end)),
                    None if of.sparse.any => of.sparse.place(file, (content, size), end, NAMES - names)?,
                    Some(_) => Err("is said twice"),
                    None => Ok(Place::whole(content, size.min(end.saturating_sub(content)))),
                };
                let place = match found {
                    Ok(place) => place,
                    Err(why) => {
                        let what = format!("the map of the holes of {} {why}, so that it is left out", shown(&path));
                        listed.damage.get_or_insert(what);
                        listed.members.remove(&path);
                        at = after.filter(|_| !cut).unwrap_or(end);
                        continue;
                    }
                };
                if matters(&path) || place.is_rdb(file)? {
                    if place.parts.is_some() {
                        with_holes = with_holes.saturating_add(place.size);
                        budget.admit(with_holes, end - start)?;
                    }
                    // Each folder on the way is remembered, too.
                    names += path.ancestors().map(|path| path.as_os_str().len()).sum::<usize>() + 128;
                    names += place.parts.as_ref().map_or(0, |parts| size_of_val(&**parts));
                    if names > NAMES {
                        let why = format!("the names and maps of its members take more than {} MiB", NAMES >> 20);
                        listed.damage.get_or_insert(why);
                        break;
                    }
                    let lead = lead(&name, &path);
                    listed.members.insert(path, Place { lead, ..place });
                }
            }
        }
        match after {
            Some(after) if !cut => at = after,
            _ => {
                listed.damage.get_or_insert(format!("it ends inside the member at byte {}", at - start));
                break;
            }
        }
    }
    if too_long > 0 {
        let why = format!("{too_long} of its members have longer names or headers than are read, and are left out");
        listed.damage.get_or_insert(why);
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
                b"path" => self.path = Some(value.to_vec()),
                b"size" => self.size = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()),
                _ => {
                    if let Some(key) = key.strip_prefix(b"GNU.sparse.") {
                        self.sparse.record(key, value);
                    }
                }
            }
        }
    }
}

/// Returns the first record: its length, and what stands between its length and its line end.
fn record(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let digits = bytes.iter().take(8).position(|byte| *byte == b' ')?;
    let length: usize = std::str::from_utf8(&bytes[..digits]).ok()?.parse().ok()?;
    let line = bytes.get(digits + 1..length.checked_sub(1)?)?;
    Some((length, line))
}

fn is_pax(header: &Header) -> bool {
    header.entry_type().is_pax_local_extensions() || header.entry_type().is_pax_global_extensions()
}

/// Returns whether a file of that name may belong to an append-only set, or be an RDB.
fn matters(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    let has = |part: &[u8]| name.windows(part.len()).any(|at| at == part);
    name.starts_with(b"temp-") || [&b".aof"[..], b".rdb", b".manifest"].iter().any(|part| has(part))
}

/// Returns whether the sum of a header is that of its bytes, its own field taken for blanks.
fn sum_fits(header: &Header) -> bool {
    let bytes = header.as_bytes();
    let sum: u32 =
        bytes.iter().enumerate().map(|(i, byte)| if (148..156).contains(&i) { 32 } else { u32::from(*byte) }).sum();
    header.cksum().is_ok_and(|stated| stated == sum)
}

/// Returns a path that is fit to print.
fn shown(path: &Path) -> String {
    crate::escape::plain(path.as_os_str().as_encoded_bytes())
}

fn head(file: &File, at: u64, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(most).map_err(io::Error::other)?];
    let n = full(file, &mut bytes, at)?;
    bytes.truncate(n);
    Ok(bytes)
}

/// Returns how the name of a member differs from the path by which it is known.
fn lead(name: &[u8], path: &Path) -> Lead {
    match name.strip_suffix(path.as_os_str().as_encoded_bytes()) {
        Some(b"") => Lead::Nothing,
        Some(b"./") => Lead::Dot,
        _ => Lead::Odd,
    }
}

/// Returns the path as files of the tar refer to each other: `./data/dump.rdb` is `data/dump.rdb`. Nothing is ever written
/// there.
fn plain(path: &Path) -> PathBuf {
    path.components().filter(|part| matches!(part, Component::Normal(_))).collect()
}

/// Returns a name as the system has it.
#[cfg(unix)]
fn os_text(name: &[u8]) -> Cow<'_, OsStr> {
    Cow::Borrowed(std::os::unix::ffi::OsStrExt::from_bytes(name))
}

#[cfg(not(unix))]
fn os_text(name: &[u8]) -> Cow<'_, OsStr> {
    Cow::Owned(String::from_utf8_lossy(name).into_owned().into())
}
