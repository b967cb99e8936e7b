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
    let shown = missing.display();
    assert_eq!(
        ran.out,
        format!("[offset 0] Checking RDB file {shown}\nredis-check-rdb: {shown}: No such file or directory\n")
    );
    assert_eq!(ran.err, "");

    let pipe = links.path("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status()?;
    assert!(made.success());
    for name in ["redis-check-rdb", "valkey-check-rdb"] {
        let ran = links.run(name, &[&pipe], "")?;
        assert!(ran.code == Some(1) && ran.out.contains("FIFO") && ran.err.is_empty(), "{ran:?}");
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
    // No statistics, no file.
    let unused = links.path("unused");
    assert_eq!(run(&["--output", unused.to_str().ok_or("text")?])?, run(&[])?);
    assert!(!unused.exists());
    for options in [&["--format", "xml"][..], &["--format"], &["--output"], &["--stats", "more"], &["more"]] {
        let ran = run(options)?;
        assert!(ran.code == Some(1) && ran.out.is_empty() && ran.err.starts_with("Usage: "), "{ran:?}");
    }
    // Redis has no such options.
    let ran = links.run("redis-check-rdb", &[file, "--stats"], "")?;
    assert!(ran.code == Some(1) && ran.err.starts_with("Usage: "), "{ran:?}");
    Ok(())
}

#[test]
fn statistics_go_where_they_are_sent() -> TestResult {
    let links = Links::new()?;
    let file = testdata().join("rdb/redis-7.0-multidb.rdb");
    let file = file.to_str().ok_or("text")?;
    let run = |options: &[&str]| links.run("valkey-check-rdb", &[&[file, "--stats"], options].concat(), "");
    let shown = run(&["--format", "csv"])?;
    assert_eq!((shown.code, &shown.err[..]), (Some(0), ""), "{shown:?}");
    // Five databases have keys; all up to the last of them are listed.
    assert_eq!(shown.out.lines().filter(|line| line.contains(".type.name,string,list,")).count(), 16);
    assert!(shown.has_line("db.0.elements.num.avg,1.00,9.40,10.33,18.80,9.40,0.00,0.00"), "{shown:?}");
    assert!(run(&[])?.has_line("db.0.keys.total               \t7    \t5    \t9    \t5    \t5    \t0    \t0    "));
    assert!(run(&["--format", "info"])?.has_line("[info] db.0.type.zset.elements.num.p99:80.00"));

    let named = links.path("statistics");
    std::fs::write(&named, "x".repeat(1 << 20))?;
    let ran = run(&["--format", "csv", "--output", named.to_str().ok_or("text")?])?;
    assert_eq!(ran, shown);
    let written = std::fs::read_to_string(&named)?;
    assert!(written.starts_with("db.0.type.name,") && shown.out.ends_with(&written), "{written}");

    for (bad, reason) in [("/nonexistent/file", "No such file or directory"), (file, "It is the file that is checked")]
    {
        let before = std::fs::read(file)?;
        let ran = run(&["--output", bad])?;
        assert_eq!(ran.code, Some(1));
        assert_eq!(ran.err, format!("Cannot open output file: '{bad}': {reason}\n"));
        assert!(ran.out.ends_with("[info] 0 functions\n"), "{ran:?}");
        assert_eq!(std::fs::read(file)?, before);
    }
    Ok(())
}
