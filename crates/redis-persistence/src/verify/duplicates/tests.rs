//! Tables past their budget, in parts, on threads, and with one hash for all.

use super::*;

/// Places that lie near each other, without second hashes and with them.
fn forms() -> [Form; 2] {
    [false, true].map(|second| Form { key: HashKey::fixed(1), wide: false, second })
}

/// A multiplier that spreads small numbers over the hash range.
fn spread(i: u64) -> (u64, u32) {
    (i.wrapping_mul(0x9E37_79B9_7F4A_7C15), 0)
}

/// The groups that a table finds, in order.
fn groups(table: &mut Table) -> (Settled, Vec<Vec<u64>>) {
    let mut groups = Vec::new();
    let settled = table.settle(|places| groups.push(places.to_vec()));
    groups.sort_unstable();
    (settled, groups)
}

#[test]
fn finds_all_of_one_hash_in_small_and_large_tables() {
    for n in [10, 100_000] {
        let [narrow, checked] = forms();
        for form in [narrow, checked, Form { wide: true, ..checked }] {
            let mut table = Table::new(64 << 20, form);
            for i in 0..n {
                table.insert(spread(i), i);
            }
            table.insert(spread(3), n);
            table.insert(spread(3), n + 1);
            let (settled, found) = groups(&mut table);
            assert_eq!(found, [[3, n, n + 1]]);
            assert_eq!(settled, Settled { seen: n + 2, compared: n + 2, rest: None });
            assert_eq!(table.settle(|_| ()).seen, 0);
        }
    }
}

#[test]
fn second_hashes_have_to_agree() {
    for n in [10, 100_000] {
        let mut table = Table::new(64 << 20, forms()[1]);
        (0..n).for_each(|i| table.insert((spread(i).0, 1), i));
        for (second, place) in [(2, n), (1, n + 1), (2, n + 2)] {
            table.insert((spread(5).0, second), place);
        }
        assert_eq!(groups(&mut table).1, [[5, n + 1], [n, n + 2]]);
    }
}

#[test]
fn past_the_budget_the_lowest_hashes_are_kept_in_any_order() {
    for form in forms() {
        let budget = 60_000 * form.entry_bytes();
        let compared = |order: &mut dyn Iterator<Item = u64>| {
            let mut table = Table::new(budget, form);
            order.for_each(|i| table.insert(spread(i), i));
            groups(&mut table)
        };
        // Each twice.
        let place = |i: u64| i % 75_000;
        let both = |places: Vec<Vec<u64>>| places.concat();
        let table_of = |order: &mut dyn Iterator<Item = u64>| {
            let mut table = Table::new(budget, form);
            order.for_each(|i| table.insert(spread(place(i)), i));
            groups(&mut table)
        };
        let there = compared(&mut (0..150_000));
        assert_eq!(there, compared(&mut (0..150_000).rev()));
        assert_eq!((there.0.seen, there.0.compared, there.1.len()), (150_000, 40_000, 0));
        let there = table_of(&mut (0..150_000));
        assert_eq!(there, table_of(&mut (0..150_000).rev()));
        assert_eq!((there.0.compared, both(there.1).len()), (40_000, 40_000));
    }
}

#[test]
fn tables_after_one_another_compare_everything_once() {
    for capacity in [100, 20_000, 70_001] {
        let budget = capacity * ENTRY_BYTES;
        let (mut table, mut compared, mut pairs) = (Table::new(budget, forms()[0]), 0, 0);
        table.goes_on();
        loop {
            (0..1000 * capacity as u64 / 200).chain(0..10).for_each(|i| table.insert(spread(i), i));
            let settled = table.settle(|places| pairs += places.len() - 1);
            compared += settled.compared;
            let Some(rest) = settled.rest else { break };
            table = table.after(rest);
        }
        assert_eq!((compared, pairs), (5 * capacity as u64 + 10, 10));
    }
}

#[test]
fn parts_moved_together_drop_what_one_table_drops() {
    let [narrow, checked] = forms();
    for (budget, form) in [(1000, narrow), (20_000, narrow), (20_000, checked), (200_000, narrow)] {
        let budget = budget * form.entry_bytes();
        let (mut one, mut shared) = (Table::new(budget, form), Table::new(budget, form));
        for part in 0..10 {
            let mut table = if part % 2 == 0 { Table::new(budget, form) } else { Table::to_be_moved(budget, form) };
            for i in (0..100_000).filter(|i| i % 10 == part).chain([5]) {
                one.insert(spread(i), i);
                table.insert(spread(i), i);
            }
            table.pack();
            table.move_into(&mut shared);
            assert_eq!(table.settle(|_| ()).seen, 0);
        }
        let mut threaded = Vec::new();
        let settled = shared.settle_on(3, |places| threaded.push(places.to_vec()));
        threaded.sort_unstable();
        assert_eq!(groups(&mut one), (settled, threaded));
    }
}

#[test]
fn of_one_hash_the_first_in_the_file_are_kept_in_any_order() {
    let budget = 10_000 * ENTRY_BYTES;
    for hash in [0, 12_345 << 32, u64::MAX] {
        let kept = |order: &mut dyn Iterator<Item = u64>| {
            let mut table = Table::new(budget, forms()[0]);
            order.for_each(|place| {
                table.insert((hash, 0), place);
                assert!(table.len * ENTRY_BYTES <= budget + FLAT * ENTRY_BYTES);
            });
            groups(&mut table)
        };
        let (settled, there) = kept(&mut (0..100_000));
        assert_eq!(there, [(0..6666).collect::<Vec<_>>()]);
        assert_eq!((settled.seen, settled.compared), (100_000, 6666));
        assert_eq!(kept(&mut (0..100_000).rev()), (settled, there));
    }
}

#[test]
fn few_hashes_for_all_are_settled_in_parts() {
    let budget = 1_000_000 * ENTRY_BYTES;
    for hashes in [1, 2, 3, 70_000] {
        let mut table = Table::new(budget, forms()[0]);
        // All in one partition, and alike in the bits that the filter looks at.
        (0..300_000).for_each(|place| table.insert(((place % hashes) << 24, 0), place));
        let (settled, found) = groups(&mut table);
        assert_eq!((settled.compared, found.len() as u64), (300_000, hashes));
        for (hash, places) in (0..).zip(found) {
            assert!(places.into_iter().eq((hash..300_000).step_by(usize::try_from(hashes).expect("few"))));
        }
    }
}
