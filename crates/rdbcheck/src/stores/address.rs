//! Where an object lies.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// What kind of store it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Scheme {
    /// S3, and what speaks its protocol.
    S3,
    /// Google Cloud Storage.
    Gs,
    /// Azure Blob Storage.
    Az,
    /// A web server.
    Http,
}

/// How addresses begin.
const SCHEMES: [(&str, Scheme); 5] = [
    ("s3://", Scheme::S3),
    ("gs://", Scheme::Gs),
    ("az://", Scheme::Az),
    ("http://", Scheme::Http),
    ("https://", Scheme::Http),
];

/// The address of an object, or of a prefix.
#[cfg(feature = "stores")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) scheme: Scheme,
    /// The bucket or container; of a web server, what stands before the path.
    pub(crate) bucket: String,
    /// The key as it is, without the slash before it. Nothing in it is decoded.
    pub(crate) key: String,
}

/// Returns whether a path is the address of something in a store or behind a web server. A file of such a name is `./s3:/...`.
///
/// # Examples
/// ```
/// use rdbcheck::stores::is_remote;
///
/// assert!(is_remote("s3://backups/dump.rdb".as_ref()));
/// assert!(!is_remote("./s3://backups/dump.rdb".as_ref()));
/// ```
#[must_use]
pub fn is_remote(path: &Path) -> bool {
    scheme(path).is_some()
}

/// Returns whether it is one of a web server, which lists nothing.
pub(crate) fn is_web(path: &Path) -> bool {
    matches!(scheme(path), Some((Scheme::Http, ..)))
}

/// Returns the kind of store, how the address begins, and what follows.
fn scheme(path: &Path) -> Option<(Scheme, &'static str, &str)> {
    let text = path.to_str()?;
    SCHEMES.iter().find_map(|(lead, scheme)| Some((*scheme, *lead, text.strip_prefix(lead)?)))
}

#[cfg(feature = "stores")]
impl Address {
    /// Returns the address that a path is.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let whole = whole(path);
        let (scheme, lead, rest) = scheme(whole.as_deref().unwrap_or(path))?;
        let end = match scheme {
            Scheme::Http => rest.find(['/', '?', '#']).unwrap_or(rest.len()),
            _ => rest.find('/').unwrap_or(rest.len()),
        };
        let (bucket, key) = rest.split_at(end);
        let key = key.strip_prefix('/').unwrap_or(key).to_owned();
        let bucket = if scheme == Scheme::Http { format!("{lead}{bucket}") } else { bucket.to_owned() };
        Some(Self { scheme, bucket, key })
    }

    /// Returns whether it names a folder, as far as the name alone tells.
    pub(crate) fn is_prefix(&self) -> bool {
        self.scheme != Scheme::Http && (self.key.is_empty() || self.key.ends_with('/'))
    }

    /// Returns the path of a key in the same bucket.
    pub(crate) fn path_of(&self, key: &str) -> PathBuf {
        let lead = SCHEMES.iter().find(|(_, scheme)| *scheme == self.scheme && self.scheme != Scheme::Http);
        PathBuf::from(format!("{}{}/{key}", lead.map_or("", |(lead, _)| lead), self.bucket))
    }
}

/// Addresses with a secret in them, by the paths that stand for them in all that is printed.
static SECRETS: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());

#[cfg(feature = "stores")]
fn whole(path: &Path) -> Option<PathBuf> {
    let shown = path.to_str().filter(|shown| shown.starts_with("http"))?;
    SECRETS.lock().unwrap_or_else(PoisonError::into_inner).get(shown).cloned()
}

/// Returns a path that stands for an address without what may be secret in it: a signature behind `?`, or a password. Whoever
/// opens it gets what the whole address leads to.
pub(crate) fn without_secrets(path: PathBuf) -> PathBuf {
    let Some((Scheme::Http, lead, rest)) = scheme(&path) else { return path };
    let bare = rest.split(['?', '#']).next().unwrap_or_default();
    let (authority, below) = bare.split_at(bare.find('/').unwrap_or(bare.len()));
    let host = authority.rsplit('@').next().unwrap_or_default();
    let shown = format!("{lead}{host}{below}");
    if Path::new(&shown).as_os_str() == path.as_os_str() {
        return path;
    }
    let mut secrets = SECRETS.lock().unwrap_or_else(PoisonError::into_inner);
    // Two may differ in nothing else.
    let names = std::iter::once(shown.clone()).chain((2_u64..).map(|n| format!("{shown}#{n}")));
    let free = |name: &String| secrets.get(name).is_none_or(|other| other.as_os_str() == path.as_os_str());
    let name = names.into_iter().find(free).unwrap_or(shown);
    secrets.insert(name.clone(), path);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "stores")]
    #[test]
    fn keys_are_taken_as_they_are() {
        for (path, scheme, bucket, key) in [
            ("s3://b/a b%20c+#?.rdb", Scheme::S3, "b", "a b%20c+#?.rdb"),
            ("s3://b", Scheme::S3, "b", ""),
            ("gs://b/x/", Scheme::Gs, "b", "x/"),
            ("az://b/x", Scheme::Az, "b", "x"),
            ("https://h:1/x/y?z=1", Scheme::Http, "https://h:1", "x/y?z=1"),
            ("http://h", Scheme::Http, "http://h", ""),
        ] {
            let expected = Address { scheme, bucket: bucket.to_owned(), key: key.to_owned() };
            assert_eq!(Address::of(Path::new(path)), Some(expected), "{path}");
        }
        for path in ["dump.rdb", "./s3://b/k", "s3:/b/k", "S3://b/k", "file:///x", "/s3://b"] {
            assert_eq!(Address::of(Path::new(path)), None, "{path}");
        }
    }

    #[test]
    fn a_secret_is_not_shown_and_not_lost() {
        let one = PathBuf::from("https://me:pw@h/a.rdb?sig=abc");
        let other = PathBuf::from("https://h/a.rdb?sig=def");
        let shown = [one.clone(), other, one.clone()].map(without_secrets);
        assert_eq!(
            shown.each_ref().map(|path| path.to_str()),
            [Some("https://h/a.rdb"), Some("https://h/a.rdb#2"), Some("https://h/a.rdb")]
        );
        #[cfg(feature = "stores")]
        assert_eq!(Address::of(&shown[0]).map(|address| address.key), Some("a.rdb?sig=abc".to_owned()));
        #[cfg(feature = "stores")]
        assert_eq!(Address::of(&shown[1]).map(|address| address.key), Some("a.rdb?sig=def".to_owned()));
        for path in ["https://h/a.rdb.gz", "s3://b/k?x", "dump.rdb"] {
            assert_eq!(without_secrets(path.into()).to_str(), Some(path));
        }
    }
}
