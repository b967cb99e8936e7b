//! Salvage of damaged RDB files: what was not touched is found again, nothing is made up, and a server loads all of it.
//!
//! `SALVAGE_CASES=500` tries so many files instead of 24, and prints what became of the keys; `SALVAGE_FROM=500` tries others.
//! A damaged file that fails is left among the temporary files: those that a server made are never the same twice.

use crate::harm;
use crate::sources;
use crate::truth;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::io::{Cursor, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::OnceLock;

use harm::{HARMS, Harm, Harmed, harm};
use redis_persistence::Limits;
use redis_persistence::rdb::Family;
use redis_persistence::repair::rdb::salvage::{Loss, Options, plan};
use redis_persistence::verify::{self, Code, Verdict};
use sources::{Source, binary, sources};
use testkit::rdb::RdbWriter;
use testkit::rng::Rng;
use testkit::server::{LoadVerdict, Product, Server, load_verdict, require};
use truth::{Held, by_name, keys};

fn asked(variable: &str) -> Option<usize> {
    std::env::var(variable).ok().and_then(|n| n.parse().ok())
}

/// The numbers of the cases: spread over sources and kinds of damage, however few there are.
fn cases() -> Vec<usize> {
    let count = asked("SALVAGE_CASES").unwrap_or(24);
    let from = asked("SALVAGE_FROM").unwrap_or(0);
    (0..count).map(|n| from + if count < 100 { n * 13 } else { n }).collect()
}

fn all_sources() -> &'static [Source] {
    static SOURCES: OnceLock<Vec<Source>> = OnceLock::new();
    SOURCES.get_or_init(sources)
}

/// Keys that were not touched, and how many of them were found.
#[derive(Debug, Default, Clone, Copy)]
struct Share {
    untouched: u64,
    found: u64,
    /// Of the found ones, in another database, and said to be uncertain.
    uncertain: u64,
}

impl Share {
    fn add(&mut self, other: Self) {
        self.untouched += other.untouched;
        self.found += other.found;
        self.uncertain += other.uncertain;
    }

    #[expect(clippy::cast_precision_loss, reason = "percent need no more digits")]
    fn percent(self) -> f64 {
        if self.untouched == 0 { 100.0 } else { self.found as f64 * 100.0 / self.untouched as f64 }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { untouched, found, uncertain } = self;
        write!(f, "{untouched:>9} untouched {found:>9} found {uncertain:>6} uncertain {:>8.3}%", self.percent())
    }
}

/// One damaged file, and what came out of it.
struct Case {
    name: String,
    sound: &'static [u8],
    harmed: Harmed,
    loss: Loss,
    out: Vec<u8>,
}

impl Case {
    fn new(n: usize) -> (Self, Harm) {
        let all = all_sources();
        let kind = HARMS[n / all.len() % HARMS.len()];
        (Self::of(&all[n % all.len()], n, kind), kind)
    }

    fn of(source: &'static Source, n: usize, kind: Harm) -> Self {
        let mut rng = Rng::new(n as u64);
        let regions = rng.size(1..=5);
        let harmed = harm(&source.bytes, kind, regions, &mut rng);
        Self::with(source, format!("case {n}: {}, {kind:?}", source.name), harmed)
    }

    fn with(source: &'static Source, name: String, harmed: Harmed) -> Self {
        let mut input = Cursor::new(&harmed.bytes);
        let plan = plan(&mut input, &Options::default()).expect("memory can be read");
        let mut out = Vec::new();
        plan.write(&mut input, &mut out).expect("memory can be written");
        let name = format!("{name} at {:?}", harmed.was);
        Self { name, sound: &source.bytes, harmed, loss: plan.loss, out }
    }

