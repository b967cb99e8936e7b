//! The four ways to read LZF against each other, a slow twin and the `lzf` crate.

use proptest::prelude::*;
use redis_persistence::lzf::{Inflater, LzfError, LzfErrorKind as Kind, Walker, inflate_into, validate};

/// Decodes byte by byte. Gives what came before the first error with it.
fn twin(input: &[u8], declared: usize) -> (Vec<u8>, Result<(), LzfError>) {
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
    cuts: &[prop::sample::Index],
    mut push: impl FnMut(&[u8]) -> Result<(), LzfError>,
) -> Result<(), LzfError> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(input.len() + 1)).collect();
    cuts.extend([0, input.len()]);
    cuts.sort_unstable();
    cuts.windows(2).try_for_each(|pair| push(&input[pair[0]..pair[1]]))
}

/// Everything must agree with the twin on this input.
fn agree(input: &[u8], declared: usize, cuts: &[prop::sample::Index]) -> Result<(), TestCaseError> {
    let (bytes, expected) = twin(input, declared);
    prop_assert_eq!(validate(input, declared as u64), expected);

    let mut out = b"kept".to_vec();
    prop_assert_eq!(inflate_into(input, declared, &mut out), expected);
    let wanted = if expected.is_ok() { bytes.as_slice() } else { &[] };
    prop_assert_eq!(out.strip_prefix(b"kept"), Some(wanted));

    let walked = Walker::new(input.len() as u64, declared as u64)
        .and_then(|mut walker| in_pieces(input, cuts, |piece| walker.push(piece)).and_then(|()| walker.finish()));
    prop_assert_eq!(walked, expected);

    let mut streamed = Vec::new();
    let inflated = Inflater::new(input.len() as u64, declared as u64).and_then(|mut inflater| {
        in_pieces(input, cuts, |piece| inflater.push(piece, &mut |bytes| streamed.extend_from_slice(bytes)))
            .and_then(|()| inflater.finish())
    });
    prop_assert_eq!(inflated, expected);
    prop_assert!(streamed == bytes, "what the inflater handed on differs");

    if declared > 0 {
        // The crate takes too few bytes for success, and knows no bound for the declared size.
        let by_crate = lzf::decompress(input, declared).ok().filter(|out| out.len() == declared);
        prop_assert!(by_crate == expected.ok().map(|()| bytes), "the lzf crate decides otherwise");
    }
    Ok(())
}

fn cuts() -> impl Strategy<Value = Vec<prop::sample::Index>> {
    prop::collection::vec(any::<prop::sample::Index>(), 0..12)
}

/// Token streams that are mostly sound: literals, and matches that mostly lie inside what precedes them.
fn tokens() -> impl Strategy<Value = Vec<u8>> {
    let literal = prop::collection::vec(any::<u8>(), 1..=32).prop_map(|bytes| {
        let mut token = vec![u8::try_from(bytes.len() - 1).unwrap_or(0)];
        token.extend(bytes);
        token
    });
    let short = (1..7_u8, 0..40_u8).prop_map(|(len, low)| vec![len << 5, low]);
    let long = (any::<u8>(), prop_oneof![Just(0), 0..40_u8]).prop_map(|(len, low)| vec![0xE0, len, low]);
    let far = (0..32_u8, any::<u8>(), any::<u8>()).prop_map(|(high, len, low)| vec![0xE0 | high, len, low]);
    let token = prop_oneof![6 => literal.clone(), 4 => short, 4 => long, 1 => far];
    (prop::collection::vec(literal, 2..8), prop::collection::vec(token, 0..60))
        .prop_map(|(head, tail)| [head, tail].concat().concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(input in prop::collection::vec(any::<u8>(), 0..80), declared in 0..3000_usize, cuts in cuts()) {
        agree(&input, declared, &cuts)?;
    }

    #[test]
    fn sound_and_nearly_sound_tokens(
        input in tokens(), off in -2..3_isize, keep in any::<prop::sample::Index>(), cut in any::<bool>(), cuts in cuts(),
    ) {
        let input = if cut { &input[..keep.index(input.len())] } else { &input };
        let declared = twin(input, input.len() * 88).0.len();
        agree(input, declared.saturating_add_signed(off), &cuts)?;
        agree(input, declared, &cuts)?;
    }

    #[test]
    fn what_a_writer_compresses(
        words in prop::collection::vec(any::<u8>(), 20..8000),
        change in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
        cuts in cuts(),
    ) {
        let text: String = words.iter().map(|word| format!("{:x} {}", u32::from(*word) * 77, "z".repeat(usize::from(word % 11)))).collect();
        let Ok(mut input) = lzf::compress(text.as_bytes()) else { return Ok(()) };
        prop_assert_eq!(twin(&input, text.len()), (text.clone().into_bytes(), Ok(())));
        if let Some((place, byte)) = change {
            let place = place.index(input.len());
            input[place] = byte;
        }
        agree(&input, text.len(), &cuts)?;
    }
}

#[test]
fn every_single_cut_gives_the_same() -> Result<(), LzfError> {
    let input = b"\x04hello\x60\x04\x00!\xE0\x05\x08\x20\x00";
    let (expected, result) = twin(input, twin(input, input.len() * 88).0.len());
    result?;
    for cut in 0..=input.len() {
        let mut out = Vec::new();
        let mut inflater = Inflater::new(input.len() as u64, expected.len() as u64)?;
        for piece in [&input[..cut], &input[cut..]] {
            inflater.push(piece, &mut |bytes| out.extend_from_slice(bytes))?;
        }
        inflater.finish()?;
        assert_eq!(out, expected, "cut at {cut}");
    }
    Ok(())
}
