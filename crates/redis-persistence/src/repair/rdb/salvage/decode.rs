//! Reads the unit that begins at a place, if there is one.

mod head;

use std::io;
use std::mem;
use std::ops::Range;

use super::candidate::{Candidate, CandidateKind, Key};
use super::evidence::Draft;
use super::holes::Holes;
use super::names::Names;
use super::source_window::{BLOCK, SourceWindow};
use crate::base::limits::Limits;
use crate::functions::shebang;
use crate::rdb::{Body, Event, Family, Header, Parser, Payload, Record, Role, Step, opcode, string_at};
use crate::report::Code;
use crate::verify::RecordChecker;
use crate::verify::confirm::Texts;
use crate::verify::duplicates::{Digests, Table};

/// How much is known of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// The unit before ends there.
    Known,
    /// A unit ends there that was tried, or follows such ones.
    Reached,
    /// It is one of many that are tried.
    Tried,
    /// The same, whatever the name of a key is.
    Any,
}

impl Start {
    /// Returns whether nothing says that a unit begins there.
    pub(super) fn is_a_guess(self) -> bool {
        matches!(self, Self::Tried | Self::Any)
    }
}

/// With less than this for its name, nothing is tried as a key.
pub(super) const LEAST_NAME_BITS: i32 = -8;
/// What is held of a packed value whose place is merely tried, in bytes.
const MOST_TRIED: usize = 16 << 20;
/// The work that may be done in vain is counted in steps: one for each event, and for this many bytes of it.
const BYTES_PER_STEP: u64 = 16;
/// This many steps may be done in any case, for each byte of the file, and for each that a search passes.
const VAIN_AT_LEAST: u64 = 4 << 20;
const VAIN_OF_FILE: u64 = 1;
const ASIDE_AT_LEAST: u64 = 16 << 20;
const VAIN_PER_BYTE: u64 = 4;
/// Bytes that may be read once more in any case, and for each byte of the file: where a look ahead reads them, a second search, or a
/// search of a value that lies in another one; and where a unit was expected and is none.
const AGAIN_AT_LEAST: u64 = 1 << 20;
const AGAIN_OF_FILE: u64 = 4;

/// Names that are longer, and the code of libraries that is longer, are not looked at as a whole.
pub(super) const LONGEST_TEXT: usize = 64 << 10;
const LONGEST_CODE: usize = 16 << 20;
/// Keeps the hashes of long names apart from those of others.
const LONG: u64 = 1;
/// What is shown of the name of a key that is lost.
const SHOWN_NAME: usize = 1024;

/// Reads units of one file.
#[derive(Debug)]
pub(super) struct Decoder<'a> {
    pub(super) input: SourceWindow<'a>,
    pub(super) names: Names,
    /// What of the file is made of zeros, where that was looked for.
    pub(super) holes: Holes,
    parser: Parser,
    checker: RecordChecker,
    /// The same two, which know the templates only that are kept.
    kept: (Parser, RecordChecker),
    header: Header,
    packed_bytes: usize,
    /// The newest version that anything needs which was certainly read.
    version: u32,
    /// The steps that may still be done in vain.
    left: u64,
    /// The same where what is skipped is looked through once more, so that this takes nothing away from the search.
    left_aside: u64,
    /// The bytes that may still be read once more.
    again: u64,
    /// Where one of these was used up, or what a search may hold: what is behind may be overlooked.
    spent_from: Option<u64>,
    /// No unit is read that reaches further.
    until: u64,
    /// Up to here, a unit was found where one was looked for.
    covered: u64,
    /// The names of all keys before this place were learnt, as far as they are; and those that a look ahead learnt.
    learnt_to: u64,
    ahead: Range<u64>,
}

impl<'a> Decoder<'a> {
    pub(super) fn new(input: SourceWindow<'a>, header: Header, limits: &Limits) -> Self {
        Self {
            left: VAIN_AT_LEAST + VAIN_OF_FILE * input.size(),
            left_aside: ASIDE_AT_LEAST + VAIN_OF_FILE * input.size(),
            again: AGAIN_AT_LEAST + AGAIN_OF_FILE * input.size(),
            spent_from: None,
            until: u64::MAX,
            covered: 0,
            learnt_to: 0,
            ahead: 0..0,
            input,
            names: Names::new(),
            holes: Holes::default(),
            parser: Parser::at_record(limits.clone(), header, 0),
            checker: RecordChecker::new(limits),
            kept: (Parser::at_record(limits.clone(), header, 0), RecordChecker::new(limits)),
            header,
            packed_bytes: limits.packed_bytes,
            version: header.version,
        }
    }

    pub(super) fn family(&self) -> Family {
        self.header.family
    }

