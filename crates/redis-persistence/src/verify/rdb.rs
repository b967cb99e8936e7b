//! Verifies an RDB, fed with the parser's events: the frame here and in the files below, values in [`super::value`].
//!
//! ```text
//! event -> RdbVerifier ┬ databases.rs   SELECTDB, RESIZEDB, slots: what the writer promises against what comes
//!                      ├ aux.rs         who wrote it
//!                      ├ keys.rs        attributes, duplicates, holes
//!                      ├ strings.rs     the form of each string
//!                      ├ extras.rs      functions, modules, key metadata, slot imports
//!                      └ ValueChecker   what a key holds
//! ```

mod aux_fields;
mod batch;
mod counts;
mod databases;
mod ending;
mod extras;
mod keys;
mod names;
mod plain;
mod speculative;
mod strings;

pub(crate) use batch::{Batch, Found, Surroundings};
pub(crate) use names::Metadata;
pub(crate) use speculative::SpeculativeBatch;

use super::collect_stats::Collect;
use super::confirm::{Confirmed, Suspects};
use super::duplicates::{Form, Table};
use super::options::{Duplicates, Options};
use super::value::template::Registry;
use super::value::{Context, Scratch, ValueChecker};
use crate::base::error::{Error, Reading};
use crate::base::limits::Limits;
use crate::base::source::Source;
use crate::rdb::{Event, Family, Header, Payload, Quirk, Role, ValueType, opcode};
use crate::report::codes::Code;
use crate::report::codes::Severity;
use crate::report::collector::{Collector, Location};
use crate::report::facts::{FactsCollector, HeaderFacts, Name, RdbFacts};
use crate::report::{Checksum, DuplicateCheck, Format, Kind, Report, Verdict};

/// Whether places of an input can be read again, so that things of one hash can be compared by their texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Places {
    Again,
    Once,
}

impl Places {
    /// Returns what tables hold then.
    pub(crate) fn form(self, options: &Options) -> Form {
        Form { key: options.hash_key(), wide: false, second: self == Self::Once }
    }
}

/// Verifies one RDB.
#[derive(Debug)]
pub(crate) struct RdbVerifier {
    options: Options,
    findings: Collector,
    scratch: Scratch,
    header: Option<Header>,
    aux: aux_fields::Aux,
    databases: databases::Databases,
    keys: keys::Keys,
    extras: extras::Extras,
    strings: strings::Strings,
    templates: Registry,
    /// On how many threads keys are compared at the end.
    threads: usize,
    facts: FactsCollector,
    /// What is counted only on demand.
    stats: Option<Box<Collect>>,
    elements: Table,
    suspects: Suspects,
    /// The value that is being walked, and where its record begins.
    value: Option<(ValueChecker, u64)>,
    /// Types and opcodes newer than the version that were reported.
    newer_reported: [bool; 256],
    /// The CRC-64 of everything up to the end of the records.
    crc: Option<u64>,
    checksum: Option<Checksum>,
    trailing: ending::Trailing,
    /// Behind the last event.
    offset: u64,
    /// Why it cannot be judged.
    unjudged: bool,
    failed: bool,
    /// The size of a file that could not be walked to its end.
    size: Option<u64>,
    kind: Kind,
}

impl RdbVerifier {
    /// Returns a verifier of something of which `places` says whether it can be read again.
    pub(crate) fn new(options: Options, places: Places) -> Self {
        let budget = options.limits.duplicate_bytes;
        let form = places.form(&options);
        Self {
            findings: Collector::of_report(options.max_findings, options.spill),
            scratch: Scratch::default(),
            header: None,
            aux: aux_fields::Aux::default(),
            databases: databases::Databases::default(),
            keys: keys::Keys::new(budget / 2, form),
            extras: extras::Extras::new(options.functions.as_ref()),
            strings: strings::Strings::default(),
            templates: Registry::new(options.limits.templates),
            threads: 1,
            facts: FactsCollector::default(),
            stats: options
                .stats
                .as_ref()
                .map(|stats| Box::new(Collect::new(stats, options.now_ms, options.limits.packed_bytes))),
            elements: Table::new(budget / 2, Form { wide: true, ..form }),
            suspects: Suspects::new(&options.limits),
            value: None,
            newer_reported: [false; 256],
            crc: None,
            checksum: None,
            trailing: ending::Trailing::default(),
            offset: 0,
            unjudged: false,
            failed: false,
            size: None,
            kind: Kind::Rdb,
            options,
        }
    }

