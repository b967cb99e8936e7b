//! A search in words, a line for each thing that can be said.

use std::fmt;

use super::{Candidate, Outcome, Search};

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at offset {}: {} instead of {}", self.offset, Hex(&self.new), Hex(&self.old))?;
        match &self.key {
            Some(key) => write!(f, ", in key \"{}\" of database {}", key.name.escape_ascii(), key.db)?,
            None if self.trailer => f.write_str(", in the checksum itself: the content is undamaged")?,
            None => {}
        }
        write!(f, "; odds of chance 1 in {:.0}", 1.0 / self.odds)
    }
}

impl fmt::Display for Search {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "searched offsets {} to {}", self.range.start, self.range.end)?;
        if let Some(near) = &self.near_break {
            write!(f, ", those before the break ({} to {}) for longer changes", near.start, near.end)?;
        }
        match &self.outcome {
            Outcome::Mended(candidate) => write!(f, "\nmended {candidate}"),
            Outcome::Ambiguous { candidates, others } => {
                f.write_str("\nnothing is mended: what fits could be chance, or is not the only one")?;
                candidates.iter().try_for_each(|candidate| write!(f, "\ncould be {candidate}"))?;
                if *others > 0 { write!(f, "\n{others} more were not verified") } else { Ok(()) }
            }
            Outcome::TrailerOrContent => f.write_str(
                "\nnothing is mended: everything parses and no short change fits, so that the checksum is as suspect as \
                 the content",
            ),
            Outcome::NotFound => f.write_str("\nnothing is mended: no short change fits; more than a few bytes are damaged"),
            Outcome::NoChecksum => f.write_str("\nnothing is mended: the file has no checksum to go by"),
            Outcome::ChecksumFits => {
                f.write_str("\nnothing is mended: the checksum fits, so that the file was written as it is")
            }
        }
    }
}

/// Bytes as a row of hexadecimal digits.
struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
