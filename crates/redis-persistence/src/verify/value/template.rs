//! Template hashes: the types 29 to 32, and the templates that opcode 242 defines.
//!
//! ```text
//! 242         number, count of fields, their names
//! 29, 31      form of the names (0 listpack, 1 count and strings), names; then the values
//! 29, 30      values: listpack of the template's number and the values
//! 31          values: strings
//! 32          the template's number, then the values: strings
//! ```
//!
//! Names ascend strictly: shorter ones first, those of equal length by their bytes.

mod names;
mod registry;

use super::Context;
use super::blob::Blob;
use super::walk::Walk;
use crate::base::error::Reading;
use crate::rdb::packed::{IntText, Listpack, PackedValue};
use crate::rdb::{Event, Payload, RdbString, Role, ValueType};
use crate::report::codes::Code;
use crate::report::collector::{Collector, Location};
use names::{NameOrder, Ordered};
pub(crate) use registry::Registry;

#[derive(Debug)]
pub(crate) struct Checker {
    value_type: ValueType,
    order: NameOrder,
    /// How many names the value brings with it, if that could be read.
    names: Option<u64>,
    values: u64,
}

impl Checker {
    pub(crate) fn new(value_type: ValueType) -> Self {
        Self { value_type, order: NameOrder::default(), names: None, values: 0 }
    }

    pub(crate) fn event(&mut self, event: &Event<&[u8]>, cx: &mut Context<'_>) {
        match event.payload {
            Payload::Str { role: Role::FieldValue, .. } => self.values += 1,
            Payload::Str { role: Role::TemplateValues, ref string } => self.values_blob(string, cx),
            Payload::Str { role: Role::TemplateFields, ref string } => self.names_blob(string, cx),
            Payload::Str { role: Role::TemplateField, ref string } => {
                let place = Location::span(string.start, string.end).element(self.order.count());
                let ordered = self.order.next_string(string, &mut cx.scratch.decoded);
                report_order(ordered, Code::TemplateHashInvalid, place.reading(Reading::Template), cx.findings);
            }
            Payload::Items { of: Role::TemplateField, count } => {
                self.names = Some(count);
                if count == 0 {
                    no_names(Location::span(event.start, event.end).reading(Reading::Count), cx.findings);
                }
            }
            // One that is not defined is an error of the parser: nobody knows how many values follow.
            Payload::TemplateRef { id } => _ = cx.templates.refer(id),
            _ => {}
        }
    }

    fn names_blob(&mut self, string: &RdbString<&[u8]>, cx: &mut Context<'_>) {
        let Context { findings, scratch, .. } = cx;
        let Some(blob) = Blob::open(string, &mut scratch.decoded, cx.limits.packed_bytes, findings) else { return };
        let Some(mut walk) = Walk::<Listpack<'_>>::new(&blob, 1, 0, findings) else { return };
        let mut buffer = IntText::new();
        while let Some(name) = walk.next() {
            if self.order.next(name.value.text(&mut buffer)) == Ordered::No {
                walk.report(Code::TemplateHashInvalid, &name, || NOT_ASCENDING.to_owned());
            }
        }
        walk.finish();
        let (failed, count) = (walk.failed, walk.elements());
        if failed {
            return;
        }
        self.names = Some(count);
        if count == 0 {
            no_names(Location::span(string.start, string.end).reading(Reading::Packed), findings);
        }
    }

    fn values_blob(&mut self, string: &RdbString<&[u8]>, cx: &mut Context<'_>) {
        let Context { findings, scratch, templates, .. } = cx;
        let Some(blob) = Blob::open(string, &mut scratch.decoded, cx.limits.packed_bytes, findings) else { return };
        let Some(mut walk) = Walk::<Listpack<'_>>::new(&blob, 1, 0, findings) else { return };
        let mut fields = self.names;
        if let Some(id) = walk.next() {
            let number = match id.value {
                PackedValue::Int(number) => u64::try_from(number).ok(),
                PackedValue::Bytes(_) => None,
            };
            // With the names beside it, the number has no meaning, but it must be one all the same.
            if !self.value_type.needs_template() {
                if let PackedValue::Bytes(_) = id.value {
                    walk.report(Code::TemplateHashInvalid, &id, || NO_NUMBER.to_owned());
                }
            } else if let Some(number) = number {
                fields = templates.refer(number);
                if fields.is_none() {
                    walk.report(Code::TemplateUnknown, &id, || format!("hash template {number} is not defined"));
                }
            } else {
                walk.report(Code::TemplateHashInvalid, &id, || NO_NUMBER.to_owned());
            }
        }
        while walk.next().is_some() {}
        walk.finish();
        let (failed, read) = (walk.failed, walk.read());
        self.values = read.saturating_sub(1);
        if failed {
            return;
        }
        let place = Location::span(string.start, string.end).reading(Reading::Packed);
        if read == 0 {
            findings.add(Code::TemplateHashInvalid, place, || "the template's number is missing".to_owned());
        } else if let Some(fields) = fields.filter(|fields| *fields != self.values) {
            let values = self.values;
            findings.add(Code::TemplateHashInvalid, place, || format!("{values} values for {fields} fields"));
        }
    }

    pub(crate) fn end(self, _: u64, _: &mut Context<'_>) -> u64 {
        self.values
    }
}

const NO_NUMBER: &str = "the first element is not the number of a template";
const NOT_ASCENDING: &str = "the names of the fields do not ascend (shorter first, then by bytes)";

fn no_names(place: Location, findings: &mut Collector) {
    findings.add(Code::TemplateHashInvalid, place, || "a hash without fields".to_owned());
}

fn report_order(ordered: Ordered, code: Code, place: Location, findings: &mut Collector) {
    match ordered {
        Ordered::Yes => {}
        Ordered::No => findings.add(code, place, || NOT_ASCENDING.to_owned()),
        Ordered::TooLong => findings
            .add(Code::ElementsUnchecked, place, || "two names of equal length are too long to be compared".to_owned()),
    }
}

#[cfg(test)]
mod tests;
