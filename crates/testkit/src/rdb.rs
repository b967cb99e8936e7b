//! RDB bytes: [`RdbWriter`] writes the single parts, the packed encoders the blobs inside strings.

pub mod intset;
pub mod listpack;
pub mod lzf;
pub mod number;
pub mod opcode;
pub mod string;
pub mod writer;
pub mod ziplist;
pub mod zipmap;

pub use intset::{Intset, naive_intset};
pub use listpack::{Listpack, LpForm, naive_listpack};
pub use lzf::naive_inflate;
pub use number::{Item, LenForm};
pub use opcode::{KeyMeta, ModuleOp, key_meta_spec, module_id};
pub use string::StrForm;
pub use writer::{Mark, MarkKind, RdbWriter};
pub use ziplist::{Ziplist, naive_ziplist};
pub use zipmap::{Zipmap, naive_zipmap};
