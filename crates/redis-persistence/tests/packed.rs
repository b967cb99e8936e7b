//! The packed encodings against naive decoders: random values, damaged blobs, any bytes.

use proptest::prelude::*;
use redis_persistence::rdb::packed::{IntText, Intset, Listpack, PackedEntry, PackedError, Ziplist, Zipmap};
use testkit::rdb::{self, Item, LpForm};

type Entries<'a> = Result<Vec<PackedEntry<'a>>, PackedError>;

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

fn items(entries: &Entries<'_>) -> Option<Vec<Vec<u8>>> {
    let mut buffer = IntText::new();
    Some(entries.as_ref().ok()?.iter().map(|entry| entry.value.text(&mut buffer).to_vec()).collect())
}

fn naive_items(items: Option<Vec<Item>>) -> Option<Vec<Vec<u8>>> {
    items.map(|items| items.iter().map(Item::text).collect())
}

fn listpack(blob: &[u8]) -> Entries<'_> {
    Listpack::new(blob)?.iter().collect()
}

fn ziplist(blob: &[u8]) -> Entries<'_> {
    Ziplist::new(blob)?.iter().collect()
}

/// The entries lie one behind the other, from the header to the terminator.
fn check_places(entries: &[PackedEntry<'_>], header: usize, blob: &[u8]) -> Result<(), TestCaseError> {
    let end = entries.iter().try_fold(header, |at, entry| {
        prop_assert_eq!(entry.at, at);
        prop_assert!(entry.end > at);
        Ok(entry.end)
    })?;
    prop_assert_eq!(end + 1, blob.len());
    Ok(())
}

fn check_listpack(blob: &[u8]) -> Result<(), TestCaseError> {
    let entries = listpack(blob);
    let naive = rdb::naive_listpack(blob);
    prop_assert_eq!(items(&entries), naive_items(naive));
    if let Ok(list) = Listpack::with_any_header(blob) {
        let mut reversed: Vec<_> = list.rev_from_end().collect();
        prop_assert!(reversed.len() <= blob.len());
        prop_assert!(list.iter().count() <= blob.len());
        if let Ok(entries) = &entries {
            reversed.reverse();
            prop_assert_eq!(reversed, entries.iter().copied().map(Ok).collect::<Vec<_>>());
        }
    }
    match entries {
        Ok(entries) => {
            check_places(&entries, 6, blob)?;
            let mut writer = rdb::Listpack::new();
            let mut buffer = IntText::new();
            entries.iter().for_each(|entry| _ = writer.push(entry.value.text(&mut buffer)));
            let rewritten = writer.finish();
            prop_assert_eq!(entries.iter().all(|entry| entry.canonical), rewritten[6..] == blob[6..]);
        }
        Err(error) => prop_assert!(error.start <= error.failed_at && error.failed_at <= blob.len()),
    }
    Ok(())
}

fn check_ziplist(blob: &[u8]) -> Result<(), TestCaseError> {
    let entries = ziplist(blob);
    // The naive decoder wants the offset of the last entry to be right in an empty list too.
    let lenient = entries.as_ref().is_ok_and(Vec::is_empty) && blob[4] != 10;
    if !lenient {
        prop_assert_eq!(items(&entries), naive_items(rdb::naive_ziplist(blob)));
    }
    if let Ok(list) = Ziplist::with_any_header(blob) {
        let mut reversed: Vec<_> = list.rev_from_end().collect();
        prop_assert!(reversed.len() <= blob.len());
        prop_assert!(list.iter().count() <= blob.len());
        if let Ok(entries) = &entries {
            reversed.reverse();
            prop_assert_eq!(reversed, entries.iter().copied().map(Ok).collect::<Vec<_>>());
        }
    }
    match entries {
        Ok(entries) => check_places(&entries, 10, blob)?,
        Err(error) => prop_assert!(error.start <= error.failed_at && error.failed_at <= blob.len()),
    }
    Ok(())
}

/// The naive decoder also judges the order, which is not the encoding's business.
fn check_intset(blob: &[u8]) -> Result<(), TestCaseError> {
    let naive = rdb::naive_intset(blob);
    let numbers = Intset::new(blob).map(|set| set.iter().filter_map(|entry| entry.value.as_int()).collect::<Vec<_>>());
    let ascending = numbers.ok().filter(|numbers| !numbers.is_empty() && numbers.is_sorted_by(|a, b| a < b));
    prop_assert_eq!(ascending, naive);
    Ok(())
}

/// The naive decoder also judges duplicates, emptiness and hidden bytes.
fn check_zipmap(blob: &[u8]) -> Result<(), TestCaseError> {
    let naive = rdb::naive_zipmap(blob);
    let mut strict = None;
    if let Ok(map) = Zipmap::new(blob) {
        let mut iter = map.iter();
        let pairs: Result<Vec<_>, PackedError> = iter.by_ref().collect();
        match pairs {
            Ok(pairs) => {
                let mut keys: Vec<_> = pairs.iter().map(|pair| pair.key).collect();
                keys.sort_unstable();
                if !pairs.is_empty() && iter.hidden() == 0 && keys.is_sorted_by(|a, b| a < b) {
                    strict = Some(pairs.iter().map(|pair| (pair.key.to_vec(), pair.value.to_vec())).collect());
                }
            }
            Err(error) => prop_assert!(error.start <= error.failed_at && error.failed_at <= blob.len()),
        }
    }
    prop_assert_eq!(strict, naive);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(mut blob in prop::collection::vec(any::<u8>(), 0..60), mend in any::<bool>()) {
        Damage::None.apply(&mut blob, mend);
        check_listpack(&blob)?;
        check_ziplist(&blob)?;
        check_intset(&blob)?;
        check_zipmap(&blob)?;
    }

    #[test]
    fn listpacks(texts in texts(), damage in damage(), mend in any::<bool>()) {
        let mut blob = rdb::Listpack::of(&texts);
        prop_assert_eq!(items(&listpack(&blob)), Some(texts));
        check_listpack(&blob)?;
        damage.apply(&mut blob, mend);
        check_listpack(&blob)?;
    }

    #[test]
    fn listpacks_in_any_form(elements in prop::collection::vec((any::<i64>(), 0..64_u32, any_form()), 0..20)) {
        let mut writer = rdb::Listpack::new();
        for (number, shift, form) in elements {
            writer.push_as(form, (number >> shift).to_string().as_bytes());
        }
        check_listpack(&writer.finish())?;
    }

    #[test]
    fn ziplists(texts in texts(), version in 5..7_u32, damage in damage(), mend in any::<bool>()) {
        let mut blob = rdb::Ziplist::of(version, &texts);
        let entries = ziplist(&blob);
        prop_assert!(entries.as_ref().is_ok_and(|entries| entries.iter().all(|entry| entry.canonical)));
        prop_assert_eq!(items(&entries), Some(texts));
        check_ziplist(&blob)?;
        damage.apply(&mut blob, mend);
        check_ziplist(&blob)?;
    }

    #[test]
    fn intsets(numbers in prop::collection::btree_set((any::<i64>(), 0..64_u32), 1..20), damage in damage()) {
        let mut numbers: Vec<i64> = numbers.iter().map(|(number, shift)| number >> shift).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let mut blob = rdb::Intset::of(&numbers);
        check_intset(&blob)?;
        damage.apply(&mut blob, false);
        check_intset(&blob)?;
    }

    #[test]
    fn zipmaps(pairs in prop::collection::vec((0..300_usize, 0..300_usize, 0..6_usize), 1..8), damage in damage()) {
        let mut writer = rdb::Zipmap::new();
        for (key, value, free) in pairs {
            writer.pair_with_free(&vec![b'k'; key], &vec![b'v'; value], &vec![0; free]);
        }
        let mut blob = writer.finish();
        check_zipmap(&blob)?;
        damage.apply(&mut blob, false);
        check_zipmap(&blob)?;
    }
}
