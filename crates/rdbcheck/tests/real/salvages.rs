//! Salvages for the newest server of each family: what `--salvage OUT --for SERVER` writes of a damaged file, that very server loads,
//! and holds of each key that no damage touched what it held of the sound file.
//!
//! Compared are DEBUG DIGEST-VALUE, the expiry, those of fields, and what XINFO says of streams with their groups. What may differ, and is
//! counted by name: keys in a database that the report calls uncertain, keys whose bytes overlap the damage, and keys that are not saved,
//! and are listed by their place as doubtful ones.
//!
//! `SALVAGES=300` makes so many instead of 12, of a file that the server wrote in this run too, and prints what came of the keys;
//! `SALVAGES_FROM=1000` takes other seeds, `SALVAGES_OWN=1` only that file, with parts of it missing. What falls short is left in a
//! folder of its own, whose name is printed.
#![cfg(all(unix, feature = "functions"))]

use crate::harm;
use crate::truth;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::error::Error;
use std::fs;
use std::io::{Cursor, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};

use harm::{HARMS, Harm, Harmed, harm};
use redis_persistence::repair::rdb::salvage;
use serde_json::Value;
use testkit::dataset::{Dataset, fill, fill_pages};
use testkit::rdb::{Family, File, released_types};
use testkit::rng::Rng;
use testkit::server::{Installed, Product, Reply, Server, require};

pub(crate) type TestResult<T = ()> = Result<T, Box<dyn Error>>;

/// The newest servers, as `--for` names them, and the version of the RDB that testkit writes for them.
const SERVERS: [(Product, &str, Family, u32); 2] =
    [(Product::Redis86, "redis-8.6", Family::Redis, 12), (Product::Valkey91, "valkey-9.1", Family::Valkey, 80)];
/// Files of earlier servers, which the newest ones load.
const EARLIER: [&str; 6] = [
    "redis-6.2-streams.rdb",
    "redis-6.2-lfu.rdb",
    "redis-7.0-functions.rdb",
    "redis-7.0-multidb.rdb",
    "redis-7.0-streams.rdb",
    "redis-7.0-thresholds-100000.rdb",
];

fn asked(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().and_then(|n| n.parse().ok())
}

/// What a server holds under a name of a database.
type Keys = HashMap<(u32, Vec<u8>), String>;

/// A sound file, and what the server holds once it has loaded it.
struct Source {
    name: String,
    bytes: Vec<u8>,
    truth: Keys,
}

fn start(installed: &Installed, folder: &Path) -> TestResult<Server> {
    Ok(Server::start(installed, folder, &["--enable-debug-command", "yes"])?)
}

fn loaded(installed: &Installed, bytes: &[u8]) -> TestResult<Option<Keys>> {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("dump.rdb"), bytes)?;
    match start(installed, folder.path()) {
        Ok(mut server) => Ok(Some(held(&mut server)?)),
        Err(_) => Ok(None),
    }
}

/// Everything that the server holds.
fn held(server: &mut Server) -> TestResult<Keys> {
    let mut keys = Keys::new();
    for db in server.databases()?.into_keys() {
        let names = server.names(db)?;
        for names in names.chunks(200) {
            let mut digests = vec![&b"DEBUG"[..], b"DIGEST-VALUE"];
            digests.extend(names.iter().map(Vec::as_slice));
            let digests = server.run(&digests)?;
            for (name, digest) in names.iter().zip(digests.array().unwrap_or_default()) {
                let text = format!("{} {}", digest.text().unwrap_or("?"), more(server, name)?);
                keys.insert((db, name.clone()), text);
            }
        }
    }
    Ok(keys)
}

/// What the digest of a value does not cover.
fn more(server: &mut Server, name: &[u8]) -> TestResult<String> {
    let kind = server.run(&[b"TYPE", name])?;
    let expiry = server.run(&[b"PEXPIRETIME", name])?;
    let rest = match kind.text() {
        Some("stream") => without_the_clock(server.run(&[&b"XINFO"[..], b"STREAM", name, b"FULL", b"COUNT", b"0"])?),
        Some("hash") if server.knows("HPEXPIRETIME")? => {
            let fields = server.run(&[b"HKEYS", name])?;
            let mut fields: Vec<&[u8]> = fields.array().unwrap_or_default().iter().filter_map(Reply::bytes).collect();
            fields.sort_unstable();
            let count = fields.len().to_string();
            let mut command = vec![&b"HPEXPIRETIME"[..], name, b"FIELDS", count.as_bytes()];
            command.extend(fields);
            server.run(&command)?
        }
        Some("vectorset") => server.run(&[b"VCARD", name])?,
        _ => Reply::Nil,
    };
    Ok(format!("{} {:?} {rest:?}", kind.text().unwrap_or("?"), expiry.integer()))
}

