//! What a stream of records does to the connection that replays it: selected database, open transaction, time.
//!
//! Each file starts anew: database 0, no transaction. A transaction never spans files.

use crate::aof::{Annotation, Command, CommandCounts, Record};

/// The state after the records fed so far, and what was counted on the way.
///
/// It follows what servers do when they load: inside a transaction every command but EXEC is queued, also MULTI, DISCARD and
/// WATCH; an EXEC without MULTI changes nothing.
///
/// # Examples
/// ```
/// use redis_persistence::aof::{Grammar, Reader, StreamState};
///
/// let mut reader = Reader::new(&b"*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n*1\r\n$5\r\nMULTI\r\n"[..], Grammar::Strict);
/// let mut state = StreamState::default();
/// while let Some(record) = reader.next_record()? {
///     state.feed(&record);
/// }
/// assert_eq!(state.db(), 3);
/// assert_eq!(state.transaction().map(|open| open.start), Some(23));
/// # Ok::<(), redis_persistence::ReadError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct StreamState {
    db: u32,
    transaction: Option<Transaction>,
    transactions: u64,
    records: u64,
    annotations: u64,
    counts: CommandCounts,
    last_name: Option<usize>,
    first_timestamp: Option<i64>,
    last_timestamp: Option<i64>,
}

/// A transaction that was opened and not closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transaction {
    /// The file offset of its MULTI, the outer one if several follow one another: a cut belongs here.
    pub start: u64,
    /// How many commands are queued in it.
    pub queued: u64,
    /// The database that was selected before it.
    pub db: u32,
    /// Whether another MULTI stands in it.
    pub nested: bool,
    /// The file offset of the first DISCARD in it: servers crash at its EXEC.
    pub discard: Option<u64>,
}

/// What a record did that is worth a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransactionEvent {
    /// MULTI opened a transaction.
    Opened,
    /// EXEC closed one.
    Closed,
    /// MULTI inside a transaction: the check tools refuse it, servers queue it and ignore its error.
    NestedMulti,
    /// EXEC outside of a transaction: the check tools refuse it, servers ignore it.
    StrayExec,
    /// DISCARD inside a transaction: servers queue it and crash at EXEC.
    QueuedDiscard,
    /// WATCH: at load it can make a server drop the next transaction, or crash.
    Watch,
    /// SELECT of something that is no database: servers ignore it, and what follows lands in the database before.
    BadSelect,
    /// A timestamp that is smaller than the one before.
    TimeWentBack,
}

impl StreamState {
    /// Takes a record.
    pub fn feed(&mut self, record: &Record<'_>) -> Option<TransactionEvent> {
        match record {
            Record::Command(command) => self.command(command),
            Record::Annotation(annotation) => self.annotation(annotation),
        }
    }

    fn command(&mut self, command: &Command<'_>) -> Option<TransactionEvent> {
        let name = command.name();
        self.records += 1;
        self.last_name = self.counts.add(name);
        if let Some(open) = self.transaction.as_mut().filter(|_| !command.is(b"EXEC")) {
            open.queued += 1;
        }
        // Nearly every record stops here: none of the names that matter begins with another letter.
        match name.first()? {
            b'M' | b'm' if command.is(b"MULTI") => Some(self.multi(command.start())),
            b'E' | b'e' if command.is(b"EXEC") => Some(self.exec()),
            b'D' | b'd' if command.is(b"DISCARD") => self.discard(command.start()),
            b'W' | b'w' if command.is(b"WATCH") => Some(TransactionEvent::Watch),
            b'S' | b's' if command.is(b"SELECT") => self.select(command),
            _ => None,
        }
    }

    fn multi(&mut self, start: u64) -> TransactionEvent {
        if let Some(open) = &mut self.transaction {
            open.nested = true;
            return TransactionEvent::NestedMulti;
        }
        self.transaction = Some(Transaction { start, queued: 0, db: self.db, nested: false, discard: None });
        TransactionEvent::Opened
    }

    fn discard(&mut self, start: u64) -> Option<TransactionEvent> {
        let open = self.transaction.as_mut()?;
        open.discard.get_or_insert(start);
        Some(TransactionEvent::QueuedDiscard)
    }

    fn exec(&mut self) -> TransactionEvent {
        if self.transaction.take().is_none() {
            return TransactionEvent::StrayExec;
        }
        self.transactions += 1;
        TransactionEvent::Closed
    }

    fn select(&mut self, command: &Command<'_>) -> Option<TransactionEvent> {
        let index = command.arg(1).and_then(|arg| arg.whole()).and_then(database);
        match index {
            Some(index) => {
                self.db = index;
                None
            }
            None => Some(TransactionEvent::BadSelect),
        }
    }

    fn annotation(&mut self, annotation: &Annotation<'_>) -> Option<TransactionEvent> {
        self.annotations += 1;
        let time = annotation.timestamp()?;
        self.first_timestamp.get_or_insert(time);
        let before = self.last_timestamp.replace(time);
        before.is_some_and(|before| time < before).then_some(TransactionEvent::TimeWentBack)
    }

