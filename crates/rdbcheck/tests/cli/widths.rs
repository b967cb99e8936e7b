//! Reports on terminals of several widths.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::{TestResult, testdata};

/// Returns what a command shows on a terminal that is so wide.
pub fn on_terminal(width: u16, tool: &str, args: &[&str], folder: &Path) -> Result<String, Box<dyn std::error::Error>> {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    grantpt(&terminal)?;
    unlockpt(&terminal)?;
    let name = ptsname(&terminal, Vec::new())?;
    let name = std::ffi::OsStr::from_bytes(name.to_bytes()).to_owned();
    let side = openat(CWD, &name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
    tcsetwinsize(&side, Winsize { ws_row: 24, ws_col: width, ws_xpixel: 0, ws_ypixel: 0 })?;
    let mut child = Command::new(tool)
        .current_dir(folder)
        .args(args)
        .env("LC_ALL", "C.UTF-8")
        .env_remove("COLUMNS")
        .stdin(Stdio::null())
        .stdout(Stdio::from(side))
        .stderr(Stdio::null())
        .spawn()?;
    let mut seen = Vec::new();
    // The end of a terminal whose other side is closed is an error.
    let _ = File::from(terminal).read_to_end(&mut seen);
    child.wait()?;
    Ok(String::from_utf8(seen)?.replace("\r\n", "\n"))
}

fn broken() -> Result<Vec<PathBuf>, std::io::Error> {
    let mut files: Vec<_> = std::fs::read_dir(testdata().join("broken"))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "rdb"))
        .collect();
    files.sort();
    assert!(files.len() > 20);
    Ok(files)
}

/// A command is in one line, so that it can be copied; every other line fits.
fn fits(width: usize, text: &str) {
    for line in text.lines().map(|line| anstream::adapter::strip_str(line).to_string()) {
        let trimmed = line.trim_start();
        let is_command = ["rdbcheck ", "aofcheck ", "tail ", "head ", "sed ", "{ ", "ls ", "redis-cli ", "iconv "]
            .iter()
            .any(|start| trimmed.starts_with(start))
            || trimmed.contains(" | rdbcheck ");
        assert!(is_command || line.chars().count() <= width, "{width}: {line}");
    }
}

#[test]
fn a_report_is_as_wide_as_the_terminal() -> TestResult {
    let folder = testdata().join("broken");
    for file in broken()? {
        let name = file.file_name().and_then(|name| name.to_str()).ok_or("a name")?;
        for width in [60, 80, 120, 160] {
            let text = on_terminal(
                width,
                env!("CARGO_BIN_EXE_rdbcheck"),
                &["--stats", "--hex", "--for", "newest", name],
                &folder,
            )?;
            assert!(text.contains(name), "{text}");
            fits(width.into(), &text);
        }
    }
    Ok(())
}

#[test]
fn a_terminal_is_shown_where_the_damage_lies() -> TestResult {
    let text = on_terminal(80, env!("CARGO_BIN_EXE_rdbcheck"), &["hole.rdb"], &testdata().join("broken"))?;
    let text = anstream::adapter::strip_str(&text).to_string();
    let strip = text.lines().nth(1).ok_or("a second line")?;
    let cells: Vec<char> = strip.chars().skip_while(|c| *c != '[').skip(1).take_while(|c| *c != ']').collect();
    // The damaged value begins at byte 848 of 7,534 and the walk ends behind byte 1,571.
    let share = |of: usize| cells.len() * of / 7534;
    assert!(cells[..share(848)].iter().all(|c| *c == '░'), "{strip}");
    assert!(
        cells[share(848)..=share(1571)].contains(&'█') && cells[share(1571) + 1..].iter().all(|c| *c == '?'),
        "{strip}"
    );
    assert!(strip.ends_with("] 7.5 kB"), "{strip}");
    // A pipe gets the text alone.
    let piped = Command::new(env!("CARGO_BIN_EXE_rdbcheck")).arg(testdata().join("broken/hole.rdb")).output()?;
    assert!(!String::from_utf8(piped.stdout)?.contains("not read "));
    Ok(())
}

#[test]
fn the_strip_of_a_set_names_its_file() -> TestResult {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("a.aof.manifest"), "file a.aof.1.incr.aof seq 1 type i\n")?;
    let whole = "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n".repeat(9);
    std::fs::write(folder.path().join("a.aof.1.incr.aof"), format!("{whole}*3\r\n$3\r\nSET\r\n$1"))?;
    let text = on_terminal(80, env!("CARGO_BIN_EXE_aofcheck"), &["."], folder.path())?;
    let text = anstream::adapter::strip_str(&text).to_string();
    let strip = text.lines().nth(1).ok_or("a second line")?;
    assert!(strip.starts_with("  a.aof.1.incr.aof [░░░") && strip.contains('█'), "{strip}");
    Ok(())
}
