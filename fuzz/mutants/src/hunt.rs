//! Tries each mutant with the tests that reach it.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    sync::Mutex,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{
    Fault,
    suite::{Ended, Runner, Switch, Test},
    tree::{Binary, Tree},
};

/// What became of a mutant.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Fate {
    /// Which mutant.
    pub key: String,
    /// What its file held.
    pub file: u64,
    /// What the whole repository held.
    pub tree: u64,
    /// The test that noticed it, `compiler` for what cannot be built, or nobody.
    pub by: Option<String>,
    /// How many tests came by it.
    pub reached: usize,
    /// The last stage of tests that was tried.
    pub stage: usize,
}

/// Tests in the order in which they are tried: short ones first, those that come by few mutants, and those that caught
/// much.
#[derive(Debug)]
pub struct Pack<'a> {
    binaries: HashMap<&'a str, &'a Binary>,
    tests: Vec<&'a Test>,
    kills: Mutex<HashMap<(String, String), u64>>,
}

impl<'a> Pack<'a> {
    /// Takes the tests that pass by themselves.
    pub fn new(binaries: &'a [Binary], tests: &'a [Test]) -> Self {
        Self {
            binaries: binaries.iter().map(|binary| (binary.name.as_str(), binary)).collect(),
            tests: tests
                .iter()
                .filter(|test| test.passed && binaries.iter().any(|one| one.name == test.binary))
                .collect(),
            kills: Mutex::default(),
        }
    }

    /// Returns the tests that come by a mutant.
    pub fn reaching(&self, id: u32) -> Vec<&'a Test> {
        let kills = self.kills.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut tests: Vec<&Test> = self.tests.iter().copied().filter(|test| test.reached.contains(&id)).collect();
        tests.sort_by_key(|test| {
            let kills = kills.get(&(test.binary.clone(), test.name.clone())).copied().unwrap_or(0);
            // What comes by few of them is made for them.
            (test.millis + 20) * (20 + test.reached.len() as u64) / (1 + kills)
        });
        tests
    }

    /// Runs a mutant against tests until one notices it. Returns that one.
    pub fn chase(&self, runner: &Runner, id: u32, tests: &[&Test]) -> Result<Option<String>, Fault> {
        let mut rest = tests;
        while !rest.is_empty() {
            let mut sum = 0;
            let many = rest.iter().take(30).take_while(|test| {
                let fits = sum < 1500;
                sum += test.millis;
                fits
            });
            let (batch, later) = rest.split_at(many.count().max(1));
            rest = later;
            let mut by_binary: BTreeMap<&str, Vec<&Test>> = BTreeMap::new();
            for test in batch {
                by_binary.entry(&test.binary).or_default().push(test);
            }
            for (binary, tests) in by_binary {
                if let Some(name) = self.bite(runner, id, self.binaries[binary], &tests)? {
                    let mut kills = self.kills.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    *kills.entry((binary.to_string(), name.clone())).or_default() += 1;
                    return Ok(Some(format!("{binary}: {name}")));
                }
            }
        }
        Ok(None)
    }

    /// Returns the test that fails with the mutant, fails again, and passes without it.
    fn bite(&self, runner: &Runner, id: u32, binary: &Binary, tests: &[&Test]) -> Result<Option<String>, Fault> {
        let limit =
            |tests: &[&Test]| Duration::from_millis(20_000 + 10 * tests.iter().map(|test| test.millis).sum::<u64>());
        let names: Vec<&str> = tests.iter().map(|test| test.name.as_str()).collect();
        match runner.run(binary, &names, &[], Switch::On(id), limit(tests))? {
            Ended::Passed => Ok(None),
            Ended::Hung => Ok(Some("no end".into())),
            Ended::Died => {
                let sound = runner.run(binary, &names, &[], Switch::Off, limit(tests))? == Ended::Passed;
                Ok(sound.then(|| "the process died".into()))
            }
            Ended::Failed(failed) => {
                for name in failed {
                    let again = runner.run(binary, &[&name], &[], Switch::On(id), limit(tests))? != Ended::Passed;
                    if again && runner.run(binary, &[&name], &[], Switch::Off, limit(tests))? == Ended::Passed {
                        return Ok(Some(name));
                    }
                }
                Ok(None)
            }
        }
    }
}

/// Builds the copy once more with a mutant of code that the compiler evaluates, and runs all tests until one fails.
pub fn constant(tree: &Tree, id: usize, tests: &[Test]) -> Result<Option<String>, Fault> {
    let target = tree.work.join("constant");
    let Ok(mut binaries) = tree.cargo(&target, Some(id))? else { return Ok(Some("compiler".into())) };
    let runner = Runner::new(1000)?;
    // Those of the library first.
    binaries.sort_by_key(|binary| !binary.name.starts_with("redis"));
    for binary in &binaries {
        let known: Vec<&Test> = tests.iter().filter(|test| test.binary == binary.name).collect();
        let skip: Vec<&str> = known.iter().filter(|test| !test.passed).map(|test| test.name.as_str()).collect();
        if known.is_empty() {
            continue;
        }
        let limit = Duration::from_millis(60_000 + 5 * known.iter().map(|test| test.millis).sum::<u64>());
        match runner.run(binary, &[], &skip, Switch::Off, limit)? {
            Ended::Passed => {}
            Ended::Failed(names) => return Ok(Some(format!("{}: {}", binary.name, names[0]))),
            Ended::Died => return Ok(Some(format!("{}: the process died", binary.name))),
            Ended::Hung => return Ok(Some(format!("{}: no end", binary.name))),
        }
    }
    Ok(None)
}

/// Reads fates, of which the last of a mutant holds.
pub fn fates(log: &Path) -> Result<HashMap<String, Fate>, Fault> {
    let all: Vec<Fate> = crate::lines(log)?;
    Ok(all.into_iter().map(|fate| (fate.key.clone(), fate)).collect())
}
