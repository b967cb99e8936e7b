//! `rdbcheck list`: a line for each key.

mod value;

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::Parser;
use redis_persistence::ReadError;
use redis_persistence::list::{self, Options, Row};
use serde::Serialize;

use super::{Choice, Reading, rdbs};
use crate::console::written;
use crate::escape::{self, base64};
use crate::exit::Exit;
use crate::stores;
use crate::units::{commas, date, duration};
use value::ValueView;

const TOOL: &str = "rdbcheck list";

/// Print a line for each key of RDB files: database, type, encoding, elements, bytes in the file, offset, slot, use, expiry, name.
///
/// The lines come in the order of the file, while it is read. A file of that name is ./list.
#[derive(Debug, Parser)]
#[command(name = "rdbcheck list", max_term_width = 110, after_help = EXAMPLES)]
pub(super) struct ListArgs {
    /// RDB files, also in gzip, zstd, lz4 or xz, and tars of them; - is standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Print a JSON document on a line for each key
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Print comma-separated values, with a line of names first
    #[arg(long)]
    csv: bool,
    /// Print the values too
    #[arg(long)]
    values: bool,
    #[command(flatten)]
    choice: Choice,
    #[command(flatten)]
    reading: Reading,
}

const EXAMPLES: &str = "\
Examples:
  rdbcheck list dump.rdb
  rdbcheck list --only 'session:*' --no-expired --values dump.rdb
  rdbcheck list --json dump.rdb | jq -s 'group_by(.type)'
Exit codes: 0 done   1 damaged   2 usage, or not readable
            3 no RDB of Redis or Valkey";

pub(super) fn run(args: &ListArgs) -> Exit {
    let options = Options {
        selection: args.choice.selection(),
        values: args.values,
        threads: args.reading.threads,
        ..Options::default()
    };
    let files = stores::expand(&args.files);
    let mut out = Lines::new(args, files.len() > 1);
    let mut exit = written(TOOL, out.head());
    for path in &files {
        // What was printed before an error stays printed.
        let results = rdbs::each(path, args.reading.how(), &mut |input| {
            let listed = list::each(input, &options, &mut |row| out.row(path, &row).map_err(Unwritten::wrap));
            match listed {
                Err(ReadError::Io(error)) if Unwritten::is(&error) => Ok(Err(error)),
                listed => listed.map(Ok),
            }
        });
        for result in results {
            match result {
                Err(failed) => exit = exit.and(failed.say(TOOL)),
                Ok((_, Err(error))) => return exit.and(written(TOOL, Err(Unwritten::unwrap(error)))),
                Ok((_, Ok(()))) => {}
            }
        }
    }
    exit.and(written(TOOL, out.end()))
}

/// A failure of the output, told apart from one of the input.
#[derive(Debug)]
struct Unwritten(io::Error);

impl std::fmt::Display for Unwritten {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Unwritten {}

impl Unwritten {
    fn wrap(error: io::Error) -> io::Error {
        io::Error::other(Self(error))
    }

    fn is(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|inner| inner.is::<Self>())
    }

    fn unwrap(error: io::Error) -> io::Error {
        let kind = error.kind();
        match error.into_inner().and_then(|inner| inner.downcast::<Self>().ok()) {
            Some(own) => own.0,
            None => kind.into(),
        }
    }
}

enum Lines {
    Text { out: BufWriter<io::Stdout>, values: bool, several: bool },
    Json { out: BufWriter<io::Stdout>, several: bool },
    Csv { out: Box<csv::Writer<io::Stdout>>, values: bool, several: bool },
}

impl Lines {
    fn new(args: &ListArgs, several: bool) -> Self {
        let values = args.values;
        match (args.json, args.csv) {
            (true, _) => Self::Json { out: BufWriter::new(io::stdout()), several },
            (_, true) => Self::Csv { out: Box::new(csv::Writer::from_writer(io::stdout())), values, several },
            _ => Self::Text { out: BufWriter::new(io::stdout()), values, several },
        }
    }

