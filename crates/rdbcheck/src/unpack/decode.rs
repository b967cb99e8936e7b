//! The decoders, each from its crate.

use std::io::{self, Read};

#[cfg(feature = "packed")]
use std::io::BufReader;

use super::Packing;
#[cfg(feature = "packed")]
use super::gzip::Gzip;
#[cfg(feature = "packed")]
use super::lz4::Lz4;

/// How much is read of the packed stream at once.
#[cfg(feature = "packed")]
const CHUNK: usize = 128 << 10;
/// What an xz stream takes besides its dictionary.
#[cfg(feature = "packed")]
const XZ_BESIDES: u64 = 4 << 20;

/// Returns a decoder of a packed stream that may take so many bytes for its window.
#[cfg(feature = "packed")]
pub(super) fn decoder<'i>(
    packing: Packing,
    input: impl Read + Send + 'i,
    memory: u64,
) -> io::Result<Box<dyn Read + Send + 'i>> {
    let input = BufReader::with_capacity(CHUNK, input);
    Ok(match packing {
        Packing::Gzip => Box::new(Gzip::new(input)),
        #[cfg(not(feature = "zstd"))]
        Packing::Zstd => {
            packing.admit()?;
            return Err(io::ErrorKind::Unsupported.into());
        }
        #[cfg(feature = "zstd")]
        Packing::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(input)?;
            decoder.window_log_max(memory.max(1 << 10).ilog2().min(31))?;
            Box::new(decoder)
        }
        Packing::Lz4 => Box::new(Lz4::new(input)),
        Packing::Valkey => super::valkey::decoder(input)?,
        Packing::Xz => {
            let kib = u32::try_from(memory.saturating_add(XZ_BESIDES) >> 10).unwrap_or(u32::MAX);
            Box::new(lzma_rust2::XzReader::new_mem_limit(Full(input), true, kib))
        }
    })
}

/// Returns whether a decoder's error says that the stream wants more memory than it may take.
pub(super) fn is_limit(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::OutOfMemory || error.to_string().contains("requires too much memory")
}

/// Reads as much as is asked for, unless the end comes before: the decoder takes a short read for the end.
#[cfg(feature = "packed")]
struct Full<R>(R);

#[cfg(feature = "packed")]
impl<R: Read> Read for Full<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.0.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }
}

/// This build has none.
#[cfg(not(feature = "packed"))]
pub(super) fn decoder<'i>(packing: Packing, _: impl Read + Send + 'i, _: u64) -> io::Result<Box<dyn Read + Send + 'i>> {
    packing.admit()?;
    Err(io::ErrorKind::Unsupported.into())
}