/// What XINFO says, but for how many ids of producers are known: servers forget them after a while.
fn without_the_clock(reply: Reply) -> Reply {
    let Reply::Array(fields) = reply else { return reply };
    let forgotten = |pair: &&[Reply]| matches!(pair[0].text(), Some("pids-tracked" | "iids-tracked"));
    Reply::Array(fields.chunks(2).filter(|pair| !forgotten(pair)).flatten().cloned().collect())
}

/// The files to be damaged, all of which the server loads.
fn sources(installed: &Installed, family: Family, version: u32) -> TestResult<Vec<Source>> {
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    let folder = tempfile::tempdir()?;
    let mut server = start(installed, folder.path())?;
    fill(&mut server, &Dataset { large: false, ..Dataset::default() })?;
    fill_pages(&mut server, 400)?;
    server.save()?;
    files.push(("the server's own".to_owned(), fs::read(folder.path().join("dump.rdb"))?));
    drop(server);
    for name in EARLIER {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/rdb").join(name);
        files.push((name.to_owned(), fs::read(path)?));
    }
    for seed in 0..3 {
        let types: Vec<u8> = released_types(family, version).into_iter().filter(|kind| *kind != 7).collect();
        let mut all = File::new(family, version);
        let mut names = HashSet::new();
        for n in 0..12 {
            let mut rng = Rng::new(seed << 32 | n);
            let file = File::arbitrary_of(&mut rng, family, version, 400, &types);
            all.aux = file.aux;
            let new = file.keys.into_iter().filter(|key| key.db < 16 && names.insert((key.db, key.name.clone())));
            all.keys.extend(new);
        }
        all.keys.sort_by_key(|key| key.db);
        files.push((format!("testkit, seed {seed}, {} keys", all.keys.len()), all.encode().bytes));
    }
    let mut sources = Vec::new();
    for (name, bytes) in files {
        match loaded(installed, &bytes)? {
            Some(truth) => sources.push(Source { name, bytes, truth }),
            None => println!("{name} is not loaded by {}, and left out", installed.version),
        }
    }
    assert!(sources.len() >= 6, "{} files are loaded", sources.len());
    Ok(sources)
}

/// What came of the salvages, by name.
#[derive(Default)]
struct Tally(BTreeMap<&'static str, u64>);

impl Tally {
    fn add(&mut self, name: &'static str, n: usize) {
        *self.0.entry(name).or_default() += n as u64;
    }
}

/// Sends commands to a server, and gives the lines of its refusals.
pub(crate) fn send(server: &Server, commands: &[u8]) -> TestResult<Vec<String>> {
    let mut stream = TcpStream::connect(server.address())?;
    let mut reader = stream.try_clone()?;
    let answers = std::thread::spawn(move || {
        let mut text = Vec::new();
        reader.read_to_end(&mut text).map(|_| text)
    });
    stream.write_all(commands)?;
    stream.shutdown(Shutdown::Write)?;
    let text = answers.join().map_err(|_| "the reader ended")??;
    let lines = text.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"-"));
    Ok(lines.map(|line| String::from_utf8_lossy(line).into_owned()).collect())
}

/// The start of a name.
fn shown(name: &[u8]) -> String {
    name[..name.len().min(60)].escape_ascii().to_string()
}

/// One damaged file.
struct Case<'a> {
    name: String,
    source: &'a Source,
    harmed: Harmed,
    arguments: &'static [&'static str],
}

