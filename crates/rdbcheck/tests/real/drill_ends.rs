//! Ends of a drill: limits, servers that hang, signals to everyone who takes part. Nothing is left behind.
#![cfg(target_os = "linux")]

use std::error::Error;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use testkit::server::{Installed, Product, require};

use crate::drill::{Place, TestResult, document, hanging, outcomes, wait};

#[test]
fn what_takes_too_much_or_hangs_is_ended() -> TestResult {
    let Some(installed) = require(Product::Redis74) else { return Ok(()) };
    let place = Place::new()?;
    let file = hanging(&place)?;
    let output = place.rdbcheck(&installed, &["--timeout", "1", "--json"], &file)?;
    let of = document(&output)?["files"][0].clone();
    assert_eq!((output.status.code(), &of["ended"]), (Some(1), &"timed-out".into()), "{of:#}");
    place.assert_clean("hanging");
    // Keys that are one value take far more than a key is estimated at: this program grows without reading anything.
    let script = place.file("greedy");
    let text = "#!/bin/sh\n[ \"$1\" = --version ] && { echo 'Redis server v=7.0.0 sha=0'; exit; }\n\
                exec python3 -c 'import time; a = bytearray(b\"x\") * (200 << 20); time.sleep(100)'\n";
    fs::write(&script, text)?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    let greedy = Installed { server: script, ..installed };
    let output = place.rdbcheck(&greedy, &["--memory", "100M", "--timeout", "60", "--json"], &file)?;
    let of = document(&output)?["files"][0].clone();
    assert_eq!((output.status.code(), &of["ended"]), (Some(1), &"out-of-memory".into()), "{of:#}");
    place.assert_clean("greedy");
    Ok(())
}

/// A program that says that it is a server, and then runs these lines of Python in the folder of the drill.
fn stand_in(place: &Place, installed: &Installed, python: &str) -> std::io::Result<Installed> {
    let script = place.file("stand-in");
    let text = format!(
        "#!/bin/sh\n[ \"$1\" = --version ] && {{ echo 'Redis server v=7.0.0 sha=0'; exit; }}\nexec python3 -c '{python}'\n"
    );
    fs::write(&script, text)?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    Ok(Installed { server: script, ..installed.clone() })
}

/// The limits hold for a server that listens and takes no connection, whose queue is full of one or of none; and for one that stops to
/// answer once it is up.
#[test]
fn a_server_that_takes_no_connection_is_late() -> TestResult {
    const LISTEN: &str = "import socket, time; s = socket.socket(socket.AF_UNIX); s.bind(\"s\"); s.listen(0)";
    let Some(installed) = require(Product::Redis74) else { return Ok(()) };
    let place = Place::new()?;
    let file = hanging(&place)?;
    let begun = Instant::now();
    let run = |python: &str, args: &[&str]| -> Result<(Output, Value), Box<dyn Error>> {
        let output = place.rdbcheck(&stand_in(&place, &installed, python)?, &[args, &["--json"]].concat(), &file)?;
        let of = document(&output)?["files"][0].clone();
        place.assert_clean(python);
        Ok((output, of))
    };
    let own = "c = socket.socket(socket.AF_UNIX); c.connect(\"s\")";
    for python in [format!("{LISTEN}; time.sleep(300)"), format!("{LISTEN}; {own}; time.sleep(300)")] {
        let (output, of) = run(&python, &["--timeout", "2"])?;
        assert_eq!((output.status.code(), &of["ended"]), (Some(1), &"timed-out".into()), "{of:#}");
    }
    let greedy = format!("{LISTEN}; {own}; time.sleep(1); a = bytearray(b\"x\") * (200 << 20); time.sleep(300)");
    let (output, of) = run(&greedy, &["--timeout", "60", "--memory", "100M"])?;
    assert_eq!((output.status.code(), &of["ended"]), (Some(1), &"out-of-memory".into()), "{of:#}");
    // The load leaves nothing of the time; what is compared has as much again, and no more.
    let slow = format!(
        "{LISTEN}; c = s.accept()[0]; c.recv(99); time.sleep(3); c.send(b\"+PONG\\r\\n\"); c.recv(99); time.sleep(2); \
         c.send(b\"-ERR no\\r\\n\"); time.sleep(300)"
    );
    let (output, of) = run(&slow, &["--timeout", "4"])?;
    assert_eq!((output.status.code(), &of["comes_up"]), (Some(1), &true.into()), "{of:#}");
    assert!(outcomes(&of).contains(&("it answers", "failed")), "{of:#}");
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    Ok(())
}

/// A drill on a server that hangs, once that was started.
fn hung(place: &Place, installed: &Installed) -> Result<Running, Box<dyn Error>> {
    let file = hanging(place)?;
    let mut command = place.command(env!("CARGO_BIN_EXE_rdbcheck"), installed, &["--timeout", "300"], &file);
    let child = Running(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?);
    assert!(wait(|| server_pid(place).is_some()), "{:?}", place.left());
    Ok(child)
}

