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
use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_64;

use super::disk::{self, Locks, folder_of};
use super::record::{Entry, Record};
use super::save::{self, Range, Staged};
use super::{Applied, ApplyError, ApplyOptions, Cut, Hook, Plan, Progress, Rewrite, Seen, Step, leftovers, seen};

/// What the names of records begin with.
const RECORD: &str = "repair";
/// Room for the record and for what a file system needs itself.
const SLACK: u64 = 64 << 10;

/// A step, with the file it is about.
#[derive(Debug)]
struct Job<'p> {
    step: &'p Step,
    path: PathBuf,
    /// The file, as it is now; `None` if it is still to be made.
    file: Option<(File, Seen)>,
    links: u64,
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
    let backup = options.backup_dir.as_deref().unwrap_or(&plan.backup_dir);
    let backup = if backup.as_os_str().is_empty() { Path::new(".") } else { backup };
    let backup = &fs::canonicalize(backup).map_err(ApplyError::io("find the backup folder", backup))?;
    let jobs = plan.steps.iter().map(|step| job(step, options.force_live)).collect::<Result<Vec<_>, _>>()?;
    let mut folders: Vec<_> = jobs.iter().map(|job| folder_of(&job.path)).chain([backup.as_path()]).collect();
    folders.sort_unstable();
    folders.dedup();
    let _locks = Locks::take(&folders)?;
    guard(plan, &jobs, options.force_live)?;

    let names: Vec<&OsStr> = jobs.iter().map(|job| disk::name_of(&job.path)).chain([OsStr::new(RECORD)]).collect();
    leftovers::sweep(&folders, &names)?;
    let stamp = leftovers::fresh_stamp(&folders)?;
    let copies = jobs.iter().map(|job| existing_copy(job, backup)).collect::<Result<Vec<_>, _>>()?;
    check_space(&jobs, &copies, backup)?;

    let mut entries = Vec::new();
    for (job, copy) in jobs.iter().zip(copies) {
        entries.push(save(job, copy, backup, &stamp, hook)?);
    }
    let record = Record { entries };
    let path = match leftovers::recorded_before(backup, &record)? {
        Some(path) => path,
        None => {
            let path = backup.join(format!("{RECORD}.{stamp}.undo"));
            let like = jobs.iter().find_map(|job| job.file.as_ref()).map(|(file, _)| file);
            save::write_new(&path, like, hook, |part, out, _| {
                out.write_all(&record.to_bytes()).map_err(ApplyError::io("write to", part))
            })?;
            path
        }
    };
    hook(Progress::Recorded(&path));

    for (done, (job, entry)) in jobs.iter().zip(&record.entries).enumerate() {
        change(job, entry, backup, &stamp, hook).map_err(|source| match done {
            // As long as nothing was changed the reason speaks for itself.
            0 if !has_begun(&source) => source,
            _ => ApplyError::Stopped { record: path.clone(), done, steps: jobs.len(), source: Box::new(source) },
        })?;
    }
    let saved = record.entries.iter().filter_map(Entry::saved).map(|saved| backup.join(saved)).collect();
    Ok(Applied { record: path, saved })
}

fn job(step: &Step, force: bool) -> Result<Job<'_>, ApplyError> {
    let path = disk::resolve(step.path())?;
    let expected = match step {
        Step::Cut(cut) => Some(&cut.file),
        Step::Rewrite(rewrite) => rewrite.file.as_ref(),
        Step::SetAside(aside) => Some(&aside.file),
    };
    let Some(expected) = expected else {
        return match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Job { step, path, file: None, links: 0 }),
            Err(error) => Err(ApplyError::io("find", &path)(error)),
            Ok(_) => Err(ApplyError::changed(&path, "it exists now")),
        };
    };
    let links = fs::metadata(&path).map_err(ApplyError::io("find", &path))?.nlink();
    // Only what is cut in place has to be writable; what is replaced needs a folder that is.
    let in_place = links == 1 && matches!(step, Step::Cut(_));
    let (mut file, seen) = if in_place { disk::open_writing(&path)? } else { disk::open(&path)? };
    compare(expected, &seen, force)?;
    if let Step::Cut(cut) = step {
        if seen.size < cut.to {
            return Err(ApplyError::changed(&path, "it has become shorter"));
        }
        check_witness(cut, &mut file, &path)?;
    }
    Ok(Job { step, path, file: Some((file, seen)), links })
}

