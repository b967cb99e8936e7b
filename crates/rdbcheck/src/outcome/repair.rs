//! What a repair of append-only files did, and what a salvage did.

use std::path::PathBuf;

use redis_persistence::repair::aof::salvage::{Image, Salvage};
use redis_persistence::repair::rdb::salvage::Loss;
use redis_persistence::repair::rdb::syndrome::Candidate;
use redis_persistence::repair::{self, Applied, Plan};

use crate::exit::Exit;

/// What a repair did.
#[derive(Debug)]
pub struct Repaired {
    /// What was to be done.
    pub plan: Plan,
    /// Whether it was.
    pub status: RepairStatus,
    /// Why not.
    pub why: Option<String>,
    /// What the changes left.
    pub applied: Option<Applied>,
}

/// How a repair ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RepairStatus {
    /// There was nothing to change, or nothing that helps.
    Nothing,
    /// There was nothing to change, and the files hold commands of another product, of a module, or renamed ones. That is no reason
    /// to keep their server from starting.
    Foreign,
    /// It was only planned.
    Planned,
    /// It was made.
    Applied,
    /// It was not wanted; nothing was changed.
    Declined,
    /// It could not be made, or must not be; nothing was changed.
    Refused,
    /// It would write to what no repair writes to, or follow what no undo follows; nothing was changed.
    Forbidden,
    /// It stopped half way.
    Stopped,
}

impl RepairStatus {
    /// Returns the name that reports use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nothing | Self::Foreign => "nothing",
            Self::Planned => "planned",
            Self::Applied => "applied",
            Self::Declined => "declined",
            Self::Refused | Self::Forbidden => "refused",
            Self::Stopped => "stopped",
        }
    }

    /// Returns whether something was to be changed, and was not.
    #[must_use]
    pub fn is_failure(self) -> bool {
        matches!(self, Self::Declined | Self::Refused | Self::Forbidden | Self::Stopped)
    }
}

impl Repaired {
    /// Returns a repair that changed nothing.
    #[must_use]
    pub fn without(plan: Plan, status: RepairStatus, why: Option<String>) -> Self {
        Self { plan, status, why, applied: None }
    }
}

/// How a salvage ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SalvageStatus {
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

impl SalvageStatus {
    /// Returns the name that reports use.
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

    /// Returns what it means for the exit code; `None` if it means nothing.
    #[must_use]
    pub fn exit(self) -> Option<Exit> {
        match self {
            Self::Planned | Self::Foreign => None,
            Self::Written => Some(Exit::Sound),
            Self::Unsound | Self::Refused | Self::Nothing => Some(Exit::Damaged),
        }
    }
}

/// What a salvage did.
#[derive(Debug)]
pub struct Salvaged {
    /// The new file.
    pub out: PathBuf,
    /// Whether it holds commands.
    pub resp: bool,
    /// How it ended.
    pub status: SalvageStatus,
    /// Why it was not written.
    pub why: Option<String>,
    /// The change that makes it the original again, if its content is proven by that.
    pub mended: Option<Candidate>,
    /// What is lost, unless nothing was.
    pub loss: Option<Loss>,
    /// Whether it is a copy of a file that has no checksum, and in which nothing is wrong.
    pub unproven_copy: bool,
    /// How many bytes and keys were written.
    pub written: Option<(u64, u64)>,
}

impl Salvaged {
    /// Returns whether what was written is proven to be the original content.
    #[must_use]
    pub fn content_proven(&self) -> bool {
        self.loss.as_ref().map_or(!self.unproven_copy, |loss| loss.content_proven)
    }

    /// Returns whether keys are lost, or may be.
    fn loses_keys(&self) -> bool {
        let written = self.written.map_or(0, |(_, keys)| keys);
        self.loss.as_ref().is_some_and(|loss| loss.keys_missing() != Some(0) || written < loss.keys)
    }

    /// Returns what it means for the exit code; `None` if it means nothing.
    #[must_use]
    pub fn exit(&self) -> Option<Exit> {
        match self.status {
            SalvageStatus::Written if self.loses_keys() => Some(Exit::Lossy),
            status => status.exit(),
        }
    }
}

/// What a salvage of append-only files did.
#[derive(Debug)]
pub struct SalvagedAof {
    /// The new folder.
    pub out: PathBuf,
    /// What was found to be kept, and what not.
    pub plan: Option<Salvage>,
    /// How it ended.
    pub status: SalvageStatus,
    /// Why it was not written, or is not sound.
    pub why: Option<String>,
    /// Where the folder is now that had its name.
    pub aside: Option<PathBuf>,
    /// Whether the packing around the files is damaged, so that there may have been more of them.
    pub cut: bool,
}

impl SalvagedAof {
    /// Returns what it means for the exit code; `None` if it means nothing.
    #[must_use]
    pub fn exit(&self) -> Option<Exit> {
        match self.status {
            SalvageStatus::Written if self.cut || self.plan.as_ref().is_some_and(loses) => Some(Exit::Lossy),
            status => status.exit(),
        }
    }

    /// Notes that nothing was written.
    pub fn refuse(&mut self, why: String) {
        (self.status, self.why) = (SalvageStatus::Refused, Some(why));
    }
}

/// Returns whether commands are left out, or keys of an image are lost or may be.
fn loses(plan: &Salvage) -> bool {
    let of_image = |image: &Image| match image {
        Image::Salvaged(of) => of.loss.keys_missing() != Some(0),
        _ => false,
    };
    plan.loss() != repair::Loss::default() || plan.files.iter().any(|file| of_image(&file.image))
}
