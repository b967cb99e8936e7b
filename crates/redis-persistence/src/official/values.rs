//! Values as the tools load them: what they refuse, and what they say of one that ends too early.
//!
//! Collections of strings are compared here, element by element, because the tools stop at the first one that occurs twice.
//! Packed values go to the checkers of the verifier, and [`remark`](super::remark()) says what the tools see of their findings.

use super::Tool;
use super::profile::Pending;
use super::remark::{self, Remark};
use super::streams::Streams;
use super::strings::{Seen, Text, hash};
use super::texts::{Failure, UNEXPECTED_EOF};
use crate::base::error::{Error, Reading};
use crate::base::limits::Limits;
use crate::rdb::packed::{Listpack, Zipmap};
use crate::rdb::{Event, ModuleId, Payload, Role, ValueType};
use crate::report::Code;
use crate::report::collector::Collector;
use crate::verify::confirm::Suspects;
use crate::verify::duplicates::{Form, HashKey, Table};
use crate::verify::value::template::Registry;
use crate::verify::value::{Context, Scratch, ValueChecker};

/// The tools hold a hash of at most so many fields as a listpack, and each of at most this many bytes.
const SMALL_FIELDS: u64 = 512;
const SMALL_BYTES: u64 = 64;
/// The greatest time that a field can expire at, in milliseconds, and what stands for none.
const EXPIRY_MAX: u64 = (1 << 48) - 1;

/// Where an event lies, and the text of the string in it.
pub(super) struct Within<'a> {
    pub(super) before: u64,
    pub(super) end: u64,
    pub(super) bytes: &'a [u8],
    pub(super) text: &'a Text,
}

/// The value at hand.
pub(super) struct Values {
    tool: Tool,
    limits: Limits,
    value_type: ValueType,
    checker: Option<ValueChecker>,
    findings: Collector,
    scratch: Scratch,
    table: Table,
    templates: Registry,
    seen: Seen,
    streams: Streams,
    module: ModuleId,
    /// The member or field at hand.
    field: Text,
    /// Whether the tool still holds the hash as a listpack.
    small: bool,
    min_expire: Option<u64>,
    has_field_expiry: bool,
    /// What statistics count of the value, if they are wanted.
    profiled: Option<Pending>,
}

impl Values {
    pub(super) fn new(tool: Tool, limits: Limits, profiled: bool) -> Self {
        Self {
            tool,
            value_type: ValueType::String,
            checker: None,
            // All are counted, and none is kept.
            findings: Collector::new(0),
            scratch: Scratch::default(),
            table: Table::new(limits.duplicate_bytes / 2, Form { key: HashKey::of_run(), wide: true, second: false }),
            templates: Registry::new(limits.templates),
            seen: Seen::new(limits.duplicate_bytes / 2),
            streams: Streams::new(tool, limits.duplicate_bytes / 2),
            module: ModuleId(0),
            field: Text::default(),
            small: true,
            min_expire: None,
            has_field_expiry: false,
            profiled: profiled.then(Pending::default),
            limits,
        }
    }

    pub(super) fn begin(&mut self, value_type: ValueType) {
        self.value_type = value_type;
        let is_stream = value_type.stream_version().is_some();
        self.checker = (!is_stream).then(|| ValueChecker::new(value_type));
        if is_stream {
            self.streams.begin(value_type);
        }
        self.seen.clear();
        self.small = true;
        self.min_expire = None;
        self.has_field_expiry = false;
        if let Some(profiled) = &mut self.profiled {
            *profiled = Pending::default();
        }
    }

    pub(super) fn value_type(&self) -> ValueType {
        self.value_type
    }

    /// Returns what was counted of the value that ended, if statistics are wanted.
    pub(super) fn profiled(&mut self) -> Option<Pending> {
        self.profiled.as_mut().map(std::mem::take)
    }

    /// Looks at an event. A long string comes with its last piece.
    pub(super) fn event(&mut self, event: &Event<&[u8]>, within: &Within<'_>) -> Result<(), Failure> {
        if let Payload::Module(id) = event.payload {
            self.module = id;
        }
        if let Some(profiled) = &mut self.profiled {
            profiled.event(self.value_type, event, within, self.field.len);
        }
        if self.value_type.stream_version().is_some() {
            return self.streams.event(event, within);
        }
        self.elements(event, within)?;
        self.check(event, within)?;
        if matches!(event.payload, Payload::Score(_)) && !self.seen.is_new(self.field.hash) {
            return Err(Failure::internal(within.end, "Duplicate zset fields detected"));
        }
        Ok(())
    }

