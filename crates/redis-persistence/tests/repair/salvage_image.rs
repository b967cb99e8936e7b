//! Salvage of append-only files whose RDB image is damaged: the beginning of a file, or the base of a set. What is written has
//! the keys that were found, every command behind them, and loads on a real 7.0.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::Path;

use redis_persistence::aof::dir::find_on_disk;
use redis_persistence::repair::aof::salvage::{Image, Salvage, SalvageOptions, salvage, write};
use redis_persistence::verify::Verdict;
use tempfile::TempDir;
use testkit::folder;
use testkit::manifest::Manifest;
use testkit::rdb::{Checksum, Family, File, Key, Value};
use testkit::resp::AofWriter;
use testkit::rng::Rng;
use testkit::server::{LoadVerdict, Product, load_verdict, require};

use crate::harm;

use harm::{HARMS, Harm, harm};

/// Where the image stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// Records follow it in the same file.
    Preamble,
    /// It is a file of its own, and an incremental one follows it.
    Set,
}

const LAYOUTS: [Layout; 2] = [Layout::Preamble, Layout::Set];
/// So many keys does each database of the image hold.
const KEYS: usize = 400;
/// So many commands follow in each database, each of which makes a key.
const COMMANDS: u64 = 100;

/// An image with two databases.
fn image(rng: &mut Rng, checksum: Checksum) -> Vec<u8> {
    let mut file = File::new(Family::Redis, 10);
    file.checksum = checksum;
    let text = |rng: &mut Rng| (0..rng.size(1..=12)).map(|_| rng.word()).collect::<Vec<_>>().join(" ").into_bytes();
    file.keys = (0..2 * KEYS)
        .map(|n| {
            let value = match n % 3 {
                0 => Value::HashListpack((0..5).map(|f| (format!("field{f}").into_bytes(), text(rng))).collect()),
                1 => Value::Set((0..8).map(|m| format!("member:{n}:{m}").into_bytes()).collect()),
                _ => Value::String(text(rng)),
            };
            Key::new(format!("user:{n}").as_bytes(), value).in_db(u64::from(n >= KEYS))
        })
        .collect();
    file.encode().bytes
}

/// What follows the image.
fn records() -> Vec<u8> {
    let mut writer = AofWriter::new();
    for db in 0..2_u64 {
        writer.select(db);
        for n in 0..COMMANDS {
            writer.record(&["SET", &format!("later:{n}"), &format!("<{db}:{n}>")]);
        }
    }
    writer.take()
}

/// Writes an image and its records where a server would look for them; gives what to salvage.
fn lay(layout: Layout, root: &Path, image: &[u8]) -> std::path::PathBuf {
    let folder = root.join("in");
    fs::create_dir(&folder).unwrap();
    match layout {
        Layout::Preamble => {
            fs::write(folder.join("appendonly.aof"), [image, &records()].concat()).unwrap();
            folder.join("appendonly.aof")
        }
        Layout::Set => {
            let (base, incr) = ("appendonly.aof.1.base.rdb", "appendonly.aof.1.incr.aof");
            fs::write(folder.join(base), image).unwrap();
            fs::write(folder.join(incr), records()).unwrap();
            let manifest = Manifest::new().base(base, 1).incr(incr, 1).take();
            fs::write(folder.join("appendonly.aof.manifest"), manifest).unwrap();
            folder
        }
    }
}

/// Salvages what lies there; what is written is sound, and a server loads it with as many keys as were told.
fn salvaged(layout: Layout, root: &Path, from: &Path) -> Salvage {
    let before = folder::files(&root.join("in")).unwrap();
    let plan = salvage(&find_on_disk(from).unwrap(), SalvageOptions::default()).unwrap();
    assert!(plan.reasons.is_empty(), "{:#?}", plan.describe());
    let out = root.join("appendonlydir");
    let done = write(&plan, &out, false, &mut |_| {}).unwrap();
    assert_eq!(done.report.verdict, Verdict::Sound, "{:#?}\n{:#?}", done.report.findings, plan.describe());
    assert_eq!(folder::files(&root.join("in")).unwrap(), before, "the input was changed");
    let commands: u64 = plan.files.iter().map(|file| file.account.kept_commands).sum();
    assert_eq!(commands, 2 * COMMANDS + 2, "{:#?}", plan.describe());
    if let Some(installed) = require(Product::Redis70) {
        let copy = root.join("loaded");
        fs::create_dir(&copy).unwrap();
        folder::copy(&out, &copy.join(if layout == Layout::Set { "appendonlydir" } else { "" })).unwrap();
        let verdict = load_verdict(&installed, &copy, &["--appendonly", "yes", "--aof-load-truncated", "no"]).unwrap();
        let LoadVerdict::Loaded { databases, .. } = verdict else { panic!("{verdict:?}") };
        for db in 0..2_u64 {
            let told = match &plan.files[0].image {
                Image::Salvaged(plan) => plan.loss.databases.get(&db).map_or(0, |of| of.keys),
                Image::Kept | Image::Mended(_) => KEYS as u64,
            };
            let held = databases.get(&u32::try_from(db).unwrap()).map_or(0, |held| held.keys);
            assert_eq!(held, told + COMMANDS, "database {db}: {:#?}", plan.describe());
        }
    }
    plan
}

