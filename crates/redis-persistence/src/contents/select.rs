//! Which keys are meant: by name, type, database, slot, and expiry.

use std::ops::RangeInclusive;

use crate::rdb::{Head, ValueType, slot};

/// A choice of keys. An empty list chooses all.
///
/// # Examples
/// ```
/// use redis_persistence::select::{Pattern, Selection};
///
/// let selection = Selection { only: vec![Pattern::new(b"user:*")], ..Selection::default() };
/// assert!(!selection.is_all());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selection {
    /// Names of which one has to fit.
    pub only: Vec<Pattern>,
    /// Names of which none may fit.
    pub except: Vec<Pattern>,
    /// The types, as the command TYPE names them; `module` stands for the values of all modules.
    pub types: Vec<String>,
    /// The numbers of the databases.
    pub databases: Vec<u64>,
    /// The cluster slots, both ends included.
    pub slots: Vec<RangeInclusive<u64>>,
    /// Leaves out keys that expired before this time, in milliseconds since the epoch.
    pub expired_before: Option<i64>,
}

impl Selection {
    /// Returns whether it chooses all keys.
    #[must_use]
    pub fn is_all(&self) -> bool {
        *self == Self::default()
    }

    pub(crate) fn takes(&self, head: &Head, name: &[u8]) -> bool {
        let any = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.fits(name));
        (self.only.is_empty() || any(&self.only))
            && !any(&self.except)
            && (self.types.is_empty() || self.types.iter().any(|wanted| is_of(head.value_type, wanted)))
            && (self.databases.is_empty() || self.databases.contains(&head.db))
            && (self.slots.is_empty() || self.slots.iter().any(|slots| slots.contains(&slot::of_key(name))))
            && self.expired_before.is_none_or(|now| head.expires_ms.is_none_or(|ms| ms >= now || ms == -1))
    }
}

fn is_of(value_type: ValueType, wanted: &str) -> bool {
    value_type.type_name().eq_ignore_ascii_case(wanted)
}

/// A pattern of names as servers have them (in KEYS, SCAN, PSUBSCRIBE): `*`, `?`, `[abc]`, `[a-z]`, `[^a]`, and `\` before a
/// character that stands for itself.
///
/// # Examples
/// ```
/// use redis_persistence::select::Pattern;
///
/// assert!(Pattern::new(b"user:[0-9]*").fits(b"user:17"));
/// assert!(!Pattern::new(b"user:?").fits(b"user:17"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Byte(u8),
    /// Any one byte.
    One,
    /// Any number of bytes.
    Many,
    /// A byte of these ranges, or of none of them.
    Class {
        not: bool,
        ranges: Vec<(u8, u8)>,
    },
}

impl Pattern {
    /// Reads a pattern; every text is one.
    #[must_use]
    pub fn new(text: &[u8]) -> Self {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let [first, after @ ..] = rest {
            rest = after;
            let piece = match first {
                b'*' => Piece::Many,
                b'?' => Piece::One,
                b'[' => class(&mut rest),
                b'\\' => match rest {
                    [literal, after @ ..] => {
                        rest = after;
                        Piece::Byte(*literal)
                    }
                    [] => Piece::Byte(b'\\'),
                },
                byte => Piece::Byte(*byte),
            };
            // Several in a row mean the same as one.
            if piece != Piece::Many || pieces.last() != Some(&Piece::Many) {
                pieces.push(piece);
            }
        }
        Self(pieces)
    }

    /// Returns whether all of a name fits. The time grows with the product of both lengths, and no faster.
    #[must_use]
    pub fn fits(&self, name: &[u8]) -> bool {
        let (mut piece, mut at) = (0, 0);
        // The last `*`, and where in the name what follows it is tried next.
        let mut again = None;
        loop {
            match self.0.get(piece) {
                Some(Piece::Many) => {
                    piece += 1;
                    again = Some((piece, at));
                    continue;
                }
                Some(one) if name.get(at).is_some_and(|byte| one.takes(*byte)) => {
                    piece += 1;
                    at += 1;
                    continue;
                }
                None if at == name.len() => return true,
                _ => {}
            }
            match again {
                Some((after, from)) if from < name.len() => {
                    (piece, at) = (after, from + 1);
                    again = Some((after, from + 1));
                }
                _ => return false,
            }
        }
    }
}

impl Piece {
    fn takes(&self, byte: u8) -> bool {
        match self {
            Self::Byte(own) => *own == byte,
            Self::One => true,
            Self::Many => false,
            Self::Class { not, ranges } => *not != ranges.iter().any(|(from, to)| (from..=to).contains(&&byte)),
        }
    }
}

/// Returns what stands behind a `[`, up to its `]` or the end.
fn class(rest: &mut &[u8]) -> Piece {
    let not = rest.first() == Some(&b'^');
    let mut at = usize::from(not);
    let mut ranges = Vec::new();
    while let Some(&byte) = rest.get(at) {
        match byte {
            b']' => {
                at += 1;
                break;
            }
            b'\\' if at + 1 < rest.len() => {
                ranges.push((rest[at + 1], rest[at + 1]));
                at += 2;
            }
            from if rest.get(at + 1) == Some(&b'-') && at + 2 < rest.len() => {
                let to = rest[at + 2];
                ranges.push((from.min(to), from.max(to)));
                at += 3;
            }
            byte => {
                ranges.push((byte, byte));
                at += 1;
            }
        }
    }
    *rest = &rest[at.min(rest.len())..];
    Piece::Class { not, ranges }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_as_those_of_servers_do() {
        for (pattern, name, fits) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("**", "abc", true),
            ("a*c", "abbc", true),
            ("a*c", "abbcd", false),
            ("*b*b*", "abab", true),
            ("*b*b*", "aba", false),
            ("h?llo", "hallo", true),
            ("h?llo", "hllo", false),
            ("h[ae]llo", "hello", true),
            ("h[ae]llo", "hillo", false),
            ("h[^e]llo", "hallo", true),
            ("h[^e]llo", "hello", false),
            ("h[a-c]llo", "hbllo", true),
            ("h[c-a]llo", "hbllo", true),
            ("h[a-c]llo", "hdllo", false),
            (r"a\*b", "a*b", true),
            (r"a\*b", "axb", false),
            (r"[\]]x", "]x", true),
            ("[ab", "a", true),
            ("[ab", "c", false),
            (r"a\", r"a\", true),
        ] {
            assert_eq!(Pattern::new(pattern.as_bytes()).fits(name.as_bytes()), fits, "{pattern} {name}");
        }
    }

    #[test]
    fn many_stars_take_no_more_time_than_few() {
        let pattern = Pattern::new("a*".repeat(2000).as_bytes());
        let name = format!("{}b", "a".repeat(20_000));
        assert!(pattern.fits(name.as_bytes()));
        assert!(!Pattern::new(format!("{}c", "a*".repeat(2000)).as_bytes()).fits(name.as_bytes()));
    }
}
