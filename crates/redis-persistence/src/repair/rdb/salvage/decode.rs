//! Reads the unit that begins at a place, if there is one.

use std::io;
use std::mem;

use super::draft::Draft;
use super::input::Input;
use super::names::Names;
use super::unit::{Key, Unit, What};
use crate::limits::Limits;
use crate::rdb::{Body, Family, Header, Parser, Payload, Record, Role, Step, ValueType, opcode, string_at};
use crate::verify::{Code, RecordChecker, shebang};

/// How much is known of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// The unit before ends there.
    Known,
    /// It is one of many that are tried.
    Tried,
}

/// With less than this for its name, nothing is tried as a key.
pub(super) const LEAST_NAME_BITS: i32 = -8;
/// What is held of a packed value whose place is merely tried, in bytes.
const MOST_TRIED: usize = 16 << 20;
/// How many events may be read in vain, for each byte of the file that is tried and for each single try.
const VAIN_PER_BYTE: u64 = 8;
const VAIN_AT_LEAST: u64 = 1 << 20;
const VAIN_PER_TRY: u64 = 256;

/// Names that are longer, and the code of libraries that is longer, are not looked at as a whole.
pub(super) const LONGEST_TEXT: usize = 64 << 10;
const LONGEST_CODE: usize = 16 << 20;
/// What is shown of the name of a key that is lost.
const SHOWN_NAME: usize = 1024;

/// Reads units of one file.
#[derive(Debug)]
pub(super) struct Decoder<'a> {
    pub(super) input: Input<'a>,
    pub(super) names: Names,
    parser: Parser,
    checker: RecordChecker,
    /// The same two, which know the templates only that are kept.
    kept: (Parser, RecordChecker),
    header: Header,
    packed_bytes: usize,
    /// The newest version that anything needs which was certainly read.
    version: u32,
    /// Events that were read for nothing, and bytes that were tried.
    vain: u64,
    tried: u64,
}

impl<'a> Decoder<'a> {
    pub(super) fn new(input: Input<'a>, header: Header, limits: &Limits) -> Self {
        Self {
            input,
            names: Names::new(),
            parser: Parser::at_record(limits.clone(), header, 0),
            checker: RecordChecker::new(limits),
            kept: (Parser::at_record(limits.clone(), header, 0), RecordChecker::new(limits)),
            header,
            packed_bytes: limits.packed_bytes,
            version: header.version,
            vain: 0,
            tried: 0,
        }
    }

    pub(super) fn family(&self) -> Family {
        self.header.family
    }

    /// Whether it is worth trying to read a unit at a place: nearly none is.
    pub(super) fn is_worth_a_try(&mut self, at: u64) -> io::Result<bool> {
        self.tried += 1;
        let bytes = self.input.bytes(at, 16)?;
        let Some((&first, rest)) = bytes.split_first() else { return Ok(false) };
        if first >= opcode::HASH_TEMPLATE {
            return Ok(first != opcode::HASH_TEMPLATE);
        }
        Ok(match (ValueType::from_byte(first, self.header.family), rest) {
            (None | Some(ValueType::Module), _) => false,
            // A key without a name, or one in a form that no name has.
            (_, [0 | 0x82..=0xbf | 0xc4..=0xff, ..]) => false,
            (_, [len @ 1..=0x3f, name @ ..]) => {
                let name = &name[..name.len().min(usize::from(*len))];
                self.names.bits(name) >= LEAST_NAME_BITS
            }
            _ => true,
        })
    }

    /// Whether the byte at `at` can be the last one of a number in a collection, stored as a string or as a score: with the strings
    /// behind it, it looks like a key with its value if that byte is a type.
    pub(super) fn may_be_in_a_number(&mut self, at: u64) -> io::Result<bool> {
        let behind = at.min(4);
        let bytes = self.input.bytes(at - behind, 5)?;
        let Some((byte, before)) = bytes.get(..=usize::try_from(behind).unwrap_or(0)).and_then(<[u8]>::split_last)
        else {
            return Ok(false);
        };
        let back = |n: usize| before.len().checked_sub(n).map(|at| before[at]);
        let in_zeros = *byte == 0 && back(1) == Some(0);
        Ok(in_zeros
            || *byte < opcode::HASH_TEMPLATE
                && (back(1) == Some(0xc0) || back(2) == Some(0xc1) || back(4) == Some(0xc2)))
    }

