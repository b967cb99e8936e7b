//! What a server does with append-only files.
//!
//! ```text
//! Report ─ each file ┬ RDB image ────── rdb::judge ──┐
//!                    ├ commands ─────── commands.rs  ├─ obstacles, in the order of the files ─ the first one decides
//!                    └ how they end ── here ─────────┘
//! ```
//! The files are gone through twice: as they are, with a server that cuts nothing, for [`Loads::loads`]; and with the
//! settings, for [`Loads::by_default`] and what is cut.

mod commands;
mod replies;
mod start;
mod surroundings;

use super::answer::{Cut, Loads, Outcome, Reason, Why};
use super::releases::Server;
use super::{Settings, Target, rdb, signature};
use crate::aof::dir::Shape;
use crate::report::{AofFacts, AofLoadFacts, Code, Ending, Name, Part, Place, RecordFacts, Report, Stop};

/// Judges an append-only file or set by its facts.
pub(super) fn judge(report: &Report, target: Server, settings: &Settings) -> Loads {
    let Some(facts) = &report.aof else { return Loads::unknown(*target) };
    let mut case = Case {
        report,
        facts,
        target,
        settings,
        obstacles: Vec::new(),
        skips: Vec::new(),
        drops: Vec::new(),
        unproven: Vec::new(),
    };
    let denied = case.denied();
    let of_directory = case.load().in_directory || case.load().shape != Some(Shape::Single);
    let answer = match case.without_files() {
        Some(answer) => answer,
        None => {
            let files = case.start_files(case.loaded());
            case.files();
            case.commands();
            case.replies();
            case.surroundings();
            Loads { start: Some(files), ..case.close() }
        }
    };
    // A server that crashes over what it reads has been allowed to read it.
    let answer = match denied {
        Some(why) if answer.by_default != Outcome::Crashes => Loads {
            by_default: Outcome::Refuses,
            loads: false,
            cuts: Vec::new(),
            skips: Vec::new(),
            because: [vec![why], answer.because].concat(),
            ..answer
        },
        _ => answer,
    };
    let has_start = of_directory && (answer.by_default.comes_up() || answer.by_default == Outcome::StartsEmpty);
    Loads { start: answer.start.filter(|_| has_start), ..answer }
}

struct Case<'a> {
    report: &'a Report,
    facts: &'a AofFacts,
    target: Server,
    settings: &'a Settings,
    obstacles: Vec<Obstacle>,
    skips: Vec<Why>,
    /// Commands that it passes over.
    drops: Vec<Why>,
    /// Of what it cannot be told what the server makes.
    unproven: Vec<Why>,
}

/// Something in the way of loading the files as they are.
struct Obstacle {
    at: Place,
    effect: Effect,
    why: Why,
}

/// What a server does when it comes to an obstacle.
#[derive(Clone, Copy)]
enum Effect {
    Refuses,
    Crashes,
    /// It ends as it was told to.
    Exits,
    Unknown,
    /// The file is too short: it may be cut to that size.
    Short(u64),
    /// The file is damaged: it may be cut to that size if what is cut is small enough.
    Damaged(u64),
}

/// What became of a start.
struct Start {
    outcome: Outcome,
    cuts: Vec<Cut>,
}

