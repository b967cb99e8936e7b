//! Where findings are collected: all are counted, the first so many are kept.

use std::collections::BTreeMap;

use super::codes::Code;
use super::codes::Severity;
use super::facts::{FindingClass, Name, Occurrences, Visibility};
use super::finding::Finding;
use super::spill::{KEPT, More, Spill, SpillTo};
use crate::base::error::Reading;
use crate::rdb::ValueType;

/// What is being checked, for the findings about it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Subject {
    db: Option<u64>,
    /// The key's name, cut at [`Finding::LONGEST_KEY`]. The buffer is used again from key to key.
    key: Vec<u8>,
    has_key: bool,
    value_type: Option<ValueType>,
    /// The class of findings that do not say it themselves.
    pub(crate) detail: Visibility,
}

impl Subject {
    /// From now on the findings are about this key.
    #[inline]
    pub(crate) fn set(&mut self, db: u64, key: &[u8], value_type: ValueType) {
        (self.db, self.has_key) = (Some(db), true);
        self.key.clear();
        self.key.extend_from_slice(&key[..key.len().min(Finding::LONGEST_KEY)]);
        (self.value_type, self.detail) = (Some(value_type), Visibility::Usual);
    }

    /// The same, where name or type may be unknown.
    pub(crate) fn set_key(&mut self, db: u64, key: Option<&[u8]>, value_type: Option<ValueType>) {
        self.db = Some(db);
        self.key.clear();
        self.key.extend(key.into_iter().flatten().take(Finding::LONGEST_KEY));
        (self.has_key, self.value_type, self.detail) = (key.is_some(), value_type, Visibility::Usual);
    }

    /// Returns whether it is a value of that type.
    pub(crate) fn is_of(&self, value_type: ValueType) -> bool {
        self.value_type == Some(value_type)
    }

    /// Returns the class of a finding about it.
    pub(crate) fn class(&self, code: Code, detail: Visibility) -> FindingClass {
        FindingClass {
            code,
            value_type: self.value_type,
            detail: if detail == Visibility::Usual { self.detail } else { detail },
        }
    }

    /// Returns the key, or if there is none the byte at `at`.
    pub(crate) fn name(&self, at: u64) -> Name {
        match self.db {
            Some(db) if self.has_key => Name::key(db, &self.key),
            _ => Name::Offset(at),
        }
    }

    /// From now on the findings are about no key.
    #[inline]
    pub(crate) fn clear(&mut self) {
        *self = Self { key: std::mem::take(&mut self.key), ..Self::default() };
    }
}

/// Where in the file a finding lies, and what was being read there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Location {
    pub(crate) start: u64,
    pub(crate) failed_at: u64,
    pub(crate) end: Option<u64>,
    pub(crate) element: Option<u64>,
    pub(crate) reading: Option<Reading>,
    pub(crate) detail: Visibility,
}

impl Location {
    /// Returns a thing that begins at `start` and fails at `failed_at`.
    pub(crate) fn new(start: u64, failed_at: u64) -> Self {
        Self { start, failed_at, end: None, element: None, reading: None, detail: Visibility::Usual }
    }

    /// Returns a thing that is wrong as a whole.
    pub(crate) fn at(start: u64) -> Self {
        Self::new(start, start)
    }

    /// Returns a thing that is wrong as a whole, up to `end`.
    pub(crate) fn span(start: u64, end: u64) -> Self {
        Self { end: Some(end), ..Self::at(start) }
    }

    /// Returns the same, in the value's element of that number.
    pub(crate) fn element(self, element: u64) -> Self {
        Self { element: Some(element), ..self }
    }

    /// Returns the same, of another class than the code alone tells.
    pub(crate) fn detail(self, detail: Visibility) -> Self {
        Self { detail, ..self }
    }

    /// Returns the same, while that was being read.
    pub(crate) fn reading(self, reading: Reading) -> Self {
        Self { reading: Some(reading), ..self }
    }
}

/// Of a part of a file so many findings are held at most.
const OF_PART: usize = 100_000;

/// Collects findings.
#[derive(Debug)]
pub(crate) struct Collector {
    /// By severity, so that a flood of warnings does not push out an error.
    kept: [Vec<Finding>; 3],
    counts: Vec<u64>,
    classes: BTreeMap<FindingClass, Occurrences>,
    total: u64,
    /// How many of a severity are held.
    max: usize,
    /// Takes what is more than that, up to so many in all.
    spill: Option<(Spill, usize)>,
    pub(crate) subject: Subject,
}

impl Collector {
    /// Those of a report: how many are kept, and where those go that are not held in memory.
    pub(crate) fn of_report(most: usize, spill: Option<SpillTo>) -> Self {
        match spill {
            Some(to) if most > KEPT => Self { spill: Some((Spill::new(to, most), most)), ..Self::new(KEPT) },
            _ => Self::new(most),
        }
    }

