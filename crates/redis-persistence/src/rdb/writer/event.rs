//! Writes what the parser handed out.

use std::io::{self, Write};

use super::Writer;
use crate::rdb::payload::{ArrayValue, Attributes, Event, ModuleItem, Payload, Record, Role, Score};
use crate::rdb::{ValueType, opcode};

impl<W: Write> Writer<W> {
    /// Writes an event of the parser: strings in the form that they had, lengths in their shortest one.
    ///
    /// All events of one thing have to come, and in their order. The header, the end and the checksum of the source are
    /// passed over: this file has its own.
    ///
    /// # Errors
    /// If the output fails.
    pub fn event(&mut self, event: &Event<&[u8]>) -> io::Result<()> {
        match &event.payload {
            Payload::Header(_) | Payload::Eof | Payload::Checksum { .. } => Ok(()),
            Payload::Record(record) => self.record(record),
            Payload::Attributes(attributes) => self.attributes(attributes),
            Payload::Str { role, string } => {
                if *role == Role::ModuleString {
                    self.length(5)?;
                }
                self.string_as_read(string)
            }
            Payload::Piece { bytes, .. } => self.copy(bytes),
            Payload::Aux { name, value } => {
                self.opcode(opcode::AUX)?;
                self.string_as_read(name)?;
                value.as_ref().map_or(Ok(()), |value| self.string_as_read(value))
            }
            Payload::SelectDb { db } => self.select_db(*db),
            Payload::ResizeDb { keys, expires } => self.resize_db(*keys, *expires),
            Payload::SlotInfo { slot, keys, expires } => self.slot_info(*slot, *keys, *expires),
            Payload::SlotImport => self.opcode(opcode::SLOT_IMPORT),
            Payload::SlotRange { first, last } => self.lengths(&[*first, *last]),
            Payload::Function { pre_ga } => {
                self.opcode(if *pre_ga { opcode::FUNCTION_PRE_GA } else { opcode::FUNCTION2 })
            }
            Payload::Template { id, fields } => {
                self.opcode(opcode::HASH_TEMPLATE)?;
                self.lengths(&[*id, *fields])
            }
            Payload::ModuleAux { module, when_opcode, when } => {
                self.opcode(opcode::MODULE_AUX)?;
                self.lengths(&[module.0, *when_opcode, *when])
            }
            Payload::KeyMeta { classes } => {
                self.opcode(opcode::KEY_META)?;
                self.length(*classes)
            }
            Payload::KeyMetaClass { spec } => self.copy(&spec.to_le_bytes()),
            _ => self.inside_value(&event.payload),
        }
    }

    fn inside_value(&mut self, payload: &Payload<&[u8]>) -> io::Result<()> {
        match *payload {
            Payload::Items { count, .. } => self.length(count),
            Payload::Score(score) => self.score(score),
            Payload::MinExpire { ms } => self.copy(&ms.to_le_bytes()),
            Payload::FieldExpiry { raw } if self.value_type == Some(ValueType::Hash2) => self.copy(&raw.to_le_bytes()),
            Payload::FieldExpiry { raw } => self.length(raw),
            Payload::ListNode { container } => self.length(container),
            Payload::Stream(info) => {
                self.length(info.length)?;
                self.pair(info.last_id)?;
                let Some(v2) = info.v2 else { return Ok(()) };
                self.pair(v2.first_id)?;
                self.pair(v2.max_deleted)?;
                self.length(v2.entries_added)
            }
            Payload::Group { last_id, entries_read } => {
                self.pair(last_id)?;
                entries_read.map_or(Ok(()), |read| self.length(read))
            }
            Payload::Pending { id, time, deliveries } => {
                self.id(id)?;
                self.copy(&time.to_le_bytes())?;
                self.length(deliveries)
            }
            Payload::Consumer { seen, active } => {
                self.copy(&seen.to_le_bytes())?;
                active.map_or(Ok(()), |active| self.copy(&active.to_le_bytes()))
            }
            Payload::Id { id, .. } => self.id(id),
            Payload::Idmp { duration, max_entries } => self.lengths(&[duration, max_entries]),
            Payload::IdmpEntry { id } => self.pair(id),
            Payload::IdmpTotals { added, duplicates } => self.lengths(&[added, duplicates]),
            Payload::Array { count, cursor } => {
                self.lengths(&[count, u64::from(cursor.is_some())])?;
                cursor.map_or(Ok(()), |cursor| self.length(cursor))
            }
            Payload::ArrayElement { index, value } => {
                self.length(index)?;
                match value {
                    ArrayValue::Long => self.length(0),
                    ArrayValue::Int(value) => self.tagged(1, value.to_le_bytes()),
                    ArrayValue::Float(value) => self.tagged(2, value.to_le_bytes()),
                    ArrayValue::Short => self.length(3),
                }
            }
            Payload::FieldForm { form } => self.length(form),
            Payload::TemplateRef { id } => self.length(id),
            Payload::Module(id) => self.length(id.0),
            Payload::Item(item) => self.module_item(item),
            _ => Ok(()),
        }
    }

