//! Sorts rows within a budget of memory: what does not fit is sorted in runs that lie in temporary files.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Seek as _, Write as _};

use super::row::Row;
use crate::report::SpillTo;

/// So many runs are read at once; more are put together first.
const RUNS: usize = 64;

#[derive(Debug)]
pub(super) struct Sorter {
    rows: Vec<Row>,
    weight: usize,
    memory: usize,
    spill: SpillTo,
    runs: Vec<File>,
}

impl Sorter {
    pub(super) fn new(memory: usize, spill: SpillTo) -> Self {
        Self { rows: Vec::new(), weight: 0, memory, spill, runs: Vec::new() }
    }

    /// Adds a row.
    ///
    /// # Errors
    /// If there is no room in the temporary file.
    pub(super) fn add(&mut self, row: Row) -> io::Result<()> {
        self.weight += row.weight();
        self.rows.push(row);
        if self.weight > self.memory {
            self.end_run()?;
        }
        Ok(())
    }

    fn end_run(&mut self) -> io::Result<()> {
        self.rows.sort_unstable();
        let mut out = BufWriter::new(self.spill.open()?);
        for row in self.rows.drain(..) {
            row.write(&mut out)?;
        }
        self.weight = 0;
        self.runs.push(finished(out)?);
        if self.runs.len() == RUNS {
            let mut out = BufWriter::new(self.spill.open()?);
            merge(std::mem::take(&mut self.runs), &mut |row| row.write(&mut out))?;
            self.runs.push(finished(out)?);
        }
        Ok(())
    }

    /// Hands out all rows in their order.
    ///
    /// # Errors
    /// If the temporary files cannot be read; what `sink` says.
    pub(super) fn into_sorted(mut self, sink: &mut dyn FnMut(Row) -> io::Result<()>) -> io::Result<()> {
        if self.runs.is_empty() {
            self.rows.sort_unstable();
            return self.rows.into_iter().try_for_each(sink);
        }
        if !self.rows.is_empty() {
            self.end_run()?;
        }
        merge(self.runs, sink)
    }
}

fn finished(out: BufWriter<File>) -> io::Result<File> {
    let mut file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.flush()?;
    file.rewind()?;
    Ok(file)
}

fn merge(runs: Vec<File>, sink: &mut dyn FnMut(Row) -> io::Result<()>) -> io::Result<()> {
    let mut runs: Vec<_> = runs.into_iter().map(BufReader::new).collect();
    let mut heads = BinaryHeap::new();
    for (at, run) in runs.iter_mut().enumerate() {
        heads.extend(Row::read(run)?.map(|row| Reverse((row, at))));
    }
    while let Some(Reverse((row, at))) = heads.pop() {
        heads.extend(Row::read(&mut runs[at])?.map(|row| Reverse((row, at))));
        sink(row)?;
    }
    Ok(())
}
