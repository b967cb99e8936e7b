//! Append-only files whose line ends were changed, and what a salvage brings back: the original, byte for byte, but for commands with a
//! value of which it cannot be told.

use std::error::Error;
use std::fs;
use std::path::Path;

use redis_persistence::aof::dir;
use redis_persistence::repair::aof::salvage::{LineEnds, Salvage, SalvageOptions, SkipKind, salvage, write};
use testkit::resp::record;
use testkit::rng::Rng;

type TestResult = Result<(), Box<dyn Error>>;

/// What is done to a file.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Change {
    /// Every CR LF becomes LF.
    Lost,
    /// Every LF becomes CR LF.
    Doubled,
    /// Every LF without a CR becomes CR LF.
    Smart,
    /// The first half loses the CRs.
    Half,
}

impl Change {
    fn apply(self, data: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for (at, byte) in data.iter().enumerate() {
            let after_return = at > 0 && data[at - 1] == b'\r';
            let lost = self == Self::Lost || self == Self::Half && at < data.len() / 2;
            match byte {
                b'\n' if lost && after_return => {
                    out.pop();
                }
                b'\n' if self == Self::Doubled || self == Self::Smart && !after_return => out.push(b'\r'),
                _ => {}
            }
            out.push(*byte);
        }
        out
    }
}

/// What a salvage finds, and what it writes.
fn salvaged(folder: &Path, data: &[u8]) -> Result<(Salvage, Vec<u8>), Box<dyn Error>> {
    let (file, out) = (folder.join("a.aof"), folder.join("out"));
    if out.exists() {
        fs::remove_dir_all(&out)?;
    }
    fs::write(&file, data)?;
    let plan = salvage(&dir::find_on_disk(&file)?, SalvageOptions::default())?;
    write(&plan, &out, false, &mut |_| {})?;
    Ok((plan, fs::read(out.join("a.aof"))?))
}

fn seen(plan: &Salvage) -> LineEnds {
    plan.files[0].line_ends.expect("its line ends are what is wrong")
}

/// Values without line ends, with whole ones, and with bare line feeds. A line in one that is the head of a record leaves two ways.
fn value(rng: &mut Rng, parts: &[&str]) -> Vec<u8> {
    (0..rng.size(0..=6)).flat_map(|_| rng.pick(parts).bytes().collect::<Vec<_>>()).collect()
}

fn file(rng: &mut Rng, parts: &[&str]) -> Vec<Vec<u8>> {
    let mut records = vec![record(&["SELECT", "3"])];
    for number in 0..rng.size(5..=40) {
        let (key, value) = (format!("key:{number}"), value(rng, parts));
        records.push(record(&[b"SET", key.as_bytes(), &value]));
        if rng.chance(5) {
            records.push(b"#TS:1700000000\r\n".to_vec());
        }
        if rng.chance(10) {
            records.extend([record(&["MULTI"]), record(&[&b"RPUSH"[..], b"l", &value, b"x"]), record(&["EXEC"])]);
        }
    }
    records
}

#[test]
fn files_come_back_as_they_were() -> TestResult {
    let folder = tempfile::tempdir()?;
    let mut changed = 0;
    for seed in 0..120 {
        let mut rng = Rng::new(seed);
        for (change, parts) in [
            (Change::Lost, &["a", "line\r\n", "\r\n", "$3z", "*1z", "\r", "\u{ff}"][..]),
            (Change::Lost, &["a", "line\n", "\n", "$3z", "*1z", "x"]),
            (Change::Doubled, &["a", "line\r\n", "\n", "b\n", "$3z", "*1z", "\r"]),
            (Change::Half, &["a", "b", "plain text"]),
        ] {
            let original = file(&mut rng, parts).concat();
            let broken = change.apply(&original);
            let (plan, written) = salvaged(folder.path(), &broken)?;
            let same = original.iter().zip(&written).take_while(|(a, b)| a == b).count();
            let from = |data: &[u8]| {
                data[same.saturating_sub(40)..].iter().take(120).copied().collect::<Vec<_>>().escape_ascii().to_string()
            };
            assert_eq!(from(&written), from(&original), "{change:?}, seed {seed}");
            assert_eq!(written.len(), original.len(), "{change:?}, seed {seed}");
            assert_eq!((plan.files[0].account.skipped.len(), seen(&plan).unproven), (0, 0), "{change:?}, seed {seed}");
            changed += seen(&plan).values;
        }
    }
    assert!(changed > 500, "{changed} values were brought back");
    Ok(())
}

