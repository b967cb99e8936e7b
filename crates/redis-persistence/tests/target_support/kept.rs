//! What servers did with files, in a file of lines: so that a run goes on where it was cut short, and is judged anew without them.
//!
//! ```text
//! hash of the file's bytes   release       did
//! 7a3f09c2d1e4b586           redis-8.6.3   read 12 | died DUMP | refused | crashed | hung
//! ```

use std::collections::HashMap;
use std::error::Error;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::sync::Mutex;

use redis_persistence::servers::Release;
use xxhash_rust::xxh3::xxh3_64;

use crate::did::Did;

/// What is known, and the file to which more is added; without one nothing is kept.
pub struct Kept {
    known: HashMap<(u64, String), Did>,
    file: Option<Mutex<File>>,
}

impl Kept {
    pub fn open(path: Option<&Path>) -> Result<Self, Box<dyn Error>> {
        let Some(path) = path else { return Ok(Self { known: HashMap::new(), file: None }) };
        let text = if path.exists() { fs::read_to_string(path)? } else { String::new() };
        // The last line may have been cut.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let known = whole.lines().filter_map(line).collect();
        Ok(Self { known, file: Some(Mutex::new(OpenOptions::new().create(true).append(true).open(path)?)) })
    }

    pub fn did(&self, bytes: &[u8], release: Release) -> Option<Did> {
        self.known.get(&(xxh3_64(bytes), release.to_string())).cloned()
    }

    pub fn keep(&self, bytes: &[u8], release: Release, did: &Did) -> Result<(), Box<dyn Error>> {
        let Some(file) = &self.file else { return Ok(()) };
        let words = match did {
            Did::Read(keys) => format!("read {keys}"),
            Did::DiedAt(command) => format!("died {command}"),
            Did::Refused => "refused".to_owned(),
            Did::Crashed => "crashed".to_owned(),
            Did::Hung => "hung".to_owned(),
        };
        let line = format!("{:016x} {release} {words}\n", xxh3_64(bytes));
        Ok(file.lock().map_err(|_| "poisoned")?.write_all(line.as_bytes())?)
    }
}

fn line(line: &str) -> Option<((u64, String), Did)> {
    let mut words = line.split(' ');
    let key = (u64::from_str_radix(words.next()?, 16).ok()?, words.next()?.to_owned());
    let did = match (words.next()?, words.next()) {
        ("read", Some(keys)) => Did::Read(keys.parse().ok()?),
        ("died", Some(command)) => Did::DiedAt(command.to_owned()),
        ("refused", None) => Did::Refused,
        ("crashed", None) => Did::Crashed,
        ("hung", None) => Did::Hung,
        _ => return None,
    };
    Some((key, did))
}
