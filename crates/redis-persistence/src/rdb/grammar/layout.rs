//! How values and records are laid out, as data: what every reader and writer of RDB steps through.

use super::role::Role;
use crate::base::error::Reading;

/// One step of a layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    /// A string.
    Str(Role),
    /// A string that is a listpack of field names; their number counts for [`Op::PerName`].
    Names(Role),
    /// Numbers that belong together: one payload.
    Numbers(Numbers),
    /// Numbers of which one is a count, and as many times the body.
    Many(Numbers, &'static [Op]),
    /// The body once for each field name that was read.
    PerName(&'static [Op]),
    /// The body, from that version of the layout on.
    Since(u8, &'static [Op]),
    /// Numbers of which the last decides what follows; with `otherwise` for what no arm names.
    Switch { on: Numbers, arms: &'static [Arm], otherwise: Option<&'static [Op]> },
    /// A sorted set's score as text, with its length in one byte, or one of three marks.
    ScoreText,
    /// The items of a module up to their end.
    Module,
}

/// What follows one number of a switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Arm {
    pub(crate) tag: u64,
    /// More numbers of the same payload.
    pub(crate) numbers: &'static [Kind],
    pub(crate) then: &'static [Op],
}

/// How a number is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// As a length.
    Len,
    /// As a length, whose special form is an error.
    Index,
    /// As a length: 0, or 1 and another length.
    Optional,
    /// In one byte.
    Byte,
    /// In four bytes, little-endian.
    Four,
    /// In eight bytes, little-endian.
    Eight,
    /// The id of a stream's entry, in 16 bytes, big-endian: two numbers.
    Id,
}

/// Numbers that belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Numbers {
    /// A count.
    Items(Role),
    MinExpire,
    /// A field's expiry as a length.
    FieldTtl,
    /// The same in eight bytes.
    FieldExpiry,
    Score,
    ListNode,
    Stream,
    Group,
    Pending,
    Consumer,
    /// An id that a consumer owns, or that the NACK zone holds.
    Id(Role),
    Idmp,
    IdmpEntry,
    IdmpTotals,
    Array,
    ArrayElement,
    FieldForm,
    TemplateRef,
    Module,
    SelectDb,
    ResizeDb,
    SlotInfo,
    SlotImport,
    SlotRange,
    Function,
    FunctionPreGa,
    Template,
    ModuleAux,
    KeyMeta,
    KeyMetaClass,
    /// Something about the next key.
    Attribute(Attribute),
    Eof,
    Checksum,
}

/// What an opcode says about the next key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attribute {
    ExpireMs,
    ExpireSeconds,
    Idle,
    Freq,
}

/// The kinds of numbers that belong together; those of `more` only from version `since` of the layout on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kinds {
    pub(crate) first: &'static [Kind],
    pub(crate) since: u8,
    pub(crate) more: &'static [Kind],
}

const fn kinds(first: &'static [Kind]) -> Kinds {
    Kinds { first, since: 0, more: &[] }
}

impl Numbers {
    /// Returns how they are stored.
    #[inline]
    pub(crate) const fn kinds(self) -> Kinds {
        use Kind::{Byte, Eight, Four, Id, Index, Len, Optional};
        match self {
            Self::Items(_) | Self::FieldTtl | Self::ListNode | Self::FieldForm | Self::TemplateRef => kinds(&[Len]),
            Self::Module | Self::SelectDb | Self::KeyMeta | Self::Attribute(Attribute::Idle) => kinds(&[Len]),
            Self::ResizeDb | Self::SlotRange | Self::Template => kinds(&[Len, Len]),
            Self::Idmp | Self::IdmpEntry | Self::IdmpTotals => kinds(&[Len, Len]),
            Self::SlotInfo | Self::ModuleAux => kinds(&[Len, Len, Len]),
            Self::MinExpire | Self::FieldExpiry | Self::Score | Self::Checksum => kinds(&[Eight]),
            Self::Attribute(Attribute::ExpireMs) => kinds(&[Eight]),
            Self::KeyMetaClass | Self::Attribute(Attribute::ExpireSeconds) => kinds(&[Four]),
            Self::Attribute(Attribute::Freq) => kinds(&[Byte]),
            Self::Stream => Kinds { first: &[Len, Len, Len], since: 2, more: &[Len, Len, Len, Len, Len] },
            Self::Group => Kinds { first: &[Len, Len], since: 2, more: &[Len] },
            Self::Pending => kinds(&[Id, Eight, Len]),
            Self::Consumer => Kinds { first: &[Eight], since: 3, more: &[Eight] },
            Self::Id(_) => kinds(&[Id]),
            Self::Array => kinds(&[Len, Optional]),
            Self::ArrayElement => kinds(&[Index, Len]),
            Self::SlotImport | Self::Function | Self::FunctionPreGa | Self::Eof => kinds(&[]),
        }
    }

