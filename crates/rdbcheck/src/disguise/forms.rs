//! The table of forms in which bytes are written as other bytes, and which of them a file begins with.
//!
//! Each row is tried where its text may begin, on the first bytes alone: it fits if what comes out begins as what is looked for
//! does, or is packed, or is itself written in one of these forms. Whether it really is one, only undoing all of it tells.

use redis_persistence::diagnose::CauseCode;

use super::around::{self, Chunks, Goal, HttpBody, is_signature};
use super::base::{Base32, Base64, Uuencoded};
use super::dumped::{Cells, Dumped};
use super::numbers::Numbers;
use super::pages::{self, Characters, Page, Units};
use super::quoted::{Escaped, LineEnds, Marked};
use super::reader::Undo;
use crate::unpack::Packing;

/// This many first bytes are looked at for where a text begins.
const NEAR: usize = 4096;
/// This many bytes of a text show what comes out of it.
const PEEK: usize = 1536;
/// This many places of one form are tried in full.
const MOST_PLACES: usize = 4;
/// This many forms lie in one another at most.
const DEPTH: usize = 3;

/// One form.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) code: CauseCode,
    /// What is written so is "an RDB" and this.
    pub(super) name: &'static str,
    /// Whether letters and digits stand for themselves, so that the text begins as what it stands for.
    plain: bool,
    /// Whether it may begin with these bytes; the byte before them is given, too.
    fits: fn(&[u8], Option<u8>) -> bool,
    undo: fn() -> Box<dyn Undo>,
    /// The command of the system that undoes it, where it is the whole file.
    pub(super) command: Option<&'static str>,
}

const fn row(
    code: CauseCode,
    name: &'static str,
    fits: fn(&[u8], Option<u8>) -> bool,
    undo: fn() -> Box<dyn Undo>,
    command: Option<&'static str>,
) -> Row {
    Row { code, name, plain: false, fits, undo, command }
}

const fn plain(
    code: CauseCode,
    name: &'static str,
    fits: fn(&[u8], Option<u8>) -> bool,
    undo: fn() -> Box<dyn Undo>,
    command: Option<&'static str>,
) -> Row {
    Row { plain: true, ..row(code, name, fits, undo, command) }
}

/// All forms, those that a command of the system undoes first.
static ROWS: [Row; 27] = [
    row(CauseCode::Base64, "as base64 text", starts_base64, || Box::new(Base64::new(true)), Some("base64 -d FILE")),
    row(CauseCode::Base64, "as base64 text", is_base64, || Box::new(Base64::new(false)), None),
    row(CauseCode::Base32, "as base32 text", starts_base32, || Box::new(Base32::new(true)), Some("base32 -d FILE")),
    row(CauseCode::Base32, "as base32 text", is_base32, || Box::new(Base32::new(false)), None),
    row(CauseCode::Uuencoded, "as uuencode writes it", is_uuencoded, || Box::new(Uuencoded::default()), None),
    row(CauseCode::Numbers, "as a list of numbers", is_numbers, || Box::new(Numbers::default()), None),
    row(CauseCode::Hex, "as a dump of xxd", is_dump, || dump(Cells::Xxd), None),
    row(CauseCode::Hex, "as a dump of its bytes in hex", is_dump, || dump(Cells::bytes(16)), None),
    row(CauseCode::Hex, "as a dump of its bytes in bits", is_dump, || dump(Cells::bytes(2)), None),
    row(CauseCode::Hex, "as a dump of its bytes in octal", is_dump, || dump(Cells::bytes(8)), None),
    row(CauseCode::Hex, "as a dump of its bytes in decimal", is_dump, || dump(Cells::bytes(10)), None),
    row(CauseCode::Hex, "as a dump of words in hex, as hexdump writes it", is_dump, || dump(Cells::words(16, 2)), None),
    row(CauseCode::Hex, "as a dump of words in octal, as od writes it", is_dump, || dump(Cells::words(8, 2)), None),
    row(CauseCode::Hex, "as a dump of words in hex", is_dump, || dump(Cells::words(16, 4)), None),
    row(CauseCode::Hex, "as a dump of words in hex", is_dump, || dump(Cells::words(16, 8)), None),
    row(CauseCode::Hex, "as a dump of characters, as od -c writes it", is_dump, || dump(Cells::Characters), None),
    row(CauseCode::Hex, "as hex digits", is_hex, || Box::new(super::dumped::Hex::default()), None),
    row(CauseCode::Escaped, "as a string with escapes", is_quoted, || Box::new(Escaped::default()), None),
    row(CauseCode::Escaped, "as a string of characters", is_quoted, || Box::new(Escaped::of_characters()), None),
    plain(CauseCode::Escaped, "as a string with escapes", is_escaped, || Box::new(Escaped::default()), None),
    plain(CauseCode::QuotedPrintable, "as quoted-printable text", is_equals, || marked(b'=', false), None),
    plain(CauseCode::QuotedPrintable, "as quoted-printable text", is_equals, || marked(b'=', true), None),
    plain(CauseCode::Escaped, "as a URL writes bytes", is_percent, || marked(b'%', false), None),
    plain(CauseCode::CrLf, "", has_returns, || Box::new(LineEnds::new(true)), Some("sed 's/\\r$//' FILE")),
    plain(CauseCode::CrLf, "", has_returns, || Box::new(LineEnds::new(false)), None),
    row(CauseCode::Chunked, "as HTTP sends it, in chunks", is_chunked, || Box::new(Chunks::default()), None),
    row(CauseCode::Surrounded, "behind the header of an HTTP answer", is_http, || Box::new(HttpBody::default()), None),
];

