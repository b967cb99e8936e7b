//! The four ways to read LZF against each other, a slow twin and the `lzf` crate.

use crate::lzf_twin;

use lzf_twin::{agree, twin};
use proptest::prelude::*;
use redis_persistence::lzf::{Inflater, LzfError};

fn cuts() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(any::<usize>(), 0..12)
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
        agree(&input, declared, &cuts);
    }

    #[test]
    fn sound_and_nearly_sound_tokens(
        input in tokens(), off in -2..3_isize, keep in any::<prop::sample::Index>(), cut in any::<bool>(), cuts in cuts(),
    ) {
        let input = if cut { &input[..keep.index(input.len())] } else { &input };
        let declared = twin(input, input.len() * 88).0.len();
        agree(input, declared.saturating_add_signed(off), &cuts);
        agree(input, declared, &cuts);
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
        agree(&input, text.len(), &cuts);
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

/// Matches of all lengths and of near and far, with all that may follow up to the end: the wide copies stop in time.
#[test]
fn matches_reach_to_the_end() {
    let literal = |count: usize| -> Vec<u8> {
        let bytes = (0..count).map(|at| u8::try_from(at * 7 % 251).unwrap_or(0));
        u8::try_from(count.saturating_sub(1)).into_iter().filter(|_| count > 0).chain(bytes).collect()
    };
    for distance in [1, 2, 8, 15, 16, 17, 33, 64_u8] {
        for len in 3..=70_u8 {
            let back = distance - 1;
            let matched = if len < 9 { vec![(len - 2) << 5, back] } else { vec![0xE0, len - 9, back] };
            for tail in 0..=32 {
                let input = [literal(32), literal(32), matched.clone(), literal(tail)].concat();
                agree(&input, 64 + usize::from(len) + tail, &[]);
            }
        }
    }
}
