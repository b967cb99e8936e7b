use super::*;
use crate::verify::value::testing::check;
use testkit::rdb::{Array, ArrayValue as V, Family, File, RdbWriter};
use testkit::rng::Rng;

/// The findings of an array whose value begins at byte 12.
fn places(cursor: Option<u64>, elements: &[(u64, V)]) -> Vec<(Code, u64, u64)> {
    let mut w = RdbWriter::redis(14);
    Array { cursor, elements: elements.to_vec() }.encode(w.key(28, b"k"));
    let checked = check(&w.finish());
    assert_eq!(checked.elements, [elements.len() as u64]);
    checked.places()
}

fn long(text: &str) -> V {
    V::Long(text.into())
}

fn short(text: &str) -> V {
    V::Short(text.into())
}

#[test]
fn sound_arrays() {
    let mut rng = Rng::new(23);
    for budget in [0, 100, 2000] {
        let file = File::arbitrary_of(&mut rng, Family::Redis, 14, budget, &[28]);
        assert_eq!(check(&file.encode().bytes).findings, []);
    }
    let elements = [(0, V::Int(42)), (2, V::Float(1.5)), (5, short("abc")), (u64::MAX - 1, long("12345678x"))];
    assert_eq!(places(Some(u64::MAX - 1), &elements), []);
}

#[test]
fn what_servers_refuse() {
    assert_eq!(places(None, &[]), [(Code::ArrayInvalid, 12, 12)]);
    assert_eq!(places(Some(u64::MAX), &[(0, V::Int(1))]), [(Code::ArrayInvalid, 12, 12)]);
    assert_eq!(places(None, &[(0, V::Int(1)), (u64::MAX, V::Int(1))]), [(Code::ArrayInvalid, 24, 24)]);
    assert_eq!(places(None, &[(0, short("12345678"))]), [(Code::ArrayInvalid, 16, 16)]);
}

#[test]
fn indexes_ascend() {
    let elements = [(5, V::Int(1)), (5, V::Int(2)), (6, short("a")), (2, V::Int(3))];
    assert_eq!(places(None, &elements), [(Code::ArrayIndexOrder, 24, 24), (Code::ArrayIndexOrder, 38, 38)]);
}

#[test]
fn forms_that_no_server_writes_are_told_once() {
    let odd = [
        V::Int(1 << 61),
        V::Int(-(1 << 61) - 1),
        V::Float(f64::NAN),
        V::Float(f64::INFINITY),
        V::Float(f64::from_bits(1.5_f64.to_bits() | 1)),
        long("abc"),
        long("12345678"),
        long("-123456789"),
        long("123456.5"),
        short("12"),
        short("-1.5"),
    ];
    for value in odd {
        let found = places(None, &[(0, V::Int(0)), (1, value.clone()), (2, value.clone())]);
        assert_eq!(found.len(), 1, "{value:?}");
        let text = matches!(value, V::Long(_) | V::Short(_));
        assert_eq!(
            found[0],
            (Code::ArrayNoncanonical, 24 + 2 * u64::from(text), 24 + 2 * u64::from(text)),
            "{value:?}"
        );
    }
}

#[test]
fn what_a_server_of_32_bits_writes_is_canonical() {
    let elements = [long("600000000"), long("-536870913"), long("abcd"), short("0.1"), long("0.1000001")];
    let elements: Vec<_> = (0..).zip(elements).collect();
    assert_eq!(places(None, &elements), []);
    let texts = ["1.50", "01", "-0", "1e5", ".5", "5.", "--1.5"].map(short);
    assert_eq!(places(None, &(0..).zip(texts).collect::<Vec<_>>()), []);
}
