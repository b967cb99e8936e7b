//! Counts commands by name and number of arguments, and says what is wrong with such a command.
//!
//! A file has millions of records and few kinds of them: what is known of a kind is looked up once, when it comes first.

use crate::aof::commands::{CommandSpec, Fit, is_container, named};
use crate::aof::foreign::{Extra, is_one_byte_off, origin};
use crate::aof::{Command, CommandCounts};
use crate::rdb::Family;
use crate::report::codes::Code;
use crate::report::facts::{AofLoadFacts, CommandUse, ForeignUse, Place};

/// Kinds of a command that are told apart by the number of arguments.
const KINDS: usize = 8;
const _: () = assert!(KINDS as u64 == CommandUse::MANY);

/// A command with so many arguments.
#[derive(Debug, Clone, Copy, Default)]
struct Kind {
    count: u64,
    first: u64,
    wrong: Option<Code>,
}

/// The kinds of a command, and whether it has subcommands.
#[derive(Debug, Clone, Default)]
struct KnownHeads {
    kinds: [Kind; KINDS],
    container: bool,
}

/// The commands of one file.
#[derive(Debug)]
pub(in crate::verify::aof) struct Tally<'a> {
    /// Whose newest server decides what is wrong; none if the file does not tell.
    family: Option<Family>,
    /// What a configuration brings.
    extra: &'a Extra,
    /// By the number of the name.
    commands: Vec<KnownHeads>,
    subcommands: Vec<KnownHeads>,
    subcommand_names: CommandCounts,
    /// A container's name, a bar, and the subcommand's.
    full_name: Vec<u8>,
    unnamed: Option<(u64, u64)>,
}

impl<'a> Tally<'a> {
    pub(in crate::verify::aof) fn new(family: Option<Family>, extra: &'a Extra) -> Self {
        Self {
            family,
            extra,
            commands: Vec::new(),
            subcommands: Vec::new(),
            subcommand_names: CommandCounts::default(),
            full_name: Vec::new(),
            unnamed: None,
        }
    }

    /// Counts a command whose name has that number. Returns what is wrong with it.
    #[inline]
    pub(in crate::verify::aof) fn add(&mut self, name: Option<usize>, command: &Command<'_>) -> Option<Code> {
        let Some(kinds) = name.and_then(|number| self.commands.get_mut(number)) else {
            return self.add_first(name, command);
        };
        let kind = &mut kinds.kinds[kind_of(command.argc())];
        if kind.count > 0 && !kinds.container {
            kind.count += 1;
            return kind.wrong;
        }
        self.add_first(name, command)
    }

    /// Returns whether there is nothing to say about further commands of that name and number of arguments.
    pub(in crate::verify::aof) fn is_settled(&self, name: usize, argc: u64) -> bool {
        self.commands.get(name).is_some_and(|kinds| {
            let kind = &kinds.kinds[kind_of(argc)];
            kind.count > 0 && kind.wrong.is_none() && !kinds.container
        })
    }

    /// Counts more commands of a name and number of arguments that came before.
    pub(in crate::verify::aof) fn add_again(&mut self, name: usize, argc: u64, n: u64) {
        if let Some(kinds) = self.commands.get_mut(name) {
            kinds.kinds[kind_of(argc)].count += n;
        }
    }

    /// Returns the same for a name or number of arguments that is new, and for subcommands.
    fn add_first(&mut self, name: Option<usize>, command: &Command<'_>) -> Option<Code> {
        let Some(number) = name else {
            self.unnamed.get_or_insert((0, command.start())).0 += 1;
            return Some(Code::AofUnknownCommand);
        };
        let upper = command.name().to_ascii_uppercase();
        while self.commands.len() <= number {
            self.commands.push(KnownHeads::default());
        }
        let kinds = &mut self.commands[number];
        let (family, extra) = (self.family, self.extra);
        let own = extra.own_name(&upper);
        kinds.container = is_container(own);
        let subcommand = command.arg(1).filter(|_| kinds.container);
        let found = count(&mut kinds.kinds[kind_of(command.argc())], command, |args| match subcommand {
            Some(_) => None,
            None if extra.brings(&upper) => None,
            None => wrong(named(own), own, args, family),
        });
        let Some(subcommand) = subcommand else { return found };
        self.full_name.clear();
        self.full_name.extend_from_slice(own);
        self.full_name.push(b'|');
        self.full_name.extend(subcommand.head.iter().take(CommandCounts::NAME).map(u8::to_ascii_uppercase));
        let Some(number) = self.subcommand_names.add(&self.full_name) else {
            self.unnamed.get_or_insert((0, command.start())).0 += 1;
            return Some(Code::AofUnknownCommand);
        };
        while self.subcommands.len() <= number {
            self.subcommands.push(KnownHeads::default());
        }
        let full_name = &self.full_name;
        count(&mut self.subcommands[number].kinds[kind_of(command.argc())], command, |args| {
            wrong(named(full_name), full_name, args, family)
        })
    }

