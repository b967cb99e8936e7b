//! Commands that are printed for people to run.

use std::path::{Path, PathBuf};

use crate::escape;
use crate::stores;

/// Returns a path as a word for a shell.
///
/// # Examples
/// ```
/// use rdbcheck::shell::word;
///
/// assert_eq!(word("a/dump.rdb".as_ref()), "a/dump.rdb");
/// assert_eq!(word("it's.rdb".as_ref()), r"'it'\''s.rdb'");
/// ```
#[must_use]
pub fn word(path: &Path) -> String {
    let text = escape::plain(path.as_os_str().as_encoded_bytes());
    let simple = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-+:@%,".contains(&byte));
    if simple { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// Returns a command or text with the words `FILE` and `OUT` replaced: by the path, and by one beside it that holds `new`.
/// What was read from standard input has no name to put there.
///
/// # Examples
/// ```
/// use rdbcheck::shell::fill;
///
/// let command = fill("rdbcheck --salvage OUT FILE", "data/dump.rdb".as_ref());
/// assert_eq!(command, "rdbcheck --salvage data/dump.new.rdb data/dump.rdb");
/// assert_eq!(fill("gzip -dc FILE", "-".as_ref()), "gzip -dc FILE");
/// ```
#[must_use]
pub fn fill(command: &str, path: &Path) -> String {
    if path == Path::new("-") {
        return command.to_owned();
    }
    let file = word(path);
    // Beside what lies in a store nothing is written.
    let here = path.file_name().filter(|_| stores::is_remote(path)).map_or(path, Path::new);
    let out = word(&beside(here, ".new"));
    let words = command.split(' ').map(|word| match word {
        "FILE" => file.as_str(),
        "OUT" => out.as_str(),
        word => word,
    });
    words.collect::<Vec<_>>().join(" ")
}

/// How the names of packed files end.
const PACKED: [&str; 4] = ["gz", "zst", "lz4", "xz"];

/// `dump.new.rdb` for `dump.rdb`, and `appendonlydir.new` for `appendonlydir` or the manifest in it: a set's folder is no place for
/// another one.
pub(crate) fn beside(path: &Path, what: &str) -> PathBuf {
    if path.extension().is_some_and(|end| end == "manifest") {
        let folder = path.parent().filter(|folder| folder.file_name().is_some());
        return folder.map_or_else(|| path.with_file_name("../new"), |folder| beside(folder, what));
    }
    // What is written is not packed.
    let bare =
        path.extension().filter(|end| PACKED.iter().any(|packed| end == packed)).map(|_| path.with_extension(""));
    let path = bare.as_deref().unwrap_or(path);
    let Some(stem) = path.file_stem() else { return PathBuf::from("new") };
    let mut name = stem.to_owned();
    name.push(what);
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_words_are_replaced() {
        assert_eq!(fill("head -c 5 FILE > OUT", "my FILE.rdb".as_ref()), "head -c 5 'my FILE.rdb' > 'my FILE.new.rdb'");
        assert_eq!(fill("PROFILE OUTER", "a".as_ref()), "PROFILE OUTER");
        assert_eq!(fill("x OUT", "dir/".as_ref()), "x dir.new");
        assert_eq!(fill("x OUT", "a/b.rdb.gz".as_ref()), "x a/b.new.rdb");
        assert_eq!(fill("x OUT", "..".as_ref()), "x new");
        assert_eq!(fill("x OUT", "a/dir/b.manifest".as_ref()), "x a/dir.new");
        assert_eq!(fill("x OUT", "b.manifest".as_ref()), "x ../new");
        assert_eq!(fill("x OUT FILE", "s3://b/a/c.rdb".as_ref()), "x c.new.rdb s3://b/a/c.rdb");
    }
}