    /// Looks at an event. `crc` gives the checksum up to its end, and is asked for once.
    pub(crate) fn event(&mut self, event: &Event<&[u8]>, crc: impl FnOnce() -> u64) {
        self.offset = event.end;
        if let Some((quirk, at)) = event.quirk {
            self.quirk(quirk, at);
        }
        match &event.payload {
            Payload::Record(record) => {
                self.extras.meta.key_follows(record, &mut self.findings);
                self.record(event, record);
            }
            Payload::Str { role, string } => self.string(event, *role, string),
            Payload::Piece { role, bytes, last } => self.piece(event, *role, bytes, *last),
            Payload::Header(header) => self.header(header),
            Payload::Aux { name, value } => {
                self.opcode_seen(opcode::AUX, event.start);
                self.aux(name, value.as_ref());
            }
            Payload::SelectDb { db } => {
                self.facts.select(*db, event.start);
                self.databases.select(*db, event.start, event.end, &mut self.findings);
                self.keys.tally.select(*db);
            }
            Payload::ResizeDb { keys, expires } => {
                self.opcode_seen(opcode::RESIZEDB, event.start);
                self.databases.resize(*keys, *expires, event.start, &mut self.findings);
            }
            Payload::SlotInfo { slot, keys, expires } => {
                self.opcode_seen(opcode::SLOT_INFO, event.start);
                self.databases.begin_slot(*slot, *keys, *expires, event.start, &mut self.findings);
            }
            Payload::Attributes(attributes) => self.keys.pending = Some((*attributes, event.start)),
            Payload::Eof => {
                self.crc = Some(crc());
                if self.version() < 5 {
                    self.checksum = Some(Checksum::Absent);
                }
            }
            Payload::Checksum { stored } => self.checksum(*stored, event.start),
            Payload::Function { pre_ga } => {
                self.opcode_seen(if *pre_ga { opcode::FUNCTION_PRE_GA } else { opcode::FUNCTION2 }, event.start);
                self.keys.tally.functions += 1;
                self.extras.function(*pre_ga, event.start, event.end, &mut self.findings);
            }
            Payload::ModuleAux { module, when_opcode, .. } => {
                self.opcode_seen(opcode::MODULE_AUX, event.start);
                self.facts.module(module.name(), || Name::Offset(event.start));
                self.extras.module_aux(*module, *when_opcode, event.start, &mut self.findings);
            }
            Payload::Module(id) if self.value.is_some() => {
                self.keys.tally.module(*id);
                let name = self.findings.subject.name(event.start);
                self.facts.module(id.name(), || name);
                self.extras.module_needed(*id, event.start, &mut self.findings);
            }
            Payload::KeyMeta { classes } => {
                self.opcode_seen(opcode::KEY_META, event.start);
                self.extras.meta.begin(*classes, event, &mut self.findings);
            }
            Payload::KeyMetaClass { spec } => self.extras.key_meta_class(*spec, event.start, &mut self.findings),
            Payload::SlotRange { first, last } => {
                self.extras.slot_range(*first, *last, event.start, &mut self.findings);
            }
            Payload::Template { id, fields } => {
                self.opcode_seen(opcode::HASH_TEMPLATE, event.start);
                self.templates.begin(*id, *fields, event.start, &mut self.findings);
            }
            // Said by its ranges.
            Payload::SlotImport => {}
            // For the checker of the value.
            Payload::Items { .. } | Payload::Score(_) | Payload::MinExpire { .. } | Payload::FieldExpiry { .. } => {}
            Payload::ListNode { .. } | Payload::Stream(_) | Payload::Group { .. } | Payload::Pending { .. } => {}
            Payload::Consumer { .. } | Payload::Id { .. } | Payload::Idmp { .. } | Payload::IdmpEntry { .. } => {}
            Payload::IdmpTotals { .. } | Payload::Array { .. } | Payload::ArrayElement { .. } => {}
            Payload::FieldForm { .. } | Payload::TemplateRef { .. } | Payload::Module(_) | Payload::Item(_) => {}
        }
        self.extras.meta.after(event);
        if !matches!(event.payload, Payload::Record(_)) {
            self.inside_value(event);
        }
        if let Some(stats) = &mut self.stats {
            stats.event(event, self.databases.db, &mut self.scratch.decoded);
        }
        if event.ends_record {
            self.end_of_record();
        }
    }

