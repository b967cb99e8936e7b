//! What came of a write, as text and as JSON.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::ops::RangeInclusive;
use std::path::Path;

use redis_persistence::rewrite::{Kind, Named, Plan};
use redis_persistence::servers::Release;
use serde::Serialize;

use super::check::Stop;
use crate::console::{say, written};
use crate::escape::{base64, plain};
use crate::exit::Exit;
use crate::units::{commas, number, size};

/// What came of it.
#[derive(Debug, Serialize)]
pub(in crate::verbs) struct Outcome {
    schema_version: u32,
    tool: &'static str,
    version: &'static str,
    #[serde(rename = "for")]
    server: String,
    out: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    out_base64: Option<String>,
    /// `written`, `planned` or `refused`.
    pub(in crate::verbs) status: &'static str,
    pub(in crate::verbs) why: Option<String>,
    resp: bool,
    pub(in crate::verbs) bytes: Option<u64>,
    /// The commands of an append-only file or set that were copied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::verbs) commands: Option<u64>,
    #[serde(flatten)]
    plan: Option<PlanView>,
    refused: Vec<KindView>,
}

#[derive(Debug, Serialize)]
struct PlanView {
    keys: u64,
    expires: u64,
    copied: u64,
    encoded_anew: u64,
    functions: u64,
    digest: String,
    databases: BTreeMap<u64, DatabaseView>,
    duplicates: u64,
    left_out: Vec<KindView>,
    /// What the server would not store of streams, and of how many.
    not_stored: BTreeMap<&'static str, u64>,
    /// Cluster slots without a key, first and last, where several files were merged.
    empty_slots: Vec<(u64, u64)>,
}

#[derive(Debug, Serialize)]
struct DatabaseView {
    keys: u64,
    expires: u64,
}

#[derive(Debug, Serialize)]
struct KindView {
    kind: &'static str,
    total: u64,
    first: Vec<NameView>,
}

#[derive(Debug, Serialize)]
struct NameView {
    db: Option<u64>,
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name_base64: Option<String>,
}

/// This many ranges of slots are shown in the text.
const MOST_RANGES: usize = 8;

impl Outcome {
    pub(in crate::verbs) fn new(tool: &'static str, server: Release, out: &Path, resp: bool) -> Self {
        let out = out.as_os_str();
        Self {
            schema_version: 1,
            tool,
            version: env!("CARGO_PKG_VERSION"),
            server: server.to_string(),
            out: out.to_string_lossy().into_owned(),
            out_base64: out.to_str().is_none().then(|| base64(out.as_encoded_bytes())),
            status: "refused",
            why: None,
            resp,
            bytes: None,
            commands: None,
            plan: None,
            refused: Vec::new(),
        }
    }

    pub(in crate::verbs) fn plan(&mut self, plan: &Plan) {
        let databases =
            plan.databases.iter().map(|(db, (keys, expires))| (*db, DatabaseView { keys: *keys, expires: *expires }));
        self.plan = Some(PlanView {
            keys: plan.keys,
            expires: plan.expires,
            copied: plan.copied,
            encoded_anew: plan.keys - plan.copied,
            functions: plan.functions,
            digest: plan.digest.to_string(),
            databases: databases.collect(),
            duplicates: plan.duplicates,
            left_out: views(&plan.left_out),
            not_stored: plan.dropped.iter().map(|(what, count)| (what.as_str(), *count)).collect(),
            empty_slots: plan.empty_slots.iter().map(RangeInclusive::clone).map(RangeInclusive::into_inner).collect(),
        });
    }

    pub(in crate::verbs) fn refused(&mut self, by_kind: &BTreeMap<Kind, Named>) {
        self.refused = views(by_kind);
    }

    /// Says how it ended, and returns that.
    pub(in crate::verbs) fn end(&mut self, done: Result<(), Stop>, json: bool, quiet: bool) -> Exit {
        let exit = match done {
            Ok(()) => Exit::Sound,
            Err(stop) => {
                say(self.tool, &format!("{}: {}", plain(self.out.as_bytes()), stop.why));
                self.why = Some(stop.why);
                stop.exit
            }
        };
        // Standard output is that of the commands.
        let is_taken = self.resp && self.out == "-";
        let shown = match (json, quiet || is_taken) {
            (true, _) if is_taken => writeln!(io::stderr().lock(), "{}", self.json()),
            (true, _) => writeln!(io::stdout().lock(), "{}", self.json()),
            (false, false) => self.text(&mut io::stdout().lock()),
            (false, true) => Ok(()),
        };
        exit.and(written(self.tool, shown))
    }

    fn json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    fn text(&self, out: &mut impl Write) -> io::Result<()> {
        if self.why.is_some() {
            return Ok(());
        }
        let name = plain(self.out.as_bytes());
        if let Some(commands) = self.commands {
            writeln!(out, "{name}: {} for {}", number(commands, "command"), self.server)?;
        }
        let Some(plan) = &self.plan else { return Ok(()) };
        let functions = match plan.functions {
            0 => String::new(),
            1 => " and 1 function library".to_owned(),
            n => format!(" and {} function libraries", commas(n)),
        };
        let how = format!("{} as they were, {} encoded anew", commas(plan.copied), commas(plan.encoded_anew));
        let would = if self.status == "planned" { "would hold " } else { "" };
        writeln!(out, "{name}: {would}{}{functions} for {} ({how})", number(plan.keys, "key"), self.server)?;
        if let Some(bytes) = self.bytes {
            writeln!(out, "  {}, digest {}: that of the source", size(bytes), &plan.digest[..16])?;
        }
        for kind in &plan.left_out {
            writeln!(out, "  left out, {}: {}", kind.kind, commas(kind.total))?;
        }
        for (what, count) in &plan.not_stored {
            writeln!(out, "  {} does not store {what}: {}", self.server, number(*count, "stream"))?;
        }
        if plan.duplicates > 0 {
            writeln!(out, "  {} stood twice, and one of each was written", number(plan.duplicates, "key"))?;
        }
        self.slots(plan, out)
    }

    /// Names the slots without a key, if that is no accident of few keys.
    fn slots(&self, plan: &PlanView, out: &mut impl Write) -> io::Result<()> {
        let missing: u64 = plan.empty_slots.iter().map(|(first, last)| last - first + 1).sum();
        if missing == 0 || missing == 16384 || plan.empty_slots.len() > MOST_RANGES {
            return Ok(());
        }
        let ranges: Vec<_> = plan.empty_slots.iter().map(|(first, last)| format!("{first}-{last}")).collect();
        writeln!(out, "  no key lies in {} of the slots of a cluster: {}", commas(missing), ranges.join(", "))
    }
}

fn views(by_kind: &BTreeMap<Kind, Named>) -> Vec<KindView> {
    let name = |(db, name): &(Option<u64>, Vec<u8>)| {
        let text = std::str::from_utf8(name).ok().map(str::to_owned);
        NameView { db: *db, name_base64: text.is_none().then(|| base64(name)), name: text }
    };
    let view = |(kind, named): (&Kind, &Named)| KindView {
        kind: kind.as_str(),
        total: named.total,
        first: named.first.iter().map(name).collect(),
    };
    by_kind.iter().map(view).collect()
}
