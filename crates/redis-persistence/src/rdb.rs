//! The RDB format: a snapshot of every database in one file.
//!
//! ```text
//! "REDIS" + 4 digits | "VALKEY" + 3 digits      signature and version, 9 bytes
//! record*                                       opcodes and keys, in any order
//!   FA name value                               AUX: a fact about the writer
//!   FE db   FB keys expires                     SELECTDB, RESIZEDB
//!   [FC ms | FD s] [F8 idle | F9 freq] [F3 ..]  attributes of the next key
//!   type key value                              a key
//! FF                                            EOF
//! crc64, 8 bytes, little-endian                 from version 5 on; 0 = not computed
//! ```
//!
//! [`Parser`] looks at the bytes it is given and answers with [`Event`]s that borrow from them; [`events`] is the same
//! over a whole slice, [`Reader`](crate::rdb::reader::Reader) over `io::Read`, and [`Push`](crate::rdb::push::Push) where the
//! caller feeds chunks. [`Writer`] writes what they read, or something new. What an event means for the soundness of the file is the business of
//! the verifier.

pub(crate) mod feed;
mod grammar;
mod keys;
mod numbers;
pub mod packed;
mod parser;
mod payload;
mod plain;
pub mod push;
pub mod reader;
pub(crate) mod score;
mod skip;
pub(crate) mod slot;
mod string;
mod value;
mod wire;
mod writer;

pub use crate::base::cursor::{Quirk, Span};
pub(crate) use grammar::{
    Attribute, Frame, Kind, Numbers, Op, Opcode, Packing, Place, PlainElement, Shape, Tuple, dragonfly,
};
pub use grammar::{Family, NEWEST_REDIS, NEWEST_VALKEY, ValueType, opcodes as opcode};
pub use keys::{Key, Keys};
pub(crate) use parser::Step;
pub use parser::{Events, Parsed, Parser, events};
pub use payload::{
    ArrayValue, Attributes, Event, Expire, Header, ModuleId, ModuleItem, Payload, Record, Role, Score, StreamInfo,
    StreamInfo2,
};
pub(crate) use payload::{
    BLOOM_TYPES, GRAPH_TYPES, JSON_TYPES, SEARCH_TYPES, TIME_SERIES_TYPES, VALKEY_BLOOM_TYPES, VECTOR_SET,
};
pub(crate) use plain::{PlainKey, plain_length, plain_string};
pub(crate) use skip::{Extent, RecordSkipper};
pub use string::{Body, DecodeError, RdbString};
pub(crate) use string::{string_at, string_head_at};
pub use value::{
    ArrayItem, Consumer, Element, EntryFields, Group, HashField, ModuleData, SlotValue, Stream, StreamEntry, StreamId,
    Value,
};
pub(crate) use value::{Decoder, Head, Part};
pub(crate) use wire::{length_size, shortest, tolerant};
pub use writer::{KeyAttributes, Writer};

/// Returns whether these bytes begin as an RDB does: with the signature of Redis or of Valkey, of six bytes at most.
#[must_use]
pub fn has_signature(bytes: &[u8]) -> bool {
    bytes.starts_with(b"REDIS") || bytes.starts_with(b"VALKEY")
}
