//! Running CRC-64/REDIS, the checksum at the end of an RDB and of a DUMP payload.
//!
//! | Parameter | Value |
//! |---|---|
//! | Polynomial (Jones) | 0xAD93D23594C935A9, reflected 0x95AC9329AC4BC9B5 |
//! | Reflected in, out | yes, yes |
//! | Initial value, final xor | 0, 0 |
//! | Check of `123456789` | 0xE9C6D914C4B8D9CA |
//!
//! The trailer is the CRC of every byte before it, stored as a little-endian `u64`. As nothing is mixed in at the start
//! or the end, three things hold that callers lean on:
//!
//! * the CRC of bytes followed by their own CRC (little-endian) is 0, so a sound file including its trailer sums to 0;
//! * a CRC can be taken up again from its value alone ([`Crc64::from_value`]);
//! * the CRC of a concatenation follows from the CRCs of its parts ([`Crc64::combine`]), so parts may be summed apart.
//!
//! Feed blocks, not fields: every [`Crc64::update`] pays some tens of nanoseconds before its first byte, and the
//! vector code needs a few hundred bytes to reach its speed (4 KiB and more: about 10 GB/s).

/// The polynomial, least significant bit first; the term x^64 is implied.
pub(crate) const POLYNOMIAL: u64 = 0x95AC_9329_AC4B_C9B5;

/// The polynomial 1 in the reflected form: the highest power is the lowest bit.
const ONE: u64 = 1 << 63;

/// x^(8 * 2^k): what 2^k zero bytes multiply a CRC by.
const ZERO_BYTES: [u64; 64] = {
    let mut powers = [ONE >> 8; 64];
    let mut k = 1;
    while k < 64 {
        powers[k] = product(powers[k - 1], powers[k - 1]);
        k += 1;
    }
    powers
};

/// A CRC-64/REDIS over the bytes seen so far. It is eight bytes and cheap to keep a copy of.
///
/// # Examples
/// ```
/// use redis_persistence::crc64::{Crc64, checksum};
///
/// let mut crc = Crc64::new();
/// crc.update(b"12345");
/// let kept = crc;
/// crc.update(b"6789");
/// assert_eq!(crc.value(), 0xE9C6_D914_C4B8_D9CA);
///
/// let tail = Crc64::from_value(checksum(b"6789"));
/// assert_eq!(kept.combine(tail, 4), crc);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Crc64 {
    value: u64,
}

impl Crc64 {
    /// Returns the CRC of no bytes.
    #[must_use]
    pub const fn new() -> Self {
        Self { value: 0 }
    }

    /// Returns the CRC whose [`value`](Self::value) is `value`, to be taken up again.
    #[must_use]
    pub const fn from_value(value: u64) -> Self {
        Self { value }
    }

    /// Takes in the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.value = taken_up(self.value, bytes);
    }

    /// The checksum up to the offset `end`, where `self` is the one of everything before `chunk`, which begins at `start`.
    pub(crate) fn with_start_of(mut self, chunk: &[u8], start: u64, end: u64) -> u64 {
        let len = usize::try_from(end.saturating_sub(start)).map_or(chunk.len(), |len| len.min(chunk.len()));
        self.update(&chunk[..len]);
        self.value
    }

    /// Returns the checksum of the bytes so far.
    #[must_use]
    pub const fn value(&self) -> u64 {
        self.value
    }

    /// Returns whether these were bytes followed by their own CRC, as a sound RDB is. Nothing but zeros looks the same.
    pub(crate) fn is_of_file_with_its_own(&self) -> bool {
        self.value == 0
    }

    /// The CRC of the bytes of `self` followed by the `other_len` bytes whose CRC is `other`.
    ///
    /// With [`Crc64::new`] as `other` it is the CRC after `other_len` zero bytes, and also the part of the final CRC that
    /// a difference seen `other_len` bytes before the end accounts for. The cost grows with the number of bits set in
    /// `other_len`, not with the length: under 0.1 microseconds for each.
    #[must_use]
    pub const fn combine(self, other: Self, other_len: u64) -> Self {
        let mut value = self.value;
        let mut left = other_len;
        while left != 0 {
            value = product(value, ZERO_BYTES[left.trailing_zeros() as usize]);
            left &= left - 1;
        }
        Self { value: value ^ other.value }
    }
}

/// Returns the checksum of `bytes`.
///
/// # Examples
/// ```
/// // What stands behind an empty RDB of version 11.
/// assert_eq!(redis_persistence::crc64::checksum(b"REDIS0011\xFF"), 0x6297_3874_8D8A_22C0);
/// ```
#[must_use]
pub fn checksum(bytes: &[u8]) -> u64 {
    taken_up(0, bytes)
}

/// Returns the CRC of bytes with that CRC followed by these.
#[cfg(not(target_family = "wasm"))]
fn taken_up(value: u64, bytes: &[u8]) -> u64 {
    use crc_fast::{CrcAlgorithm, Digest};

    let mut digest = Digest::new_with_init_state(CrcAlgorithm::Crc64Redis, value);
    digest.update(bytes);
    digest.get_state()
}

/// The same by one table: what `crc-fast` has for machines without its instructions is the tables of all its checksums, and these take
/// more of a page in a browser than all else.
#[cfg(target_family = "wasm")]
fn taken_up(value: u64, bytes: &[u8]) -> u64 {
    use crc::{CRC_64_REDIS, Crc, Table};

    static CRC: Crc<u64, Table<16>> = Crc::<u64, Table<16>>::new(&CRC_64_REDIS);
    // It takes a value to begin with in the form that is not reflected.
    let mut digest = CRC.digest_with_initial(value.reverse_bits());
    digest.update(bytes);
    digest.finalize()
}

/// Returns the product of two polynomials over GF(2) modulo the CRC's polynomial, all of them reflected.
pub(crate) const fn product(a: u64, b: u64) -> u64 {
    let mut sum = 0;
    let mut shifted = b;
    let mut rest = a;
    while rest != 0 {
        if rest & ONE != 0 {
            sum ^= shifted;
        }
        rest <<= 1;
        shifted = (shifted >> 1) ^ (POLYNOMIAL & (shifted & 1).wrapping_neg());
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_vectors() {
        assert_eq!(checksum(b""), 0);
        assert_eq!(checksum(b"123456789"), 0xE9C6_D914_C4B8_D9CA);
        assert_eq!(checksum(b"REDIS0011\xFF"), 0x6297_3874_8D8A_22C0);
        assert_eq!(POLYNOMIAL, 0xAD93_D235_94C9_35A9_u64.reverse_bits());
    }

    #[test]
    fn bytes_followed_by_their_checksum_sum_to_zero() {
        let mut file = b"REDIS0011\xFF".to_vec();
        file.extend(checksum(&file).to_le_bytes());
        assert_eq!(checksum(&file), 0);
    }

    #[test]
    fn combining_reaches_over_any_length() {
        let one = Crc64::from_value(checksum(b"\x01"));
        assert_eq!(one.combine(Crc64::new(), 0), one);
        for len in [1, 255, 1 << 32, u64::MAX] {
            let by_crate = crc_fast::checksum_combine(crc_fast::CrcAlgorithm::Crc64Redis, one.value(), 7, len);
            assert_eq!(one.combine(Crc64::from_value(7), len).value(), by_crate, "over {len} bytes");
        }
    }
}
