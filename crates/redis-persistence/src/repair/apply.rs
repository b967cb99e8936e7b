//! Applies a plan: the one part of this library that changes files.
//!
//! 1. Every file is opened and compared with what the plan saw of it; nobody may have one open for writing.
//! 2. What earlier runs left unfinished is removed; the space for what follows is checked.
//! 3. All that will be taken away is saved, each copy complete and synced before it has its name.
//! 4. The record is written likewise.
//! 5. Each file is compared once more and changed: a cut is a truncation in place, without a second copy of what stays; a
//!    file with several hard links is copied up to the cut and replaced, so that the other links (backups are made so) keep
//!    what they have; a rewritten file is replaced.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use super::disk::{self, Locks};
use super::folder::{Folder, Place, folder_of, meant, with_suffix};
use super::record::{Aside, Entry, Record};
use super::save::{self, Range, Staged};
use super::{
    Applied, ApplyError, ApplyOptions, Cut, FileIdentity, Hook, Plan, Progress, Rewrite, Step, identity, leftovers,
};

/// What the names of records begin with.
const RECORD: &str = "repair";
/// Room for the record and for what a file system needs itself.
const SLACK: u64 = 64 << 10;

/// A step, with the file it is about.
#[derive(Debug)]
struct Job<'p> {
    step: &'p Step,
    place: Place,
    /// The file, as it is now; `None` if it is still to be made.
    seen: Option<FileIdentity>,
    links: u64,
}

impl Job<'_> {
    /// Opens the file again: a plan may have more steps than a process may have files open.
    fn open(&self) -> Result<Option<File>, ApplyError> {
        let Some(seen) = &self.seen else { return Ok(None) };
        let (file, now) = self.place.open()?;
        if !seen.same_file(&now) {
            return Err(ApplyError::changed(self.place.path(), "it is another file"));
        }
        Ok(Some(file))
    }
}

/// Applies a plan, whether it is enough or not: that is the caller's question. `hook` hears of every step.
///
/// # Errors
/// Whatever stands in the way. But for [`ApplyError::Stopped`] nothing was changed then.
///
/// # Examples
/// ```no_run
/// use redis_persistence::repair::{ApplyOptions, Plan, apply, undo};
///
/// # fn main() -> Result<(), redis_persistence::repair::ApplyError> {
/// # let plan = Plan::default();
/// for line in plan.describe() {
///     println!("{line}");
/// }
/// let options = ApplyOptions::default();
/// let applied = apply(&plan, &options, &mut |_| {})?;
/// undo(&applied.record, &options, &mut |_| {})?;
/// # Ok(())
/// # }
/// ```
pub fn apply(plan: &Plan, options: &ApplyOptions, hook: &mut Hook<'_>) -> Result<Applied, ApplyError> {
    if plan.is_empty() {
        return Err(ApplyError::Nothing);
    }
    let set = set_of(plan)?;
    let jobs = plan.steps.iter().map(|step| job(step, &set, options.force_live)).collect::<Result<Vec<_>, _>>()?;
    let backup = &backup_of(plan, &set, options)?;
    let folders = [Arc::clone(&set), Arc::clone(backup)];
    let _locks = Locks::take(&folders, options.lock_wait)?;
    guard(plan, &jobs, options.force_live)?;

    let names: Vec<&OsStr> = jobs.iter().map(|job| job.place.name()).chain([OsStr::new(RECORD)]).collect();
    leftovers::sweep(&folders, &names)?;
    let stamp = leftovers::fresh_stamp(&folders)?;
    let copies = jobs.iter().map(|job| existing_copy(job, backup)).collect::<Result<Vec<_>, _>>()?;
    check_space(&jobs, &copies, backup)?;

    let mut entries = Vec::new();
    for (job, copy) in jobs.iter().zip(copies) {
        entries.push(save(job, copy, backup, &stamp, hook)?);
    }
    let record = Record { folder: seen_from(backup, &set)?, entries };
    let place = match leftovers::recorded_before(backup, &record)? {
        Some(place) => place,
        None => {
            let place = backup.at(format!("{RECORD}.{stamp}.undo").as_ref())?;
            // It is for the eyes of who makes the repair alone: who could write to it, could name other files.
            save::write_new(&place, None, hook, |part, out, _| {
                out.write_all(&record.to_bytes()).map_err(ApplyError::io("write to", part))
            })?;
            place
        }
    };
    let path = place.path().to_owned();
    hook(Progress::Recorded(&path));

    for (done, (job, entry)) in jobs.iter().zip(&record.entries).enumerate() {
        change(job, entry, backup, &stamp, hook).map_err(|source| match done {
            // As long as nothing was changed the reason speaks for itself.
            0 if !has_begun(&source) => source,
            _ => ApplyError::Stopped { record: path.clone(), done, steps: jobs.len(), source: Box::new(source) },
        })?;
    }
    let folder = |beside| if beside { backup.path() } else { set.path() };
    let saved = record.entries.iter().filter_map(Entry::saved);
    Ok(Applied { record: path, saved: saved.map(|(name, beside)| folder(beside).join(name)).collect() })
}

