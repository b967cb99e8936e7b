//! What a sound file holds, for people who ask about its keys and not about its soundness: a row for each key, a digest, the
//! difference between two files. Stands on [`rdb`](crate::rdb) alone; judges nothing.

pub mod diff;
pub mod digest;
pub mod list;
pub(crate) mod records;
pub mod select;