impl<'a> Case<'a> {
    fn new(sources: &'a [Source], n: u64) -> Self {
        let index = usize::try_from(n).unwrap_or(0);
        let (source, kind) = if asked("SALVAGES_OWN").is_some() {
            (&sources[0], Harm::Cut)
        } else {
            (&sources[index % sources.len()], HARMS[index / sources.len() % HARMS.len()])
        };
        let arguments: &[&str] = [&[][..], &["--partial"], &["--resp"]][index % 3];
        let mut rng = Rng::new(n);
        let regions = rng.size(1..=4);
        let harmed = harm(&source.bytes, kind, regions, &mut rng);
        let name = format!("case {n}: {}, {kind:?} {arguments:?} at {:?}", source.name, harmed.was);
        Self { name, source, harmed, arguments }
    }

    /// What falls short; empty where the salvage keeps its word.
    fn run(&self, installed: &Installed, target: &str, tally: &mut Tally) -> TestResult<Vec<String>> {
        let folder = tempfile::tempdir()?;
        let resp = self.arguments.contains(&"--resp");
        let out = folder.path().join(if resp { "commands" } else { "dump.rdb" });
        let damaged = folder.path().join("damaged.rdb");
        fs::write(&damaged, &self.harmed.bytes)?;
        let ran = Command::new(env!("CARGO_BIN_EXE_rdbcheck"))
            .args(["--json", "--threads", "1", "--for", target, "--salvage"])
            .arg(&out)
            .args(self.arguments)
            .arg(&damaged)
            .stdin(Stdio::null())
            .output()?;
        let document: Value = serde_json::from_slice(&ran.stdout)?;
        let salvage = &document["files"][0]["salvage"];
        let code = ran.status.code();
        if salvage["status"] == "nothing" {
            tally.add("(files of which nothing can be saved)", 1);
            let (keys, _) = truth::keys(&self.source.bytes);
            let whole = keys.iter().filter(|key| !key.touches(&self.harmed.was)).count();
            return Ok(if whole > 1 { vec![format!("nothing is saved of {whole} whole keys")] } else { Vec::new() });
        }
        if salvage["status"] != "written" || !matches!(code, Some(0 | 4)) {
            return Ok(vec![format!("exit {code:?}: {}", String::from_utf8_lossy(&ran.stderr))]);
        }
        let mut server = match start(installed, folder.path()) {
            Ok(server) => server,
            Err(error) => return Ok(vec![format!("the server does not load it: {error}")]),
        };
        if resp {
            let refused = send(&server, &fs::read(&out)?)?;
            if let Some(first) = refused.first() {
                return Ok(vec![format!("{} commands are refused: {first}", refused.len())]);
            }
        }
        let mut short = Vec::new();
        let loss = &salvage["loss"];
        let number = |value: &Value| value.as_u64().unwrap_or(0);
        let now = held(&mut server)?;
        let expired = number(&loss["expired"]);
        let reported = number(&salvage["keys"]);
        if !(reported.saturating_sub(expired)..=reported).contains(&(now.len() as u64)) {
            short.push(format!("{} keys are there, {reported} reported, {expired} of them expired", now.len()));
        }
        if server.knows("FUNCTION")? && !loss.is_null() {
            let libraries = server.run(&["FUNCTION", "LIST"])?.array().map_or(0, <[Reply]>::len) as u64;
            if libraries != number(&loss["functions"]) {
                short.push(format!("{libraries} libraries are there, {} reported", loss["functions"]));
            }
        }
        self.compare(&now, loss, tally, &mut short)?;
        if (code == Some(0)) != self.nothing_lost(loss) {
            short.push(format!("exit {code:?}, and of {} keys {} are there", self.source.truth.len(), now.len()));
        }
        Ok(short)
    }

    /// Whether the report says that no key is lost.
    fn nothing_lost(&self, loss: &Value) -> bool {
        let zero = |name: &str| loss[name].as_u64() == Some(0);
        let all_stated = loss["databases"]
            .as_object()
            .is_some_and(|dbs| !dbs.is_empty() && dbs.values().all(|db| db["stated"].is_u64()));
        let known = loss["end_was_found"] == true && (all_stated || zero("skipped_total"));
        loss.is_null()
            || known
                && (zero("keys_lost") || loss["keys_lost"].is_null())
                && zero("damaged_total")
                && zero("partial_total")
                && zero("unsaved")
    }

