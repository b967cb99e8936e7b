//! What a file holds besides keys: functions, data of modules, metadata of keys, slots being imported.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use super::names::Metadata;
use crate::base::error::Reading;
use crate::functions::shebang;
use crate::functions::{Api, Library, Loader, Proof, Prover, Runs};
use crate::lzf;
use crate::rdb::slot::SLOTS;
use crate::rdb::{Body, ModuleId, RdbString, Role};
use crate::report::codes::Code;
use crate::report::collector::{Collector, Location};
use crate::report::facts::{FactsCollector, Name};

/// Library names, and module ids, that are remembered.
const MOST_NAMES: usize = 1 << 14;
/// The longest source of a library that is kept to be run.
const LONGEST_CODE: usize = 1 << 20;
/// The sources of all libraries that are kept.
const MOST_CODE: usize = 4 << 20;

#[derive(Debug, Default)]
pub(super) struct Extras {
    libraries: HashSet<Vec<u8>>,
    modules: BTreeSet<ModuleId>,
    classes: BTreeSet<u32>,
    /// A long library, while its pieces pass.
    code: Option<LongCode>,
    /// Bytes of sources that were kept.
    kept: usize,
    /// What is known of the code, where it is run.
    runs: Option<Runs>,
    /// One for each kind of server, where code is run.
    loaders: Vec<Loader>,
    /// Whether the library at hand is in the form of release candidates, whose source has no first line of its own.
    pre_ga: bool,
    /// Where the record of the library at hand begins.
    function_at: u64,
    pub(super) meta: Metadata,
}

#[derive(Debug)]
struct LongCode {
    head: Vec<u8>,
    /// Whether `head` is all of it.
    whole: bool,
    start: u64,
    content: u64,
    inflater: Option<lzf::Inflater>,
}

impl Extras {
    /// One that has the code of libraries run, if there is somebody to run it.
    pub(super) fn new(prover: Option<&Prover>) -> Self {
        let runs = prover.map(|prover| Runs::new(prover.clone()));
        let loader = |runs: &Runs| Api::KINDS.map(|api| Loader::new(Some(runs.clone()), api)).into();
        Self { loaders: runs.as_ref().map(loader).unwrap_or_default(), runs, ..Self::default() }
    }

    /// Takes out what is known of the code, for those who judge.
    pub(super) fn take_runs(&mut self) -> Option<Runs> {
        self.runs.take()
    }

    pub(super) fn function(&mut self, pre_ga: bool, start: u64, end: u64, findings: &mut Collector) {
        (self.function_at, self.pre_ga) = (start, pre_ga);
        if pre_ga {
            findings.add(Code::RdbFunctionPreGa, Location::span(start, end).reading(Reading::Function), || {
                "a function library as release candidates of Redis 7.0 wrote it: Redis 7.2 and Valkey refuse it"
                    .to_owned()
            });
        }
    }

    /// The source of a library.
    pub(super) fn code(
        &mut self,
        string: &RdbString<&[u8]>,
        decoded: &mut lzf::Room,
        facts: &mut FactsCollector,
        findings: &mut Collector,
    ) {
        match string.body {
            Body::Raw(code) => self.library(code, true, string.start, facts, findings),
            Body::Int(_) => self.library(b"", true, string.start, facts, findings),
            Body::Lzf { data, decoded: size } => match decoded.inflate(data, size) {
                Ok(code) => self.library(code, true, string.start, facts, findings),
                Err(error) => {
                    let at = string.end - data.len() as u64;
                    super::strings::report_lzf(string.start, at, &error, Reading::Function, findings);
                }
            },
            Body::Long { stored, decoded } => {
                let inflater = match decoded.map(|decoded| lzf::Inflater::new(stored, decoded)).transpose() {
                    Ok(inflater) => inflater,
                    Err(error) => {
                        super::strings::report_lzf(string.start, string.end, &error, Reading::Function, findings);
                        return;
                    }
                };
                let (start, content) = (string.start, string.end);
                self.code = Some(LongCode { head: Vec::new(), whole: true, start, content, inflater });
            }
        }
    }

    /// A piece of a long library.
    pub(super) fn code_piece(
        &mut self,
        role: Role,
        bytes: &[u8],
        last: bool,
        facts: &mut FactsCollector,
        findings: &mut Collector,
    ) {
        let Some(mut code) = self.code.take().filter(|_| role == Role::FunctionCode) else { return };
        let (head, whole) = (&mut code.head, &mut code.whole);
        let mut keep = |piece: &[u8]| {
            let room = LONGEST_CODE.saturating_sub(head.len());
            *whole &= piece.len() <= room;
            head.extend_from_slice(&piece[..piece.len().min(room)]);
        };
        let result = match &mut code.inflater {
            None => {
                keep(bytes);
                Ok(())
            }
            Some(inflater) => {
                inflater.push(bytes, &mut keep).and_then(|()| if last { inflater.finish() } else { Ok(()) })
            }
        };
        match result {
            Err(error) => {
                super::strings::report_lzf(code.start, code.content, &error, Reading::Function, findings);
            }
            Ok(()) if last => self.library(&code.head, code.whole, code.start, facts, findings),
            Ok(()) => self.code = Some(code),
        }
    }

