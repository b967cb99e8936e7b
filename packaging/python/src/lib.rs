//! What Python calls. The package `redis_persistence` around it has the types and the documentation; here are the ways in.
//!
//! ```text
//! source   what is read: a path, bytes, a file object
//! work     work beside the interpreter: its lock is free, and signals are looked for
//! verify   reports
//! rows     keys, read ahead: keys gives them one by one, inventory as Arrow record batches, value as what Python has
//! errors   the exceptions
//! ```

mod errors;
mod inventory;
mod keys;
mod rows;
mod source;
mod value;
mod verify;
mod work;

use pyo3::prelude::*;

/// The native part of `redis_persistence`.
#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    work::keep_quiet();
    errors::add(module)?;
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_function(wrap_pyfunction!(verify::verify, module)?)?;
    let finish = wrap_pyfunction!(work::finish, module)?;
    module.py().import("atexit")?.call_method1("register", (finish,))?;
    module.add_function(wrap_pyfunction!(verify::servers, module)?)?;
    module.add_function(wrap_pyfunction!(keys::keys, module)?)?;
    module.add_class::<keys::Key>()?;
    module.add_class::<keys::Keys>()?;
    module.add_function(wrap_pyfunction!(inventory::inventory, module)?)?;
    module.add_class::<inventory::Inventory>()?;
    Ok(())
}
