//! Random files that are sound: no rule that a strict verifier knows is broken in them.
//!
//! They are what a healthy server of that version could have written, and hold every type that it may meet: names and
//! elements are unique, what has to be sorted is sorted, counters are true, every pending entry has one owner, and
//! whatever expires does so after the year 2030.

mod stream;
mod values;

use std::collections::BTreeSet;

use super::file::{Checksum, Expire, Family, File, Key, ModuleAux};
use super::hash::sort_template_names;
use super::opcode::{KeyMeta, ModuleOp, key_meta_spec, module_id};
use super::value::Value;
use crate::Bytes;
use crate::rng::Rng;

/// What the values of one file are drawn with.
struct Source<'a> {
    rng: &'a mut Rng,
    /// The most elements of one collection.
    most: usize,
    templates: Vec<(u64, Vec<Bytes>)>,
}

/// The type bytes that released servers write into files of this version or load from them. Not among them: 6, whose
/// end only its module knows; 22 and 23 of Redis, which release candidates wrote; 29 and 31, which belong into DUMP
/// payloads; 33, which needs a build option.
#[must_use]
pub fn released_types(family: Family, version: u32) -> Vec<u8> {
    let since: &[(u32, &[u8])] = &[
        (1, &[0, 1, 2, 3, 4]),
        (2, &[9, 10, 11, 12]),
        (4, &[13]),
        (7, &[14]),
        (8, &[5, 7]),
        (9, &[15]),
        (10, &[16, 17, 18, 19]),
        (11, &[20, 21]),
        (12, &[24, 25]),
        (13, &[26]),
        (14, &[27, 28]),
        (15, &[30, 32]),
    ];
    // Valkey left the common line at version 11.
    let level = if family == Family::Valkey { 11 } else { version };
    let mut types: Vec<u8> = since.iter().filter(|(v, _)| *v <= level).flat_map(|(_, types)| *types).copied().collect();
    if family == Family::Valkey {
        types.push(22);
    }
    types.sort_unstable();
    types
}

impl File {
    /// A sound file with at least one key of every one of the [`released_types`].
    ///
    /// `budget` is roughly the number of elements of the whole file; with 0 every collection has one element. The
    /// same seed gives the same file.
    ///
    /// ```
    /// use testkit::{rdb::{Family, File}, rng::Rng};
    ///
    /// let file = File::arbitrary(&mut Rng::new(1), Family::Redis, 13, 200);
    /// assert!(file.encode().keys.iter().any(|key| key.type_byte == 26));
    /// ```
    #[must_use]
    pub fn arbitrary(rng: &mut Rng, family: Family, version: u32, budget: usize) -> Self {
        Self::arbitrary_of(rng, family, version, budget, &released_types(family, version))
    }

    /// A sound file with at least one key of every given type.
    ///
    /// # Panics
    /// If a type cannot be made: 6, 8, 29, 31, and all from 33.
    #[must_use]
    pub fn arbitrary_of(rng: &mut Rng, family: Family, version: u32, budget: usize, types: &[u8]) -> Self {
        let compression = rng.chance(70);
        let cluster = rng.chance(20) && (family == Family::Valkey || version >= 12);
        let mut file = Self { compression, cluster, ..Self::new(family, version) };
        file.aux = aux_fields(family, version, rng);
        let modern = family == Family::Valkey || version >= 10;
        if modern {
            file.functions = (0..rng.below(3)).map(library).collect();
        }
        if version >= 9 && rng.chance(30) {
            file.module_aux = (1..=2).map(|when| ModuleAux { id: test_module(), when, ops: module_ops(rng) }).collect();
        }
        if types.iter().any(|t| matches!(t, 30 | 32)) {
            file.templates = templates(rng);
        }
        let most = (budget / types.len().max(1)).max(1);
        let mut source = Source { rng, most, templates: file.templates.clone() };
        let extra = budget / 16;
        let mut kinds: Vec<u8> = types.to_vec();
        kinds.extend((0..extra).map(|_| *source.rng.pick(types)));
        let values: Vec<Value> = kinds.into_iter().map(|kind| source.value(family, kind)).collect();
        file.keys = keys(rng, &file, values);
        file.checksum = Checksum::On;
        file
    }
}

