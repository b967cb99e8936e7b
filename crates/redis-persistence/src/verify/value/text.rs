//! The text of a string of the frame as one number to compare it by, however it is stored.

use crate::base::error::Reading;
use crate::lzf::{Inflater, LzfError, Room};
use crate::rdb::packed::IntText;
use crate::rdb::{Body, RdbString};
use crate::report::codes::Code;
use crate::report::collector::{Collector, Location};
use crate::verify::duplicates::{Hasher, Hashes, Table};
use crate::verify::stored_form::lzf_detail;

/// What is known of a string's text.
#[derive(Debug)]
pub(super) enum Text {
    /// All.
    Hash(Hashes),
    /// Its pieces follow.
    Long(Box<LongText>),
    /// Nothing: it cannot be decoded, which is reported.
    Damaged,
}

/// Hashes the text for a table; compressed bytes are decoded into `decoded`, and reported at `place` if they are damaged.
#[inline]
pub(super) fn text(
    string: &RdbString<&[u8]>,
    place: impl FnOnce() -> Location,
    decoded: &mut Room,
    table: &Table,
    findings: &mut Collector,
) -> Text {
    match string.body {
        Body::Raw(bytes) => Text::Hash(table.hashes(bytes, 0)),
        Body::Int(value) => Text::Hash(table.hashes(IntText::new().write(i64::from(value)), 0)),
        // That the compressed form stands for nothing is told where the forms of strings are looked at.
        Body::Lzf { decoded: 0, .. } => Text::Hash(table.hashes(b"", 0)),
        Body::Lzf { data, decoded: size } => match decoded.inflate(data, size) {
            Ok(text) => Text::Hash(table.hashes(text, 0)),
            Err(error) => {
                report_damage(&error, string.end - data.len() as u64, place(), findings);
                Text::Damaged
            }
        },
        Body::Long { stored, decoded } => LongText::begin(string, (stored, decoded), place(), table, findings),
    }
}

fn report_damage(error: &LzfError, data_at: u64, place: Location, findings: &mut Collector) {
    let place = Location { failed_at: data_at.saturating_add(error.at), ..place.reading(Reading::Lzf) }
        .detail(lzf_detail(error));
    findings.add(Code::LzfDamaged, place, || format!("compressed bytes are damaged: {error}"));
}

/// A text that comes in pieces.
#[derive(Debug)]
pub(super) struct LongText {
    place: Location,
    data_at: u64,
    hasher: Hasher,
    inflater: Option<Inflater>,
    damaged: bool,
}

impl LongText {
    fn begin(
        string: &RdbString<&[u8]>,
        (stored, decoded): (u64, Option<u64>),
        place: Location,
        table: &Table,
        findings: &mut Collector,
    ) -> Text {
        let inflater = match decoded.map(|decoded| Inflater::new(stored, decoded)).transpose() {
            Ok(inflater) => inflater,
            Err(_) if decoded == Some(0) => return Text::Hash(table.hashes(b"", 0)),
            Err(error) => {
                report_damage(&error, string.end, place, findings);
                return Text::Damaged;
            }
        };
        Text::Long(Box::new(Self { place, data_at: string.end, hasher: table.hasher(0), inflater, damaged: false }))
    }

    /// Returns where the string begins.
    pub(super) fn start(&self) -> u64 {
        self.place.start
    }

    /// Takes a piece, and after the last one answers with its hashes, unless the text cannot be decoded.
    pub(super) fn piece(&mut self, bytes: &[u8], last: bool, findings: &mut Collector) -> Option<Hashes> {
        if self.damaged {
            return None;
        }
        let Self { hasher, inflater, .. } = self;
        let result = match inflater {
            None => {
                hasher.update(bytes);
                Ok(())
            }
            Some(inflater) => inflater
                .push(bytes, &mut |piece| hasher.update(piece))
                .and_then(|()| if last { inflater.finish() } else { Ok(()) }),
        };
        if let Err(error) = result {
            self.damaged = true;
            report_damage(&error, self.data_at, self.place, findings);
            return None;
        }
        last.then(|| self.hasher.finish())
    }
}
