//! In which database each command belongs.
//!
//! A SELECT is written where the database changes, so behind a gap that may have held one the database is uncertain up to the
//! next. Each database is weighed, and one that the file does not name:
//!
//! * the database before the gap: the fewer bytes may be missing and the less often the file selects, the more likely;
//! * the next SELECT: it selects another database than the one in force, but for the first one after a server's start, so the
//!   one that it names is out of the question mostly;
//! * the keys: see `keys`.
//!
//! The first is taken if it is 256 times more likely than the second. Otherwise the stretch is set aside: nothing is
//! written to a database by chance.

use std::collections::{HashMap, HashSet};

use super::classify::{Kind, Lost};
use super::events::{Gap, Item};
use super::keys::{Effect, Evidence, Keys, Touch};
use super::survey::Survey;
use super::{Account, Certainty, Keep, Skip, SkipKind, Stretch, Uncertain};

/// This many bits more than for any other database are enough.
const ENOUGH: f64 = 8.0;
/// That a database that the file does not name has the same keys as one that it names: one in 64.
const COPY: f64 = 6.0;
/// This many keys of a stretch are remembered.
const MOST_KEYS: usize = 1 << 20;
/// This many keys of a stretch are asked where they are known: what the file says of them is never quite right, and that adds up.
const MOST_KNOWN: usize = 128;

/// What comes behind a gap, up to the next SELECT.
#[derive(Debug)]
struct Open {
    units: Vec<(u64, u64)>,
    start: u64,
    end: u64,
    commands: u64,
    /// How many bytes may be missing.
    room: u64,
    /// Whether a SELECT was lost for certain.
    lost: bool,
    /// Whether none was read before.
    first: bool,
    /// What the keys say of each database.
    evidence: Evidence,
    /// Whether one of the first keys occurs elsewhere.
    familiar: bool,
    /// What became of each key last.
    touched: HashMap<u64, Effect>,
    /// The first parts of their names.
    families: HashSet<u64>,
}

/// Of so many commands of a transaction the keys are held. They tell its database; more of them tell no more.
const MOST_TOUCHES: usize = 1 << 16;

/// Records that belong together: one, or a transaction.
#[derive(Debug)]
pub(super) struct Unit {
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) commands: u64,
    /// The database that it leaves selected, if it selects one.
    pub(super) selects: Option<u32>,
    /// Whether it is a SELECT and nothing else.
    pub(super) is_select: bool,
    /// Whether it is an annotation.
    pub(super) is_annotation: bool,
    /// The key of its first command.
    touch: Option<Touch>,
    /// The keys of the others, of the first ones.
    more: Vec<Touch>,
}

impl Unit {
    pub(super) fn of(item: &Item) -> Self {
        let selects = if let Kind::Select(index) = item.kind { Some(index) } else { None };
        Self {
            start: item.start,
            end: item.end,
            commands: u64::from(item.kind != Kind::Annotation),
            selects,
            is_select: selects.is_some(),
            is_annotation: item.kind == Kind::Annotation,
            touch: item.touch,
            more: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, item: &Item) {
        self.end = item.end;
        self.commands += u64::from(item.kind != Kind::Annotation);
        if let Kind::Select(index) = item.kind {
            self.selects = Some(index);
        }
        self.more.extend(item.touch.filter(|_| self.more.len() < MOST_TOUCHES));
    }

    /// Returns the same without what stands before `at`, but for its keys.
    pub(super) fn torn(self, at: u64) -> Self {
        Self { start: at, end: at, commands: 0, selects: None, ..self }
    }

    /// Returns the keys that its commands name.
    pub(super) fn touches(&self) -> impl Iterator<Item = Touch> {
        self.touch.iter().chain(&self.more).copied()
    }
}

/// Writes down what is kept and what goes, by database.
#[derive(Debug)]
pub(super) struct Databases<'s> {
    survey: &'s Survey,
    size: u64,
    account: Account,
    /// The database in force in the file.
    db: u32,
    /// The database in force in what is kept.
    written: u32,
    /// Whether a record was read, or there was a gap.
    begun: bool,
    open: Option<Box<Open>>,
    keys: Keys,
    uncertain: Uncertain,
}

