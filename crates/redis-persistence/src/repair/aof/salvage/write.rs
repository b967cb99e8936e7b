//! Writes what was salvaged into a new folder: complete, synced and verified before it has its name.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File};
use std::io::{self, BufWriter, Read as _, Seek as _, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::{Image, Salvage, SalvagedFile};
use crate::aof::dir::os_name;
use crate::repair::disk::{self, Locks};
use crate::repair::{ApplyError, Hook, Progress, leftovers};
use crate::verify::{self, Options, Report};

/// What is copied at a time.
const BLOCK: usize = 1 << 20;
/// Room for the manifest, the report, and what a file system needs itself.
const SLACK: u64 = 1 << 20;

/// What [`ApplyError::Changed`] says where there is a folder of that name.
pub const EXISTS: &str = "it exists already";

/// What was written.
#[derive(Debug)]
pub struct Salvaged {
    /// The folder.
    pub folder: PathBuf,
    /// Where the folder is now that had its name.
    pub aside: Option<PathBuf>,
    /// What the verification of the result found.
    pub report: Report,
}

/// Writes what was salvaged to the folder `out`, which must not exist; with `force` one that exists is set aside. `hook` hears
/// of every step.
///
/// # Errors
/// Whatever stands in the way. Then there is no new folder of that name.
pub fn write(salvage: &Salvage, out: &Path, force: bool, hook: &mut Hook<'_>) -> Result<Salvaged, ApplyError> {
    if !salvage.reasons.is_empty() {
        return Err(ApplyError::Nothing);
    }
    let out = &disk::resolve(out)?;
    let exists = fs::symlink_metadata(out).is_ok();
    if exists && !force {
        return Err(ApplyError::changed(out, EXISTS));
    }
    let parent = disk::folder_of(out);
    let _locks = Locks::take(&[parent])?;
    remove_unfinished(out, parent)?;
    let wanted = salvage.files.iter().map(|file| file.seen.size).fold(SLACK, u64::saturating_add);
    let free = disk::free_bytes(parent)?;
    if free < wanted {
        return Err(ApplyError::NoSpace { folder: parent.to_owned(), wanted, free });
    }
    let stamp = leftovers::fresh_stamp(&[parent])?;
    let part = Unfinished::create(out.with_file_name(disk::with_suffix(disk::name_of(out), &format!("{stamp}.part"))))?;
    part.fill(salvage, hook)?;
    let report = verify::aof_path(&part.result(salvage), &Options::default());
    let report = report.map_err(ApplyError::io("verify", &part.path))?;
    for file in &salvage.files {
        let (_, now) = disk::open(&disk::resolve(&file.seen.path)?)?;
        if !file.seen.unchanged(&now) {
            return Err(ApplyError::changed(&file.seen.path, "it was written to"));
        }
    }
    let aside = exists.then(|| out.with_file_name(disk::with_suffix(disk::name_of(out), &format!("{stamp}.aside"))));
    if let Some(aside) = &aside {
        disk::place(out, aside)?;
    }
    hook(Progress::Recorded(&part.path));
    part.becomes(out)?;
    hook(Progress::Placed(out));
    Ok(Salvaged { folder: out.clone(), aside, report })
}

/// Removes what a run that was killed left of this folder.
fn remove_unfinished(out: &Path, parent: &Path) -> Result<(), ApplyError> {
    let name = disk::name_of(out).as_bytes();
    for entry in fs::read_dir(parent).map_err(ApplyError::io("list", parent))?.flatten() {
        let found = entry.file_name();
        let rest = found.as_bytes().strip_prefix(name).and_then(|rest| rest.strip_prefix(b"."));
        let stamp = rest.and_then(|rest| rest.strip_suffix(b".part"));
        if stamp.is_some_and(disk::is_stamp) && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            let path = entry.path();
            fs::remove_dir_all(&path).map_err(ApplyError::io("remove", &path))?;
        }
    }
    Ok(())
}

/// A folder under its temporary name; removed when it is dropped.
#[derive(Debug)]
struct Unfinished {
    path: PathBuf,
    placed: bool,
}

impl Unfinished {
    fn create(path: PathBuf) -> Result<Self, ApplyError> {
        DirBuilder::new().mode(0o700).create(&path).map_err(ApplyError::io("create", &path))?;
        Ok(Self { path, placed: false })
    }

    fn becomes(mut self, out: &Path) -> Result<(), ApplyError> {
        // Once it was tried the name may be gone, and whatever has it then is not ours.
        self.placed = true;
        disk::place(&self.path, out)
    }

    /// What servers load of it.
    fn result(&self, salvage: &Salvage) -> PathBuf {
        let single = salvage.files.first().map_or(&b""[..], |file| &file.name);
        let name = salvage.manifest.as_ref().map_or(single, |(name, _)| name);
        self.path.join(os_name(name))
    }