#[test]
fn one_byte_is_mended_by_the_checksum() {
    let sound = image(&mut Rng::new(1), Checksum::On);
    for (n, layout) in LAYOUTS.iter().cycle().take(8).enumerate() {
        let root = TempDir::new().unwrap();
        let mut bytes = sound.clone();
        // Into the first byte too, and into the checksum.
        let at =
            [0, sound.len() - 4].get(n / 2).copied().unwrap_or_else(|| Rng::new(n as u64).size(9..=sound.len() - 9));
        bytes[at] ^= 0x41;
        let from = lay(*layout, root.path(), &bytes);
        let plan = salvaged(*layout, root.path(), &from);
        assert!(matches!(plan.files[0].image, Image::Mended(_)), "{layout:?}, byte {at}: {:#?}", plan.describe());
        assert!(!plan.is_whole());
        let name = from.file_name().filter(|_| *layout == Layout::Preamble);
        let name = name.map_or("appendonly.aof.1.base.rdb".into(), |name| name.to_owned());
        let written = fs::read(root.path().join("appendonlydir").join(name)).unwrap();
        let was = if *layout == Layout::Preamble { [&sound[..], &records()].concat() } else { sound.clone() };
        assert!(written == was, "{layout:?}, byte {at}: not as it was");
    }
}

#[test]
fn what_is_left_of_an_image_is_kept_with_all_commands() {
    let (mut keys, mut all) = (0, 0);
    for (n, (kind, layout)) in HARMS.iter().flat_map(|kind| LAYOUTS.map(|layout| (*kind, layout))).enumerate() {
        let mut rng = Rng::new(n as u64);
        let sound = image(&mut rng, if n % 4 < 2 { Checksum::On } else { Checksum::Off });
        // Of a file that has no tail most is missing, by chance; here it is the last tenth.
        let harmed = match kind {
            Harm::NoTail => sound[..sound.len() - rng.size(1..=sound.len() / 10)].to_vec(),
            kind => harm(&sound, kind, 2, &mut rng).bytes,
        };
        let root = TempDir::new().unwrap();
        let from = lay(layout, root.path(), &harmed);
        let plan = salvaged(layout, root.path(), &from);
        let file = &plan.files[0];
        let Image::Salvaged(of) = &file.image else { panic!("{kind:?}, {layout:?}: {:#?}", plan.describe()) };
        assert_eq!(file.image_end, harmed.len() as u64, "{kind:?}, {layout:?}: {:#?}", plan.describe());
        assert!(plan.notes.iter().any(|note| note.contains("commands that change them begin with none")));
        let quarantine = fs::metadata(root.path().join("appendonlydir/salvage.quarantine")).unwrap();
        assert!(quarantine.len() > of.loss.bytes_skipped(), "what was skipped of the image lies there");
        keys += of.loss.keys;
        all += 2 * KEYS as u64;
    }
    println!("{keys} of {all} keys in the images");
    assert!(keys * 100 >= all * 80, "{keys} of {all} keys");
}

/// A base whose very first bytes are none of an RDB is one all the same.
#[test]
fn a_base_without_its_first_bytes_is_known_by_its_name() {
    let mut bytes = image(&mut Rng::new(3), Checksum::Off);
    bytes[..64].fill(0);
    let root = TempDir::new().unwrap();
    let from = lay(Layout::Set, root.path(), &bytes);
    let plan = salvaged(Layout::Set, root.path(), &from);
    let Image::Salvaged(of) = &plan.files[0].image else { panic!("{:#?}", plan.describe()) };
    assert!(of.loss.keys >= 2 * KEYS as u64 - 4, "{:#?}", plan.describe());
}
