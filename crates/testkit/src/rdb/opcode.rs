//! Opcodes: every record that is not a key.

use super::number::LenForm;
use super::writer::RdbWriter;
use crate::Bytes;

/// One item of a module's stream. The stream ends with opcode 0, which [`RdbWriter::module_stream`] adds.
#[derive(Debug, Clone, PartialEq)]
pub enum ModuleOp {
    /// Opcode 1: a signed number, written as a length of 64 bits.
    Sint(i64),
    /// Opcode 2.
    Uint(u64),
    /// Opcode 3.
    Float(f32),
    /// Opcode 4.
    Double(f64),
    /// Opcode 5.
    Str(Bytes),
    /// Any bytes, opcode included: for streams that no server writes.
    Raw(Bytes),
}

/// One class of key metadata: its spec word and its module stream.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyMeta {
    /// See [`key_meta_spec`].
    pub spec: u32,
    /// What the class stored.
    pub ops: Vec<ModuleOp>,
}

/// The 64-bit id of a module type: 9 characters of 6 bits each, then 10 bits of encoding version.
///
/// # Panics
/// If `name` has not 9 characters of `A-Z a-z 0-9 - _`.
#[must_use]
pub fn module_id(name: &str, encoding_version: u16) -> u64 {
    assert_eq!(name.len(), 9, "a module type name has 9 characters");
    six_bit(name, b"-_") << 10 | u64::from(encoding_version & 0x3FF)
}

/// The 32-bit spec of a key metadata class: 4 characters of 6 bits each, 5 bits of version, 3 of flags (bit 0: a
/// server that does not know the class may skip it).
///
/// # Panics
/// If `name` has not 4 characters of `A-Z a-z 0-9 _ -`.
#[must_use]
pub fn key_meta_spec(name: &str, version: u8, flags: u8) -> u32 {
    assert_eq!(name.len(), 4, "a metadata class name has 4 characters");
    let name = u32::try_from(six_bit(name, b"_-")).expect("24 bits");
    name << 8 | u32::from(version & 0x1F) << 3 | u32::from(flags & 7)
}

fn six_bit(name: &str, last_two: &[u8; 2]) -> u64 {
    let alphabet: Vec<u8> = (b'A'..=b'Z').chain(b'a'..=b'z').chain(b'0'..=b'9').chain(*last_two).collect();
    name.bytes().fold(0, |id, c| {
        let digit = alphabet.iter().position(|&a| a == c).expect("a character of the 6-bit alphabet");
        id << 6 | digit as u64
    })
}

impl RdbWriter {
    /// FF: the end of the file.
    pub fn eof(&mut self) -> &mut Self {
        self.raw(&[0xFF])
    }

    /// FE: the keys that follow belong to this database.
    pub fn select_db(&mut self, db: u64) -> &mut Self {
        self.raw(&[0xFE]).len(db)
    }

    /// FD: the next key expires at this second. Always little-endian here, as on every machine in use.
    pub fn expire_s(&mut self, seconds: i32) -> &mut Self {
        self.raw(&[0xFD]).raw(&seconds.to_le_bytes())
    }

    /// FC: the next key expires at this millisecond.
    pub fn expire_ms(&mut self, ms: i64) -> &mut Self {
        self.raw(&[0xFC]).i64_le(ms)
    }

    /// FC as a big-endian machine wrote it before version 9.
    pub fn expire_ms_big_endian(&mut self, ms: i64) -> &mut Self {
        self.raw(&[0xFC]).raw(&ms.to_be_bytes())
    }

    /// FB: how many keys the database has, and how many of them expire.
    pub fn resize_db(&mut self, keys: u64, expires: u64) -> &mut Self {
        self.raw(&[0xFB]).len(keys).len(expires)
    }

    /// FA: a field about the file.
    pub fn aux(&mut self, name: &[u8], value: &[u8]) -> &mut Self {
        self.raw(&[0xFA]).str(name).str(value)
    }

    /// F9: how often the next key is used.
    pub fn freq(&mut self, counter: u8) -> &mut Self {
        self.raw(&[0xF9, counter])
    }

    /// F8: seconds since the next key was used.
    pub fn idle(&mut self, seconds: u64) -> &mut Self {
        self.raw(&[0xF8]).len(seconds)
    }

    /// F7: data of a module, `when` 1 before and 2 after the keys.
    pub fn module_aux(&mut self, id: u64, when: u64, ops: &[ModuleOp]) -> &mut Self {
        self.raw(&[0xF7]).len(id).len(2).len(when).module_stream(ops)
    }

