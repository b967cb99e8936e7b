//! When the fields of a hash expire: what is possible, and what is likely.
//!
//! Redis holds such times in 48 bits, and refuses what is beyond. Valkey takes any that is not below -1, which stands for
//! none.

use super::Context;
use crate::base::error::Reading;
use crate::report::codes::Code;
use crate::report::collector::{Collector, Location};

/// The greatest time that Redis can hold, in milliseconds.
pub(super) const MAX: u64 = (1 << 48) - 1;
/// What Redis holds for "no field expires".
pub(super) const NONE: u64 = 1 << 48;
/// September 2001. Below lie times that someone gave in seconds.
const EARLIEST: u64 = 1_000_000_000_000;

/// Looks at a field's time in a hash of Redis, and returns whether Redis can hold it.
#[inline]
pub(super) fn check_redis(ms: u64, place: Location, findings: &mut Collector) -> bool {
    if (EARLIEST..=MAX).contains(&ms) {
        return true;
    }
    if ms > MAX {
        findings.add(Code::HashExpiryInvalid, place, || {
            format!("the field expires at {ms} ms, and the greatest possible time is {MAX}")
        });
    } else {
        implausible(place, findings, || format!("the field expires at {ms} ms, which is before field expiry existed"));
    }
    ms <= MAX
}

/// Looks at a field's time in a hash of Valkey.
#[inline]
pub(super) fn check_valkey(ms: i64, place: Location, findings: &mut Collector) {
    match u64::try_from(ms) {
        Ok(EARLIEST..=MAX) => {}
        Ok(..EARLIEST) => {
            implausible(place, findings, || {
                format!("the field expires at {ms} ms, which is before field expiry existed")
            });
        }
        Ok(_) => implausible(place, findings, || format!("the field expires at {ms} ms, thousands of years from now")),
        Err(_) if ms == -1 => {}
        Err(_) => {
            findings
                .add(Code::HashExpiryInvalid, place, || format!("the field expires at {ms} ms; only -1 is below 0"));
        }
    }
}

/// Looks at a hash of so many fields, each of which expires, the last of them then.
pub(super) fn check_passed(last: u64, fields: u64, place: Location, cx: &mut Context<'_>) {
    if fields > 0 && cx.now_ms.is_some_and(|now| i128::from(last) < i128::from(now)) {
        cx.findings.add(Code::HashFieldsExpired, place.reading(Reading::FieldExpiry), || {
            let fields = if fields == 1 { "the only field".to_owned() } else { format!("all {fields} fields") };
            format!("{fields} of the hash expired before now: a server ends up without the key")
        });
    }
}

#[cold]
fn implausible(place: Location, findings: &mut Collector, message: impl FnOnce() -> String) {
    findings.add(Code::HashExpiryImplausible, place, message);
}
