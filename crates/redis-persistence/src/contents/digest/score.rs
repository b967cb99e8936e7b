//! Scores as text, as servers have them in `DEBUG DIGEST`.
//!
//! New servers print the digits that the algorithm Grisu2 finds (Florian Loitsch, "Printing Floating-Point Numbers Quickly and
//! Accurately with Integers", 2010): they stand for the number, and in one of a thousand cases there would be fewer, or nearer ones.
//! That is why the digits of the standard library would not do. Measured on 60,000 scores of Redis 8.6.

/// Returns a score as the digest has it in Redis from 7.4 on and in Valkey (7.2 was not measured): its shortest digits,
/// with an exponent only where many zeros would follow.
pub(super) fn shortest_form(number: f64) -> String {
    if !number.is_finite() {
        return not_finite(number);
    }
    let sign = if number.is_sign_negative() { "-" } else { "" };
    // The last digit stands for so many powers of ten.
    let (digits, last) = digits_of(number.abs());
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    let exponent = last + count - 1;
    if last >= 0 && exponent < count + 7 {
        return format!("{sign}{digits}{}", zeros(last));
    }
    if last < 0 && (last > -7 || exponent.abs() < 4) {
        return match usize::try_from(count + last) {
            Ok(before @ 1..) => format!("{sign}{}.{}", &digits[..before], &digits[before..]),
            _ => format!("{sign}0.{}{digits}", zeros(-(count + last))),
        };
    }
    let (first, rest) = digits.split_at(1);
    let point = if rest.is_empty() { "" } else { "." };
    format!("{sign}{first}{point}{rest}e{exponent:+}")
}

/// Returns a score as the digest has it up to Redis 7.0: 17 significant digits, as `%.17g` of C prints them.
pub(super) fn seventeen(number: f64) -> String {
    if !number.is_finite() {
        return not_finite(number);
    }
    let (sign, digits, exponent) = parts(format!("{number:.16e}"));
    let shorten = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    if (-4..17).contains(&exponent) {
        let decimals = usize::try_from(16 - exponent).unwrap_or(0);
        return shorten(&format!("{number:.decimals$}"));
    }
    let of_exponent = if exponent < 0 { '-' } else { '+' };
    format!("{sign}{}e{of_exponent}{:02}", shorten(&digits), exponent.unsigned_abs())
}

fn not_finite(number: f64) -> String {
    let text = match number {
        f64::INFINITY => "inf",
        f64::NEG_INFINITY => "-inf",
        _ => "nan",
    };
    text.to_owned()
}

/// Sign, digits with a point, and exponent of a number in the form `-1.5e3`.
fn parts(text: String) -> (&'static str, String, i32) {
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |digits| ("-", digits));
    (sign, digits.to_owned(), exponent.parse().unwrap_or(0))
}

fn zeros(count: i32) -> String {
    "0".repeat(usize::try_from(count).unwrap_or(0))
}

/// Returns the shortest decimal text that stands for the number.
pub(super) fn shortest(number: f64) -> String {
    format!("{number:?}")
}

/// Returns the digits of a number that is not negative, and for which power of ten the last one stands.
fn digits_of(number: f64) -> (String, i32) {
    if number == 0.0 {
        return ("0".to_owned(), 0);
    }
    let bits = number.to_bits();
    let (fraction, stored) = (bits & (HIDDEN - 1), i32::try_from(bits >> 52).unwrap_or(0));
    let value = match stored {
        0 => Scaled { fraction, exponent: 1 - BIAS },
        _ => Scaled { fraction: fraction | HIDDEN, exponent: stored - BIAS },
    };
    // Half way to the neighbours. Below a power of two the lower one is nearer.
    let upper = Scaled { fraction: 2 * value.fraction + 1, exponent: value.exponent - 1 }.normalized();
    let lower = match fraction == 0 && stored > 1 {
        true => Scaled { fraction: 4 * value.fraction - 1, exponent: value.exponent - 2 },
        false => Scaled { fraction: 2 * value.fraction - 1, exponent: value.exponent - 1 },
    };
    let lower = lower.fraction << (lower.exponent - upper.exponent);
    let value = value.normalized();
    let (power, k) = power_for(upper.exponent);
    let times = |fraction: u64| {
        let product = u128::from(fraction) * u128::from(power.fraction) + (1 << 63);
        u64::try_from(product >> 64).unwrap_or(u64::MAX)
    };
    // Each product may be off by one, so that much of the room on both sides is left out.
    let (high, low) = (times(upper.fraction) - 1, times(lower) + 1);
    let (digits, kappa) = generate(times(value.fraction), high, low, -(upper.exponent + power.exponent + 64));
    (digits, kappa - k)
}

