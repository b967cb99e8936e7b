//! Numbers in JSON: as text beyond 2^53, where readers that know only doubles would change them.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter};

const EXACT: u64 = 1 << 53;

/// Writes a value on one line.
pub(super) fn to_line(out: impl Write, value: &impl Serialize) -> io::Result<()> {
    Ok(value.serialize(&mut Serializer::with_formatter(out, Numbers { form: CompactFormatter, in_key: false }))?)
}

/// Writes a value over many lines.
pub(super) fn to_pretty(out: impl Write, value: &impl Serialize) -> io::Result<()> {
    Ok(value
        .serialize(&mut Serializer::with_formatter(out, Numbers { form: PrettyFormatter::new(), in_key: false }))?)
}

/// A form with such numbers.
struct Numbers<F> {
    form: F,
    /// Whether a key is written, which is text in any case.
    in_key: bool,
}

impl<F> Numbers<F> {
    fn number<W: Write + ?Sized>(&self, out: &mut W, number: impl std::fmt::Display, size: u64) -> io::Result<()> {
        if size > EXACT && !self.in_key { write!(out, "\"{number}\"") } else { write!(out, "{number}") }
    }
}

/// Methods that leave the form as it is.
macro_rules! as_is {
    ($($name:ident($($arg:ident: $type:ty)?)),+ $(,)?) => {
        $(fn $name<W: Write + ?Sized>(&mut self, out: &mut W, $($arg: $type)?) -> io::Result<()> {
            self.form.$name(out, $($arg)?)
        })+
    };
}

impl<F: Formatter> Formatter for Numbers<F> {
    as_is!(begin_array(), end_array(), begin_array_value(first: bool), end_array_value());
    as_is!(begin_object(), end_object(), begin_object_value(), end_object_value());

    fn begin_object_key<W: Write + ?Sized>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.in_key = true;
        self.form.begin_object_key(out, first)
    }

    fn end_object_key<W: Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.in_key = false;
        self.form.end_object_key(out)
    }

    fn write_u64<W: Write + ?Sized>(&mut self, out: &mut W, value: u64) -> io::Result<()> {
        self.number(out, value, value)
    }

    fn write_i64<W: Write + ?Sized>(&mut self, out: &mut W, value: i64) -> io::Result<()> {
        self.number(out, value, value.unsigned_abs())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn large_numbers_are_text() -> io::Result<()> {
        let line = |value: &dyn Fn(&mut Vec<u8>) -> io::Result<()>| -> io::Result<String> {
            let mut out = Vec::new();
            value(&mut out)?;
            String::from_utf8(out).map_err(io::Error::other)
        };
        assert_eq!(line(&|out| to_line(out, &[EXACT, EXACT + 1]))?, "[9007199254740992,\"9007199254740993\"]");
        assert_eq!(line(&|out| to_line(out, &[-1 << 53, i64::MIN]))?, "[-9007199254740992,\"-9223372036854775808\"]");
        let keys = BTreeMap::from([(u64::MAX, u64::MAX)]);
        assert_eq!(line(&|out| to_line(out, &keys))?, "{\"18446744073709551615\":\"18446744073709551615\"}");
        let pretty = line(&|out| to_pretty(out, &keys))?;
        assert_eq!(pretty, "{\n  \"18446744073709551615\": \"18446744073709551615\"\n}");
        Ok(())
    }
}
