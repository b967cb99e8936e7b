use super::*;
use testkit::rng::Rng;

/// A listpack of one element: these bytes, whatever they are.
fn list_of(element: &[u8]) -> Vec<u8> {
    let len = u32::try_from(HEADER + element.len() + 1).expect("small");
    [&len.to_le_bytes()[..], &[1, 0], element, &[0xFF]].concat()
}

/// What [`Listpack`] says about the element: where it ends and its number, if it is sound and stored as a server stores it.
fn told(blob: &[u8]) -> Option<(usize, Option<i64>)> {
    let entry = Listpack::new(blob).ok()?.entry_at(HEADER).filter(|entry| entry.canonical)?;
    let number = if let PackedValue::Int(number) = entry.value { Some(number) } else { None };
    Some((entry.end, number))
}

#[track_caller]
fn agrees(element: &[u8]) -> bool {
    let blob = list_of(element);
    let told = told(&blob);
    for behind in [0, 0x30, b'x', 0xFF] {
        let wide = [&blob[..], &[behind; BEHIND]].concat();
        let list = List::open(&wide, blob.len()).expect("a sound frame");
        // What reaches beyond the terminator is noticed by whoever walks, as it does not come out there.
        let inside = |end: &usize| *end <= list.end;
        assert_eq!(list.any(HEADER).filter(inside), told.map(|(end, _)| end), "{element:02X?}");
        assert_eq!(list.text(HEADER).filter(inside), told.map(|(end, _)| end), "{element:02X?}");
        let number = told.and_then(|(end, number)| Some((number?, end)));
        assert_eq!(list.number(HEADER).filter(|(_, end)| inside(end)), number, "{element:02X?}");
    }
    told.is_some()
}

/// The table says of each first byte what the reader of listpacks says, whatever follows.
#[test]
fn the_table_agrees_with_the_reader() {
    let mut rng = Rng::new(3);
    let mut sound = [0_u32; 256];
    for first in 0..=0xFF_u8 {
        for round in 0..400 {
            let len = match first {
                0x80..=0xBF => usize::from(first & 0x3F),
                ..0x80 => 0,
                0xC0..=0xDF => 1,
                0xE0..=0xEF => 1 + rng.size(0..=300),
                0xF0 => 4 + rng.size(0..=20),
                0xF1..=0xF3 => 2 + usize::from(first - 0xF1),
                _ => 8,
            };
            let mut data = rng.bytes(len);
            match round % 4 {
                // Numbers and what looks like them.
                0 => data.iter_mut().for_each(|byte| *byte = b"0123456789-"[usize::from(*byte) % 11]),
                // Small numbers, in wide forms.
                1 => data.iter_mut().skip(usize::from(rng.bytes(1)[0] % 5)).for_each(|byte| *byte = 0),
                2 => data.iter_mut().skip(usize::from(rng.bytes(1)[0] % 5)).for_each(|byte| *byte = 0xFF),
                _ => {}
            }
            let mut element = [&[first], &data[..]].concat();
            // Most have a right size behind them.
            let size = if rng.chance(90) { element.len() } else { rng.size(0..=300) };
            element.extend(size.to_le_bytes().iter().take(1).filter(|_| rng.chance(97)));
            sound[usize::from(first)] += u32::from(agrees(&element));
        }
    }
    // Longer strings have a form of their own, and backlens of two bytes.
    let never: Vec<_> = (0..=0xF4).filter(|byte| sound[usize::from(*byte)] == 0).collect();
    assert!(never.iter().all(|byte: &u8| matches!(byte, 0xE0..=0xF0)), "{never:02X?}");
}

#[test]
fn longer_strings_are_left_to_the_reader() {
    for len in [63, 64, 100, 125, 126, 127, 200] {
        let (low, size) = (u8::try_from(len).expect("small"), len + 2);
        let backlen =
            if size < 128 { vec![low + 2] } else { vec![u8::try_from(size >> 7).expect("small"), (low + 2) | 0x80] };
        let told = agrees(&[&[0xE0, low], &vec![b'x'; len][..], &backlen].concat());
        assert_eq!(told, len > 63, "{len}");
    }
}

/// At the bounds of each form.
#[test]
fn numbers_have_one_form() {
    for bits in [7, 12, 15, 23, 31, 63] {
        let least = i64::MIN >> (63 - bits);
        for number in [!least, least, least.wrapping_neg(), least.wrapping_sub(1)] {
            let bytes = number.to_le_bytes();
            for (first, len) in [(0xF1, 2), (0xF2, 3), (0xF3, 4), (0xF4, 8)] {
                agrees(&[&[first], &bytes[..len], &[u8::try_from(len + 1).expect("small")]].concat());
            }
            agrees(&[0xC0 | (bytes[1] & 0x1F), bytes[0], 2]);
        }
    }
}

#[test]
fn text_of_no_number_is_told_by_any_byte() {
    for (text, is) in
        [("12x", true), ("x12", true), ("123", false), ("", false), ("-12", false), ("1234567/", true), ("1:", true)]
    {
        let mut bytes = [b'5'; 8];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        let mask = if text.len() < 8 { (1 << (8 * text.len())) - 1 } else { u64::MAX };
        assert_eq!(is_text(u64::from_le_bytes(bytes), mask), is, "{text}");
    }
}
