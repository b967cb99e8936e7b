//! What the chosen keys are, before anything is written.

use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};
use std::ops::RangeInclusive;

use super::adapt::{Adapter, DROPPED, meant};
use super::dialect::Form;
use super::duplicates::{self, Duplicate, Winners};
use super::{Dropped, Kind, MOST_NAMED, Options};
use crate::base::error::ReadError;
use crate::contents::digest::own::{self, Own, Sum};
use crate::contents::records::{self, Worker};
use crate::digest::Digest;
use crate::rdb::{Element, Family, Head, Part, opcode, slot};
use crate::report::Report;

/// Something that is counted, and the first of it named.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Named {
    /// How many.
    pub total: u64,
    /// The first names, with their databases in the output; libraries and the data of modules have none.
    pub first: Vec<(Option<u64>, Vec<u8>)>,
}

impl Named {
    pub(super) fn add(&mut self, db: Option<u64>, name: &[u8]) {
        self.total += 1;
        if self.first.len() < MOST_NAMED {
            self.first.push((db, shown(name).to_vec()));
        }
    }

    fn merge(&mut self, other: Self) {
        self.total += other.total;
        self.first.extend(other.first.into_iter().take(MOST_NAMED.saturating_sub(self.first.len())));
    }

    /// Returns the names, escaped, with their databases.
    #[must_use]
    pub fn list(&self) -> String {
        let names = self.first.iter().map(|(db, name)| match db {
            None | Some(0) => name.escape_ascii().to_string(),
            Some(db) => format!("{} (db {db})", name.escape_ascii()),
        });
        let names: Vec<_> = names.collect();
        let more = if self.total > names.len() as u64 { ", ..." } else { "" };
        format!("{}{more}", names.join(", "))
    }
}

/// Returns what of a name is held to be shown.
pub(super) fn shown(name: &[u8]) -> &[u8] {
    &name[..name.len().min(128)]
}

/// A database of a source: that of the output, the number of the source, and its number there.
pub(super) type Section = (u64, usize, u64);

/// What adds up over all sources.
#[derive(Debug, Default)]
pub(super) struct Survey {
    pub(super) databases: BTreeMap<u64, Totals>,
    /// The keys of each section that are written.
    pub(super) sections: BTreeMap<Section, u64>,
    pub(super) copied: u64,
    pub(super) refused: BTreeMap<Kind, Named>,
    pub(super) left_out: BTreeMap<Kind, Named>,
    pub(super) dropped: BTreeMap<Dropped, u64>,
    /// The first keys and libraries that are not written because another one of their name is.
    pub(super) duplicates: Vec<Duplicate>,
    pub(super) libraries: Vec<(usize, Vec<u8>)>,
    pub(super) slots: Slots,
}

/// One database of the output.
#[derive(Debug, Default)]
pub(super) struct Totals {
    pub(super) keys: u64,
    pub(super) expires: u64,
    sum: Sum,
}

/// Words of 64 bits, one for each slot.
const WORDS: usize = 256;
const _: () = assert!(WORDS as u64 * 64 == slot::SLOTS);

/// The slots that hold keys.
#[derive(Debug, Clone, Default)]
pub(super) struct Slots(Vec<u64>);

impl Slots {
    fn add(&mut self, slot: u64) {
        self.0.resize(WORDS, 0);
        if let Some(word) = usize::try_from(slot / 64).ok().and_then(|at| self.0.get_mut(at)) {
            *word |= 1 << (slot % 64);
        }
    }

    fn merge(&mut self, other: &Self) {
        self.0.resize(WORDS, 0);
        self.0.iter_mut().zip(&other.0).for_each(|(to, from)| *to |= from);
    }

