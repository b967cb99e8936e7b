//! Random data: what no list of edges thinks of.

use std::io;

use crate::rng::Rng;
use crate::server::Server;

/// Random data of all types that the server has, in two databases.
///
/// # Errors
/// When the server refuses a command or is gone.
pub fn random(server: &mut Server, rng: &mut Rng) -> io::Result<()> {
    let fields = server.knows("hpexpireat")?;
    for db in ["0", "3"] {
        server.run(&["SELECT", db])?;
        for n in 0..rng.size(10..=40) {
            let key = format!("key:{n}");
            let many = if rng.chance(10) { rng.size(100..=700) } else { rng.size(1..=20) };
            match rng.below(7) {
                0 => drop(server.run(&[b"SET".as_slice(), key.as_bytes(), &text(rng)])?),
                1 => each(server, rng, "RPUSH", &key, many, |rng| vec![text(rng)])?,
                2 => each(server, rng, "SADD", &key, many, |rng| vec![text(rng)])?,
                3 => each(server, rng, "SADD", &key, many, |rng| vec![rng.below(1 << 20).to_string().into_bytes()])?,
                4 => each(server, rng, "ZADD", &key, many, |rng| vec![score(rng).into_bytes(), text(rng)])?,
                5 => {
                    each(server, rng, "HSET", &key, many, |rng| vec![text(rng), text(rng)])?;
                    if fields && rng.chance(50) {
                        server.run(&["HSET", &key, "expiring", "field"])?;
                        server.run(&["HPEXPIREAT", &key, "4102444800123", "FIELDS", "1", "expiring"])?;
                    }
                }
                _ => stream(server, rng, &key, many)?,
            }
            if rng.chance(30) {
                server.run(&["PEXPIREAT", &key, &(4_102_444_800_000 + rng.below(1 << 40)).to_string()])?;
            }
        }
    }
    Ok(())
}

fn each(
    server: &mut Server,
    rng: &mut Rng,
    command: &str,
    key: &str,
    count: usize,
    element: impl Fn(&mut Rng) -> Vec<Vec<u8>>,
) -> io::Result<()> {
    let mut arguments = vec![command.as_bytes().to_vec(), key.as_bytes().to_vec()];
    (0..count).for_each(|_| arguments.extend(element(rng)));
    server.run(&arguments)?;
    Ok(())
}

fn stream(server: &mut Server, rng: &mut Rng, key: &str, count: usize) -> io::Result<()> {
    for n in 1..=count {
        let (id, field) = (format!("{}-{}", n / 3, n + 1), if rng.chance(80) { "same" } else { "other" });
        server.run(&[b"XADD".as_slice(), key.as_bytes(), id.as_bytes(), field.as_bytes(), &text(rng), b"x", b"1"])?;
    }
    if rng.chance(30) {
        server.run(&["XDEL", key, "0-2"])?;
    }
    for group in 0..rng.below(3) {
        let group = format!("group{group}");
        server.run(&["XGROUP", "CREATE", key, &group, "0"])?;
        for consumer in 0..rng.below(3) {
            let consumer = format!("consumer{consumer}");
            server.run(&["XREADGROUP", "GROUP", &group, &consumer, "COUNT", "3", "STREAMS", key, ">"])?;
        }
    }
    Ok(())
}

fn text(rng: &mut Rng) -> Vec<u8> {
    match rng.below(4) {
        0 => rng.signed(-70_000..=70_000).to_string().into_bytes(),
        1 => "repeated ".repeat(rng.size(1..=20)).into_bytes(),
        _ => {
            let len = rng.size(0..=80);
            rng.bytes(len)
        }
    }
}

fn score(rng: &mut Rng) -> String {
    match rng.below(6) {
        0 => rng.signed(-1000..=1000).to_string(),
        1 => format!("{}.{:02}", rng.below(100_000), rng.below(100)),
        2 => format!("{}e{}", rng.below(10_000), rng.signed(-300..=300)),
        3 => ["inf", "-inf", "0.1", "1e17", "123456789012345678"][rng.size(0..=4)].to_owned(),
        // Any double that is a number.
        _ => {
            let bits = f64::from_bits(rng.below(u64::MAX));
            format!("{:e}", if bits.is_finite() { bits } else { 1.5 })
        }
    }
}
