//! How much memory a file may make the library reserve, and how many threads there are.
//!
//! Every size that was read from a file passes here before memory is reserved for it.

use std::num::NonZero;
use std::sync::OnceLock;

/// Upper bounds for what the contents of a file may make the library hold in memory.
///
/// # Examples
/// ```
/// use redis_persistence::Limits;
///
/// let limits = Limits { packed_bytes: 64 << 20, ..Limits::default() };
/// assert!(limits.inline_bytes < limits.packed_bytes);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Strings whose stored form is longer than this are handed out in pieces instead of whole. Default: 64 KiB.
    pub inline_bytes: usize,
    /// The largest packed value (listpack, ziplist, intset, zipmap) that is held and looked into, in bytes, stored and
    /// decoded each. One that is larger is passed over and reported as not checked. Default: 1 GiB.
    pub packed_bytes: usize,
    /// How many hash templates are remembered (Redis 8.10). A file that defines more cannot be walked. Default: 7 * 2^15,
    /// with which the hash tables are full, and take about 14 MB.
    pub templates: usize,
    /// How many arguments of a command of an append-only file are at hand: whole, as far as [`inline_bytes`](Self::inline_bytes)
    /// has room for their bytes, and of the others the first 128 bytes each. Those, and 32 bytes for each argument, come on top of
    /// `inline_bytes`. 64 are at hand whatever it says, which rules look at. Default: 64.
    pub arguments: usize,
    /// The memory that duplicate detection may use for its tables, in bytes; of a salvage also what is remembered of the
    /// places that are damaged, which may take half of it. Default: 256 MiB.
    pub duplicate_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            inline_bytes: 64 << 10,
            packed_bytes: 1 << 30,
            templates: 7 << 15,
            arguments: 64,
            duplicate_bytes: 256 << 20,
        }
    }
}

/// Returns how many threads the process may use. It is asked once: on Linux each question opens the files of the cgroups.
pub(crate) fn threads_of_machine() -> Option<NonZero<usize>> {
    static THREADS: OnceLock<Option<NonZero<usize>>> = OnceLock::new();
    *THREADS.get_or_init(|| std::thread::available_parallelism().ok())
}
