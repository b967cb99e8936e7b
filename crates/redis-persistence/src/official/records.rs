//! The frame as the tools see it: what they print, what they count, and where they stop.

mod end;
mod stop;

use super::profile::{Key, Profile};
use super::strings::{self, Long, Taken, Text};
use super::texts::{Failure, UNEXPECTED_EOF, c_string, knows_type};
use super::values::{Values, Within};
use super::{Line, Print, Request, Tool, texts};
use crate::rdb::{Attributes, Event, Expire, Family, ModuleId, ModuleItem, Opcode, Payload, RdbString, Role, opcode};

/// What a line of the tools of Redis holds.
const LINE_MAX: usize = 1023;

/// What record the parser is in.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// Between records.
    Between,
    /// The value of an AUX field whose name was long.
    Aux(Vec<u8>),
    ModuleAux(ModuleId),
    KeyMeta(u64),
    /// A function library, and what of it comes next.
    Function(&'static str),
    SlotImport(u64),
    Value,
    Sum,
}

/// The records so far.
pub(super) struct Records<'a, 'p> {
    request: &'a Request<'a>,
    print: &'a mut Print<'p>,
    /// The CRC-64 up to the end of the records.
    pub(super) crc: u64,
    version: i64,
    /// How the version is called where it is none of the tool's own.
    unusual: Option<&'static str>,
    place: Place,
    doing: &'static str,
    key: Option<Vec<u8>>,
    key_len: u64,
    value_type: Option<u8>,
    expire: Option<Expire>,
    values: Values,
    text: Text,
    long: Option<Box<Long>>,
    keys: u64,
    expires: u64,
    expired: u64,
    subexpires: u64,
    functions: u64,
    scripts: u64,
    profile: Option<Profile>,
}

impl<'a, 'p> Records<'a, 'p> {
    pub(super) fn new(request: &'a Request<'a>, print: &'a mut Print<'p>) -> Self {
        let statistics = request.statistics.filter(|_| request.tool == Tool::Valkey91);
        Self {
            request,
            print,
            crc: 0,
            version: 0,
            unusual: None,
            place: Place::Between,
            doing: "start",
            key: None,
            key_len: 0,
            // The tools of Redis begin with the type 0, and name it until the first key was read.
            value_type: (request.tool != Tool::Valkey91).then_some(0),
            expire: None,
            values: Values::new(request.tool, request.limits.clone(), statistics.is_some()),
            text: Text::default(),
            long: None,
            keys: 0,
            expires: 0,
            expired: 0,
            subexpires: 0,
            functions: 0,
            scripts: 0,
            profile: statistics.map(|format| Profile::new(format, &request.limits)),
        }
    }

    fn tool(&self) -> Tool {
        self.request.tool
    }

    pub(super) fn say(&mut self, at: u64, text: &[u8]) {
        let most = if self.tool() == Tool::Valkey91 { text.len() } else { text.len().min(LINE_MAX) };
        (self.print)(Line::Out(&[format!("[offset {at}] ").as_bytes(), &text[..most]].concat()));
    }

    /// Reads signature and version; returns how the parser would have them.
    pub(super) fn header(&mut self, head: &[u8; 9]) -> Result<[u8; 9], Failure> {
        let valkey = self.tool() == Tool::Valkey91;
        let digits = match head {
            [b'V', b'A', b'L', b'K', b'E', b'Y', digits @ ..] if valkey => digits.as_slice(),
            [b'R', b'E', b'D', b'I', b'S', b'0', digits @ ..] if valkey => digits.as_slice(),
            [b'R', b'E', b'D', b'I', b'S', digits @ ..] if !valkey => digits.as_slice(),
            _ => return Err(Failure::new(9, "Wrong signature trying to load DB from file")),
        };
        self.version = crate::aof::resp::strtol(digits).value;
        let (accepted, unusual) = match (self.tool(), self.version) {
            (Tool::Redis70, version) => ((1..=10).contains(&version), None),
            (Tool::Redis86, version) => ((1..=13).contains(&version), None),
            (Tool::Valkey91, 12..80) => (true, Some("Foreign")),
            (Tool::Valkey91, version) if head[0] == b'R' => ((1..12).contains(&version), None),
            (Tool::Valkey91, version) => (version >= 80, (version > 80).then_some("Future")),
        };
        if !accepted {
            return Err(Failure::new(9, format!("Can't handle RDB format version {}", self.version)));
        }
        self.unusual = unusual;
        if let Some(unusual) = unusual {
            self.say(9, format!("{unusual} RDB version {} detected", self.version).as_bytes());
        }
        let magic = if valkey { format!("VALKEY{:03}", self.version) } else { format!("REDIS{:04}", self.version) };
        let mut canonical = [0; 9];
        canonical.copy_from_slice(magic.as_bytes());
        Ok(canonical)
    }

