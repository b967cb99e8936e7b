//! What of a value is written: all of it, or what is left where the server has no room for a part.

use std::fmt;
use std::str::FromStr;

use super::Options;
use super::dialect::Form;
use crate::rdb::{Element, Head, ModuleId, Shape, VECTOR_SET};

/// What not every server can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// Function libraries, which servers have from 7.0 on.
    Functions,
    /// Keys of modules, and what modules store beside keys.
    Modules,
    /// What modules store beside keys, which no other file and no command can have.
    ModuleData,
    /// Vector sets, which Redis has from 8.0 on.
    VectorSets,
    /// Arrays, which Redis has from 8.8 on.
    Arrays,
    /// Expiries of the fields of hashes, which Redis has from 7.4 on, and Valkey from 9.0 on. Left out, the fields stay for good; those
    /// that have expired are gone.
    FieldExpiry,
    /// Pending entries of streams that were given back, which Redis has from 8.8 on.
    Nacks,
}

impl Kind {
    /// Those that can be left out.
    const LEFT_OUT: [Self; 6] =
        [Self::Functions, Self::Modules, Self::ModuleData, Self::VectorSets, Self::Arrays, Self::FieldExpiry];
    /// The names of those that can be left out.
    pub const NAMES: [&str; 6] = {
        let (mut names, mut n) = ([""; 6], 0);
        while n < names.len() {
            names[n] = Self::LEFT_OUT[n].as_str();
            n += 1;
        }
        names
    };

    /// Returns its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Functions => "functions",
            Self::Modules => "modules",
            Self::ModuleData => "module-data",
            Self::VectorSets => "vector-sets",
            Self::Arrays => "arrays",
            Self::FieldExpiry => "field-expiry",
            Self::Nacks => "nacks",
        }
    }

    pub(super) fn can_be_left_out(self) -> bool {
        Self::LEFT_OUT.contains(&self)
    }

    /// Returns what it is, in words that follow a number.
    #[must_use]
    pub fn described(self) -> &'static str {
        match self {
            Self::Functions => "function libraries",
            Self::Modules => "values of modules",
            Self::ModuleData => "records of modules beside the keys",
            Self::VectorSets => "vector sets",
            Self::Arrays => "arrays",
            Self::FieldExpiry => "hashes whose fields expire",
            Self::Nacks => "streams with pending entries that were given back",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = String;

    /// Reads one of [`Self::NAMES`].
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::LEFT_OUT.into_iter().find(|kind| kind.as_str() == text);
        found.ok_or_else(|| format!("one of {}", Self::NAMES.join(", ")))
    }
}

/// What the server would not store of a stream. It is data of the stream's own bookkeeping: no entry, no group and nothing pending
/// is lost by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Dropped {
    /// How many entries were ever added, the greatest deleted id, and what groups have read: from 7.0 on.
    Counters,
    /// When consumers last got something: from 7.2 on.
    ActiveTimes,
    /// By which ids producers keep themselves from adding entries twice: Redis from 8.6 on.
    ProducerIds,
}

impl Dropped {
    /// Returns its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counters => "stream-counters",
            Self::ActiveTimes => "consumer-active-times",
            Self::ProducerIds => "producer-ids",
        }
    }

    /// Returns the first version of the layout of streams that has it.
    fn since(self) -> u8 {
        match self {
            Self::Counters => 2,
            Self::ActiveTimes => 3,
            Self::ProducerIds => 4,
        }
    }
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What becomes of the key at hand.
#[derive(Debug)]
pub(super) struct Adapter<'o> {
    options: &'o Options,
    pub(super) form: Form,
    /// The version of the layout that a stream is written in.
    version: u8,
    /// What stands in the way.
    pub(super) refused: Option<Kind>,
    /// What is left out of it, or all of it.
    pub(super) left_out: Option<Kind>,
    /// Whether nothing of it is written.
    pub(super) is_gone: bool,
    pub(super) dropped: [bool; 3],
    /// How many elements it keeps, and how many it loses.
    kept: u64,
    lost: u64,
}

