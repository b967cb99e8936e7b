//! Every block of every page is of a kind that something runs or holds: commands of ours run in `docs`; programs of others run here, or
//! what stands for them; what builds and measures is held against what there is to build, to measure, and to choose.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use regex::Regex;
use serde_json::Value;

use crate::docs::{NOT_RUN, PAGES, Stage, commands, here, page};
use crate::{TestResult, testdata};

/// A page that is run as a whole elsewhere, and what runs it.
const ELSEWHERE: &[(&str, &str)] = &[("docs/fleet.md", ".ci/objects_page.py")];

fn root() -> PathBuf {
    testdata().join("..")
}

/// The fenced blocks of a page: the language, the line of the fence, and what stands in it.
fn fences(page: &str) -> Vec<(String, usize, String)> {
    let (mut found, mut open): (Vec<_>, Option<(String, usize, String)>) = (Vec::new(), None);
    for (at, line) in page.lines().enumerate() {
        match (line.trim_start().strip_prefix("```"), &mut open) {
            (Some(language), None) => open = Some((language.to_owned(), at + 1, String::new())),
            (Some(_), Some(_)) => found.extend(open.take()),
            (None, Some((_, _, text))) => text.extend([line, "\n"]),
            (None, None) => {}
        }
    }
    found.extend(open);
    found
}

/// All files below some folders of the repository whose names end so, without those that are built or fetched.
fn files(folder: &Path, ends: &[&str], found: &mut Vec<PathBuf>) -> TestResult {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let passed_over = name.starts_with('.') && name != ".ci" || ["target", "work", "node_modules"].contains(&name);
        if path.is_dir() && !path.is_symlink() && !passed_over {
            files(&path, ends, found)?;
        } else if ends.iter().any(|end| name.ends_with(end)) {
            found.push(path);
        }
    }
    Ok(())
}

#[test]
fn every_page_is_read() -> TestResult {
    let mut found = Vec::new();
    for folder in ["docs", "fuzz", "packaging", "benches", "crates"] {
        files(&root().join(folder), &[".md"], &mut found)?;
    }
    found.extend(["README.md", "SECURITY.md", "CONTRIBUTING.md"].map(|name| root().join(name)));
    let names = found.iter().map(|path| Ok(path.strip_prefix(root())?.to_str().ok_or("a name")?.to_owned()));
    let names: Result<Vec<String>, Box<dyn Error>> = names.collect();
    let unread: Vec<_> = names?.into_iter().filter(|name| !is_known(name)).collect();
    assert!(unread.is_empty(), "pages that no test reads: {unread:?}");
    for (page, runner) in ELSEWHERE {
        let name = page.rsplit('/').next().unwrap_or_default();
        assert!(fs::read_to_string(root().join(runner))?.contains(name), "{runner} does not run {page}");
    }
    Ok(())
}

fn is_known(name: &str) -> bool {
    PAGES.contains(&name) || ELSEWHERE.iter().any(|(page, _)| *page == name)
}

/// Commands that `sh` blocks hold: what is built, and what a built program is given.
fn of_shell(text: &str) -> impl Iterator<Item = String> {
    text.lines().filter(|line| !line.is_empty()).map(|line| {
        let inside = line.trim_start_matches('(');
        inside.split_once(" && ").filter(|_| line.starts_with('(')).map_or(inside, |(_, last)| last).replace(')', "")
    })
}

