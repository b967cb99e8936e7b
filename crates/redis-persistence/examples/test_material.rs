//! Writes test material for other programs: sound and damaged RDB and append-only files of every type, and what is wrong
//! with each of them.
//!
//! ```text
//! cargo run -p redis-persistence --example test_material -- FOLDER
//! FOLDER/sound/        RDB files of every version with every type that its servers write; append-only files
//! FOLDER/planted/      one named fault in each, the checksum fitting; named by the finding's code
//! FOLDER/damaged/      bytes changed, cut, moved
//! FOLDER/index.json    for each file: what made it, the verdict, and the findings with their offsets
//! ```
//!
//! The same command writes the same files, byte for byte.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use redis_persistence::verify::{self, Finding, Options, Report};
use serde_json::{Value, json};
use testkit::damage::Damage;
use testkit::planted::{self, aof};
use testkit::rdb::{Encoded, Family, File};
use testkit::rng::Rng;

/// What is written, and the index so far.
struct Export {
    folder: PathBuf,
    index: Vec<Value>,
}

/// Writes all files and their index below a folder.
pub fn export(folder: &Path) -> io::Result<usize> {
    let mut export = Export { folder: folder.to_owned(), index: Vec::new() };
    for name in ["sound", "planted", "damaged"] {
        fs::create_dir_all(folder.join(name))?;
    }
    export.rdb()?;
    export.aof()?;
    let count = export.index.len();
    let mut text = serde_json::to_vec_pretty(&json!({ "files": export.index })).map_err(io::Error::other)?;
    text.push(b'\n');
    fs::write(folder.join("index.json"), text)?;
    Ok(count)
}

/// A sound file of a version.
fn sound(family: Family, version: u32, seed: u64) -> Encoded {
    File::arbitrary(&mut Rng::new(seed), family, version, 100).encode()
}

impl Export {
    fn rdb(&mut self) -> io::Result<()> {
        for version in 1..=15 {
            self.add_rdb(&format!("sound/redis-{version:02}.rdb"), "sound", &sound(Family::Redis, version, 1).bytes)?;
        }
        self.add_rdb("sound/valkey-080.rdb", "sound", &sound(Family::Valkey, 80, 1).bytes)?;
        for plant in planted::all().into_iter().filter(|plant| plant.templates.is_none()) {
            let file = sound(plant.family, plant.versions.1, 2);
            let planted = plant.into(&file, &mut Rng::new(3));
            self.add_rdb(&format!("planted/{}.rdb", plant.code), plant.code, &planted.bytes)?;
        }
        for damage in Damage::ALL {
            // Not every file has a place for every damage.
            let found = (0..50).find_map(|seed| {
                // Ziplists were written up to version 9, expiries of fields from 12 on.
                let version = if seed % 2 == 0 { 9 } else { 13 };
                let file = File::arbitrary(&mut Rng::new(seed), Family::Redis, version, 100);
                let file = File { compression: false, ..file };
                damage.apply(&file.encode(), &mut Rng::new(seed), true)
            });
            let damaged = found.ok_or_else(|| io::Error::other(format!("no file for {damage:?}")))?;
            let name = format!("{damage:?}");
            self.add_rdb(&format!("damaged/{}.rdb", name.to_lowercase()), &name, &damaged.bytes)?;
        }
        Ok(())
    }

    fn aof(&mut self) -> io::Result<()> {
        let records = aof::sound_records(&mut Rng::new(1), 40);
        self.add_aof("sound/appendonly.aof", "sound", &records)?;
        for (number, plant) in aof::records().iter().enumerate() {
            let bytes = [&records[..], &plant.bytes].concat();
            self.add_aof(&format!("planted/{number:02}-{}.aof", plant.code), plant.code, &bytes)?;
        }
        Ok(())
    }

    fn add_rdb(&mut self, name: &str, made: &str, bytes: &[u8]) -> io::Result<()> {
        self.add(name, made, bytes, &verify::slice(bytes, &Options::default()))
    }

    fn add_aof(&mut self, name: &str, made: &str, bytes: &[u8]) -> io::Result<()> {
        self.add(name, made, bytes, &verify::aof_slice(bytes, &Options::default())?)
    }

    fn add(&mut self, name: &str, made: &str, bytes: &[u8], report: &Report) -> io::Result<()> {
        fs::write(self.folder.join(name), bytes)?;
        self.index.push(json!({
            "file": name,
            "made": made,
            "size": bytes.len(),
            "verdict": report.verdict.as_str(),
            "keys": report.counts.keys,
            "findings": report.findings.iter().map(finding).collect::<Vec<_>>(),
        }));
        Ok(())
    }
}

fn finding(finding: &Finding) -> Value {
    json!({
        "code": finding.code.as_str(),
        "severity": finding.severity.to_string(),
        "start": finding.start,
        "failed_at": finding.failed_at,
        "end": finding.end,
        "element": finding.element,
        "message": finding.message,
    })
}

#[allow(dead_code, reason = "a test includes this file for `export`")]
fn main() -> io::Result<()> {
    let folder = std::env::args_os().nth(1).ok_or_else(|| io::Error::other("into which folder?"))?;
    println!("{} files", export(folder.as_ref())?);
    Ok(())
}
