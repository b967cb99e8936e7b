//! Repair of RDB files. Nothing here writes: what comes out is what could be written.
//!
//! ```text
//! bytes + report -> syndrome::search -> the original bytes, proven by the checksum | why not
//! ```

mod patch;
pub mod syndrome;

pub use patch::KeyPlace;
