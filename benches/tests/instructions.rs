//! Counts the instructions of ten sets and holds them against `instructions.txt`, so that no change slows a way through the
//! verifier unseen. `BLESS=1 cargo test -p benches --test instructions` writes the file anew.
//!
//! Counts depend on the compiler, on what the processor offers, and on valgrind, which counts: where any of these is another one than
//! that of the file, nothing is compared, and the test says so.

use std::collections::BTreeMap;
use std::env;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use benches::counted::SETS;

/// What a count may differ by, in parts of a thousand.
const TOLERANCE: u64 = 20;

fn text_of(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// With what is counted, one line each.
fn counter() -> Option<String> {
    let valgrind = text_of(Command::new("valgrind").arg("--version"))?;
    let rustc = env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let compiler = text_of(Command::new(rustc).arg("-vV")).expect("a compiler");
    let of =
        |name: &str| compiler.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim().to_owned();
    #[cfg(target_arch = "x86_64")]
    let features = [("avx2", is_x86_feature_detected!("avx2")), ("pclmulqdq", is_x86_feature_detected!("pclmulqdq"))];
    #[cfg(not(target_arch = "x86_64"))]
    let features: [(&str, bool); 0] = [];
    let features: Vec<_> = features.into_iter().filter_map(|(name, has)| has.then_some(name)).collect();
    Some(format!("{} {} | {valgrind} | {}", of("release:"), of("host:"), features.join(" ")))
}

/// The program that counts, as it is released.
fn program() -> PathBuf {
    let mut build = Command::new(env!("CARGO"));
    build.args([
        "build",
        "--quiet",
        "--release",
        "--locked",
        "--package",
        "benches",
        "--bin",
        "count",
        "--message-format",
        "json",
    ]);
    // What is set for the tests' own sake is not what is released.
    for (name, _) in env::vars().filter(|(name, _)| name.starts_with("CARGO_PROFILE_") || name == "RUSTFLAGS") {
        build.env_remove(name);
    }
    let output = build.stderr(Stdio::inherit()).output().expect("cargo runs");
    assert!(output.status.success(), "the program is built");
    let text = String::from_utf8_lossy(&output.stdout);
    let path = text.lines().filter_map(|line| line.split_once("\"executable\":\"")?.1.split('"').next()).next_back();
    path.expect("the path of the program").into()
}

/// How many instructions it takes to verify a set.
fn count(program: &Path, set: &str, folder: &Path) -> u64 {
    let data = folder.join(set);
    let out = File::create(&data).expect("a file");
    let made = Command::new(program).args(["make", set]).stdout(out).status().expect("it starts");
    assert!(made.success(), "{set} is made");
    let counts = folder.join("counts");
    let status = Command::new("valgrind")
        .args(["--tool=callgrind", "--collect-atstart=no", "--toggle-collect=count::counted"])
        .arg(format!("--callgrind-out-file={}", counts.display()))
        .arg(program)
        .args(["verify", set])
        .arg(&data)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert!(status.is_ok_and(|status| status.success()), "{set} is counted, and sound");
    let text = fs::read_to_string(&counts).expect("counts");
    let total = text.lines().find_map(|line| line.strip_prefix("totals: ").or_else(|| line.strip_prefix("summary: ")));
    total.and_then(|total| total.trim().parse().ok()).filter(|total| *total > 0).expect("a total")
}

/// The first line says with what was counted; then a line for each set.
fn parse(text: &str) -> (String, BTreeMap<String, u64>) {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let (mut with, mut counts) = (String::new(), BTreeMap::new());
    for line in lines {
        match line.split_once('\t') {
            Some(("counted with", what)) => what.clone_into(&mut with),
            Some((set, count)) => _ = counts.insert(set.to_owned(), count.parse().expect("a count")),
            None => panic!("{line:?} is no line of the file"),
        }
    }
    (with, counts)
}

#[test]
fn no_set_takes_more_instructions_than_before() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("instructions.txt");
    let bless = env::var_os("BLESS").is_some();
    let Some(with) = counter() else {
        assert!(!bless, "valgrind is missing");
        eprintln!("no_set_takes_more_instructions_than_before: not run, valgrind is missing");
        return;
    };
    let (stated, before) = parse(&fs::read_to_string(&path).unwrap_or_default());
    if !bless && stated != with {
        eprintln!("instructions: counted with another compiler ({stated}, and here is {with}): not compared");
        return;
    }
    let (program, folder) = (program(), tempfile::tempdir().expect("a folder"));
    let now: BTreeMap<_, _> =
        SETS.iter().map(|set| (set.name.to_owned(), count(&program, set.name, folder.path()))).collect();
    if bless {
        let mut text = "# Instructions that each set of benches/src/counted.rs takes, on one thread. tests/instructions.rs compares and\n\
            # writes it: BLESS=1 cargo test -p benches --test instructions\n"
            .to_owned();
        writeln!(text, "counted with\t{with}").expect("memory");
        now.iter().for_each(|(set, count)| writeln!(text, "{set}\t{count}").expect("memory"));
        fs::write(&path, text).expect("it can be written");
        return;
    }
    let differ = |set: &str| {
        let (before, now) = (before.get(set).copied().unwrap_or(0), now.get(set).copied().unwrap_or(0));
        let change = before.abs_diff(now);
        (change * 1000 > before * TOLERANCE).then(|| format!("{set}: {before} before, {now} now"))
    };
    let wrong: Vec<_> = before.keys().chain(now.keys()).filter_map(|set| differ(set)).collect();
    assert!(wrong.is_empty(), "look at the profile, or write the file anew with BLESS=1:\n{}", wrong.join("\n"));
}

/// So that no set is left out unseen.
#[test]
fn the_file_has_all_sets() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("instructions.txt")).expect("a file");
    let (with, counts) = parse(&text);
    assert!(!with.is_empty());
    let mut names: Vec<_> = SETS.iter().map(|set| set.name).collect();
    names.sort_unstable();
    assert!(counts.keys().map(String::as_str).eq(names), "{counts:?}");
    assert!(counts.values().all(|count| *count > 100_000), "{counts:?}");
}
