//! The output, and in how many passes it is written: what is in one of its databases lies in one piece.

use std::collections::BTreeSet;
use std::io::{self, Write};

use super::Plan;
use crate::rdb::Writer;

/// The output.
pub(super) struct Out<W: Write> {
    pub(super) writer: Writer<W>,
    pub(super) keys: u64,
    /// The database that is selected.
    db: Option<u64>,
}

impl<W: Write> Out<W> {
    pub(super) fn new(writer: Writer<W>) -> Self {
        Self { writer, keys: 0, db: None }
    }

    /// Selects a database, if another one is.
    pub(super) fn select(&mut self, db: u64, plan: &Plan) -> io::Result<()> {
        if self.db == Some(db) {
            return Ok(());
        }
        self.db = Some(db);
        self.writer.select_db(db)?;
        let (keys, expires) = plan.databases.get(&db).copied().unwrap_or_default();
        self.writer.resize_db(keys, expires)
    }
}

/// The databases of the output that a pass writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Databases {
    All,
    One(u64),
    None,
}

impl Databases {
    pub(super) fn takes(self, db: u64) -> bool {
        match self {
            Self::All => true,
            Self::One(one) => one == db,
            Self::None => false,
        }
    }
}

/// A pass over a source.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turn {
    pub(super) source: usize,
    pub(super) keys: Databases,
    /// Whether it is the first over that source: what lies beside the keys is written once.
    pub(super) beside_keys: bool,
}

/// Returns the passes over so many sources: one over a single source that has the databases in their order, else one for each database.
pub(super) fn turns(plan: &Plan, sources: usize) -> Vec<Turn> {
    let mut by_place: Vec<_> = plan.sections.keys().map(|(db, source, from)| (*source, *from, *db)).collect();
    by_place.sort_unstable();
    let ascending = by_place.windows(2).all(|pair| pair[0].2 <= pair[1].2);
    if sources == 1 && ascending {
        return vec![Turn { source: 0, keys: Databases::All, beside_keys: true }];
    }
    let mut passes: Vec<_> = plan.sections.keys().map(|(db, source, _)| (*source, Databases::One(*db))).collect();
    passes.dedup();
    if !plan.options.dialect.functions {
        // A source of which no key is written may have scripts.
        let with_keys: BTreeSet<usize> = passes.iter().map(|(source, _)| *source).collect();
        passes
            .extend((0..sources).filter(|source| !with_keys.contains(source)).map(|source| (source, Databases::None)));
    }
    let mut seen = BTreeSet::new();
    let turn = |(source, keys)| Turn { source, keys, beside_keys: seen.insert(source) };
    passes.into_iter().map(turn).collect()
}
