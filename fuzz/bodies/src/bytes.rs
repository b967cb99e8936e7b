//! Takes the choices of a body out of its input.
//!
//! Bodies that read whole files take their choices from a hash of the file instead, so that every real file is an input.

/// The input of a body that begins with choices.
#[derive(Debug)]
pub(crate) struct Choices<'a>(pub &'a [u8]);

impl<'a> Choices<'a> {
    /// One byte; 0 where there is none left.
    pub(crate) fn byte(&mut self) -> u8 {
        let (byte, rest) = self.0.split_first().map_or((0, &[][..]), |(byte, rest)| (*byte, rest));
        self.0 = rest;
        byte
    }

    /// Two bytes as a number.
    pub(crate) fn short(&mut self) -> usize {
        usize::from(u16::from_le_bytes([self.byte(), self.byte()]))
    }

    /// As many bytes as the next two say, or what is left.
    pub(crate) fn block(&mut self) -> &'a [u8] {
        let len = self.short().min(self.0.len());
        let (block, rest) = self.0.split_at(len);
        self.0 = rest;
        block
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A seed that hangs on every byte of the input.
pub(crate) fn seed_of(data: &[u8]) -> u64 {
    data.iter().fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3))
}
