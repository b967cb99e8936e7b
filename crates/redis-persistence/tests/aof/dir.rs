//! What a path is, and what the next server start would use: on folders in memory and on the crafted ones.

use std::io;
use std::path::{Path, PathBuf};

use redis_persistence::aof::dir::{self, AofSet, Memory, NextStart, Node, Role, SetNote, Shape};

const MANIFEST: &[u8] = b"file a.1.base.rdb seq 1 type b\nfile a.1.incr.aof seq 1 type i\n";

fn memory(files: &[(&str, &'static [u8])]) -> Memory {
    let mut memory = Memory::default();
    for (path, bytes) in files {
        memory.add(*path, *bytes);
    }
    memory
}

fn find(files: &[(&str, &'static [u8])], path: &str) -> io::Result<AofSet> {
    dir::find(&mut memory(files), Path::new(path))
}

fn roles(set: &AofSet) -> Vec<(Role, String, Option<u64>)> {
    set.parts.iter().map(|part| (part.role, String::from_utf8_lossy(&part.name).into_owned(), part.size())).collect()
}

#[test]
fn one_set_by_four_ways() -> io::Result<()> {
    let files: &[(&str, &[u8])] =
        &[("srv/dir/a.manifest", MANIFEST), ("srv/dir/a.1.base.rdb", b"x"), ("srv/dir/a.1.incr.aof", b"")];
    let expected = [
        (Role::Base, "a.1.base.rdb".to_owned(), Some(1)),
        (Role::Incr, "a.1.incr.aof".to_owned(), Some(0)),
        (Role::Manifest, "a.manifest".to_owned(), Some(62)),
    ];
    for path in ["srv", "srv/dir", "srv/dir/", "srv/dir/a.manifest"] {
        let set = find(files, path)?;
        assert_eq!(
            (set.shape, &set.prefix[..], &set.next_start),
            (Shape::MultiPart, &b"a"[..], &NextStart::LoadsManifest)
        );
        assert_eq!(roles(&set), expected, "{path}");
        assert_eq!(set.root, PathBuf::from("srv/dir"), "{path}");
    }
    let part = find(files, "srv/dir/a.1.incr.aof")?;
    assert_eq!(part.shape, Shape::Single);
    assert_eq!(part.notes, [SetNote::PartOfSet("srv/dir/a.manifest".into())]);
    Ok(())
}

#[test]
fn a_manifest_is_known_by_its_text_too() -> io::Result<()> {
    let set = find(&[("x/odd", MANIFEST), ("x/a.1.base.rdb", b"")], "x/odd")?;
    assert_eq!(set.next_start, NextStart::Refuses, "a file is missing");
    assert_eq!(set.parts[1].node, None);
    Ok(())
}

#[test]
fn what_the_next_start_does() -> io::Result<()> {
    let old: (&str, &[u8]) = ("s/a", b"*1\r\n$4\r\nPING\r\n");
    // Both styles: the old file is ignored.
    let both = find(&[old, ("s/d/a.manifest", MANIFEST), ("s/d/a.1.base.rdb", b""), ("s/d/a.1.incr.aof", b"")], "s/d")?;
    assert_eq!(both.next_start, NextStart::LoadsManifest);
    assert_eq!(both.old_style.map(|old| (old.size, old.migrates)), Some((14, false)));
    // A move that was not finished.
    let half = find(&[old, ("s/d/a.manifest", b"file a seq 1 type b\n")], "s/d")?;
    assert_eq!(half.next_start, NextStart::Migrates);
    assert_eq!(half.parts[0].path, PathBuf::from("s/a"));
    assert_eq!(half.parts[0].node, Some(Node::File(14)));
    // Nothing listed, but files of the names that a server will use.
    let empty = find(&[("s/d/a.manifest", b"# x\n"), ("s/d/a.1.base.rdb", b"1"), ("s/d/a.1.incr.aof", b"2")], "s/d")?;
    let (overwrites, appends) = (Some(b"a.1.base.rdb".to_vec()), Some(b"a.1.incr.aof".to_vec()));
    assert_eq!(empty.next_start, NextStart::Empty { overwrites, appends });
    let bare = find(&[("s/appendonlydir/a.1.base.rdb", b"1")], "s")?;
    assert!(matches!(bare.next_start, NextStart::Empty { overwrites: Some(_), appends: None }));
    assert_eq!(bare.parts[0].role, Role::Orphan);
    // Nothing of use in the folder, but an old-style file above.
    let upgrade = find(&[("s/appendonly.aof", b"")], "s")?;
    assert_eq!((upgrade.shape, upgrade.next_start), (Shape::Single, NextStart::LoadsFile));
    // A line that no server takes.
    assert_eq!(find(&[("s/d/a.manifest", b"nonsense\n")], "s/d")?.next_start, NextStart::Refuses);
    Ok(())
}

#[test]
fn what_lies_about() -> io::Result<()> {
    let set = find(
        &[
            ("s/temp-rewriteaof-bg-9.aof", b"12"),
            ("s/d/a.manifest", MANIFEST),
            ("s/d/a.1.base.rdb", b""),
            ("s/d/a.1.incr.aof", b""),
            ("s/d/a.2.incr.aof", b"new"),
            ("s/d/a.9.base.rdb", b"lost"),
            ("s/d/b.1.incr.aof", b"of another"),
            ("s/d/b.manifest", b""),
            ("s/d/temp-a.manifest", b"t"),
            ("s/d/notes.txt", b""),
        ],
        "s/d/a.manifest",
    )?;
    let orphans: Vec<_> =
        set.parts.iter().filter(|part| part.role == Role::Orphan).map(|part| &part.name[..]).collect();
    assert_eq!(orphans, [&b"a.2.incr.aof"[..], b"a.9.base.rdb"]);
    assert_eq!(set.notes, [SetNote::NextName(b"a.2.incr.aof".to_vec())]);
    let temporaries: Vec<_> =
        set.temporaries.iter().map(|file| (file.path.to_str().unwrap_or(""), file.size)).collect();
    assert_eq!(temporaries, [("s/d/temp-a.manifest", 1), ("s/temp-rewriteaof-bg-9.aof", 2)]);
    Ok(())
}

#[test]
fn what_is_not_there_is_said_so() {
    assert_eq!(find(&[("s/x", b"")], "s/y").map_err(|e| e.kind()).err(), Some(io::ErrorKind::NotFound));
    assert_eq!(find(&[("s/x", b"")], "s").map_err(|e| e.kind()).err(), Some(io::ErrorKind::NotFound));
}

#[cfg(unix)]
#[test]
fn pipes_and_devices_are_not_opened() {
    let error = dir::find_on_disk(Path::new("/dev/zero")).map_err(|e| e.kind()).err();
    assert_eq!(error, Some(io::ErrorKind::InvalidInput));
}

#[cfg(unix)]
#[test]
fn links_are_followed_and_broken_ones_are_no_files() -> io::Result<()> {
    let folder = std::env::temp_dir().join(format!("aof-dir-links-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("d"))?;
    std::fs::write(folder.join("real"), b"12345")?;
    std::fs::write(folder.join("d/a.manifest"), MANIFEST)?;
    std::os::unix::fs::symlink("../real", folder.join("d/a.1.base.rdb"))?;
    std::os::unix::fs::symlink("nowhere", folder.join("d/a.1.incr.aof"))?;
    let set = dir::find_on_disk(&folder.join("d"));
    std::fs::remove_dir_all(&folder)?;
    let set = set?;
    assert_eq!(set.parts[0].size(), Some(5));
    assert_eq!(set.parts[1].node, Some(Node::Other));
    assert_eq!(set.next_start, NextStart::Refuses);
    Ok(())
}
