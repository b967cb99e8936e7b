//! `rdbcheck diff`: what differs between two files.

use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use clap::Parser;
use redis_persistence::diff::{self, Change, DiffError, Entry, Options, Side, Summary};
use redis_persistence::verify::SpillTo;
use serde::Serialize;

use super::{Choice, Failed, Reading};
use crate::console::{say, written};
use crate::escape::{base64, quoted};
use crate::exit::Exit;
use crate::input::open;
use crate::input::packed_input::{self, How};
use crate::units::{self, commas, date, number};

const TOOL: &str = "rdbcheck diff";

/// Print the keys that only one of two RDB files has, and those with another type, value or expiry.
///
/// Sorted by database and name. Memory is bounded; what does not fit is sorted in a file in TMPDIR.
#[derive(Debug, Parser)]
#[command(name = "rdbcheck diff", max_term_width = 110, after_help = EXAMPLES)]
pub(super) struct DiffArgs {
    /// The first RDB file, also in gzip, zstd, lz4 or xz
    #[arg(value_name = "A")]
    first: PathBuf,
    /// The second one
    #[arg(value_name = "B")]
    second: PathBuf,
    /// Print a JSON document on a line for each key, and one for the numbers
    #[arg(long, conflicts_with = "quiet")]
    json: bool,
    /// Print nothing: the exit code says it
    #[arg(short, long)]
    quiet: bool,
    /// Memory for the sorting, such as 64M or 1G [default: 128M]
    #[arg(long, value_name = "BYTES", value_parser = units::bytes)]
    memory: Option<usize>,
    #[command(flatten)]
    choice: Choice,
    #[command(flatten)]
    reading: Reading,
}

const EXAMPLES: &str = "\
Examples:
  rdbcheck diff yesterday.rdb today.rdb
  rdbcheck diff --only 'user:*' --json master.rdb replica.rdb
Exit codes: 0 the same   1 different   3 no RDB of Redis or Valkey
            2 usage, or a file that cannot be read or is damaged";

pub(super) fn run(args: &DiffArgs) -> Exit {
    if let Some(stream) = [&args.first, &args.second].into_iter().find(|path| open::is_stream(path)) {
        say(TOOL, &format!("{}: it can be read once, and has to be read twice: use a file", stream.display()));
        return Exit::Unreadable;
    }
    let usual = Options::new(SpillTo::new(tempfile::tempfile));
    let options = Options {
        selection: args.choice.selection(),
        memory: args.memory.unwrap_or(usual.memory),
        threads: args.reading.threads,
        ..usual
    };
    let how = args.reading.how();
    let mut out = BufWriter::new(io::stdout());
    let (first, second) = (&mut || opened(&args.first, how), &mut || opened(&args.second, how));
    let result = if args.quiet {
        // What differs is not asked for: the sums tell that something does.
        diff::is_same(first, second, &options).map(|same| (same, Ok(())))
    } else {
        let result = diff::readers(first, second, &options, &mut |change| show(&change, args.json, &mut out));
        result.map(|summary| (summary.is_same(), end(&summary, args.json, &mut out)))
    };
    match result {
        Ok((same, shown)) => {
            let exit = if same { Exit::Sound } else { Exit::Damaged };
            exit.and(written(TOOL, shown.and_then(|()| out.flush())))
        }
        Err(DiffError::Read { side, error }) => {
            // What differs was not found out: that is no answer.
            let path = if side == Side::First { &args.first } else { &args.second };
            match Failed::of_read(path.clone(), &error).say(TOOL) {
                Exit::Unknown => Exit::Unknown,
                _ => Exit::Unreadable,
            }
        }
        Err(DiffError::Io(error)) => written(TOOL, Err(error)),
    }
}

/// Returns a file, from its start. Where its packing is damaged, reading it fails.
fn opened(path: &Path, how: How) -> io::Result<Box<dyn Read>> {
    let stored = packed_input::open(path, how)?;
    if stored.is_tar {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is a tar: unpack it first"));
    }
    Ok(Box::new(stored.content))
}

