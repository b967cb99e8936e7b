//! What a server would do with a file, and why.

use std::fmt;

use super::{Release, ReleaseAnswer, Target};
use crate::report::{Code, Name, Occurrences};

/// What a server would do with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Loads {
    /// The series of the server.
    pub target: Target,
    /// The server as it was asked for.
    pub release: Release,
    /// What each known release of it does. If they differ, the answer is that of the worst, and its messages name it.
    pub releases: Vec<ReleaseAnswer>,
    /// Whether it loads the file as it is, with not a byte cut.
    pub loads: bool,
    /// What it does with its settings.
    pub by_default: Outcome,
    /// What it cuts off then.
    pub cuts: Vec<Cut>,
    /// What it leaves out, drops or renames on the way.
    pub skips: Vec<Why>,
    /// What it loads without a look, and may break down on when the key is read: it then ends, with all its data, or stands still.
    pub reading: Vec<Why>,
    /// What stands in the way of loading the file as it is.
    pub because: Vec<Why>,
    /// The files of its directory that its start reads, and those that it writes over later; `None` where that is not known.
    pub start: Option<StartFiles>,
}

/// What a server that comes up makes of the files in its directory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct StartFiles {
    /// Those that it reads, in that order, from its directory.
    pub reads: Vec<String>,
    /// The keys in the RDBs among them; `None` where they were not looked into.
    pub keys: Option<u64>,
    /// The commands in them.
    pub commands: u64,
    /// Those that are lost later, with what they hold.
    pub overwrites: Vec<Overwrite>,
    /// In how many seconds they are loaded, at least and at most: an estimate, for machines differ.
    pub seconds: (u64, u64),
    /// What is lost where the server or its machine ends at once, by the settings that say so; empty where they do not say what is
    /// read.
    pub loss: Vec<String>,
}

impl StartFiles {
    /// Returns an estimate of the time that a load takes: what servers did on slow and fast machines was a million keys, or
    /// half a million commands, in a second, and a fourth of that.
    pub(super) fn estimate(bytes: u64, keys: u64, commands: u64) -> (u64, u64) {
        let millis = (keys / 1000).saturating_add(commands / 500).saturating_add(bytes / 300_000);
        (millis / 1000, millis.saturating_mul(4).div_ceil(1000))
    }
}

/// A file with data that a server did not read, and that goes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Overwrite {
    /// The file, from the server's directory.
    pub file: String,
    /// When it goes, or is first written to.
    pub at: Moment,
}

/// When a file is written over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Moment {
    /// While the server starts.
    Start,
    /// When it saves an RDB.
    Save,
    /// When it rewrites its append-only file.
    Rewrite,
}

impl Moment {
    /// Returns the name that reports use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Save => "save",
            Self::Rewrite => "rewrite",
        }
    }
}

/// What a server does when it starts with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// It loads the file.
    Loads,
    /// It comes up, and has passed over commands that it answered with an error: what these should have done is missing.
    LoadsButDrops,
    /// It cuts off an end, and loads the rest.
    LoadsAfterCut,
    /// It says why not, and exits.
    Refuses,
    /// It is ended by its own fault.
    Crashes,
    /// It finds the file bad, and then neither serves nor ends: the check that it runs over the file never comes to an end.
    Hangs,
    /// It comes up without a look at the files, or with none of what they hold.
    StartsEmpty,
    /// This cannot be told from the report.
    Unknown,
}

impl Outcome {
    /// Returns the name that reports use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Loads => "loads",
            Self::LoadsButDrops => "loads-but-drops",
            Self::LoadsAfterCut => "loads-after-cut",
            Self::Refuses => "refuses",
            Self::Crashes => "crashes",
            Self::Hangs => "hangs",
            Self::StartsEmpty => "starts-empty",
            Self::Unknown => "unknown",
        }
    }

    /// The greater, the less of the data is at hand.
    pub(super) fn rank(self) -> u8 {
        match self {
            Self::Loads => 0,
            Self::LoadsButDrops => 1,
            Self::LoadsAfterCut => 2,
            Self::StartsEmpty => 3,
            Self::Unknown => 4,
            Self::Refuses => 5,
            Self::Crashes => 6,
            Self::Hangs => 6,
        }
    }

    /// Returns whether the server comes up with the data, or with what is left after a cut.
    #[must_use]
    pub fn comes_up(self) -> bool {
        matches!(self, Self::Loads | Self::LoadsButDrops | Self::LoadsAfterCut)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// An end that a server cuts off a file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Cut {
    /// The file of a set; the only one otherwise.
    pub file: Option<String>,
    /// Its size.
    pub from: u64,
    /// Its size afterwards.
    pub to: u64,
}

