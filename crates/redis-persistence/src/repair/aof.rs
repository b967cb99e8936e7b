//! Plans for append-only files: what has to go so that servers load the rest.
//!
//! Only what servers would stop at is cut. What they load though the check tools call it invalid (other line ends, an EXEC
//! without a MULTI, an RDB image in an incremental file) stays, but for records right before the stop: those were read with
//! wrong values (`odd`). A cut lies before the outer MULTI of an open transaction, and never inside an RDB image. What would
//! be left is verified, and the cut goes to a record before it if that one ends every server.
//!
//! What no cut mends is not looked for but where it shows in the form: an unknown command or a missing argument is a matter
//! of the server's version. A damaged image, a missing file and a manifest that could mean several things are
//! [`Plan::reasons`].

mod planned;
pub mod salvage;
mod ways;

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

pub use ways::preen;
pub use ways::{Way, WayKind, ways};

use super::history::{self, Point};
use super::plan::{first_lines, number};
use super::walk::{Stop, Until, Walk, Walks};
use super::{Cut, FileIdentity, Plan, SetAside, Step, cut_loss, manifest};
use crate::aof::Manifest;
use crate::aof::dir::names::{Name, classify};
use crate::aof::dir::{AofSet, Part, Role, SetNote, Shape};

/// What to plan for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FixOptions {
    /// How many bytes may go; see [`Plan::within_max_loss`].
    pub max_loss: Option<u64>,
    /// The name of a file in the set that may be cut although others follow it, or although nothing of it would stay.
    pub file: Option<Vec<u8>>,
    /// Also take back what was written after this unix time, in seconds, as the timestamps in the files tell.
    pub timestamp: Option<i64>,
    /// Also take back the record that begins at this byte and all that was written after it: in the file that is named, or in
    /// the last one that is loaded.
    pub before: Option<u64>,
    /// Only mend what an interrupted write leaves: a torn last command, zeros at the end, an open transaction at the end, a
    /// manifest without its last line end. Anything else is a reason to leave all as it is.
    pub only_interrupted: bool,
}

/// The first record of a file, by the file's name, that servers refuse though it can be read, and why.
type Refused = HashMap<Vec<u8>, (u64, String)>;

/// This many files may have such a record.
const MOST_PROOFS: usize = 100;

/// One of the files that servers load, with what was found in it.
struct Loaded<'s> {
    part: &'s Part,
    walk: Rc<Walk>,
}

/// Plans a repair of a file or a set. Nothing is written.
///
/// # Errors
/// If a file cannot be read.
///
/// # Examples
/// ```no_run
/// use redis_persistence::aof::dir;
/// use redis_persistence::repair::aof::{FixOptions, plan};
///
/// let set = dir::find_on_disk("appendonlydir".as_ref())?;
/// let plan = plan(&set, &FixOptions { max_loss: Some(1 << 20), ..FixOptions::default() })?;
/// if plan.may_be_applied_unasked() {
///     println!("{}", plan.describe().join("\n"));
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn plan(set: &AofSet, options: &FixOptions) -> io::Result<Plan> {
    Ok(plan_and_names(set, options, &mut Walks::default())?.0)
}

/// Returns the plan, and the files that would have to be named because others follow them.
fn plan_and_names(set: &AofSet, options: &FixOptions, walks: &mut Walks) -> io::Result<(Plan, Vec<Vec<u8>>)> {
    let mut refused = HashMap::new();
    loop {
        let (mut plan, names) = plan_with(set, options, &refused, walks)?;
        // Where there is nothing to do but something to say, that may be what servers refuse.
        let doubtful = plan.is_empty() && plan.reasons.is_empty() && !plan.notes.is_empty();
        if options.only_interrupted || !plan.may_be_applied_unasked() && !doubtful {
            return Ok((plan, names));
        }
        match planned::prove(set, &plan)? {
            planned::Proof::Record { .. } if doubtful => {}
            planned::Proof::Loads => return Ok((plan, names)),
            planned::Proof::Refused(reason) => plan.reasons.push(reason),
            planned::Proof::Record { file, at, why } => {
                let before = refused.get(&file).is_none_or(|(first, _)| at < *first);
                if before && refused.len() < MOST_PROOFS {
                    refused.insert(file, (at, why));
                    continue;
                }
                plan.reasons.push(why);
            }
        }
        return Ok((plan, names));
    }
}

/// Returns a plan that also cuts each of these files at a record that servers refuse.
fn plan_with(
    set: &AofSet,
    options: &FixOptions,
    refused: &Refused,
    walks: &mut Walks,
) -> io::Result<(Plan, Vec<Vec<u8>>)> {
    let mut planner = Planner {
        set,
        options,
        refused,
        walks,
        plan: Plan { max_loss: options.max_loss, backup_dir: backup_dir(set), ..Plan::default() },
        content: None,
        why: Vec::new(),
        names: Vec::new(),
    };
    planner.run()?;
    first_lines(&mut planner.plan.reasons);
    first_lines(&mut planner.plan.notes);
    Ok((planner.plan, planner.names))
}

