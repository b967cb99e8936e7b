//! The exceptions.

use pyo3::create_exception;
use pyo3::exceptions::{PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use rdbcheck::calls::rdbs::Unread;
use rdbcheck::exit::Exit;

create_exception!(
    redis_persistence,
    Error,
    PyOSError,
    "An input cannot be read: it is not there, may not be read, is of a kind that is not opened, or fails while it is read.\n\n\
     From `verify` it has the attribute `report`, the report that says so."
);
create_exception!(
    redis_persistence,
    Damaged,
    PyValueError,
    "The bytes of an input leave no way on, or are none of the formats.\n\n\
     `offset` is the byte where the reading failed (None where that is not known), `started` the byte where the record or value \
     began; both count unpacked bytes. What was handed out before is sound as far as it could be read. `verify` tells more."
);
create_exception!(
    redis_persistence,
    InternalError,
    PyRuntimeError,
    "Something broke down in the library, which is a fault of the library."
);

/// Returns the exception for an input that was not read to its end.
pub(crate) fn of_unread(py: Python<'_>, unread: &Unread) -> PyErr {
    if unread.exit == Exit::Unreadable {
        return Error::new_err(unread.why.clone());
    }
    let error = Damaged::new_err(unread.why.clone());
    let value = error.value(py);
    let (started, offset) = unread.at.unzip();
    match value.setattr("started", started).and_then(|()| value.setattr("offset", offset)) {
        Ok(()) => error,
        Err(why) => why,
    }
}

/// Adds the exceptions to the module.
pub(crate) fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add("Error", py.get_type::<Error>())?;
    module.add("Damaged", py.get_type::<Damaged>())?;
    module.add("InternalError", py.get_type::<InternalError>())
}
