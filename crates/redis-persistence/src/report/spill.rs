//! Findings that are more than a report holds in memory: they go to a temporary file, in the order in which they are found.
//!
//! ```text
//! record   length (4)  code (2)  which (2)  start, failed_at (8 each)  numbers (8 each)  names (1 each)  texts (4 + length)
//! which    bit 0-4 the numbers: end, line, record, db, element; 5-6 type, encoding; 7-11 texts: file, command, key, reading, hint
//! ```
//! The message is the last text, and always there. Nobody but the process that wrote it reads such a file.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek as _, Write as _};
use std::sync::Arc;

use super::codes::{Code, Severity};
use super::finding::Finding;
use crate::rdb::ValueType;

/// As many findings of each severity stay in memory.
pub(crate) const KEPT: usize = 1000;

/// Makes temporary files: for findings that are more than a report holds in memory, for what is sorted on disk.
#[derive(Clone, Copy)]
pub struct SpillTo(fn() -> io::Result<File>);

impl SpillTo {
    /// One that asks that function for a file, which should have no name and be open for reading and writing.
    #[must_use]
    pub fn new(make: fn() -> io::Result<File>) -> Self {
        Self(make)
    }

    /// Returns a new file.
    pub(crate) fn open(self) -> io::Result<File> {
        (self.0)()
    }
}

impl PartialEq for SpillTo {
    /// Where the file lies changes nothing about the report.
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for SpillTo {}

impl fmt::Debug for SpillTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SpillTo")
    }
}

/// Where findings go that are not kept.
#[derive(Debug)]
pub(crate) struct Spill {
    to: SpillTo,
    /// Of each severity at most.
    most: u64,
    file: Option<BufWriter<File>>,
    /// How many of each code were written.
    counts: Vec<u64>,
    record: Vec<u8>,
    failed: Option<io::Error>,
}

impl Spill {
    pub(crate) fn new(to: SpillTo, most: usize) -> Self {
        Self { to, most: most as u64, file: None, counts: vec![0; Code::ALL.len()], record: Vec::new(), failed: None }
    }

    /// Returns whether one more of that severity is wanted.
    pub(crate) fn wants(&self, severity: Severity) -> bool {
        self.failed.is_none() && of_severity(&self.counts, severity) < self.most
    }

    /// Takes a finding. Once that fails, nothing more is taken.
    pub(crate) fn take(&mut self, finding: &Finding) {
        if !self.wants(finding.severity) {
            return;
        }
        match self.write(finding) {
            Ok(()) => self.counts[finding.code as usize] += 1,
            Err(error) => self.failed = Some(error),
        }
    }

    fn write(&mut self, finding: &Finding) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(BufWriter::with_capacity(256 << 10, (self.to.0)()?)),
        };
        self.record.clear();
        encode(finding, &mut self.record);
        file.write_all(&u32::try_from(self.record.len()).map_err(io::Error::other)?.to_le_bytes())?;
        file.write_all(&self.record)
    }

    /// Ends the writing. `kept` findings are held besides, and `max` are wanted in all: errors first. What was found under the
    /// first code of `recoded` has the second one.
    pub(crate) fn finish(self, kept: usize, max: usize, recoded: Option<(Code, Code)>) -> More {
        let finished = self.file.map(|file| file.into_inner().map_err(io::IntoInnerError::into_error)).transpose();
        let (file, failed) = match (finished, self.failed) {
            (Ok(file), failed) => (file, failed),
            (Err(error), _) => (None, Some(error)),
        };
        let mut counts = self.counts;
        if let Some((from, to)) = recoded {
            counts[to as usize] += std::mem::take(&mut counts[from as usize]);
        }
        let mut room = max.saturating_sub(kept) as u64;
        let mut wanted = [0; 3];
        for severity in [Severity::Error, Severity::Warning, Severity::Note] {
            let of = of_severity(&counts, severity).min(room);
            wanted[severity as usize] = of;
            room -= of;
        }
        More { file: file.map(Arc::new), wanted, recoded, failed: failed.map(|error| error.to_string()) }
    }
}

fn of_severity(counts: &[u64], severity: Severity) -> u64 {
    Code::ALL.iter().zip(counts).filter(|(code, _)| code.severity() == severity).map(|(_, n)| n).sum()
}

