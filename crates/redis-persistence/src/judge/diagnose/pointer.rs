//! Files that stand in the place of the data in a git repository: pointers of Git LFS and of git-annex.
//!
//! ```text
//! version https://git-lfs.github.com/spec/v1      /annex/objects/SHA256E-s54480930--9f86d0....rdb
//! oid sha256:4d7a21...
//! size 54480930
//! ```
//! A checkout without the content leaves the pointer: of git-annex as a file, or as the text of a link where links are not made.

use super::{Cause, plural};
use crate::report::causes::CauseCode as C;

/// Git LFS takes nothing larger for a pointer.
const LARGEST_LFS: usize = 1024;
/// And git-annex nothing that is larger than this.
const LARGEST_ANNEX: usize = 32 << 10;

/// Returns what a file of `size` bytes points to, if it is a pointer; `head` is its first bytes.
pub(super) fn cause(head: &[u8], size: u64) -> Option<Cause> {
    if head.len() as u64 != size || head.len() > LARGEST_ANNEX {
        return None;
    }
    let text = std::str::from_utf8(head).ok()?;
    lfs(text).or_else(|| annex(text))
}

fn lfs(text: &str) -> Option<Cause> {
    let mut lines = text.lines().map(str::trim_end);
    let version = lines.next().filter(|_| text.len() <= LARGEST_LFS)?;
    let known = ["version https://git-lfs.github.com/spec/", "version https://hawser.github.com/spec/"];
    if !known.iter().any(|known| version.starts_with(known)) {
        return None;
    }
    let (mut oid, mut size) = (None, None);
    for line in lines {
        match line.split_once(' ') {
            Some(("oid", said)) => oid = Some(said),
            Some(("size", said)) => size = said.parse().ok(),
            _ => {}
        }
    }
    Some(pointer(C::GitLfsPointer, "Git LFS", size, oid))
}

fn annex(text: &str) -> Option<Cause> {
    let line = text.lines().next()?;
    let (before, path) = line.split_once("annex/objects/")?;
    if !(before == "/" || before.ends_with(".git/")) {
        return None;
    }
    // BACKEND[-sSIZE][-mTIME]...--NAME
    let key = path.rsplit('/').next()?;
    let (fields, name) = key.split_once("--")?;
    let mut fields = fields.split('-');
    let backend = fields.next()?;
    let size = fields.find_map(|field| field.strip_prefix('s')?.parse().ok());
    let id = format!("{}:{name}", backend.to_ascii_lowercase());
    Some(pointer(C::GitAnnexPointer, "git-annex", size, Some(&id)))
}

fn pointer(code: C, of: &str, size: Option<u64>, id: Option<&str>) -> Cause {
    let size = size.map_or_else(|| "of unknown size".to_owned(), |size| format!("of {}", plural(size, "byte")));
    let cause = Cause::new(code, format!("a pointer of {of} to a file {size}, not the file itself"));
    match id {
        Some(id) => cause.evidence(format!("its id is {}", id.chars().take(200).collect::<String>().escape_debug())),
        None => cause,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_say_what_they_point_to() {
        let lfs = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n";
        let crlf = lfs.replace('\n', "\r\n");
        let old = "version https://hawser.github.com/spec/v1\nsize 12\n";
        let annex = "/annex/objects/SHA256E-s12--9f86d0.rdb\n";
        let link = "../.git/annex/objects/Wx/4q/MD5-s12-m1--9f86/MD5-s12-m1--9f86";
        for (text, code) in [
            (lfs, C::GitLfsPointer),
            (&crlf, C::GitLfsPointer),
            (old, C::GitLfsPointer),
            (annex, C::GitAnnexPointer),
            (link, C::GitAnnexPointer),
        ] {
            let cause = cause(text.as_bytes(), text.len() as u64).expect("a pointer");
            assert_eq!(cause.code, code, "{text}");
            assert!(cause.message.contains("12 bytes"), "{}", cause.message);
        }
        let said = cause(annex.as_bytes(), annex.len() as u64).expect("a pointer");
        assert_eq!(said.evidence, ["its id is sha256e:9f86d0.rdb"]);
    }

    #[test]
    fn other_texts_are_none() {
        let long = format!("version https://git-lfs.github.com/spec/v1\nsize 1\n{}", "x".repeat(2000));
        for text in ["", "version 1\n", "see annex/objects/x--y", "/annex/objects/", &long] {
            assert!(cause(text.as_bytes(), text.len() as u64).is_none(), "{text}");
        }
        let cut = b"version https://git-lfs.github.com/spec/v1\nsize 1\n";
        assert!(cause(cut, 5000).is_none());
    }
}
