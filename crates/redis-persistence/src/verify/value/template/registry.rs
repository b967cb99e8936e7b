//! The templates that a file defines.

use std::collections::HashMap;

use super::names::NameOrder;
use super::report_order;
use crate::base::error::Reading;
use crate::rdb::RdbString;
use crate::report::codes::Code;
use crate::report::collector::{Collector, Location};
use crate::verify::value::Scratch;

/// The templates by their numbers, and the checks of the records that define them.
#[derive(Debug)]
pub(crate) struct Registry {
    known: HashMap<u64, Template>,
    /// The most templates that are remembered.
    limit: usize,
    /// The names of the record at hand.
    order: NameOrder,
}

#[derive(Debug)]
struct Template {
    fields: u64,
    start: u64,
    /// Whether a hash referred to it.
    used: bool,
}

impl Registry {
    pub(crate) fn new(limit: usize) -> Self {
        Self { known: HashMap::new(), limit, order: NameOrder::default() }
    }

    /// A record of opcode 242 begins at `start`; its names come next.
    pub(crate) fn begin(&mut self, id: u64, fields: u64, start: u64, findings: &mut Collector) {
        self.order = NameOrder::default();
        let place = Location::at(start).reading(Reading::Template);
        if fields == 0 {
            findings.add(Code::TemplateInvalid, place, || format!("hash template {id} has no fields"));
        }
        if id == u64::MAX {
            findings.add(Code::TemplateInvalid, place, || format!("{id} cannot be the number of a hash template"));
        }
        if let Some(before) = self.known.get_mut(&id) {
            // The parser goes on with the later one as well.
            before.fields = fields;
            let first = before.start;
            findings.add(Code::TemplateInvalid, place, || {
                format!("hash template {id} is defined already, at byte {first}")
            });
        } else if self.known.len() < self.limit {
            self.known.insert(id, Template { fields, start, used: false });
        }
    }

    /// Forgets a template, so that its record can be read again.
    pub(crate) fn forget(&mut self, id: u64) {
        self.known.remove(&id);
    }

    /// The next name of the record that began last.
    pub(crate) fn field(&mut self, string: &RdbString<&[u8]>, scratch: &mut Scratch, findings: &mut Collector) {
        let place = Location::span(string.start, string.end).element(self.order.count()).reading(Reading::Template);
        let ordered = self.order.next_string(string, &mut scratch.decoded);
        report_order(ordered, Code::TemplateInvalid, place, findings);
    }

    /// Returns how many fields the template of that number has, for a hash that refers to it.
    pub(super) fn refer(&mut self, id: u64) -> Option<u64> {
        let template = self.known.get_mut(&id)?;
        template.used = true;
        Some(template.fields)
    }

    /// Reports the templates that no hash refers to, once the file is at its end.
    pub(crate) fn end(&mut self, findings: &mut Collector) {
        let unused = self.known.drain().filter(|(_, template)| !template.used);
        let mut unused: Vec<_> = unused.map(|(id, template)| (template.start, id)).collect();
        unused.sort_unstable();
        for (start, id) in unused {
            findings.add(Code::TemplateUnused, Location::at(start).reading(Reading::Template), || {
                format!("no hash refers to hash template {id}")
            });
        }
    }
}
