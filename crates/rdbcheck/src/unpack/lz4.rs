//! LZ4 streams, frame by frame: the blocks are unpacked by `lz4_flex`, whose own reader of frames takes a cut between two
//! blocks for the end, and knows no frames to skip.
//!
//! ```text
//! 04 22 4d 18   frame: descriptor, blocks, end mark `00 00 00 00`, sum of the content if stated
//! 5. 2a 4d 18   to skip: length, so many bytes
//! 02 21 4c 18   legacy: blocks of up to 8 MiB each, no end mark
//! ```

use std::hash::Hasher as _;
use std::io::{self, BufRead, Read};

use twox_hash::XxHash32;

const FRAME: u32 = 0x184d_2204;
const LEGACY: u32 = 0x184c_2102;
/// What a legacy block unpacks to at most, and how long one can be.
const LEGACY_BLOCK: usize = 8 << 20;
const LEGACY_PACKED: usize = LEGACY_BLOCK + LEGACY_BLOCK / 255 + 16;
/// So far back a block may refer to those before it.
const HISTORY: usize = 64 << 10;

/// A stream that is unpacked while it is read.
pub(super) struct Lz4<R> {
    input: R,
    state: State,
    packed: Vec<u8>,
    /// As long as the longest block; what is to be read lies from `at` to `end`.
    out: Vec<u8>,
    at: usize,
    end: usize,
    history: Vec<u8>,
    /// The number that ended a legacy frame: it begins the next one.
    ahead: Option<u32>,
    /// What comes behind the first frame.
    behind: Behind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Behind {
    /// Other frames.
    Frames,
    /// Something else, which is handed on as it is, once the frame has ended.
    AsItIs,
    /// The same: it has ended.
    Reached,
}

enum State {
    Border,
    Frame(Frame),
    Legacy,
}

struct Frame {
    linked: bool,
    block_sums: bool,
    sum: Option<XxHash32>,
    stated: Option<u64>,
    seen: u64,
    most: usize,
}

impl<R: BufRead> Lz4<R> {
    pub(super) fn new(input: R) -> Self {
        Self {
            input,
            state: State::Border,
            packed: Vec::new(),
            out: Vec::new(),
            at: 0,
            end: 0,
            history: Vec::new(),
            ahead: None,
            behind: Behind::Frames,
        }
    }

    /// Returns the same of one frame, behind which something else may stand.
    pub(super) fn of_one_frame(input: R) -> Self {
        Self { behind: Behind::AsItIs, ..Self::new(input) }
    }

    /// Unpacks the next block that holds something; returns whether there is one.
    fn fill(&mut self) -> io::Result<bool> {
        (self.at, self.end) = (0, 0);
        while self.end == 0 {
            match self.state {
                State::Border if self.behind == Behind::Reached => return Ok(false),
                State::Border if self.behind == Behind::AsItIs => {
                    if word(&mut self.input)? != FRAME {
                        return Err(invalid("no frame of LZ4 begins behind its head"));
                    }
                    self.begin(FRAME)?;
                }
                State::Border => {
                    let magic =
                        self.ahead.take().map_or_else(|| word_or_end(&mut self.input), |word| Ok(Some(word)))?;
                    let Some(magic) = magic else { return Ok(false) };
                    self.begin(magic)?;
                }
                State::Frame(_) => self.block()?,
                State::Legacy => self.legacy_block()?,
            }
        }
        Ok(true)
    }

    fn begin(&mut self, magic: u32) -> io::Result<()> {
        match magic {
            FRAME => {
                let frame = descriptor(&mut self.input)?;
                self.history.clear();
                self.room(frame.most);
                self.state = State::Frame(frame);
            }
            LEGACY => {
                self.room(LEGACY_BLOCK);
                self.state = State::Legacy;
            }
            0x184d_2a50..=0x184d_2a5f => skip(&mut self.input)?,
            _ => return Err(invalid("bytes behind a frame that begin no other")),
        }
        Ok(())
    }

    fn room(&mut self, most: usize) {
        if self.out.len() < most {
            self.out.resize(most, 0);
        }
    }

