//! Append-only files with one damage, cut by a plan that may be applied unasked: what stays is what stood before the damage, byte
//! for byte. Where it is not, the damage left records that are well framed, and the check tools of the servers keep it as well.
//!
//! `CUT_CASES=2000` damages so many files, `CUT_SEED` others.
#![cfg(unix)]

use std::env;
use std::error::Error;
use std::fs;

use redis_persistence::aof::dir::find_on_disk;
use redis_persistence::repair::Step;
use redis_persistence::repair::aof::{FixOptions, plan};
use redis_persistence::verify::{self, Options};
use tempfile::TempDir;
use testkit::planted::aof::sound_records;
use testkit::rng::Rng;

fn number(name: &str, default: u64) -> u64 {
    env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Damages the data in one place.
fn damage(rng: &mut Rng, data: &mut Vec<u8>) {
    let at = rng.size(0..=data.len() - 1);
    let end = (at + rng.size(1..=40)).min(data.len());
    match rng.below(5) {
        0 => data[at] ^= 1 << rng.below(8),
        1 => data[at] = *rng.pick(b"\0\r\n*$#0123456789x"),
        2 => drop(data.drain(at..end)),
        3 => data[at..end].fill(0),
        _ => drop(data.splice(at..at, vec![b'\n'; end - at])),
    }
}

#[test]
fn what_stays_is_what_stood_before_the_damage() -> Result<(), Box<dyn Error>> {
    let (mut cut, mut kept, mut wrong) = (0_u64, 0_u64, Vec::new());
    let root = TempDir::new()?;
    let path = root.path().join("appendonly.aof");
    for seed in 0..number("CUT_CASES", 300) {
        let mut rng = Rng::new(number("CUT_SEED", 0) + seed);
        let original = sound_records(&mut rng, 20);
        let mut data = original.clone();
        damage(&mut rng, &mut data);
        fs::write(&path, &data)?;
        let plan = plan(&find_on_disk(&path)?, &FixOptions::default())?;
        let ([Step::Cut(step)], true) = (&plan.steps[..], plan.may_be_applied_unasked()) else { continue };
        cut += 1;
        let to = usize::try_from(step.to)?;
        if original.starts_with(&data[..to]) {
            continue;
        }
        let report = verify::aof_slice(&data, &Options::default())?;
        let tool = report.aof.as_ref().and_then(|facts| facts.ok_up_to).ok_or("the tool reads a single file")?;
        let same = original.iter().zip(&data).take_while(|(a, b)| a == b).count() as u64;
        if tool <= same {
            let steps = plan.describe();
            wrong.push(format!("seed {seed}: cut at {to}, the tool at {tool}, damaged at {same}: {steps:#?}"));
        } else {
            kept += 1;
        }
    }
    println!("{cut} cut, {kept} of them behind a damage that is well framed");
    assert!(wrong.is_empty(), "{} of {cut}\n{}", wrong.len(), wrong.join("\n"));
    assert!(cut > 0);
    Ok(())
}
