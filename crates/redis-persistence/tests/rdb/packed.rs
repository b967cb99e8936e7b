//! The packed encodings against naive decoders: random values, damaged blobs, any bytes.

use crate::packed_twins;

use packed_twins::{check_intset, check_listpack, check_ziplist, check_zipmap, items, listpack, ziplist};
use proptest::prelude::*;
use testkit::rdb::{self, LpForm};

/// What happens to a sound blob.
#[derive(Debug, Clone)]
enum Damage {
    None,
    Byte(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Insert(prop::sample::Index, Vec<u8>),
}

impl Damage {
    /// Does it, and mends the size in the header if `mend`, so that what follows is looked at.
    fn apply(&self, blob: &mut Vec<u8>, mend: bool) {
        match self {
            Self::None => {}
            Self::Byte(place, byte) => {
                let place = place.index(blob.len());
                blob[place] = *byte;
            }
            Self::Cut(place) => blob.truncate(place.index(blob.len())),
            Self::Insert(place, bytes) => {
                let place = place.index(blob.len());
                blob.splice(place..place, bytes.iter().copied());
            }
        }
        let size = u32::try_from(blob.len()).expect("a small blob").to_le_bytes();
        if let (true, Some(stated)) = (mend, blob.first_chunk_mut()) {
            *stated = size;
            if let Some(last) = blob.last_mut() {
                *last = 0xFF;
            }
        }
    }
}

fn damage() -> impl Strategy<Value = Damage> {
    use prop::sample::Index;
    prop_oneof![
        1 => Just(Damage::None),
        4 => (any::<Index>(), any::<u8>()).prop_map(|(place, byte)| Damage::Byte(place, byte)),
        1 => any::<Index>().prop_map(Damage::Cut),
        1 => (any::<Index>(), prop::collection::vec(any::<u8>(), 1..4)).prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
    ]
}

/// Texts at which encodings switch.
fn texts() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let number = (any::<i64>(), 0..64_u32).prop_map(|(number, shift)| (number >> shift).to_string().into_bytes());
    let string = prop::collection::vec(any::<u8>(), 0..70);
    let long = prop_oneof![60..70_usize, 120..130_usize, 250..260_usize, 4090..4100_usize, 16370..16390_usize]
        .prop_map(|len| vec![b'x'; len]);
    let digits = "-?[0-9]{1,21}".prop_map(String::into_bytes);
    prop::collection::vec(prop_oneof![6 => number, 6 => string, 1 => long, 3 => digits], 0..20)
}

fn any_form() -> impl Strategy<Value = LpForm> {
    use LpForm::{Int13, Int16, Int24, Int32, Int64, Str6, Str12, Str32, Uint7};
    prop::sample::select(vec![Uint7, Int13, Int16, Int24, Int32, Int64, Str6, Str12, Str32])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(mut blob in prop::collection::vec(any::<u8>(), 0..60), mend in any::<bool>()) {
        Damage::None.apply(&mut blob, mend);
        check_listpack(&blob);
        check_ziplist(&blob);
        check_intset(&blob);
        check_zipmap(&blob);
    }

    #[test]
    fn listpacks(texts in texts(), damage in damage(), mend in any::<bool>()) {
        let mut blob = rdb::Listpack::of(&texts);
        prop_assert_eq!(items(&listpack(&blob)), Some(texts));
        check_listpack(&blob);
        damage.apply(&mut blob, mend);
        check_listpack(&blob);
    }

    #[test]
    fn listpacks_in_any_form(elements in prop::collection::vec((any::<i64>(), 0..64_u32, any_form()), 0..20)) {
        let mut writer = rdb::Listpack::new();
        for (number, shift, form) in elements {
            writer.push_as(form, (number >> shift).to_string().as_bytes());
        }
        check_listpack(&writer.finish());
    }

    #[test]
    fn ziplists(texts in texts(), version in 5..7_u32, damage in damage(), mend in any::<bool>()) {
        let mut blob = rdb::Ziplist::of(version, &texts);
        let entries = ziplist(&blob);
        prop_assert!(entries.as_ref().is_ok_and(|entries| entries.iter().all(|entry| entry.canonical)));
        prop_assert_eq!(items(&entries), Some(texts));
        check_ziplist(&blob);
        damage.apply(&mut blob, mend);
        check_ziplist(&blob);
    }

    #[test]
    fn intsets(numbers in prop::collection::btree_set((any::<i64>(), 0..64_u32), 1..20), damage in damage()) {
        let mut numbers: Vec<i64> = numbers.iter().map(|(number, shift)| number >> shift).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let mut blob = rdb::Intset::of(&numbers);
        check_intset(&blob);
        damage.apply(&mut blob, false);
        check_intset(&blob);
    }

    #[test]
    fn zipmaps(pairs in prop::collection::vec((0..300_usize, 0..300_usize, 0..6_usize), 1..8), damage in damage()) {
        let mut writer = rdb::Zipmap::new();
        for (key, value, free) in pairs {
            writer.pair_with_free(&vec![b'k'; key], &vec![b'v'; value], &vec![0; free]);
        }
        let mut blob = writer.finish();
        check_zipmap(&blob);
        damage.apply(&mut blob, false);
        check_zipmap(&blob);
    }
}
