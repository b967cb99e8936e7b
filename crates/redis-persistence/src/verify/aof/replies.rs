//! Commands that servers answer with an error while they load, and pass over: payloads, scripts and functions that are not what
//! they should be.
//!
//! ```text
//! command -> payload.rs   RESTORE: checksum, version, and the value inside as an RDB of one key
//!            scripts.rs   EVAL, EVALSHA, SCRIPT: which scripts are known, and what they run
//!            here         FUNCTION, FCALL: kept for a replay (functions::replay)
//! ```
//! What this says was measured on Redis 6.2.14 to 8.6.3 and Valkey 8.0.1 to 9.1.2.

mod libraries;
pub(in crate::verify) mod payload;
mod scripts;

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read, Seek};
use std::sync::Arc;

use crate::aof::{Arg, Command};
use crate::base::source::Clamped;
use crate::functions::{Api, Library, Runs, Script};
use crate::report::codes::Code;
use crate::report::facts::{Failing, Fails, FunctionStep, Place, ReplyFacts, RestorePolicy};
use crate::verify::options::Options;
use libraries::Replay;
pub(crate) use libraries::Replayed;
use payload::{Checked, Payloads};
use scripts::zeros;

/// The longest source of a library that is kept, and all of them together.
const LONGEST_CODE: u64 = 1 << 20;
const MOST_CODE: u64 = 4 << 20;
/// This many values too long to be at hand are looked at behind the others.
const MOST_LONG: usize = 1 << 16;
/// The longest value that is looked at.
const LONGEST_VALUE: u64 = 16 << 20;

/// The commands that are looked at here.
const NAMES: [&[u8]; 10] = [
    b"EVAL",
    b"EVALSHA",
    b"EVALSHA_RO",
    b"EVAL_RO",
    b"FCALL",
    b"FCALL_RO",
    b"FUNCTION",
    b"RESTORE",
    b"RESTORE-ASKING",
    b"SCRIPT",
];

/// Returns the number among [`NAMES`] of a command that is looked at here.
#[inline]
pub(super) fn concerns(name: &[u8]) -> bool {
    matches!(name.first(), Some(b'E' | b'e' | b'F' | b'f' | b'R' | b'r' | b'S' | b's'))
        && name.len() >= 4
        && NAMES.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// Something to say about a command.
pub(super) struct Said {
    pub(super) code: Code,
    /// The byte that it is about.
    pub(super) at: u64,
    pub(super) message: String,
}

/// A value that is too long to be at hand.
#[derive(Debug)]
struct Long {
    part: usize,
    start: u64,
    at: u64,
    len: u64,
    key: Vec<u8>,
    db: u64,
    /// The step that it is the code of; none for a payload.
    step: Option<usize>,
}

/// What is known of the commands of a set so far.
#[derive(Debug)]
pub(super) struct Replies<'o> {
    options: &'o Options,
    facts: ReplyFacts,
    fails: BTreeMap<Fails, Failing>,
    payloads: Payloads,
    /// Scripts by their sum: what they do, if they compile.
    scripts: HashMap<[u8; 20], Option<Script>>,
    /// Whether a script may be known that was not looked at.
    open: bool,
    compiled: u64,
    kept: u64,
    long: Vec<Long>,
}

impl<'o> Replies<'o> {
    pub(super) fn new(options: &'o Options) -> Self {
        Self {
            options,
            facts: ReplyFacts {
                runs: options.functions.as_ref().map(|prover| Runs::new(prover.clone())),
                ..ReplyFacts::default()
            },
            fails: BTreeMap::new(),
            payloads: Payloads::new(options),
            scripts: HashMap::new(),
            open: false,
            compiled: 0,
            kept: 0,
            long: Vec::new(),
        }
    }

    /// An RDB image comes before the next commands. Servers before 7.0 know its scripts.
    pub(super) fn image(&mut self, scripts: &[Library]) {
        self.open |= !scripts.is_empty();
    }

    /// A SELECT selected nothing.
    pub(super) fn bad_select(&mut self, place: Place) {
        self.fails.entry(Fails::Select).or_default().add(place);
    }