    /// Takes an event that begins at `before` and consists of `bytes`.
    pub(super) fn event(&mut self, event: &Event<&[u8]>, before: u64, bytes: &[u8]) -> Result<(), Failure> {
        let end = before + bytes.len() as u64;
        match &event.payload {
            Payload::Str { string, .. } => self.string(event, string, end)?,
            Payload::Piece { bytes, last, .. } => {
                let Some(mut long) = self.long.take() else { return Ok(()) };
                match long.piece(bytes, *last, end).map_err(|failure| self.in_place(failure))? {
                    Some(text) => {
                        self.text = text;
                        self.text(event, end)?;
                    }
                    None => self.long = Some(long),
                }
            }
            Payload::Record(record) => {
                let attributes = bytes.len() as u64 - event.end.saturating_sub(record.type_at);
                self.idle(&record.attributes, before, bytes)?;
                self.known(record.value_type.byte(), before + attributes + 1)?;
                self.value_type = Some(record.value_type.byte());
                self.expire = record.attributes.expire;
                self.place = Place::Value;
                self.doing = "read-key";
                let value_len = record.value.map_or(0, |value| event.end.saturating_sub(value.start));
                self.values.begin(record.value_type);
                if self.take(&record.key, end - value_len)? {
                    self.key_read();
                    if let Some(value) = &record.value
                        && !self.take(value, end)?
                    {
                        // A long value: its pieces follow.
                        return Ok(());
                    }
                }
            }
            Payload::Aux { name, value } => {
                self.doing = "read-aux";
                let value_len = value.map_or(0, |value| event.end.saturating_sub(value.start));
                let whole = self.take(name, end - value_len)?;
                self.place = Place::Aux(if whole { self.text.start.clone() } else { Vec::new() });
                if let Some(value) = value
                    && self.take(value, end)?
                {
                    self.aux(end);
                }
            }
            Payload::SelectDb { db } => {
                self.doing = "read-len";
                number(*db, end)?;
                if let Some(profile) = &mut self.profile {
                    profile.select(*db);
                }
                self.say(end, format!("Selecting DB ID {db}").as_bytes());
            }
            Payload::ResizeDb { keys, expires } => {
                self.doing = "read-len";
                number(*keys, before + 1 + texts::length(&bytes[1..]) as u64)?;
                number(*expires, end)?;
            }
            Payload::SlotInfo { .. } => self.known(opcode::SLOT_INFO, before + 1)?,
            Payload::Attributes(attributes) => self.idle(attributes, before, bytes)?,
            Payload::Function { pre_ga: true } if self.tool() != Tool::Redis70 => {
                self.doing = "read-type";
                let message = format!("Pre-release function format not supported {}", self.version);
                return Err(Failure::new(before + 1, message));
            }
            Payload::Function { pre_ga } => {
                self.doing = "read-functions";
                self.place = Place::Function(if *pre_ga { "library name" } else { "library payload" });
            }
            Payload::ModuleAux { module, when_opcode, .. } => {
                self.doing = "read-module-aux";
                if *when_opcode != 2 {
                    return Err(Failure::new(end, "bad when_opcode"));
                }
                self.say(end, format!("MODULE AUX for: {}", module.name()).as_bytes());
                self.place = Place::ModuleAux(*module);
            }
            Payload::KeyMeta { classes } => {
                self.known(opcode::KEY_META, before + 1)?;
                self.doing = "read-type";
                self.place = if *classes > 0 { Place::KeyMeta(*classes) } else { Place::Between };
            }
            Payload::Item(ModuleItem::End) => self.module_end(),
            Payload::SlotImport => {
                self.doing = "read-type";
                self.place = Place::SlotImport(0);
            }
            Payload::Items { of: Role::FunctionDescription, count } => {
                self.place = Place::Function(if *count > 0 { "library description" } else { "library blob" });
            }
            Payload::Items { of: Role::SlotImportJob, count } => self.slot_ranges(*count),
            Payload::SlotRange { .. } => {
                if let Place::SlotImport(left) = self.place {
                    self.slot_ranges(left.saturating_sub(1));
                }
            }
            Payload::Template { .. } => self.known(opcode::HASH_TEMPLATE, before + 1)?,
            Payload::Eof => {
                self.doing = "check-sum";
                self.place = Place::Sum;
            }
            Payload::Checksum { stored } => self.checksum(*stored, end)?,
            Payload::Header(_) | Payload::KeyMetaClass { .. } => {}
            // For the walk over values.
            Payload::Items { .. } | Payload::Score(_) | Payload::MinExpire { .. } | Payload::FieldExpiry { .. } => {}
            Payload::ListNode { .. } | Payload::Stream(_) | Payload::Group { .. } | Payload::Pending { .. } => {}
            Payload::Consumer { .. } | Payload::Id { .. } | Payload::Idmp { .. } | Payload::IdmpEntry { .. } => {}
            Payload::IdmpTotals { .. } | Payload::Array { .. } | Payload::ArrayElement { .. } => {}
            Payload::FieldForm { .. } | Payload::TemplateRef { .. } | Payload::Module(_) | Payload::Item(_) => {}
        }
        if self.place == Place::Value {
            self.doing = if self.key.is_some() { "read-object-value" } else { "read-key" };
            if self.long.is_none() && self.key.is_some() {
                let within = Within { before, end, bytes, text: &self.text };
                self.values.event(event, &within)?;
            }
            if event.ends_record && self.long.is_none() {
                self.record_end(end)?;
            }
        }
        Ok(())
    }