/// The findings of a report that are not held in memory.
#[derive(Debug, Clone, Default)]
pub struct More {
    file: Option<Arc<File>>,
    /// How many of each severity there are.
    wanted: [u64; 3],
    recoded: Option<(Code, Code)>,
    failed: Option<String>,
}

impl More {
    /// Returns how many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        if self.file.is_some() { self.wanted.iter().sum() } else { 0 }
    }

    /// Why some are missing, if so: the temporary file could not be written.
    #[must_use]
    pub fn failed(&self) -> Option<&str> {
        self.failed.as_deref()
    }

    /// Reads them, in the order in which they were found. Only one reader may be at work at a time.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn read(&self) -> io::Result<impl Iterator<Item = io::Result<Finding>> + use<>> {
        let mut input = match &self.file {
            Some(file) => {
                let mut file = file.try_clone()?;
                file.rewind()?;
                Some(BufReader::with_capacity(256 << 10, file))
            }
            None => None,
        };
        let (mut left, recoded) = (self.wanted, self.recoded);
        let mut record = Vec::new();
        Ok(std::iter::from_fn(move || {
            let input = input.as_mut()?;
            while left.iter().any(|left| *left > 0) {
                match next(input, &mut record, recoded) {
                    Ok(finding) if left[finding.severity as usize] > 0 => {
                        left[finding.severity as usize] -= 1;
                        return Some(Ok(finding));
                    }
                    Ok(_) => {}
                    Err(error) => {
                        left = [0; 3];
                        return Some(Err(error));
                    }
                }
            }
            None
        }))
    }
}

impl PartialEq for More {
    /// By their numbers: where they lie is no part of a report.
    fn eq(&self, other: &Self) -> bool {
        self.wanted == other.wanted
    }
}

impl Eq for More {}

fn next(input: &mut impl Read, record: &mut Vec<u8>, recoded: Option<(Code, Code)>) -> io::Result<Finding> {
    let mut length = [0; 4];
    input.read_exact(&mut length)?;
    record.clear();
    let length = u64::from(u32::from_le_bytes(length));
    if input.take(length).read_to_end(record)? as u64 != length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut finding = decode(record).ok_or(io::ErrorKind::InvalidData)?;
    if let Some((_, to)) = recoded.filter(|(from, _)| *from == finding.code) {
        (finding.code, finding.severity) = (to, to.severity());
    }
    Ok(finding)
}

/// Returns the names of a value's type and its encoding, as bytes that stand for them.
fn named(name: Option<&'static str>, of: fn(ValueType) -> &'static str) -> Option<u8> {
    let name = name?;
    ValueType::ALL.iter().position(|value_type| of(*value_type) == name).and_then(|at| u8::try_from(at).ok())
}

