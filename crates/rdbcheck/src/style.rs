//! How text for people looks: lines of bounded width, with colours that do not count; names, and the reasons of servers.

use std::io::IsTerminal as _;
use std::{env, io};

use anstyle::{AnsiColor, Style};
use redis_persistence::servers::Why;
use redis_persistence::verify::{Name, Severity};

use crate::escape::{self, columns, width};
use crate::units::number;

pub(crate) const BOLD: Style = Style::new().bold();

/// How wide a key may become.
pub(crate) const KEY: usize = 80;
/// How wide the name of a file may become.
pub(crate) const NAME: usize = 80;

/// No line is wider where nobody says how wide the terminal is, and none is on a wider one.
pub(crate) const WIDTH: usize = 160;
/// What stays on the line of its number: the units of `units`, and those of memory.
const UNITS: [&str; 16] =
    ["byte", "bytes", "kB", "MB", "GB", "TB", "PB", "EB", "KiB", "MiB", "GiB", "ms", "s", "min", "h", "d"];
/// On a narrower terminal lines are as wide as this.
const NARROWEST: usize = 60;

/// What the place takes where text is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Look {
    /// No line is wider, but for commands, which stay whole so that they can be copied.
    pub(crate) width: usize,
    /// Whether somebody looks at it on a terminal: pictures of one line are for them.
    pub(crate) is_seen: bool,
    /// Whether it shows more than ASCII.
    pub(crate) has_blocks: bool,
}

impl Default for Look {
    /// A file or a pipe.
    fn default() -> Self {
        Self { width: WIDTH, is_seen: false, has_blocks: false }
    }
}

impl Look {
    /// Returns the look of standard output: as wide as its terminal is, or as the variable `COLUMNS` says.
    pub(crate) fn of_stdout() -> Self {
        let said = env::var("COLUMNS").ok().and_then(|text| text.parse().ok()).filter(|width| *width > 0);
        let width = said.or_else(|| columns_of_stdout().filter(|width| *width > 0));
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().filter_map(|name| env::var(name).ok());
        let locale = locale.into_iter().find(|value| !value.is_empty()).unwrap_or_default().to_ascii_lowercase();
        Self {
            width: width.map_or(WIDTH, |width| width.clamp(NARROWEST, WIDTH)),
            is_seen: width.is_some(),
            has_blocks: io::stdout().is_terminal() && locale.replace('-', "").ends_with("utf8"),
        }
    }

    /// Returns a picture of numbers, a character for each: the higher, the larger.
    pub(crate) fn sparkline(self, numbers: &[u64]) -> String {
        let ramp: [char; 8] = if self.has_blocks {
            ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█']
        } else {
            ['.', ':', '-', '=', '+', '*', '%', '#']
        };
        let most = u128::from(numbers.iter().copied().max().unwrap_or(0).max(1));
        let step = |n: u64| usize::try_from(u128::from(n) * 7 / most).unwrap_or(7);
        numbers.iter().map(|n| if *n == 0 { ' ' } else { ramp[step(*n)] }).collect()
    }
}

/// Returns how wide the terminal is that standard output goes to.
#[cfg(unix)]
fn columns_of_stdout() -> Option<usize> {
    rustix::termios::tcgetwinsize(io::stdout()).ok().map(|size| usize::from(size.ws_col))
}

#[cfg(not(unix))]
fn columns_of_stdout() -> Option<usize> {
    None
}

/// Text that grows by lines. What is given to it must be fit to print.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) text: String,
    pub(crate) look: Look,
}

impl Page {
    /// Returns an empty page.
    pub(crate) fn new(look: Look) -> Self {
        Self { text: String::new(), look }
    }

    /// A paragraph: `lead` in its style, then `rest`, broken at spaces where it is too wide. Lines after the first are
    /// indented by four more.
    pub(crate) fn paragraph(&mut self, indent: usize, lead: &str, style: Style, rest: &str) {
        self.pieces(indent, &[(lead, style), (rest, Style::new())]);
    }

    /// A paragraph of pieces, each in its style.
    pub(crate) fn pieces(&mut self, indent: usize, pieces: &[(&str, Style)]) {
        self.text.push_str(&" ".repeat(indent));
        let mut at = indent;
        for (piece, style) in pieces {
            self.text.push_str(&style.to_string());
            for word in whole(piece, self.look.width.saturating_sub(indent + 4)) {
                at = self.word(word, at, indent + 4);
            }
            self.text.push_str(&format!("{style:#}"));
        }
        while self.text.ends_with(' ') {
            self.text.pop();
        }
        self.text.push('\n');
    }

    /// A paragraph without a lead.
    pub(crate) fn plain(&mut self, indent: usize, text: &str) {
        self.paragraph(indent, "", Style::new(), text);
    }

