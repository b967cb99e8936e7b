//! Puts together what the walk hands out: runs of keys that can be copied, and what is lost between them.

use std::collections::HashSet;
use std::io;
use std::ops::Range;

use super::candidate::{Candidate, CandidateKind, Key, SCRIPT};
use super::decode::{Decoder, LONGEST_TEXT, Start};
use super::loss::is_expired;
use super::partial::Partial;
use super::sections::Sections;
use super::without::{LeftOut, LeftOutKind};
use super::{Anchor, DoubtfulKey, LostKey, Options};
use crate::functions::{Api, Loader, Proof, Runs};
use crate::rdb::{Family, ValueType, opcode};
use crate::report::Code;
use crate::verify::duplicates::{Digests, Form, HashKey, Table};

/// Damaged keys, and stretches behind gaps, that are listed one by one; all are counted.
pub(super) const MOST_LISTED: usize = 10_000;
/// So much of the unit before a gap is looked at, or as much as the gap is long.
const MOST_BEFORE: u64 = 16 << 10;
/// What is remembered of damage may take one part in so many of the memory for tables.
const SHARE_OF_TABLES: usize = 2;
/// What the name of a library takes besides its bytes.
const LIBRARY: usize = 64;

/// Keys that follow each other without a gap, in one database: their bytes are copied as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) range: Range<u64>,
    /// Which section it belongs to, and so which database.
    pub(super) section: usize,
}

/// Something that is written before or after all keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) range: Range<u64>,
    pub(super) kind: PartKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PartKind {
    Aux,
    ModuleAux,
    Function,
    Template,
    ModuleAuxAfter,
}

/// What was collected.
#[derive(Debug)]
pub(super) struct Collected {
    pub(super) runs: Vec<Run>,
    pub(super) parts: Vec<Part>,
    pub(super) sections: Sections,
    pub(super) gaps: Vec<Range<u64>>,
    pub(super) anchors: Vec<Anchor>,
    pub(super) anchors_total: u64,
    pub(super) lost: Vec<LostKey>,
    pub(super) lost_total: u64,
    /// Collections of which a part is kept, in the order of the file; and how many were found again whole, and left out.
    pub(super) partials: Vec<Partial>,
    pub(super) partials_dropped: Vec<usize>,
    /// Records in what is skipped, in the order of the file; and how many there are, and are saved.
    pub(super) doubtful: Vec<DoubtfulKey>,
    pub(super) doubtful_total: u64,
    pub(super) doubtful_saved: u64,
    /// The last unit that was kept.
    last_kept: Option<Range<u64>>,
    pub(super) expiries_lost: u64,
    pub(super) functions_lost: u64,
    /// What is left out and could be saved.
    pub(super) left_out: Vec<LeftOut>,
    pub(super) left_out_total: u64,
    pub(super) saw_end: bool,
    /// The newest type or opcode that is kept decides the version.
    pub(super) version: u32,
    pub(super) writer: Option<Family>,
    /// The families that do not know something that is kept.
    pub(super) foreign_to: Vec<Family>,
    /// The text of each key, hashed, and where its unit begins.
    pub(super) hashes: Table,
    pub(super) digests: Digests,
    pub(super) expired: u64,
    /// From here on nothing is kept any more: too much is to be remembered of what lies before. And the keys behind it.
    pub(super) full_from: Option<u64>,
    pub(super) unsaved: u64,
    pub(super) options: Options,
    libraries: HashSet<Vec<u8>>,
    /// One for each server that has to load the libraries.
    loaders: Vec<Loader>,
    library_bytes: usize,
    aux: HashSet<Vec<u8>>,
}

impl Collected {
    pub(super) fn new(options: &Options, family: Family) -> Self {
        let newest = [Api::newest(options.family.unwrap_or(family))];
        let apis = if options.apis.is_empty() { &newest[..] } else { &options.apis };
        let runs = options.functions.as_ref().map(|prover| Runs::new(prover.clone()));
        let loaders = |runs: Runs| apis.iter().map(|api| Loader::new(Some(runs.clone()), *api)).collect();
        Self {
            runs: Vec::new(),
            parts: Vec::new(),
            sections: Sections::default(),
            gaps: Vec::new(),
            anchors: Vec::new(),
            anchors_total: 0,
            lost: Vec::new(),
            lost_total: 0,
            partials: Vec::new(),
            partials_dropped: Vec::new(),
            doubtful: Vec::new(),
            doubtful_total: 0,
            doubtful_saved: 0,
            last_kept: None,
            expiries_lost: 0,
            functions_lost: 0,
            left_out: Vec::new(),
            left_out_total: 0,
            saw_end: false,
            version: 0,
            writer: None,
            foreign_to: Vec::new(),
            hashes: Table::new(
                options.limits.duplicate_bytes,
                Form { key: options.hash_key.map_or_else(HashKey::of_run, HashKey::fixed), wide: false, second: false },
            ),
            digests: Digests::new(),
            options: options.clone(),
            expired: 0,
            full_from: None,
            unsaved: 0,
            libraries: HashSet::new(),
            loaders: runs.map(loaders).unwrap_or_default(),
            library_bytes: 0,
            aux: HashSet::new(),
        }
    }

