//! Sound files to be damaged: of real servers where they are installed, of testkit else.

use std::collections::HashSet;
use std::path::Path;

use testkit::dataset::{self, Dataset};
use testkit::rdb::{Family, File, Key, QuicklistNode, Value, released_types};
use testkit::rng::Rng;
use testkit::server::{Product, Server, require};

/// A sound file.
pub struct Source {
    pub name: String,
    pub bytes: Vec<u8>,
}

/// Keys of every type that the version has, from so many small random files.
fn made(seed: u64, version: u32, files: u64) -> Source {
    // No server without the module loads a module's values.
    let types: Vec<u8> = released_types(Family::Redis, version).into_iter().filter(|kind| *kind != 7).collect();
    let mut all = File::new(Family::Redis, version);
    let mut names = HashSet::new();
    for n in 0..files {
        let mut rng = Rng::new(seed << 32 | n);
        let budget = *rng.pick(&[100, 100, 300, 2000]);
        let file = File::arbitrary_of(&mut rng, Family::Redis, version, budget, &types);
        all.aux = file.aux;
        all.keys.extend(file.keys.into_iter().filter(|key| names.insert((key.db, key.name.clone()))));
    }
    all.keys.sort_by_key(|key| key.db);
    Source { name: format!("testkit, version {version}, {} keys", all.keys.len()), bytes: all.encode().bytes }
}

/// What an application might hold: users, sessions that expire, counters, queues; in two databases.
fn typical(seed: u64, keys: usize) -> Source {
    let mut rng = Rng::new(seed);
    let mut file = File::new(Family::Redis, 10);
    file.aux = vec![(b"redis-ver".to_vec(), b"7.0.15".to_vec()), (b"redis-bits".to_vec(), b"64".to_vec())];
    let text = |rng: &mut Rng, words: usize| -> Vec<u8> {
        (0..words).map(|_| rng.word()).collect::<Vec<_>>().join(" ").into_bytes()
    };
    file.keys = (0..keys)
        .map(|n| {
            let words = rng.size(1..=30);
            let key = match rng.below(10) {
                0..=3 => Key::new(format!("user:{n}:name").as_bytes(), Value::String(text(&mut rng, words))),
                4 | 5 => {
                    let ms = rng.signed(4_000_000_000_000..=4_200_000_000_000);
                    Key::new(format!("session:{:016x}", rng.next_u64()).as_bytes(), Value::String(rng.bytes(40)))
                        .expiring(ms)
                }
                6 => Key::new(format!("counter:{n}").as_bytes(), Value::String(rng.below(100_000).to_string().into())),
                7 => {
                    let fields = (0..rng.size(2..=12)).map(|f| (format!("field{f}").into_bytes(), text(&mut rng, 3)));
                    Key::new(format!("user:{n}:profile").as_bytes(), Value::HashListpack(fields.collect()))
                }
                8 => {
                    let members = (0..rng.size(150..=400)).map(|m| format!("member:{n}:{m}").into_bytes());
                    Key::new(format!("followers:{n}").as_bytes(), Value::Set(members.collect()))
                }
                _ => {
                    let elements = (0..rng.size(1..=40)).map(|_| text(&mut rng, 4));
                    let node = QuicklistNode::Packed(elements.collect());
                    Key::new(format!("queue:{n}").as_bytes(), Value::ListQuicklist2(vec![node]))
                }
            };
            key.in_db(if n < keys * 4 / 5 { 0 } else { 3 })
        })
        .collect();
    Source { name: format!("typical, {keys} keys"), bytes: file.encode().bytes }
}

/// Names and values of any bytes: they tell nothing.
pub fn binary(seed: u64, keys: usize) -> Source {
    let mut rng = Rng::new(seed);
    let mut file = File::new(Family::Redis, 10);
    let value = |rng: &mut Rng| {
        let len = rng.size(5..=90);
        Value::String(rng.bytes(len))
    };
    file.keys = (0..keys).map(|_| Key::new(&rng.bytes(16), value(&mut rng))).collect();
    Source { name: format!("binary names, {keys} keys"), bytes: file.encode().bytes }
}

/// What a server writes that holds every type it has, and some thousand small keys.
fn real(product: Product) -> Option<Source> {
    let installed = require(product)?;
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = Server::start(&installed, folder.path(), &[]).expect("it starts");
    let all = Dataset { large: false, functions: false, ..Dataset::default() };
    dataset::fill(&mut server, &all).expect("it can be filled");
    dataset::fill_pages(&mut server, 2000).expect("it can be written");
    server.save().expect("it saves");
    let bytes = std::fs::read(folder.path().join("dump.rdb")).expect("it wrote one");
    Some(Source { name: format!("{product}"), bytes })
}

fn stored(name: &str) -> Source {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/rdb").join(name);
    Source { name: name.to_owned(), bytes: std::fs::read(path).expect("it lies in testdata") }
}

/// The files, small and large. All of them load on Redis 7.0.
pub fn sources() -> Vec<Source> {
    let mut all = vec![
        typical(1, 300),
        typical(2, 3000),
        typical(3, 12_000),
        made(4, 6, 4),
        made(5, 9, 60),
        made(6, 10, 2),
        made(7, 10, 100),
        stored("redis-2.8-thresholds-100000.rdb"),
        stored("redis-7.0-thresholds-100000.rdb"),
    ];
    all.extend([Product::Redis62, Product::Redis70].into_iter().filter_map(real));
    all
}
