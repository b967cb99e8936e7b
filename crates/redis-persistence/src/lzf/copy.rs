//! The two copies that decoding is made of.
//!
//! Most runs are a few bytes long, where a call to copy them costs more than they do. Where there is room, a fixed width
//! is copied instead, which compiles to vector moves; what it writes past the end is written again by the next token.

/// Copies the first `len` (at most 32) bytes of `from` to `out[at..]`. Up to 32 bytes are written if `out` has room.
#[inline]
pub(super) fn literal(out: &mut [u8], at: usize, from: &[u8], len: usize) {
    let to = &mut out[at..];
    if len <= 32
        && let (Some(wide_to), Some(wide_from)) = (to.first_chunk_mut::<32>(), from.first_chunk::<32>())
    {
        *wide_to = *wide_from;
    } else {
        to[..len].copy_from_slice(&from[..len]);
    }
}

/// Copies `len` bytes from `distance` bytes before `at` to `out[at..]`, as if byte by byte: where the distance is shorter
/// than the length, the copy reads what it wrote. Up to 15 bytes more are written if `out` has room.
#[inline]
pub(super) fn repeat(out: &mut [u8], at: usize, distance: usize, len: usize) {
    const WIDTH: usize = 16;
    let start = at - distance;
    let window = &mut out[start..];
    if distance >= WIDTH && window.len() - distance >= len + (WIDTH - 1) {
        let mut done = 0;
        while done < len {
            let mut wide = [0; WIDTH];
            wide.copy_from_slice(&window[done..done + WIDTH]);
            window[distance + done..distance + done + WIDTH].copy_from_slice(&wide);
            done += WIDTH;
        }
    } else if distance == 1 {
        let byte = window[0];
        window[1..=len].fill(byte);
    } else {
        // What is copied is a whole number of periods, and doubles each time.
        let mut done = 0;
        while done < len {
            let ready = distance + done;
            let next = ready.min(len - done);
            window.copy_within(..next, ready);
            done += next;
        }
    }
}
