//! Whole files: what lies in them, and where it came to lie.

use std::collections::BTreeMap;
use std::ops::Range;

use super::opcode::{KeyMeta, ModuleOp};
use super::value::Value;
use super::writer::{Mark, RdbWriter};
use crate::Bytes;
use crate::crc64::crc64;

/// Whose magic a file bears. Valkey before 9 writes files of Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// `REDIS` and four digits.
    Redis,
    /// `VALKEY` and three digits.
    Valkey,
}

/// What stands in the last 8 bytes, from version 5 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Checksum {
    /// The true checksum.
    On,
    /// Zero: the server was told not to compute one.
    Off,
    /// Nothing: the file ends with the end opcode.
    Absent,
}

/// When a key expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Expire {
    /// Opcode FD.
    Seconds(i32),
    /// Opcode FC.
    Millis(i64),
}

/// A key with all that stands before its type byte.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    /// Its database. Keys of one database must follow each other.
    pub db: u64,
    /// Its name.
    pub name: Bytes,
    /// When it expires.
    pub expire: Option<Expire>,
    /// Seconds since its last use.
    pub idle: Option<u64>,
    /// How often it is used.
    pub freq: Option<u8>,
    /// Metadata of modules (Redis 8.6).
    pub key_meta: Vec<KeyMeta>,
    /// Its value.
    pub value: Value,
}

impl Key {
    /// A key of database 0 without attributes.
    #[must_use]
    pub fn new(name: &[u8], value: Value) -> Self {
        Self { db: 0, name: name.to_vec(), expire: None, idle: None, freq: None, key_meta: Vec::new(), value }
    }

    /// Moves the key to another database.
    #[must_use]
    pub fn in_db(self, db: u64) -> Self {
        Self { db, ..self }
    }

    /// Lets the key expire.
    #[must_use]
    pub fn expiring(self, ms: i64) -> Self {
        Self { expire: Some(Expire::Millis(ms)), ..self }
    }
}

/// Data that a module stores beside the keys.
#[derive(Debug, Clone, PartialEq)]
pub struct ModuleAux {
    /// See [`super::module_id`].
    pub id: u64,
    /// 1 = before the keys, 2 = after them; it also decides where [`File::encode`] puts it.
    pub when: u64,
    /// What the module stored.
    pub ops: Vec<ModuleOp>,
}

/// A file in the order in which servers write it: fields, module data, functions, templates, databases.
#[derive(Debug, Clone, PartialEq)]
pub struct File {
    /// Whose magic.
    pub family: Family,
    /// The version in the header.
    pub version: u32,
    /// Whether long strings are compressed.
    pub compression: bool,
    /// Fields about the file.
    pub aux: Vec<(Bytes, Bytes)>,
    /// Data of modules.
    pub module_aux: Vec<ModuleAux>,
    /// Libraries of functions (version 10).
    pub functions: Vec<Bytes>,
    /// Names of template hashes (version 15).
    pub templates: Vec<(u64, Vec<Bytes>)>,
    /// The keys.
    pub keys: Vec<Key>,
    /// Written by a cluster node: keys are written by slot, and each slot is announced. Slots have to ascend, so
    /// [`File::encode`] sorts the keys of each database by slot.
    pub cluster: bool,
    /// The trailer.
    pub checksum: Checksum,
}

/// Where a key came to lie. All offsets are from the start of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySpan {
    /// Its place in [`File::keys`].
    pub index: usize,
    /// Its database.
    pub db: u64,
    /// Its name.
    pub name: Bytes,
    /// Its type byte.
    pub type_byte: u8,
    /// Its first attribute, or its type byte if it has none.
    pub start: usize,
    /// The type byte.
    pub type_at: usize,
    /// The length of the name.
    pub name_at: usize,
    /// The value.
    pub value_at: usize,
    /// Behind the value.
    pub end: usize,
    /// Places within the value.
    pub marks: Vec<Mark>,
}

/// An opcode record and its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpcodeSpan {
    /// The opcode.
    pub opcode: u8,
    /// The bytes of the record, opcode included.
    pub range: Range<usize>,
}

/// A written file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The keys, in the order of the file.
    pub keys: Vec<KeySpan>,
    /// Every opcode but attributes of keys and the end.
    pub opcodes: Vec<OpcodeSpan>,
    /// Where the end opcode lies.
    pub eof_at: usize,
    /// Where the checksum lies, if there is one.
    pub checksum_at: Option<usize>,
}

impl File {
    /// An empty file.
    #[must_use]
    pub fn new(family: Family, version: u32) -> Self {
        Self {
            family,
            version,
            compression: true,
            aux: Vec::new(),
            module_aux: Vec::new(),
            functions: Vec::new(),
            templates: Vec::new(),
            keys: Vec::new(),
            cluster: false,
            checksum: Checksum::On,
        }
    }

    /// Writes the file.
    #[must_use]
    pub fn encode(&self) -> Encoded {
        let w = match self.family {
            Family::Redis => RdbWriter::redis(self.version),
            Family::Valkey => RdbWriter::valkey(self.version),
        };
        let mut out = Output { w, opcodes: Vec::new(), keys: Vec::new() };
        out.w.compression(self.compression);
        self.encode_head(&mut out);
        self.encode_keys(&mut out);
        self.encode_module_aux(&mut out, |when| when != 1);
        let Output { mut w, opcodes, keys } = out;
        let eof_at = w.pos();
        let trailer = self.version >= 5 && self.checksum != Checksum::Absent;
        let bytes = match self.checksum {
            Checksum::Off if trailer => w.finish_with(0),
            Checksum::On if trailer => w.finish(),
            _ => w.finish_without(),
        };
        Encoded { bytes, keys, opcodes, eof_at, checksum_at: trailer.then_some(eof_at + 1) }
    }

