//! What was done about an input in the document: how a repair or a salvage ended, around the plan and the losses as the library
//! serializes them.

use std::borrow::Cow;
use std::path::Path;

use redis_persistence::repair::aof::salvage::Salvage;
use redis_persistence::repair::rdb::salvage::Loss;
use redis_persistence::repair::rdb::syndrome::Candidate;
use redis_persistence::repair::{Plan, Undone};
use serde::Serialize;

use crate::outcome::{Repaired, Salvaged, SalvagedAof, UndoOutcome};

#[derive(Serialize)]
pub(super) struct RepairView<'a> {
    status: &'static str,
    why: Option<&'a str>,
    #[serde(flatten)]
    plan: &'a Plan,
    record: Option<Cow<'a, str>>,
    saved: Vec<Cow<'a, str>>,
}

impl<'a> RepairView<'a> {
    pub(super) fn of(repaired: &'a Repaired) -> Self {
        Self {
            status: repaired.status.as_str(),
            why: repaired.why.as_deref(),
            plan: &repaired.plan,
            record: repaired.applied.as_ref().map(|applied| applied.record.to_string_lossy()),
            saved: repaired
                .applied
                .iter()
                .flat_map(|applied| &applied.saved)
                .map(|path| path.to_string_lossy())
                .collect(),
        }
    }
}

/// What came of taking a repair back.
#[derive(Debug, Serialize)]
pub(in crate::render) struct UndoView {
    record: String,
    status: &'static str,
    why: Option<String>,
    #[serde(flatten)]
    undone: Undone,
}

impl UndoView {
    pub(in crate::render) fn new(record: &Path, outcome: UndoOutcome) -> Self {
        let record = record.to_string_lossy().into_owned();
        match outcome {
            Ok(undone) => Self { record, status: "applied", why: None, undone },
            Err((status, why)) => {
                Self { record, status, why: Some(why).filter(|why| !why.is_empty()), undone: Undone::default() }
            }
        }
    }
}

#[derive(Serialize)]
pub(super) struct SalvageView<'a> {
    out: String,
    form: &'static str,
    status: &'static str,
    why: Option<&'a str>,
    content_proven: bool,
    bytes: Option<u64>,
    keys: Option<u64>,
    mended: Option<&'a Candidate>,
    loss: Option<&'a Loss>,
}

impl<'a> SalvageView<'a> {
    pub(super) fn of(salvaged: &'a Salvaged) -> Self {
        Self {
            out: salvaged.out.display().to_string(),
            form: if salvaged.resp { "resp" } else { "rdb" },
            status: salvaged.status.as_str(),
            why: salvaged.why.as_deref(),
            content_proven: salvaged.content_proven(),
            bytes: salvaged.written.map(|(bytes, _)| bytes),
            keys: salvaged.written.map(|(_, keys)| keys),
            mended: salvaged.mended.as_ref(),
            loss: salvaged.loss.as_ref(),
        }
    }
}

#[derive(Serialize)]
pub(super) struct SalvageAofView<'a> {
    out: Cow<'a, str>,
    status: &'static str,
    why: Option<&'a str>,
    aside: Option<Cow<'a, str>>,
    #[serde(flatten)]
    plan: Cow<'a, Salvage>,
}

impl<'a> SalvageAofView<'a> {
    pub(super) fn of(salvaged: &'a SalvagedAof) -> Self {
        Self {
            out: salvaged.out.to_string_lossy(),
            status: salvaged.status.as_str(),
            why: salvaged.why.as_deref(),
            aside: salvaged.aside.as_ref().map(|aside| aside.to_string_lossy()),
            plan: salvaged.plan.as_ref().map_or_else(|| Cow::Owned(Salvage::default()), Cow::Borrowed),
        }
    }
}
