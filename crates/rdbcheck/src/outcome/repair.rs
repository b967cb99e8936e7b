//! What a repair of append-only files did.

use redis_persistence::repair::{Applied, Plan};

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
    /// The name that reports use.
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

    /// Whether something was to be changed, and was not.
    #[must_use]
    pub fn is_failure(self) -> bool {
        matches!(self, Self::Declined | Self::Refused | Self::Forbidden | Self::Stopped)
    }
}

impl Repaired {
    /// A repair that changed nothing.
    #[must_use]
    pub fn without(plan: Plan, status: RepairStatus, why: Option<String>) -> Self {
        Self { plan, status, why, applied: None }
    }
}
