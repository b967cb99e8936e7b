//! Standard input, pipes that others close, full disks, signals.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::{TestResult, ran, rdbcheck, run, sound, testdata};

const FILE: &str = "redis-6.2-lfu.rdb";

/// The command, with pipes that the test holds.
fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rdbcheck"));
    command.current_dir(testdata().join("rdb")).args(["--now", crate::NOW]).args(args);
    command
}

/// A pipe, a file on standard input and a name make no difference but in how the input is called.
#[test]
fn the_way_in_makes_no_difference() -> TestResult {
    let named = run(&[FILE])?;
    let renamed = |text: &str| named.out.replace(FILE, text);
    let piped = ran(rdbcheck(&["-"]).write_stdin(sound(FILE)?).output())?;
    assert_eq!((piped.code, piped.out), (Some(0), renamed("-")));
    let redirected = ran(command(&["-"]).stdin(File::open(testdata().join("rdb").join(FILE))?).output())?;
    assert_eq!((redirected.code, redirected.out), (Some(0), renamed("-")));
    for name in ["/dev/fd/0", "/dev/stdin", "/proc/self/fd/0"] {
        let handed = ran(rdbcheck(&[name]).write_stdin(sound(FILE)?).output())?;
        assert_eq!((handed.code, handed.out), (Some(0), renamed(name)));
    }
    Ok(())
}

#[test]
fn hits_from_a_pipe_rest_on_hashes() -> TestResult {
    let file = std::fs::read(testdata().join("broken/duplicate-key.rdb"))?;
    let run = ran(rdbcheck(&["--json", "-"]).write_stdin(file).output())?;
    let document: serde_json::Value = serde_json::from_str(&run.out)?;
    assert_eq!((run.code, &document["files"][0]["duplicates"]), (Some(1), &"by-hash".into()));
    Ok(())
}

#[test]
fn a_closed_pipe_is_no_failure() -> TestResult {
    for (args, code) in [
        (vec![FILE, FILE], 0),
        (vec!["--json", FILE], 0),
        (vec!["--help"], 0),
        (vec!["--explain", "rdb-bad-length"], 0),
        (vec![FILE, "../broken/zeros.rdb"], 1),
    ] {
        let (reader, writer) = io::pipe()?;
        drop(reader);
        let output = command(&args).stdout(writer).stderr(Stdio::piped()).output()?;
        assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(code), b"".as_slice()), "{args:?}");
    }
    Ok(())
}

#[test]
fn a_report_that_cannot_be_written_is_a_failure() -> TestResult {
    let Ok(full) = File::options().write(true).open("/dev/full") else {
        eprintln!("not run: there is no /dev/full");
        return Ok(());
    };
    for args in [vec![FILE], vec!["--json", FILE], vec!["--explain", "rdb-bad-length"]] {
        let output = command(&args).stdout(full.try_clone()?).stderr(Stdio::piped()).output()?;
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(String::from_utf8(output.stderr)?.contains("could not be written"));
    }
    Ok(())
}

/// The other command, where its report has nowhere to go.
#[test]
fn aofcheck_and_what_it_prints_to() -> TestResult {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("appendonly.aof");
    std::fs::write(&path, b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n")?;
    let command = |form: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aofcheck"));
        command.arg(form).arg(&path).stderr(Stdio::piped());
        command
    };
    for form in ["--color=never", "--json", "--timeline"] {
        let (reader, writer) = io::pipe()?;
        drop(reader);
        let output = command(form).stdout(writer).output()?;
        assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), b"".as_slice()), "{form}");
        let Ok(full) = File::options().write(true).open("/dev/full") else { continue };
        let output = command(form).stdout(full).output()?;
        assert_eq!(output.status.code(), Some(2), "{form}");
        assert!(String::from_utf8(output.stderr)?.contains("could not be written"));
    }
    Ok(())
}

#[test]
fn an_interrupt_ends_it_as_shells_expect() -> TestResult {
    #[cfg(target_os = "linux")]
    crate::interrupts_arrive()?;
    let mut child = command(&["-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut input = child.stdin.take().ok_or("no input")?;
    input.write_all(&sound(FILE)?[..100])?;
    let pid = Pid::from_raw(i32::try_from(child.id())?).ok_or("no process")?;
    kill_process(pid, Signal::INT)?;
    // A shell shows the end by this signal as 130.
    assert_eq!(child.wait()?.signal(), Some(2));
    Ok(())
}

#[test]
fn slow_input_shows_progress_where_it_is_asked_for() -> TestResult {
    let file = sound(FILE)?;
    for (when, shown) in [("always", true), ("auto", false), ("never", false)] {
        let mut child = command(&["--progress", when, "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut input = child.stdin.take().ok_or("no input")?;
        input.write_all(&file[..100])?;
        std::thread::sleep(Duration::from_millis(1200));
        input.write_all(&file[100..])?;
        drop(input);
        let output = child.wait_with_output()?;
        let err = String::from_utf8(output.stderr)?;
        assert_eq!((output.status.code(), err.starts_with("-: ") && err.contains("/s")), (Some(0), shown), "{err}");
        assert_eq!(err.is_empty(), !shown, "{err}");
    }
    // Quick work shows none, whatever is asked for.
    assert_eq!(run(&["--progress", "always", FILE])?.err, "");
    Ok(())
}