fn dump(cells: Cells) -> Box<dyn Undo> {
    Box::new(Dumped::new(cells))
}

fn marked(mark: u8, feeds: bool) -> Box<dyn Undo> {
    Box::new(Marked::new(mark, feeds))
}

/// Returns whether a text of these letters begins, at the start of the file or behind something else.
fn is_lettered(text: &[u8], before: Option<u8>, is_letter: fn(u8) -> bool) -> bool {
    let first = text.len() >= 8 && text[..8].iter().all(|byte| is_letter(*byte));
    first && before.is_none_or(|before| !before.is_ascii_alphanumeric())
}

fn starts_base64(text: &[u8], before: Option<u8>) -> bool {
    before.is_none() && is_base64(text, None)
}

fn is_base64(text: &[u8], before: Option<u8>) -> bool {
    is_lettered(text, before, |byte| byte.is_ascii_alphanumeric() || b"+/-_=\\\r\n".contains(&byte))
}

fn starts_base32(text: &[u8], before: Option<u8>) -> bool {
    before.is_none() && is_lettered(text, None, |byte| byte.is_ascii_uppercase() || (b'2'..=b'7').contains(&byte))
}

fn is_base32(text: &[u8], before: Option<u8>) -> bool {
    is_lettered(text, before, |byte| byte.is_ascii_alphabetic() || (b'2'..=b'7').contains(&byte))
}

fn is_uuencoded(text: &[u8], before: Option<u8>) -> bool {
    text.starts_with(b"begin ") && before.is_none_or(|before| before == b'\n')
}

/// At the start of a line, with digits and a place or not.
fn is_dump(text: &[u8], before: Option<u8>) -> bool {
    let first = text.iter().find(|byte| !matches!(byte, b' ' | b'\t'));
    first.is_some_and(u8::is_ascii_graphic) && before.is_none_or(|before| before == b'\n')
}

fn is_hex(text: &[u8], before: Option<u8>) -> bool {
    let digits = text.iter().filter(|byte| !super::dumped::is_between(**byte)).take(12);
    let begins = text.first().is_some_and(u8::is_ascii_hexdigit) && digits.clone().count() == 12;
    // `0x` and `\x` may stand before the digits.
    begins
        && digits.clone().all(u8::is_ascii_hexdigit)
        && before.is_none_or(|b| b == b'x' || !b.is_ascii_alphanumeric())
}