/// A reason, how often it occurs, and where first.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Why {
    /// The reason.
    #[cfg_attr(feature = "serde", serde(rename = "code"))]
    pub reason: Reason,
    /// How often it occurs.
    pub count: u64,
    /// Keys, names or places: the first ten.
    pub first: Vec<Name>,
    /// The reason in a sentence.
    pub message: String,
}

/// Why a server does not load a file as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// A finding of the report.
    Finding(Code),
    /// The signature or version is not of the server.
    Version,
    /// Value types that the server does not know.
    Type,
    /// Records that the server does not know.
    Opcode,
    /// Modules that the server does not have.
    Module,
    /// Engines of function libraries that the server does not have.
    Engine,
    /// Scripts that the server compiles while it loads, or runs: it does not start if one does not compile, or crashes if a command
    /// that it runs fails.
    Script,
    /// Function libraries that the server does not load.
    Function,
    /// Function libraries of which it is not known whether the server loads them.
    FunctionUnproven,
    /// A database that the server does not have.
    Databases,
    /// Keys outside of database 0 where there is but one.
    Cluster,
    /// Keys that have expired are not loaded.
    Expired,
    /// Commands that the server does not know.
    Command,
    /// Commands with too few arguments, or too many.
    Arity,
    /// Payloads of RESTORE that the server does not take.
    Restore,
    /// What the user of the commands may not do.
    Permission,
    /// Annotations, which the server takes for damage.
    Annotation,
    /// A manifest, which the server does not know.
    Manifest,
    /// Commands that end a server.
    Stop,
    /// Files that are moved.
    Moved,
    /// Files that are deleted.
    Deleted,
    /// Files that are emptied or written over.
    Overwritten,
    /// Files that are not loaded.
    Ignored,
    /// The server looks for files of another name.
    Names,
    /// Append-only files are switched off.
    Appendonly,
    /// Files that the user of the server may not use.
    Access,
}

impl Reason {
    /// Returns the name that reports use: a finding's code, or one of its own that begins with `target-`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Finding(code) => code.as_str(),
            Self::Version => "target-version",
            Self::Type => "target-type",
            Self::Opcode => "target-opcode",
            Self::Module => "target-module",
            Self::Engine => "target-engine",
            Self::Script => "target-script",
            Self::Function => "target-function",
            Self::FunctionUnproven => "target-function-unproven",
            Self::Databases => "target-databases",
            Self::Cluster => "target-cluster",
            Self::Expired => "target-expired",
            Self::Command => "target-command",
            Self::Arity => "target-arity",
            Self::Restore => "target-restore",
            Self::Permission => "target-permission",
            Self::Annotation => "target-annotation",
            Self::Manifest => "target-manifest",
            Self::Stop => "target-stop",
            Self::Moved => "target-moved",
            Self::Deleted => "target-deleted",
            Self::Overwritten => "target-overwritten",
            Self::Ignored => "target-ignored",
            Self::Names => "target-names",
            Self::Appendonly => "target-appendonly",
            Self::Access => "target-access",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Why {
    pub(super) fn new(reason: Reason, tallied: &Occurrences, message: String) -> Self {
        Self { reason, count: tallied.count, first: tallied.first.clone(), message }
    }
}

impl Loads {
    /// Returns the same where the RDB lies in a compressed stream of Valkey 9.2, which no server known here reads as it is.
    #[must_use]
    pub fn in_compressed_stream(mut self) -> Self {
        let message =
            format!("{} does not read the compressed stream of Valkey 9.2 in which the RDB lies", self.release);
        let why = Why { reason: Reason::Version, count: 1, first: Vec::new(), message };
        (self.loads, self.by_default) = (false, Outcome::Refuses);
        self.because.insert(0, why);
        self
    }

    /// Returns the answer about a file that the server does not look at, whatever is in it, and why.
    #[must_use]
    pub fn left_alone(mut self, message: String) -> Self {
        self.because.insert(0, Why { reason: Reason::Appendonly, count: 1, first: Vec::new(), message });
        self.releases.iter_mut().for_each(|release| release.by_default = Outcome::StartsEmpty);
        Self {
            loads: false,
            by_default: Outcome::StartsEmpty,
            cuts: Vec::new(),
            skips: Vec::new(),
            reading: Vec::new(),
            ..self
        }
    }

    /// Nothing is said.
    pub(super) fn unknown(target: Target) -> Self {
        Self {
            target,
            release: target.into(),
            releases: Vec::new(),
            loads: false,
            by_default: Outcome::Unknown,
            cuts: Vec::new(),
            skips: Vec::new(),
            reading: Vec::new(),
            because: Vec::new(),
            start: None,
        }
    }
}
