//! The form of strings: whether their compressed bytes are sound, and whether a server would have written them so.

use super::RdbVerifier;
use crate::base::error::Reading;
use crate::lzf;
use crate::rdb::{Body, Event, Payload, RdbString, Role};
use crate::report::codes::Code;
use crate::report::collector::{Collector, Location};
use crate::verify::stored_form::{is_oddly_stored, lzf_detail};

/// What is known of a long string whose pieces are passing.
#[derive(Debug, Default)]
pub(super) struct Strings {
    long: Option<Long>,
}

#[derive(Debug)]
struct Long {
    start: u64,
    /// Where its content begins.
    content: u64,
    walker: lzf::Walker,
}

impl RdbVerifier {
    /// A string that is announced or complete.
    pub(super) fn string(&mut self, event: &Event<&[u8]>, role: Role, string: &RdbString<&[u8]>) {
        if self.options.quick {
            return;
        }
        self.form(string, role);
        match role {
            Role::Key | Role::AuxName => {}
            Role::AuxValue => self.aux_value(string),
            Role::FunctionCode => {
                self.extras.code(string, &mut self.scratch.decoded, &mut self.facts, &mut self.findings);
            }
            Role::SlotImportJob => {
                self.opcode_seen(crate::rdb::opcode::SLOT_IMPORT, event.start);
                self.extras.slot_import(string, event.start, &mut self.findings);
            }
            Role::TemplateField if self.value.is_none() => {
                self.templates.field(string, &mut self.scratch, &mut self.findings);
                self.compressed(string, role.reading());
            }
            _ if self.is_checked_by_value(role) => {}
            _ => self.compressed(string, role.reading()),
        }
    }

    /// Proves compressed bytes without writing out what they hold.
    pub(super) fn compressed(&mut self, string: &RdbString<&[u8]>, reading: Reading) {
        match string.body {
            // That they stand for nothing is told where the forms of strings are looked at.
            Body::Lzf { decoded: 0, .. } => {}
            Body::Lzf { data, decoded } => {
                if let Err(error) = lzf::validate(data, decoded) {
                    report_lzf(string.start, string.end - data.len() as u64, &error, reading, &mut self.findings);
                }
            }
            Body::Long { stored, decoded: Some(decoded) } => match lzf::Walker::new(stored, decoded) {
                Ok(walker) => self.strings.long = Some(Long { start: string.start, content: string.end, walker }),
                Err(error) => report_lzf(string.start, string.end, &error, reading, &mut self.findings),
            },
            _ => {}
        }
    }

    /// A piece of a long string.
    pub(super) fn piece(&mut self, event: &Event<&[u8]>, role: Role, bytes: &[u8], last: bool) {
        self.key_piece(role, bytes, last);
        self.extras.code_piece(role, bytes, last, &mut self.facts, &mut self.findings);
        let Some(mut long) = self.strings.long.take() else { return };
        let result = long.walker.push(bytes).and_then(|()| if last { long.walker.clone().finish() } else { Ok(()) });
        match result {
            Ok(()) if last => {}
            Ok(()) => self.strings.long = Some(long),
            Err(error) => report_lzf(long.start, long.content, &error, role.reading(), &mut self.findings),
        }
        debug_assert!(matches!(event.payload, Payload::Piece { .. }));
    }

    /// Whether a server would have written the string in this form.
    pub(super) fn form(&mut self, string: &RdbString<&[u8]>, role: Role) {
        if let Body::Lzf { decoded: 0, .. } = string.body {
            // Servers take an error for success here: whatever the bytes are, the string is empty.
            let place = Location::span(string.start, string.end).reading(role.reading());
            self.findings.add(Code::LzfEmpty, place, || {
                "compressed bytes that claim to decode to nothing: servers load the empty string".to_owned()
            });
            return;
        }
        if is_oddly_stored(string) {
            let place = Location::span(string.start, string.end).reading(role.reading());
            self.findings.add(Code::RdbNoncanonicalString, place, || {
                let form = match string.body {
                    Body::Raw(_) => "the text of a number that servers store as a number",
                    Body::Int(_) => "a number in a wider form than it needs",
                    _ => "compressed, though that does not save the four bytes for which servers do it",
                };
                form.to_owned()
            });
        }
    }
}

/// Reports damaged compressed bytes of a string that begins at `start` and whose content begins at `content`. An empty
/// declared size has a code of its own: see [`RdbVerifier::form`].
pub(super) fn report_lzf(start: u64, content: u64, error: &lzf::LzfError, reading: Reading, findings: &mut Collector) {
    if error.kind == lzf::LzfErrorKind::DeclaredZero {
        return;
    }
    let place = Location::new(start, content + error.at).reading(reading).detail(lzf_detail(error));
    findings.add(Code::LzfDamaged, place, || format!("compressed bytes are damaged: {error}"));
}
