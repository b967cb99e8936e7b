//! Scripts of EVAL and EVALSHA: whether they are known, whether they compile, and what commands they run.

use sha1::{Digest as _, Sha1};

use super::{PASSED_OVER, Replies, Said, integer, shown};
use crate::aof::{Arg, Command};
use crate::functions::{Proof, Script};
use crate::report::codes::Code;
use crate::report::facts::{Failing, Fails, Place, ScriptCall};

/// This many scripts are known at a time; beyond that, nothing is said of an EVALSHA.
const MOST_SCRIPTS: usize = 1 << 16;
/// This many different commands of scripts are told apart.
const MOST_CALLS: usize = 256;
/// This many bytes of scripts are compiled.
const MOST_COMPILED: u64 = 16 << 20;
/// This many zero bytes in a row are none that somebody wrote into a script.
const ZEROS: usize = 8;

impl Replies<'_> {
    /// A script is run, which does that if it compiles.
    pub(super) fn runs(&mut self, script: Option<Script>, command: &Command<'_>, queued: bool, place: Place) {
        let keys = command.arg(2).and_then(|arg| u64::try_from(integer(arg.whole()?)?).ok());
        let argv = keys.and_then(|keys| command.argc().checked_sub(3)?.checked_sub(keys));
        // What it is not given is nothing, of which Lua itself complains.
        let given =
            |least_keys, least_argv| keys.is_some_and(|n| n >= least_keys) && argv.is_some_and(|n| n >= least_argv);
        let call = match script {
            None => return,
            Some(Script::Harmless { keys, argv }) if given(keys, argv) => return,
            _ if queued => return self.facts.queued_scripts.add(place),
            Some(Script::Single(call)) if given(call.keys, call.argv) => call,
            Some(_) => return self.facts.unread_scripts.add(place),
        };
        let call = ScriptCall { name: call.name, args: call.args };
        let calls = &mut self.facts.single_calls;
        match calls.iter().position(|(known, _)| *known == call) {
            Some(at) => calls[at].1.add(place),
            None if calls.len() < MOST_CALLS => calls.push((call, Failing { count: 1, first: vec![place] })),
            None => self.facts.unread_scripts.add(place),
        }
    }

    /// Returns the text of a script, which is known from now on if it compiles: what it does then, and what there is to say.
    pub(super) fn script(&mut self, arg: Arg<'_>, place: Place) -> (Option<Script>, Option<Said>) {
        let Some(text) = arg.whole() else {
            self.open = true;
            return (Some(Script::Unknown), zeros(arg));
        };
        let sum: [u8; 20] = Sha1::digest(text).into();
        let (script, why) = match self.scripts.get(&sum) {
            Some(known) => (known.clone(), String::new()),
            None => {
                let why = self.compiles(text);
                let script = why.is_none().then(|| Script::read(text));
                if self.scripts.len() < MOST_SCRIPTS {
                    self.scripts.insert(sum, script.clone());
                } else {
                    self.open = true;
                }
                (script, why.map(|why| format!(" ({why})")).unwrap_or_default())
            }
        };
        if script.is_some() {
            return (script, zeros(arg));
        }
        self.fails.entry(Fails::ScriptBroken).or_default().add(place);
        let message = format!("the script does not compile{why}: {PASSED_OVER}");
        let said = Said { code: Code::AofCommandFails, at: arg.at, message };
        (None, Some(zeros(arg).unwrap_or(said)))
    }

    /// Why a script does not compile, if it does not.
    fn compiles(&mut self, script: &[u8]) -> Option<String> {
        let runs = self.facts.runs.as_ref()?;
        self.compiled += script.len() as u64;
        if self.compiled > MOST_COMPILED {
            return None;
        }
        // Servers from 7.0 on take such a line for flags.
        let body = if script.starts_with(b"#!") {
            script.iter().position(|byte| *byte == b'\n').map_or(&b""[..], |end| &script[end..])
        } else {
            script
        };
        match runs.compile(&body.into()) {
            Proof::Refuses(why) => Some(why),
            _ => None,
        }
    }

    pub(super) fn evalsha(&mut self, command: &Command<'_>, queued: bool, place: Place) -> Option<Said> {
        let arg = command.arg(1)?;
        let sum = arg.whole().and_then(sum);
        let known = sum.and_then(|sum| self.scripts.get(&sum)).cloned().flatten();
        if known.is_none() && !(self.open && sum.is_some()) {
            let name = shown(arg);
            let message = format!("no command before it loads the script {name}: {PASSED_OVER}");
            return self.fail(Fails::ScriptMissing, place, arg.at, message);
        }
        let said = self.key_count(command, place);
        if said.is_none() {
            self.runs(Some(known.unwrap_or(Script::Unknown)), command, queued, place);
        }
        said
    }

    pub(super) fn script_command(&mut self, command: &Command<'_>, place: Place) -> Option<Said> {
        let word = command.arg(1)?.whole()?.to_ascii_uppercase();
        match &word[..] {
            b"LOAD" => self.script(command.arg(2)?, place).1,
            b"FLUSH" => {
                self.scripts.clear();
                self.open = false;
                None
            }
            _ => None,
        }
    }
}

/// Returns the zero bytes in the text of a script.
pub(super) fn zeros(arg: Arg<'_>) -> Option<Said> {
    let text = arg.head;
    let mut at = memchr::memchr(0, text)?;
    loop {
        let zeros = text[at..].iter().take_while(|byte| **byte == 0).count();
        if zeros >= ZEROS {
            let at = arg.at + at as u64;
            let message = format!(
                "{zeros} zero bytes inside the text of a script, where a write did not reach the disk: what calls it is lost too"
            );
            return Some(Said { code: Code::AofScriptDamaged, at, message });
        }
        at += zeros;
        at += memchr::memchr(0, &text[at..])?;
    }
}

/// Returns the sum that an EVALSHA names.
fn sum(text: &[u8]) -> Option<[u8; 20]> {
    let mut sum = [0; 20];
    if text.len() != 40 {
        return None;
    }
    for (byte, pair) in sum.iter_mut().zip(text.chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(sum)
}
