//! What a file is made of, as a salvage sees it: a key with what stands before it, or an opcode.

use crate::rdb::{Body, Family, Frame, ModuleId, Payload, PlainElement, RdbString, Role, Score, ValueType, opcode};
use crate::report::Code;

/// One thing of the file that is kept or lost as a whole, and how much speaks for it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Candidate {
    /// Its first byte. Of a key that is its first attribute.
    pub(super) start: u64,
    /// One past its last byte.
    pub(super) end: u64,
    /// How much likelier its bytes are if it is one than if they were any bytes, in bits. Below 0 it is suspicious.
    pub(super) bits: i32,
    /// The part of it that speaks for a beginning here: type, attributes, name. A value in the middle of another one can be whole.
    pub(super) head: i32,
    pub(super) what: CandidateKind,
}

/// The kinds of units.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum CandidateKind {
    Key(Key),
    /// A key whose extent is known, and whose content is not sound.
    Broken {
        key: Key,
        why: Code,
    },
    SelectDb(u64),
    ResizeDb {
        keys: u64,
    },
    /// How many keys of a cluster slot follow.
    Slot,
    /// A field about the file; whether it is worth keeping.
    Aux {
        keep: bool,
        /// The name of the writer, where it is that.
        family: Option<Family>,
    },
    Function,
    /// The fields of hashes, and their number.
    Template(u64),
    ModuleAux {
        module: ModuleId,
        after_keys: bool,
    },
    /// Slots being imported: of no use in another file.
    SlotImport,
    /// Something that is no key, and that a verification would not let pass.
    Unsound,
    /// The end of the records, with its checksum.
    End,
}

/// A key that is sound as far as its bytes can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    /// Where its type stands.
    pub(super) type_at: u64,
    pub(super) value_type: ValueType,
    /// When it expires, in milliseconds.
    pub(super) expire: Option<i64>,
    /// Whether its expiry is no time of ours: it is not kept then.
    pub(super) expire_lost: bool,
    /// Where its last expiry stands, if an attribute comes twice. No server writes that, and they differ in which expiry counts: what
    /// stands before the last is not kept.
    pub(super) last_expire_at: Option<u64>,
    /// Whether metadata came with it.
    pub(super) meta: bool,
    /// How long it was idle, in seconds.
    pub(super) idle: Option<u64>,
    /// Its access counter.
    pub(super) freq: Option<u8>,
    /// The module that wrote it.
    pub(super) module: Option<ModuleId>,
    /// Where its last string begins, if that may hold any bytes.
    pub(super) raw_at: Option<u64>,
}

impl Key {
    /// Returns where the bytes begin that are worth keeping, of a key whose first attribute stands at `start`.
    pub(super) fn kept_from(&self, start: u64) -> u64 {
        if self.expire_lost { self.type_at } else { self.last_expire_at.unwrap_or(start) }
    }

    /// Returns whether it cannot be read without a template of the file.
    pub(super) fn refers_to_template(&self) -> bool {
        self.value_type.needs_template()
    }

    /// Returns the first version that has all of it.
    pub(super) fn min_version(&self, family: Family) -> u32 {
        let meta = if self.meta { opcode::min_version(opcode::KEY_META, family) } else { 0 };
        let eviction =
            if self.idle.is_some() || self.freq.is_some() { opcode::min_version(opcode::FREQ, family) } else { 0 };
        self.value_type.min_version().max(meta).max(eviction)
    }
}

impl Candidate {
    /// Returns where the bytes begin that are worth keeping.
    pub(super) fn kept_from(&self) -> u64 {
        match &self.what {
            CandidateKind::Key(key) => key.kept_from(self.start),
            _ => self.start,
        }
    }

    /// Returns whether it is a type, a name and a string, and no more.
    pub(super) fn is_plain_string(&self) -> bool {
        matches!(&self.what, CandidateKind::Key(key) if key.value_type == ValueType::String && key.type_at == self.start)
    }

    /// Returns whether nothing but strings and numbers one after the other make up its value.
    pub(super) fn is_plain(&self) -> bool {
        let CandidateKind::Key(key) = &self.what else { return false };
        match key.value_type.frame() {
            Frame::Text => true,
            Frame::Elements { element, .. } => !matches!(element, PlainElement::TtlPair | PlainElement::PairExpiry),
            Frame::Packed { .. } | Frame::Nodes { .. } | Frame::Mixed => false,
        }
    }

    /// Returns how long its last string is, if that may hold any bytes.
    pub(super) fn raw_len(&self) -> u64 {
        self.key().and_then(|key| key.raw_at).map_or(0, |at| self.end.saturating_sub(at))
    }

    /// Returns the same as one that a hole of zeros reaches into.
    pub(super) fn in_a_hole(self) -> Self {
        match self.what {
            CandidateKind::Key(key) => Self { what: CandidateKind::Broken { key, why: Code::RdbZeroHole }, ..self },
            _ => self,
        }
    }

    /// Returns the same of one that may be made up of zeros: none of its bytes speak for it.
    pub(super) fn unproven(self) -> Self {
        Self { bits: self.bits.min(0) + OF_DAMAGED, ..self.in_a_hole() }
    }

    /// Returns the same of a file that is sound: every expiry is meant.
    pub(super) fn undoubted(mut self) -> Self {
        if let CandidateKind::Key(key) = &mut self.what {
            key.expire_lost = false;
        }
        self
    }

