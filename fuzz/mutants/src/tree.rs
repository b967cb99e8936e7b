//! The copy of the repository that is mutated: which files are read, the copy, the changes to it, its build.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    ops::Range,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::{
    Fault,
    rewrite::{Place, blamed, rewrite},
    sites::{self, Mutant},
};

/// The crates whose code is changed.
const CRATES: [&str; 2] = ["crates/redis-persistence", "crates/rdbcheck"];
/// The packages whose tests are run.
const TESTED: [&str; 3] = ["redis-persistence", "rdbcheck", "fuzz-bodies"];
/// Lints that stop a build over what a mutant does on purpose.
const ALLOWED: &str = "#![allow(warnings, arithmetic_overflow, unconditional_panic, overflowing_literals)]\n";

/// An executable with tests.
#[derive(Clone, Debug)]
pub struct Binary {
    /// Package and target, as `rdbcheck cli`.
    pub name: String,
    /// The executable.
    pub path: PathBuf,
    /// The folder of its package, in which cargo starts it.
    pub folder: PathBuf,
}

/// The repository, and where its copy is worked on.
#[derive(Debug)]
pub struct Tree {
    top: PathBuf,
    /// Everything this tool writes.
    pub work: PathBuf,
    copy: PathBuf,
    /// The files that have mutants, as they were read at the start: somebody may go on working on them.
    sources: BTreeMap<String, String>,
}

impl Tree {
    /// Takes the repository at `top`.
    pub fn new(top: PathBuf, work: PathBuf) -> Self {
        Self { copy: work.join("tree"), top, work, sources: BTreeMap::new() }
    }

    /// Returns the mutants of the code that is compiled here, file by file.
    pub fn mutants(&mut self) -> Result<Vec<Mutant>, Fault> {
        let mut all = vec![];
        for package in CRATES {
            let source = Path::new(package).join("src");
            self.module(&source.join("lib.rs"), &source, &mut all)?;
        }
        Ok(all)
    }

    fn module(&mut self, file: &Path, children: &Path, all: &mut Vec<Mutant>) -> Result<(), Fault> {
        let source = fs::read_to_string(self.top.join(file)).map_err(|error| format!("{}: {error}", file.display()))?;
        let tree = syn::parse_file(&source).map_err(|error| format!("{}: {error}", file.display()))?;
        all.extend(sites::find(&file.to_string_lossy(), &source, &tree));
        for item in &tree.items {
            if let syn::Item::Mod(module) = item
                && module.content.is_none()
                && sites::compiled(&module.attrs)
            {
                let folder = children.join(module.ident.to_string());
                self.module(&folder.with_extension("rs"), &folder, all)?;
            }
        }
        self.sources.insert(file.to_string_lossy().into_owned(), source);
        Ok(())
    }

    /// Returns the files of the repository, without what git ignores.
    pub fn files(&self) -> Result<Vec<String>, Fault> {
        let list = Command::new("git")
            .args(["ls-files", "-co", "--exclude-standard", "-z"])
            .current_dir(&self.top)
            .output()?;
        let names = String::from_utf8(list.stdout)?;
        let mut names: Vec<String> =
            names.split('\0').filter(|name| self.top.join(name).is_file()).map(String::from).collect();
        names.sort();
        Ok(names)
    }

    /// Returns the text of a file of the repository.
    pub fn read(&self, name: &str) -> Result<Vec<u8>, Fault> {
        Ok(fs::read(self.top.join(name))?)
    }

    /// Copies the repository, with the switch as a crate of it.
    pub fn copy(&self) -> Result<(), Fault> {
        if self.copy.exists() {
            fs::remove_dir_all(&self.copy)?;
        }
        fs::create_dir_all(&self.copy)?;
        for part in self.files()?.chunks(500) {
            let copied = Command::new("cp")
                .args(["-a", "--parents", "-t"])
                .arg(&self.copy)
                .args(part)
                .current_dir(&self.top)
                .status()?;
            if !copied.success() {
                return Err("cp failed".into());
            }
        }
        if let Ok(servers) = self.top.join(".servers").canonicalize() {
            std::os::unix::fs::symlink(servers, self.copy.join(".servers"))?;
        }
        let switch = self.copy.join("crates/mutant_switch");
        fs::create_dir_all(switch.join("src"))?;
        let manifest = include_str!("../switch/Cargo.toml").replace("[workspace]", "");
        fs::write(switch.join("Cargo.toml"), manifest)?;
        fs::write(switch.join("src/lib.rs"), include_str!("../switch/src/lib.rs"))?;
        for package in CRATES {
            let path = self.copy.join(package).join("Cargo.toml");
            let manifest = fs::read_to_string(&path)?;
            let with = "\n[dependencies]\nmutant_switch = { path = \"../mutant_switch\" }\n";
            fs::write(&path, manifest.replacen("\n[dependencies]\n", with, 1))?;
        }
        Ok(())
    }

