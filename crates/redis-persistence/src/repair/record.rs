//! The record of a repair, from which it can be undone.
//!
//! ```text
//! redis-persistence-undo 2
//! set folder=appendonlydir
//! cut file=a.1.incr.aof from=163 to=144 kept=<hash> saved=a.1.incr.aof.<stamp>.tail tail=<hash>
//! rewrite file=a.manifest saved=a.manifest.<stamp>.old size=44 old=<hash> new-size=45 new=<hash>
//! create file=a.manifest new-size=45 new=<hash>
//! aside file=a.2.incr.aof saved=a.2.incr.aof.<stamp>.aside size=99 last=<hash>
//! aside file=a.3.incr.aof stays=a.3.incr.aof.<stamp>.aside size=99 last=<hash>
//! end 5 <hash>
//! ```
//! The folder of the set is a path from the record's own folder down to it, `.` if it is the same; or an absolute path, where the
//! set lies elsewhere: whoever undoes that has to name the set. All files are names in that folder, what was saved has names beside
//! the record, and what `stays` has one in the set.
//!
//! Sizes are in bytes, hashes 64-bit XXH3 in 16 hexadecimal digits: `kept` and `last` over the last 64 KiB at most of what
//! stayed, the others over the whole of what they name. The `end` line has the number of entries and the hash of all lines
//! before it. In a name every byte but letters, digits and `/ . _ - +` is written as `%` and two digits.
//!
//! The hash finds accidents. Against a record that somebody else wrote there is its owner: the caller, or root.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use xxhash_rust::xxh3::xxh3_64;

use super::ApplyError;
use super::folder::Place;

const FIRST: &str = "redis-persistence-undo 2";
/// What the records of former releases begin with: they named files anywhere.
const FORMER: &str = "redis-persistence-undo 1";
/// No record comes near; a longer file is none.
const MAX: u64 = 16 << 20;

/// A change, with what is needed to take it back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entry {
    Cut { file: OsString, from: u64, to: u64, kept: u64, saved: OsString, tail: u64 },
    Rewrite { file: OsString, saved: OsString, size: u64, old: u64, new_size: u64, new: u64 },
    Create { file: OsString, new_size: u64, new: u64 },
    Aside { file: OsString, saved: Aside, size: u64, last: u64 },
}

/// Where a file is that was set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Aside {
    /// Beside the record.
    Saved(OsString),
    /// In the folder of the set.
    Stays(OsString),
}

impl Entry {
    /// Returns the file that changes.
    pub(super) fn file(&self) -> &OsStr {
        match self {
            Self::Cut { file, .. }
            | Self::Rewrite { file, .. }
            | Self::Create { file, .. }
            | Self::Aside { file, .. } => file,
        }
    }

    /// Returns where the bytes are that were taken away: beside the record, or in the set.
    pub(super) fn saved(&self) -> Option<(&OsStr, bool)> {
        match self {
            Self::Cut { saved, .. } | Self::Rewrite { saved, .. } => Some((saved, true)),
            Self::Aside { saved: Aside::Saved(saved), .. } => Some((saved, true)),
            Self::Aside { saved: Aside::Stays(saved), .. } => Some((saved, false)),
            Self::Create { .. } => None,
        }
    }

    /// Returns the entry in a line, its files with the folders that they lie in.
    pub(super) fn line(&self, set: &Path, home: &Path) -> String {
        let here = |name: &OsStr| escape(&set.join(name));
        let there = |name: &OsStr| escape(&home.join(name));
        match self {
            Self::Cut { file, from, to, kept, saved, tail } => {
                let (file, saved) = (here(file), there(saved));
                format!("cut file={file} from={from} to={to} kept={kept:016x} saved={saved} tail={tail:016x}")
            }
            Self::Rewrite { file, saved, size, old, new_size, new } => {
                let (file, saved) = (here(file), there(saved));
                let new = format!("new-size={new_size} new={new:016x}");
                format!("rewrite file={file} saved={saved} size={size} old={old:016x} {new}")
            }
            Self::Create { file, new_size, new } => {
                format!("create file={} new-size={new_size} new={new:016x}", here(file))
            }
            Self::Aside { file, saved, size, last } => {
                let saved = match saved {
                    Aside::Saved(saved) => format!("saved={}", there(saved)),
                    Aside::Stays(saved) => format!("stays={}", here(saved)),
                };
                format!("aside file={} {saved} size={size} last={last:016x}", here(file))
            }
        }
    }
}

