//! What a command says by itself: its name, and what it would do to the server that loads it.
//!
//! This is where a table of commands plugs in (names, argument counts, flags): it gets every command, with its place in
//! the transaction, and answers with findings. Unknown names and argument counts are not judged here yet.

use memchr::memmem::Finder;

use crate::aof::Command;
use crate::resp;
use crate::verify::codes::Code;

/// What is said of a command.
pub(super) struct Remark {
    pub(super) code: Code,
    /// The byte that it is about.
    pub(super) at: u64,
    pub(super) message: String,
}

/// Judges commands one by one.
#[derive(Debug)]
pub(super) struct Judge {
    record: Finder<'static>,
}

impl Default for Judge {
    fn default() -> Self {
        Self { record: Finder::new(b"\r\n*") }
    }
}

/// Commands that act on the server and not on its data. What a server writes to its file never holds them.
const DANGEROUS: [&[u8]; 29] = [
    b"ACL",
    b"ASKING",
    b"AUTH",
    b"BGREWRITEAOF",
    b"BGSAVE",
    b"CLIENT",
    b"CLUSTER",
    b"CONFIG",
    b"DEBUG",
    b"FAILOVER",
    b"HELLO",
    b"LATENCY",
    b"MIGRATE",
    b"MODULE",
    b"MONITOR",
    b"PSUBSCRIBE",
    b"PSYNC",
    b"QUIT",
    b"REPLCONF",
    b"REPLICAOF",
    b"RESET",
    b"SAVE",
    b"SCRIPT",
    b"SHUTDOWN",
    b"SLAVEOF",
    b"SLOWLOG",
    b"SSUBSCRIBE",
    b"SUBSCRIBE",
    b"SYNC",
];

/// The shortest payload that can hold the head of a record.
const SHORTEST_HEAD: usize = 13;

impl Judge {
    /// Looks at a command; `queued` says that it lies inside a transaction.
    pub(super) fn command(&self, command: &Command<'_>, queued: bool, say: &mut dyn FnMut(Remark)) {
        let name = command.name();
        if name.is_empty() {
            return say(Remark {
                code: Code::AofEmptyCommandName,
                at: command.start(),
                message: "the command has no name: every server refuses to start".to_owned(),
            });
        }
        if memchr::memchr(0, name).is_some() {
            return say(Remark {
                code: Code::AofNulInCommandName,
                at: command.start(),
                message: format!("the command's name \"{}\" holds a NUL byte", name.escape_ascii()),
            });
        }
        self.swallowed(command, say);
        if name.len() > 12 || !may_be_dangerous(name[0]) {
            return;
        }
        let mut upper = [0; 12];
        let upper = &mut upper[..name.len()];
        upper.copy_from_slice(name);
        upper.make_ascii_uppercase();
        if DANGEROUS.binary_search(&&*upper).is_ok() {
            dangerous(command, upper, queued, say);
        }
    }

    /// A payload that holds the head of a record: a length that is too long by one digit takes in what follows.
    fn swallowed(&self, command: &Command<'_>, say: &mut dyn FnMut(Remark)) {
        for (number, arg) in command.args().enumerate() {
            if arg.head.len() < SHORTEST_HEAD {
                continue;
            }
            let head = |at: &usize| {
                let after = resp::multibulk(&arg.head[at + 2..]).ok()?.0;
                let (name, length) = resp::bulk(after).ok()?;
                let name = &name[..usize::try_from(length).ok()?.min(name.len())];
                (!name.is_empty() && name.iter().all(u8::is_ascii_graphic)).then_some(())
            };
            if let Some(at) = self.record.find_iter(arg.head).find(|at| head(at).is_some()) {
                let at = arg.at + at as u64 + 2;
                return say(Remark {
                    code: Code::AofSwallowedRecord,
                    at,
                    message: format!(
                        "argument {number} of {} bytes, at byte {}, holds the head of a record at byte {at}: a wrong \
                         length, unless the value is meant to hold one",
                        arg.len, arg.at
                    ),
                });
            }
        }
    }
}

/// A payload that ends with the beginning of a record's first line: its length took that in, and the rest of the record
/// stands behind it.
pub(super) fn broken_head(command: &Command<'_>) -> Option<Remark> {
    let (number, arg) = command.args().enumerate().last()?;
    let bytes = arg.whole()?;
    let star = memchr::memrchr(b'*', bytes)?;
    let begins = bytes[..star].ends_with(b"\r\n") && bytes[star + 1..].iter().all(u8::is_ascii_digit);
    let at = arg.at + star as u64;
    begins.then(|| Remark {
        code: Code::AofSwallowedRecord,
        at,
        message: format!(
            "argument {number} of {} bytes, at byte {}, ends with the beginning of a record at byte {at}: its length \
             should be {}",
            arg.len,
            arg.at,
            star - 2
        ),
    })
}

fn may_be_dangerous(first: u8) -> bool {
    matches!(
        first.to_ascii_uppercase(),
        b'A' | b'B' | b'C' | b'D' | b'F' | b'H' | b'L' | b'M' | b'P' | b'Q' | b'R' | b'S'
    )
}

fn dangerous(command: &Command<'_>, upper: &[u8], queued: bool, say: &mut dyn FnMut(Remark)) {
    let has = |word: &[u8]| {
        let mut rest = command.args().skip(1).filter_map(|arg| arg.whole());
        rest.any(|arg| arg.eq_ignore_ascii_case(word))
    };
    // Servers before 7.0 write these two themselves.
    if upper == b"SCRIPT" && (has(b"LOAD") || has(b"FLUSH")) {
        return;
    }
    let name = upper.escape_ascii();
    let (code, message) = if upper == b"SHUTDOWN" && has(b"NOW") && !queued {
        (Code::AofShutdown, "SHUTDOWN with NOW: the server that loads it exits there".to_owned())
    } else {
        let message = format!("{name} acts on the server and not on its data; servers write no such record");
        (Code::AofDangerousCommand, message)
    };
    say(Remark { code, at: command.start(), message });
}
