//! What MULTI and EXEC do to the commands between them, and a transaction that the file ends in.

use super::Records;
use crate::aof::{Command, Transaction, TransactionEvent};
use crate::report::codes::Code;
use crate::report::facts::{OpenTransaction, Stop};

impl Records<'_, '_> {
    /// Something about transactions, databases or WATCH came with the command; `open` was open before it.
    pub(super) fn event(&mut self, event: TransactionEvent, open: Option<Transaction>, command: &Command<'_>) {
        match event {
            TransactionEvent::Opened => (self.before_multi, self.discards) = (self.load.last_end, false),
            TransactionEvent::NestedMulti => self.before_multi = self.load.last_end,
            TransactionEvent::QueuedDiscard => self.discards = true,
            TransactionEvent::Closed if self.discards => self.stop(Stop::QueuedDiscard, command.start()),
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