    /// Returns what is remembered of the places found so far, in bytes. A gap is remembered twice: here and in the report.
    pub(super) fn held(&self) -> usize {
        self.runs.len() * size_of::<Run>()
            + self.parts.len() * size_of::<Part>()
            + self.gaps.len() * 2 * size_of::<Range<u64>>()
            + self.partials.len() * size_of::<Partial>()
            + self.sections.held()
            + self.library_bytes
    }

    /// Returns whether what begins at a place can be kept account of. What is held is taken from the memory for duplicates.
    fn has_room(&mut self, at: u64) -> bool {
        let (held, most) = (self.held(), self.options.limits.duplicate_bytes);
        self.hashes.shrink(most.saturating_sub(held));
        if held > most / SHARE_OF_TABLES && self.full_from.is_none() {
            self.full_from = Some(at);
        }
        self.full_from.is_none()
    }

    /// Takes note of the end of the file.
    pub(super) fn end(&mut self, size: u64) {
        if let Some(from) = self.full_from {
            self.gaps.push(from..size);
        }
    }

    /// Takes bytes that are skipped, and the places behind them where a record may end that reaches over what is read there.
    pub(super) fn gap(&mut self, range: Range<u64>, edges: &[u64], decoder: &mut Decoder<'_>) -> io::Result<()> {
        if !self.has_room(range.start) {
            return Ok(());
        }
        let head = decoder.head(range.start)?.filter(|(_, bits)| *bits >= decoder.names.lead());
        let mut is_kept = false;
        if let Some((key, _)) = head {
            is_kept = self.options.partial && self.partial(key, range.clone(), None, decoder)?;
            if !is_kept {
                self.lose(&key, range.clone(), None, decoder)?;
            }
        }
        self.sections.gap(&range);
        let mut from = range.start;
        let begin = if is_kept { from + 1 } else { self.kept_before(&range) };
        for (unit, key) in self.doubt(&range, edges, (begin, head.is_some()), decoder)? {
            if unit.start > from {
                self.gaps.push(from..unit.start);
            }
            from = unit.end;
            self.keep_doubtful(&unit, key, decoder)?;
        }
        if range.end > from {
            self.gaps.push(from..range.end);
        }
        Ok(())
    }

    /// Returns where the unit begins that stands before a gap, or its end if it is long: one of its strings may have swallowed the head of
    /// a key, and nothing in it would tell.
    fn kept_before(&self, gap: &Range<u64>) -> u64 {
        let kept = self.last_kept.as_ref().filter(|kept| kept.end == gap.start);
        let most = MOST_BEFORE.max(gap.end - gap.start);
        kept.map_or(gap.start, |kept| (kept.start + 1).max(gap.start.saturating_sub(most)))
    }

    /// Takes what is left of a damaged collection; returns whether anything is. `code`: what is wrong with it, if its extent is known.
    fn partial(
        &mut self,
        key: Key,
        range: Range<u64>,
        code: Option<Code>,
        decoder: &mut Decoder<'_>,
    ) -> io::Result<bool> {
        let Some((full_name, value_at)) = decoder.name_and_value(&key, LONGEST_TEXT)?.filter(|_| !key.meta) else {
            return Ok(false);
        };
        if value_at >= range.end {
            return Ok(false);
        }
        let start = range.start;
        let section = self.sections.current();
        let name = if self.partials.len() < MOST_LISTED { Some(decoder.shown_name(&key)?) } else { None };
        let mut partial = Partial { name, key, range, value_at, code, section, elements: 0, declared: None };
        let Some(kept) = partial.kept(&mut decoder.input)? else { return Ok(false) };
        (partial.elements, partial.declared) = (kept.elements, kept.declared);
        self.sections.part(partial.expires());
        self.expiries_lost += u64::from(key.expire_lost);
        self.expired += u64::from(is_expired(&key, &self.options));
        self.version = self.version.max(key.min_version(decoder.family())).max(kept.value_type.min_version());
        self.keep_type(kept.value_type, false, decoder.family());
        self.hashes.add(&full_name, 0, start);
        self.partials.push(partial);
        Ok(true)
    }