fn is_numbers(text: &[u8], before: Option<u8>) -> bool {
    match text {
        [b'[' | b'{' | b'(', ..] => true,
        [first, ..] => before.is_none() && first.is_ascii_digit(),
        [] => false,
    }
}

fn is_quoted(text: &[u8], _: Option<u8>) -> bool {
    matches!(text, [b'"' | b'\'', ..] | [b'\\', b'x' | b'u' | b'0'..=b'7', ..])
}

/// Behind the letters and digits of a signature, or of the first line of a command.
fn is_escaped(text: &[u8], before: Option<u8>) -> bool {
    before.is_none() && behind_letters(text).starts_with(b"\\")
}

fn is_equals(text: &[u8], before: Option<u8>) -> bool {
    before.is_none_or(|before| before == b'\n') && behind_letters(text).starts_with(b"=")
}

fn is_percent(text: &[u8], before: Option<u8>) -> bool {
    before.is_none_or(|before| !before.is_ascii_alphanumeric()) && behind_letters(text).starts_with(b"%")
}

/// Returns what follows the first letters, digits and stars; of commands the first lines may do without escapes.
fn behind_letters(text: &[u8]) -> &[u8] {
    let letters =
        text.iter().take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'*' | b'$' | b'\r' | b'\n'));
    &text[letters.count()..]
}

fn has_returns(text: &[u8], before: Option<u8>) -> bool {
    before.is_none() && is_signature(text) && super::quoted::has_returns(text)
}

fn is_chunked(text: &[u8], before: Option<u8>) -> bool {
    before.is_none() && around::is_chunked(text)
}

fn is_http(text: &[u8], before: Option<u8>) -> bool {
    before.is_none() && text.starts_with(b"HTTP/")
}

