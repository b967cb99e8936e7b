//! Writes what is saved as commands for a live server.
//!
//! ```text
//! SCRIPT LOAD code                 what servers up to 6.2 store as AUX fields
//! FUNCTION LOAD REPLACE code
//! SELECT db
//! RESTORE key ttl payload REPLACE ABSTTL [IDLETIME seconds | FREQ counter]
//!   payload: type, value as in the file, RDB version (2 bytes), CRC-64 of all before (8 bytes)
//! ```
//! What modules store beside keys has no command. ABSTTL is of Redis 5. A server takes a payload whose version is not above its own.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;

use super::candidate::{Candidate, CandidateKind, Key, SCRIPT};
use super::decode::{Decoder, Start};
use super::partial::Partial;
use super::source_window::SourceWindow;
use super::write::Written;
use super::{Options, Plan, collect::PartKind};
use crate::base::crc64::Crc64;
use crate::base::source::Seekable;
use crate::rdb::{Family, Header, NEWEST_REDIS, ValueType, Writer};

/// No server takes a longer name, or longer code, than what it takes from a client.
const LONGEST: usize = 512 << 20;
/// No name of a field that matters is longer.
const SHORT: usize = 64;
/// What is copied at a time.
const BLOCK: usize = 1 << 20;

impl Plan {
    /// Writes RESTORE commands, to be sent to a server. `input` is the damaged file that the plan was made of.
    ///
    /// Hashes that refer to a template of the file have no form of their own and are left out; the answer counts what was written.
    ///
    /// # Errors
    /// If the input or the output fails.
    pub fn write_commands(
        &self,
        input: &mut (impl Read + Seek),
        options: &Options,
        out: impl Write,
    ) -> io::Result<Written> {
        let size = input.seek(SeekFrom::End(0))?;
        let mut source = Seekable { input, base: 0 };
        let header = Header { family: self.family, version: self.version, well_formed: true, digits: *b"0000" };
        let mut decoder = Decoder::new(SourceWindow::new(&mut source, size), header, &options.limits);
        let mut to = Commands {
            out: io::BufWriter::with_capacity(BLOCK, out),
            bytes: 0,
            version: self.version,
            sound: options.sound,
        };
        let mut keys = 0;
        for part in &self.parts {
            match part.kind {
                // A hash that refers to it ends where it says.
                PartKind::Template => _ = decoder.unit(part.range.start, Start::Known)?,
                PartKind::Function => {
                    if let Some(code) = decoder.text_at(part.range.start + 1, LONGEST)? {
                        to.command(&[b"FUNCTION", b"LOAD", b"REPLACE", &code])?;
                    }
                }
                PartKind::Aux => to.script(part.range.start, &mut decoder)?,
                PartKind::ModuleAux | PartKind::ModuleAuxAfter => {}
            }
        }
        for (db, _) in self.loss.databases.iter().filter(|(_, tally)| tally.keys > 0) {
            to.command(&[b"SELECT", db.to_string().as_bytes()])?;
            for range in self.ranges_of(*db) {
                let mut at = range.start;
                while at < range.end {
                    let Some(unit) = decoder.unit(at, Start::Known)?.filter(|unit| unit.end > at) else { break };
                    at = unit.end;
                    match unit.what {
                        CandidateKind::Aux { .. } => to.script(unit.start, &mut decoder)?,
                        _ => keys += u64::from(to.restore(&unit, &mut decoder)?),
                    }
                }
            }
            for partial in self.partials_of(*db) {
                keys += u64::from(to.restore_part(partial, &mut decoder)?);
            }
        }
        to.out.flush()?;
        Ok(Written { bytes: to.bytes, keys })
    }
}

struct Commands<W: Write> {
    out: W,
    bytes: u64,
    version: u32,
    /// Whether nothing in the file is doubted.
    sound: bool,
}