/// Values that hold line ends of both kinds are lost with their command, and with its transaction; nothing else is.
#[test]
fn what_cannot_be_told_is_left_out_and_named() -> TestResult {
    let folder = tempfile::tempdir()?;
    let both = record(&[&b"SET"[..], b"both", b"a\r\nb\nc\r\n"]);
    let torn = [record(&["MULTI"]), record(&["SET", "in", "1"]), both.clone(), record(&["EXEC"])].concat();
    let (before, between, after) =
        (record(&["SET", "a", "1\r\n"]).repeat(2), record(&["SET", "b", "2"]), record(&["SET", "c", "3"]));
    let original = [&before[..], &both, &between, &torn, &after].concat();
    let (plan, written) = salvaged(folder.path(), &Change::Lost.apply(&original))?;
    assert_eq!(written.escape_ascii().to_string(), [before, between, after].concat().escape_ascii().to_string());
    assert_eq!((seen(&plan).unproven, plan.files[0].account.kept_commands), (2, 4));
    let kinds: Vec<_> = plan.files[0].account.skipped.iter().map(|skip| (skip.kind, skip.commands)).collect();
    let (value, rest) = (SkipKind::LineEnds, SkipKind::Transaction);
    assert_eq!(kinds, [(value, 1), (rest, 2), (value, 1), (rest, 1)]);
    assert!(plan.describe().iter().any(|line| line.contains("2 cannot: their commands go")), "{:?}", plan.describe());
    Ok(())
}

/// Some programs leave a line feed alone that has its CR: only values change.
#[test]
fn values_alone_may_have_changed() -> TestResult {
    let folder = tempfile::tempdir()?;
    let original =
        [record(&["SET", "a", "1\n2\n"]), record(&["SET", "b", "\n"]), record(&["SET", "c", "x\r\n"])].concat();
    let (plan, written) = salvaged(folder.path(), &Change::Smart.apply(&original))?;
    assert!(written == original, "{}", written.escape_ascii());
    assert_eq!((seen(&plan).lost, seen(&plan).doubled, seen(&plan).values), (0, 0, 2));
    Ok(())
}

/// A torn end and damage in the middle beside the line ends.
#[test]
fn other_damage_takes_no_more_than_itself() -> TestResult {
    let folder = tempfile::tempdir()?;
    let records: Vec<_> = (0..50).map(|n| record(&["SET", &format!("k{n}"), "v\r\nv"])).collect();
    let broken = Change::Lost.apply(&records.concat());
    let (_, written) = salvaged(folder.path(), &broken[..broken.len() - 4])?;
    assert!(written == records[..49].concat(), "{}", written.escape_ascii());

    let mut hole = broken.clone();
    let at = Change::Lost.apply(&records[..20].concat()).len() + 3;
    hole[at..at + 9].fill(0);
    let (plan, written) = salvaged(folder.path(), &hole)?;
    let rest = [records[..20].concat(), records[21..].concat()].concat();
    assert!(written == rest, "{}", written.escape_ascii());
    assert_eq!(plan.files[0].account.skipped[0].kind, SkipKind::Damage);
    Ok(())
}

/// A length that is damaged is no line end that was changed.
#[test]
fn one_damaged_length_is_not_taken_for_line_ends() -> TestResult {
    let folder = tempfile::tempdir()?;
    let data = [record(&["SET", "a", "x\r\ny"]), record(&["SET", "b", "1"]), record(&["SET", "c", "2"])].concat();
    let text = String::from_utf8(data)?.replacen("$4\r\nx", "$3\r\nx", 1);
    let (plan, _) = salvaged(folder.path(), text.as_bytes())?;
    assert_eq!(plan.files[0].line_ends, None);
    Ok(())
}

/// Bytes that look like heads at every place take linear time.
#[test]
fn hostile_files_take_no_longer() -> TestResult {
    let folder = tempfile::tempdir()?;
    let begun = crate::timed::Clock::start();
    let head = record(&["SET", "a", "1"]);
    for unit in ["*2\n$999999999\n", "*1\n$3\nSET\n*3\n", "\n", "*1\n$9\nSET\n\n\n\n\n\n"] {
        let data = [Change::Lost.apply(&head.repeat(4)), unit.repeat(200_000).into_bytes()].concat();
        let file = folder.path().join("hostile.aof");
        fs::write(&file, &data)?;
        salvage(&dir::find_on_disk(&file)?, SalvageOptions::default())?;
    }
    assert!(begun.elapsed().as_secs() < 240, "{:?}", begun.elapsed());
    Ok(())
}