    fn header(&mut self, header: &Header) {
        self.header = Some(*header);
        let &Header { family, version, well_formed, .. } = header;
        let place = Location::span(0, 9).reading(Reading::Header);
        if !well_formed {
            self.findings.add(Code::RdbBadVersion, place, || {
                format!("the version has a byte that is no digit; servers read it as {version}, or refuse it")
            });
        }
        match (family, version) {
            (Family::Redis, 1000..=1999) => {
                self.unjudged = true;
                self.findings.add(Code::RdbForeignProduct, place, || {
                    format!("version {version} is of Redis Enterprise: its opcodes have other meanings")
                });
            }
            (Family::Redis, 80..) | (Family::Valkey, ..80) => self.findings.add(Code::RdbBadVersion, place, || {
                format!("no {family} server ever wrote version {version}, and none loads it")
            }),
            _ if self.is_newer() => {
                self.unjudged = true;
                self.findings.add(Code::RdbNewerVersion, place, || {
                    format!(
                        "version {version} ({family}) is newer than this build knows: what is known of it is checked"
                    )
                });
            }
            _ => {}
        }
    }

    fn version(&self) -> u32 {
        self.header.map_or(0, |h| h.version)
    }

    fn family(&self) -> Family {
        self.header.map_or(Family::Redis, |h| h.family)
    }

    /// Returns whether the version is of a server that this build does not know.
    fn is_newer(&self) -> bool {
        self.header.is_some_and(|h| match h.family {
            Family::Redis => (crate::rdb::NEWEST_REDIS + 1..80).contains(&h.version),
            Family::Valkey => h.version > crate::rdb::NEWEST_VALKEY,
        })
    }

    fn quirk(&mut self, quirk: Quirk, at: u64) {
        let (code, message) = match quirk {
            Quirk::OverlongLength => (Code::RdbOverlongLength, "a length in a longer form than it needs"),
            Quirk::SpecialAsNumber => {
                (Code::RdbSpecialAsNumber, "a string form where a number is read: servers take its low six bits")
            }
        };
        self.findings.add(code, Location::at(at), || message.to_owned());
    }

    /// Holds an opcode against the version; each is reported once.
    fn opcode_seen(&mut self, byte: u8, at: u64) {
        self.facts.opcode(byte, at);
        let (family, version) = (self.family(), self.version());
        let least = opcode::min_version(byte, family);
        if least > version && !std::mem::replace(&mut self.newer_reported[usize::from(byte)], true) {
            let name = opcode::name(byte, family).unwrap_or("opcode");
            self.findings.add(Code::RdbTypeNewerThanVersion, Location::at(at), || {
                format!("opcode {name} came with version {least}, but the file says {version}")
            });
        }
    }

    /// Returns whether values of that type may stand in a file of this family and version.
    fn expects(&self, value_type: ValueType) -> bool {
        value_type.belongs_to(self.family()) && value_type.min_version() <= self.version()
    }

    /// Holds a value type against version and family; each is reported once.
    fn type_seen(&mut self, value_type: ValueType, at: u64) {
        let (family, version) = (self.family(), self.version());
        if self.expects(value_type) || std::mem::replace(&mut self.newer_reported[usize::from(value_type.byte())], true)
        {
            return;
        }
        let least = value_type.min_version();
        if !value_type.belongs_to(family) {
            self.findings.add(Code::RdbForeignType, Location::at(at), || {
                format!("type {} ({value_type}) belongs to Redis; Valkey refuses it", value_type.byte())
            });
        } else {
            self.findings.add(Code::RdbTypeNewerThanVersion, Location::at(at), || {
                format!(
                    "type {} ({value_type}) came with version {least}, but the file says {version}",
                    value_type.byte()
                )
            });
        }
    }

