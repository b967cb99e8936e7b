use testkit::rdb::{ModuleOp, Quantisation, RdbWriter, VectorSet, module_id};
use testkit::rng::Rng;

use crate::base::limits::Limits;
use crate::report::codes::Code;
use crate::report::facts::Visibility;
use crate::verify::value::testing::{Checked, check, check_within};

/// Signature, type, name `k` of the key, and the module's id.
const HEAD: u64 = 9 + 1 + 2 + 9;

fn file(id: u64, ops: &[ModuleOp]) -> Vec<u8> {
    let mut w = RdbWriter::redis(12);
    w.key(7, b"k").len(id).module_stream(ops);
    w.finish()
}

fn of(set: &VectorSet) -> Checked {
    check(&file(module_id("vectorset", 0), &set.ops()))
}

/// The items of the chain of so many, one of them another one.
fn with(count: u64, at: usize, op: ModuleOp) -> Checked {
    let mut ops = VectorSet::chain(count).ops();
    ops[at] = op;
    check(&file(module_id("vectorset", 0), &ops))
}

#[test]
fn sound_ones() {
    for seed in 0..200 {
        let set = VectorSet::arbitrary(&mut Rng::new(seed), 40);
        let checked = of(&set);
        let noted = if set.versioned { vec![Code::VectorsetIndex] } else { Vec::new() };
        assert_eq!((checked.codes(), checked.elements), (noted, vec![set.elements.len() as u64]), "{set:?}");
        assert!(checked.suspects.is_empty());
    }
}

#[test]
fn other_modules_may_hold_anything() {
    let checked = check(&file(module_id("testkit-1", 0), &[ModuleOp::Uint(3)]));
    assert_eq!((checked.codes(), checked.elements), (vec![], vec![1]));
}

#[test]
fn the_head() {
    let invalid = |at: usize, number: u64, offset: u64| {
        let checked = with(2, at, ModuleOp::Uint(number));
        assert_eq!(checked.places().first(), Some(&(Code::VectorsetInvalid, HEAD + offset, HEAD + offset)), "{at}");
    };
    // One element more than there are: the end of the stream.
    let end = file(module_id("vectorset", 0), &VectorSet::chain(2).ops()).len() as u64 - 9 - 1 - HEAD;
    invalid(1, 3, end);
    // One less: the name of the second.
    invalid(1, 1, 9 + 4 + 5 + 2 + 20);
    invalid(2, 16 << 8 | 3, 4);
    assert_eq!(with(2, 0, ModuleOp::Uint(4)).codes(), [Code::VectorsetInvalid, Code::VectorsetInvalid]);
    assert!(with(1, 0, ModuleOp::Uint(70_000)).codes().starts_with(&[Code::VectorsetDimension]));
    let version = check(&file(module_id("vectorset", 1), &VectorSet::chain(2).ops()));
    assert_eq!(version.places(), [(Code::VectorsetInvalid, 12, 12)]);
    for op in [ModuleOp::Sint(3), ModuleOp::Double(3.0), ModuleOp::Str(b"3".to_vec())] {
        assert_eq!(with(2, 0, op).places(), [(Code::VectorsetInvalid, HEAD, HEAD)]);
    }
}

#[test]
fn what_servers_read_but_never_write() {
    for (at, number) in [(0, (1 << 32) + 3), (2, 3 << 8 | 1), (3, 4)] {
        let checked = with(2, at, ModuleOp::Uint(number));
        assert_eq!(checked.codes(), [Code::VectorsetInvalid], "{at}");
    }
    let mut findings = crate::report::collector::Collector::new(1);
    findings.add(
        Code::VectorsetInvalid,
        crate::report::collector::Location::at(0).detail(Visibility::Lenient),
        String::new,
    );
    assert!(findings.take_classes().keys().all(|class| class.detail == Visibility::Lenient));
}

#[test]
fn an_empty_one() {
    assert_eq!(of(&VectorSet::chain(0)).places(), [(Code::VectorsetEmpty, HEAD + 2, HEAD + 2)]);
}

