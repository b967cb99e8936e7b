//! Small files with one field changed, the checksum true again.

use testkit::crc64::crc64;
use testkit::damage::Damage;
use testkit::planted;
use testkit::rdb::{Encoded, Family, File, released_types};
use testkit::rng::Rng;

/// A file, and how it was made.
pub struct Mutant {
    pub number: u64,
    pub name: String,
    pub bytes: Vec<u8>,
}

/// Versions that servers which can be installed read; the later ones twice.
const VERSIONS: [(Family, u32); 10] = [
    (Family::Redis, 7),
    (Family::Redis, 9),
    (Family::Redis, 9),
    (Family::Redis, 10),
    (Family::Redis, 11),
    (Family::Redis, 11),
    (Family::Redis, 12),
    (Family::Redis, 12),
    (Family::Redis, 13),
    (Family::Valkey, 80),
];

/// Type 7 needs a module.
const MODULE: u8 = 7;

/// So many mutants; the same for the same seed, and the first of them the same for any number.
pub fn mutants(count: u64, seed: u64) -> Vec<Mutant> {
    (0..count).filter_map(|number| mutant(number, seed)).collect()
}

fn mutant(number: u64, seed: u64) -> Option<Mutant> {
    let mut rng = Rng::new(seed.wrapping_mul(1_000_003).wrapping_add(number));
    let plants = planted::all();
    let plant = *rng.pick(&plants);
    let planted = rng.chance(25) && plant.versions.0 <= 13 || plant.family == Family::Valkey && rng.chance(50);
    let (family, version) = if planted {
        let last = if plant.family == Family::Redis { plant.versions.1.min(13) } else { plant.versions.1 };
        (plant.family, u32::try_from(rng.range(u64::from(plant.versions.0.max(5))..=u64::from(last))).ok()?)
    } else {
        *rng.pick(&VERSIONS)
    };
    let mut types = released_types(family, version);
    types.retain(|byte| *byte != MODULE);
    let kept = rng.size(1..=2);
    let types: Vec<u8> = (0..kept).map(|_| *rng.pick(&types)).collect();
    let budget = rng.size(3..=60);
    let mut file = File::arbitrary_of(&mut rng, family, version, budget, &types);
    file.module_aux.clear();
    // What a library runs is another subject, and compressed bytes hide the fields.
    file.functions.clear();
    file.compression &= rng.chance(20);
    let encoded = file.encode();
    let (name, bytes) = if planted {
        (format!("plant {}", plant.code), plant.into(&encoded, &mut rng).bytes)
    } else if rng.chance(55) {
        field(&encoded, &mut rng)?
    } else {
        let damage = *rng.pick(&Damage::ALL);
        (format!("{damage:?}"), damage.apply(&encoded, &mut rng, true)?.bytes)
    };
    let (name, bytes) = match rng.below(16) {
        0 | 1 => twice(name, bytes, &mut rng),
        2 => attributes(name, &encoded, bytes, &mut rng),
        _ => (name, bytes),
    };
    Some(Mutant { number, name: format!("{name} {family:?} {version} types {types:?}"), bytes })
}

/// Ends the bytes with their checksum, which takes the last eight.
fn seal(bytes: &mut [u8]) {
    let Some(body) = bytes.len().checked_sub(8) else { return };
    let crc = crc64(&bytes[..body]);
    bytes[body..].copy_from_slice(&crc.to_le_bytes());
}

/// A second fault: a byte anywhere behind the head.
fn twice(name: String, mut bytes: Vec<u8>, rng: &mut Rng) -> (String, Vec<u8>) {
    if bytes.len() < 20 {
        return (name, bytes);
    }
    let at = rng.size(9..=bytes.len() - 9);
    bytes[at] ^= 1 << rng.below(8);
    seal(&mut bytes);
    (format!("{name}, and byte {at}"), bytes)
}

/// Expiries before a key, one or more, of which some have passed; only where nothing else is wrong.
fn attributes(name: String, file: &Encoded, bytes: Vec<u8>, rng: &mut Rng) -> (String, Vec<u8>) {
    let Some(key) = file.keys.first() else { return (name, bytes) };
    let mut bytes = file.bytes.clone();
    let mut said = String::from("expiries");
    let mut more = Vec::new();
    for _ in 0..rng.size(1..=3) {
        let ms = *rng.pick(&[-1, 0, 1_000_000_000_000, 4_000_000_000_000, i64::MAX]);
        more.push(0xFC);
        more.extend(ms.to_le_bytes());
        said.push_str(&format!(" {ms}"));
    }
    bytes.splice(key.type_at..key.type_at, more);
    if file.checksum_at.is_some() {
        seal(&mut bytes);
    }
    (said, bytes)
}

/// A byte of a value becomes a neighbour, a limit, or one bit else: more often near a mark, where a structure has a field.
fn field(file: &Encoded, rng: &mut Rng) -> Option<(String, Vec<u8>)> {
    let key = file.keys.get(rng.size(0..=file.keys.len().checked_sub(1)?))?;
    let at = match key.marks.get(rng.size(0..=key.marks.len())) {
        Some(mark) if rng.chance(70) => mark.body.unwrap_or(mark.start) + rng.size(0..=12),
        _ if rng.chance(50) => key.value_at + rng.size(0..=30),
        _ => rng.size(key.type_at..=key.end.checked_sub(1)?),
    };
    let at = at.min(key.end.checked_sub(1)?);
    let mut bytes = file.bytes.clone();
    let was = bytes[at];
    let choices = [
        was.wrapping_add(1),
        was.wrapping_sub(1),
        0,
        0xff,
        0x7f,
        0x80,
        0xc0,
        was ^ 1 << rng.below(8),
        was ^ 1 << rng.below(8),
    ];
    bytes[at] = *rng.pick(&choices);
    if bytes[at] == was {
        return None;
    }
    file.checksum_at?;
    seal(&mut bytes);
    Some((
        format!("type {} byte {} of the value from {was} to {}", key.type_byte, at - key.value_at.min(at), bytes[at]),
        bytes,
    ))
}
