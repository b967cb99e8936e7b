use std::io::{Cursor, Write as _};

use testkit::rdb::Envelope;

use super::*;

fn packed(packing: Packing, data: &[u8]) -> Vec<u8> {
    match packing {
        Packing::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(data).expect("memory takes it");
            encoder.finish().expect("memory takes it")
        }
        Packing::Zstd => {
            let mut encoder = zstd::Encoder::new(Vec::new(), 1).expect("the level exists");
            encoder.include_checksum(true).expect("the parameter exists");
            encoder.write_all(data).expect("memory takes it");
            encoder.finish().expect("memory takes it")
        }
        Packing::Valkey => testkit::rdb::compressed_stream(Envelope::Merged, &packed(Packing::Lz4, data)),
        Packing::Lz4 => {
            let info = lz4_flex::frame::FrameInfo::new().content_checksum(true);
            let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
            encoder.write_all(data).expect("memory takes it");
            encoder.finish().expect("memory takes it")
        }
        Packing::Xz => {
            let options = lzma_rust2::XzOptions::with_preset(1);
            let mut encoder = lzma_rust2::XzWriter::new(Vec::new(), options).expect("the options are sound");
            encoder.write_all(data).expect("memory takes it");
            encoder.finish().expect("memory takes it")
        }
    }
}

const ALL: [Packing; 5] = [Packing::Gzip, Packing::Zstd, Packing::Lz4, Packing::Xz, Packing::Valkey];

fn unpacked(bytes: Vec<u8>, packing: Packing, budget: Budget) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    let mut input = Unpacked::new(Cursor::new(bytes), packing, budget, MEMORY)?;
    input.read_to_end(&mut out)?;
    input.damage().get().map_or(Ok(out), |why| Err(io::Error::other(why.clone())))
}

/// Bytes that hardly repeat, of more than a few blocks.
fn data() -> Vec<u8> {
    let mut state = 1u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0] & 0x3f
    };
    std::iter::repeat_with(next).take(5 * BLOCK + 12_345).collect()
}

#[test]
fn what_was_packed_comes_back() {
    for packing in ALL {
        for data in [data(), b"REDIS0011".to_vec(), Vec::new()] {
            let bytes = packed(packing, &data);
            assert_eq!(Packing::of(&bytes), Some(packing));
            assert!(unpacked(bytes, packing, Budget::Usual).expect("it is whole") == data, "{packing}");
        }
    }
}

#[test]
fn streams_in_a_row_are_one() {
    // A server ends with the first stream of this kind; what follows is handed on as it is.
    for packing in ALL.into_iter().filter(|packing| *packing != Packing::Valkey) {
        let bytes = [packed(packing, b"REDIS"), packed(packing, b"0011")].concat();
        assert_eq!(unpacked(bytes, packing, Budget::Usual).expect("both are whole"), b"REDIS0011", "{packing}");
    }
}

#[test]
fn a_cut_stream_is_an_error_that_says_how_far_it_came() {
    let data = data();
    for packing in ALL {
        let mut bytes = packed(packing, &data);
        bytes.truncate(bytes.len() / 2);
        let error = unpacked(bytes, packing, Budget::Usual).expect_err("half of it is missing").to_string();
        assert!(error.starts_with(&format!("{packing}: the packed data ")), "{error}");
        assert!(error.ends_with(" unpacked bytes"), "{error}");
    }
}

#[test]
fn a_changed_stream_is_an_error() {
    let data = data();
    for packing in ALL {
        let mut bytes = packed(packing, &data);
        let middle = bytes.len() / 2;
        for byte in &mut bytes[middle..middle + 64] {
            *byte ^= 0x55;
        }
        assert!(unpacked(bytes, packing, Budget::Usual).is_err(), "{packing}");
    }
}

#[test]
fn a_bomb_ends_at_the_limit() {
    let zeros = vec![0; 32 << 20];
    for packing in ALL {
        let bytes = packed(packing, &zeros);
        let error = unpacked(bytes, packing, Budget::Bytes(1 << 20)).expect_err("it is a bomb");
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge, "{packing}");
    }
}

#[test]
fn who_stops_reading_leaves_no_thread_behind() {
    let bytes = packed(Packing::Zstd, &vec![7; 64 << 20]);
    let mut input = Unpacked::new(Cursor::new(bytes), Packing::Zstd, Budget::Usual, MEMORY).expect("a thread");
    let mut first = [0; 3];
    input.read_exact(&mut first).expect("there is more");
    drop(input);
    assert_eq!(first, [7; 3]);
}
