//! In which database each command belongs.
//!
//! A SELECT is written where the database changes, so behind a gap that may have held one the database is uncertain up to the
//! next. What speaks for it:
//!
//! * the database before the gap: the less often the file selects, the more;
//! * the next SELECT: it selects another database than the one in force, so the one that it names is out of the question;
//! * the keys: which databases know those of the stretch.
//!
//! Where the second or the third speaks against the database before the gap, and the keys name no other one, or where SELECTs
//! are so frequent that one was lost most probably, the stretch is set aside: nothing is written to a database by chance.

use super::assemble::Unit;
use super::believe::Lost;
use super::scan::Gap;
use super::survey::{Survey, bit};
use super::{Account, Certainty, Keep, Skip, SkipKind, Stretch};

/// What a cut may have taken out at least.
const PAGE: u64 = 4096;
/// A SELECT was lost most probably if this many times the gap is longer than the distance from one to the next.
const FREQUENT: u64 = 4;
/// Databases that are told apart by keys.
const MOST_DATABASES: usize = 64;

/// What comes behind a gap, up to the next SELECT.
#[derive(Debug)]
struct Uncertain {
    units: Vec<(u64, u64)>,
    start: u64,
    end: u64,
    commands: u64,
    /// How many bytes the gap has, or a page.
    gap: u64,
    /// Whether a SELECT was lost for certain.
    lost: bool,
    /// How many of the keys each database knows.
    votes: [u32; MOST_DATABASES],
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
    uncertain: Option<Box<Uncertain>>,
}

impl<'s> Databases<'s> {
    pub(super) fn new(survey: &'s Survey, size: u64, account: Account) -> Self {
        Self { survey, size, account, db: 0, written: 0, uncertain: None }
    }

    /// A unit that is kept if its database is known.
    pub(super) fn unit(&mut self, unit: Unit) {
        let mut kept = true;
        if unit.is_select {
            self.settle(unit.selects);
            self.keep(unit.start, unit.end, None, unit.commands);
        } else if let Some(uncertain) = &mut self.uncertain {
            uncertain.add(&unit, self.survey);
            if unit.selects.is_some() {
                // What selects inside a transaction says nothing of the database before it.
                kept = self.settle(None);
            }
        } else {
            let db = (!unit.is_annotation).then_some(self.db);
            self.keep(unit.start, unit.end, db, unit.commands);
        }
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
        if let Some(index) = unit.selects {
            self.settle(Some(index));
            self.db = index;
        }
    }

    /// Bytes that cannot be read.
    pub(super) fn gap(&mut self, gap: &Gap) {
        self.account.skip(Skip { start: gap.start, end: gap.end, kind: SkipKind::Damage, commands: 0 });
        match gap.lost {
            Lost::Data => {}
            Lost::Select(Some(index)) => {
                self.settle(Some(index));
                self.db = index;
            }
            Lost::Select(None) | Lost::Anything => {
                self.settle(None);
                self.uncertain = Some(Box::new(Uncertain {
                    units: Vec::new(),
                    start: gap.end,
                    end: gap.end,
                    commands: 0,
                    gap: (gap.end - gap.start).max(PAGE),
                    lost: gap.lost != Lost::Anything,
                    votes: [0; MOST_DATABASES],
                }));
            }
        }
    }

    /// Decides on the stretch that is uncertain, and tells whether it is kept; `next` is the database that is selected behind
    /// it.
    fn settle(&mut self, next: Option<u32>) -> bool {
        let Some(uncertain) = self.uncertain.take() else { return true };
        let (db, certainty) = self.decide(&uncertain, next);
        let Uncertain { start, end, commands, .. } = *uncertain;
        if let Some(db) = db {
            self.db = db;
        }
        for (start, end) in uncertain.units {
            match db {
                Some(db) => self.keep(start, end, Some(db), 0),
                None => self.account.skip(Skip { start, end, kind: SkipKind::Database, commands: 0 }),
            }
        }
        if commands > 0 {
            if db.is_some() {
                self.account.kept_commands += commands;
            } else {
                self.account.skipped_commands += commands;
            }
            if certainty != Certainty::OnlyDatabase {
                self.account.stretches.push(Stretch { start, end, commands, db, certainty });
            }
        }
        db.is_some()
    }

    fn decide(&self, uncertain: &Uncertain, next: Option<u32>) -> (Option<u32>, Certainty) {
        let survey = self.survey;
        let votes = |db: u32| usize::try_from(db).ok().and_then(|db| uncertain.votes.get(db)).copied().unwrap_or(0);
        let best = (0..64).filter(|db| *db != self.db && Some(*db) != next).max_by_key(|db| votes(*db));
        let best = best.filter(|db| votes(*db) > 0);
        let (own, other) = (votes(self.db), best.map_or(0, votes));
        let contradicted = uncertain.lost || next == Some(self.db);
        if survey.databases.iter().all(|db| *db == self.db) && !contradicted {
            return (Some(self.db), Certainty::OnlyDatabase);
        }
        // Twice as many keys, and a few more: the same names in two databases come out nearly even.
        let clearly = |more: u32, less: u32| more > 2 * less + 2;
        match best {
            Some(best) if contradicted && clearly(other, 0) && self.is_alone(uncertain, best) => {
                return (Some(best), Certainty::ByKeys);
            }
            Some(best) if clearly(other, own) => return (Some(best), Certainty::ByKeys),
            _ => {}
        }
        if contradicted {
            let mut others = survey.databases.iter().filter(|db| **db != self.db && Some(**db) != next);
            return match (others.next(), others.next()) {
                (Some(only), None) if !uncertain.lost || next.is_some() => (Some(*only), Certainty::BySelect),
                _ => (None, Certainty::Unknown),
            };
        }
        if clearly(own, other) {
            return (Some(self.db), Certainty::ByKeys);
        }
        let frequent = survey.bytes_per_switch(self.size) < uncertain.gap.saturating_mul(FREQUENT);
        if frequent { (None, Certainty::Unknown) } else { (Some(self.db), Certainty::AsBefore) }
    }

    /// Whether no third database knows as many of the keys.
    fn is_alone(&self, uncertain: &Uncertain, best: u32) -> bool {
        let best = usize::try_from(best).unwrap_or(MOST_DATABASES);
        let most = uncertain.votes.get(best).copied().unwrap_or(0);
        let own = usize::try_from(self.db).unwrap_or(MOST_DATABASES);
        let others = uncertain.votes.iter().enumerate().filter(|(db, _)| *db != best && *db != own);
        others.map(|(_, votes)| *votes).max().is_none_or(|third| most > 2 * third + 2)
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

impl Uncertain {
    fn add(&mut self, unit: &Unit, survey: &Survey) {
        match self.units.last_mut() {
            Some(last) if last.1 == unit.start => last.1 = unit.end,
            _ => self.units.push((unit.start, unit.end)),
        }
        self.end = unit.end;
        self.commands += unit.commands;
        let known = unit.key.and_then(|key| survey.keys.get(&key)).copied().unwrap_or(0);
        for (db, votes) in (0..).zip(&mut self.votes) {
            *votes = votes.saturating_add(u32::from(known & bit(db) != 0));
        }
    }
}
