//! A salvage of append-only files in the document: what is kept of each file, what is not, and why.

use redis_persistence::repair::aof::salvage::{Image, SalvagedFile, Skip, Stretch};
use serde::Serialize;

use super::Number;
use super::salvage::{LostView, MendedView, lost, mended};
use crate::outcome::SalvagedAof;

#[derive(Serialize)]
pub(super) struct SalvageAofView<'a> {
    out: String,
    status: &'static str,
    why: Option<&'a str>,
    aside: Option<String>,
    files: Vec<SalvagedFileView>,
    notes: &'a [String],
    reasons: &'a [String],
}

#[derive(Serialize)]
struct SalvagedFileView {
    name: String,
    size: Number,
    image_end: Number,
    image: Option<ImageView>,
    line_ends: Option<LineEndsView>,
    kept_bytes: Number,
    kept_commands: Number,
    skipped_bytes: Number,
    skipped_commands: Number,
    unreadable_commands_estimated: Number,
    selects_added: Number,
    skipped: Vec<SkipView>,
    uncertain: Vec<StretchView>,
}

#[derive(Serialize)]
struct ImageView {
    mended: Option<MendedView>,
    loss: Option<LostView>,
}

#[derive(Serialize)]
struct LineEndsView {
    lost: Number,
    doubled: Number,
    values: Number,
    unproven: Number,
}

#[derive(Serialize)]
struct SkipView {
    start: Number,
    end: Number,
    kind: &'static str,
    commands: Number,
}

#[derive(Serialize)]
struct StretchView {
    start: Number,
    end: Number,
    commands: Number,
    db: Option<u32>,
    certainty: &'static str,
}

pub(super) fn of(salvaged: &SalvagedAof) -> SalvageAofView<'_> {
    let plan = salvaged.plan.as_ref();
    SalvageAofView {
        out: salvaged.out.to_string_lossy().into_owned(),
        status: salvaged.status.as_str(),
        why: salvaged.why.as_deref(),
        aside: salvaged.aside.as_ref().map(|aside| aside.to_string_lossy().into_owned()),
        files: plan.map(|plan| plan.files.iter().map(file).collect()).unwrap_or_default(),
        notes: plan.map_or(&[], |plan| &plan.notes),
        reasons: plan.map_or(&[], |plan| &plan.reasons),
    }
}

fn file(file: &SalvagedFile) -> SalvagedFileView {
    let account = &file.account;
    SalvagedFileView {
        name: file.name.escape_ascii().to_string(),
        size: Number(file.seen.size),
        image_end: Number(file.image_end),
        image: image(&file.image),
        line_ends: file.line_ends.map(|seen| LineEndsView {
            lost: Number(seen.lost),
            doubled: Number(seen.doubled),
            values: Number(seen.values),
            unproven: Number(seen.unproven),
        }),
        kept_bytes: Number(account.kept_bytes()),
        kept_commands: Number(account.kept_commands),
        skipped_bytes: Number(account.skipped_bytes()),
        skipped_commands: Number(account.skipped_commands),
        unreadable_commands_estimated: Number(account.unreadable_commands_estimated()),
        selects_added: Number(account.kept.iter().filter(|keep| keep.select.is_some()).count() as u64),
        skipped: account.skipped.iter().map(skip).collect(),
        uncertain: account.stretches.iter().map(stretch).collect(),
    }
}

fn image(image: &Image) -> Option<ImageView> {
    match image {
        Image::Kept => None,
        Image::Mended(change) => Some(ImageView { mended: Some(mended(change)), loss: None }),
        Image::Salvaged(plan) => Some(ImageView { mended: None, loss: Some(lost(&plan.loss)) }),
    }
}

fn skip(skip: &Skip) -> SkipView {
    let Skip { start, end, kind, commands } = *skip;
    SkipView { start: Number(start), end: Number(end), kind: kind.as_str(), commands: Number(commands) }
}

fn stretch(stretch: &Stretch) -> StretchView {
    let Stretch { start, end, commands, db, certainty } = *stretch;
    let certainty = certainty.as_str();
    StretchView { start: Number(start), end: Number(end), commands: Number(commands), db, certainty }
}
