//! Append-only files as servers write them, and damaged in ways that have names.

use testkit::rdb::{Family, File, released_types};
use testkit::resp::{AofWriter, RecordForm};
use testkit::rng::Rng;

/// What is done to a sound file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// The end is missing.
    Cut,
    /// Zero bytes follow.
    ZeroTail,
    /// Text follows.
    TextTail,
    /// A byte is another one.
    Byte,
    /// A byte is missing.
    ByteLost,
    /// A byte is too many.
    ByteAdded,
    /// A block is zero.
    ZeroHole,
    /// A record has one argument more in its count than it has.
    Count,
    /// An argument has a wrong length.
    Length,
    /// A command that no server has.
    Unknown,
    /// A subcommand that no server has.
    UnknownSubcommand,
    /// A command without its last argument.
    TooFew,
    /// A command with an argument too many.
    TooMany,
    /// A transaction that is not closed.
    OpenTransaction,
    /// A transaction in which a record is cut.
    CutTransaction,
    /// A transaction with a DISCARD.
    QueuedDiscard,
    /// A record that servers read and writers do not write so.
    Lenient,
    /// An RDB image behind the records.
    SecondImage,
}

impl Damage {
    pub const ALL: [Self; 18] = [
        Self::Cut,
        Self::ZeroTail,
        Self::TextTail,
        Self::Byte,
        Self::ByteLost,
        Self::ByteAdded,
        Self::ZeroHole,
        Self::Count,
        Self::Length,
        Self::Unknown,
        Self::UnknownSubcommand,
        Self::TooFew,
        Self::TooMany,
        Self::OpenTransaction,
        Self::CutTransaction,
        Self::QueuedDiscard,
        Self::Lenient,
        Self::SecondImage,
    ];
}

/// A file while it is made.
pub struct Made {
    pub bytes: Vec<u8>,
    /// Where its records begin.
    pub records: usize,
}

/// An RDB image that needs no module, of that version.
pub fn image(rng: &mut Rng, family: Family, version: u32) -> Vec<u8> {
    let mut types = released_types(family, version);
    // Type 7 is of a module.
    types.retain(|byte| *byte != 7);
    let budget = rng.size(0..=60);
    let mut file = File::arbitrary_of(rng, family, version, budget, &types);
    file.module_aux.clear();
    file.encode().bytes
}

/// What servers of every version write, with or without an image before it.
pub fn sound(rng: &mut Rng, image: Option<Vec<u8>>, stamps: bool) -> Made {
    let bytes = image.unwrap_or_default();
    let records = bytes.len();
    let mut w = AofWriter::new();
    w.raw(&bytes).select(0);
    let mut time = 1_700_000_000;
    for _ in 0..rng.below(12) {
        if stamps && rng.chance(20) {
            time += 1;
            w.timestamp(time);
        }
        let in_transaction = rng.chance(20);
        if in_transaction {
            w.multi();
        }
        for _ in 0..1 + rng.below(3) {
            write(rng, &mut w);
        }
        if in_transaction {
            w.exec();
        }
    }
    Made { bytes: w.take(), records }
}

fn write(rng: &mut Rng, w: &mut AofWriter) {
    // Not a key of an image, which are of other types.
    let (n, text) = (rng.below(9).to_string(), rng.word());
    match rng.below(8) {
        0 => w.record(&["RPUSH", &format!("list:{n}"), text, text]),
        1 => w.record(&["HSET", &format!("hash:{n}"), "field", text]),
        2 => w.record(&["ZADD", &format!("zset:{n}"), "1", text]),
        3 => w.record(&["XADD", &format!("stream:{n}"), "*", "field", text]),
        4 => w.record(&["DEL", &format!("string:{n}")]),
        5 => w.record(&["PEXPIREAT", &format!("string:{n}"), "4102444800000"]),
        6 => w.select(rng.below(20)),
        _ => w.record(&["SET", &format!("string:{n}"), text]),
    };
}

