//! gzip streams, member by member: zero bytes behind the last member are padding, as for `gzip` itself.

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;

/// A stream that is unpacked while it is read.
pub(super) struct Gzip<R> {
    member: Option<GzDecoder<R>>,
}

impl<R: BufRead> Gzip<R> {
    pub(super) fn new(input: R) -> Self {
        Self { member: Some(GzDecoder::new(input)) }
    }
}

impl<R: BufRead> Read for Gzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some(member) = &mut self.member else { return Ok(0) };
            let n = member.read(buffer)?;
            if n > 0 || buffer.is_empty() {
                return Ok(n);
            }
            let Some(mut input) = self.member.take().map(GzDecoder::into_inner) else { return Ok(0) };
            if another(&mut input)? {
                self.member = Some(GzDecoder::new(input));
            }
        }
    }
}

/// Returns whether another member follows; else nothing but padding may.
fn another(input: &mut impl BufRead) -> io::Result<bool> {
    let mut padded = false;
    loop {
        let bytes = input.fill_buf()?;
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        match bytes.get(zeros) {
            None if bytes.is_empty() => return Ok(false),
            None => {}
            Some(0x1f) if zeros == 0 && !padded => return Ok(true),
            Some(_) => return Err(io::Error::new(io::ErrorKind::InvalidData, "bytes behind the last member")),
        }
        padded = true;
        input.consume(zeros);
    }
}
