//! Compares what was salvaged with the original, by a reading of its own.

use std::collections::{HashMap, HashSet};

use redis_persistence::repair::aof::salvage::Account;

use crate::damage::Damaged;

/// A command of a sound file.
#[derive(Debug, Clone, Copy)]
struct Command<'a> {
    start: usize,
    bytes: &'a [u8],
    db: usize,
    /// The number of the transaction that it is in.
    transaction: Option<usize>,
    /// How many SELECTs came before, and how many MULTI and EXEC.
    selects: usize,
    brackets: usize,
}

/// A sound file.
#[derive(Debug)]
struct Stream<'a> {
    /// Its commands but for SELECT, MULTI and EXEC.
    commands: Vec<Command<'a>>,
    /// How many commands each transaction has.
    transactions: Vec<usize>,
}

fn number(bytes: &[u8], at: &mut usize, prefix: u8) -> usize {
    assert_eq!(bytes[*at], prefix, "at byte {at}");
    let end = *at + bytes[*at..].iter().position(|byte| *byte == b'\r').unwrap();
    let number = std::str::from_utf8(&bytes[*at + 1..end]).unwrap().parse().unwrap();
    assert_eq!(bytes[end + 1], b'\n');
    *at = end + 2;
    number
}

fn read(bytes: &[u8]) -> Stream<'_> {
    let mut stream = Stream { commands: Vec::new(), transactions: Vec::new() };
    let (mut at, mut db, mut open, mut selects, mut brackets) = (0, 0, false, 0, 0);
    while at < bytes.len() {
        let start = at;
        if bytes[at] == b'#' {
            at += bytes[at..].iter().position(|byte| *byte == b'\n').unwrap() + 1;
            continue;
        }
        let count = number(bytes, &mut at, b'*');
        let mut words: [&[u8]; 2] = [b"", b""];
        for argument in 0..count {
            let length = number(bytes, &mut at, b'$');
            if let Some(word) = words.get_mut(argument) {
                *word = &bytes[at..at + length];
            }
            assert_eq!(&bytes[at + length..at + length + 2], b"\r\n");
            at += length + 2;
        }
        match words[0] {
            b"SELECT" => {
                db = std::str::from_utf8(words[1]).unwrap().parse().unwrap();
                selects += 1;
            }
            b"MULTI" => {
                brackets += 1;
                assert!(!open, "a MULTI inside a transaction at byte {start}");
                open = true;
                stream.transactions.push(0);
            }
            b"EXEC" => {
                assert!(std::mem::replace(&mut open, false), "an EXEC without a MULTI at byte {start}");
                brackets += 1;
            }
            _ => {
                if open {
                    *stream.transactions.last_mut().unwrap() += 1;
                }
                let transaction = open.then(|| stream.transactions.len() - 1);
                let bytes = &bytes[start..at];
                stream.commands.push(Command { start, bytes, db, transaction, selects, brackets });
            }
        }
    }
    assert!(!open, "a transaction is open at the end");
    stream
}

/// The commands of a file, each by its arguments; without annotations.
pub fn commands(bytes: &[u8]) -> Vec<Vec<Vec<u8>>> {
    let (mut at, mut commands) = (0, Vec::new());
    while at < bytes.len() {
        let count = number(bytes, &mut at, b'*');
        let argument = |_| {
            let length = number(bytes, &mut at, b'$');
            at += length + 2;
            bytes[at - length - 2..at - 2].to_vec()
        };
        commands.push((0..count).map(argument).collect());
    }
    commands
}

/// The command that a byte lies in: its first byte, and the one behind its last.
pub fn command_at(bytes: &[u8], at: usize) -> (usize, usize) {
    let stream = read(bytes);
    let after = stream.commands.partition_point(|command| command.start <= at);
    let command = stream.commands[after - 1];
    (command.start, command.start + command.bytes.len())
}

/// What became of the commands of files.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Tally {
    pub untouched: usize,
    pub kept: usize,
    /// Not kept, and the report says that their database is uncertain; they are in the quarantine.
    pub set_aside: usize,
    /// In another database, and the report says that their database is uncertain.
    pub moved_and_marked: usize,
    /// In another database without a word.
    pub moved: usize,
    /// Not with the same others in a transaction.
    pub apart: usize,
    /// Behind one that was behind it.
    pub out_of_order: usize,
    /// In another database or out of a transaction, and no reading can tell: what was cut out left the ends of two records that
    /// read as one.
    pub hidden: usize,
    /// Commands of the original that are there twice.
    pub twice: usize,
    /// Commands that the original does not hold: bytes in their values were damaged.
    pub altered: usize,
}

