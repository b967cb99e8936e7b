//! Object stores and web servers, wherever a path is read: `s3://`, `gs://`, `az://`, `https://`.
//!
//! ```text
//! path -> address ┬ connect: settings of the environment -> a client for each bucket
//!                 ├ object: ranged requests, several at once -> Read at any place       (begun by one for the head)
//!                 │         a server without ranges -> one stream
//!                 └ listing: prefixes, patterns, folders
//! ```
//! What fails has a plain sentence (`failed`), in which no secret stands. The requests run on two threads of their own; whoever reads
//! waits for them. A build without the feature `stores` knows the addresses, and says that it reads none of them.

mod address;
mod failed;

#[cfg(feature = "stores")]
mod connect;
#[cfg(feature = "stores")]
mod fetch;
#[cfg(feature = "stores")]
mod listing;
#[cfg(feature = "stores")]
mod object;
#[cfg(feature = "stores")]
mod stream;

#[cfg(not(feature = "stores"))]
mod absent;

pub use address::is_remote;
pub(crate) use address::{is_web, without_secrets};
pub(crate) use failed::{NOT_WRITTEN_TO, is_of_input, no_file};

#[cfg(feature = "stores")]
pub use listing::{expand, expand_patterns, list, stat};
#[cfg(feature = "stores")]
pub use object::{Object, Opened, open};
#[cfg(feature = "stores")]
pub use stream::Stream;

#[cfg(not(feature = "stores"))]
pub use absent::{Object, Opened, Stream, expand, expand_patterns, list, open, stat};

/// The first request for an object asks for so many bytes; a smaller object needs no second one.
pub const HEAD: u64 = 512 << 10;
