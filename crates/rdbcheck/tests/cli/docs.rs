//! The README and the pages of docs: every command that they show runs as it is written, in a folder that has what it names, and
//! options and verbs that a sentence names exist. What the commands print is compared in `readme`.

use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use regex::Regex;
use tempfile::TempDir;
use testkit::folder::copy;

use crate::{Ran, TestResult, ran, testdata};

pub(crate) const PAGES: &[&str] = &[
    "README.md",
    "SECURITY.md",
    "CONTRIBUTING.md",
    "crates/redis-persistence/README.md",
    "crates/redis-persistence/docs/causes.md",
    "crates/redis-persistence/docs/findings.md",
    "docs/architecture.md",
    "docs/compare.md",
    "docs/dependencies.md",
    "docs/fleet.md",
    "docs/guide.md",
    "docs/inputs.md",
    "docs/kubernetes.md",
    "docs/mutants.md",
    "docs/operators.md",
    "docs/page.md",
    "docs/python.md",
    "docs/repair.md",
    "docs/servers.md",
    "docs/speed.md",
    #[cfg(feature = "stores")]
    "docs/stores.md",
    "fuzz/README.md",
];

/// What is not run, by how it begins, and why.
pub(crate) const NOT_RUN: &[(&str, &str)] = &[
    ("cargo ", "builds; its package, program and file are looked for"),
    (".ci/", "is what runs this test"),
    ("packaging/", "builds a release; it is looked for"),
    ("fuzz/", "runs for hours; its tools have tests of their own"),
    ("benches/", "measures, on an idle machine"),
    ("RUSTC_BOOTSTRAP=1 cargo ", "needs a tool that is installed for it"),
    ("minisign ", "runs in `blocks`"),
    ("ssh-keygen ", "runs in `blocks`"),
    ("redis-cli ", "asks a server, as `digests_are_asked_of_servers` of the tests `real` does"),
    ("python3 -m venv ~/fleet", "is run by .ci/objects_page.py, like the three below"),
    ("~/fleet/venv/bin/pip ", "installs what comes from elsewhere"),
    ("cd ~/fleet && ", "reads a bucket"),
    ("rdbcheck --summary 's3://", "reads a bucket"),
    ("println!", "a line of the program above it, which is a test of the library"),
];

/// The commands of a page as they are indented or stand in a fence, with their line.
pub(crate) fn commands(page: &str) -> Result<Vec<(usize, String)>, Box<dyn Error>> {
    let (mut found, mut fence, mut shown) = (Vec::new(), None, false);
    for (at, line) in page.lines().enumerate() {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            fence = fence.is_none().then(|| language.to_owned());
        } else if let Some(language) = &fence {
            if language == "yaml" {
                found.extend(of_yaml(line)?.map(|command| (at + 1, command)));
            }
        } else if let Some(line) = line.strip_prefix("    ").filter(|line| !line.starts_with(' ')) {
            // Below a prompt stands what was printed.
            if let Some(command) = line.strip_prefix("$ ") {
                shown = true;
                found.push((at + 1, command.to_owned()));
            } else if !shown {
                found.push((at + 1, line.to_owned()));
            }
        } else if !line.starts_with("    ") && !line.is_empty() {
            shown = false;
        }
    }
    Ok(found)
}

