//! Writes what was salvaged into a new folder: complete, synced and verified before it has its name.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufWriter, Read as _, Seek as _, SeekFrom, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::FileType;

use super::source::Source;
use super::{Image, Salvage, SalvagedFile, line_ends};
use crate::aof::dir::os_name;
use crate::repair::disk;
use crate::repair::folder::{Folder, Place, folder_of, kind, meant};
use crate::repair::new_folder::Unfinished;
use crate::repair::{ApplyError, FileIdentity, Hook, Progress};
use crate::report::Report;
use crate::verify::{self, Options};

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
    write_if(salvage, out, force, &|_| Ok(()), hook)
}

/// Returns the same, where `accept` says of the report on the new files whether they will do: if not, and why, nothing stays.
///
/// # Errors
/// As [`write()`], and [`ApplyError::Refused`] with the words of `accept`.
pub fn write_if(
    salvage: &Salvage,
    out: &Path,
    force: bool,
    accept: &dyn Fn(&Report) -> Result<(), String>,
    hook: &mut Hook<'_>,
) -> Result<Salvaged, ApplyError> {
    if !salvage.reasons.is_empty() {
        return Err(ApplyError::Nothing);
    }
    let (out, exists) = &free(out, force)?;
    let parent = out.folder();
    let part = New(Unfinished::of(out)?);
    let wanted = salvage.files.iter().map(|file| file.seen.size).fold(SLACK, u64::saturating_add);
    let free = parent.free_bytes()?;
    if free < wanted {
        return Err(ApplyError::NoSpace { folder: parent.path().to_owned(), wanted, free });
    }
    part.fill(salvage, hook)?;
    let report = verify::aof_path(&part.result(salvage), &Options::default());
    let report = report.map_err(ApplyError::io("verify", part.0.folder().path()))?;
    accept(&report).map_err(|why| ApplyError::refused(out.path(), &why))?;
    for file in &salvage.files {
        let (_, now) = source(&file.seen.path)?;
        if !file.seen.unchanged(&now) {
            return Err(ApplyError::changed(&file.seen.path, "it was written to"));
        }
    }
    let aside = exists.then(|| out.with_suffix(&format!("{}.aside", part.0.stamp())));
    if let Some(aside) = &aside {
        out.place(aside)?;
    }
    hook(Progress::Recorded(part.0.folder().path()));
    part.0.becomes(out)?;
    hook(Progress::Placed(out.path()));
    let aside = aside.map(|aside| aside.path().to_owned());
    Ok(Salvaged { folder: out.path().to_owned(), aside, report })
}

/// Tells whether [`write()`] would refuse that folder, before the work is done.
///
/// # Errors
/// If the folder above cannot be found or opened; if something of that name exists and may not be set aside, or is neither a folder
/// nor a regular file.
pub fn check_out(out: &Path, force: bool) -> Result<(), ApplyError> {
    free(out, force).map(drop)
}

/// Returns the place of the new folder, and whether something is to be set aside there.
fn free(out: &Path, force: bool) -> Result<(Place, bool), ApplyError> {
    let name = out.file_name().ok_or_else(|| ApplyError::refused(out, "it names no folder that could be made"))?;
    let place = Folder::open(folder_of(out))?.at(name)?;
    match place.stat()?.map(|stat| kind(&stat)) {
        None => Ok((place, false)),
        Some(FileType::Directory | FileType::RegularFile) if force => Ok((place, true)),
        Some(FileType::Directory | FileType::RegularFile) => Err(ApplyError::changed(place.path(), EXISTS)),
        Some(_) => Err(ApplyError::refused(out, "it is neither a folder nor a regular file")),
    }
}

/// Opens a file of the set, through no link that leads out of its folder or to a file of another owner.
fn source(path: &Path) -> Result<(File, FileIdentity), ApplyError> {
    meant(&Folder::open(folder_of(path))?, path)?.open()
}

/// The folder that is being written.
#[derive(Debug)]
struct New(Unfinished);

impl New {
    /// Returns what servers load of it.
    fn result(&self, salvage: &Salvage) -> PathBuf {
        let single = salvage.files.first().map_or(&b""[..], |file| &file.name);
        let name = salvage.manifest.as_ref().map_or(single, |(name, _)| name);
        self.0.folder().path().join(os_name(name))
    }

    fn fill(&self, salvage: &Salvage, hook: &mut Hook<'_>) -> Result<(), ApplyError> {
        let (mut like, mut first_owner, mut same_owner) = (None, None, true);
        for file in &salvage.files {
            let (source, seen) = source(&file.seen.path)?;
            if !file.seen.unchanged(&seen) {
                return Err(ApplyError::changed(&file.seen.path, "it was written to"));
            }
            self.file(os_name(&file.name).as_ref(), Some(&source), hook, |out| out.records(file, &source))?;
            let owner = source.metadata().map_err(ApplyError::io("ask for", &file.seen.path))?.uid();
            same_owner &= *first_owner.get_or_insert(owner) == owner;
            like = Some(source);
        }
        // What is put together of files of several owners is for none of them.
        let like = like.filter(|_| same_owner);
        if let Some((name, content)) = &salvage.manifest {
            self.file(os_name(name).as_ref(), like.as_ref(), hook, |out| out.bytes(content))?;
        }
        self.file("salvage.quarantine".as_ref(), like.as_ref(), hook, |out| out.skipped(salvage))?;
        let text = salvage.describe().join("\n") + "\n";
        self.file("salvage.report".as_ref(), like.as_ref(), hook, |out| out.bytes(text.as_bytes()))?;
        if let Some(file) = salvage.files.first() {
            self.0.resemble(&*Folder::open(folder_of(&file.seen.path))?)?;
        }
        self.0.folder().sync()
    }

    /// Writes one file and syncs it.
    fn file(
        &self,
        name: &OsStr,
        like: Option<&File>,
        hook: &mut Hook<'_>,
        fill: impl FnOnce(&mut Out<'_, '_>) -> Result<(), ApplyError>,
    ) -> Result<(), ApplyError> {
        let place = self.0.folder().at(name)?;
        let path = place.path().to_owned();
        let file = place.create()?;
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

    /// Returns the image and the records that are kept, each in its database.
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
                self.bytes(&super::select(db))?;
            }
            if file.line_ends.is_some() {
                let source = source.try_clone().map(|source| Source::new(source, file.seen.size));
                let source = source.map_err(ApplyError::io("read", path))?;
                line_ends::write(source, keep, self).map_err(ApplyError::io("write to", self.path))?;
                (self.hook)(Progress::Writing { path: self.path, done: self.done, total });
            } else {
                self.range(path, source, keep.start, keep.end, total)?;
            }
        }
        Ok(())
    }

    /// Returns what was skipped, of all files.
    fn skipped(&mut self, salvage: &Salvage) -> Result<(), ApplyError> {
        let total = salvage.files.iter().map(|file| file.account.skipped_bytes()).sum();
        for file in &salvage.files {
            let path = &file.seen.path;
            let (source, _) = source(path)?;
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
