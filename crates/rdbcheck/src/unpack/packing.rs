//! How a stream is packed, by its first bytes.
//!
//! | packed by | begins with |
//! |---|---|
//! | gzip | `1f 8b 08` |
//! | zstd | `28 b5 2f fd`; a frame to skip: `50` to `5f`, `2a 4d 18` |
//! | lz4 | `04 22 4d 18`; legacy: `02 21 4c 18` |
//! | xz | `fd "7zXZ" 00` |
//! | Valkey 9.2 | `"VCS" 01`; in drafts `"VKCS" 01`: see `valkey` |

use std::fmt;
use std::io;

/// A way to pack a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Packing {
    /// RFC 1952, also several members one after the other.
    Gzip,
    /// RFC 8878, also several frames.
    Zstd,
    /// The LZ4 frame format.
    Lz4,
    /// The .xz format, also several streams.
    Xz,
    /// The compressed stream of Valkey: its head, and a frame of LZ4.
    Valkey,
}

impl Packing {
    /// As many bytes as tell it.
    pub const HEAD: usize = 6;

    /// Returns how a stream that begins with these bytes is packed, if it is.
    #[must_use]
    pub fn of(head: &[u8]) -> Option<Self> {
        match head {
            // Both zstd and lz4 have frames to skip: what follows tells.
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, a, b, c, d, rest @ ..] => {
                let length = usize::try_from(u32::from_le_bytes([*a, *b, *c, *d])).ok();
                let next = length.and_then(|length| rest.get(length..));
                next.and_then(Self::of).filter(|next| *next == Self::Lz4).or(Some(Self::Zstd))
            }
            [0x1f, 0x8b, 8, ..] => Some(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Self::Zstd),
            [0x04, 0x22, 0x4d, 0x18, ..] | [0x02, 0x21, 0x4c, 0x18, ..] => Some(Self::Lz4),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Self::Xz),
            // A version is a small number, and no letter.
            [b'V', b'C', b'S', 0..=31, ..] | [b'V', b'K', b'C', b'S', 0..=31, ..] => Some(Self::Valkey),
            _ => None,
        }
    }

    /// Its name, as reports give it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Lz4 => "lz4",
            Self::Xz => "xz",
            Self::Valkey => "valkey",
        }
    }

    /// Returns what unpacks it from standard input, if there is an ordinary tool.
    #[must_use]
    pub fn tool(self) -> Option<&'static str> {
        match self {
            Self::Gzip => Some("gzip -dc"),
            Self::Zstd => Some("zstd -dc"),
            Self::Lz4 => Some("lz4 -dc"),
            Self::Xz => Some("xz -dc"),
            Self::Valkey => None,
        }
    }

    /// Returns how the names of files end that were packed so.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Gzip => "gz",
            Self::Zstd => "zst",
            Self::Lz4 => "lz4",
            Self::Xz => "xz",
            // A server gives it the name of any RDB.
            Self::Valkey => "rdb",
        }
    }

    /// Lets pass what this build can unpack.
    pub(super) fn admit(self) -> io::Result<()> {
        let (unpacks, feature) = match self {
            Self::Zstd => (cfg!(feature = "zstd"), "zstd"),
            _ => (cfg!(feature = "packed"), "packed"),
        };
        if unpacks {
            return Ok(());
        }
        let why = format!("it is packed by {self}, which this build does not unpack (feature \"{feature}\")");
        Err(io::Error::new(io::ErrorKind::Unsupported, why))
    }
}

impl fmt::Display for Packing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
