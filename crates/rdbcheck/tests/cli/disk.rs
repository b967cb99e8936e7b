//! A small disk in memory, which only a script and what it starts can see.

use std::error::Error;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

const MOUNT: &str = "mount -t tmpfs -o \"$1\" none disk || exit 99\nshift\n";

/// Mounts a disk with these options at `disk` in the folder, and runs a shell script with these arguments in the folder. Gives what it
/// printed; none where nobody may mount a disk.
pub fn on_disk(folder: &Path, options: &str, script: &str, args: &[&str]) -> Result<Option<String>, Box<dyn Error>> {
    fs::create_dir_all(folder.join("disk"))?;
    let run = |flags: &str, script: &str, args: &[&str]| {
        let script = [MOUNT, script].concat();
        let mut command = Command::new("unshare");
        command.current_dir(folder).args([flags, "sh", "-c", &script, "sh", options]).args(args).output()
    };
    for flags in ["-m", "-rm"] {
        if run(flags, "", &[]).is_ok_and(|output| output.status.success()) {
            let output = run(flags, script, args)?;
            let text = [output.stderr, output.stdout].concat();
            return Ok(Some(String::from_utf8_lossy(&text).into_owned()));
        }
    }
    writeln!(std::io::stderr(), "not run: no right to mount a disk")?;
    Ok(None)
}