/// Finds the files that a plan means, each with the name that the plan has for it where that is a link: what [`apply`] would refuse
/// to write to is refused here, before anything is done.
///
/// # Errors
/// [`ApplyError::Refused`] where a path is no regular file, or a link that leads out of its folder or to a file of another owner.
pub fn files_meant(plan: &Plan) -> Result<Vec<(PathBuf, PathBuf)>, ApplyError> {
    if plan.is_empty() {
        return Ok(Vec::new());
    }
    let set = set_of(plan)?;
    let mut links = Vec::new();
    for step in &plan.steps {
        let place = in_set(&set, step.path())?;
        if place.is_regular()? == Some(false) {
            return Err(ApplyError::refused(step.path(), "it is no regular file"));
        }
        if step.path().file_name() != Some(place.name()) {
            links.push((step.path().to_owned(), place.path().to_owned()));
        }
    }
    Ok(links)
}

/// Returns whether a record in the folder where a plan saves what goes can be undone without naming its set again.
fn seen_from(backup: &Arc<Folder>, set: &Arc<Folder>) -> Result<PathBuf, ApplyError> {
    let below = match set.path().strip_prefix(backup.path()) {
        Ok(below) if below.as_os_str().is_empty() => PathBuf::from("."),
        Ok(below) => below.to_owned(),
        Err(_) => return Ok(set.path().to_owned()),
    };
    let is_it = backup.beneath(&below).and_then(|found| Ok(found.identity()? == set.identity()?));
    Ok(if is_it.unwrap_or(false) { below } else { set.path().to_owned() })
}

/// Returns the one folder that all files of a plan lie in.
fn set_of(plan: &Plan) -> Result<Arc<Folder>, ApplyError> {
    let first = plan.steps.first().ok_or(ApplyError::Nothing)?;
    Folder::open(folder_of(first.path()))
}

/// Returns a file of a plan, which lies in that folder.
fn in_set(set: &Arc<Folder>, path: &Path) -> Result<Place, ApplyError> {
    // Most often it is the same path, and the folder under it is the one that is held.
    if Folder::open(folder_of(path))?.identity()? != set.identity()? {
        return Err(ApplyError::refused(path, "it lies in another folder than the rest of the set"));
    }
    meant(set, path)
}

fn backup_of(plan: &Plan, set: &Arc<Folder>, options: &ApplyOptions) -> Result<Arc<Folder>, ApplyError> {
    let first = plan.steps.first().map_or(Path::new("."), |step| folder_of(step.path()));
    match &options.backup_dir {
        Some(folder) => Folder::open(folder),
        // Above the folder that is held, wherever its path leads by now.
        None if plan.backup_dir == first.join("..") => set.above(),
        None => Folder::open(&plan.backup_dir),
    }
}

fn job<'p>(step: &'p Step, set: &Arc<Folder>, force: bool) -> Result<Job<'p>, ApplyError> {
    let place = in_set(set, step.path())?;
    let path = place.path();
    let expected = match step {
        Step::Cut(cut) => Some(&cut.file),
        Step::Rewrite(rewrite) => rewrite.file.as_ref(),
        Step::SetAside(aside) => Some(&aside.file),
    };
    let Some(expected) = expected else {
        return match place.stat()? {
            None => Ok(Job { step, place, seen: None, links: 0 }),
            Some(_) => Err(ApplyError::changed(path, "it exists now")),
        };
    };
    let (mut file, seen) = place.open()?;
    let links = file.metadata().map_err(ApplyError::io("ask for", path))?.nlink();
    // Only what is cut in place has to be writable; what is replaced needs a folder that is.
    if links == 1 && matches!(step, Step::Cut(_)) {
        place.open_writing()?;
    }
    compare(expected, &seen, force)?;
    if let Step::Cut(cut) = step {
        if seen.size < cut.to {
            return Err(ApplyError::changed(path, "it has become shorter"));
        }
        check_witness(cut, &mut file, path)?;
    }
    Ok(Job { step, place, seen: Some(seen), links })
}

