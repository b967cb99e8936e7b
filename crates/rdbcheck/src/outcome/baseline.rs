//! A report of before, `--json` or `--json-lines`, of which no more is read than how many keys each input had.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;

use serde::Deserialize;

/// How many keys each input had.
#[derive(Debug, Default)]
pub struct Baseline {
    keys: BTreeMap<String, u64>,
    /// The same by the name alone, for inputs in a folder of each day.
    by_name: BTreeMap<String, Named>,
}

/// The inputs of a name.
#[derive(Debug)]
struct Named {
    /// How many keys it had; `None` where several have the name.
    keys: Option<u64>,
    /// Whether one of the name was checked now.
    seen: bool,
}

/// A document of all inputs, or of one.
#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    files: Vec<Of>,
    file: Option<Of>,
}

#[derive(Deserialize)]
struct Of {
    path: String,
    counts: Option<Counts>,
}

#[derive(Deserialize)]
struct Counts {
    keys: u64,
}

impl Baseline {
    /// Reads a report.
    ///
    /// # Errors
    /// If it cannot be read, or is no report of this tool.
    pub fn read(path: &Path) -> io::Result<Self> {
        let mut all = Self::default();
        let mut any = false;
        for document in serde_json::Deserializer::from_reader(BufReader::new(File::open(path)?)).into_iter::<Document>()
        {
            let document = document.map_err(|error| {
                let why = format!("it is no report that --json or --json-lines printed: {error}");
                io::Error::new(io::ErrorKind::InvalidData, why)
            })?;
            any |= document.file.is_some() || !document.files.is_empty();
            document.files.into_iter().chain(document.file).for_each(|of| all.add(of));
        }
        if !any {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is no report of an input"));
        }
        Ok(all)
    }

    fn add(&mut self, of: Of) {
        let keys = of.counts.map_or(0, |counts| counts.keys);
        let name = name(&of.path).to_owned();
        self.by_name
            .entry(name)
            .and_modify(|several| several.keys = None)
            .or_insert(Named { keys: Some(keys), seen: false });
        self.keys.insert(of.path, keys);
    }

    /// Returns how many keys an input had: that of its path, or else the only one of its name.
    #[must_use]
    pub fn keys(&self, path: &str) -> Option<u64> {
        self.keys.get(path).copied().or_else(|| self.by_name.get(name(path))?.keys)
    }

    /// An input of that path was checked now.
    pub fn saw(&mut self, path: &str) {
        if let Some(named) = self.by_name.get_mut(name(path)) {
            named.seen = true;
        }
    }

    /// Returns the inputs of which none was checked that has their path or name.
    pub fn not_seen(&self) -> impl Iterator<Item = &str> {
        let seen = |path: &str| self.by_name.get(name(path)).is_some_and(|named| named.seen);
        self.keys.keys().map(String::as_str).filter(move |path| !seen(path))
    }
}

fn name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}