    /// A search passes another byte.
    pub(super) fn pass(&mut self) {
        self.left += VAIN_PER_BYTE;
    }

    /// So many bytes are read once more; returns whether they may be.
    pub(super) fn reads_again(&mut self, bytes: u64) -> bool {
        let may = bytes == 0 || self.again > 0;
        self.again = self.again.saturating_sub(bytes);
        if !may {
            self.spend(self.parser.offset());
        }
        may
    }

    /// Something was used up at a place, so that a search had to leave out what it does else.
    pub(super) fn spend(&mut self, at: u64) {
        self.spent_from = Some(self.spent_from.map_or(at, |from| from.min(at)));
    }

    /// Returns the first place where that was so.
    pub(super) fn spent_from(&self) -> Option<u64> {
        self.spent_from
    }

    /// Reads the unit that begins at `at`. `None` if there is none, or if too much was read in vain to find that out.
    ///
    /// What was read counts as vain unless it led to a unit that reaches further than all before it. Where one is known to begin, it
    /// is read whatever that takes, as long as few of them were none.
    pub(super) fn unit(&mut self, at: u64, start: Start) -> io::Result<Option<Candidate>> {
        self.parser.resume_at(at);
        self.checker.begin();
        let read = self.input.read;
        if start == Start::Known && self.again > 0 {
            let mut any = u64::MAX;
            let unit = self.events(at, start, &mut any)?;
            if !unit.as_ref().is_some_and(Candidate::is_credible) {
                let passed = unit.map_or(self.parser.offset(), |unit| unit.end).saturating_sub(at);
                self.reads_again(passed.max(self.input.read - read));
            }
            return Ok(unit);
        }
        let mut left = self.left;
        let unit = self.events(at, start, &mut left)?;
        let steps = self.left - left + (self.input.read - read) / BYTES_PER_STEP;
        let mut worth = 0;
        if let Some(unit) = &unit {
            worth = VAIN_PER_BYTE * unit.end.saturating_sub(self.covered.max(at));
            self.covered = self.covered.max(unit.end);
        }
        self.left = self.left.saturating_sub(steps.saturating_sub(worth));
        Ok(unit)
    }

    /// Reads events up to the end of the unit, for at most so many steps.
    fn events(&mut self, at: u64, start: Start, left: &mut u64) -> io::Result<Option<Candidate>> {
        let size = self.input.size();
        let most = if start == Start::Known { self.packed_bytes } else { self.packed_bytes.min(MOST_TRIED) };
        let mut draft = Draft::new();
        loop {
            let pos = self.parser.offset();
            // Reading at another place of the file costs as much as a block of it.
            if *left == 0 || *left < BLOCK as u64 / BYTES_PER_STEP && !self.input.holds(pos) {
                self.spend(at);
                return Ok(None);
            }
            let affordable = usize::try_from(left.saturating_mul(BYTES_PER_STEP)).unwrap_or(usize::MAX);
            let most =
                most.saturating_add(64).min(usize::try_from(self.until.saturating_sub(pos)).unwrap_or(usize::MAX));
            let event = match next(&mut self.parser, &mut self.input, most.min(affordable))? {
                Ok(event) => event,
                Err(wanted) => {
                    if wanted > affordable && wanted <= most {
                        self.spend(at);
                    }
                    return Ok(None);
                }
            };
            *left = left.saturating_sub(1 + (event.end - pos) / BYTES_PER_STEP);
            self.checker.event(&event);
            if event.end > self.until
                || !draft.take(&event, &self.names, start, size)
                || !draft.fits(&event, &self.header, self.version)
            {
                return Ok(None);
            }
            let mut ends = event.ends_record;
            if let Some(left) = self.parser.long_left() {
                if left > size.min(self.until).saturating_sub(self.parser.offset()) {
                    return Ok(None);
                }
                if is_announced_raw(&event.payload) {
                    ends = self.parser.pass_over_long();
                }
            }
            if let Some(CandidateKind::End) = draft.what {
                // What follows is looked at as a whole: it may be cut.
                return Ok(Some(draft.end(at, event.end, size, self.header.version)));
            }
            if ends {
                let flaws = self.checker.end();
                return Ok(draft.key(at, self.parser.offset(), &flaws, start));
            }
            if draft.what.is_some() && !draft.pending && self.parser.is_between_records() {
                let flaws = self.checker.end();
                let end = self.parser.offset();
                let bare = matches!(draft.what, Some(CandidateKind::SelectDb(_))) && self.lacks_resize(end)?;
                return Ok(draft.opcode(at, end, &flaws, (start, bare)));
            }
            if start.is_a_guess() && self.checker.is_damaged() {
                return Ok(None);
            }
        }
    }

