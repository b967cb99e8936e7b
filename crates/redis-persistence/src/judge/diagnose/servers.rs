//! What to do where a file is sound, or good enough, but a server would not load it.

use super::advice::Step;
use crate::judge::servers::{Loads, Outcome, Product, Reason};
use crate::report::Report;

/// What to do so that a server loads the file, one step for each sort of reason.
///
/// # Examples
/// ```
/// use redis_persistence::diagnose::to_load;
/// use redis_persistence::servers::{Settings, Target, judge};
/// use redis_persistence::verify::{self, Options};
///
/// let report = verify::slice(b"REDIS0011\xfe\x10\x00\x01k\x01v\xff\0\0\0\0\0\0\0\0", &Options::default());
/// let answer = judge(&report, "redis-7.2".parse::<Target>()?, &Settings::default());
/// assert!(to_load(&report, &answer)[0].text.contains("databases 17"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn to_load(report: &Report, answer: &Loads) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    if answer.loads || answer.by_default == Outcome::Unknown {
        return steps;
    }
    for why in &answer.because {
        let Some(text) = text(report, answer, why.reason) else { continue };
        if steps.iter().all(|step| step.text != text) {
            steps.push(Step { text, command: None });
        }
    }
    steps
}

fn text(report: &Report, answer: &Loads, reason: Reason) -> Option<String> {
    let target = answer.target;
    Some(match reason {
        Reason::Databases => {
            let largest = report.rdb.as_ref().and_then(|facts| facts.largest_db).map_or(0, |(db, _)| db);
            let enough = largest.saturating_add(1);
            format!("Give the server enough databases: databases {enough} in its configuration. Nothing is lost.")
        }
        Reason::Cluster => "Load it on a server outside of a cluster, and move the keys from there (MIGRATE): a cluster has \
                            database 0 only."
            .to_owned(),
        Reason::Module => "Give the server the modules that the file needs (loadmodule), no older than those of the server \
                           that wrote it."
            .to_owned(),
        Reason::Engine => "Give the server the module that brings the engine of the functions.".to_owned(),
        Reason::Version if target.product() == Product::Valkey && target.version() >= (9, 0) => format!(
            "{target} tries files of other versions with rdb-version-check relaxed; ask again with --set \
             rdb-version-check=relaxed."
        ),
        Reason::Version | Reason::Type | Reason::Opcode => {
            "The file is newer than the server or from another family, not damaged. Load it on a server at least as new as \
             its writer, and bring the data over from there as an append-only file written with aof-use-rdb-preamble no, or \
             with a client that copies the values. Payloads of DUMP carry that version too."
                .to_owned()
        }
        Reason::Command | Reason::Arity => {
            "Load it on a server that knows these commands, with its modules and its renamed commands (--conf or --set \
             rename-command says them here), and bring the data over from there."
                .to_owned()
        }
        Reason::Annotation => {
            "The server takes timestamps for damage: take them out on one that knows them, by a rewrite with \
             aof-timestamp-enabled no."
                .to_owned()
        }
        Reason::Appendonly => {
            "Set appendonly yes before the start if these files are to be read; what the RDB holds beyond them is not loaded then."
                .to_owned()
        }
        Reason::Manifest | Reason::Names => {
            "Give the server the names that the files have: appenddirname and appendfilename; servers before 7.0 read one file \
             alone."
                .to_owned()
        }
        _ => return None,
    })
}
