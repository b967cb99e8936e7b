//! The loss report for people.

use redis_persistence::repair::rdb::salvage::{DoubtfulKey, LeftOut, LeftOutKind, Loss, LostKey, PartialKey};

use crate::escape;
use crate::outcome::Salvaged;
use crate::units::{commas, number};

/// This many of each kind are listed, unless more are asked for.
const LISTED: usize = 20;
/// This many databases are, in any case: no honest file has more than a few of them.
const LISTED_DATABASES: usize = 256;

/// Returns what is to be written, and what is lost.
pub(super) fn of(done: &Salvaged, listed: Option<usize>) -> Vec<String> {
    let mut lines = vec![String::new()];
    if let Some(mended) = &done.mended {
        let what = if done.loss.is_none() { "the original, byte for byte." } else { "the original can be restored." };
        lines.push(format!("Salvage: {what} Its checksum proves it."));
        let bytes = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(" ");
        lines.push(format!("  at byte {}: {} instead of {}", mended.offset, bytes(&mended.new), bytes(&mended.old)));
        lines.push(format!("  chance of a false match: {:.1e}", mended.odds));
    }
    match &done.loss {
        Some(loss) => lines.extend(of_loss(loss, listed)),
        None if done.unproven_copy => lines.push(
            "Salvage: nothing is wrong with the file, and it is copied as it is. It has no checksum that proves its content."
                .to_owned(),
        ),
        None if done.mended.is_none() => lines.push("Salvage: the file is sound, and copied as it is.".to_owned()),
        None => {}
    }
    lines
}

fn of_loss(loss: &Loss, listed: Option<usize>) -> Vec<String> {
    let most = listed.unwrap_or(LISTED);
    let mut lines = vec![format!(
        "Salvage: {} ({} expiring, {} expired already), {}",
        number(loss.keys, "key"),
        commas(loss.expires),
        commas(loss.expired),
        match loss.functions {
            1 => "1 function library".to_owned(),
            n => format!("{} function libraries", commas(n)),
        }
    )];
    lines.push(if loss.content_proven {
        "  The content is the original one: the checksum of the file proves it.".to_owned()
    } else {
        "  The content is unproven: bytes inside a string cannot be checked without the checksum.".to_owned()
    });
    if !loss.header_is_sound {
        lines.push("  The first 9 bytes are damaged: what wrote the file was guessed.".to_owned());
    }
    if !loss.end_was_found {
        lines.push("  The end of the records was not found: keys may be missing at the end.".to_owned());
    }
    let most_databases = most.max(LISTED_DATABASES);
    for (db, of) in loss.databases.iter().take(most_databases) {
        let lost = match (of.stated, of.lost()) {
            (Some(stated), Some(lost)) => format!("{} of {} lost", commas(lost), commas(stated)),
            _ => "how many there were is not known".to_owned(),
        };
        let left_out = match of.left_out {
            0 => String::new(),
            n => format!(", {} left out", commas(n)),
        };
        let uncertain = match of.uncertain {
            0 => String::new(),
            n => format!("; {} of the saved ones may belong to another database", commas(n)),
        };
        lines.push(format!("  database {db}: {} saved, {lost}{left_out}{uncertain}", commas(of.keys)));
    }
    more(&mut lines, loss.databases.len() as u64, most_databases);
    lines.push(format!(
        "  {} of {} bytes skipped, in {}",
        commas(loss.bytes_skipped()),
        commas(loss.size),
        number(loss.skipped.len() as u64, "place")
    ));
    for range in loss.skipped.iter().take(most) {
        lines.push(format!("    bytes {} to {} ({})", range.start, range.end, commas(range.end - range.start)));
    }
    more(&mut lines, loss.skipped.len() as u64, most);
    if let Some(from) = loss.full_from {
        lines.push(format!(
            "  There are too many such places: nothing is saved behind byte {from}, where there are {}; --duplicate-memory makes room",
            number(loss.unsaved, "key")
        ));
    }
    if let Some(from) = loss.spent_from {
        lines.push(format!(
            "  The work that a search may do in vain was used up at byte {from}: keys behind it may have been overlooked, and are not named"
        ));
    }
    if loss.damaged_total > 0 {
        lines.push(format!("  {} left out: the value is damaged", number(loss.damaged_total, "key")));
        lines.extend(loss.damaged.iter().take(most).map(of_key));
        more(&mut lines, loss.damaged_total, most);
    }
    if loss.partial_total > 0 {
        lines.push(format!(
            "  {} saved in part, with the elements that are left; they are not what they were:",
            number(loss.partial_total, "key")
        ));
        lines.extend(loss.partial.iter().take(most).map(of_part));
        more(&mut lines, loss.partial_total, most);
    }
    if loss.doubtful_total > 0 {
        let what = match loss.doubtful_saved {
            0 => "none of them is saved; --doubtful saves those that do not overlap".to_owned(),
            n => format!("{} of them are saved", commas(n)),
        };
        lines.push(format!(
            "  {} in skipped bytes may be keys, or pieces of a damaged value: {what}",
            number(loss.doubtful_total, "record")
        ));
        lines.extend(loss.doubtful.iter().take(most).map(of_doubtful));
        more(&mut lines, loss.doubtful_total, most);
    }
    for (count, what) in
        [(loss.repeated, "found twice, left out"), (loss.expiries_lost, "saved without an expiry: it is out of range")]
    {
        if count > 0 {
            lines.push(format!("  {} {what}", number(count, "key")));
        }
    }
    if loss.left_out_total > 0 {
        lines.push(format!("  {} left out that could be read:", commas(loss.left_out_total)));
        lines.extend(loss.left_out.iter().take(most).map(of_left_out));
        more(&mut lines, loss.left_out_total, most);
    }
    if !loss.anchors.is_empty() {
        lines.push("  Evidence for the records behind what is skipped:".to_owned());
    }
    for anchor in loss.anchors.iter().take(most) {
        lines.push(format!(
            "    from byte {}: {}, {} bits for the first record, {} for all",
            anchor.range.start,
            number(anchor.keys, "key"),
            anchor.first_bits,
            anchor.bits
        ));
    }
    more(&mut lines, loss.anchors_total, most);
    lines
}

