//! Exit codes: 0 sound, 1 damaged or not as demanded, 2 usage or not readable, 3 cannot be judged, 4 written with a loss.
//!
//! A process that SIGINT ends is left to end by the signal, which shells show as 130.

use std::process::ExitCode;

/// How a run ended, by what it means for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Exit {
    /// No finding is an error, and every demand is met.
    #[default]
    Sound,
    /// Damaged, or a demand of the command line is not met.
    Damaged,
    /// The arguments make no sense, or the input could not be read.
    Unreadable,
    /// Newer than this build, or none of the formats it knows.
    Unknown,
    /// A salvage wrote what is left: commands or keys are lost, or may be.
    Lossy,
}

impl Exit {
    /// Returns the number.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Sound => 0,
            Self::Damaged => 1,
            Self::Unreadable => 2,
            Self::Unknown => 3,
            Self::Lossy => 4,
        }
    }

    /// Returns the exit of several inputs: 1 if any is 1, else 2, else 3, else 4, else 0.
    ///
    /// # Examples
    /// ```
    /// use rdbcheck::exit::Exit;
    ///
    /// assert_eq!(Exit::Unknown.and(Exit::Unreadable), Exit::Unreadable);
    /// ```
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        [Self::Damaged, Self::Unreadable, Self::Unknown, Self::Lossy]
            .into_iter()
            .find(|exit| *exit == self || *exit == other)
            .unwrap_or(Self::Sound)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_outranks_what_could_not_be_read() {
        use Exit::{Damaged, Sound, Unknown, Unreadable};
        for (a, b, both) in [
            (Sound, Sound, Sound),
            (Sound, Unknown, Unknown),
            (Unknown, Unreadable, Unreadable),
            (Unreadable, Damaged, Damaged),
            (Unknown, Damaged, Damaged),
        ] {
            assert_eq!((a.and(b), b.and(a)), (both, both));
        }
    }
}
