//! Puts a unit together from its events, and weighs what speaks for it.

use super::candidate::{
    Candidate, CandidateKind, Key, OF_DAMAGED, aux_of, bits_inside, bits_of_expiry, bits_of_string, raw_at,
};
use super::decode::{LEAST_NAME_BITS, Start};
use super::names::Names;
use crate::rdb::{Body, Event, Family, Header, ModuleId, Payload, Record, Role, ValueType, opcode};
use crate::verify::Flaws;

/// The evidence of the plain strings and numbers of one value does not grow past this, however many there are.
const MOST_FROM_ELEMENTS: i32 = 32;
/// That of all packed ones is held so that no sum overflows.
const MOST_BITS: i32 = 1 << 24;
/// What something takes away that a server would not have written.
const ODD: i32 = -5;
/// What each thing takes away that is wrong with an opcode: more than any of its numbers give.
const DOUBT: i32 = -20;
/// What it takes away that something is newer than the file: its type or opcode was changed.
const NEWER: i32 = -60;
/// What it takes away, near damage, that nothing confirms the name of a module type.
const UNCONFIRMED: i32 = -60;
/// The id of a module without its name is less.
const NAMED: u64 = 1 << 10;
/// The version that came with hash templates.
const OF_TEMPLATES: u32 = 15;

/// What is put together while the events of a unit come.
#[derive(Debug, Default)]
pub(super) struct Draft {
    /// For the head, for packed values, for their plain elements.
    bits: i32,
    packed: i32,
    elements: i32,
    /// Whether attributes wait for their key.
    pub(super) pending: bool,
    expire_lost: bool,
    expire: Option<i64>,
    last_expire_at: Option<u64>,
    meta: bool,
    idle: Option<u64>,
    freq: Option<u8>,
    module: Option<ModuleId>,
    raw_at: Option<u64>,
    key: Option<(u64, ValueType)>,
    pub(super) what: Option<CandidateKind>,
}

/// What it tells of a name that it is compressed, and comes out as long as it says.
const OF_COMPRESSED: i32 = 16;
const LEAST_OF_COMPRESSED: i32 = -20;
/// What it tells that neither name nor value has a byte.
const OF_NOTHING: i32 = -20;
/// What a valid type or opcode tells: one byte in eight or so is one.
const OF_OPCODE: i32 = 3;

impl Draft {
    pub(super) fn new() -> Self {
        Self { bits: OF_OPCODE, ..Self::default() }
    }

    /// Takes the next event; returns whether it can be one of a unit.
    pub(super) fn take(&mut self, event: &Event<&[u8]>, names: &Names, start: Start, size: u64) -> bool {
        match &event.payload {
            Payload::Record(record) => return self.record(record, names, start),
            Payload::Attributes(attributes) => {
                self.pending = true;
                self.expiry(attributes.expire.map(|expire| expire.ms));
                return true;
            }
            // Metadata reads from nearly any bytes, up to a key that is whole by itself: that one opens a way without them.
            Payload::KeyMeta { .. } if start.is_a_guess() => return false,
            Payload::KeyMeta { .. } => self.pending = true,
            Payload::Aux { name, .. } => {
                let name = name.decode().unwrap_or_default();
                let (keep, known) = aux_of(&name);
                let printable = name.iter().all(|byte| (0x20..0x7f).contains(byte));
                self.bits += match (known, printable) {
                    (true, _) => 44,
                    (false, true) => 10,
                    (false, false) => -20,
                };
                let family = match &*name {
                    b"redis-ver" => Some(Family::Redis),
                    b"valkey-ver" => Some(Family::Valkey),
                    _ => None,
                };
                if !self.pending {
                    self.what = Some(CandidateKind::Aux { keep, family });
                }
            }
            // No writer puts another opcode between a key and its attributes.
            _ if self.pending && self.key.is_none() && is_opcode(&event.payload) => return false,
            Payload::SelectDb { db } => {
                self.bits += if *db < 1024 { 9 } else { -20 };
                self.what = Some(CandidateKind::SelectDb(*db));
            }
            Payload::ResizeDb { keys, expires } => {
                let fits = expires <= keys && *keys <= size / 3;
                self.bits += if fits { 12 } else { -30 };
                self.what = Some(CandidateKind::ResizeDb { keys: *keys });
            }
            Payload::SlotInfo { slot, keys, expires } => {
                self.bits += if *slot < 16384 && expires <= keys && *keys <= size / 3 { 12 } else { -30 };
                self.what = Some(CandidateKind::Slot);
            }
            Payload::Function { .. } => self.what = Some(CandidateKind::Function),
            Payload::Template { .. } if start.is_a_guess() => return false,
            Payload::Template { id, .. } => self.what = Some(CandidateKind::Template(*id)),
            // Servers refuse any other.
            Payload::ModuleAux { when_opcode, .. } if *when_opcode != 2 => return false,
            // No module has that name: its id is made of zeros.
            Payload::ModuleAux { module, .. } | Payload::Module(module) if module.0 < NAMED => return false,
            Payload::ModuleAux { module, .. } | Payload::Module(module)
                if start.is_a_guess() && !names.confirms(*module) =>
            {
                return false;
            }
            Payload::ModuleAux { module, when, .. } => {
                self.bits += 8 + Self::of_module(*module, names, start);
                self.what = Some(CandidateKind::ModuleAux { module: *module, after_keys: *when != 1 });
            }
            Payload::Module(id) => {
                self.module = Some(*id);
                self.bits += Self::of_module(*id, names, start);
            }
            Payload::Str { role, string } => self.raw_at = raw_at(*role, string),
            Payload::SlotImport => self.what = Some(CandidateKind::SlotImport),
            Payload::Eof => self.what = Some(CandidateKind::End),
            _ => {}
        }
        match bits_inside(&event.payload) {
            bits @ 16.. => self.packed = self.packed.saturating_add(bits),
            bits => self.elements = self.elements.saturating_add(bits).min(MOST_FROM_ELEMENTS),
        }
        true
    }

