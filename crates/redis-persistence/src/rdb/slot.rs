//! Cluster slots: CRC-16 of the key's hash tag, modulo 16384.

/// Number of slots.
pub(crate) const SLOTS: u64 = 16384;

/// Returns the slot of a key.
pub(crate) fn of_key(key: &[u8]) -> u64 {
    u64::from(crc16(tag(key))) % SLOTS
}

/// Returns what lies between the first `{` and the next `}`, if it is not empty; else the whole key.
fn tag(key: &[u8]) -> &[u8] {
    let Some(open) = key.iter().position(|b| *b == b'{') else { return key };
    match key[open + 1..].iter().position(|b| *b == b'}') {
        None | Some(0) => key,
        Some(len) => &key[open + 1..open + 1 + len],
    }
}

/// CRC-16/XMODEM: polynomial 0x1021, initial value 0.
fn crc16(bytes: &[u8]) -> u16 {
    const TABLE: [u16; 256] = {
        let mut table = [0; 256];
        let mut i: u16 = 0;
        while i < 256 {
            let mut crc = i << 8;
            let mut bit = 0;
            while bit < 8 {
                crc = if crc & 0x8000 != 0 { crc << 1 ^ 0x1021 } else { crc << 1 };
                bit += 1;
            }
            table[i as usize] = crc;
            i += 1;
        }
        table
    };
    bytes.iter().fold(0, |crc, byte| crc << 8 ^ TABLE[usize::from((crc >> 8) as u8 ^ byte)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_of_known_keys() {
        // 0x31C3 is the check value that CRC catalogues give for XMODEM.
        assert_eq!(crc16(b"123456789"), 0x31C3);
        assert_eq!(of_key(b"123456789"), 12739);
        assert_eq!(of_key(b"foo{123456789}bar"), 12739);
        assert_eq!(of_key(b"{}x"), u64::from(crc16(b"{}x")) % SLOTS);
        assert_eq!(of_key(b"a{b"), u64::from(crc16(b"a{b")) % SLOTS);
    }
}
