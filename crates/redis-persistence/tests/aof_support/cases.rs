//! The 223 crafted inputs of `testdata/aof/cases`, and what the official tools said of each (`cases.tsv`).

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// One input, with the columns of `cases.tsv` by name.
pub struct Case {
    pub id: String,
    pub path: PathBuf,
    columns: HashMap<String, String>,
}

impl Case {
    pub fn column(&self, name: &str) -> &str {
        self.columns.get(name).map_or_else(|| panic!("no column {name}"), String::as_str)
    }
}

pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/aof/cases")
}

pub fn cases() -> Vec<Case> {
    let table = fs::read_to_string(folder().join("cases.tsv")).expect("cases.tsv");
    let mut lines = table.lines();
    let head: Vec<_> = lines.next().expect("a header").split('\t').collect();
    lines
        .map(|line| {
            let columns: HashMap<_, _> =
                head.iter().zip(line.split('\t')).map(|(key, value)| ((*key).to_owned(), value.to_owned())).collect();
            let id = columns["id"].clone();
            let path = folder().join(&id).join(&columns["arg"]);
            Case { id, path, columns }
        })
        .collect()
}
