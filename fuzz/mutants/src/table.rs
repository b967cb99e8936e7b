//! What came out: a table by folder, and the survivors.

use std::collections::{BTreeMap, HashMap};

use crate::{hunt::Fate, sites::Mutant};

/// Returns the folder that a file counts to: `rdb/packed` for `.../src/rdb/packed/intset.rs`, `rdb` for `.../src/rdb.rs`.
pub fn folder(file: &str) -> String {
    let (package, rest) = file.split_once("/src/").unwrap_or(("", file));
    let parts: Vec<&str> = rest.trim_end_matches(".rs").split('/').collect();
    let deepest = if parts.len() > 1 { parts.len() - 1 } else { 1 };
    let inner = parts[..deepest.min(2)].join("/");
    if package.ends_with("rdbcheck") { format!("rdbcheck/{}", parts[0]) } else { inner }
}

/// Prints caught and viable mutants by folder, and the survivors with their places.
pub fn print(mutants: &[Mutant], fates: &HashMap<String, Fate>) {
    let mut rows: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    let (mut refused, mut open, mut survivors) = (0, 0, vec![]);
    for mutant in mutants {
        let Some(fate) = fates.get(&mutant.key) else {
            open += 1;
            continue;
        };
        if fate.by.as_deref() == Some("compiler") {
            refused += 1;
            continue;
        }
        let row = rows.entry(folder(&mutant.file)).or_default();
        row.0 += usize::from(fate.by.is_some());
        row.1 += 1;
        if fate.by.is_none() {
            survivors.push((mutant, fate));
        }
    }
    let sum = rows.values().fold((0, 0), |sum, row| (sum.0 + row.0, sum.1 + row.1));
    println!("| folder | caught | of |\n|---|---|---|");
    for (name, (caught, viable)) in &rows {
        println!("| {name} | {caught} | {viable} |");
    }
    println!("| all | {} | {} |\n", sum.0, sum.1);
    println!("{} % of those that compile; {refused} do not; {open} were not tried\n", share(sum.0, sum.1));
    for (mutant, fate) in survivors {
        let reached =
            if fate.reached == 0 { ", which no test reaches".into() } else { format!(", {} tests", fate.reached) };
        println!("* {}:{} `{}`: {}{reached}", mutant.file, mutant.line, mutant.function, mutant.change);
    }
}

fn share(part: usize, of: usize) -> String {
    let tenths = (part * 1000).checked_div(of).unwrap_or(0);
    format!("{}.{}", tenths / 10, tenths % 10)
}
