//! What records do to the walk over them: transactions, oddities, and where it stops.
//!
//! What MULTI and EXEC do to the commands between them, and a transaction that the file ends in.
//!
//! Records that load, and about which there is something to say.
//!
//! Where the walk ends before the file does.

use super::{Records, shown};
use crate::aof::changes::ChangeKind;
use crate::aof::{Annotation, Command, Grammar, LineEnd, Parser, Reader, Record, Transaction, TransactionEvent};
use crate::base::source::Clamped;
use crate::report::codes::Code;
use crate::report::facts::{OpenTransaction, Stop};
use crate::report::finding::Finding;
use crate::verify::aof::{commands, damage};
use crate::{Error, ErrorKind, Reading};
use std::io::{self, Read, Seek};

impl Records<'_, '_> {
    /// Something about transactions, databases or WATCH came with the command; `open` was open before it.
    pub(super) fn event(&mut self, event: TransactionEvent, open: Option<Transaction>, command: &Command<'_>) {
        match event {
            TransactionEvent::Opened | TransactionEvent::NestedMulti => self.before_multi = self.load.last_end,
            TransactionEvent::Closed if open.is_some_and(|open| open.discard.is_some()) => {
                self.stop(Stop::QueuedDiscard, command.start());
            }
            _ => {}
        }
        let (code, message) = match event {
            TransactionEvent::NestedMulti => {
                (Code::AofNestedMulti, "MULTI inside a transaction: servers ignore it, the check tools cut here")
            }
            TransactionEvent::StrayExec => {
                (Code::AofStrayExec, "EXEC without MULTI: servers ignore it, the check tools cut here")
            }
            TransactionEvent::QueuedDiscard => {
                (Code::AofDiscardInMulti, "DISCARD inside a transaction: servers crash at its EXEC")
            }
            TransactionEvent::Watch => {
                (Code::AofWatchInAof, "WATCH can make a server drop the transaction after it, or crash")
            }
            TransactionEvent::BadSelect => {
                (Code::AofSelectInvalid, "SELECT of no database: servers ignore it, and go on in the one before")
            }
            TransactionEvent::Closed => {
                let start = open.map_or(command.start(), |open| open.start);
                if self.watch.exec() {
                    self.stop(Stop::WatchedExec, command.start());
                    self.say(Code::AofWatchedTransaction, (start, command.start()), Some(command.name()), || {
                        "a key that was watched before this transaction was written to since: Redis 8.6 crashes, other \
                         servers drop the transaction"
                            .to_owned()
                    });
                }
                return;
            }
            _ => return,
        };
        self.say(code, (command.start(), command.start()), Some(command.name()), || message.to_owned());
    }

    /// The file ends at the boundary of a record. Answers up to where servers load it.
    pub(super) fn end(&mut self, at: u64) -> u64 {
        self.load.at = at;
        let Some(open) = self.state.transaction() else { return at };
        self.load.open = Some(OpenTransaction { start: open.start, before: self.before_multi });
        self.load.code = Some(Code::AofOpenTransaction);
        self.say(Code::AofOpenTransaction, (open.start, at), Some(b"MULTI"), || {
            format!(
                "the file ends inside a transaction of {} commands so far: servers cut it at its MULTI, or refuse",
                open.queued
            )
        });
        open.start
    }
}

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

impl Records<'_, '_> {
    /// Names the damage at which a parser stopped, before which there were so many line ends. Answers up to where servers
    /// load the file.
    pub(super) fn damage_of<F: Read + Seek>(
        &mut self,
        parser: &Parser,
        input: &mut Clamped<F>,
        error: &Error,
        ends: u64,
    ) -> io::Result<u64> {
        let unfinished = parser.unfinished().map(|command| command.name().to_vec()).filter(|name| !name.is_empty());
        let argument = match error.kind() {
            ErrorKind::UnexpectedEof { missing } if error.reading() == Reading::Arg => {
                Some(error.failed_at().saturating_sub(parser.part()).saturating_add(*missing).saturating_sub(2))
            }
            _ => None,
        };
        let line = 1 + ends + parser.line_ends();
        let damage = damage::name(input, error, argument)?;
        self.load.ending = damage::ending(input, error, argument)?;
        (self.load.at, self.load.code) = (error.start(), Some(damage.code));
        let before = self.before_multi;
        self.load.open = self.state.transaction().map(|open| OpenTransaction { start: open.start, before });
        let hint = self.hint(damage.hint);
        let (number, db, size) = (self.number, u64::from(self.state.db()), self.size);
        self.log.add(
            damage.code,
            (error.start(), error.failed_at()),
            || damage.message,
            |finding: &mut Finding| {
                finding.line = Some(line);
                finding.record = Some(number);
                finding.db = Some(db);
                finding.end = Some(size);
                finding.command = unfinished.as_deref().map(shown);
                finding.reading = Some(error.reading().to_string());
                finding.hint = hint;
            },
        );
        if damage.code == Code::AofBadFormat {
            self.cause(input)?;
        }
        Ok(self.state.transaction().map_or(error.start(), |open| open.start))
    }

    /// Returns what to know before the file is cut at a damage.
    fn hint(&self, of_damage: Option<String>) -> Option<String> {
        let mut hints = Vec::from_iter(of_damage);
        if let Some((start, at)) =
            self.odd.filter(|(start, _)| self.previous.is_some_and(|previous| previous.0 == *start))
        {
            hints.push(format!(
                "the command before it, at byte {start}, is odd at byte {at}: the damage may begin there"
            ));
        }
        if let Some(open) = self.state.transaction() {
            hints.push(format!("the transaction around it begins at byte {}: a cut belongs there", open.start));
        }
        if !self.place.last {
            hints.push("another file follows this one, so no server starts, whatever its settings".to_owned());
        }
        (!hints.is_empty()).then(|| hints.join("; "))
    }

    /// Returns where the records lose their step, the command before may have swallowed the head of one.
    fn cause<F: Read + Seek>(&mut self, input: &mut Clamped<F>) -> io::Result<()> {
        let Some((at, number, ends)) = self.previous else { return Ok(()) };
        let mut reader = Reader::at(input, Grammar::Loader, at)?.with_limits(self.place.limits);
        if let Ok(Some(Record::Command(command))) = reader.next_record()
            && let Some(message) = commands::broken_head(&command)
        {
            (self.number, self.ends) = (number, ends);
            self.say(message.code, (at, message.at), Some(command.name()), || message.message);
        }
        Ok(())
    }
}
