//! The names of the inputs of a run: those of the command line, then those of a list, which is read as they are wanted. However long
//! it is, no more of it is held than the next name.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::slice;

use crate::stores;

/// A name of more bytes is none: the list is something else.
const LONGEST: u64 = 64 << 10;

/// The names of inputs.
pub(super) struct Names<'a> {
    given: slice::Iter<'a, PathBuf>,
    list: Option<List>,
}

struct List {
    lines: Box<dyn BufRead + Send>,
    /// At which byte a name ends.
    end: u8,
}

impl<'a> Names<'a> {
    /// Returns those that were given, and those of the list, of which each ends at a NUL byte or at the end of a line.
    ///
    /// # Errors
    /// If the list cannot be opened.
    pub(super) fn new(given: &'a [PathBuf], list: Option<&Path>, by_nul: bool) -> io::Result<Self> {
        let open = |path: &Path| -> io::Result<Box<dyn BufRead + Send>> {
            if path == Path::new("-") {
                return Ok(Box::new(BufReader::new(io::stdin())));
            }
            Ok(Box::new(BufReader::new(File::open(path)?)))
        };
        let list = list.map(open).transpose()?.map(|lines| List { lines, end: if by_nul { 0 } else { b'\n' } });
        Ok(Self { given: given.iter(), list })
    }

    /// Returns how many there are, unless a list has to be read to know that.
    pub(super) fn known(&self) -> Option<usize> {
        self.list.is_none().then(|| self.given.len())
    }
}

impl Iterator for Names<'_> {
    type Item = io::Result<PathBuf>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(given) = self.given.next() {
            return Some(Ok(given.clone()));
        }
        let name = self.list.as_mut()?.next().transpose();
        if !matches!(name, Some(Ok(_))) {
            self.list = None;
        }
        name
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.given.len(), self.known())
    }
}

impl List {
    /// Returns the next name. Empty ones are passed over, and `-` is a file: standard input may be the list itself.
    fn next(&mut self) -> io::Result<Option<PathBuf>> {
        loop {
            let mut name = Vec::new();
            if self.lines.by_ref().take(LONGEST).read_until(self.end, &mut name)? == 0 {
                return Ok(None);
            }
            if name.last() == Some(&self.end) {
                name.pop();
            } else if name.len() as u64 == LONGEST {
                let why = "it is no list of names: one of them would be longer than 64 KiB (names that end at NUL bytes want --null)";
                return Err(io::Error::new(io::ErrorKind::InvalidData, why));
            }
            if self.end == b'\n' && name.last() == Some(&b'\r') {
                name.pop();
            }
            match name.as_slice() {
                b"" => {}
                b"-" => return Ok(Some(Path::new(".").join("-"))),
                _ => return path(name).map(|name| Some(stores::without_secrets(name))),
            }
        }
    }
}

#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere not every name is one")]
fn path(name: Vec<u8>) -> io::Result<PathBuf> {
    use std::os::unix::ffi::OsStringExt as _;

    Ok(std::ffi::OsString::from_vec(name).into())
}

#[cfg(not(unix))]
fn path(name: Vec<u8>) -> io::Result<PathBuf> {
    String::from_utf8(name).map(PathBuf::from).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(list: &[u8], by_nul: bool) -> io::Result<Vec<String>> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("list");
        std::fs::write(&path, list)?;
        let given = ["given".into()];
        let names = Names::new(&given, Some(&path), by_nul)?;
        assert_eq!((names.known(), names.size_hint()), (None, (1, None)));
        names.map(|name| Ok(name?.to_string_lossy().into_owned())).collect()
    }

    #[test]
    fn a_name_ends_at_a_line_or_at_a_nul() -> io::Result<()> {
        assert_eq!(all(b"", false)?, ["given"]);
        assert_eq!(all(b"a\n\nb c\r\n-\nd", false)?, ["given", "a", "b c", "./-", "d"]);
        assert_eq!(all(b"a\nb\0\0c\r\0", true)?, ["given", "a\nb", "c\r"]);
        Ok(())
    }

    #[test]
    fn what_is_no_list_is_an_error() {
        let long = [&b"a\n"[..], &[b'x'; 64 << 10]].concat();
        for (list, by_nul) in [(&long[..], false), (&long[..], true), (&vec![0; 1 << 20][..], false)] {
            let error = all(list, by_nul).expect_err("it is too long");
            assert!(error.to_string().contains("no list of names"), "{error}");
        }
        assert_eq!(all(&long[..64 << 10], false).expect("just short enough").len(), 3);
    }

    /// Of a list no more is read than what is asked for, and a buffer.
    #[test]
    fn a_list_is_read_as_it_is_wanted() {
        let lines = BufReader::new(b"name\n".chain(io::repeat(b'x')));
        let mut names = Names { given: [].iter(), list: Some(List { lines: Box::new(lines), end: b'\n' }) };
        assert!(matches!(names.next(), Some(Ok(name)) if name == Path::new("name")));
        assert!(matches!(names.next(), Some(Err(_))));
        assert!(names.next().is_none(), "after an error there is nothing more");
    }
}
