//! Confirming that things of equal hash are equal, by reading them again.

use std::hash::Hash;
use std::sync::Arc;

use super::duplicates::{Digests, repeated};
use crate::base::limits::Limits;
use crate::base::source::Source;
use crate::lzf::Inflater;
use crate::rdb::packed::IntText;
use crate::rdb::{Body, Family, ValueType, string_head_at};
use crate::report::codes::Code;
use crate::report::collector::{Collector, Location, Subject};
use crate::report::finding::Finding;

/// Two things of equal hash.
#[derive(Debug, Clone)]
pub(crate) struct Suspect {
    pub(crate) what: Code,
    /// Where the string of the first one of that hash begins.
    pub(crate) first: u64,
    /// Where the later one's string begins.
    pub(crate) later: u64,
    pub(crate) subject: Arc<Subject>,
}

/// What suspects may take of the memory for duplicates, those included that are about to be dropped; and how many are kept in any
/// case.
const SHARE: usize = 32;
const LEAST: usize = 10_000;

/// The suspects of a file: those that come first in it, whatever the order in which they are found.
#[derive(Debug)]
pub(crate) struct Suspects {
    waiting: Vec<Suspect>,
    most: usize,
    /// How many were dropped.
    dropped: u64,
}

impl Suspects {
    /// Within the memory for duplicates.
    pub(crate) fn new(limits: &Limits) -> Self {
        let most = (limits.duplicate_bytes / SHARE / size_of::<Suspect>() / 5 * 4).max(LEAST);
        Self { waiting: Vec::new(), most, dropped: 0 }
    }

    /// Things of one hash, in ascending order of their places.
    pub(crate) fn add(&mut self, what: Code, places: &[u64], subject: &Arc<Subject>) {
        let Some((&first, later)) = places.split_first() else { return };
        for &later in later {
            self.waiting.push(Suspect { what, first, later, subject: Arc::clone(subject) });
            self.shed(self.most / 4);
        }
    }

    /// Those of another part of the file.
    pub(crate) fn append(&mut self, mut others: Self) {
        self.dropped += others.dropped;
        self.waiting.append(&mut others.waiting);
        self.shed(self.most / 4);
    }

    /// Drops the last ones, if there are too many by more than `spare`.
    fn shed(&mut self, spare: usize) {
        if self.waiting.len() <= self.most.saturating_add(spare) {
            return;
        }
        self.waiting.select_nth_unstable_by_key(self.most, |suspect| (suspect.later, suspect.first));
        self.dropped += (self.waiting.len() - self.most) as u64;
        self.waiting.truncate(self.most);
    }