    /// Commands of that name in transactions.
    pub(super) fn queued(&mut self, name: &[u8], count: u64, first: Place) {
        let queued = &mut self.facts.queued;
        match queued.iter().position(|(known, _)| known == name) {
            Some(at) => queued[at].1.add_many(count, first),
            None if queued.len() < ReplyFacts::MOST_STEPS => {
                queued.push((name.to_vec(), Failing { count, first: vec![first] }));
            }
            None => {}
        }
    }

    /// Looks at one of the commands that [`concerns`] names; `queued` if it waits for an EXEC.
    pub(super) fn command(&mut self, command: &Command<'_>, queued: bool, part: usize, db: u64) -> Option<Said> {
        let place = Place { part, at: command.start() };
        let upper = command.name().to_ascii_uppercase();
        match &upper[..] {
            b"RESTORE" | b"RESTORE-ASKING" => self.restore(command, place, db),
            b"EVAL" | b"EVAL_RO" => {
                self.facts.scripts.add(place);
                if let Some(said) = self.key_count(command, place) {
                    return Some(said);
                }
                let (script, said) = self.script(command.arg(1)?, place);
                self.runs(script, command, queued, place);
                said
            }
            b"EVALSHA" | b"EVALSHA_RO" => {
                self.facts.scripts.add(place);
                self.evalsha(command, queued, place)
            }
            b"SCRIPT" => self.script_command(command, place),
            b"FCALL" | b"FCALL_RO" => self.call(command, place),
            _ => self.function(command, place),
        }
    }

    /// Counts a command that fails on every server.
    fn fail(&mut self, why: Fails, place: Place, at: u64, message: String) -> Option<Said> {
        self.fails.entry(why).or_default().add(place);
        Some(Said { code: Code::AofCommandFails, at, message })
    }

    /// Returns the number of keys of a script or function: the second argument.
    fn key_count(&mut self, command: &Command<'_>, place: Place) -> Option<Said> {
        let arg = command.arg(2)?;
        let count = arg.whole().and_then(integer);
        let most = command.argc().saturating_sub(3);
        if count.is_some_and(|count| u64::try_from(count).is_ok_and(|count| count <= most)) {
            return None;
        }
        let message = format!("{} keys of {most} arguments: {PASSED_OVER}", shown(arg));
        self.fail(Fails::KeyCount, place, arg.at, message)
    }

    fn restore(&mut self, command: &Command<'_>, place: Place, db: u64) -> Option<Said> {
        let (key, payload) = (command.arg(1)?, command.arg(3)?);
        if let Some((arg, why)) = wrong_arguments(command) {
            return self.fail(Fails::RestoreArguments, place, arg.at, format!("{why}: {PASSED_OVER}"));
        }
        let Some(bytes) = payload.whole() else {
            let key = key.head.to_vec();
            self.later(Long {
                part: place.part,
                start: place.at,
                at: payload.at,
                len: payload.len,
                key,
                db,
                step: None,
            });
            return None;
        };
        let checked = self.payloads.check(bytes, (key.head, db), place);
        self.payload(checked, place, payload.at)
    }

    fn later(&mut self, long: Long) {
        if self.long.len() < MOST_LONG {
            self.long.push(long);
        } else {
            self.payloads.unchecked += 1;
        }
    }

    /// Returns what a payload comes to, which begins at `at`.
    fn payload(&mut self, checked: Checked, place: Place, at: u64) -> Option<Said> {
        match checked {
            Checked::Taken => None,
            Checked::Damaged { why, offset, message } => {
                if let Some(why) = why {
                    self.fails.entry(why).or_default().add(place);
                }
                Some(Said { code: Code::AofRestoreDamaged, at: at + offset, message })
            }
            Checked::Unknown(message) => self.fail(Fails::PayloadValue, place, at, message),
        }
    }