impl Case<'_> {
    fn load(&self) -> &AofLoadFacts {
        &self.facts.load
    }

    /// Returns the file of that number, for names and cuts; a single file goes without.
    fn file(&self, part: usize) -> Option<String> {
        let several = self.load().shape != Some(Shape::Single);
        self.report.parts.get(part).filter(|_| several).map(|part| part.name.clone())
    }

    fn at(&self, place: Place) -> Name {
        match self.file(place.part) {
            Some(file) => Name::Text(format!("byte {} of {file}", place.at)),
            None => Name::Offset(place.at),
        }
    }

    fn obstacle(&mut self, at: Place, effect: Effect, why: Why) {
        self.obstacles.push(Obstacle { at, effect, why });
    }

    fn close(mut self) -> Loads {
        self.obstacles.sort_by_key(|obstacle| obstacle.at);
        let as_it_is = self.start(false, 0);
        let Settings { aof_load_truncated: truncated, aof_load_corrupt_tail_max_size: tail, .. } = *self.settings;
        let Start { outcome, cuts } = self.start(truncated, if self.target.cuts_corrupt_tails() { tail } else { 0 });
        let outcome = match (outcome, self.drops.is_empty(), self.unproven.is_empty()) {
            (Outcome::Loads, false, _) => Outcome::LoadsButDrops,
            (Outcome::Loads, true, false) => Outcome::Unknown,
            _ => outcome,
        };
        let whole = self.drops.is_empty() && self.unproven.is_empty();
        let mut skips = self.drops;
        skips.append(&mut self.skips);
        Loads {
            loads: as_it_is.outcome == Outcome::Loads && whole,
            by_default: outcome,
            cuts,
            skips: if outcome.comes_up() { skips } else { Vec::new() },
            because: self.obstacles.into_iter().map(|obstacle| obstacle.why).chain(self.unproven).collect(),
            ..Loads::unknown(*self.target)
        }
    }

    /// Returns what a server makes of the first obstacle: it ends there, or cuts what begins with it.
    fn start(&self, truncated: bool, tail: u64) -> Start {
        let ends = |outcome| Start { outcome, cuts: Vec::new() };
        let Some(obstacle) = self.obstacles.first() else { return ends(Outcome::Loads) };
        let part = obstacle.at.part;
        let size = self.report.parts.get(part).and_then(|part| part.size).unwrap_or(0);
        let to = match obstacle.effect {
            Effect::Short(to) if truncated => to,
            Effect::Damaged(to) if size.saturating_sub(to) < tail => to,
            Effect::Short(_) | Effect::Damaged(_) | Effect::Refuses | Effect::Exits => return ends(Outcome::Refuses),
            Effect::Crashes => return ends(Outcome::Crashes),
            Effect::Unknown => return ends(Outcome::Unknown),
        };
        // The file has been cut by then, but none may be but the last one.
        let last = self.report.parts.iter().rposition(|part| part.role.is_loaded()) == Some(part);
        let outcome = if last { Outcome::LoadsAfterCut } else { Outcome::Refuses };
        Start { outcome, cuts: vec![Cut { file: self.file(part), from: size, to }] }
    }

    fn files(&mut self) {
        let report = self.report;
        for (number, part) in report.parts.iter().enumerate().filter(|(_, part)| part.role.is_loaded()) {
            if part.size.unwrap_or(0) == 0 {
                continue;
            }
            let seen = self.image(number, part);
            if let (true, Some(records)) = (seen, &part.records) {
                self.annotation(number, records);
                self.stops(number, records);
                self.ending(number, records);
            }
        }
    }

    /// Returns the image that a file begins with. Returns whether the server takes it for one.
    fn image(&mut self, number: usize, part: &Part) -> bool {
        let begin = Place { part: number, at: 0 };
        let Some(facts) = &part.rdb else {
            if part.preamble_end.is_some() || part.records.is_none() {
                let message = "too many RDB images to judge them all".to_owned();
                let why = Why { reason: Reason::Ignored, count: 1, first: vec![self.at(begin)], message };
                self.obstacle(begin, Effect::Unknown, why);
            }
            return true;
        };
        let signature = facts.header.is_none_or(|header| signature::of_image(self.target, header));
        if !signature {
            let message = format!("{} does not know the signature, and takes the RDB image for damage", self.target);
            let why = Why { reason: Reason::Version, count: 1, first: vec![self.at(begin)], message };
            self.obstacle(begin, Effect::Damaged(0), why);
            return false;
        }
        let answer = rdb::judge(facts, self.target, self.settings);
        let effect = match answer.by_default {
            Outcome::Crashes => Effect::Crashes,
            // It runs no check over an image, so where it would hang it ends.
            Outcome::Unknown => Effect::Unknown,
            _ => Effect::Refuses,
        };
        let unknown = matches!(effect, Effect::Unknown) && answer.because.is_empty();
        for why in answer.because {
            self.obstacle(begin, effect, why);
        }
        if unknown {
            let message = "the RDB image was not looked into".to_owned();
            let why = Why { reason: Reason::Ignored, count: 1, first: vec![self.at(begin)], message };
            self.obstacle(begin, Effect::Unknown, why);
        }
        // In an append-only file keys are kept beyond their expiry, until a command deletes them.
        self.skips.extend(answer.skips.into_iter().filter(|why| why.reason != Reason::Expired));
        true
    }

    /// Servers before 7.0 know no annotations.
    fn annotation(&mut self, part: usize, records: &RecordFacts) {
        let Some(at) = records.annotation.filter(|_| !self.target.knows_manifests()) else { return };
        let message = format!("{} knows no annotations, and takes them for damage", self.target);
        let place = Place { part, at };
        let why = Why { reason: Reason::Annotation, count: 1, first: vec![self.at(place)], message };
        self.obstacle(place, Effect::Damaged(0), why);
    }

    /// Commands that end a server.
    fn stops(&mut self, part: usize, records: &RecordFacts) {
        let target = self.target;
        for &(stop, at, count) in &records.stops {
            let place = Place { part, at };
            let (effect, reason, does) = match stop {
                Stop::QueuedDiscard => {
                    (Effect::Crashes, Code::AofDiscardInMulti, "crashes at the EXEC behind a queued DISCARD")
                }
                Stop::WatchedExec if (Target::Redis86..=Target::Redis810).contains(&*target) => {
                    (Effect::Crashes, Code::AofWatchedTransaction, "crashes at the EXEC behind a WATCH")
                }
                Stop::WatchedExec => {
                    let message = format!("{target} drops the transaction behind a WATCH, and says nothing");
                    let reason = Reason::Finding(Code::AofWatchedTransaction);
                    self.skips.push(Why { reason, count, first: vec![self.at(place)], message });
                    continue;
                }
                Stop::Shutdown if !target.knows_manifests() => {
                    (Effect::Exits, Code::AofShutdown, "exits at the SHUTDOWN")
                }
                Stop::ShutdownNow if target.knows_manifests() => {
                    (Effect::Exits, Code::AofShutdown, "exits at the SHUTDOWN with NOW")
                }
                Stop::Replica if !target.knows_manifests() => {
                    (Effect::Crashes, Code::AofDangerousCommand, "crashes where it is made a replica while it loads")
                }
                Stop::Shutdown | Stop::ShutdownNow | Stop::Replica => continue,
                Stop::Debug => (Effect::Crashes, Code::AofDangerousCommand, "is ended by the DEBUG"),
            };
            let message = format!("{target} {does}");
            let reason = Reason::Finding(reason);
            self.obstacle(place, effect, Why { reason, count, first: vec![self.at(place)], message });
        }
    }

    /// How the records of a file end.
    fn ending(&mut self, part: usize, records: &RecordFacts) {
        let target = self.target;
        // Most servers forget where an image ended, and cut it off with the rest.
        let nothing = if target.cuts_with_care() { records.start } else { 0 };
        let all = records.last_end.unwrap_or(nothing);
        let before = |place: Option<u64>| place.unwrap_or(nothing);
        let (effect, what) = match (records.ending, records.open) {
            (Ending::Clean, None) => return,
            (Ending::Clean, Some(open)) => (Effect::Short(before(open.before)), "the file ends inside a transaction"),
            (Ending::ShortRead, Some(open)) if target.cuts_with_care() => {
                (Effect::Short(before(open.before)), "the file ends inside a record of a transaction")
            }
            (Ending::ShortRead, _) => (Effect::Short(all), "the file ends inside a record"),
            (Ending::BadFormat, _) => (Effect::Damaged(all), "what stands there is no record"),
            (Ending::Unreadable, _) => (Effect::Refuses, "what stands there is taken for an error of the disk"),
            (Ending::NoMemory, _) => (Effect::Crashes, "the length there is more than there is memory"),
        };
        let begin = match (records.ending, records.open) {
            (Ending::Clean, Some(open)) => open.start,
            _ => records.at,
        };
        let reason = records.code.map_or(Reason::Finding(Code::AofBadFormat), Reason::Finding);
        let first = vec![self.at(Place { part, at: begin })];
        let why = Why { reason, count: 1, first, message: what.to_owned() };
        self.obstacle(Place { part, at: records.at }, effect, why);
    }
}
