//! Damage to sound files, each kind by name and each place by seed, with the word of what was done.

use std::ops::Range;

use crate::Bytes;
use crate::crc64::crc64;
use crate::rdb::{Encoded, Mark, MarkKind, naive_listpack_elements, naive_ziplist_entries};
use crate::rng::Rng;

/// A kind of damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Damage {
    /// One bit anywhere before the checksum.
    FlipBit,
    /// One byte anywhere before the checksum.
    ChangeByte,
    /// The first byte of a string's length.
    Length,
    /// The first byte of a count.
    Count,
    /// The size that follows an element of a listpack.
    Backlen,
    /// The size that precedes an entry of a ziplist.
    Prevlen,
    /// Size, count or tail offset in the header of a packed blob.
    BlobHeader,
    /// The last byte of a listpack or ziplist.
    Terminator,
    /// Two neighbours of an intset change places.
    Order,
    /// A member or field takes the place of another one of its collection.
    DuplicateElement,
    /// A whole record stands twice.
    DuplicateKey,
    /// A consumer owns an entry that is not pending.
    PendingOwner,
    /// The last byte of a hash field's expiry.
    FieldTtl,
    /// The type byte of a key.
    TypeByte,
    /// The byte of an opcode.
    Opcode,
    /// A digit of the version.
    VersionDigit,
    /// The checksum itself; it does not become zero.
    Checksum,
    /// The end of the file is missing.
    Cut,
    /// Zeros in the place of 16 to 4096 bytes.
    ZeroHole,
    /// Up to 16 bytes too many.
    Insert,
    /// Up to 16 bytes missing.
    Remove,
    /// Two blocks of equal size change places.
    SwapBlocks,
    /// A block stands in the place of the next one too.
    RepeatBlock,
    /// Bytes behind the end.
    Trailing,
}

/// A damaged file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damaged {
    /// The bytes.
    pub bytes: Bytes,
    /// What was done.
    pub damage: Damage,
    /// The bytes of the sound file that were replaced.
    pub was: Range<usize>,
    /// The bytes of this file that stand there now. A checksum that was computed anew is not part of it.
    pub now: Range<usize>,
    /// Whether the checksum was made to fit again.
    pub checksum_fixed: bool,
}

/// Bytes of the sound file and what comes in their place.
type Edit = (Range<usize>, Bytes);

impl Damage {
    /// Every kind.
    pub const ALL: [Self; 24] = [
        Self::FlipBit,
        Self::ChangeByte,
        Self::Length,
        Self::Count,
        Self::Backlen,
        Self::Prevlen,
        Self::BlobHeader,
        Self::Terminator,
        Self::Order,
        Self::DuplicateElement,
        Self::DuplicateKey,
        Self::PendingOwner,
        Self::FieldTtl,
        Self::TypeByte,
        Self::Opcode,
        Self::VersionDigit,
        Self::Checksum,
        Self::Cut,
        Self::ZeroHole,
        Self::Insert,
        Self::Remove,
        Self::SwapBlocks,
        Self::RepeatBlock,
        Self::Trailing,
    ];

    /// Whether every file with this damage breaks a rule of the format even if its checksum fits. Of the other kinds
    /// some cases end in another sound file, in which only the old checksum could have shown the change.
    #[must_use]
    pub fn always_shows(self) -> bool {
        matches!(
            self,
            Self::Backlen
                | Self::Prevlen
                | Self::BlobHeader
                | Self::Terminator
                | Self::Order
                | Self::DuplicateElement
                | Self::DuplicateKey
                | Self::PendingOwner
                | Self::Checksum
                | Self::Cut
                | Self::Trailing
        )
    }

    /// Damages a sound file at a place that `rng` chooses. `None` if the file has no such place, or if the bytes
    /// would stay the same. With `fix_checksum` the checksum is computed anew where the file has one, unless that is
    /// what gets damaged or cut off.
    #[must_use]
    pub fn apply(self, file: &Encoded, rng: &mut Rng, fix_checksum: bool) -> Option<Damaged> {
        let (was, with) = self.edit(file, rng)?;
        if file.bytes[was.clone()] == with {
            return None;
        }
        let mut bytes = [&file.bytes[..was.start], &with, &file.bytes[was.end..]].concat();
        let now = was.start..was.start + with.len();
        let before_trailer = |at: usize| was.end <= at;
        let fixable = file.checksum_at.filter(|&at| before_trailer(at) && file.bytes[at..] != [0; 8]);
        let checksum_fixed = fix_checksum && fixable.is_some();
        if checksum_fixed {
            let body = bytes.len() - 8;
            let crc = crc64(&bytes[..body]);
            bytes[body..].copy_from_slice(&crc.to_le_bytes());
        }
        Some(Damaged { bytes, damage: self, was, now, checksum_fixed })
    }