    /// F6: a library of functions as the release candidates of 7.0 wrote it.
    pub fn function_pre_ga(&mut self, name: &[u8], engine: &[u8], about: Option<&[u8]>, code: &[u8]) -> &mut Self {
        self.raw(&[0xF6]).str(name).str(engine).len(u64::from(about.is_some()));
        if let Some(about) = about {
            self.str(about);
        }
        self.str(code)
    }

    /// F5: a library of functions.
    pub fn function2(&mut self, code: &[u8]) -> &mut Self {
        self.raw(&[0xF5]).str(code)
    }

    /// F4: the keys that follow belong to this cluster slot.
    pub fn slot_info(&mut self, slot: u64, keys: u64, expires: u64) -> &mut Self {
        self.raw(&[0xF4]).len(slot).len(keys).len(expires)
    }

    /// F3 in a file of Redis 8.6 and later: metadata of the next key, which must follow at once.
    pub fn key_meta(&mut self, classes: &[KeyMeta]) -> &mut Self {
        self.raw(&[0xF3]).len(classes.len() as u64);
        for class in classes {
            self.u32_le(class.spec).module_stream(&class.ops);
        }
        self
    }

    /// F3 in a file of Valkey 9: slots that are being moved here by the job of that 40-character name.
    pub fn slot_import(&mut self, job: &[u8], ranges: &[(u64, u64)]) -> &mut Self {
        self.raw(&[0xF3]).str(job).len(ranges.len() as u64);
        for &(start, end) in ranges {
            self.len(start).len(end);
        }
        self
    }

    /// F2: the field names of template hashes. Servers sort the names by length, then by bytes.
    pub fn hash_template<F: AsRef<[u8]>>(&mut self, id: u64, fields: &[F]) -> &mut Self {
        self.raw(&[0xF2]).len(id).len(fields.len() as u64);
        for field in fields {
            self.str(field.as_ref());
        }
        self
    }

    /// The stream of a module, its closing opcode 0 included.
    pub fn module_stream(&mut self, ops: &[ModuleOp]) -> &mut Self {
        for op in ops {
            match op {
                ModuleOp::Sint(n) => self.len(1).len(n.cast_unsigned()),
                ModuleOp::Uint(n) => self.len(2).len(*n),
                ModuleOp::Float(x) => self.len(3).raw(&x.to_le_bytes()),
                ModuleOp::Double(x) => self.len(4).double(*x),
                ModuleOp::Str(text) => self.len(5).str(text),
                ModuleOp::Raw(bytes) => self.raw(bytes),
            };
        }
        self.len_as(LenForm::Six, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opcodes_byte_by_byte() {
        let mut w = RdbWriter::bare(15);
        w.aux(b"redis-bits", b"64").select_db(70).resize_db(2, 1).slot_info(5, 2, 1).freq(7).idle(3).expire_s(1);
        assert_eq!(
            w.bytes(),
            b"\xFA\x0Aredis-bits\xC0\x40\xFE\x40\x46\xFB\x02\x01\xF4\x05\x02\x01\xF9\x07\xF8\x03\xFD\x01\0\0\0"
        );
        let mut w = RdbWriter::bare(15);
        w.hash_template(0, &["age", "name"]).function2(b"#!").slot_import(b"job", &[(1, 2)]).expire_ms(-1);
        assert_eq!(
            w.bytes(),
            b"\xF2\0\x02\x03age\x04name\xF5\x02#!\xF3\x03job\x01\x01\x02\xFC\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"
        );
        let mut w = RdbWriter::bare(13);
        w.key_meta(&[KeyMeta { spec: 1, ops: vec![ModuleOp::Uint(3)] }]);
        assert_eq!(w.bytes(), b"\xF3\x01\x01\0\0\0\x02\x03\0");
        let mut w = RdbWriter::bare(10);
        w.function_pre_ga(b"l", b"LUA", Some(b"d"), b"c");
        assert_eq!(w.bytes(), b"\xF6\x01l\x03LUA\x01\x01d\x01c");
    }

    #[test]
    fn module_streams() {
        let mut w = RdbWriter::bare(8);
        w.module_stream(&[
            ModuleOp::Sint(-1),
            ModuleOp::Double(1.0),
            ModuleOp::Float(1.0),
            ModuleOp::Str(b"a".to_vec()),
        ]);
        let want = b"\x01\x81\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x04\0\0\0\0\0\0\xF0\x3F\x03\0\0\x80\x3F\x05\x01a\0";
        assert_eq!(w.bytes(), want);
        // "AAAAAAAAB" is 1 in the last character.
        assert_eq!(module_id("AAAAAAAAB", 3), 1 << 10 | 3);
        assert_eq!(module_id("_AAAAAAAA", 0) >> 58, 63);
        assert_eq!(key_meta_spec("AAA-", 1, 1), 63 << 8 | 1 << 3 | 1);
    }
}
