//! What befalls append-only files.

use super::{AofFiles, SetFile};
use crate::Bytes;
use crate::replay::{Framed, records};
use crate::resp::record;
use crate::rng::Rng;

/// A page of a disk.
const PAGE: usize = 512;

macro_rules! damages {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// A way in which files are damaged.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Damage {
            $($(#[$doc])* $name,)*
        }

        impl Damage {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];
        }
    };
}

damages! {
    /// A digit of an argument's length.
    Length,
    /// A digit of a count of arguments.
    Count,
    /// A bit of an argument.
    Payload,
    /// A bit of a command's name.
    Name,
    /// A bit anywhere in the records.
    Bit,
    /// The line end behind an argument or a header.
    LineEnd,
    /// The end is missing.
    Cut,
    /// Zeros follow.
    ZeroTail,
    /// Text follows.
    TextTail,
    /// A page is zero.
    ZeroPage,
    /// A page holds what another one holds.
    WrongPage,
    /// Bytes are missing.
    BytesLost,
    /// Bytes are too many.
    BytesAdded,
    /// A record is missing.
    RecordLost,
    /// A record is there twice.
    RecordTwice,
    /// Two records stand in the wrong order.
    RecordsSwapped,
    /// An EXEC is missing.
    ExecLost,
    /// A MULTI is missing.
    MultiLost,
    /// A second MULTI.
    MultiTwice,
    /// A byte between MULTI and EXEC.
    InTransaction,
    /// A byte of a timestamp.
    Stamp,
    /// A line that begins with `#`.
    Annotation,
    /// A byte of an image.
    Image,
    /// An image ends early, and the file with it.
    ImageCut,
    /// A file is empty.
    Empty,
    /// A file is missing.
    Missing,
    /// Two files are exchanged.
    Exchanged,
    /// A line of the manifest is missing.
    LineLost,
    /// A line of the manifest is there twice.
    LineTwice,
    /// Two lines of the manifest stand in the wrong order.
    LinesSwapped,
    /// A byte of the manifest.
    LineByte,
    /// The manifest ends early.
    ManifestCut,
    /// The manifest is of zeros.
    ManifestZero,
    /// The lines of the manifest end in CR LF.
    ManifestCrLf,
}

/// Another digit, or a byte that is none.
fn digit(rng: &mut Rng, byte: &mut u8) {
    let old = *byte;
    while *byte == old {
        *byte = match rng.below(4) {
            0 => old ^ 1 << rng.below(8),
            _ => b'0' + u8::try_from(rng.below(10)).unwrap_or(0),
        };
    }
}

impl SetFile {
    fn framed(&self) -> Vec<Framed> {
        records(&self.bytes, self.start()).0
    }

    /// Where its records begin; the whole file where its image is harmed.
    fn start(&self) -> usize {
        let image = self.image.as_ref().filter(|image| self.bytes.starts_with(&image.bytes));
        image.map_or(0, |image| image.bytes.len())
    }

    fn named(&self, name: &[u8]) -> Vec<Framed> {
        self.framed().into_iter().filter(|record| self.bytes[record.arguments[0].clone()] == *name).collect()
    }
}

/// The place of any byte of the range.
fn within(rng: &mut Rng, range: std::ops::Range<usize>) -> Option<usize> {
    (!range.is_empty()).then(|| rng.size(range.start..=range.end - 1))
}

fn any<'a, T>(rng: &mut Rng, items: &'a [T]) -> Option<&'a T> {
    (!items.is_empty()).then(|| rng.pick(items))
}

impl AofFiles {
    /// Damages one of the files in any way that suits it.
    pub fn damage(&mut self, rng: &mut Rng) -> Option<Damage> {
        (0..40).find_map(|_| {
            let damage = *rng.pick(Damage::ALL);
            self.damage_by(rng, damage).map(|()| damage)
        })
    }

