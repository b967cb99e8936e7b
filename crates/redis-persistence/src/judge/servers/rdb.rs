//! What a server does with an RDB.

use super::answer::{Loads, Outcome, Reason, Why};
use super::releases::Server;
use super::rules::{Effect, effect, kills_when_read};
use super::signature::Takes;
use super::{Product, Settings, Target, modules, promise};
use crate::functions::{Loader, Proof, Runs};
use crate::rdb::{Family, opcode};
use crate::report::{Code, HeaderFacts, Name, Occurrences, RdbFacts, Visibility};

/// Judges an RDB by its facts.
pub(super) fn judge(facts: &RdbFacts, target: Server, settings: &Settings) -> Loads {
    let mut case =
        Case { facts, target, settings, answer: Loads::unknown(*target), stops: Vec::new(), unproven: Vec::new() };
    let Some(header) = facts.header else {
        case.unreadable();
        return case.close();
    };
    if !case.header(header) {
        // The server looks no further. What it would not know there says what the version is needed for.
        case.records(header.family);
        return case.close();
    }
    case.records(header.family);
    case.modules();
    case.functions();
    case.databases();
    case.findings();
    case.close()
}

/// Returns which server is the first that can do what this one cannot: of its own product, or else of the other.
fn first_with(target: Target, can: impl Fn(Target) -> bool) -> String {
    let able = || Target::ALL.iter().filter(|target| can(**target));
    let first = able().find(|other| other.product() == target.product()).or_else(|| able().next());
    first.map(|first| format!("; {first} is the first that does")).unwrap_or_default()
}

struct Case<'a> {
    facts: &'a RdbFacts,
    target: Server,
    settings: &'a Settings,
    answer: Loads,
    /// What stands in the way, and where it begins.
    stops: Vec<(Stop, Why)>,
    /// Of what it cannot be told what the server makes.
    unproven: Vec<Why>,
}

/// Where a server stops, and how.
struct Stop {
    at: u64,
    /// Refuses, crashes or hangs.
    does: Outcome,
}

