//! Lists, sets, sorted sets and hashes, in their packed encodings, in their large ones, and at the edges between.

use std::io;

use super::{COUNTS, Writer, edge_elements, noise, numbered};

/// The longest element of a packed collection, by default, and its neighbours.
const ELEMENT_LENGTHS: [usize; 3] = [63, 64, 65];

/// How many elements a large collection has: past the counts at which an RDB length grows.
const LARGE: usize = 20_000;

/// Every form of a score: a stored integer, fractions, the largest and smallest, and the infinities.
const SCORES: [&str; 16] = [
    "0",
    "-0",
    "1",
    "-1",
    "0.1",
    "-1.5",
    "3.141592653589793",
    "1e17",
    "-1e17",
    "1.7976931348623157e308",
    "-1.7976931348623157e308",
    "5e-324",
    "9007199254740993",
    "inf",
    "-inf",
    "9223372036854775807",
];

pub(super) fn write_lists(writer: &mut Writer<'_>) -> io::Result<()> {
    for count in COUNTS {
        writer.extend("RPUSH", &format!("list:{count}"), &numbered("element", count), 1)?;
    }
    writer.extend("RPUSH", "list:edges", &edge_elements(), 1)?;
    // By default a node holds 8 KiB.
    writer.extend("RPUSH", "list:nodes", &numbered("an element of many nodes", 3000), 1)?;
    writer.extend("RPUSH", "list:noise", &(0..40).map(|seed| noise(700, seed)).collect::<Vec<_>>(), 1)?;
    writer.run(&["CONFIG", "SET", "list-compress-depth", "1"])?;
    writer.extend("RPUSH", "list:compressed", &numbered("an element of compressed nodes", 3000), 1)?;
    writer.run(&["CONFIG", "SET", "list-compress-depth", "0"])?;
    let sizes = [8192, 10_000, 100_000];
    writer.extend("RPUSH", "list:large", &sizes.map(|size| vec![b'l'; size]), 1)?;
    writer.extend("LPUSH", "list:large", &sizes.map(|size| noise(size, 3)), 1)?;
    if writer.large {
        writer.extend("RPUSH", "list:many", &numbered("element", LARGE), 1)?;
    }
    // Redis 7.0 keeps an element in a node of its own from 1 GiB on, later versions from the size of a node on. Older
    // ones, and those without debug commands, refuse the change, and the list is an ordinary one.
    writer.server.command(&["DEBUG", "QUICKLIST-PACKED-THRESHOLD", "1000"])?;
    writer.extend("RPUSH", "list:plain", &[vec![b'p'; 10], vec![b'p'; 2000], noise(2000, 4), vec![b'p'; 11]], 1)?;
    let usual = if writer.has_setting("set-max-listpack-entries")? { "0" } else { "1073741824" };
    writer.server.command(&["DEBUG", "QUICKLIST-PACKED-THRESHOLD", usual])?;
    Ok(())
}

pub(super) fn write_sets(writer: &mut Writer<'_>) -> io::Result<()> {
    for (bits, step) in [(16, 100_i64), (32, 10_000_000), (64, 100_000_000_000_000)] {
        let integers: Vec<_> = (-150..=150).map(|number| (number * step).to_string().into_bytes()).collect();
        writer.extend("SADD", &format!("set:integers:{bits}"), &integers, 1)?;
    }
    for count in COUNTS {
        let integers: Vec<_> = (0..count).map(|number| number.to_string().into_bytes()).collect();
        writer.extend("SADD", &format!("set:integers:count:{count}"), &integers, 1)?;
        writer.extend("SADD", &format!("set:count:{count}"), &numbered("member", count), 1)?;
    }
    for length in ELEMENT_LENGTHS {
        writer.extend("SADD", &format!("set:length:{length}"), &[vec![b'm'; length], b"7".to_vec()], 1)?;
    }
    writer.extend("SADD", "set:edges", &edge_elements(), 1)?;
    if writer.large {
        writer.extend("SADD", "set:large", &numbered("member", LARGE), 1)?;
    }
    Ok(())
}

pub(super) fn write_zsets(writer: &mut Writer<'_>) -> io::Result<()> {
    let scored = |members: Vec<Vec<u8>>| -> Vec<Vec<u8>> {
        let scores = SCORES.iter().cycle().map(|score| score.as_bytes().to_vec());
        scores.zip(members).flat_map(|(score, member)| [score, member]).collect()
    };
    for count in COUNTS {
        writer.extend("ZADD", &format!("zset:count:{count}"), &scored(numbered("member", count)), 2)?;
    }
    for length in ELEMENT_LENGTHS {
        let members = vec![vec![b'm'; length], b"7".to_vec()];
        writer.extend("ZADD", &format!("zset:length:{length}"), &scored(members), 2)?;
    }
    writer.extend("ZADD", "zset:edges", &scored(edge_elements()), 2)?;
    writer.run(&["GEOADD", "zset:places", "13.361389", "38.115556", "Palermo", "15.087269", "37.502669", "Catania"])?;
    if writer.large {
        writer.extend("ZADD", "zset:large", &scored(numbered("member", LARGE)), 2)?;
    }
    Ok(())
}

pub(super) fn write_hashes(writer: &mut Writer<'_>) -> io::Result<()> {
    let paired = |fields: Vec<Vec<u8>>| -> Vec<Vec<u8>> {
        let pairs = fields.into_iter().enumerate();
        pairs.flat_map(|(number, field)| [field, format!("value {number}").into_bytes()]).collect()
    };
    for count in COUNTS {
        writer.extend("HSET", &format!("hash:count:{count}"), &paired(numbered("field", count)), 2)?;
    }
    for length in ELEMENT_LENGTHS {
        let (long, short) = (vec![b'f'; length], b"1".to_vec());
        writer.extend("HSET", &format!("hash:length:field:{length}"), &[long.clone(), short.clone()], 2)?;
        writer.extend("HSET", &format!("hash:length:value:{length}"), &[short, long], 2)?;
    }
    writer.extend("HSET", "hash:edges", &paired(edge_elements()), 2)?;
    writer.run(&["HSET", "hash:empty", "", ""])?;
    if writer.large {
        writer.extend("HSET", "hash:large", &paired(numbered("field", LARGE)), 2)?;
    }
    Ok(())
}
