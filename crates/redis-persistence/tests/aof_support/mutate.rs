//! Makes small valid append-only files and damages them, from a seed.

use testkit::resp::record;

/// A small generator of numbers (splitmix64), so that a seed names a case for ever.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).expect("below a usize")
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }
}

fn word(random: &mut Random) -> Vec<u8> {
    let length = [0, 1, 3, 9, 40, 200][random.below(6)];
    (0..length).map(|_| if random.below(9) == 0 { random.byte() } else { b'a' + random.byte() % 5 }).collect()
}

/// Commands, transactions and stamps as a server writes them.
pub fn valid(random: &mut Random) -> Vec<u8> {
    let mut out = Vec::new();
    let mut time = 1_700_000_000;
    let mut open = false;
    for _ in 0..1 + random.below(8) {
        match random.below(8) {
            0 => {
                time += random.below(4);
                out.extend_from_slice(format!("#TS:{time}\r\n").as_bytes());
            }
            1 => {
                out.extend(record(&[if open { "EXEC" } else { "multi" }]));
                open = !open;
            }
            2 => out.extend(record(&[&b"SELECT"[..], &[b'0' + random.byte() % 10]])),
            _ => {
                let mut args = vec![b"SET".to_vec()];
                args.extend((0..random.below(4)).map(|_| word(random)));
                out.extend(record(&args));
            }
        }
    }
    if open {
        out.extend(record(&["EXEC"]));
    }
    out
}

/// Pieces that mean something to a parser.
const TOKENS: [&[u8]; 24] = [
    b"*",
    b"$",
    b"\r\n",
    b"\n",
    b"\r",
    b"#",
    b"#TS:1700000009\r\n",
    b"-",
    b"+",
    b" ",
    b"0",
    b"9",
    b"00000000",
    b"\0",
    b"*0\r\n",
    b"*-1\r\n",
    b"*1\r\n$4\r\nEXEC\r\n",
    b"*1\r\n$5\r\nMULTI\r\n",
    b"*2\r\n$5\r\nmulti\r\n",
    b"99999999999999999999",
    b"9223372036854775807",
    b"$-1\r\n",
    b"MULTI\0",
    b"\xde",
];

/// Damages a file in one to three places. No line begins with `file` afterwards: the tool would take it for a manifest.
pub fn damage(data: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..1 + random.below(3) {
        if data.is_empty() {
            return;
        }
        let at = random.below(data.len());
        let end = (at + 1 + random.below(12)).min(data.len());
        match random.below(8) {
            0 => data[at] ^= 1 << random.below(8),
            1 => data[at] = random.byte(),
            2 => drop(data.drain(at..end)),
            3 => data.truncate(at),
            4 => drop(data.splice(at..at, data[at..end].to_vec())),
            5 => drop(data.splice(at..at, vec![b'0'; random.below(300)])),
            6 => drop(data.splice(at..end, TOKENS[random.below(TOKENS.len())].to_vec())),
            _ => drop(data.splice(at..at, TOKENS[random.below(TOKENS.len())].to_vec())),
        }
    }
    while let Some(at) = data.windows(5).position(|five| five.ends_with(b"file")) {
        data[at + 1] = b'F';
    }
}
