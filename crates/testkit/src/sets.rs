//! Sets of append-only files and single ones as servers write them, and what a server holds of them.
//!
//! ```text
//! appendonlydir/appendonly.aof.manifest          base, incrs
//!               appendonly.aof.1.base.{rdb,aof}  strings, or commands; may be missing
//!               appendonly.aof.N.incr.aof        commands, transactions, timestamps
//! appendonly.aof                                 the same in one file, with or without an RDB image before it
//! ```
//! `damage` harms one of them in a way that has a name.

mod damage;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

pub use damage::Damage;

use crate::Bytes;
use crate::manifest::{Manifest, base_name, incr_name, manifest_name};
use crate::rdb::RdbWriter;
use crate::replay::{End, Replay};
use crate::resp::{AofWriter, record};
use crate::rng::Rng;

/// The name that servers give a single file, and what the names of a set begin with.
pub const NAME: &str = "appendonly.aof";
/// The folder of a set.
pub const FOLDER: &str = "appendonlydir";

/// The RDB image at the start of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Image {
    /// Its bytes.
    pub bytes: Bytes,
    keys: Vec<(u32, Bytes, Bytes)>,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetFile {
    /// Its name in the folder.
    pub name: String,
    /// The image that it begins with.
    pub image: Option<Image>,
    /// All of its bytes, those of the image included.
    pub bytes: Bytes,
}

/// A single file, or the files of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AofFiles {
    /// The manifest; a single file has none.
    pub manifest: Option<Bytes>,
    /// The files in the order in which they are loaded.
    pub files: Vec<SetFile>,
}

/// What to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Whether it has a manifest.
    pub set: bool,
    /// Whether timestamps are written: servers before 7.0 do not know them.
    pub stamps: bool,
    /// At most so many records in a file, transactions not counted.
    pub records: usize,
}

impl AofFiles {
    /// Sound files.
    #[must_use]
    pub fn sound(rng: &mut Rng, shape: Shape) -> Self {
        let mut clock = 1_700_000_000;
        if !shape.set {
            let image = rng.chance(35).then(|| image(rng));
            return Self { manifest: None, files: vec![file(rng, NAME.to_owned(), image, shape, &mut clock)] };
        }
        let first = rng.range(1..=12);
        let mut manifest = Manifest::new();
        let mut files = Vec::new();
        if rng.chance(85) {
            let rdb = rng.chance(70);
            let name = base_name(NAME, first, if rdb { "rdb" } else { "aof" });
            manifest.base(&name, i64::try_from(first).unwrap_or(1));
            let image = rdb.then(|| image(rng));
            let shape = Shape { records: if rdb && rng.chance(80) { 0 } else { shape.records }, ..shape };
            files.push(file(rng, name, image, shape, &mut clock));
        }
        let incrs = rng.range(if files.is_empty() { 1..=3 } else { 0..=3 });
        for seq in first..first + incrs {
            let name = incr_name(NAME, seq);
            manifest.incr(&name, i64::try_from(seq).unwrap_or(1));
            files.push(file(rng, name, None, shape, &mut clock));
        }
        Self { manifest: Some(manifest.take()), files }
    }

    /// Lays the files into a server's directory. Returns the file or the folder that they are.
    ///
    /// # Errors
    /// If something cannot be written.
    pub fn lay(&self, folder: &Path) -> io::Result<PathBuf> {
        let Some(manifest) = &self.manifest else {
            fs::create_dir_all(folder)?;
            let path = folder.join(NAME);
            self.files.iter().try_for_each(|file| fs::write(&path, &file.bytes))?;
            return Ok(path);
        };
        let here = folder.join(FOLDER);
        fs::create_dir_all(&here)?;
        self.files.iter().try_for_each(|file| fs::write(here.join(&file.name), &file.bytes))?;
        fs::write(here.join(manifest_name(NAME)), manifest)?;
        Ok(here)
    }

    /// What a server holds that loads these of the files, each as far as it can; nothing is said where an image is not the one
    /// that was made.
    #[must_use]
    pub fn replay<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> Option<Replay> {
        let mut replay = Replay::default();
        for name in names {
            let file = self.files.iter().find(|file| file.name == name)?;
            if file.replay(&mut replay)? != End::Clean {
                break;
            }
        }
        Some(replay)
    }
}

