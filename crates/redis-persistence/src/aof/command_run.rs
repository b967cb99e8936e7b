//! Runs of commands that need no more than to be counted: most commands of most files.
//!
//! ```text
//! *3\r\n$3\r\nSET\r\n  $20\r\n ... \r\n  $24\r\n ... \r\n
//! '---- a kind ----'   '-- arguments, of which only the ends are looked at
//! ```
//!
//! A kind of command is known by the bytes it begins with, name and number of arguments in one. Whoever judges commands says
//! which kinds there is nothing more to say about; [`KnownHeads::take`] passes over those, and ends before all else: another kind,
//! a length in another form, a payload that may hold the head of a record, a command that is cut.

/// Kinds that are known at a time.
const MOST: usize = 32;
/// A file of ever new kinds is not worth learning them.
const MOST_LEARNT: u32 = 1000;
/// A header line has fewer bytes than this.
const LONGEST_LINE: usize = 16;
/// Names of more bytes, and commands of more arguments, are no kind.
const LONGEST_NAME: usize = 32;
const MOST_ARGS: u64 = 1000;

/// The kinds of commands that need no more than to be counted.
#[derive(Debug, Clone, Default)]
pub(crate) struct KnownHeads {
    kinds: Vec<Kind>,
    learnt: u32,
}

/// One kind.
#[derive(Debug, Clone)]
struct Kind {
    /// What a command of it begins with.
    head: Vec<u8>,
    /// Where the name begins in it.
    name_at: usize,
    number: usize,
    argc: u64,
}

/// How many commands of a kind there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counted {
    /// The number that others know the name by.
    pub(crate) number: usize,
    pub(crate) argc: u64,
    pub(crate) count: u64,
}

/// Commands that follow one another.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct CommandRun {
    /// By kind.
    pub(crate) counted: Vec<Counted>,
    pub(crate) commands: u64,
    pub(crate) bytes: usize,
    /// As the check tools count them.
    pub(crate) line_ends: u64,
    /// Where the last command begins, and how many line ends lie before it.
    pub(crate) last: usize,
    pub(crate) last_line_ends: u64,
    /// Where its last payload begins.
    pub(crate) part: usize,
    /// If the next one is of a known kind and the data ends in it, how many bytes are missing at least.
    pub(crate) missing: Option<usize>,
}

/// What stands where a command of a kind begins.
enum Found {
    /// One with plain arguments: where its last payload begins, and how many bytes it has.
    Plain(usize, usize),
    /// The start of one, to which at least this many bytes are missing.
    Start(usize),
    Odd,
}

impl KnownHeads {
    /// From now on commands of that name, which has that number, and so many arguments are passed over.
    pub(crate) fn learn(&mut self, name: &[u8], number: usize, argc: u64) {
        if name.len() > LONGEST_NAME || argc > MOST_ARGS || self.learnt == MOST_LEARNT {
            return;
        }
        let mut head = format!("*{argc}\r\n${}\r\n", name.len()).into_bytes();
        let name_at = head.len();
        head.extend_from_slice(name);
        head.extend_from_slice(b"\r\n");
        if self.kinds.iter().any(|kind| kind.head == head) {
            return;
        }
        self.learnt += 1;
        // The oldest makes room.
        if self.kinds.len() == MOST {
            self.kinds.remove(0);
        }
        self.kinds.push(Kind { head, name_at, number, argc });
    }

    /// Returns how many were learnt so far.
    pub(crate) fn learnt(&self) -> u32 {
        self.learnt
    }

    /// Returns the next place from `from` on at which a command of a known kind seems to begin.
    pub(crate) fn find(&self, data: &[u8], from: usize) -> Option<usize> {
        let starts = memchr::memmem::find_iter(data.get(from..)?, b"\r\n*").map(|at| from + at + 2);
        starts.into_iter().find(|at| self.kinds.iter().any(|kind| data[*at..].starts_with(&kind.head)))
    }

