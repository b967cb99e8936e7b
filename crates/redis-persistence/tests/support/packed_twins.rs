//! Holds the packed encodings against the naive decoders of testkit.

use redis_persistence::rdb::packed::{IntText, Intset, Listpack, PackedEntry, PackedError, Ziplist, Zipmap};
use testkit::rdb::{self, Item};

type Entries<'a> = Result<Vec<PackedEntry<'a>>, PackedError>;

pub fn items(entries: &Entries<'_>) -> Option<Vec<Vec<u8>>> {
    let mut buffer = IntText::new();
    Some(entries.as_ref().ok()?.iter().map(|entry| entry.value.text(&mut buffer).to_vec()).collect())
}

fn naive_items(items: Option<Vec<Item>>) -> Option<Vec<Vec<u8>>> {
    items.map(|items| items.iter().map(Item::text).collect())
}

pub fn listpack(blob: &[u8]) -> Entries<'_> {
    Listpack::new(blob)?.iter().collect()
}

pub fn ziplist(blob: &[u8]) -> Entries<'_> {
    Ziplist::new(blob)?.iter().collect()
}

/// The entries lie one behind the other, from the header to the terminator.
fn check_places(entries: &[PackedEntry<'_>], header: usize, blob: &[u8]) {
    let end = entries.iter().fold(header, |at, entry| {
        assert_eq!(entry.at, at);
        assert!(entry.end > at);
        entry.end
    });
    assert_eq!(end + 1, blob.len());
}

pub fn check_listpack(blob: &[u8]) {
    let entries = listpack(blob);
    let naive = rdb::naive_listpack(blob);
    assert_eq!(items(&entries), naive_items(naive));
    if let Ok(list) = Listpack::with_any_header(blob) {
        let mut reversed: Vec<_> = list.rev_from_end().collect();
        assert!(reversed.len() <= blob.len());
        assert!(list.iter().count() <= blob.len());
        if let Ok(entries) = &entries {
            reversed.reverse();
            assert_eq!(reversed, entries.iter().copied().map(Ok).collect::<Vec<_>>());
        }
    }
    match entries {
        Ok(entries) => {
            check_places(&entries, 6, blob);
            let mut writer = rdb::Listpack::new();
            let mut buffer = IntText::new();
            entries.iter().for_each(|entry| _ = writer.push(entry.value.text(&mut buffer)));
            let rewritten = writer.finish();
            assert_eq!(entries.iter().all(|entry| entry.canonical), rewritten[6..] == blob[6..]);
        }
        Err(error) => assert!(error.start <= error.failed_at && error.failed_at <= blob.len()),
    }
}

pub fn check_ziplist(blob: &[u8]) {
    let entries = ziplist(blob);
    // The naive decoder wants the offset of the last entry to be right in an empty list too.
    let lenient = entries.as_ref().is_ok_and(Vec::is_empty) && blob[4] != 10;
    if !lenient {
        assert_eq!(items(&entries), naive_items(rdb::naive_ziplist(blob)));
    }
    if let Ok(list) = Ziplist::with_any_header(blob) {
        let mut reversed: Vec<_> = list.rev_from_end().collect();
        assert!(reversed.len() <= blob.len());
        assert!(list.iter().count() <= blob.len());
        if let Ok(entries) = &entries {
            reversed.reverse();
            assert_eq!(reversed, entries.iter().copied().map(Ok).collect::<Vec<_>>());
        }
    }
    match entries {
        Ok(entries) => check_places(&entries, 10, blob),
        Err(error) => assert!(error.start <= error.failed_at && error.failed_at <= blob.len()),
    }
}

/// The naive decoder also judges the order, which is not the encoding's business.
pub fn check_intset(blob: &[u8]) {
    let naive = rdb::naive_intset(blob);
    let numbers = Intset::new(blob).map(|set| set.iter().filter_map(|entry| entry.value.as_int()).collect::<Vec<_>>());
    let ascending = numbers.ok().filter(|numbers| !numbers.is_empty() && numbers.is_sorted_by(|a, b| a < b));
    assert_eq!(ascending, naive);
}

/// The naive decoder also judges duplicates, emptiness and hidden bytes.
pub fn check_zipmap(blob: &[u8]) {
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
            Err(error) => assert!(error.start <= error.failed_at && error.failed_at <= blob.len()),
        }
    }
    assert_eq!(strict, naive);
}
