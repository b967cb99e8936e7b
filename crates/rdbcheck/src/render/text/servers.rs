//! What servers would do with the file: a table, and below each row why.

use redis_persistence::servers::{Cut, Loads, Moment, Outcome, ReleaseAnswer, StartFiles};

use crate::escape;
use crate::style::{BOLD, KEY, Page, because, color, shorten};
use crate::units::number;
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
            page.plain(4, &because(why));
        }
        for cut in &answer.cuts {
            page.plain(4, &cut_off(cut));
        }
        for why in answer.skips.iter().chain(&answer.reading) {
            page.plain(4, &format!("but: {}", because(why)));
        }
        answer.start.iter().flat_map(|start| start_lines(answer, start)).for_each(|line| page.plain(4, &line));
        if let Some(line) = differ(answer) {
            page.plain(4, &line);
        }
    }
    let loss = answers.iter().find_map(|answer| answer.start.as_ref().map(|start| &start.loss));
    for line in loss.into_iter().flatten() {
        page.paragraph(0, "settings", BOLD, &format!(": {}", escape::plain(line.as_bytes())));
    }
}

/// Returns what it reads, if that is not all that lies there, what goes later, and how long it takes.
fn start_lines(answer: &Loads, start: &StartFiles) -> Vec<String> {
    const FIRST: usize = 6;
    let listed = |files: &mut dyn Iterator<Item = String>, all: usize| {
        let files: Vec<_> = files.take(FIRST).collect();
        let more = all.saturating_sub(files.len());
        format!("{}{}", files.join(", "), if more > 0 { format!(" and {more} more") } else { String::new() })
    };
    let name = |file: &str| shorten(&escape::plain(file.as_bytes()), KEY);
    let mut lines = Vec::new();
    if !start.reads.is_empty() && (answer.by_default == Outcome::StartsEmpty || !start.overwrites.is_empty()) {
        let files = listed(&mut start.reads.iter().map(|file| name(file)), start.reads.len());
        let keys = start.keys.map_or_else(String::new, |keys| format!("{}, ", number(keys, "key")));
        lines.push(format!("reads {files}: {keys}{}", number(start.commands, "command")));
    }
    if !start.overwrites.is_empty() {
        let mut files = start.overwrites.iter().map(|overwrite| {
            let when = match overwrite.at {
                Moment::Start => "at the start",
                Moment::Save => "at its first save",
                Moment::Rewrite => "at its first rewrite",
            };
            format!("{} {when}", name(&overwrite.file))
        });
        lines.push(format!(
            "writes over or deletes what it did not read: {}",
            listed(&mut files, start.overwrites.len())
        ));
    }
    if start.seconds.1 > 1 {
        lines.push(format!("the load takes about {} to {} seconds: an estimate", start.seconds.0, start.seconds.1));
    }
    lines
}

/// `its releases differ: redis-8.0.2 refuses, redis-8.0.6 loads`, if they do.
fn differ(answer: &Loads) -> Option<String> {
    let differ = answer.releases.windows(2).any(|pair| pair[0].by_default != pair[1].by_default);
    let does = |of: &ReleaseAnswer| format!("{} {}", of.release, of.by_default);
    differ.then(|| format!("its releases differ: {}", answer.releases.iter().map(does).collect::<Vec<_>>().join(", ")))
}

fn cut_off(cut: &Cut) -> String {
    let file =
        cut.file.as_ref().map_or_else(|| "the file".to_owned(), |file| shorten(&escape::plain(file.as_bytes()), KEY));
    format!("it cuts {file} from {} to {}", number(cut.from, "byte"), number(cut.to, "byte"))
}