impl SetFile {
    /// Replays the file, to its end or to where a server stops; nothing where its image is not the one that was made.
    pub fn replay(&self, replay: &mut Replay) -> Option<End> {
        let mut from = 0;
        // A file of no bytes is passed over, and so is the image that it held.
        if self.bytes.is_empty() {
            return Some(End::Clean);
        }
        if let Some(image) = &self.image {
            if !self.bytes.starts_with(&image.bytes) {
                return None;
            }
            image.keys.iter().for_each(|(database, key, value)| replay.text(*database, key, value));
            from = image.bytes.len();
        } else if self.bytes.starts_with(b"REDIS") || self.bytes.starts_with(b"VALKEY") {
            return None;
        }
        Some(replay.file(&self.bytes, from))
    }
}

/// An image of strings that every server loads.
fn image(rng: &mut Rng) -> Image {
    let mut w = RdbWriter::redis(9);
    let mut keys = Vec::new();
    for database in 0..rng.range(1..=2) {
        w.select_db(database);
        for number in 0..rng.below(8) {
            let (key, value) = (format!("base:{number}").into_bytes(), value(rng));
            w.string_key(&key, &value);
            keys.push((u32::try_from(database).unwrap_or(0), key, value));
        }
    }
    Image { bytes: w.finish(), keys }
}

fn file(rng: &mut Rng, name: String, image: Option<Image>, shape: Shape, clock: &mut i64) -> SetFile {
    let mut w = AofWriter::new();
    if shape.records > 0 {
        w.select(rng.below(3));
        let count = rng.size(1..=shape.records);
        for _ in 0..count {
            if shape.stamps && rng.chance(12) {
                *clock += 1;
                w.timestamp(*clock);
            }
            match rng.below(12) {
                0 => {
                    w.multi();
                    for _ in 0..rng.range(1..=3) {
                        write(rng, &mut w);
                    }
                    w.exec();
                }
                1 => drop(w.select(rng.below(3))),
                _ => write(rng, &mut w),
            }
        }
    }
    let bytes = [image.as_ref().map_or(&[][..], |image| &image.bytes), &w.take()].concat();
    SetFile { name, image, bytes }
}

/// Something that clients write: text, bytes, what looks like records, and now and then more than a page.
fn value(rng: &mut Rng) -> Bytes {
    match rng.below(10) {
        0..=3 => rng.word().into(),
        4 | 5 => {
            let length = rng.size(0..=90);
            rng.bytes(length)
        }
        6 => rng.below(100_000).to_string().into(),
        7 => [record(&["SET", rng.word(), "inside"]), b"\r\n".to_vec()].concat(),
        8 => b"line\r\n$3\r\n*2\r\n\r\n".to_vec(),
        _ => rng.word().repeat(rng.size(100..=1600)).into(),
    }
}

fn write(rng: &mut Rng, w: &mut AofWriter) {
    let (number, text) = (rng.below(12), value(rng));
    let key = |kind: &str| format!("{kind}:{number}").into_bytes();
    match rng.below(9) {
        0 => w.record(&[b"RPUSH", &key("list")[..], &text, rng.word().as_bytes()]),
        1 => w.record(&[b"SADD", &key("set")[..], &text]),
        2 => w.record(&[b"HSET", &key("hash")[..], rng.word().as_bytes(), &text]),
        3 => w.record(&[b"INCR", &key("number")[..]]),
        4 => w.record(&[b"APPEND", &key("string")[..], &text]),
        5 => w.record(&[b"DEL", &key("string")[..], &key("set")[..]]),
        6 => w.record(&[b"PEXPIREAT", &key("hash")[..], b"4102444800000"]),
        _ => w.record(&[b"SET", &key("string")[..], &text]),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sound_files_are_replayed_to_their_end() {
        for seed in 0..300 {
            let mut rng = Rng::new(seed);
            let shape = Shape { set: rng.chance(50), stamps: true, records: 12 };
            let made = AofFiles::sound(&mut rng, shape);
            let replay = made.replay(made.files.iter().map(|file| &file.name[..])).expect("its images are whole");
            assert_eq!((replay.failed, &replay.unknown), (0, &None), "seed {seed}");
        }
    }

    #[test]
    fn damage_changes_something() {
        for seed in 0..2000 {
            let mut rng = Rng::new(seed);
            let shape = Shape { set: rng.chance(50), stamps: true, records: 12 };
            let made = AofFiles::sound(&mut rng, shape);
            let mut harmed = made.clone();
            let damage = harmed.damage(&mut rng);
            assert!(harmed != made || damage.is_none(), "seed {seed}: {damage:?}");
        }
    }
}
