//! Where the elements of a value lie, for those who read its bytes without events: derived from the layout.

use super::layout::Numbers;
use super::layout::Op::{self, Many, Module, Names, PerName, ScoreText, Since, Str, Switch};
use super::role::Role;

/// How a value lies in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Frame {
    /// A text.
    Text,
    /// One packed string; `least`: behind the least expiry of its fields.
    Packed { least: bool },
    /// A count, and packed strings; `container`: each behind the number that says whether it is one.
    Nodes { container: bool },
    /// A count, and elements; `least`: behind the least expiry of the fields.
    Elements { element: PlainElement, least: bool },
    /// Anything else: nodes, numbers and loops.
    Mixed,
}

/// What a plain element is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PlainElement {
    /// A string.
    One,
    /// Field and value.
    Pair,
    /// Expiry, field and value.
    TtlPair,
    /// Field, value and expiry.
    PairExpiry,
    /// Member and score in eight bytes.
    Score,
    /// Member and score as text.
    TextScore,
}

impl Frame {
    /// That of a layout.
    pub(super) const fn of(layout: &[Op]) -> Self {
        match layout {
            [Str(Role::Value)] => Self::Text,
            [Str(Role::Packed)] => Self::Packed { least: false },
            [Op::Numbers(Numbers::MinExpire), Str(Role::Packed)] => Self::Packed { least: true },
            [Many(Numbers::Items(_), [Str(Role::ListNode)])] => Self::Nodes { container: false },
            [Many(Numbers::Items(_), [Switch { on: Numbers::ListNode, .. }])] => Self::Nodes { container: true },
            [Many(Numbers::Items(_), body)] => Self::elements(body, false),
            [Op::Numbers(Numbers::MinExpire), Many(Numbers::Items(_), body)] => Self::elements(body, true),
            []
            | [
                Str(_)
                | Names(_)
                | Op::Numbers(_)
                | Many(..)
                | PerName(_)
                | Since(..)
                | Switch { .. }
                | ScoreText
                | Module,
                ..,
            ] => Self::Mixed,
        }
    }

    const fn elements(body: &[Op], least: bool) -> Self {
        let element = match body {
            [Str(Role::Item)] => PlainElement::One,
            [Str(Role::Field), Str(Role::FieldValue)] => PlainElement::Pair,
            [Op::Numbers(Numbers::FieldTtl), Str(Role::Field), Str(Role::FieldValue)] => PlainElement::TtlPair,
            [Str(Role::Field), Str(Role::FieldValue), Op::Numbers(Numbers::FieldExpiry)] => PlainElement::PairExpiry,
            [Str(Role::Member), Op::Numbers(Numbers::Score)] => PlainElement::Score,
            [Str(Role::Member), ScoreText] => PlainElement::TextScore,
            _ => return Self::Mixed,
        };
        Self::Elements { element, least }
    }
}