    fn fill(&self, salvage: &Salvage, hook: &mut Hook<'_>) -> Result<(), ApplyError> {
        let mut like = None;
        for file in &salvage.files {
            let (source, seen) = disk::open(&disk::resolve(&file.seen.path)?)?;
            if !file.seen.unchanged(&seen) {
                return Err(ApplyError::changed(&file.seen.path, "it was written to"));
            }
            self.file(os_name(&file.name).as_ref(), Some(&source), hook, |out| out.records(file, &source))?;
            like = Some(source);
        }
        if let Some((name, content)) = &salvage.manifest {
            self.file(os_name(name).as_ref(), like.as_ref(), hook, |out| out.bytes(content))?;
        }
        self.file("salvage.quarantine".as_ref(), like.as_ref(), hook, |out| out.skipped(salvage))?;
        let text = salvage.describe().join("\n") + "\n";
        self.file("salvage.report".as_ref(), like.as_ref(), hook, |out| out.bytes(text.as_bytes()))?;
        // Servers have to get in: as many may enter as could read the files.
        let mode = like.and_then(|like| like.metadata().ok()).map_or(0o600, |data| data.permissions().mode());
        let mode = mode & 0o777 | (mode & 0o444) >> 2;
        fs::set_permissions(&self.path, fs::Permissions::from_mode(mode))
            .map_err(ApplyError::io("set the mode of", &self.path))?;
        disk::sync_folder(&self.path)
    }

    /// Writes one file and syncs it.
    fn file(
        &self,
        name: &OsStr,
        like: Option<&File>,
        hook: &mut Hook<'_>,
        fill: impl FnOnce(&mut Out<'_, '_>) -> Result<(), ApplyError>,
    ) -> Result<(), ApplyError> {
        let path = self.path.join(name);
        let file = disk::create(&path)?;
        if let Some(like) = like {
            disk::resemble(&file, like);
        }
        let mut out = Out { path: &path, file: BufWriter::with_capacity(BLOCK, file), done: 0, hook };
        fill(&mut out)?;
        let file = out.file.into_inner().map_err(|error| ApplyError::io("write to", &path)(error.into_error()))?;
        file.sync_all().map_err(ApplyError::io("sync", &path))?;
        hook(Progress::Synced(&path));
        Ok(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.placed {
            // If it cannot be removed the next run does.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// A file that is being written.
struct Out<'o, 'h> {
    path: &'o Path,
    file: BufWriter<File>,
    done: u64,
    hook: &'o mut Hook<'h>,
}

impl Write for Out<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.file.write(bytes)?;
        self.done += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Out<'_, '_> {
    fn bytes(&mut self, bytes: &[u8]) -> Result<(), ApplyError> {
        self.file.write_all(bytes).map_err(ApplyError::io("write to", self.path))?;
        self.done += bytes.len() as u64;
        Ok(())
    }

    /// Copies a range of a file.
    fn range(&mut self, path: &Path, mut source: &File, start: u64, end: u64, total: u64) -> Result<(), ApplyError> {
        source.seek(SeekFrom::Start(start)).map_err(ApplyError::io("read", path))?;
        let mut block = vec![0; usize::try_from(end - start).unwrap_or(BLOCK).min(BLOCK)];
        let mut left = end - start;
        while left > 0 {
            let size = usize::try_from(left).unwrap_or(BLOCK).min(BLOCK);
            source.read_exact(&mut block[..size]).map_err(ApplyError::io("read", path))?;
            self.bytes(&block[..size])?;
            left -= size as u64;
            (self.hook)(Progress::Writing { path: self.path, done: self.done, total });
        }
        Ok(())
    }

    /// The image and the records that are kept, each in its database.
    fn records(&mut self, file: &SalvagedFile, source: &File) -> Result<(), ApplyError> {
        let path = &file.seen.path;
        let total = file.image_end + file.account.kept_bytes();
        match &file.image {
            Image::Kept => self.range(path, source, 0, file.image_end, total)?,
            image => {
                image.write(source, file.image_end, self).map_err(ApplyError::io("write the image to", self.path))?
            }
        }
        for keep in &file.account.kept {
            if let Some(db) = keep.select {
                let db = db.to_string();
                self.bytes(format!("*2\r\n$6\r\nSELECT\r\n${}\r\n{db}\r\n", db.len()).as_bytes())?;
            }
            self.range(path, source, keep.start, keep.end, total)?;
        }
        Ok(())
    }

    /// What was skipped, of all files.
    fn skipped(&mut self, salvage: &Salvage) -> Result<(), ApplyError> {
        let total = salvage.files.iter().map(|file| file.account.skipped_bytes()).sum();
        for file in &salvage.files {
            let path = &file.seen.path;
            let (source, _) = disk::open(&disk::resolve(path)?)?;
            let of_image = file.image.skipped().iter().map(|range| (range.start, range.end, "image"));
            let skipped = file.account.skipped.iter().map(|skip| (skip.start, skip.end, skip.kind.as_str()));
            for (start, end, kind) in of_image.chain(skipped) {
                let (name, length) = (file.name.escape_ascii(), end - start);
                self.bytes(format!("skipped {name} {start} {length} {kind}\n").as_bytes())?;
                self.range(path, &source, start, end, total)?;
                self.bytes(b"\n")?;
            }
        }
        Ok(())
    }
}