    /// Returns the key, if it is a sound one.
    pub(super) fn key(&self) -> Option<Key> {
        if let CandidateKind::Key(key) = self.what { Some(key) } else { None }
    }

    pub(super) fn is_key(&self) -> bool {
        self.key().is_some()
    }

    /// Returns whether it is sound, and no more speaks against it than for it.
    pub(super) fn is_credible(&self) -> bool {
        self.bits >= 0 && !matches!(self.what, CandidateKind::Broken { .. })
    }
}

/// The field that holds a script; there is one for each. Servers up to 6.2 have it.
pub(super) const SCRIPT: &[u8] = b"lua";
/// What it tells that a record is not sound: nothing speaks for it then.
pub(super) const OF_DAMAGED: i32 = -12;
/// Fields about the file that a salvaged one keeps.
const KEPT_AUX: [&[u8]; 6] = [b"redis-ver", b"valkey-ver", b"redis-bits", b"ctime", b"used-mem", SCRIPT];
/// Fields that stand between keys and belong to one of them.
const AUX_OF_KEYS: [&[u8]; 3] = [b"mvcc-tstamp", b"keydb-subexpire-key", b"keydb-subexpire-when"];
/// Those that are true of the damaged file alone.
const DROPPED_AUX: [&[u8]; 9] = [
    b"repl-id",
    b"repl-offset",
    b"repl-stream-db",
    b"aof-base",
    b"aof-preamble",
    b"slot-info",
    b"cluster-asm-task",
    b"cluster-slot-states",
    b"%salvaged",
];

/// Returns whether a field is kept, and whether it is a known one at all.
pub(super) fn aux_of(name: &[u8]) -> (bool, bool) {
    let is = |known: &&[u8]| name.eq_ignore_ascii_case(known);
    let keep = KEPT_AUX.iter().chain(&AUX_OF_KEYS).any(&is);
    (keep, keep || DROPPED_AUX.iter().any(is))
}

/// Returns what an event inside a value adds to the evidence for it, in bits.
pub(super) fn bits_inside(payload: &Payload<&[u8]>) -> i32 {
    match payload {
        Payload::Str { role, string } => match (role, &string.body) {
            // Its inner structure was walked, and is right: the longer, the less by chance.
            (Role::Packed | Role::ListNode | Role::TemplateFields | Role::TemplateValues, Body::Raw(bytes)) => {
                30 + of_length(bytes.len())
            }
            (Role::Packed | Role::ListNode, Body::Lzf { data, .. }) => 30 + of_length(data.len()),
            (Role::StreamNode, _) => 45,
            (Role::NodeId, Body::Raw(id)) if id.len() == 16 => 8,
            (Role::FunctionCode, Body::Raw(code)) if code.starts_with(b"#!") => 24,
            (_, Body::Lzf { .. }) => 20,
            (_, Body::Long { decoded: Some(_), .. }) => 30,
            (_, Body::Int(_)) => 5,
            (_, Body::Raw(_) | Body::Long { .. }) => 1,
        },
        Payload::Score(Score::Binary(score)) if score.fract() == 0.0 && score.abs() < 1e15 => 8,
        Payload::Score(Score::Text(text)) => i32::try_from(text.len()).unwrap_or(0).min(8),
        Payload::MinExpire { .. } => 16,
        Payload::Module(_) => 16,
        Payload::Stream(_) | Payload::Group { .. } | Payload::Pending { .. } | Payload::Consumer { .. } => 8,
        _ => 0,
    }
}

/// Returns what it adds that a structure of this many bytes is right to its end.
fn of_length(len: usize) -> i32 {
    i32::try_from(len / 16).unwrap_or(i32::MAX).min(60)
}

/// Returns where a string begins that may hold any bytes, with nothing in them that says where it ends.
pub(super) fn raw_at(role: Role, string: &RdbString<&[u8]>) -> Option<u64> {
    let any = matches!(role, Role::Value | Role::Item | Role::FieldValue | Role::PlainNode);
    let raw = matches!(string.body, Body::Raw(_) | Body::Long { decoded: None, .. });
    (any && raw).then_some(string.start)
}

/// Returns what a string value adds, which is sound whatever its bytes are.
pub(super) fn bits_of_string(string: &RdbString<&[u8]>) -> i32 {
    match string.body {
        Body::Int(_) => 5,
        Body::Lzf { .. } => 20,
        Body::Long { decoded: Some(_), .. } => 30,
        Body::Raw(bytes) if bytes.len() < 0x40 => 2,
        Body::Raw(_) => 0,
        // A length of four bytes, and nothing that could be held against it.
        Body::Long { .. } => -4,
    }
}

/// The first and last millisecond that an expiry is expected to name: the year 2000, and 2248.
pub(super) const PLAUSIBLE_MS: std::ops::Range<i64> = 946_684_800_000..1 << 43;
/// What comes behind these cannot be held by a server.
const LAST_POSSIBLE_MS: i64 = 1 << 48;

/// Returns what an expiry adds, and whether it can be one at all.
pub(super) fn bits_of_expiry(ms: i64) -> (i32, bool) {
    if PLAUSIBLE_MS.contains(&ms) {
        (20, true)
    } else if (PLAUSIBLE_MS.start..LAST_POSSIBLE_MS).contains(&ms) {
        (6, true)
    } else {
        (-8, false)
    }
}
