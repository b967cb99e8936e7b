//! What every other module stands on: errors with two offsets, limits, the checksum, a cursor over bytes, and a source that
//! can be read at any place. Uses nothing above it.

pub mod crc64;
pub(crate) mod cursor;
pub mod error;
pub mod escape;
pub mod limits;
pub(crate) mod monitor;
pub(crate) mod source;
pub(crate) mod work;