impl<'s> Databases<'s> {
    pub(super) fn new(survey: &'s Survey, keys: Keys, size: u64, uncertain: Uncertain) -> Self {
        let account = Account::default();
        Self { survey, size, account, db: 0, written: 0, begun: false, open: None, keys, uncertain }
    }

    /// A unit that is kept if its database is known.
    pub(super) fn unit(&mut self, unit: &Unit) {
        let mut kept = true;
        if unit.is_select {
            self.settle(unit.selects);
            self.keep(unit.start, unit.end, None, unit.commands);
        } else if let Some(open) = &mut self.open {
            open.add(unit, &self.keys);
            if unit.selects.is_some() {
                // What selects inside a transaction says nothing of the database before it.
                kept = self.settle(None);
            }
        } else {
            let db = (!unit.is_annotation).then_some(self.db);
            self.keep(unit.start, unit.end, db, unit.commands);
            unit.touches().for_each(|touch| self.keys.apply(touch, self.db));
        }
        self.begun = true;
        if let Some(index) = unit.selects {
            self.db = index;
            if kept {
                self.written = index;
            }
        }
    }

    /// A unit that goes. It has selected its database all the same.
    pub(super) fn skip(&mut self, kind: SkipKind, unit: &Unit) {
        self.account.skip(Skip { start: unit.start, end: unit.end, kind, commands: unit.commands });
        self.begun = true;
        if let Some(index) = unit.selects {
            self.settle(Some(index));
            self.db = index;
        }
    }

    /// Bytes that cannot be read.
    pub(super) fn gap(&mut self, gap: &Gap) {
        self.account.skip(Skip { start: gap.start, end: gap.end, kind: gap.kind, commands: gap.commands });
        let first = !std::mem::replace(&mut self.begun, true);
        match gap.lost {
            Lost::Data => {}
            Lost::Select(Some(index)) => {
                self.settle(Some(index));
                self.db = index;
            }
            Lost::Select(None) | Lost::Anything => {
                self.settle(None);
                self.open = Some(Box::new(Open {
                    units: Vec::new(),
                    start: gap.end,
                    end: gap.end,
                    commands: 0,
                    room: gap.room,
                    lost: gap.lost != Lost::Anything,
                    first,
                    evidence: Evidence::default(),
                    familiar: false,
                    touched: HashMap::new(),
                    families: HashSet::new(),
                }));
            }
        }
    }

    /// Decides on the stretch that is uncertain, and tells whether it is kept; `next` is the database that is selected behind
    /// it.
    fn settle(&mut self, next: Option<u32>) -> bool {
        let Some(open) = self.open.take() else { return true };
        let (db, certainty) = self.decide(&open, next);
        let Open { start, end, commands, units, touched, .. } = *open;
        // If it is not certain it is still the likeliest one for what comes behind the next gap.
        self.db = db;
        for (key, effect) in touched {
            self.keys.apply(Touch { key, effect, family: 0 }, db);
        }
        let kept = certainty != Certainty::Unknown || self.uncertain == Uncertain::Keep;
        for (start, end) in units {
            if kept {
                self.keep(start, end, Some(db), 0);
            } else {
                self.account.skip(Skip { start, end, kind: SkipKind::Database, commands: 0 });
            }
        }
        if commands > 0 {
            if kept {
                self.account.kept_commands += commands;
            } else {
                self.account.skipped_commands += commands;
            }
            if certainty != Certainty::OnlyDatabase {
                self.account.stretches.push(Stretch { start, end, commands, db: kept.then_some(db), certainty });
            }
        }
        kept
    }