impl Tally {
    pub fn add(&mut self, other: &Self) {
        self.untouched += other.untouched;
        self.kept += other.kept;
        self.set_aside += other.set_aside;
        self.moved_and_marked += other.moved_and_marked;
        self.moved += other.moved;
        self.apart += other.apart;
        self.out_of_order += other.out_of_order;
        self.hidden += other.hidden;
        self.twice += other.twice;
        self.altered += other.altered;
    }

    pub fn share(&self) -> f64 {
        share(self.kept, self.untouched)
    }

    /// What is kept, and what the report sets aside with its range.
    pub fn share_told(&self) -> f64 {
        share(self.kept + self.set_aside, self.untouched)
    }
}

fn share(some: usize, of: usize) -> f64 {
    let count = |n: usize| f64::from(u32::try_from(n).unwrap());
    count(some) / count(of)
}

/// Tells for a byte of what was written where it stood in the damaged file.
fn places(account: &Account, size: usize) -> impl Fn(usize) -> Option<usize> {
    let (mut parts, mut at) = (Vec::new(), 0);
    for keep in &account.kept {
        if let Some(db) = keep.select {
            at += format!("*2\r\n$6\r\nSELECT\r\n$1\r\n{db}\r\n").len();
        }
        let (start, end) = (usize::try_from(keep.start).unwrap(), usize::try_from(keep.end).unwrap());
        parts.push((at, start));
        at += end - start;
    }
    assert_eq!(at, size);
    move |byte| {
        let (from, start) = *parts.get(parts.partition_point(|(from, _)| *from <= byte).checked_sub(1)?)?;
        Some(start + byte - from)
    }
}

/// Holds the records that were written against the original.
pub fn judge(original: &[u8], damaged: &Damaged, account: &Account, written: &[u8]) -> Tally {
    let (before, after) = (read(original), read(written));
    let by_bytes: HashMap<&[u8], usize> =
        before.commands.iter().enumerate().map(|(number, command)| (command.bytes, number)).collect();
    assert_eq!(by_bytes.len(), before.commands.len(), "two commands are the same");
    let place = |command: &Command<'_>| damaged.place(command.start, command.start + command.bytes.len());
    let is_marked = |command: &Command<'_>| {
        place(command).is_some_and(|at| {
            let at = at as u64;
            account.stretches.iter().any(|stretch| (stretch.start..stretch.end).contains(&at))
        })
    };
    let come_from = places(account, written.len());
    let mut tally = Tally::default();
    let (mut seen, mut last) = (HashSet::new(), None);
    let mut groups: HashMap<usize, usize> = HashMap::new();
    let mut joined: Option<&Command<'_>> = None;
    for command in &after.commands {
        let Some(number) = by_bytes.get(command.bytes) else {
            tally.altered += 1;
            joined = Some(command);
            continue;
        };
        let was = &before.commands[*number];
        let here = come_from(command.start);
        if place(was) != here {
            // It reads as one of the original, and stands where another one was.
            tally.twice += 1;
            continue;
        }
        assert!(seen.insert(*number), "the same bytes were written twice");
        tally.out_of_order += usize::from(last.is_some_and(|last| last > *number));
        last = Some(*number);
        if was.db != command.db {
            if joined.is_some_and(|joined| joined.selects == command.selects) {
                tally.hidden += 1;
            } else if is_marked(was) {
                tally.moved_and_marked += 1;
            } else {
                tally.moved += 1;
            }
        }
        let same = match (was.transaction, command.transaction) {
            (None, None) => true,
            (Some(was), Some(is)) => {
                *groups.entry(is).or_insert(was) == was && before.transactions[was] == after.transactions[is]
            }
            _ => false,
        };
        if !same && joined.is_some_and(|joined| joined.brackets == command.brackets) {
            tally.hidden += 1;
        } else {
            tally.apart += usize::from(!same);
        }
    }
    for (number, command) in before.commands.iter().enumerate().filter(|(_, command)| place(command).is_some()) {
        let kept = seen.contains(&number);
        tally.untouched += 1;
        tally.kept += usize::from(kept);
        tally.set_aside += usize::from(!kept && is_marked(command));
    }
    tally
}