    fn encode_head(&self, out: &mut Output) {
        for (name, value) in &self.aux {
            out.opcode(|w| w.aux(name, value));
        }
        self.encode_module_aux(out, |when| when == 1);
        for code in &self.functions {
            out.opcode(|w| w.function2(code));
        }
        for (id, names) in &self.templates {
            out.opcode(|w| w.hash_template(*id, names));
        }
    }

    fn encode_module_aux(&self, out: &mut Output, here: impl Fn(u64) -> bool) {
        for aux in self.module_aux.iter().filter(|aux| here(aux.when)) {
            out.opcode(|w| w.module_aux(aux.id, aux.when, &aux.ops));
        }
    }

    fn encode_keys(&self, out: &mut Output) {
        let mut keys: Vec<(usize, &Key)> = self.keys.iter().enumerate().collect();
        while let Some(&(_, first)) = keys.first() {
            let size = keys.iter().take_while(|(_, key)| key.db == first.db).count();
            let rest = keys.split_off(size);
            if self.cluster {
                keys.sort_by_key(|(_, key)| slot(&key.name));
            }
            self.encode_db(out, first.db, &keys);
            keys = rest;
        }
    }

    fn encode_db(&self, out: &mut Output, db: u64, keys: &[(usize, &Key)]) {
        let expiring = keys.iter().filter(|(_, key)| key.expire.is_some()).count() as u64;
        out.opcode(|w| w.select_db(db));
        if self.version >= 7 {
            out.opcode(|w| w.resize_db(keys.len() as u64, expiring));
        }
        let mut slots: BTreeMap<u16, (u64, u64)> = BTreeMap::new();
        for (_, key) in keys {
            let (count, expires) = slots.entry(slot(&key.name)).or_default();
            *count += 1;
            *expires += u64::from(key.expire.is_some());
        }
        let mut announced = None;
        for &(index, key) in keys {
            let slot = slot(&key.name);
            if self.cluster && announced != Some(slot) {
                announced = Some(slot);
                let (count, expires) = slots[&slot];
                match self.family {
                    Family::Redis => out.opcode(|w| w.slot_info(u64::from(slot), count, expires)),
                    Family::Valkey => {
                        out.opcode(|w| w.aux(b"slot-info", format!("{slot},{count},{expires}").as_bytes()));
                    }
                }
            }
            out.key(index, key);
        }
    }
}

impl Encoded {
    /// Computes the checksum anew, if the file has one that is not zero. For bytes changed by hand.
    pub fn fix_checksum(&mut self) {
        if let Some(at) = self.checksum_at.filter(|&at| self.bytes[at..] != [0; 8]) {
            let crc = crc64(&self.bytes[..at]);
            self.bytes.truncate(at);
            self.bytes.extend_from_slice(&crc.to_le_bytes());
        }
    }

    /// The span of a key of database 0.
    #[must_use]
    pub fn key(&self, name: &[u8]) -> Option<&KeySpan> {
        self.keys.iter().find(|key| key.db == 0 && key.name == name)
    }
}

/// The cluster slot of a key: CRC-16 of the part between the first `{` and the next `}`, or of the whole name.
#[must_use]
pub fn slot(name: &[u8]) -> u16 {
    let tag = name.iter().position(|&b| b == b'{').and_then(|open| {
        let rest = &name[open + 1..];
        rest.iter().position(|&b| b == b'}').filter(|&len| len > 0).map(|len| &rest[..len])
    });
    let crc = tag.unwrap_or(name).iter().fold(0_u16, |crc, &byte| {
        (0..8).fold(crc ^ u16::from(byte) << 8, |crc, _| if crc & 0x8000 != 0 { crc << 1 ^ 0x1021 } else { crc << 1 })
    });
    crc % 16384
}

struct Output {
    w: RdbWriter,
    opcodes: Vec<OpcodeSpan>,
    keys: Vec<KeySpan>,
}

impl Output {
    fn opcode(&mut self, write: impl FnOnce(&mut RdbWriter) -> &mut RdbWriter) {
        let start = self.w.pos();
        write(&mut self.w);
        self.opcodes.push(OpcodeSpan { opcode: self.w.bytes()[start], range: start..self.w.pos() });
    }

    fn key(&mut self, index: usize, key: &Key) {
        let w = &mut self.w;
        w.take_marks();
        let start = w.pos();
        match key.expire {
            Some(Expire::Seconds(s)) => w.expire_s(s),
            Some(Expire::Millis(ms)) => w.expire_ms(ms),
            None => &mut *w,
        };
        if let Some(seconds) = key.idle {
            w.idle(seconds);
        }
        if let Some(counter) = key.freq {
            w.freq(counter);
        }
        if !key.key_meta.is_empty() {
            w.key_meta(&key.key_meta);
        }
        let type_at = w.pos();
        let type_byte = key.value.type_byte();
        w.raw(&[type_byte]);
        let name_at = w.pos();
        w.str(&key.name);
        let value_at = w.pos();
        key.value.encode(w);
        let (db, name) = (key.db, key.name.clone());
        let (end, marks) = (w.pos(), w.take_marks());
        self.keys.push(KeySpan { index, db, name, type_byte, start, type_at, name_at, value_at, end, marks });
    }
}
