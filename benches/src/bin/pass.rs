//! For comparisons of whole processes: `pass read FILE [THREADS]` reads and sums an RDB, which nothing that verifies can
//! undercut; `pass make MEGABYTES` writes an RDB to standard output, of any size, half of small keys and half of hashes.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

use redis_persistence::crc64::Crc64;
use redis_persistence::verify::ReadAt as _;
use testkit::rdb::{Listpack, RdbWriter};
use testkit::rng::Rng;

/// What a thread of the verifier reads at a time.
const BLOCK: usize = 512 << 10;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments[..] {
        ["read", path] => read(path, 1),
        ["read", path, threads] => threads.parse().map_err(io::Error::other).and_then(|threads| read(path, threads)),
        ["make", size] => size.parse().map_err(io::Error::other).and_then(|size| {
            let mut out = BufWriter::with_capacity(1 << 20, io::stdout().lock());
            make(size, &mut out)?;
            out.flush()
        }),
        _ => Err(io::Error::other("usage: pass read FILE [THREADS] | pass make MEGABYTES")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Blocks of the size that the verifier reads; each thread takes the next one.
fn read(path: &str, threads: usize) -> io::Result<()> {
    let (file, next) = (File::open(path)?, AtomicU64::new(0));
    let one = || -> io::Result<u64> {
        let (mut block, mut sum) = (vec![0; BLOCK], 0);
        loop {
            let n = file.read_at(&mut block, next.fetch_add(BLOCK as u64, Ordering::Relaxed))?;
            if n == 0 {
                return Ok(sum);
            }
            let mut crc = Crc64::new();
            crc.update(&block[..n]);
            sum ^= crc.value();
        }
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(one)).collect();
        let mut sum = one()?;
        for other in others {
            sum ^= other.join().map_err(|_| io::Error::other("a thread panicked"))??;
        }
        println!("{sum:016x}");
        Ok(())
    })
}

fn make(megabytes: u64, out: &mut impl Write) -> io::Result<()> {
    let (mut rng, mut crc, mut written) = (Rng::new(1), Crc64::new(), 0);
    let mut put = |bytes: &[u8]| {
        crc.update(bytes);
        out.write_all(bytes).map(|()| crc.value())
    };
    put(b"REDIS0011\xfe\x00")?;
    let mut w = RdbWriter::bare(11);
    // Random bytes do not become less, and to try takes most of the time.
    w.compression(false);
    for number in 0_u64.. {
        for small in 0..40 {
            w.string_key(format!("key:{number}:{small}").as_bytes(), &rng.bytes(24));
        }
        let words = (0..40).map(|_| format!("{}:{:x}", rng.word(), rng.next_u64()));
        w.key(16, format!("hash:{number}").as_bytes()).str(&Listpack::of(words));
        let bytes = w.take();
        put(&bytes)?;
        written += bytes.len() as u64;
        if written >= megabytes * 1_000_000 {
            break;
        }
    }
    let sum = put(b"\xff")?;
    out.write_all(&sum.to_le_bytes())
}