    /// Returns the database that is selected. Inside a transaction: the one its commands so far lead to.
    #[must_use]
    pub fn db(&self) -> u32 {
        self.db
    }

    /// Returns the transaction that is open.
    #[must_use]
    pub fn transaction(&self) -> Option<Transaction> {
        self.transaction
    }

    /// Returns how many transactions were closed.
    #[must_use]
    pub fn transactions(&self) -> u64 {
        self.transactions
    }

    /// Returns how many commands there were.
    #[must_use]
    pub fn commands(&self) -> u64 {
        self.records
    }

    /// Returns how many annotations there were.
    #[must_use]
    pub fn annotations(&self) -> u64 {
        self.annotations
    }

    /// Returns the commands by name.
    #[must_use]
    pub fn counts(&self) -> &CommandCounts {
        &self.counts
    }

    /// Takes commands outside of a transaction that do nothing to the connection, by the number of their name.
    pub(crate) fn feed_again(&mut self, name: usize, n: u64) {
        self.records += n;
        self.counts.add_again(name, n);
    }

    /// Returns the number in [`StreamState::counts`] of the last command's name.
    pub(crate) fn last_name(&self) -> Option<usize> {
        self.last_name
    }

    /// Returns the first timestamp, in unix seconds.
    #[must_use]
    pub fn first_timestamp(&self) -> Option<i64> {
        self.first_timestamp
    }

    /// Returns the last timestamp, in unix seconds: last in the file, not the greatest.
    #[must_use]
    pub fn last_timestamp(&self) -> Option<i64> {
        self.last_timestamp
    }
}

/// Returns a database number as servers read it: a plain decimal number that fits 31 bits.
fn database(text: &[u8]) -> Option<u32> {
    let plain =
        text == b"0" || (text.first().is_some_and(|first| *first != b'0') && text.iter().all(u8::is_ascii_digit));
    let index: u32 = std::str::from_utf8(text).ok().filter(|_| plain)?.parse().ok()?;
    i32::try_from(index).is_ok().then_some(index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ReadError;
    use crate::aof::{Grammar, Reader};

    fn events(commands: &[&[&str]]) -> Result<(StreamState, Vec<Option<TransactionEvent>>), ReadError> {
        let data = commands.iter().flat_map(|command| testkit::resp::record(command)).collect::<Vec<_>>();
        let mut reader = Reader::new(&data[..], Grammar::Strict);
        let mut state = StreamState::default();
        let mut events = Vec::new();
        while let Some(record) = reader.next_record()? {
            events.push(state.feed(&record));
        }
        Ok((state, events))
    }

    #[test]
    fn transactions_open_and_close_once() -> Result<(), ReadError> {
        use TransactionEvent::{Closed, NestedMulti, Opened, QueuedDiscard, StrayExec, Watch};
        let (state, events) = events(&[
            &["multi"],
            &["SET", "a", "1"],
            &["MULTI"],
            &["DISCARD"],
            &["Exec"],
            &["EXEC"],
            &["DISCARD"],
            &["WATCH", "a"],
            &["MULTI"],
        ])?;
        let expected = [
            Some(Opened),
            None,
            Some(NestedMulti),
            Some(QueuedDiscard),
            Some(Closed),
            Some(StrayExec),
            None,
            Some(Watch),
        ];
        assert_eq!(events[..8], expected);
        assert_eq!(state.transactions(), 1);
        assert_eq!(state.transaction().map(|open| open.queued), Some(0));
        assert_eq!((state.commands(), state.counts().get(b"MULTI")), (9, 3));
        Ok(())
    }

    #[test]
    fn only_a_plain_number_selects() -> Result<(), ReadError> {
        let bad = Some(TransactionEvent::BadSelect);
        for (index, db, event) in
            [("7", 7, None), ("16", 16, None), ("-1", 0, bad), ("07", 0, bad), ("", 0, bad), ("x", 0, bad)]
        {
            let (state, events) = events(&[&["SELECT", index]])?;
            assert_eq!((state.db(), events[0]), (db, event), "{index:?}");
        }
        Ok(())
    }

    #[test]
    fn stamps_are_noted() -> Result<(), ReadError> {
        let mut reader = Reader::new(&b"#TS:20\r\n#other\r\n#TS:10\r\n#TS:x\r\n"[..], Grammar::Strict);
        let mut state = StreamState::default();
        let mut events = Vec::new();
        while let Some(record) = reader.next_record()? {
            events.push(state.feed(&record));
        }
        assert_eq!(events, [None, None, Some(TransactionEvent::TimeWentBack), None]);
        assert_eq!((state.first_timestamp(), state.last_timestamp(), state.annotations()), (Some(20), Some(10), 4));
        Ok(())
    }
}
