//! Puts together what is kept of a file whose line ends were changed: whole transactions, in databases that are known.

use super::super::{Account, Keep, Skip, SkipKind};

/// The databases of a file, and whether one that is in force may have been selected in bytes that are gone.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Databases {
    first: Option<u32>,
    several: bool,
    uncertain: bool,
}

impl Databases {
    pub(super) fn select(&mut self, db: u32) {
        self.several |= self.first.is_some_and(|first| first != db);
        self.first.get_or_insert(db);
        self.uncertain = false;
    }

    pub(super) fn gap(&mut self) {
        self.uncertain = true;
    }

    /// The same at the start of the file.
    pub(super) fn begin(self) -> Self {
        Self { uncertain: false, ..self }
    }

    /// Whether it cannot be told which one is in force.
    fn is_open(self) -> bool {
        self.uncertain && self.several
    }
}

pub(super) enum What {
    Multi,
    Exec,
    Select(u32),
    Command,
    Other,
    /// A value in it cannot be brought back.
    Unproven,
    /// No server knows it so.
    Unknown,
    Damage,
}

/// Puts together what is kept: whole transactions, in databases that are known.
#[derive(Debug, Default)]
pub(super) struct Assemble {
    account: Account,
    databases: Databases,
    /// The open transaction: where it begins, how many commands it has, and whether one of them is lost.
    open: Option<(u64, u64, bool)>,
    /// How far it came.
    at: u64,
}

impl Assemble {
    /// Begins at the start of a file with these databases.
    pub(super) fn new(databases: Databases) -> Self {
        Self { databases, ..Self::default() }
    }

    pub(super) fn take(&mut self, start: u64, end: u64, what: What) {
        self.at = end;
        let lost = matches!(what, What::Unproven | What::Unknown | What::Damage);
        if matches!(what, What::Damage) {
            self.close(start);
            self.databases.gap();
            self.account.skip(Skip { start, end, kind: SkipKind::Damage, commands: 0 });
            return;
        }
        if let What::Select(db) = what {
            self.databases.select(db);
        }
        if let Some((from, commands, torn)) = &mut self.open {
            let from = *from;
            (*commands, *torn) = (*commands + u64::from(!matches!(what, What::Other)), *torn || lost);
            let (commands, torn) = (*commands, *torn);
            if matches!(what, What::Exec) {
                self.open = None;
                let kind = if torn { Some(SkipKind::LineEnds) } else { None };
                self.put(from, end, commands, kind);
            }
            return;
        }
        match what {
            What::Multi => self.open = Some((start, 1, false)),
            What::Exec => self.put(start, end, 1, Some(SkipKind::StrayExec)),
            What::Unproven => self.put(start, end, 1, Some(SkipKind::LineEnds)),
            What::Unknown => self.put(start, end, 1, Some(SkipKind::Damage)),
            What::Other => self.put(start, end, 0, None),
            _ => self.put(start, end, 1, None),
        }
    }

    /// Bytes end a transaction without an EXEC.
    fn close(&mut self, end: u64) {
        if let Some((from, commands, _)) = self.open.take() {
            self.put(from, end, commands, Some(SkipKind::Transaction));
        }
    }

    fn put(&mut self, start: u64, end: u64, commands: u64, skip: Option<SkipKind>) {
        let kind = skip.or(self.databases.is_open().then_some(SkipKind::Database));
        if let Some(kind) = kind {
            self.account.skip(Skip { start, end, kind, commands });
            return;
        }
        self.account.kept_commands += commands;
        match self.account.kept.last_mut() {
            Some(last) if last.end == start => last.end = end,
            _ => self.account.kept.push(Keep { start, end, select: None }),
        }
    }

    pub(super) fn finish(mut self) -> Account {
        self.close(self.at);
        self.account
    }
}
