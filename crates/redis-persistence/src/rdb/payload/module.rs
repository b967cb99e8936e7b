//! What modules write: the id of a type, and the items of their streams.
//!
//! ```text
//! id, 64 bits: nine characters of six bits, then ten bits of version
//! ```

use std::fmt;

/// An item of a module's stream that is no string.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ModuleItem {
    /// A signed number.
    Signed(i64),
    /// An unsigned number.
    Unsigned(u64),
    /// A 4-byte float.
    Float(f32),
    /// An 8-byte float.
    Double(f64),
    /// The end of the stream.
    End,
}

/// The types of modules that are met most, by module; the types of Redis 8's own are those of Redis Stack.
pub(crate) const JSON_TYPES: &[&str] = &["ReJSON-RL"];
pub(crate) const BLOOM_TYPES: &[&str] = &["MBbloom--", "MBbloomCF", "CMSk-TYPE", "TopK-TYPE", "TDIS-TYPE"];
pub(crate) const VALKEY_BLOOM_TYPES: &[&str] = &["bloomfltr"];
pub(crate) const TIME_SERIES_TYPES: &[&str] = &["TSDB-TYPE"];
pub(crate) const SEARCH_TYPES: &[&str] =
    &["ft_index0", "scdtype00", "ft_invidx", "numericdx", "taginvidx", "trietype0"];
pub(crate) const GRAPH_TYPES: &[&str] = &["graphdata", "graphmeta"];
/// The type of vector sets, which Redis has by itself from 8.0 on.
pub(crate) const VECTOR_SET: &str = "vectorset";

/// The id of a module type: nine characters of six bits and ten bits of version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModuleId(pub u64);

impl ModuleId {
    /// Returns the nine characters of the name.
    ///
    /// # Examples
    /// ```
    /// # use redis_persistence::rdb::ModuleId;
    /// assert_eq!(ModuleId(0).name(), "AAAAAAAAA");
    /// ```
    #[must_use]
    pub fn name(self) -> String {
        self.characters().map(char::from).collect()
    }

    fn characters(self) -> impl Iterator<Item = u8> {
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        (0..9).map(move |i| ALPHABET[(self.0 >> (58 - 6 * i) & 63) as usize])
    }

    /// Returns whether it is a type of a module that is met often.
    pub(crate) fn is_well_known(self) -> bool {
        let types = [JSON_TYPES, BLOOM_TYPES, VALKEY_BLOOM_TYPES, TIME_SERIES_TYPES, SEARCH_TYPES, GRAPH_TYPES];
        let is_called = |name: &&str| name.bytes().eq(self.characters());
        is_called(&VECTOR_SET) || types.iter().copied().flatten().any(is_called)
    }

    /// Returns the encoding version, 0 to 1023.
    #[must_use]
    pub fn version(self) -> u16 {
        (self.0 & 1023) as u16
    }
}

impl fmt::Display for ModuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (version {})", self.name(), self.version())
    }
}
