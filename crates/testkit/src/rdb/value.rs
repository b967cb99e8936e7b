//! Values: one variant for each type byte, so that a test says which encoding it means.

use super::hash::{TemplateNames, TtlField};
use super::intset::Intset;
use super::listpack::Listpack;
use super::number::score_text;
use super::opcode::ModuleOp;
use super::stream::Stream;
use super::string::StrForm;
use super::writer::{MarkKind, RdbWriter};
use super::ziplist::Ziplist;
use super::zipmap::Zipmap;
use super::{array::Array, hash};
use crate::Bytes;

/// A field and its value.
pub type Pair = (Bytes, Bytes);
/// A member and its score.
pub type Scored = (Bytes, f64);

/// One value in one encoding. Elements are written in the order given.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Type 0.
    String(Bytes),
    /// Type 0 in a given string form.
    StringAs(StrForm, Bytes),
    /// Type 1.
    List(Vec<Bytes>),
    /// Type 2.
    Set(Vec<Bytes>),
    /// Type 3: scores as text.
    Zset(Vec<Scored>),
    /// Type 4.
    Hash(Vec<Pair>),
    /// Type 5: scores of 8 bytes.
    Zset2(Vec<Scored>),
    /// Type 7.
    Module2 {
        /// See [`super::module_id`].
        id: u64,
        /// What the module stored.
        ops: Vec<ModuleOp>,
    },
    /// Type 9.
    HashZipmap(Vec<Pair>),
    /// Type 10.
    ListZiplist(Vec<Bytes>),
    /// Type 11.
    SetIntset(Intset),
    /// Type 12.
    ZsetZiplist(Vec<Scored>),
    /// Type 13.
    HashZiplist(Vec<Pair>),
    /// Type 14: the elements of each node.
    ListQuicklist(Vec<Vec<Bytes>>),
    /// Types 15, 19, 21, 26 and 27.
    Stream(Stream),
    /// Type 16.
    HashListpack(Vec<Pair>),
    /// Type 17.
    ZsetListpack(Vec<Scored>),
    /// Type 18.
    ListQuicklist2(Vec<QuicklistNode>),
    /// Type 20.
    SetListpack(Vec<Bytes>),
    /// Type 22 of the release candidates of Redis 7.4.
    HashMetadataPreGa(Vec<TtlField>),
    /// Type 22 of Valkey 9.
    ValkeyHash2(Vec<TtlField>),
    /// Type 23 of the release candidates of Redis 7.4.
    HashListpackExPreGa(Vec<TtlField>),
    /// Type 24.
    HashMetadata {
        /// What is written instead of the true least expiry.
        min: Option<i64>,
        /// The fields.
        fields: Vec<TtlField>,
    },
    /// Type 25.
    HashListpackEx {
        /// What is written instead of the true least expiry.
        min: Option<i64>,
        /// The fields; servers put those that expire first, soonest first.
        fields: Vec<TtlField>,
    },
    /// Type 28.
    Array(Array),
    /// Type 29: names and values in one DUMP payload, values as listpack.
    HashTmplLp {
        /// The names.
        names: TemplateNames,
        /// The number that the template had in the server.
        id: i64,
        /// The values.
        values: Vec<Bytes>,
    },
    /// Type 30: values as listpack, names in an opcode.
    HashTmplLpRef {
        /// Which template.
        id: i64,
        /// The values.
        values: Vec<Bytes>,
    },
    /// Type 31: names and values in one DUMP payload, values as strings.
    HashTmplArray {
        /// The names.
        names: TemplateNames,
        /// The values.
        values: Vec<Bytes>,
    },
    /// Type 32: values as strings, names in an opcode.
    HashTmplArrayRef {
        /// Which template.
        id: u64,
        /// The values.
        values: Vec<Bytes>,
    },
    /// Type 33: a time in microseconds. No released server writes it.
    Gcra(u64),
    /// A value that is one string: for packed blobs made by hand.
    Blob {
        /// The type byte.
        type_byte: u8,
        /// The blob.
        blob: Bytes,
    },
    /// Any bytes as a value.
    Raw {
        /// The type byte.
        type_byte: u8,
        /// The value.
        bytes: Bytes,
    },
}

/// One node of a list of type 18.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QuicklistNode {
    /// Container 1: one large element.
    Plain(Bytes),
    /// Container 2: a listpack of these elements.
    Packed(Vec<Bytes>),
    /// Any container with any blob.
    Other(u64, Bytes),
}

impl Value {
    /// The type byte of the record.
    #[must_use]
    pub fn type_byte(&self) -> u8 {
        match self {
            Self::String(_) | Self::StringAs(..) => 0,
            Self::List(_) => 1,
            Self::Set(_) => 2,
            Self::Zset(_) => 3,
            Self::Hash(_) => 4,
            Self::Zset2(_) => 5,
            Self::Module2 { .. } => 7,
            Self::HashZipmap(_) => 9,
            Self::ListZiplist(_) => 10,
            Self::SetIntset(_) => 11,
            Self::ZsetZiplist(_) => 12,
            Self::HashZiplist(_) => 13,
            Self::ListQuicklist(_) => 14,
            Self::Stream(stream) => stream.version.type_byte(),
            Self::HashListpack(_) => 16,
            Self::ZsetListpack(_) => 17,
            Self::ListQuicklist2(_) => 18,
            Self::SetListpack(_) => 20,
            Self::HashMetadataPreGa(_) | Self::ValkeyHash2(_) => 22,
            Self::HashListpackExPreGa(_) => 23,
            Self::HashMetadata { .. } => 24,
            Self::HashListpackEx { .. } => 25,
            Self::Array(_) => 28,
            Self::HashTmplLp { .. } => 29,
            Self::HashTmplLpRef { .. } => 30,
            Self::HashTmplArray { .. } => 31,
            Self::HashTmplArrayRef { .. } => 32,
            Self::Gcra(_) => 33,
            Self::Blob { type_byte, .. } | Self::Raw { type_byte, .. } => *type_byte,
        }
    }

