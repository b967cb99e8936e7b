//! The running CRC against its definition, bit by bit.

use proptest::prelude::*;
use redis_persistence::crc64::{Crc64, checksum};

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn equals_its_definition_in_any_pieces(
        bytes in prop::collection::vec(any::<u8>(), 0..3000),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..5),
    ) {
        let expected = testkit::crc64::crc64(&bytes);
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
