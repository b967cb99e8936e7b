//! To be written.

use super::Context;
use crate::rdb::{Event, ValueType};

#[derive(Debug)]
pub(crate) struct Checker {
    value_type: ValueType,
}

impl Checker {
    pub(crate) fn new(value_type: ValueType) -> Self {
        Self { value_type }
    }

    pub(crate) fn event(&mut self, _event: &Event<&[u8]>, _cx: &mut Context<'_>) {}

    pub(crate) fn end(self, _start: u64, _cx: &mut Context<'_>) -> u64 {
        u64::from(self.value_type.byte())
    }
}

/// Registry.
#[derive(Debug)]
pub(crate) struct Registry {}

impl Registry {
    pub(crate) fn new(_limit: usize) -> Self {
        Self {}
    }

    pub(crate) fn begin(&mut self, _id: u64, _fields: u64, _start: u64, _findings: &mut super::Findings) {}

    pub(crate) fn field(
        &mut self,
        _string: &crate::rdb::RdbString<&[u8]>,
        _scratch: &mut super::Scratch,
        _findings: &mut super::Findings,
    ) {
    }

    pub(crate) fn end(&mut self, _findings: &mut super::Findings) {}
}
