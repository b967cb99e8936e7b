//! What an RDB is and holds.

use redis_persistence::rdb::Family;
use redis_persistence::verify::{Checksum, DbCounts, DuplicateCheck, Format, Kind, Report};

use super::Style;
use crate::escape;
use crate::style::{Page, shorten};
use crate::units::{commas, date, number, size};
use crate::unpack::Packing;

/// How many databases are shown.
const FIRST_DATABASES: usize = 16;

/// Returns what the file is: `RDB 12 of Redis 7.4.1, written 2025-03-01 12:00:00 UTC, 12.3 MB`; before it `in gzip: `, if
/// it was packed.
pub(super) fn head(report: &Report, packing: Option<Packing>) -> String {
    let mut head = packing.map_or_else(String::new, |packing| format!("in {packing}: "));
    head.push_str(&unpacked_head(report));
    head
}

fn unpacked_head(report: &Report) -> String {
    let Some(format) = &report.format else {
        return match report.kind {
            _ if report.size == 0 => "an empty file".to_owned(),
            Kind::Rdb => format!("an RDB without a readable header, {}", size(report.size)),
            _ => format!("without the signature of an RDB, {}", size(report.size)),
        };
    };
    if report.kind == Kind::Dump {
        let of = if report.is_function_dump() { "FUNCTION DUMP" } else { "DUMP" };
        return format!("the answer of {of}, RDB version {}, {}", format.rdb_version, size(report.size));
    }
    format!("{}, {}", origin(format), size(report.size))
}

/// Returns the version of an RDB, and what wrote it when: `RDB 12 of Redis 7.4.1, written 2025-03-01 12:00:00 UTC`.
pub(in crate::render) fn origin(format: &Format) -> String {
    let mut head = format!("RDB {}", format.rdb_version);
    match &format.writer {
        Some(writer) => {
            let product = name(format.product.unwrap_or(format.family));
            head.push_str(&format!(" of {product} {}", shorten(&escape::plain(writer.as_bytes()), 40)));
        }
        None if format.family == Family::Redis => head.push_str(" of Redis or its kin"),
        None => head.push_str(&format!(" of {}", name(format.family))),
    }
    if let Some(created) = format.created {
        head.push_str(&format!(", written {}", date(created)));
    }
    head
}

fn name(family: Family) -> &'static str {
    match family {
        Family::Redis => "Redis",
        Family::Valkey => "Valkey",
    }
}

/// What an RDB holds.
pub(in crate::render) fn contents(page: &mut Page, indent: usize, report: &Report, style: Style) {
    let counts = &report.counts;
    for (db, counts) in counts.databases.iter().take(FIRST_DATABASES) {
        page.plain(indent, &database(*db, counts));
    }
    if counts.databases.len() > FIRST_DATABASES {
        let rest = counts.databases.values().skip(FIRST_DATABASES);
        let (databases, keys) = rest.fold((0, 0), |(n, keys), db| (n + 1, keys + db.keys));
        page.plain(indent, &format!("and {} with {}", number(databases, "more database"), number(keys, "key")));
    }
    let mut total = number(counts.keys, "key");
    if counts.databases.len() > 1 {
        total.push_str(&format!(" in {} databases", commas(counts.databases.len() as u64)));
    }
    if counts.expires > 0 {
        let now = date(style.now_ms.div_euclid(1000));
        total.push_str(&format!(
            "; {} with an expiry, {} of them past at {now}",
            commas(counts.expires),
            commas(counts.expired)
        ));
    }
    if counts.functions > 0 {
        let libraries = if counts.functions == 1 { "library" } else { "libraries" };
        total.push_str(&format!("; {} {libraries} of functions", commas(counts.functions)));
    }
    page.plain(indent, &total);
}

/// `db 0: 10 keys: 3 hash, 7 string`.
fn database(db: u64, counts: &DbCounts) -> String {
    let types: Vec<_> =
        counts.types.iter().map(|(name, n)| format!("{} {}", commas(*n), escape::plain(name.as_bytes()))).collect();
    format!("db {db}: {}: {}", number(counts.keys, "key"), types.join(", "))
}

/// What is remarkable about the check itself.
pub(in crate::render) fn remarks(page: &mut Page, indent: usize, report: &Report) {
    match report.checksum {
        Some(Checksum::Ok) => page.plain(indent, "checksum: verified"),
        Some(Checksum::Mismatch) => page.plain(indent, "checksum: does not match"),
        Some(Checksum::Disabled) => page.plain(indent, "checksum: switched off by the writer"),
        Some(Checksum::Absent) => page.plain(indent, "checksum: none in this version"),
        None => page.plain(indent, "checksum: not reached"),
    }
    match report.duplicates {
        DuplicateCheck::Checked => {}
        DuplicateCheck::ByHash => {
            page.plain(indent, "duplicates: compared by two hashes, for the input can be read only once")
        }
        DuplicateCheck::Partial => page.plain(indent, "duplicates: not everything was compared"),
        DuplicateCheck::Off => page.plain(indent, "duplicates: not looked for"),
    }
}
