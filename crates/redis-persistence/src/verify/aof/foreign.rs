//! Whether commands that no server known here has are another program's, or the trace of damage.
//!
//! A byte that rots inside of a name leaves the frame sound, so one odd name proves nothing. A file is another program's if its
//! frame is sound everywhere, and each of these names is one that somebody gives to a command and no known name with one byte
//! changed, unless it comes more than once or others of the same product are there.

use super::log::Log;
use crate::aof::foreign::{is_one_byte_off, is_plausible};
use crate::report::codes::Code;
use crate::report::facts::{AofLoadFacts, ForeignUse};

/// What shows that the frame of a file is not as its writer made it. What an interrupted write leaves at the end is none of it.
const DAMAGE: [Code; 8] = [
    Code::AofBadFormat,
    Code::AofSecondRdb,
    Code::AofToolOnlyForm,
    Code::AofEmptyCommandName,
    Code::AofNulInCommandName,
    Code::AofLenientForm,
    Code::AofSwallowedRecord,
    Code::AofAnnotationTooLong,
];

/// Decides what the unknown commands of a set are, once all of it is read.
pub(super) fn settle(log: &mut Log, facts: &AofLoadFacts) {
    let sound = DAMAGE.iter().all(|code| log.count(*code) == 0);
    let of_product = |used: &ForeignUse| used.origin.is_some();
    let all = &facts.foreign;
    let ours = facts.unnamed.is_none()
        && (sound || all.iter().all(of_product))
        && all.iter().all(|used| is_plausible(&used.name) && !is_rotten(used, all));
    if ours {
        log.recode(Code::AofUnknownCommand, Code::AofForeignCommand);
    }
}

/// Returns whether a name looks like a known one of which a byte was changed.
fn is_rotten(used: &ForeignUse, all: &[ForeignUse]) -> bool {
    let company = |other: &ForeignUse| other.name != used.name && other.origin == used.origin;
    used.count == 1 && is_one_byte_off(&used.name) && !(used.origin.is_some() && all.iter().any(company))
}