    /// Adds the commands of this file, which is that part of the set, to those of the files before it.
    pub(in crate::verify::aof) fn add_to(&self, names: &CommandCounts, part: usize, facts: &mut AofLoadFacts) {
        let commands = names.numbers().map(|(name, number)| (name, self.commands.get(number)));
        let subcommands = self.subcommand_names.numbers().map(|(name, number)| (name, self.subcommands.get(number)));
        for (name, kinds) in commands.chain(subcommands) {
            for (args, kind) in (1..).zip(kinds.into_iter().flat_map(|kinds| &kinds.kinds)) {
                if kind.count > 0 {
                    merge(facts, name, args, kind.count, Place { part, at: kind.first });
                }
            }
            let unknown = |kind: &&Kind| matches!(kind.wrong, Some(Code::AofUnknownCommand | Code::AofModuleCommand));
            for kind in kinds.into_iter().flat_map(|kinds| &kinds.kinds).filter(unknown) {
                foreign(facts, name, kind.count, Place { part, at: kind.first });
            }
        }
        if let Some((count, at)) = self.unnamed {
            facts.unnamed.get_or_insert((0, Place { part, at })).0 += count;
        }
    }
}

fn merge(facts: &mut AofLoadFacts, name: &[u8], args: u64, count: u64, first: Place) {
    let found = facts.commands.binary_search_by(|known| (&known.name[..], known.args).cmp(&(name, args)));
    match found {
        Ok(at) => facts.commands[at].count += count,
        Err(at) if facts.commands.len() < AofLoadFacts::MOST_NAMES * KINDS => {
            facts.commands.insert(at, CommandUse { name: name.to_vec(), args, count, first });
        }
        Err(_) => facts.unnamed.get_or_insert((0, first)).0 += count,
    }
}

fn foreign(facts: &mut AofLoadFacts, name: &[u8], count: u64, first: Place) {
    match facts.foreign.binary_search_by(|known| known.name[..].cmp(name)) {
        Ok(at) => {
            let known = &mut facts.foreign[at];
            known.count += count;
            known.first = known.first.min(first);
        }
        Err(at) if facts.foreign.len() < AofLoadFacts::MOST_NAMES => {
            facts.foreign.insert(at, ForeignUse { name: name.to_vec(), count, first, origin: origin(name) });
        }
        Err(_) => {}
    }
}

fn kind_of(argc: u64) -> usize {
    usize::try_from(argc).unwrap_or(KINDS).clamp(1, KINDS) - 1
}

fn count(kind: &mut Kind, command: &Command<'_>, wrong: impl FnOnce(u64) -> Option<Code>) -> Option<Code> {
    if kind.count == 0 {
        kind.first = command.start();
        kind.wrong = wrong(command.argc());
    }
    kind.count += 1;
    kind.wrong
}

/// Returns what the newest servers find wrong with a command of that name and so many arguments.
fn wrong(known: &[CommandSpec], name: &[u8], args: u64, family: Option<Family>) -> Option<Code> {
    // What has no name, or none that could be one, is told as that.
    if name.is_empty() || name.contains(&0) {
        return None;
    }
    let mut fits: Option<Fit> = None;
    for fit in known.iter().filter(|spec| spec.is_current(family)).map(|spec| spec.fit(args)) {
        fits = Some(if fits.is_none() || fit == Fit::Fits { fit } else { fits.unwrap_or(fit) });
    }
    match fits {
        Some(Fit::Fits) => None,
        // Redis does not count: it crashes if there are too few, and takes no notice if there are too many.
        Some(Fit::TooMany) if family != Some(Family::Valkey) => Some(Code::AofExtraArguments),
        Some(_) => Some(Code::AofWrongArity),
        None if name.contains(&b'.') && !is_one_byte_off(name) => Some(Code::AofModuleCommand),
        None => Some(Code::AofUnknownCommand),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(name: &str, args: u64, family: Option<Family>) -> Option<Code> {
        wrong(named(name.as_bytes()), name.as_bytes(), args, family)
    }

    #[test]
    fn the_newest_of_the_family_decides() {
        let (redis, valkey) = (Some(Family::Redis), Some(Family::Valkey));
        for family in [None, redis, valkey] {
            assert_eq!(asked("SET", 3, family), None);
            assert_eq!(asked("SET", 2, family), Some(Code::AofWrongArity));
            assert_eq!(asked("NOSUCH", 1, family), Some(Code::AofUnknownCommand));
            assert_eq!(asked("JSON.SET", 4, family), Some(Code::AofModuleCommand));
            assert_eq!(asked("S.T", 3, family), Some(Code::AofUnknownCommand));
            assert_eq!(asked("STRALGO", 4, family), Some(Code::AofUnknownCommand));
            assert_eq!(asked("EXPIRE", 4, family), None);
        }
        assert_eq!(asked("MULTI", 2, None), Some(Code::AofExtraArguments));
        assert_eq!(asked("MULTI", 2, redis), Some(Code::AofExtraArguments));
        assert_eq!(asked("MULTI", 2, valkey), Some(Code::AofWrongArity));
        assert_eq!(asked("DELIFEQ", 3, None), None);
        assert_eq!(asked("DELIFEQ", 3, redis), Some(Code::AofUnknownCommand));
        assert_eq!(asked("VADD", 6, valkey), Some(Code::AofUnknownCommand));
    }
}
