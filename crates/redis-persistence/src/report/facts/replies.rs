//! What decides which commands a server answers with an error while it loads append-only files, and passes over.
//!
//! Servers do not stop at such a command: what it should have done is missing, and they say so in their log at most. Servers
//! differ in what they know of payloads and code, so those are kept here, and the rest is counted.

use std::sync::Arc;

use super::{Occurrences, Place, RdbFacts};
use crate::functions::Runs;

/// Commands that fail, or may.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ReplyFacts {
    /// Commands that fail on every server, by why.
    pub(crate) fails: Vec<(Fails, Failing)>,
    /// Payloads of RESTORE whose checksum is right, by their version.
    pub(crate) restores: Vec<RestoreFacts>,
    /// Payloads of RESTORE that were not looked at: too long, or of too many versions.
    pub(crate) unchecked: u64,
    /// What is done with functions, in the order of the files.
    pub(crate) functions: Vec<(Place, FunctionStep)>,
    /// Commands about functions beyond [`ReplyFacts::MOST_STEPS`].
    pub(crate) functions_beyond: u64,
    /// Commands in transactions by name, in upper case: how many, and where first.
    pub(crate) queued: Vec<(Vec<u8>, Failing)>,
    /// EVAL and EVALSHA, which run commands of their own.
    pub(crate) scripts: Failing,
    /// Those outside of transactions that run one command and nothing else, by what they run.
    pub(crate) single_calls: Vec<(ScriptCall, Failing)>,
    /// Those outside of transactions of which it is not known whether a command that they run fails.
    pub(crate) unread_scripts: Failing,
    /// Scripts of transactions that may end with an error.
    pub(crate) queued_scripts: Failing,
    /// What is known of the code, for those who ask further servers.
    pub(crate) runs: Option<Runs>,
}

impl ReplyFacts {
    /// This many commands about functions are kept, and so many versions of payloads and names of queued commands.
    pub(crate) const MOST_STEPS: usize = 1 << 12;
    /// This many versions of payloads.
    pub(crate) const MOST_VERSIONS: usize = 32;
}

/// How many commands, and where first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Failing {
    /// How many.
    pub(crate) count: u64,
    /// The first places.
    pub(crate) first: Vec<Place>,
}

impl Failing {
    pub(crate) fn add(&mut self, place: Place) {
        self.add_many(1, place);
    }

    pub(crate) fn add_many(&mut self, count: u64, place: Place) {
        self.count = self.count.saturating_add(count);
        if self.first.len() < Occurrences::MOST {
            self.first.push(place);
        }
    }
}

/// The command that a script runs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScriptCall {
    /// Its name, in upper case.
    pub(crate) name: Vec<u8>,
    /// How many arguments, the name among them.
    pub(crate) args: u64,
}

/// Why a command fails on every server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Fails {
    /// A RESTORE, or FUNCTION RESTORE, whose payload has another checksum.
    PayloadChecksum,
    /// A RESTORE whose payload is no value: of a type that no server knows, or cut.
    PayloadValue,
    /// A RESTORE with a time or an option that servers do not take.
    RestoreArguments,
    /// An EVALSHA without its script.
    ScriptMissing,
    /// An EVAL or SCRIPT LOAD whose script does not compile.
    ScriptBroken,
    /// A number of keys that is none, or more than there are arguments.
    KeyCount,
    /// A SELECT of something that is no database.
    Select,
}

impl Fails {
    /// Returns what fails, in words.
    pub(crate) fn describe(self) -> &'static str {
        match self {
            Self::PayloadChecksum => "RESTORE with a payload whose checksum does not match",
            Self::PayloadValue => "RESTORE with a payload that holds no value",
            Self::RestoreArguments => "RESTORE with a time or an option that is none",
            Self::ScriptMissing => "EVALSHA of a script that was not loaded before",
            Self::ScriptBroken => "a script that does not compile",
            Self::KeyCount => "a script or function with a wrong number of keys",
            Self::Select => "SELECT of no database",
        }
    }
}

/// Payloads of RESTORE of one version whose checksum is right.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RestoreFacts {
    /// Their version.
    pub(crate) version: u16,
    /// Whether their checksum is 0, which only some servers take for right.
    pub(crate) unsummed: bool,
    /// How many.
    pub(crate) commands: Failing,
    /// What decides whether a server takes their values.
    pub(crate) rdb: RdbFacts,
}

/// What a command does with functions.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FunctionStep {
    /// FUNCTION LOAD: its source, if that was kept, and whether one of its name is replaced.
    Load {
        /// The source.
        code: Option<Arc<[u8]>>,
        /// Whether REPLACE stands there.
        replace: bool,
    },
    /// FUNCTION RESTORE.
    Restore {
        /// The version of the payload.
        version: u16,
        /// The sources, each if it was kept; nothing if what stands there is no library.
        codes: Option<Vec<Option<Arc<[u8]>>>>,
        /// What becomes of those that are there.
        policy: RestorePolicy,
    },
    /// FUNCTION DELETE of that library.
    Delete(Vec<u8>),
    /// FUNCTION FLUSH.
    Flush,
    /// Calls of that function since the step before.
    Call(Vec<u8>, u64),
    /// A command that fails in any case: an option that is none.
    Wrong,
}

/// What FUNCTION RESTORE does with libraries that are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RestorePolicy {
    /// It fails if one of the same name is there.
    Append,
    /// It replaces those of the same name.
    Replace,
    /// It deletes all before.
    Flush,
}