#[test]
fn vectors_and_matrices() {
    let mut set = VectorSet::chain(3);
    set.elements[1].vector.push(0);
    let checked = of(&set);
    assert_eq!(checked.codes(), [Code::VectorsetInvalid]);
    assert_eq!(checked.findings[0].element, Some(1));
    let mut set = VectorSet::chain(3);
    set.quantisation = Quantisation::Bit;
    assert_eq!(of(&set).codes(), [Code::VectorsetInvalid; 3]);
    set.elements.iter_mut().for_each(|element| element.vector = vec![0; 8]);
    assert_eq!(of(&set).codes(), []);
    set.projection = Some((4, vec![0; 4 * 3 * 4]));
    assert_eq!(of(&set).codes(), []);
    set.projection = Some((4, vec![0; 4 * 3 * 4 - 1]));
    assert_eq!(of(&set).codes(), [Code::VectorsetProjection]);
    set.projection = Some((2, vec![0; 2 * 3 * 4]));
    assert_eq!(of(&set).codes(), [Code::VectorsetDimension]);
}

#[test]
fn ids_and_names() {
    let mut set = VectorSet::chain(3);
    set.elements[0].name = b"e2".to_vec();
    assert_eq!(of(&set).suspects.len(), 1);
    let mut set = VectorSet::chain(2);
    set.elements.iter_mut().for_each(|element| (element.id, element.levels[0].1) = (7, Vec::new()));
    assert_eq!(of(&set).codes(), [Code::VectorsetDuplicate]);
    set.elements.truncate(1);
    set.elements[0].id = 0;
    assert_eq!(of(&set).codes(), [Code::VectorsetDuplicate]);
}

#[test]
fn links_that_are_not_mutual() {
    let links = |edit: fn(&mut VectorSet)| {
        let mut set = VectorSet::chain(4);
        edit(&mut set);
        let checked = of(&set);
        (checked.codes(), checked.findings[0].element)
    };
    // The elements are those of the ids 4, 3, 2, 1.
    assert_eq!(links(|set| _ = set.elements[0].levels[0].1.pop()), (vec![Code::VectorsetLinks], Some(1)));
    assert_eq!(links(|set| set.elements[3].levels[0].1.push(99)), (vec![Code::VectorsetInvalid], Some(3)));
    assert_eq!(links(|set| set.elements[3].levels[0].1.push(1)), (vec![Code::VectorsetLinks], Some(3)));
    assert_eq!(links(|set| set.elements[3].levels[0].1.push(2)), (vec![Code::VectorsetLinks], Some(3)));
    assert_eq!(links(|set| set.elements[3].levels[0].0 = 0), (vec![Code::VectorsetLinks], Some(3)));
    assert_eq!(links(|set| set.elements[3].levels[0].0 = 20_000), (vec![Code::VectorsetLinks], Some(3)));
    // Up to another level.
    let up = |set: &mut VectorSet| set.elements[3].levels.push((16, vec![2]));
    assert_eq!(links(up), (vec![Code::VectorsetLinks], Some(3)));
}

#[test]
fn parameters() {
    let at = |at: usize, number: u64| with(1, at, ModuleOp::Uint(number)).codes();
    // Head of 4, name, vector, count, id, level, count of links, most, norm.
    assert_eq!(at(6, 4), [Code::VectorsetInvalid]);
    assert_eq!(at(6, 0), [Code::VectorsetInvalid]);
    assert_eq!(at(6, 6), [Code::VectorsetInvalid]);
    assert_eq!(at(6, 1 << 62), [Code::VectorsetInvalid]);
    // The norm is taken for a count of links, of 64 bits.
    assert_eq!(at(8, 1), [Code::VectorsetInvalid, Code::VectorsetInvalid]);
    assert_eq!(at(8, 2 << 24), [Code::VectorsetInvalid]);
    assert_eq!(at(8, 1 << 24), [Code::VectorsetIndex, Code::VectorsetInvalid]);
    assert_eq!(at(9, u64::MAX), [Code::VectorsetInvalid, Code::VectorsetInvalid]);
}

#[test]
fn memory_has_an_end() {
    let mut set = VectorSet::chain(4000);
    let limits = |bytes| Limits { duplicate_bytes: bytes, ..Limits::default() };
    let check = |set: &VectorSet, bytes| check_within(&file(module_id("vectorset", 0), &set.ops()), &limits(bytes));
    assert_eq!(check(&set, 1 << 20).codes(), []);
    // Ids with gaps take room.
    for element in &mut set.elements {
        element.id *= 10;
        element.levels[0].1.iter_mut().for_each(|id| *id *= 10);
    }
    let codes = check(&set, 1 << 10).codes();
    assert!(codes.contains(&Code::VectorsetUnchecked) && !codes.contains(&Code::VectorsetInvalid), "{codes:?}");
    // Which link it is is not known, but that there is one.
    set.elements[2000].levels[0].1.pop();
    assert!(check(&set, 1 << 10).codes().contains(&Code::VectorsetInvalid));
}
