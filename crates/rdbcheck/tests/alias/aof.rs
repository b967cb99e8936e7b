//! `redis-check-aof` and `valkey-check-aof`, on the 223 crafted inputs and what the tools said of each (`cases.tsv`).

use std::collections::{BTreeMap, HashMap};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{fs, io};

use testkit::folder::{self, alone};
use testkit::server::{Product, require};

use super::{Links, Ran, TestResult, testdata};

const TOOLS: [(&str, &str, Product); 2] =
    [("redis-check-aof", "8.6.3", Product::Redis86), ("valkey-check-aof", "vk9.1.2", Product::Valkey91)];

/// What the tools destroy, though it is good: manifests that they take for append-only files, and a base of Valkey's.
const REFUSED: [&str; 5] =
    ["m025-key-order", "m026-key-upper", "m039-long-comment", "m041-leading-space", "s150-valkey-magic"];

/// On these the tools die.
const CRASHED: [&str; 2] = ["s051-bulk-9223372036854775805", "s053-bulk-100TB"];

struct Case {
    id: String,
    argument: String,
    columns: HashMap<String, String>,
}

impl Case {
    fn column(&self, name: &str, tool: &str) -> &str {
        self.columns.get(&format!("{name}_{tool}")).map_or("", String::as_str)
    }

    /// A copy of the input in a folder, and the file that the tool is given.
    fn copy_to(&self, folder: &Path) -> io::Result<PathBuf> {
        folder::copy(&testdata().join("aof/cases").join(&self.id), folder)?;
        Ok(folder.join(&self.argument))
    }
}

fn cases() -> io::Result<Vec<Case>> {
    let table = fs::read_to_string(testdata().join("aof/cases/cases.tsv"))?;
    let mut lines = table.lines();
    let head: Vec<_> = lines.next().unwrap_or("").split('\t').collect();
    let case = |line: &str| {
        let columns: HashMap<_, _> =
            head.iter().zip(line.split('\t')).map(|(key, value)| ((*key).to_owned(), value.to_owned())).collect();
        Case { id: columns["id"].clone(), argument: columns["arg"].clone(), columns }
    };
    Ok(lines.map(case).collect())
}

/// The numbers of the last line `AOF analyzed`, as the table has them; empty where there is none.
fn analyzed(out: &str) -> [String; 2] {
    let line = out.lines().rfind(|line| line.contains("AOF analyzed: ")).unwrap_or("");
    [" ok_up_to=", " ok_up_to_line="].map(|field| {
        let value = line.split_once(field).and_then(|(_, rest)| rest.split(',').next());
        value.unwrap_or_default().to_owned()
    })
}

/// Every file below a folder by its path in it, and what is in it.
fn contents(root: &Path) -> io::Result<BTreeMap<PathBuf, Vec<u8>>> {
    let inside = |path: PathBuf| path.strip_prefix(root).map_or(path.clone(), Path::to_owned);
    Ok(folder::files(root)?.into_iter().map(|(path, bytes)| (inside(path), bytes)).collect())
}

#[test]
fn every_input_gets_the_official_answer() -> TestResult {
    let links = Links::new()?;
    let cases = cases()?;
    assert_eq!(cases.len(), 223);
    for (name, tool, _) in TOOLS {
        let mut survived = 0;
        for case in &cases {
            let file = testdata().join("aof/cases").join(&case.id).join(&case.argument);
            let ran = links.run(name, &[&file], "")?;
            if CRASHED.contains(&&case.id[..]) {
                assert!(case.column("check_verdict", tool).starts_with("crash"), "{}", case.id);
                assert_eq!((ran.code, &analyzed(&ran.out)[0][..]), (Some(1), "50"), "{}: {ran:?}", case.id);
                assert!(ran.out.contains("Expected to read "), "{}: {ran:?}", case.id);
                continue;
            }
            survived += 1;
            let exit = case.column("check_exit", tool).parse().ok();
            let numbers = ["ok_up_to", "ok_up_to_line"].map(|field| case.column(field, tool).to_owned());
            assert_eq!((ran.code, analyzed(&ran.out)), (exit, numbers), "{name} {}: {ran:?}", case.id);
        }
        assert_eq!(survived, 221);
    }
    Ok(())
}