    /// Returns a unit as it is among those that are kept. A hash may refer to a template that was read, and then not
    /// believed in, or not the first one of its number.
    pub(super) fn among_kept(&mut self, unit: Candidate) -> io::Result<Candidate> {
        let again = match &unit.what {
            CandidateKind::Template(id) if self.kept.0.knows_template(*id) => None,
            CandidateKind::Template(_) => self.kept_unit(unit.start)?,
            CandidateKind::Key(key) if key.refers_to_template() => self.kept_unit(unit.start)?,
            _ => return Ok(unit),
        };
        if let Some(again) = again.filter(|again| again.end == unit.end) {
            return Ok(again);
        }
        let what = match unit.what {
            CandidateKind::Key(key) => CandidateKind::Broken { key, why: Code::TemplateUnknown },
            _ => CandidateKind::Unsound,
        };
        Ok(Candidate { what, ..unit })
    }

    /// Returns the unit that begins at `at`, where one was read before, with the templates that are kept.
    pub(super) fn kept_unit(&mut self, at: u64) -> io::Result<Option<Candidate>> {
        self.swap_kept();
        self.parser.resume_at(at);
        self.checker.begin();
        let mut any = u64::MAX;
        let unit = self.events(at, Start::Known, &mut any);
        self.swap_kept();
        unit
    }

    fn swap_kept(&mut self) {
        mem::swap(&mut self.parser, &mut self.kept.0);
        mem::swap(&mut self.checker, &mut self.kept.1);
    }

    /// Returns whether there is no RESIZEDB where the servers of the file's version write one.
    fn lacks_resize(&mut self, at: u64) -> io::Result<bool> {
        let is_written = self.header.version >= opcode::min_version(opcode::RESIZEDB, self.header.family);
        Ok(is_written && self.input.bytes(at, 1)?.first() != Some(&opcode::RESIZEDB))
    }

    /// Takes note of how keys are named, and of which types there are: of a unit that the walk passes.
    pub(super) fn learn(&mut self, unit: &Candidate) -> io::Result<()> {
        self.learn_types(unit);
        if unit.start >= self.learnt_to {
            self.learnt_to = unit.end;
            if !self.ahead.contains(&unit.start) {
                self.learn_name(unit)?;
            }
        }
        Ok(())
    }

    /// The same of a unit that the walk has not come to. One look ahead begins at `from`.
    pub(super) fn learn_ahead(&mut self, from: u64, unit: &Candidate) -> io::Result<()> {
        self.learn_types(unit);
        if unit.start < self.learnt_ahead() {
            return Ok(());
        }
        if self.ahead.start != from {
            // The walk has come to what the last one learnt.
            if self.learnt_to >= self.ahead.start {
                self.learnt_to = self.learnt_to.max(self.ahead.end);
            }
            self.ahead.start = from;
        }
        self.ahead.end = unit.end;
        self.learn_name(unit)
    }

    fn learn_types(&mut self, unit: &Candidate) {
        match &unit.what {
            CandidateKind::Key(key) => {
                self.version = self.version.max(key.min_version(self.header.family));
                key.module.into_iter().for_each(|id| self.names.learn_module(id));
            }
            CandidateKind::ModuleAux { module, .. } => self.names.learn_module(*module),
            _ => {}
        }
    }

    fn learn_name(&mut self, unit: &Candidate) -> io::Result<()> {
        if let Some(name) = self.name_of(unit)? {
            self.names.learn(&name, unit.head);
        }
        Ok(())
    }

    /// Returns behind which place no name was learnt.
    pub(super) fn learnt_ahead(&self) -> u64 {
        self.learnt_to.max(self.ahead.end)
    }

    /// What is skipped is looked through: units are read that end there or before; or any again.
    pub(super) fn read_until(&mut self, end: Option<u64>) {
        if end.is_some() != (self.until < u64::MAX) {
            mem::swap(&mut self.left, &mut self.left_aside);
        }
        self.until = end.unwrap_or(u64::MAX);
    }

    /// A search over the bytes from `from` on is done once more.
    pub(super) fn look_again(&mut self, from: u64) {
        self.covered = self.covered.min(from);
    }

    /// Returns the name of a key, unless it is longer than any that is held whole.
    pub(super) fn name_of(&mut self, unit: &Candidate) -> io::Result<Option<Vec<u8>>> {
        let CandidateKind::Key(key) = &unit.what else { return Ok(None) };
        self.text_at(key.type_at + 1, LONGEST_TEXT)
    }

    /// Returns the hash of the name of a key, if it can be read. One that is too long to be held is as good as its digest.
    pub(super) fn hash_of_name(&mut self, key: &Key, table: &Table, digests: &Digests) -> io::Result<Option<u64>> {
        Ok(match self.text_at(key.type_at + 1, LONGEST_TEXT)? {
            Some(name) => Some(table.hashes(&name, 0).0),
            None => self.digest_of_name(key, digests).map(|name| table.hashes(&name.to_le_bytes(), LONG).0),
        })
    }

