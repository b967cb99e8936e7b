//! The frame of an RDB file.
//!
//! ```text
//! magic and version   REDIS + 4 digits, or VALKEY + 3 digits
//! records             opcodes and keys
//! FF                  end
//! u64le               CRC-64 of all before it, from version 5 on; 0 = not computed
//! ```

use super::number::LenForm;
use super::string::StrForm;
use crate::crc64::crc64;

/// What lies between two offsets; see [`Mark`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MarkKind {
    /// A count of elements, nodes, groups and so on.
    Count,
    /// A string of the RDB string encoding: element, field, member, value.
    Element,
    /// A string that holds a listpack.
    Listpack,
    /// A string that holds a ziplist.
    Ziplist,
    /// A string that holds an intset.
    Intset,
    /// A string that holds a zipmap.
    Zipmap,
    /// The 16 bytes of an entry of a group's pending list.
    PendingId,
    /// The 16 bytes of an id that a consumer owns.
    OwnedId,
    /// The 16 bytes of an id in the zone of negatively acknowledged entries.
    NackedId,
    /// The expiry of a hash field, or the least of them.
    FieldTtl,
    /// The score of a zset member.
    Score,
}

/// A place in the written bytes that a test or a damage operation may want to find again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// What lies there.
    pub kind: MarkKind,
    /// Offset of its first byte; for strings that of the length.
    pub start: usize,
    /// Offset of the string's own bytes, if they are stored as they are (neither compressed nor as an integer);
    /// equal to `start` for what is no string.
    pub body: Option<usize>,
    /// Offset behind its last byte.
    pub end: usize,
}

/// Writes an RDB file part by part. Every method appends, none checks: bad files are written as easily as good ones.
///
/// ```
/// use testkit::rdb::RdbWriter;
///
/// let mut w = RdbWriter::redis(11);
/// w.select_db(0).resize_db(1, 0);
/// let record = w.pos();
/// w.string_key(b"k", b"v");
/// assert_eq!(record, 14);
/// assert_eq!(w.finish().len(), 14 + 5 + 9);
/// ```
#[derive(Debug, Clone)]
pub struct RdbWriter {
    bytes: Vec<u8>,
    version: u32,
    compress: bool,
    marks: Vec<Mark>,
}

impl RdbWriter {
    /// A file of Redis, header written.
    #[must_use]
    pub fn redis(version: u32) -> Self {
        Self::with_header(format!("REDIS{version:04}").as_bytes(), version)
    }

    /// A file of Valkey 9 and later, header written. Older Valkey servers write [`RdbWriter::redis`] files.
    #[must_use]
    pub fn valkey(version: u32) -> Self {
        Self::with_header(format!("VALKEY{version:03}").as_bytes(), version)
    }

    /// A file with any first bytes. `version` decides what [`RdbWriter::finish`] and the integers of ziplists do.
    #[must_use]
    pub fn with_header(header: &[u8], version: u32) -> Self {
        Self { bytes: header.to_vec(), version, compress: true, marks: Vec::new() }
    }

    /// No header: for single values and DUMP payloads.
    #[must_use]
    pub fn bare(version: u32) -> Self {
        Self::with_header(b"", version)
    }

    /// Turns compression of long strings off or on again; it begins switched on, as in the servers.
    pub fn compression(&mut self, on: bool) -> &mut Self {
        self.compress = on;
        self
    }

    /// Whether [`RdbWriter::str`] compresses.
    #[must_use]
    pub fn compresses(&self) -> bool {
        self.compress
    }

