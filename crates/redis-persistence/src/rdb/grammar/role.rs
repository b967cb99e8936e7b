//! What a string or a count is for, by its place.

use crate::base::error::Reading;

/// The place of a string or of a count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Role {
    /// The name of an AUX field.
    AuxName,
    /// The value of an AUX field.
    AuxValue,
    /// The name of a key.
    Key,
    /// The value of a string key.
    Value,
    /// An element of a list or set.
    Item,
    /// A member of a sorted set.
    Member,
    /// A field of a hash.
    Field,
    /// The value of a field.
    FieldValue,
    /// A value that is one packed blob.
    Packed,
    /// A packed node of a list.
    ListNode,
    /// A plain node of a list: one element.
    PlainNode,
    /// The id of a stream's node.
    NodeId,
    /// A stream's node.
    StreamNode,
    /// The name of a consumer group.
    Group,
    /// The pending entries of a group.
    Pending,
    /// The name of a consumer.
    Consumer,
    /// The pending entries of a consumer.
    ConsumerPending,
    /// The NACK zone of a group.
    Nacked,
    /// The name of an idempotent producer.
    Producer,
    /// An idempotency id.
    ProducerEntry,
    /// A string in a module's stream.
    ModuleString,
    /// The code of a function library.
    FunctionCode,
    /// The name of a function library (release candidates of 7.0).
    FunctionName,
    /// The engine of a function library (release candidates of 7.0).
    FunctionEngine,
    /// The description of a function library (release candidates of 7.0).
    FunctionDescription,
    /// A field name of a hash template.
    TemplateField,
    /// The field names of a template hash, as a listpack.
    TemplateFields,
    /// The values of a template hash, as a listpack.
    TemplateValues,
    /// The name of a slot-import job.
    SlotImportJob,
    /// A short string of an array.
    ArrayShort,
    /// A long string of an array.
    ArrayLong,
}

impl Role {
    /// Returns what was being read, for errors.
    pub(crate) fn reading(self) -> Reading {
        match self {
            Self::AuxName => Reading::AuxName,
            Self::AuxValue => Reading::AuxValue,
            Self::Key => Reading::Key,
            Self::Value => Reading::StringValue,
            Self::Item => Reading::Item,
            Self::Member => Reading::Member,
            Self::Field => Reading::Field,
            Self::FieldValue => Reading::FieldValue,
            Self::Packed | Self::TemplateFields | Self::TemplateValues => Reading::Packed,
            Self::ListNode | Self::PlainNode => Reading::ListNode,
            Self::NodeId | Self::StreamNode => Reading::StreamNode,
            Self::Group => Reading::StreamGroup,
            Self::Pending | Self::ConsumerPending | Self::Nacked => Reading::Pel,
            Self::Consumer => Reading::Consumer,
            Self::Producer | Self::ProducerEntry => Reading::Idmp,
            Self::ModuleString => Reading::ModuleItem,
            Self::FunctionCode | Self::FunctionName | Self::FunctionEngine | Self::FunctionDescription => {
                Reading::Function
            }
            Self::TemplateField => Reading::Template,
            Self::SlotImportJob => Reading::SlotImport,
            Self::ArrayShort | Self::ArrayLong => Reading::ArrayElement,
        }
    }

    /// Returns whether the string is a self-contained structure that must be resident to be looked into.
    pub(crate) fn is_blob(self) -> bool {
        match self {
            Self::Packed | Self::ListNode | Self::StreamNode | Self::TemplateFields | Self::TemplateValues => true,
            Self::AuxName | Self::AuxValue | Self::Key | Self::Value | Self::Item | Self::Member | Self::Field => false,
            Self::FieldValue | Self::PlainNode | Self::NodeId | Self::Group | Self::Pending | Self::Consumer => false,
            Self::ConsumerPending | Self::Nacked | Self::Producer | Self::ProducerEntry | Self::ModuleString => false,
            Self::FunctionCode | Self::FunctionName | Self::FunctionEngine | Self::FunctionDescription => false,
            Self::TemplateField | Self::SlotImportJob | Self::ArrayShort | Self::ArrayLong => false,
        }
    }
}
