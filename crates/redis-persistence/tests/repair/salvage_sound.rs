//! What a salvage writes is sound: whatever a verification holds against a whole file, and not against one record of it, is left out.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::fs;
use std::io::Cursor;

use redis_persistence::aof::dir::find_on_disk;
use redis_persistence::rdb::Payload;
use redis_persistence::reader::Reader;
use redis_persistence::repair::aof::salvage::{SalvageOptions, SalvagedFile, salvage, write};
use redis_persistence::repair::rdb::salvage::{Loss, Options, Plan, plan};
use redis_persistence::verify::{self, Code, Verdict};
use testkit::manifest::Manifest;
use testkit::rdb::{KeyMeta, ModuleOp, RdbWriter, StrForm, Value, key_meta_spec};
use testkit::resp::AofWriter;

fn planned(file: &[u8]) -> Plan {
    plan(&mut Cursor::new(file), &Options::default()).unwrap()
}

/// Salvages a file; what is written is sound, has as many keys as was told, and is all found by a second salvage.
fn salvaged(file: &[u8]) -> (Loss, Vec<u8>) {
    let plan = planned(file);
    let mut out = Vec::new();
    plan.write(&mut Cursor::new(file), &mut out).unwrap();
    let report = verify::slice(&out, &verify::Options::default());
    assert_eq!(report.verdict, Verdict::Sound, "{:?}\n{:?}", report.findings, plan.loss);
    assert_eq!(report.counts.keys, plan.loss.keys, "{:?}", plan.loss);
    let again = planned(&out).loss;
    assert_eq!((again.keys, again.skipped.len()), (plan.loss.keys, 0), "{again:?}");
    (plan.loss, out)
}

const KEYS: u64 = 20;

/// The names of the keys in a file.
fn names(file: &[u8]) -> BTreeSet<String> {
    let mut reader = Reader::new(file);
    let mut names = BTreeSet::new();
    while let Some(event) = reader.next().unwrap() {
        if let Payload::Record(record) = &event.payload {
            names.insert(record.key.decode().unwrap().escape_ascii().to_string());
        }
    }
    names
}

/// Adds keys, and an end with no checksum.
fn with_keys(w: &mut RdbWriter) -> Vec<u8> {
    w.select_db(0).resize_db(KEYS, 0);
    for n in 0..KEYS {
        w.string_key(format!("key:{n}").as_bytes(), b"value");
    }
    w.finish_with(0)
}

fn template_hash(w: &mut RdbWriter, name: &[u8], value: &Value) {
    w.key(value.type_byte(), name);
    value.encode(w);
}

/// Compressed bytes of a known length that reach back before their start.
const DAMAGED: [u8; 7] = [0xC3, 4, 30, 0xFF, 0xFF, 0xFF, 0xFF];

#[test]
fn a_damaged_template_goes_with_the_hashes_that_refer_to_it() {
    let mut w = RdbWriter::redis(15);
    w.raw(&[0xF2]).len(7).len(1).raw(&DAMAGED);
    let damaged = w.pos();
    w.hash_template(8, &[b"field"]).select_db(0);
    template_hash(&mut w, b"of:damaged", &Value::HashTmplArrayRef { id: 7, values: vec![b"1".to_vec()] });
    template_hash(&mut w, b"of:sound", &Value::HashTmplArrayRef { id: 8, values: vec![b"2".to_vec()] });
    let (loss, out) = salvaged(&with_keys(&mut w));
    assert_eq!(loss.keys, KEYS + 1, "{loss:?}");
    assert_eq!(loss.skipped.first().map(|range| (range.start, range.end)), Some((9, damaged as u64)));
    let lost: Vec<_> = loss.damaged.iter().map(|key| (&key.name[..], key.code)).collect();
    assert_eq!(lost, [(&b"of:damaged"[..], Some(Code::TemplateUnknown))]);
    let kept = names(&out);
    assert!(kept.contains("of:sound") && !kept.contains("of:damaged"), "{kept:?}");
}

