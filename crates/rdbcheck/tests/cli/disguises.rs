//! RDBs in disguise: the command that is advised gives the RDB back, and so does a salvage, from a file and from a pipe.

use std::fs;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::{TestResult, ran, rdbcheck, sound};

/// Runs a command of the shell over bytes.
fn shell(command: &str, input: &[u8], folder: &std::path::Path) -> std::io::Result<Vec<u8>> {
    let path = folder.join("shell-input");
    fs::write(&path, input)?;
    let out =
        Command::new("sh").args(["-c", command]).stdin(fs::File::open(path)?).stderr(Stdio::inherit()).output()?;
    assert!(out.status.success(), "{command}");
    Ok(out.stdout)
}

#[test]
fn what_is_advised_gives_the_rdb_back() -> TestResult {
    let rdb = sound("redis-7.0-multidb.rdb")?;
    let folder = tempfile::tempdir()?;
    let text = |before: &str, after: &str| [before.as_bytes(), &rdb, after.as_bytes()].concat();
    let files = [
        ("base64", shell("base64", &rdb, folder.path())?),
        ("base64", shell("base64 -w0", &rdb, folder.path())?),
        ("hex", rdb.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":").into_bytes()),
        ("hex", rdb.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into_bytes()),
        ("utf-8", shell("iconv -f LATIN1 -t UTF-8", &rdb, folder.path())?),
        ("utf-16", utf16(&rdb)),
        ("surrounded", text("SYNC sent to master\n", "Transfer finished\n")),
        ("leading-newlines", text("\n", "")),
        ("escaped", [b"\"".to_vec(), rdb.escape_ascii().to_string().into_bytes(), b"\"\n".to_vec()].concat()),
    ];
    for (code, file) in files {
        let path = folder.path().join("dump.rdb");
        fs::write(&path, &file)?;
        let run = ran(rdbcheck(&["--json", "dump.rdb"]).current_dir(folder.path()).output())?;
        let report: Value = serde_json::from_str(&run.out)?;
        let cause = &report["files"][0]["cause"];
        assert_eq!((&cause["code"], &cause["reversible"]), (&code.into(), &true.into()), "{cause}");
        let command = cause["command"].as_str().ok_or("a command")?.to_owned();
        if let Some(command) = command.strip_suffix(" | rdbcheck -") {
            assert!(
                shell(&format!("cd {} && {command}", folder.path().display()), b"", folder.path())? == rdb,
                "{command}"
            );
        }
        let out = folder.path().join("out.rdb");
        let run = ran(rdbcheck(&["--salvage", "out.rdb", "dump.rdb"]).current_dir(folder.path()).output())?;
        assert!(run.code == Some(0) && fs::read(&out)? == rdb, "{code}: {run:?}");
        fs::remove_file(&out)?;
        // Out of a pipe.
        let run = ran(rdbcheck(&["--json", "-"]).write_stdin(file.clone()).output())?;
        assert!(run.code != Some(0) && run.out.contains(code), "{run:?}");
    }
    Ok(())
}

fn utf16(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().flat_map(|byte| [*byte, 0]).collect()
}