    /// Appends the value, without type byte and name.
    pub fn encode(&self, w: &mut RdbWriter) {
        let version = w.version();
        match self {
            Self::String(text) => drop_ref(w.marked_str(MarkKind::Element, text)),
            Self::StringAs(form, text) => {
                let start = w.pos();
                w.str_as(*form, text).mark(MarkKind::Element, start);
            }
            Self::List(items) | Self::Set(items) => {
                w.count(items.len());
                elements(w, items);
            }
            Self::Hash(pairs) => {
                w.count(pairs.len());
                elements(w, pairs.iter().flat_map(|(f, v)| [f, v]));
            }
            Self::Zset(members) | Self::Zset2(members) => {
                w.count(members.len());
                for (member, score) in members {
                    let start = w.marked_str(MarkKind::Element, member).pos();
                    let w = if self.type_byte() == 3 { w.old_double(*score) } else { w.double(*score) };
                    w.mark(MarkKind::Score, start);
                }
            }
            Self::Module2 { id, ops } => drop_ref(w.len(*id).module_stream(ops)),
            Self::HashZipmap(pairs) => {
                let mut zipmap = Zipmap::new();
                for (field, value) in pairs {
                    zipmap.pair(field, value);
                }
                w.marked_str(MarkKind::Zipmap, &zipmap.finish());
            }
            Self::ListZiplist(items) => ziplist(w, items.iter().cloned()),
            Self::SetIntset(intset) => drop_ref(w.marked_str(MarkKind::Intset, &intset.finish())),
            Self::ZsetZiplist(members) => ziplist(w, flat_scores(members)),
            Self::HashZiplist(pairs) => ziplist(w, flat_pairs(pairs)),
            Self::ListQuicklist(nodes) => {
                w.count(nodes.len());
                for items in nodes {
                    w.marked_str(MarkKind::Ziplist, &Ziplist::of(version, items));
                }
            }
            Self::Stream(stream) => stream.encode(w),
            Self::HashListpack(pairs) => listpack(w, flat_pairs(pairs)),
            Self::ZsetListpack(members) => listpack(w, flat_scores(members)),
            Self::SetListpack(items) => listpack(w, items.iter().cloned()),
            Self::ListQuicklist2(nodes) => {
                w.count(nodes.len());
                for node in nodes {
                    match node {
                        QuicklistNode::Plain(element) => w.len(1).marked_str(MarkKind::Element, element),
                        QuicklistNode::Packed(items) => w.len(2).marked_str(MarkKind::Listpack, &Listpack::of(items)),
                        QuicklistNode::Other(container, blob) => w.len(*container).str(blob),
                    };
                }
            }
            Self::HashMetadataPreGa(fields) => hash::metadata_pre_ga(w, fields),
            Self::ValkeyHash2(fields) => hash::valkey_hash2(w, fields),
            Self::HashListpackExPreGa(fields) => hash::listpack_ex(w, fields),
            Self::HashMetadata { min, fields } => hash::metadata(w, *min, fields),
            Self::HashListpackEx { min, fields } => {
                let start = w.pos();
                w.i64_le(min.unwrap_or(hash::least_expiry(fields))).mark(MarkKind::FieldTtl, start);
                hash::listpack_ex(w, fields);
            }
            Self::Array(array) => array.encode(w),
            Self::HashTmplLp { names, id, values } => {
                names.encode(w);
                hash::template_values(w, *id, values);
            }
            Self::HashTmplLpRef { id, values } => hash::template_values(w, *id, values),
            Self::HashTmplArray { names, values } => {
                names.encode(w);
                elements(w, values);
            }
            Self::HashTmplArrayRef { id, values } => {
                w.len(*id);
                elements(w, values);
            }
            Self::Gcra(micros) => drop_ref(w.len(*micros)),
            Self::Blob { blob, .. } => drop_ref(w.str(blob)),
            Self::Raw { bytes, .. } => drop_ref(w.raw(bytes)),
        }
    }

    /// The payload that DUMP would answer: type, value, version and checksum.
    #[must_use]
    pub fn dump(&self, version: u32) -> Vec<u8> {
        let mut w = RdbWriter::bare(version);
        self.encode(w.raw(&[self.type_byte()]));
        w.finish_dump()
    }
}

/// Ends a chain in a place where no value is wanted.
fn drop_ref(_: &mut RdbWriter) {}

fn elements<'a>(w: &mut RdbWriter, items: impl IntoIterator<Item = &'a Bytes>) {
    for item in items {
        w.marked_str(MarkKind::Element, item);
    }
}

fn listpack(w: &mut RdbWriter, items: impl Iterator<Item = Bytes>) {
    w.marked_str(MarkKind::Listpack, &Listpack::of(items));
}

fn ziplist(w: &mut RdbWriter, items: impl Iterator<Item = Bytes>) {
    let blob = Ziplist::of(w.version(), items);
    w.marked_str(MarkKind::Ziplist, &blob);
}

fn flat_pairs(pairs: &[Pair]) -> impl Iterator<Item = Bytes> {
    pairs.iter().flat_map(|(f, v)| [f.clone(), v.clone()])
}

fn flat_scores(members: &[Scored]) -> impl Iterator<Item = Bytes> {
    members.iter().flat_map(|(member, score)| [member.clone(), score_text(*score).into_bytes()])
}