/// The bit above the stored fraction of a double, and what its stored exponent is above the one of the fraction as an integer.
const HIDDEN: u64 = 1 << 52;
const BIAS: i32 = 1075;

/// `fraction` times two to the power of `exponent`.
#[derive(Debug, Clone, Copy)]
struct Scaled {
    fraction: u64,
    exponent: i32,
}

impl Scaled {
    /// Returns the same with the highest bit set.
    fn normalized(self) -> Self {
        let shift = self.fraction.leading_zeros();
        Self { fraction: self.fraction << shift, exponent: self.exponent - i32::try_from(shift).unwrap_or(0) }
    }
}

/// Returns a power of ten that brings a number with that exponent between two to the power of 4 and of 32, and which one it
/// is.
fn power_for(exponent: i32) -> (Scaled, i32) {
    const FIRST: i32 = -348;
    const STEP: i32 = 8;
    let guess = -f64::from(exponent + i32::try_from(POWERS.len()).unwrap_or(0)) * std::f64::consts::LOG10_2;
    #[expect(clippy::cast_possible_truncation, reason = "it is a small number")]
    let mut at = (guess as i32 - FIRST) / STEP;
    loop {
        let (fraction, of_power) = usize::try_from(at).ok().and_then(|at| POWERS.get(at)).copied().unwrap_or((0, 0));
        match exponent + of_power + 64 {
            ..-60 => at += 1,
            -31.. => at -= 1,
            _ => return (Scaled { fraction, exponent: of_power }, FIRST + STEP * at),
        }
    }
}

/// As few digits as stand for a number between `low` and `high`, and how many more there would be before the point. All three are
/// integers with `point` bits behind the point.
fn generate(value: u64, high: u64, low: u64, point: i32) -> (String, i32) {
    let one = 1_u64 << point;
    let (mut room, mut above) = (high - low, high - value);
    let (mut whole, mut part) = (high >> point, high & (one - 1));
    let mut digits = Vec::new();
    let push = |digits: &mut Vec<u8>, digit: u64| {
        if digit > 0 || !digits.is_empty() {
            digits.push(b'0' + u8::try_from(digit).unwrap_or(0));
        }
    };
    let mut kappa = 10;
    let mut unit = 1_000_000_000;
    while kappa > 0 {
        push(&mut digits, whole / unit);
        whole %= unit;
        kappa -= 1;
        let rest = (whole << point) + part;
        if rest <= room {
            return (nearer(digits, room, rest, unit << point, above), kappa);
        }
        unit /= 10;
    }
    loop {
        part *= 10;
        room *= 10;
        above = above.wrapping_mul(10);
        kappa -= 1;
        push(&mut digits, part >> point);
        part &= one - 1;
        if part < room {
            return (nearer(digits, room, part, one, above), kappa);
        }
    }
}

/// Makes the last digit smaller as long as that comes nearer to the number, which lies `above` below the upper end.
fn nearer(mut digits: Vec<u8>, room: u64, mut rest: u64, unit: u64, above: u64) -> String {
    while rest < above
        && room - rest >= unit
        && (rest.wrapping_add(unit) < above || above - rest > rest.wrapping_add(unit).wrapping_sub(above))
    {
        if let Some(last) = digits.last_mut() {
            *last -= 1;
        }
        rest += unit;
    }
    digits.into_iter().map(char::from).collect()
}

