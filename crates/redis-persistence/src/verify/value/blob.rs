//! A packed value, decoded if need be, that knows where in the file its bytes lie.

use crate::base::error::Reading;
use crate::lzf;
use crate::rdb::packed::IntText;
use crate::rdb::{Body, RdbString};
use crate::report::codes::Code;
use crate::report::collector::{Collector, Location};
use crate::verify::stored_form::lzf_detail;

/// The bytes of a packed value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Blob<'a> {
    pub(crate) bytes: &'a [u8],
    /// The same with bytes behind it that mean nothing, if there are any.
    pub(crate) wide: &'a [u8],
    /// Where the string begins in the file.
    pub(crate) start: u64,
    /// Where it ends in the file.
    pub(crate) end: u64,
    /// Where the bytes lie in the file, unless they are compressed there.
    content: Option<u64>,
}

impl<'a> Blob<'a> {
    /// Opens the string: compressed bytes are decoded into `room`. One that cannot be decoded, or is too large to be
    /// looked into, is reported and returns `None`.
    pub(crate) fn open(
        string: &RdbString<&'a [u8]>,
        room: &'a mut lzf::Room,
        limit: usize,
        findings: &mut Collector,
    ) -> Option<Self> {
        let blob = |bytes, content| Some(Self { bytes, wide: bytes, start: string.start, end: string.end, content });
        match string.body {
            Body::Raw(bytes) => blob(bytes, Some(string.end - bytes.len() as u64)),
            Body::Int(value) => blob(room.hold(IntText::new().write(i64::from(value))), None),
            Body::Lzf { data, decoded: size } => {
                let place = Location::span(string.start, string.end).reading(Reading::Packed);
                let fits = size <= limit as u64;
                // What is not looked into is damaged all the same if its tokens do not give that size.
                let result = if fits {
                    room.inflate_wide(data, size)
                } else {
                    lzf::validate(data, size).map(|()| (&[][..], &[][..]))
                };
                match result {
                    Ok((bytes, wide)) if fits => return blob(bytes, None).map(|blob| Self { wide, ..blob }),
                    Ok(_) => findings.add(Code::PackedUnchecked, place, || {
                        format!("a packed value of {size} bytes, decoded, is larger than is looked into")
                    }),
                    Err(error) => {
                        let data_at = string.end - data.len() as u64;
                        let place = Location { failed_at: data_at + error.at, ..place }.detail(lzf_detail(&error));
                        findings.add(Code::LzfDamaged, place, || format!("compressed bytes are damaged: {error}"));
                    }
                }
                None
            }
            Body::Long { stored, .. } => {
                findings.add(Code::PackedUnchecked, Location::at(string.start).reading(Reading::Packed), || {
                    format!("a packed value of {stored} bytes is larger than is looked into")
                });
                None
            }
        }
    }

    /// Returns the place in the file of something that begins at `start` in the blob and fails at `failed_at`. In a
    /// compressed blob no byte of the file stands for it: the place is the whole string.
    pub(crate) fn place(&self, start: usize, failed_at: usize) -> Location {
        let place = match self.content {
            Some(content) => Location::new(content + start as u64, content + failed_at as u64),
            None => Location::at(self.start),
        };
        Location { end: Some(self.end), ..place }.reading(Reading::Packed)
    }

    /// Returns the place as words, where the file has no offset for it.
    pub(crate) fn locate(&self, at: usize) -> String {
        match self.content {
            Some(_) => String::new(),
            None => format!(" (at byte {at} of the decoded value)"),
        }
    }
}