/// The command of a container, as a line for a shell.
fn of_yaml(line: &str) -> Result<Option<String>, Box<dyn Error>> {
    let Some(list) = line.trim_start().strip_prefix("command: ") else { return Ok(None) };
    let words: Vec<String> = serde_json::from_str(list)?;
    Ok(Some(words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ")))
}

/// The settings of a store in which any object is that file.
#[cfg(feature = "stores")]
fn store(file: &Path) -> Result<Vec<(&'static str, String)>, Box<dyn Error>> {
    let settings =
        ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "NO_PROXY"].map(|name| (name, "*".to_owned()));
    let address = crate::web::Web::of(fs::read(file)?)?.url;
    Ok(settings.into_iter().chain([("AWS_ENDPOINT_URL_S3", address)]).collect())
}

#[cfg(not(feature = "stores"))]
fn store(_: &Path) -> Result<Vec<(&'static str, String)>, Box<dyn Error>> {
    Ok(Vec::new())
}

/// A folder with all that the pages name, and programs that stand for those of others.
pub(crate) struct Stage(TempDir, Vec<(&'static str, String)>);

impl Stage {
    pub(crate) fn new() -> Result<Self, Box<dyn Error>> {
        let sound = testdata().join("rdb/redis-7.0-multidb.rdb");
        let stage = Self(tempfile::tempdir()?, store(&sound)?);
        for folder in ["here/backup", "backup", "var/lib/node_exporter", "var/lib/redis", "etc/redis", "data", "bin"] {
            fs::create_dir_all(stage.path(folder))?;
        }
        for copy in ["here/dump.rdb", "here/yesterday.rdb", "here/today.rdb", "backup/dump.rdb", "backup/other.rdb"] {
            fs::copy(&sound, stage.path(copy))?;
        }
        for name in ["redis-6.0-streams.rdb", "redis-7.0-multidb.rdb"] {
            fs::copy(testdata().join("rdb").join(name), stage.path("here").join(name))?;
        }
        fs::copy(testdata().join("broken/zero-page.rdb"), stage.path("here/zero-page.rdb"))?;
        fs::write(stage.path("here/backup/a.rdb.zst"), zstd::encode_all(&fs::read(&sound)?[..], 3)?)?;
        copy(&testdata().join("aof/sets/redis-8.6-timestamps-preamble"), &stage.path("here/redis"))?;
        let set = testdata().join("aof/sets/redis-7.0-timestamps-plain");
        copy(&set.join("appendonlydir"), &stage.path("here/appendonlydir"))?;
        copy(&set.join("appendonlydir"), &stage.path("var/lib/redis/appendonlydir"))?;
        copy(&set.join("appendonlydir"), &stage.path("data/appendonlydir"))?;
        copy(&testdata().join("aof/cases/m005-trunc-last"), &stage.path("here/damaged"))?;
        fs::write(stage.path("etc/redis/redis.conf"), "databases 32\n")?;
        fs::copy(stage.path("etc/redis/redis.conf"), stage.path("here/redis.conf"))?;
        let packed = stage.path("here/backup/a.rdb.zst");
        stage.program("fetch", &format!("exec cat '{}'", packed.display()))?;
        stage.program("mail", "exec cat")?;
        stage.program("redis-server", "echo started")?;
        for (name, binary) in
            [("rdbcheck", env!("CARGO_BIN_EXE_rdbcheck")), ("aofcheck", env!("CARGO_BIN_EXE_aofcheck"))]
        {
            symlink(binary, stage.path("bin").join(name))?;
        }
        Ok(stage)
    }

    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn program(&self, name: &str, line: &str) -> TestResult {
        let path = self.path("bin").join(name);
        fs::write(&path, format!("#!/bin/sh\n{line}\n"))?;
        Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o755))?)
    }

    /// Runs lines as a shell does, with the folders of a host below this one.
    pub(crate) fn run(&self, lines: &str) -> Result<Ran, Box<dyn Error>> {
        let root = self.0.path().display().to_string();
        let of_host = Regex::new(r"(^|[\s'>=])/(backup|var|etc|data)/")?;
        let lines = of_host.replace_all(lines, format!("${{1}}{root}/${{2}}/"));
        let lines = lines.replace("/usr/bin/redis-server", &format!("{root}/bin/redis-server"));
        let path = std::env::join_paths([self.path("bin")].into_iter().chain(programs()))?;
        let mut command = Command::new("sh");
        command.args(["-c", &lines]).current_dir(self.path("here")).env("PATH", path).stdin(Stdio::null());
        command.envs(self.1.iter().map(|(name, value)| (name, value)));
        ran(command.output())
    }
}

/// Where programs of others lie: on this machine, and where `.ci/servers` puts the one that signs.
fn programs() -> Vec<PathBuf> {
    let installed = std::env::var_os("REDIS_PERSISTENCE_SERVERS").filter(|folder| !folder.is_empty());
    let installed = installed.map_or_else(|| testdata().join("../.servers"), PathBuf::from);
    let of_machine = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&of_machine).chain([installed.join("minisign/bin")]).collect()
}

/// Whether a program is found there.
pub(crate) fn here(program: &str) -> bool {
    programs().iter().any(|folder| folder.join(program).is_file())
}

pub(crate) fn page(name: &str) -> Result<String, Box<dyn Error>> {
    Ok(fs::read_to_string(testdata().join("..").join(name))?)
}

