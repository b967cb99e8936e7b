//! Runs the library's copy of the official tools.

use std::path::Path;

use redis_persistence::Limits;
use redis_persistence::aof::dir::Disk;
use redis_persistence::aof::official::{Line, Outcome, Request, Task, Tool, check};
use redis_persistence::official::Images;

/// Runs the library on a file; returns the outcome and the lines, the pieces of a log among them.
pub fn run(tool: Tool, task: Task, path: &Path) -> (Outcome, Vec<Vec<u8>>) {
    let mut lines = Vec::new();
    let mut print = |line: Line<'_>| {
        let (Line::Out(text) | Line::Log(text) | Line::Statistics(text)) = line;
        lines.push(text.to_vec());
    };
    let mut images = Images { tool, now_ms: 0, limits: Limits::default() };
    let outcome = check(&Request { tool, task, path }, &mut Disk, &mut images, &mut print);
    (outcome, lines)
}
