//! From the command line to outcomes: each input is checked, and repaired or salvaged if that is asked for. What happens is told to
//! a [`Show`](crate::outcome::Show); nothing here knows how reports look.

pub(crate) mod aof;
mod around;
mod disguised;
#[cfg(unix)]
pub(crate) mod fix;
mod judge;
pub(crate) mod rdb;
pub(crate) mod read;
#[cfg(unix)]
pub(crate) mod salvage_aof;
pub(crate) mod salvage_rdb;
pub(crate) mod target;
mod timeline;
