use super::*;
use crate::base::limits::Limits;
use crate::verify::value::testing::{Checked, check, check_within};
use testkit::rdb::{Family, File, Listpack as Lp, RdbWriter, StrForm, TemplateNames, Value};
use testkit::rng::Rng;

/// A file with template 3 (`a`, `bb`), which begins at byte 9 and ends at 17, and a key `k` whose value begins at 20.
fn with_template(type_byte: u8, value: &[u8]) -> Checked {
    let mut w = RdbWriter::redis(15);
    w.hash_template(3, &["a", "bb"]).key(type_byte, b"k").raw(value);
    check(&w.finish())
}

/// A file of one key whose value begins at byte 12.
fn alone(type_byte: u8, value: &[u8]) -> Vec<(Code, u64, u64)> {
    let mut w = RdbWriter::redis(15);
    w.key(type_byte, b"k").raw(value);
    check(&w.finish()).places()
}

fn raw(blob: &[u8]) -> Vec<u8> {
    StrForm::Raw.encode(blob)
}

#[test]
fn sound_template_hashes() {
    let mut rng = Rng::new(24);
    for budget in [0, 100, 2000] {
        let file = File::arbitrary_of(&mut rng, Family::Redis, 15, budget, &[30, 32]);
        let checked = check(&file.encode().bytes);
        assert!(checked.serious().is_empty(), "{:?}", checked.serious());
    }
    let names = || vec![b"age".to_vec(), b"name".to_vec()];
    let values = || vec![b"30".to_vec(), b"bob".to_vec()];
    let mut w = RdbWriter::redis(15);
    for (i, names) in [TemplateNames::Listpack(names()), TemplateNames::Strings(names())].into_iter().enumerate() {
        Value::HashTmplLp { names: names.clone(), id: 0, values: values() }
            .encode(w.key(29, format!("{i}").as_bytes()));
        Value::HashTmplArray { names, values: values() }.encode(w.key(31, format!("{i}").as_bytes()));
    }
    let checked = check(&w.finish());
    assert_eq!((checked.places(), checked.elements), (vec![], vec![2, 2, 2, 2]));
}

#[test]
fn values_by_reference() {
    let good = with_template(30, &raw(&Lp::of(["3", "x", "y"])));
    assert_eq!((good.places(), good.elements), (vec![], vec![2]));
    let good = with_template(32, b"\x03\x01x\x01y");
    assert_eq!((good.places(), good.elements), (vec![], vec![2]));
    let unused = (Code::TemplateUnused, 9, 9);
    let refused = |items: &[&str], want: &[(Code, u64, u64)]| {
        assert_eq!(with_template(30, &raw(&Lp::of(items))).places(), want);
    };
    refused(&["4", "x", "y"], &[unused, (Code::TemplateUnknown, 27, 27)]);
    refused(&["-1", "x", "y"], &[unused, (Code::TemplateHashInvalid, 27, 27)]);
    refused(&["id", "x", "y"], &[unused, (Code::TemplateHashInvalid, 27, 27)]);
    refused(&[], &[unused, (Code::TemplateHashInvalid, 20, 20)]);
    refused(&["3", "x"], &[(Code::TemplateHashInvalid, 20, 20)]);
    let bad = with_template(30, &raw(&Lp::new().push(b"3").push_raw(&[0xF5], &[1]).finish()));
    assert_eq!(bad.places(), [(Code::ListpackBadEncoding, 29, 29)]);
}

#[test]
fn names_beside_the_values() {
    let names = |names: &[&str]| [b"\0", &raw(&Lp::of(names))[..]].concat();
    let values = raw(&Lp::of(["9", "x", "y"]));
    let lp = |fields: Vec<u8>| alone(29, &[fields, values.clone()].concat());
    assert_eq!(lp(names(&["a", "bb"])), []);
    assert_eq!(lp(names(&["bb", "a"])), [(Code::TemplateHashInvalid, 24, 24)]);
    assert_eq!(lp(names(&["a", "a"])), [(Code::TemplateHashInvalid, 23, 23)]);
    assert_eq!(lp(names(&["a"])), [(Code::TemplateHashInvalid, 24, 24)]);
    assert_eq!(lp(b"\x01\x02\x01b\x01a".to_vec()), [(Code::TemplateHashInvalid, 16, 16)]);
    let text = raw(&Lp::of(["id", "x", "y"]));
    let places = alone(29, &[names(&["a", "b"]), text].concat());
    assert_eq!(places, [(Code::TemplateHashInvalid, 34, 34)]);
    assert_eq!(alone(31, b"\x01\0"), [(Code::TemplateHashInvalid, 13, 13)]);
    assert_eq!(alone(31, &names(&[])), [(Code::TemplateHashInvalid, 13, 13)]);
    assert_eq!(alone(31, b"\x01\x02\x01a\x01b\x01x\x01y"), []);
}

#[test]
fn templates_of_the_file() {
    let places = |write: &dyn Fn(&mut RdbWriter)| {
        let mut w = RdbWriter::redis(15);
        write(&mut w);
        let checked = check(&w.finish());
        checked.places().into_iter().filter(|place| place.0 != Code::TemplateUnused).collect::<Vec<_>>()
    };
    assert_eq!(places(&|w| _ = w.hash_template(1, &["", "a", "bb"]).hash_template(0, &["a"])), []);
    assert_eq!(places(&|w| _ = w.hash_template(1, &[""; 0])), [(Code::TemplateInvalid, 9, 9)]);
    assert_eq!(places(&|w| _ = w.hash_template(u64::MAX, &["a"])), [(Code::TemplateInvalid, 9, 9)]);
    let twice = |w: &mut RdbWriter| _ = w.hash_template(1, &["a"]).hash_template(1, &["b"]);
    assert_eq!(places(&twice), [(Code::TemplateInvalid, 14, 14)]);
    assert_eq!(places(&|w| _ = w.hash_template(1, &["bb", "a"])), [(Code::TemplateInvalid, 15, 15)]);
    assert_eq!(places(&|w| _ = w.hash_template(1, &["a", "b", "b"])), [(Code::TemplateInvalid, 16, 16)]);
    // Numbers are compared as their text: 9 is shorter than 10.
    assert_eq!(places(&|w| _ = w.hash_template(1, &["9", "10"])), []);
    assert_eq!(places(&|w| _ = w.hash_template(1, &["10", "9"])), [(Code::TemplateInvalid, 14, 14)]);
}

#[test]
fn long_names_are_compared_by_length_alone() {
    let mut w = RdbWriter::redis(15);
    w.hash_template(1, &["a", "bbbb", "aaaa", "cc"]);
    let limits = Limits { inline_bytes: 3, ..Limits::default() };
    let checked = check_within(&w.finish(), &limits);
    let want = [(Code::TemplateUnused, 9, 9), (Code::ElementsUnchecked, 19, 19), (Code::TemplateInvalid, 24, 24)];
    assert_eq!(checked.places(), want);
}
