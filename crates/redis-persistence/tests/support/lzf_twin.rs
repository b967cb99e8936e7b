//! A slow twin of the LZF decoders, and what holds them against it.

use redis_persistence::lzf::{Inflater, LzfError, LzfErrorKind as Kind, Walker, inflate_into, validate};

/// Decodes byte by byte. Gives what came before the first error with it.
pub fn twin(input: &[u8], declared: usize) -> (Vec<u8>, Result<(), LzfError>) {
    let mut out = Vec::new();
    let result = twin_into(input, declared, &mut out).map_err(|(at, kind)| LzfError { at: at as u64, kind });
    (out, result)
}

fn twin_into(input: &[u8], declared: usize, out: &mut Vec<u8>) -> Result<(), (usize, Kind)> {
    if input.is_empty() {
        return Err((0, Kind::EmptyInput));
    }
    if declared == 0 {
        return Err((0, Kind::DeclaredZero));
    }
    if declared > input.len() * 88 {
        return Err((0, Kind::ImpossibleRatio));
    }
    let mut at = 0;
    while at < input.len() {
        let token = at;
        let mut next = || {
            at += 1;
            input.get(at - 1).copied().ok_or((token, Kind::CutToken))
        };
        let ctrl = usize::from(next()?);
        if ctrl < 32 {
            if out.len() + ctrl + 1 > declared {
                return Err((token, Kind::LiteralBeyondSize));
            }
            for _ in 0..=ctrl {
                out.push(next()?);
            }
            continue;
        }
        let len = if ctrl >> 5 == 7 { usize::from(next()?) + 9 } else { (ctrl >> 5) + 2 };
        let distance = ((ctrl & 31) << 8) + usize::from(next()?) + 1;
        if out.len() + len > declared {
            return Err((token, Kind::MatchBeyondSize));
        }
        if distance > out.len() {
            return Err((token, Kind::MatchBeforeStart));
        }
        for _ in 0..len {
            out.push(out[out.len() - distance]);
        }
    }
    if out.len() < declared { Err((input.len(), Kind::ShortOutput { produced: out.len() as u64 })) } else { Ok(()) }
}

/// Runs `push` over the pieces that `cuts` make of the input, then `finish`.
fn in_pieces(
    input: &[u8],
    cuts: &[usize],
    mut push: impl FnMut(&[u8]) -> Result<(), LzfError>,
) -> Result<(), LzfError> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (input.len() + 1)).collect();
    cuts.extend([0, input.len()]);
    cuts.sort_unstable();
    cuts.windows(2).try_for_each(|pair| push(&input[pair[0]..pair[1]]))
}

/// Everything must agree with the twin on this input; the pieces are cut at `cuts`, modulo its length.
pub fn agree(input: &[u8], declared: usize, cuts: &[usize]) {
    let (bytes, expected) = twin(input, declared);
    assert_eq!(validate(input, declared as u64), expected);

    let mut out = b"kept".to_vec();
    assert_eq!(inflate_into(input, declared, &mut out), expected);
    let wanted = if expected.is_ok() { bytes.as_slice() } else { &[] };
    assert_eq!(out.strip_prefix(b"kept"), Some(wanted));

    let walked = Walker::new(input.len() as u64, declared as u64)
        .and_then(|mut walker| in_pieces(input, cuts, |piece| walker.push(piece)).and_then(|()| walker.finish()));
    assert_eq!(walked, expected);

    let mut streamed = Vec::new();
    let inflated = Inflater::new(input.len() as u64, declared as u64).and_then(|mut inflater| {
        in_pieces(input, cuts, |piece| inflater.push(piece, &mut |bytes| streamed.extend_from_slice(bytes)))
            .and_then(|()| inflater.finish())
    });
    assert_eq!(inflated, expected);
    assert!(streamed == bytes, "what the inflater handed on differs");

    if declared > 0 {
        // The crate takes too few bytes for success, and knows no bound for the declared size.
        let by_crate = lzf::decompress(input, declared).ok().filter(|out| out.len() == declared);
        assert!(by_crate == expected.ok().map(|()| bytes), "the lzf crate decides otherwise");
    }
}