    /// Attributes that another opcode than a key's type follows.
    fn attributes(&mut self, attributes: &Attributes) -> io::Result<()> {
        let before = std::mem::replace(&mut self.apart, *attributes);
        if let Some(expire) = attributes.expire.filter(|_| attributes.expire != before.expire) {
            if expire.seconds {
                self.opcode(opcode::EXPIRETIME)?;
                let seconds = i32::try_from(expire.ms / 1000).unwrap_or(i32::MAX);
                self.copy(&seconds.to_le_bytes())?;
            } else {
                self.opcode(opcode::EXPIRETIME_MS)?;
                self.copy(&expire.ms.to_le_bytes())?;
            }
        }
        if let Some(seconds) = attributes.idle.filter(|_| attributes.idle != before.idle) {
            self.opcode(opcode::IDLE)?;
            self.length(seconds)?;
        }
        match attributes.freq.filter(|_| attributes.freq != before.freq) {
            Some(counter) => self.copy(&[opcode::FREQ, counter]),
            None => Ok(()),
        }
    }

    fn record(&mut self, record: &Record<&[u8]>) -> io::Result<()> {
        self.attributes(&record.attributes)?;
        self.apart = Attributes::default();
        self.value_type = Some(record.value_type);
        self.copy(&[record.value_type.byte()])?;
        self.string_as_read(&record.key)?;
        record.value.as_ref().map_or(Ok(()), |value| self.string_as_read(value))
    }

    fn score(&mut self, score: Score<&[u8]>) -> io::Result<()> {
        match score {
            Score::Binary(value) => self.copy(&value.to_le_bytes()),
            Score::Mark(mark) => self.copy(&[mark]),
            Score::Text(text) => {
                let len = u8::try_from(text.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
                self.copy(&[len])?;
                self.copy(text)
            }
        }
    }

    fn module_item(&mut self, item: ModuleItem) -> io::Result<()> {
        match item {
            ModuleItem::End => self.length(0),
            ModuleItem::Signed(value) => self.lengths(&[1, value.cast_unsigned()]),
            ModuleItem::Unsigned(value) => self.lengths(&[2, value]),
            ModuleItem::Float(value) => self.tagged(3, value.to_le_bytes()),
            ModuleItem::Double(value) => self.tagged(4, value.to_le_bytes()),
        }
    }

    fn tagged<const N: usize>(&mut self, tag: u64, bytes: [u8; N]) -> io::Result<()> {
        self.length(tag)?;
        self.copy(&bytes)
    }

    fn lengths(&mut self, values: &[u64]) -> io::Result<()> {
        values.iter().try_for_each(|value| self.length(*value))
    }

    fn pair(&mut self, (a, b): (u64, u64)) -> io::Result<()> {
        self.lengths(&[a, b])
    }

    /// A stream id as 16 big-endian bytes.
    fn id(&mut self, (ms, seq): (u64, u64)) -> io::Result<()> {
        self.copy(&ms.to_be_bytes())?;
        self.copy(&seq.to_be_bytes())
    }
}