fn keys(rng: &mut Rng, file: &File, values: Vec<Value>) -> Vec<Key> {
    let policy = if file.version >= 9 { rng.below(3) } else { 0 };
    let mut names = BTreeSet::new();
    let mut keys = Vec::new();
    for value in values {
        let name = loop {
            let name = key_name(rng, names.len());
            if names.insert(name.clone()) {
                break name;
            }
        };
        let mut key = Key::new(&name, value);
        if !file.cluster {
            key.db = *rng.pick(&[0, 0, 0, 1, 9]);
        }
        if rng.chance(30) {
            key.expire = Some(far_expiry(rng, file.version));
        }
        match policy {
            1 => key.idle = Some(rng.below(100_000)),
            2 => key.freq = Some(rng.byte()),
            _ => {}
        }
        if file.family == Family::Redis && file.version >= 13 && rng.chance(10) {
            key.key_meta = vec![KeyMeta { spec: key_meta_spec("test", 1, 1), ops: module_ops(rng) }];
        }
        keys.push(key);
    }
    keys.sort_by_key(|key| key.db);
    keys
}

fn key_name(rng: &mut Rng, index: usize) -> Bytes {
    match rng.below(10) {
        0 => (1000 + index).to_string().into_bytes(),
        1 => [&rng.bytes(5)[..], index.to_string().as_bytes()].concat(),
        2 => format!("{}:{index}", "long-name-".repeat(rng.size(3..=12))).into_bytes(),
        3 => format!("{{{}}}:{index}", rng.word()).into_bytes(),
        _ => format!("{}:{index}", rng.word()).into_bytes(),
    }
}

fn far_expiry(rng: &mut Rng, version: u32) -> Expire {
    if version < 3 {
        Expire::Seconds(i32::try_from(rng.signed(2_000_000_000..=2_100_000_000)).expect("in range"))
    } else {
        Expire::Millis(far_ms(rng))
    }
}

/// A millisecond between the years 2096 and 2128.
fn far_ms(rng: &mut Rng) -> i64 {
    rng.signed(4_000_000_000_000..=5_000_000_000_000)
}

fn aux_fields(family: Family, version: u32, rng: &mut Rng) -> Vec<(Bytes, Bytes)> {
    let server = match version {
        _ if family == Family::Valkey => "9.1.2",
        0..=6 => return Vec::new(),
        7 => "3.2.13",
        8 => "4.0.14",
        9 => "6.2.14",
        10 => "7.0.15",
        11 => "7.2.7",
        12 => "8.0.6",
        13 => "8.6.3",
        14 => "8.8.0",
        _ => "8.10.0",
    };
    let name = if family == Family::Valkey { "valkey-ver" } else { "redis-ver" };
    let base = match version {
        7 => None,
        8 | 9 => Some("aof-preamble"),
        _ => Some("aof-base"),
    };
    let written = rng.range(1_500_000_000..=1_750_000_000).to_string();
    let used = rng.range(1_000_000..=9_000_000).to_string();
    let fields = [(name, server), ("redis-bits", "64"), ("ctime", &*written), ("used-mem", &*used)];
    let all = fields.into_iter().chain(base.map(|name| (name, "0")));
    all.map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())).collect()
}

fn library(n: u64) -> Bytes {
    let body = format!("redis.register_function('f{n}', function(keys, args) return {n} end)");
    format!("#!lua name=lib{n}\n{body}\n").into_bytes()
}

fn test_module() -> u64 {
    module_id("testkit-1", 1)
}

fn module_ops(rng: &mut Rng) -> Vec<ModuleOp> {
    (0..rng.size(1..=6))
        .map(|_| match rng.below(5) {
            0 => ModuleOp::Sint(rng.signed(-300..=300)),
            1 => ModuleOp::Uint(rng.next_u64() >> rng.below(64)),
            2 => ModuleOp::Float(0.5),
            3 => ModuleOp::Double(-2.25),
            _ => ModuleOp::Str(rng.word().into()),
        })
        .collect()
}

fn templates(rng: &mut Rng) -> Vec<(u64, Vec<Bytes>)> {
    (0..rng.range(1..=3))
        .map(|n| {
            let size = rng.size(1..=6);
            let mut names = values::distinct(rng, size);
            names.push(format!("only in {n}").into_bytes());
            sort_template_names(&mut names);
            names.dedup();
            // Gaps are normal: templates come and go.
            (3 * n, names)
        })
        .collect()
}