/// `--fix`, answered with `y`: the bytes that stay are those of the tool, and those that go are saved.
#[test]
fn every_fix_leaves_what_the_tool_leaves() -> TestResult {
    let _alone = alone();
    let links = Links::new()?;
    let (mut cut, mut refused) = (0, 0);
    for (name, tool, product) in TOOLS {
        let installed = require(product);
        for case in cases()?.iter().filter(|case| !CRASHED.contains(&&case.id[..])) {
            let (folder, theirs) = (tempfile::tempdir()?, tempfile::tempdir()?);
            let file = case.copy_to(&folder.path().join("set"))?;
            let before = contents(folder.path())?;
            let ran = links.run(name, &[Path::new("--fix"), &file], "y\n")?;
            let after = contents(folder.path())?;
            let official = case.column("fix", tool).split(";re=").next().unwrap_or("");
            if REFUSED.contains(&&case.id[..]) && official.contains("->") {
                refused += 1;
                assert_eq!((ran.code, &after), (Some(1), &before), "{name} {}: {ran:?}", case.id);
                assert!(ran.out.contains("Cutting it would destroy it"), "{name} {}: {ran:?}", case.id);
                continue;
            }
            let exit = official.split(';').next().and_then(|exit| exit.parse().ok());
            assert_eq!(ran.code, exit, "{name} {}: {ran:?}", case.id);
            let changed: Vec<_> = before.iter().filter(|(path, bytes)| after.get(*path) != Some(bytes)).collect();
            match official.split_once(';').and_then(|(_, sizes)| sizes.split_once("->")) {
                None => assert_eq!(after, before, "{name} {}: {ran:?}", case.id),
                Some((_, to)) => {
                    cut += 1;
                    let [(path, old)] = changed[..] else { panic!("{name} {}: {changed:?}", case.id) };
                    let to: usize = to.parse()?;
                    assert_eq!(after[path], old[..to], "{name} {}", case.id);
                    let tail = after.iter().find(|(path, _)| path.extension().is_some_and(|kind| kind == "tail"));
                    assert_eq!(tail.map(|(_, bytes)| &bytes[..]), Some(&old[to..]), "{name} {}: {ran:?}", case.id);
                    // The suites of the servers take any text on standard error for a failure.
                    let last = ran.out.lines().last().unwrap_or_default();
                    assert!(last.starts_with("What was cut off is saved in "), "{ran:?}");
                    assert_eq!(ran.err, "", "{ran:?}");
                }
            }
            if let Some(installed) = &installed {
                let file = case.copy_to(&theirs.path().join("set"))?;
                answer(&installed.check_aof, &file, b"y\n")?;
                for (path, bytes) in contents(theirs.path())? {
                    assert_eq!(after.get(&path), Some(&bytes), "{name} {}: {}", case.id, path.display());
                }
            }
        }
    }
    assert_eq!((cut, refused), (142, 2 * REFUSED.len()));
    Ok(())
}

/// Runs an official tool with `--fix`.
fn answer(tool: &Path, file: &Path, answer: &[u8]) -> io::Result<()> {
    let mut child = Command::new(tool)
        .arg("--fix")
        .arg(file)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    // A tool that asks nothing may be gone already.
    let _ = child.stdin.take().map(|mut input| input.write_all(answer));
    child.wait().map(drop)
}

fn damaged(folder: &Path) -> io::Result<PathBuf> {
    let file = folder.join("appendonly.aof");
    fs::write(&file, b"*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nPI")?;
    Ok(file)
}

#[test]
fn the_question_and_its_answers() -> TestResult {
    let _alone = alone();
    let links = Links::new()?;
    for (input, yes) in [("y\n", true), ("Y", true), ("yup\n", true), (" y\n", false), ("n\n", false), ("", false)] {
        let folder = tempfile::tempdir()?;
        let file = damaged(folder.path())?;
        let shown = file.display();
        let Ran { code, out, err } = links.run("redis-check-aof", &[Path::new("--fix"), &file], input)?;
        // Behind the official lines stands one of ours, where something was cut.
        let ours = out.find("What was cut off is saved in ");
        assert_eq!((ours.is_some(), &err[..]), (yes, ""), "{input:?}: {out}");
        let out = &out[..ours.unwrap_or(out.len())];
        let question = format!(
            "This will shrink the AOF {shown} from 24 bytes, with 10 bytes, to 14 bytes\nContinue? [y/N]: {}\n",
            if yes { format!("Successfully truncated AOF {shown}") } else { "Aborting...".to_owned() }
        );
        assert!(out.ends_with(&question), "{input:?}: {out}");
        let size = if yes { 14 } else { 24 };
        assert_eq!((code, fs::metadata(&file)?.len()), (Some(i32::from(!yes)), size), "{input:?}");
    }
    Ok(())
}

#[test]
fn a_script_that_pipes_yes_works_unchanged() -> TestResult {
    let _alone = alone();
    let links = Links::new()?;
    let folder = tempfile::tempdir()?;
    let file = damaged(folder.path())?;
    let script = "yes | redis-check-aof --fix \"$1\" && redis-check-aof \"$1\"";
    let path = format!("{}:{}", links.0.path().display(), std::env::var("PATH")?);
    let output = Command::new("sh").args(["-c", script, "sh"]).arg(&file).env("PATH", path).output()?;
    let out = String::from_utf8(output.stdout)?;
    assert!(output.status.success(), "{out}");
    assert!(out.ends_with(&format!("AOF {} is valid\n", file.display())), "{out}");
    Ok(())
}

#[test]
fn truncation_to_a_timestamp_asks_nothing() -> TestResult {
    let _alone = alone();
    let links = Links::new()?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("a.aof");
    let content = b"#TS:100\r\n*1\r\n$4\r\nPING\r\n#TS:200\r\n*1\r\n$4\r\nPING\r\n";
    fs::write(&file, content)?;
    let run = |time: &str| {
        let arguments = [Path::new("--truncate-to-timestamp"), Path::new(time), &file];
        links.run("redis-check-aof", &arguments, "")
    };
    assert_eq!(run("5s")?.out, "Invalid timestamp, aborting...\n");
    let ran = run("150")?;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.has_line(&format!("Successfully truncated AOF {} to timestamp 150", file.display())), "{ran:?}");
    assert_eq!(fs::read(&file)?, content[..23]);
    Ok(())
}

#[test]
fn what_is_no_file_gets_an_answer() -> TestResult {
    let links = Links::new()?;
    let pipe = links.path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status()?.success());
    let long = "x".repeat(5000);
    for (path, said) in [
        (pipe.to_str().ok_or("text")?, "Not a regular file"),
        ("/nonexistent", "Cannot open file /nonexistent: No such file or directory"),
        (links.0.path().to_str().ok_or("text")?, "Cannot read file: "),
        (&long, "Error: filepath is too long (exceeds PATH_MAX)"),
    ] {
        let ran = links.run("redis-check-aof", &[path], "")?;
        assert!(ran.code == Some(1) && ran.out.contains(said), "{ran:?}");
    }
    Ok(())
}
