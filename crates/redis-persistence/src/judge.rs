//! Conclusions from a report: what each server version would do with the file, and what happened to it.
//!
//! Reads [reports](crate::report) and what [`repair`](crate::repair) can do; the verifier knows nothing of either.

pub mod diagnose;
pub mod servers;