impl<'o> Adapter<'o> {
    pub(super) fn new(options: &'o Options, head: &Head) -> Self {
        let form = options.form(head.value_type);
        let version = match form {
            Form::Stream(value_type) => value_type.layout_version(),
            _ => u8::MAX,
        };
        let mut adapter = Self {
            options,
            form,
            version,
            refused: None,
            left_out: None,
            is_gone: false,
            dropped: [false; 3],
            kept: 0,
            lost: 0,
        };
        if let Form::Never(kind) = form {
            adapter.never(kind);
        }
        adapter
    }

    /// A key that the server cannot have.
    fn never(&mut self, kind: Kind) {
        self.is_gone = true;
        if self.options.without.contains(&kind) {
            self.left_out = Some(kind);
        } else {
            self.refused = Some(kind);
        }
    }

    /// A value is that of a module. Returns whether it is written.
    pub(super) fn module(&mut self, id: ModuleId) -> bool {
        let name = id.name();
        let kind = if name == VECTOR_SET { Kind::VectorSets } else { Kind::Modules };
        if !self.options.dialect.has_module(&name) || self.options.without.contains(&kind) {
            self.never(kind);
        }
        !self.is_gone
    }

    /// Returns what is written of an element.
    #[inline]
    pub(super) fn element<'e>(&mut self, element: Element<'e>) -> Option<Element<'e>> {
        match element {
            Element::Field { name, value, expires_ms: Some(ms) } if self.form == Form::Plain => {
                let kind = Kind::FieldExpiry;
                if !self.options.without.contains(&kind) {
                    if self.options.dialect.with_ttl().is_some() {
                        self.kept += 1;
                    } else {
                        self.refused = Some(kind);
                    }
                    return Some(element);
                }
                self.left_out = Some(kind);
                if self.options.verify.now_ms.is_some_and(|now| ms < now) {
                    self.lost += 1;
                    return None;
                }
                self.kept += 1;
                Some(Element::Field { name, value, expires_ms: None })
            }
            Element::Field { .. } => {
                self.kept += 1;
                Some(element)
            }
            Element::Module(id) => {
                self.module(id);
                Some(element)
            }
            Element::Stream(info) => {
                self.dropped(Dropped::Counters, info.v2.is_some());
                Some(element)
            }
            Element::Consumer { active, .. } => {
                self.dropped(Dropped::ActiveTimes, active.is_some());
                Some(element)
            }
            Element::ProducerEntry { .. } => {
                self.dropped(Dropped::ProducerIds, true);
                (self.version >= Dropped::ProducerIds.since()).then_some(element)
            }
            Element::Nacked { .. } => {
                if self.version < 5 {
                    self.refused = Some(Kind::Nacks);
                }
                Some(element)
            }
            _ => Some(element),
        }
    }

    fn dropped(&mut self, what: Dropped, is_there: bool) {
        self.dropped[what as usize] |= is_there && self.version < what.since();
    }

    /// The value is complete: a hash all of whose fields have expired is none any more.
    pub(super) fn end(&mut self) {
        self.is_gone |= self.kept == 0 && self.lost > 0;
    }
}

/// Returns the head of a key as it is written. Redis 8.6 takes -1 for an expiry that has passed, all servers before it for none.
pub(super) fn meant(head: &Head) -> Head {
    Head { expires_ms: head.expires_ms.filter(|ms| *ms != -1), ..*head }
}

/// The kinds that are dropped, in the order of [`Adapter::dropped`].
pub(super) const DROPPED: [Dropped; 3] = [Dropped::Counters, Dropped::ActiveTimes, Dropped::ProducerIds];

/// Returns whether a value of that shape is a hash.
pub(super) fn is_hash(shape: Shape) -> bool {
    matches!(shape, Shape::Hash | Shape::HashTtl | Shape::HashTemplate)
}
