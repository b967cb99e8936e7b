//! Keys as Arrow record batches, handed on by the C data interface: the columns of `rdbcheck list --csv`, by the same names.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::builder::{BinaryBuilder, Int64Builder, StringBuilder, UInt8Builder, UInt16Builder, UInt64Builder};
use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_array::{ArrayRef, RecordBatch, RecordBatchReader};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use redis_persistence::list::Row;

use crate::keys::ListOptions;
use crate::rows::{Failure, Gather, Rows};

/// A batch ends before the bytes of its keys are more than a column can address.
const BYTES: usize = 64 << 20;

fn schema() -> SchemaRef {
    let field = |name, kind, nullable| Field::new(name, kind, nullable);
    Arc::new(Schema::new(vec![
        field("db", DataType::UInt64, false),
        field("key", DataType::Binary, false),
        field("type", DataType::Utf8, false),
        field("encoding", DataType::Utf8, false),
        field("elements", DataType::UInt64, false),
        field("bytes", DataType::UInt64, false),
        field("offset", DataType::UInt64, false),
        field("expires_ms", DataType::Int64, true),
        field("idle", DataType::UInt64, true),
        field("freq", DataType::UInt8, true),
        field("slot", DataType::UInt16, false),
    ]))
}

/// The columns of the batch that is being filled.
struct Columns {
    schema: SchemaRef,
    most: usize,
    db: UInt64Builder,
    key: BinaryBuilder,
    types: StringBuilder,
    encoding: StringBuilder,
    elements: UInt64Builder,
    bytes: UInt64Builder,
    offset: UInt64Builder,
    expires_ms: Int64Builder,
    idle: UInt64Builder,
    freq: UInt8Builder,
    slot: UInt16Builder,
    rows: usize,
    held: usize,
}

impl Columns {
    fn new(schema: SchemaRef, most: usize) -> Self {
        Self {
            schema,
            most,
            db: UInt64Builder::new(),
            key: BinaryBuilder::new(),
            types: StringBuilder::new(),
            encoding: StringBuilder::new(),
            elements: UInt64Builder::new(),
            bytes: UInt64Builder::new(),
            offset: UInt64Builder::new(),
            expires_ms: Int64Builder::new(),
            idle: UInt64Builder::new(),
            freq: UInt8Builder::new(),
            slot: UInt16Builder::new(),
            rows: 0,
            held: 0,
        }
    }
}

impl Gather for Columns {
    type Batch = RecordBatch;

    fn row(&mut self, row: Row) -> io::Result<Option<RecordBatch>> {
        self.db.append_value(row.db);
        self.key.append_value(&row.name);
        match row.module {
            None => self.types.append_value(row.value_type.type_name()),
            Some(_) => self.types.append_value(row.type_name()),
        }
        self.encoding.append_value(row.value_type.encoding_name());
        self.elements.append_value(row.elements);
        self.bytes.append_value(row.bytes);
        self.offset.append_value(row.start);
        self.expires_ms.append_option(row.expires_ms);
        self.idle.append_option(row.idle);
        self.freq.append_option(row.freq);
        self.slot.append_value(u16::try_from(row.slot).unwrap_or(u16::MAX));
        self.rows += 1;
        self.held += row.name.len();
        if self.rows < self.most && self.held < BYTES { Ok(None) } else { self.rest() }
    }

    fn rest(&mut self) -> io::Result<Option<RecordBatch>> {
        if self.rows == 0 {
            return Ok(None);
        }
        (self.rows, self.held) = (0, 0);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.db.finish()),
            Arc::new(self.key.finish()),
            Arc::new(self.types.finish()),
            Arc::new(self.encoding.finish()),
            Arc::new(self.elements.finish()),
            Arc::new(self.bytes.finish()),
            Arc::new(self.offset.finish()),
            Arc::new(self.expires_ms.finish()),
            Arc::new(self.idle.finish()),
            Arc::new(self.freq.finish()),
            Arc::new(self.slot.finish()),
        ];
        RecordBatch::try_new(Arc::clone(&self.schema), columns).map(Some).map_err(io::Error::other)
    }
}

/// Why a stream ended early.
type Failed = Arc<Mutex<Option<Failure>>>;

/// The batches, for who takes them.
struct Batches {
    rows: Rows<RecordBatch>,
    schema: SchemaRef,
    failed: Failed,
    ended: bool,
}

impl Iterator for Batches {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        match self.rows.next_unlocked() {
            Ok(batch) => batch.map(Ok),
            Err(error) => {
                self.ended = true;
                let text = error.text();
                *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                Some(Err(ArrowError::ExternalError(text.into())))
            }
        }
    }
}

impl RecordBatchReader for Batches {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

/// Keys as a stream of Arrow record batches, which can be taken once.
#[pyclass(frozen, module = "redis_persistence")]
pub(crate) struct Inventory {
    rows: Mutex<Option<Rows<RecordBatch>>>,
    failed: Failed,
}

#[pymethods]
impl Inventory {
    /// The Arrow PyCapsule interface: what `pyarrow`, `polars`, `duckdb` and others call. A second call is a ValueError.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        // A wish that need not be fulfilled: who takes the stream casts it.
        drop(requested_schema);
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner).take();
        let rows = rows.ok_or_else(|| PyValueError::new_err("the inventory was taken: make another one"))?;
        let batches = Batches { rows, schema: schema(), failed: Arc::clone(&self.failed), ended: false };
        let stream = FFI_ArrowArrayStream::new(Box::new(batches));
        PyCapsule::new_with_value(py, stream, c"arrow_array_stream")
    }

    /// The Arrow PyCapsule interface: the columns.
    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        let schema = arrow_schema::ffi::FFI_ArrowSchema::try_from(schema().as_ref());
        let schema = schema.map_err(|error| PyValueError::new_err(error.to_string()))?;
        PyCapsule::new_with_value(py, schema, c"arrow_schema")
    }

    /// The exception that ended the stream, once it was taken: libraries raise their own, with its text. None while nothing failed.
    #[getter]
    fn failed(&self, py: Python<'_>) -> Option<PyErr> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|failure| failure.exception(py))
    }
}

/// Reads the keys of an input into record batches of so many rows.
#[pyfunction]
pub(crate) fn inventory(
    source: &Bound<'_, PyAny>,
    name: Option<PathBuf>,
    options: ListOptions,
    batch_size: usize,
) -> PyResult<Inventory> {
    if batch_size == 0 {
        return Err(PyValueError::new_err("a batch has one row at least"));
    }
    let rows = Rows::begin(source, name, options.0, Columns::new(schema(), batch_size))?;
    Ok(Inventory { rows: Mutex::new(Some(rows)), failed: Failed::default() })
}
