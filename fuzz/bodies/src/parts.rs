//! The packed encodings and LZF against slow twins.

use redis_persistence::lzf::inflate_into;
use testkit::rdb::lzf::deflate;

use crate::bytes::Choices;
use crate::lzf_twin::{agree, twin};
use crate::packed_twins::{check_intset, check_listpack, check_ziplist, check_zipmap};

/// A byte that chooses the encoding, and the packed value. It is looked at as it is, and where its header states its size
/// also with the true one, so that what follows is reached.
pub fn packed(data: &[u8]) {
    let mut choices = Choices(data);
    let (check, states_size): (fn(&[u8]), bool) = match choices.byte() % 4 {
        0 => (check_listpack, true),
        1 => (check_ziplist, true),
        2 => (check_intset, false),
        _ => (check_zipmap, false),
    };
    check(choices.0);
    if !states_size {
        return;
    }
    let mut blob = choices.0.to_vec();
    let (Ok(size), Some(end)) = (u32::try_from(blob.len()), blob.last_mut()) else { return };
    *end = 0xFF;
    if let Some(stated) = blob.first_chunk_mut() {
        *stated = size.to_le_bytes();
    }
    check(&blob);
}

/// LZF: two bytes of declared size, three cuts, and the tokens; also with the size that the tokens give, and as a text
/// to be compressed.
pub fn lzf(data: &[u8]) {
    let mut choices = Choices(data);
    let declared = choices.short();
    let cuts = [choices.byte(), choices.byte(), choices.byte()].map(usize::from);
    let tokens = choices.0;
    agree(tokens, declared, &cuts);
    let size = twin(tokens, tokens.len() * 88).0.len();
    agree(tokens, size, &cuts);
    if let Some(compressed) = deflate(tokens) {
        agree(&compressed, tokens.len(), &cuts);
        let mut out = Vec::new();
        assert_eq!(inflate_into(&compressed, tokens.len(), &mut out), Ok(()));
        assert_eq!(out, tokens);
    }
}