    /// Reads the unit that begins at `at`. `None` if there is none.
    pub(super) fn unit(&mut self, at: u64, start: Start) -> io::Result<Option<Unit>> {
        self.parser.resume_at(at);
        self.checker.begin();
        let mut allowance = u64::MAX;
        if start == Start::Tried {
            let most = VAIN_AT_LEAST + VAIN_PER_BYTE * self.tried;
            allowance = most.saturating_sub(self.vain).max(VAIN_PER_TRY);
        }
        let mut events = 0;
        let read = self.input.read;
        let unit = self.events(at, start, allowance, &mut events)?;
        if unit.is_none() {
            self.vain += events + (self.input.read - read) / 16;
        }
        Ok(unit)
    }

    /// The key that begins at `at` up to its value, the first bytes of its name, and what speaks for it.
    pub(super) fn head(&mut self, at: u64) -> io::Result<Option<(Key, Vec<u8>, i32)>> {
        self.parser.resume_at(at);
        let mut draft = Draft::new();
        let size = self.input.size();
        let mut least = 1;
        loop {
            let pos = self.parser.offset();
            let bytes = self.input.bytes(pos, least)?;
            let eof = bytes.len() as u64 >= size.saturating_sub(pos);
            let event = match self.parser.step(bytes, eof) {
                Ok(Step::Need(n)) if n <= LONGEST_TEXT && n as u64 <= size.saturating_sub(pos) => {
                    least = n;
                    continue;
                }
                Ok(Step::Event { event, .. }) => event.map(&mut |span| span.of(bytes)),
                _ => return Ok(None),
            };
            least = 1;
            if !draft.take(&event, &self.names, Start::Tried, size) || draft.what.is_some() {
                return Ok(None);
            }
            if matches!(event.payload, Payload::Record(_)) {
                return Ok(draft.head());
            }
        }
    }

    fn events(&mut self, at: u64, start: Start, allowance: u64, events: &mut u64) -> io::Result<Option<Unit>> {
        let size = self.input.size();
        let most = if start == Start::Known { self.packed_bytes } else { self.packed_bytes.min(MOST_TRIED) };
        let mut draft = Draft::new();
        let mut least = 1;
        loop {
            let pos = self.parser.offset();
            let bytes = self.input.bytes(pos, least)?;
            let eof = bytes.len() as u64 >= size.saturating_sub(pos);
            let event = match self.parser.step(bytes, eof) {
                Err(_) => return Ok(None),
                Ok(Step::Need(n)) => {
                    // A blob that does not fit into the file is none.
                    if n as u64 > size.saturating_sub(pos) || n > most.saturating_add(64) {
                        return Ok(None);
                    }
                    least = n;
                    continue;
                }
                Ok(Step::Event { event, .. }) => event.map(&mut |span| span.of(bytes)),
            };
            least = 1;
            *events += 1;
            if *events > allowance {
                return Ok(None);
            }
            self.checker.event(&event);
            if !draft.take(&event, &self.names, start, size) || !draft.fits(&event, &self.header, self.version) {
                return Ok(None);
            }
            let mut ends = event.ends_record;
            if let Some(left) = self.parser.long_left() {
                if left > size.saturating_sub(self.parser.offset()) {
                    return Ok(None);
                }
                if is_announced_raw(&event.payload) {
                    ends = self.parser.pass_over_long();
                }
            }
            if let Some(What::End) = draft.what {
                // What follows is looked at as a whole: it may be cut.
                return Ok(Some(draft.end(at, event.end, size, self.header.version)));
            }
            if ends {
                let flaws = self.checker.end();
                return Ok(draft.key(at, self.parser.offset(), &flaws, start));
            }
            if draft.what.is_some() && !draft.pending && self.parser.is_between_records() {
                let flaws = self.checker.end();
                return Ok(draft.opcode(at, self.parser.offset(), &flaws, start));
            }
        }
    }

