//! What servers would do with the file: a table, and below each row why.

use redis_persistence::target::{Cut, Loads, Outcome, ReleaseAnswer, Why};

use super::cause::named;
use super::{BOLD, KEY, color};
use crate::escape;
use crate::render::page::{Page, shorten};
use redis_persistence::verify::Severity;

/// The answers for all servers that were asked for.
pub(super) fn servers(page: &mut Page, answers: &[Loads]) {
    if answers.is_empty() {
        return;
    }
    page.paragraph(0, &format!("{:<14}{:<9}{:<17}{}", "server", "loads", "by default", "known from"), BOLD, "");
    for answer in answers {
        let word = match (answer.loads, answer.by_default) {
            (true, _) => "yes",
            (false, Outcome::Unknown) => "unknown",
            (false, _) => "NO",
        };
        let ansi = match word {
            "yes" => color(Severity::Note),
            "NO" => color(Severity::Error),
            _ => color(Severity::Warning),
        };
        let basis = format!("{:<17}{}", answer.by_default.as_str(), answer.release.basis().as_str());
        page.paragraph(0, &format!("{:<14}{word:<9}", answer.release.to_string()), ansi, &basis);
        for why in &answer.because {
            page.plain(4, &reason(why));
        }
        for cut in &answer.cuts {
            page.plain(4, &cut_off(cut));
        }
        for why in answer.skips.iter().chain(&answer.reading) {
            page.plain(4, &format!("but: {}", reason(why)));
        }
        if let Some(line) = differ(answer) {
            page.plain(4, &line);
        }
    }
}

/// `its releases differ: redis-8.0.2 refuses, redis-8.0.6 loads`, if they do.
fn differ(answer: &Loads) -> Option<String> {
    let differ = answer.releases.windows(2).any(|pair| pair[0].by_default != pair[1].by_default);
    let does = |of: &ReleaseAnswer| format!("{} {}", of.release, of.by_default);
    differ.then(|| format!("its releases differ: {}", answer.releases.iter().map(does).collect::<Vec<_>>().join(", ")))
}

/// `redis-7.0 does not know type 26 (stream); redis-8.6 is the first that does: 3 times: "a", "b", "c"`.
pub(crate) fn reason(why: &Why) -> String {
    let mut line = escape::plain(why.message.as_bytes());
    let names: Vec<_> = why.first.iter().map(named).collect();
    let more = if why.count > names.len() as u64 && !names.is_empty() { ", ..." } else { "" };
    match (why.count, names.is_empty()) {
        (0 | 1, true) => {}
        (_, true) => line.push_str(&format!(": {}", crate::units::number(why.count, "time"))),
        (1, false) => line.push_str(&format!(": {}", names.join(", "))),
        (n, false) => line.push_str(&format!(": {}: {}{more}", crate::units::number(n, "time"), names.join(", "))),
    }
    line
}

fn cut_off(cut: &Cut) -> String {
    let file =
        cut.file.as_ref().map_or_else(|| "the file".to_owned(), |file| shorten(&escape::plain(file.as_bytes()), KEY));
    format!(
        "it cuts {file} from {} to {}",
        crate::units::number(cut.from, "byte"),
        crate::units::number(cut.to, "byte")
    )
}