    /// Those of a part of a file, which are handed over soon: as many as a block of records can have.
    pub(crate) fn of_part(most: usize) -> Self {
        Self::new(most.min(OF_PART))
    }

    pub(crate) fn new(max: usize) -> Self {
        Self { counts: vec![0; Code::ALL.len()], ..Self::none(max) }
    }

    /// None, and no room for any: what most parts of most files have.
    fn none(max: usize) -> Self {
        Self {
            kept: Default::default(),
            counts: Vec::new(),
            classes: BTreeMap::new(),
            total: 0,
            max,
            spill: None,
            subject: Subject::default(),
        }
    }

    /// Adds a finding about the subject. The message is made only if the finding is kept: a hostile file can have
    /// hundreds of millions.
    pub(crate) fn add(&mut self, code: Code, place: Location, message: impl FnOnce() -> String) {
        self.counts[code as usize] += 1;
        self.total += 1;
        let class = self.subject.class(code, place.detail);
        self.classes.entry(class).or_default().add_at(place.start, || self.subject.name(place.failed_at));
        let kept = &mut self.kept[code.severity() as usize];
        let has_room = kept.len() < self.max;
        if !has_room && !self.spill.as_ref().is_some_and(|(spill, _)| spill.wants(code.severity())) {
            return;
        }
        let Subject { db, key, has_key, value_type, detail: _ } = &self.subject;
        let finding = Finding {
            end: place.end,
            element: place.element,
            reading: place.reading.map(|reading| reading.to_string()),
            db: *db,
            key: has_key.then(|| key.clone()),
            value_type: value_type.map(ValueType::type_name),
            encoding: value_type.map(ValueType::encoding_name),
            ..Finding::new(code, place.start, place.failed_at, message())
        };
        match &mut self.spill {
            Some((spill, _)) if !has_room => spill.take(&finding),
            _ => kept.push(finding),
        }
    }

    /// Returns how many of a severity are kept at most.
    pub(crate) fn most(&self) -> usize {
        self.max
    }

    /// Counts findings of a class that are not kept.
    pub(crate) fn add_unkept(&mut self, class: FindingClass, n: u64) {
        if n == 0 {
            return;
        }
        self.counts[class.code as usize] += n;
        self.total += n;
        self.classes.entry(class).or_default().count += n;
    }

    /// Returns the classes of all findings.
    pub(crate) fn take_classes(&mut self) -> BTreeMap<FindingClass, Occurrences> {
        std::mem::take(&mut self.classes)
    }

    /// Returns whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// Takes the findings out.
    pub(crate) fn take(&mut self) -> Self {
        if self.is_empty() {
            return Self::none(self.max);
        }
        let subject = std::mem::take(&mut self.subject);
        std::mem::replace(self, Self { subject, ..Self::new(self.max) })
    }

    /// Adds findings that come after these.
    pub(crate) fn append(&mut self, later: Self) {
        if later.is_empty() {
            return;
        }
        self.total += later.total;
        self.counts.iter_mut().zip(later.counts).for_each(|(a, b)| *a += b);
        for (class, tallied) in later.classes {
            self.classes.entry(class).or_default().append(tallied);
        }
        for (kept, more) in self.kept.iter_mut().zip(later.kept) {
            let room = self.max.saturating_sub(kept.len());
            let mut more = more.into_iter();
            kept.extend(more.by_ref().take(room));
            if let Some((spill, _)) = &mut self.spill {
                more.for_each(|finding| spill.take(&finding));
            }
        }
    }

    /// Returns how many findings of that code there are.
    pub(crate) fn count(&self, code: Code) -> u64 {
        self.counts[code as usize]
    }

    /// Returns how many findings there are, by code; codes without one are left out.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (Code, u64)> + '_ {
        Code::ALL.iter().map(|code| (*code, self.count(*code))).filter(|(_, n)| *n > 0)
    }

    /// Returns whether there is a finding of at least that severity.
    pub(crate) fn any(&self, least: Severity) -> bool {
        self.counts().any(|(code, _)| code.severity() >= least)
    }

    #[cfg(test)]
    pub(crate) fn into_kept(self) -> Vec<Finding> {
        self.into_parts().0
    }

    /// Returns the findings that were kept, in file order: errors first choice, then warnings, then notes. And those that
    /// are not held in memory.
    pub(crate) fn into_parts(self) -> (Vec<Finding>, More) {
        let [notes, warnings, errors] = self.kept;
        let mut rest = errors.into_iter().chain(warnings).chain(notes);
        let mut all: Vec<_> = rest.by_ref().take(self.max).collect();
        all.sort_by_key(|finding| finding.start);
        let more = self.spill.map(|(mut spill, most)| {
            rest.for_each(|finding| spill.take(&finding));
            spill.finish(all.len(), most, None)
        });
        (all, more.unwrap_or_default())
    }
}
