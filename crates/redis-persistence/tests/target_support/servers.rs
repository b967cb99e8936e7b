//! What the tests with real servers share.

// Each test that includes this file uses a part of it.
use redis_persistence::servers::{Outcome, Release, Target};
use testkit::server::{LoadVerdict, Product};

/// A number from the environment.
pub fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// The release of a product: each server is of a known one.
pub fn release(product: Product) -> Release {
    let installed = product.find().map(|installed| installed.version).unwrap_or_default();
    let number = installed.split([' ', '=']).skip_while(|word| *word != "v").nth(1);
    let name = number.map_or_else(|| product.name().to_owned(), |number| format!("{}-{number}", product.family()));
    name.parse().expect("every product is of a series that can be judged for")
}

/// The series of a product.
pub fn target(product: Product) -> Target {
    release(product).series()
}

/// What a start came to, and what the server logged.
pub fn outcome(verdict: LoadVerdict) -> (Outcome, String) {
    match verdict {
        LoadVerdict::Loaded { log, .. } => (Outcome::Loads, log),
        LoadVerdict::Refused { log, .. } | LoadVerdict::Hung { log } => (Outcome::Refuses, log),
        LoadVerdict::Crashed { log, .. } => (Outcome::Crashes, log),
    }
}

/// The end of a log, without the banner and in lines that a terminal takes.
pub fn end_of(log: &str) -> String {
    let lines: Vec<String> =
        log.lines().filter(|line| !line.contains("oO0")).map(|line| line.chars().take(160).collect()).collect();
    lines[lines.len().saturating_sub(40)..].join("\n    ")
}