/// A command that no server knows, or not so, is left out as in any other salvage.
#[test]
fn what_no_server_knows_is_not_believed() -> TestResult {
    let folder = tempfile::tempdir()?;
    let (before, after) = (record(&["SET", "a", "1"]).repeat(2), record(&["HSET", "h", "f", "v"]));
    let original = [&before[..], &record(&["SET", "b"]), &record(&["DISCARD"]), &after].concat();
    let (plan, written) = salvaged(folder.path(), &Change::Lost.apply(&original))?;
    assert_eq!(written.escape_ascii().to_string(), [before, after].concat().escape_ascii().to_string());
    let skipped: Vec<_> = plan.files[0].account.skipped.iter().map(|skip| (skip.kind, skip.commands)).collect();
    assert_eq!(skipped, [(SkipKind::Damage, 0)]);
    Ok(())
}

/// What is done to one record.
#[derive(Debug, Clone, Copy)]
enum Damage {
    /// Its first byte is zero.
    Star,
    /// The bytes of its name are zeros.
    Name,
    /// Its second half is missing.
    Half,
    /// Bytes that are no record stand before it.
    Between,
    /// It is missing.
    Gone,
}

impl Damage {
    const ALL: [Self; 5] = [Self::Star, Self::Name, Self::Half, Self::Between, Self::Gone];

    fn apply(self, record: &[u8], name: &[u8]) -> Vec<u8> {
        let mut record = record.to_vec();
        match self {
            Self::Star => record[0] = 0,
            Self::Name => {
                let at = record.windows(name.len()).position(|window| window == name).expect("it has this name");
                record[at..at + name.len()].fill(0);
            }
            Self::Half => record.truncate(record.len() / 2),
            Self::Between => record = [&b"\0\0\0\0\0\0\0\0"[..], &record].concat(),
            Self::Gone => record.clear(),
        }
        record
    }
}

/// A transaction among other commands, its records by name; in one database or two, and with another MULTI in it.
fn around_a_transaction(databases: u32, nested: bool) -> Vec<(&'static str, Vec<u8>)> {
    let set = |key: String| ("SET", record(&[&b"SET"[..], key.as_bytes(), b"x\r\ny"]));
    let one = |name: &'static str| (name, record(&[name]));
    let mut records: Vec<_> = (0..20).map(|n| set(format!("before:{n}"))).collect();
    records.extend([one("MULTI"), set("in:a".into()), set("in:b".into())]);
    if nested {
        records.extend([one("MULTI"), set("in:c".into())]);
    }
    records.extend([one("EXEC"), set("between:1".into()), set("between:2".into())]);
    for db in 0..databases {
        records.push(("SELECT", record(&["SELECT", &db.to_string()])));
        records.extend((0..4).map(|n| set(format!("{db}:{n}"))));
    }
    records.extend([one("MULTI"), set("last:a".into()), one("EXEC")]);
    records.extend((0..6).map(|n| set(format!("after:{n}"))));
    records
}

/// Damage at each place of a file, the places of a transaction among them, leaves what it leaves where no line end was changed:
/// no command of a torn transaction, and none in another database.
#[test]
fn damage_leaves_as_much_as_without_changed_line_ends() -> TestResult {
    let folder = tempfile::tempdir()?;
    // What stands before is alike.
    const FIRST: usize = 17;
    let mut cases = 0;
    for (databases, nested) in [(1, true), (2, false)] {
        let records = around_a_transaction(databases, nested);
        for (place, damage) in (FIRST..records.len()).flat_map(|at| Damage::ALL.map(|damage| (at, damage))) {
            let with = |change: &dyn Fn(&[u8]) -> Vec<u8>| {
                let parts = records.iter().enumerate().map(|(at, (name, record))| {
                    let record = change(record);
                    if at == place { damage.apply(&record, name.as_bytes()) } else { record }
                });
                parts.collect::<Vec<_>>().concat()
            };
            let (plain, expected) = salvaged(folder.path(), &with(&<[u8]>::to_vec))?;
            assert_eq!(plain.files[0].line_ends, None);
            for change in [Change::Lost, Change::Doubled] {
                let (plan, written) = salvaged(folder.path(), &with(&|record| change.apply(record)))?;
                let case = format!("{databases} {nested} {change:?} {damage:?} at {place} ({})", records[place].0);
                assert!(plan.files[0].line_ends.is_some(), "{case}");
                let shown = || format!("{}\n{}", plain.describe().join("\n"), plan.describe().join("\n"));
                assert_eq!(
                    written.escape_ascii().to_string(),
                    expected.escape_ascii().to_string(),
                    "{case}:\n{}",
                    shown()
                );
                cases += 1;
            }
        }
    }
    assert!(cases > 500, "{cases}");
    Ok(())
}
