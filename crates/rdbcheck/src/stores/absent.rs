//! In the place of the stores, for a build without them.

use std::convert::Infallible;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use redis_persistence::aof::dir::Node;
use redis_persistence::verify::ReadAt;

use super::address::without_secrets;
use super::failed::Failed;

/// There is none.
#[derive(Debug)]
pub struct Object(Infallible);

/// There is none.
#[derive(Debug)]
pub struct Stream(Infallible);

/// There is none.
#[derive(Debug)]
pub enum Opened {
    /// All of it.
    Whole(Vec<u8>),
    /// An object.
    Object(Object),
    /// A stream.
    Stream(Stream),
}

impl Object {
    /// Returns how many bytes it has.
    #[must_use]
    pub fn size(&self) -> u64 {
        match self.0 {}
    }
}

impl ReadAt for Object {
    fn read_at(&self, _: &mut [u8], _: u64) -> io::Result<usize> {
        match self.0 {}
    }
}

impl Stream {
    /// Returns how many bytes it will give.
    #[must_use]
    pub fn size(&self) -> u64 {
        match self.0 {}
    }
}

impl Read for Stream {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        match self.0 {}
    }
}

fn none() -> io::Error {
    let why = "this build reads no object stores and no web servers: it was built without the feature `stores`";
    Failed::new(io::ErrorKind::Unsupported, why).into()
}

/// This build opens none.
///
/// # Errors
/// Always.
pub fn open(_: &Path) -> io::Result<Opened> {
    Err(none())
}

/// This build knows of none.
///
/// # Errors
/// Always.
pub fn stat(_: &Path) -> io::Result<Option<Node>> {
    Err(none())
}

/// This build lists none.
///
/// # Errors
/// Always.
pub fn list(_: &Path) -> io::Result<Vec<(Vec<u8>, Node)>> {
    Err(none())
}

/// Returns the paths as they are, but for secrets in them.
#[must_use]
pub fn expand(paths: &[PathBuf]) -> Vec<PathBuf> {
    paths.iter().cloned().map(without_secrets).collect()
}

/// Returns the same.
#[must_use]
pub fn expand_patterns(paths: &[PathBuf]) -> Vec<PathBuf> {
    expand(paths)
}
