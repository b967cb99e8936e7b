//! Writes what the parser handed out.

use std::io::{self, Write};

use super::Writer;
use crate::rdb::grammar::{Numbers, Opcode};
use crate::rdb::numbers::Values;
use crate::rdb::opcode;
use crate::rdb::payload::{Attributes, Event, ModuleItem, Payload, Record, Role, Score};

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
            Payload::Item(item) => self.module_item(*item),
            Payload::Score(score @ (Score::Text(_) | Score::Mark(_))) => self.score(*score),
            Payload::SelectDb { .. }
            | Payload::ResizeDb { .. }
            | Payload::SlotInfo { .. }
            | Payload::SlotImport
            | Payload::Function { .. }
            | Payload::Template { .. }
            | Payload::ModuleAux { .. }
            | Payload::KeyMeta { .. } => {
                let Some((numbers, values)) = Values::of(&event.payload, self.expiry) else { return Ok(()) };
                if let Some(opcode) = Opcode::beginning_with(numbers) {
                    self.opcode(opcode.byte())?;
                }
                self.numbers(numbers, &values)
            }
            Payload::SlotRange { .. }
            | Payload::KeyMetaClass { .. }
            | Payload::Items { .. }
            | Payload::Score(Score::Binary(_))
            | Payload::MinExpire { .. }
            | Payload::FieldExpiry { .. }
            | Payload::ListNode { .. }
            | Payload::Stream(_)
            | Payload::Group { .. }
            | Payload::Pending { .. }
            | Payload::Consumer { .. }
            | Payload::Id { .. }
            | Payload::Idmp { .. }
            | Payload::IdmpEntry { .. }
            | Payload::IdmpTotals { .. }
            | Payload::Array { .. }
            | Payload::ArrayElement { .. }
            | Payload::FieldForm { .. }
            | Payload::TemplateRef { .. }
            | Payload::Module(_) => match Values::of(&event.payload, self.expiry) {
                Some((numbers, values)) => self.numbers(numbers, &values),
                None => Ok(()),
            },
        }
    }

    fn numbers(&mut self, numbers: Numbers, values: &Values) -> io::Result<()> {
        let mut bytes = std::mem::take(&mut self.few);
        bytes.clear();
        values.write(numbers, &mut bytes);
        let result = self.copy(&bytes);
        self.few = bytes;
        result
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
        self.begin(record.value_type);
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
            ModuleItem::Signed(value) => self.tagged_number(1, value.cast_unsigned()),
            ModuleItem::Unsigned(value) => self.tagged_number(2, value),
            ModuleItem::Float(value) => self.tagged(3, value.to_le_bytes()),
            ModuleItem::Double(value) => self.tagged(4, value.to_le_bytes()),
        }
    }

    fn tagged_number(&mut self, tag: u64, value: u64) -> io::Result<()> {
        self.length(tag)?;
        self.length(value)
    }

    fn tagged<const N: usize>(&mut self, tag: u64, bytes: [u8; N]) -> io::Result<()> {
        self.length(tag)?;
        self.copy(&bytes)
    }
}
