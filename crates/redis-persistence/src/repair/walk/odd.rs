//! Records that servers load, and that the damage right behind them has reached all the same.
//!
//! Servers do not look at the two bytes behind a value. So a length that is too short or too long, or bytes that were lost, often
//! show only in the record after: the one before it was read with a wrong value. A cut belongs before that one, which is where
//! the check tools of the servers make it.

use std::collections::VecDeque;
use std::fs::File;
use std::io;

use crate::aof::{Grammar, Reader, Record, Transaction};
use crate::verify::swallows;
use crate::{ErrorKind, ReadError, Reading};

/// This many records before the stop are looked at.
const MOST: usize = 64;

/// A command that was read, and what was open before it.
#[derive(Debug, Clone, Copy)]
pub(in crate::repair) struct Before {
    /// Where it begins.
    pub start: u64,
    /// The transaction that was open.
    pub open: Option<Transaction>,
}

/// The last commands without anything between them.
#[derive(Debug, Default)]
pub(in crate::repair) struct Recent(VecDeque<Before>);

impl Recent {
    pub fn push(&mut self, command: Before) {
        if self.0.len() == MOST {
            self.0.pop_front();
        }
        self.0.push_back(command);
    }

    /// Something that is no command stands there.
    pub fn interrupt(&mut self) {
        self.0.clear();
    }

    pub fn last(&self) -> Option<Before> {
        self.0.back().copied()
    }

    /// Returns the first of the commands that are odd without a gap up to the stop.
    pub fn first_odd(&self, file: &mut File) -> io::Result<Option<Before>> {
        let mut first = None;
        for (number, before) in self.0.iter().rev().enumerate() {
            match oddness(file, before.start)? {
                Oddness::Value => first = Some(*before),
                Oddness::Form if number == 0 => first = Some(*before),
                Oddness::Form | Oddness::None => break,
            }
        }
        Ok(first)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Oddness {
    None,
    /// Its lines are not those of a writer, but its values may be right.
    Form,
    /// One of its values cannot be what was written.
    Value,
}

/// Looks at the command at `start`.
fn oddness(file: &mut File, start: u64) -> io::Result<Oddness> {
    let mut reader = Reader::at(file.try_clone()?, Grammar::Strict, start)?;
    Ok(match reader.next_record() {
        Ok(Some(Record::Command(command))) if swallows(&command) => Oddness::Value,
        Ok(_) => Oddness::None,
        Err(ReadError::Io(error)) => return Err(error),
        Err(ReadError::Parse(error)) => match (error.kind(), error.reading()) {
            // A line of a header without its CR.
            (ErrorKind::BadLineEnd([b'\n', _]), Reading::ArgCount | Reading::ArgLength) => Oddness::Form,
            _ => Oddness::Value,
        },
    })
}
