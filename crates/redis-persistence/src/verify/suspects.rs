//! Confirming that things of equal hash are equal, by reading both again.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::codes::Code;
use super::facts::{Class, Detail};
use super::sink::{Findings, Place, Subject};
use super::source::Source;
use crate::rdb::{Family, ValueType, string_at};

/// Two things of equal hash.
#[derive(Debug, Clone)]
pub(crate) struct Suspect {
    pub(crate) what: Code,
    /// Where the first one's string begins.
    pub(crate) first: u64,
    /// Where the later one's string begins.
    pub(crate) later: u64,
    pub(crate) subject: Subject,
}

/// So many suspects are read again. A hostile file has any number; the rest is reported by hash alone.
pub(super) const MOST: usize = 10_000;

/// The suspects of a file: those that come first in it, whatever the order in which they are found.
#[derive(Debug)]
pub(crate) struct Suspects {
    waiting: Vec<Suspect>,
    /// More than will be read again and more than will be kept as findings.
    most: usize,
    /// The rest, by their class.
    dropped: BTreeMap<Class, u64>,
}

impl Suspects {
    /// For a report of at most so many findings.
    pub(crate) fn new(max_findings: usize) -> Self {
        Self { waiting: Vec::new(), most: MOST.saturating_add(max_findings), dropped: BTreeMap::new() }
    }

    /// Two things of equal hash, the later one at hand.
    pub(crate) fn add(&mut self, what: Code, first: u64, later: u64, subject: &Subject) {
        self.waiting.push(Suspect { what, first, later, subject: subject.clone() });
        self.shed(self.most / 4);
    }

    /// Those of another part of the file.
    pub(crate) fn append(&mut self, mut others: Self) {
        self.waiting.append(&mut others.waiting);
        for (class, n) in others.dropped {
            *self.dropped.entry(class).or_default() += n;
        }
        self.shed(self.most / 4);
    }

    /// Drops the last ones, if there are too many by more than `spare`.
    fn shed(&mut self, spare: usize) {
        if self.waiting.len() <= self.most.saturating_add(spare) {
            return;
        }
        self.waiting.sort_by_key(|suspect| (suspect.later, suspect.first));
        for suspect in self.waiting.drain(self.most..) {
            *self.dropped.entry(suspect.subject.class(suspect.what, Detail::Usual)).or_default() += 1;
        }
    }

    /// Takes those that were not dropped, in the order of their places, and how many of which class were dropped.
    pub(crate) fn take(&mut self) -> (Vec<Suspect>, BTreeMap<Class, u64>) {
        self.shed(0);
        self.waiting.sort_by_key(|suspect| (suspect.later, suspect.first));
        (std::mem::take(&mut self.waiting), std::mem::take(&mut self.dropped))
    }
}

/// Strings longer than this, as stored, are not read again: their hashes must do.
const LONGEST: usize = 1 << 20;

/// Reports those of the suspects that are duplicates, in the order of their places; answers whether every one of them
/// was settled by its text and not by its hash. `database` names the database in which a key at an offset lies.
pub(super) fn confirm(
    suspects: &mut Suspects,
    mut source: Option<&mut dyn Source>,
    family: Family,
    database: impl Fn(u64) -> u64,
    findings: &mut Findings,
) -> bool {
    let (suspects, dropped) = suspects.take();
    let mut all = dropped.is_empty();
    for (number, suspect) in suspects.into_iter().enumerate() {
        let Suspect { what, first, later, subject } = suspect;
        findings.subject = subject;
        let texts = source
            .as_deref_mut()
            .filter(|_| number < MOST)
            .and_then(|s| Some((text_at(s, first)?, text_at(s, later)?)));
        let (name, by_hash) = match texts {
            Some((a, b)) if a != b => continue,
            Some((_, text)) => (text, ""),
            None => {
                all = false;
                (Vec::new(), " (by 64-bit hash)")
            }
        };
        if what == Code::RdbDuplicateKey {
            let value_type = source.as_deref_mut().and_then(|s| type_before(s, later, family));
            findings.subject.set_key(
                database(later),
                (!name.is_empty() || by_hash.is_empty()).then_some(&name),
                value_type,
            );
        }
        let shown = name[..name.len().min(200)].escape_ascii().to_string();
        findings.add(what, Place::at(later), || match what {
            Code::RdbDuplicateKey => format!("the key stands at byte {first} already{by_hash}: servers abort"),
            _ => format!("{} \"{shown}\" stands at byte {first} already{by_hash}", noun(what)),
        });
    }
    findings.subject.clear();
    for (class, n) in dropped {
        findings.add_unkept(class, n);
    }
    all
}

/// What the strings are that a code of duplicates is about.
fn noun(what: Code) -> &'static str {
    match what {
        Code::HashDuplicateField => "field",
        Code::StreamDuplicateGroup => "consumer group",
        Code::StreamDuplicateConsumer => "consumer",
        Code::StreamIdmpInvalid => "idempotent producer or id",
        _ => "member",
    }
}

/// The value type of the key whose name begins at `offset`: its byte stands before it.
fn type_before(source: &mut dyn Source, offset: u64, family: Family) -> Option<ValueType> {
    let mut byte = [0];
    (source.read_at(offset.checked_sub(1)?, &mut byte).ok()? == 1).then(|| ValueType::from_byte(byte[0], family))?
}

/// The text of the string that begins at `offset`.
fn text_at(source: &mut dyn Source, offset: u64) -> Option<Vec<u8>> {
    let mut buffer = vec![0; 256];
    loop {
        let n = source.read_at(offset, &mut buffer).ok()?;
        match string_at(&buffer[..n], offset) {
            Ok(string) => return string.decode().ok().map(Cow::into_owned),
            Err(wanted) if n == buffer.len() && wanted > n && wanted <= LONGEST => buffer.resize(wanted, 0),
            Err(_) => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_in_the_file_are_kept_in_any_order() {
        let all = 3 * MOST as u64;
        let places = |suspects: &mut Suspects| {
            let (kept, dropped) = suspects.take();
            (
                kept.into_iter().map(|suspect| suspect.later).collect::<Vec<_>>(),
                dropped.into_values().collect::<Vec<_>>(),
            )
        };
        let add = |suspects: &mut Suspects, later| {
            suspects.add(Code::SetDuplicateMember, 0, later, &Subject::default());
        };
        let (mut there, mut back, mut parts) = (Suspects::new(50), Suspects::new(50), Suspects::new(50));
        (0..all).for_each(|later| add(&mut there, later));
        (0..all).rev().for_each(|later| add(&mut back, later));
        for part in 0..7 {
            let mut suspects = Suspects::new(50);
            (0..all).filter(|later| later % 7 == part).for_each(|later| add(&mut suspects, later));
            parts.append(suspects);
        }
        let first = places(&mut there);
        assert_eq!(first.0, (0..MOST as u64 + 50).collect::<Vec<_>>());
        assert_eq!(first.1, [all - MOST as u64 - 50]);
        assert_eq!(places(&mut back), first);
        assert_eq!(places(&mut parts), first);
    }
}
