//! To be written.

use super::Context;
use crate::rdb::Event;

#[derive(Debug, Default)]
pub(crate) struct Checker {}

impl Checker {
    pub(crate) fn event(&mut self, _event: &Event<&[u8]>, _cx: &mut Context<'_>) {}

    pub(crate) fn end(self, _start: u64, _cx: &mut Context<'_>) -> u64 {
        0
    }
}
