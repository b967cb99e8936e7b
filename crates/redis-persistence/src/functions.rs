//! Proof that a server would load the code of functions and scripts.
//!
//! Servers run the code of a function library while they load it, and refuse to start if that fails: it does not compile,
//! touches a global, registers nothing. No look at the text can tell. So the library asks a [`Prove`], which a caller brings:
//! the command crate has one that runs Lua 5.1 with the little that servers give a library at that moment. Without one the
//! answer about such a file is never "loads".
//!
//! ```text
//! Options::functions  -> verify: a library that no server loads is damage
//! Settings::functions -> judge: what that server makes of each library
//! ```
//!
//! What servers do was measured on Redis 7.0.15 to 8.6.3 and Valkey 8.0.1 to 9.1.2. All give a library nothing but the
//! table `redis`, Valkey from 8.0 on also as `server`: `register_function`, `log`, and constants.

use std::collections::HashSet;
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

use crate::rdb::Family;

/// A version as a server states it: major, minor, patch.
pub type Version = [u8; 3];

/// The server that a library is loaded by, as far as its code can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Api {
    /// Redis.
    Redis(Version),
    /// Valkey.
    Valkey(Version),
}

impl Api {
    /// One of each kind that treats code differently.
    pub const KINDS: [Self; 4] =
        [Self::Redis([7, 0, 15]), Self::Redis([8, 6, 3]), Self::Valkey([8, 1, 8]), Self::Valkey([9, 1, 2])];

    /// Returns the newest kind of that family.
    pub(crate) fn newest(family: Family) -> Self {
        match family {
            Family::Redis => Self::KINDS[1],
            Family::Valkey => Self::KINDS[3],
        }
    }

    /// Returns whether the API is also known as `server`. Valkey 7.2 was not measured; the name came with 8.0.
    #[must_use]
    pub fn has_server(self) -> bool {
        matches!(self, Self::Valkey(version) if version >= [8, 0, 0])
    }

    /// Returns whether a call of `log` at load ends the server: so does Valkey 9.1.2 (SIGABRT), and 9.0.0 does not.
    #[must_use]
    pub fn dies_of_log(self) -> bool {
        matches!(self, Self::Valkey(version) if version >= [9, 1, 0])
    }
}

/// What a server makes of a library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// It loads the library, which registers functions of these names.
    Loads(Vec<Vec<u8>>),
    /// It refuses the library; why, in words.
    Refuses(String),
    /// The library ends the server; how, in words.
    Crashes(String),
    /// It cannot be told; why, in words.
    Unproven(String),
}

/// A proof, and what it cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proven {
    /// What was found.
    pub proof: Proof,
    /// What the run cost: its instructions, or more where it took longer than so many do. Nothing is asked any more of the libraries
    /// of a file beyond [`MOST_STEPS`].
    pub steps: u64,
}

/// What the runs of all libraries of one file may cost, for one server.
pub const MOST_STEPS: u64 = 100_000_000;

/// What each run costs at least: a file can hold a million libraries of one line.
const LEAST_STEPS: u64 = 6_000;

/// Runs the code of libraries and scripts as a server does when it loads them.
pub trait Prove: Send + Sync + UnwindSafe + RefUnwindSafe {
    /// Loads a library. A first line that begins with `#!` is no code.
    fn load(&self, code: &[u8], api: Api) -> Proven;

    /// Compiles a script, as servers before 7.0 do with the scripts that an RDB names in AUX fields. `Loads` has no names.
    fn compile(&self, script: &[u8]) -> Proof;
}

/// A [`Prove`] that options and settings can hold. Two are equal if they are the same one.
#[derive(Clone)]
pub struct Prover(Arc<dyn Prove>);

impl Prover {
    /// Holds that.
    #[must_use]
    pub fn new(prove: Arc<dyn Prove>) -> Self {
        Self(prove)
    }
}

impl std::ops::Deref for Prover {
    type Target = dyn Prove;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl PartialEq for Prover {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Prover {}

impl fmt::Debug for Prover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Prover")
    }
}

/// A function library of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Library {
    /// Its name, escaped where it is not plain text.
    pub name: String,
    /// Where its record begins.
    pub at: u64,
    /// Its source; `None` if the sources of the file are larger than what is kept of them.
    pub code: Option<Arc<[u8]>>,
}

/// Loads the libraries of a file one after the other, as a server does, and says what it makes of them.
#[derive(Debug)]
pub(crate) struct Loader {
    prover: Option<Prover>,
    api: Api,
    steps: u64,
    /// Servers compare names of functions without case, if they are of different libraries.
    names: HashSet<Vec<u8>>,
}

impl Loader {
    pub(crate) fn new(prover: Option<Prover>, api: Api) -> Self {
        Self { prover, api, steps: 0, names: HashSet::new() }
    }

    /// Loads one more library.
    pub(crate) fn load(&mut self, code: Option<&[u8]>) -> Proof {
        let unproven = |why: &str| Proof::Unproven(why.to_owned());
        let Some(prover) = &self.prover else { return unproven("its code was not run") };
        let Some(code) = code else { return unproven("its code is too long to be run") };
        if self.steps > MOST_STEPS {
            return unproven("the libraries before it ran too long");
        }
        let proven = prover.load(code, self.api);
        self.steps = self.steps.saturating_add(proven.steps.max(LEAST_STEPS));
        if let Proof::Loads(names) = &proven.proof {
            let lower = |name: &Vec<u8>| name.to_ascii_lowercase();
            if let Some(twice) = names.iter().find(|name| self.names.contains(&lower(name))) {
                let name = twice.escape_ascii();
                return Proof::Refuses(format!("a library before it registers a function \"{name}\" too"));
            }
            self.names.extend(names.iter().map(lower));
        }
        proven.proof
    }
}
