//! What to do about what lies around a set: data that a start leaves unread, and files that its server may not use.

use super::{Step, run, step};
use crate::aof::dir::{NextStart, UnreadKind};
use crate::report::{Code, Report};

/// Returns how a server comes by the data that the next start would leave unread.
pub(super) fn not_read(report: &Report) -> Vec<Step> {
    if !report.findings_by_code.contains_key(&Code::AofDataNotRead) {
        return Vec::new();
    }
    let unread = report.aof.iter().flat_map(|facts| &facts.load.unread);
    let with_data = unread
        .filter_map(|file| file.content.as_ref().filter(|content| content.holds_data()).map(|content| (file, content)));
    let steps = with_data.filter_map(|(file, content)| {
        let (name, holds) = (&file.name, content.describe());
        match file.kind {
            UnreadKind::Dump if file.size == 0 => Some(step(format!(
                "{name} is of 0 bytes, which no server writes: look for another copy before the start, in a backup, on a replica, or in \
                 temp-*.rdb beside it."
            ))),
            UnreadKind::Dump => Some(step(format!(
                "{name} holds {holds}. To have a server load it, keep a copy, move the append-only files away, start it with \
                 appendonly no, compare DBSIZE, then switch them on while it runs (CONFIG SET appendonly yes), and write that \
                 into its configuration once INFO persistence says aof_rewrite_in_progress:0."
            ))),
            UnreadKind::OldStyleInFolder if report.aof.as_ref().is_some_and(|facts| facts.load.next_start == Some(NextStart::Migrates)) => Some(step(format!(
                "Two old-style files lie there, and servers from 7.0 on abort: find out which is the right one, and move {name} out of \
                 the folder of the set, or in the place of the other."
            ))),
            UnreadKind::OldStyleInFolder => Some(step(format!(
                "{name} holds {holds}. Servers from 7.0 on look for a file of that name in their own directory, and take it over from \
                 there: move it out of the folder to the directory above, and check that."
            ))),
            UnreadKind::OldStyle => Some(step(format!(
                "{name} in the server's directory holds {holds}. Servers take it over only where the folder of the set is not there: \
                 if its data is the right one, keep a copy of both, move the folder away, and check the directory again."
            ))),
            _ => None,
        }
    });
    steps.collect()
}

/// Returns how the user of the server comes by files and folders that it may not use.
pub(super) fn not_allowed(report: &Report) -> Vec<Step> {
    let Some(access) = report.aof.as_ref().and_then(|facts| facts.load.access.as_ref()) else { return Vec::new() };
    let (uid, gid) = access.user;
    let denied = access.denied.iter().filter_map(|denied| Some((denied, denied.effect()?)));
    let steps = denied.map(|(denied, (cannot, _))| {
        let path = denied.path.display();
        let text = format!(
            "If the server runs as {uid}:{gid}, it cannot {cannot}: {path}. Give it to that user before the start."
        );
        match denied.mend(access.user) {
            Some(command) => run(&command, text),
            None => step(text),
        }
    });
    steps.take(MOST).collect()
}

/// This many files are named one by one.
const MOST: usize = 8;