    /// Takes the next unit.
    pub(super) fn unit(&mut self, unit: &Candidate, decoder: &mut Decoder<'_>) -> io::Result<()> {
        let unit = &if self.options.sound { unit.undoubted() } else { *unit };
        if !self.has_room(unit.start) {
            self.unsaved += u64::from(unit.is_key());
            self.saw_end |= matches!(unit.what, CandidateKind::End);
            return Ok(());
        }
        self.anchor(unit);
        self.last_kept = Some(unit.start..unit.end);
        if self.leaves_out(unit, decoder)? {
            return Ok(());
        }
        let kept = unit.kept_from()..unit.end;
        match &unit.what {
            CandidateKind::Key(key) => self.key(unit, *key, decoder)?,
            CandidateKind::Broken { key, why } => {
                self.sections.broken();
                if self.options.partial && self.partial(*key, unit.start..unit.end, Some(*why), decoder)? {
                    return Ok(());
                }
                self.lose(key, unit.start..unit.end, Some(*why), decoder)?;
                for (unit, key) in self.doubt(&(unit.start..unit.end), &[], (unit.start + 1, true), decoder)? {
                    self.keep_doubtful(&unit, key, decoder)?;
                }
            }
            CandidateKind::SelectDb(db) => self.sections.select(*db, unit.start),
            CandidateKind::ResizeDb { keys, .. } => self.sections.resize(*keys),
            CandidateKind::Aux { keep, family } => {
                self.writer = self.writer.or(*family);
                if *keep {
                    self.aux(kept, decoder)?;
                }
            }
            CandidateKind::Function => self.function(kept, decoder)?,
            CandidateKind::Template(_) => {
                self.part(kept, PartKind::Template, opcode::HASH_TEMPLATE, decoder.family());
                self.keep_from(Family::Valkey);
            }
            CandidateKind::ModuleAux { after_keys, .. } => {
                let kind = if *after_keys { PartKind::ModuleAuxAfter } else { PartKind::ModuleAux };
                self.part(kept, kind, opcode::MODULE_AUX, decoder.family());
            }
            // Its extent is known: no record is lost with it.
            CandidateKind::Unsound => self.gaps.push(unit.start..unit.end),
            CandidateKind::Slot | CandidateKind::SlotImport => {}
            CandidateKind::End => self.saw_end = true,
        }
        Ok(())
    }

    /// Takes note of a key that is lost.
    fn lose(&mut self, key: &Key, range: Range<u64>, code: Option<Code>, decoder: &mut Decoder<'_>) -> io::Result<()> {
        self.lost_total += 1;
        if self.lost.len() < MOST_LISTED {
            let (section, name) = (self.sections.current(), decoder.shown_name(key)?);
            let read = if code.is_none() { decoder.unit(range.start, Start::Any)? } else { None };
            let reads_to =
                read.filter(|unit| unit.key().is_some_and(|read| read.type_at == key.type_at)).map(|unit| unit.end);
            self.lost.push(LostKey { db: 0, section, name, value_type: key.value_type, range, code, reads_to });
        }
        Ok(())
    }

    /// Returns which of the partial collections begins at a place.
    pub(super) fn partial_at(&self, at: u64) -> Option<usize> {
        self.partials.binary_search_by_key(&at, |partial| partial.range.start).ok()
    }

    /// Takes out those that were found to be there twice.
    pub(super) fn drop_partials(&mut self) {
        self.partials_dropped.sort_unstable();
        for index in self.partials_dropped.iter().rev() {
            let partial = self.partials.remove(*index);
            self.sections.get_mut(partial.section).without(partial.expires());
        }
    }

    /// Keeps account of the evidence for what follows a gap.
    fn anchor(&mut self, unit: &Candidate) {
        let after_gap = self.gaps.last().is_some_and(|gap| gap.end == unit.start);
        if after_gap {
            self.anchors_total += 1;
            if self.anchors.len() < MOST_LISTED {
                self.anchors.push(Anchor { range: unit.start..unit.end, keys: 0, first_bits: unit.bits, bits: 0 });
            }
        }
        if self.anchors_total == self.anchors.len() as u64
            && let Some(anchor) = self.anchors.last_mut()
        {
            anchor.range.end = unit.end;
            anchor.keys += u64::from(unit.is_key());
            anchor.bits = anchor.bits.saturating_add(i64::from(unit.bits));
        }
    }

