//! The forms in which servers store a string: as a number, compressed, or as it is. What is stored otherwise no server wrote.

use crate::lzf;
use crate::rdb::packed::canonical_int;
use crate::rdb::{Body, RdbString};
use crate::report::facts::Visibility;

/// Returns whether no server would have stored the string in this form.
pub(crate) fn is_oddly_stored(string: &RdbString<&[u8]>) -> bool {
    match string.body {
        Body::Raw(text) => is_number_of_server(text),
        Body::Int(value) => match string.end - string.start {
            3 => i8::try_from(value).is_ok(),
            5 => i16::try_from(value).is_ok(),
            _ => false,
        },
        Body::Lzf { data, decoded } => !saves_enough(data.len(), decoded),
        Body::Long { .. } => false,
    }
}

/// The longest text that servers store as a number: ten digits and a minus.
const NUMBER_MAX: usize = 11;

/// Returns whether the text of a number may begin with that byte: with a digit or a minus. The two bytes between them do no
/// harm.
#[inline]
pub(crate) fn may_begin_number(first: u8) -> bool {
    first.wrapping_sub(b'-') <= b'9' - b'-'
}

/// Returns whether the text is one that servers store as a number.
#[inline]
pub(crate) fn is_number_of_server(text: &[u8]) -> bool {
    // Most are too long, while what a text begins with is anything.
    text.len() <= NUMBER_MAX && text.first().is_some_and(|first| may_begin_number(*first)) && fits_i32(text)
}

fn fits_i32(text: &[u8]) -> bool {
    canonical_int(text).is_some_and(|value| i32::try_from(value).is_ok())
}

/// Returns whether a server would store a text of `decoded` bytes in so many compressed ones.
#[inline]
pub(crate) fn saves_enough(stored: usize, decoded: u64) -> bool {
    decoded > 20 && stored as u64 + 4 <= decoded
}

/// Old servers take what comes out of the compressed bytes, if it is too short only.
pub(crate) fn lzf_detail(error: &lzf::LzfError) -> Visibility {
    match error.kind {
        lzf::LzfErrorKind::ShortOutput { .. } => Visibility::Lenient,
        _ => Visibility::Usual,
    }
}
