//! Strings: integers of every width, short, long, compressible and not, and what other commands keep in a string:
//! bitmaps and estimates of distinct elements.

use std::io;

use super::{INTEGERS, LENGTHS, Writer, noise, numbered};

pub(super) fn write(writer: &mut Writer<'_>) -> io::Result<()> {
    for integer in INTEGERS {
        let text = integer.to_string();
        set(writer, format!("string:integer:{text}"), text.as_bytes())?;
    }
    // 16,383 and 16,384 bytes are where the length of an RDB string grows from two bytes to five.
    for length in LENGTHS.into_iter().chain([16_383, 16_384]) {
        set(writer, format!("string:same:{length}"), &vec![b'a'; length])?;
        set(writer, format!("string:noise:{length}"), &noise(length, 1))?;
        set(writer, "k".repeat(length), b"the length of a key")?;
    }
    set(writer, b"\0\r\n\xff a binary key", b"\xff\0\r\n")?;
    // Appending leaves the encoding raw, however short the string is.
    writer.run(&["APPEND", "string:appended", "1"])?;
    writer.run(&["APPEND", "string:appended", "2"])?;
    writer.run(&["SETBIT", "string:bitmap", "100000", "1"])?;
    writer.run(&["BITFIELD", "string:bitfield", "SET", "u63", "#3", "9000000000", "SET", "i5", "100", "-11"])?;
    writer.extend("PFADD", "string:distinct:sparse", &numbered("element", 20), 1)?;
    writer.extend("PFADD", "string:distinct:dense", &numbered("element", 5000), 1)?;
    if writer.large {
        let text: String = (0..100_000).map(|number| format!("line {number}\n")).collect();
        set(writer, "string:large:text", text.as_bytes())?;
        set(writer, "string:large:noise", &noise(1 << 20, 2))?;
        set(writer, "string:large:zeros", &vec![0; 1 << 20])?;
    }
    Ok(())
}

fn set(writer: &mut Writer<'_>, key: impl AsRef<[u8]>, value: &[u8]) -> io::Result<()> {
    writer.run(&[b"SET".as_slice(), key.as_ref(), value]).map(drop)
}
