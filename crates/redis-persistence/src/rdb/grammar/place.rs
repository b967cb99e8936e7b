//! A place in a layout: what comes next, and the loops around it.

use super::layout::{DEEPEST, Op};

/// Where in a layout a walk is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    /// The steps that come next.
    ops: &'static [Op],
    /// The loops around them, the outermost first.
    loops: [Loop; DEEPEST],
    depth: usize,
    /// The version of the layout.
    version: u8,
    /// How many field names were read of a hash with a template.
    names: u64,
    /// Whether the layout is that of a key's value.
    pub(crate) in_value: bool,
}

/// A loop, or a choice, which is a loop of one turn.
#[derive(Debug, Clone, Copy)]
struct Loop {
    /// Turns left with this one.
    left: u64,
    body: &'static [Op],
    /// The steps behind the loop.
    then: &'static [Op],
}

impl Place {
    /// Returns the start of a layout.
    #[inline]
    pub(crate) fn new(ops: &'static [Op], version: u8, in_value: bool) -> Self {
        let loops = [Loop { left: 0, body: &[], then: &[] }; DEEPEST];
        Self { ops, loops, depth: 0, version, names: 0, in_value }
    }

    /// Returns the next step; `None` behind the last one.
    #[inline]
    pub(crate) fn next(&self) -> Option<&'static Op> {
        self.ops.first()
    }

    pub(crate) fn version(&self) -> u8 {
        self.version
    }

    /// Takes note of how many field names there are.
    pub(crate) fn count_names(&mut self, names: u64) {
        self.names = names;
    }

    /// Goes behind the next step.
    #[inline]
    pub(crate) fn advance(&mut self) {
        self.ops = self.ops.get(1..).unwrap_or(&[]);
        if !matches!(self.ops, [Op::Str(_) | Op::Numbers(_), ..]) {
            self.settle();
        }
    }

    /// Goes into the body, that many times, and then behind the next step.
    #[inline]
    pub(crate) fn enter(&mut self, turns: u64, body: &'static [Op]) {
        self.ops = self.ops.get(1..).unwrap_or(&[]);
        self.push(turns, body);
        self.settle();
    }

    /// Goes behind a step of which nothing is known but what it counted.
    pub(crate) fn follow(&mut self, count: Option<u64>) {
        match (self.next(), count) {
            (Some(Op::Many(_, body)), Some(count)) => self.enter(count, body),
            _ => self.advance(),
        }
    }

    #[inline]
    fn push(&mut self, turns: u64, body: &'static [Op]) {
        if turns == 0 || body.is_empty() {
            return;
        }
        // No layout is deeper: that is checked where the rows are.
        if let Some(free) = self.loops.get_mut(self.depth) {
            *free = Loop { left: turns, body, then: self.ops };
            self.depth += 1;
            self.ops = body;
        }
    }

    /// Passes over what takes no bytes: ends of loops, and what only other versions have.
    fn settle(&mut self) {
        loop {
            match *self.ops {
                [] => {
                    let Some(top) = self.depth.checked_sub(1).and_then(|depth| self.loops.get_mut(depth)) else {
                        return;
                    };
                    if top.left > 1 {
                        top.left -= 1;
                        self.ops = top.body;
                    } else {
                        self.ops = top.then;
                        self.depth -= 1;
                    }
                }
                [Op::Since(since, body), ref rest @ ..] => {
                    self.ops = rest;
                    self.push(u64::from(self.version >= since), body);
                }
                [Op::PerName(body), ref rest @ ..] => {
                    self.ops = rest;
                    self.push(self.names, body);
                }
                [
                    Op::Str(_)
                    | Op::Names(_)
                    | Op::Numbers(_)
                    | Op::Many(..)
                    | Op::Switch { .. }
                    | Op::ScoreText
                    | Op::Module,
                    ..,
                ] => return,
            }
        }
    }
}
