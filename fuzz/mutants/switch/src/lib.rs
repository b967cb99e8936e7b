//! Chooses one of the mutants that are compiled into a program.
//!
//! `MUTANT=7` switches on the mutant with number 7. `MUTANT_REACHED=FILE` switches on none, and writes the number of each that is come
//! by into the file, four bytes each. Code that the compiler evaluates cannot ask the environment of the run: for it there is
//! `MUTANT_CONST=7` at the time of the build.
#![feature(core_intrinsics, const_eval_select)]
#![allow(internal_features)]

use std::{
    io::Write,
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

/// Whether this mutant is the chosen one.
#[inline]
pub const fn on(id: u32) -> bool {
    core::intrinsics::const_eval_select((id,), compiled, running)
}

const fn compiled(id: u32) -> bool {
    let Some(text) = option_env!("MUTANT_CONST") else { return false };
    let (mut number, mut at) = (0, 0);
    while at < text.len() {
        number = number * 10 + (text.as_bytes()[at] - b'0') as u32;
        at += 1;
    }
    number == id
}

const UNKNOWN: u32 = u32::MAX;
const RECORD: u32 = u32::MAX - 1;
const NONE: u32 = u32::MAX - 2;
static CHOSEN: AtomicU32 = AtomicU32::new(UNKNOWN);

#[inline]
fn running(id: u32) -> bool {
    let chosen = CHOSEN.load(Relaxed);
    chosen == id || chosen >= RECORD && slow(id, chosen)
}

#[cold]
fn slow(id: u32, chosen: u32) -> bool {
    if chosen == RECORD {
        record(id);
        return false;
    }
    let chosen = match std::env::var("MUTANT") {
        Ok(number) => number.parse().unwrap_or(NONE),
        Err(_) if std::env::var_os("MUTANT_REACHED").is_some() => RECORD,
        Err(_) => NONE,
    };
    CHOSEN.store(chosen, Relaxed);
    if chosen == RECORD {
        record(id);
    }
    chosen == id
}

fn record(id: u32) {
    static SEEN: Mutex<Vec<bool>> = Mutex::new(vec![]);
    let mut seen = SEEN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let at = id as usize;
    if seen.len() <= at {
        seen.resize(at + 1, false);
    }
    if !std::mem::replace(&mut seen[at], true)
        && let Some(path) = std::env::var_os("MUTANT_REACHED")
        && let Ok(mut file) = std::fs::File::options().append(true).open(path)
    {
        let _ = file.write_all(&id.to_le_bytes());
    }
}
