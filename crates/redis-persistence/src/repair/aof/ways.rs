//! What helps with a damaged file or set, tried on it: nothing is written, and only what would work is named.

use std::io;

use super::salvage::{self, Image, Salvage, SalvageOptions};
use super::{FixOptions, plan_and_names};
use crate::aof::dir::AofSet;
use crate::repair::Loss;
use crate::repair::walk::Walks;

/// A way to come by files that servers load.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Way {
    /// What to do.
    pub kind: WayKind,
    /// What is lost by it.
    pub loss: Loss,
    /// Whether bytes go; otherwise only the manifest changes.
    pub cuts: bool,
}

/// A repair in place, or new files.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum WayKind {
    /// The plan of a repair.
    Fix,
    /// The same, where that file of the set has to be named because others follow it.
    FixFile(Vec<u8>),
    /// What can be read goes to a new folder.
    Salvage,
}

/// Finds the ways that lead to files that servers load, the one that loses the fewest bytes first. A salvage is only among them if
/// nothing else loses as little.
///
/// # Errors
/// If a file cannot be read.
///
/// # Examples
/// ```no_run
/// use redis_persistence::aof::dir;
/// use redis_persistence::repair::aof::ways;
///
/// let set = dir::find_on_disk("appendonlydir".as_ref())?;
/// if let Some(best) = ways(&set)?.first() {
///     println!("{:?} loses {}", best.kind, best.loss);
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn ways(set: &AofSet) -> io::Result<Vec<Way>> {
    let (mut ways, mut walks) = (Vec::new(), Walks::default());
    let (mut plan, names) = plan_and_names(set, &FixOptions::default(), &mut walks)?;
    let mut kind = WayKind::Fix;
    if let ([name], false) = (&names[..], plan.sufficient()) {
        let options = FixOptions { file: Some(name.clone()), ..FixOptions::default() };
        (plan, kind) = (plan_and_names(set, &options, &mut walks)?.0, WayKind::FixFile(name.clone()));
    }
    if plan.may_be_applied_unasked() {
        let loss = plan.loss();
        ways.push(Way { kind, loss, cuts: loss.bytes > 0 });
    }
    let salvaged = salvage::salvage_with(set, SalvageOptions::default(), &mut walks)?;
    if salvaged.reasons.is_empty() && salvaged.unsound.is_none() && salvaged.keeps_anything() {
        let loss = salvaged.loss();
        if ways.first().is_none_or(|fix| loss.bytes < fix.loss.bytes) {
            ways.insert(0, Way { kind: WayKind::Salvage, loss, cuts: loss.bytes > 0 });
        }
    }
    Ok(ways)
}

impl Salvage {
    /// Whether something would be kept: a command, or a key of an image.
    #[must_use]
    pub fn keeps_anything(&self) -> bool {
        self.files.iter().any(|file| {
            let image = match &file.image {
                Image::Salvaged(plan) => plan.loss.keys > 0,
                _ => file.image_end > 0,
            };
            image || file.account.kept_commands > 0
        })
    }

    /// What would not be kept.
    #[must_use]
    pub fn loss(&self) -> Loss {
        let mut all = Loss::default();
        for file in &self.files {
            let account = &file.account;
            let unreadable = account.unreadable_commands_estimated();
            let mut loss = Loss {
                bytes: account.skipped_bytes(),
                records: account.skipped_commands.saturating_add(unreadable),
                ..Loss::default()
            };
            if let Image::Salvaged(plan) = &file.image {
                loss.bytes = loss.bytes.saturating_add(plan.loss.bytes_skipped());
                loss.keys_estimated = plan.loss.databases.values().filter_map(|of| of.lost()).sum();
            }
            all = all.and(loss);
        }
        all
    }
}
