//! Append-only files.
//!
//! ```text
//! * count CRLF, then count times: $ length CRLF bytes CRLF
//! # annotation CRLF, between records
//! ```
//! A file may begin with an RDB image.

use crate::Bytes;

/// How a record is written; the default is right. Each part can be made wrong on its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordForm {
    /// The first byte of the record, `*`.
    pub star: Bytes,
    /// What stands for the count of arguments.
    pub count: Option<Bytes>,
    /// The first byte of an argument, `$`.
    pub dollar: Bytes,
    /// An argument, by its number from 0, and what stands for its length.
    pub length: Option<(usize, Bytes)>,
    /// The end of the header lines.
    pub line_end: Bytes,
    /// The two bytes behind every argument.
    pub payload_end: Bytes,
}

impl Default for RecordForm {
    fn default() -> Self {
        Self {
            star: b"*".to_vec(),
            count: None,
            dollar: b"$".to_vec(),
            length: None,
            line_end: b"\r\n".to_vec(),
            payload_end: b"\r\n".to_vec(),
        }
    }
}

impl RecordForm {
    /// The bytes of a record of these arguments.
    #[must_use]
    pub fn encode<A: AsRef<[u8]>>(&self, args: &[A]) -> Bytes {
        let count = self.count.clone().unwrap_or_else(|| decimal(args.len()));
        let mut out = [&self.star[..], &count, &self.line_end].concat();
        for (i, arg) in args.iter().enumerate() {
            let arg = arg.as_ref();
            let length = match &self.length {
                Some((which, text)) if *which == i => text.clone(),
                _ => decimal(arg.len()),
            };
            out.extend([&self.dollar[..], &length, &self.line_end, arg, &self.payload_end].concat());
        }
        out
    }
}

/// The bytes of a record of these arguments, as servers write it.
#[must_use]
pub fn record<A: AsRef<[u8]>>(args: &[A]) -> Bytes {
    RecordForm::default().encode(args)
}

/// Writes an append-only file. Every method appends, none checks.
///
/// ```
/// use testkit::resp::AofWriter;
///
/// let file = AofWriter::new().select(0).record(&["SET", "k", "v"]).take();
/// assert_eq!(file, b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n");
/// ```
#[derive(Debug, Clone, Default)]
pub struct AofWriter {
    bytes: Vec<u8>,
    starts: Vec<usize>,
}

impl AofWriter {
    /// An empty file.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The offset of the next byte.
    #[must_use]
    pub fn pos(&self) -> usize {
        self.bytes.len()
    }

    /// Where every record and annotation begins.
    #[must_use]
    pub fn starts(&self) -> &[usize] {
        &self.starts
    }

    /// Takes the bytes.
    pub fn take(&mut self) -> Bytes {
        self.starts.clear();
        std::mem::take(&mut self.bytes)
    }

    /// Appends bytes as they are: an RDB image, a cut record, garbage.
    pub fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// Appends a command.
    pub fn record<A: AsRef<[u8]>>(&mut self, args: &[A]) -> &mut Self {
        self.record_as(&RecordForm::default(), args)
    }

    /// Appends a command in another form.
    pub fn record_as<A: AsRef<[u8]>>(&mut self, form: &RecordForm, args: &[A]) -> &mut Self {
        self.starts.push(self.pos());
        self.raw(&form.encode(args))
    }

    /// Appends a line that begins with `#`.
    pub fn annotation(&mut self, text: &[u8]) -> &mut Self {
        self.starts.push(self.pos());
        self.raw(&[b"#", text, b"\r\n"].concat())
    }

    /// Appends the time of the commands that follow, in seconds since 1970.
    pub fn timestamp(&mut self, seconds: i64) -> &mut Self {
        self.annotation(format!("TS:{seconds}").as_bytes())
    }

    /// Chooses a database.
    pub fn select(&mut self, db: u64) -> &mut Self {
        self.record(&["SELECT", &db.to_string()])
    }

    /// Begins a transaction.
    pub fn multi(&mut self) -> &mut Self {
        self.record(&["MULTI"])
    }

    /// Ends a transaction.
    pub fn exec(&mut self) -> &mut Self {
        self.record(&["EXEC"])
    }
}

fn decimal(n: usize) -> Bytes {
    n.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_annotations_and_transactions() {
        let mut w = AofWriter::new();
        w.timestamp(100).select(0).multi().record(&[&b"SET"[..], b"a\r\n", b""]).exec();
        assert_eq!(w.starts(), [0, 9, 32, 47, 75]);
        let want = b"#TS:100\r\n*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*1\r\n$5\r\nMULTI\r\n\
            *3\r\n$3\r\nSET\r\n$3\r\na\r\n\r\n$0\r\n\r\n*1\r\n$4\r\nEXEC\r\n";
        assert_eq!(w.take(), want);
        assert!(w.starts().is_empty());
    }

    #[test]
    fn one_part_wrong_at_a_time() {
        let with = |form: RecordForm| form.encode(&["GET", "k"]);
        let right = RecordForm::default;
        assert_eq!(with(RecordForm { count: Some(b"+2".to_vec()), ..right() }), b"*+2\r\n$3\r\nGET\r\n$1\r\nk\r\n");
        assert_eq!(with(RecordForm { star: b"%".to_vec(), ..right() }), b"%2\r\n$3\r\nGET\r\n$1\r\nk\r\n");
        assert_eq!(with(RecordForm { dollar: b"*".to_vec(), ..right() }), b"*2\r\n*3\r\nGET\r\n*1\r\nk\r\n");
        let length = Some((1, b"-1".to_vec()));
        assert_eq!(with(RecordForm { length, ..right() }), b"*2\r\n$3\r\nGET\r\n$-1\r\nk\r\n");
        assert_eq!(with(RecordForm { line_end: b"\n".to_vec(), ..right() }), b"*2\n$3\nGET\r\n$1\nk\r\n");
        assert_eq!(with(RecordForm { payload_end: b"..".to_vec(), ..right() }), b"*2\r\n$3\r\nGET..$1\r\nk..");
    }
}
