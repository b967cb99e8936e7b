//! The running CRC against its definition, bit by bit.

use proptest::prelude::*;
use redis_persistence::Limits;
use redis_persistence::crc64::{Crc64, checksum};
use redis_persistence::push::Push;
use redis_persistence::reader::Reader;
use testkit::rdb::RdbWriter;

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

/// A reader's sum is that of the bytes up to its place, wherever that is, and behind the records of what follows them not a byte.
#[test]
fn a_reader_sums_up_to_its_place() -> Result<(), Box<dyn std::error::Error>> {
    let mut w = RdbWriter::redis(11);
    w.select_db(0).string_key(b"a", b"one").string_key(b"b", &[b'x'; 70_000]).string_key(b"c", b"three");
    let image = w.finish();
    let bytes = [&image[..], b"*1\r\n$4\r\nPING\r\n"].concat();
    let mut reader = Reader::new(&bytes[..]);
    let mut places = 0;
    loop {
        let is_over = reader.next()?.is_none();
        let at = usize::try_from(reader.offset())?;
        assert_eq!(reader.crc(), testkit::crc64::crc64(&bytes[..at]), "at byte {at}");
        places += 1;
        if is_over {
            assert_eq!(at, image.len());
            break;
        }
    }
    assert!(places > 5, "{places} places");
    Ok(())
}

/// What is pushed is done with the last byte of the sum, and not before.
#[test]
fn a_push_is_done_at_the_end_of_the_records() -> Result<(), Box<dyn std::error::Error>> {
    let mut w = RdbWriter::redis(11);
    w.select_db(0).string_key(b"a", b"one");
    let image = w.finish();
    let mut push = Push::new(Limits::default());
    for (at, byte) in image.iter().enumerate() {
        assert!(!push.is_done(), "before byte {at} of {}", image.len());
        push.feed(&[*byte], |_, _| {})?;
    }
    assert!(push.is_done());
    Ok(())
}
