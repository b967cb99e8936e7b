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

mod script;
mod shebang;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::rdb::Family;
pub(crate) use script::{Script, library_is_harmless};
pub(crate) use shebang::shebang;

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
    /// What the run cost, in instructions. Time that passed while few of them ran counts as more.
    pub steps: u64,
    /// Whether the same comes of it on every server: the code looked at nothing that tells them apart.
    pub everywhere: bool,
}

/// What the runs of all code of one file may cost in any case, for all servers together.
const LEAST_BUDGET: i64 = 25_000_000;

/// What each byte of code adds to that: usual code runs less than one instruction for it.
const STEPS_A_BYTE: i64 = 50;

/// What each run costs at least: a file can hold a million libraries of one line.
const LEAST_STEPS: i64 = 6_000;

/// As much of a name is shown.
const SHOWN: usize = 80;

/// What may be remembered of the code of one file, in bytes; and what each library or script takes besides its code.
const MOST_REMEMBERED: usize = 32 << 20;
const REMEMBERED: usize = 256;
/// What the names of functions of one file may take, in bytes.
const MOST_NAMES: usize = 4 << 20;
/// What each of them takes besides its text.
const NAME: usize = 64;

/// Runs the code of libraries and scripts as a server does when it loads them.
pub trait Prove: Send + Sync + UnwindSafe + RefUnwindSafe {
    /// Loads a library. A first line that begins with `#!` is no code. It is given up where it costs more than `most` steps.
    fn load(&self, code: &[u8], api: Api, most: u64) -> Proven;

    /// Compiles a script, as servers before 7.0 do with the scripts that an RDB names in AUX fields. `Loads` has no names.
    fn compile(&self, script: &[u8], most: u64) -> Proven;
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

/// What is known of the code of one file. All that ask about the file share it: code is run once for all servers that it cannot
/// tell apart, and what the runs cost is bounded for all of them together.
#[derive(Clone)]
pub(crate) struct Runs(Arc<Mutex<Known>>);

/// What a server makes of a library, or all of them.
type Proofs = Vec<(Option<Api>, Proof)>;

struct Known {
    prover: Prover,
    /// What runs may still cost. The last of them may have cost more than was left: what comes later makes up for that first.
    left: i64,
    /// What the names of functions may still take.
    names: usize,
    /// What may still be remembered of code, in bytes.
    room: usize,
    /// What servers make of each.
    libraries: HashMap<Arc<[u8]>, Proofs>,
    scripts: HashMap<Arc<[u8]>, Proof>,
}

impl Runs {
    pub(crate) fn new(prover: Prover) -> Self {
        let known = Known {
            prover,
            left: LEAST_BUDGET,
            names: MOST_NAMES,
            room: MOST_REMEMBERED,
            libraries: HashMap::new(),
            scripts: HashMap::new(),
        };
        Self(Arc::new(Mutex::new(known)))
    }

    /// Returns whether it is that prover who runs the code.
    pub(crate) fn is_by(&self, prover: &Prover) -> bool {
        self.known().prover == *prover
    }

    /// Returns what is known is true at any moment, also after a panic of who held it.
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says what a server makes of a library by itself.
    pub(crate) fn load(&self, code: &Arc<[u8]>, api: Api) -> Proof {
        self.known().load(code, api)
    }

    /// Compiles a script.
    pub(crate) fn compile(&self, script: &Arc<[u8]>) -> Proof {
        self.known().compile(script)
    }
}

impl Known {
    fn load(&mut self, code: &Arc<[u8]>, api: Api) -> Proof {
        if let Some(known) = self.libraries.get(code) {
            if let Some((_, proof)) = known.iter().find(|(of, _)| of.is_none_or(|of| of == api)) {
                return proof.clone();
            }
        } else if self.remembers(code) {
            self.libraries.insert(Arc::clone(code), Vec::new());
        }
        if self.left < LEAST_STEPS {
            return Proof::Unproven("the code of the file ran too long before".to_owned());
        }
        let mut proven = self.prover.load(code, api, self.left.unsigned_abs());
        self.spend(proven.steps);
        if let Proof::Loads(names) = &proven.proof {
            let taken = names.iter().map(|name| name.len() + NAME).sum::<usize>();
            match self.names.checked_sub(taken) {
                Some(left) => self.names = left,
                None => proven.proof = Proof::Unproven("the file has too many names of functions".to_owned()),
            }
        }
        let of = (!proven.everywhere).then_some(api);
        if let Some(known) = self.libraries.get_mut(code) {
            known.push((of, proven.proof.clone()));
        }
        proven.proof
    }

    fn compile(&mut self, script: &Arc<[u8]>) -> Proof {
        if let Some(proof) = self.scripts.get(script) {
            return proof.clone();
        }
        let remembers = self.remembers(script);
        if self.left < LEAST_STEPS {
            return Proof::Unproven("the code of the file took too long before".to_owned());
        }
        let proven = self.prover.compile(script, self.left.unsigned_abs());
        self.spend(proven.steps);
        if remembers {
            self.scripts.insert(Arc::clone(script), proven.proof.clone());
        }
        proven.proof
    }

    /// Returns whether there is room to remember what becomes of this code. If so, it adds to what the runs may cost: what
    /// is not remembered is run each time that somebody asks, until nothing is left.
    fn remembers(&mut self, code: &[u8]) -> bool {
        let Some(left) = self.room.checked_sub(code.len().saturating_add(REMEMBERED)) else { return false };
        self.room = left;
        self.left = self.left.saturating_add(budget_of(code));
        true
    }