    fn key(&mut self, unit: &Candidate, key: Key, decoder: &mut Decoder<'_>) -> io::Result<()> {
        let Key { expire, expire_lost, .. } = key;
        self.sections.key(unit.end - unit.start, expire.is_some() && !expire_lost);
        self.expiries_lost += u64::from(expire_lost);
        self.expired += u64::from(is_expired(&key, &self.options));
        self.save(unit, &key, decoder)
    }

    /// Copies a key, and takes note of its name and of who knows its type.
    pub(super) fn save(&mut self, unit: &Candidate, key: &Key, decoder: &mut Decoder<'_>) -> io::Result<()> {
        self.version = self.version.max(key.min_version(decoder.family()));
        self.keep_type(key.value_type, key.meta, decoder.family());
        if let Some(hash) = decoder.hash_of_name(key, &self.hashes, &self.digests)? {
            self.hashes.insert((hash, 0), unit.start);
        }
        self.copy(unit.kept_from()..unit.end);
        Ok(())
    }

    /// Takes note of which servers know a type; key metadata is of one family alone.
    fn keep_type(&mut self, value_type: ValueType, meta: bool, of: Family) {
        for family in [Family::Redis, Family::Valkey] {
            if !value_type.belongs_to(family) || meta && family != of {
                self.keep_from(family);
            }
        }
    }

    /// Takes note that something which is kept does not exist in a family.
    fn keep_from(&mut self, family: Family) {
        if !self.foreign_to.contains(&family) {
            self.foreign_to.push(family);
        }
    }

    /// Adds bytes to the run that ends where they begin, or begins a new one.
    fn copy(&mut self, range: Range<u64>) {
        let section = self.sections.current();
        match self.runs.last_mut() {
            Some(run) if run.range.end == range.start && run.section == section => run.range.end = range.end,
            _ => self.runs.push(Run { range, section }),
        }
    }

    fn part(&mut self, range: Range<u64>, kind: PartKind, byte: u8, family: Family) {
        self.version = self.version.max(opcode::min_version(byte, family));
        self.parts.push(Part { range, kind });
    }

    /// A field about the file comes first in it, and once unless it is a script; one that belongs to a key stays with it.
    fn aux(&mut self, range: Range<u64>, decoder: &mut Decoder<'_>) -> io::Result<()> {
        if self.sections.any_key() {
            self.copy(range);
            return Ok(());
        }
        let len = usize::try_from(range.end - range.start).unwrap_or(usize::MAX).min(1 << 20);
        let bytes = &decoder.input.bytes(range.start, len)?[..len];
        let name_len = bytes.get(1).map_or(0, |len| usize::from(len & 0x3f));
        let name = bytes.get(2..2 + name_len).unwrap_or(bytes).to_ascii_lowercase();
        if name == SCRIPT || self.aux.insert(name) {
            self.part(range, PartKind::Aux, opcode::AUX, decoder.family());
        }
        Ok(())
    }

    /// Servers refuse a whole file because of one library that they cannot load.
    fn function(&mut self, range: Range<u64>, decoder: &mut Decoder<'_>) -> io::Result<()> {
        match decoder.library(range.start)? {
            Some((name, code)) if !self.libraries.contains(&name) && self.loads(&code) => {
                self.library_bytes += name.len() + LIBRARY;
                self.libraries.insert(name);
                self.part(range, PartKind::Function, opcode::FUNCTION2, decoder.family());
            }
            library => {
                self.functions_lost += 1;
                let name = library.map(|(name, _)| name).unwrap_or_default();
                self.leave_out(LeftOutKind::FunctionRefused, name, range);
            }
        }
        Ok(())
    }

    /// Returns whether no server that has to load a library is known to refuse it.
    fn loads(&mut self, code: &[u8]) -> bool {
        let refuses = |proof| matches!(proof, Proof::Refuses(_) | Proof::Crashes(_));
        let code = code.into();
        !self.loaders.iter_mut().any(|loader| refuses(loader.load(Some(&code))))
    }

    /// Returns how many function libraries are kept.
    pub(super) fn functions(&self) -> u64 {
        self.libraries.len() as u64
    }

    /// Returns the version that the written file needs at least.
    pub(super) fn version(&self, stated: Option<u32>, family: Family) -> u32 {
        match family {
            Family::Valkey => crate::rdb::NEWEST_VALKEY,
            // AUX fields came with version 7; from 9 on the byte order of times is fixed.
            Family::Redis => self.version.max(stated.unwrap_or(9).clamp(7, 9)),
        }
    }
}
