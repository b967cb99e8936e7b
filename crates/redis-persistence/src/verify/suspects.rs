//! Confirming that things of equal hash are equal, by reading both again.

use std::borrow::Cow;

use super::codes::Code;
use super::sink::{Findings, Place, Subject};
use super::source::Source;
use crate::rdb::{Family, ValueType, string_at};

/// Two things of equal hash.
#[derive(Debug, Clone)]
pub(crate) struct Suspect {
    pub(crate) what: Code,
    /// Where the first one's string begins.
    pub(crate) first: u64,
    /// Where the later one's string begins.
    pub(crate) later: u64,
    pub(crate) subject: Subject,
}

/// So many suspects wait to be read again. A hostile file has any number; the rest is reported by hash alone.
pub(super) const MOST: usize = 10_000;

/// Strings longer than this, as stored, are not read again: their hashes must do.
const LONGEST: usize = 1 << 20;

/// Reports those of the suspects that are duplicates, in the order of their places; answers whether every one of them
/// was settled by its text and not by its hash. `database` names the database in which a key at an offset lies.
pub(super) fn confirm(
    suspects: &mut Vec<Suspect>,
    mut source: Option<&mut dyn Source>,
    family: Family,
    database: impl Fn(u64) -> u64,
    findings: &mut Findings,
) -> bool {
    suspects.sort_by_key(|suspect| (suspect.later, suspect.first));
    let mut all = true;
    for suspect in std::mem::take(suspects) {
        let Suspect { what, first, later, subject } = suspect;
        findings.subject = subject;
        let texts = source.as_deref_mut().and_then(|s| Some((text_at(s, first)?, text_at(s, later)?)));
        let (name, by_hash) = match texts {
            Some((a, b)) if a != b => continue,
            Some((_, text)) => (text, ""),
            None => {
                all = false;
                (Vec::new(), " (by 64-bit hash)")
            }
        };
        if what == Code::RdbDuplicateKey {
            let value_type = source.as_deref_mut().and_then(|s| type_before(s, later, family));
            findings.subject.set_key(
                database(later),
                (!name.is_empty() || by_hash.is_empty()).then_some(&name),
                value_type,
            );
        }
        let shown = name[..name.len().min(200)].escape_ascii().to_string();
        findings.add(what, Place::at(later), || match what {
            Code::RdbDuplicateKey => format!("the key stands at byte {first} already{by_hash}: servers abort"),
            _ => format!("{} \"{shown}\" stands at byte {first} already{by_hash}", noun(what)),
        });
    }
    findings.subject.clear();
    all
}

/// What the strings are that a code of duplicates is about.
fn noun(what: Code) -> &'static str {
    match what {
        Code::HashDuplicateField => "field",
        Code::StreamDuplicateGroup => "consumer group",
        Code::StreamDuplicateConsumer => "consumer",
        Code::StreamIdmpInvalid => "idempotent producer or id",
        _ => "member",
    }
}

/// The value type of the key whose name begins at `offset`: its byte stands before it.
fn type_before(source: &mut dyn Source, offset: u64, family: Family) -> Option<ValueType> {
    let mut byte = [0];
    (source.read_at(offset.checked_sub(1)?, &mut byte).ok()? == 1).then(|| ValueType::from_byte(byte[0], family))?
}

/// The text of the string that begins at `offset`.
fn text_at(source: &mut dyn Source, offset: u64) -> Option<Vec<u8>> {
    let mut buffer = vec![0; 256];
    loop {
        let n = source.read_at(offset, &mut buffer).ok()?;
        match string_at(&buffer[..n], offset) {
            Ok(string) => return string.decode().ok().map(Cow::into_owned),
            Err(wanted) if n == buffer.len() && wanted > n && wanted <= LONGEST => buffer.resize(wanted, 0),
            Err(_) => return None,
        }
    }
}
