//! Sizes and times, as they are typed and as they are printed.

use std::num::NonZero;
use std::time::{SystemTime, UNIX_EPOCH};

/// Days from 1 March of year 0 to 1 January 1970.
const EPOCH_DAYS: i64 = 719_468;

/// Returns a number of bytes: a number, or one with K, M, G or T behind it (powers of 1024; `KiB` and `KB` mean the same).
///
/// # Errors
/// If the text is none, or the number is too large.
///
/// # Examples
/// ```
/// assert_eq!(rdbcheck::units::bytes("64M"), Ok(64 << 20));
/// ```
pub fn bytes(text: &str) -> Result<usize, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim().to_ascii_uppercase();
    let shift = match unit.strip_suffix("IB").or_else(|| unit.strip_suffix('B')).unwrap_or(&unit) {
        "" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        "T" => 40,
        _ => return Err("a size is a number, or one with K, M, G or T behind it".to_owned()),
    };
    let number: usize =
        number.parse().map_err(|_| "a size is a number, or one with K, M, G or T behind it".to_owned())?;
    number.checked_mul(1 << shift).ok_or_else(|| "that is more than this machine can count".to_owned())
}

/// Two numbers with a `-` between them, the first not above the second; one number stands for both.
///
/// # Errors
/// If the text is none of these.
///
/// # Examples
/// ```
/// assert_eq!(rdbcheck::units::range("0-5460"), Ok((0, 5460)));
/// ```
pub fn range(text: &str) -> Result<(u64, u64), String> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    let number = |text: &str| text.parse().map_err(|_| "a range is a number, or two with a - between them".to_owned());
    let range: (u64, u64) = (number(from)?, number(to)?);
    if range.0 <= range.1 { Ok(range) } else { Err("a range begins with its smaller number".to_owned()) }
}

/// Reads `N`, or `N=M`: a number, and the one that takes its place.
///
/// # Errors
/// If it is neither.
///
/// # Examples
/// ```
/// assert_eq!(rdbcheck::units::renumbered("3=0"), Ok((3, 0)));
/// ```
pub fn renumbered(text: &str) -> Result<(u64, u64), String> {
    let (from, to) = text.split_once('=').unwrap_or((text, text));
    let number = |text: &str| text.parse::<u64>().map_err(|_| "a database is N, or N=M".to_owned());
    Ok((number(from)?, number(to)?))
}

/// Returns the time of the system, in milliseconds since the epoch.
#[must_use]
pub fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}

/// Returns a time, in milliseconds since the epoch: seconds or, from 12 digits on, milliseconds since the epoch, or RFC 3339.
///
/// # Errors
/// If the text is none of these.
///
/// # Examples
/// ```
/// use rdbcheck::units::time_ms;
///
/// assert_eq!(time_ms("1800000000"), Ok(1_800_000_000_000));
/// assert_eq!(time_ms("2027-01-15T09:00:00.5+01:00"), Ok(1_800_000_000_500));
/// ```
pub fn time_ms(text: &str) -> Result<i64, String> {
    if let Ok(number) = text.parse::<i64>() {
        let milliseconds = number.unsigned_abs() >= 100_000_000_000;
        return Ok(if milliseconds { number } else { number * 1000 });
    }
    rfc3339(text).ok_or_else(|| {
        "a time is seconds or milliseconds since 1970, or like 2025-03-01T12:00:00Z or 2025-03-01T13:00:00+01:00"
            .to_owned()
    })
}

fn rfc3339(text: &str) -> Option<i64> {
    let (date, rest) = (text.get(..10)?, text.get(11..)?);
    if !matches!(text.as_bytes()[10], b'T' | b't' | b' ') {
        return None;
    }
    let (clock, rest) = (rest.get(..8)?, rest.get(8..)?);
    let [year, month, day] = fields(date, b'-', [4, 2, 2])?;
    let [hour, minute, second] = fields(clock, b':', [2, 2, 2])?;
    let (fraction, zone) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at(rest.bytes().take_while(u8::is_ascii_digit).count()),
        None => ("0", rest),
    };
    let offset = match zone.as_bytes() {
        [b'Z' | b'z'] => 0,
        [sign @ (b'+' | b'-'), ..] => {
            let [hours, minutes] = fields(&zone[1..], b':', [2, 2])?;
            if hours > 23 || minutes > 59 {
                return None;
            }
            (hours * 60 + minutes) * if *sign == b'-' { -60 } else { 60 }
        }
        _ => return None,
    };
    // A leap second counts as the one after it.
    if fraction.is_empty() || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let milliseconds: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    let days = days(year, month, day)?;
    Some(((days * 24 + hour) * 60 + minute) * 60_000 + (second - offset) * 1000 + milliseconds)
}

/// Numbers of so many digits each, with `between` between them.
fn fields<const N: usize>(text: &str, between: u8, digits: [usize; N]) -> Option<[i64; N]> {
    let mut parts = text.split(char::from(between));
    let mut out = [0; N];
    for (out, digits) in out.iter_mut().zip(digits) {
        let part = parts.next().filter(|p| p.len() == digits && p.bytes().all(|b| b.is_ascii_digit()))?;
        *out = part.parse().ok()?;
    }
    parts.next().is_none().then_some(out)
}