impl<W: Write> Commands<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.bytes += bytes.len() as u64;
        self.out.write_all(bytes)
    }

    fn command(&mut self, arguments: &[&[u8]]) -> io::Result<()> {
        self.write(format!("*{}\r\n", arguments.len()).as_bytes())?;
        arguments.iter().try_for_each(|argument| self.argument(argument))
    }

    fn argument(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write(format!("${}\r\n", bytes.len()).as_bytes())?;
        self.write(bytes)?;
        self.write(b"\r\n")
    }

    /// Writes the command that loads a script, if the AUX field that begins at `at` is one.
    fn script(&mut self, at: u64, decoder: &mut Decoder<'_>) -> io::Result<()> {
        let Some((name, value_at)) = decoder.string_at(at + 1, SHORT)? else { return Ok(()) };
        if !name.eq_ignore_ascii_case(SCRIPT) {
            return Ok(());
        }
        match decoder.text_at(value_at, LONGEST)? {
            Some(code) => self.command(&[b"SCRIPT", b"LOAD", &code]),
            None => Ok(()),
        }
    }

    /// Writes the command that restores a key; returns whether there is one.
    fn restore(&mut self, unit: &Candidate, decoder: &mut Decoder<'_>) -> io::Result<bool> {
        let CandidateKind::Key(key) = &unit.what else { return Ok(false) };
        if key.refers_to_template() {
            return Ok(false);
        }
        let Some((name, value_at)) = decoder.name_and_value(key, LONGEST)? else { return Ok(false) };
        self.key(key, &name, |to| to.payload(key.value_type, value_at..unit.end, decoder))?;
        Ok(true)
    }

    /// Writes the command that restores what is left of a key; returns whether there is one.
    fn restore_part(&mut self, partial: &Partial, decoder: &mut Decoder<'_>) -> io::Result<bool> {
        let Some((name, _)) = decoder.name_and_value(&partial.key, LONGEST)? else { return Ok(false) };
        let Some(kept) = partial.kept(&mut decoder.input)? else { return Ok(false) };
        let mut writer = Writer::new(Vec::new(), Family::Redis, NEWEST_REDIS)?;
        let before = usize::try_from(writer.written()).unwrap_or(0);
        partial.write(&kept, &mut decoder.input, &mut writer)?;
        let end = usize::try_from(writer.written()).unwrap_or(0);
        let value = writer.finish()?;
        self.key(&partial.key, &name, |to| {
            let crc = to.payload_head(kept.value_type, (end - before) as u64)?;
            to.payload_end(crc, &value[before..end])
        })?;
        Ok(true)
    }

    fn key(&mut self, key: &Key, name: &[u8], payload: impl FnOnce(&mut Self) -> io::Result<()>) -> io::Result<()> {
        let options = options(key);
        self.write(format!("*{}\r\n", 4 + options.len()).as_bytes())?;
        self.argument(b"RESTORE")?;
        self.argument(name)?;
        self.argument(ttl(key, self.sound).to_string().as_bytes())?;
        payload(self)?;
        options.iter().try_for_each(|option| self.argument(option.as_bytes()))
    }

    fn payload(&mut self, value_type: ValueType, value: Range<u64>, decoder: &mut Decoder<'_>) -> io::Result<()> {
        let mut crc = self.payload_head(value_type, value.end - value.start)?;
        let mut at = value.start;
        while at < value.end {
            let len = usize::try_from(value.end - at).unwrap_or(usize::MAX).min(BLOCK);
            let bytes = &decoder.input.bytes(at, len)?[..len];
            crc.update(bytes);
            self.write(bytes)?;
            at += len as u64;
        }
        self.payload_end(crc, &[])
    }

    /// Begins a payload whose value has so many bytes.
    fn payload_head(&mut self, value_type: ValueType, len: u64) -> io::Result<Crc64> {
        let mut crc = Crc64::new();
        self.write(format!("${}\r\n", 1 + len + 10).as_bytes())?;
        crc.update(&[value_type.byte()]);
        self.write(&[value_type.byte()])?;
        Ok(crc)
    }

    /// Ends a payload with the last bytes of its value.
    fn payload_end(&mut self, mut crc: Crc64, last: &[u8]) -> io::Result<()> {
        crc.update(last);
        self.write(last)?;
        let version = u16::try_from(self.version).unwrap_or(u16::MAX).to_le_bytes();
        crc.update(&version);
        self.write(&version)?;
        self.write(&crc.value().to_le_bytes())?;
        self.write(b"\r\n")
    }
}

/// Returns what RESTORE is told of the expiry. 0 is none there, as -1 is in a file; and no time before 1970 is taken. In a sound file
/// every one counts.
fn ttl(key: &Key, sound: bool) -> i64 {
    match key.expire.filter(|ms| *ms != -1 && (sound || !key.expire_lost)) {
        Some(ms) => ms.max(1),
        None => 0,
    }
}

/// Returns what follows the payload.
fn options(key: &Key) -> Vec<String> {
    let mut options = vec!["REPLACE".to_owned(), "ABSTTL".to_owned()];
    if let Some(seconds) = key.idle {
        options.extend(["IDLETIME".to_owned(), seconds.to_string()]);
    } else if let Some(counter) = key.freq {
        options.extend(["FREQ".to_owned(), counter.to_string()]);
    }
    options
}
