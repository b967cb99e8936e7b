//! Salvage in the document: what was written, and what is lost.

use std::collections::BTreeMap;
use std::ops::Range;

use redis_persistence::rdb::ValueType;
use redis_persistence::repair::rdb::salvage::{Anchor, LeftOut, Loss, LostKey, PartialKey};
use redis_persistence::repair::rdb::syndrome::Candidate;
use serde::Serialize;

use super::{Number, Signed};
use crate::escape;
use crate::outcome::Salvaged;

/// So many of the skipped ranges are listed.
const MOST_SKIPPED: usize = 10_000;

#[derive(Serialize)]
pub(super) struct SalvageView<'a> {
    out: String,
    form: &'static str,
    status: &'static str,
    why: Option<&'a str>,
    content_proven: bool,
    bytes: Option<Number>,
    keys: Option<Number>,
    mended: Option<MendedView>,
    loss: Option<LostView>,
}

#[derive(Serialize)]
pub(super) struct MendedView {
    offset: Number,
    old: String,
    new: String,
    odds: f64,
    in_trailer: bool,
}

#[derive(Serialize)]
pub(super) struct LostView {
    header_is_sound: bool,
    end_was_found: bool,
    keys: Number,
    expires: Number,
    expired: Number,
    uncertain: Number,
    keys_lost: Option<Number>,
    bytes_skipped: Number,
    databases: BTreeMap<u64, DatabaseView>,
    skipped: Vec<RangeView>,
    skipped_total: Number,
    damaged: Vec<DamagedView>,
    damaged_total: Number,
    partial: Vec<PartialView>,
    partial_total: Number,
    repeated: Number,
    expiries_lost: Number,
    functions: Number,
    functions_lost: Number,
    left_out: Vec<LeftOutView>,
    left_out_total: Number,
    anchors: Vec<AnchorView>,
    anchors_total: Number,
    full_from: Option<Number>,
    unsaved: Number,
}

#[derive(Serialize)]
struct DatabaseView {
    stated: Option<Number>,
    keys: Number,
    expires: Number,
    uncertain: Number,
    lost: Option<Number>,
    left_out: Number,
}

#[derive(Serialize)]
struct RangeView {
    start: Number,
    end: Number,
}

#[derive(Serialize)]
struct KeyView {
    db: Number,
    key: String,
    r#type: &'static str,
    #[serde(flatten)]
    range: RangeView,
}

#[derive(Serialize)]
struct DamagedView {
    #[serde(flatten)]
    key: KeyView,
    code: Option<&'static str>,
}

#[derive(Serialize)]
struct PartialView {
    #[serde(flatten)]
    key: KeyView,
    elements: Number,
    declared: Option<Number>,
    code: Option<&'static str>,
}

#[derive(Serialize)]
struct LeftOutView {
    kind: &'static str,
    db: Option<Number>,
    name: String,
    #[serde(flatten)]
    range: RangeView,
}

#[derive(Serialize)]
struct AnchorView {
    start: Number,
    end: Number,
    keys: Number,
    first_bits: Signed,
    bits: Signed,
}

impl From<&Range<u64>> for RangeView {
    fn from(range: &Range<u64>) -> Self {
        Self { start: Number(range.start), end: Number(range.end) }
    }
}

pub(super) fn of(salvaged: &Salvaged) -> SalvageView<'_> {
    SalvageView {
        out: salvaged.out.display().to_string(),
        form: if salvaged.resp { "resp" } else { "rdb" },
        status: salvaged.status.as_str(),
        why: salvaged.why.as_deref(),
        content_proven: salvaged.content_proven(),
        bytes: salvaged.written.map(|(bytes, _)| Number(bytes)),
        keys: salvaged.written.map(|(_, keys)| Number(keys)),
        mended: salvaged.mended.as_ref().map(mended),
        loss: salvaged.loss.as_ref().map(lost),
    }
}

pub(super) fn mended(candidate: &Candidate) -> MendedView {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    MendedView {
        offset: Number(candidate.offset),
        old: hex(&candidate.old),
        new: hex(&candidate.new),
        odds: candidate.odds,
        in_trailer: candidate.trailer,
    }
}

pub(super) fn lost(loss: &Loss) -> LostView {
    let databases = loss.databases.iter().map(|(db, of)| {
        let view = DatabaseView {
            stated: of.stated.map(Number),
            keys: Number(of.keys),
            expires: Number(of.expires),
            uncertain: Number(of.uncertain),
            lost: of.lost().map(Number),
            left_out: Number(of.left_out),
        };
        (*db, view)
    });
    LostView {
        header_is_sound: loss.header_is_sound,
        end_was_found: loss.end_was_found,
        keys: Number(loss.keys),
        expires: Number(loss.expires),
        expired: Number(loss.expired),
        uncertain: Number(loss.uncertain),
        keys_lost: loss.keys_lost().map(Number),
        bytes_skipped: Number(loss.bytes_skipped()),
        databases: databases.collect(),
        skipped: loss.skipped.iter().take(MOST_SKIPPED).map(RangeView::from).collect(),
        skipped_total: Number(loss.skipped.len() as u64),
        damaged: loss.damaged.iter().map(damaged).collect(),
        damaged_total: Number(loss.damaged_total),
        partial: loss.partial.iter().map(part).collect(),
        partial_total: Number(loss.partial_total),
        repeated: Number(loss.repeated),
        expiries_lost: Number(loss.expiries_lost),
        functions: Number(loss.functions),
        functions_lost: Number(loss.functions_lost),
        left_out: loss.left_out.iter().map(left_out).collect(),
        left_out_total: Number(loss.left_out_total),
        anchors: loss.anchors.iter().map(anchor).collect(),
        anchors_total: Number(loss.anchors_total),
        full_from: loss.full_from.map(Number),
        unsaved: Number(loss.unsaved),
    }
}

fn key(db: u64, name: &[u8], value_type: ValueType, range: &Range<u64>) -> KeyView {
    KeyView { db: Number(db), key: escape::plain(name), r#type: value_type.type_name(), range: RangeView::from(range) }
}

fn damaged(lost: &LostKey) -> DamagedView {
    DamagedView {
        key: key(lost.db, &lost.name, lost.value_type, &lost.range),
        code: lost.code.map(|code| code.as_str()),
    }
}

fn part(part: &PartialKey) -> PartialView {
    PartialView {
        key: key(part.db, &part.name, part.value_type, &part.range),
        elements: Number(part.elements),
        declared: part.declared.map(Number),
        code: part.code.map(|code| code.as_str()),
    }
}

fn left_out(left: &LeftOut) -> LeftOutView {
    LeftOutView {
        kind: left.kind.as_str(),
        db: left.db.map(Number),
        name: escape::plain(&left.name),
        range: RangeView::from(&left.range),
    }
}

fn anchor(anchor: &Anchor) -> AnchorView {
    AnchorView {
        start: Number(anchor.range.start),
        end: Number(anchor.range.end),
        keys: Number(anchor.keys),
        first_bits: Signed(i64::from(anchor.first_bits)),
        bits: Signed(anchor.bits),
    }
}
