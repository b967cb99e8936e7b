//! Files of append-only sets that hold what they should in another form: found by undoing it, and laid down as they were for a
//! salvage.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use redis_persistence::aof::dir::{self, AofSet, Node, Opened, Role, Tree};
use redis_persistence::verify::{self, Options, Report, Verdict};

use crate::disguise::{self, Disguise};
use crate::input::archive::Archive;
use crate::input::laid::{self, Laid};
use crate::input::packed_input::lay_down;
use crate::progress::When;
use crate::stores;

/// As much of a file as tells what may have been done to it.
const HEAD: u64 = 64 << 10;
/// The name under which what comes out is verified.
const NAME: &str = "appendonly.aof";

/// A file of a set in disguise.
pub(super) struct Disguised {
    path: PathBuf,
    /// Its name, as reports give it.
    pub(super) name: String,
    /// The file as it is.
    copy: File,
    pub(super) disguise: Disguise,
}

/// Looks into the files of a set that are damaged, each of which is read again for that where its first bytes allow for a form.
pub(super) fn find<T: Tree>(
    tree: &mut T,
    set: &AofSet,
    report: &Report,
    options: &Options,
    on_disk: bool,
) -> io::Result<Vec<Disguised>> {
    let mut found = Vec::new();
    if report.verdict == Verdict::Sound {
        return Ok(found);
    }
    for part in set.parts.iter().filter(|part| part.role != Role::Manifest) {
        let name = part.name.escape_ascii().to_string();
        let said = report.parts.iter().find(|said| said.name == name);
        let damaged = said.is_some_and(|said| said.loads_up_to != said.size);
        let Some(Node::File(size)) = part.node.filter(|_| damaged) else { continue };
        let Opened::File { file, .. } = tree.open(&part.path)? else { continue };
        let mut file = file;
        let mut head = Vec::new();
        file.by_ref().take(HEAD).read_to_end(&mut head)?;
        let good = said.and_then(|said| said.loads_up_to).unwrap_or(0);
        if !disguise::may_hold_commands(&head, good) {
            continue;
        }
        let copy = if on_disk && !stores::is_remote(&part.path) {
            File::open(&part.path)
        } else {
            lay_down(head.as_slice().chain(file))
        };
        let Ok(copy) = copy else { continue };
        let judge = |stream: &mut dyn io::Read| judged(stream, options);
        // What cannot be looked into, for lack of room or of memory, stays the damaged file that it is.
        if let Ok(Some(disguise)) = disguise::search_commands(&copy, size, &head, judge) {
            found.push(Disguised { path: part.path.clone(), name, copy, disguise });
        }
    }
    Ok(found)
}

/// The report on what comes of a file, and its size.
fn judged(stream: &mut dyn io::Read, options: &Options) -> io::Result<(Report, u64)> {
    let file = lay_down(stream)?;
    let size = file.metadata()?.len();
    let mut archive = Archive::of_one(file, 0, Path::new(NAME), NAME.to_owned(), When::Never)?;
    let set = dir::find(&mut archive, Path::new(NAME))?;
    Ok((verify::aof_set(&mut archive, &set, options)?, size))
}

/// Lays a set down in a temporary folder with its files as they were.
///
/// # Errors
/// If it cannot be read, or there is no room.
pub(super) fn laid_down<T: Tree>(tree: &mut T, path: &Path, set: &AofSet, found: &[Disguised]) -> io::Result<Laid> {
    laid::as_they_were(tree, path, set, |part| {
        let disguised = found.iter().find(|disguised| disguised.path == part)?;
        Some(disguised.disguise.reader(&disguised.copy))
    })
}