    /// Returns those without a key.
    pub(super) fn empty(&self) -> Vec<RangeInclusive<u64>> {
        let word = |slot: u64| usize::try_from(slot / 64).ok().and_then(|at| self.0.get(at));
        let is_empty = |slot: &u64| word(*slot).is_none_or(|word| word >> (slot % 64) & 1 == 0);
        let mut ranges: Vec<RangeInclusive<u64>> = Vec::new();
        for slot in (0..slot::SLOTS).filter(is_empty) {
            match ranges.last_mut() {
                Some(last) if *last.end() + 1 == slot => *last = *last.start()..=slot,
                _ => ranges.push(slot..=slot),
            }
        }
        ranges
    }
}

impl Survey {
    /// Takes note of what a file holds beside its keys.
    pub(super) fn beside_keys(&mut self, report: &Report, sources: usize, options: &Options) {
        let Some(facts) = &report.rdb else { return };
        let of_redis = facts.header.is_some_and(|header| header.family == Family::Redis);
        let mut note = |kind: Kind, count: u64, name: &str| {
            let is_left_out = match kind {
                Kind::ModuleData => options.leaves_out_module_data(),
                _ => options.without.contains(&kind),
            };
            let to = if is_left_out { &mut self.left_out } else { &mut self.refused };
            (0..count).for_each(|_| to.entry(kind).or_default().add(None, name.as_bytes()));
        };
        let count = |byte: u8| facts.opcodes.get(&byte).map_or(0, |found| found.count);
        // Left out, they are counted as all libraries are.
        if !options.without.contains(&Kind::Functions) {
            note(Kind::Functions, count(opcode::FUNCTION_PRE_GA), "a library of a release candidate of 7.0");
        }
        let has_all = facts.modules.keys().all(|name| options.dialect.has_module(name));
        if !has_all || sources > 1 || options.for_commands || options.leaves_out_module_data() {
            note(Kind::ModuleData, count(opcode::MODULE_AUX), "a record of a module");
        }
        if of_redis {
            note(Kind::Modules, count(opcode::KEY_META), "metadata of a key");
        }
    }

    fn add(&mut self, source: usize, made: Made) {
        for (db, of) in made.databases {
            let to = self.databases.entry(db).or_default();
            to.keys += of.keys;
            to.expires += of.expires;
            to.sum.add(&of.sum);
        }
        for ((db, from), keys) in made.sections {
            *self.sections.entry((db, source, from)).or_default() += keys;
        }
        self.copied += made.copied;
        for (to, from) in [(&mut self.refused, made.refused), (&mut self.left_out, made.left_out)] {
            from.into_iter().for_each(|(kind, named)| to.entry(kind).or_default().merge(named));
        }
        for (what, count) in made.dropped {
            *self.dropped.entry(what).or_default() += count;
        }
        made.duplicates.into_iter().for_each(|duplicate| self.name_duplicate(duplicate));
        self.libraries.extend(made.libraries.into_iter().map(|code| (source, code)));
        self.slots.merge(&made.slots);
    }

    pub(super) fn name_duplicate(&mut self, duplicate: Duplicate) {
        if self.duplicates.len() < MOST_NAMED {
            self.duplicates.push(duplicate);
        }
    }

    /// Returns the digest that the output has to have.
    pub(super) fn digest(&self, libraries: &[Vec<u8>]) -> Digest {
        let (mut keys, mut sum) = (0, Sum::default());
        libraries.iter().for_each(|code| sum.add(&own::of_function(code)));
        for (db, of) in &self.databases {
            keys += of.keys;
            sum.add(&own::of_database(*db, of.keys, of.sum));
        }
        own::finish(keys, sum)
    }
}

/// Surveys a source: that of this number, and of how many.
pub(super) fn source<R: Read + Seek + Send>(
    input: &mut R,
    (source, of): (usize, usize),
    options: &Options,
    winners: &Winners,
    survey: &mut Survey,
) -> Result<(), ReadError> {
    input.seek(SeekFrom::Start(0))?;
    let make = || Surveyor {
        options,
        source,
        winners,
        slots: of > 1,
        own: Own::default(),
        name: Vec::new(),
        key: None,
        made: None,
    };
    records::each(input, &options.verify.limits, duplicates::threads(options), make, &mut |made: Made| {
        survey.add(source, made);
        Ok(())
    })
    .map(drop)
}