    /// Takes those that were not dropped, those of one hash together in the order of their places, and how many were dropped.
    pub(crate) fn take(&mut self) -> (Vec<Suspect>, u64) {
        self.shed(0);
        self.waiting.sort_unstable_by_key(|suspect| (suspect.what as usize, suspect.first, suspect.later));
        (std::mem::take(&mut self.waiting), std::mem::take(&mut self.dropped))
    }
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Confirmed {
    /// Whether every one of them was settled by its text, and not by its hashes.
    pub(super) by_text: bool,
    /// How many were not compared, though they have the hash of something else.
    pub(super) left_out: u64,
}

/// Reports those of the suspects that are duplicates, in the order of their places. Without a source, they are those of which two
/// hashes agree. `database` names the database in which a key at an offset lies.
pub(super) fn confirm(
    suspects: &mut Suspects,
    source: Option<&mut dyn Source>,
    family: Family,
    database: impl Fn(u64) -> u64,
    findings: &mut Collector,
) -> Confirmed {
    let (mut waiting, mut left_out) = suspects.take();
    let digests = Digests::new();
    let mut texts = source.map(|source| Texts::new(source, &digests));
    if let Some(texts) = &mut texts {
        left_out += keep_equal(&mut waiting, |place| texts.digest(place));
    }
    let confirmed = Confirmed { by_text: texts.is_some() || waiting.is_empty() && left_out == 0, left_out };
    waiting.sort_unstable_by_key(|suspect| (suspect.later, suspect.first, suspect.what as usize));
    for Suspect { what, first, later, subject } in waiting {
        findings.subject = (*subject).clone();
        let name = texts.as_mut().map(|texts| texts.start_of(later));
        if what == Code::RdbDuplicateKey {
            let value_type = texts.as_mut().and_then(|texts| type_before(texts.source, later, family));
            findings.subject.set_key(database(later), name.as_deref(), value_type);
        }
        let by_hash = if name.is_some() { "" } else { " (by two hashes)" };
        findings.add(what, Location::at(later), || match what {
            Code::RdbDuplicateKey => format!("the key stands at byte {first} already{by_hash}: servers abort"),
            _ => {
                let name = name.unwrap_or_default();
                let shown = name[..name.len().min(200)].escape_ascii();
                format!("{} \"{shown}\" stands at byte {first} already{by_hash}", noun(what))
            }
        });
    }
    findings.subject.clear();
    confirmed
}

/// Keeps those whose text stands at an earlier place of the same hash, and names that place in them. They are moved to the front
/// and not copied: there may be as many as the memory for them holds. Returns how many were not compared.
fn keep_equal<T: Eq + Hash>(waiting: &mut Vec<Suspect>, mut text: impl FnMut(u64) -> Option<T>) -> u64 {
    let (mut kept, mut begin, mut left_out) = (0, 0, 0);
    let mut equal: Vec<(u64, u64)> = Vec::new();
    while let Some(Suspect { what, first, .. }) = waiting.get(begin) {
        let (what, first) = (*what, *first);
        let len = waiting[begin..].iter().take_while(|one| one.what == what && one.first == first).count();
        let places = waiting[begin..begin + len].iter().map(|suspect| suspect.later);
        left_out +=
            repeated(std::iter::once(first).chain(places), &mut text, |first, later| equal.push((first, later)));
        let mut at = begin;
        // They come in order.
        for (first, later) in equal.drain(..) {
            at += waiting[at..begin + len].iter().take_while(|suspect| suspect.later < later).count();
            waiting.swap(kept, at);
            waiting[kept].first = first;
            kept += 1;
            at += 1;
        }
        begin += len;
    }
    waiting.truncate(kept);
    left_out
}

/// Returns what the strings are that a code of duplicates is about.
fn noun(what: Code) -> &'static str {
    match what {
        Code::HashDuplicateField => "field",
        Code::StreamDuplicateGroup => "consumer group",
        Code::StreamDuplicateConsumer => "consumer",
        Code::VectorsetDuplicate => "element",
        Code::StreamIdmpInvalid => "idempotent producer or id",
        _ => "member",
    }
}

/// The value type of the key whose name begins at `offset`: its byte stands before it.
fn type_before(source: &mut dyn Source, offset: u64, family: Family) -> Option<ValueType> {
    let mut byte = [0];
    (source.read_at(offset.checked_sub(1)?, &mut byte).ok()? == 1).then(|| ValueType::from_byte(byte[0], family))?
}

/// Reads strings of a source.
pub(crate) struct Texts<'s> {
    source: &'s mut dyn Source,
    digests: &'s Digests,
    /// What was read last.
    buffer: Vec<u8>,
}

/// So much is read of a string at once, and at first.
const PIECE: usize = 64 << 10;
const FIRST: usize = 512;

impl<'s> Texts<'s> {
    pub(crate) fn new(source: &'s mut dyn Source, digests: &'s Digests) -> Self {
        Self { source, digests, buffer: Vec::new() }
    }

    /// Returns what stands for the text of the string that begins at `offset`, if it can be read.
    pub(crate) fn digest(&mut self, offset: u64) -> Option<u128> {
        let mut digest = self.digests.begin();
        self.text(offset, u64::MAX, &mut |piece| digest.update(piece))?;
        Some(digest.finish())
    }

    /// Returns the first bytes of that text.
    fn start_of(&mut self, offset: u64) -> Vec<u8> {
        let mut start = Vec::new();
        let most = Finding::LONGEST_KEY;
        // What could be read once can be read again; if not, as much as can be is shown.
        let _ = self.text(offset, most as u64, &mut |piece| {
            start.extend_from_slice(&piece[..piece.len().min(most - start.len())]);
        });
        start
    }