impl Case<'_> {
    /// A server stops at the first that is in its way. Of what is wrong with one key it may see any first.
    fn close(self) -> Loads {
        let Self { facts, mut answer, mut stops, unproven, .. } = self;
        let undecided = facts.classes.keys().any(|class| class.code == Code::RdbLimitExceeded)
            || !facts.complete
            || !unproven.is_empty();
        stops.sort_by_key(|(stop, _)| stop.at);
        let of_first = |why: &Why| stops.first().is_some_and(|(_, first)| first.first.first() == why.first.first());
        let at_first = stops.iter().filter(|(_, why)| of_first(why)).map(|(stop, _)| stop.does);
        answer.by_default = match at_first.max_by_key(|does| does.rank()) {
            Some(does) => does,
            None if undecided => Outcome::Unknown,
            None => Outcome::Loads,
        };
        answer.because = stops.into_iter().map(|(_, why)| why).chain(unproven).collect();
        answer.loads = answer.by_default == Outcome::Loads;
        answer
    }

    fn refuses(&mut self, reason: Reason, tallied: &Occurrences, message: String) {
        self.stop(Outcome::Refuses, reason, tallied, message);
    }

    fn crashes(&mut self, reason: Reason, tallied: &Occurrences, message: String) {
        self.stop(Outcome::Crashes, reason, tallied, message);
    }

    fn stop(&mut self, does: Outcome, reason: Reason, tallied: &Occurrences, message: String) {
        let offset = tallied.first.iter().find_map(|name| if let Name::Offset(at) = name { Some(*at) } else { None });
        let at = tallied.at.or(offset).unwrap_or(0);
        self.stops.push((Stop { at, does }, Why::new(reason, tallied, message)));
    }

    /// No server reads a file without a signature and a version.
    fn unreadable(&mut self) {
        for (class, tallied) in &self.facts.classes {
            let message = format!("{} finds no signature and version that it could read", self.target);
            self.refuses(Reason::Finding(class.code), tallied, message);
        }
    }

    /// Returns whether the server takes the signature and version.
    fn header(&mut self, header: HeaderFacts) -> bool {
        let target = self.target;
        let takes = Takes::of(*target, self.settings);
        let taken = takes.takes(header);
        if !taken {
            let signature = if header.family == Family::Valkey { "VALKEY" } else { "REDIS" };
            let message = format!("the file says {signature} {}; {target} takes {}", header.version, takes.words());
            self.refuses(Reason::Version, &once(Name::Offset(0)), message);
        }
        taken
    }

    /// Value types and opcodes.
    fn records(&mut self, family: Family) {
        let target = self.target;
        for (value_type, tallied) in &self.facts.types {
            if !target.knows_type(*value_type, family) {
                let number = value_type.byte();
                let first = first_with(*target, |target| target.knows_type(*value_type, family));
                let message = format!("{target} does not know type {number} ({value_type}){first}");
                self.refuses(Reason::Type, tallied, message);
            }
        }
        for (byte, tallied) in &self.facts.opcodes {
            if !target.knows_opcode(*byte, family) {
                let name = opcode::name(*byte, family).unwrap_or("?");
                let first = first_with(*target, |target| target.knows_opcode(*byte, family));
                let message = format!("{target} does not know opcode {byte} ({name}){first}");
                self.refuses(Reason::Opcode, tallied, message);
            }
        }
    }

    fn modules(&mut self) {
        let target = self.target;
        for (name, tallied) in &self.facts.modules {
            let built_in = name == "vectorset" && target.product() == Product::Redis && target.version() >= (8, 0);
            if !built_in && !self.settings.modules.iter().any(|module| modules::brings(module, name)) {
                let known = modules::that_brings(name);
                let known = known.map(|module| format!(", which {module} brings (--set modules={module})"));
                let message = format!("{target} has no module for the type {name}{}", known.unwrap_or_default());
                self.refuses(Reason::Module, tallied, message);
            }
        }
        for (name, tallied) in &self.facts.engines {
            if !self.settings.modules.iter().any(|module| module == name || module == "*") {
                let name = name.escape_debug();
                self.refuses(Reason::Engine, tallied, format!("{target} has no engine {name} for functions"));
            }
        }
    }

    /// Returns what is known of the code: from the verification if the same prover ran it there, or nothing yet.
    fn runs(&self) -> Option<Runs> {
        let prover = self.settings.functions.as_ref()?;
        let known = self.facts.runs.clone().filter(|runs| runs.is_by(prover));
        Some(known.unwrap_or_else(|| Runs::new(prover.clone())))
    }

    /// The code of function libraries, run one after the other as the server does.
    fn functions(&mut self) {
        let target = self.target;
        if !target.knows_functions() {
            // It refuses the record.
            return self.scripts();
        }
        let mut loader = Loader::new(self.runs(), target.api());
        let (mut refused, mut crashed, mut unproven) = <(Occurrences, Occurrences, Occurrences)>::default();
        let mut whys: [Option<String>; 3] = Default::default();
        for library in &self.facts.libraries {
            let (tallied, why, text) = match loader.load(library.code.as_ref()) {
                Proof::Loads(_) => continue,
                Proof::Refuses(text) => (&mut refused, &mut whys[0], text),
                Proof::Crashes(text) => (&mut crashed, &mut whys[1], text),
                Proof::Unproven(text) => (&mut unproven, &mut whys[2], text),
            };
            tallied.add_at(library.at, || Name::Text(library.name.clone()));
            why.get_or_insert(text);
        }
        self.proofs(
            "a function library",
            [Reason::Function, Reason::FunctionUnproven],
            [refused, crashed, unproven],
            whys,
        );
    }

    /// Scripts of EVAL in AUX fields, which servers before 7.0 compile.
    fn scripts(&mut self) {
        let runs = self.runs();
        let (mut refused, mut unproven) = <(Occurrences, Occurrences)>::default();
        let mut whys: [Option<String>; 3] = Default::default();
        for script in &self.facts.scripts {
            let proof = match (&runs, &script.code) {
                (None, _) => Proof::Unproven("it was not compiled".to_owned()),
                (_, None) => Proof::Unproven("it is too long to be compiled".to_owned()),
                (Some(runs), Some(code)) => runs.compile(code),
            };
            let (tallied, why, text) = match proof {
                Proof::Loads(_) => continue,
                Proof::Refuses(text) | Proof::Crashes(text) => (&mut refused, &mut whys[0], text),
                Proof::Unproven(text) => (&mut unproven, &mut whys[2], text),
            };
            tallied.add_at(script.at, || Name::Offset(script.at));
            why.get_or_insert(text);
        }
        self.proofs("a script in an AUX field", [Reason::Script; 2], [refused, Occurrences::default(), unproven], whys);
    }

    /// Takes in what became of code that was run or compiled: refused, crashed, not proven.
    fn proofs(
        &mut self,
        what: &str,
        [stops, unknown]: [Reason; 2],
        tallied: [Occurrences; 3],
        whys: [Option<String>; 3],
    ) {
        let target = self.target;
        let [refused, crashed, unproven] = tallied;
        let [refuses, crashes, cannot_tell] = whys;
        if let Some(why) = refuses {
            self.refuses(stops, &refused, format!("{target} refuses {what}: {why}"));
        }
        if let Some(why) = crashes {
            self.crashes(stops, &crashed, format!("{target} crashes on {what}: {why}"));
        }
        if let Some(why) = cannot_tell {
            let message = format!("whether {target} loads {what} is not proven: {why}");
            self.unproven.push(Why::new(unknown, &unproven, message));
        }
    }

    fn databases(&mut self) {
        let (target, settings) = (self.target, self.settings);
        let Some((db, at)) = self.facts.largest_db else { return };
        let with_keys = self.facts.largest_db_with_keys.unwrap_or(0);
        let several = target.reads_valkey();
        let most = if settings.cluster_enabled && several { settings.cluster_databases } else { settings.databases };
        // Redis 7.4 and later and Valkey 8 have but one database in a cluster; older ones look for keys in the others.
        let one = settings.cluster_enabled && !several && target.version() >= (7, 4);
        let most = if one { 1 } else { most };
        if db >= most {
            let message = format!("database {db} is selected, and the server has {most} (setting databases)");
            self.refuses(Reason::Databases, &once(Name::Offset(at)), message);
        } else if settings.cluster_enabled && !several && with_keys > 0 {
            let message =
                format!("database {with_keys} holds keys, and a node of a cluster may have them in database 0 only");
            self.refuses(Reason::Cluster, &once(Name::Offset(at)), message);
        }
    }

    fn findings(&mut self) {
        let (facts, column) = (self.facts, self.target.column);
        let promised = facts.largest_resizedb.map_or(0, |(keys, _)| keys);
        for (class, tallied) in &facts.classes {
            let (code, reason) = (class.code, Reason::Finding(class.code));
            let effect = match effect(class, column) {
                Effect::Deep if self.settings.sanitize_dump_payload => Effect::Refuses,
                Effect::CrashesUnlessDeep | Effect::SkipsUnlessDeep | Effect::DependsUnlessDeep
                    if self.settings.sanitize_dump_payload =>
                {
                    Effect::Refuses
                }
                Effect::Deep => Effect::Loads,
                Effect::Refuses if code == Code::RdbChecksumMismatch && !self.settings.rdbchecksum => Effect::Loads,
                _ if code == Code::RdbResizedbImpossible => promise::effect(self.target, promised),
                _ if code == Code::RdbSlotOutOfRange => self.slot(),
                other => other,
            };
            let what = class.value_type.map_or_else(String::new, |t| format!(" in type {} ({t})", t.byte()));
            let walked =
                if class.detail == Visibility::Walked { ", where it is walked over while it is loaded" } else { "" };
            let by_machine = code == Code::RdbResizedbImpossible && promise::by_machine(self.target, promised);
            let machine = if by_machine { ", if the machine has not as much memory" } else { "" };
            let message = |does: &str| format!("{} {does} {code}{what}{walked}{machine}", self.target);
            match effect {
                Effect::Loads | Effect::Deep if kills_when_read(class, self.target.column) => {
                    let message = format!(
                        "{} loads {code}{what} without a look, and reading that key can end the server",
                        self.target
                    );
                    self.answer.reading.push(Why::new(reason, tallied, message));
                }
                Effect::Loads if code == Code::RdbResizedbImpossible && promise::stalls(self.target, promised) => {
                    let message = format!(
                        "{} reserves a table for {promised} keys, and stands still while KEYS, SCAN or a save walks over it",
                        self.target
                    );
                    self.answer.reading.push(Why::new(reason, tallied, message));
                }
                Effect::Loads | Effect::Deep => {}
                Effect::Skips if code == Code::HashFieldsExpired => {
                    let message = format!("{} is without hashes whose fields have all expired", self.target);
                    self.answer.skips.push(Why::new(Reason::Expired, tallied, message));
                }
                Effect::Skips | Effect::SkipsUnlessDeep => {
                    let message = message("does not load the key with");
                    self.answer.skips.push(Why::new(reason, tallied, message));
                }
                Effect::Refuses => {
                    let message = message("refuses");
                    self.refuses(reason, tallied, message);
                }
                Effect::Crashes | Effect::CrashesUnlessDeep => {
                    let message = message("crashes on");
                    self.crashes(reason, tallied, message);
                }
                Effect::Hangs => {
                    let message = message("refuses, and then hangs in the check that it runs over the file, at");
                    self.stop(Outcome::Hangs, reason, tallied, message);
                }
                Effect::Depends | Effect::DependsUnlessDeep => {
                    let message = format!(
                        "what {} makes of {code}{what} is decided by the bytes around: it may load the key or another value, skip it, refuse or crash",
                        self.target
                    );
                    self.unproven.push(Why::new(reason, tallied, message));
                }
            }
        }
        if facts.expired > 0 {
            let tallied = Occurrences { count: facts.expired, ..Occurrences::default() };
            let message = "keys whose expiry has passed are not loaded".to_owned();
            self.answer.skips.push(Why::new(Reason::Expired, &tallied, message));
        }
    }

    /// Returns a slot that does not exist.
    fn slot(&self) -> Effect {
        match self.target.product() {
            Product::Redis if self.settings.cluster_enabled => Effect::Crashes,
            _ => Effect::Loads,
        }
    }
}

fn once(name: Name) -> Occurrences {
    Occurrences { count: 1, first: vec![name], at: None }
}
