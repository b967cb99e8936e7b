//! The verifier of append-only files, held against what servers and check tools said of 223 crafted inputs, and against
//! sets that servers wrote.

#[path = "aof_support/cases.rs"]
mod cases;

use std::path::Path;

use cases::{Case, cases};
use redis_persistence::verify::{self, Options, Report, Verdict};

fn report(path: &Path) -> std::io::Result<Report> {
    verify::aof_path(path, &Options::default())
}

const SERVERS: [&str; 3] = ["7.0.15", "8.6.3", "vk9.1.2"];

fn strict(case: &Case) -> [String; 3] {
    SERVERS.map(|server| case.column(&format!("load_strict_{server}")).to_owned())
}

fn codes(report: &Report) -> Vec<&'static str> {
    report.findings_by_code.keys().map(|code| code.as_str()).collect()
}

#[test]
fn dump() -> std::io::Result<()> {
    for case in cases() {
        let loads = strict(&case);
        let report = match report(&case.path) {
            Ok(report) => report,
            Err(error) => {
                println!("{} IO {error} {loads:?}", case.id);
                continue;
            }
        };
        let facts = report.aof.clone().unwrap_or_default();
        let ours = [
            facts.ok_up_to.map(|n| n.to_string()).unwrap_or_default(),
            facts.ok_up_to_line.map(|n| n.to_string()).unwrap_or_default(),
            facts.diff.map(|n| n.to_string()).unwrap_or_default(),
        ];
        let theirs = ["ok_up_to", "ok_up_to_line", "diff"].map(|f| case.column(&format!("{f}_8.6.3")).to_owned());
        let all_load = loads.iter().all(|l| l.starts_with("load"));
        let none = loads.iter().all(|l| !l.starts_with("load"));
        let flag = match report.verdict {
            Verdict::Sound if none => "!!MISSED",
            Verdict::Damaged if all_load => "!!FALSE",
            _ => "",
        };
        let tool = if ours == theirs { String::new() } else { format!("TOOL ours {ours:?} theirs {theirs:?}") };
        println!("{} {} {:?} {flag} {tool} {}", case.id, report.verdict.as_str(), codes(&report), loads[1]);
    }
    Ok(())
}
