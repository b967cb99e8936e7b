//! WATCH while a file is loaded: what it does to the next transaction.

use crate::aof::Command;

/// How many keys are kept at a time.
const MAX_KEYS: usize = 1024;

/// The keys that are watched, and whether one of them was named by a command since.
#[derive(Debug, Default)]
pub(super) struct Watch {
    keys: Vec<Vec<u8>>,
    touched: bool,
}

impl Watch {
    /// Takes a command outside of a transaction.
    pub(super) fn command(&mut self, command: &Command<'_>) {
        // Nearly every file has no WATCH at all.
        let first = command.name().first();
        if self.keys.is_empty() && !matches!(first, Some(b'W' | b'w')) {
            return;
        }
        let mut args = command.args().skip(1).filter_map(|arg| arg.whole());
        if command.is(b"WATCH") {
            let room = MAX_KEYS.saturating_sub(self.keys.len());
            self.keys.extend(args.take(room).map(<[u8]>::to_vec));
        } else if command.is(b"UNWATCH") {
            *self = Self::default();
        } else if !command.is(b"MULTI") {
            self.touched |= args.any(|arg| self.keys.iter().any(|key| key == arg));
        }
    }

    /// Returns whether no key is watched.
    pub(super) fn is_idle(&self) -> bool {
        self.keys.is_empty()
    }

    /// A transaction ends. Returns whether servers drop it, or crash.
    pub(super) fn exec(&mut self) -> bool {
        std::mem::take(self).touched
    }
}
