//! What servers would do with the file, in the document.

use std::collections::BTreeMap;
use std::path::Path;

use redis_persistence::servers::{Loads, ReleaseAnswer, StartFiles, Why};
use serde::Serialize;

use super::Number;

#[derive(Serialize)]
pub(super) struct LoadsView<'a> {
    loads: bool,
    by_default: &'a str,
    cuts: Vec<CutView>,
    skips: Vec<WhyView<'a>>,
    reading: Vec<WhyView<'a>>,
    because: Vec<WhyView<'a>>,
    start: Option<StartView<'a>>,
    basis: &'a str,
    releases: Vec<ReleaseView<'a>>,
}

#[derive(Serialize)]
struct StartView<'a> {
    reads: &'a [String],
    keys: Option<Number>,
    commands: Number,
    overwrites: Vec<OverwriteView<'a>>,
    seconds: [Number; 2],
    loss: &'a [String],
}

#[derive(Serialize)]
struct OverwriteView<'a> {
    file: &'a str,
    at: &'a str,
}

#[derive(Serialize)]
struct ReleaseView<'a> {
    release: &'a str,
    by_default: &'a str,
    build: Option<&'a str>,
    origin: &'a str,
}

#[derive(Serialize)]
struct CutView {
    file: String,
    from: Number,
    to: Number,
}

#[derive(Serialize)]
struct WhyView<'a> {
    code: &'a str,
    count: Number,
    first: Vec<String>,
    message: &'a str,
}

/// By the name of the server.
pub(super) fn all<'a>(answers: &'a [Loads], path: &Path) -> BTreeMap<String, LoadsView<'a>> {
    answers.iter().map(|answer| (answer.release.to_string(), loads(answer, path))).collect()
}

fn loads<'a>(answer: &'a Loads, path: &Path) -> LoadsView<'a> {
    let cuts = answer.cuts.iter().map(|cut| CutView {
        file: cut.file.clone().unwrap_or_else(|| path.to_string_lossy().into_owned()),
        from: Number(cut.from),
        to: Number(cut.to),
    });
    let whys = |whys: &'a [Why]| whys.iter().map(reason).collect();
    LoadsView {
        loads: answer.loads,
        by_default: answer.by_default.as_str(),
        cuts: cuts.collect(),
        skips: whys(&answer.skips),
        reading: whys(&answer.reading),
        because: whys(&answer.because),
        start: answer.start.as_ref().map(start),
        basis: answer.release.basis().as_str(),
        releases: answer.releases.iter().map(release).collect(),
    }
}

fn start(start: &StartFiles) -> StartView<'_> {
    let overwrites = start.overwrites.iter();
    StartView {
        reads: &start.reads,
        keys: start.keys.map(Number),
        commands: Number(start.commands),
        overwrites: overwrites.map(|over| OverwriteView { file: &over.file, at: over.at.as_str() }).collect(),
        seconds: [Number(start.seconds.0), Number(start.seconds.1)],
        loss: &start.loss,
    }
}

fn release(answer: &ReleaseAnswer) -> ReleaseView<'_> {
    ReleaseView {
        release: &answer.release,
        by_default: answer.by_default.as_str(),
        build: answer.build,
        origin: answer.origin,
    }
}

fn reason(why: &Why) -> WhyView<'_> {
    WhyView {
        code: why.reason.as_str(),
        count: Number(why.count),
        first: why.first.iter().map(ToString::to_string).collect(),
        message: &why.message,
    }
}
