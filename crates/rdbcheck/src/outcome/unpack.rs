//! How to get at a file that lies in an archive or is packed: the commands of advice take it as it is then.

use std::path::{Path, PathBuf};

use redis_persistence::diagnose::Step;

use crate::escape;
use crate::shell::{self, fill, word};
use crate::unpack::Packing;

/// Where a file lies once it is unpacked, and the command for that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpack {
    /// What it is called where it lies now.
    name: String,
    /// If the shell can be told.
    command: Option<String>,
    /// The placeholder for a name, if not.
    file: PathBuf,
    /// Whether our own commands read it as it lies.
    ours: bool,
}

impl Unpack {
    /// Of the member of an archive. `stored` is its name there, if that is known to lead to it and nowhere else.
    pub(crate) fn member(archive: &Path, packing: Option<Packing>, stored: Option<&Path>, member: &Path) -> Self {
        let mut folder = archive.as_os_str().to_owned();
        folder.push(".d");
        let folder = PathBuf::from(folder);
        let stored = stored.filter(|stored| [archive, stored].iter().all(|path| is_plain(path)));
        let command = stored.and_then(|stored| {
            let (of, to, name) = (word(archive), word(&folder), word(stored));
            Some(match packing.map(Packing::tool) {
                None => format!("mkdir -p {to} && tar -x -C {to} -f - {name} < {of}"),
                Some(Some(tool)) => format!("mkdir -p {to} && {tool} < {of} | tar -x -C {to} -f - {name}"),
                Some(None) => return None,
            })
        });
        let file = if command.is_some() { folder.join(member) } else { "-".into() };
        Self { name: escape::plain(member.as_os_str().as_encoded_bytes()), command, file, ours: false }
    }

    /// Of a file that is packed by itself.
    pub(crate) fn stream(path: &Path, packing: Packing) -> Self {
        let file = shell::beside(path, ".unpacked");
        let tool = packing.tool().filter(|_| is_plain(path));
        let command = tool.map(|tool| format!("{tool} < {} > {}", word(path), word(&file)));
        let file = if command.is_some() { file } else { "-".into() };
        Self { name: escape::plain(path.as_os_str().as_encoded_bytes()), command, file, ours: true }
    }

    /// Returns the same where not all of it unpacks: no command ends well.
    pub(crate) fn damaged(self, damage: bool) -> Self {
        if damage { Self { command: None, file: "-".into(), ..self } } else { self }
    }

    /// Returns whether a command cannot take what lies packed.
    fn is_needed(&self, command: &str) -> bool {
        let named = command.split(' ').any(|word| ["FILE", "OUT"].contains(&word));
        let ours = command.starts_with("rdbcheck ") || command.starts_with("aofcheck ");
        named && !(self.ours && ours && !command.contains(" | "))
    }

    /// Returns the steps with their commands for the file: with one before them that unpacks, if one of them needs that.
    pub(super) fn steps(&self, steps: &[Step], path: &Path) -> Vec<Step> {
        let needs = |step: &Step| step.command.as_ref().is_some_and(|command| self.is_needed(command));
        let Some(first) = steps.iter().position(needs) else { return filled(steps, path) };
        let mut unpack = steps[first].clone();
        unpack.text = match &self.command {
            Some(_) => "Unpack it: the commands that follow are for what comes of it.".to_owned(),
            None => format!("Unpack it, as far as that goes: FILE stands for {} as it comes of it.", self.name),
        };
        unpack.command.clone_from(&self.command);
        let mut all = filled(steps, &self.file);
        all.insert(first, unpack);
        all
    }

    /// Returns a command that takes what lies packed, as one that unpacks it first.
    pub(super) fn and_then(&self, command: &str, path: &Path) -> String {
        match &self.command {
            _ if !self.is_needed(command) => fill(command, path),
            Some(unpack) => format!("{unpack} && {}", fill(command, &self.file)),
            None => fill(command, &self.file),
        }
    }
}

/// Steps with their commands for a file. A name may look like a placeholder: what was filled is not filled again.
pub(super) fn filled(steps: &[Step], path: &Path) -> Vec<Step> {
    let mut steps = steps.to_vec();
    for command in steps.iter_mut().filter_map(|step| step.command.as_mut()) {
        *command = fill(command, path);
    }
    steps
}

/// Returns whether a path is the name of a file, and printed as it is.
fn is_plain(path: &Path) -> bool {
    let bytes = path.as_os_str().as_encoded_bytes();
    bytes != b"-" && !bytes.starts_with(b"-") && !path.starts_with("/dev") && escape::plain(bytes).as_bytes() == bytes
}
