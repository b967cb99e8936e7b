//! Mutation testing: do the tests notice when the code is wrong?
//!
//! ```text
//! repository -> tree: copy -> sites: mutants -> rewrite: each behind a switch -> one build
//!            -> suite: what each test reaches -> hunt: each mutant with the tests that reach it -> table
//! ```
//!
//! A mutant is one small change of the code: another operator, another value returned, an arm of a `match` deleted. The sample is put
//! into a copy of the repository all at once; the environment variable `MUTANT` chooses one when a test runs.

mod hunt;
mod rewrite;
mod sites;
mod suite;
mod table;
mod tree;
mod values;

use std::{
    collections::{HashMap, HashSet},
    fs::{self, File},
    hash::{DefaultHasher, Hash, Hasher},
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use clap::Parser;

use crate::{
    hunt::{Fate, Pack},
    sites::Mutant,
    suite::{Runner, Test},
    tree::{Binary, Tree},
};

/// Why it cannot go on.
pub type Fault = Box<dyn std::error::Error + Send + Sync>;

/// Changes the code in small ways, and shows which changes no test notices.
///
/// Stopped and started again with the same options, it goes on where it was. What was caught stays caught while its file is as it was;
/// what survived is tried again when anything has changed.
#[derive(Debug, Parser)]
struct Options {
    /// How many mutants are tried, chosen at random
    #[arg(long, value_name = "N", default_value_t = 500)]
    sample: usize,
    /// Which random choice
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Only mutants of files whose path begins so; may be given more than once
    #[arg(long, value_name = "PATH")]
    only: Vec<String>,
    /// Try only the first of them, which are as random: a run with a greater number goes on
    #[arg(long, value_name = "N", default_value_t = usize::MAX)]
    first: usize,
    /// Besides the sample, all mutants of this line; may be given more than once
    #[arg(long, value_name = "PATH:LINE")]
    also: Vec<String>,
    /// How many are tried at the same time
    #[arg(long, value_name = "N", default_value_t = 1)]
    jobs: usize,
    /// Use only tests with this in their name, for a first look; nothing that survives is remembered
    #[arg(long, value_name = "TEXT", default_value = "")]
    tests: String,
    /// Leave out the tests with real servers and with limits, which come last
    #[arg(long)]
    quick: bool,
    /// Print the chosen mutants, and try none
    #[arg(long)]
    list: bool,
    /// Print what is known so far, and try none
    #[arg(long)]
    show: bool,
}

fn main() -> Result<(), Fault> {
    let options = Options::parse();
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
    let work = top.join("target/mutants");
    fs::create_dir_all(&work)?;
    let mut tree = Tree::new(top, work);
    let all = tree.mutants()?;
    let many = all.len();
    let chosen = choose(all, &options);
    eprintln!("{} of {many} mutants", chosen.len());
    if options.list {
        for mutant in &chosen {
            println!("{}:{} {}: {}", mutant.file, mutant.line, mutant.function, mutant.change);
        }
        return Ok(());
    }
    if !options.show {
        Run::new(&tree, &chosen, &options)?.all()?;
    }
    table::print(&chosen, &hunt::fates(&tree.work.join("fates.jsonl"))?);
    Ok(())
}

/// Returns a random sample. Which mutant is in it depends on the seed and the mutant alone, so that it stays when others come or go.
fn choose(mut all: Vec<Mutant>, options: &Options) -> Vec<Mutant> {
    let wanted = |mutant: &Mutant| options.also.contains(&format!("{}:{}", mutant.file, mutant.line));
    let also: Vec<Mutant> = all.iter().filter(|mutant| wanted(mutant)).cloned().collect();
    all.retain(|mutant| options.only.is_empty() || options.only.iter().any(|path| mutant.file.starts_with(path)));
    all.sort_by_key(|mutant| hash(&(options.seed, &mutant.key)));
    all.truncate(options.sample);
    let sampled: HashSet<String> = all.iter().map(|mutant| mutant.key.clone()).collect();
    all.extend(also.into_iter().filter(|mutant| !sampled.contains(&mutant.key)));
    all
}

fn hash(of: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

/// Reads a log: a value a line. The last line may be cut.
fn lines<T: serde::de::DeserializeOwned>(log: &Path) -> Result<Vec<T>, Fault> {
    let Ok(file) = File::open(log) else { return Ok(vec![]) };
    let mut all = vec![];
    for line in BufReader::new(file).lines() {
        if let Ok(value) = serde_json::from_str(&line?) {
            all.push(value);
        }
    }
    Ok(all)
}

/// The tests in the order in which they are tried, by parts of the names of their executables: what one stage catches needs no other. The
/// rest, those with real servers and with limits, comes last.
const STAGES: [&[&str]; 4] = [
    &["persistence house", "persistence aof"],
    &["persistence redis_persistence", "persistence rdb"],
    &["persistence repair", "bodies"],
    &["rdbcheck rdbcheck", "rdbcheck alias", "rdbcheck cli"],
];

fn stage_of(binary: &Binary) -> usize {
    STAGES.iter().position(|names| names.iter().any(|name| binary.name.contains(name))).unwrap_or(STAGES.len())
}

struct Run<'a> {
    tree: &'a Tree,
    chosen: &'a [Mutant],
    options: &'a Options,
    /// What the repository and the choice hold together.
    state: u64,
    files: HashMap<String, u64>,
    log: PathBuf,
}

impl<'a> Run<'a> {
    fn new(tree: &'a Tree, chosen: &'a [Mutant], options: &'a Options) -> Result<Self, Fault> {
        let mut files = HashMap::new();
        let mut names = tree.files()?;
        // A page of words changes no test.
        names.retain(|name| !name.starts_with("fuzz/mutants") && !name.starts_with("docs/mutants"));
        for name in &names {
            files.insert(name.clone(), hash(&tree.read(name)?));
        }
        let contents: Vec<_> = names.iter().map(|name| (name, files[name])).collect();
        let keys: Vec<&str> = chosen.iter().map(|mutant| mutant.key.as_str()).collect();
        let state = hash(&(contents, keys));
        Ok(Self { tree, chosen, options, state, files, log: tree.work.join("fates.jsonl") })
    }

    fn all(&self) -> Result<(), Fault> {
        self.build()?;
        let binaries =
            self.tree.cargo(&self.tree.work.join("build"), None)?.map_err(|_| "the copy does not build any more")?;
        let reach = self.tree.work.join(format!("reach-{}.jsonl", self.options.tests));
        let most = if self.options.quick { STAGES.len() } else { STAGES.len() + 1 };
        for stage in 0..most {
            if stage == STAGES.len() {
                self.constants(&lines(&reach)?)?;
            }
            if !self.open(stage)?.is_empty() {
                let binaries: Vec<Binary> = binaries.iter().filter(|one| stage_of(one) == stage).cloned().collect();
                let tests = suite::survey(&binaries, &reach, &self.options.tests)?;
                self.hunt(&binaries, &tests, stage)?;
            }
        }
        Ok(())
    }

    /// Makes the copy and builds it, when it is not there yet.
    fn build(&self) -> Result<(), Fault> {
        let mark = self.tree.work.join("built");
        if fs::read_to_string(&mark).is_ok_and(|built| built == self.state.to_string()) {
            return Ok(());
        }
        let _ = fs::remove_file(&mark);
        for entry in fs::read_dir(&self.tree.work)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with("reach-") {
                fs::remove_file(entry.path())?;
            }
        }
        eprintln!("building all of them at once");
        self.tree.copy()?;
        let fates = hunt::fates(&self.log)?;
        let known = |mutant: &Mutant| fates.get(&mutant.key).is_some_and(|fate| self.refused(mutant, fate));
        let refused = (0..self.chosen.len()).filter(|&id| known(&self.chosen[id])).collect();
        self.tree.build(self.chosen, refused, |id| self.record(id, Some("compiler".into()), 0, 0))?;
        Ok(fs::write(mark, self.state.to_string())?)
    }

    fn refused(&self, mutant: &Mutant, fate: &Fate) -> bool {
        fate.by.as_deref() == Some("compiler") && self.files.get(&mutant.file) == Some(&fate.file)
    }

    fn record(&self, id: usize, by: Option<String>, reached: usize, stage: usize) -> Result<(), Fault> {
        let mutant = &self.chosen[id];
        if by.is_none() && !self.options.tests.is_empty() {
            return Ok(());
        }
        let file = self.files.get(&mutant.file).copied().unwrap_or(0);
        let fate = Fate { key: mutant.key.clone(), file, tree: self.state, by, reached, stage };
        let mut log = File::options().create(true).append(true).open(&self.log)?;
        Ok(writeln!(log, "{}", serde_json::to_string(&fate)?)?)
    }

    /// Returns the mutants that have still to be tried with the tests of a stage.
    fn open(&self, stage: usize) -> Result<Vec<usize>, Fault> {
        let fates = hunt::fates(&self.log)?;
        let open = |mutant: &Mutant| match fates.get(&mutant.key) {
            None => true,
            Some(fate) if fate.by.is_some() => self.files.get(&mutant.file) != Some(&fate.file),
            Some(fate) => fate.tree != self.state || fate.stage < stage,
        };
        let turn = |id: usize| id < self.options.first;
        Ok((0..self.chosen.len()).filter(|&id| turn(id) && open(&self.chosen[id])).collect())
    }

    fn hunt(&self, binaries: &[Binary], tests: &[Test], stage: usize) -> Result<(), Fault> {
        let (open, pack) = (self.open(stage)?, Pack::new(binaries, tests));
        let (next, log) = (AtomicUsize::new(0), Mutex::new(()));
        let before = hunt::fates(&self.log)?;
        std::thread::scope(|scope| {
            let work = |number: usize| -> Result<(), Fault> {
                let runner = Runner::new(number)?;
                while let Some(&id) = open.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let number = u32::try_from(id)?;
                    let tests = pack.reaching(number);
                    let by = pack.chase(&runner, number, &tests)?;
                    let mutant = &self.chosen[id];
                    let earlier = before.get(&mutant.key).filter(|fate| fate.tree == self.state && stage > 0);
                    let reached = earlier.map_or(0, |fate| fate.reached) + tests.len();
                    let end = by.as_deref().unwrap_or("SURVIVES");
                    let _one = log.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    eprintln!("{id} {}:{} {}: {}: {end}", mutant.file, mutant.line, mutant.function, mutant.change);
                    self.record(id, by, reached, stage)?;
                }
                Ok(())
            };
            let workers: Vec<_> =
                (1..=self.options.jobs.max(1)).map(|number| scope.spawn(move || work(number))).collect();
            workers.into_iter().try_for_each(|worker| worker.join().map_err(|_| "a worker panicked")?)
        })
    }

    /// Tries those that no test came by, since the compiler evaluates them: each with a build of its own.
    fn constants(&self, tests: &[Test]) -> Result<(), Fault> {
        let fates = hunt::fates(&self.log)?;
        for (id, mutant) in self.chosen.iter().enumerate() {
            let idle = fates.get(&mutant.key).is_some_and(|fate| fate.by.is_none() && fate.reached == 0);
            if mutant.constant && idle && self.options.tests.is_empty() {
                eprintln!(
                    "{id} {}:{} {}: {}: a build of its own",
                    mutant.file, mutant.line, mutant.function, mutant.change
                );
                let by = hunt::constant(self.tree, id, tests)?;
                eprintln!("{}", by.as_deref().unwrap_or("SURVIVES"));
                self.record(id, by, tests.len(), STAGES.len() - 1)?;
            }
        }
        Ok(())
    }
}
