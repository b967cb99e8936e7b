//! What a server loses when it stops at once: the settings that say when it writes, and the time between.

use super::Settings;

/// When appended commands reach the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Fsync {
    /// Before a write is answered.
    Always,
    /// Once a second.
    #[default]
    Everysec,
    /// When the system writes them.
    No,
}

/// Pairs of seconds and changes; none for an empty text.
pub(super) fn points(text: &str) -> Option<Vec<(u64, u64)>> {
    let text = if text == "\"\"" { "" } else { text };
    let numbers: Vec<u64> = text.split_whitespace().map(|word| word.parse().ok()).collect::<Option<_>>()?;
    let pairs =
        numbers.chunks(2).map(|pair| <[u64; 2]>::try_from(pair).ok().map(|[seconds, changes]| (seconds, changes)));
    pairs.collect()
}

/// What is lost if the server ends at once, or its machine does, as far as the settings tell.
///
/// # Examples
/// ```
/// use redis_persistence::servers::{Settings, loss_window};
///
/// let (settings, _) = Settings::from_conf(b"appendonly yes\nappendfsync always\n");
/// assert!(loss_window(&settings)[0].contains("each write that was answered is on disk"));
/// ```
#[must_use]
pub fn loss_window(settings: &Settings) -> Vec<String> {
    let mut lines = Vec::new();
    if settings.appendonly == Some(true) {
        lines.push(match settings.appendfsync {
            Fsync::Always => "appendfsync always: each write that was answered is on disk".to_owned(),
            Fsync::Everysec => {
                "appendfsync everysec: a machine that stops loses the writes of about the last 2 seconds, a server that is killed none"
                    .to_owned()
            }
            Fsync::No => {
                "appendfsync no: a machine that stops loses what the system had not written yet, often 30 seconds; a server that is \
                 killed none"
                    .to_owned()
            }
        });
        if !settings.aof_use_rdb_preamble {
            lines.push("aof-use-rdb-preamble no: a rewrite writes commands, which take longer to load".to_owned());
        }
        let torn = if settings.aof_load_truncated {
            "aof-load-truncated yes: a last record that is torn is cut off, and the server starts"
        } else {
            "aof-load-truncated no: with a last record that is torn the server does not start"
        };
        lines.push(torn.to_owned());
        return lines;
    }
    let often: Vec<_> =
        settings.save.iter().map(|(seconds, changes)| format!("{seconds} s after {changes} changes")).collect();
    match settings.save.iter().map(|(seconds, _)| *seconds).max() {
        None => lines.push("save \"\": nothing is saved unasked, and a stop loses all writes since the last save".to_owned()),
        Some(most) => lines.push(format!(
            "save ({}): a stop loses the writes since the last save, up to those of {most} seconds and the time that a save takes",
            often.join(", ")
        )),
    }
    if !settings.save.is_empty() && !settings.stop_writes_on_bgsave_error {
        lines.push("stop-writes-on-bgsave-error no: where saves fail, writes go on and are not saved".to_owned());
    }
    lines
}