    /// Holds a value type or opcode against the tool.
    fn known(&mut self, byte: u8, end: u64) -> Result<(), Failure> {
        let opcode = match Opcode::from_byte(byte, Family::Redis) {
            Some(Opcode::SlotInfo | Opcode::KeyMeta | Opcode::SlotImport) => self.tool() != Tool::Redis70,
            Some(
                Opcode::Function2
                | Opcode::FunctionPreGa
                | Opcode::ModuleAux
                | Opcode::Idle
                | Opcode::Freq
                | Opcode::Aux
                | Opcode::ResizeDb
                | Opcode::ExpireMs
                | Opcode::Expire
                | Opcode::SelectDb
                | Opcode::Eof,
            ) => true,
            Some(Opcode::HashTemplate) | None => false,
        };
        // What Valkey has of its own is unknown in foreign versions.
        let foreign = self.unusual == Some("Foreign") && (22..243).contains(&byte);
        if opcode || knows_type(self.tool(), byte) && !foreign {
            return Ok(());
        }
        self.doing = "read-type";
        let message = match self.unusual {
            Some(unusual) => {
                let unusual = unusual.to_ascii_lowercase();
                format!("Unknown object type {byte} in RDB file with {unusual} version {}", self.version)
            }
            None => format!("Invalid object type: {byte}"),
        };
        Err(Failure::new(end, message))
    }

    /// The tools take the greatest idle time for the sign of a failure.
    fn idle(&mut self, attributes: &Attributes, before: u64, bytes: &[u8]) -> Result<(), Failure> {
        const GREATEST: [u8; 10] = [opcode::IDLE, 0x81, 255, 255, 255, 255, 255, 255, 255, 255];
        if attributes.idle != Some(u64::MAX) {
            return Ok(());
        }
        self.doing = "read-type";
        let at = bytes.windows(GREATEST.len()).position(|window| *window == GREATEST).unwrap_or(0);
        Err(Failure::new(before + (at + GREATEST.len()) as u64, UNEXPECTED_EOF))
    }

    /// Reads a string that ends at `end`; returns whether all of it is there.
    fn take(&mut self, string: &RdbString<&[u8]>, end: u64) -> Result<bool, Failure> {
        match strings::take(string, end, &mut self.text)? {
            Taken::Whole => Ok(true),
            Taken::Long(long) => {
                self.long = Some(long);
                Ok(false)
            }
        }
    }

