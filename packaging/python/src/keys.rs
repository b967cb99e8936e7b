//! Keys one by one, with their values as Python has them.

use std::collections::VecDeque;
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use redis_persistence::list::{Options, Row};
use redis_persistence::rdb::Value;

use crate::rows::{Rows, Some256};
use crate::value;

/// A key of an RDB.
#[pyclass(frozen, module = "redis_persistence")]
pub(crate) struct Key(Row);

#[pymethods]
impl Key {
    /// The number of its database.
    #[getter]
    fn db(&self) -> u64 {
        self.0.db
    }

    /// Its name.
    #[getter]
    fn key<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.name)
    }

    /// Its type, as the command TYPE prints it; of a module's value, the name of the module type.
    #[getter]
    fn r#type(&self) -> String {
        self.0.type_name()
    }

    /// How it is stored in the file.
    #[getter]
    fn encoding(&self) -> &'static str {
        self.0.value_type.encoding_name()
    }

    /// How many elements it holds: entries of a stream, fields of a hash; 1 for a string, and for a module's value.
    #[getter]
    fn elements(&self) -> u64 {
        self.0.elements
    }

    /// The bytes of its record in the file.
    #[getter]
    fn bytes(&self) -> u64 {
        self.0.bytes
    }

    /// Where its record begins in the file, unpacked.
    #[getter]
    fn offset(&self) -> u64 {
        self.0.start
    }

    /// Its slot in a cluster.
    #[getter]
    fn slot(&self) -> u64 {
        self.0.slot
    }

    /// When it expires, in milliseconds since the epoch; None if it does not.
    #[getter]
    fn expires_ms(&self) -> Option<i64> {
        self.0.expires_ms
    }

    /// How long nobody had used it when the file was written, in seconds; None where the file does not say it.
    #[getter]
    fn idle(&self) -> Option<u64> {
        self.0.idle
    }

    /// How often it was used, as the logarithmic counter of LFU, 0 to 255; None where the file does not say it.
    #[getter]
    fn freq(&self) -> Option<u8> {
        self.0.freq
    }

    /// Its value, made anew each time; None with `values=False`, and where it needs more memory than 1 GiB.
    ///
    /// string: bytes. list: a list of bytes. set: a set of bytes. hash: a dict of bytes to bytes. zset: a list of (member, score).
    /// stream: a dict with entries, length, last_id and groups. array: a list of (index, value). A module's: a dict with module and items.
    #[getter]
    fn value<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.0.value.as_ref().map(|value| value::to_python(py, value)).transpose()
    }

    /// Of a hash the fields that expire, with the time in milliseconds since the epoch; of anything else an empty dict.
    #[getter]
    fn field_expires_ms<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let expiries = PyDict::new(py);
        if let Some(Value::Hash(fields)) = &self.0.value {
            for field in fields {
                if let Some(expires) = field.expires_ms {
                    expiries.set_item(PyBytes::new(py, &field.name), expires)?;
                }
            }
        }
        Ok(expiries)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let name = self.key(py).repr()?;
        Ok(format!("<Key {name} db={} {} of {} in {}>", self.0.db, self.r#type(), self.0.elements, self.encoding()))
    }
}

/// Keys in the order of the file, which is read while they are taken.
#[pyclass(frozen, module = "redis_persistence")]
pub(crate) struct Keys {
    rows: Rows<VecDeque<Row>>,
    at_hand: Mutex<VecDeque<Row>>,
}

#[pymethods]
impl Keys {
    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Key>> {
        let next = || self.at_hand.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        if let Some(row) = next() {
            return Ok(Some(Key(row)));
        }
        let Some(rows) = self.rows.next(py)? else { return Ok(None) };
        self.at_hand.lock().unwrap_or_else(PoisonError::into_inner).extend(rows);
        Ok(next().map(Key))
    }
}

/// Reads the keys of an input.
#[pyfunction]
pub(crate) fn keys(source: &Bound<'_, PyAny>, name: Option<PathBuf>, options: ListOptions) -> PyResult<Keys> {
    let rows = Rows::begin(source, name, options.0, Some256::default())?;
    Ok(Keys { rows, at_hand: Mutex::default() })
}

/// What is wanted of each key: whether its value; and on how many threads.
pub(crate) struct ListOptions(pub(crate) Options);

impl<'a, 'py> FromPyObject<'a, 'py> for ListOptions {
    type Error = PyErr;

    fn extract(given: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let (values, threads): (bool, Option<NonZero<usize>>) = given.extract()?;
        Ok(Self(Options { values, threads, ..Options::default() }))
    }
}
