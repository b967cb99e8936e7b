//! Killed at any moment: the damaged file is as it was, and OUT is not there or whole.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Instant;

use testkit::rdb::{Family, File, Key, Value};
use testkit::rng::Rng;

use crate::TestResult;

/// So many runs are killed, each a little later than the one before.
const KILLS: u32 = 24;

fn damaged() -> Vec<u8> {
    let mut rng = Rng::new(1);
    let mut file = File::new(Family::Redis, 11);
    file.compression = false;
    let key = |n: u64| Key::new(format!("key:{n}").as_bytes(), Value::String(rng.bytes(20_000)));
    file.keys = (0..150).map(key).collect();
    let mut bytes = file.encode().bytes;
    bytes[1_000_000..1_010_000].fill(0);
    bytes
}

fn start(dump: &Path, out: &Path) -> std::io::Result<Child> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rdbcheck"));
    command.arg("--salvage").arg(out).args(["--force", "--threads", "1"]).arg(dump);
    command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()
}

#[test]
fn a_kill_leaves_the_input_and_no_half_output() -> TestResult {
    let folder = tempfile::tempdir()?;
    let (dump, out) = (folder.path().join("dump.rdb"), folder.path().join("saved.rdb"));
    let bytes = damaged();
    fs::write(&dump, &bytes)?;
    let begun = Instant::now();
    assert!(start(&dump, &out)?.wait()?.success());
    let takes = begun.elapsed();
    let whole = fs::read(&out)?;
    let left = || -> std::io::Result<usize> {
        let names = fs::read_dir(folder.path())?.flatten().map(|entry| entry.file_name());
        Ok(names.filter(|name| name.as_encoded_bytes().ends_with(b".new.part")).count())
    };
    let mut absent = 0;
    for kill in 0..KILLS {
        fs::remove_file(&out).or_else(|error| if out.exists() { Err(error) } else { Ok(()) })?;
        // An old file is not lost either.
        let old = kill % 2 == 0;
        if old {
            fs::write(&out, "old")?;
        }
        let mut child = start(&dump, &out)?;
        sleep(takes * kill / KILLS);
        child.kill()?;
        child.wait()?;
        match fs::read(&out) {
            Ok(now) => assert!(now == whole || old && now == b"old", "kill {kill}: {} bytes", now.len()),
            Err(_) => absent += 1,
        }
        assert!(fs::read(&dump)? == bytes, "kill {kill}");
    }
    let left_over = left()?;
    assert!(
        absent > 0 && left_over > 0,
        "{absent} without OUT, {left_over} left over: no kill came while it was written"
    );
    let run = start(&dump, &out)?.wait_with_output()?;
    assert!(run.status.success() && fs::read(&out)? == whole);
    let said = String::from_utf8(run.stderr)?;
    assert_eq!(said.matches("left by a salvage that was killed").count(), left_over, "{said}");
    Ok(())
}
