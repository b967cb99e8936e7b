//! Runs the library's copy of the official tools.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use redis_persistence::aof::official::{Disk, Line, Outcome, Preamble, Print, Request, Task, Tool, check};

use super::cases::folder;

/// Knows the two sane images that occur in the inputs, with their checksum or with none; any other is not sane.
pub struct KnownImages {
    images: Vec<Vec<u8>>,
}

impl KnownImages {
    pub fn of(tool: Tool) -> Self {
        let mut paths = vec!["s141-rdb-only/appendonly.aof"];
        if tool != Tool::Redis70 {
            // Version 13, which is beyond what 7.0 reads.
            paths.push("m068-redis86-base/appendonlydir/appendonly.aof.1.base.rdb");
        }
        Self { images: paths.iter().map(|path| fs::read(folder().join(path)).expect("an image")).collect() }
    }
}

impl Preamble for KnownImages {
    fn check(&mut self, _: &Path, input: &mut dyn Read, _: &mut Print<'_>) -> io::Result<Option<u64>> {
        let mut data = Vec::new();
        input.read_to_end(&mut data)?;
        let sane = self.images.iter().find(|image| {
            let (body, checksum) = image.split_at(image.len() - 8);
            data.strip_prefix(body).is_some_and(|rest| rest.starts_with(checksum) || rest.starts_with(&[0; 8]))
        });
        Ok(sane.map(|image| image.len() as u64))
    }
}

/// Runs the library on a file; returns the outcome and the lines, the pieces of a log among them.
pub fn run(tool: Tool, task: Task, path: &Path) -> (Outcome, Vec<Vec<u8>>) {
    let mut lines = Vec::new();
    let mut print = |line: Line<'_>| {
        let (Line::Out(text) | Line::Log(text)) = line;
        lines.push(text.to_vec());
    };
    let outcome = check(&Request { tool, task, path }, &mut Disk, &mut KnownImages::of(tool), &mut print);
    (outcome, lines)
}