    /// The keys that are saved and whose bytes, or the attributes before them, overlap what the damage wrote; or stand in a key that it
    /// touched, under a name that is compressed there.
    fn read_from_damage(&self) -> TestResult<HashSet<(u64, Vec<u8>)>> {
        const ATTRIBUTES: usize = 20;
        let options =
            salvage::Options { partial: self.arguments.contains(&"--partial"), ..salvage::Options::default() };
        let mut input = Cursor::new(&self.harmed.bytes);
        let mut out = Vec::new();
        salvage::plan(&mut input, &options)?.write(&mut input, &mut out)?;
        let (keys, _) = truth::keys(&out);
        let touched = |start: usize, end: usize| {
            self.harmed.now.iter().any(|now| now.start < end && start < now.end.max(now.start + 1))
        };
        let overlap = |bytes: &[u8]| {
            let places = self.harmed.bytes.windows(bytes.len()).enumerate();
            places
                .filter(|(_, window)| *window == bytes)
                .any(|(at, _)| touched(at.saturating_sub(ATTRIBUTES), at + bytes.len()))
        };
        let before = truth::keys(&self.source.bytes).0;
        let is_piece = |bytes: &[u8]| before.iter().any(|key| key.touches(&self.harmed.was) && self.holds(key, bytes));
        let damaged = |bytes: &[u8]| overlap(bytes) || is_piece(bytes);
        Ok(keys.into_iter().filter(|key| damaged(key.bytes(&out))).map(|key| (key.db, key.name)).collect())
    }

    /// Whether what is saved under that name was read from damaged bytes; the keys that were are found out once.
    fn is_in_damage(&self, id: &(u32, Vec<u8>), found: &mut Option<HashSet<(u64, Vec<u8>)>>) -> TestResult<bool> {
        if found.is_none() {
            *found = Some(self.read_from_damage()?);
        }
        Ok(found.as_ref().is_some_and(|found| found.contains(&(u64::from(id.0), id.1.clone()))))
    }

    /// Whether a text stands in the bytes of a key of the sound file.
    fn holds(&self, key: &truth::Held, text: &[u8]) -> bool {
        !text.is_empty() && key.bytes(&self.source.bytes).windows(text.len()).any(|bytes| bytes == text)
    }

    /// Whether the report lists that very key, with its bytes, as one that may be none.
    fn is_listed(&self, key: &truth::Held, loss: &Value) -> bool {
        loss["doubtful"].as_array().into_iter().flatten().any(|listed| {
            let place = |name: &str| usize::try_from(listed[name].as_u64()?).ok();
            let bytes = place("start").zip(place("end")).and_then(|(start, end)| self.harmed.bytes.get(start..end));
            bytes.is_some_and(|bytes| bytes.ends_with(key.bytes(&self.source.bytes)))
        })
    }

