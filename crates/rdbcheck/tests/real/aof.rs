//! What a real server leaves when it is killed, and what the next one makes of it: the verdict agrees, and a repair keeps
//! everything that a server would have kept.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use testkit::resp::AofWriter;
use testkit::rng::Rng;
use testkit::server::{Installed, LoadVerdict, Product, Server, load_verdict, require};

type TestResult = Result<(), Box<dyn Error>>;

const FOLDER: &str = "appendonlydir";

/// The only entry of the document, and the exit code.
fn aofcheck(args: &[&str], path: &Path) -> Result<(Value, Option<i32>), Box<dyn Error>> {
    let output = Command::new(env!("CARGO_BIN_EXE_aofcheck")).arg("--json").args(args).arg(path).output()?;
    let document: Value = serde_json::from_slice(&output.stdout)?;
    Ok((document["files"][0].clone(), output.status.code()))
}

/// Sends commands of many kinds to several databases, some of them in transactions, until the server is gone.
fn load(address: SocketAddr, seed: u64) -> io::Result<()> {
    let mut rng = Rng::new(seed);
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(&AofWriter::new().record(&["CLIENT", "REPLY", "OFF"]).take())?;
    loop {
        let mut batch = AofWriter::new();
        let in_transaction = rng.below(3) == 0;
        if in_transaction {
            batch.record(&["MULTI"]);
        }
        for _ in 0..1 + rng.below(20) {
            let key = format!("key:{}", rng.below(2000));
            let value = "v".repeat(rng.size(0..=300));
            match rng.below(6) {
                0 => batch.select(rng.below(4)),
                1 => batch.record(&["RPUSH", &format!("list:{key}"), &value]),
                2 => batch.record(&["HSET", &format!("hash:{key}"), "field", &value]),
                3 => batch.record(&["DEL", &key]),
                _ => batch.record(&["SET", &key, &value]),
            };
        }
        if in_transaction {
            batch.record(&["EXEC"]);
        }
        if stream.write_all(&batch.take()).is_err() {
            return Ok(());
        }
        // Enough to be busy, not enough to fill the disk.
        thread::sleep(Duration::from_micros(100));
    }
}

/// Writes under load, rewrites twice meanwhile, and is killed in the middle of it.
fn killed(installed: &Installed, dir: &Path, seed: u64) -> TestResult {
    let yes = |bit: u64| if seed & bit == 0 { "yes" } else { "no" };
    let settings = ["--appendonly", "yes", "--aof-use-rdb-preamble", yes(1), "--aof-timestamp-enabled", yes(2)];
    let mut server = Server::start(installed, dir, &settings)?;
    let address = server.address();
    let writer = thread::spawn(move || load(address, seed));
    for _ in 0..2 {
        thread::sleep(Duration::from_millis(50));
        server.rewrite_aof()?;
    }
    // A timestamp comes with the first write of a second.
    let second = if yes(2) == "yes" { 1000 } else { 0 };
    thread::sleep(Duration::from_millis(30 + seed * 7 + second));
    server.kill()?;
    writer.join().map_err(|_| "the writer failed")??;
    Ok(())
}

/// The last file that the manifest lists.
fn last_part(dir: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let folder = dir.join(FOLDER);
    let manifest = fs::read_to_string(folder.join("appendonly.aof.manifest"))?;
    let mut names = manifest.lines().filter(|line| line.ends_with("type i")).filter_map(|line| line.split(' ').nth(1));
    Ok(folder.join(names.next_back().ok_or("no incremental file")?))
}

fn copy(from: &Path) -> io::Result<TempDir> {
    let to = tempfile::tempdir()?;
    fs::create_dir(to.path().join(FOLDER))?;
    for entry in fs::read_dir(from.join(FOLDER))? {
        let entry = entry?;
        fs::copy(entry.path(), to.path().join(FOLDER).join(entry.file_name()))?;
    }
    Ok(to)
}

/// What a start on a copy comes to: the keys of each database, or nothing if the server refuses.
fn start(installed: &Installed, dir: &Path, truncated: &str) -> Result<Option<BTreeMap<u32, u64>>, Box<dyn Error>> {
    let copy = copy(dir)?;
    match load_verdict(installed, copy.path(), &["--appendonly", "yes", "--aof-load-truncated", truncated])? {
        LoadVerdict::Loaded { databases, .. } => {
            Ok(Some(databases.into_iter().map(|(database, of)| (database, of.keys)).collect()))
        }
        LoadVerdict::Refused { .. } => Ok(None),
        other => Err(format!("{other:?}").into()),
    }
}

/// The set as it lies there: the verdict is that of a server that cuts nothing; mended, it loads there too, with all that
/// a server that cuts would have kept.
fn agrees(installed: &Installed, dir: &Path, what: &str) -> TestResult {
    let (file, code) = aofcheck(&[], dir)?;
    let strict = start(installed, dir, "no")?;
    assert_eq!(code == Some(0), strict.is_some(), "{what}: {}", file["findings"]);
    assert_eq!(file["verdict"] == "sound", strict.is_some(), "{what}: {}", file["findings"]);
    let lenient = start(installed, dir, "yes")?;
    let whole = copy(dir)?;
    let (file, code) = aofcheck(&["--fix", "--yes"], whole.path())?;
    assert_eq!((code, &file["verdict"]), (Some(0), &"sound".into()), "{what}: {file}");
    assert_eq!(file["repair"]["status"] == "nothing", strict.is_some(), "{what}: {}", file["repair"]);
    let mended = start(installed, whole.path(), "no")?;
    assert!(mended.as_ref().is_some_and(|databases| !databases.is_empty()), "{what}");
    assert_eq!(mended, lenient, "{what}");
    Ok(())
}

