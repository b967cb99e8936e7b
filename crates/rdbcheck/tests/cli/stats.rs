//! `--stats`.

use std::fs;

use serde_json::Value;
use testkit::rdb::{Intset, Listpack, RdbWriter};

use crate::golden::{assert_fits_the_schema, assert_reads_well, rdb_files};
use crate::{TestResult, ran, rdbcheck, run, testdata};

/// The document on bytes, and its text.
fn on(bytes: &[u8], args: &[&str]) -> Result<(Value, String), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("dump.rdb"), bytes)?;
    let run = |more: &[&str]| {
        ran(rdbcheck(&[&["--stats"], args, more, &["dump.rdb"]].concat()).current_dir(folder.path()).output())
    };
    let (json, text) = (run(&["--json"])?.out, run(&[])?.out);
    assert_fits_the_schema(folder.path(), &json)?;
    assert_reads_well("dump.rdb", &text);
    let document: Value = serde_json::from_str(&json)?;
    Ok((document["files"][0].clone(), text))
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or(u64::MAX)
}

/// With numbers or without, the report is the same; and the numbers add up to what it counts.
#[test]
fn numbers_change_nothing_and_add_up() -> TestResult {
    for folder in ["rdb", "broken"] {
        let folder = testdata().join(folder);
        let files = rdb_files(&folder)?;
        let names: Vec<_> = files.iter().filter_map(|file| file.file_name()?.to_str()).collect();
        let document = |args: &[&str]| -> Result<Value, Box<dyn std::error::Error>> {
            let run = ran(rdbcheck(&[&["--json"], args, &names].concat()).current_dir(&folder).output())?;
            Ok(serde_json::from_str(&run.out)?)
        };
        let (plain, with) = (document(&[])?, document(&["--stats"])?);
        assert_fits_the_schema(&folder, &with.to_string())?;
        let files = |document: &Value| document["files"].as_array().cloned().unwrap_or_default();
        assert_eq!(files(&with).len(), names.len());
        for (plain, mut with) in files(&plain).into_iter().zip(files(&with)) {
            let stats = with.as_object_mut().and_then(|file| file.remove("stats")).unwrap_or_default();
            assert_eq!(plain, with);
            // Damage ends records early: those count as keys, but have no size.
            if plain["verdict"] != "sound" {
                continue;
            }
            let types = stats["databases"].as_object().into_iter().flatten().flat_map(|(_, types)| types.as_object());
            let of = |name: &str| types.clone().flatten().map(|(_, of)| number(&of[name])).sum::<u64>();
            for name in ["keys", "expires", "expired"] {
                assert_eq!(of(name), number(&plain["counts"][name]), "{name}: {}", plain["path"]);
            }
            let bytes = |value: &Value| number(&value["bytes"]);
            let by_prefix: u64 = stats["prefixes"].as_array().into_iter().flatten().map(bytes).sum();
            let total = types.flatten().map(|(_, of)| number(&of["bytes"]["total"])).sum::<u64>();
            assert_eq!(by_prefix + bytes(&stats["without_prefix"]) + bytes(&stats["other_prefixes"]), total);
            assert!(total < number(&plain["size"]));
        }
    }
    Ok(())
}