    /// The version given at the start.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.version
    }

    /// The offset of the next byte.
    #[must_use]
    pub fn pos(&self) -> usize {
        self.bytes.len()
    }

    /// The bytes so far.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Appends bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// Remembers what was written from `start` up to here.
    pub fn mark(&mut self, kind: MarkKind, start: usize) -> &mut Self {
        let end = self.pos();
        self.marks.push(Mark { kind, start, body: Some(start), end });
        self
    }

    /// Appends a count and marks it.
    pub fn count(&mut self, n: usize) -> &mut Self {
        let start = self.pos();
        self.len(n as u64).mark(MarkKind::Count, start)
    }

    /// Appends a string as a server would and marks it.
    pub fn marked_str(&mut self, kind: MarkKind, text: &[u8]) -> &mut Self {
        let start = self.pos();
        self.str(text);
        let end = self.pos();
        let body = end
            .checked_sub(text.len())
            .filter(|&at| at > start && self.bytes[at..] == *text && self.bytes[start] < 0xC0);
        self.marks.push(Mark { kind, start, body, end });
        self
    }

    /// Takes the marks made so far.
    pub fn take_marks(&mut self) -> Vec<Mark> {
        std::mem::take(&mut self.marks)
    }

    /// Begins a key record: type byte and name. The value follows by other methods.
    pub fn key(&mut self, type_byte: u8, name: &[u8]) -> &mut Self {
        self.raw(&[type_byte]).str(name)
    }

    /// A whole record of type 0.
    pub fn string_key(&mut self, name: &[u8], value: &[u8]) -> &mut Self {
        self.key(0, name).str(value)
    }

    /// Takes the bytes as they are: no end opcode, no checksum.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    /// Ends the file as a server does: end opcode, and the checksum from version 5 on.
    pub fn finish(&mut self) -> Vec<u8> {
        self.eof();
        if self.version >= 5 {
            let crc = crc64(&self.bytes);
            self.u64_le(crc);
        }
        self.take()
    }

    /// Ends the file with this checksum, right or wrong. 0 means that none was computed.
    pub fn finish_with(&mut self, crc: u64) -> Vec<u8> {
        self.eof().u64_le(crc).take()
    }

    /// Ends the file with the end opcode alone.
    pub fn finish_without(&mut self) -> Vec<u8> {
        self.eof().take()
    }

    /// Ends a DUMP payload: the version and the checksum over everything before it.
    ///
    /// # Panics
    /// If the version does not fit 16 bits.
    pub fn finish_dump(&mut self) -> Vec<u8> {
        let version = u16::try_from(self.version).expect("a DUMP footer has 16 bits for the version");
        self.raw(&version.to_le_bytes());
        let crc = crc64(&self.bytes);
        self.u64_le(crc).take()
    }

    /// Appends a length in its shortest form.
    pub fn len(&mut self, n: u64) -> &mut Self {
        self.len_as(LenForm::shortest(n), n)
    }

    /// Appends a length in a given form; bits that do not fit are lost.
    pub fn len_as(&mut self, form: LenForm, n: u64) -> &mut Self {
        let bytes = form.encode(n);
        self.raw(&bytes)
    }

    /// Appends a string in the form that a server would choose.
    pub fn str(&mut self, text: &[u8]) -> &mut Self {
        let form = if self.compress { StrForm::Canonical } else { StrForm::Uncompressed };
        self.str_as(form, text)
    }

    /// Appends a string in a given form.
    pub fn str_as(&mut self, form: StrForm, text: &[u8]) -> &mut Self {
        let bytes = form.encode(text);
        self.raw(&bytes)
    }

    /// Appends 4 bytes, least significant first.
    pub fn u32_le(&mut self, n: u32) -> &mut Self {
        self.raw(&n.to_le_bytes())
    }

    /// Appends 8 bytes, least significant first.
    pub fn u64_le(&mut self, n: u64) -> &mut Self {
        self.raw(&n.to_le_bytes())
    }

    /// Appends a time in milliseconds: 8 bytes, least significant first.
    pub fn i64_le(&mut self, n: i64) -> &mut Self {
        self.raw(&n.to_le_bytes())
    }

    /// Appends a score as types 5 and 28 have it: 8 bytes, least significant first.
    pub fn double(&mut self, score: f64) -> &mut Self {
        self.raw(&score.to_le_bytes())
    }

    /// Appends a score as type 3 has it: one length byte and text, or 253 (not a number), 254 (+inf), 255 (-inf).
    ///
    /// # Panics
    /// Never: the text of a double is shorter than 253 bytes in the form used here.
    pub fn old_double(&mut self, score: f64) -> &mut Self {
        if score.is_nan() {
            return self.raw(&[253]);
        }
        if score.is_infinite() {
            return self.raw(if score > 0.0 { &[254] } else { &[255] });
        }
        let text = super::number::score_text(score);
        self.old_double_text(text.as_bytes())
    }

    /// Appends any text as a score of type 3.
    ///
    /// # Panics
    /// If the text is longer than one byte can say.
    pub fn old_double_text(&mut self, text: &[u8]) -> &mut Self {
        let len = u8::try_from(text.len()).expect("a score of type 3 has a length of one byte");
        self.raw(&[len]).raw(text)
    }
}

/// The head of the compressed stream that Valkey is to write from 9.2 on, by its documents: no released server writes it yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Envelope {
    /// `VCS`, as it was merged.
    Merged,
    /// `VKCS`, as drafts had it.
    Draft,
}

/// Puts the head before a frame of LZ4 that holds a whole RDB.
///
/// ```
/// use testkit::rdb::{Envelope, compressed_stream};
///
/// assert_eq!(compressed_stream(Envelope::Merged, b"frame"), b"VCS\x01\x01\x00\x01frame");
/// assert_eq!(compressed_stream(Envelope::Draft, b"frame"), b"VKCS\x01\x01\x01\x00frame");
/// ```
#[must_use]
pub fn compressed_stream(form: Envelope, frame: &[u8]) -> Vec<u8> {
    let (version, lz4, sums) = (1, 1, 1);
    match form {
        Envelope::Merged => [&[b'V', b'C', b'S', version, lz4, 0, 1], frame].concat(),
        Envelope::Draft => [&[b'V', b'K', b'C', b'S', version, lz4, sums, 0], frame].concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_file_of_the_sheet() {
        let want = b"REDIS0011\xFF\xC0\x22\x8A\x8D\x74\x38\x97\x62";
        assert_eq!(RdbWriter::redis(11).finish(), want);
        assert_eq!(RdbWriter::redis(4).finish(), b"REDIS0004\xFF");
        assert_eq!(RdbWriter::redis(11).finish_with(0), b"REDIS0011\xFF\0\0\0\0\0\0\0\0");
        assert!(RdbWriter::valkey(80).finish().starts_with(b"VALKEY080\xFF"));
    }

    #[test]
    fn old_doubles() {
        let bytes = RdbWriter::bare(1)
            .old_double(f64::NAN)
            .old_double(f64::INFINITY)
            .old_double(f64::NEG_INFINITY)
            .old_double(1.5)
            .old_double(-3.0)
            .take();
        assert_eq!(bytes, b"\xFD\xFE\xFF\x031.5\x02-3");
    }

    #[test]
    fn marks_know_where_a_raw_body_lies() {
        let mut w = RdbWriter::bare(11);
        w.marked_str(MarkKind::Element, b"abc").marked_str(MarkKind::Element, b"12");
        w.marked_str(MarkKind::Element, &[b'x'; 60]).marked_str(MarkKind::Element, b"");
        let bodies: Vec<_> = w.take_marks().into_iter().map(|m| m.body).collect();
        assert_eq!(bodies, [Some(1), None, None, Some(w.pos())]);
    }
}