/// Days since the epoch of a date that exists. Years are counted from March, so that the leap day comes last.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let days = day_number(year, month, day);
    (civil(days) == (year, month, day)).then_some(days)
}

fn day_number(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year - EPOCH_DAYS
}

/// Year, month and day of a number of days since the epoch.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + EPOCH_DAYS;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day_of_year - (153 * from_march + 2) / 5 + 1)
}

/// Returns a time in seconds since the epoch, for people.
///
/// # Examples
/// ```
/// assert_eq!(rdbcheck::units::date(1_800_000_000), "2027-01-15 08:00:00 UTC");
/// ```
#[must_use]
pub fn date(seconds: i64) -> String {
    let (year, month, day) = civil(seconds.div_euclid(86_400));
    if !(0..=9999).contains(&year) {
        return format!("{seconds} s after 1970");
    }
    let of_day = seconds.rem_euclid(86_400);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

/// Returns a size for people, in powers of 1000.
///
/// # Examples
/// ```
/// assert_eq!(rdbcheck::units::size(12_345_678), "12.3 MB");
/// ```
#[must_use]
pub fn size(bytes: u64) -> String {
    if bytes < 1000 {
        return number(bytes, "byte");
    }
    let mut tenths = u128::from(bytes) * 10;
    let mut unit = "";
    for next in ["kB", "MB", "GB", "TB", "PB", "EB"] {
        if tenths < 10_000 {
            break;
        }
        (tenths, unit) = ((tenths + 500) / 1000, next);
    }
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

/// Returns a span of time for people, in its largest unit and tenths of it.
///
/// # Examples
/// ```
/// assert_eq!(rdbcheck::units::duration(5400), "1.5 h");
/// ```
#[must_use]
pub fn duration(seconds: u64) -> String {
    let (each, unit) = match seconds {
        ..60 => return format!("{seconds} s"),
        60..3600 => (60, "min"),
        3600..86_400 => (3600, "h"),
        _ => (86_400, "d"),
    };
    let tenths = u128::from(seconds) * 10 / each;
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

/// Returns a number with commas between the thousands.
#[must_use]
pub fn commas(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Returns a number of things, with the plural `s`.
///
/// # Examples
/// ```
/// assert_eq!(rdbcheck::units::number(1204, "key"), "1,204 keys");
/// ```
#[must_use]
pub fn number(n: u64, thing: &str) -> String {
    format!("{} {thing}{}", commas(n), if n == 1 { "" } else { "s" })
}

/// Returns a number of threads.
///
/// # Errors
/// If it is no number, or zero.
pub fn threads(text: &str) -> Result<NonZero<usize>, String> {
    text.parse().map_err(|_| "a number of threads is 1 or more".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_refused() {
        assert_eq!(bytes("0"), Ok(0));
        assert_eq!(bytes("1g"), Ok(1 << 30));
        assert_eq!(bytes("3 KiB"), Ok(3 << 10));
        for bad in ["", "M", "-1", "1.5G", "1X", "99999999999999999999", "99999999999999T"] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_day_of_four_centuries_is_itself() {
        let mut previous = civil(-200_000);
        for day in -199_999..200_000 {
            let (year, month, of_month) = civil(day);
            assert_eq!(days(year, month, of_month), Some(day));
            assert!((year, month, of_month) > previous);
            previous = (year, month, of_month);
        }
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(11_016), (2000, 2, 29));
    }

    #[test]
    fn times_are_read_and_refused() {
        assert_eq!(time_ms("1800000000123"), Ok(1_800_000_000_123));
        assert_eq!(time_ms("1970-01-01T00:00:00Z"), Ok(0));
        assert_eq!(time_ms("1969-12-31 23:59:59.999z"), Ok(-1));
        assert_eq!(time_ms("2024-02-29T00:00:00-23:59"), Ok(1_709_251_140_000));
        for bad in [
            "",
            "now",
            "2025-02-29T00:00:00Z",
            "2025-13-01T00:00:00Z",
            "2025-00-01T00:00:00Z",
            "2025-01-01T24:00:00Z",
            "2025-01-01T00:00:00",
            "2025-01-01",
            "2025-01-01T00:00:00.Z",
            "2025-01-01T00:00:00+1:00",
            "99999999999999999999",
            "2025-01-01é00:00:00Z",
            "２０２５-01-01T00:00:00Z",
        ] {
            assert!(time_ms(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn printing() {
        assert_eq!(date(i64::MAX), "9223372036854775807 s after 1970");
        assert_eq!(date(-1), "1969-12-31 23:59:59 UTC");
        for (n, text) in [
            (0, "0 bytes"),
            (1, "1 byte"),
            (999, "999 bytes"),
            (1000, "1.0 kB"),
            (999_949, "999.9 kB"),
            (999_950, "1.0 MB"),
        ] {
            assert_eq!(size(n), text);
        }
        assert_eq!(size(u64::MAX), "18.4 EB");
        assert_eq!((commas(999), commas(1000), commas(1_234_567)), ("999".into(), "1,000".into(), "1,234,567".into()));
    }
}
