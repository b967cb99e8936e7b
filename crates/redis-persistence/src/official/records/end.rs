//! What the tools print at their end.

use super::super::profile::Profile;
use super::super::texts::Failure;
use super::super::texts::type_name;
use super::super::{Line, Outcome, Tool};
use super::Records;

impl Records<'_, '_> {
    fn infos(&mut self) {
        let mut infos = vec![
            format!("[info] {} keys read", self.keys),
            format!("[info] {} expires", self.expires),
            format!("[info] {} already expired", self.expired),
        ];
        match self.tool() {
            Tool::Redis70 => {}
            Tool::Redis86 => infos.push(format!("[info] {} subexpires", self.subexpires)),
            Tool::Valkey91 => {
                infos.push(format!("[info] {} functions", self.functions));
                if self.scripts > 0 {
                    infos.push(format!("[info] {} lua scripts read", self.scripts));
                }
            }
        }
        for info in infos {
            (self.print)(Line::Out(info.as_bytes()));
        }
        if let Some(profile) = &self.profile {
            profile.lines(&mut |line| (self.print)(Line::Statistics(line.as_bytes())));
        }
    }

    fn outcome(&self, sane: bool, ended_at_once: bool, end: u64) -> Outcome {
        let statistics_cut = self.profile.as_ref().is_some_and(Profile::is_full);
        let Self { keys, expires, expired, .. } = *self;
        Outcome { sane, ended_at_once, end, keys, expires, expired, statistics_cut }
    }

    pub(in crate::official) fn succeeded(&mut self, end: u64) -> Outcome {
        if self.tool() == Tool::Valkey91 {
            self.say(end, b"Check RDB returned error code 0 (0 means success)");
        }
        if self.unusual.is_some() {
            self.say(end, b"\\o/ RDB looks OK, but loading requires config 'rdb-version-check relaxed'");
        } else {
            self.say(end, b"\\o/ RDB looks OK! \\o/");
        }
        self.infos();
        self.outcome(true, false, end)
    }

    pub(in crate::official) fn failed(&mut self, failure: &Failure) -> Outcome {
        let Failure { at, message, internal } = failure;
        (self.print)(Line::Out(b"--- RDB ERROR DETECTED ---"));
        self.say(*at, message);
        (self.print)(Line::Out(format!("[additional info] While doing: {}", self.doing).as_bytes()));
        if let Some(key) = &self.key {
            (self.print)(Line::Out(&[b"[additional info] Reading key '", &key[..], b"'"].concat()));
        }
        if let Some(byte) = self.value_type {
            let name = type_name(self.tool(), byte);
            (self.print)(Line::Out(format!("[additional info] Reading type {byte} ({name})").as_bytes()));
        }
        self.infos();
        if self.tool() == Tool::Valkey91 && !internal {
            self.say(*at, b"Check RDB returned error code 1 (0 means success)");
        }
        self.outcome(false, *internal, *at)
    }
}