/// One thing that was done to what is looked for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Layer {
    /// It was written in that form, from a byte on.
    Row { row: &'static Row, start: u64 },
    /// Its bytes were taken for characters, from a byte on.
    Text { start: u64, units: Units, page: Page },
    /// It was packed.
    Packed(Packing),
    /// Something stands before it.
    Before { start: u64, what: &'static str },
}

impl Layer {
    /// From which byte on it is undone.
    pub(super) fn start(self) -> u64 {
        match self {
            Self::Row { start, .. } | Self::Text { start, .. } | Self::Before { start, .. } => start,
            Self::Packed(_) => 0,
        }
    }

    /// Returns how it is undone, but for what is packed.
    pub(super) fn undo(self) -> Option<Box<dyn Undo>> {
        match self {
            Self::Row { row, .. } => Some((row.undo)()),
            Self::Text { units, page, .. } => Some(Box::new(Characters::new(units, page))),
            Self::Before { .. } | Self::Packed(_) => None,
        }
    }

    /// Returns what the first bytes of a file stand for, where they were written in this form.
    pub(super) fn peek(self, head: &[u8]) -> Option<Vec<u8>> {
        let text = head.get(usize::try_from(self.start()).ok()?..)?;
        self.undo().map(|undo| peek(undo, text))
    }
}

/// Returns what a file that begins so may have been through, the last thing first. A page of characters that is not known
/// yet is Latin-1.
pub(super) fn layers(head: &[u8], goal: Goal) -> Vec<Vec<Layer>> {
    const MARK: &[u8] = b"\xef\xbb\xbf";
    let (rest, skipped) = head.strip_prefix(MARK).map_or((head, 0), |rest| (rest, MARK.len() as u64));
    let mut all = Vec::new();
    // A value of a command can hold anything in any form.
    if goal.begins(rest) || matches!(rest.first(), Some(b'*' | b'#')) {
        if skipped > 0 && goal.begins(rest) {
            all.push(vec![Layer::Before { start: skipped, what: "a byte-order mark stands before it" }]);
        }
        if pages::may_be_utf8(rest) {
            all.push(vec![Layer::Text { start: skipped, units: Units::Utf8, page: Page::Latin1 }]);
        }
        let rows = ROWS.iter().filter(|row| row.plain && (row.fits)(rest, None) && comes_out(row, rest, goal));
        all.extend(rows.map(|row| vec![Layer::Row { row, start: skipped }]));
        return all;
    }
    written(head, goal, DEPTH, &mut all);
    let what = around::describe(head);
    let places = around::starts(head, goal).take(MOST_PLACES);
    all.extend(places.map(|start| vec![Layer::Before { start, what }]));
    all
}

/// Returns whether a row changes the first bytes, and what it makes of them begins as what is looked for.
fn comes_out(row: &Row, text: &[u8], goal: Goal) -> bool {
    let out = peek((row.undo)(), text);
    goal.begins(&out) && !text.starts_with(&out)
}

/// Adds the forms that a text has of which something comes out.
fn written(head: &[u8], goal: Goal, depth: usize, all: &mut Vec<Vec<Layer>>) {
    if depth == 0 || matches!(head.first(), None | Some(b'*' | b'#')) && depth == DEPTH {
        return;
    }
    if let Some((units, start)) = pages::utf16(head) {
        let layer = Layer::Text { start, units, page: Page::Latin1 };
        let from = usize::try_from(start).unwrap_or(0);
        let out = peek(Box::new(Characters::new(units, Page::Latin1)), &head[from.min(head.len())..]);
        if goal.begins(&out) {
            all.push(vec![layer]);
        } else {
            inside(layer, &out, goal, depth, all);
        }
        return;
    }
    let near = &head[..head.len().min(NEAR)];
    for row in &ROWS {
        let (mut found, mut looked) = (0, 0);
        for at in 0..near.len() {
            let before = at.checked_sub(1).map(|at| near[at]);
            if !(row.fits)(&near[at..], before) {
                continue;
            }
            let (layer, out) = (Layer::Row { row, start: at as u64 }, peek((row.undo)(), &head[at..]));
            let before = all.len();
            if goal.begins(&out) {
                all.push(vec![layer]);
            } else {
                // Texts in texts in texts take time, so not all places are looked into.
                looked += usize::from(is_text(&out));
                inside(layer, &out, goal, if looked > MOST_PLACES { 1 } else { depth }, all);
            }
            found += usize::from(all.len() > before);
            if found == MOST_PLACES {
                break;
            }
        }
    }
}

/// Adds a form with what lies in what comes out of it.
fn inside(layer: Layer, out: &[u8], goal: Goal, depth: usize, all: &mut Vec<Vec<Layer>>) {
    if let Some(packing) = Packing::of(out).filter(|_| cfg!(feature = "packed")) {
        all.push(vec![layer, Layer::Packed(packing)]);
        return;
    }
    if depth > 1 && is_text(out) {
        let mut inner = Vec::new();
        written(out, goal, depth - 1, &mut inner);
        all.extend(inner.into_iter().map(|rest| [vec![layer], rest].concat()));
    }
}

/// Returns whether it is text that may stand for something in turn: of a few letters anything could be made.
fn is_text(out: &[u8]) -> bool {
    out.len() >= 32 && out.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace())
}

/// Returns what the first bytes of a text stand for.
pub(super) fn peek(mut undo: Box<dyn Undo>, text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    // What ends early, or does not fit, may have begun well.
    let goes_on = undo.take(&text[..text.len().min(PEEK)], &mut out);
    if matches!(goes_on, Ok(true)) {
        let _ = undo.end(&mut out);
    }
    out
}

/// Returns the forms of a text that could stand for anything, for answers of DUMP: only all of it tells.
pub(super) fn for_any(head: &[u8]) -> impl Iterator<Item = Layer> {
    let near = &head[..head.len().min(NEAR)];
    let rows = ROWS.iter().filter(|row| !row.plain && !matches!(row.code, CauseCode::Chunked | CauseCode::Surrounded));
    rows.flat_map(move |row| {
        let at = (0..near.len()).filter(move |at| (row.fits)(&near[*at..], at.checked_sub(1).map(|at| near[at])));
        at.take(MOST_PLACES).map(move |at| Layer::Row { row, start: at as u64 })
    })
}