    /// Returns what is being read, for errors: the number `at` of them.
    pub(crate) const fn reading(self, at: usize) -> Reading {
        match self {
            Self::Items(Role::SlotImportJob) | Self::SlotImport | Self::SlotRange => Reading::SlotImport,
            Self::Items(Role::FunctionDescription) | Self::Function | Self::FunctionPreGa => Reading::Function,
            Self::Items(_) => Reading::Count,
            Self::MinExpire | Self::FieldTtl | Self::FieldExpiry => Reading::FieldExpiry,
            Self::Score => Reading::Score,
            Self::ListNode => Reading::ListNode,
            Self::Stream => Reading::StreamInfo,
            Self::Group => Reading::StreamGroup,
            Self::Pending | Self::Id(_) => Reading::Pel,
            Self::Consumer => Reading::Consumer,
            Self::Idmp | Self::IdmpEntry | Self::IdmpTotals => Reading::Idmp,
            Self::Array if at == 0 => Reading::Count,
            Self::Array | Self::ArrayElement => Reading::ArrayElement,
            Self::FieldForm | Self::TemplateRef | Self::Template => Reading::Template,
            Self::ModuleAux if at > 0 => Reading::ModuleItem,
            Self::Module | Self::ModuleAux => Reading::ModuleId,
            Self::SelectDb => Reading::DbNumber,
            Self::ResizeDb => Reading::ResizeDb,
            Self::SlotInfo => Reading::SlotInfo,
            Self::KeyMeta | Self::KeyMetaClass => Reading::KeyMeta,
            Self::Attribute(Attribute::ExpireMs | Attribute::ExpireSeconds) => Reading::Expire,
            Self::Attribute(Attribute::Idle | Attribute::Freq) => Reading::Eviction,
            Self::Eof => Reading::Opcode,
            Self::Checksum => Reading::Checksum,
        }
    }

    /// Returns which of them counts what follows.
    pub(crate) const fn count_at(self) -> usize {
        // A template's number comes before its count.
        if matches!(self, Self::Template) { 1 } else { 0 }
    }
}

/// No layout has more loops and choices inside one another.
pub(crate) const DEEPEST: usize = 3;

/// Returns how many loops and choices a layout has inside one another.
pub(crate) const fn depth(ops: &[Op]) -> usize {
    let (mut deepest, mut i) = (0, 0);
    while i < ops.len() {
        let mut inner = 0;
        match ops[i] {
            Op::Many(_, body) | Op::PerName(body) | Op::Since(_, body) => inner = 1 + depth(body),
            Op::Switch { arms, otherwise, .. } => {
                let mut arm = 0;
                while arm < arms.len() {
                    let of_arm = 1 + depth(arms[arm].then);
                    inner = if of_arm > inner { of_arm } else { inner };
                    arm += 1;
                }
                if let Some(body) = otherwise {
                    let of_other = 1 + depth(body);
                    inner = if of_other > inner { of_other } else { inner };
                }
            }
            Op::Str(_) | Op::Names(_) | Op::Numbers(_) | Op::ScoreText | Op::Module => {}
        }
        deepest = if inner > deepest { inner } else { deepest };
        i += 1;
    }
    deepest
}

/// Returns whether one of the steps, or of those inside them, is such a one.
pub(crate) fn any(ops: &[Op], is: &dyn Fn(Op) -> bool) -> bool {
    ops.iter().any(|op| {
        is(*op)
            || match *op {
                Op::Many(_, body) | Op::PerName(body) | Op::Since(_, body) => any(body, is),
                Op::Switch { arms, otherwise, .. } => {
                    arms.iter().any(|arm| any(arm.then, is)) || otherwise.is_some_and(|body| any(body, is))
                }
                Op::Str(_) | Op::Names(_) | Op::Numbers(_) | Op::ScoreText | Op::Module => false,
            }
    })
}