/// Compares a file with what the plan saw of it.
fn compare(expected: &Seen, now: &Seen, force: bool) -> Result<(), ApplyError> {
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
    match seen::witness(file, cut.to, cut.file.size) {
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
        let (_, now) = disk::open(&disk::resolve(&seen.path)?)?;
        compare(seen, &now, force)?;
    }
    let changing = jobs.iter().filter_map(|job| job.file.as_ref()).map(|(_, seen)| seen);
    disk::nobody_writes(plan.read.iter().chain(changing))
}

/// The bytes that a step takes away, and the kind of file they are saved in.
fn range<'j>(job: &'j Job<'_>) -> Option<(Range<'j>, &'static str)> {
    let (file, seen) = job.file.as_ref()?;
    let (from, kind) = match job.step {
        Step::Cut(cut) => (cut.to, "tail"),
        Step::Rewrite(_) => (0, "old"),
        Step::SetAside(_) => return None,
    };
    Some((Range { path: &job.path, file, from, to: seen.size }, kind))
}

fn existing_copy(job: &Job<'_>, backup: &Path) -> Result<Option<PathBuf>, ApplyError> {
    match range(job) {
        Some((mut range, kind)) => leftovers::saved_before(backup, &mut range, kind),
        None => Ok(None),
    }
}