/// Beside the folder of a set, so that no server has to look at it; beside a single file.
fn backup_dir(set: &AofSet) -> PathBuf {
    let root = if set.root.as_os_str().is_empty() { Path::new(".") } else { &set.root };
    match set.shape {
        Shape::Single => root.to_owned(),
        Shape::MultiPart => root.join(".."),
    }
}

struct Planner<'s> {
    set: &'s AofSet,
    options: &'s FixOptions,
    refused: &'s Refused,
    walks: &'s mut Walks,
    plan: Plan,
    /// The new manifest.
    content: Option<Vec<u8>>,
    why: Vec<String>,
    /// The files that would have to be named.
    names: Vec<Vec<u8>>,
}

impl<'s> Planner<'s> {
    fn run(&mut self) -> io::Result<()> {
        let manifest = match &self.set.manifest {
            Some(file) => Some(FileIdentity::of(&file.path, &File::open(&file.path)?)?),
            None => None,
        };
        self.plan.read.extend(manifest.clone());
        let mend = manifest::mend(self.set);
        self.content = mend.content;
        self.why = mend.why;
        self.plan.reasons = mend.reasons;
        self.plan.notes = mend.notes;
        for (name, files, bytes) in &mend.followed {
            self.goes_between(name, files, *bytes);
        }
        if self.options.only_interrupted {
            self.keep_manifest_but_for_a_line_end();
        }

        let mut asides = self.history()?;
        let loaded = self.walk()?;
        let named = self.options.file.as_deref().filter(|name| mend.followed.iter().all(|(other, ..)| other != name));
        if let Some(name) = named.filter(|name| !loaded.iter().any(|file| file.part.name == *name)) {
            self.plan.reasons.push(format!("servers load no file of the name {}", name.escape_ascii()));
        }
        let mut cuts = Vec::new();
        let end = loaded.iter().position(|file| file.walk.later.is_some());
        let kept = end.map_or(loaded.len(), |end| end + 1);
        for (at, file) in loaded.iter().enumerate().take(kept) {
            cuts.extend(self.cut(file, &loaded[at + 1..kept])?);
        }
        for file in &loaded[kept..] {
            asides.push(aside(&file.walk)?);
        }
        if self.options.timestamp.is_some() || self.options.before.is_some() {
            self.orphans(&loaded, &mut asides)?;
        }
        if kept < loaded.len() {
            self.leave_out(&loaded[kept..]);
        }
        if let Some(content) = self.content.take() {
            let why = std::mem::take(&mut self.why);
            self.plan.steps.push(Step::Rewrite(manifest::rewrite(self.set, manifest, content, why)));
        }
        // The manifest first, so that the set is whole at every moment: a file that it lists is never gone or cut before.
        self.plan.steps.extend(asides);
        self.plan.steps.extend(cuts);
        self.part_of_set()
    }

    /// Goes back to a chain of history files where what is asked for lies before the base. Returns the files that leave the set.
    fn history(&mut self) -> io::Result<Vec<Step>> {
        let FixOptions { timestamp, before, file, .. } = self.options;
        let point = match (timestamp, before, file) {
            (Some(time), ..) => Point::Time(*time),
            (None, Some(_), Some(name)) => Point::File(name),
            _ => return Ok(Vec::new()),
        };
        // A manifest that has to be mended first is a matter of its own.
        let Some(back) = history::back(self.set, point, self.walks)?.filter(|_| self.content.is_none()) else {
            return Ok(Vec::new());
        };
        self.content = back.mend.content;
        self.why = back.mend.why;
        self.plan.reasons.extend(back.mend.reasons);
        let there = back.later.iter().filter(|part| part.size().is_some());
        there.map(|part| aside(&*self.walks.of(&part.path, &Until::default())?)).collect()
    }

    /// A file that is missing between others: what follows it was written upon what it held.
    fn goes_between(&mut self, name: &[u8], files: &str, bytes: u64) {
        let what = format!(
            "{} is not there, and {files} of {bytes} bytes behind it make sense only with its writes",
            name.escape_ascii()
        );
        if self.options.file.as_deref() == Some(name) {
            self.plan.notes.push(what);
        } else {
            self.names.push(name.to_vec());
            self.plan.reasons.push(format!("{what}; to go on without it all the same, name it"));
        }
    }