/// SIGKILL rarely tears a write, a power failure does: so the end is torn off at places of all kinds, too.
#[test]
fn what_a_killed_server_leaves() -> TestResult {
    let Some(installed) = require(Product::Redis70) else { return Ok(()) };
    for seed in 0..4 {
        let dir = tempfile::tempdir()?;
        killed(&installed, dir.path(), seed)?;
        agrees(&installed, dir.path(), &format!("seed {seed}"))?;
        let (file, _) = aofcheck(&[], dir.path())?;
        assert!(file["aof"]["transactions"].as_u64() > Some(0), "{file}");
        assert_eq!(file["aof"]["first_timestamp"].is_null(), seed & 2 != 0);
        assert_eq!(file["format"].is_null(), seed & 1 != 0);
        let last = last_part(dir.path())?;
        let mut rng = Rng::new(seed);
        for _ in 0..2 {
            let torn = fs::metadata(&last)?.len().saturating_sub(1 + rng.below(400));
            File::options().write(true).open(&last)?.set_len(torn)?;
            agrees(&installed, dir.path(), &format!("seed {seed}, {torn} bytes of the last file"))?;
        }
    }
    Ok(())
}

/// A user that is not the one of this test.
const OTHER: u32 = 12345;

/// Gives everything below a folder to the other user: folders 0750, files 0640.
fn give_away(path: &Path) -> io::Result<()> {
    chown(path, Some(OTHER), Some(OTHER))?;
    let is_folder = path.is_dir();
    fs::set_permissions(path, fs::Permissions::from_mode(if is_folder { 0o750 } else { 0o640 }))?;
    if is_folder {
        for entry in fs::read_dir(path)? {
            give_away(&entry?.path())?;
        }
    }
    Ok(())
}

/// Owner, group and mode of every file and folder below one.
fn owners(path: &Path) -> io::Result<BTreeMap<PathBuf, (u32, u32, u32)>> {
    let metadata = fs::metadata(path)?;
    let mut found = BTreeMap::from([(path.to_owned(), (metadata.uid(), metadata.gid(), metadata.mode()))]);
    if metadata.is_dir() {
        for entry in fs::read_dir(path)? {
            found.extend(owners(&entry?.path())?);
        }
    }
    Ok(found)
}

/// Starts a server as the other user, and says whether it got ready, with its log.
fn starts_as_other(installed: &Installed, dir: &Path) -> Result<(bool, String), Box<dyn Error>> {
    let mut child = Command::new(&installed.server)
        .args(["--port", "0", "--unixsocket", "server.sock", "--save", "", "--appendonly", "yes"])
        .args(["--aof-load-truncated", "no", "--dir"])
        .arg(dir)
        .current_dir(dir)
        .uid(OTHER)
        .gid(OTHER)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let (send, receive) = mpsc::channel();
    let log = BufReader::new(child.stdout.take().ok_or("no output")?);
    let reader = thread::spawn(move || {
        // A server that ends closes its output; nobody listens any more once it got ready.
        log.lines().map_while(Result::ok).try_for_each(|line| send.send(line))
    });
    let (mut seen, mut ready) = (String::new(), false);
    while let Ok(line) = receive.recv_timeout(Duration::from_secs(20)) {
        ready = line.to_ascii_lowercase().contains("ready to accept connections");
        seen.push_str(&line);
        seen.push('\n');
        if ready {
            break;
        }
    }
    child.kill()?;
    child.wait()?;
    drop(receive);
    let _ = reader.join();
    Ok((ready, seen))
}

/// The superuser repairs what belongs to another user: it still does, and that user's server starts on it.
#[test]
fn files_of_another_user_stay_theirs() -> TestResult {
    let Some(installed) = require(Product::Redis70) else { return Ok(()) };
    if !rustix::process::geteuid().is_root() {
        eprintln!("not run: only the superuser can give files away");
        return Ok(());
    }
    let dir = tempfile::tempdir()?;
    let folder = dir.path().join(FOLDER);
    fs::create_dir(&folder)?;
    let record = AofWriter::new().select(0).record(&["SET", "key", "value"]).take();
    fs::write(folder.join("appendonly.aof.1.incr.aof"), &record)?;
    fs::write(folder.join("appendonly.aof.2.incr.aof"), [&record[..], b"*3\r\n$3\r\nSET\r\n$1"].concat())?;
    // Without its last line end: the manifest is replaced, the last file is cut in place.
    let lines = "file appendonly.aof.1.incr.aof seq 1 type i\nfile appendonly.aof.2.incr.aof seq 2 type i";
    fs::write(folder.join("appendonly.aof.manifest"), lines)?;
    // A second link: then the file is not cut in place, but replaced.
    for linked in [false, true] {
        if linked {
            let file = folder.join("appendonly.aof.2.incr.aof");
            fs::write(&file, [&record[..], b"*1\r\n"].concat())?;
            fs::hard_link(&file, dir.path().join("backup"))?;
        }
        give_away(dir.path())?;
        let before = owners(&folder)?;
        let (ready, log) = starts_as_other(&installed, dir.path())?;
        assert!(!ready, "{log}");
        let (file, code) = aofcheck(&["--fix", "--yes"], dir.path())?;
        assert_eq!((code, &file["verdict"]), (Some(0), &"sound".into()), "{file}");
        assert_eq!(owners(&folder)?, before);
        let (ready, log) = starts_as_other(&installed, dir.path())?;
        assert!(ready, "{log}");
        // What was saved is as private as the file it comes from.
        for saved in file["repair"]["saved"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            let saved = fs::metadata(saved)?;
            assert_eq!((saved.uid(), saved.mode() & 0o777), (OTHER, 0o640));
        }
    }
    Ok(())
}
