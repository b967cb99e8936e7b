//! What goes with the bytes behind a cut, as far as it can still be read.
//!
//! Up to the damage the records are read as servers read them. Behind it, places are looked for where a whole command stands
//! as a writer makes it; what lies between them is not counted.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use xxhash_rust::xxh3::xxh3_64;

use super::Loss;
use crate::ReadError;
use crate::aof::{Command, Grammar, Parser, Reader, Record, Step};

/// How much is looked at behind the damage at a time.
const WINDOW: usize = 1 << 20;
/// More keys than this are not told apart.
const MAX_KEYS: usize = 1 << 20;
/// How many bytes may be looked at more than once, beside some for each byte that is passed: bytes that were made to look like
/// records could make that quadratic.
const MAX_WORK: u64 = 32 << 20;
const WORK_PER_BYTE: u64 = 8;

#[derive(Debug, Default)]
struct Tally {
    loss: Loss,
    keys: HashSet<u64>,
}

impl Tally {
    fn command(&mut self, command: &Command<'_>) {
        self.loss.records += 1;
        if command.is(b"MULTI") {
            self.loss.transactions += 1;
        }
        let key = command.arg(1).filter(|_| !command.is(b"SELECT"));
        if let Some(key) = key.filter(|_| self.keys.len() < MAX_KEYS) {
            self.keys.insert(xxh3_64(key.head));
        }
    }
}

/// Counts what lies from `from` to `to`, where a record begins at `from`.
pub(super) fn count(file: &mut File, from: u64, to: u64) -> io::Result<Loss> {
    let mut tally = Tally::default();
    tally.loss.bytes = to.saturating_sub(from);
    let mut reader = Reader::at(file.try_clone()?, Grammar::Loader, from)?;
    loop {
        match reader.next_record() {
            Ok(Some(Record::Command(command))) => tally.command(&command),
            Ok(Some(Record::Annotation(_))) => {}
            Ok(None) => break,
            Err(ReadError::Io(error)) => return Err(error),
            Err(ReadError::Parse(error)) => {
                if let Some(command) = reader.parser().unfinished() {
                    tally.command(&command);
                    tally.loss.at_least = error.failed_at() < to;
                } else {
                    tally.loss.at_least = true;
                }
                // The unfinished one may have swallowed what follows its own beginning.
                behind(file, error.start().saturating_add(1), to, &mut tally)?;
                break;
            }
        }
    }
    tally.loss.keys_estimated = tally.keys.len() as u64;
    Ok(tally.loss)
}

/// Counts the whole commands that can be found from `at` on.
fn behind(file: &mut File, from: u64, to: u64, tally: &mut Tally) -> io::Result<()> {
    let mut window = Vec::new();
    let mut at = from;
    let mut work = 0;
    while at < to {
        file.seek(SeekFrom::Start(at))?;
        window.clear();
        file.take((to - at).min(WINDOW as u64)).read_to_end(&mut window)?;
        if window.is_empty() {
            break;
        }
        let allowed = MAX_WORK + WORK_PER_BYTE * (at - from);
        let mut here = 0;
        // A command that reaches beyond the window is looked at again at the start of the next one.
        let mut resume = window.len();
        while let Some(star) = memchr::memchr(b'*', &window[here..]).map(|star| here + star) {
            here = star + 1;
            // Records follow a line end; at the start of the window that cannot be seen.
            if star > 0 && window[star - 1] != b'\n' {
                continue;
            }
            let mut parser = Parser::new(Grammar::Strict);
            match parser.step(&window[star..], false) {
                Ok(Step::Record { consumed }) => {
                    if let Some(Record::Command(command)) = parser.record(&window[star..]) {
                        tally.command(&command);
                    }
                    here = star + consumed;
                }
                Ok(_) if star > 0 && at + (window.len() as u64) < to => {
                    resume = star;
                    work += (window.len() - star) as u64;
                    if work > allowed {
                        resume = window.len();
                    }
                    break;
                }
                Ok(_) => {}
                Err(error) => work += error.failed_at(),
            }
            if work > allowed {
                break;
            }
        }
        at += resume.max(1) as u64;
    }
    Ok(())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use std::io::Write;
    use std::time::{Duration, Instant};

    fn set(key: &str) -> String {
        format!("*3\r\n$3\r\nSET\r\n${}\r\n{key}\r\n$1\r\nv\r\n", key.len())
    }

    fn counted(data: &str) -> Loss {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(data.as_bytes()).unwrap();
        count(&mut file, 0, data.len() as u64).unwrap()
    }

    #[test]
    fn what_lies_behind_damage_is_found() {
        let data = [&set("a"), "garbage\r\n", &set("b"), &set("a"), "*1\r\n$5\r\nMULTI\r\n", "*3\r\n$3"].concat();
        let loss = counted(&data);
        assert_eq!((loss.bytes, loss.records, loss.transactions, loss.keys_estimated), (data.len() as u64, 4, 1, 2));
        assert!(loss.at_least);
    }

    #[test]
    fn a_torn_command_is_one() {
        let loss = counted(&[&set("a"), "*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$10\r\nvv"].concat());
        assert_eq!((loss.records, loss.keys_estimated, loss.at_least), (2, 2, false));
    }

    #[test]
    fn commands_across_windows_are_found() {
        let long = format!("*2\r\n$3\r\nGET\r\n$700000\r\n{}\r\n", "x".repeat(700_000));
        let loss = counted(&["?\r\n", &long, &long, &long, &set("a")].concat());
        assert_eq!((loss.records, loss.keys_estimated), (4, 2));
    }

    #[test]
    fn hostile_bytes_take_no_time() {
        for repeated in [
            "*60000\r\n$1\r\na\r\n",
            "*2\r\n$5000000\r\n",
            "*2\r\n$1048000\r\n",
            "*2\r\n$1099511627776\r\n",
            "*2\r\n$90\r\n",
        ] {
            let begun = Instant::now();
            let loss = counted(&["?\r\n", &repeated.repeat(4_000_000 / repeated.len())].concat());
            assert!(loss.at_least);
            assert!(begun.elapsed() < Duration::from_secs(5), "{repeated:?} took {:?}", begun.elapsed());
        }
    }
}