    /// A command in one line, however wide: what a terminal breaks by itself is whole when it is copied.
    pub(crate) fn command(&mut self, indent: usize, command: &str) {
        self.text.push_str(&" ".repeat(indent));
        self.text.push_str(command);
        self.text.push('\n');
    }

    /// Rows under heads, all columns but the first `lead` ones to the right. What does not fit beside each other goes below, with
    /// the first columns again.
    pub(crate) fn table(&mut self, heads: &[&str], rows: &[Vec<String>], lead: usize) {
        let widest = |n: usize| {
            let cells = rows.iter().filter_map(|row| row.get(n)).map(|cell| columns(cell));
            cells.max().unwrap_or(0).max(columns(heads[n]))
        };
        let widths: Vec<usize> = (0..heads.len()).map(widest).collect();
        let before: usize = widths[..lead].iter().map(|width| width + 2).sum();
        let mut from = lead;
        while from < heads.len() {
            let mut to = from;
            let mut at = before;
            while to < heads.len() && (to == from || at + widths[to] + 2 <= self.look.width) {
                at += widths[to] + 2;
                to += 1;
            }
            let line = |cell: &dyn Fn(usize) -> String| -> String {
                let first = (0..lead).map(|n| format!("{:<1$}  ", cell(n), widths[n]));
                let others = (from..to).map(|n| format!("{:>1$}  ", cell(n), widths[n]));
                first.chain(others).collect()
            };
            self.paragraph(0, line(&|n| heads[n].to_owned()).trim_end(), BOLD, "");
            for row in rows {
                self.plain(0, line(&|n| row.get(n).cloned().unwrap_or_default()).trim_end());
            }
            from = to;
        }
    }

    /// Appends a word, on a new line if it does not fit, and in pieces if it fits on none.
    fn word(&mut self, word: &str, mut at: usize, indent: usize) -> usize {
        let most = self.look.width;
        if at > indent && at + columns(word.trim_end()) > most && indent + columns(word.trim_end()) <= most {
            at = self.newline(indent);
        }
        for c in word.chars() {
            if at + width(c) > most {
                if c == ' ' {
                    continue;
                }
                at = self.newline(indent);
            }
            self.text.push(c);
            at += width(c);
        }
        at
    }

    fn newline(&mut self, indent: usize) -> usize {
        while self.text.ends_with(' ') {
            self.text.pop();
        }
        self.text.push('\n');
        self.text.push_str(&" ".repeat(indent));
        indent
    }
}

/// Splits text behind spaces, but not within a date and its time, a number and its unit, or a span in backticks, as long as these
/// are no wider than `most`.
fn whole(text: &str, most: usize) -> Vec<&str> {
    let mut parts = vec![];
    let (mut start, mut end, mut is_code) = (0, 0, false);
    for (word, next) in text.split_inclusive(' ').zip(text.split_inclusive(' ').skip(1)) {
        end += word.len();
        is_code ^= word.bytes().filter(|byte| *byte == b'`').count() % 2 == 1;
        let fits = columns(text[start..end + next.len()].trim_end()) <= most;
        if fits && (is_code || belongs(word.trim_end(), next.trim_end())) {
            continue;
        }
        parts.push(&text[start..end]);
        start = end;
    }
    parts.push(&text[start..]);
    parts
}

/// Returns whether the second word says how to read the first: the time of a date, its zone, or the unit of a number.
fn belongs(word: &str, next: &str) -> bool {
    let closes = word.ends_with([',', ';', ':', ')']);
    let [word, next] = [word, next].map(|text| text.trim_matches(|c: char| !c.is_ascii_alphanumeric()));
    let is_like = |text: &str, form: &str| {
        text.len() == form.len()
            && text.bytes().zip(form.bytes()).all(|(c, of)| if of == b'0' { c.is_ascii_digit() } else { c == of })
    };
    let is_number = word.starts_with(|c: char| c.is_ascii_digit())
        && word.bytes().all(|c| c.is_ascii_digit() || c == b',' || c == b'.');
    !closes
        && ((is_like(word, "0000-00-00") && is_like(next, "00:00:00"))
            || (is_like(word, "00:00:00") && next == "UTC")
            || (is_number && UNITS.contains(&next)))
}

/// Text of so many columns at most; what is too long loses its middle.
pub(crate) fn shorten(text: &str, most: usize) -> String {
    if columns(text) <= most {
        return text.to_owned();
    }
    let half = most.saturating_sub(3) / 2;
    let take = |chars: &mut dyn Iterator<Item = char>| -> Vec<char> {
        let mut left = half;
        chars
            .take_while(|c| {
                let fits = width(*c) <= left;
                left = left.saturating_sub(width(*c));
                fits
            })
            .collect()
    };
    let head = take(&mut text.chars());
    let mut tail = take(&mut text.chars().rev());
    tail.reverse();
    head.into_iter().chain("...".chars()).chain(tail).collect()
}

