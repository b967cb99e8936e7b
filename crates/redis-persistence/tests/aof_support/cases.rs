//! The 223 crafted inputs of `testdata/aof/cases`, and what the official tools said of each (`cases.tsv`).

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use testkit::server::Product;

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

    /// The server that has to load the input once it is mended, and the column that says what it did with it as it is.
    fn load(&self) -> (Product, &str) {
        let (product, column) = match &self.id[..4] {
            "s150" | "m067" => (Product::Valkey91, "load_vk9.1.2"),
            "s151" | "m068" => (Product::Redis86, "load_8.6.3"),
            _ => (Product::Redis70, "load_7.0.15"),
        };
        (product, self.column(column))
    }

    pub fn judge(&self) -> Product {
        self.load().0
    }

    /// How many keys that server loaded, by the table; `None` if it did not load.
    pub fn loaded_keys(&self) -> Option<u64> {
        self.load().1.strip_prefix("load:").map(|rest| rest.split(';').next().unwrap().parse().unwrap())
    }

    /// Whether it changed the size of a file when it did.
    pub fn is_cut_at_load(&self) -> bool {
        self.load().1.contains("->")
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
