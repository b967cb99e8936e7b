//! Where the walk cannot go on, and how the tools call it there.

use super::super::texts::{Failure, UNEXPECTED_EOF};
use super::super::values::module_cut;
use super::super::{Tool, texts};
use super::{Place, Records};
use crate::base::error::{Error, ErrorKind, Reading};
use crate::rdb::{Attribute, Family, Kind, ModuleId, Numbers, Op, Opcode, ValueType, string_at, tolerant};

impl Records<'_, '_> {
    /// Returns what the tool says where the parser, at `base` in its own count and at `before` in the file, cannot go on.
    pub(in crate::official) fn stopped(&mut self, error: &Error, base: u64, before: u64, data: &[u8]) -> Failure {
        if let Some(long) = &self.long {
            return self.in_place(Failure::new(long.content, UNEXPECTED_EOF));
        }
        let fixed = match &self.place {
            Place::Between => matches!(error.reading(), Reading::Opcode | Reading::Expire),
            Place::Value => self.values.is_fixed(error, data, base),
            Place::ModuleAux(_) | Place::KeyMeta(_) => {
                error.reading() == Reading::KeyMeta || matches!(data.first(), Some(3 | 4)) && error.start() > base
            }
            Place::Sum => true,
            _ => false,
        };
        let consumed = texts::consumed(error, base, data, fixed);
        let at = before + consumed as u64;
        if self.place == Place::Between
            && let Some(failure) = self.stopped_between(error, base, before, data)
        {
            return failure;
        }
        match error.kind() {
            ErrorKind::BadLength(_) => Failure::internal(at, "Unknown length encoding 2 in rdbLoadLen()"),
            ErrorKind::BadStringEncoding(encoding) => {
                Failure::internal(at, format!("Unknown RDB string encoding type {encoding}"))
            }
            _ => {
                let failure = Failure::new(at, UNEXPECTED_EOF);
                match self.place {
                    Place::Value => self.values.cut(error, data, base, failure),
                    Place::ModuleAux(module) => module_cut(module, data, failure),
                    _ => self.in_place(failure),
                }
            }
        }
    }

    /// Returns the same in a record of which the parser handed out nothing yet. Finds out what the tool is doing there.
    fn stopped_between(&mut self, error: &Error, base: u64, before: u64, data: &[u8]) -> Option<Failure> {
        let mut rest = data;
        self.doing = "read-type";
        let byte = loop {
            let [byte, after @ ..] = rest else { return None };
            let opcode = Opcode::from_byte(*byte, Family::Redis);
            let Some([Op::Numbers(Numbers::Attribute(attribute))]) = opcode.map(Opcode::layout) else { break *byte };
            let size = match Numbers::Attribute(*attribute).kinds().first {
                [Kind::Byte] => 1,
                [Kind::Four] => 4,
                [Kind::Eight] => 8,
                _ => texts::length(after).max(1),
            };
            if matches!(attribute, Attribute::ExpireMs | Attribute::ExpireSeconds) {
                self.doing = "read-expire";
            }
            let start = base + (data.len() - after.len()) as u64;
            if after.len() < size || error.start() == start && error.reading() != Reading::Opcode {
                return None;
            }
            self.doing = "read-type";
            rest = &after[size..];
        };
        let end = before + (data.len() - rest.len()) as u64 + 1;
        match Opcode::from_byte(byte, Family::Redis) {
            Some(Opcode::SelectDb | Opcode::ResizeDb) => self.doing = "read-len",
            Some(Opcode::Aux) => self.doing = "read-aux",
            Some(Opcode::ModuleAux) => self.doing = "read-module-aux",
            Some(
                Opcode::HashTemplate
                | Opcode::KeyMeta
                | Opcode::SlotImport
                | Opcode::SlotInfo
                | Opcode::Function2
                | Opcode::FunctionPreGa
                | Opcode::Idle
                | Opcode::Freq
                | Opcode::ExpireMs
                | Opcode::Expire
                | Opcode::Eof,
            ) => {
                if let Err(failure) = self.known(byte, end) {
                    return Some(failure);
                }
            }
            None => {
                if let Err(failure) = self.known(byte, end) {
                    return Some(failure);
                }
                self.doing = "read-key";
                self.value_type = Some(byte);
            }
        }
        None
    }

    /// Returns the words for data that end too early, by the record they end in. Other failures stay as they are.
    pub(super) fn in_place(&self, failure: Failure) -> Failure {
        if failure.internal || failure.message != UNEXPECTED_EOF.as_bytes() {
            return failure;
        }
        match &self.place {
            Place::Function(what) => Failure::new(failure.at, format!("Failed loading library, Failed loading {what}")),
            Place::ModuleAux(module) if self.long.is_some() => module_cut(*module, &[5], failure),
            Place::Value if self.long.is_some() => self.values.cut_long(failure),
            _ => failure,
        }
    }

    /// Returns a value of type 6, of which `data` begins with the key, at `at` in the file. `None` asks for more of it.
    pub(in crate::official) fn module_v1(&mut self, data: &[u8], at: u64, more: bool) -> Option<Failure> {
        let byte = ValueType::Module.byte();
        (self.doing, self.value_type) = ("read-key", Some(byte));
        let key = match string_at(data, at) {
            Ok(key) => key,
            Err(wanted) if more && wanted != usize::MAX => return None,
            Err(_) => {
                let consumed = at + texts::steps(data) as u64;
                return Some(match data.first() {
                    Some(first @ 0xc4..) => {
                        let encoding = first & 0x3f;
                        Failure::internal(consumed, format!("Unknown RDB string encoding type {encoding}"))
                    }
                    Some(0x82..=0xbf) => Failure::internal(consumed, "Unknown length encoding 2 in rdbLoadLen()"),
                    _ => Failure::new(consumed, UNEXPECTED_EOF),
                });
            }
        };
        let end = key.end;
        if let Err(failure) = self.take(&key, end) {
            return Some(failure);
        }
        self.key_read();
        if self.tool() != Tool::Redis70 {
            return Some(Failure::internal(end, "Pre-release module format not supported"));
        }
        let rest = data.get(usize::try_from(end - at).unwrap_or(usize::MAX)..).unwrap_or(&[]);
        let (module, taken) = match (tolerant(rest), rest) {
            (Some((module, size)), _) => (module, size as u64),
            (None, [0x82..=0xbf, ..]) => {
                return Some(Failure::internal(end + 1, "Unknown length encoding 2 in rdbLoadLen()"));
            }
            (None, _) if more => return None,
            (None, _) => return Some(Failure::internal(end + texts::steps(rest) as u64, "Short read module id")),
        };
        let name = ModuleId(module).name();
        let message = format!("The RDB file contains module data I can't load: no matching module type '{name}'");
        Some(Failure::internal(end + taken, message))
    }
}
