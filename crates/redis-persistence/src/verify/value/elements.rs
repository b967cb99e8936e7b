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

    pub(crate) fn decodes_items(&self) -> bool {
        self.value_type == ValueType::Set
    }

    pub(crate) fn event(&mut self, _event: &Event<&[u8]>, _cx: &mut Context<'_>) {}

    pub(crate) fn end(self, _start: u64, _cx: &mut Context<'_>) -> u64 {
        u64::from(self.value_type.byte())
    }
}