    /// Returns the likeliest database of a stretch, and what speaks for it.
    fn decide(&self, open: &Open, next: Option<u32>) -> (u32, Certainty) {
        let only = self.survey.databases.iter().all(|(db, _)| *db == self.db);
        if only && (!open.lost || open.first) {
            // That it selected another one just there, and nowhere else, takes much to be believed.
            let (names, lives) = open.evidence.of(self.db);
            let strange = !open.familiar && names + lives < -ENOUGH;
            return (self.db, if strange { Certainty::Unknown } else { Certainty::OnlyDatabase });
        }
        let (likeliest, margin) = self.likeliest(open, next, false);
        let (best, known) = self.likeliest(open, next, true);
        let certainty = if known < ENOUGH {
            Certainty::Unknown
        } else if margin < ENOUGH || likeliest != best {
            Certainty::ByKeys
        } else if next.is_some() {
            Certainty::BySelect
        } else {
            Certainty::AsBefore
        };
        (best, certainty)
    }

    /// Returns the likeliest database, and by how many bits it is more likely than any other one: by what selects alone, or
    /// by the keys too.
    fn likeliest(&self, open: &Open, next: Option<u32>, by_keys: bool) -> (u32, f64) {
        let survey = self.survey;
        let times = number(survey.switches) + 1.0;
        let redundant = (number(survey.redundant) + 0.02) / times;
        let switched = if open.lost || open.first {
            1.0
        } else {
            (number(open.room) / number(survey.bytes_per_switch(self.size))).min(0.5)
        };
        let stay = match (open.first, open.lost) {
            (true, _) => 0.5,
            (false, true) => redundant,
            (false, false) => 1.0 - switched,
        };
        let once = survey.databases.iter().filter(|(_, times)| *times == 1).count();
        let unheard = switched * (number(once as u64) + 0.5) / times;
        let others = survey.databases.iter().filter(|(db, _)| *db != self.db);
        let all: f64 = others.clone().map(|(_, times)| number(*times)).sum();
        let others = others.map(|(db, times)| (*db, switched * number(*times) / all));
        let mut best = (self.db, f64::NEG_INFINITY);
        let (mut second, mut names) = (f64::NEG_INFINITY, 0.0_f64);
        for (db, likely) in std::iter::once((self.db, stay)).chain(others) {
            let likely = if next == Some(db) { likely * redundant } else { likely };
            let evidence = if by_keys { open.evidence.of(db) } else { (0.0, 0.0) };
            let bits = likely.log2() + evidence.0 + evidence.1;
            names = names.max(evidence.0);
            second = second.max(bits.min(best.1));
            if bits > best.1 {
                best = (db, bits);
            }
        }
        // One that the file does not name may have the same names.
        second = second.max(unheard.log2() + (names - COPY).max(0.0));
        (best.0, best.1 - second)
    }

    /// Keeps bytes; in `db`, if they depend on it.
    fn keep(&mut self, start: u64, end: u64, db: Option<u32>, commands: u64) {
        self.account.kept_commands += commands;
        let select = db.filter(|db| *db != self.written);
        if let Some(db) = select {
            self.written = db;
        }
        match self.account.kept.last_mut() {
            Some(last) if last.end == start && select.is_none() => last.end = end,
            _ => self.account.kept.push(Keep { start, end, select }),
        }
    }

    pub(super) fn finish(mut self) -> Account {
        self.settle(None);
        self.account.skipped.sort_unstable_by_key(|skip| skip.start);
        self.account
    }
}

impl Open {
    fn add(&mut self, unit: &Unit, keys: &Keys) {
        match self.units.last_mut() {
            Some(last) if last.1 == unit.start => last.1 = unit.end,
            _ => self.units.push((unit.start, unit.end)),
        }
        self.end = unit.end;
        self.commands += unit.commands;
        for touch in unit.touches() {
            if self.touched.len() >= MOST_KEYS {
                break;
            }
            let is_new = self.touched.insert(touch.key, touch.effect).is_none();
            if is_new {
                keys.add_life(touch, &mut self.evidence);
                if self.touched.len() <= MOST_KNOWN {
                    self.familiar |= keys.add_name(touch.key, &mut self.evidence);
                }
            }
            if touch.family != 0 && self.families.len() < MOST_KNOWN && self.families.insert(touch.family) {
                self.familiar |= keys.add_family(touch.family, &mut self.evidence);
            }
        }
    }
}

fn number(n: u64) -> f64 {
    f64::from(u32::try_from(n).unwrap_or(u32::MAX))
}