    /// Holds what came out against what was there, by kind of value; and gives what was made up.
    fn compare(&self) -> (BTreeMap<&'static str, Share>, Vec<String>) {
        let (before, selects) = keys(self.sound);
        let (after, _) = keys(&self.out);
        let found = by_name(&after);
        let mut elsewhere: HashMap<&[u8], Vec<&Held>> = HashMap::new();
        after.iter().for_each(|key| elsewhere.entry(&key.name).or_default().push(key));
        let same = |a: &Held, b: &Held| a.expire == b.expire && a.bytes(self.sound) == b.bytes(&self.out);
        let lost_select = selects
            .iter()
            .any(|select| self.harmed.was.iter().any(|was| was.start < select.end && select.start < was.end));
        let mut shares: BTreeMap<&'static str, Share> = BTreeMap::new();
        for key in before.iter().filter(|key| !key.touches(&self.harmed.was)) {
            let share = shares.entry(key.kind).or_default();
            share.untouched += 1;
            if found.get(&(key.db, &key.name[..])).is_some_and(|other| same(key, other)) {
                share.found += 1;
            } else if lost_select
                && self.loss.uncertain > 0
                && elsewhere.get(&key.name[..]).is_some_and(|others| others.iter().any(|other| same(key, other)))
            {
                share.found += 1;
                share.uncertain += 1;
            }
        }
        let originals = by_name(&before);
        let known: HashSet<&[u8]> = before.iter().map(|key| key.bytes(self.sound)).collect();
        let mut made_up = Vec::new();
        for key in &after {
            let original = originals.get(&(key.db, &key.name[..]));
            let is_original = original.is_some_and(|original| same(original, key))
                || lost_select && self.loss.uncertain > 0 && known.contains(key.bytes(&self.out));
            if !is_original && !self.comes_from_damage(key) {
                made_up.push(format!("{} {} (db {})", key.kind, key.name.escape_ascii(), key.db));
            }
        }
        (shares, made_up)
    }

    /// Whether the key's bytes stand in the damaged file where it was damaged.
    fn comes_from_damage(&self, key: &Held) -> bool {
        let bytes = key.bytes(&self.out);
        // Attributes before it may have been damaged: up to an expiry, an idle time and their opcodes.
        const ATTRIBUTES: usize = 20;
        let touched = |start: usize, end: usize| {
            self.harmed.now.iter().any(|now| now.start < end && start < now.end.max(now.start + 1))
        };
        memchr::memmem::find_iter(&self.harmed.bytes, bytes)
            .any(|at| touched(at.saturating_sub(ATTRIBUTES), at + bytes.len()))
    }
}

/// What a server holds once it has loaded the file must be what was reported; else what it says.
fn load(case: &Case) -> Result<(), String> {
    let Some(installed) = require(Product::Redis70) else { return Ok(()) };
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("dump.rdb"), &case.out).expect("it can be written");
    let verdict = load_verdict(&installed, folder.path(), &[]).expect("the server can be asked");
    let LoadVerdict::Loaded { databases, .. } = verdict else { return Err(format!("{verdict:?}")) };
    let held: BTreeMap<u64, u64> = databases.iter().map(|(db, space)| (u64::from(*db), space.keys)).collect();
    let reported: BTreeMap<u64, u64> =
        case.loss.databases.iter().filter(|(_, db)| db.keys > 0).map(|(db, loss)| (*db, loss.keys)).collect();
    if held == reported { Ok(()) } else { Err(format!("it holds {held:?}, reported was {reported:?}")) }
}

#[test]
fn sources_are_sound_and_come_out_whole() {
    for source in all_sources() {
        println!("{}: {} bytes", source.name, source.bytes.len());
        assert_eq!(
            verify::slice(&source.bytes, &verify::Options::default()).verdict,
            Verdict::Sound,
            "{}",
            source.name
        );
        let plan = plan(&mut Cursor::new(&source.bytes), &Options::default()).expect("memory");
        let (keys, _) = keys(&source.bytes);
        assert_eq!(plan.loss.keys, keys.len() as u64, "{}: {:?}", source.name, plan.loss.skipped);
        assert_eq!(
            (plan.loss.uncertain, plan.loss.bytes_skipped(), plan.loss.damaged_total),
            (0, 0, 0),
            "{}",
            source.name
        );
    }
}