/// All changes of a repair, in the order in which they were made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    /// The folder of the set: down from that of the record, or absolute.
    pub folder: PathBuf,
    pub entries: Vec<Entry>,
}

impl Record {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut out = format!("{FIRST}\nset folder={}\n", escape(&self.folder));
        for entry in &self.entries {
            out.push_str(&entry.line(Path::new(""), Path::new("")));
            out.push('\n');
        }
        // Writing to a string does not fail.
        let _ = writeln!(out, "end {} {:016x}", self.entries.len(), xxh3_64(out.as_bytes()));
        out.into_bytes()
    }

    /// Reads a record, if its owner is the caller or root, and nobody else may write to it.
    pub(super) fn read(place: &Place) -> Result<Self, ApplyError> {
        let path = place.path();
        let (file, _) = place.open()?;
        let data = file.metadata().map_err(ApplyError::io("ask for", path))?;
        let caller = rustix::process::geteuid().as_raw();
        if data.uid() != caller && data.uid() != 0 {
            let why = format!("the record belongs to user {}, and not to you (user {caller}) or root", data.uid());
            return Err(ApplyError::refused(path, &why));
        }
        if data.mode() & 0o022 != 0 {
            return Err(ApplyError::refused(path, "others than its owner may write to the record"));
        }
        let bad = |what| ApplyError::BadRecord { path: path.to_owned(), what };
        if data.len() > MAX {
            return Err(bad(format!("it has {} bytes, and no record has more than {MAX}", data.len())));
        }
        let mut bytes = Vec::new();
        file.take(MAX).read_to_end(&mut bytes).map_err(ApplyError::io("read", path))?;
        Self::parse(&bytes).map_err(bad)
    }

    fn parse(data: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(data).map_err(|_| "it is no text".to_owned())?;
        let body = text.strip_suffix('\n').ok_or("its last line is cut short")?;
        let (body, end) = body.rsplit_once('\n').ok_or("it has one line")?;
        let mut lines = body.split('\n');
        match lines.next() {
            Some(FIRST) => {}
            Some(FORMER) => return Err("it is of a former release, whose records could name any file".to_owned()),
            _ => return Err(format!("it does not begin with \"{FIRST}\"")),
        }
        let folder = lines.next().and_then(|line| line.strip_prefix("set folder=")).and_then(unescape);
        let folder = PathBuf::from(folder.ok_or("line 2 names no folder of a set")?);
        if !folder.is_absolute() && folder != Path::new(".") && !is_downward(&folder) {
            return Err("line 2 names a folder that does not lie below that of the record".to_owned());
        }
        let entries: Vec<_> = lines
            .zip(3..)
            .map(|(line, number)| {
                let entry = entry(line).ok_or_else(|| format!("line {number} cannot be read"))?;
                let names = [Some(entry.file()), entry.saved().map(|(saved, _)| saved)];
                let outside = names.into_iter().flatten().find(|name| !is_name(name)).map(|name| escape(name.as_ref()));
                outside.map_or(Ok(entry.clone()), |name| Err(format!("line {number} names {name}, outside the set")))
            })
            .collect::<Result<_, _>>()?;
        // The hash covers the line end before the last line too.
        let hash = xxh3_64(&data[..body.len() + 1]);
        if end != format!("end {} {hash:016x}", entries.len()) {
            return Err("its checksum does not match".to_owned());
        }
        Ok(Self { folder, entries })
    }
}

fn is_downward(folder: &Path) -> bool {
    folder.components().all(|part| matches!(part, Component::Normal(_)))
}

fn is_name(name: &OsStr) -> bool {
    !name.as_bytes().contains(&b'/') && is_downward(Path::new(name))
}