    /// A unit as it is among those that are kept. A hash may refer to a template that was read, and then not believed in.
    pub(super) fn among_kept(&mut self, unit: Unit) -> io::Result<Unit> {
        let refers = |key: &Key| matches!(key.value_type, ValueType::HashTmplLpRef | ValueType::HashTmplArrayRef);
        if !matches!(&unit.what, What::Template) && !matches!(&unit.what, What::Key(key) if refers(key)) {
            return Ok(unit);
        }
        self.swap_kept();
        let again = self.unit(unit.start, Start::Known);
        self.swap_kept();
        if let Some(again) = again? {
            return Ok(again);
        }
        let mut name = self.name_of(&unit)?.unwrap_or_default();
        name.truncate(SHOWN_NAME);
        Ok(match unit.what {
            What::Key(key) => Unit { what: What::Broken { key, name, why: Code::TemplateUnknown }, ..unit },
            _ => unit,
        })
    }

    fn swap_kept(&mut self) {
        mem::swap(&mut self.parser, &mut self.kept.0);
        mem::swap(&mut self.checker, &mut self.kept.1);
    }

    /// Takes note of how keys are named, and of which types there are.
    pub(super) fn learn(&mut self, unit: &Unit) -> io::Result<()> {
        if let What::Key(key) = &unit.what {
            self.version = self.version.max(key.min_version(self.header.family));
        }
        if let Some(name) = self.name_of(unit)? {
            self.names.learn(&name, unit.head);
        }
        Ok(())
    }

    /// Whether its name begins as that of another key does.
    pub(super) fn has_known_prefix(&mut self, unit: &Unit) -> io::Result<bool> {
        Ok(self.name_of(unit)?.is_some_and(|name| self.names.knows_prefix_of(&name)))
    }

    /// The name of a key, unless it is longer than any that is held whole.
    pub(super) fn name_of(&mut self, unit: &Unit) -> io::Result<Option<Vec<u8>>> {
        let What::Key(key) = &unit.what else { return Ok(None) };
        self.text_at(key.type_at + 1, LONGEST_TEXT)
    }

    /// The name of a key and where its value begins, if the name is no longer than `most`, as stored.
    pub(super) fn name_and_value(&mut self, key: &Key, most: usize) -> io::Result<Option<(Vec<u8>, u64)>> {
        self.string_at(key.type_at + 1, most)
    }

    /// The name of a function library whose record begins at `at`, if servers can be expected to load it.
    pub(super) fn library(&mut self, at: u64) -> io::Result<Option<Vec<u8>>> {
        let Some(code) = self.text_at(at + 1, LONGEST_CODE)? else { return Ok(None) };
        let is_text =
            std::str::from_utf8(&code).is_ok_and(|text| !text.chars().any(|c| c.is_control() && !c.is_whitespace()));
        Ok(shebang(&code).ok().filter(|_| is_text).map(|shebang| shebang.name.to_ascii_lowercase()))
    }

    /// The text of the string that begins at `at`, if it is no longer than `most`, as stored.
    pub(super) fn text_at(&mut self, at: u64, most: usize) -> io::Result<Option<Vec<u8>>> {
        Ok(self.string_at(at, most)?.map(|(text, _)| text))
    }

    /// The same, and where the string ends.
    fn string_at(&mut self, at: u64, most: usize) -> io::Result<Option<(Vec<u8>, u64)>> {
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

/// Whether a long string was announced whose bytes tell nothing.
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

/// Whether strings of that role are compared with each other.
fn hashed(role: Role) -> bool {
    matches!(role, Role::Item | Role::Member | Role::Field | Role::Group | Role::Consumer)
}