/// The same file, damaged.
pub fn damaged(rng: &mut Rng, damage: Damage, made: &Made) -> Vec<u8> {
    let mut bytes = made.bytes.clone();
    // Damage of images is the subject of another test.
    let at = rng.size(made.records..=bytes.len().saturating_sub(1));
    let record = |args: &[&str]| RecordForm::default().encode(args);
    let set = |form: RecordForm| form.encode(&["SET", "a", "1"]);
    let more: Vec<u8> = match damage {
        Damage::Cut => {
            bytes.truncate(at);
            return bytes;
        }
        Damage::Byte => {
            bytes[at] = rng.byte();
            return bytes;
        }
        Damage::ByteLost => {
            bytes.remove(at);
            return bytes;
        }
        Damage::ByteAdded => {
            bytes.insert(at, rng.byte());
            return bytes;
        }
        Damage::ZeroHole => {
            let end = (at + rng.size(1..=40)).min(bytes.len());
            bytes[at..end].fill(0);
            return bytes;
        }
        Damage::ZeroTail => vec![0; rng.size(1..=5000)],
        Damage::TextTail => b"hello, this is no record\n".to_vec(),
        Damage::Count => set(RecordForm { count: Some(b"4".to_vec()), ..RecordForm::default() }),
        Damage::Length => {
            let length = *rng.pick(&["0", "2", "3", "9", "-1", "99999999999999999999", "x"]);
            set(RecordForm { length: Some((2, length.as_bytes().to_vec())), ..RecordForm::default() })
        }
        Damage::Unknown => record(rng.pick::<&[&str]>(&UNKNOWN)),
        Damage::UnknownSubcommand => record(&["XGROUP", "NOSUCH", "a", "b", "c"]),
        Damage::TooFew => record(rng.pick::<&[&str]>(&TOO_FEW)),
        Damage::TooMany => record(rng.pick::<&[&str]>(&TOO_MANY)),
        Damage::OpenTransaction => [record(&["MULTI"]), record(&["SET", "a", "1"])].concat(),
        Damage::CutTransaction => {
            [record(&["MULTI"]), record(&["SET", "a", "1"]), b"*2\r\n$3\r\nDEL\r\n$5".to_vec()].concat()
        }
        Damage::QueuedDiscard => [record(&["MULTI"]), record(&["DISCARD"]), record(&["EXEC"])].concat(),
        Damage::Lenient => set(RecordForm {
            count: Some(rng.pick(&["3", "003", "+3", "3x"]).as_bytes().to_vec()),
            line_end: rng.pick(&[&b"\n"[..], b" \r\n", b"\r\n"]).to_vec(),
            payload_end: rng.pick(&[&b".."[..], b"\r\n"]).to_vec(),
            ..RecordForm::default()
        }),
        Damage::SecondImage => b"REDIS0009\xff\0\0\0\0\0\0\0\0".to_vec(),
    };
    bytes.extend(more);
    if rng.chance(30) {
        bytes.extend(record(&["SET", "z", "1"]));
    }
    bytes
}

/// Commands that no server has, by themselves or without a module.
const UNKNOWN: [&[&str]; 4] = [&["NOSUCH", "a"], &["JSON.SET", "a", "$", "1"], &["SE\0T", "a", "1"], &[""]];

/// Commands without their last argument.
const TOO_FEW: [&[&str]; 5] = [&["SET", "a"], &["INCR"], &["XGROUP"], &["HSET", "a"], &["XGROUP", "CREATE"]];

/// Commands with one argument too many.
const TOO_MANY: [&[&str]; 4] = [&["INCR", "a", "b"], &["MULTI", "x"], &["GET", "a", "b"], &["EXEC", "1"]];

/// Commands that came with a version, or belong to one family alone.
pub const NEWER: [&[&str]; 12] = [
    &["COPY", "a", "b"],
    &["GETDEL", "a"],
    &["STRALGO", "LCS", "STRINGS", "a", "b"],
    &["FUNCTION", "DELETE", "nolib"],
    &["EXPIRE", "a", "100", "NX"],
    &["ZMPOP", "1", "a", "MIN"],
    &["HPEXPIREAT", "h", "4102444800000", "FIELDS", "1", "f"],
    &["HSETEX", "h", "FIELDS", "1", "f", "v"],
    &["VADD", "v", "VALUES", "1", "1", "e"],
    &["DELIFEQ", "a", "1"],
    &["XACKDEL", "s", "g", "IDS", "1", "1-1"],
    &["MSETEX", "1", "a", "1"],
];

/// Commands that say nothing of the data.
pub const ODD: [&[&str]; 14] = [
    &["SHUTDOWN", "NOSAVE"],
    &["SHUTDOWN", "NOSAVE", "NOW"],
    &["QUIT"],
    &["RESET"],
    &["PSYNC", "?", "-1"],
    &["SYNC"],
    &["MONITOR"],
    &["SUBSCRIBE", "a"],
    &["BLPOP", "nolist", "0"],
    &["CONFIG", "SET", "maxmemory", "100mb"],
    &["DEBUG", "SEGFAULT"],
    &["SELECT", "99"],
    &["EXEC"],
    &["GET", "a"],
];