    /// Returns whether a file of that product and version can hold it; newer things speak against themselves. Templates
    /// must not be believed in where there are none: what refers to them cannot be read without.
    pub(super) fn fits(&mut self, event: &Event<&[u8]>, header: &Header, version: u32) -> bool {
        let least = match &event.payload {
            Payload::Record(record) if !record.value_type.belongs_to(header.family) => return false,
            Payload::Record(record) => record.value_type.min_version(),
            Payload::Template { .. } => opcode::min_version(opcode::HASH_TEMPLATE, header.family),
            Payload::KeyMeta { .. } => opcode::min_version(opcode::KEY_META, header.family),
            Payload::SlotInfo { .. } => opcode::min_version(opcode::SLOT_INFO, header.family),
            _ => return true,
        };
        if header.family == Family::Redis && least > version {
            self.bits += NEWER;
        }
        header.family == Family::Valkey || least < OF_TEMPLATES || header.version >= OF_TEMPLATES
    }

    /// Returns what a module type tells that the file has nowhere else.
    fn of_module(id: ModuleId, names: &Names, start: Start) -> i32 {
        // Where it was tried, that was asked before.
        if start != Start::Reached || names.confirms(id) { 0 } else { UNCONFIRMED }
    }

    fn record(&mut self, record: &Record<&[u8]>, names: &Names, start: Start) -> bool {
        let attributes = &record.attributes;
        if !self.pending {
            self.expiry(attributes.expire.map(|expire| expire.ms));
        }
        if attributes.idle.is_some() || attributes.freq.is_some() {
            self.bits += 4;
        }
        (self.meta, self.idle, self.freq) = (attributes.meta, attributes.idle, attributes.freq);
        if attributes.repeated {
            self.last_expire_at = attributes.expire.map(|expire| expire.start);
            self.bits -= 30;
        }
        let name = record.key.decode().unwrap_or_default();
        let of_name = match record.key.body {
            Body::Long { .. } => -12,
            // Numbers are everywhere.
            Body::Int(_) => 2,
            Body::Lzf { .. } => names.bits(&name).max(LEAST_OF_COMPRESSED) + OF_COMPRESSED,
            Body::Raw(_) => names.bits(&name),
        };
        let of_name = match start {
            Start::Tried if of_name < LEAST_NAME_BITS => return false,
            Start::Any if name.is_empty() && value_is_empty(record) => return false,
            Start::Tried | Start::Any => of_name,
            // A hole of zeros is full of them.
            _ if name.is_empty() => of_name + if value_is_empty(record) { OF_NOTHING } else { 0 },
            // Where a key begins is known, or likely: so much tells at most against it that it is called unlike the others.
            Start::Known | Start::Reached => of_name.max(names.least()),
        };
        self.bits += of_name;
        if let Some(value) = &record.value {
            self.elements += bits_of_string(value);
            self.raw_at = raw_at(Role::Value, value);
        }
        self.key = Some((record.type_at, record.value_type));
        true
    }