    /// Hands out the text of the string that begins at `offset`, or so much of it that at least `most` bytes come of it.
    fn text(&mut self, offset: u64, most: u64, on: &mut dyn FnMut(&[u8])) -> Option<()> {
        let Self { source, buffer, .. } = self;
        buffer.resize(FIRST, 0);
        let len = source.read_at(offset, buffer).ok()?;
        let string = string_head_at(&buffer[..len], offset).ok()?;
        let (stored, decoded) = match string.body {
            Body::Long { stored, decoded } => (stored, decoded),
            Body::Int(value) => {
                on(IntText::new().write(i64::from(value)));
                return Some(());
            }
            Body::Raw(_) | Body::Lzf { .. } => return None,
        };
        let mut inflater = match decoded {
            Some(0) => return Some(()),
            Some(decoded) => Some(Inflater::new(stored, decoded).ok()?),
            None => None,
        };
        let (mut given, end) = (0, string.end.checked_add(stored)?);
        let mut take = |piece: &[u8]| -> Option<bool> {
            match &mut inflater {
                Some(inflater) => inflater.push(piece, &mut |text| (given += text.len() as u64, on(text)).1).ok()?,
                None => (given += piece.len() as u64, on(piece)).1,
            }
            Some(given < most)
        };
        let begun = usize::try_from(string.end - offset).ok()?;
        let here = &buffer[begun..len];
        let here = &here[..usize::try_from(stored).map_or(here.len(), |stored| stored.min(here.len()))];
        let mut at = string.end + here.len() as u64;
        let mut more = take(here)?;
        while more && at < end {
            buffer.resize(usize::try_from(end - at).unwrap_or(PIECE).min(PIECE), 0);
            let len = source.read_at(at, buffer).ok().filter(|len| *len > 0)?;
            more = take(&buffer[..len])?;
            at += len as u64;
        }
        match inflater {
            Some(mut inflater) if more => inflater.finish().ok(),
            _ => Some(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::rdb::{Family as Of, File, Key, Value};

    #[test]
    fn the_first_in_the_file_are_kept_in_any_order() {
        let limits = Limits { duplicate_bytes: 0, ..Limits::default() };
        let all = 3 * LEAST as u64;
        let places = |suspects: &mut Suspects| {
            let (kept, dropped) = suspects.take();
            (kept.into_iter().map(|suspect| suspect.later).collect::<Vec<_>>(), dropped)
        };
        let subject = Arc::new(Subject::default());
        let add = |suspects: &mut Suspects, later| suspects.add(Code::SetDuplicateMember, &[0, later], &subject);
        let (mut there, mut back, mut parts) = (Suspects::new(&limits), Suspects::new(&limits), Suspects::new(&limits));
        (0..all).for_each(|later| add(&mut there, later));
        (0..all).rev().for_each(|later| add(&mut back, later));
        for part in 0..7 {
            let mut suspects = Suspects::new(&limits);
            (0..all).filter(|later| later % 7 == part).for_each(|later| add(&mut suspects, later));
            parts.append(suspects);
        }
        let first = places(&mut there);
        assert_eq!(first, ((0..LEAST as u64).collect::<Vec<_>>(), all - LEAST as u64));
        assert_eq!(places(&mut back), first);
        assert_eq!(places(&mut parts), first);
    }

    #[test]
    fn texts_of_every_form_and_length_are_read_again() {
        for text in [&b""[..], b"12", b"a", &[b'z'; 300], &[b'z'; 70_000], &testkit::rng::Rng::new(1).bytes(2 << 20)] {
            let mut file = File::new(Of::Redis, 11);
            file.keys.push(Key::new(text, Value::String(b"v".to_vec())));
            let bytes = file.encode().bytes;
            let key = crate::rdb::events(&bytes).map_while(Result::ok).find_map(|event| match event.payload {
                crate::rdb::Payload::Record(record) => Some(record.key.start),
                _ => None,
            });
            let (mut source, digests) = (&bytes[..], Digests::new());
            let expected = digests.of(text);
            let mut texts = Texts::new(&mut source, &digests);
            assert_eq!(texts.digest(key.expect("a key")), Some(expected), "{}", text.len());
            assert_eq!(texts.start_of(key.expect("a key")), &text[..text.len().min(Finding::LONGEST_KEY)]);
            // Where the bytes end too early, nothing stands for it.
            if !text.is_empty() {
                let mut cut = &bytes[..usize::try_from(key.expect("a key")).expect("small") + 1];
                let mut texts = Texts::new(&mut cut, &digests);
                assert_eq!(texts.digest(key.expect("a key")), None);
            }
        }
    }
}
