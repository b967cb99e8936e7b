//! The decoders, each from its crate.

use std::io::{self, Read};

#[cfg(feature = "packed")]
use std::io::BufReader;

use super::Packing;

/// How much is read of the packed stream at once.
#[cfg(feature = "packed")]
const CHUNK: usize = 128 << 10;
/// The most memory that an xz stream may ask for. Its strongest preset wants 65 MiB.
#[cfg(feature = "packed")]
const XZ_KIB: u32 = 68 << 10;
/// The largest window of a zstd stream, as a power of two: 64 MiB, which all presets but `--ultra` and `--long` keep to.
#[cfg(feature = "packed")]
const ZSTD_WINDOW: u32 = 26;

/// A decoder of a packed stream.
#[cfg(feature = "packed")]
pub(super) fn decoder(packing: Packing, input: impl Read + Send + 'static) -> io::Result<Box<dyn Read>> {
    let input = BufReader::with_capacity(CHUNK, input);
    Ok(match packing {
        Packing::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(input)),
        Packing::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(input)?;
            decoder.window_log_max(ZSTD_WINDOW)?;
            Box::new(decoder)
        }
        Packing::Lz4 => Box::new(lz4_flex::frame::FrameDecoder::new(input)),
        Packing::Xz => Box::new(lzma_rust2::XzReader::new_mem_limit(input, true, XZ_KIB)),
    })
}

/// This build has none.
#[cfg(not(feature = "packed"))]
pub(super) fn decoder(packing: Packing, _: impl Read + Send + 'static) -> io::Result<Box<dyn Read>> {
    packing.admit()?;
    Err(io::ErrorKind::Unsupported.into())
}