    fn edit(self, file: &Encoded, rng: &mut Rng) -> Option<Edit> {
        let bytes = &file.bytes;
        match self {
            Self::FlipBit => {
                let at = rng.size(0..=file.eof_at);
                Some(byte(at, bytes[at] ^ 1 << rng.below(8)))
            }
            Self::ChangeByte => {
                let at = rng.size(0..=file.eof_at);
                Some(byte(at, other(rng, bytes[at])))
            }
            Self::Length => {
                let at = a_mark(file, rng, |m| m.body != Some(m.start))?.start;
                Some(byte(at, other(rng, bytes[at])))
            }
            Self::Count => {
                let at = a_mark(file, rng, |m| m.kind == MarkKind::Count)?.start;
                Some(byte(at, other(rng, bytes[at])))
            }
            Self::FieldTtl => {
                let at = a_mark(file, rng, |m| m.kind == MarkKind::FieldTtl)?.end - 1;
                Some(byte(at, other(rng, bytes[at])))
            }
            Self::PendingOwner => {
                let mark = a_mark(file, rng, |m| m.kind == MarkKind::OwnedId)?;
                Some((mark.start..mark.end, vec![0xFF; 16]))
            }
            Self::Backlen | Self::Prevlen | Self::BlobHeader | Self::Terminator | Self::Order => {
                self.blob_edit(file, rng)
            }
            Self::DuplicateElement => duplicate_element(file, rng),
            Self::DuplicateKey => {
                let key = choose(rng, &file.keys)?;
                Some((key.end..key.end, bytes[key.start..key.end].to_vec()))
            }
            Self::TypeByte => {
                let at = choose(rng, &file.keys)?.type_at;
                Some(byte(at, other(rng, bytes[at])))
            }
            Self::Opcode => {
                let at = choose(rng, &file.opcodes)?.range.start;
                Some(byte(at, other(rng, bytes[at])))
            }
            Self::VersionDigit => {
                let at = rng.size(6..=8);
                Some(byte(at, *rng.pick(b"0123456789")))
            }
            Self::Checksum => {
                let at = file.checksum_at.filter(|&at| bytes[at..] != [0; 8])?;
                let wrong = rng.next_u64().max(1).to_le_bytes();
                Some((at..at + 8, wrong.to_vec()))
            }
            Self::Cut => Some((rng.size(0..=bytes.len() - 1)..bytes.len(), Bytes::new())),
            Self::Trailing => {
                let tail = match rng.below(4) {
                    0 => vec![0; rng.size(1..=4096)],
                    1 => b"*1\r\n$4\r\nPING\r\n".to_vec(),
                    2 => b"REDIS0011".to_vec(),
                    _ => {
                        let len = rng.size(1..=64);
                        rng.bytes(len)
                    }
                };
                Some((bytes.len()..bytes.len(), tail))
            }
            Self::ZeroHole | Self::Insert | Self::Remove | Self::SwapBlocks | Self::RepeatBlock => {
                self.block_edit(&bytes[..file.eof_at], rng)
            }
        }
    }

    /// Edits of a packed blob that is stored uncompressed.
    fn blob_edit(self, file: &Encoded, rng: &mut Rng) -> Option<Edit> {
        let kinds: &[MarkKind] = match self {
            Self::Backlen => &[MarkKind::Listpack],
            Self::Prevlen => &[MarkKind::Ziplist],
            Self::Order => &[MarkKind::Intset],
            Self::BlobHeader => &[MarkKind::Listpack, MarkKind::Ziplist, MarkKind::Intset],
            _ => &[MarkKind::Listpack, MarkKind::Ziplist],
        };
        let mark = a_mark(file, rng, |m| kinds.contains(&m.kind) && m.body.is_some())?;
        let start = mark.body?;
        let blob = &file.bytes[start..mark.end];
        let (range, with) = match self {
            Self::Backlen => {
                let at = choose(rng, &naive_listpack_elements(blob)?)?.end - 1;
                // The seven low bits are part of the size, whichever byte of it this is.
                byte(at, blob[at] ^ rng.size(1..=0x7F).to_le_bytes()[0])
            }
            Self::Prevlen => {
                let at = choose(rng, &naive_ziplist_entries(blob)?)?.1.start;
                byte(at, other(rng, blob[at]))
            }
            Self::Order => {
                let width = usize::from(blob[0]);
                let numbers = (blob.len() - 8) / width;
                let at = 8 + width * rng.size(0..=numbers.checked_sub(2)?);
                let (a, b) = blob[at..at + 2 * width].split_at(width);
                (at..at + 2 * width, [b, a].concat())
            }
            Self::BlobHeader => {
                let fields: &[usize] = match mark.kind {
                    MarkKind::Ziplist => &[0, 4, 8],
                    _ => &[0, 4],
                };
                let at = *rng.pick(fields);
                byte(at, other(rng, blob[at]))
            }
            _ => byte(blob.len() - 1, other(rng, 0xFF)),
        };
        Some((start + range.start..start + range.end, with))
    }