    fn block(&mut self) -> io::Result<()> {
        let State::Frame(frame) = &mut self.state else { return Ok(()) };
        let head = word(&mut self.input)?;
        if head == 0 {
            if let Some(sum) = &frame.sum
                && u64::from(word(&mut self.input)?) != sum.finish()
            {
                return Err(invalid("the sum of the content does not match"));
            }
            if frame.stated.is_some_and(|stated| stated != frame.seen) {
                return Err(invalid("the content is not as long as stated"));
            }
            self.state = State::Border;
            if self.behind == Behind::AsItIs {
                self.behind = Behind::Reached;
            }
            return Ok(());
        }
        let (stored, length) = (head >> 31 == 1, (head & 0x7fff_ffff) as usize);
        if length > frame.most {
            return Err(invalid("a block is longer than any can be"));
        }
        take(&mut self.input, length, &mut self.packed)?;
        if frame.block_sums && u64::from(word(&mut self.input)?) != sum_of(&self.packed) {
            return Err(invalid("the sum of a block does not match"));
        }
        self.end = if stored {
            self.out[..length].copy_from_slice(&self.packed);
            length
        } else {
            let dict = &self.history[self.history.len().saturating_sub(HISTORY)..];
            lz4_flex::block::decompress_into_with_dict(&self.packed, &mut self.out[..frame.most], dict)
                .map_err(|error| invalid(&error.to_string()))?
        };
        let content = &self.out[..self.end];
        frame.seen += self.end as u64;
        if let Some(sum) = &mut frame.sum {
            sum.write(content);
        }
        if frame.linked {
            self.history.extend_from_slice(&content[content.len().saturating_sub(HISTORY)..]);
            if self.history.len() > 4 * HISTORY {
                self.history.drain(..self.history.len() - HISTORY);
            }
        }
        Ok(())
    }

    fn legacy_block(&mut self) -> io::Result<()> {
        let Some(length) = word_or_end(&mut self.input)? else {
            self.state = State::Border;
            return Ok(());
        };
        if length as usize > LEGACY_PACKED {
            self.ahead = Some(length);
            self.state = State::Border;
            return Ok(());
        }
        take(&mut self.input, length as usize, &mut self.packed)?;
        self.end = lz4_flex::block::decompress_into(&self.packed, &mut self.out[..LEGACY_BLOCK])
            .map_err(|error| invalid(&error.to_string()))?;
        Ok(())
    }
}

impl<R: BufRead> Read for Lz4<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.end && !self.fill()? {
            return if self.behind == Behind::Reached { self.input.read(buffer) } else { Ok(0) };
        }
        let length = buffer.len().min(self.end - self.at);
        buffer[..length].copy_from_slice(&self.out[self.at..self.at + length]);
        self.at += length;
        Ok(length)
    }
}

/// Returns what stands between the magic number and the first block.
fn descriptor(input: &mut impl Read) -> io::Result<Frame> {
    let mut bytes = [0; 14];
    input.read_exact(&mut bytes[..2])?;
    let [flags, sizes, ..] = bytes;
    if flags >> 6 != 1 || flags & 2 != 0 || sizes & 0x8f != 0 {
        return Err(invalid("a frame of no known version"));
    }
    if flags & 1 != 0 {
        return Err(io::Error::new(io::ErrorKind::Unsupported, "it is packed with a dictionary, which is not at hand"));
    }
    let most = match sizes >> 4 {
        4 => 64 << 10,
        5 => 256 << 10,
        6 => 1 << 20,
        7 => 4 << 20,
        _ => return Err(invalid("a frame of no known block size")),
    };
    let length = if flags & 8 == 0 { 2 } else { 10 };
    input.read_exact(&mut bytes[2..=length])?;
    if u64::from(bytes[length]) != sum_of(&bytes[..length]) >> 8 & 0xff {
        return Err(invalid("the sum of a frame's head does not match"));
    }
    let stated = (length == 10).then(|| bytes[2..10].iter().rev().fold(0, |n, b| n << 8 | u64::from(*b)));
    let sum = (flags & 4 != 0).then(|| XxHash32::with_seed(0));
    Ok(Frame { linked: flags & 0x20 == 0, block_sums: flags & 0x10 != 0, sum, stated, seen: 0, most })
}

/// Passes over a frame that says of itself that it may be, behind its magic number.
pub(super) fn skip(input: &mut impl Read) -> io::Result<()> {
    let length = u64::from(word(input)?);
    if io::copy(&mut input.take(length), &mut io::sink())? < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

fn sum_of(bytes: &[u8]) -> u64 {
    let mut sum = XxHash32::with_seed(0);
    sum.write(bytes);
    sum.finish()
}

fn take(input: &mut impl Read, length: usize, to: &mut Vec<u8>) -> io::Result<()> {
    to.clear();
    if input.take(length as u64).read_to_end(to)? < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

fn word(input: &mut impl Read) -> io::Result<u32> {
    word_or_end(input)?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

/// Four bytes, or nothing at the end.
fn word_or_end(input: &mut impl Read) -> io::Result<Option<u32>> {
    let mut bytes = Vec::new();
    match input.take(4).read_to_end(&mut bytes)? {
        0 => Ok(None),
        4 => Ok(bytes.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

pub(super) fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