#[test]
fn elements_are_counted_in_every_encoding() -> TestResult {
    let mut w = RdbWriter::redis(12);
    w.select_db(0).string_key(b"s:1", b"text");
    w.key(1, b"l:1").len(3).str(b"a").str(b"b").str(b"c");
    w.key(18, b"l:2").len(2).len(2).str(&Listpack::of(["a", "b"])).len(1).str(b"plain");
    w.key(2, b"set:1").len(2).str(b"a").str(b"b");
    w.key(11, b"set:2").str(&Intset::of(&[1, 2, 3, 4]));
    w.key(20, b"set:3").str(&Listpack::of(["a", "b", "c"]));
    w.key(16, b"h:1").str(&Listpack::of(["f", "1", "g", "2"]));
    w.key(17, b"z:1").str(&Listpack::of(["m", "1"]));
    let (file, text) = on(&w.finish(), &[])?;
    let types = &file["stats"]["databases"]["0"];
    for (name, keys, total, max) in [("list", 2, 6, 3), ("set", 3, 9, 4), ("hash", 1, 2, 2), ("zset", 1, 1, 1)] {
        let (of, elements) = (&types[name], &types[name]["elements"]);
        assert_eq!(
            (&of["keys"], &elements["total"], &elements["max"]),
            (&keys.into(), &total.into(), &max.into()),
            "{name}"
        );
    }
    assert_eq!(types["string"]["elements"], Value::Null);
    let prefixes: Vec<_> = file["stats"]["prefixes"].as_array().into_iter().flatten().collect();
    assert_eq!(prefixes.len(), 5, "{prefixes:?}");
    assert!(prefixes.iter().any(|of| of["prefix"] == "set:" && of["keys"] == 3), "{prefixes:?}");
    assert!(text.contains("keys by what stands before the first separator:\n"), "{text}");
    assert!(text.contains("to load it a server needs: about ") && text.contains("Redis 8.6.3"), "{text}");
    Ok(())
}

#[test]
fn the_largest_keys_are_named() -> TestResult {
    let mut w = RdbWriter::redis(11);
    w.select_db(0);
    for n in 0..30_usize {
        w.string_key(format!("user:{n}").as_bytes(), &vec![b'x'; 100 * (n * 7 % 30)]);
    }
    let bytes = w.finish();
    let (file, text) = on(&bytes, &[])?;
    let largest: Vec<_> = file["stats"]["largest"].as_array().into_iter().flatten().collect();
    let sizes: Vec<_> = largest.iter().map(|key| number(&key["bytes"])).collect();
    assert_eq!(sizes.len(), 10);
    assert!(sizes.is_sorted_by(|a, b| a >= b), "{sizes:?}");
    // 7 * 17 is 29 more than three times 30.
    assert_eq!(largest[0]["key"], "user:17");
    assert!(text.contains("key \"user:17\""), "{text}");
    let offset = usize::try_from(number(&largest[0]["offset"]))?;
    assert_eq!(&bytes[offset..offset + 9], b"\x00\x07user:17");
    let (hidden, text) = on(&bytes, &["--redact"])?;
    assert!(!hidden.to_string().contains("user:") && !text.contains("user:"), "{text}");
    Ok(())
}

/// Of an append-only set the numbers are those of its image, and the commands are listed by name.
#[test]
fn a_set_has_the_numbers_of_its_image() -> TestResult {
    let folder = testdata().join("aof/sets");
    let set = "redis-8.6-timestamps-preamble";
    let output = crate::aof::aofcheck(&folder, &["--stats", "--json", set]).output();
    let document: Value = serde_json::from_str(&ran(output)?.out)?;
    assert_eq!(document["files"][0]["stats"]["databases"]["2"]["string"]["keys"], 4);
    let text = ran(crate::aof::aofcheck(&folder, &["--stats", set]).output())?.out;
    assert!(!text.contains("other names") && text.contains("1 XGROUP") | text.contains("2 XGROUP"), "{text}");
    Ok(())
}

/// Records that damage ends are in no table, and hostile counts are not taken at their word.
#[test]
fn what_is_cut_has_no_size() -> TestResult {
    let mut w = RdbWriter::redis(11);
    w.select_db(0)
        .string_key(b"whole", b"v")
        .key(2, b"huge")
        .raw(b"\x81\x7f\xff\xff\xff\xff\xff\xff\xff")
        .str(b"member");
    let (file, _) = on(&w.finish(), &[])?;
    assert_eq!(file["stats"]["databases"]["0"].as_object().map(|types| types.len()), Some(1));
    // Three zeros are an empty string under an empty name, but in a hole no key.
    let mut w = RdbWriter::redis(11);
    w.select_db(0).string_key(b"a", b"v").raw(&[0; 300]).string_key(b"b", b"w");
    let (file, _) = on(&w.finish(), &[])?;
    assert_eq!(file["stats"]["databases"]["0"]["string"]["keys"], 2, "{file}");
    assert_eq!(run(&["--stats", "--quick", "redis-7.0-streams.rdb"])?.code, Some(0));
    Ok(())
}