fn check_space(jobs: &[Job<'_>], copies: &[Option<PathBuf>], backup: &Path) -> Result<(), ApplyError> {
    let mut wanted: BTreeMap<u64, (&Path, u64)> = BTreeMap::new();
    let mut add = |folder, bytes: u64| -> Result<(), ApplyError> {
        let entry = wanted.entry(disk::device(folder)?).or_insert((folder, SLACK));
        entry.1 = entry.1.saturating_add(bytes);
        Ok(())
    };
    add(backup, 0)?;
    for (job, copy) in jobs.iter().zip(copies) {
        if let Some((range, _)) = range(job).filter(|_| copy.is_none()) {
            add(backup, range.to - range.from)?;
        }
        match job.step {
            Step::Cut(cut) if job.links > 1 => add(folder_of(&job.path), cut.to)?,
            Step::Rewrite(rewrite) => add(folder_of(&job.path), rewrite.content.len() as u64)?,
            Step::Cut(_) | Step::SetAside(_) => {}
        }
    }
    for (folder, wanted) in wanted.into_values() {
        let free = disk::free_bytes(folder)?;
        if free < wanted {
            return Err(ApplyError::NoSpace { folder: folder.to_owned(), wanted, free });
        }
    }
    Ok(())
}

/// Saves what a step takes away, and says how it can be taken back.
fn save(
    job: &Job<'_>,
    copy: Option<PathBuf>,
    backup: &Path,
    stamp: &str,
    hook: &mut Hook<'_>,
) -> Result<Entry, ApplyError> {
    let file = job.path.clone();
    let mut saved = (PathBuf::new(), 0);
    if let Some((mut range, kind)) = range(job) {
        let (path, hash) = match copy {
            Some(path) => {
                let hash = seen::hash_range(&mut range.file, range.from, range.to);
                (path, hash.map_err(ApplyError::io("read", &file))?)
            }
            None => range.save(backup, stamp, kind, hook)?,
        };
        saved = (disk::name_of(&path).into(), hash);
    }
    let (saved, hash) = saved;
    Ok(match (job.step, job.file.as_ref()) {
        (Step::Cut(cut), Some((source, seen))) => {
            let kept = seen::last_bytes(&mut &*source, cut.to).map_err(ApplyError::io("read", &file))?;
            Entry::Cut { file, from: seen.size, to: cut.to, kept, saved, tail: hash }
        }
        (Step::Rewrite(Rewrite { content, .. }), Some((_, seen))) => {
            let (new_size, new) = (content.len() as u64, xxh3_64(content));
            Entry::Rewrite { file, saved, size: seen.size, old: hash, new_size, new }
        }
        (Step::Rewrite(Rewrite { content, .. }), None) => {
            Entry::Create { file, new_size: content.len() as u64, new: xxh3_64(content) }
        }
        (Step::SetAside(_), Some((source, seen))) => {
            let last = seen::last_bytes(&mut &*source, seen.size).map_err(ApplyError::io("read", &file))?;
            let name = disk::with_suffix(disk::name_of(&file), &format!("{stamp}.aside"));
            // Across file systems it would have to be copied: then it stays where it is, under its new name.
            let near = disk::device(folder_of(&file))? == disk::device(backup)?;
            let saved = if near { name.into() } else { file.with_file_name(name) };
            Entry::Aside { file, saved, size: seen.size, last }
        }
        // `job` has opened every file that these two are about.
        (Step::Cut(_) | Step::SetAside(_), None) => return Err(ApplyError::changed(&file, "it is gone")),
    })
}

/// Whether a change that failed may have changed something: what fails behind the change itself is a sync.
fn has_begun(error: &ApplyError) -> bool {
    matches!(error, ApplyError::Io { doing: "sync", .. })
}

fn change(job: &Job<'_>, entry: &Entry, backup: &Path, stamp: &str, hook: &mut Hook<'_>) -> Result<(), ApplyError> {
    let path = &job.path;
    let like = job.file.as_ref().map(|(file, _)| file);
    if let Some((_, seen)) = &job.file {
        let (_, now) = disk::open(path)?;
        compare(seen, &now, false)?;
    }
    match (job.step, &job.file) {
        (Step::Cut(cut), Some((file, _))) if job.links > 1 => {
            let staged = Staged::new(path, stamp, like, hook, |part, out, hook| {
                let mut file = file;
                file.seek(SeekFrom::Start(0)).map_err(ApplyError::io("read", path))?;
                save::copy((path, &mut file), (part, out), cut.to, hook).map(drop)
            })?;
            staged.replace(hook)
        }
        (Step::Cut(cut), Some((file, seen))) => {
            let mut again = file.try_clone().map_err(ApplyError::io("open", path))?;
            check_witness(cut, &mut again, path)?;
            compare(seen, &Seen::of(path, file).map_err(ApplyError::io("ask for", path))?, false)?;
            file.set_len(cut.to).map_err(ApplyError::io("truncate", path))?;
            hook(Progress::Changed(path));
            file.sync_all().map_err(ApplyError::io("sync", path))?;
            hook(Progress::Done(path));
            Ok(())
        }
        (Step::Rewrite(rewrite), file) => {
            let model = match &rewrite.like {
                Some(model) if file.is_none() => Some(disk::open(&disk::resolve(model)?)?.0),
                _ => None,
            };
            let staged = Staged::new(path, stamp, like.or(model.as_ref()), hook, |part, out, _| {
                out.write_all(&rewrite.content).map_err(ApplyError::io("write to", part))
            })?;
            if file.is_some() { staged.replace(hook) } else { staged.create(hook) }
        }
        (Step::SetAside(_), _) => {
            if let Some(saved) = entry.saved() {
                disk::place(path, &backup.join(saved))?;
                disk::sync_folder(folder_of(path))?;
            }
            hook(Progress::Done(path));
            Ok(())
        }
        (Step::Cut(_), None) => Err(ApplyError::changed(path, "it is gone")),
    }
}
