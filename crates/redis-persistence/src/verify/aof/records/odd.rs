//! Records that load, and about which there is something to say.

use super::Records;
use crate::Error;
use crate::aof::changes::ChangeKind;
use crate::aof::{Annotation, Command, LineEnd, Record, TransactionEvent};
use crate::report::codes::Code;

impl Records<'_, '_> {
    /// A line that begins with `#`.
    pub(super) fn annotation(&mut self, record: &Record<'_>, annotation: &Annotation<'_>) {
        let before = self.state.last_timestamp();
        let back = self.state.feed(record) == Some(TransactionEvent::TimeWentBack);
        let start = annotation.start();
        if annotation.line_end() == LineEnd::Missing {
            if annotation.end() == self.size {
                self.say(Code::AofAnnotationCut, (start, annotation.end()), None, || {
                    "the file ends inside an annotation: the next command that a server writes is glued to it, and the \
                     start after that one refuses the file"
                        .to_owned()
                });
            }
        } else if annotation.is_timestamp() && annotation.timestamp().is_none() {
            self.say(Code::AofTimestampMalformed, (start, start + 4), None, || {
                format!("\"{}\" is no timestamp", annotation.bytes().escape_ascii())
            });
        } else if !annotation.is_timestamp() {
            self.say(Code::AofUnknownAnnotation, (start, start), None, || {
                let shown = &annotation.bytes()[..annotation.bytes().len().min(100)];
                format!("an annotation that no server known here writes: \"{}\"", shown.escape_ascii())
            });
        }
        if back {
            let now = annotation.timestamp().unwrap_or_default();
            self.say(Code::AofTimestampBackwards, (start, start), None, || {
                format!("{now} comes after {}: the clock went back", before.unwrap_or_default())
            });
        }
    }

    /// A command that changes whole databases: somebody may want the state before it.
    pub(super) fn bulk(&mut self, command: &Command<'_>, kind: ChangeKind) {
        let (at, before) = (command.start(), self.state.commands());
        let (time, does) = (self.state.last_timestamp(), kind.does());
        self.say(Code::AofBulkChange, (at, at), Some(command.name()), || {
            let name = command.name().to_ascii_uppercase();
            let time = time.map_or_else(String::new, |time| format!(", written after the timestamp {time}"));
            format!(
                "{} at byte {at} {does}{time}; {before} commands stand before it in this file, and --cut-before {at} takes it and \
                 all behind it back",
                name.escape_ascii()
            )
        });
    }

    /// A record that servers load though no writer makes it.
    pub(super) fn lenient(&mut self, record: &Record<'_>, error: &Error) {
        let places = (error.start(), error.failed_at());
        self.odd = Some(places);
        match record {
            Record::Annotation(_) => self.say(Code::AofAnnotationTooLong, places, None, || {
                "an annotation of more than 1023 bytes: servers take what stands behind those for a record".to_owned()
            }),
            Record::Command(command) => self.say(Code::AofLenientForm, places, Some(command.name()), || {
                format!("{error}; servers load the record all the same")
            }),
        }
    }
}