/// Compares a file with what the plan saw of it.
fn compare(expected: &FileIdentity, now: &FileIdentity, force: bool) -> Result<(), ApplyError> {
    if !expected.same_file(now) {
        return Err(ApplyError::changed(&now.path, "it is another file"));
    }
    if !force && now.size != expected.size {
        let what = if now.size > expected.size { "it has grown" } else { "it has become shorter" };
        return Err(ApplyError::changed(&now.path, what));
    }
    if !force && now.modified != expected.modified {
        return Err(ApplyError::changed(&now.path, "it was written to"));
    }
    Ok(())
}

fn check_witness(cut: &Cut, file: &mut File, path: &Path) -> Result<(), ApplyError> {
    match identity::witness(file, cut.to, cut.file.size) {
        Ok(witness) if witness == cut.witness => Ok(()),
        Ok(_) => Err(ApplyError::changed(path, "the bytes at the cut are different ones")),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Err(ApplyError::changed(path, "it has become shorter"))
        }
        Err(error) => Err(ApplyError::io("read", path)(error)),
    }
}

/// Compares every file that the plan is built on, and looks who else has one open.
fn guard(plan: &Plan, jobs: &[Job<'_>], force: bool) -> Result<(), ApplyError> {
    if force {
        return Ok(());
    }
    for seen in &plan.read {
        compare(seen, &disk::look(&seen.path)?, force)?;
    }
    let changing = jobs.iter().filter_map(|job| job.seen.as_ref());
    disk::nobody_writes(plan.read.iter().chain(changing))
}

/// Returns the bytes that a step takes away, and the kind of file they are saved in.
fn range<'j>(job: &'j Job<'_>) -> Result<Option<(Range<'j>, &'static str)>, ApplyError> {
    let (from, kind) = match job.step {
        Step::Cut(cut) => (cut.to, "tail"),
        Step::Rewrite(_) => (0, "old"),
        Step::SetAside(_) => return Ok(None),
    };
    let (Some(file), Some(seen)) = (job.open()?, &job.seen) else { return Ok(None) };
    Ok(Some((Range { place: &job.place, file, from, to: seen.size }, kind)))
}

fn existing_copy(job: &Job<'_>, backup: &Arc<Folder>) -> Result<Option<Place>, ApplyError> {
    match range(job)? {
        Some((mut range, kind)) => leftovers::saved_before(backup, &mut range, kind),
        None => Ok(None),
    }
}