    /// The source of a library. Of a long one it may be the first part only, which then is not `whole`.
    fn library(&mut self, code: &[u8], whole: bool, at: u64, facts: &mut FactsCollector, findings: &mut Collector) {
        if self.pre_ga {
            self.take_code("", code, whole, at, facts, findings);
            return;
        }
        let place = Location::new(self.function_at, at).reading(Reading::Function);
        match shebang(code) {
            Err(why) => findings
                .add(Code::RdbFunctionInvalid, place, || format!("a function library that servers refuse: {why}")),
            Ok(first_line) => {
                if self.libraries.len() < MOST_NAMES && !self.libraries.insert(first_line.name.to_vec()) {
                    findings.add(Code::RdbFunctionDuplicate, place, || {
                        format!("function library \"{}\" comes twice", first_line.name.escape_ascii())
                    });
                }
                if !first_line.engine.eq_ignore_ascii_case(b"lua") {
                    let engine = String::from_utf8_lossy(first_line.engine).into_owned();
                    facts.engine(engine.clone(), || Name::Text(first_line.name.escape_ascii().to_string()));
                    findings.add(Code::RdbModuleNeeded, place, || {
                        format!("a function library needs the engine {engine:?}")
                    });
                } else {
                    let name = first_line.name.escape_ascii().to_string();
                    self.take_code(&name, code, whole, at, facts, findings);
                }
            }
        }
    }

    /// Returns a copy of a source, unless it is not known or too long, or too much was kept.
    pub(super) fn keep(&mut self, code: Option<&[u8]>) -> Option<Arc<[u8]>> {
        let room = LONGEST_CODE.min(MOST_CODE.saturating_sub(self.kept));
        let code = code.filter(|code| code.len() <= room)?;
        self.kept += code.len();
        Some(code.into())
    }

    /// Keeps the source for those who judge, and reports it if no server loads it.
    fn take_code(
        &mut self,
        name: &str,
        code: &[u8],
        whole: bool,
        at: u64,
        facts: &mut FactsCollector,
        findings: &mut Collector,
    ) {
        let code = self.keep(whole.then_some(code));
        facts.library(Library { name: name.to_owned(), at: self.function_at, code: code.clone() });
        let mut refusals = Vec::new();
        for loader in &mut self.loaders {
            if let Proof::Refuses(why) | Proof::Crashes(why) = loader.load(code.as_ref()) {
                refusals.push(why);
            }
        }
        if !self.loaders.is_empty() && refusals.len() == self.loaders.len() {
            let place = Location::new(self.function_at, at).reading(Reading::Function);
            findings.add(Code::RdbFunctionInvalid, place, || {
                format!("a function library that servers refuse: {}", refusals.swap_remove(0))
            });
        }
    }

    pub(super) fn module_aux(&mut self, module: ModuleId, when_opcode: u64, at: u64, findings: &mut Collector) {
        if when_opcode != 2 {
            findings.add(Code::RdbModuleAuxWhen, Location::at(at).reading(Reading::ModuleItem), || {
                format!("data of module {module} states when to load it as opcode {when_opcode}, which must be 2")
            });
        }
        self.module_needed(module, at, findings);
    }

    /// Says once for each module that it is needed.
    pub(super) fn module_needed(&mut self, module: ModuleId, at: u64, findings: &mut Collector) {
        // Vector sets are a module value by layout, but part of every Redis since 8.0.
        if module.name() == "vectorset" {
            return;
        }
        if self.modules.len() < MOST_NAMES && self.modules.insert(ModuleId(module.0 & !1023)) {
            findings.add(Code::RdbModuleNeeded, Location::at(at).reading(Reading::ModuleId), || {
                format!("loads only on a server with the module of type {module}")
            });
        }
    }

    pub(super) fn key_meta_class(&mut self, spec: u32, at: u64, findings: &mut Collector) {
        let may_be_ignored = spec & 1 == 1;
        if !may_be_ignored && self.classes.len() < MOST_NAMES && self.classes.insert(spec >> 8) {
            findings.add(Code::RdbKeyMetaNeeded, Location::at(at).reading(Reading::KeyMeta), || {
                "key metadata of a class that a server must know to load the file".to_owned()
            });
        }
    }

    pub(super) fn slot_import(&mut self, job: &RdbString<&[u8]>, at: u64, findings: &mut Collector) {
        let len = job.text_len();
        if len != 40 {
            findings.add(Code::RdbSlotImportInvalid, Location::span(at, job.end).reading(Reading::SlotImport), || {
                format!("the name of a slot import has {len} bytes, which must be 40")
            });
        }
    }

    pub(super) fn slot_range(&mut self, first: u64, last: u64, at: u64, findings: &mut Collector) {
        if first > last || last >= SLOTS {
            findings.add(Code::RdbSlotImportInvalid, Location::at(at).reading(Reading::SlotImport), || {
                format!("slots {first} to {last} are no range of slots")
            });
        }
    }
}