/// Servers refuse two templates of one number. The first one is kept, and hashes that do not fit it are lost.
#[test]
fn a_second_template_of_a_number_goes_with_its_hashes() {
    let mut w = RdbWriter::redis(15);
    w.hash_template(7, &[b"a", b"b"]);
    let second = w.pos() as u64;
    w.hash_template(7, &[b"a"]);
    let behind = w.pos() as u64;
    w.select_db(0);
    template_hash(&mut w, b"of:second", &Value::HashTmplArrayRef { id: 7, values: vec![b"1".to_vec()] });
    let (loss, out) = salvaged(&with_keys(&mut w));
    let skipped = loss.skipped.first().map(|range| (range.start, range.end));
    assert_eq!((loss.keys, loss.damaged_total, skipped), (KEYS, 1, Some((second, behind))), "{loss:?}");
    assert!(!names(&out).contains("of:second"));
}

#[test]
fn a_hash_of_a_template_has_no_command_and_those_behind_it_have() {
    let mut w = RdbWriter::redis(15);
    w.hash_template(7, &[b"a", b"b"]).select_db(0);
    template_hash(&mut w, b"of:two", &Value::HashTmplArrayRef { id: 7, values: vec![b"1".to_vec(), b"2".to_vec()] });
    let file = with_keys(&mut w);
    let plan = planned(&file);
    let mut commands = Vec::new();
    let written = plan.write_commands(&mut Cursor::new(&file), &Options::default(), &mut commands).unwrap();
    assert_eq!((plan.loss.keys, written.keys), (KEYS + 1, KEYS));
}

#[test]
fn opcodes_that_no_server_takes_are_left_out() {
    let aux: fn(&mut RdbWriter) = |w| _ = w.raw(&[0xFA]).str(b"redis-ver").raw(&DAMAGED);
    let library: fn(&mut RdbWriter) = |w| _ = w.function_pre_ga(b"#!lua name=a\n", b"LUA", None, b"return 1");
    for (name, add) in [("a field whose value is damaged", aux), ("a library of a release candidate", library)] {
        let mut w = RdbWriter::redis(11);
        add(&mut w);
        let (loss, out) = salvaged(&with_keys(&mut w));
        assert_eq!((loss.keys, loss.functions), (KEYS, 0), "{name}: {loss:?}");
        assert_eq!(out.windows(7).filter(|window| *window == DAMAGED).count(), 0, "{name}");
    }
}

/// Metadata must be followed by the key itself: else it is skipped, and the key is saved without it.
#[test]
fn a_key_that_does_not_follow_its_metadata_is_saved_without_it() {
    let meta = [KeyMeta { spec: key_meta_spec("test", 1, 1), ops: vec![ModuleOp::Uint(3)] }];
    for (name, between) in [("", None), ("an expiry", Some(1_900_000_000_000))] {
        let mut w = RdbWriter::redis(14);
        w.select_db(0).key_meta(&meta);
        if let Some(ms) = between {
            w.expire_ms(ms);
        }
        w.string_key(b"with:meta", b"value");
        let (loss, out) = salvaged(&with_keys(&mut w));
        assert_eq!((loss.keys, loss.skipped.len()), (KEYS + 1, usize::from(between.is_some())), "{name}: {loss:?}");
        assert!(names(&out).contains("with:meta"), "{name}");
    }
}

/// The head of a key says which type it has, and what is left of its value is no use to servers that have no such type.
#[test]
fn a_part_of_what_only_the_other_family_has_is_lost() {
    for (valkey, lost) in [(false, false), (true, true)] {
        let mut w = if valkey { RdbWriter::valkey(80) } else { RdbWriter::redis(12) };
        w.select_db(0);
        for n in 0..KEYS {
            w.string_key(format!("before:{n}").as_bytes(), b"value");
        }
        w.key(24, b"before:all").i64_le(1_900_000_000_000).len(5 * KEYS);
        for n in 0..4 * KEYS {
            w.len(1).str(format!("field:{n}").as_bytes()).str(b"value");
        }
        w.raw(&[0xC4; 9]);
        let file = with_keys(&mut w);
        let options = Options { partial: true, ..Options::default() };
        let plan = plan(&mut Cursor::new(&file), &options).unwrap();
        let mut out = Vec::new();
        plan.write(&mut Cursor::new(&file), &mut out).unwrap();
        let report = verify::slice(&out, &verify::Options::default());
        assert_eq!(report.verdict, Verdict::Sound, "{:?}", report.findings);
        assert_eq!(plan.loss.partial_total, u64::from(!lost), "{:?}", plan.loss);
    }
}

