//! Which commands of a file a server does not know, or not with so many arguments.

use super::{Case, Effect};
use crate::aof::commands::{CommandSpec, Fit, is_container};
use crate::judge::servers::answer::{Reason, Why};
use crate::judge::servers::{Target, modules};
use crate::report::{Code, CommandUse, Name, Occurrences, Place};

/// Commands that crash the server that loads them, up to that version.
const CRASHES: [(&[u8], Option<Target>); 3] =
    [(b"PSYNC", None), (b"RESET", Some(Target::Redis62)), (b"SYNC", Some(Target::Redis62))];

/// Commands with the same fault, and where the first one is.
#[derive(Default)]
struct Found {
    tallied: Occurrences,
    place: Option<Place>,
}

impl Found {
    fn add(&mut self, count: u64, place: Place, name: impl FnOnce() -> Name) {
        self.tallied.add_many(count, name);
        self.place = Some(self.place.map_or(place, |first| first.min(place)));
    }
}

/// What a server knows of a command.
enum Known {
    Yes(&'static CommandSpec),
    No,
    /// It needs no word here.
    Elsewhere,
}

impl Case<'_> {
    pub(super) fn commands(&mut self) {
        let [mut unknown, mut modules, mut few, mut many, mut crashes] = std::array::from_fn(|_| Found::default());
        let counts = self.target.counts_arguments();
        for used in &self.load().commands {
            let shown = || Name::Text(format!("{} at {}", spoken(&used.name), self.at(used.first)));
            let found = match self.known(used) {
                Known::Elsewhere => continue,
                Known::No if used.name.contains(&b'.') => &mut modules,
                Known::No => &mut unknown,
                Known::Yes(spec) => match spec.fit(used.args) {
                    Fit::TooFew => &mut few,
                    Fit::TooMany if counts => &mut many,
                    Fit::Fits | Fit::TooMany if self.crashes(&used.name) => &mut crashes,
                    Fit::Fits | Fit::TooMany => continue,
                },
            };
            found.add(used.count, used.first, shown);
        }
        if let Some((count, place)) = self.load().unnamed {
            unknown.add(count, place, || self.at(place));
        }
        let target = self.target;
        let (few_does, few_says) = if counts { (Effect::Refuses, "refuses") } else { (Effect::Crashes, "crashes on") };
        for (found, effect, reason, message) in [
            (unknown, Effect::Refuses, Reason::Command, format!("{target} does not know these commands")),
            (modules, Effect::Refuses, Reason::Module, format!("{target} has no module for these commands")),
            (few, few_does, Reason::Arity, format!("{target} {few_says} commands with too few arguments")),
            (many, Effect::Refuses, Reason::Arity, format!("{target} refuses commands with too many arguments")),
            (
                crashes,
                Effect::Crashes,
                Reason::Finding(Code::AofDangerousCommand),
                format!("{target} crashes on these"),
            ),
        ] {
            if let Some(place) = found.place {
                self.obstacle(place, effect, Why::new(reason, &found.tallied, message));
            }
        }
    }

    /// Returns whether it knows a command that a script runs, with so many arguments. Of commands with subcommands nothing
    /// is said.
    pub(super) fn takes(&self, name: &[u8], args: u64) -> Option<bool> {
        let used = CommandUse { name: name.to_vec(), args, count: 1, first: Place { part: 0, at: 0 } };
        match self.known(&used) {
            Known::Elsewhere => None,
            Known::No => Some(false),
            Known::Yes(spec) => Some(spec.fit(args) == Fit::Fits),
        }
    }

    fn crashes(&self, name: &[u8]) -> bool {
        CRASHES.iter().any(|(known, until)| *known == name && until.is_none_or(|until| *self.target <= until))
    }

    fn known(&self, used: &CommandUse) -> Known {
        let (target, settings) = (self.target, self.settings);
        let name = &used.name[..];
        let (command, subcommand) = match name.iter().position(|byte| *byte == b'|') {
            Some(bar) if is_container(&name[..bar]) => (&name[..bar], Some(&name[bar..])),
            _ => (name, None),
        };
        let is = |text: &str| text.as_bytes().eq_ignore_ascii_case(command);
        let renamed = settings.renamed_commands.iter().find(|(_, new)| is(new));
        if renamed.is_none() && settings.renamed_commands.iter().any(|(old, _)| is(old)) {
            // A container that is not known is told once, by itself.
            return if subcommand.is_some() { Known::Elsewhere } else { Known::No };
        }
        let own = renamed.map_or_else(|| command.to_vec(), |(old, _)| old.to_ascii_uppercase().into_bytes());
        let Some(spec) = target.command(&own) else {
            let brought = settings.modules.iter().any(|module| modules::brings_command(module, &own));
            return if brought || subcommand.is_some() { Known::Elsewhere } else { Known::No };
        };
        let looks_further = target.knows_manifests() && is_container(&own);
        match subcommand {
            Some(subcommand) if looks_further => {
                target.command(&[&own, subcommand].concat()).map_or(Known::No, Known::Yes)
            }
            Some(_) => Known::Elsewhere,
            // With a subcommand it is the subcommand that counts.
            None if looks_further && used.args > 1 => Known::Elsewhere,
            None => Known::Yes(spec),
        }
    }
}

/// Returns a name as people write it.
fn spoken(name: &[u8]) -> String {
    let name: Vec<u8> = name.iter().map(|byte| if *byte == b'|' { b' ' } else { *byte }).collect();
    if name.is_empty() { "a command without a name".to_owned() } else { name.escape_ascii().to_string() }
}
