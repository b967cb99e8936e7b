//! Server's directories of every sort: sets of two generations, mixed, renamed, damaged, and given to other users, with a configuration.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;

use testkit::manifest::Manifest;
use testkit::rdb::RdbWriter;
use testkit::resp::record;
use testkit::rng::Rng;

/// A file, and where in it each of its keys is whole.
#[derive(Debug, Clone, Default)]
pub struct Content {
    pub bytes: Vec<u8>,
    pub keys: Vec<(u64, String)>,
}

/// A directory that can be laid down again for each server.
#[derive(Debug, Default)]
pub struct Made {
    /// The files by their names from the directory.
    pub files: BTreeMap<String, Content>,
    pub folders: Vec<String>,
    /// The configuration, without what a server does not know.
    pub conf: Vec<String>,
    /// Who owns what, and with which mode, where that is not the server's user.
    pub owned: Vec<(String, u32, u32)>,
}

impl Made {
    /// Lays it down, for a server that runs as `user`.
    pub fn lay(&self, root: &Path, user: Option<u32>) -> io::Result<()> {
        fs::create_dir_all(root)?;
        for folder in &self.folders {
            fs::create_dir_all(root.join(folder))?;
        }
        for (name, content) in &self.files {
            fs::write(root.join(name), &content.bytes)?;
        }
        let Some(user) = user else { return Ok(()) };
        let all = self.folders.iter().chain(self.files.keys());
        for path in all.map(|name| root.join(name)).chain([root.to_owned()]) {
            chown(path, Some(user), Some(user))?;
        }
        for (name, owner, mode) in &self.owned {
            let path = root.join(name);
            chown(&path, Some(*owner), Some(*owner))?;
            fs::set_permissions(path, Permissions::from_mode(*mode))?;
        }
        Ok(())
    }

    fn add(&mut self, name: impl Into<String>, content: Content) {
        self.files.insert(name.into(), content);
    }
}

fn image(keys: &[String]) -> Content {
    let mut w = RdbWriter::redis(9);
    if !keys.is_empty() {
        w.select_db(0);
    }
    for key in keys {
        w.string_key(key.as_bytes(), b"v");
    }
    let bytes = w.finish();
    let end = bytes.len() as u64;
    Content { bytes, keys: keys.iter().map(|key| (end, key.clone())).collect() }
}

fn commands(keys: &[String]) -> Content {
    let mut content = Content { bytes: record(&["SELECT", "0"]), keys: Vec::new() };
    for key in keys {
        content.bytes.extend(record(&["SET", key, "v"]));
        content.keys.push((content.bytes.len() as u64, key.clone()));
    }
    content
}

fn names(of: &str, rng: &mut Rng, most: u64) -> Vec<String> {
    (0..rng.range(0..=most)).map(|number| format!("{of}:{number}")).collect()
}

/// Sometimes makes the file worse.
fn worn(rng: &mut Rng, content: Content) -> Content {
    let Content { mut bytes, keys } = content;
    match rng.below(24) {
        0 => bytes.clear(),
        1 => {
            let cut = rng.range(1..=12).min(bytes.len() as u64);
            bytes.truncate(bytes.len() - usize::try_from(cut).unwrap_or(0));
        }
        2 => bytes = b"<html>\n<body>not found</body>\n".repeat(3),
        3 => bytes = record(&["TILE38", "SET", "fleet", "truck"]),
        4 => bytes.fill(0),
        _ => return Content { bytes, keys },
    }
    let size = bytes.len() as u64;
    let kept = !bytes.starts_with(b"<html") && !bytes.starts_with(b"*4") && bytes.first() != Some(&0);
    Content { keys: keys.into_iter().filter(|(end, _)| kept && *end <= size).collect(), bytes }
}

/// What a manifest says: of the first generation, the second, or the moment between, or nothing of use.
fn manifest(rng: &mut Rng, prefix: &str, first: i64, ending: &str) -> Option<Vec<u8>> {
    let base = |seq: i64| format!("{prefix}.{seq}.base.{ending}");
    let incr = |seq: i64| format!("{prefix}.{seq}.incr.aof");
    let mut text = Manifest::new();
    let second = first + 1;
    match rng.below(14) {
        0..=2 => text.base(&base(first), first).incr(&incr(first), first),
        3..=5 => text.base(&base(second), second).incr(&incr(second), second),
        6 => text.base(&base(first), first).incr(&incr(first), first).incr(&incr(second), second),
        7 => text
            .base(&base(second), second)
            .history(&base(first), first)
            .history(&incr(first), first)
            .incr(&incr(second), second),
        8 => text.base(&base(first), first),
        9 => text.incr(&incr(first), first).incr(&incr(second), second),
        10 => text.comment(" nothing"),
        11 => return Some(vec![0; 90]),
        12 => return Some(Vec::new()),
        _ => return None,
    };
    Some(text.take())
}