/// As many keys as the counts say: one alone whose record is three zero bytes is a key, in a hole none is.
#[test]
fn an_empty_string_under_an_empty_name_is_a_key() -> TestResult {
    let file = |records: &[&[u8]]| {
        let mut w = RdbWriter::redis(11);
        w.select_db(3);
        for record in records {
            w.raw(record);
        }
        w.finish()
    };
    let (zeros, key): (&[u8], &[u8]) = (&[0; 3], b"\x00\x01k\x01v");
    for (records, keys) in [
        (vec![zeros], 1),
        (vec![zeros, key], 2),
        (vec![key, zeros], 2),
        (vec![zeros, key, zeros], 3),
        (vec![key, zeros, zeros, key], 2),
        (vec![zeros, zeros, zeros], 0),
    ] {
        let (file, _) = on(&file(&records), &[])?;
        let strings = &file["stats"]["databases"]["3"]["string"]["keys"];
        assert_eq!((number(&file["counts"]["keys"]), strings.as_u64().unwrap_or(0)), (keys, keys), "{records:?}");
    }
    Ok(())
}

#[test]
fn expiries_and_uses_are_told() -> TestResult {
    let now: i64 = crate::NOW.parse::<i64>()? * 1000;
    let mut w = RdbWriter::redis(11);
    w.select_db(0);
    for seconds in 1..=100 {
        w.raw(&[0xfc]).raw(&(now + seconds * 1000).to_le_bytes()).raw(&[0xf9, 7]);
        w.string_key(format!("a:{seconds}").as_bytes(), b"v");
    }
    w.raw(&[0xfc]).raw(&(now - 1000).to_le_bytes()).string_key(b"a:expired", b"v");
    w.raw(&[0xf8, 50]).string_key(b"a:idle", b"v");
    let (file, text) = on(&w.finish(), &[])?;
    let of = &file["stats"]["databases"]["0"]["string"];
    assert_eq!((&of["keys"], &of["expires"], &of["expired"]), (&102.into(), &101.into(), &1.into()));
    let (ttl, idle, frequency) = (&of["ttl_seconds"], &of["idle_seconds"], &of["frequency"]);
    assert_eq!((&ttl["max"], &ttl["total"]), (&100.into(), &5050.into()), "{ttl}");
    // 1, 2 and 3, 4 to 7...
    assert_eq!(ttl["powers"], serde_json::json!([1, 2, 4, 8, 16, 32, 37]), "{ttl}");
    assert_eq!((&idle["total"], &frequency["total"], &frequency["max"]), (&50.into(), &700.into(), &7.into()));
    assert!(text.contains("time to live p50") && text.contains("1.6 min"), "{text}");
    Ok(())
}

#[test]
fn prefixes_are_counted_at_each_depth() -> TestResult {
    let mut w = RdbWriter::redis(11);
    w.select_db(0);
    for name in ["user:1:name", "user:1/mail", "user:2", "web/a:b", "plain"] {
        w.string_key(name.as_bytes(), b"v");
    }
    let bytes = w.finish();
    let (file, text) = on(&bytes, &["--separators", ":/", "--prefix-depth", "2"])?;
    let keys = |list: &Value| -> Vec<(String, u64)> {
        let of = |of: &Value| (of["prefix"].as_str().unwrap_or("?").to_owned(), number(&of["keys"]));
        list.as_array().into_iter().flatten().map(of).collect()
    };
    let stats = &file["stats"];
    let owned = |of: &[(&str, u64)]| of.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect::<Vec<_>>();
    assert_eq!(keys(&stats["prefixes"]), owned(&[("user:", 3), ("web/", 1)]));
    let deeper = &stats["deeper_prefixes"][0];
    assert_eq!(keys(&deeper["prefixes"]), owned(&[("user:1/", 1), ("user:1:", 1), ("web/a:", 1)]));
    assert_eq!(deeper["without_prefix"]["keys"], 2);
    assert!(
        text.contains("keys by what stands before separator 2:\n") && text.contains("with fewer separators"),
        "{text}"
    );
    let (file, _) = on(&bytes, &["--prefix-depth", "0"])?;
    assert_eq!(file["stats"]["prefixes"], serde_json::json!([]));
    Ok(())
}
