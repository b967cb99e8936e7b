//! `--salvage`: what can be saved of a damaged RDB, as a new file.
//!
//! ```text
//! the check -> sound? -> OUT is a copy; or its keys written anew, where commands are asked for, or a server does not load the copy
//!                | no
//!                +-> mended by its checksum?  -> OUT is the original, byte for byte; or its keys, as above
//!                        | no
//!                        +-> the plan of a salvage -> OUT holds what is left, marked as unproven
//! ```
//! The servers that were asked for are held against what would be written before anything is. OUT has its name only once it is
//! complete, synced, and was verified.

mod out;
mod shelved;

use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::path::Path;

use redis_persistence::repair::rdb::salvage::{self, Loss, Plan, Without};
use redis_persistence::repair::rdb::syndrome::{self, Candidate};
use redis_persistence::repair::{self, Existing};
use redis_persistence::verify::{self, Checksum, Code, DuplicateCheck, Kind, Options, Report, Verdict};

use super::target::{out_refused, to_stream};
use crate::args::{Common, Salvage as Args};
use crate::console::{reason, say, without_number};
use crate::input::open::{is_descriptor, is_stream};
use crate::input::packed_input;
use crate::outcome::{Entry, SalvageStatus, Salvaged, Show, Told};
use crate::progress::Meter;
use crate::redact;
use crate::servers::Servers;
use crate::stores;
use crate::units::{commas, number};

pub(crate) use shelved::{Onto, over};

/// How it is to be written.
struct How<'a> {
    args: &'a Args,
    options: Options,
    salvage: salvage::Options,
    /// Those that have to load it.
    servers: &'a Servers,
    common: &'a Common,
}

impl<'a> How<'a> {
    fn new(args: &'a Args, common: &'a Common, servers: &'a Servers, options: Options) -> Self {
        let options = Options { now_ms: Some(common.now_ms()), ..options };
        let salvage = salvage::Options {
            limits: options.limits.clone(),
            now_ms: options.now_ms,
            partial: args.partial,
            doubtful: args.doubtful,
            family: servers.family(),
            hash_key: options.hash_key,
            functions: options.functions.clone(),
            apis: servers.apis(),
            without: args.without.iter().fold(Without::default(), |all, one| all.and(*one)),
            sound: false,
        };
        Self { args, options, salvage, servers, common }
    }
}

/// What OUT will hold.
struct Content {
    /// The change that makes the file what it was.
    mended: Option<Candidate>,
    /// The keys to be written anew; without it, the bytes are copied.
    plan: Option<Box<Plan>>,
    /// Whether its checksum proves what is copied.
    proven: bool,
}

/// Why a salvage cannot even begin with an input, if so.
pub(crate) fn refuses(path: &Path, args: &Args, files: usize) -> Option<String> {
    if files != 1 {
        return Some("--salvage takes one FILE".to_owned());
    }
    let odd = path.as_os_str() != "-" && !is_descriptor(path) && fs::metadata(path).is_ok_and(|data| !data.is_file());
    if odd {
        return Some("--salvage needs a file, or - for standard input".to_owned());
    }
    let out = args.salvage.as_ref().filter(|_| !args.dry_run)?;
    out_refused(&[path], out, args.resp, existing(args)).map(|why| format!("{}: {why}", out.display()))
}

fn existing(args: &Args) -> Existing {
    if args.force { Existing::Replace } else { Existing::Keep }
}

/// Salvages what a check has found damaged: the one RDB at `path`, or in it.
pub(crate) fn run(
    tool: &'static str,
    args: &Args,
    (common, servers): (&Common, &Servers),
    (path, file): (&Path, Option<File>),
    entry: Entry,
    show: &mut dyn Show,
) -> Entry {
    let (Some(out), Ok(report)) = (&args.salvage, &entry.outcome) else { return entry };
    let mut done = Salvaged::begun(out, args);
    let how = How::new(args, common, servers, common.options());
    if let Some(why) = of_others(report) {
        say(tool, &format!("{}: {why}", out.display()));
        done.status = SalvageStatus::Foreign;
        done.why = Some(why);
        return Entry { salvaged: Some(done), ..entry };
    }
    let report = entry.disguise.as_ref().map_or(report, |disguise| &disguise.report);
    let finished = file.ok_or_else(|| "it could not be kept".to_owned()).and_then(|mut file| {
        if let Some(disguise) = &entry.disguise {
            let laid = disguise.reader(&file).and_then(packed_input::lay_down).map_err(|error| reason(&error))?;
            file = laid;
            show.tell(&Told::Disguise(disguise));
        }
        let content = content(&mut file, report, &how)?;
        done.note(&content, &how);
        show.tell(&Told::Salvage(&done));
        done.finish(&content, &mut file, path, &how)
    });
    if let Err(why) = finished {
        done.why = Some(without_number(why));
    }
    match &done.why {
        Some(why) => say(tool, &format!("{}: {why}", out.display())),
        None => drop(show.tell(&Told::SalvageEnded(&done))),
    }
    Entry { salvaged: Some(done), ..entry }
}

/// Why a salvage leaves the file alone: it is no damage that a server's types do not read it.
fn of_others(report: &Report) -> Option<String> {
    if report.kind == Kind::Dump {
        return Some("nothing is written, for it is what DUMP answers and no RDB: RESTORE is what reads it".to_owned());
    }
    let foreign = report.findings.iter().find(|finding| finding.code == Code::RdbForeignProduct);
    let said = foreign.filter(|_| report.verdict == Verdict::Unknown)?.message.as_str();
    Some(format!("nothing is written, for no damage was found: {said}"))
}

