//! What the owners and modes of files let a server do with them, and a disk without room.

use std::io;
use std::path::Path;

use redis_persistence::aof::dir::{Files, Opened};
use redis_persistence::aof::dir::{Memory, Node, Owner, Tree};
use redis_persistence::diagnose;
use redis_persistence::verify::{self, Finding, Options, Report};

const PING: &[u8] = b"*1\r\n$4\r\nPING\r\n";

/// The finding of that code.
fn the<'r>(report: &'r Report, code: &str) -> &'r Finding {
    report.findings.iter().find(|finding| finding.code.as_str() == code).expect(code)
}

/// Files of which it is known whose they are, on a disk of so many free bytes.
struct Owned {
    files: Memory,
    root: Vec<&'static str>,
    mode: u32,
    free: u64,
}

impl Files for Owned {
    type File = <Memory as Files>::File;

    fn open(&mut self, path: &Path) -> io::Result<Opened<Self::File>> {
        self.files.open(path)
    }
}

impl Tree for Owned {
    fn stat(&mut self, path: &Path) -> io::Result<Option<Node>> {
        self.files.stat(path)
    }

    fn list(&mut self, folder: &Path) -> io::Result<Vec<(Vec<u8>, Node)>> {
        self.files.list(folder)
    }

    fn owner(&mut self, path: &Path) -> Option<Owner> {
        let root = self.root.iter().any(|end| path.ends_with(end));
        Some(if root { Owner { uid: 0, gid: 0, mode: self.mode } } else { Owner { uid: 999, gid: 999, mode: 0o755 } })
    }

    fn free(&mut self, _: &Path) -> Option<u64> {
        Some(self.free)
    }
}

fn owned(root: &[&'static str], mode: u32, free: u64) -> Report {
    let mut files = Memory::default();
    files.add("d/dump.rdb", &b"REDIS0009\xff\0\0\0\0\0\0\0\0"[..]);
    files.add("d/appendonlydir/a.manifest", &b"file a.1.incr.aof seq 1 type i\nfile a.2.incr.aof seq 2 type i\n"[..]);
    files.add("d/appendonlydir/a.1.incr.aof", PING);
    files.add("d/appendonlydir/a.2.incr.aof", PING);
    let mut tree = Owned { files, root: root.to_vec(), mode, free };
    verify::aof_in(&mut tree, Path::new("d"), &Options::default()).expect("memory can be read")
}

#[test]
fn what_the_user_of_the_server_may_not_use() {
    let said = |root: &[&'static str], mode| {
        let found = owned(root, mode, 1 << 30).findings.into_iter();
        let mut found = found.filter(|finding| finding.code.as_str() == "aof-access-denied");
        (found.next().map(|finding| finding.message), found.count())
    };
    for (root, mode, words) in [
        (
            "a.2.incr.aof",
            0o644,
            "a.2.incr.aof belongs to 0:0 and has mode 0644: the server's user, taken to be 999:999",
        ),
        ("a.2.incr.aof", 0o644, "cannot write to it: servers go on with that file, and do not start"),
        ("a.1.incr.aof", 0o644, "cannot write to it: where it is torn"),
        ("a.1.incr.aof", 0o600, "cannot read it: servers do not start"),
        ("a.manifest", 0o600, "cannot read it: servers do not start"),
        ("dump.rdb", 0o600, "with appendonly no"),
        ("appendonlydir", 0o755, "cannot write to it: rewrites fail"),
        ("appendonlydir", 0o700, "cannot enter it"),
        ("d", 0o755, "an RDB in it cannot be replaced"),
    ] {
        let (message, more) = said(&[root], mode);
        assert!(
            message.as_ref().is_some_and(|message| message.contains(words)) && more == 0,
            "{root} {mode:o}: {message:?}"
        );
    }
    // What is replaced as a whole need not be written to, and root may do everything.
    assert_eq!(said(&["a.manifest", "dump.rdb"], 0o644), (None, 0));
    assert_eq!(said(&["d", "appendonlydir", "a.2.incr.aof"], 0o600), (None, 0));
    let steps = diagnose::advice(&owned(&["a.2.incr.aof"], 0o644, 1 << 30), None);
    assert_eq!(steps[0].command.as_deref(), Some("chown 999:999 d/appendonlydir/a.2.incr.aof"));
}

#[test]
fn a_disk_without_room() {
    assert!(the(&owned(&[], 0, 27), "aof-disk-space").message.starts_with("27 bytes are free on the disk"));
    assert_eq!(owned(&[], 0, 28).findings, []);
}