fn entry(line: &str) -> Option<Entry> {
    let mut words = line.split(' ');
    let kind = words.next()?;
    let mut value = |key: &str| words.next()?.strip_prefix(key)?.strip_prefix('=');
    let entry = match kind {
        "cut" => Entry::Cut {
            file: unescape(value("file")?)?,
            from: decimal(value("from")?)?,
            to: decimal(value("to")?)?,
            kept: hash(value("kept")?)?,
            saved: unescape(value("saved")?)?,
            tail: hash(value("tail")?)?,
        },
        "rewrite" => Entry::Rewrite {
            file: unescape(value("file")?)?,
            saved: unescape(value("saved")?)?,
            size: decimal(value("size")?)?,
            old: hash(value("old")?)?,
            new_size: decimal(value("new-size")?)?,
            new: hash(value("new")?)?,
        },
        "create" => Entry::Create {
            file: unescape(value("file")?)?,
            new_size: decimal(value("new-size")?)?,
            new: hash(value("new")?)?,
        },
        "aside" => Entry::Aside {
            file: unescape(value("file")?)?,
            // No name that is written here has a space.
            saved: match line.contains(" stays=") {
                true => Aside::Stays(unescape(value("stays")?)?),
                false => Aside::Saved(unescape(value("saved")?)?),
            },
            size: decimal(value("size")?)?,
            last: hash(value("last")?)?,
        },
        _ => return None,
    };
    let sane = !matches!(entry, Entry::Cut { from, to, .. } if from < to);
    (words.next().is_none() && sane).then_some(entry)
}

fn decimal(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}

fn hash(text: &str) -> Option<u64> {
    let plain = text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if plain { u64::from_str_radix(text, 16).ok() } else { None }
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"/._-+".contains(&byte)
}

fn escape(path: &Path) -> String {
    let mut out = String::new();
    for &byte in path.as_os_str().as_bytes() {
        if is_plain(byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02x}");
        }
    }
    out
}

fn unescape(text: &str) -> Option<OsString> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digits = [bytes.next()?, bytes.next()?];
            out.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
        } else if is_plain(byte) {
            out.push(byte);
        } else {
            return None;
        }
    }
    (!out.is_empty()).then(|| OsString::from_vec(out))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        let file = OsString::from_vec(b"a b\n%\xff.aof".to_vec());
        let saved: OsString = "a.aof.20240301T000000Z.tail".into();
        Record {
            folder: "data/set".into(),
            entries: vec![
                Entry::Cut { file: file.clone(), from: 163, to: 144, kept: 1, saved: saved.clone(), tail: u64::MAX },
                Entry::Rewrite { file: file.clone(), saved: saved.clone(), size: 0, old: 2, new_size: 3, new: 4 },
                Entry::Create { file: file.clone(), new_size: 3, new: 4 },
                Entry::Aside { file: file.clone(), saved: Aside::Saved(saved.clone()), size: 9, last: 5 },
                Entry::Aside { file, saved: Aside::Stays(saved), size: 9, last: 5 },
            ],
        }
    }

    #[test]
    fn what_was_written_is_read() {
        let bytes = record().to_bytes();
        assert_eq!(Record::parse(&bytes), Ok(record()));
        let start = b"redis-persistence-undo 2\nset folder=data/set\ncut file=a%20b%0a%25%ff.aof from=163 to=144 ";
        assert!(bytes.starts_with(start));
    }

    /// Whoever can write the record can make its hash fit.
    #[test]
    fn no_name_leads_out_of_the_set() {
        for name in ["/etc/passwd", "../x", "..", "a/b", "./a", "a/", "."] {
            for at in 0..record().entries.len() {
                let mut edited = record();
                let Some(entry) = edited.entries.get_mut(at) else { continue };
                match entry {
                    Entry::Cut { file, .. } | Entry::Rewrite { file, .. } | Entry::Create { file, .. } => {
                        *file = name.into()
                    }
                    Entry::Aside { saved: Aside::Saved(saved) | Aside::Stays(saved), .. } => *saved = name.into(),
                }
                let refused = Record::parse(&edited.to_bytes());
                assert!(refused.is_err_and(|why| why.contains("outside the set")), "{name} in entry {at}");
            }
        }
        for folder in ["..", "../set", "a/../..", "./../x"] {
            let edited = Record { folder: folder.into(), ..record() };
            assert!(Record::parse(&edited.to_bytes()).is_err_and(|why| why.contains("line 2")), "{folder}");
        }
        let former = Record::parse(b"redis-persistence-undo 1\nend 0 0\n");
        assert!(former.is_err_and(|why| why.contains("former release")));
    }

    #[test]
    fn no_damage_passes() {
        let bytes = record().to_bytes();
        for at in 0..bytes.len() {
            assert!(Record::parse(&bytes[..at]).is_err(), "cut at {at}");
            for bit in 0..8 {
                let mut bytes = bytes.clone();
                bytes[at] ^= 1 << bit;
                assert!(Record::parse(&bytes).is_err(), "bit {bit} of byte {at}");
            }
        }
    }
}