#[test]
fn what_is_remembered_of_damage_is_bounded_and_what_is_lost_by_that_is_said() {
    let bytes = damaged_often(2_000);
    let limits =
        |duplicate_bytes| Options { limits: Limits { duplicate_bytes, ..Limits::default() }, ..Options::default() };
    let saved = |options: &Options| {
        let mut input = Cursor::new(&bytes);
        let plan = plan(&mut input, options).expect("memory can be read");
        let mut out = Vec::new();
        plan.write(&mut input, &mut out).expect("memory can be written");
        let report = verify::slice(&out, &verify::Options::default());
        assert_eq!((report.verdict, report.counts.keys), (Verdict::Sound, plan.loss.keys));
        plan.loss
    };
    let all = saved(&limits(64 << 20));
    assert_eq!((all.full_from, all.unsaved), (None, 0));
    assert!(all.skipped.len() > 1_900, "{}", all.skipped.len());
    let few = saved(&limits(128 << 10));
    let from = few.full_from.expect("that is too little");
    assert!(few.skipped.len() > 100 && few.keys > 300, "{} places, {} keys", few.skipped.len(), few.keys);
    assert_eq!(few.keys + few.unsaved, all.keys);
    assert_eq!(few.skipped.last(), Some(&(from..bytes.len() as u64)));
}

/// A file that is damaged nearly so many times, with three keys before each. Its first names are there to be learnt.
fn damaged_often(times: u32) -> Vec<u8> {
    let mut bytes = b"REDIS0011\xfe\x00\xfb\x80".to_vec();
    bytes.extend((3 * times).to_be_bytes());
    bytes.push(0);
    for key in 0..3 * times {
        bytes.extend(format!("\x00\x0duser:{key:08}\x08value {:02}", key % 100).bytes());
        if key % 3 == 2 && key > 100 {
            bytes.extend(b"de");
        }
    }
    bytes.push(0xff);
    bytes.extend([0; 8]);
    bytes
}

#[test]
fn what_was_not_touched_is_found_again() {
    let mut by_harm: BTreeMap<Harm, Share> = BTreeMap::new();
    let mut by_kind: BTreeMap<&str, Share> = BTreeMap::new();
    let mut all = Share::default();
    let mut failures = Vec::new();
    let cases = cases();
    for n in &cases {
        let (case, kind) = Case::new(*n);
        let (shares, made_up) = case.compare();
        let mut of_case = Share::default();
        for (kind, share) in shares {
            by_kind.entry(kind).or_default().add(share);
            of_case.add(share);
        }
        by_harm.entry(kind).or_default().add(of_case);
        all.add(of_case);
        let mut failed = Vec::new();
        if of_case.untouched >= 1000 && of_case.percent() < 95.0 {
            failed.push(format!("{:.1}% of {}", of_case.percent(), of_case.untouched));
        }
        if !made_up.is_empty() {
            failed.push(format!("{} made up, such as {:?}", made_up.len(), &made_up[..made_up.len().min(3)]));
        }
        let report = verify::slice(&case.out, &verify::Options::default());
        let is_marked = report.findings_by_code.contains_key(&Code::RdbContentUnproven);
        if (report.verdict, is_marked, report.counts.keys) != (Verdict::Sound, true, case.loss.keys) {
            failed.push(format!("{} keys were reported: {:?}", case.loss.keys, report.findings));
        }
        failed.extend(load(&case).err());
        if !failed.is_empty() {
            let path = std::env::temp_dir().join(format!("salvage-case-{n}.rdb"));
            std::fs::write(&path, &case.harmed.bytes).expect("it can be written");
            failures.push(format!("{}: {failed:?}; see {}", case.name, path.display()));
        }
    }
    println!("{} files", cases.len());
    for (what, share) in by_harm.iter().map(|(harm, share)| (format!("{harm:?}"), share)) {
        println!("{what:<20} {share}");
    }
    for (what, share) in &by_kind {
        println!("{what:<20} {share}");
    }
    println!("{:<20} {all}", "all");
    assert_eq!(failures, Vec::<String>::new());
    assert!(all.percent() >= 99.0, "{all}");
}

