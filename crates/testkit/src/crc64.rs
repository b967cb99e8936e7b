//! CRC-64 as RDB files carry it: polynomial `AD93D23594C935A9`, reflected, start and final xor zero.
//!
//! One bit at a time, so that nothing but the definition stands in it.

/// The polynomial with its bits in reverse order, as a register that shifts right needs it.
const REFLECTED: u64 = 0x95AC_9329_AC4B_C9B5;

/// The checksum of `bytes`.
///
/// ```
/// assert_eq!(testkit::crc64::crc64(b"123456789"), 0xE9C6_D914_C4B8_D9CA);
/// ```
#[must_use]
pub fn crc64(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |crc, &byte| {
        let mut register = crc ^ u64::from(byte);
        for _ in 0..8 {
            let carry = register & 1;
            register >>= 1;
            if carry == 1 {
                register ^= REFLECTED;
            }
        }
        register
    })
}

#[cfg(test)]
mod tests {
    use super::crc64;

    #[test]
    fn known_values() {
        assert_eq!(crc64(b""), 0);
        assert_eq!(crc64(b"123456789"), 0xE9C6_D914_C4B8_D9CA);
        assert_eq!(crc64(b"REDIS0011\xFF"), 0x6297_3874_8D8A_22C0);
    }
}
