//! `redis-check-rdb` and `valkey-check-rdb`.

use super::{Links, TestResult, testdata};

#[test]
fn a_sound_file() -> TestResult {
    let links = Links::new()?;
    let file = testdata().join("rdb/redis-7.0-multidb.rdb");
    let shown = file.display();
    for name in ["redis-check-rdb", "valkey-check-rdb"] {
        let ran = links.run(name, &[&file], "")?;
        assert_eq!((ran.code, &ran.err[..]), (Some(0), ""), "{ran:?}");
        for line in [
            &format!("[offset 0] Checking RDB file {shown}")[..],
            "[offset 27] AUX FIELD redis-ver = '7.0.15'",
            "[offset 6038] Selecting DB ID 15",
            "[offset 7534] Checksum OK",
            "[offset 7534] \\o/ RDB looks OK! \\o/",
            "[info] 155 keys read",
            "[info] 50 expires",
            "[info] 0 already expired",
        ] {
            assert!(ran.has_line(line), "{line}: {ran:?}");
        }
        let valkey = name.starts_with("valkey");
        assert_eq!(ran.has_line("[offset 7534] Check RDB returned error code 0 (0 means success)"), valkey);
        assert_eq!(ran.has_line("[info] 0 functions"), valkey);
        assert_eq!(ran.has_line("[info] 0 subexpires"), !valkey);
    }
    Ok(())
}

#[test]
fn a_damaged_file() -> TestResult {
    let links = Links::new()?;
    let ran = links.run("redis-check-rdb", &[testdata().join("broken/zero-page.rdb")], "")?;
    assert_eq!(ran.code, Some(1));
    let block = "--- RDB ERROR DETECTED ---\n[offset 4113] Internal error in RDB reading offset 0, function at rdb.c:0 -> \
                 Invalid LZF compressed string\n[additional info] While doing: read-object-value\n[additional info] Reading \
                 key 'z:40'\n[additional info] Reading type 17 (zset-listpack)\n[info] 83 keys read\n[info] 26 expires\n";
    assert!(ran.out.contains(block), "{ran:?}");
    Ok(())
}

#[test]
fn a_file_that_cannot_be_read() -> TestResult {
    let links = Links::new()?;
    let missing = links.path("missing.rdb");
    let ran = links.run("redis-check-rdb", &[&missing], "")?;
    assert_eq!(ran.code, Some(1));
    assert_eq!(ran.out, format!("[offset 0] Checking RDB file {}\n", missing.display()));
    assert!(ran.err.contains("No such file"), "{ran:?}");

    let pipe = links.path("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status()?;
    assert!(made.success());
    for name in ["redis-check-rdb", "valkey-check-rdb"] {
        let ran = links.run(name, &[&pipe], "")?;
        assert!(ran.code == Some(1) && ran.err.contains("FIFO"), "{ran:?}");
    }
    Ok(())
}

#[test]
fn options_of_valkey() -> TestResult {
    let links = Links::new()?;
    let file = testdata().join("rdb/redis-2.8-empty.rdb");
    let file = file.to_str().ok_or("text")?;
    let run = |options: &[&str]| links.run("valkey-check-rdb", &[&[file], options].concat(), "");
    assert_eq!(run(&["--format", "csv"])?, run(&[])?);
    for options in [&["--stats"][..], &["--stats", "--format", "info"], &["--output", "stats.txt"]] {
        let ran = run(options)?;
        assert!(ran.code == Some(1) && ran.err.contains("statistics are not made here"), "{ran:?}");
        assert_eq!(ran.out, "");
    }
    for options in [&["--format", "xml"][..], &["--format"], &["--output"], &["more"]] {
        let ran = run(options)?;
        assert!(ran.code == Some(1) && ran.err.starts_with("Usage: "), "{ran:?}");
    }
    Ok(())
}