    fn head(&mut self) -> io::Result<()> {
        match self {
            Self::Text { out, .. } => {
                writeln!(
                    out,
                    "{:<4} {:<9} {:<20} {:>9} {:>12} {:>14} {:>5}  {:<13}  {:<23}  key",
                    "db", "type", "encoding", "elements", "bytes", "offset", "slot", "used", "expires"
                )
            }
            Self::Json { .. } => Ok(()),
            Self::Csv { out, values, several } => {
                let names = [
                    "db",
                    "key",
                    "type",
                    "encoding",
                    "elements",
                    "bytes",
                    "offset",
                    "expires_ms",
                    "idle",
                    "freq",
                    "slot",
                ];
                several.then_some("file").into_iter().chain(names).try_for_each(|name| out.write_field(name))?;
                if *values {
                    out.write_field("value")?;
                }
                Ok(out.write_record(None::<&[u8]>)?)
            }
        }
    }

    fn row(&mut self, path: &Path, row: &Row) -> io::Result<()> {
        match self {
            Self::Text { out, values, several } => {
                let file = if *several { format!("{}: ", shown(path)) } else { String::new() };
                let expires = row.expires_ms.map_or_else(|| "-".to_owned(), |ms| date(ms.div_euclid(1000)));
                let idle = row.idle.map(|seconds| format!("idle {}", duration(seconds)));
                let used = idle.or_else(|| row.freq.map(|freq| format!("frequency {freq}")));
                let used = used.unwrap_or_else(|| "-".to_owned());
                write!(
                    out,
                    "{:<4} {:<9} {:<20} {:>9} {:>12} {:>14} {:>5}  {used:<13}  {expires:<23}  {file}{}",
                    row.db,
                    row.type_name(),
                    row.value_type.encoding_name(),
                    commas(row.elements),
                    commas(row.bytes),
                    commas(row.start),
                    row.slot,
                    escape::quoted(&row.name),
                )?;
                if let Some(value) = row.value.as_ref().filter(|_| *values) {
                    write!(out, " {}", value::text(value))?;
                }
                writeln!(out)
            }
            Self::Json { out, several } => {
                serde_json::to_writer(&mut *out, &RowView::of(path, row, *several))?;
                writeln!(out)
            }
            Self::Csv { out, values, several } => {
                if *several {
                    out.write_field(path.as_os_str().as_encoded_bytes())?;
                }
                let number = |number: Option<i64>| number.map(|n| n.to_string()).unwrap_or_default();
                out.write_field(row.db.to_string())?;
                out.write_field(&row.name)?;
                out.write_field(row.type_name())?;
                out.write_field(row.value_type.encoding_name())?;
                for count in [row.elements, row.bytes, row.start] {
                    out.write_field(count.to_string())?;
                }
                out.write_field(number(row.expires_ms))?;
                out.write_field(row.idle.map(|n| n.to_string()).unwrap_or_default())?;
                out.write_field(row.freq.map(|n| n.to_string()).unwrap_or_default())?;
                out.write_field(row.slot.to_string())?;
                if *values {
                    out.write_field(row.value.as_ref().map(value::plain).transpose()?.unwrap_or_default())?;
                }
                Ok(out.write_record(None::<&[u8]>)?)
            }
        }
    }

    fn end(&mut self) -> io::Result<()> {
        match self {
            Self::Text { out, .. } | Self::Json { out, .. } => out.flush(),
            Self::Csv { out, .. } => out.flush(),
        }
    }
}

fn shown(path: &Path) -> String {
    escape::plain(path.as_os_str().as_encoded_bytes())
}

#[derive(Serialize)]
struct RowView<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    db: u64,
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_base64: Option<String>,
    #[serde(rename = "type")]
    type_name: String,
    encoding: &'static str,
    elements: u64,
    bytes: u64,
    offset: u64,
    expires_ms: Option<i64>,
    idle: Option<u64>,
    freq: Option<u8>,
    slot: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<ValueView<'a>>,
}

impl<'a> RowView<'a> {
    fn of(path: &Path, row: &'a Row, several: bool) -> Self {
        let key = std::str::from_utf8(&row.name).ok();
        Self {
            file: several.then(|| path.to_string_lossy().into_owned()),
            db: row.db,
            key,
            key_base64: key.is_none().then(|| base64(&row.name)),
            type_name: row.type_name(),
            encoding: row.value_type.encoding_name(),
            elements: row.elements,
            bytes: row.bytes,
            offset: row.start,
            expires_ms: row.expires_ms,
            idle: row.idle,
            freq: row.freq,
            slot: row.slot,
            value: row.value.as_ref().map(ValueView),
        }
    }
}