/// Makes a directory.
pub fn make(rng: &mut Rng) -> Made {
    let mut made = Made::default();
    let other = |rng: &mut Rng, usual: &str, other: &str| if rng.chance(15) { other } else { usual }.to_owned();
    let folder = other(rng, "appendonlydir", "aof-files");
    let prefix = other(rng, "appendonly.aof", "other.aof");
    let dump = other(rng, "dump.rdb", "backup.rdb");
    if rng.chance(60) {
        let keys = names("d", rng, 9);
        made.add(&dump, worn(rng, image(&keys)));
    }
    if rng.chance(22) {
        let keys = names("o", rng, 9);
        made.add(&prefix, worn(rng, commands(&keys)));
    }
    if rng.chance(75) {
        set(rng, &mut made, &folder, &prefix);
    }
    if rng.chance(15) {
        made.add(*rng.pick(&["temp-77.rdb", "temp-rewriteaof-bg-77.aof", "temp-rewriteaof-77.aof"]), commands(&[]));
    }
    configuration(rng, &mut made, [&folder, &prefix, &dump]);
    owners(rng, &mut made);
    made
}

fn set(rng: &mut Rng, made: &mut Made, folder: &str, prefix: &str) {
    made.folders.push(folder.to_owned());
    if rng.chance(12) {
        let keys = names("f", rng, 9);
        made.add(format!("{folder}/{prefix}"), worn(rng, commands(&keys)));
        if rng.chance(70) {
            return;
        }
    }
    let first: u8 = if rng.chance(70) { 1 } else { 2 };
    let ending = if rng.chance(80) { "rdb" } else { "aof" };
    let (b1, i1, i2) = (names("b", rng, 5), names("i", rng, 5), names("j", rng, 5));
    let b2 = [b1.clone(), i1.clone()].concat();
    let base = |keys: &[String]| if ending == "rdb" { image(keys) } else { commands(keys) };
    for (seq, base, incr) in [(first, base(&b1), commands(&i1)), (first + 1, base(&b2), commands(&i2))] {
        for (name, content) in [(format!("{seq}.base.{ending}"), base), (format!("{seq}.incr.aof"), incr)] {
            if rng.chance(80) {
                made.add(format!("{folder}/{prefix}.{name}"), worn(rng, content));
            }
        }
    }
    if let Some(bytes) = manifest(rng, prefix, first.into(), ending) {
        made.add(format!("{folder}/{prefix}.manifest"), Content { bytes, keys: Vec::new() });
    }
}

fn configuration(rng: &mut Rng, made: &mut Made, [folder, prefix, dump]: [&str; 3]) {
    made.conf.push(format!("appendonly {}", if rng.chance(75) { "yes" } else { "no" }));
    // The names that lie there, but for some.
    for (setting, name) in [("appenddirname", folder), ("appendfilename", prefix), ("dbfilename", dump)] {
        if rng.chance(88) {
            made.conf.push(format!("{setting} \"{name}\""));
        }
    }
    for (setting, percent) in [("aof-use-rdb-preamble no", 15), ("aof-load-truncated no", 15)] {
        if rng.chance(percent) {
            made.conf.push(setting.to_owned());
        }
    }
}

fn owners(rng: &mut Rng, made: &mut Made) {
    if !rng.chance(35) {
        return;
    }
    let files: Vec<String> = made.files.keys().cloned().collect();
    if rng.chance(70) && !files.is_empty() {
        let name = rng.pick(&files).clone();
        let (owner, mode) = *rng.pick(&[(0, 0o644), (0, 0o600), (0, 0o666), (999, 0o400), (999, 0o200)]);
        made.owned.push((name, owner, mode));
    } else if let Some(folder) = made.folders.first().cloned() {
        let (owner, mode) = *rng.pick(&[(0, 0o755), (0, 0o700), (999, 0o500), (999, 0o600), (999, 0o300)]);
        // If both were of root, nothing would tell the user.
        let name = if rng.chance(50) { folder } else { ".".to_owned() };
        made.owned.push((name, owner, mode));
    }
}
