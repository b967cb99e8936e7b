//! What decides whether a server loads append-only files, besides their RDB images: which commands there are, with how many
//! arguments, and how the records of each file end.
//!
//! Servers differ in what they know and in where they cut, so nothing is judged here: offsets are kept for each way of
//! cutting. Every table is bounded by [`AofLoadFacts::MOST_NAMES`].

use super::{RdbFacts, ReplyFacts};
use crate::aof::dir::{Access, NextStart, Shape, UnreadKind};
use crate::aof::foreign::Origin;
use crate::report::codes::Code;

/// What decides whether a server loads append-only files; what is said of each file is in [`Part`](crate::report::Part).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct AofLoadFacts {
    /// One file, or several under a manifest.
    pub(crate) shape: Option<Shape>,
    /// The `appendfilename` of the server, as the names tell, escaped.
    pub(crate) prefix: String,
    /// The name of their folder, escaped, as far as the path that was given tells.
    pub(crate) folder: Option<String>,
    /// What the next start would do, for a server that knows manifests.
    pub(crate) next_start: Option<NextStart>,
    /// Files with data that the next start does not read.
    pub unread: Vec<UnreadFacts>,
    /// Whether it is known which folder is the server's directory.
    pub(crate) in_directory: bool,
    /// Whether the folder of the parts is there.
    pub(crate) has_folder: bool,
    /// Whether there is a manifest that servers do not take.
    pub(crate) manifest_is_bad: bool,
    /// The numbers of the next base and of the next incremental file.
    pub(crate) next_numbers: (i64, i64),
    /// What the user of the server may not do; `None` where that is not known.
    pub(crate) access: Option<Access>,
    /// The commands, by name and number of arguments.
    pub(crate) commands: Vec<CommandUse>,
    /// The commands among them that no server known here has, nor the configuration brings, by name.
    pub foreign: Vec<ForeignUse>,
    /// Commands beyond [`AofLoadFacts::MOST_NAMES`] names: how many, and the first.
    pub(crate) unnamed: Option<(u64, Place)>,
    /// The largest number of a database that was selected, and where.
    pub(crate) largest_db: Option<(u64, Place)>,
    /// What servers answer with an error.
    pub(crate) replies: ReplyFacts,
}

impl AofLoadFacts {
    /// This many names of commands are told apart; no server knows as many.
    pub(crate) const MOST_NAMES: usize = 4096;
}

/// A file with data that the next start does not read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnreadFacts {
    /// What it is.
    pub kind: UnreadKind,
    /// Its name, escaped.
    pub name: String,
    /// Its size.
    pub size: u64,
    /// When it was last written to, in Unix seconds.
    pub modified: Option<i64>,
    /// What it holds. It is looked into where the set holds nothing, is not loaded, or may be older.
    pub content: Option<UnreadContent>,
}

/// What a file holds that the next start does not read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnreadContent {
    /// Whether it is sound by itself.
    pub is_sound: bool,
    /// The keys of its RDB image.
    pub keys: u64,
    /// Its commands.
    pub commands: u64,
    /// When its RDB image was made, in Unix seconds.
    pub written: Option<i64>,
    /// What decides whether a server loads its RDB image.
    pub rdb: Option<Box<RdbFacts>>,
}

impl UnreadContent {
    /// Returns whether something is lost if it is never read.
    pub(crate) fn holds_data(&self) -> bool {
        self.keys > 0 || self.commands > 0 || !self.is_sound
    }

    /// `30 keys, 2 commands`, with a word if it is damaged.
    #[must_use]
    pub fn describe(&self) -> String {
        let count = |n: u64, thing: &str| format!("{n} {thing}{}", if n == 1 { "" } else { "s" });
        let mut text = match (self.keys, self.commands) {
            (keys, 0) => count(keys, "key"),
            (0, commands) => count(commands, "command"),
            (keys, commands) => format!("{}, {}", count(keys, "key"), count(commands, "command")),
        };
        if !self.is_sound {
            text.push_str(", not sound");
        }
        text
    }
}

/// A place in one of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The number of the file among the parts of the report.
    pub part: usize,
    /// The byte.
    pub at: u64,
}

/// A command with so many arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CommandUse {
    /// The name in upper case. A command with subcommands is here by its own name, and by its name, a bar, and the
    /// subcommand's.
    pub(crate) name: Vec<u8>,
    /// How many arguments, the name among them. [`CommandUse::MANY`] stands for itself and more.
    pub(crate) args: u64,
    /// How often.
    pub(crate) count: u64,
    /// Where first.
    pub(crate) first: Place,
}

/// A command that no server known here has.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ForeignUse {
    /// The name in upper case; a subcommand behind its container and a bar.
    pub name: Vec<u8>,
    /// How often.
    pub count: u64,
    /// Where first.
    pub first: Place,
    /// Whose it is, if the name tells.
    pub origin: Option<Origin>,
}

impl CommandUse {
    /// Counts of arguments from here on are not told apart. No command asks for more.
    pub(crate) const MANY: u64 = 8;
}

/// What is known of the records of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordFacts {
    /// Where they begin: behind the image, or at 0.
    pub start: u64,
    /// The first annotation.
    pub annotation: Option<u64>,
    /// The end of the last command that servers read whole.
    pub last_end: Option<u64>,
    /// The transaction that is open at the end.
    pub open: Option<OpenTransaction>,
    /// How the walk over them ended.
    pub ending: Ending,
    /// Where that begins which ended it; the file's size at a clean end.
    pub at: u64,
    /// The finding about it.
    pub code: Option<Code>,
    /// Commands that can end the server that runs them: each with its first place and how often.
    pub stops: Vec<(Stop, u64, u64)>,
}

/// A transaction that is not closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenTransaction {
    /// Its first MULTI.
    pub start: u64,
    /// The end of the command before its last MULTI: there servers cut, and leave an outer MULTI open.
    pub before: Option<u64>,
}

/// How the walk over the records of a file ended, in the eyes of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ending {
    /// At the end of the file, at the boundary of a record.
    Clean,
    /// At the end of the file, inside a record: a short read.
    ShortRead,
    /// At bytes that are no record.
    BadFormat,
    /// At a `*` and a zero byte, which servers take for an error of the disk.
    Unreadable,
    /// At a length for which no server finds the memory: it aborts.
    NoMemory,
}

/// What can end the server that loads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Stop {
    /// EXEC of a transaction that holds a DISCARD.
    QueuedDiscard,
    /// EXEC of a transaction before which a watched key was written to.
    WatchedExec,
    /// SHUTDOWN without NOW.
    Shutdown,
    /// SHUTDOWN with NOW.
    ShutdownNow,
    /// REPLICAOF or SLAVEOF with the address of a server.
    Replica,
    /// DEBUG with a word that ends the server, such as SEGFAULT.
    Debug,
}
