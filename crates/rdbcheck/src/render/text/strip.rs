//! The strip of a file: one line of cells that shows where the damage lies.

use anstyle::Style as Ansi;
use redis_persistence::verify::{Report, Severity};

use crate::escape;
use crate::outcome::{Map, Mark};
use crate::style::{Look, Page, color, shorten};
use crate::units::size;

/// How many files of a set have one.
const FIRST_FILES: usize = 4;
/// How wide the name of a file may become.
const NAME: usize = 40;
/// Wider strips tell no more.
const MOST_CELLS: usize = 100;

/// The strips of the files that are damaged, for who looks at a terminal.
pub(super) fn strips(page: &mut Page, report: &Report) {
    let look = page.look;
    let maps = Map::of(report);
    if !look.is_seen || maps.is_empty() {
        return;
    }
    for map in maps.iter().take(FIRST_FILES) {
        let name = map.name.as_ref().map_or_else(String::new, |name| {
            format!("{} ", shorten(&escape::plain(name.as_bytes()), NAME.min(look.width / 3)))
        });
        let end = format!(" {}", size(map.size));
        let count = look.width.saturating_sub(4 + escape::columns(&name) + end.len()).min(MOST_CELLS);
        page.text.push_str("  ");
        page.text.push_str(&name);
        page.text.push('[');
        let cells = map.cells(count);
        for run in cells.chunk_by(|a, b| a == b) {
            let style = style(run[0]);
            let cells: String = run.iter().map(|mark| cell(look, *mark)).collect();
            page.text.push_str(&format!("{style}{cells}{style:#}"));
        }
        page.text.push_str(&format!("]{end}\n"));
    }
    let has = |mark| maps.iter().any(|map| map.marks.iter().any(|(.., of)| *of == mark));
    let known = [(Mark::Damaged, "damaged"), (Mark::Unread, "not read"), (Mark::Sound, "nothing wrong found")];
    let legend = known.into_iter().filter(|(mark, _)| *mark == Mark::Sound || has(*mark));
    let legend: Vec<_> = legend.map(|(mark, what)| format!("{} {what}", cell(look, mark))).collect();
    page.plain(2, &legend.join("   "));
}

fn cell(look: Look, mark: Mark) -> char {
    match (mark, look.has_blocks) {
        (Mark::Unread, _) => '?',
        (Mark::Sound, true) => '░',
        (Mark::Damaged, true) => '█',
        (Mark::Sound, false) => '.',
        (Mark::Damaged, false) => '#',
    }
}

fn style(mark: Mark) -> Ansi {
    match mark {
        Mark::Sound => Ansi::new(),
        Mark::Unread => color(Severity::Warning),
        Mark::Damaged => color(Severity::Error),
    }
}
