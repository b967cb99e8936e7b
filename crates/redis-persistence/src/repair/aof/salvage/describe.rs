//! The report of a salvage, in lines.

use super::{Account, Certainty, Salvage, SalvagedFile, Skip, Stretch};
use crate::repair::plan::number;

/// This many ranges of a kind are described.
pub(super) const SHOWN: usize = 20;

impl Salvage {
    /// Returns the plan, and the report of what is lost, line by line.
    #[must_use]
    pub fn describe(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for file in &self.files {
            file.describe(&mut lines);
        }
        lines.extend(self.notes.iter().map(|note| format!("note: {note}")));
        lines.extend(self.reasons.iter().map(|reason| format!("not possible: {reason}")));
        lines
    }
}

impl SalvagedFile {
    fn describe(&self, lines: &mut Vec<String>) {
        let Account { kept, skipped, stretches, kept_commands, skipped_commands, .. } = &self.account;
        let name = self.name.escape_ascii();
        let image =
            if self.image_end > 0 { format!("the RDB image of {} bytes, ", self.image_end) } else { String::new() };
        lines.push(format!(
            "{name}: {image}{} with {} kept",
            number(self.account.kept_bytes(), "byte"),
            number(*kept_commands, "command")
        ));
        self.image.describe(lines);
        if let Some(line_ends) = &self.line_ends {
            lines.push(format!("  {}", line_ends.describe()));
        }
        if skipped.is_empty() {
            return;
        }
        lines.push(format!(
            "  skipped: {} in {}, with {} that can be read and about {} that cannot",
            number(self.account.skipped_bytes(), "byte"),
            number(skipped.len() as u64, "range"),
            number(*skipped_commands, "command"),
            self.account.unreadable_commands_estimated(),
        ));
        for skip in skipped.iter().take(SHOWN) {
            let Skip { start, end, kind, commands } = skip;
            let commands = if *commands > 0 { format!(", {}", number(*commands, "command")) } else { String::new() };
            lines.push(format!("    bytes {start} to {end} ({}): {kind}{commands}", end - start));
        }
        if skipped.len() > SHOWN {
            lines.push(format!("    and {} more", skipped.len() - SHOWN));
        }
        for stretch in stretches.iter().take(SHOWN) {
            let Stretch { start, end, commands, .. } = stretch;
            let text = match (stretch.db, stretch.certainty) {
                (Some(db), Certainty::ByKeys) => format!("to database {db}, which knows their keys"),
                (Some(db), Certainty::BySelect) => {
                    format!("to database {db}, the only one that the next SELECT leaves")
                }
                (Some(db), Certainty::Unknown) => {
                    format!("to database {db}, the likeliest, and none is certain: a SELECT may be lost")
                }
                (Some(db), _) => format!("to database {db}, as before: a SELECT is hardly lost"),
                (None, _) => "set aside: a SELECT may be lost, and nothing tells their database".to_owned(),
            };
            lines.push(format!("  bytes {start} to {end}: {}, {text}", number(*commands, "command")));
        }
        if stretches.len() > SHOWN {
            lines.push(format!("  and {} more stretches of an uncertain database", stretches.len() - SHOWN));
        }
        let added = kept.iter().filter(|keep| keep.select.is_some()).count();
        if added > 0 {
            lines.push(format!("  added: {added} SELECT in the place of ones that are lost or set aside"));
        }
    }
}
