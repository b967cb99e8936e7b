//! Prefixes, patterns and folders.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use futures_util::TryStreamExt as _;
use glob::{MatchOptions, Pattern};
use object_store::path::Path as Place;
use redis_persistence::aof::dir::Node;

use super::address::{Address, Scheme, without_secrets};
use super::connect::{client, wait};
use super::failed::{Failed, explained};
use super::fetch::Source;

/// In a pattern a star stands for anything but a slash, and two of them for any folders.
const OPTIONS: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: false };

/// Returns the paths with the objects below each prefix, and those that fit each pattern, in its place, in the order of their keys.
/// What cannot be listed, and a pattern that nothing fits, stays as it is: to open it says why.
#[must_use]
pub fn expand(paths: &[PathBuf]) -> Vec<PathBuf> {
    with(paths, true)
}

/// Returns the same with prefixes left as they are: folders of append-only files.
#[must_use]
pub fn expand_patterns(paths: &[PathBuf]) -> Vec<PathBuf> {
    with(paths, false)
}

fn with(paths: &[PathBuf], prefixes: bool) -> Vec<PathBuf> {
    let each = paths.iter().flat_map(|path| {
        let found =
            Address::of(path).and_then(|address| below(&address, prefixes).ok()).filter(|found| !found.is_empty());
        found.unwrap_or_else(|| vec![without_secrets(path.clone())])
    });
    each.collect()
}

/// Returns what a prefix or a pattern stands for; nothing for the address of an object.
fn below(address: &Address, prefixes: bool) -> io::Result<Vec<PathBuf>> {
    let is_pattern = address.key.contains(['*', '?', '[']);
    let is_expanded = is_pattern || prefixes && address.is_prefix();
    if address.scheme == Scheme::Http || !is_expanded {
        return Ok(Vec::new());
    }
    let keys = if is_pattern { matching(address)? } else { all(address, &address.key)? };
    Ok(keys.into_iter().map(|key| address.path_of(&key)).collect())
}

/// Returns the keys below a prefix, but those that stand for folders.
fn all(address: &Address, prefix: &str) -> io::Result<Vec<String>> {
    let (store, place, of) = (client(address)?, place(address, prefix)?, address.clone());
    let mut keys = wait(async move {
        let objects = store.list(Some(&place)).map_ok(|meta| (meta.location.to_string(), meta.size));
        objects.try_collect::<Vec<_>>().await.map_err(|error| explained(&error, &of))
    })?;
    keys.sort_unstable();
    // A console makes an empty object for a folder: its key ends with a slash, which is not given here.
    let stands_for_folder = |at: usize| {
        let (key, size) = &keys[at];
        let is_above = |other: &str| other.strip_prefix(key.as_str()).is_some_and(|rest| rest.starts_with('/'));
        *size == 0
            && (is_above(prefix)
                || keys[at + 1..]
                    .iter()
                    .take_while(|(other, _)| other.starts_with(key))
                    .any(|(other, _)| is_above(other)))
    };
    let folders: Vec<bool> = (0..keys.len()).map(stands_for_folder).collect();
    Ok(keys.into_iter().zip(folders).filter(|(_, folder)| !folder).map(|((key, _), _)| key).collect())
}

/// Returns the keys that fit a pattern; with a slash at its end, the prefixes that do.
fn matching(address: &Address) -> io::Result<Vec<String>> {
    let bad = |_| {
        Failed::new(io::ErrorKind::InvalidInput, "its pattern is none: a bracket is not closed, or ** is not alone")
    };
    let parts: Vec<&str> = address.key.split('/').collect();
    // From two stars on all is listed.
    let deep = parts.iter().position(|part| part.contains("**"));
    let (walked, rest) = parts.split_at(deep.unwrap_or(parts.len()));
    let mut folders = vec![String::new()];
    for (number, part) in walked.iter().enumerate() {
        let is_last = number + 1 == parts.len();
        if is_last && part.is_empty() {
            return Ok(folders);
        }
        let pattern = Pattern::new(part).map_err(bad)?;
        let mut next = Vec::new();
        for folder in folders {
            if !is_last && !part.contains(['*', '?', '[']) {
                next.push(format!("{folder}{part}/"));
                continue;
            }
            let fit = names(address, &folder)?.into_iter().filter_map(|(name, node)| match node {
                Node::Directory if !is_last => Some((name, "/")),
                Node::File(_) if is_last => Some((name, "")),
                _ => None,
            });
            let fit = fit.filter(|(name, _)| pattern.matches_with(name, OPTIONS));
            next.extend(fit.map(|(name, end)| format!("{folder}{name}{end}")));
        }
        folders = next;
    }
    if rest.is_empty() {
        return Ok(folders);
    }
    let pattern = Pattern::new(&rest.join("/")).map_err(bad)?;
    let mut keys = Vec::new();
    for folder in folders {
        let found = all(address, &folder)?;
        keys.extend(found.into_iter().filter(|key| pattern.matches_with(&key[folder.len()..], OPTIONS)));
    }
    Ok(keys)
}

/// Returns what lies in a folder, by name: the objects, and the folders.
fn names(address: &Address, folder: &str) -> io::Result<BTreeMap<String, Node>> {
    let (store, place, of) = (client(address)?, place(address, folder)?, address.clone());
    wait(async move {
        let found = store.list_with_delimiter(Some(&place)).await.map_err(|error| explained(&error, &of))?;
        let name = |place: &Place| place.filename().map(str::to_owned);
        let folders = found.common_prefixes.iter().filter_map(|place| Some((name(place)?, Node::Directory)));
        let inside = found.objects.iter().filter(|meta| meta.location != place);
        let objects = inside.filter_map(|meta| Some((name(&meta.location)?, Node::File(meta.size))));
        Ok(folders.chain(objects).collect())
    })
}

fn place(address: &Address, prefix: &str) -> io::Result<Place> {
    Ok(Place::parse(prefix).map_err(|error| explained(&error.into(), address))?)
}

fn address(path: &Path) -> io::Result<Address> {
    Address::of(path).ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

/// Returns what lies at an address: an object, or a folder where there are objects below.
///
/// # Errors
/// If it cannot be told.
pub fn stat(path: &Path) -> io::Result<Option<Node>> {
    let address = address(path)?;
    if !address.is_prefix() {
        let source = Source::of(address.clone())?;
        match wait(async move { source.size().await }) {
            Ok(size) => return Ok(Some(Node::File(size))),
            Err(error) if error.kind() == io::ErrorKind::NotFound && address.scheme != Scheme::Http => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    let found = names(&address, &address.key)?;
    Ok((!found.is_empty()).then_some(Node::Directory))
}

/// Returns what lies in a folder, in the order of the names. Of a web server nothing is known.
///
/// # Errors
/// If it cannot be listed.
pub fn list(folder: &Path) -> io::Result<Vec<(Vec<u8>, Node)>> {
    let address = address(folder)?;
    if address.scheme == Scheme::Http {
        return Ok(Vec::new());
    }
    let found = names(&address, &address.key)?;
    Ok(found.into_iter().map(|(name, node)| (name.into_bytes(), node)).collect())
}
