//! What lies around the files of a set, and what the user of the server may do with them.

use super::log::Log;
use super::manifest::shown;
use crate::aof::dir::{Access, AofSet, Part, Role, SetNote, UnreadKind};
use crate::report::codes::Code;

/// Reports all of it.
pub(super) fn check(set: &AofSet, log: &mut Log) {
    log.next_file(None);
    surroundings(set, log);
    if let Some(access) = &set.access {
        denied(access, log);
    }
    space(set, log);
}

/// A disk without room for what a rewrite or a save writes beside what is there. Neither is larger than what it is made from but by
/// little, so the sizes there are stand for those to come.
fn space(set: &AofSet, log: &mut Log) {
    let Some(free) = set.free else { return };
    let loaded = set.parts.iter().filter(|part| part.role.is_loaded());
    let rewrite: u64 = loaded.filter_map(Part::size).fold(0, u64::saturating_add);
    let dumps = set.unread.iter().filter(|unread| unread.kind == UnreadKind::Dump);
    let save = dumps.map(|dump| dump.size).max().unwrap_or(0);
    if free < rewrite.max(save) {
        log.note(Code::AofDiskSpace, || {
            format!(
                "{free} bytes are free on the disk: a rewrite writes up to about {rewrite} before it deletes the old files, and a save \
                 about {}",
                if save > 0 { save } else { rewrite }
            )
        });
    }
}

/// What lies about and plays no part.
fn surroundings(set: &AofSet, log: &mut Log) {
    if let Some(old) = set.old_style.as_ref().filter(|old| !old.migrates) {
        log.note(Code::AofOldStyleIgnored, || {
            format!("the old-style file {}, {} bytes, is not loaded", old.path.display(), old.size)
        });
    }
    for orphan in set.parts.iter().filter(|part| part.role == Role::Orphan) {
        let size = orphan.size().unwrap_or(0);
        let next = set.notes.contains(&SetNote::NextName(orphan.name.clone()));
        if next {
            log.note(Code::AofNextFileExists, || {
                format!(
                    "{}, {size} bytes, has the name of the next file: the next rewrite empties it",
                    shown(&orphan.name)
                )
            });
        } else {
            log.note(Code::AofOrphanFile, || {
                format!("no line that servers take lists {}, {size} bytes: it is not loaded", shown(&orphan.name))
            });
        }
    }
    for file in &set.temporaries {
        log.note(Code::AofTemporaryFile, || {
            let (path, size, what) = (file.path.display(), file.size, file.kind.describe());
            format!("{path}, {size} bytes, is unfinished, and no start reads it: {what}")
        });
    }
    for note in &set.notes {
        match note {
            SetNote::OtherManifest(name) => log.note(Code::AofOtherManifest, || {
                format!("a second manifest lies in the folder, {}: it was not looked at", shown(name))
            }),
            SetNote::PartOfSet(manifest) => {
                log.note(Code::AofPartOfSet, || format!("the file is part of a set: {} lists it", manifest.display()))
            }
            SetNote::Unlisted(folder) => log.note(Code::AofFolderUnlisted, || {
                format!("{} cannot be listed: what else lies there is not known", folder.display())
            }),
            SetNote::NextName(_) => {}
        }
    }
}

/// Files and folders that the user of the server cannot use as it has to.
fn denied(access: &Access, log: &mut Log) {
    for denied in &access.denied {
        let Some((cannot, so)) = denied.effect() else { continue };
        let (uid, gid) = access.user;
        let owner = denied.owner;
        log.note(Code::AofAccessDenied, || {
            format!(
                "{} belongs to {}:{} and has mode {:04o}: the server's user, taken to be {uid}:{gid} as the owner of its folder, cannot \
                 {cannot}: {so}",
                denied.path.display(),
                owner.uid,
                owner.gid,
                owner.mode
            )
        });
    }
}
