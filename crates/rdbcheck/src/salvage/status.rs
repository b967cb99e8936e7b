//! How a salvage ended, of an RDB or of append-only files.

use crate::exit::Exit;

/// How a salvage ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It was only planned.
    Planned,
    /// What was written is there, and sound.
    Written,
    /// What was written is there, and something is wrong with it still.
    Unsound,
    /// Nothing could be written, or must not be.
    Refused,
    /// There is nothing to be saved.
    Nothing,
    /// The file is of another product, and not damaged.
    Foreign,
}

impl Status {
    /// The name that reports use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Written => "written",
            Self::Unsound => "unsound",
            Self::Refused => "refused",
            Self::Nothing => "nothing",
            Self::Foreign => "foreign",
        }
    }

    /// What it means for the exit code; `None` if it means nothing.
    #[must_use]
    pub fn exit(self) -> Option<Exit> {
        match self {
            Self::Planned | Self::Foreign => None,
            Self::Written => Some(Exit::Sound),
            Self::Unsound | Self::Refused | Self::Nothing => Some(Exit::Damaged),
        }
    }
}
