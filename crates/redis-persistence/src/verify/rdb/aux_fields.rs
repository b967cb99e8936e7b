//! AUX fields: who wrote the file, and when.

use std::borrow::Cow;
use std::collections::HashSet;

use super::RdbVerifier;
use crate::base::error::Reading;
use crate::functions::Library;
use crate::rdb::{Body, Family, RdbString, dragonfly};
use crate::report::codes::Code;
use crate::report::collector::Location;

/// Different names that are remembered to notice one that comes twice.
const MOST_NAMES: usize = 256;

/// As much of a value as is looked at and quoted, in bytes.
const MOST_TEXT: usize = 160;

/// As it is named in findings.
pub(super) const DRAGONFLY: &str = "Dragonfly";

/// Products that may say their name in the version of the server, or in a field of their own, `NAME-ver`. Dragonfly does (its source).
/// KeyDB gives a number like Redis (`6.3.4`; `255.255.255` in its own builds, by its issue 909) and is told by its other fields, which
/// its source names: `mvcc-tstamp`, `keydb-subexpire-*`, `repl-masters`. Of Kvrocks and Tair no file was found that says a name:
/// Kvrocks writes no RDB but answers of DUMP (its issues 1001 and 2251). Their names are taken for what they say where they stand.
const PRODUCTS: [&str; 5] = [DRAGONFLY, "KeyDB", "Kvrocks", "Tair", "Redis Enterprise"];

/// What the AUX fields said.
#[derive(Debug, Default)]
pub(super) struct Aux {
    pub(super) writer: Option<String>,
    pub(super) server: Option<Family>,
    pub(super) created: Option<i64>,
    /// The product, where a field shows one other than Redis and Valkey.
    pub(super) product: Option<String>,
    names: HashSet<Vec<u8>>,
}

/// Fields that come once for each key or slot, or once for each of several things.
const REPEATED: [&str; 5] = ["mvcc-tstamp", "keydb-subexpire-key", "keydb-subexpire-when", "slot-info", "lua"];

/// The product whose name stands in a text.
fn product(text: &str) -> Option<&'static str> {
    let text = text.to_ascii_lowercase();
    let named = |product: &&str| text.contains(&product.to_ascii_lowercase().replace(' ', "-"));
    text.starts_with(dragonfly::VERSION).then_some(DRAGONFLY).or_else(|| PRODUCTS.into_iter().find(named))
}

impl RdbVerifier {
    pub(super) fn aux(&mut self, name: &RdbString<&[u8]>, value: Option<&RdbString<&[u8]>>) {
        if self.options.quick {
            return;
        }
        self.form(name, crate::rdb::Role::AuxName);
        self.compressed(name, Reading::AuxName);
        let Some(value) = value else { return };
        self.form(value, crate::rdb::Role::AuxValue);
        self.compressed(value, Reading::AuxValue);
        // Of a long one there is no text.
        let text = |string: &RdbString<&'_ [u8]>| match string.body {
            Body::Long { .. } => Ok(Vec::new()),
            Body::Raw(_) | Body::Int(_) | Body::Lzf { .. } => string.decode().map(Cow::into_owned),
        };
        let (Ok(name_text), Ok(value_text)) = (text(name), text(value)) else { return };
        let name_text = name_text.to_ascii_lowercase();
        // Servers compare names up to the first zero byte.
        let compared = name_text.split(|b| *b == 0).next().unwrap_or_default();
        let key = std::str::from_utf8(compared).unwrap_or("");
        let place = Location::span(name.start, value.end).reading(Reading::AuxValue);
        if !REPEATED.contains(&key) && self.aux.names.len() < MOST_NAMES && !self.aux.names.insert(name_text.clone()) {
            self.findings.add(Code::RdbAuxDuplicate, place, || format!("AUX field {key:?} comes twice"));
        }
        let text = String::from_utf8_lossy(&value_text[..value_text.len().min(MOST_TEXT)]).into_owned();
        let number = text.parse::<i64>().ok();
        let long = matches!(value.body, Body::Long { .. });
        // Servers compare names up to their first zero byte.
        let implausible = match key.split('\0').next().unwrap_or(key) {
            "redis-ver" | "valkey-ver" => {
                self.aux_version(key, &text, place);
                false
            }
            "ctime" => {
                self.aux.created = number;
                number.is_none_or(|n| n < 0)
            }
            "used-mem" => number.is_none_or(|n| n < 0),
            "redis-bits" => !matches!(number, Some(32 | 64)),
            "repl-id" => value_text.len() != 40 || !value_text.iter().all(u8::is_ascii_hexdigit),
            "repl-offset" | "repl-stream-db" => number.is_none_or(|n| n < -1),
            "mvcc-tstamp" | "keydb-subexpire-key" | "keydb-subexpire-when" | "repl-masters" => {
                self.aux.product.get_or_insert_with(|| "KeyDB".to_owned());
                false
            }
            "slot-info" => {
                self.aux_slot_info(&value_text, place);
                false
            }
            "lua" => {
                // A long value is not decoded.
                let script = (!long).then_some(&*value_text);
                let kept = self.extras.keep(script);
                self.facts.script(Library { name: "a script".to_owned(), at: name.start, code: kept });
                false
            }
            "%salvaged" => {
                self.findings.add(Code::RdbContentUnproven, place, || {
                    let how = text.escape_debug();
                    format!("the file was salvaged from a damaged one ({how}): its checksum is true, its content is unproven")
                });
                false
            }
            _ => {
                if let Some(product) = key.strip_suffix("-ver").and_then(product) {
                    self.aux.product.get_or_insert_with(|| product.to_owned());
                }
                false
            }
        };
        if implausible && !long {
            self.findings.add(Code::RdbAuxImplausible, place, || format!("AUX field {key} has the value {text:?}"));
        }
    }

    /// The value of a field with a long name: no field of any server.
    pub(super) fn aux_value(&mut self, value: &RdbString<&[u8]>) {
        self.compressed(value, Reading::AuxValue);
    }

    fn aux_version(&mut self, name: &str, version: &str, place: Location) {
        if let Some(product) = product(version) {
            self.aux.product = Some(product.to_owned());
        }
        let of_valkey = name == "valkey-ver";
        let (family, file_version) = (self.family(), self.version());
        let fits = match (family, of_valkey) {
            (Family::Valkey, valkey) => valkey,
            (Family::Redis, true) => file_version == 11,
            (Family::Redis, false) => true,
        };
        if !fits {
            self.findings.add(Code::RdbAuxFamily, place, || {
                format!("{name} {version} does not write files of {family} version {file_version}")
            });
        }
        self.aux.writer = Some(version.to_owned());
        self.aux.server = Some(if of_valkey { Family::Valkey } else { Family::Redis });
    }

    /// Valkey's slot-info: slot, keys, expiries, and in newer versions a fourth number.
    fn aux_slot_info(&mut self, text: &[u8], place: Location) {
        let mut numbers =
            text.split(|b| *b == b',').map(|n| std::str::from_utf8(n).ok()?.trim_start().parse::<u64>().ok());
        match (numbers.next().flatten(), numbers.next().flatten(), numbers.next().flatten()) {
            (Some(slot), Some(keys), Some(expires)) => {
                self.databases.begin_slot(slot, keys, expires, place.start, &mut self.findings);
            }
            _ => self.findings.add(Code::RdbAuxSlotInfoBad, place, || {
                "slot-info needs three numbers; Valkey refuses the file".to_owned()
            }),
        }
    }
}
