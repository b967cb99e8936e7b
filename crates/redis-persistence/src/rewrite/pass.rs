//! One pass over a source: its chosen records, written.

use std::io::{self, Read, Seek, SeekFrom, Write};

use super::Plan;
use super::adapt::{Adapter, meant};
use super::anew::{Anew, Facts, HELD};
use super::dialect::Form;
use super::out::{Out, Turn};
use super::survey::loses;
use crate::base::error::Error;
use crate::base::source::read_block;
use crate::rdb::feed::{Consumer, Feeder};
use crate::rdb::{Decoder, Event, Head, Header, KeyAttributes, Part, Payload, RecordSkipper, Role, Shape, ValueType};
use crate::report::Code;

/// What is read at a time.
const BLOCK: usize = 512 << 10;
/// What is read at a time for a second look.
const SMALL: usize = 64 << 10;

/// Where the pass stands.
#[derive(Debug)]
enum State {
    /// Behind a record, or in one that is not written.
    Outside,
    /// In one that belongs to no key, as what its strings say matters to the decoder.
    Defines,
    /// Behind the head of a key whose name is long.
    Naming,
    /// In a record that is written as it comes.
    Copied,
    /// In a stream that is written in another version of the layout.
    Stream(u8),
    /// In a collection that is encoded anew.
    Plain,
    /// Behind the name of a module's value.
    Module,
}

pub(super) struct Pass<'p, R, W: Write> {
    plan: &'p Plan,
    turn: Turn,
    input: &'p mut R,
    out: &'p mut Out<W>,
    header: Option<Header>,
    skipper: Option<RecordSkipper>,
    state: State,
    /// The head of a key that is not written yet, and its name.
    begun: Option<Head>,
    name: Vec<u8>,
    anew: Option<(Anew, Adapter<'p>)>,
    failed: Option<io::Error>,
}

/// Writes what a source holds, as far as it is its turn.
pub(super) fn run<R: Read + Seek, W: Write>(
    plan: &Plan,
    turn: Turn,
    input: &mut R,
    out: &mut Out<W>,
) -> io::Result<()> {
    let limits = plan.options.verify.limits.clone();
    let mut decoder = Decoder::new(&limits);
    let mut pass = Pass {
        plan,
        turn,
        input,
        out,
        header: None,
        skipper: None,
        state: State::Outside,
        begun: None,
        name: Vec::new(),
        anew: None,
        failed: None,
    };
    let mut feeder = Feeder::new(limits);
    let mut at = 0;
    let mut block = vec![0; BLOCK];
    while feeder.end().is_none() {
        // A second look may have moved it.
        pass.input.seek(SeekFrom::Start(at))?;
        let len = read_block(pass.input, &mut block)?;
        at += len as u64;
        let mut both = Both { pass: &mut pass, decoder: &mut decoder };
        let fed = match len {
            0 => feeder.finish(&mut both),
            _ => feeder.feed(&block[..len], &mut both).map(drop),
        };
        if let Some(error) = pass.failed.take() {
            return Err(error);
        }
        fed.map_err(io::Error::other)?;
    }
    Ok(())
}

/// The pass, and what makes elements of its events.
struct Both<'b, 'p, R, W: Write> {
    pass: &'b mut Pass<'p, R, W>,
    decoder: &'b mut Decoder,
}

impl<R: Read + Seek, W: Write> Consumer for Both<'_, '_, R, W> {
    fn event(&mut self, event: &Event<&[u8]>) {
        if self.pass.failed.is_none() {
            self.pass.failed = self.pass.event(event, self.decoder).err();
        }
    }

    fn ahead(&mut self, window: &[u8], _: u64) -> usize {
        if self.pass.failed.is_some() {
            return 0;
        }
        match self.pass.copied_run(window, self.decoder.db) {
            Ok(len) => len,
            Err(error) => {
                self.pass.failed = Some(error);
                0
            }
        }
    }
}

