//! The libraries of functions that a server has at a moment, as the commands of an append-only file add and take them.

use std::collections::{HashMap, HashSet};

use std::sync::Arc;

use crate::functions::{Api, Library, Proof, Runs, shebang};
use crate::report::{FunctionStep, RestorePolicy};

/// What comes of a command about functions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Replayed {
    /// It does what it should.
    Done,
    /// The server answers with an error; why, in words.
    Fails(String),
    /// The server ends; how, in words.
    Crashes(String),
    /// It cannot be told; why, in words.
    Unproven(String),
}

/// A server, as far as its functions go.
#[derive(Debug)]
pub(crate) struct Replay {
    runs: Option<Runs>,
    api: Api,
    /// The functions of each library, in lower case.
    libraries: HashMap<Vec<u8>, Vec<Vec<u8>>>,
    /// Whether a function may be there of which nothing is known.
    open: bool,
}

/// A library that was run: its name and its functions.
type Loaded = (Vec<u8>, Vec<Vec<u8>>);

impl Replay {
    pub(crate) fn new(runs: Option<Runs>, api: Api) -> Self {
        Self { runs, api, libraries: HashMap::new(), open: false }
    }

    /// A library of an RDB image, which was judged elsewhere.
    pub(crate) fn image(&mut self, library: &Library) {
        match self.run(library.code.as_ref()) {
            Ok((name, functions)) => drop(self.libraries.insert(name, functions)),
            Err(_) => self.open = true,
        }
    }

    /// Returns the next command.
    pub(crate) fn step(&mut self, step: &FunctionStep) -> Replayed {
        let fails = |why: &str| Replayed::Fails(why.to_owned());
        match step {
            FunctionStep::Load { code, replace } => {
                let loaded = self.run(code.as_ref());
                self.add(vec![loaded], if *replace { RestorePolicy::Replace } else { RestorePolicy::Append })
            }
            FunctionStep::Restore { codes: None, .. } => fails("the payload holds no function libraries"),
            FunctionStep::Restore { codes: Some(codes), policy, .. } => {
                let loaded = codes.iter().map(|code| self.run(code.as_ref())).collect();
                self.add(loaded, *policy)
            }
            FunctionStep::Delete(name) => match self.libraries.remove(name) {
                Some(_) => Replayed::Done,
                None if self.open => Replayed::Unproven("libraries before it are not known".to_owned()),
                None => fails("there is no library of that name"),
            },
            FunctionStep::Flush => {
                self.libraries.clear();
                self.open = false;
                Replayed::Done
            }
            FunctionStep::Call(name, _) => {
                let name = name.to_ascii_lowercase();
                match self.libraries.values().any(|functions| functions.contains(&name)) {
                    true => Replayed::Done,
                    false if self.open => Replayed::Unproven("libraries before it are not known".to_owned()),
                    false => fails("no library that was loaded has a function of that name"),
                }
            }
            FunctionStep::Wrong => fails("it has an option that is none"),
        }
    }

    /// Adds libraries, all or none.
    fn add(&mut self, loaded: Vec<Result<Loaded, Replayed>>, policy: RestorePolicy) -> Replayed {
        let mut libraries = if policy == RestorePolicy::Flush { HashMap::new() } else { self.libraries.clone() };
        let mut added = HashSet::new();
        for library in loaded {
            let (name, functions) = match library {
                Ok(loaded) => loaded,
                Err(replayed) => {
                    self.open |= matches!(replayed, Replayed::Unproven(_));
                    return replayed;
                }
            };
            let twice = !added.insert(name.clone());
            if twice || policy == RestorePolicy::Append && libraries.contains_key(&name) {
                return Replayed::Fails(format!("a library \"{}\" is there already", name.escape_ascii()));
            }
            libraries.remove(&name);
            let known = |function: &&Vec<u8>| libraries.values().any(|others| others.contains(function));
            if let Some(function) = functions.iter().find(known) {
                let function = function.escape_ascii();
                return Replayed::Fails(format!("another library has a function \"{function}\" already"));
            }
            libraries.insert(name, functions);
        }
        self.libraries = libraries;
        self.open &= policy != RestorePolicy::Flush;
        Replayed::Done
    }

    /// Runs the code of a library.
    fn run(&self, code: Option<&Arc<[u8]>>) -> Result<Loaded, Replayed> {
        let unproven = |why: &str| Err(Replayed::Unproven(why.to_owned()));
        let Some(code) = code else { return unproven("its code is too long to be run") };
        let first_line = match shebang(code) {
            Ok(first_line) => first_line,
            Err(why) => return Err(Replayed::Fails(why.to_owned())),
        };
        if !first_line.engine.eq_ignore_ascii_case(b"lua") {
            let engine = first_line.engine.escape_ascii();
            return Err(Replayed::Fails(format!("there is no engine \"{engine}\"")));
        }
        let name = first_line.name.to_vec();
        let Some(runs) = &self.runs else { return unproven("its code was not run") };
        match runs.load(code, self.api) {
            Proof::Loads(names) => Ok((name, names.iter().map(|name| name.to_ascii_lowercase()).collect())),
            Proof::Refuses(why) => Err(Replayed::Fails(why)),
            Proof::Crashes(why) => Err(Replayed::Crashes(why)),
            Proof::Unproven(why) => Err(Replayed::Unproven(why)),
        }
    }
}
