//! The user "default" of a configuration, as far as it decides what a server runs of an append-only file.
//!
//! ```text
//! user default on|off rule*      rule = [+-]command | [+-]@category | ~pattern | allcommands | allkeys | reset | ...
//! ```
//! Commands of a file run as this user, and some servers ask what it may do. Whether it is switched on they do not ask.

/// What the user "default" may do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct User {
    rules: Vec<(bool, What)>,
    /// Whether it may touch all keys.
    pub(super) all_keys: bool,
}

/// What a rule is about, in upper case.
#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    All,
    Command(String),
    Category(String),
    /// A rule that is not read here.
    Other,
}

impl User {
    /// Reads the rules of a line, behind the name of the user. A server begins with a user that may do nothing.
    #[must_use]
    pub fn of(rules: &[String]) -> Self {
        let mut user = Self::default();
        rules.iter().for_each(|rule| user.rule(rule));
        user
    }

    fn rule(&mut self, rule: &str) {
        let lower = rule.to_ascii_lowercase();
        match &lower[..] {
            "allcommands" | "+@all" => self.rules = vec![(true, What::All)],
            "nocommands" | "-@all" => self.rules.clear(),
            "allkeys" | "~*" | "%rw~*" | "%wr~*" => self.all_keys = true,
            "resetkeys" => self.all_keys = false,
            "reset" => *self = Self::default(),
            _ => match (lower.as_bytes().first(), &rule[rule.len().min(1)..]) {
                (Some(sign @ (b'+' | b'-')), what) => {
                    let upper = what.to_ascii_uppercase();
                    let what = match upper.strip_prefix('@') {
                        Some(category) => What::Category(category.to_owned()),
                        None => What::Command(upper),
                    };
                    self.rules.push((*sign == b'+', what));
                }
                // Selectors are a second set of rules.
                (Some(b'('), _) => self.rules.push((true, What::Other)),
                _ => {}
            },
        }
    }

    /// Returns whether it may run a command of that name, in upper case; nothing if that cannot be told.
    pub(super) fn may_run(&self, name: &[u8], writes: bool) -> Option<bool> {
        let mut may = Some(false);
        for (allows, what) in &self.rules {
            let about = match what {
                What::All => Some(true),
                What::Command(command) => {
                    let (container, subcommand) =
                        command.split_once('|').map_or((&command[..], false), |(c, _)| (c, true));
                    match container.as_bytes() == name {
                        true if subcommand => None,
                        same => Some(same),
                    }
                }
                What::Category(category) if category == "WRITE" => Some(writes),
                What::Category(category) if category == "READ" && writes => Some(false),
                What::Category(_) | What::Other => None,
            };
            may = match about {
                Some(true) => Some(*allows),
                Some(false) => may,
                None if may == Some(*allows) => may,
                None => None,
            };
        }
        may
    }

    /// Returns whether it may run every command.
    pub(super) fn all_commands(&self) -> bool {
        self.rules.first() == Some(&(true, What::All)) && self.rules.iter().all(|(allows, _)| *allows)
    }

    /// Returns whether it may run no command at all.
    pub(super) fn runs_nothing(&self) -> bool {
        self.rules.iter().all(|(allows, _)| !allows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(rules: &str) -> User {
        User::of(&rules.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn rules_say_what_may_run() {
        for (rules, set, get) in [
            ("off", Some(false), Some(false)),
            ("on nopass ~* &* +@all", Some(true), Some(true)),
            ("off ~* +@all", Some(true), Some(true)),
            ("on +@all -set", Some(false), Some(true)),
            ("on +@all -SET +set", Some(true), Some(true)),
            ("on +@all -@all +get", Some(false), Some(true)),
            ("on +@read", Some(false), None),
            ("on +@write", Some(true), Some(false)),
            ("on +@all -@string", None, None),
            ("on +@all reset", Some(false), Some(false)),
            ("on (+set ~a)", None, None),
        ] {
            let user = user(rules);
            assert_eq!((user.may_run(b"SET", true), user.may_run(b"GET", false)), (set, get), "{rules}");
        }
        assert_eq!(user("+config|get").may_run(b"CONFIG", false), None);
    }

    #[test]
    fn all_and_nothing() {
        assert!(user("on ~* +@all").all_commands() && user("on ~* +@all").all_keys);
        assert!(
            !user("on +@all -set").all_commands() && !user("on ~a +@all").all_keys && !user("~* resetkeys").all_keys
        );
        assert!(user("off").runs_nothing() && user("on -@all -get").runs_nothing() && !user("on +get").runs_nothing());
    }
}
