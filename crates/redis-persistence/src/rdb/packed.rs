//! The packed encodings: values that lie as one self-contained blob inside an RDB string.
//!
//! | | header | elements | end |
//! |---|---|---|---|
//! | [`listpack`] | total size, count | value, own length (so that it can be walked backwards) | 0xFF |
//! | [`ziplist`] | total size, offset of the last entry, count | length of the entry before, value | 0xFF |
//! | [`intset`] | width, count | integers of that width | |
//! | [`zipmap`] | count | key, value, padding | 0xFF |
//!
//! Each is a view over a resident blob whose constructor checks the header and whose iterator checks the rest as it goes:
//! nothing is copied or allocated, and any bytes at all may be given. An iterator gives elements up to the first fault,
//! then the fault, then nothing more; one that ends without a fault has checked everything that the encoding states
//! about itself. What the elements mean (pairs, order, duplicates, emptiness) is not the encoding's business.
//!
//! All offsets are counted from the start of the blob.

mod error;
pub mod intset;
pub mod listpack;
mod value;
pub mod ziplist;
pub mod zipmap;

pub use error::{PackedError, PackedErrorKind};
pub use intset::Intset;
pub use listpack::Listpack;
pub use value::{IntText, PackedEntry, PackedValue, canonical_int};
pub use ziplist::Ziplist;
pub use zipmap::Zipmap;

/// Returns the little-endian `u32` at `at`, where the caller has made sure that there is one.
fn u32_le(blob: &[u8], at: usize) -> u32 {
    blob.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

/// Returns the little-endian `u16` at `at`, where the caller has made sure that there is one.
fn u16_le(blob: &[u8], at: usize) -> u16 {
    blob.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |bytes| u16::from_le_bytes(*bytes))
}

/// Returns the value of a 24-bit two's complement number, least significant byte first.
fn i24_le(a: u8, b: u8, c: u8) -> i64 {
    i64::from(i32::from_le_bytes([0, a, b, c]) >> 8)
}

/// Checks the size field and the end byte that listpack and ziplist have in common.
fn check_frame(blob: &[u8], min: usize) -> Result<(), PackedError> {
    check_end(blob, min)?;
    let stated = u32_le(blob, 0);
    if u64::from(stated) != blob.len() as u64 {
        let kind = PackedErrorKind::TotalMismatch { stated, actual: blob.len() };
        return Err(PackedError { start: 0, failed_at: 0, kind });
    }
    Ok(())
}

/// Checks the least size, and that the last byte is the terminator.
fn check_end(blob: &[u8], min: usize) -> Result<(), PackedError> {
    check_min(blob, min)?;
    match blob {
        [.., byte] if *byte != 0xFF => {
            let last = blob.len() - 1;
            Err(PackedError { start: last, failed_at: last, kind: PackedErrorKind::BadTerminator(*byte) })
        }
        _ => Ok(()),
    }
}

fn check_min(blob: &[u8], min: usize) -> Result<(), PackedError> {
    if blob.len() < min {
        return Err(PackedError { start: 0, failed_at: blob.len(), kind: PackedErrorKind::TooShort { min } });
    }
    Ok(())
}