    fn spend(&mut self, steps: u64) {
        self.left = self.left.saturating_sub(i64::try_from(steps).unwrap_or(i64::MAX).max(LEAST_STEPS));
    }
}

/// Returns what code adds to what the runs may cost.
fn budget_of(code: &[u8]) -> i64 {
    i64::try_from(code.len()).unwrap_or(i64::MAX).saturating_mul(STEPS_A_BYTE)
}

impl PartialEq for Runs {
    /// Returns what was found out about a file is no difference of the file.
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Runs {}

impl fmt::Debug for Runs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Runs")
    }
}

/// Loads the libraries of a file one after the other, as a server does, and says what it makes of them.
#[derive(Debug)]
pub(crate) struct Loader {
    runs: Option<Runs>,
    api: Api,
    /// Servers compare names of functions without case, if they are of different libraries.
    names: HashSet<Vec<u8>>,
}

impl Loader {
    pub(crate) fn new(runs: Option<Runs>, api: Api) -> Self {
        Self { runs, api, names: HashSet::new() }
    }

    /// Loads one more library.
    pub(crate) fn load(&mut self, code: Option<&Arc<[u8]>>) -> Proof {
        let unproven = |why: &str| Proof::Unproven(why.to_owned());
        let Some(runs) = &self.runs else { return unproven("its code was not run") };
        let Some(code) = code else { return unproven("its code is too long to be run") };
        let proof = runs.load(code, self.api);
        if let Proof::Loads(names) = &proof {
            let lower = |name: &Vec<u8>| name.to_ascii_lowercase();
            if let Some(twice) = names.iter().find(|name| self.names.contains(&lower(name))) {
                let name = twice[..twice.len().min(SHOWN)].escape_ascii();
                return Proof::Refuses(format!("a library before it registers a function \"{name}\" too"));
            }
            self.names.extend(names.iter().map(lower));
        }
        proof
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    /// Code that begins with `v` looks at the version; each costs what is asked.
    #[derive(Debug)]
    struct Counting(Arc<AtomicU64>, u64);

    impl Prove for Counting {
        fn load(&self, code: &[u8], _: Api, most: u64) -> Proven {
            self.0.fetch_add(1, Ordering::Relaxed);
            let enough = self.1 <= most;
            let proof =
                if enough { Proof::Loads(vec![code.to_vec()]) } else { Proof::Unproven("it ran too long".to_owned()) };
            Proven { proof, steps: self.1.min(most), everywhere: !code.starts_with(b"v") }
        }

        fn compile(&self, _: &[u8], most: u64) -> Proven {
            Proven { proof: Proof::Loads(Vec::new()), steps: self.1.min(most), everywhere: true }
        }
    }

    fn loaders(steps: u64) -> (Arc<AtomicU64>, [Loader; 4]) {
        let count = Arc::new(AtomicU64::new(0));
        let runs = Runs::new(Prover::new(Arc::new(Counting(Arc::clone(&count), steps))));
        (count, Api::KINDS.map(|api| Loader::new(Some(runs.clone()), api)))
    }

    #[test]
    fn code_runs_once_for_all_servers_that_it_cannot_tell_apart() {
        for (code, runs) in [(&b"a"[..], 1), (b"v", 4)] {
            let (count, mut loaders) = loaders(1);
            for loader in &mut loaders {
                assert_eq!(loader.load(Some(&code.into())), Proof::Loads(vec![code.to_vec()]));
            }
            assert_eq!(count.load(Ordering::Relaxed), runs);
            assert!(matches!(loaders[0].load(Some(&code.into())), Proof::Refuses(_)), "it comes twice");
        }
    }

    #[test]
    fn all_servers_share_the_budget_of_a_file_and_beyond_it_nothing_is_proven() {
        let (count, mut loaders) = loaders(10_000_000);
        let mut proven = 0;
        for n in 0..1000 {
            let code: Arc<[u8]> = format!("v{n}").as_bytes().into();
            for loader in &mut loaders {
                proven += u64::from(matches!(loader.load(Some(&code)), Proof::Loads(_)));
            }
        }
        // The third had what was left, and the others have what they bring along.
        assert_eq!(proven, 2);
        assert!(count.load(Ordering::Relaxed) < 50, "{count:?}");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let prover = Prover::new(Arc::new(Counting(Arc::default(), 1)));
        let runs = Runs::new(prover);
        let mut known = runs.known();
        let fits = MOST_REMEMBERED / (REMEMBERED + 8);
        let before = known.left;
        assert_eq!((0..fits + 10).filter(|_| known.remembers(&[0; 8])).count(), fits);
        let added = known.left - before;
        assert_eq!(
            added,
            budget_of(&[0; 8]) * i64::try_from(fits).expect("small"),
            "what is not remembered adds nothing"
        );
    }

    #[test]
    fn names_are_bounded() {
        let (_, mut loaders) = loaders(1);
        let long = |n: u8| -> Arc<[u8]> { vec![n; 3 << 20].into() };
        assert!(matches!(loaders[0].load(Some(&long(1))), Proof::Loads(_)));
        assert!(matches!(loaders[0].load(Some(&long(2))), Proof::Unproven(_)));
    }
}