fn encode(finding: &Finding, out: &mut Vec<u8>) {
    let Finding { start, failed_at, end, line, record, db, element, value_type, encoding, .. } = finding;
    let numbers = [end, line, record, db, element];
    let names = [named(*value_type, ValueType::type_name), named(*encoding, ValueType::encoding_name)];
    let texts = [
        finding.file.as_deref().map(str::as_bytes),
        finding.command.as_deref().map(str::as_bytes),
        finding.key.as_deref(),
        finding.reading.as_deref().map(str::as_bytes),
        finding.hint.as_deref().map(str::as_bytes),
    ];
    let present = numbers.iter().map(|n| n.is_some()).chain(names.iter().map(Option::is_some));
    let present = present.chain(texts.iter().map(Option::is_some));
    let which = present.enumerate().fold(0_u16, |which, (bit, is)| which | u16::from(is) << bit);
    out.extend((finding.code as u16).to_le_bytes());
    out.extend(which.to_le_bytes());
    out.extend(start.to_le_bytes());
    out.extend(failed_at.to_le_bytes());
    numbers.into_iter().flatten().for_each(|number| out.extend(number.to_le_bytes()));
    out.extend(names.iter().flatten());
    for text in texts.into_iter().flatten().chain([finding.message.as_bytes()]) {
        out.extend(u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
        out.extend(text);
    }
}

fn decode(bytes: &[u8]) -> Option<Finding> {
    let mut rest = bytes;
    let mut bytes = |n: usize| {
        let (taken, behind) = rest.split_at_checked(n)?;
        rest = behind;
        Some(taken)
    };
    let code = u16::from_le_bytes(bytes(2)?.try_into().ok()?);
    let which = u16::from_le_bytes(bytes(2)?.try_into().ok()?);
    let mut number = || Some(u64::from_le_bytes(bytes(8)?.try_into().ok()?));
    let (start, failed_at) = (number()?, number()?);
    let mut numbers = [None; 5];
    for (bit, place) in numbers.iter_mut().enumerate() {
        if which >> bit & 1 == 1 {
            *place = Some(number()?);
        }
    }
    let mut names = [None; 2];
    for (bit, place) in names.iter_mut().enumerate() {
        if which >> (bit + 5) & 1 == 1 {
            *place = Some(*ValueType::ALL.get(usize::from(bytes(1)?[0]))?);
        }
    }
    let mut text = || {
        let length = u32::from_le_bytes(bytes(4)?.try_into().ok()?);
        Some(bytes(usize::try_from(length).ok()?)?.to_vec())
    };
    let mut texts = [const { None }; 5];
    for (bit, place) in texts.iter_mut().enumerate() {
        if which >> (bit + 7) & 1 == 1 {
            *place = Some(text()?);
        }
    }
    let message = String::from_utf8(text()?).ok()?;
    let code = *Code::ALL.get(usize::from(code))?;
    let [end, line, record, db, element] = numbers;
    let [value_type, encoding] = names;
    let [file, command, key, reading, hint] = texts;
    let utf8 = |text: Option<Vec<u8>>| text.and_then(|text| String::from_utf8(text).ok());
    Some(Finding {
        file: utf8(file),
        end,
        line,
        record,
        command: utf8(command),
        db,
        key,
        value_type: value_type.map(ValueType::type_name),
        encoding: encoding.map(ValueType::encoding_name),
        element,
        reading: utf8(reading),
        hint: utf8(hint),
        ..Finding::new(code, start, failed_at, message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_kinds() -> Vec<Finding> {
        let bare = Finding::new(Code::RdbTrailingBytes, 7, 9, "a message".to_owned());
        let full = Finding {
            file: Some("a.aof".to_owned()),
            end: Some(u64::MAX),
            line: Some(1),
            record: Some(2),
            command: Some("SET".to_owned()),
            db: Some(0),
            key: Some(b"\xff\x00".to_vec()),
            value_type: Some("zset"),
            encoding: Some("zset-listpack"),
            element: Some(3),
            reading: Some("a length".to_owned()),
            hint: Some("do that".to_owned()),
            ..Finding::new(Code::RdbUnknownType, 1, 2, "another".to_owned())
        };
        vec![bare, full]
    }

    #[test]
    fn what_is_written_is_read() {
        for finding in all_kinds() {
            let mut bytes = Vec::new();
            encode(&finding, &mut bytes);
            assert_eq!(decode(&bytes), Some(finding));
            assert!((0..bytes.len()).all(|length| decode(&bytes[..length]).is_none()));
        }
    }

    #[test]
    fn errors_come_first_where_not_all_are_wanted() -> io::Result<()> {
        let [warning, error] = <[Finding; 2]>::try_from(all_kinds()).expect("two");
        let mut spill = Spill::new(SpillTo::new(tempfile::tempfile), 4);
        for finding in [&warning, &warning, &error, &warning, &error] {
            spill.take(finding);
        }
        let more = spill.finish(1, 4, None);
        let read: Vec<_> = more.read()?.collect::<io::Result<_>>()?;
        assert_eq!((more.count(), read), (3, vec![warning, error.clone(), error]));
        Ok(())
    }

    #[test]
    fn what_cannot_be_written_is_said() {
        let mut spill = Spill::new(SpillTo::new(|| Err(io::Error::other("no room"))), 4);
        all_kinds().iter().for_each(|finding| spill.take(finding));
        let more = spill.finish(0, 4, None);
        assert_eq!((more.count(), more.failed()), (0, Some("no room")));
    }
}