    /// Returns the value at hand, and what its checker works with.
    #[inline]
    fn value_in_context(&mut self) -> (&mut Option<(ValueChecker, u64)>, Context<'_>) {
        let context = Context {
            findings: &mut self.findings,
            scratch: &mut self.scratch,
            elements: &mut self.elements,
            suspects: &mut self.suspects,
            templates: &mut self.templates,
            duplicates: self.options.duplicates != Duplicates::Off,
            fast: !self.options.no_fast_paths,
            now_ms: self.options.now_ms,
            limits: &self.options.limits,
        };
        (&mut self.value, context)
    }

    #[inline]
    fn inside_value(&mut self, event: &Event<&[u8]>) {
        if self.options.quick {
            return;
        }
        let (value, mut cx) = self.value_in_context();
        if let Some((checker, _)) = value {
            checker.event(event, &mut cx);
        }
    }

    fn end_of_record(&mut self) {
        let quick = self.options.quick;
        let (value, mut cx) = self.value_in_context();
        if let Some((checker, start)) = value.take()
            && !quick
        {
            checker.end(start, &mut cx);
        }
        self.findings.subject.clear();
    }

    fn checksum(&mut self, stored: u64, at: u64) {
        let computed = self.crc.unwrap_or(0);
        let place = Location::span(at, at + 8).reading(Reading::Checksum);
        self.checksum = Some(match stored {
            0 => {
                self.findings.add(Code::RdbChecksumDisabled, place, || {
                    "the writer did not compute a checksum: the structure is checked, the content is unproven"
                        .to_owned()
                });
                Checksum::Disabled
            }
            _ if stored == computed => Checksum::Ok,
            _ => {
                self.findings.add(Code::RdbChecksumMismatch, place, || {
                    format!("the file states the checksum {stored:016x}, its bytes give {computed:016x}")
                });
                Checksum::Mismatch
            }
        });
    }

    /// Returns what may be held in memory.
    pub(crate) fn limits(&self) -> &Limits {
        &self.options.limits
    }

    /// Takes what follows the end of the records.
    pub(crate) fn trailing(&mut self, bytes: &[u8]) {
        self.trailing.push(bytes);
    }

    /// Takes note that the walk cannot go on. `head` is what the file begins with, if nothing of it could be read, `size` is
    /// its size, and `proven` says that its checksum is right over all its bytes.
    pub(crate) fn failed(&mut self, error: &Error, head: &[u8], size: u64, proven: bool) {
        self.failed = true;
        ending::report(self, error, &head[..head.len().min(512)], proven);
        self.size = Some(size);
    }