    /// Damages one of the files in that way; nothing if none can be.
    pub fn damage_by(&mut self, rng: &mut Rng, damage: Damage) -> Option<()> {
        let before = self.clone();
        match damage {
            Damage::LineLost
            | Damage::LineTwice
            | Damage::LinesSwapped
            | Damage::LineByte
            | Damage::ManifestCut
            | Damage::ManifestZero
            | Damage::ManifestCrLf => manifest(self.manifest.as_mut()?, rng, damage)?,
            Damage::Missing => {
                let _ = self.manifest.as_ref()?;
                let at = within(rng, 0..self.files.len())?;
                self.files.remove(at);
            }
            Damage::Exchanged => {
                let (a, b) = (within(rng, 0..self.files.len())?, within(rng, 0..self.files.len())?);
                let (first, second) = (self.files[a].clone(), self.files[b].clone());
                self.files[a] = SetFile { name: first.name.clone(), ..second.clone() };
                self.files[b] = SetFile { name: second.name, ..first };
            }
            _ => {
                // The last one is what servers write to.
                let last = self.files.len().checked_sub(1)?;
                let at = if rng.chance(60) { last } else { rng.size(0..=last) };
                file(&mut self.files[at], rng, damage)?;
            }
        }
        (*self != before).then_some(())
    }
}

fn file(file: &mut SetFile, rng: &mut Rng, damage: Damage) -> Option<()> {
    let framed = file.framed();
    let start = file.start();
    let size = file.bytes.len();
    match damage {
        Damage::Length | Damage::Count => {
            let record = any(rng, &framed)?;
            // The header line before an argument ends two bytes before it.
            let line = match damage {
                Damage::Count => record.span.start + 1..record.span.end,
                _ => {
                    let argument = any(rng, &record.arguments)?;
                    let from = file.bytes[..argument.start].iter().rposition(|byte| *byte == b'$')?;
                    from + 1..argument.start
                }
            };
            let digits = file.bytes[line.clone()].iter().take_while(|byte| byte.is_ascii_digit()).count();
            let at = within(rng, line.start..line.start + digits)?;
            digit(rng, &mut file.bytes[at]);
        }
        Damage::Payload | Damage::Name => {
            let record = any(rng, &framed)?;
            let argument = match damage {
                Damage::Name => &record.arguments[0],
                _ => any(rng, record.arguments.get(1..)?)?,
            };
            let at = within(rng, argument.clone())?;
            file.bytes[at] ^= 1 << rng.below(8);
        }
        Damage::Bit => {
            let at = within(rng, start..size)?;
            file.bytes[at] ^= 1 << rng.below(8);
        }
        Damage::LineEnd => {
            let record = any(rng, &framed)?;
            let argument = any(rng, &record.arguments)?;
            let at = if rng.chance(60) { argument.end } else { argument.start - 2 };
            match rng.below(3) {
                0 => drop(file.bytes.remove(at)),
                1 => file.bytes[at] = rng.byte(),
                _ => file.bytes[at + 1] = rng.byte(),
            }
        }
        Damage::Cut => file.bytes.truncate(within(rng, start..size)?),
        Damage::ZeroTail => file.bytes.extend(vec![0; rng.size(1..=2 * PAGE)]),
        Damage::TextTail => file.bytes.extend_from_slice(b"hello, this is no record\n"),
        Damage::ZeroPage | Damage::WrongPage => {
            let pages = start.div_ceil(PAGE)..size.div_ceil(PAGE);
            let at = PAGE * within(rng, pages.clone())?;
            let end = (at + PAGE).min(size);
            if damage == Damage::ZeroPage {
                file.bytes[at..end].fill(0);
            } else {
                let from = PAGE * within(rng, pages)?;
                let length = (end - at).min(size - from);
                file.bytes.copy_within(from..from + length, at);
            }
        }
        Damage::BytesLost => {
            let at = within(rng, start..size)?;
            let end = (at + rng.size(1..=40)).min(size);
            file.bytes.drain(at..end);
        }
        Damage::BytesAdded => {
            let at = within(rng, start..size)?;
            let length = rng.size(1..=20);
            let more = if rng.chance(50) { rng.bytes(length) } else { vec![b'\n'; length] };
            drop(file.bytes.splice(at..at, more));
        }
        Damage::RecordLost => drop(file.bytes.drain(any(rng, &framed)?.span.clone())),
        Damage::RecordTwice => {
            let span = any(rng, &framed)?.span.clone();
            let twice = file.bytes[span.clone()].to_vec();
            drop(file.bytes.splice(span.end..span.end, twice));
        }
        Damage::RecordsSwapped => {
            let at = within(rng, 1..framed.len())?;
            let (first, second) = (framed[at - 1].span.clone(), framed[at].span.clone());
            let swapped = [&file.bytes[second.clone()], &file.bytes[first.clone()]].concat();
            // A timestamp between the two is lost.
            drop(file.bytes.splice(first.start..second.end, swapped));
        }
        Damage::ExecLost => drop(file.bytes.drain(any(rng, &file.named(b"EXEC"))?.span.clone())),
        Damage::MultiLost => drop(file.bytes.drain(any(rng, &file.named(b"MULTI"))?.span.clone())),
        Damage::MultiTwice => {
            let at = any(rng, &file.named(b"MULTI"))?.span.end;
            drop(file.bytes.splice(at..at, record(&["MULTI"])));
        }
        Damage::InTransaction => {
            let multi = any(rng, &file.named(b"MULTI"))?.span.end;
            let exec = file.named(b"EXEC").into_iter().find(|exec| exec.span.start >= multi)?.span;
            let at = within(rng, multi..exec.end)?;
            file.bytes[at] = rng.byte();
        }
        Damage::Stamp => {
            let stamps = memmem(&file.bytes, b"#TS:");
            let at = *any(rng, &stamps)?;
            let at = at + rng.size(0..=15);
            file.bytes[at] = rng.byte();
        }
        Damage::Annotation => {
            let at = any(rng, &framed)?.span.start;
            let length = *rng.pick(&[0, 5, 1021, 1022, 1023, 1100]);
            let end: &[u8] = if rng.chance(70) { b"\r\n" } else { b"" };
            drop(file.bytes.splice(at..at, [&b"#"[..], &vec![b'x'; length], end].concat()));
        }
        Damage::Image => {
            let at = within(rng, 0..start)?;
            file.bytes[at] ^= 1 << rng.below(8);
        }
        Damage::ImageCut => file.bytes.truncate(within(rng, 0..start)?),
        Damage::Empty => file.bytes.clear(),
        _ => return None,
    }
    Some(())
}

