//! Function libraries: the first line of their source.
//!
//! ```text
//! #!<engine> name=<library>\n
//! ```
//!
//! Servers refuse a file whose library lacks it; the official check tools read past it as a string.

/// What the first line says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Shebang<'a> {
    pub(crate) engine: &'a [u8],
    pub(crate) name: &'a [u8],
}

/// Reads the first line, or says what is wrong with it.
pub(crate) fn shebang(code: &[u8]) -> Result<Shebang<'_>, &'static str> {
    let rest = code.strip_prefix(b"#!").ok_or("it does not begin with #!")?;
    let end = rest.iter().position(|b| *b == b'\n').ok_or("its first line has no end")?;
    let mut words = rest[..end].split(|b| b.is_ascii_whitespace() || *b == 0x0b).filter(|w| !w.is_empty());
    let engine = words.next().ok_or("its first line names no engine")?;
    let mut name = None;
    for word in words {
        match word.split_at_checked(5) {
            Some((key, value)) if key.eq_ignore_ascii_case(b"name=") => {
                if name.replace(value).is_some() {
                    return Err("its first line names the library twice");
                }
            }
            _ => return Err("its first line holds something other than an engine and name="),
        }
    }
    let name = name.ok_or("its first line does not name the library")?;
    if name.is_empty() || !name.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_') {
        return Err("the library's name is not made of letters, digits and underscores");
    }
    Ok(Shebang { engine, name })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_servers_write_and_refuses_what_they_refuse() {
        assert_eq!(shebang(b"#!lua name=mylib\nx"), Ok(Shebang { engine: b"lua", name: b"mylib" }));
        assert_eq!(shebang(b"#!lua NAME=a_1\n").map(|s| s.name), Ok(&b"a_1"[..]));
        for bad in [
            "not a library",
            "#!lua name=x",
            "#!\n",
            "#!lua\n",
            "#!lua name=\n",
            "#!lua name=a name=b\n",
            "#!lua foo=1 name=a\n",
            "#!lua name=a-b\n",
        ] {
            assert!(shebang(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
