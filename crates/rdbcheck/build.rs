//! Writes the tables of the code pages that the commands know by name, as `encoding_rs` has them. That crate itself would bring the
//! tables of all Asian encodings with it: 600 kB more in the module for browsers, however it is packed.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs, io};

use encoding_rs::Encoding;

/// The pages, those of most machines first.
const NAMED: [&str; 24] = [
    "windows-1252",
    "windows-1251",
    "windows-1250",
    "windows-1253",
    "windows-1254",
    "windows-1255",
    "windows-1256",
    "windows-1257",
    "windows-1258",
    "windows-874",
    "iso-8859-2",
    "iso-8859-3",
    "iso-8859-4",
    "iso-8859-5",
    "iso-8859-6",
    "iso-8859-7",
    "iso-8859-8",
    "iso-8859-10",
    "iso-8859-13",
    "iso-8859-14",
    "iso-8859-15",
    "koi8-r",
    "koi8-u",
    "macintosh",
];

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    let mut text = format!("static NAMED: [(&str, [u16; 128]); {}] = [\n", NAMED.len());
    for name in NAMED {
        let encoding = Encoding::for_label(name.as_bytes()).ok_or_else(|| io::Error::other(name))?;
        let characters: Vec<String> = (0x80..=0xff_u8).map(|byte| character(encoding, byte).to_string()).collect();
        // A string cannot fail to grow.
        let _ = writeln!(text, "({name:?}, [{}]),", characters.join(","));
    }
    text.push_str("];\n");
    let folder = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo says where"))?;
    fs::write(Path::new(&folder).join("pages.rs"), text)
}

/// Returns the character of a byte, or 0 if it has none. All of them lie in the first plane.
fn character(encoding: &'static Encoding, byte: u8) -> u16 {
    let bytes = [byte];
    let (text, failed) = encoding.decode_without_bom_handling(&bytes);
    let char = text.chars().next().filter(|_| !failed);
    char.and_then(|char| u16::try_from(u32::from(char)).ok()).unwrap_or(0)
}
