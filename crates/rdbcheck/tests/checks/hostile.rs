//! Text of files and names of files that would harm a terminal, and a disk that is full while a repair is written.
#![cfg(unix)]

use std::error::Error;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::{Command, Output};

use testkit::rdb::{KeyMeta, ModuleOp, RdbWriter};
use testkit::resp::AofWriter;

type TestResult = Result<(), Box<dyn Error>>;

/// Clears a screen, sets its title, rings, goes back, turns text around, and is no UTF-8.
const HOSTILE: &[u8] = b"\x1b[2J\x1b]0;x\x07\r\x08\x7f\xc2\x9b31m\xe2\x80\xae\xff\xfe";

const FORMATS: [&[&str]; 4] = [&[], &["--hex"], &["--json"], &["-q"]];

/// Asserts that nothing but text was printed.
fn assert_harmless(output: &Output, what: &str) {
    for bytes in [&output.stdout, &output.stderr] {
        let text = std::str::from_utf8(bytes).unwrap_or_else(|error| panic!("{what}: {error}"));
        let harms = |c: char| c.is_control() && c != '\n' || ('\u{202a}'..='\u{202e}').contains(&c);
        assert!(!text.contains(harms), "{what}: {}", text.escape_debug());
        assert!(!text.contains("panicked"), "{what}: {text}");
    }
    assert!(matches!(output.status.code(), Some(0..=3)), "{what}: {output:?}");
}

/// Files with hostile text wherever text can stand.
fn images() -> Vec<Vec<u8>> {
    let start = |version| {
        let mut w = RdbWriter::redis(version);
        w.aux(b"redis-ver", HOSTILE).aux(HOSTILE, HOSTILE).aux(b"ctime", HOSTILE).select_db(0);
        w
    };
    let class = KeyMeta { spec: 1, ops: vec![ModuleOp::Str(HOSTILE.to_vec())] };
    vec![
        start(11).string_key(HOSTILE, b"v").string_key(HOSTILE, HOSTILE).finish(),
        start(11).key(20, HOSTILE).str(HOSTILE).finish(),
        start(11).key(2, HOSTILE).len(2).str(HOSTILE).str(HOSTILE).finish(),
        start(11).key(5, HOSTILE).len(1).str(HOSTILE).double(f64::NAN).finish(),
        start(11).function2(HOSTILE).function_pre_ga(HOSTILE, HOSTILE, Some(HOSTILE), HOSTILE).finish(),
        start(11).function2(&[&b"#!lua name="[..], HOSTILE, b"\n"].concat()).finish(),
        start(13).key_meta(&[class]).string_key(HOSTILE, b"v").finish(),
        start(11).key(7, HOSTILE).len(1 << 40).raw(HOSTILE).finish(),
        start(11).key(0x64, HOSTILE).finish(),
        start(60).string_key(HOSTILE, b"v").finish(),
        [&b"REDIS"[..], HOSTILE].concat(),
        HOSTILE.to_vec(),
        [&start(11).string_key(HOSTILE, b"v").finish()[..], HOSTILE].concat(),
    ]
}

#[test]
fn no_text_of_an_rdb_reaches_the_terminal() -> TestResult {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join(OsStr::from_bytes(&[HOSTILE, b".rdb"].concat()));
    for (number, image) in images().iter().enumerate() {
        fs::write(&path, image)?;
        for options in FORMATS {
            let output = Command::new(env!("CARGO_BIN_EXE_rdbcheck")).args(options).arg(&path).output()?;
            assert_harmless(&output, &format!("image {number} with {options:?}"));
        }
    }
    Ok(())
}

#[test]
fn no_text_of_a_set_reaches_the_terminal() -> TestResult {
    let folder = tempfile::tempdir()?;
    let records = AofWriter::new().record(&[HOSTILE, HOSTILE]).record(&[b"SET", HOSTILE, HOSTILE]).take();
    let escaped: String = HOSTILE.iter().map(|byte| format!("\\x{byte:02x}")).collect();
    let manifests = [
        format!("file \"{escaped}\" seq 1 type i\n").into_bytes(),
        [&b"file "[..], HOSTILE, b" seq 1 type i\n"].concat(),
        [&b"file a.1.incr.aof seq 1 type i "[..], HOSTILE, b" ", HOSTILE, b"\n#", HOSTILE, b"\n"].concat(),
    ];
    let endings = [
        HOSTILE.to_vec(),
        [&b"*1\r\n$"[..], HOSTILE].concat(),
        [&b"#"[..], HOSTILE, b"\r\n"].concat(),
        images()[0].clone(),
    ];
    let set = folder.path().join(OsStr::from_bytes(HOSTILE));
    fs::create_dir(&set)?;
    for (number, (manifest, ending)) in manifests.iter().cycle().zip(&endings).enumerate() {
        let data = [&records[..], ending].concat();
        fs::write(set.join("a.manifest"), manifest)?;
        for name in [&b"a.1.incr.aof"[..], HOSTILE] {
            fs::write(set.join(OsStr::from_bytes(name)), &data)?;
        }
        for options in FORMATS.iter().chain(&[&["--fix", "--dry-run"][..], &["--timeline"]]) {
            for path in [set.clone(), set.join("a.manifest"), set.join(OsStr::from_bytes(HOSTILE))] {
                let output = Command::new(env!("CARGO_BIN_EXE_aofcheck")).args(*options).arg(&path).output()?;
                assert_harmless(&output, &format!("set {number} with {options:?} of {}", path.display()));
            }
        }
    }
    Ok(())
}

/// A repair with at most 4 KiB in any file that it writes.
fn fix_within(path: &Path) -> std::io::Result<Output> {
    let script = "trap '' XFSZ; ulimit -f 8; exec \"$0\" --fix --yes \"$@\"";
    Command::new("sh").args(["-c", script, env!("CARGO_BIN_EXE_aofcheck")]).arg(path).output()
}

/// What is taken away is saved before anything is changed: where that cannot be written, the file stays as it is.
#[test]
fn a_full_disk_during_a_repair_changes_nothing() -> TestResult {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("a.aof");
    let sound = AofWriter::new().record(&["SET", "a", "1"]).take();
    let broken = [&sound[..], b"*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$100000\r\n", &[b'x'; 50_000]].concat();
    fs::write(&path, &broken)?;
    let output = fix_within(&path)?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(matches!(output.status.code(), Some(1 | 2)), "{output:?}");
    assert!(said.contains("File too large"), "{said}");
    assert!(fs::read(&path)? == broken, "the file was changed");
    // With room again it is mended, and what the first run left does not stand in the way.
    let output = Command::new(env!("CARGO_BIN_EXE_aofcheck")).args(["--fix", "--yes"]).arg(&path).output()?;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(fs::read(&path)? == sound, "the file was not mended");
    Ok(())
}
