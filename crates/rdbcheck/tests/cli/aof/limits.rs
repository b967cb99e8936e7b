//! Absurd sizes: a clear answer, and no memory for what is not there.

use std::fs;

use super::Copy;
use super::terminal::OnTerminal;
use crate::TestResult;

/// The most that a process may have held, in KiB.
const MOST: u64 = 64 << 10;

/// `VmHWM` of a process: the most memory that it held at a time, in KiB.
fn peak(id: u32) -> Result<u64, Box<dyn std::error::Error>> {
    let status = fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

#[test]
fn absurd_records_are_cut_within_64_mib() -> TestResult {
    let lengthy = b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$109951162777600\r\nvalue".to_vec();
    let many = [b"*4611686018427387904\r\n".to_vec(), b"$3\r\narg\r\n".repeat(1_000_000)].concat();
    let sound = b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$5\r\nvalue\r\n".repeat(1_000_000);
    for (tail, what) in [
        (lengthy, "an argument of 109951162777600 bytes, of which 109951162777597 are not there"),
        (many, "aof-bad-format"),
    ] {
        let copy = Copy::of("cases/s003-trunc-payload")?;
        fs::write(copy.file("appendonly.aof"), [&sound[..], &tail].concat())?;
        // While it waits for an answer it has done all that takes memory.
        let mut run = OnTerminal::start(&copy, &["--fix", "set"])?;
        run.wait_for("[y/N] ")?;
        let peak = peak(run.id())?;
        run.type_in(b"y\n")?;
        let (status, out) = run.end()?;
        assert!(peak < MOST, "{peak} KiB");
        assert!(out.contains(&format!(" at byte {}", sound.len())) && out.contains(what), "{out}");
        assert_eq!((status.code(), fs::read(copy.file("appendonly.aof"))? == sound), (Some(0), true), "{out}");
    }
    Ok(())
}

/// A manifest that is none, of 20 MiB, and one of twenty thousand lines.
#[test]
fn large_manifests() -> TestResult {
    let copy = Copy::of("cases/m001-rdb-base")?;
    let manifest = copy.file("appendonlydir/appendonly.aof.manifest");
    fs::write(&manifest, vec![b'f'; 20 << 20])?;
    let run = copy.run(&["set"])?;
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.out.contains("manifest-too-large"), "{run:?}");

    let mut lines = String::new();
    for seq in 1..=20_000 {
        lines.push_str(&format!("file missing.{seq}.incr.aof seq {seq} type i\n"));
    }
    fs::write(&manifest, lines)?;
    let run = copy.run(&["set"])?;
    assert_eq!(run.code, Some(1));
    assert!(run.out.contains("20,000 errors") && run.out.lines().count() < 60, "{}", run.out);
    Ok(())
}
