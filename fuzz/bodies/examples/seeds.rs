//! Writes the seeds that a fuzz run begins with: `cargo run -p fuzz-bodies --example seeds -- FOLDER`.
//!
//! One folder for each target: files of `testdata/` up to 8 KiB, and what testkit makes, sound and damaged.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use testkit::damage::Damage;
use testkit::rdb::{Family, File, Intset, Listpack, Ziplist, Zipmap};
use testkit::rng::Rng;

/// Mutating large files teaches a fuzzer nothing.
const LARGEST: usize = 8 << 10;

struct Seeds {
    folder: PathBuf,
    written: usize,
}

impl Seeds {
    fn add_rdb(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.add(&["rdb_slice", "rdb_push", "writer", "fast_paths", "values"], bytes)?;
        self.add(&["repair"], &[&[2], bytes].concat())?;
        self.add(&["write_for"], &[&bytes.len().to_le_bytes()[..1], bytes].concat())
    }

    fn add(&mut self, targets: &[&str], bytes: &[u8]) -> io::Result<()> {
        if bytes.len() > LARGEST {
            return Ok(());
        }
        // Backwards, because forwards all files have one sum that end with their own.
        let backwards: Vec<u8> = bytes.iter().rev().copied().collect();
        for target in targets {
            let folder = self.folder.join(target);
            fs::create_dir_all(&folder)?;
            fs::write(folder.join(format!("{:016x}", testkit::crc64::crc64(&backwards))), bytes)?;
            self.written += 1;
        }
        Ok(())
    }
}

fn main() -> io::Result<()> {
    let folder = std::env::args_os().nth(1).ok_or_else(|| io::Error::other("which folder?"))?;
    let mut seeds = Seeds { folder: folder.into(), written: 0 };
    let testdata = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata");
    from_testdata(&mut seeds, &testdata)?;
    whole_files(&mut seeds)?;
    plain_keys(&mut seeds)?;
    packed(&mut seeds)?;
    for seed in 0..40 {
        let mut rng = Rng::new(seed);
        let len = rng.size(1..=200);
        seeds.add(&["writer"], &rng.bytes(len))?;
    }
    println!("{} seeds", seeds.written);
    Ok(())
}

fn from_testdata(seeds: &mut Seeds, folder: &Path) -> io::Result<()> {
    let mut folder_seed = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            from_testdata(seeds, &path)?;
            continue;
        }
        let bytes = fs::read(&path)?;
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        match path.extension().and_then(|text| text.to_str()) {
            Some("rdb") => seeds.add_rdb(&bytes)?,
            Some("aof") => seeds.add(&["resp", "fast_paths"], &bytes)?,
            Some("manifest") => seeds.add(&["manifest"], &bytes)?,
            _ => continue,
        }
        // The same folder, as the body that reads whole folders wants it.
        let place = match name {
            _ if name.ends_with(".manifest") => 0,
            _ if name.ends_with(".base.rdb") => 1,
            _ if name.ends_with(".base.aof") => 2,
            _ if name.ends_with(".1.incr.aof") => 3,
            _ if name.ends_with(".2.incr.aof") => 4,
            _ => 5,
        };
        let bytes = String::from_utf8_lossy(&bytes).replace("appendonly.aof", "a").into_bytes();
        if let Ok(len) = u16::try_from(bytes.len()) {
            folder_seed.push(place);
            folder_seed.extend(len.to_le_bytes());
            folder_seed.extend(bytes);
        }
    }
    if folder_seed.is_empty() {
        return Ok(());
    }
    seeds.add(&["aof_dir"], &folder_seed)?;
    [0, 1, 3].iter().try_for_each(|kind| seeds.add(&["repair"], &[&[*kind], &folder_seed[..]].concat()))
}

fn whole_files(seeds: &mut Seeds) -> io::Result<()> {
    let versions = (1..=15).map(|version| (Family::Redis, version)).chain([(Family::Valkey, 80)]);
    for (family, version) in versions {
        for seed in 0..3 {
            let mut rng = Rng::new(seed);
            let file = File::arbitrary(&mut rng, family, version, 20);
            let file = file.encode();
            seeds.add_rdb(&file.bytes)?;
            let damage = *rng.pick(&Damage::ALL);
            if let Some(damaged) = damage.apply(&file, &mut rng, true) {
                seeds.add_rdb(&damaged.bytes)?;
            }
        }
    }
    Ok(())
}

/// Keys of one type each, of those that are taken at a glance, as they are and compressed.
fn plain_keys(seeds: &mut Seeds) -> io::Result<()> {
    let types = [(9, &[0, 4, 5, 10, 11, 12, 13, 14, 15][..]), (11, &[2, 16, 17, 18, 20, 19, 21])];
    for (version, types) in types {
        for (seed, value_type) in (0..).zip(types) {
            let file = File::arbitrary_of(&mut Rng::new(seed), Family::Redis, version, 25, &[*value_type]);
            for compression in [false, true] {
                seeds.add(&["fast_paths"], &File { compression, ..file.clone() }.encode().bytes)?;
            }
        }
    }
    Ok(())
}

fn packed(seeds: &mut Seeds) -> io::Result<()> {
    let mut rng = Rng::new(1);
    for count in [0, 1, 3, 12] {
        let numbers: Vec<i64> = (0..count).map(|n| n << (5 * n)).collect();
        let texts: Vec<Vec<u8>> = (0..count)
            .map(|n| match n % 3 {
                0 => n.to_string().into_bytes(),
                1 => rng.word().into(),
                _ => vec![b'x'; 60 + usize::try_from(n).unwrap_or(0)],
            })
            .collect();
        let mut blobs = vec![Listpack::of(&texts), Ziplist::of(6, &texts), Intset::of(&numbers)];
        let mut map = Zipmap::new();
        for text in &texts {
            map.pair_with_free(text, text, b"??");
        }
        blobs.push(map.finish());
        for (encoding, blob) in (0_u8..).zip(&blobs) {
            seeds.add(&["packed"], &[&[encoding], &blob[..]].concat())?;
        }
        let text = texts.concat();
        seeds.add(&["lzf"], &[&[0, 1, 5, 9, 40], &testkit::rdb::lzf::literals(&text)[..]].concat())?;
        seeds.add(&["lzf"], &[&[0, 1, 5, 9, 40], &text[..]].concat())?;
    }
    seeds.add(&["lzf"], b"\x18\x00\x03\x07\x0a\x04hello\x60\x04\x00!\xE0\x05\x08\x20\x00")?;
    let plan = |what: u8| [&[what, 5, 0, 13, 0][..], b"some content.", &[1, 1, 0, 3, 0], b"abc"].concat();
    (0..4).try_for_each(|what| seeds.add(&["repair"], &plan(what)))
}
