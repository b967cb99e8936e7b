//! Where the walk ends before the file does.

use std::io::{self, Read, Seek, SeekFrom};

use super::{Records, shown};
use crate::aof::{Grammar, Parser, Reader, Record};
use crate::base::source::Clamped;
use crate::report::codes::Code;
use crate::report::facts::OpenTransaction;
use crate::report::finding::Finding;
use crate::verify::aof::{commands, damage};
use crate::{Error, ErrorKind, Reading};

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

    /// What to know before the file is cut at a damage.
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

    /// Where the records lose their step, the command before may have swallowed the head of one.
    fn cause<F: Read + Seek>(&mut self, input: &mut Clamped<F>) -> io::Result<()> {
        let Some((at, number, ends)) = self.previous else { return Ok(()) };
        input.seek(SeekFrom::Start(at))?;
        let parser = Parser::at(Grammar::Loader, at).with_limits(self.place.limits);
        let mut reader = Reader::with_parser(input, parser).seeking();
        if let Ok(Some(Record::Command(command))) = reader.next_record()
            && let Some(message) = commands::broken_head(&command)
        {
            (self.number, self.ends) = (number, ends);
            self.say(message.code, (at, message.at), Some(command.name()), || message.message);
        }
        Ok(())
    }
}
