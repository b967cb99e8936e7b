//! What a command says by itself: its name, the number of its arguments, and what it would do to the server that loads it. WATCH
//! while a file is loaded: what it does to the next transaction.
//!
//! And whether commands that no server known here has are another program's, or the trace of damage. A byte that rots inside of a
//! name leaves the frame sound, so one odd name proves nothing. A file is another program's if its frame is sound everywhere, and
//! each of these names is one that somebody gives to a command and no known name with one byte changed, unless it comes more than
//! once or others of the same product are there.

mod command_stats;

use super::log::Log;
use super::replies;
use crate::aof::changes::ChangeKind;
use crate::aof::commands::is_container;
use crate::aof::foreign::{Origin, is_one_byte_off, is_plausible, origin};
use crate::aof::{Arg, Command, resp};
use crate::report::codes::Code;
use crate::report::facts::{AofLoadFacts, ForeignUse, Stop};
pub(super) use command_stats::Tally;

/// What is said of a command.
pub(super) struct Remark {
    pub(super) code: Code,
    /// The byte that it is about.
    pub(super) at: u64,
    pub(super) message: String,
    /// How the command can end a server.
    pub(super) stop: Option<Stop>,
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

/// Returns what is wrong with a command that the newest servers do not know so, in a sentence.
pub(super) fn unknown(code: Code, command: &Command<'_>) -> String {
    let shown = |arg: Arg<'_>| arg.head[..arg.head.len().min(64)].escape_ascii().to_string();
    let mut name = command.arg(0).map(shown).unwrap_or_default();
    if is_container(&command.name().to_ascii_uppercase())
        && let Some(subcommand) = command.arg(1).map(shown)
    {
        name = format!("{name} {subcommand}");
    }
    let args = command.argc();
    let whose = origin(&command.name().to_ascii_uppercase());
    match code {
        Code::AofUnknownCommand if whose.is_some() => {
            let whose = whose.map_or("", Origin::name);
            format!("{name} is a command of {whose}: no server that is known here has it")
        }
        Code::AofModuleCommand => format!("{name} is a command of a module: servers without it refuse to start"),
        Code::AofWrongArity => format!("{name} does not take {args} arguments, its name among them"),
        Code::AofExtraArguments => {
            format!(
                "{name} does not take {args} arguments, its name among them: Redis passes over it, Valkey refuses it"
            )
        }
        _ => format!("no server that is known here has the command {name}: servers refuse to start"),
    }
}

/// What DEBUG is told when it ends a server.
const ENDING: [&[u8]; 7] = [b"SEGFAULT", b"PANIC", b"ASSERT", b"OOM", b"LOADAOF", b"RESTART", b"CRASH-AND-RECOVER"];

/// The shortest payload that can hold the head of a record.
const SHORTEST_HEAD: usize = 13;

/// Looks at a command; `queued` says that it lies inside a transaction.
pub(super) fn judge(command: &Command<'_>, queued: bool, say: &mut dyn FnMut(Remark)) {
    let name = command.name();
    if name.is_empty() {
        return say(Remark {
            code: Code::AofEmptyCommandName,
            at: command.start(),
            message: "the command has no name: every server refuses to start".to_owned(),
            stop: None,
        });
    }
    if memchr::memchr(0, name).is_some() {
        return say(Remark {
            code: Code::AofNulInCommandName,
            at: command.start(),
            message: format!("the command's name \"{}\" holds a NUL byte", name.escape_ascii()),
            stop: None,
        });
    }
    swallowed_head(command, say);
    if !may_be_dangerous(name) {
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

/// A payload that holds the head of a record, and whose length is one digit away from ending before it. A value may
/// well hold a record; that its length fits too is too much of a chance.
fn swallowed_head(command: &Command<'_>, say: &mut dyn FnMut(Remark)) {
    for (number, arg) in command.args().enumerate() {
        if arg.head.len() < SHORTEST_HEAD {
            continue;
        }
        let wrong = |at: &usize| {
            let after = resp::multibulk(&arg.head[at + 2..]).ok()?.0;
            let (name, length) = resp::bulk(after).ok()?;
            let name = &name[..usize::try_from(length).ok()?.min(name.len())];
            let word = !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
            (word && one_digit_apart(arg.len, *at as u64)).then_some(())
        };
        // Few payloads hold a star at all; a search for all three bytes costs more on short ones.
        let heads = memchr::memchr_iter(b'*', arg.head).filter(|star| arg.head[..*star].ends_with(b"\r\n"));
        if let Some(length) = heads.map(|star| star - 2).find(|at| wrong(at).is_some()) {
            let at = arg.at + length as u64 + 2;
            return say(swallowed(number, &arg, at, length));
        }
    }
}

fn swallowed(number: usize, arg: &Arg<'_>, at: u64, length: usize) -> Remark {
    Remark {
        code: Code::AofSwallowedRecord,
        at,
        message: format!(
            "argument {number} of {} bytes, at byte {}, holds the head of a record at byte {at}: its length should be \
             {length}, unless the value is meant to hold that",
            arg.len, arg.at
        ),
        stop: None,
    }
}

/// Returns whether one decimal number becomes the other by changing, adding or dropping one digit.
fn one_digit_apart(a: u64, b: u64) -> bool {
    let (a, b) = (a.to_string().into_bytes(), b.to_string().into_bytes());
    let (long, short) = if a.len() < b.len() { (b, a) } else { (a, b) };
    let same = long.iter().zip(&short).take_while(|(x, y)| x == y).count();
    match long.len() - short.len() {
        0 => long.get(same + 1..) == short.get(same + 1..),
        1 => long[same + 1..] == short[same..],
        _ => false,
    }
}

/// Returns a payload that ends with the beginning of a record's first line: its length took that in, and the rest of the
/// record stands behind it.
pub(super) fn broken_head(command: &Command<'_>) -> Option<Remark> {
    let (number, arg) = command.args().enumerate().last()?;
    let bytes = arg.whole()?;
    let star = memchr::memrchr(b'*', bytes)?;
    let begins = bytes[..star].ends_with(b"\r\n") && bytes[star + 1..].iter().all(u8::is_ascii_digit);
    let at = arg.at + star as u64;
    begins.then(|| swallowed(number, &arg, at, star - 2))
}

/// Returns whether a value of it took in the beginning of the record behind it, by the same signs as in a report.
pub(crate) fn swallows(command: &Command<'_>) -> bool {
    let mut found = broken_head(command).is_some();
    swallowed_head(command, &mut |_| found = true);
    found
}

/// The first letters of the names of each length, as bits: nearly every command is told apart by one look.
const FIRST_LETTERS: [u32; 13] = {
    let mut letters = [0; 13];
    let mut at = 0;
    while at < DANGEROUS.len() {
        let name = DANGEROUS[at];
        letters[name.len()] |= 1 << (name[0] - b'A');
        at += 1;
    }
    letters
};

/// Returns whether what the command does depends on nothing but itself, and whatever its arguments are, there is nothing to
/// say.
pub(super) fn is_plain_name(name: &[u8]) -> bool {
    const OF_CONNECTION: [&[u8]; 6] = [b"DISCARD", b"EXEC", b"MULTI", b"SELECT", b"UNWATCH", b"WATCH"];
    let one_of = |names: &[&[u8]]| names.iter().any(|other| other.eq_ignore_ascii_case(name));
    !name.is_empty()
        && !name.contains(&0)
        && !one_of(&OF_CONNECTION)
        && !one_of(&DANGEROUS)
        && ChangeKind::of(name).is_none()
        && !replies::concerns(name)
}

fn may_be_dangerous(name: &[u8]) -> bool {
    let letter = (name[0] & 0xdf).wrapping_sub(b'A');
    letter < 26 && FIRST_LETTERS.get(name.len()).is_some_and(|letters| letters >> letter & 1 == 1)
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
    let stop = match upper {
        b"SHUTDOWN" if has(b"NOW") => Some(Stop::ShutdownNow),
        b"SHUTDOWN" => Some(Stop::Shutdown),
        b"REPLICAOF" | b"SLAVEOF" if !has(b"ONE") => Some(Stop::Replica),
        b"DEBUG" if ENDING.iter().any(|word| has(word)) => Some(Stop::Debug),
        _ => None,
    };
    let (code, message) = if stop == Some(Stop::ShutdownNow) && !queued {
        (Code::AofShutdown, "SHUTDOWN with NOW: the server that loads it exits there".to_owned())
    } else {
        let message = format!("{name} acts on the server and not on its data; servers write no such record");
        (Code::AofDangerousCommand, message)
    };
    say(Remark { code, at: command.start(), message, stop });
}

/// How many keys are kept at a time.
const MAX_KEYS: usize = 1024;

/// The keys that are watched, and whether one of them was named by a command since.
#[derive(Debug, Default)]
pub(super) struct Watch {
    keys: Vec<Vec<u8>>,
    touched: bool,
}

impl Watch {
    /// Takes a command outside of a transaction.
    pub(super) fn command(&mut self, command: &Command<'_>) {
        // Nearly every file has no WATCH at all.
        let first = command.name().first();
        if self.keys.is_empty() && !matches!(first, Some(b'W' | b'w')) {
            return;
        }
        let mut args = command.args().skip(1).filter_map(|arg| arg.whole());
        if command.is(b"WATCH") {
            let room = MAX_KEYS.saturating_sub(self.keys.len());
            self.keys.extend(args.take(room).map(<[u8]>::to_vec));
        } else if command.is(b"UNWATCH") {
            *self = Self::default();
        } else if !command.is(b"MULTI") {
            self.touched |= args.any(|arg| self.keys.iter().any(|key| key == arg));
        }
    }

    /// Returns whether no key is watched.
    pub(super) fn is_idle(&self) -> bool {
        self.keys.is_empty()
    }

    /// A transaction ends. Returns whether servers drop it, or crash.
    pub(super) fn exec(&mut self) -> bool {
        std::mem::take(self).touched
    }
}

/// What shows that the frame of a file is not as its writer made it. What an interrupted write leaves at the end is none of it.
const DAMAGE: [Code; 8] = [
    Code::AofBadFormat,
    Code::AofSecondRdb,
    Code::AofToolOnlyForm,
    Code::AofEmptyCommandName,
    Code::AofNulInCommandName,
    Code::AofLenientForm,
    Code::AofSwallowedRecord,
    Code::AofAnnotationTooLong,
];

/// Decides what the unknown commands of a set are, once all of it is read.
pub(super) fn settle(log: &mut Log, facts: &AofLoadFacts) {
    let sound = DAMAGE.iter().all(|code| log.count(*code) == 0);
    let of_product = |used: &ForeignUse| used.origin.is_some();
    let all = &facts.foreign;
    let ours = facts.unnamed.is_none()
        && (sound || all.iter().all(of_product))
        && all.iter().all(|used| is_plausible(&used.name) && !is_rotten(used, all));
    if ours {
        log.recode(Code::AofUnknownCommand, Code::AofForeignCommand);
    }
}

/// Returns whether a name looks like a known one of which a byte was changed.
fn is_rotten(used: &ForeignUse, all: &[ForeignUse]) -> bool {
    let company = |other: &ForeignUse| other.name != used.name && other.origin == used.origin;
    used.count == 1 && is_one_byte_off(&used.name) && !(used.origin.is_some() && all.iter().any(company))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_one_digit_apart() {
        for (a, b) in [(9, 5), (5, 9), (25, 5), (5, 51), (100, 10), (1234, 124), (0, 10)] {
            assert!(one_digit_apart(a, b), "{a} {b}");
        }
        for (a, b) in [(16, 0), (25, 10), (100, 1), (1234, 143), (12, 345)] {
            assert!(!one_digit_apart(a, b), "{a} {b}");
        }
    }

    #[test]
    fn the_names_are_in_order() {
        assert!(DANGEROUS.is_sorted());
        assert!(DANGEROUS.iter().all(|name| name.len() <= 12 && may_be_dangerous(name)));
    }
}
