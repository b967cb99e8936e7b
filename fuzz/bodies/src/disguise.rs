//! RDBs and answers of DUMP in disguise: text around them, base64, hex, escapes, characters of another encoding.

use std::io::Read as _;

use rdbcheck::disguise::{is_suspected, look};
use redis_persistence::verify::{self, Options};

/// So many first bytes decide on the form.
const HEAD: usize = 64 << 10;

/// The bytes as they come, and in forms of which it is known what comes out.
pub fn disguise(data: &[u8]) {
    undone(data);
    let Some((choice, rest)) = data.split_first() else { return };
    let rdb = [&b"REDIS0011"[..], rest].concat();
    let form = FORMS[usize::from(*choice) % FORMS.len()];
    let hidden = form(&rdb);
    let whole = verify::slice(&rdb, &options());
    let found = undone(&hidden);
    // What is proven by its checksum is found in any form; what follows it may be left out.
    if whole.checksum == Some(verify::Checksum::Ok) && whole.verdict == verify::Verdict::Sound {
        let found = found.expect("an RDB lies in it");
        assert!(rdb.starts_with(&found), "{choice}");
    }
}

fn options() -> Options {
    Options { functions: None, ..Options::default() }
}

type Form = fn(&[u8]) -> Vec<u8>;

/// Forms in which an RDB is written.
const FORMS: [Form; 12] = [
    |rdb| each(rdb, |byte| format!("{byte:02x}")),
    |rdb| [b"\"", rdb.escape_ascii().to_string().as_bytes(), b"\"\n"].concat(),
    |rdb| [b"a line before it\n", rdb].concat(),
    |rdb| rdb.iter().flat_map(|byte| [*byte, 0]).collect(),
    |rdb| [b"{\"type\":\"Buffer\",\"data\":[".to_vec(), each(rdb, |byte| format!("{byte},")), b"0]}".to_vec()].concat(),
    |rdb| [b"unsigned char x[] = {\n".to_vec(), each(rdb, |byte| format!("0x{byte:02x},\n")), b"};".to_vec()].concat(),
    |rdb| [b"\"".to_vec(), each(rdb, |byte| format!("\\{byte:03o}")), b"\"".to_vec()].concat(),
    |rdb| {
        each(
            rdb,
            |byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("={byte:02X}") },
        )
    },
    |rdb| {
        lines(rdb, 16, |at, line| {
            format!("{at:08x}: {}  text", line.iter().map(|b| format!("{b:02x} ")).collect::<String>())
        })
    },
    |rdb| {
        lines(rdb, 16, |at, line| format!("{at:07o}{}", line.iter().map(|b| format!(" {b:03o}")).collect::<String>()))
    },
    |rdb| [b"begin 644 x\n".to_vec(), lines(rdb, 45, |_, line| uuencoded(line)), b"`\nend\n".to_vec()].concat(),
    |rdb| [b"HTTP/1.1 200 OK\r\n\r\n", rdb].concat(),
];

fn each(bytes: &[u8], text: fn(u8) -> String) -> Vec<u8> {
    bytes.iter().flat_map(|byte| text(*byte).into_bytes()).collect()
}

fn lines(bytes: &[u8], width: usize, text: fn(usize, &[u8]) -> String) -> Vec<u8> {
    let line = |(n, line): (usize, &[u8])| format!("{}\n", text(n * width, line)).into_bytes();
    bytes.chunks(width).enumerate().flat_map(line).collect()
}

fn uuencoded(line: &[u8]) -> String {
    let letter =
        |value: usize| char::from(b" !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_"[value & 63]);
    let mut text = letter(line.len()).to_string();
    for three in line.chunks(3) {
        let bits = (0..3).fold(0, |bits, at| bits << 8 | usize::from(three.get(at).copied().unwrap_or(0)));
        text.extend([18, 12, 6, 0].map(|shift| letter(bits >> shift)));
    }
    text
}

/// What comes out of bytes, if they hold an RDB in disguise: it is as long as was said, and holds as many keys.
fn undone(data: &[u8]) -> Option<Vec<u8>> {
    let head = &data[..data.len().min(HEAD)];
    let _ = is_suspected(head);
    let report = verify::slice(data, &options());
    let looked = look(&data, data.len() as u64, head, report, &options()).expect("memory does not fail");
    if let Some(cause) = &looked.cause {
        assert!(!cause.message.is_empty() && !cause.evidence.is_empty());
    }
    let disguise = looked.disguise?;
    let mut out = Vec::new();
    disguise.reader(&data).expect("it was opened before").read_to_end(&mut out).expect("it was read before");
    assert_eq!(out.len() as u64, disguise.length);
    assert_eq!(verify::slice(&out, &options()).counts.keys, disguise.report.counts.keys);
    Some(out)
}
