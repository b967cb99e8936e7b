//! The record of a repair, from which it can be undone.
//!
//! ```text
//! redis-persistence-undo 1
//! cut file=/data/appendonlydir/a.1.incr.aof from=163 to=144 kept=<hash> saved=a.1.incr.aof.<stamp>.tail tail=<hash>
//! rewrite file=/data/appendonlydir/a.manifest saved=a.manifest.<stamp>.old size=44 old=<hash> new-size=45 new=<hash>
//! create file=/data/appendonlydir/a.manifest new-size=45 new=<hash>
//! aside file=/data/appendonlydir/a.2.incr.aof saved=a.2.incr.aof.<stamp>.aside size=99 last=<hash>
//! end 4 <hash>
//! ```
//! Sizes are in bytes, hashes 64-bit XXH3 in 16 hexadecimal digits: `kept` and `last` over the last 64 KiB at most of what
//! stayed, the others over the whole of what they name. The `end` line has the number of entries and the hash of all lines
//! before it. In a name every byte but letters, digits and `/ . _ - +` is written as `%` and two digits. A saved file lies
//! beside the record unless its path begins with `/`.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_64;

use super::ApplyError;

const FIRST: &str = "redis-persistence-undo 1";
/// No record comes near; a longer file is none.
const MAX: u64 = 16 << 20;

/// A change, with what is needed to take it back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entry {
    Cut { file: PathBuf, from: u64, to: u64, kept: u64, saved: PathBuf, tail: u64 },
    Rewrite { file: PathBuf, saved: PathBuf, size: u64, old: u64, new_size: u64, new: u64 },
    Create { file: PathBuf, new_size: u64, new: u64 },
    Aside { file: PathBuf, saved: PathBuf, size: u64, last: u64 },
}

impl Entry {
    /// The file that changes.
    pub(super) fn file(&self) -> &Path {
        match self {
            Self::Cut { file, .. }
            | Self::Rewrite { file, .. }
            | Self::Create { file, .. }
            | Self::Aside { file, .. } => file,
        }
    }

    /// Where the bytes are that were taken away.
    pub(super) fn saved(&self) -> Option<&Path> {
        match self {
            Self::Cut { saved, .. } | Self::Rewrite { saved, .. } | Self::Aside { saved, .. } => Some(saved),
            Self::Create { .. } => None,
        }
    }
}

/// All changes of a repair, in the order in which they were made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub entries: Vec<Entry>,
}

impl Record {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut out = format!("{FIRST}\n");
        for entry in &self.entries {
            // Writing to a string does not fail.
            let _ = match entry {
                Entry::Cut { file, from, to, kept, saved, tail } => {
                    let (file, saved) = (escape(file), escape(saved));
                    writeln!(out, "cut file={file} from={from} to={to} kept={kept:016x} saved={saved} tail={tail:016x}")
                }
                Entry::Rewrite { file, saved, size, old, new_size, new } => {
                    let (file, saved) = (escape(file), escape(saved));
                    let new = format!("new-size={new_size} new={new:016x}");
                    writeln!(out, "rewrite file={file} saved={saved} size={size} old={old:016x} {new}")
                }
                Entry::Create { file, new_size, new } => {
                    writeln!(out, "create file={} new-size={new_size} new={new:016x}", escape(file))
                }
                Entry::Aside { file, saved, size, last } => {
                    writeln!(out, "aside file={} saved={} size={size} last={last:016x}", escape(file), escape(saved))
                }
            };
        }
        let _ = writeln!(out, "end {} {:016x}", self.entries.len(), xxh3_64(out.as_bytes()));
        out.into_bytes()
    }

    pub(super) fn read(path: &Path) -> Result<Self, ApplyError> {
        let mut data = Vec::new();
        let file = File::open(path).map_err(ApplyError::io("open", path))?;
        file.take(MAX).read_to_end(&mut data).map_err(ApplyError::io("read", path))?;
        Self::parse(&data).map_err(|what| ApplyError::BadRecord { path: path.to_owned(), what })
    }

    fn parse(data: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(data).map_err(|_| "it is no text".to_owned())?;
        let body = text.strip_suffix('\n').ok_or("its last line is cut short")?;
        let (body, end) = body.rsplit_once('\n').ok_or("it has one line")?;
        let mut lines = body.split('\n');
        if lines.next() != Some(FIRST) {
            return Err(format!("it does not begin with \"{FIRST}\""));
        }
        let entries: Vec<_> = lines
            .zip(2..)
            .map(|(line, number)| entry(line).ok_or_else(|| format!("line {number} cannot be read")))
            .collect::<Result<_, _>>()?;
        // The hash covers the line end before the last line too.
        let hash = xxh3_64(&data[..body.len() + 1]);
        if end != format!("end {} {hash:016x}", entries.len()) {
            return Err("its checksum does not match".to_owned());
        }
        Ok(Self { entries })
    }
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
            saved: unescape(value("saved")?)?,
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

fn unescape(text: &str) -> Option<PathBuf> {
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
    (!out.is_empty()).then(|| OsString::from_vec(out).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        let file: PathBuf = OsString::from_vec(b"/data/a b\n%\xff.aof".to_vec()).into();
        let saved: PathBuf = "a.aof.20240301T000000Z.tail".into();
        Record {
            entries: vec![
                Entry::Cut { file: file.clone(), from: 163, to: 144, kept: 1, saved: saved.clone(), tail: u64::MAX },
                Entry::Rewrite { file: file.clone(), saved: saved.clone(), size: 0, old: 2, new_size: 3, new: 4 },
                Entry::Create { file: file.clone(), new_size: 3, new: 4 },
                Entry::Aside { file, saved, size: 9, last: 5 },
            ],
        }
    }

    #[test]
    fn what_was_written_is_read() {
        let bytes = record().to_bytes();
        assert_eq!(Record::parse(&bytes), Ok(record()));
        assert!(bytes.starts_with(b"redis-persistence-undo 1\ncut file=/data/a%20b%0a%25%ff.aof from=163 to=144 "));
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