    fn expiry(&mut self, ms: Option<i64>) {
        let Some(ms) = ms else { return };
        let (bits, possible) = bits_of_expiry(ms);
        self.bits += bits;
        self.expire_lost = !possible;
        self.expire = Some(ms);
    }

    fn weighed(&self, flaws: &Flaws) -> i32 {
        let odd = i32::try_from(flaws.odd).unwrap_or(i32::MAX).min(8);
        self.bits + self.packed.min(MOST_BITS) + self.elements + odd * ODD
    }

    pub(super) fn key(self, start_at: u64, end: u64, flaws: &Flaws, start: Start) -> Option<Candidate> {
        let bits = self.weighed(flaws);
        let (key, head) = self.head()?;
        let what = match flaws.error {
            None if !flaws.empty => CandidateKind::Key(key),
            _ if start.is_a_guess() => return None,
            error => CandidateKind::Broken { key, why: error.unwrap_or(crate::report::Code::CollectionEmpty) },
        };
        // Nothing that is not sound speaks for itself.
        let bits = if matches!(what, CandidateKind::Broken { .. }) { bits.min(0) + OF_DAMAGED } else { bits };
        Some(Candidate { start: start_at, end, bits, head, what })
    }

    /// Returns the key up to its value, and what speaks for it.
    pub(super) fn head(self) -> Option<(Key, i32)> {
        let Self { key, expire, expire_lost, last_expire_at, meta, idle, freq, module, raw_at, bits, .. } = self;
        let (type_at, value_type) = key?;
        Some((Key { type_at, value_type, expire, expire_lost, last_expire_at, meta, idle, freq, module, raw_at }, bits))
    }

    /// `bare`: nothing follows it that servers write behind it.
    pub(super) fn opcode(self, at: u64, end: u64, flaws: &Flaws, (start, bare): (Start, bool)) -> Option<Candidate> {
        if flaws.error.is_some() && start.is_a_guess() {
            return None;
        }
        // The numbers of an opcode are short: all that speaks for them is that they stand in the shortest form.
        let doubts = [flaws.error.is_some(), flaws.odd > 0, bare].into_iter().filter(|doubt| *doubt).count();
        let bits = self.weighed(flaws) + i32::try_from(doubts).unwrap_or(0) * DOUBT;
        let what = match self.what? {
            // Its own check comes when it is kept, and counts what is lost.
            CandidateKind::Function => CandidateKind::Function,
            _ if flaws.error.is_some() => CandidateKind::Unsound,
            what => what,
        };
        // A few small numbers are everywhere: nothing begins with these.
        let head = if matches!(what, CandidateKind::ResizeDb { .. } | CandidateKind::Slot) { 0 } else { bits };
        Some(Candidate { start: at, end, bits, head, what })
    }

    /// The end of the records: whether it is one depends on what follows.
    pub(super) fn end(self, start_at: u64, end: u64, size: u64, version: u32) -> Candidate {
        let rest = size - end;
        let trailer = if version >= 5 { 8 } else { 0 };
        let bits = match rest {
            _ if rest == trailer => 40,
            0..=8 => 8,
            _ => -20,
        };
        Candidate { start: start_at, end: end + rest.min(trailer), bits, head: bits, what: CandidateKind::End }
    }
}

fn value_is_empty(record: &Record<&[u8]>) -> bool {
    record.value.as_ref().is_some_and(|value| matches!(value.body, Body::Raw(bytes) if bytes.is_empty()))
}

fn is_opcode(payload: &Payload<&[u8]>) -> bool {
    matches!(
        payload,
        Payload::SelectDb { .. }
            | Payload::ResizeDb { .. }
            | Payload::SlotInfo { .. }
            | Payload::Function { .. }
            | Payload::Template { .. }
            | Payload::ModuleAux { .. }
            | Payload::SlotImport
            | Payload::Eof
    )
}