    /// Returns what stands for the name of a key, however long it is, if it can be read.
    pub(super) fn digest_of_name(&mut self, key: &Key, digests: &Digests) -> Option<u128> {
        Texts::new(&mut self.input, digests).digest(key.type_at + 1)
    }

    /// Returns what is shown of the name of a key that is not saved whole: its first bytes.
    pub(super) fn shown_name(&mut self, key: &Key) -> io::Result<Vec<u8>> {
        let mut name = self.text_at(key.type_at + 1, LONGEST_TEXT)?.unwrap_or_default();
        name.truncate(SHOWN_NAME);
        name.shrink_to_fit();
        Ok(name)
    }

    /// Returns the name of a key and where its value begins, if the name is no longer than `most`, as stored.
    pub(super) fn name_and_value(&mut self, key: &Key, most: usize) -> io::Result<Option<(Vec<u8>, u64)>> {
        self.string_at(key.type_at + 1, most)
    }

    /// Returns name and source of the function library whose record begins at `at`, if servers can be expected to load it.
    pub(super) fn library(&mut self, at: u64) -> io::Result<Option<(Vec<u8>, Vec<u8>)>> {
        // What release candidates wrote is refused.
        if self.input.bytes(at, 1)?.first() != Some(&opcode::FUNCTION2) {
            return Ok(None);
        }
        let Some(code) = self.text_at(at + 1, LONGEST_CODE)? else { return Ok(None) };
        let is_text =
            std::str::from_utf8(&code).is_ok_and(|text| !text.chars().any(|c| c.is_control() && !c.is_whitespace()));
        let name = shebang(&code).ok().filter(|_| is_text).map(|shebang| shebang.name.to_ascii_lowercase());
        Ok(name.map(|name| (name, code)))
    }

    /// Returns the text of the string that begins at `at`, if it is no longer than `most`, as stored.
    pub(super) fn text_at(&mut self, at: u64, most: usize) -> io::Result<Option<Vec<u8>>> {
        Ok(self.string_at(at, most)?.map(|(text, _)| text))
    }

    /// Returns the same, and where the string ends.
    pub(super) fn string_at(&mut self, at: u64, most: usize) -> io::Result<Option<(Vec<u8>, u64)>> {
        let mut least = 64;
        loop {
            let bytes = self.input.bytes(at, least)?;
            match string_at(bytes, at) {
                Ok(string) => return Ok(string.decode().ok().map(|text| (text.into_owned(), string.end))),
                Err(wanted) if wanted > bytes.len() && wanted <= most && bytes.len() >= least => least = wanted,
                Err(_) => return Ok(None),
            }
        }
    }
}

/// Returns the next event, if no more than `most` bytes are wanted for it and the file has them; or else how many are wanted, and 0 if there
/// is none.
fn next<'e>(
    parser: &mut Parser,
    input: &'e mut SourceWindow<'_>,
    most: usize,
) -> io::Result<Result<Event<&'e [u8]>, usize>> {
    let pos = parser.offset();
    let left = input.size().saturating_sub(pos);
    let mut least = 1;
    let event = loop {
        let bytes = input.bytes(pos, least)?;
        match parser.step(bytes, bytes.len() as u64 >= left) {
            Ok(Step::Need(n)) if n <= most && n as u64 <= left => least = n,
            Ok(Step::Need(n)) if n as u64 <= left => return Ok(Err(n)),
            Ok(Step::Event { event, .. }) => break event,
            _ => return Ok(Err(0)),
        }
    };
    let bytes = input.bytes(pos, least)?;
    Ok(Ok(event.map(&mut |span| span.of(bytes))))
}

/// Returns whether a long string was announced whose bytes tell nothing.
fn is_announced_raw(payload: &Payload<&[u8]>) -> bool {
    let raw = |body: &Body<&[u8]>| matches!(body, Body::Long { decoded: None, .. });
    match payload {
        Payload::Str { role, string } => raw(&string.body) && !hashed(*role),
        Payload::Record(Record { key, value, .. }) => {
            raw(&key.body) || value.as_ref().is_some_and(|value| raw(&value.body))
        }
        Payload::Aux { name, value } => raw(&name.body) || value.as_ref().is_some_and(|value| raw(&value.body)),
        _ => false,
    }
}

/// Returns whether strings of that role are compared with each other.
fn hashed(role: Role) -> bool {
    matches!(role, Role::Item | Role::Member | Role::Field | Role::Group | Role::Consumer)
}
