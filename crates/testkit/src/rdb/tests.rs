//! The examples of the format sheets, byte by byte.

use super::*;
use crate::Bytes;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("digits"), 16).expect("hex");
    digits.chunks(2).map(byte).collect()
}

fn texts(items: &[&str]) -> Vec<Bytes> {
    items.iter().map(|text| text.as_bytes().to_vec()).collect()
}

fn bare(file: File, key: Key) -> Encoded {
    File { keys: vec![key], ..file }.encode()
}

#[test]
fn array_with_a_cursor() {
    let elements = vec![(0, ArrayValue::of(b"42")), (2, ArrayValue::of(b"1.5")), (5, ArrayValue::of(b"abc"))];
    let value = Value::Array(Array { cursor: Some(2), elements });
    let want = hex("52 45 44 49 53 30 30 31 34  FE 00  FB 01 00
         1C 01 61  03  01 02
         00 01 2A 00 00 00 00 00 00 00
         02 02 00 00 00 00 00 00 F8 3F
         05 03 03 61 62 63
         FF  04 AB 25 95 07 F7 52 2F");
    assert_eq!(bare(File::new(Family::Redis, 14), Key::new(b"a", value)).bytes, want);
    let sparse =
        Value::Array(Array { cursor: None, elements: vec![(100, ArrayValue::Other(0, b"\x0812345678".to_vec()))] });
    let mut w = RdbWriter::bare(14);
    sparse.encode(w.key(28, b"b"));
    assert_eq!(w.take(), hex("1C 01 62 01 00 40 64 00 08 31 32 33 34 35 36 37 38"));
    Value::Array(Array::default()).encode(w.key(28, b"c"));
    assert_eq!(w.take(), hex("1C 01 63 00 00"));
}

#[test]
fn stream_with_an_entry_given_back() {
    let id = StreamId::new(5, 0);
    let entry = StreamEntry { id, deleted: false, fields: EntryFields::Shared(texts(&["v"])) };
    let stream = Stream {
        version: StreamVersion::V5,
        nodes: vec![StreamNode { master: id, fields: texts(&["f"]), entries: vec![entry], ..StreamNode::default() }],
        length: 1,
        last: id,
        first: id,
        max_deleted: StreamId::default(),
        entries_added: 1,
        groups: vec![Group {
            name: b"g".to_vec(),
            last: id,
            entries_read: 1,
            pending: vec![Pending { id, time: 0, count: 1 }],
            consumers: vec![],
            nacked: vec![id],
        }],
        idmp: Idmp::default(),
    };
    let want = hex("52 45 44 49 53 30 30 31 34 FE 00 FB 01 00
         1B 01 73
         01  10 00000000000000 05 0000000000000000
         1D 1D 00 00 00 0A 00 01 01 00 01 01 01 81 66 02 00 01 02 01 00 01 00 01 81 76 02 04 01 FF
         01  05 00  05 00  00 00  01
         01  01 67  05 00  01
         01  00000000000000 05 0000000000000000  0000000000000000  01
         00
         01  00000000000000 05 0000000000000000
         40 64  40 64  00  00  00
         FF 99 F6 87 3C D6 1E 5B E7");
    let encoded = bare(File::new(Family::Redis, 14), Key::new(b"s", Value::Stream(stream)));
    assert_eq!(encoded.bytes, want);
    assert_eq!((encoded.bytes.len(), encoded.keys[0].end - encoded.keys[0].start), (139, 116));
}

#[test]
fn template_hashes() {
    let mut file = File::new(Family::Redis, 15);
    file.templates = vec![(0, texts(&["age", "name"]))];
    file.keys = vec![
        Key::new(b"k1", Value::HashTmplLpRef { id: 0, values: texts(&["30", "bob"]) }),
        Key::new(b"k2", Value::HashTmplArrayRef { id: 0, values: texts(&["41", "alice"]) }),
    ];
    let want = hex("52 45 44 49 53 30 30 31 35
         F2 00 02 03 61 67 65 04 6E 61 6D 65
         FE 00 FB 02 00
         1E 02 6B 31  10 10 00 00 00 03 00 00 01 1E 01 83 62 6F 62 04 FF
         20 02 6B 32  00  C0 29  05 61 6C 69 63 65
         FF  B1 C0 18 8D 63 B4 DD 0B");
    assert_eq!(file.encode().bytes, want);
    let (names, values) = (texts(&["age", "name"]), texts(&["30", "bob"]));
    let lp = Value::HashTmplLp { names: TemplateNames::Listpack(names.clone()), id: 0, values: values.clone() };
    let want = hex("1D 00 12 12 00 00 00 02 00 83 61 67 65 04 84 6E 61 6D 65 05 FF
         10 10 00 00 00 03 00 00 01 1E 01 83 62 6F 62 04 FF 0F 00 F9 F6 40 F7 FA DA C2 0F");
    assert_eq!(lp.dump(15), want);
    let array = Value::HashTmplArray { names: TemplateNames::Strings(names), values };
    let want = hex("1F 01 02 03 61 67 65 04 6E 61 6D 65 C0 1E 03 62 6F 62 0F 00 97 82 AB EC 8A 88 B3 68");
    assert_eq!(array.dump(15), want);
    let mut w = RdbWriter::bare(15);
    Value::Gcra(0x0006_5A8B_5C40_0000).encode(w.key(33, b"g"));
    assert_eq!(w.take(), hex("21 01 67 81 00 06 5A 8B 5C 40 00 00"));
}

#[test]
fn hashes_whose_fields_expire() {
    let field = |name: &str, value: &str, expires| TtlField { field: name.into(), value: value.into(), expires };
    let mut w = RdbWriter::bare(80);
    Value::ValkeyHash2(vec![field("f", "v", None)]).encode(&mut w);
    assert_eq!(w.take(), hex("01 0166 0176 FFFFFFFFFFFFFFFF"));
    // Type 24 and 25 of a file that Redis 8.6.3 wrote.
    let min = 9_999_999_999_900;
    let fields = vec![field("f3", "v3", Some(min)), field("f2", "v2", Some(min + 99)), field("f1", "v1", None)];
    let mut w = RdbWriter::bare(13);
    Value::HashMetadata { min: None, fields }.encode(w.key(24, b"hh"));
    let want =
        "18 02 68 68 9C 9F 72 4E 18 09 00 00 03 01 02 66 33 02 76 33 40 64 02 66 32 02 76 32 00 02 66 31 02 76 31";
    assert_eq!(w.take(), hex(want));
    let expires = Some(0x0001_A20B_5ACA);
    let fields = vec![field("f2", "v2", expires), field("f1", "v1", None)];
    let mut w = RdbWriter::bare(13);
    Value::HashListpackEx { min: None, fields }.encode(w.key(25, b"h"));
    let want = "19 01 68 CA 5A 0B A2 01 00 00 00 23 23 00 00 00 06 00 82 66 32 03 82 76 32 03
                F4 CA 5A 0B A2 01 00 00 00 09 82 66 31 03 82 76 31 03 00 01 FF";
    assert_eq!(w.take(), hex(want));
}

#[test]
fn spans_point_at_what_they_name() {
    let mut file = File::new(Family::Redis, 12);
    file.cluster = true;
    file.keys = vec![
        Key { freq: Some(3), ..Key::new(b"foo", Value::Set(texts(&["a", "5"]))).expiring(7) },
        Key::new(b"bar", Value::String(b"x".to_vec())),
    ];
    let encoded = file.encode();
    // CLUSTER KEYSLOT: foo is 12182, bar 5061.
    assert_eq!((slot(b"foo"), slot(b"bar"), slot(b"{foo}bar"), slot(b"{}")), (12182, 5061, 12182, 15257));
    assert_eq!(encoded.keys.iter().map(|k| k.index).collect::<Vec<_>>(), [1, 0]);
    let foo = encoded.key(b"foo").expect("written");
    assert_eq!(encoded.bytes[foo.start], 0xFC);
    assert_eq!(encoded.bytes[foo.type_at..foo.value_at], *b"\x02\x03foo");
    assert_eq!(encoded.bytes[foo.value_at..foo.end], *b"\x02\x01a\xC0\x05");
    assert_eq!(foo.marks[1].body.map(|at| encoded.bytes[at]), Some(b'a'));
    assert_eq!(encoded.bytes[encoded.eof_at], 0xFF);
    let opcodes: Vec<u8> = encoded.opcodes.iter().map(|o| o.opcode).collect();
    assert_eq!(opcodes, [0xFE, 0xFB, 0xF4, 0xF4]);
    let mut damaged = encoded.clone();
    damaged.bytes[foo.value_at + 2] = b'b';
    damaged.fix_checksum();
    assert_ne!(damaged.bytes[damaged.eof_at + 1..], encoded.bytes[encoded.eof_at + 1..]);
}

fn every_version() -> impl Iterator<Item = (Family, u32)> {
    (1..=15).map(|version| (Family::Redis, version)).chain([(Family::Valkey, 80)])
}

#[test]
fn random_files_follow_from_their_seed_and_hold_every_type() {
    for (family, version) in every_version() {
        let make = |seed| File::arbitrary(&mut crate::rng::Rng::new(seed), family, version, 300).encode();
        assert_eq!(make(5), make(5));
        assert_ne!(make(5).bytes, make(6).bytes);
        let types: std::collections::BTreeSet<u8> = make(5).keys.iter().map(|key| key.type_byte).collect();
        assert!(types.into_iter().eq(released_types(family, version)), "version {version}");
    }
}

#[test]
fn blobs_of_random_files_decode() {
    let mut decoded = 0;
    for (family, version) in every_version() {
        for seed in 0..8 {
            let encoded = File::arbitrary(
                &mut crate::rng::Rng::new(seed),
                family,
                version,
                40 * usize::try_from(seed).expect("small"),
            )
            .encode();
            for mark in encoded.keys.iter().flat_map(|key| &key.marks) {
                let decodes = |decode: fn(&[u8]) -> bool| decode(&blob_of(&encoded.bytes, mark));
                let sound = match mark.kind {
                    MarkKind::Listpack => decodes(|blob| naive_listpack(blob).is_some()),
                    MarkKind::Ziplist => decodes(|blob| naive_ziplist(blob).is_some()),
                    MarkKind::Intset => decodes(|blob| naive_intset(blob).is_some()),
                    MarkKind::Zipmap => decodes(|blob| naive_zipmap(blob).is_some()),
                    _ => continue,
                };
                assert!(sound, "version {version}, seed {seed}, {mark:?}");
                decoded += 1;
            }
        }
    }
    assert!(decoded > 1000, "{decoded}");
}

fn blob_of(bytes: &[u8], mark: &Mark) -> Vec<u8> {
    if let Some(body) = mark.body {
        return bytes[body..mark.end].to_vec();
    }
    assert_eq!(bytes[mark.start], 0xC3);
    let mut at = mark.start + 1;
    let mut len = || {
        let (size, n) = match bytes[at] >> 6 {
            0 => (1, number::unsigned_be(&bytes[at..=at])),
            1 => (2, number::unsigned_be(&bytes[at..at + 2]) & 0x3FFF),
            _ => (5, number::unsigned_be(&bytes[at + 1..at + 5])),
        };
        at += size;
        usize::try_from(n).expect("small")
    };
    let (stored, inflated) = (len(), len());
    assert_eq!(at + stored, mark.end);
    naive_inflate(&bytes[at..mark.end], inflated).expect("sound")
}