/// Every eighth power of ten from 10^-348 to 10^340, rounded to 64 bits.
#[rustfmt::skip]
const POWERS: [(u64, i32); 87] = [
    (0xFA8FD5A0081C0288, -1220), (0xBAAEE17FA23EBF76, -1193), (0x8B16FB203055AC76, -1166),
    (0xCF42894A5DCE35EA, -1140), (0x9A6BB0AA55653B2D, -1113), (0xE61ACF033D1A45DF, -1087),
    (0xAB70FE17C79AC6CA, -1060), (0xFF77B1FCBEBCDC4F, -1034), (0xBE5691EF416BD60C, -1007),
    (0x8DD01FAD907FFC3C, -980), (0xD3515C2831559A83, -954), (0x9D71AC8FADA6C9B5, -927),
    (0xEA9C227723EE8BCB, -901), (0xAECC49914078536D, -874), (0x823C12795DB6CE57, -847),
    (0xC21094364DFB5637, -821), (0x9096EA6F3848984F, -794), (0xD77485CB25823AC7, -768),
    (0xA086CFCD97BF97F4, -741), (0xEF340A98172AACE5, -715), (0xB23867FB2A35B28E, -688),
    (0x84C8D4DFD2C63F3B, -661), (0xC5DD44271AD3CDBA, -635), (0x936B9FCEBB25C996, -608),
    (0xDBAC6C247D62A584, -582), (0xA3AB66580D5FDAF6, -555), (0xF3E2F893DEC3F126, -529),
    (0xB5B5ADA8AAFF80B8, -502), (0x87625F056C7C4A8B, -475), (0xC9BCFF6034C13053, -449),
    (0x964E858C91BA2655, -422), (0xDFF9772470297EBD, -396), (0xA6DFBD9FB8E5B88F, -369),
    (0xF8A95FCF88747D94, -343), (0xB94470938FA89BCF, -316), (0x8A08F0F8BF0F156B, -289),
    (0xCDB02555653131B6, -263), (0x993FE2C6D07B7FAC, -236), (0xE45C10C42A2B3B06, -210),
    (0xAA242499697392D3, -183), (0xFD87B5F28300CA0E, -157), (0xBCE5086492111AEB, -130),
    (0x8CBCCC096F5088CC, -103), (0xD1B71758E219652C, -77), (0x9C40000000000000, -50),
    (0xE8D4A51000000000, -24), (0xAD78EBC5AC620000, 3), (0x813F3978F8940984, 30),
    (0xC097CE7BC90715B3, 56), (0x8F7E32CE7BEA5C70, 83), (0xD5D238A4ABE98068, 109),
    (0x9F4F2726179A2245, 136), (0xED63A231D4C4FB27, 162), (0xB0DE65388CC8ADA8, 189),
    (0x83C7088E1AAB65DB, 216), (0xC45D1DF942711D9A, 242), (0x924D692CA61BE758, 269),
    (0xDA01EE641A708DEA, 295), (0xA26DA3999AEF774A, 322), (0xF209787BB47D6B85, 348),
    (0xB454E4A179DD1877, 375), (0x865B86925B9BC5C2, 402), (0xC83553C5C8965D3D, 428),
    (0x952AB45CFA97A0B3, 455), (0xDE469FBD99A05FE3, 481), (0xA59BC234DB398C25, 508),
    (0xF6C69A72A3989F5C, 534), (0xB7DCBF5354E9BECE, 561), (0x88FCF317F22241E2, 588),
    (0xCC20CE9BD35C78A5, 614), (0x98165AF37B2153DF, 641), (0xE2A0B5DC971F303A, 667),
    (0xA8D9D1535CE3B396, 694), (0xFB9B7CD9A4A7443C, 720), (0xBB764C4CA7A44410, 747),
    (0x8BAB8EEFB6409C1A, 774), (0xD01FEF10A657842C, 800), (0x9B10A4E5E9913129, 827),
    (0xE7109BFBA19C0C9D, 853), (0xAC2820D9623BF429, 880), (0x80444B5E7AA7CF85, 907),
    (0xBF21E44003ACDD2D, 933), (0x8E679C2F5E44FF8F, 960), (0xD433179D9C8CB841, 986),
    (0x9E19DB92B4E31BA9, 1013), (0xEB96BF6EBADF77D9, 1039), (0xAF87023B9BF0EE6B, 1066),
];

