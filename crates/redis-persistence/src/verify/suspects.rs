//! Confirming that things of equal hash are equal, by reading both again.

use std::borrow::Cow;

use super::codes::Code;
use super::sink::{Findings, Place};
use super::source::Source;
use super::value::Suspect;
use crate::rdb::string_at;

/// Strings longer than this, as stored, are not read again: their hashes must do.
const LONGEST: usize = 1 << 20;

/// Reports those of the suspects that are duplicates, in the order of their places; answers whether every one of them
/// was settled by its text and not by its hash.
pub(super) fn confirm(
    suspects: &mut Vec<Suspect>,
    mut source: Option<&mut dyn Source>,
    findings: &mut Findings,
) -> bool {
    suspects.sort_by_key(|suspect| (suspect.later, suspect.first));
    let mut all = true;
    let before = findings.subject.clone();
    for suspect in std::mem::take(suspects) {
        let Suspect { what, first, later, subject } = suspect;
        findings.subject = subject;
        let texts = source.as_deref_mut().and_then(|s| Some((text_at(s, first)?, text_at(s, later)?)));
        let by_hash = match &texts {
            Some((a, b)) if a != b => continue,
            Some(_) => "",
            None => {
                all = false;
                " (by 64-bit hash)"
            }
        };
        let name = texts.map(|(text, _)| text).unwrap_or_default();
        let name = name[..name.len().min(200)].escape_ascii().to_string();
        let message = || match what {
            Code::RdbDuplicateKey => format!("key \"{name}\" stands at byte {first} already{by_hash}: servers abort"),
            Code::ZsetDuplicateMember | Code::SetDuplicateMember => {
                format!("member \"{name}\" stands at byte {first} already{by_hash}")
            }
            _ => format!("field \"{name}\" stands at byte {first} already{by_hash}"),
        };
        findings.add(what, Place::at(later), message);
    }
    findings.subject = before;
    all
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