#[test]
fn commands_of_the_pages_run() -> TestResult {
    let cron = Regex::new(r"^(?:[\d*]+ ){5} ?")?;
    let comment = Regex::new(r" +# .*$")?;
    let (mut of_ours, mut wrong) = (0, Vec::new());
    for name in PAGES {
        let (mut before, mut last, mut stage) = (String::new(), 0, Stage::new()?);
        for (line, written) in commands(&page(name)?)? {
            if NOT_RUN.iter().any(|(start, _)| written.starts_with(start)) {
                continue;
            }
            if line != last + 1 {
                stage = Stage::new()?;
            }
            last = line;
            let place = format!("{name}:{line}: {written}");
            let command = comment.replace(&written, "");
            let command = cron.replace(&command, "");
            // A program of others goes on with the line before it, in one shell.
            let own = ["rdbcheck", "aofcheck", "'aofcheck'", "'sh'", "fetch", "find"]
                .iter()
                .any(|word| command.starts_with(word));
            before = if own { command.into_owned() } else { format!("{before}; {command}") };
            if before.contains("jq ") && !here("jq") {
                eprintln!("not run, there is no jq: {place}");
                continue;
            }
            let run = stage.run(&before)?;
            of_ours += 1;
            // These judge, and one of the files may be judged badly; a server that is none cannot be drilled, and where nothing was
            // repaired nothing can be undone.
            let judges = ["diff", "--expect-keys", "damaged", "zero-page"].iter().any(|word| before.contains(word));
            let expected: &[i32] = match (before.contains("--server") || before.contains(" undo "), judges) {
                (true, _) => &[2],
                (_, true) => &[0, 1, 4],
                _ => &[0],
            };
            if !run.code.is_some_and(|code| expected.contains(&code)) || run.err.contains("--help") {
                wrong.push(format!("{place}: {run:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(of_ours > 30, "{of_ours} commands found");
    Ok(())
}

#[test]
fn commands_of_the_manifests_run() -> TestResult {
    let mut found = 0;
    for entry in fs::read_dir(testdata().join("../packaging/kubernetes"))? {
        let path = entry?.path();
        for line in fs::read_to_string(&path)?.lines() {
            let Some(command) = of_yaml(line)? else { continue };
            let run = Stage::new()?.run(&command.replace("{{workflow.parameters.dump}}", "dump.rdb"))?;
            assert_eq!((run.code, run.err.as_str()), (Some(0), ""), "{}: {command}: {run:?}", path.display());
            found += 1;
        }
    }
    assert!(found >= 4, "{found}");
    Ok(())
}

#[test]
fn alerts_ask_for_metrics_that_there_are() -> TestResult {
    let rules = page("packaging/prometheus/alerts.yaml")?;
    let metric = Regex::new(r"\brdbcheck_\w+")?;
    let asked: BTreeSet<&str> = metric.find_iter(&rules).map(|found| found.as_str()).collect();
    let printed = Stage::new()?.run("rdbcheck --format prometheus dump.rdb")?.out;
    let missing: Vec<_> = asked.iter().filter(|name| !printed.contains(&format!("\n{name}"))).collect();
    assert!(asked.len() > 4 && missing.is_empty(), "{missing:?}\n{printed}");
    Ok(())
}

#[test]
fn options_and_verbs_in_sentences_exist() -> TestResult {
    let code = Regex::new(r"`((?:rdbcheck|aofcheck) [^`]*)`")?;
    let mut seen = BTreeSet::new();
    for name in PAGES {
        for (_, [command]) in code.captures_iter(&page(name)?).map(|found| found.extract()) {
            seen.insert(command.replace('\n', " "));
        }
    }
    assert!(seen.len() > 25, "{seen:?}");
    for command in seen {
        let lines = [("SERVER", "redis-7.0"), ("FILE", "dump.rdb"), ("DIRECTORY", "redis"), ("CODE", "rdb-truncated")]
            .into_iter()
            .chain([("VERB", "salvage"), ("BYTE", "2314"), ("CONF", "redis.conf"), ("PATH", "redis"), ("NAME", "x")])
            .fold(command.clone(), |command, (word, value)| command.replace(word, value));
        let run = Stage::new()?.run(&lines)?;
        let unknown = ["unexpected argument", "unrecognized subcommand", "invalid value"];
        assert!(!unknown.iter().any(|words| run.err.contains(words)), "{command}: {run:?}");
        assert!(run.code.is_some(), "{command}: {run:?}");
    }
    Ok(())
}

/// The programs that the pages build or start are there, and what they are given.
#[test]
fn programs_of_this_repository_exist() -> TestResult {
    let root = testdata().join("..");
    let mut found = 0;
    for name in PAGES {
        for (line, command) in commands(&page(name)?)? {
            if [".ci/", "fuzz/", "benches/", "packaging/"].iter().any(|start| command.starts_with(start)) {
                let program = command.split_whitespace().next().unwrap_or_default();
                assert!(root.join(program).is_file(), "{name}:{line}: {command}");
                found += 1;
            }
            let Some(rest) = command.strip_prefix("cargo ") else { continue };
            let words: Vec<&str> = rest.split_whitespace().collect();
            let after = |option: &str| words.iter().position(|word| *word == option).and_then(|at| words.get(at + 1));
            for path in [after("--path"), after("--")].into_iter().flatten() {
                // A word in capitals stands for what the reader has.
                let named = path.bytes().any(|byte| byte.is_ascii_lowercase());
                assert!(!named || root.join(path).exists(), "{name}:{line}: {command}");
            }
            if let Some(example) = after("--example") {
                assert!(root.join(format!("crates/redis-persistence/examples/{example}.rs")).exists(), "{command}");
            }
            found += 1;
        }
    }
    assert!(found >= 6, "{found}");
    Ok(())
}