#[test]
fn names_that_tell_nothing_are_no_obstacle() {
    static BINARY: OnceLock<Source> = OnceLock::new();
    let source = BINARY.get_or_init(|| binary(8, 5000));
    let mut all = Share::default();
    let anywhere = HARMS[..5].iter().enumerate().map(|(n, kind)| Case::of(source, 1000 + n, *kind));
    // Then nothing is known of the names, until some have been found.
    let at_the_start = [0, 0xff, 0x20].map(|byte| {
        let (mut bytes, page) = (source.bytes.clone(), 0..4096);
        bytes[page.clone()].fill(byte);
        Case::with(source, format!("first page {byte:#x}"), Harmed { bytes, was: vec![page.clone()], now: vec![page] })
    });
    for case in anywhere.chain(at_the_start) {
        let (shares, made_up) = case.compare();
        shares.into_values().for_each(|share| all.add(share));
        println!("{} up to here, {}", all, case.name);
        assert!(made_up.is_empty(), "{} made up in {}: {:?}", made_up.len(), case.name, case.loss.databases);
    }
    assert!(all.percent() >= 99.0, "{all}");
}

/// No other family has templates, so a file that keeps one stays in its own, whatever was asked for.
#[test]
fn a_template_is_not_written_for_another_family() {
    let mut w = RdbWriter::redis(15);
    w.hash_template(0, &[b"field"]).select_db(0);
    for n in 0..20 {
        w.string_key(format!("key:{n}").as_bytes(), b"value");
    }
    let bytes = w.raw(b"\xEE\xEE").finish();
    let options = Options { family: Some(Family::Valkey), ..Options::default() };
    let plan = plan(&mut Cursor::new(&bytes), &options).expect("memory");
    let mut saved = Vec::new();
    plan.write(&mut Cursor::new(&bytes), &mut saved).expect("memory");
    let report = verify::slice(&saved, &verify::Options::default());
    assert_eq!((report.verdict, report.counts.keys), (Verdict::Sound, 20), "{:?}", report.findings);
    assert!(saved.starts_with(b"REDIS"));
}

/// Sends what was written to a server, as one would with `redis-cli --pipe`, and counts the refusals.
fn refused(server: &Server, commands: &[u8]) -> std::io::Result<u64> {
    let mut stream = TcpStream::connect(server.address())?;
    let mut to = stream.try_clone()?;
    let mut refused = 0;
    std::thread::scope(|scope| {
        let sent = scope.spawn(move || to.write_all(commands).and_then(|()| to.shutdown(Shutdown::Write)));
        let mut answers = Vec::new();
        stream.read_to_end(&mut answers)?;
        refused = answers.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"-")).count() as u64;
        sent.join().expect("it does not panic")
    })?;
    Ok(refused)
}

#[test]
fn a_server_takes_the_commands() {
    let Some(installed) = require(Product::Redis70) else { return };
    for n in [2 * 13, 9 * 13] {
        let (case, _) = Case::new(n);
        let mut input = Cursor::new(&case.harmed.bytes);
        let plan = plan(&mut input, &Options::default()).expect("memory");
        let mut commands = Vec::new();
        let written = plan.write_commands(&mut input, &Options::default(), &mut commands).expect("memory");
        assert_eq!((written.keys, written.bytes), (case.loss.keys, commands.len() as u64), "{}", case.name);
        let folder = tempfile::tempdir().expect("a folder");
        let mut server = Server::start(&installed, folder.path(), &[]).expect("it starts");
        // Twice: what is there already is replaced.
        for _ in 0..2 {
            assert_eq!(refused(&server, &commands).expect("it answers"), 0, "{}", case.name);
        }
        let held = server.databases().expect("it answers");
        for (db, of) in case.loss.databases.iter().filter(|(_, of)| of.keys > 0) {
            let held = held[&u32::try_from(*db).expect("small")];
            assert_eq!((held.keys, held.expires), (of.keys, of.expires), "{}, database {db}", case.name);
        }
        server.save().expect("it saves");
        let saved = std::fs::read(folder.path().join("dump.rdb")).expect("it wrote one");
        let same = |(db, name): &(u64, &[u8]), keys: &[Held]| {
            keys.iter().find(|key| key.db == *db && key.name == *name).and_then(|key| key.expire)
        };
        let (there, _) = keys(&saved);
        let (out, _) = keys(&case.out);
        for key in out.iter().step_by(37) {
            assert_eq!(same(&(key.db, &key.name), &there), key.expire, "{}: {}", case.name, key.name.escape_ascii());
        }
    }
}