    /// Passes over the commands that `data` begins with. `looked_at` says how many arguments of a command are looked at, its
    /// name among them, and how many bytes it may have to be looked at whole.
    pub(crate) fn take(&self, data: &[u8], looked_at: (usize, usize)) -> CommandRun {
        let mut run = CommandRun::default();
        let (mut counts, mut last) = ([0; MOST], 0);
        while let Some(rest) = data.get(run.bytes..) {
            let known = self.kinds.get(last).is_some_and(|kind| rest.starts_with(&kind.head)) || {
                let found = self.kinds.iter().position(|kind| rest.starts_with(&kind.head));
                found.inspect(|at| last = *at).is_some()
            };
            if !known {
                break;
            }
            let kind = &self.kinds[last];
            let (part, len) = match arguments(rest, kind, looked_at) {
                Found::Plain(part, len) => (part, len),
                Found::Start(missing) => {
                    run.missing = Some(missing);
                    break;
                }
                Found::Odd => break,
            };
            counts[last] += 1;
            crate::base::work::did_read(len);
            run.commands += 1;
            (run.last, run.last_line_ends) = (run.bytes, run.line_ends);
            run.part = run.bytes + part;
            run.line_ends += 1 + 2 * kind.argc;
            run.bytes += len;
        }
        let kinds = self.kinds.iter().zip(counts).filter(|(_, count)| *count > 0);
        run.counted.extend(kinds.map(|(kind, count)| Counted { number: kind.number, argc: kind.argc, count }));
        run
    }
}

/// Passes over the arguments of a command of that kind.
#[inline]
fn arguments(command: &[u8], kind: &Kind, (most, longest): (usize, usize)) -> Found {
    let (mut at, mut part) = (kind.head.len(), kind.name_at);
    let mut looked_at = at;
    for number in 1..kind.argc {
        let rest = command.get(at..).unwrap_or_default();
        let Some((head, len)) = bulk(rest) else {
            return if rest.len() < LONGEST_LINE { Found::Start(LONGEST_LINE - rest.len()) } else { Found::Odd };
        };
        let Some(end) = rest.get(head + len..head + len + 2) else {
            return Found::Start(head + len + 2 - rest.len());
        };
        if end != b"\r\n" {
            return Found::Odd;
        }
        part = at + head;
        at += head + len + 2;
        if number < most as u64 {
            looked_at = at;
        }
    }
    let odd = at > longest || holds_head(&command[kind.head.len()..looked_at]) && may_hold_head(command, kind, most);
    if odd { Found::Odd } else { Found::Plain(part, at) }
}

/// Returns whether one of the payloads that are looked at holds a line end with a star behind it. Hardly ever asked: that
/// stands at the start of a payload, most of the time.
#[cold]
fn may_hold_head(command: &[u8], kind: &Kind, most: usize) -> bool {
    let mut rest = &command[kind.head.len()..];
    (1..kind.argc.min(most as u64)).any(|_| {
        let Some((payload, len)) = bulk(rest).and_then(|(head, len)| Some((rest.get(head..)?, len))) else {
            return true;
        };
        rest = payload.get(len + 2..).unwrap_or_default();
        payload.get(..len).is_none_or(holds_head)
    })
}

/// Returns the size of a header line, and the length that it states. Numbers of one and two digits, which nearly all are,
/// are told by one look at eight bytes, of which a plain argument has as many but for the last ones of a file.
#[inline]
fn bulk(rest: &[u8]) -> Option<(usize, usize)> {
    const ONE: [u64; 2] = line(b"\xff\0\xff\xff\0\0\0\0", b"$\0\r\n\0\0\0\0");
    const TWO: [u64; 2] = line(b"\xff\0\0\xff\xff\0\0\0", b"$\0\0\r\n\0\0\0");
    let head: [u8; 8] = *rest.first_chunk()?;
    let (word, [_, a, b, ..]) = (u64::from_le_bytes(head), head);
    if word & TWO[0] == TWO[1] && matches!((a, b), (b'1'..=b'9', b'0'..=b'9')) {
        Some((5, 10 * digit(a) + digit(b)))
    } else if word & ONE[0] == ONE[1] && a.is_ascii_digit() {
        Some((4, digit(a)))
    } else {
        long(rest)
    }
}

/// Returns what counts of a line, and what that must be.
const fn line(mask: &[u8; 8], wanted: &[u8; 8]) -> [u64; 2] {
    [u64::from_le_bytes(*mask), u64::from_le_bytes(*wanted)]
}

