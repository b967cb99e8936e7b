//! What a transfer does that takes a file for text.

use super::{Cause, causes};
use crate::report::causes::CauseCode as C;
use crate::report::{Checksum, Kind, Report, Verdict};

/// What editors put before a text in UTF-8.
pub(super) use crate::report::causes::BOM;

/// This many line ends, or characters, are no chance.
const ENOUGH: usize = 3;

pub(super) fn cause(head: &[u8], tail: &[u8], report: &Report) -> Option<Cause> {
    if let Some(rest) = head.strip_prefix(BOM) {
        let what = if causes::is_signature(rest) { "an RDB" } else { "the file" };
        let cause = Cause::new(C::ByteOrderMark, format!("the three bytes of a byte-order mark stand before {what}"));
        // What puts the mark there often changes the rest too.
        return Some(match encoded(rest) {
            Some(changed) => cause.reversible_if(changed.reversible).evidence(changed.message),
            None => cause,
        });
    }
    // A checksum that fits proves the bytes.
    if report.verdict == Verdict::Sound || report.checksum == Some(Checksum::Ok) {
        return None;
    }
    if causes::is_signature(head) {
        return encoded(head).or_else(|| crlf(head, tail));
    }
    let commands = matches!(report.kind, Kind::Aof | Kind::AofDir) || head.starts_with(b"*");
    if commands { line_ends(head) } else { None }
}

/// An RDB whose bytes from 0x80 on were taken for characters and stored as UTF-8.
fn encoded(head: &[u8]) -> Option<Cause> {
    let body = head.get(9..)?;
    let valid = match std::str::from_utf8(body) {
        Ok(text) => text,
        // The last character may be cut by the end of what is looked at.
        Err(error) if error.error_len().is_none() => std::str::from_utf8(&body[..error.valid_up_to()]).ok()?,
        Err(_) => return None,
    };
    let foreign = valid.chars().filter(|c| !c.is_ascii());
    let (mut latin, mut lost, mut other) = (0_usize, 0_usize, 0_usize);
    for c in foreign {
        match c {
            '\u{fffd}' => lost += 1,
            '\u{80}'..='\u{ff}' => latin += 1,
            _ => other += 1,
        }
    }
    if lost + latin + other < ENOUGH {
        return None;
    }
    if lost > 0 {
        let message = "bytes from 0x80 on were replaced by the sign for an unknown character, as a program does that \
                       takes the file for text: what they were is lost";
        return Some(
            Cause::new(C::Utf8Lossy, message.to_owned()).evidence(format!("{lost} replaced, in the first part")),
        );
    }
    let message = "bytes from 0x80 on stand as UTF-8 characters of two bytes: the file was opened and saved as text";
    Some(
        Cause::new(C::Utf8, message.to_owned())
            .reversible_if(other == 0)
            .evidence(format!("{} such characters in the first part, and no other byte from 0x80 on", latin + other)),
    )
}

/// Returns an RDB in which a line feed was put as carriage return and line feed.
fn crlf(head: &[u8], tail: &[u8]) -> Option<Cause> {
    let (mut line_feeds, mut with_return) = (0_usize, 0_usize);
    for part in [head, tail] {
        for at in memchr::memchr_iter(b'\n', part) {
            line_feeds += 1;
            with_return += usize::from(at > 0 && part[at - 1] == b'\r');
        }
    }
    (line_feeds >= ENOUGH && with_return == line_feeds).then(|| {
        let message = "every line feed follows a carriage return: the file went through a transfer in text mode";
        Cause::new(C::CrLf, message.to_owned()).evidence(format!(
            "{line_feeds} line feeds were looked at; once the returns are taken out, the checksum will prove that the bytes are \
             right again"
        ))
    })
}

/// Records whose line ends were changed.
fn line_ends(head: &[u8]) -> Option<Cause> {
    // Lines of a count or a length, by how many returns stand before their line feed: none, one, more.
    let mut lines = [0_usize; 3];
    let mut at = 0;
    for feed in memchr::memchr_iter(b'\n', head) {
        let line = std::mem::replace(&mut at, feed + 1)..feed;
        let [b'*' | b'$', rest @ ..] = &head[line] else { continue };
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits > 0 && rest[digits..].iter().all(|byte| *byte == b'\r') {
            lines[(rest.len() - digits).min(2)] += 1;
        }
    }
    let [lost, usual, doubled] = lines;
    let some = if usual > 0 { "some lines" } else { "lines" };
    let evidence = |many: usize| format!("{many} of {} such lines in the first part", lost + usual + doubled);
    if lost > doubled && (usual == 0 || lost >= ENOUGH) {
        let message = format!(
            "{some} end with a line feed alone: a transfer in text mode or an editor took out the carriage returns, those in values too"
        );
        Some(Cause::new(C::LineEndsLost, message).evidence(evidence(lost)))
    } else if doubled > 0 && (usual == 0 || doubled >= ENOUGH) {
        let message = format!(
            "{some} end with two carriage returns: a transfer in text mode put one before each line feed, those in values too"
        );
        Some(Cause::new(C::CrLfCommands, message).evidence(evidence(doubled)))
    } else {
        None
    }
}