    /// Looks back at the whole file. `source` reads places of it again, to confirm duplicates.
    pub(crate) fn finish(mut self, source: Option<&mut dyn Source>) -> Report {
        let offset = self.offset;
        self.findings.subject.clear();
        self.keys.close_hole(&mut self.findings);
        // Of what nobody here can read, nothing can be missed.
        if !(self.failed && self.unjudged) {
            self.databases.end(&mut self.findings);
        }
        self.after_the_end();
        let duplicates = self.settle(source);
        if !self.failed {
            self.databases.impossible(offset, &mut self.findings);
            self.templates.end(&mut self.findings);
            if let Some((attributes, start)) = self.keys.pending {
                self.findings.add(
                    Code::RdbAttributesPending,
                    Location::new(attributes.start.unwrap_or(start), offset),
                    || "an expiry, idle time or frequency without a key after it: servers drop it".to_owned(),
                );
            }
        }
        let verdict = match (self.findings.any(Severity::Error), self.unjudged) {
            (true, _) => Verdict::Damaged,
            (false, true) => Verdict::Unknown,
            (false, false) => Verdict::Sound,
        };
        let counts = self.keys.tally.into_counts();
        let header = self.header.map(|Header { family, version, digits, .. }| HeaderFacts { family, version, digits });
        let facts = self.facts.into_facts(|t| counts.encodings.get(t.encoding_name()).copied().unwrap_or(0));
        let facts = RdbFacts {
            header,
            classes: self.findings.take_classes(),
            largest_resizedb: self.databases.largest,
            largest_db_with_keys: counts.databases.last_key_value().map(|(db, _)| *db),
            trailing: (self.trailing.len > 0).then(|| (offset, self.trailing.kind())),
            expired: counts.expired,
            complete: !self.options.quick,
            runs: self.extras.take_runs(),
            ..facts
        };
        let findings_by_code: std::collections::BTreeMap<_, _> = self.findings.counts().collect();
        let (findings, more) = self.findings.into_parts();
        Report {
            kind: self.kind,
            verdict,
            size: self.size.unwrap_or(offset + self.trailing.len),
            format: self.header.map(|h| Format {
                family: h.family,
                rdb_version: h.version,
                writer: self.aux.writer,
                product: self.aux.server,
                created: self.aux.created,
            }),
            counts,
            checksum: self.checksum,
            duplicates,
            findings_total: findings_by_code.values().sum(),
            findings_by_code,
            findings,
            more,
            dump: None,
            rdb: Some(facts),
            stats: self.stats.map(|stats| stats.into_stats()),
            aof: None,
            parts: Vec::new(),
        }
    }

    /// Judges what follows the end of the records.
    fn after_the_end(&mut self) {
        let (len, at, version) = (self.trailing.len, self.offset, self.version());
        if self.checksum == Some(Checksum::Absent) {
            if len == 8 && !self.trailing.all_zero() {
                self.findings.add(Code::RdbVersionDigitDamaged, Location::new(5, at), || {
                    format!(
                        "the file says version {version}, which has no checksum, but 8 bytes follow its end: a damaged \
                         version digit turns the checksum off"
                    )
                });
                return;
            }
            self.findings.add(Code::RdbChecksumAbsent, Location::at(at), || {
                format!("version {version} has no checksum: the structure is checked, the content is unproven")
            });
        }
        if len > 0 {
            let what = self.trailing.describe();
            self.findings.add(Code::RdbTrailingBytes, Location::span(at, at + len), || {
                format!("{len} bytes follow the end of the RDB, {what}; servers do not look at them")
            });
        }
    }

    /// Settles the search for duplicates.
    fn settle(&mut self, mut source: Option<&mut dyn Source>) -> DuplicateCheck {
        if self.options.duplicates == Duplicates::Off || self.options.quick || self.header.is_none() {
            return DuplicateCheck::Off;
        }
        let full = self.options.duplicates == Duplicates::Full && !self.failed;
        let again = match &mut source {
            Some(source) if full => Some((&mut **source as &mut dyn Source, &self.options.limits)),
            _ => None,
        };
        let all = self.keys.settle(self.threads, again, &mut self.suspects, &mut self.findings);
        let confirmed = {
            let (family, databases) = (self.family(), &self.databases);
            let database = |offset| databases.at(offset);
            super::confirm::confirm(&mut self.suspects, source, family, database, &mut self.findings)
        };
        let Confirmed { by_text, left_out } = confirmed;
        if left_out > 0 {
            self.findings.add(Code::RdbDuplicatesUnchecked, Location::at(0), || {
                format!("{left_out} names have the hash of another one, and were not compared with it")
            });
        }
        let all = all && left_out == 0 && !self.failed && self.findings.count(Code::ElementsUnchecked) == 0;
        match (all, by_text) {
            (false, _) => DuplicateCheck::Partial,
            (true, true) => DuplicateCheck::Checked,
            (true, false) => DuplicateCheck::ByHash,
        }
    }

    /// The role decides whose string it is: what a value checker decodes is not looked at twice.
    fn is_checked_by_value(&self, role: Role) -> bool {
        match role {
            Role::Member | Role::Field => true,
            Role::Item => matches!(&self.value, Some((ValueChecker::Elements(c), _)) if c.decodes_items()),
            _ => role.is_blob(),
        }
    }
}
