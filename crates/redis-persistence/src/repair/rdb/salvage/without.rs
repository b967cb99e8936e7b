//! What is left out on request, or because a server does not load it: it is named, and no loss.

use std::io;
use std::ops::Range;
use std::str::FromStr;

use super::candidate::{Candidate, CandidateKind, Key};
use super::collect::{Collected, MOST_LISTED};
use super::decode::Decoder;
use crate::rdb::{ModuleId, VECTOR_SET};

/// Kinds of content that are left out on request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Without {
    /// Keys of modules and what modules store beside the keys. Vector sets are no part of them.
    pub modules: bool,
    /// Function libraries.
    pub functions: bool,
    /// Vector sets, which Redis has from 8.0 on.
    pub vector_sets: bool,
}

impl Without {
    /// The names of the kinds.
    pub const NAMES: [&str; 3] = ["modules", "functions", "vector-sets"];

    /// Returns the same with the kinds of both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            modules: self.modules || other.modules,
            functions: self.functions || other.functions,
            vector_sets: self.vector_sets || other.vector_sets,
        }
    }

    /// Returns whether the content of that module type is left out.
    fn module(self, id: ModuleId) -> bool {
        if id.name() == VECTOR_SET { self.vector_sets } else { self.modules }
    }
}

impl FromStr for Without {
    type Err = String;

    /// Reads one of [`Self::NAMES`].
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let none = Self::default();
        match text {
            "modules" => Ok(Self { modules: true, ..none }),
            "functions" => Ok(Self { functions: true, ..none }),
            "vector-sets" => Ok(Self { vector_sets: true, ..none }),
            _ => Err(format!("one of {}", Self::NAMES.join(", "))),
        }
    }
}

/// Something that could be saved and is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeftOut {
    /// What it is.
    pub kind: LeftOutKind,
    /// Its database, if it is a key.
    pub db: Option<u64>,
    /// The name of the key or the library, the first 1024 bytes of it, or the name of the module type.
    pub name: Vec<u8>,
    /// Its bytes in the damaged file.
    pub range: Range<u64>,
    pub(super) section: usize,
}

/// The kinds of what is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LeftOutKind {
    /// A key that a module wrote, or a vector set.
    Key,
    /// What a module stores beside the keys.
    ModuleData,
    /// A function library, by request.
    Function,
    /// A function library that is damaged, or that the servers do not load.
    FunctionRefused,
}

impl LeftOutKind {
    /// Returns the name that reports use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::ModuleData => "module-data",
            Self::Function => "function",
            Self::FunctionRefused => "function-refused",
        }
    }
}

impl Collected {
    /// Leaves a unit out, if that was asked for.
    pub(super) fn leaves_out(&mut self, unit: &Candidate, decoder: &mut Decoder<'_>) -> io::Result<bool> {
        let without = self.options.without;
        let range = unit.start..unit.end;
        match unit.what {
            CandidateKind::Key(key) | CandidateKind::Broken { key, .. }
                if key.module.is_some_and(|id| without.module(id)) =>
            {
                self.leave_out_key(&key, range, decoder)?;
            }
            CandidateKind::ModuleAux { module, .. } if without.module(module) => {
                self.leave_out(LeftOutKind::ModuleData, module.name().into_bytes(), range);
            }
            CandidateKind::Function if without.functions => {
                let name = decoder.library(range.start)?.map(|(name, _)| name);
                self.leave_out(LeftOutKind::Function, name.unwrap_or_default(), range);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn leave_out_key(&mut self, key: &Key, range: Range<u64>, decoder: &mut Decoder<'_>) -> io::Result<()> {
        self.sections.left_out();
        let name = decoder.shown_name(key)?;
        self.leave_out(LeftOutKind::Key, name, range);
        Ok(())
    }

    /// Takes note of what is left out.
    pub(super) fn leave_out(&mut self, kind: LeftOutKind, mut name: Vec<u8>, range: Range<u64>) {
        self.left_out_total += 1;
        if self.left_out.len() < MOST_LISTED {
            name.truncate(1024);
            let section = self.sections.current();
            self.left_out.push(LeftOut { kind, db: (kind == LeftOutKind::Key).then_some(0), name, range, section });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_for_one_kind() {
        let said =
            Without::NAMES.map(|name| name.parse::<Without>().map(|w| (name, w.modules, w.functions, w.vector_sets)));
        assert_eq!(
            said,
            [
                Ok(("modules", true, false, false)),
                Ok(("functions", false, true, false)),
                Ok(("vector-sets", false, false, true))
            ]
        );
        assert_eq!("vector-set".parse::<Without>(), Err("one of modules, functions, vector-sets".to_owned()));
    }
}
