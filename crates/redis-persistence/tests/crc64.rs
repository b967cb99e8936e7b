//! The running CRC against its definition, bit by bit.

use proptest::prelude::*;
use redis_persistence::crc64::{Crc64, checksum};

fn bit_by_bit(bytes: &[u8]) -> u64 {
    let mut crc = 0_u64;
    for &byte in bytes {
        crc ^= u64::from(byte);
        for _ in 0..8 {
            let low = crc & 1;
            crc >>= 1;
            if low == 1 {
                crc ^= 0x95AC_9329_AC4B_C9B5;
            }
        }
    }
    crc
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn equals_its_definition_in_any_pieces(
        bytes in prop::collection::vec(any::<u8>(), 0..3000),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..5),
    ) {
        let expected = bit_by_bit(&bytes);
        prop_assert_eq!(checksum(&bytes), expected);

        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let mut updated = Crc64::new();
        let mut combined = Crc64::new();
        for pair in cuts.windows(2) {
            let piece = &bytes[pair[0]..pair[1]];
            updated.update(piece);
            combined = combined.combine(Crc64::from_value(checksum(piece)), piece.len() as u64);
        }
        prop_assert_eq!(updated.value(), expected);
        prop_assert_eq!(combined.value(), expected);
        prop_assert_eq!(Crc64::from_value(updated.value()), updated);
    }
}