/// Names that look like those of no other key are doubted where something is damaged, and nowhere else.
#[test]
fn nothing_is_doubted_in_a_file_whose_checksum_fits() {
    let mut w = RdbWriter::redis(11);
    w.select_db(0);
    for n in 0..KEYS {
        w.string_key(format!("key:{n}").as_bytes(), b"value");
    }
    let odd: [&[u8]; 3] = [b"", b"\x00\x01", b"\xff\x80\x00\x9c\x03"];
    for name in odd {
        w.key(0, name).str_as(StrForm::Raw, b"");
    }
    let sound = w.finish();
    let loss = planned(&sound).loss;
    assert_eq!((loss.keys, loss.skipped.len()), (KEYS + 3, 0), "{loss:?}");
    // Where they lie between others, those prove them; in front of damage nothing does.
    let mut damaged = sound.clone();
    damaged[9 + 2 + 4] ^= 0x20;
    assert_eq!(planned(&damaged).loss.keys, KEYS + 3);
    let mut damaged = sound;
    let end = damaged.len() - 9;
    damaged[end] ^= 0x20;
    assert!(planned(&damaged).loss.keys < KEYS + 3);
}

/// Salvages one append-only file; what is written is sound, and a second salvage keeps all of it.
fn salvaged_aof(file: &[u8]) -> SalvagedFile {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("appendonly.aof");
    fs::write(&path, file).unwrap();
    let of = |path| salvage(&find_on_disk(path).unwrap(), SalvageOptions::default()).unwrap();
    let mut plan = of(&path);
    let out = root.path().join("out");
    let report = write(&plan, &out, false, &mut |_| ()).unwrap().report;
    assert_eq!(report.verdict, Verdict::Sound, "{:?}\n{plan:?}", report.findings);
    assert!(of(&out.join("appendonly.aof")).is_whole());
    plan.files.remove(0)
}

fn sets(w: &mut AofWriter, from: u64) {
    for n in from..from + KEYS {
        w.record(&["SET", &format!("key:{n}"), "value"]);
    }
}

#[test]
fn commands_that_the_newest_servers_refuse_are_left_out() {
    let mut w = AofWriter::new();
    w.select(0);
    sets(&mut w, 0);
    // 6.2 answers this to a browser, and no later server knows it.
    w.record(&["HOST:", "localhost"]);
    sets(&mut w, KEYS);
    let file = salvaged_aof(&w.take());
    assert_eq!((file.account.kept_commands, file.account.skipped.len()), (2 * KEYS + 1, 1), "{file:?}");
}

/// A command of Valkey alone belongs to a file of Valkey, and to one that does not say whose it is.
#[test]
fn the_image_tells_which_commands_there_are() {
    let image = |valkey: bool| {
        let mut w = if valkey { RdbWriter::valkey(80) } else { RdbWriter::redis(12) };
        w.select_db(0).resize_db(1, 0).string_key(b"k", b"v").finish()
    };
    for (image, kept) in [(Vec::new(), true), (image(true), true), (image(false), false)] {
        let mut w = AofWriter::new();
        w.raw(&image).select(0);
        sets(&mut w, 0);
        w.record(&["DELIFEQ", "key:1", "value"]);
        sets(&mut w, KEYS);
        let file = salvaged_aof(&w.take());
        assert_eq!(file.account.kept_commands, 2 * KEYS + 1 + u64::from(kept), "{file:?}");
    }
}

/// The EXEC betrays that records are missing somewhere before it, which may be before the command that is damaged.
#[test]
fn an_exec_without_a_multi_behind_a_damaged_command() {
    let mut w = AofWriter::new();
    w.select(0);
    sets(&mut w, 0);
    let damaged = w.pos() + b"*3\r\n$3\r\nSET\r\n$6\r\nkey:20\r\n".len();
    sets(&mut w, KEYS);
    w.exec();
    sets(&mut w, 2 * KEYS);
    let mut file = w.take();
    file[damaged] = 0xDF;
    let file = salvaged_aof(&file);
    let skipped: Vec<_> = file.account.skipped.iter().map(|skip| skip.kind.as_str()).collect();
    assert!(skipped.contains(&"damage") && skipped.len() <= 3, "{file:?}");
}