    fn compare(&self, now: &Keys, loss: &Value, tally: &mut Tally, short: &mut Vec<String>) -> TestResult {
        let (before, selects) = truth::keys(&self.source.bytes);
        let touched = |range: &std::ops::Range<usize>| {
            self.harmed.was.iter().any(|was| was.start < range.end && range.start < was.end)
        };
        // Where a SELECTDB is lost, nothing but counts can tell which database keys belong to.
        let uncertain = selects.iter().any(touched);
        let named: HashSet<&[u8]> = now.keys().map(|(_, name)| &name[..]).collect();
        let any_twice = loss["repeated"].as_u64() > Some(0);
        let elsewhere: HashSet<(&[u8], &str)> = now.iter().map(|((_, name), text)| (&name[..], &text[..])).collect();
        let parts: BTreeSet<&str> =
            loss["partial"].as_array().into_iter().flatten().filter_map(|key| key["key"].as_str()).collect();
        let mut names = HashSet::new();
        let mut of_damage = None;
        for key in &before {
            let id = (u32::try_from(key.db).unwrap_or(u32::MAX), key.name.clone());
            // What has expired is not there on the first server either.
            let Some(was) = self.source.truth.get(&id) else { continue };
            let is = now.get(&id);
            let (same, whole) = (is == Some(was), !key.touches(&self.harmed.was));
            let is_moved = uncertain && elsewhere.contains(&(&key.name, was));
            let what = match (whole, is, same) {
                (true, _, true) => "untouched, and the same",
                (true, _, _) if is_moved => "untouched, in another database: a SELECTDB is lost",
                // It was found behind one of its name, in what seems to be one database.
                (true, None, _) if uncertain && any_twice && named.contains(&key.name[..]) => {
                    "untouched, and left out, as one of its name is there: a SELECTDB is lost"
                }
                (true, None, _) if self.is_listed(key, loss) => "untouched, and named as a doubtful one",
                (true, None, _) => {
                    short.push(format!("{} of db {} ({}) is missing", shown(&key.name), key.db, key.kind));
                    "untouched, and missing"
                }
                (true, Some(_), _) if uncertain => "untouched, and one of its name in its place: a SELECTDB is lost",
                (true, Some(_), _) if any_twice && self.is_in_damage(&id, &mut of_damage)? => {
                    "untouched, and one of its name out of what was written over the file in its place"
                }
                (true, Some(is), _) => {
                    short.push(format!(
                        "{} of db {} ({}) was {was}, is {is}",
                        key.name.escape_ascii(),
                        key.db,
                        key.kind
                    ));
                    "untouched, and changed"
                }
                (false, None, _) => "touched, and left out",
                (false, _, true) => "touched, and the same",
                (false, ..) if parts.contains(&*key.name.escape_ascii().to_string()) => {
                    "touched, saved in part and named"
                }
                (false, ..) => "touched, and changed where nothing can tell",
            };
            tally.add(what, 1);
            names.insert(id);
        }
        let known: HashSet<&[u8]> = before.iter().map(|key| &key.name[..]).collect();
        let is_known = |id: &(u32, Vec<u8>)| names.contains(id) || uncertain && known.contains(&id.1[..]);
        let strange = now.keys().filter(|id| !is_known(id));
        let strange: Vec<_> = strange.collect();
        let of_damage = if strange.is_empty() { HashSet::new() } else { self.read_from_damage()? };
        for (db, name) in strange {
            // What is saved in part has bytes of its own.
            let is_part = parts.contains(&*name.escape_ascii().to_string());
            if is_part || of_damage.contains(&(u64::from(*db), name.clone())) {
                tally.add("read from damaged bytes", 1);
            } else if before.iter().any(|key| key.touches(&self.harmed.was) && self.holds(key, name)) {
                tally.add("a piece of a damaged collection, read as a key", 1);
            } else {
                short.push(format!("{} of db {db} was not there", shown(name)));
            }
        }
        Ok(())
    }
}

#[test]
fn what_is_salvaged_for_a_server_is_loaded_by_it_and_is_what_it_was() -> TestResult {
    let count = asked("SALVAGES").unwrap_or(12);
    let from = asked("SALVAGES_FROM").unwrap_or(0);
    let mut all_failed = Vec::new();
    for (product, target, family, version) in SERVERS {
        let Some(installed) = require(product) else { continue };
        let sources = sources(&installed, family, version)?;
        let mut tally = Tally::default();
        let mut failed = Vec::new();
        let salvages = count / SERVERS.len() as u64;
        // A server writes another file each time. A sample has to come out as it did, so it is made of the others.
        let sources = if salvages < 60 { &sources[1..] } else { &sources[..] };
        for n in 0..salvages {
            // A few are spread over files and kinds of damage.
            let case = Case::new(sources, from + if salvages < 60 { n * 13 } else { n });
            let short = case.run(&installed, target, &mut tally)?;
            if !short.is_empty() {
                let folder = tempfile::Builder::new().prefix("salvage-").tempdir()?.keep();
                fs::write(folder.join("damaged.rdb"), &case.harmed.bytes)?;
                fs::write(folder.join("sound.rdb"), &case.source.bytes)?;
                println!("{}, see {}:\n  {}", case.name, folder.display(), short.join("\n  "));
                failed.push(case.name);
            }
        }
        println!("{target} ({}): {salvages} salvages, {} fall short", installed.version, failed.len());
        tally.0.iter().for_each(|(name, n)| println!("  {n:>8} {name}"));
        all_failed.extend(failed.iter().map(|name| format!("{target}: {name}")));
    }
    assert!(all_failed.is_empty(), "{all_failed:#?}");
    Ok(())
}
