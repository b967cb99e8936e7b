//! What can be wrong with a packed value.

/// Why a packed value, or an element of one, cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{kind}, at byte {failed_at} of the packed value")]
pub struct PackedError {
    /// The offset in the blob at which the element, or the field of the header, begins.
    pub start: usize,
    /// The offset in the blob at which it fails. Where bytes are missing, the end of the room for elements.
    pub failed_at: usize,
    /// What is wrong.
    pub kind: PackedErrorKind,
}

/// What is wrong with a packed value. Sizes are in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PackedErrorKind {
    /// The blob is shorter than the header and end of an empty value.
    #[error("too short: {min} bytes are the least")]
    TooShort {
        /// The size of an empty value.
        min: usize,
    },
    /// The header states another size than the blob has.
    #[error("the header states {stated} bytes where there are {actual}")]
    TotalMismatch {
        /// The size in the header.
        stated: u32,
        /// The size of the blob.
        actual: usize,
    },
    /// The last byte is not the terminator 0xFF.
    #[error("the last byte is 0x{0:02x} instead of the terminator")]
    BadTerminator(u8),
    /// There is a terminator before the last byte.
    #[error("{bytes} bytes follow the terminator")]
    DataAfterTerminator {
        /// How many bytes stand behind it, the last one included.
        bytes: usize,
    },
    /// The header states another count than there are elements.
    #[error("the header counts {stated} where there are {counted}")]
    CountMismatch {
        /// The count in the header.
        stated: u64,
        /// How many there are.
        counted: u64,
    },
    /// The element does not fit into what is left of the blob.
    #[error("the element runs beyond the end")]
    ElementBeyondEnd,
    /// The byte begins no form of a value or length.
    #[error("0x{0:02x} is no encoding")]
    BadEncoding(u8),
    /// Listpack: the length behind the element is not the element's.
    #[error("the length behind the element says {stated} where it has {actual} bytes")]
    BadBacklen {
        /// The length behind the element.
        stated: u64,
        /// The element's length without it.
        actual: u64,
    },
    /// Listpack: the length behind the element goes on for more than five bytes.
    #[error("the length behind the element does not end")]
    EndlessBacklen,
    /// Listpack, walked backwards: the length behind an element reaches back into the header.
    #[error("the length behind the element ({stated}) reaches back before the first one")]
    BacklenBeforeStart {
        /// The length behind the element.
        stated: u64,
    },
    /// Ziplist: the length of the entry before, in an entry, is not that entry's.
    #[error("the entry says that the one before it has {stated} bytes where it has {actual}")]
    BadPrevlen {
        /// The length in the entry.
        stated: u32,
        /// The length of the entry before; 0 for the first one.
        actual: usize,
    },
    /// Ziplist, walked backwards: the length of the entry before reaches back into the header, or to the entry itself.
    #[error("the length of the entry before ({stated}) leads to no entry")]
    PrevlenNowhere {
        /// The length in the entry.
        stated: u32,
    },
    /// Ziplist: the offset of the last entry, in the header, is not where that is.
    #[error("the header places the last entry at {stated} where it is at {actual}")]
    TailMismatch {
        /// The offset in the header.
        stated: u32,
        /// The offset of the last entry.
        actual: usize,
    },
    /// Ziplist: the offset of the last entry lies outside the blob, or leads to no entry that ends the list.
    #[error("the header places the last entry at {stated}, where none can be")]
    TailNowhere {
        /// The offset in the header.
        stated: u32,
    },
    /// Zipmap: a length below 254 in the form that is for longer ones.
    #[error("the length {0} is not stored in one byte")]
    LongFormLength(u32),
    /// Intset: the width is neither 2, 4 nor 8 bytes.
    #[error("{0} is no width of integers")]
    IntsetWidth(u32),
    /// Intset: count and width do not give the size of the blob.
    #[error("count and width give {stated} bytes where there are {actual}")]
    IntsetSize {
        /// The size that follows from the header.
        stated: u64,
        /// The size of the blob.
        actual: usize,
    },
}