#[test]
fn every_block_is_of_a_kind() -> TestResult {
    let (mut kinds, mut wrong) = (BTreeMap::<String, usize>::new(), Vec::new());
    let library = fs::read_to_string(root().join("crates/redis-persistence/src/lib.rs"))?;
    for name in PAGES.iter().filter(|name| !ELSEWHERE.iter().any(|(page, _)| page == *name)) {
        for (language, line, text) in fences(&page(name)?) {
            *kinds.entry(language.clone()).or_default() += 1;
            let starts = |word: &str| text.lines().any(|line| line.starts_with(word));
            let is_held = match (language.as_str(), *name) {
                // A picture, and no command.
                ("text", _) => !["$ ", "rdbcheck ", "aofcheck ", "cargo "].iter().any(|word| starts(word)),
                ("rust", "README.md") => program_lines(&text) == program_lines(&source_of("program")?),
                ("rust", "crates/redis-persistence/README.md") => {
                    library.contains("#[doc = include_str!(\"../README.md\")]")
                }
                ("js", "docs/page.md") => reads(&root().join("packaging/page"), name)?,
                ("python", "docs/python.md") => reads(&root().join("packaging/python/tests"), name)?,
                ("json", _) => serde_json::from_str::<Value>(&text).is_ok(),
                ("yaml", _) => stands_in(&root().join("packaging"), &text)?,
                ("sh", _) => of_shell(&text).all(|command| not_run(&command).is_some() || is_built(&command)),
                _ => false,
            };
            if !is_held {
                wrong.push(format!("{name}:{line}: a block of {language:?} that nothing runs or holds"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(["rust", "js", "python", "sh", "text"].iter().all(|kind| kinds.contains_key(*kind)), "{kinds:?}");
    Ok(())
}

/// Returns why a command is not run, if it is not.
fn not_run(command: &str) -> Option<&'static str> {
    NOT_RUN.iter().find(|(start, _)| command.starts_with(start)).map(|(_, why)| *why)
}

/// Returns whether a test of a folder names the page that it reads.
fn reads(folder: &Path, page: &str) -> Result<bool, Box<dyn Error>> {
    let mut tests = Vec::new();
    files(folder, &["test.mjs", ".py"], &mut tests)?;
    let name = page.rsplit('/').next().unwrap_or_default();
    Ok(tests.iter().any(|path| fs::read_to_string(path).is_ok_and(|text| text.contains(name))))
}

fn stands_in(folder: &Path, text: &str) -> Result<bool, Box<dyn Error>> {
    let mut found = Vec::new();
    files(folder, &[".yaml"], &mut found)?;
    Ok(found.iter().any(|path| fs::read_to_string(path).is_ok_and(|file| file.contains(text))))
}

/// Returns the lines of a program that matter here: what it opens is another file.
fn program_lines(text: &str) -> Vec<String> {
    let lines = text.lines().map(|line| line.trim().replace("\"dump.rdb\"", "dump").replace("std::fs::", "fs::"));
    lines.filter(|line| !line.is_empty() && !line.starts_with("# ")).collect()
}

/// Returns the body of a function of this file.
fn source_of(function: &str) -> Result<String, Box<dyn Error>> {
    let (_, rest) = include_str!("blocks.rs").split_once(&format!("\nfn {function}(")).ok_or("no function")?;
    let (_, body) = rest.split_once("{\n").ok_or("no body")?;
    Ok(body.split_once("    Ok(())\n").ok_or("no end")?.0.to_owned())
}

/// The program of the README, line by line.
fn program(dump: &Path) -> Result<(), std::io::Error> {
    use redis_persistence::verify::{self, Options, Verdict};

    let file = fs::File::open(dump)?;
    let report = verify::file(file, &Options::default())?;
    for finding in &report.findings {
        println!("{} at byte {}: {}", finding.code, finding.failed_at, finding.message);
    }
    assert_eq!(report.verdict, Verdict::Sound);
    Ok(())
}

#[test]
fn the_program_of_the_readme_runs() -> TestResult {
    Ok(program(&testdata().join("rdb/redis-7.0-multidb.rdb"))?)
}

/// The block of signatures runs as it stands, with ssh-keygen and minisign, or with what checks the arguments in their place.
#[test]
fn signatures_are_made_and_checked() -> TestResult {
    let written = commands(&page("docs/operators.md")?)?;
    let block: Vec<_> = written.iter().map(|(_, line)| line.as_str()).collect();
    let block: Vec<_> =
        block.into_iter().filter(|line| line.starts_with("minisign") || line.starts_with("ssh-")).collect();
    assert_eq!(block.len(), 4, "{block:?}");
    let stage = Stage::new()?;
    let (home, folder) = (stage.path("home"), stage.path("here"));
    fs::create_dir_all(home.join(".ssh"))?;
    let prepare = if here("ssh-keygen") {
        "ssh-keygen -q -t ed25519 -N '' -f ~/.ssh/id_ed25519 && \
         echo \"you@example.org $(cut -d' ' -f1,2 ~/.ssh/id_ed25519.pub)\" > allowed_signers"
    } else {
        eprintln!("ssh-keygen is not here: its arguments are checked, and nothing is signed");
        stage.program(
            "ssh-keygen",
            "case \"$*\" in '-Y sign -f '*' -n backup '*) for last; do :; done; test -s \"$last\" && echo x > \"$last.sig\";; \
             '-Y verify -f allowed_signers -I you@example.org -n backup -s '*) test -s \"$9\" -o -s \"${10}\" && cat >/dev/null;; *) exit 9;; esac",
        )?;
        "echo x > allowed_signers"
    };
    let keys = if here("minisign") {
        "minisign -G -W -p minisign.pub -s ~/.minisign/minisign.key > /dev/null"
    } else {
        eprintln!("minisign is not here: its arguments are checked, and nothing is signed");
        stage.program(
            "minisign",
            "case \"$1\" in -Sm) test $# = 2 -a -s \"$2\" && cp \"$2\" \"$2.minisig\";; \
             -Vm) test $# = 4 -a \"$3\" = -p -a -s \"$4\" && cmp -s \"$2\" \"$2.minisig\";; *) exit 9;; esac",
        )?;
        "echo key > minisign.pub"
    };
    let lines = format!(
        "export HOME='{}'; set -e\nmkdir -p ~/.minisign\n{prepare}\n{keys}\nrdbcheck seal dump.rdb",
        home.display()
    );
    let run = stage.run(&format!("{lines}\n{}", block.join("\n")))?;
    assert_eq!(run.code, Some(0), "{run:?}");
    for end in ["minisig", "sig"] {
        assert!(folder.join(format!("dump.rdb.seal.json.{end}")).is_file(), "{run:?}");
    }
    // A seal that was changed afterwards is found out.
    let checks: Vec<_> =
        block.iter().filter(|line| line.contains(" -V") || line.contains(" verify ")).copied().collect();
    for check in checks.iter().filter(|check| here("ssh-keygen") || check.starts_with("minisign")) {
        let run = stage.run(&format!("export HOME='{}'; echo >> dump.rdb.seal.json; {check}", home.display()))?;
        assert_ne!(run.code, Some(0), "{check}: {run:?}");
    }
    Ok(())
}

/// A package of the workspace.
struct Package {
    /// Kinds and names.
    targets: Vec<(String, String)>,
    features: Vec<String>,
    folder: PathBuf,
}

fn packages() -> Result<BTreeMap<String, Package>, Box<dyn Error>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let told = Command::new(cargo)
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1", "--manifest-path"])
        .arg(root().join("Cargo.toml"))
        .output()?;
    let told: Value = serde_json::from_slice(&told.stdout)?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut found = BTreeMap::new();
    for package in told["packages"].as_array().ok_or("no packages")? {
        let targets = package["targets"].as_array().ok_or("no targets")?.iter();
        let targets = targets.map(|target| (text(&target["kind"][0]), text(&target["name"]))).collect();
        let features = package["features"].as_object().ok_or("no features")?.keys().cloned().collect();
        let folder = Path::new(package["manifest_path"].as_str().ok_or("no path")?).with_file_name("");
        found.insert(text(&package["name"]), Package { targets, features, folder });
    }
    Ok(found)
}

/// Returns whether a program of the fuzz targets is meant.
fn is_built(command: &str) -> bool {
    let name = command.strip_prefix("fuzz/target/*/release/").and_then(|rest| rest.split(' ').next());
    name.is_some_and(|name| root().join(format!("fuzz/fuzz_targets/{name}.rs")).is_file())
}

/// Every command of cargo on every page, in blocks and sentences.
fn of_cargo() -> Result<Vec<(String, String)>, Box<dyn Error>> {
    let code = Regex::new(r"`((?:[A-Z_]+=\S+ )*cargo [^`]+)`")?;
    let mut found = Vec::new();
    for name in PAGES {
        let text = page(name)?;
        let lines = commands(&text)?.into_iter().map(|(_, line)| line);
        let shell: Vec<_> = fences(&text).into_iter().filter(|(language, _, _)| language == "sh").collect();
        let shell = shell.iter().flat_map(|(_, _, text)| of_shell(text));
        let sentences = code.captures_iter(&text).map(|found| found[1].replace('\n', " "));
        let all = lines.chain(shell).chain(sentences).filter(|line| line.contains("cargo ") && !line.starts_with("$ "));
        found.extend(
            all.filter(|line| line.contains(" -p ") || line.contains(" --")).map(|line| ((*name).to_owned(), line)),
        );
    }
    Ok(found)
}

#[test]
fn what_cargo_is_asked_for_exists() -> TestResult {
    let packages = packages()?;
    let (mut filters, mut wrong) = (0, Vec::new());
    for (name, line) in of_cargo()? {
        let line = line.split(" # ").next().unwrap_or_default().trim().to_owned();
        let Some((variables, rest)) = line.split_once("cargo ") else { continue };
        let (asked, _) = rest.split_once(" -- ").unwrap_or((rest, ""));
        let words: Vec<&str> = asked.split_whitespace().collect();
        let after =
            |option: &str| words.iter().position(|word| *word == option).and_then(|at| words.get(at + 1)).copied();
        let mut fault = |what: &str| wrong.push(format!("{name}: {line}: {what}"));
        let known =
            ["add", "bench", "build", "deny", "fuzz", "install", "public-api", "run", "rustdoc", "test", "clippy"];
        if !words.first().is_some_and(|verb| known.contains(verb)) {
            fault("a command of cargo that this test does not know");
        }
        let Some(package) = after("-p") else { continue };
        let Some(Package { targets, features, folder }) = packages.get(package) else {
            fault("no such package");
            continue;
        };
        for kind in ["test", "example", "bench", "bin"] {
            let Some(target) = after(&format!("--{kind}")) else { continue };
            if !targets.contains(&(kind.to_owned(), target.to_owned())) {
                fault("no such target");
            }
        }
        if after("--features").is_some_and(|list| list.split(',').any(|one| !features.iter().any(|known| known == one)))
        {
            fault("no such feature");
        }
        // What is left is the filter: of a file of tests, or of a test.
        let valued = ["-p", "--test", "--example", "--bench", "--bin", "--features", "--output-format"];
        let filter = words
            .iter()
            .enumerate()
            .skip(1)
            .filter(|(at, word)| !word.starts_with('-') && !valued.contains(&words[at - 1]));
        let filter = filter.map(|(_, word)| word.trim_end_matches("::")).find(|_| words[0] == "test");
        let mut sources = Vec::new();
        files(&folder.join(if after("--test").is_some() { "tests" } else { "src" }), &[".rs"], &mut sources)?;
        if let Some(filter) = filter {
            filters += 1;
            let parts: Vec<&str> = filter.split("::").collect();
            let of_file = |path: &PathBuf| path.to_string_lossy().replace('/', "::").contains(&parts.join("::"));
            let last = Regex::new(&format!(r"\bfn \w*{}", regex::escape(parts[parts.len() - 1])))?;
            let of_test = |path: &PathBuf| fs::read_to_string(path).is_ok_and(|text| last.is_match(&text));
            if !sources.iter().any(|path| of_file(path) || of_test(path)) {
                fault("no test has that name");
            }
        }
        for variable in variables.split_whitespace().filter_map(|set| set.split('=').next()) {
            let mut readers = sources.clone();
            files(&root().join("crates/testkit/src"), &[".rs"], &mut readers)?;
            let quoted = format!("\"{variable}\"");
            let is_read = readers.iter().any(|path| fs::read_to_string(path).is_ok_and(|text| text.contains(&quoted)));
            if !is_read && variable != "RUSTC_BOOTSTRAP" {
                fault(&format!("nothing reads {variable}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(filters > 25, "{filters} tests named");
    Ok(())
}

/// The options that scripts are given in blocks and sentences are known to them.
#[test]
fn options_of_scripts_exist() -> TestResult {
    let code = Regex::new(r"`((?:packaging|fuzz|benches|\.ci)/[^`]+)`")?;
    let option = Regex::new(r"\s(--?[a-z][a-z-]*)")?;
    let ignored = page(".gitignore")?;
    let (mut given, mut wrong) = (0, Vec::new());
    for name in PAGES {
        let text = page(name)?;
        let lines = commands(&text)?.into_iter().map(|(_, line)| line);
        for line in lines.chain(code.captures_iter(&text).map(|found| found[1].replace('\n', " "))) {
            let line = line.split(" # ").next().unwrap_or_default();
            let script = line.split_whitespace().next().unwrap_or_default();
            if !["packaging/", "fuzz/", "benches/", ".ci/"].iter().any(|start| script.starts_with(start))
                || script.contains('*')
            {
                continue;
            }
            let path = root().join(script);
            if ignored.lines().any(|line| line.strip_prefix('/').is_some_and(|folder| script.starts_with(folder))) {
                continue;
            }
            if !path.exists() {
                wrong.push(format!("{name}: {line}: there is no {script}"));
                continue;
            }
            let mut around = vec![path.clone()];
            files(path.parent().ok_or("a folder")?, &[".rs", ".py"], &mut around)?;
            for found in option.captures_iter(line) {
                given += 1;
                // A field of a command line is written without the dashes.
                let field = format!(" {}: ", found[1].trim_start_matches('-').replace('-', "_"));
                let is_in = |text: String| text.contains(&found[1]) || text.contains(&field);
                let known = around.iter().any(|path| fs::read_to_string(path).is_ok_and(is_in));
                if !known {
                    wrong.push(format!("{name}: {line}: nothing knows {}", &found[1]));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(given > 4, "{given} options");
    Ok(())
}
