//! Who may read and write the files of a server's directory: their owners and modes against the user that the server runs as.
//!
//! Nothing on disk names that user. A server makes its folders itself, so their owner is taken for it. Other groups of that user
//! and access lists are not known here.

use std::path::{Path, PathBuf};

/// Owner, group and mode of a file or folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// The number of the user.
    pub uid: u32,
    /// The number of the group.
    pub gid: u32,
    /// The bits of its mode.
    pub mode: u32,
}

impl Owner {
    /// Returns what a user of these numbers may do with it.
    #[must_use]
    pub fn may(self, (uid, gid): (u32, u32)) -> May {
        let bits = match self {
            _ if uid == 0 => 0o7,
            Self { uid: owner, .. } if owner == uid => self.mode >> 6,
            Self { gid: group, .. } if group == gid => self.mode >> 3,
            _ => self.mode,
        };
        May { read: bits & 0o4 != 0, write: bits & 0o2 != 0, enter: bits & 0o1 != 0 }
    }
}

/// What may be done with a file or folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct May {
    /// Read it.
    pub read: bool,
    /// Write to it; in a folder, make, replace and delete files.
    pub write: bool,
    /// Of a folder: reach what lies in it.
    pub enter: bool,
}

/// What the user of a server may not do in its directory.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Access {
    /// The user and the group that the server is taken to run as.
    pub user: (u32, u32),
    /// The files and folders that it may not read, write to or enter.
    pub denied: Vec<Denied>,
}

impl Access {
    /// Returns the entry about the one thing of that kind.
    pub(crate) fn of(&self, what: Guarded) -> Option<&Denied> {
        self.denied.iter().find(|denied| denied.what == what)
    }
}

/// A file or folder that the user of a server may not use in each way.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Denied {
    /// What it is.
    pub what: Guarded,
    /// Where it lies.
    pub path: PathBuf,
    /// Whose it is.
    pub owner: Owner,
    /// What may be done.
    pub may: May,
}

impl Denied {
    /// Returns what the user cannot do, and what comes of it; nothing if no server does that.
    pub(crate) fn effect(&self) -> Option<(&'static str, &'static str)> {
        let may = self.may;
        Some(match self.what {
            Guarded::Directory if !may.enter => ("enter it", "servers do not start"),
            Guarded::Directory if !may.write => {
                ("write to it", "saves and rewrites fail, and an RDB in it cannot be replaced")
            }
            Guarded::Folder if !may.enter => ("enter it", "servers see none of its files, and do not start"),
            Guarded::Folder if !may.write => {
                ("write to it", "rewrites fail, and a start that has to make a file there does")
            }
            Guarded::Folder if !may.read => ("list it", "rewrites fail"),
            Guarded::Dump if !may.read => ("read it", "with appendonly no servers do not start"),
            Guarded::Directory | Guarded::Folder | Guarded::Dump => return None,
            Guarded::NextIncr if !may.write => {
                ("write to it", "servers begin with a file of that name, and do not start")
            }
            Guarded::NextIncr => return None,
            _ if !may.read => ("read it", "servers do not start"),
            Guarded::LastIncr => ("write to it", "servers go on with that file, and do not start"),
            Guarded::Incr => ("write to it", "where it is torn they cannot cut it"),
            Guarded::OldStyle => ("write to it", "servers before 7.0 go on with that file, and do not start"),
            Guarded::Manifest | Guarded::Base => return None,
        })
    }

    /// Returns the command that gives it to the user; nothing where its name would have to be quoted.
    pub(crate) fn mend(&self, (uid, gid): (u32, u32)) -> Option<String> {
        let path = self.path.to_str()?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte);
        if !path.bytes().all(plain) || path.starts_with('-') {
            return None;
        }
        let may = Owner { uid, gid, ..self.owner }.may((uid, gid));
        let enough = may.read && may.write && (may.enter || !self.what.is_folder());
        let bits = if self.what.is_folder() { "u+rwx" } else { "u+rw" };
        Some(match (self.owner.uid == uid, enough) {
            (true, _) => format!("chmod {bits} {path}"),
            (false, true) => format!("chown {uid}:{gid} {path}"),
            (false, false) => format!("chown {uid}:{gid} {path} && chmod {bits} {path}"),
        })
    }
}

/// What is guarded by owner and mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Guarded {
    /// The server's directory.
    Directory,
    /// The folder of the parts.
    Folder,
    /// The manifest.
    Manifest,
    /// The base.
    Base,
    /// The incremental file that the server goes on with, the last one.
    LastIncr,
    /// An incremental file that others follow.
    Incr,
    /// A file that no manifest lists, and that has the name of the incremental file which a start makes.
    NextIncr,
    /// The old-style file in the server's directory.
    OldStyle,
    /// The RDB.
    Dump,
}

impl Guarded {
    pub(crate) fn is_folder(self) -> bool {
        matches!(self, Self::Directory | Self::Folder)
    }
}

/// Asks each of them, if the user is not the one who may do everything. The first folders are asked whose they are.
pub(super) fn access(things: &[(Guarded, PathBuf)], mut owner: impl FnMut(&Path) -> Option<Owner>) -> Option<Access> {
    let mut folders = things.iter().filter(|(what, _)| what.is_folder());
    let user = folders.find_map(|(_, path)| owner(path).filter(|owner| owner.uid != 0))?;
    let user = (user.uid, user.gid);
    let denied = things.iter().filter_map(|(what, path)| {
        let owner = owner(path)?;
        let may = owner.may(user);
        let all = may.read && may.write && (may.enter || !what.is_folder());
        (!all).then(|| Denied { what: *what, path: path.clone(), owner, may })
    });
    let denied: Vec<_> = denied.collect();
    Some(Access { user, denied })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bits_that_fit_decide() {
        let owner = Owner { uid: 999, gid: 100, mode: 0o640 };
        for (user, read, write) in
            [((999, 1), true, true), ((1, 100), true, false), ((1, 1), false, false), ((0, 0), true, true)]
        {
            let may = owner.may(user);
            assert_eq!((may.read, may.write), (read, write), "{user:?}");
        }
        // Its owner may do less than others.
        let may = Owner { mode: 0o077, ..owner }.may((999, 100));
        assert_eq!(may, May { read: false, write: false, enter: false });
    }
}