    /// Writes the mutants into the copy and builds it, and again without those that the compiler refuses. `refused` are known to be
    /// such; others are told.
    pub fn build(
        &self,
        mutants: &[Mutant],
        mut refused: BTreeSet<usize>,
        mut tell: impl FnMut(usize) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        loop {
            let places = self.write(mutants, &refused)?;
            let Err(errors) = self.cargo(&self.work.join("build"), None)? else { return Ok(()) };
            let before = refused.len();
            for error in &errors {
                for (file, ranges) in &error.spans {
                    let in_file = places.get(file).map_or(&[][..], Vec::as_slice);
                    for id in blamed(in_file, ranges) {
                        if refused.insert(id) {
                            tell(id)?;
                        }
                    }
                }
            }
            if refused.len() == before {
                let texts: Vec<&str> = errors.iter().map(|error| error.text.as_str()).collect();
                return Err(
                    format!("the copy does not build, and no mutant is the cause:\n{}", texts.join("\n")).into()
                );
            }
            eprintln!("{} mutants do not compile", refused.len());
        }
    }

    fn write(&self, mutants: &[Mutant], without: &BTreeSet<usize>) -> Result<BTreeMap<String, Vec<Place>>, Fault> {
        let mut by_file: BTreeMap<&str, Vec<_>> = self.sources.keys().map(|file| (file.as_str(), vec![])).collect();
        for (id, mutant) in mutants.iter().enumerate().filter(|(id, _)| !without.contains(id)) {
            by_file.entry(&mutant.file).or_default().push((id, mutant.edit(id)));
        }
        let mut all = BTreeMap::new();
        for (file, edits) in by_file {
            let (mut text, mut places) = rewrite(&self.sources[file], &edits);
            if file.ends_with("src/lib.rs") {
                text.insert_str(0, ALLOWED);
                for place in &mut places {
                    for range in [&mut place.own, &mut place.whole] {
                        *range = range.start + ALLOWED.len()..range.end + ALLOWED.len();
                    }
                }
            }
            let to = self.copy.join(file);
            if fs::read_to_string(&to)? != text {
                fs::write(&to, text)?;
            }
            all.insert(file.to_string(), places);
        }
        Ok(all)
    }

    /// Builds the tests with, for code that the compiler evaluates, one mutant. Returns their executables or the errors.
    pub fn cargo(&self, target: &Path, constant: Option<usize>) -> Result<Result<Vec<Binary>, Vec<Refusal>>, Fault> {
        let mut cargo = Command::new("cargo");
        cargo.args(["test", "--no-run", "--offline", "--message-format=json", "--all-features"]);
        cargo.args(TESTED.iter().flat_map(|package| ["-p", package]));
        cargo.current_dir(&self.copy).env("CARGO_TARGET_DIR", target).env("RUSTC_BOOTSTRAP", "mutant_switch");
        match constant {
            Some(id) => cargo.env("MUTANT_CONST", id.to_string()),
            None => cargo.env_remove("MUTANT_CONST"),
        };
        let done = cargo.stdin(Stdio::null()).output()?;
        let (mut binaries, mut refusals) = (vec![], vec![]);
        for line in String::from_utf8_lossy(&done.stdout).lines() {
            let Ok(message) = serde_json::from_str::<Value>(line) else { continue };
            if message["reason"] == "compiler-message" && message["message"]["level"] == "error" {
                refusals.push(Refusal::new(&message["message"]));
            } else if message["profile"]["test"] == true
                && let (Some(path), Some(manifest)) =
                    (message["executable"].as_str(), message["manifest_path"].as_str())
            {
                let folder = Path::new(manifest).parent().unwrap_or(Path::new("/")).to_path_buf();
                let package = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let name = format!("{package} {}", message["target"]["name"].as_str().unwrap_or_default());
                binaries.push(Binary { name, path: path.into(), folder });
            }
        }
        if done.status.success() {
            binaries.sort_by(|a, b| a.name.cmp(&b.name));
            return Ok(Ok(binaries));
        }
        if refusals.is_empty() {
            return Err(String::from_utf8_lossy(&done.stderr).into_owned().into());
        }
        Ok(Err(refusals))
    }
}

/// An error of the compiler.
#[derive(Debug)]
pub struct Refusal {
    text: String,
    /// What it points at, file by file.
    spans: BTreeMap<String, Vec<Range<usize>>>,
}

impl Refusal {
    fn new(message: &Value) -> Self {
        let mut spans: BTreeMap<String, Vec<Range<usize>>> = BTreeMap::new();
        for span in message["spans"].as_array().into_iter().flatten() {
            let at = |name: &str| usize::try_from(span[name].as_u64().unwrap_or(0)).unwrap_or(0);
            let file = span["file_name"].as_str().unwrap_or_default().to_string();
            spans.entry(file).or_default().push(at("byte_start")..at("byte_end"));
        }
        Self { text: message["rendered"].as_str().unwrap_or_default().to_string(), spans }
    }
}