fn check_space(jobs: &[Job<'_>], copies: &[Option<Place>], backup: &Arc<Folder>) -> Result<(), ApplyError> {
    let mut wanted: BTreeMap<u64, (Arc<Folder>, u64)> = BTreeMap::new();
    let mut add = |folder: &Arc<Folder>, bytes: u64| -> Result<(), ApplyError> {
        let entry = wanted.entry(device(folder)?).or_insert((Arc::clone(folder), SLACK));
        entry.1 = entry.1.saturating_add(bytes);
        Ok(())
    };
    add(backup, 0)?;
    for (job, copy) in jobs.iter().zip(copies) {
        if let Some((range, _)) = range(job)?.filter(|_| copy.is_none()) {
            add(backup, range.to - range.from)?;
        }
        match job.step {
            Step::Cut(cut) if job.links > 1 => add(job.place.folder(), cut.to)?,
            Step::Rewrite(rewrite) => add(job.place.folder(), rewrite.content.len() as u64)?,
            Step::Cut(_) | Step::SetAside(_) => {}
        }
    }
    for (folder, wanted) in wanted.into_values() {
        let free = folder.free_bytes()?;
        if free < wanted {
            return Err(ApplyError::NoSpace { folder: folder.path().to_owned(), wanted, free });
        }
    }
    Ok(())
}

/// Returns the number of the file system that a folder lies on.
fn device(folder: &Folder) -> Result<u64, ApplyError> {
    folder.identity().map(|(device, _)| device)
}

/// Saves what a step takes away, and says how it can be taken back.
fn save(
    job: &Job<'_>,
    copy: Option<Place>,
    backup: &Arc<Folder>,
    stamp: &str,
    hook: &mut Hook<'_>,
) -> Result<Entry, ApplyError> {
    let (path, file) = (job.place.path(), job.place.name().to_owned());
    let mut saved = (OsStr::new("").to_owned(), 0);
    if let Some((mut range, kind)) = range(job)? {
        let (place, hash) = match copy {
            Some(place) => {
                let hash = identity::hash_range(&mut range.file, range.from, range.to);
                (place, hash.map_err(ApplyError::io("read", path))?)
            }
            None => range.save(backup, stamp, kind, hook)?,
        };
        saved = (place.name().to_owned(), hash);
    }
    let (saved, hash) = saved;
    Ok(match (job.step, job.open()?, &job.seen) {
        (Step::Cut(cut), Some(mut source), Some(seen)) => {
            let kept = identity::last_bytes(&mut source, cut.to).map_err(ApplyError::io("read", path))?;
            Entry::Cut { file, from: seen.size, to: cut.to, kept, saved, tail: hash }
        }
        (Step::Rewrite(Rewrite { content, .. }), Some(_), Some(seen)) => {
            let (new_size, new) = (content.len() as u64, xxh3_64(content));
            Entry::Rewrite { file, saved, size: seen.size, old: hash, new_size, new }
        }
        (Step::Rewrite(Rewrite { content, .. }), ..) => {
            Entry::Create { file, new_size: content.len() as u64, new: xxh3_64(content) }
        }
        (Step::SetAside(_), Some(mut source), Some(seen)) => {
            let last = identity::last_bytes(&mut source, seen.size).map_err(ApplyError::io("read", path))?;
            let name = with_suffix(&file, &format!("{stamp}.aside"));
            // Across file systems it would have to be copied: then it stays where it is, under its new name.
            let near = device(job.place.folder())? == device(backup)?;
            let saved = if near { Aside::Saved(name) } else { Aside::Stays(name) };
            Entry::Aside { file, saved, size: seen.size, last }
        }
        // `job` has opened every file that these two are about.
        (Step::Cut(_) | Step::SetAside(_), ..) => return Err(ApplyError::changed(path, "it is gone")),
    })
}

/// Returns whether a change that failed may have changed something: what fails behind the change itself is a sync.
fn has_begun(error: &ApplyError) -> bool {
    matches!(error, ApplyError::Io { doing: "sync", .. })
}

fn change(
    job: &Job<'_>,
    entry: &Entry,
    backup: &Arc<Folder>,
    stamp: &str,
    hook: &mut Hook<'_>,
) -> Result<(), ApplyError> {
    let (place, path) = (&job.place, job.place.path());
    let file = match &job.seen {
        Some(seen) => {
            let (file, now) = place.open()?;
            compare(seen, &now, false)?;
            Some(file)
        }
        None => None,
    };
    match (job.step, file) {
        (Step::Cut(cut), Some(mut file)) if job.links > 1 => {
            let like = file.try_clone().map_err(ApplyError::io("open", path))?;
            let staged = Staged::new(place, stamp, Some(&like), hook, |part, out, hook| {
                file.seek(SeekFrom::Start(0)).map_err(ApplyError::io("read", path))?;
                save::copy((path, &mut file), (part, out), cut.to, hook).map(drop)
            })?;
            staged.replace(hook)
        }
        (Step::Cut(cut), Some(_)) => {
            let (mut file, now) = place.open_writing()?;
            if let Some(seen) = &job.seen {
                compare(seen, &now, false)?;
            }
            check_witness(cut, &mut file, path)?;
            if file.metadata().map_err(ApplyError::io("ask for", path))?.nlink() > 1 {
                return Err(ApplyError::changed(path, "it has another name now"));
            }
            compare(&now, &FileIdentity::of(path, &file).map_err(ApplyError::io("ask for", path))?, false)?;
            file.set_len(cut.to).map_err(ApplyError::io("truncate", path))?;
            hook(Progress::Changed(path));
            file.sync_all().map_err(ApplyError::io("sync", path))?;
            hook(Progress::Done(path));
            Ok(())
        }
        (Step::Rewrite(rewrite), file) => {
            let model = match &rewrite.like {
                Some(model) if file.is_none() => Some(in_set(place.folder(), model)?.open()?.0),
                _ => None,
            };
            let staged = Staged::new(place, stamp, file.as_ref().or(model.as_ref()), hook, |part, out, _| {
                out.write_all(&rewrite.content).map_err(ApplyError::io("write to", part))
            })?;
            if file.is_some() { staged.replace(hook) } else { staged.create(hook) }
        }
        (Step::SetAside(_), _) => {
            if let Some((saved, beside)) = entry.saved() {
                let folder = if beside { backup } else { place.folder() };
                place.place(&folder.at(saved)?)?;
                place.folder().sync()?;
            }
            hook(Progress::Done(path));
            Ok(())
        }
        (Step::Cut(_), None) => Err(ApplyError::changed(path, "it is gone")),
    }
}