    /// Edits that look at no structure.
    fn block_edit(self, body: &[u8], rng: &mut Rng) -> Option<Edit> {
        let most = match self {
            Self::ZeroHole => 4096,
            Self::Insert | Self::Remove => 16,
            _ => 512,
        };
        let size = rng.size(1..=most.min(body.len() / 4).max(1));
        let at = rng.size(0..=body.len().checked_sub(2 * size)?);
        let block = &body[at..at + size];
        Some(match self {
            Self::ZeroHole => (at..at + size, vec![0; size]),
            Self::Insert => (at..at, rng.bytes(size)),
            Self::Remove => (at..at + size, Bytes::new()),
            Self::RepeatBlock => (at + size..at + 2 * size, block.to_vec()),
            _ => {
                let second = rng.size(at + size..=body.len() - size);
                let swapped = [&body[second..second + size], &body[at + size..second], block].concat();
                (at..second + size, swapped)
            }
        })
    }
}

/// One member or field takes the place of another one, in types 2 to 5.
fn duplicate_element(file: &Encoded, rng: &mut Rng) -> Option<Edit> {
    let collections: Vec<Vec<&Mark>> = file
        .keys
        .iter()
        .filter(|key| (2..=5).contains(&key.type_byte))
        .map(|key| {
            let step = if key.type_byte == 4 { 2 } else { 1 };
            key.marks.iter().filter(|m| m.kind == MarkKind::Element).step_by(step).collect()
        })
        .filter(|names: &Vec<&Mark>| names.len() >= 2)
        .collect();
    let names = choose(rng, &collections)?;
    let from = rng.size(0..=names.len() - 1);
    let to = (from + rng.size(1..=names.len() - 1)) % names.len();
    let (from, to) = (names[from], names[to]);
    Some((to.start..to.end, file.bytes[from.start..from.end].to_vec()))
}

fn marks(file: &Encoded, wanted: impl Fn(&Mark) -> bool) -> Vec<&Mark> {
    file.keys.iter().flat_map(|key| &key.marks).filter(|mark| wanted(mark)).collect()
}

fn a_mark<'a>(file: &'a Encoded, rng: &mut Rng, wanted: impl Fn(&Mark) -> bool) -> Option<&'a Mark> {
    choose(rng, &marks(file, wanted)).copied()
}

fn choose<'a, T>(rng: &mut Rng, items: &'a [T]) -> Option<&'a T> {
    (!items.is_empty()).then(|| rng.pick(items))
}

fn byte(at: usize, value: u8) -> Edit {
    (at..at + 1, vec![value])
}

/// Any byte but this one.
fn other(rng: &mut Rng, value: u8) -> u8 {
    value ^ rng.size(1..=255).to_le_bytes()[0]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rdb::{Family, File, naive_intset, naive_listpack, naive_ziplist};

    fn sound(seed: u64) -> Encoded {
        let file = File::arbitrary(&mut Rng::new(seed), Family::Redis, 13, 120);
        File { compression: false, ..file }.encode()
    }

    #[test]
    fn every_kind_says_what_it_did() {
        for seed in 0..40 {
            let file = sound(seed);
            for damage in Damage::ALL {
                let Some(done) = damage.apply(&file, &mut Rng::new(seed), false) else { continue };
                let back = [&done.bytes[..done.now.start], &file.bytes[done.was.clone()], &done.bytes[done.now.end..]];
                assert_eq!(back.concat(), file.bytes, "{damage:?}, seed {seed}");
                assert_ne!(done.bytes, file.bytes, "{damage:?}, seed {seed}");
                assert_eq!(damage.apply(&file, &mut Rng::new(seed), false), Some(done));
            }
        }
    }

    #[test]
    fn every_kind_finds_a_place_and_the_checksum_can_be_fixed() {
        for damage in Damage::ALL {
            let done = (0..40).find_map(|seed| damage.apply(&sound(seed), &mut Rng::new(seed), true));
            let done = done.unwrap_or_else(|| panic!("{damage:?} never applies"));
            let trailing = matches!(damage, Damage::Checksum | Damage::Cut | Damage::Trailing);
            assert_eq!(done.checksum_fixed, !trailing, "{damage:?}");
            if done.checksum_fixed {
                let (body, crc) = done.bytes.split_at(done.bytes.len() - 8);
                assert_eq!(crc, crc64(body).to_le_bytes());
            }
        }
    }

    #[test]
    fn damaged_blobs_are_refused() {
        use Damage::{Backlen, BlobHeader, Order, Prevlen, Terminator};
        let mut seen = 0;
        for seed in 0..200 {
            let file = sound(seed % 20);
            for damage in [Backlen, Prevlen, BlobHeader, Terminator, Order] {
                let Some(done) = damage.apply(&file, &mut Rng::new(seed), true) else { continue };
                let all = marks(&file, |m| m.start <= done.was.start && done.was.end <= m.end);
                let mark = *all.last().expect("inside a blob");
                let blob = &done.bytes[mark.body.expect("raw")..mark.end];
                let decoded = match mark.kind {
                    MarkKind::Listpack => naive_listpack(blob).is_some(),
                    MarkKind::Ziplist => naive_ziplist(blob).is_some(),
                    _ => naive_intset(blob).is_some(),
                };
                assert!(!decoded, "{damage:?}, seed {seed}");
                seen += 1;
            }
        }
        assert!(seen > 500, "{seen}");
    }
}