fn memmem(bytes: &[u8], what: &[u8]) -> Vec<usize> {
    (0..bytes.len()).filter(|at| bytes[*at..].starts_with(what)).collect()
}

fn manifest(text: &mut Bytes, rng: &mut Rng, damage: Damage) -> Option<()> {
    let mut lines: Vec<Bytes> = text.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    let at = within(rng, 0..lines.len())?;
    match damage {
        Damage::LineLost => drop(lines.remove(at)),
        Damage::LineTwice => lines.insert(at, lines[at].clone()),
        Damage::LinesSwapped => {
            let other = within(rng, 0..lines.len())?;
            lines.swap(at, other);
        }
        Damage::LineByte => {
            let byte = within(rng, 0..lines[at].len())?;
            lines[at][byte] = if rng.chance(50) { lines[at][byte] ^ 1 << rng.below(8) } else { rng.byte() };
        }
        Damage::ManifestCut => {
            let length = within(rng, 0..text.len())?;
            lines = vec![text[..length].to_vec()];
        }
        Damage::ManifestZero => lines = vec![vec![0; text.len()]],
        Damage::ManifestCrLf => {
            for line in &mut lines {
                line.insert(line.len() - 1, b'\r');
            }
        }
        _ => return None,
    }
    *text = lines.concat();
    Some(())
}
