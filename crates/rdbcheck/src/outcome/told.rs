//! What a run tells while it goes on, and who hears it. A run knows nothing of how that is shown.

use std::path::{Path, PathBuf};

use redis_persistence::repair::aof::salvage::Salvage;
use redis_persistence::repair::{Applied, Plan, Undone};

use super::{Entry, Salvaged, SalvagedAof};
use crate::disguise::Disguise;

/// Something that happens between the check and the end of a run.
#[derive(Debug)]
pub enum Told<'a> {
    /// The plan of a repair, and the check that it follows.
    Plan(&'a Plan, &'a Entry),
    /// A repair was made. The command takes it back.
    Applied(&'a Applied, String),
    /// What would be taken back, and notes on it.
    Undo(Vec<String>, Option<String>),
    /// What was taken back.
    Undone(&'a Undone),
    /// The RDB was found in a disguise, which is undone.
    Disguise(&'a Disguise),
    /// What a salvage of an RDB will write, and what is lost.
    Salvage(&'a Salvaged),
    /// What came of it.
    SalvageEnded(&'a Salvaged),
    /// What a salvage of append-only files will write to that folder, and what is lost.
    SalvageAof(&'a Path, &'a Salvage),
    /// The files were written, and are sound.
    SalvageAofWritten(&'a SalvagedAof),
}

/// How taking a repair back ended: what was done, or the name of the end and why.
pub type UndoOutcome = Result<Undone, (&'static str, String)>;

/// Who hears of a run.
pub trait Show {
    /// Hears what a check found, before something is done about it.
    fn checked(&mut self, entry: &Entry);
    /// Hears what a check found after a repair.
    fn checked_again(&mut self, entry: &Entry);
    /// Takes what came of an input, or of one file that lies in it, of which all was told.
    fn take(&mut self, entry: Entry);
    /// Hears and takes what came of an input with which nothing else is to be done.
    fn done(&mut self, entry: Entry);
    /// Hears what happens. Returns whether people see it.
    fn tell(&mut self, told: &Told<'_>) -> bool;
    /// Hears what is about to be changed. It is shown somewhere in any case: nothing may be changed without a plan that was
    /// shown, and where a question follows, on the terminal.
    fn tell_before_change(&mut self, told: &Told<'_>, asks: bool);
    /// Takes what came of taking a repair back, by the record of that repair.
    fn undone(&mut self, record: PathBuf, outcome: UndoOutcome);
    /// Standard output is for something else from now on.
    fn leave_standard_output(&mut self);
}