#[derive(Debug, Default)]
struct Made {
    databases: BTreeMap<u64, Totals>,
    sections: BTreeMap<(u64, u64), u64>,
    copied: u64,
    refused: BTreeMap<Kind, Named>,
    left_out: BTreeMap<Kind, Named>,
    dropped: BTreeMap<Dropped, u64>,
    duplicates: Vec<Duplicate>,
    libraries: Vec<Vec<u8>>,
    slots: Slots,
}

/// The key at hand.
struct Current<'o> {
    adapter: Adapter<'o>,
    db: u64,
    from: u64,
    expires: bool,
    slot: Option<u64>,
}

struct Surveyor<'o> {
    options: &'o Options,
    source: usize,
    winners: &'o Winners,
    /// Whether it matters which slots hold keys.
    slots: bool,
    own: Own,
    /// The name of the key at hand, or its start.
    name: Vec<u8>,
    key: Option<Current<'o>>,
    made: Option<Made>,
}

impl Worker for Surveyor<'_> {
    type Out = Made;

    fn part(&mut self, part: Part<'_>) {
        match part {
            Part::Key(head, name) => self.begin(head, name),
            Part::Element(element) => self.element(element),
            Part::End(_) => self.end(),
            Part::Function(code) => self.made.get_or_insert_default().libraries.push(code.to_vec()),
        }
    }

    fn take(&mut self) -> Option<Made> {
        self.made.take()
    }
}

impl Surveyor<'_> {
    fn begin(&mut self, head: &Head, name: &[u8]) {
        self.key = None;
        if !self.options.selection.takes(head, name) {
            return;
        }
        let head = &meant(head);
        let db = self.options.renumbered(head.db);
        if loses(self.winners, self.source, head, db, name) {
            let made = self.made.get_or_insert_default();
            if made.duplicates.len() < MOST_NAMED {
                let name = shown(name).to_vec();
                made.duplicates.push(Duplicate { db: Some(db), name, sources: vec![self.source] });
            }
            return;
        }
        self.own.begin(head, name);
        let expires = head.expires_ms.is_some();
        let adapter = Adapter::new(self.options, head);
        self.name.clear();
        self.name.extend_from_slice(shown(name));
        let slot = self.slots.then(|| slot::of_key(name));
        self.key = Some(Current { adapter, db, from: head.db, expires, slot });
    }

    #[inline]
    fn element(&mut self, element: Element<'_>) {
        let Some(key) = &mut self.key else { return };
        if let Some(element) = key.adapter.element(element) {
            self.own.element(&element);
        }
    }

    fn end(&mut self) {
        let Some(mut key) = self.key.take() else { return };
        key.adapter.end();
        let sum = self.own.end();
        let made = self.made.get_or_insert_default();
        let (db, name) = (Some(key.db), &self.name);
        if let Some(kind) = key.adapter.refused {
            made.refused.entry(kind).or_default().add(db, name);
        }
        if let Some(kind) = key.adapter.left_out {
            made.left_out.entry(kind).or_default().add(db, name);
        }
        if key.adapter.is_gone {
            return;
        }
        for (what, is_dropped) in DROPPED.into_iter().zip(key.adapter.dropped) {
            if is_dropped {
                *made.dropped.entry(what).or_default() += 1;
            }
        }
        made.copied += u64::from(key.adapter.form == Form::Copied);
        let of = made.databases.entry(key.db).or_default();
        of.keys += 1;
        of.expires += u64::from(key.expires);
        of.sum.add(&sum);
        *made.sections.entry((key.db, key.from)).or_default() += 1;
        key.slot.into_iter().for_each(|slot| made.slots.add(slot));
    }
}

/// Returns whether another key of that name is written.
pub(super) fn loses(winners: &Winners, source: usize, head: &Head, db: u64, name: &[u8]) -> bool {
    if winners.is_empty() {
        return false;
    }
    winners.get(duplicates::hash(db, name)).is_some_and(|winner| winner != duplicates::place(source, head.db))
}
