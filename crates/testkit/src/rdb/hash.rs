//! Hashes whose fields expire (types 22 to 25) and hashes that share their names (types 29 to 32).
//!
//! ```text
//! 22 Redis    count, then ms (0 = none), field, value
//! 22 Valkey   count, then field, value, ms of 8 bytes (-1 = none)
//! 23          listpack of field, value, ms (0 = none)
//! 24          least ms of 8 bytes, count, then ms - least + 1 (0 = none), field, value
//! 25          least ms of 8 bytes, listpack of field, value, ms (0 = none)
//! 29, 31      0 and a listpack of names, or 1, count and names; then the values
//! 29, 30      values: listpack of the template's number and the values
//! 31          values: strings
//! 32          the template's number, strings
//! ```

use super::listpack::Listpack;
use super::writer::{MarkKind, RdbWriter};
use crate::Bytes;

/// A field with its value and, maybe, the millisecond at which it expires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TtlField {
    /// Its name.
    pub field: Bytes,
    /// Its value.
    pub value: Bytes,
    /// Milliseconds since 1970.
    pub expires: Option<i64>,
}

/// The names in a DUMP payload of types 29 and 31.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TemplateNames {
    /// Form 0: a listpack.
    Listpack(Vec<Bytes>),
    /// Form 1: strings.
    Strings(Vec<Bytes>),
}

impl TemplateNames {
    /// Appends the section.
    pub fn encode(&self, w: &mut RdbWriter) {
        match self {
            Self::Listpack(names) => {
                w.len(0).marked_str(MarkKind::Listpack, &Listpack::of(names));
            }
            Self::Strings(names) => {
                w.len(1).count(names.len());
                for name in names {
                    w.marked_str(MarkKind::Element, name);
                }
            }
        }
    }
}

/// The soonest expiry, 0 if no field has one.
#[must_use]
pub fn least_expiry(fields: &[TtlField]) -> i64 {
    fields.iter().filter_map(|f| f.expires).min().unwrap_or(0)
}

/// Sorts names as templates need them: shorter first, then by bytes.
pub fn sort_template_names(names: &mut [Bytes]) {
    names.sort_by(|a, b| a.len().cmp(&b.len()).then_with(|| a.cmp(b)));
}

pub(super) fn metadata_pre_ga(w: &mut RdbWriter, fields: &[TtlField]) {
    w.count(fields.len());
    for field in fields {
        ttl(w, field.expires.unwrap_or(0));
        w.marked_str(MarkKind::Element, &field.field).marked_str(MarkKind::Element, &field.value);
    }
}

pub(super) fn valkey_hash2(w: &mut RdbWriter, fields: &[TtlField]) {
    w.count(fields.len());
    for field in fields {
        w.marked_str(MarkKind::Element, &field.field).marked_str(MarkKind::Element, &field.value);
        let start = w.pos();
        w.i64_le(field.expires.unwrap_or(-1)).mark(MarkKind::FieldTtl, start);
    }
}

pub(super) fn metadata(w: &mut RdbWriter, min: Option<i64>, fields: &[TtlField]) {
    let start = w.pos();
    let min = min.unwrap_or(least_expiry(fields));
    w.i64_le(min).mark(MarkKind::FieldTtl, start).count(fields.len());
    for field in fields {
        ttl(w, field.expires.map_or(0, |ms| ms.wrapping_sub(min).wrapping_add(1)));
        w.marked_str(MarkKind::Element, &field.field).marked_str(MarkKind::Element, &field.value);
    }
}

pub(super) fn listpack_ex(w: &mut RdbWriter, fields: &[TtlField]) {
    let mut lp = Listpack::new();
    for field in fields {
        lp.push(&field.field).push(&field.value).int(field.expires.unwrap_or(0));
    }
    w.marked_str(MarkKind::Listpack, &lp.finish());
}

pub(super) fn template_values(w: &mut RdbWriter, id: i64, values: &[Bytes]) {
    let mut lp = Listpack::new();
    lp.int(id);
    for value in values {
        lp.push(value);
    }
    w.marked_str(MarkKind::Listpack, &lp.finish());
}

fn ttl(w: &mut RdbWriter, ms: i64) {
    let start = w.pos();
    w.len(ms.cast_unsigned()).mark(MarkKind::FieldTtl, start);
}