#[cfg(test)]
mod tests {
    use super::{seventeen, shortest_form};

    /// What Redis 7.4 to 8.6 and Valkey 8.0 to 9.1 were found to digest.
    #[test]
    fn numbers_look_as_in_new_servers() {
        for (number, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (-17.5, "-17.5"),
            (1.1, "1.1"),
            (0.001, "0.001"),
            (1e17, "1e+17"),
            (123_456_789_012_345_680.0, "123456789012345680"),
            (9_007_199_254_740_992.0, "9007199254740992"),
            (1_234_567_890_123_456.7, "1234567890123456.7"),
            (1e-7, "1e-7"),
            (1.5e300, "1.5e+300"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(shortest_form(number), text);
        }
    }

    #[test]
    fn numbers_look_as_in_c() {
        for (number, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (-17.5, "-17.5"),
            (0.1, "0.10000000000000001"),
            (1e16, "10000000000000000"),
            (1e17, "1e+17"),
            (123_456_789_012_345_680.0, "1.2345678901234568e+17"),
            (0.0001, "0.0001"),
            (0.00001, "1.0000000000000001e-05"),
            (1e300, "1.0000000000000001e+300"),
            (5e-324, "4.9406564584124654e-324"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(seventeen(number), text);
        }
    }

    /// Scores of which the servers print other digits than the standard library: what Redis 8.6 replied to ZMSCORE.
    #[test]
    fn digits_are_those_of_the_servers() {
        for (bits, text) in [
            (0xC30D8B7628DBD25E, "-1039514241563211.7"),
            (0xD03B0BAEF4CA77CA, "-3.1316709716158578e+78"),
            (0x0C697733E305B655, "7.1135782437256335e-249"),
            (0xDA0F7278545ECB31, "-6.6522640872283444e+125"),
            (0xB89B481D2F4AD38D, "-5.1311165974225907e-36"),
            (0x575D0B6E970FCB38, "6.9849714622994664e+112"),
            (0x7FDE2A8592BB0A6E, "8.4733425110354135e+307"),
            (0x60727666CC0942A5, "3.9606677620944754e+156"),
            (0x4FA6B6BF1D573628, "5.1368839295983324e+75"),
            (0x99C5E6F520CA8DEF, "-1.6107938692810249e-184"),
            (0xD8950B7622BA92AB, "-5.3069197530524326e+118"),
            (0xA3657073C52FB255, "-3.6006584069477857e-138"),
            (0x84660236BD7811DE, "-1.8067060941985126e-287"),
            (0x8C72372FA207C86B, "-1.0176685880271901e-248"),
            (0xC303912827E8F576, "-688453276475054.7"),
            (0x5A6FE851CDC02999, "4.3197731125661987e+127"),
        ] {
            assert_eq!(shortest_form(f64::from_bits(bits)), text);
        }
    }

    #[test]
    fn digits_stand_for_the_number() {
        let mut rng = testkit::rng::Rng::new(9);
        let mut shortest = 0;
        for _ in 0..50_000 {
            let number = f64::from_bits(rng.below(u64::MAX));
            if number.is_finite() {
                let text = shortest_form(number);
                assert_eq!(text.parse(), Ok(number), "{text}");
                let digits =
                    |text: &str| text.split('e').next().unwrap_or("").bytes().filter(u8::is_ascii_digit).count();
                shortest += usize::from(digits(&format!("{number:e}")) >= digits(&text));
            }
        }
        assert!(shortest > 49_000, "{shortest}");
    }
}