    fn string(&mut self, event: &Event<&[u8]>, string: &RdbString<&[u8]>, end: u64) -> Result<(), Failure> {
        if self.take(string, end)? { self.text(event, end) } else { Ok(()) }
    }

    /// The text of a string is complete.
    fn text(&mut self, event: &Event<&[u8]>, end: u64) -> Result<(), Failure> {
        let (Payload::Str { role, .. } | Payload::Piece { role, .. }) = event.payload else { return Ok(()) };
        match role {
            Role::Key => self.key_read(),
            Role::AuxName => self.place = Place::Aux(self.text.start.clone()),
            Role::AuxValue => self.aux(end),
            Role::FunctionName => self.place = Place::Function("engine name"),
            Role::FunctionEngine => self.place = Place::Function("library description indicator"),
            Role::FunctionDescription => self.place = Place::Function("library blob"),
            Role::FunctionCode => {
                self.functions += 1;
                self.place = Place::Between;
            }
            Role::SlotImportJob if self.text.len != 40 => {
                return Err(Failure::new(end, "Invalid slot import job name length in RDB"));
            }
            Role::SlotImportJob | Role::TemplateField => {}
            // For the walk over values.
            Role::Value | Role::Item | Role::Member | Role::Field | Role::FieldValue | Role::Packed => {}
            Role::ListNode | Role::PlainNode | Role::NodeId | Role::StreamNode | Role::Group | Role::Pending => {}
            Role::Consumer | Role::ConsumerPending | Role::Nacked | Role::Producer | Role::ProducerEntry => {}
            Role::TemplateFields | Role::TemplateValues | Role::ArrayShort | Role::ArrayLong => {}
            Role::ModuleString => {}
        }
        Ok(())
    }

    fn key_read(&mut self) {
        self.key = Some(c_string(&self.text.start).to_vec());
        self.key_len = self.text.len;
        self.keys += 1;
        self.doing = "read-object-value";
    }

    fn aux(&mut self, end: u64) {
        let Place::Aux(name) = std::mem::replace(&mut self.place, Place::Between) else { return };
        let (name, value) = (c_string(&name), c_string(&self.text.start));
        self.scripts += u64::from(name.eq_ignore_ascii_case(b"lua"));
        let line = [b"AUX FIELD ", name, b" = '", value, b"'"].concat();
        self.say(end, &line);
    }

    fn module_end(&mut self) {
        match &mut self.place {
            Place::KeyMeta(left @ 2..) => *left -= 1,
            Place::KeyMeta(_) | Place::ModuleAux(_) => self.place = Place::Between,
            _ => {}
        }
    }

    fn slot_ranges(&mut self, left: u64) {
        self.place = if left > 0 { Place::SlotImport(left) } else { Place::Between };
    }

    fn record_end(&mut self, end: u64) -> Result<(), Failure> {
        let has_field_expiry = self.values.end(end)?;
        self.subexpires += u64::from(has_field_expiry);
        let expire = self.expire.take().filter(|expire| expire.ms != -1);
        let (expires, expired) = (expire.is_some(), expire.is_some_and(|expire| expire.ms < self.request.now_ms));
        self.expires += u64::from(expires);
        self.expired += u64::from(expired);
        if let (Some(profile), Some(value)) = (&mut self.profile, self.values.profiled()) {
            let value_type = self.values.value_type();
            profile.key(Key { value_type, name_len: self.key_len, expires, expired }, value);
        }
        (self.key, self.value_type, self.place) = (None, None, Place::Between);
        Ok(())
    }

    fn checksum(&mut self, stored: u64, end: u64) -> Result<(), Failure> {
        match stored {
            0 => self.say(end, b"RDB file was saved with checksum disabled: no check performed."),
            _ if stored == self.crc => self.say(end, b"Checksum OK"),
            _ => return Err(Failure::new(end, "RDB CRC error")),
        }
        Ok(())
    }
}

/// The tools take the greatest number for the sign of a failure.
fn number(value: u64, end: u64) -> Result<(), Failure> {
    if value == u64::MAX { Err(Failure::new(end, UNEXPECTED_EOF)) } else { Ok(()) }
}