    fn elements(&mut self, event: &Event<&[u8]>, within: &Within<'_>) -> Result<(), Failure> {
        use ValueType as T;
        let end = within.end;
        match event.payload {
            Payload::Items { count: 0 | u64::MAX, .. } => return Err(Failure::new(end, UNEXPECTED_EOF)),
            Payload::Items { of: Role::Field, count } => self.small = count <= SMALL_FIELDS,
            Payload::MinExpire { ms } => {
                self.min_expire = Some(ms.cast_unsigned());
                if self.value_type == T::HashMetadata && ms.cast_unsigned() > EXPIRY_MAX + 1 {
                    return Err(Failure::internal(end, "Hash read invalid minExpire value"));
                }
            }
            Payload::FieldExpiry { raw } if self.value_type == T::Hash2 => {
                if raw.cast_signed() < -1 {
                    return Err(Failure::new(end, UNEXPECTED_EOF));
                }
                return self.pair(0, end);
            }
            Payload::FieldExpiry { raw } if raw > 0 => {
                self.has_field_expiry = true;
                let ms = self.min_expire.map_or(raw, |min| raw.wrapping_add(min).wrapping_sub(1));
                if ms > EXPIRY_MAX {
                    return Err(Failure::internal(end, format!("invalid expireAt time: {ms}")));
                }
            }
            Payload::Str { role, .. } | Payload::Piece { role, .. } => return self.string(role, within),
            _ => {}
        }
        Ok(())
    }

    fn string(&mut self, role: Role, within: &Within<'_>) -> Result<(), Failure> {
        let Within { end, text, .. } = *within;
        match role {
            Role::Item if self.value_type == ValueType::Set && !self.seen.is_new(text.hash) => {
                return Err(Failure::internal(end, "Duplicate set members detected"));
            }
            Role::Member | Role::Field => self.field.clone_from(text),
            Role::FieldValue if self.value_type != ValueType::Hash2 => return self.pair(text.len, end),
            Role::ListNode | Role::PlainNode if text.len == 0 => return Err(Failure::new(end, UNEXPECTED_EOF)),
            Role::Packed if self.value_type == ValueType::HashListpackEx => self.find_expiry(&text.start),
            Role::Packed if self.value_type == ValueType::HashListpackExPreGa => self.find_expiry(&text.start),
            Role::Item | Role::FieldValue | Role::ListNode | Role::PlainNode | Role::Packed | Role::Value => {}
            Role::AuxName | Role::AuxValue | Role::Key | Role::SlotImportJob | Role::ModuleString => {}
            Role::FunctionCode | Role::FunctionName | Role::FunctionEngine | Role::FunctionDescription => {}
            // Streams have a walk of their own, and no tool here reads what is newer.
            Role::NodeId | Role::StreamNode | Role::Group | Role::Pending | Role::Consumer => {}
            Role::ConsumerPending | Role::Nacked | Role::Producer | Role::ProducerEntry => {}
            Role::TemplateField | Role::TemplateFields | Role::TemplateValues => {}
            Role::ArrayShort | Role::ArrayLong => {}
        }
        Ok(())
    }

    /// A field with its value is complete.
    fn pair(&mut self, value_len: u64, end: u64) -> Result<(), Failure> {
        if !self.seen.is_new(self.field.hash) {
            let small = self.small && self.value_type != ValueType::Hash2;
            let message = if small { "Hash with dup elements" } else { "Duplicate hash fields detected" };
            return Err(Failure::internal(end, message));
        }
        self.small &= self.field.len.max(value_len) <= SMALL_BYTES;
        Ok(())
    }

    /// Whether any field of a listpack of triples expires: if so, the first one does.
    fn find_expiry(&mut self, blob: &[u8]) {
        let first = Listpack::new(blob).ok().and_then(|list| list.iter().nth(2));
        self.has_field_expiry = first.is_some_and(|entry| entry.is_ok_and(|entry| entry.value.as_int() > Some(0)));
    }

