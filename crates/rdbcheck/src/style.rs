//! How text for people looks: lines of bounded width, with colours that do not count; names, and the reasons of servers.

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

/// No line is wider.
pub(crate) const WIDTH: usize = 160;

/// Text that grows by lines. What is given to it must be fit to print.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) text: String,
}

impl Page {
    /// A paragraph: `lead` in its style, then `rest`, broken at spaces where it is too wide. Lines after the first are
    /// indented by four more.
    pub(crate) fn paragraph(&mut self, indent: usize, lead: &str, style: Style, rest: &str) {
        let lead = shorten(lead, WIDTH - indent);
        self.text.push_str(&" ".repeat(indent));
        self.text.push_str(&format!("{style}{lead}{style:#}"));
        let mut at = indent + columns(&lead);
        for word in rest.split_inclusive(' ') {
            at = self.word(word, at, indent + 4);
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

    /// Appends a word, on a new line if it does not fit, and in pieces if it fits on none.
    fn word(&mut self, word: &str, mut at: usize, indent: usize) -> usize {
        if at > indent && at + columns(word.trim_end()) > WIDTH && indent + columns(word.trim_end()) <= WIDTH {
            at = self.newline(indent);
        }
        for c in word.chars() {
            if at + width(c) > WIDTH {
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

    #[test]
    fn no_line_is_too_wide_and_nothing_is_lost() {
        for text in ["word ".repeat(100), "x".repeat(1000), format!("{} {}", "y".repeat(158), "日".repeat(300))] {
            let mut page = Page::default();
            page.paragraph(2, "lead: ", Style::new(), &text);
            assert!(page.text.lines().all(|line| columns(line) <= WIDTH && !line.ends_with(' ')), "{}", page.text);
            let letters = |s: &str| s.chars().filter(|c| *c != ' ' && *c != '\n').collect::<String>();
            assert_eq!(letters(&page.text), format!("lead:{}", letters(&text)));
        }
    }

    #[test]
    fn shortening_keeps_both_ends() {
        assert_eq!(shorten("0123456789", 10), "0123456789");
        assert_eq!(shorten("0123456789ab", 9), "012...9ab");
        assert!(columns(&shorten(&"日".repeat(50), 20)) <= 20);
    }
}