/// A command that does not outlive a test that fails.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The process that works in the folder of a drill, and is the server.
fn server_pid(place: &Place) -> Option<u32> {
    fs::read_dir("/proc").ok()?.flatten().find_map(|process| {
        let pid: u32 = process.file_name().to_str()?.parse().ok()?;
        let cwd = fs::read_link(process.path().join("cwd")).ok()?;
        let line = fs::read(process.path().join("cmdline")).ok()?;
        // It writes other words over those of its command line.
        let is_server = line.windows(10).any(|text| text == b"unixsocket") && !line.starts_with(b"rdbcheck");
        (cwd.starts_with(place.drills.path()) && is_server).then_some(pid)
    })
}

/// The watcher of a drill.
fn watcher_pid(place: &Place) -> Option<u32> {
    fs::read_dir("/proc").ok()?.flatten().find_map(|process| {
        let pid: u32 = process.file_name().to_str()?.parse().ok()?;
        let line = String::from_utf8(fs::read(process.path().join("cmdline")).ok()?).ok()?;
        (line.contains("\0watch\0") && line.contains(place.drills.path().to_str()?)).then_some(pid)
    })
}

fn signal(pid: u32, signal: Signal) -> TestResult {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or("a process id")?;
    Ok(kill_process(pid, signal)?)
}

#[test]
fn nothing_is_left_however_the_command_is_ended() -> TestResult {
    let Some(installed) = require(Product::Redis74) else { return Ok(()) };
    for end in [Signal::INT, Signal::TERM, Signal::HUP, Signal::KILL] {
        let place = Place::new()?;
        let mut child = hung(&place, &installed)?;
        signal(child.0.id(), end)?;
        assert_eq!(child.0.wait()?.signal(), Some(end.as_raw()));
        place.assert_clean(&format!("{end:?}"));
    }
    Ok(())
}

/// The watcher outlives what ends a service; where it is killed, the server goes with it.
#[test]
fn nothing_runs_on_where_the_watcher_is_ended() -> TestResult {
    let Some(installed) = require(Product::Redis74) else { return Ok(()) };
    let place = Place::new()?;
    let mut child = hung(&place, &installed)?;
    let watcher = watcher_pid(&place).ok_or("a watcher")?;
    // What a service manager does to all processes of a service.
    for pid in [watcher, child.0.id()] {
        signal(pid, Signal::TERM)?;
    }
    child.0.wait()?;
    place.assert_clean("a service that ends");
    // Both killed: the server ends by its death signal, and the next drill removes the folder.
    let mut child = hung(&place, &installed)?;
    let watcher = watcher_pid(&place).ok_or("a watcher")?;
    signal(child.0.id(), Signal::STOP)?;
    signal(watcher, Signal::KILL)?;
    signal(child.0.id(), Signal::KILL)?;
    child.0.wait()?;
    assert!(wait(|| server_pid(&place).is_none()), "{:?}", place.left());
    assert_eq!(fs::read_dir(place.drills.path())?.count(), 1);
    let output = place.rdbcheck(&installed, &["--timeout", "1"], &hanging(&place)?)?;
    assert_eq!(output.status.code(), Some(1));
    place.assert_clean("the next drill");
    Ok(())
}

/// A server that is killed from outside while it is asked is an end like others.
#[test]
fn a_server_that_is_killed_is_a_crash() -> TestResult {
    let Some(installed) = require(Product::Redis74) else { return Ok(()) };
    let place = Place::new()?;
    let file = hanging(&place)?;
    let child = place
        .command(env!("CARGO_BIN_EXE_rdbcheck"), &installed, &["--timeout", "300", "--json"], &file)
        .stdout(Stdio::piped())
        .spawn()?;
    assert!(wait(|| server_pid(&place).is_some()), "it does not start");
    signal(server_pid(&place).ok_or("a server")?, Signal::KILL)?;
    let output = child.wait_with_output()?;
    let of = document(&output)?["files"][0].clone();
    assert_eq!((output.status.code(), &of["ended"]), (Some(1), &"crashed".into()), "{of:#}");
    place.assert_clean("killed server");
    Ok(())
}

/// The watcher removes its folder in the end: it takes none but that of a drill.
#[test]
fn a_watcher_takes_no_other_folder() -> TestResult {
    let place = Place::new()?;
    for name in ["notes", "rdbcheck-drill-notes"] {
        let folder = place.file(name);
        fs::create_dir(&folder)?;
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
        fs::write(folder.join("lock"), "")?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_rdbcheck"));
        let output = command.args(["__under", "watch"]).arg(&folder).stdin(Stdio::null()).output()?;
        let text = String::from_utf8(output.stderr)?;
        assert!(output.status.code() == Some(2) && text.contains("no private folder of a drill"), "{name}: {text}");
        assert_eq!(fs::read_dir(&folder)?.count(), 1, "{name}");
    }
    Ok(())
}
