//! Tars of files with holes, in each of the ways that GNU tar writes them, and with maps that are wrong.
//!
//! ```
//! use testkit::tar::{END, HOLES, Sparse};
//!
//! let file = [&[0; 4096][..], b"content"].concat();
//! for how in HOLES {
//!     let tar = [Sparse::of(&file).member("data/file", how), END.to_vec()].concat();
//!     assert_eq!(tar.len() % 512, 0);
//! }
//! ```

/// The end of a tar.
pub const END: [u8; 1024] = [0; 1024];

/// A hole is as long as a block, at least.
const BLOCK: usize = 512;

/// How a tar says where the holes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holes {
    /// In the header, and in blocks behind it.
    Gnu,
    /// In the extended header, one record for each number.
    Pax00,
    /// In the extended header, in one record.
    Pax01,
    /// Before the content, in lines.
    Pax10,
}

/// All of them.
pub const HOLES: [Holes; 4] = [Holes::Gnu, Holes::Pax00, Holes::Pax01, Holes::Pax10];

/// A file with holes, as a tar stores it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sparse {
    /// The size of the file.
    pub size: u64,
    /// The offset and length of each part that is stored.
    pub map: Vec<(u64, u64)>,
    /// What is stored, one part behind the other.
    pub stored: Vec<u8>,
    /// How many parts the map is said to have, if not as many as it has.
    pub count: Option<u64>,
}

impl Sparse {
    /// A file whose blocks of zeros are holes.
    #[must_use]
    pub fn of(file: &[u8]) -> Self {
        let mut sparse = Self { size: file.len() as u64, ..Self::default() };
        for (n, block) in file.chunks(BLOCK).enumerate().filter(|(_, block)| block.iter().any(|byte| *byte != 0)) {
            let at = (n * BLOCK) as u64;
            match sparse.map.last_mut() {
                Some((last, len)) if *last + *len == at => *len += block.len() as u64,
                _ => sparse.map.push((at, block.len() as u64)),
            }
            sparse.stored.extend(block);
        }
        // Where the file ends in a hole, or has nothing but holes, a last part of no bytes says so.
        if sparse.map.last().is_none_or(|(at, len)| at + len < sparse.size) {
            sparse.map.push((sparse.size, 0));
        }
        sparse
    }

    /// Its headers, its map, and what is stored.
    #[must_use]
    pub fn member(&self, name: &str, how: Holes) -> Vec<u8> {
        let (size, count) = (self.size, self.count.unwrap_or(self.map.len() as u64));
        let numbers = self.map.iter().flat_map(|(at, len)| [*at, *len]);
        let numbers: Vec<String> = numbers.map(|number| number.to_string()).collect();
        let mut bytes = match how {
            Holes::Gnu => return self.old(name),
            Holes::Pax00 => {
                let said = |n: usize| if n.is_multiple_of(2) { "offset" } else { "numbytes" };
                let each = numbers.iter().enumerate().map(|(n, number)| (said(n), number.clone()));
                let first = [("size", size.to_string()), ("numblocks", count.to_string())];
                extended(&first.into_iter().chain(each).collect::<Vec<_>>())
            }
            Holes::Pax01 => extended(&[
                ("name", name.to_owned()),
                ("size", size.to_string()),
                ("numblocks", count.to_string()),
                ("map", numbers.join(",")),
            ]),
            Holes::Pax10 => extended(&[
                ("major", "1".to_owned()),
                ("minor", "0".to_owned()),
                ("name", name.to_owned()),
                ("realsize", size.to_string()),
            ]),
        };
        let own = if how == Holes::Pax00 { name } else { "GNUSparseFile.1/file" };
        let mut stored = Vec::new();
        if how == Holes::Pax10 {
            let lines: String = numbers.iter().map(|number| format!("{number}\n")).collect();
            stored = padded(format!("{count}\n{lines}").into_bytes());
        }
        stored.extend(&self.stored);
        bytes.extend(header(own, b'0', stored.len() as u64, false));
        bytes.extend(padded(stored));
        bytes
    }

    /// Four parts stand in the header, and 21 in each block behind it.
    fn old(&self, name: &str) -> Vec<u8> {
        let mut head = header(name, b'S', self.stored.len() as u64, true);
        let (first, rest) = self.map.split_at(self.map.len().min(4));
        head[386..386 + 24 * first.len()].copy_from_slice(&parts(first));
        head[482] = u8::from(!rest.is_empty());
        head[483..495].copy_from_slice(&number(self.size));
        sum(&mut head);
        let mut bytes = head.to_vec();
        let mut blocks = rest.chunks(21).peekable();
        while let Some(block) = blocks.next() {
            let mut extension = [0; BLOCK];
            extension[..24 * block.len()].copy_from_slice(&parts(block));
            extension[504] = u8::from(blocks.peek().is_some());
            bytes.extend(extension);
        }
        bytes.extend(padded(self.stored.clone()));
        bytes
    }
}

/// A file without holes.
#[must_use]
pub fn member(name: &str, content: &[u8]) -> Vec<u8> {
    [header(name, b'0', content.len() as u64, true).to_vec(), padded(content.to_vec())].concat()
}

/// An extended header of records about holes.
#[must_use]
pub fn extended(records: &[(&str, String)]) -> Vec<u8> {
    let lines: String = records.iter().map(|(key, value)| record(&format!("GNU.sparse.{key}={value}\n"))).collect();
    [header("pax", b'x', lines.len() as u64, false).to_vec(), padded(lines.into_bytes())].concat()
}

/// A record with its length before it, which counts its own digits.
fn record(text: &str) -> String {
    let mut length = text.len() + 2;
    while length != text.len() + 1 + length.to_string().len() {
        length += 1;
    }
    format!("{length} {text}")
}

fn parts(map: &[(u64, u64)]) -> Vec<u8> {
    map.iter().flat_map(|(at, len)| [number(*at), number(*len)].concat()).collect()
}

/// Octal digits, or eight bytes where those do not suffice.
fn number(number: u64) -> [u8; 12] {
    let digits = format!("{number:011o}\0").into_bytes();
    digits.try_into().unwrap_or_else(|_| {
        let mut bytes = [0; 12];
        bytes[0] = 0x80;
        bytes[4..].copy_from_slice(&number.to_be_bytes());
        bytes
    })
}

fn header(name: &str, kind: u8, size: u64, gnu: bool) -> [u8; BLOCK] {
    let mut head = [0; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| head[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, name.as_bytes());
    put(100, b"0000644\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, &number(size));
    put(136, &number(0));
    put(156, &[kind]);
    put(257, if gnu { b"ustar  \0" } else { b"ustar\x0000" });
    sum(&mut head);
    head
}

fn sum(head: &mut [u8; BLOCK]) {
    head[148..156].fill(b' ');
    let sum: u32 = head.iter().map(|byte| u32::from(*byte)).sum();
    head[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

fn padded(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
    bytes
}