fn of_key(key: &LostKey) -> String {
    let name = escape::quoted(&key.name);
    let (kind, db) = (key.value_type.type_name(), key.db);
    let why = match (key.code, key.reads_to) {
        (Some(code), _) => code.as_str().to_owned(),
        (None, Some(end)) if end > key.range.end => format!("it reads to byte {end}, over records that were found"),
        (None, Some(end)) => format!("it reads to byte {end}, and no record follows there"),
        (None, None) => "it cannot be read to its end".to_owned(),
    };
    format!("    {name} ({kind}, database {db}) at byte {}: {why}", key.range.start)
}

fn of_doubtful(key: &DoubtfulKey) -> String {
    let name = escape::quoted(&key.name);
    let (kind, db, start) = (key.value_type.type_name(), key.db, key.range.start);
    let saved = if key.saved { ", saved" } else { "" };
    format!("    {name} ({kind}, database {db}) at byte {start}: {}{saved}", key.doubt.describe())
}

fn of_left_out(left: &LeftOut) -> String {
    let name = escape::quoted(&left.name);
    let what = match left.kind {
        LeftOutKind::Key => format!("{name} (database {})", left.db.unwrap_or(0)),
        LeftOutKind::ModuleData => format!("data of the module type {name} beside the keys"),
        LeftOutKind::FunctionRefused => {
            format!("function library {name}: damaged, there twice, or not loaded by a server")
        }
        _ => format!("function library {name}"),
    };
    format!("    {what}, at byte {}", left.range.start)
}

fn of_part(key: &PartialKey) -> String {
    let name = escape::quoted(&key.name);
    let (kind, db) = (key.value_type.type_name(), key.db);
    let of = key.declared.map_or_else(|| "an unknown number".to_owned(), commas);
    let what = if kind == "stream" { "entries, without its groups" } else { "elements" };
    format!("    {name} ({kind}, database {db}) at byte {}: {} of {of} {what}", key.range.start, commas(key.elements))
}

fn more(lines: &mut Vec<String>, all: u64, shown: usize) {
    let rest = all.saturating_sub(shown as u64);
    if rest > 0 {
        lines.push(format!("    and {} more", commas(rest)));
    }
}

/// Returns what came of it.
pub(super) fn ended(done: &Salvaged) -> Vec<String> {
    let out = escape::plain(done.out.as_os_str().as_encoded_bytes());
    match done.written {
        Some((bytes, keys)) => {
            let what = if done.resp { "commands for" } else { "sound," };
            vec![format!("  Written: {out}, {}, {what} {}", number(bytes, "byte"), number(keys, "key"))]
        }
        None => vec![format!("  Nothing was written to {out}.")],
    }
}