/// Servers abort on a key that they have already, unless a command between the images may have deleted it.
#[test]
fn images_with_a_key_in_common_are_no_set() {
    let image = |name: &[u8], damaged: bool| {
        let mut w = RdbWriter::redis(11);
        w.select_db(0).resize_db(KEYS + 1, 0).string_key(name, b"v");
        for n in 0..KEYS {
            w.string_key(format!("{}:{n}", name.escape_ascii()).as_bytes(), b"value");
        }
        let mut file = w.finish();
        if damaged {
            let end = file.len() - 40;
            file[end..end + 20].fill(0xEE);
        }
        file
    };
    let plan_of = |base: Vec<u8>, incr: Vec<u8>| {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("a.1.base.rdb"), base).unwrap();
        fs::write(root.path().join("a.1.incr.aof"), incr).unwrap();
        let manifest = Manifest::new().base("a.1.base.rdb", 1).incr("a.1.incr.aof", 1).take();
        fs::write(root.path().join("a.manifest"), manifest).unwrap();
        let path = root.path().join("a.manifest");
        let plan = salvage(&find_on_disk(&path).unwrap(), SalvageOptions::default()).unwrap();
        if plan.reasons.is_empty() {
            let report = write(&plan, &root.path().join("out"), false, &mut |_| ()).unwrap().report;
            assert_eq!(report.verdict, Verdict::Sound, "{:?}\n{plan:?}", report.findings);
        }
        plan.reasons.len()
    };
    for damaged in [false, true] {
        assert_eq!(plan_of(image(b"k", damaged), image(b"k", false)), 1, "{damaged}");
        assert_eq!(plan_of(image(b"k", false), image(b"k", damaged)), 1, "{damaged}");
        assert_eq!(plan_of(image(b"k", damaged), image(b"other", damaged)), 0, "{damaged}");
        let with_command = [image(b"k", damaged), AofWriter::new().record(&["DEL", "k"]).take()].concat();
        assert_eq!(plan_of(with_command, image(b"k", damaged)), 0, "{damaged}");
    }
}

/// Servers up to 6.2 store each script as a field, some of them behind the keys.
#[test]
fn every_script_is_kept_and_is_a_command() {
    let mut w = RdbWriter::redis(9);
    w.aux(b"ctime", b"1").aux(b"ctime", b"2").aux(b"lua", b"return 'one'").aux(b"lua", b"return 'two'");
    w.select_db(0).resize_db(1, 0).string_key(b"key", b"value");
    w.aux(b"lua", b"return 'three'");
    let file = w.finish_with(0);
    let (_, out) = salvaged(&file);
    let mut commands = Vec::new();
    planned(&file).write_commands(&mut Cursor::new(&file), &Options::default(), &mut commands).unwrap();
    let found =
        |text: &[u8], script: &str| text.windows(script.len()).filter(|part| *part == script.as_bytes()).count();
    for script in ["return 'one'", "return 'two'", "return 'three'"] {
        assert_eq!(found(&out, script), 1, "{script}");
        let command = format!("*3\r\n$6\r\nSCRIPT\r\n$4\r\nLOAD\r\n${}\r\n{script}\r\n", script.len());
        assert_eq!(found(&commands, &command), 1, "{script}");
    }
    assert_eq!(found(&out, "ctime"), 1);
}

/// In a file -1 is no expiry; RESTORE takes 0 for none, and nothing below.
#[test]
fn an_expiry_of_long_ago_is_one_for_restore() {
    let mut w = RdbWriter::redis(9);
    let cases = [("minus", -1, 0), ("negative", -2000, 1), ("zero", 0, 1), ("one", 1, 1), ("later", 5000, 5000)];
    w.select_db(0).resize_db(5, 5);
    for (name, ms, _) in cases {
        w.expire_ms(ms).string_key(name.as_bytes(), b"value");
    }
    let file = w.finish_with(0);
    let mut commands = Vec::new();
    let options = Options { sound: true, ..Options::default() };
    let plan = plan(&mut Cursor::new(&file), &options).unwrap();
    let written = plan.write_commands(&mut Cursor::new(&file), &options, &mut commands).unwrap();
    assert_eq!(written.keys, 5);
    for (name, _, ttl) in cases {
        let wanted = format!("RESTORE\r\n${}\r\n{name}\r\n${}\r\n{ttl}\r\n", name.len(), ttl.to_string().len());
        assert!(commands.windows(wanted.len()).any(|part| part == wanted.as_bytes()), "{name}");
    }
}
