//! Why the tool stopped.

/// What a tool's buffer for a message holds.
const MESSAGE_MAX: usize = 1023;

/// What the tool says when it stops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    /// How many bytes it has consumed.
    pub(super) at: u64,
    pub(super) message: Vec<u8>,
    /// Whether the code that loads files in servers said it, and not the tool's own: the tool then ends at once.
    pub(super) internal: bool,
}

impl Failure {
    pub(super) fn new(at: u64, message: impl AsRef<[u8]>) -> Self {
        let mut message = message.as_ref().to_vec();
        message.truncate(MESSAGE_MAX);
        Self { at, message, internal: false }
    }

    pub(super) fn internal(at: u64, message: impl AsRef<[u8]>) -> Self {
        let text = [b"Internal error in RDB reading offset 0, function at rdb.c:0 -> ", message.as_ref()].concat();
        Self { internal: true, ..Self::new(at, text) }
    }
}
