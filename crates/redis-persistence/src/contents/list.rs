//! The keys of a file as a list: one [`Row`] for each, read on all threads, in the order of the file.

use std::io::{self, Read};
use std::num::NonZero;

use crate::base::error::ReadError;
use crate::base::limits::{Limits, threads_of_machine};
use crate::contents::records::{self, Worker};
use crate::contents::select::Selection;
use crate::rdb::{Element, Head, ModuleId, Part, Value, ValueType, slot};

/// What is wanted of each key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options {
    /// Which keys.
    pub selection: Selection,
    /// Whether the values are wanted as well. One that needs more memory than [`Limits::packed_bytes`] is left out.
    pub values: bool,
    /// On how many threads at most. `None` stands for one on each processor that may be used. The list does not depend on it.
    pub threads: Option<NonZero<usize>>,
    /// What the contents of a file may make the library hold in memory.
    pub limits: Limits,
}

/// A key.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The number of its database.
    pub db: u64,
    /// Its name.
    pub name: Vec<u8>,
    /// Its type and encoding.
    pub value_type: ValueType,
    /// The module type of its value.
    pub module: Option<ModuleId>,
    /// How many elements it holds: entries of a stream, fields of a hash; 1 for a string, and for a module's value.
    pub elements: u64,
    /// The file offset of its record.
    pub start: u64,
    /// The bytes of its record in the file.
    pub bytes: u64,
    /// When it expires, in milliseconds since the epoch.
    pub expires_ms: Option<i64>,
    /// How long nobody had used it when the file was written, in seconds.
    pub idle: Option<u64>,
    /// How often it was used, as the logarithmic counter of LFU.
    pub freq: Option<u8>,
    /// Its slot in a cluster.
    pub slot: u64,
    /// Its value, if that was asked for and is not larger than the limits allow.
    pub value: Option<Value>,
}

impl Row {
    /// Returns the name of its type, as the command TYPE prints it; of a module's value, the name of the module type.
    #[must_use]
    pub fn type_name(&self) -> String {
        self.module.map_or_else(|| self.value_type.type_name().to_owned(), ModuleId::name)
    }
}

/// Hands the keys of an RDB that are chosen to `sink`.
///
/// # Errors
/// If the input fails, the bytes leave no way on, a value cannot be read or is beyond the limits, or the checksum does not
/// fit; and what `sink` says.
///
/// # Examples
/// ```
/// use redis_persistence::list::{self, Options};
///
/// let file = b"REDIS0004\xfe\x00\x01\x04list\x02\x01a\x01b\x00\x01k\x01v\xff";
/// let mut names = Vec::new();
/// list::each(&file[..], &Options::default(), &mut |row| {
///     names.push((String::from_utf8_lossy(&row.name).into_owned(), row.elements));
///     Ok(())
/// })?;
/// assert_eq!(names, [("list".into(), 2), ("k".into(), 1)]);
/// # Ok::<(), redis_persistence::ReadError>(())
/// ```
pub fn each(
    mut input: impl Read,
    options: &Options,
    sink: &mut dyn FnMut(Row) -> io::Result<()>,
) -> Result<(), ReadError> {
    let threads = options.threads.or_else(threads_of_machine).map_or(1, NonZero::get);
    let make = || Lister { options, row: None, held: 0, rows: Vec::new() };
    records::each(&mut input, &options.limits, threads, make, &mut |rows: Vec<Row>| {
        rows.into_iter().try_for_each(&mut *sink)
    })?;
    Ok(())
}

struct Lister<'o> {
    options: &'o Options,
    row: Option<Row>,
    /// How much memory its value takes.
    held: u64,
    rows: Vec<Row>,
}

impl Worker for Lister<'_> {
    type Out = Vec<Row>;

    fn part(&mut self, part: Part<'_>) {
        match part {
            Part::Key(head, name) => {
                self.held = 0;
                self.row = self.options.selection.takes(head, name).then(|| self.begin(head, name));
            }
            Part::Element(element) => {
                let Some(row) = &mut self.row else { return };
                if let Element::Module(id) = &element {
                    row.module = Some(*id);
                }
                row.elements += u64::from(element.is_counted());
                if let Some(value) = &mut row.value {
                    self.held = self.held.saturating_add(element.weight());
                    if self.held > self.options.limits.packed_bytes as u64 {
                        row.value = None;
                    } else {
                        value.push(&element);
                    }
                }
            }
            Part::End(end) => {
                if let Some(mut row) = self.row.take() {
                    row.bytes = end.saturating_sub(row.start);
                    self.rows.push(row);
                }
            }
            Part::Function(_) => {}
        }
    }

    fn take(&mut self) -> Option<Vec<Row>> {
        Some(std::mem::take(&mut self.rows)).filter(|rows| !rows.is_empty())
    }
}

impl Lister<'_> {
    fn begin(&self, head: &Head, name: &[u8]) -> Row {
        Row {
            db: head.db,
            name: name.to_vec(),
            value_type: head.value_type,
            module: None,
            elements: 0,
            start: head.start,
            bytes: 0,
            expires_ms: head.expires_ms,
            idle: head.idle,
            freq: head.freq,
            slot: slot::of_key(name),
            value: self.options.values.then(|| Value::empty(head.value_type)),
        }
    }
}