impl<'p, R: Read + Seek, W: Write> Pass<'p, R, W> {
    /// Copies records as they stand, where all are chosen and none stands twice.
    fn copied_run(&mut self, window: &[u8], db: u64) -> io::Result<usize> {
        let Some(skipper) = &self.skipper else { return Ok(0) };
        let extent = skipper.records(window, window.len());
        let db = self.plan.options.renumbered(db);
        if extent.len > 0 && self.turn.keys.takes(db) {
            self.out.select(db, self.plan)?;
            self.out.writer.copy(&window[..extent.len])?;
            self.out.keys += extent.keys;
        }
        Ok(extent.len)
    }

    /// Returns whether the source has expiries that servers take in different ways: they are written in one that all take alike.
    fn has_odd_expiries(&self) -> bool {
        let odd = [Code::RdbExpireMinusOne, Code::RdbAttributesRepeated];
        let report = self.plan.reports.get(self.turn.source);
        report.is_some_and(|report| odd.iter().any(|code| report.findings_by_code.contains_key(code)))
    }

    fn event(&mut self, event: &Event<&[u8]>, decoder: &mut Decoder) -> io::Result<()> {
        let options = &self.plan.options;
        match &event.payload {
            Payload::Header(header) => {
                self.header = Some(*header);
                let all = options.selection.is_all() && self.plan.winners.is_empty() && !self.has_odd_expiries();
                let copied = |value_type| options.form(value_type) == Form::Copied;
                self.skipper = all.then(|| RecordSkipper::only(*header, &copied));
            }
            Payload::Record(record) => {
                self.state = State::Naming;
                let named = self.decoded(event, decoder)?;
                if named {
                    let value = record.value.filter(|_| matches!(self.state, State::Copied));
                    if let Some(string) = value {
                        let payload = Payload::Str { role: Role::Value, string };
                        self.out.writer.event(&Event { payload, ..*event })?;
                    }
                }
            }
            Payload::Template { .. } => {
                self.state = State::Defines;
                decoder.event(event, &mut |_| ()).map_err(io::Error::other)?;
            }
            Payload::SelectDb { .. } => decoder.event(event, &mut |_| ()).map_err(io::Error::other)?,
            Payload::ModuleAux { .. } => {
                // The survey refused what the server has no module for.
                let is_kept = self.turn.beside_keys && !options.leaves_out_module_data();
                self.state = if is_kept { State::Copied } else { State::Outside };
                if is_kept {
                    self.out.writer.event(event)?;
                }
            }
            Payload::Aux { name, value } => {
                let is_script = self.turn.beside_keys
                    && !options.dialect.functions
                    && name.decode().is_ok_and(|name| *name == *b"lua");
                self.state = if is_script && value.is_none() { State::Copied } else { State::Outside };
                if is_script {
                    self.out.writer.event(event)?;
                }
            }
            Payload::Eof
            | Payload::Checksum { .. }
            | Payload::ResizeDb { .. }
            | Payload::SlotInfo { .. }
            | Payload::SlotImport
            | Payload::Function { .. }
            | Payload::KeyMeta { .. }
            | Payload::Attributes(_) => self.state = State::Outside,
            _ => self.inside(event, decoder)?,
        }
        if event.ends_record {
            self.end(decoder)?;
        }
        Ok(())
    }

    /// Takes an event of a record that has begun.
    fn inside(&mut self, event: &Event<&[u8]>, decoder: &mut Decoder) -> io::Result<()> {
        match self.state {
            State::Outside => Ok(()),
            State::Defines => decoder.event(event, &mut |_| ()).map_err(io::Error::other),
            State::Copied => self.out.writer.event(event),
            State::Stream(version) => match in_version(&event.payload, version) {
                Some(payload) => self.out.writer.event(&Event { payload, ..*event }),
                None => Ok(()),
            },
            State::Naming | State::Plain => self.decoded(event, decoder).map(drop),
            State::Module => self.module(event),
        }
    }