    /// The name of a file is never guessed: a manifest is only given the end of its last line.
    fn keep_manifest_but_for_a_line_end(&mut self) {
        let old = self.set.manifest.as_ref().map_or(&[][..], |file| &file.bytes[..]);
        if self.content.as_deref().is_some_and(|new| new.strip_suffix(b"\n") != Some(old)) {
            let why = std::mem::take(&mut self.why).join("; ");
            self.plan.reasons.push(format!("the manifest has to be mended ({why}), and that is not done unasked"));
            self.content = None;
        }
    }

    /// Returns the files that servers would load once the manifest is mended, in their order, up to the one with a later
    /// timestamp; those after that are opened but not judged.
    fn walk(&mut self) -> io::Result<Vec<Loaded<'s>>> {
        let parts: Vec<&Part> = match &self.content {
            Some(content) => {
                let (manifest, _) = Manifest::parse(content);
                let by_name = self.set.parts_by_name();
                let mut parts = Vec::new();
                for entry in manifest.base().into_iter().chain(manifest.incrs()) {
                    match by_name.get(&entry.name[..]) {
                        Some(part) => parts.push(*part),
                        None => self.missing(&entry.name),
                    }
                }
                parts
            }
            None => self.set.parts.iter().filter(|part| part.role.is_loaded()).collect(),
        };
        let last = parts.iter().rfind(|part| part.size().is_some()).map(|part| &part.path);
        let mut loaded: Vec<Loaded<'s>> = Vec::new();
        let mut paths = HashSet::new();
        let mut later = false;
        for part in parts {
            if part.size().is_none() {
                self.missing(&part.name);
                continue;
            }
            if !paths.insert(&part.path) {
                self.listed_twice(part, &loaded);
                continue;
            }
            let is_meant = self.options.file.as_deref().map_or(Some(&part.path) == last, |name| *name == part.name);
            let until = Until {
                time: self.options.timestamp,
                byte: self.refused.get(&part.name).cloned(),
                back: self.options.before.filter(|_| is_meant),
            };
            let walk = self.walks.of(&part.path, &until)?;
            self.plan.read.push(walk.seen.clone());
            if !later {
                self.plan.reasons.extend_from_slice(&walk.reasons);
                self.plan.notes.extend_from_slice(&walk.notes);
                self.judge_image(part, &walk);
            }
            later |= walk.later.is_some();
            loaded.push(Loaded { part, walk });
        }
        Ok(loaded)
    }

    fn missing(&mut self, name: &[u8]) {
        self.plan.reasons.push(format!("{} is listed, and no file of this name is there", name.escape_ascii()));
    }

    fn listed_twice(&mut self, part: &Part, loaded: &[Loaded<'_>]) {
        let name = part.name.escape_ascii();
        let image = loaded.iter().any(|file| file.part.path == part.path && file.walk.image_end > 0);
        if image {
            self.plan
                .reasons
                .push(format!("{name} is listed twice, and servers abort on the keys of its second RDB image"));
        } else {
            self.plan.notes.push(format!("{name} is listed twice, and its commands run twice"));
        }
    }

    /// One file of a set by itself is judged as if no other followed.
    fn part_of_set(&mut self) -> io::Result<()> {
        for note in &self.set.notes {
            let (SetNote::PartOfSet(path), Some(part)) = (note, self.set.parts.first()) else { continue };
            let (manifest, _) = Manifest::parse(&std::fs::read(path)?);
            let last = manifest.incrs().last().or(manifest.base());
            let text = format!("it belongs to the set of {}", path.display());
            if last.is_some_and(|last| last.name == part.name) {
                self.plan.notes.push(text);
            } else if !self.plan.is_empty() {
                self.plan.reasons.push(format!("{text}, and others follow it: take the set as a whole"));
            }
        }
        Ok(())
    }

    fn judge_image(&mut self, part: &Part, walk: &Walk) {
        let name = part.name.escape_ascii();
        if part.role == Role::Incr && walk.image_end > 0 {
            self.plan.notes.push(format!("{name} holds an RDB image: servers abort if one of its keys exists already"));
        }
        if let Some(what) = &walk.bad_image {
            self.plan.reasons.push(format!("the RDB image in {name} is damaged ({what}), and no cut mends that"));
        }
        if let (Some(until), Some(time)) = (self.options.timestamp, walk.image_time)
            && time > until
        {
            let image = format!("the RDB image in {name} was made at {time}");
            self.plan.reasons.push(format!("{image}, after the time that is asked for: nothing from before is left"));
        }
    }

    /// Returns the cut that a file needs, if it may be made.
    fn cut(&mut self, file: &Loaded<'s>, following: &[Loaded<'s>]) -> io::Result<Option<Step>> {
        let Loaded { part, walk } = file;
        let name = part.name.escape_ascii().to_string();
        let Some(stop) = walk.later.as_ref().or(walk.stop.as_ref()) else { return Ok(None) };
        if stop.to >= walk.seen.size {
            self.plan.reasons.push(format!("{name} grew while it was read"));
            return Ok(None);
        }
        if self.options.only_interrupted && !stop.interrupted {
            self.plan.reasons.push(format!("{name} is damaged ({}), and that is not mended unasked", stop.why));
            return Ok(None);
        }
        let is_named = self.options.file.as_deref() == Some(&part.name[..]);
        if walk.later.is_some() {
            if stop.to == 0 && part.role == Role::Base {
                self.plan.reasons.push(format!("{name} holds nothing from before what is to be taken back"));
                return Ok(None);
            }
        } else {
            if stop.foreign && stop.to == 0 && !is_named {
                let what = format!("{name} would be empty then ({})", stop.why);
                self.plan.reasons.push(format!("{what}; to cut it all the same, name it"));
                return Ok(None);
            }
            if !following.is_empty() {
                let bytes = following.iter().map(|file| file.walk.seen.size).fold(0, u64::saturating_add);
                let are = if following.len() == 1 { "is" } else { "are" };
                let what = format!("{} of {bytes} bytes {are} loaded after it", number(following.len() as u64, "file"));
                if !is_named {
                    self.names.push(part.name.clone());
                    self.plan.reasons.push(format!(
                        "{name} is damaged ({}) and is not the last file: {what}, and the writes between would be \
                         missing; to cut it all the same, name it",
                        stop.why
                    ));
                    return Ok(None);
                }
                self.plan.notes.push(format!("{name} is not the last file: {what}, without the writes that go here"));
            }
        }
        self.warn_of_servers(&name, walk, stop);
        let mut input = walk.open()?;
        let mut cut = Cut::new(&part.path, &mut input, stop.to, &stop.why)?;
        cut.file = walk.seen.clone();
        cut.loss = cut_loss::count(&mut input, stop.to, walk.seen.size)?;
        cut.loss.since = walk.since;
        Ok(Some(Step::Cut(cut)))
    }

    /// What servers would do to the file if it were left to them.
    fn warn_of_servers(&mut self, name: &str, walk: &Walk, stop: &Stop) {
        if walk.later.is_some() {
            return;
        }
        if stop.to == walk.image_end && stop.to > 0 {
            self.plan.notes.push(format!(
                "do not leave this to the server: 7.0 and 8.x cut {name} to 0 bytes, the RDB image too, when its first \
                 command is cut short"
            ));
        }
        if stop.in_transaction && !stop.why.starts_with("the transaction") {
            self.plan.notes.push(format!(
                "do not leave this to the server: Redis cuts {name} inside the transaction and leaves it open, so that the \
                 next start drops what was written after it"
            ));
        }
    }

    /// Incremental files beyond the last that is listed: a run that was killed took them out of the manifest, and the next
    /// rewrite would use their names. A manifest made anew may list what the one that is there does not.
    fn orphans(&mut self, loaded: &[Loaded<'_>], asides: &mut Vec<Step>) -> io::Result<()> {
        let seq = |part: &Part| if let Name::Incr(_, seq) = classify(&part.name) { Some(seq) } else { None };
        let loaded: HashSet<&Path> = loaded.iter().map(|file| &*file.part.path).collect();
        let is_listed = |part: &&Part| part.role == Role::Incr || loaded.contains(&*part.path);
        let last = self.set.parts.iter().filter(is_listed).filter_map(seq).max();
        let is_orphan = |part: &&Part| part.role == Role::Orphan && part.size().is_some() && !is_listed(part);
        let orphans = self.set.parts.iter().filter(is_orphan);
        for part in orphans.filter(|part| last.is_some() && seq(part) > last) {
            let walk = self.walks.of(&part.path, &Until::default())?;
            asides.push(aside(&walk)?);
        }
        Ok(())
    }

    fn leave_out(&mut self, files: &[Loaded<'_>]) {
        let Some(manifest) = &self.set.manifest else { return };
        let names: HashSet<&[u8]> = files.iter().map(|file| &file.part.name[..]).collect();
        let bytes = self.content.as_deref().unwrap_or(&manifest.bytes);
        self.content = Some(manifest::without_files(bytes, &names));
        let say = |name: &[u8]| format!("{} leaves the manifest: all of it was written later", name.escape_ascii());
        self.why.extend(files.iter().map(|file| say(&file.part.name)));
    }
}

/// Moves a file away whose writes are all taken back.
fn aside(walk: &Walk) -> io::Result<Step> {
    let mut loss = cut_loss::count(&mut walk.open()?, walk.image_end, walk.seen.size)?;
    loss.bytes = walk.seen.size;
    let why = "all of it was written later".to_owned();
    Ok(Step::SetAside(SetAside { file: walk.seen.clone(), loss, why }))
}