fn show(change: &Change, json: bool, out: &mut impl Write) -> io::Result<()> {
    if json {
        serde_json::to_writer(&mut *out, &ChangeView::of(change))?;
        return writeln!(out);
    }
    let (mark, what) = match (&change.first, &change.second) {
        (Some(first), Some(second)) => ('~', changed(first, second)),
        (Some(one), None) => ('-', described(one)),
        (None, Some(one)) => ('+', described(one)),
        (None, None) => return Ok(()),
    };
    writeln!(out, "{mark} db {}  {}: {what}", change.db, quoted(&change.name))
}

fn described(entry: &Entry) -> String {
    match entry.type_name {
        "string" | "module" => entry.type_name.to_owned(),
        name => format!("{name} of {}", number(entry.elements, "element")),
    }
}

fn changed(first: &Entry, second: &Entry) -> String {
    let mut what = Vec::new();
    if first.type_name != second.type_name {
        what.push(format!("{} -> {}", described(first), described(second)));
    } else if first.elements != second.elements {
        let (one, two) = (commas(first.elements), number(second.elements, "element"));
        what.push(format!("{}, {one} -> {two}", first.type_name));
    } else if first.hash != second.hash {
        what.push(format!("{}, the value", described(first)));
    }
    if first.expires_ms != second.expires_ms {
        let time = |ms: Option<i64>| ms.map_or_else(|| "none".to_owned(), |ms| date(ms.div_euclid(1000)));
        what.push(format!("the expiry, {} -> {}", time(first.expires_ms), time(second.expires_ms)));
    }
    what.join("; ")
}

fn end(summary: &Summary, json: bool, out: &mut impl Write) -> io::Result<()> {
    let same = summary.first.saturating_sub(summary.only_first).saturating_sub(summary.changed);
    if json {
        let Summary { first, second, only_first, only_second, changed, functions } = *summary;
        let numbers = Numbers { first, second, only_first, only_second, changed, same, functions };
        serde_json::to_writer(&mut *out, &Ending { summary: numbers })?;
        return writeln!(out);
    }
    if summary.is_same() {
        return writeln!(out, "the same: {}", number(same, "key"));
    }
    match summary.functions {
        0 => {}
        1 => writeln!(out, "1 function library differs")?,
        many => writeln!(out, "{} function libraries differ", commas(many))?,
    }
    writeln!(
        out,
        "{} only in the first, {} only in the second, {} changed, {} the same",
        number(summary.only_first, "key"),
        number(summary.only_second, "key"),
        commas(summary.changed),
        commas(same),
    )
}

#[derive(Serialize)]
struct Ending {
    summary: Numbers,
}

#[derive(Serialize)]
struct Numbers {
    first: u64,
    second: u64,
    only_first: u64,
    only_second: u64,
    changed: u64,
    same: u64,
    functions: u64,
}

#[derive(Serialize)]
struct ChangeView<'a> {
    change: &'static str,
    db: u64,
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_base64: Option<String>,
    /// Which of type, value and expiry differ, of a key that both have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    what: Vec<&'static str>,
    first: Option<EntryView>,
    second: Option<EntryView>,
}

#[derive(Serialize)]
struct EntryView {
    #[serde(rename = "type")]
    type_name: &'static str,
    elements: u64,
    expires_ms: Option<i64>,
}

impl<'a> ChangeView<'a> {
    fn of(change: &'a Change) -> Self {
        let Change { db, name, first, second } = change;
        let key = std::str::from_utf8(name).ok();
        let what = match (first, second) {
            (Some(one), Some(two)) => [
                (one.type_name != two.type_name, "type"),
                (one.type_name == two.type_name && one.hash != two.hash, "value"),
                (one.expires_ms != two.expires_ms, "expiry"),
            ]
            .into_iter()
            .filter_map(|(differs, what)| differs.then_some(what))
            .collect(),
            _ => Vec::new(),
        };
        let view = |entry: &Option<Entry>| {
            entry.as_ref().map(|entry| EntryView {
                type_name: entry.type_name,
                elements: entry.elements,
                expires_ms: entry.expires_ms,
            })
        };
        Self {
            change: match (first, second) {
                (Some(_), None) => "removed",
                (None, Some(_)) => "added",
                _ => "changed",
            },
            db: *db,
            key,
            key_base64: key.is_none().then(|| base64(name)),
            what,
            first: view(first),
            second: view(second),
        }
    }
}
