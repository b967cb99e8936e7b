//! The compressed stream of Valkey, which wraps a whole RDB, its signature too (`rdbcompression lz4`, merged for 9.2).
//!
//! ```text
//! "VCS"  version 1  codec 1 (LZ4)  reserved 0  kind 1 (RDB)             a frame of LZ4    what follows the RDB, if anything
//! "VKCS" version 1  codec 1 (LZ4)  flags: bit 0, sums  kind 0 (RDB)     likewise
//! ```
//! The first is what was merged (valkey-io/valkey pull request 3531, and its tests, in 2026), the second what drafts of it wrote. Both
//! are known from these documents alone: no released server writes them yet, so nothing here was measured. A second codec, zstd, is
//! proposed (pull request 3798), and its number not settled.
//!
//! The frame's sums are those of LZ4. The server ends with the frame, and looks at no byte behind it, as behind any RDB.

use std::io::{self, BufRead, Read};

use super::lz4::{Lz4, invalid};

const VERSION: u8 = 1;
const LZ4: u8 = 1;

/// Reads the head of a stream; what comes then is the frame.
pub(super) fn decoder<'i, R: BufRead + Send + 'i>(mut input: R) -> io::Result<Box<dyn Read + Send + 'i>> {
    let mut head = [0; 7];
    input.read_exact(&mut head)?;
    let (version, codec, reserved, kind) = match head {
        [b'V', b'C', b'S', version, codec, reserved, kind] => (version, codec, reserved, kind.wrapping_sub(1)),
        [_, _, _, _, version, codec, flags] => {
            let mut kind = [0];
            input.read_exact(&mut kind)?;
            (version, codec, flags & !1, kind[0])
        }
    };
    let unknown = |what: &str, number: u8| {
        let why = format!("a compressed stream of Valkey with {what} {number}, which this build does not know");
        Err(io::Error::new(io::ErrorKind::Unsupported, why))
    };
    match (version, codec) {
        (VERSION, LZ4) if reserved != 0 => Err(invalid("the reserved byte of its head is not zero")),
        (VERSION, LZ4) if kind != 0 => unknown("another content than an RDB, of kind", kind.wrapping_add(1)),
        (VERSION, LZ4) => Ok(Box::new(Lz4::of_one_frame(input))),
        (VERSION, codec) => unknown("codec", codec),
        (version, _) => unknown("version", version),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use testkit::rdb::{Envelope, compressed_stream};

    use super::*;

    fn frame_of(data: &[u8]) -> Vec<u8> {
        let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
        encoder.write_all(data).expect("memory takes it");
        encoder.finish().expect("memory takes it")
    }

    fn read(stream: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        decoder(io::Cursor::new(stream.to_vec()))?.read_to_end(&mut out)?;
        Ok(out)
    }

    #[test]
    fn streams_of_valkey_have_one_frame_of_a_known_kind() {
        let frame = frame_of(b"VALKEY080");
        for form in [Envelope::Merged, Envelope::Draft] {
            let whole = compressed_stream(form, &frame);
            assert_eq!(read(&whole).expect("it is whole"), b"VALKEY080", "{form:?}");
            // As behind an RDB, something may follow.
            let followed = [&whole[..], b"and more"].concat();
            assert_eq!(read(&followed).expect("it is whole"), b"VALKEY080and more");
            for at in 3..whole.len() - frame.len() {
                let mut other = whole.clone();
                other[at] = 9;
                if form == Envelope::Draft && at == 3 {
                    continue;
                }
                let error = read(&other).expect_err("it is another kind").to_string();
                assert!(error.contains("Valkey") || error.contains("reserved"), "{form:?} {at}: {error}");
            }
        }
    }
}