    fn function(&mut self, command: &Command<'_>, place: Place) -> Option<Said> {
        let word = command.arg(1)?.whole()?.to_ascii_uppercase();
        let option = |number| command.arg(number).and_then(|arg: Arg<'_>| arg.whole()).map(<[u8]>::to_ascii_uppercase);
        let last = usize::try_from(command.argc()).ok()?.checked_sub(1)?;
        match &word[..] {
            b"LOAD" => {
                let replace = command.argc() == 4;
                if command.argc() != 3 && option(2).as_deref() != Some(b"REPLACE") || command.argc() > 4 {
                    self.step(FunctionStep::Wrong, place);
                    return None;
                }
                let code = command.arg(last)?;
                let kept = self.keep(code);
                if kept.is_none() && code.len <= LONGEST_CODE {
                    let step = Some(self.facts.functions.len());
                    let (key, db) = (Vec::new(), 0);
                    self.later(Long { part: place.part, start: place.at, at: code.at, len: code.len, key, db, step });
                }
                self.step(FunctionStep::Load { code: kept, replace }, place);
                zeros(code)
            }
            b"DELETE" => {
                self.step(FunctionStep::Delete(command.arg(2)?.head.to_vec()), place);
                None
            }
            b"FLUSH" => {
                self.step(FunctionStep::Flush, place);
                None
            }
            b"RESTORE" => {
                let policy = match option(3).as_deref() {
                    None | Some(b"APPEND") => RestorePolicy::Append,
                    Some(b"REPLACE") => RestorePolicy::Replace,
                    Some(b"FLUSH") => RestorePolicy::Flush,
                    Some(_) => {
                        self.step(FunctionStep::Wrong, place);
                        return None;
                    }
                };
                self.function_restore(command.arg(2)?, policy, place)
            }
            _ => None,
        }
    }

    fn function_restore(&mut self, payload: Arg<'_>, policy: RestorePolicy, place: Place) -> Option<Said> {
        let Some(bytes) = payload.whole() else {
            self.step(FunctionStep::Restore { version: 0, codes: Some(vec![None]), policy }, place);
            return None;
        };
        match payload::libraries(bytes) {
            Ok((version, codes)) => {
                let codes = codes.map(|codes| codes.into_iter().map(|code| self.keep_bytes(&code)).collect());
                self.step(FunctionStep::Restore { version, codes, policy }, place);
                None
            }
            Err(message) => {
                self.fails.entry(Fails::PayloadChecksum).or_default().add(place);
                Some(Said { code: Code::AofRestoreDamaged, at: payload.at, message })
            }
        }
    }

    /// Returns a copy of a source, if it is at hand and not too much was kept.
    fn keep(&mut self, code: Arg<'_>) -> Option<Arc<[u8]>> {
        self.keep_bytes(code.whole()?)
    }

    fn keep_bytes(&mut self, code: &[u8]) -> Option<Arc<[u8]>> {
        let len = code.len() as u64;
        if len > LONGEST_CODE || self.kept + len > MOST_CODE {
            return None;
        }
        self.kept += len;
        Some(code.into())
    }

    fn step(&mut self, step: FunctionStep, place: Place) {
        if self.facts.functions.len() < ReplyFacts::MOST_STEPS {
            self.facts.functions.push((place, step));
        } else {
            self.facts.functions_beyond += 1;
        }
    }

    fn call(&mut self, command: &Command<'_>, place: Place) -> Option<Said> {
        let name = command.arg(1)?.head;
        // Calls of one function since the last change are one step.
        let since = self.facts.functions.iter_mut().rev().map(|(_, step)| step);
        for step in since.take_while(|step| matches!(step, FunctionStep::Call(..))) {
            if let FunctionStep::Call(known, count) = step
                && known == name
            {
                *count += 1;
                return self.key_count(command, place);
            }
        }
        self.step(FunctionStep::Call(name.to_vec(), 1), place);
        self.key_count(command, place)
    }

    /// Looks at the values of a file that were too long to be at hand, and says what there is to say, each with where its command
    /// begins.
    pub(super) fn long<F: Read + Seek>(
        &mut self,
        input: &mut Clamped<F>,
        say: &mut dyn FnMut(u64, Said),
    ) -> io::Result<()> {
        for long in std::mem::take(&mut self.long) {
            let place = Place { part: long.part, at: long.start };
            if long.len > LONGEST_VALUE.min(self.options.limits.packed_bytes as u64) {
                self.payloads.unchecked += 1;
                continue;
            }
            let bytes = input.peek(long.at, long.len)?;
            if bytes.len() as u64 != long.len {
                continue;
            }
            match long.step {
                Some(step) => {
                    let kept = self.keep_bytes(&bytes);
                    if let Some((_, FunctionStep::Load { code, .. })) = self.facts.functions.get_mut(step) {
                        *code = kept;
                    }
                }
                None => {
                    let checked = self.payloads.check(&bytes, (&long.key, long.db), place);
                    if let Some(said) = self.payload(checked, place, long.at) {
                        say(long.start, said);
                    }
                }
            }
        }
        Ok(())
    }

    /// Commands about functions that fail on every kind of server, each with what it does. `images` gives the libraries of the image
    /// that a file begins with.
    pub(super) fn functions(&self, images: &dyn Fn(usize) -> Vec<Library>) -> Vec<(Place, String)> {
        if self.facts.functions.is_empty() {
            return Vec::new();
        }
        let replays = Api::KINDS.map(|api| replay(&self.facts, self.facts.runs.clone(), api, images));
        let [first, others @ ..] = &replays;
        let mut found = Vec::new();
        for (number, replayed) in first.iter().enumerate() {
            let Replayed::Fails(why) = replayed else { continue };
            let all = others.iter().all(|other| matches!(other.get(number), Some(Replayed::Fails(_))));
            if let (true, Some((place, _))) = (all, self.facts.functions.get(number)) {
                found.push((*place, format!("{why}: {PASSED_OVER}")));
            }
        }
        found
    }

    pub(super) fn finish(mut self) -> ReplyFacts {
        self.facts.fails = self.fails.into_iter().collect();
        self.facts.unchecked = self.payloads.unchecked;
        self.facts.restores = self.payloads.into_facts();
        self.facts
    }
}

/// Returns what a server makes of the commands about functions, in their order.
pub(crate) fn replay(
    facts: &ReplyFacts,
    runs: Option<Runs>,
    api: Api,
    images: &dyn Fn(usize) -> Vec<Library>,
) -> Vec<Replayed> {
    let mut replay = Replay::new(runs, api);
    let mut next = 0;
    let mut replayed = Vec::with_capacity(facts.functions.len());
    for (place, step) in &facts.functions {
        for part in next..=place.part {
            images(part).iter().for_each(|library| replay.image(library));
        }
        next = next.max(place.part + 1);
        replayed.push(replay.step(step));
    }
    replayed
}

/// What servers do, in words.
pub(super) const PASSED_OVER: &str = "servers answer with an error and pass over it";

/// Returns a time or an option of RESTORE that servers do not take.
fn wrong_arguments<'a>(command: &Command<'a>) -> Option<(Arg<'a>, String)> {
    let ttl = command.arg(2)?;
    if ttl.whole().and_then(integer).is_none_or(|ttl| ttl < 0) {
        return Some((ttl, format!("the time to live {} is none", shown(ttl))));
    }
    let mut number = 4;
    let (mut idle, mut freq) = (false, false);
    while let Some(arg) = command.arg(number) {
        let value = command.arg(number + 1).and_then(|arg| arg.whole()).and_then(integer);
        let word = arg.whole().map(<[u8]>::to_ascii_uppercase).unwrap_or_default();
        number += 1;
        let fits = match &word[..] {
            b"REPLACE" | b"ABSTTL" => continue,
            b"IDLETIME" if !freq => {
                idle = true;
                value.is_some_and(|value| value >= 0)
            }
            b"FREQ" if !idle => {
                freq = true;
                value.is_some_and(|value| (0..=255).contains(&value))
            }
            _ => false,
        };
        if !fits {
            return Some((arg, format!("the option {} is none, or has no value that servers take", shown(arg))));
        }
        number += 1;
    }
    None
}

fn shown(arg: Arg<'_>) -> String {
    format!("\"{}\"", arg.head[..arg.head.len().min(40)].escape_ascii())
}

/// Returns a number as servers read it.
fn integer(text: &[u8]) -> Option<i64> {
    let plain = text.strip_prefix(b"-").unwrap_or(text);
    let canonical = text == b"0" || (!plain.is_empty() && plain[0] != b'0' && plain.iter().all(u8::is_ascii_digit));
    std::str::from_utf8(text).ok().filter(|_| canonical)?.parse().ok()
}