    /// Returns the checker, and what it works with.
    fn in_context<'s>(
        &'s mut self,
        suspects: &'s mut Suspects,
        duplicates: bool,
    ) -> (&'s mut Option<ValueChecker>, Context<'s>) {
        let context = Context {
            findings: &mut self.findings,
            scratch: &mut self.scratch,
            elements: &mut self.table,
            suspects,
            templates: &mut self.templates,
            duplicates,
            fast: true,
            now_ms: None,
            limits: &self.limits,
        };
        (&mut self.checker, context)
    }

    /// Hands an event to the checker, and says what the tools see of what it finds.
    fn check(&mut self, event: &Event<&[u8]>, within: &Within<'_>) -> Result<(), Failure> {
        // What is no packed value is compared above.
        let duplicates = matches!(self.checker, Some(ValueChecker::Packed(_)));
        let mut suspects = Suspects::new(&self.limits);
        let (Some(checker), mut cx) = self.in_context(&mut suspects, duplicates) else { return Ok(()) };
        checker.event(event, &mut cx);
        self.said(within.end, &within.text.start)
    }

    fn said(&mut self, end: u64, blob: &[u8]) -> Result<(), Failure> {
        let first = remark::first(self.tool, self.findings.counts().map(|(code, _)| code), self.value_type);
        if self.findings.counts().next().is_some() {
            self.findings = Collector::new(0);
        }
        match first {
            None => Ok(()),
            Some((Code::HashDuplicateField, _)) if self.value_type == ValueType::HashZipmap => {
                let len = repeated_field(blob);
                let message = format!("Hash zipmap with dup elements, or big length ({len})");
                Err(Failure::internal(end, message))
            }
            Some((_, Remark::Internal(message))) => Err(Failure::internal(end, message)),
            Some((_, Remark::Plain(message))) => Err(Failure::new(end, message)),
        }
    }

    /// The value ends at `end`. Returns whether fields of it expire.
    pub(super) fn end(&mut self, end: u64) -> Result<bool, Failure> {
        let mut suspects = Suspects::new(&self.limits);
        let (checker, mut cx) = self.in_context(&mut suspects, false);
        if let Some(checker) = checker.take() {
            checker.end(end, &mut cx);
            self.said(end, b"")?;
        }
        Ok(self.has_field_expiry)
    }

    /// Returns whether the parser stopped in something of fixed size, which the tools read as a whole.
    pub(super) fn is_fixed(&self, error: &Error, data: &[u8], base: u64) -> bool {
        match error.reading() {
            Reading::Score => self.value_type == ValueType::ZSet2 || data.is_empty(),
            Reading::FieldExpiry => {
                self.value_type == ValueType::Hash2
                    || self.min_expire.is_none()
                        && matches!(self.value_type, ValueType::HashMetadata | ValueType::HashListpackEx)
            }
            Reading::ModuleItem => matches!(data.first(), Some(3 | 4)) && error.start() > base,
            Reading::Pel | Reading::Consumer => self.streams.is_fixed(error, base),
            _ => false,
        }
    }

    /// Returns what the tools say of a value that ends too early, at `failure`.
    pub(super) fn cut(&self, error: &Error, data: &[u8], base: u64, failure: Failure) -> Failure {
        let at = failure.at;
        match self.value_type {
            ValueType::HashMetadata if self.min_expire.is_none() => {
                Failure::internal(at, "Hash failed loading minExpire")
            }
            ValueType::HashListpackEx if self.min_expire.is_none() => {
                Failure::internal(at, "Short read of listpackex min expiration time.")
            }
            ValueType::Module2 if error.reading() == Reading::ModuleId => Failure::internal(at, "Short read module id"),
            ValueType::Module2 => module_cut(self.module, data, failure),
            value_type if value_type.stream_version().is_some() => {
                let begun = error.start().saturating_sub(base);
                let begun = usize::try_from(begun).unwrap_or(usize::MAX).min(data.len());
                self.streams.cut(&data[..begun], at)
            }
            _ => failure,
        }
    }

    /// Returns the same inside a long string.
    pub(super) fn cut_long(&self, failure: Failure) -> Failure {
        match self.value_type {
            ValueType::Module2 => module_cut(self.module, &[5], failure),
            value_type if value_type.stream_version().is_some() => self.streams.cut(&[], failure.at),
            _ => failure,
        }
    }
}

/// Returns what the tools say of an item of a module's data that ends too early. `data` begins with it.
pub(super) fn module_cut(module: ModuleId, data: &[u8], failure: Failure) -> Failure {
    let what = match data.first() {
        Some(1 | 2) => "integer",
        Some(3) => "float",
        Some(4) => "double",
        Some(5) => "string",
        // Where an item is missing altogether they never end.
        _ => return failure,
    };
    Failure::internal(failure.at, format!("Error reading {what} from module {} value", module.name()))
}

/// Returns the length of the first field of a zipmap that occurs twice.
fn repeated_field(blob: &[u8]) -> usize {
    let mut seen = Seen::new(usize::MAX);
    let Ok(map) = Zipmap::new(blob) else { return 0 };
    let repeated = map.iter().map_while(Result::ok).find(|pair| !seen.is_new(hash(pair.key)));
    repeated.map_or(0, |pair| pair.key.len())
}
