//! Writes random sound RDB files, to be given to the check tools of real servers.
//!
//! `cargo run -p testkit --example write_rdb -- DIRECTORY redis|valkey VERSION BUDGET SEEDS`

use testkit::rdb::{Family, File};
use testkit::rng::Rng;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [directory, family, version, budget, seeds] = args.as_slice() else {
        return Err("usage: write_rdb DIRECTORY redis|valkey VERSION BUDGET SEEDS".into());
    };
    let kind = if family == "valkey" { Family::Valkey } else { Family::Redis };
    for seed in 0..seeds.parse::<u64>()? {
        let file = File::arbitrary(&mut Rng::new(seed), kind, version.parse()?, budget.parse()?);
        std::fs::write(format!("{directory}/{family}-{version}-{seed}.rdb"), file.encode().bytes)?;
    }
    Ok(())
}