/// Returns the same for a number of more digits.
#[inline(never)]
fn long(rest: &[u8]) -> Option<(usize, usize)> {
    let [b'$', a @ b'1'..=b'9', digits @ ..] = rest else { return None };
    let (mut len, mut size) = (digit(*a), 2);
    for byte in digits.iter().take(8) {
        size += 1;
        match byte {
            b'0'..=b'9' => len = len * 10 + digit(*byte),
            b'\r' => return (rest.get(size) == Some(&b'\n')).then_some((size + 1, len)),
            _ => return None,
        }
    }
    None
}

#[inline]
fn digit(byte: u8) -> usize {
    usize::from(byte - b'0')
}

/// Returns whether a line end with a star behind it stands there.
#[inline]
fn holds_head(bytes: &[u8]) -> bool {
    memchr::memchr_iter(b'*', bytes).any(|star| bytes[..star].ends_with(b"\r\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aof::{Grammar, Parser, Record, Step};
    use testkit::resp::record;
    use testkit::rng::Rng;

    const LOOKED_AT: (usize, usize) = (64, 1 << 20);

    fn arbitrary(rng: &mut Rng) -> Vec<u8> {
        let names: [&[u8]; 4] = [b"SET", b"HSET", b"set", b"DEL"];
        let mut args = vec![rng.pick(&names).to_vec()];
        for _ in 0..rng.size(0..=4) {
            let len = *rng.pick(&[0, 1, 9, 10, 40, 99, 100, 1000, 12_345]);
            args.push(rng.bytes(len));
        }
        record(&args)
    }

    /// A run is what the parser finds, command by command.
    #[test]
    fn a_run_is_what_the_parser_finds() {
        let mut rng = Rng::new(3);
        let mut commands = 0;
        for _ in 0..200 {
            let mut kinds = KnownHeads::default();
            for argc in 1..=5 {
                kinds.learn(b"SET", 0, argc);
                kinds.learn(b"HSET", 1, argc);
            }
            let mut data: Vec<u8> = (0..20).flat_map(|_| arbitrary(&mut rng)).collect();
            if rng.chance(50) {
                let at = rng.size(0..=data.len() - 1);
                data[at] = rng.byte();
            }
            let run = kinds.take(&data, LOOKED_AT);
            let mut parser = Parser::new(Grammar::Strict);
            let (mut at, mut counted) = (0, 0);
            while at < run.bytes {
                let Ok(Step::Record { consumed }) = parser.step(&data[at..], true) else { panic!("a record at {at}") };
                let Some(Record::Command(command)) = parser.record(&data[at..]) else { panic!("a command at {at}") };
                assert!(command.is(b"SET") || command.is(b"HSET"));
                counted += 1;
                if at + consumed == run.bytes {
                    assert_eq!(command.start(), run.last as u64);
                }
                at += consumed;
            }
            assert_eq!((at, counted), (run.bytes, run.commands));
            assert_eq!(run.counted.iter().map(|kind| kind.count).sum::<u64>(), counted);
            if counted > 0 {
                assert_eq!((parser.line_ends(), parser.part()), (run.line_ends, run.part as u64));
            }
            commands += counted;
        }
        assert!(commands > 200, "{commands}");
    }

    #[test]
    fn a_payload_may_begin_with_a_star() {
        let mut kinds = KnownHeads::default();
        kinds.learn(b"SET", 0, 3);
        let data = record(&["SET", "*", "*1\r\n"]).repeat(3);
        assert_eq!(kinds.take(&data, LOOKED_AT).commands, 3);
    }

    #[test]
    fn what_may_need_a_word_ends_it() {
        let mut kinds = KnownHeads::default();
        kinds.learn(b"SET", 0, 3);
        let plain = record(&["SET", "k", "v"]);
        for odd in [
            record(&["set", "k", "v"]),
            record(&["SET", "k", "a\r\n*1\r\n$4\r\nPING"]),
            record(&["SET", "k\r\n*", "v"]),
            b"*3\r\n$3\r\nSET\r\n$01\r\nk\r\n$1\r\nv\r\n".to_vec(),
            b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nvv\r\n".to_vec(),
            b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r".to_vec(),
            b"#TS:1\r\n".to_vec(),
        ] {
            let data = [&plain[..], &odd, &plain].concat();
            let run = kinds.take(&data, LOOKED_AT);
            assert_eq!((run.commands, run.bytes), (1, plain.len()), "{}", odd.escape_ascii());
        }
    }
}
