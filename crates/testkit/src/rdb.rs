//! RDB bytes: [`RdbWriter`] writes the single parts, the packed encoders the blobs inside strings, [`File`] the whole.

pub mod arbitrary;
pub mod array;
pub mod file;
pub mod hash;
pub mod intset;
pub mod listpack;
pub mod lzf;
pub mod number;
pub mod opcode;
pub mod stream;
pub mod string;
pub mod value;
pub mod vectorset;
pub mod writer;
pub mod ziplist;
pub mod zipmap;

pub use arbitrary::released_types;
pub use array::{Array, ArrayValue};
pub use file::{Checksum, Encoded, Expire, Family, File, Key, KeySpan, ModuleAux, OpcodeSpan, slot};
pub use hash::{TemplateNames, TtlField};
pub use intset::{Intset, naive_intset};
pub use listpack::{Listpack, LpElement, LpForm, naive_listpack, naive_listpack_elements};
pub use lzf::naive_inflate;
pub use number::{Item, LenForm};
pub use opcode::{KeyMeta, ModuleOp, key_meta_spec, module_id};
pub use stream::{
    Consumer, EntryFields, Group, Idmp, Pending, Producer, Stream, StreamEntry, StreamId, StreamNode, StreamVersion,
};
pub use string::StrForm;
pub use value::{QuicklistNode, Value};
pub use vectorset::{Quantisation, VectorElement, VectorSet};
pub use writer::{Envelope, Mark, MarkKind, RdbWriter, compressed_stream};
pub use ziplist::{Ziplist, naive_ziplist, naive_ziplist_entries};
pub use zipmap::{Zipmap, naive_zipmap};

#[cfg(test)]
mod tests;