/// Returns the colour of a severity.
pub(crate) fn color(severity: Severity) -> Style {
    let color = match severity {
        Severity::Error => AnsiColor::Red,
        Severity::Warning => AnsiColor::Yellow,
        Severity::Note => AnsiColor::Green,
    };
    Style::new().bold().fg_color(Some(color.into()))
}

/// Returns a key with its database, or a place.
pub(crate) fn named(name: &Name) -> String {
    match name {
        Name::Key { db, key } => {
            format!("db {db} key {}", shorten(&escape::quoted(key), KEY))
        }
        other => escape::plain(other.to_string().as_bytes()),
    }
}

/// `redis-7.0 does not know type 26 (stream); redis-8.6 is the first that does: 3 times: "a", "b", "c"`.
pub(crate) fn because(why: &Why) -> String {
    let mut line = escape::plain(why.message.as_bytes());
    let names: Vec<_> = why.first.iter().map(named).collect();
    let more = if why.count > names.len() as u64 && !names.is_empty() { ", ..." } else { "" };
    match (why.count, names.is_empty()) {
        (0 | 1, true) => {}
        (_, true) => line.push_str(&format!(": {}", number(why.count, "time"))),
        (1, false) => line.push_str(&format!(": {}", names.join(", "))),
        (n, false) => line.push_str(&format!(": {}: {}{more}", number(n, "time"), names.join(", "))),
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units;

    #[test]
    fn no_line_is_too_wide_and_nothing_is_lost() {
        for text in ["word ".repeat(100), "x".repeat(1000), format!("{} {}", "y".repeat(158), "日".repeat(300))] {
            for width in [60, 80, WIDTH] {
                let mut page = Page::new(Look { width, ..Look::default() });
                page.paragraph(2, "lead: ", Style::new(), &text);
                assert!(page.text.lines().all(|line| columns(line) <= width && !line.ends_with(' ')), "{}", page.text);
                let letters = |s: &str| s.chars().filter(|c| *c != ' ' && *c != '\n').collect::<String>();
                assert_eq!(letters(&page.text), format!("lead:{}", letters(&text)));
            }
        }
    }

    #[test]
    fn what_belongs_together_is_not_broken() {
        let spans = ["2026-12-01 00:07:55 UTC", "1,234.5 kB", "12 ms", "`rdbcheck --for redis-7.0`"];
        for span in spans {
            for before in 0..100 {
                for width in [60, 80, 119] {
                    let mut page = Page::new(Look { width, ..Look::default() });
                    page.plain(2, &format!("{} ({span}), and more words", "word ".repeat(before)));
                    assert!(page.text.contains(span), "{}", page.text);
                    assert!(
                        page.text.lines().all(|line| columns(line) <= width && !line.ends_with(' ')),
                        "{}",
                        page.text
                    );
                }
            }
        }
        let long = format!("`{}`", "word ".repeat(40));
        assert_eq!(whole(&long, 76).concat(), long);
        assert!(whole(&long, 76).iter().all(|part| columns(part.trim_end()) <= 76));
        assert_eq!(
            whole("keys: 5 bytes, 3 keys 2026-12-01 x", 76),
            ["keys: ", "5 bytes, ", "3 ", "keys ", "2026-12-01 ", "x"]
        );
        assert_eq!(whole("", 76), [""]);
    }

    #[test]
    fn what_units_prints_is_not_broken() {
        for power in 0..19 {
            let n = 10_u64.pow(power);
            for text in [units::size(n), units::duration(n)] {
                assert_eq!(whole(&text, 76), [text.as_str()]);
            }
        }
        assert_eq!(whole(&units::date(1_800_000_000), 76).len(), 1);
    }

    #[test]
    fn a_table_that_is_too_wide_goes_on_below() {
        let mut page = Page::new(Look { width: 24, ..Look::default() });
        let row = ["0", "string", "1,000", "12", "3.4 kB"].map(str::to_owned).to_vec();
        page.table(&["db", "type", "keys", "expired", "bytes"], &[row], 2);
        let plain = anstream::adapter::strip_str(&page.text).to_string();
        assert_eq!(
            plain,
            "db  type     keys\n0   string  1,000\ndb  type    expired\n0   string       12\ndb  type     bytes\n0   string  3.4 kB\n"
        );
    }

    #[test]
    fn a_sparkline_shows_what_is_larger() {
        assert_eq!(Look::default().sparkline(&[0, 1, 50, 100, u64::MAX]), " ...#");
        assert_eq!(Look { has_blocks: true, ..Look::default() }.sparkline(&[0, 1, 4, 8]), " ▁▄█");
        assert_eq!(Look::default().sparkline(&[]), "");
    }

    #[test]
    fn shortening_keeps_both_ends() {
        assert_eq!(shorten("0123456789", 10), "0123456789");
        assert_eq!(shorten("0123456789ab", 9), "012...9ab");
        assert!(columns(&shorten(&"日".repeat(50), 20)) <= 20);
    }
}
