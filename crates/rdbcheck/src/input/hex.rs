//! `--hex`: the bytes around where a finding begins and where it fails.
//!
//! ```text
//!         176  6d 6b 31 02 05 76 61 6c[75 65 31 00 ff>9a 00 00  |mk1..value1.....|
//! ```
//! The margin is the offset of the row's first byte. `[` stands before the byte where the thing began, `>` before the one
//! where it failed; where both are the same, `>`.

use std::io::{self, Read, Seek, SeekFrom};

use redis_persistence::verify::{Finding, Report};

/// Bytes in a row.
const ROW: u64 = 16;
/// Rows before and after the row of an offset.
const ROWS: u64 = 1;
/// This many findings are shown with their bytes.
pub const MOST: usize = 100;

/// Bytes of a file, and where they stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The offset of the first one, a multiple of 16.
    pub at: u64,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// Returns the bytes around the first findings of a report, if they are wanted. `read` gives so many bytes of the file that a
/// finding lies in, from an offset on.
///
/// # Errors
/// Those of `read`.
pub fn of(
    report: &Report,
    wanted: bool,
    mut read: impl FnMut(&Finding, u64, usize) -> io::Result<Vec<u8>>,
) -> io::Result<Vec<Vec<Span>>> {
    let most = if wanted { MOST } else { 0 };
    let findings = report.findings.iter().take(most);
    findings.map(|found| around(found.start, found.failed_at, |at, len| read(found, at, len))).collect()
}

/// Reads so many bytes from an offset on, or as many as there are.
///
/// # Errors
/// If the input fails.
pub fn read(mut input: impl Read + Seek, at: u64, len: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input.seek(SeekFrom::Start(at.min(1 << 62)))?;
    input.take(len as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads the rows around both offsets: one span, or two if they are far from each other. `read` gives up to this many bytes
/// from an offset on.
///
/// # Errors
/// Those of `read`.
fn around(
    start: u64,
    failed_at: u64,
    mut read: impl FnMut(u64, usize) -> io::Result<Vec<u8>>,
) -> io::Result<Vec<Span>> {
    let rows = |at: u64| {
        let row = at / ROW;
        (row.saturating_sub(ROWS), row.saturating_add(ROWS + 1))
    };
    let (mut first, second) = (rows(start.min(failed_at)), rows(start.max(failed_at)));
    let apart = second.0 > first.1;
    if !apart {
        first.1 = second.1;
    }
    let mut spans = Vec::new();
    for (from, to) in std::iter::once(first).chain(apart.then_some(second)) {
        let (at, len) = (from.saturating_mul(ROW), usize::try_from((to - from) * ROW).unwrap_or(0));
        let bytes = read(at, len)?;
        if !bytes.is_empty() {
            spans.push(Span { at, bytes });
        }
    }
    Ok(spans)
}

/// Returns the rows of the spans, with `...` between two spans.
#[must_use]
pub fn rows(spans: &[Span], start: u64, failed_at: u64) -> Vec<String> {
    let mut rows = Vec::new();
    for (number, span) in spans.iter().enumerate() {
        if number > 0 {
            rows.push(format!("{:>12}", "..."));
        }
        for (at, bytes) in (span.at..).step_by(16).zip(span.bytes.chunks(16)) {
            rows.push(row(at, bytes, start, failed_at));
        }
    }
    rows
}

fn row(at: u64, bytes: &[u8], start: u64, failed_at: u64) -> String {
    let mut row = format!("{at:>12} ");
    for (offset, byte) in (at..).zip(bytes) {
        let mark = match offset {
            _ if offset == failed_at => '>',
            _ if offset == start => '[',
            _ => ' ',
        };
        row.push_str(&format!("{mark}{byte:02x}"));
    }
    // The end of the file can be where it failed.
    row.push(if at + bytes.len() as u64 == failed_at && bytes.len() < 16 { '>' } else { ' ' });
    row.push_str(&"   ".repeat(16 - bytes.len()));
    let text: String =
        bytes.iter().map(|byte| if (0x20..0x7f).contains(byte) { char::from(*byte) } else { '.' }).collect();
    row.push_str(&format!(" |{text}|"));
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(data: &[u8]) -> impl FnMut(u64, usize) -> io::Result<Vec<u8>> {
        |at, len| {
            let from = usize::try_from(at).map_err(io::Error::other)?.min(data.len());
            Ok(data[from..data.len().min(from + len)].to_vec())
        }
    }

    #[test]
    fn both_places_are_marked() -> io::Result<()> {
        let data: Vec<u8> = (0..=255).collect();
        let near = around(20, 35, of(&data))?;
        assert_eq!(near.iter().map(|span| (span.at, span.bytes.len())).collect::<Vec<_>>(), [(0, 64)]);
        let rows = rows(&near, 20, 35);
        assert_eq!(rows[1], "          16  10 11 12 13[14 15 16 17 18 19 1a 1b 1c 1d 1e 1f  |................|");
        assert_eq!(rows[2], "          32  20 21 22>23 24 25 26 27 28 29 2a 2b 2c 2d 2e 2f  | !\"#$%&'()*+,-./|");
        Ok(())
    }

    #[test]
    fn far_places_are_two_spans() -> io::Result<()> {
        let data = vec![b'x'; 1000];
        let spans = around(3, 999, of(&data))?;
        assert_eq!(spans.iter().map(|span| (span.at, span.bytes.len())).collect::<Vec<_>>(), [(0, 32), (976, 24)]);
        assert!(rows(&spans, 3, 999).contains(&format!("{:>12}", "...")));
        Ok(())
    }

    #[test]
    fn the_end_of_the_file_is_a_place() -> io::Result<()> {
        let spans = around(0, 5, of(b"REDIS"))?;
        assert_eq!(rows(&spans, 0, 5), [format!("{:>12} [52 45 44 49 53>{}|REDIS|", 0, " ".repeat(34))]);
        assert_eq!(around(0, 0, of(b""))?, []);
        assert!(around(u64::MAX, u64::MAX, of(b"x")).is_ok());
        Ok(())
    }
}