    /// Hands an event to the decoder, and takes what comes of it. Returns whether it named a key.
    fn decoded(&mut self, event: &Event<&[u8]>, decoder: &mut Decoder) -> io::Result<bool> {
        let mut named = false;
        let mut result = Ok(());
        decoder
            .event(event, &mut |part| {
                if result.is_err() {
                    return;
                }
                result = match part {
                    Part::Key(head, name) => {
                        named = true;
                        self.begin(head, name)
                    }
                    Part::Element(element) => self.element(element),
                    Part::End(_) | Part::Function(_) => Ok(()),
                };
            })
            .map_err(io::Error::other)?;
        result?;
        if named && !matches!(self.state, State::Plain) {
            decoder.leave();
        }
        Ok(named)
    }

    /// A key has a name.
    fn begin(&mut self, head: &Head, name: &[u8]) -> io::Result<()> {
        let plan: &'p Plan = self.plan;
        let options = &plan.options;
        let db = options.renumbered(head.db);
        self.state = State::Outside;
        let is_meant = self.turn.keys.takes(db) && options.selection.takes(head, name);
        if !is_meant || loses(&plan.winners, self.turn.source, head, db, name) {
            return Ok(());
        }
        let head = &meant(head);
        let keep = |pass: &mut Self| {
            pass.begun = Some(*head);
            pass.name.clear();
            pass.name.extend_from_slice(name);
        };
        match options.form(head.value_type) {
            Form::Copied if head.value_type.shape() == Shape::Module => {
                keep(self);
                self.state = State::Module;
                Ok(())
            }
            Form::Copied => self.head(head, name, head.value_type, State::Copied),
            Form::Stream(value_type) => self.head(head, name, value_type, State::Stream(value_type.layout_version())),
            Form::Plain => {
                keep(self);
                let anew = Anew::new(attributes(head), head.value_type.shape());
                self.anew = Some((anew, Adapter::new(options, head)));
                self.state = State::Plain;
                Ok(())
            }
            Form::Never(_) => Ok(()),
        }
    }

    /// Writes the head of a key, and its name.
    fn head(&mut self, head: &Head, name: &[u8], value_type: ValueType, state: State) -> io::Result<()> {
        self.out.select(self.plan.options.renumbered(head.db), self.plan)?;
        self.out.writer.key(&attributes(head), value_type, name)?;
        self.out.keys += 1;
        self.state = state;
        Ok(())
    }

    /// The first thing of a module's value names the module.
    fn module(&mut self, event: &Event<&[u8]>) -> io::Result<()> {
        let Payload::Module(id) = event.payload else { return Ok(()) };
        self.state = State::Outside;
        let Some(head) = self.begun.take() else { return Ok(()) };
        if Adapter::new(&self.plan.options, &head).module(id) {
            let name = std::mem::take(&mut self.name);
            self.head(&head, &name, ValueType::Module2, State::Copied)?;
            self.name = name;
            self.out.writer.event(event)?;
        }
        Ok(())
    }

    /// Takes an element of a collection that is encoded anew.
    fn element(&mut self, element: crate::rdb::Element<'_>) -> io::Result<()> {
        let (Some((anew, adapter)), Some(head)) = (&mut self.anew, &self.begun) else { return Ok(()) };
        let options = &self.plan.options;
        let Some(element) = adapter.element(element) else { return Ok(()) };
        anew.element(&element, &mut self.out.writer)?;
        // What the fields are called stands elsewhere: such a hash is held.
        let is_template = head.value_type.shape() == Shape::HashTemplate;
        let most = if is_template { options.verify.limits.packed_bytes } else { HELD };
        if anew.held() <= most {
            return Ok(());
        }
        if is_template {
            return Err(io::Error::other("a hash of a template is too large to be held"));
        }
        let Some(header) = self.header else { return Ok(()) };
        let facts = facts(self.input, header, head, self.plan)?;
        self.out.select(options.renumbered(head.db), self.plan)?;
        anew.begin(&self.name, facts, &options.dialect, &mut self.out.writer)
    }

