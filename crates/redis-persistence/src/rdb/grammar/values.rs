//! The layouts of values.

use super::layout::Op::{self, Many, Module, Names, PerName, ScoreText, Since, Str, Switch};
use super::layout::{Arm, Kind, Numbers};
use super::role::Role;

const fn arm(tag: u64, then: &'static [Op]) -> Arm {
    Arm { tag, numbers: &[], then }
}

pub(super) const STRING: &[Op] = &[Str(Role::Value)];
pub(super) const LIST: &[Op] = &[Many(Numbers::Items(Role::Item), &[Str(Role::Item)])];
pub(super) const ZSET: &[Op] = &[Many(Numbers::Items(Role::Member), &[Str(Role::Member), ScoreText])];
pub(super) const ZSET_2: &[Op] =
    &[Many(Numbers::Items(Role::Member), &[Str(Role::Member), Op::Numbers(Numbers::Score)])];
pub(super) const HASH: &[Op] = &[Many(Numbers::Items(Role::Field), &[Str(Role::Field), Str(Role::FieldValue)])];
const WITH_TTL: &[Op] = &[Op::Numbers(Numbers::FieldTtl), Str(Role::Field), Str(Role::FieldValue)];
pub(super) const HASH_PRE_GA: &[Op] = &[Many(Numbers::Items(Role::Field), WITH_TTL)];
pub(super) const HASH_METADATA: &[Op] = &[Op::Numbers(Numbers::MinExpire), Many(Numbers::Items(Role::Field), WITH_TTL)];
pub(super) const HASH_2: &[Op] =
    &[Many(Numbers::Items(Role::Field), &[Str(Role::Field), Str(Role::FieldValue), Op::Numbers(Numbers::FieldExpiry)])];
pub(super) const PACKED: &[Op] = &[Str(Role::Packed)];
pub(super) const PACKED_EX: &[Op] = &[Op::Numbers(Numbers::MinExpire), Str(Role::Packed)];
pub(super) const QUICKLIST: &[Op] = &[Many(Numbers::Items(Role::ListNode), &[Str(Role::ListNode)])];
/// Anything but 2 is a plain node, or no node of any server: its bytes are nobody's listpack.
pub(super) const QUICKLIST_2: &[Op] = &[Many(
    Numbers::Items(Role::ListNode),
    &[Switch {
        on: Numbers::ListNode,
        arms: &[arm(2, &[Str(Role::ListNode)])],
        otherwise: Some(&[Str(Role::PlainNode)]),
    }],
)];
pub(super) const MODULE: &[Op] = &[Op::Numbers(Numbers::Module), Module];
/// Without framing: nobody can tell where it ends.
pub(super) const MODULE_1: &[Op] = &[];

/// ```text
/// nodes n x { node id (16 bytes), listpack }
/// length, last id, [v2: first id, greatest deleted id, entries added]
/// groups n x {
///   name, last id, [v2: entries read]
///   pending n x { id, delivery time, delivery count }
///   consumers n x { name, seen time, [v3: active time], ids n x id }
///   [v5: NACK zone n x id]
/// }
/// [v4: duration, max entries, producers n x { name, n x { iid, stream id } }, ids added, duplicates]
/// ```
pub(super) const STREAM: &[Op] = &[
    Many(Numbers::Items(Role::StreamNode), &[Str(Role::NodeId), Str(Role::StreamNode)]),
    Op::Numbers(Numbers::Stream),
    Many(
        Numbers::Items(Role::Group),
        &[
            Str(Role::Group),
            Op::Numbers(Numbers::Group),
            Many(Numbers::Items(Role::Pending), &[Op::Numbers(Numbers::Pending)]),
            Many(
                Numbers::Items(Role::Consumer),
                &[
                    Str(Role::Consumer),
                    Op::Numbers(Numbers::Consumer),
                    Many(Numbers::Items(Role::ConsumerPending), &[Op::Numbers(Numbers::Id(Role::ConsumerPending))]),
                ],
            ),
            Since(5, &[Many(Numbers::Items(Role::Nacked), &[Op::Numbers(Numbers::Id(Role::Nacked))])]),
        ],
    ),
    Since(4, IDMP),
];
const IDMP: &[Op] = &[
    Op::Numbers(Numbers::Idmp),
    Many(
        Numbers::Items(Role::Producer),
        &[
            Str(Role::Producer),
            Many(Numbers::Items(Role::ProducerEntry), &[Str(Role::ProducerEntry), Op::Numbers(Numbers::IdmpEntry)]),
        ],
    ),
    Op::Numbers(Numbers::IdmpTotals),
];

const WORD: &[Kind] = &[Kind::Eight];
pub(super) const ARRAY: &[Op] = &[Many(
    Numbers::Array,
    &[Switch {
        on: Numbers::ArrayElement,
        arms: &[
            arm(0, &[Str(Role::ArrayLong)]),
            Arm { tag: 1, numbers: WORD, then: &[] },
            Arm { tag: 2, numbers: WORD, then: &[] },
            arm(3, &[Str(Role::ArrayShort)]),
        ],
        otherwise: None,
    }],
)];

const NAMES: Op = Many(Numbers::Items(Role::TemplateField), &[Str(Role::TemplateField)]);
pub(super) const TEMPLATE_LP: &[Op] = &[
    Switch { on: Numbers::FieldForm, arms: &[arm(0, &[Str(Role::TemplateFields)]), arm(1, &[NAMES])], otherwise: None },
    Str(Role::TemplateValues),
];
pub(super) const TEMPLATE_LP_REF: &[Op] = &[Str(Role::TemplateValues)];
pub(super) const TEMPLATE_ARRAY: &[Op] = &[
    Switch {
        on: Numbers::FieldForm,
        arms: &[arm(0, &[Names(Role::TemplateFields)]), arm(1, &[NAMES])],
        otherwise: None,
    },
    PerName(&[Str(Role::FieldValue)]),
];
pub(super) const TEMPLATE_ARRAY_REF: &[Op] = &[Op::Numbers(Numbers::TemplateRef), PerName(&[Str(Role::FieldValue)])];