/// Finds out what there is to be written.
fn content(file: &mut (impl Read + Seek + Send), report: &Report, how: &How<'_>) -> Result<Content, String> {
    let text = |error: io::Error| reason(&error);
    let proven = report.checksum == Some(Checksum::Ok);
    // Without a checksum, all else must have been looked at.
    let looked_at = !how.options.quick && matches!(report.duplicates, DuplicateCheck::Checked | DuplicateCheck::ByHash);
    let sound = salvage::Options { sound: true, ..how.salvage.clone() };
    let all = !how.args.resp && how.args.without.is_empty();
    let copied = |report: &Report| all && how.servers.judge(report).iter().all(|answer| answer.loads);
    if report.verdict == Verdict::Sound && (proven || looked_at) {
        let plan = if copied(report) { None } else { Some(Box::new(salvage::plan(file, &sound).map_err(text)?)) };
        return Ok(Content { mended: None, plan, proven });
    }
    let search = syndrome::search_in(file, report, &how.options).map_err(text)?;
    if let Some(mended) = search.mended() {
        let mut whole = mended.over(file).map_err(text)?;
        let plan = if copied(&verify::file(&mut whole, &how.options).map_err(text)?) {
            None
        } else {
            Some(Box::new(salvage::plan(&mut whole, &sound).map_err(text)?))
        };
        return Ok(Content { mended: Some(mended.clone()), plan, proven: true });
    }
    let plan = salvage::plan(file, &how.salvage).map_err(text)?;
    Ok(Content { mended: None, plan: Some(Box::new(plan)), proven: false })
}

impl Salvaged {
    fn begun(out: &Path, args: &Args) -> Self {
        Self {
            out: out.to_owned(),
            resp: args.resp,
            status: SalvageStatus::Refused,
            why: None,
            mended: None,
            loss: None,
            unproven_copy: false,
            written: None,
        }
    }

    /// Takes what is to be said of it, with hashes for names if that is asked for.
    fn note(&mut self, content: &Content, how: &How<'_>) {
        self.unproven_copy = content.plan.is_none() && !content.proven;
        self.mended.clone_from(&content.mended);
        self.loss = content.plan.as_ref().map(|plan| plan.loss.clone());
        if let (true, Some(loss)) = (how.common.redact, &mut self.loss) {
            redact::loss(loss);
        }
    }

    /// Lets pass what is worth being written, and is as it was asked for.
    fn admit(&mut self, content: &Content, file: &mut (impl Read + Seek + Send), how: &How<'_>) -> Result<(), String> {
        let args = how.args;
        if self.loss.as_ref().is_some_and(|loss| loss.keys == 0 && loss.functions == 0) {
            self.status = SalvageStatus::Nothing;
            return Err("nothing can be saved: no key was found".to_owned());
        }
        if args.proven && !self.content_proven() {
            return Err("no change of a few bytes was found that the checksum proves; without --proven, what is left can be saved".to_owned());
        }
        if let Some(why) = self.loss.as_ref().and_then(|loss| too_much(loss, args.max_loss?)) {
            return Err(why);
        }
        out::decide(content, file, how)
    }

    fn finish(&mut self, content: &Content, file: &mut File, input: &Path, how: &How<'_>) -> Result<(), String> {
        let args = how.args;
        let is_stream = is_stream(input) || stores::is_remote(input);
        let like = if is_stream { None } else { Some(File::open(input).map_err(|error| reason(&error))?) };
        self.admit(content, file, how)?;
        if args.dry_run {
            self.status = SalvageStatus::Planned;
            return Ok(());
        }
        if to_stream(&self.out, args.resp) {
            let mut meter = Meter::new(self.out.display().to_string(), None, how.common.progress);
            self.written =
                Some(out::stream(&self.out, content, file, how, &mut meter).map_err(|error| reason(&error))?);
            self.status = SalvageStatus::Written;
            return Ok(());
        }
        if let Some(why) = out_refused(&[input], &self.out, args.resp, existing(args)) {
            return Err(why);
        }
        let mut meter = Meter::new(self.out.display().to_string(), None, how.common.progress);
        let mut written = None;
        let saved = repair::write_output(
            &self.out,
            existing(args),
            like.as_ref(),
            &mut |_| (),
            |out| {
                let mut out = out::Counted { out, bytes: 0, meter: &mut meter };
                let keys = out::write(content, file, how, &mut out)?;
                written = Some((out.bytes, keys));
                Ok(())
            },
            |out| if args.resp { Ok(()) } else { out::judge(out, content, how) },
        );
        saved.map_err(|error| error.to_string())?;
        (self.status, self.written) = (SalvageStatus::Written, written);
        Ok(())
    }
}

/// Why a loss is more than so many keys, if it is.
fn too_much(loss: &Loss, most: u64) -> Option<String> {
    match loss.keys_missing() {
        Some(lost) if lost <= most => None,
        Some(lost) => Some(format!("{} would be lost, and --max-loss allows {}", number(lost, "key"), commas(most))),
        None => {
            let known = loss.keys_known_lost();
            Some(format!(
                "how many keys would be lost is not known ({} at least), and --max-loss bounds them",
                commas(known)
            ))
        }
    }
}