    fn end(&mut self, decoder: &mut Decoder) -> io::Result<()> {
        self.state = State::Outside;
        decoder.leave();
        if let (Some((anew, _)), Some(head)) = (self.anew.take(), self.begun.take()) {
            let db = self.plan.options.renumbered(head.db);
            self.out.select(db, self.plan)?;
            self.out.keys += u64::from(anew.end(&self.name, &self.plan.options.dialect, &mut self.out.writer)?);
        }
        self.begun = None;
        Ok(())
    }
}

fn attributes(head: &Head) -> KeyAttributes {
    KeyAttributes { expire_ms: head.expires_ms, idle: head.idle, freq: head.freq }
}

/// Returns what stands of a stream's payload in another version of the layout.
fn in_version<'b>(payload: &Payload<&'b [u8]>, version: u8) -> Option<Payload<&'b [u8]>> {
    let of_producers = |role: Role| matches!(role, Role::Producer | Role::ProducerEntry);
    Some(match *payload {
        Payload::Stream(mut info) => {
            info.v2 = info.v2.filter(|_| version >= 2);
            Payload::Stream(info)
        }
        Payload::Group { last_id, entries_read } => {
            Payload::Group { last_id, entries_read: entries_read.filter(|_| version >= 2) }
        }
        Payload::Consumer { seen, active } => Payload::Consumer { seen, active: active.filter(|_| version >= 3) },
        Payload::Items { of: Role::Nacked, .. } | Payload::Id { of: Role::Nacked, .. } if version < 5 => return None,
        Payload::Items { of, .. } if of_producers(of) && version < 4 => return None,
        Payload::Str { role, .. } | Payload::Piece { role, .. } if of_producers(role) && version < 4 => return None,
        Payload::Idmp { .. } | Payload::IdmpEntry { .. } | Payload::IdmpTotals { .. } if version < 4 => return None,
        other => other,
    })
}

/// Looks at a value of which not all can be held: how many elements it keeps, and the first expiry.
fn facts<R: Read + Seek>(input: &mut R, header: Header, head: &Head, plan: &Plan) -> io::Result<Facts> {
    let limits = plan.options.verify.limits.clone();
    let adapter = Adapter::new(&plan.options, head);
    let mut look =
        Look { decoder: Decoder::new(&limits), adapter, facts: Facts::default(), is_over: false, failed: None };
    let mut feeder = Feeder::at_record(limits, header, head.start);
    let mut block = vec![0; SMALL];
    input.seek(SeekFrom::Start(head.start))?;
    while !look.is_over {
        let len = read_block(input, &mut block)?;
        if len == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file became shorter"));
        }
        feeder.feed(&block[..len], &mut look).map_err(io::Error::other)?;
        if let Some(error) = look.failed.take() {
            return Err(io::Error::other(error));
        }
    }
    Ok(look.facts)
}

struct Look<'o> {
    decoder: Decoder,
    adapter: Adapter<'o>,
    facts: Facts,
    is_over: bool,
    failed: Option<Error>,
}

impl Consumer for Look<'_> {
    fn event(&mut self, event: &Event<&[u8]>) {
        if self.is_over || self.failed.is_some() {
            return;
        }
        let (adapter, facts) = (&mut self.adapter, &mut self.facts);
        let result = self.decoder.event(event, &mut |part| {
            if let Part::Element(element) = part
                && let Some(element) = adapter.element(element)
            {
                facts.add(&element);
            }
        });
        self.failed = result.err();
        self.is_over = event.ends_record;
    }

    fn ahead(&mut self, window: &[u8], _: u64) -> usize {
        // Nothing behind the record matters.
        if self.is_over { window.len() } else { 0 }
    }
}
