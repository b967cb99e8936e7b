//! Repair of RDB files. Nothing here writes: what comes out is what could be written.
//!
//! ```text
//! bytes + report -> syndrome::search -> the original bytes, proven by the checksum | why not
//! bytes -> salvage::plan -> what is left of them, and what is lost -> Plan::write
//! ```

mod patch;
pub mod salvage;
pub mod syndrome;

pub use patch::{KeyPlace, Patched};
