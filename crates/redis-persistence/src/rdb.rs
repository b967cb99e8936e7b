//! The RDB format.

pub mod packed;
