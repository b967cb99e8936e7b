//! What a file of records consists of, for a salvage: items that can be read, and gaps between them.

use super::SkipKind;
use super::classify::{Kind, Lost, kind};
use super::keys::Touch;
use crate::aof::Record;

/// One record of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) kind: Kind,
    /// The first argument, which is a key most of the time.
    pub(super) touch: Option<Touch>,
}

impl Item {
    pub(super) fn of(record: &Record<'_>) -> Self {
        let kind = kind(record);
        let touch = match record {
            Record::Command(command) if matches!(kind, Kind::Data | Kind::DataOf(_) | Kind::Module(_)) => {
                Touch::of(command)
            }
            _ => None,
        };
        Self { start: record.start(), end: record.end(), kind, touch }
    }
}

/// Bytes between two records that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gap {
    pub(super) start: u64,
    pub(super) end: u64,
    /// What may have been lost with them.
    pub(super) lost: Lost,
    /// How many bytes of records may have been lost.
    pub(super) room: u64,
    /// Why they are not kept.
    pub(super) kind: SkipKind,
    /// How many commands in them can be read.
    pub(super) commands: u64,
}

/// What a cut takes out at most, most probably.
pub(super) const PAGE: u64 = 4096;

impl Gap {
    pub(super) fn new(start: u64, end: u64, lost: Lost) -> Self {
        Self { start, end, lost, room: (end - start).max(PAGE), kind: SkipKind::Damage, commands: 0 }
    }

    /// Returns a command with a value of which it cannot be told how it was.
    pub(super) fn unproven(start: u64, end: u64, lost: Lost) -> Self {
        Self { kind: SkipKind::LineEnds, commands: 1, ..Self::new(start, end, lost) }
    }

    /// Returns a command that servers refuse, or answer with an error.
    pub(super) fn refused(start: u64, end: u64) -> Self {
        Self { kind: SkipKind::Refused, commands: 1, ..Self::new(start, end, Lost::Data) }
    }

    /// Records are missing before `at`, and what is left of those before and behind them reads well.
    pub(super) fn without_a_trace(at: u64) -> Self {
        Self::new(at, at, Lost::Anything)
    }
}

/// What comes next in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    Item(Item),
    Gap(Gap),
}
