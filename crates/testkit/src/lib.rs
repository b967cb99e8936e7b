//! Writes RDB and AOF bytes, good and bad, for the tests, benches and fuzz targets of this workspace.
//!
//! This crate depends on neither the library nor the commands: what it writes is a second opinion on the formats.
