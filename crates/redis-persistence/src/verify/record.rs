//! The checks of one record by itself, without the file around it: for a salvage, which tries many places of one file.

use super::confirm::Suspects;
use super::duplicates::{Form, HashKey, Table};
use super::rdb::Metadata;
use super::stored_form::is_oddly_stored;
use super::value::template::Registry;
use super::value::{Context, Scratch, ValueChecker};
use crate::base::limits::Limits;
use crate::lzf;
use crate::rdb::{Body, Event, Payload, RdbString, Record};
use crate::report::codes::{Code, Severity};
use crate::report::collector::Collector;

/// What the elements of one value may take of the memory for duplicates.
const SHARE: usize = 8;

/// What is wrong with one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Flaws {
    /// The first error.
    pub(crate) error: Option<Code>,
    /// How many things a server loads, but would not have written.
    pub(crate) odd: u32,
    /// Whether it is a collection without elements, which servers skip.
    pub(crate) empty: bool,
}

/// Checks records, one after the other.
#[derive(Debug)]
pub(crate) struct RecordChecker {
    limits: Limits,
    findings: Collector,
    scratch: Scratch,
    elements: Table,
    suspects: Suspects,
    templates: Registry,
    meta: Metadata,
    value: Option<(ValueChecker, u64)>,
    /// A long compressed string whose pieces are passing.
    long: Option<lzf::Walker>,
    flaws: Flaws,
}

impl RecordChecker {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            limits: limits.clone(),
            findings: Collector::new(0),
            scratch: Scratch::default(),
            // What has one hash is not read again: two have to agree.
            elements: Table::new(
                limits.duplicate_bytes / SHARE,
                Form { key: HashKey::of_run(), wide: true, second: true },
            ),
            suspects: Suspects::new(limits),
            templates: Registry::new(limits.templates),
            meta: Metadata::default(),
            value: None,
            long: None,
            flaws: Flaws::default(),
        }
    }

    /// Forgets the record before, which may have been left in the middle.
    pub(crate) fn begin(&mut self) {
        (self.value, self.long, self.flaws) = (None, None, Flaws::default());
        self.meta = Metadata::default();
        self.suspects.take();
        if !self.findings.is_empty() {
            self.findings = Collector::new(0);
        }
    }

    /// Returns whether something was found by now that no server would load.
    pub(crate) fn is_damaged(&self) -> bool {
        self.flaws.error.is_some() || !self.findings.is_empty() && self.findings.any(Severity::Error)
    }

    /// Looks at an event of the record.
    pub(crate) fn event(&mut self, event: &Event<&[u8]>) {
        match &event.payload {
            Payload::Record(record) => {
                self.meta.key_follows(record, &mut self.findings);
                self.record(event, record);
            }
            Payload::KeyMeta { classes } => self.meta.begin(*classes, event, &mut self.findings),
            Payload::Str { string, .. } => self.string(string),
            Payload::Aux { name, value } => {
                self.string(name);
                value.iter().for_each(|value| self.string(value));
            }
            Payload::Piece { bytes, last, .. } => self.piece(bytes, *last),
            Payload::Template { id, fields } => {
                // A place is read more than once; which of two templates of one number counts is for the salvage to say.
                self.templates.forget(*id);
                self.templates.begin(*id, *fields, event.start, &mut self.findings);
            }
            _ => {}
        }
        if let Payload::Str { role: crate::rdb::Role::TemplateField, string } = &event.payload
            && self.value.is_none()
        {
            self.templates.field(string, &mut self.scratch, &mut self.findings);
        }
        self.meta.after(event);
        self.flaws.odd += u32::from(event.quirk.is_some());
        if !matches!(event.payload, Payload::Record(_)) {
            self.with_value(|checker, cx| checker.event(event, cx));
        }
    }

    fn record(&mut self, event: &Event<&[u8]>, record: &Record<&[u8]>) {
        self.string(&record.key);
        match &record.value {
            Some(value) => self.string(value),
            None => {
                self.elements.clear();
                self.value = Some((ValueChecker::new(record.value_type), event.start));
            }
        }
    }

    fn with_value(&mut self, f: impl FnOnce(&mut ValueChecker, &mut Context<'_>)) {
        let Some((mut checker, start)) = self.value.take() else { return };
        f(&mut checker, &mut self.context());
        self.value = Some((checker, start));
    }

    fn context(&mut self) -> Context<'_> {
        Context {
            findings: &mut self.findings,
            scratch: &mut self.scratch,
            elements: &mut self.elements,
            suspects: &mut self.suspects,
            templates: &mut self.templates,
            duplicates: true,
            fast: true,
            now_ms: None,
            limits: &self.limits,
        }
    }

    fn string(&mut self, string: &RdbString<&[u8]>) {
        self.flaws.odd += u32::from(is_oddly_stored(string));
        match string.body {
            Body::Lzf { data, decoded } => {
                if lzf::validate(data, decoded).is_err() {
                    self.damaged();
                }
            }
            Body::Long { stored, decoded: Some(decoded) } => match lzf::Walker::new(stored, decoded) {
                Ok(walker) => self.long = Some(walker),
                Err(_) => self.damaged(),
            },
            Body::Raw(_) | Body::Int(_) | Body::Long { .. } => {}
        }
    }

    fn piece(&mut self, bytes: &[u8], last: bool) {
        let Some(walker) = &mut self.long else { return };
        let pushed = walker.push(bytes).and_then(|()| if last { walker.finish() } else { Ok(()) });
        if pushed.is_err() {
            self.damaged();
        }
        if last || pushed.is_err() {
            self.long = None;
        }
    }

    fn damaged(&mut self) {
        self.flaws.error.get_or_insert(Code::LzfDamaged);
    }

    /// Returns what is wrong with the record that began last.
    pub(crate) fn end(&mut self) -> Flaws {
        if let Some((checker, start)) = self.value.take() {
            checker.end(start, &mut self.context());
        }
        if let Some(twice) = self.suspects.take().0.first() {
            self.flaws.error.get_or_insert(twice.what);
        }
        if !self.findings.is_empty() {
            for (code, count) in self.findings.counts() {
                match code.severity() {
                    Severity::Error => drop(self.flaws.error.get_or_insert(code)),
                    Severity::Warning if code == Code::CollectionEmpty => self.flaws.empty = true,
                    Severity::Warning => self.flaws.odd += u32::try_from(count).unwrap_or(u32::MAX / 2),
                    Severity::Note => {}
                }
            }
            self.findings = Collector::new(0);
        }
        self.flaws
    }
}
