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
    let hidden = match choice % 4 {
        0 => hex(&rdb),
        1 => [b"\"", rdb.escape_ascii().to_string().as_bytes(), b"\"\n"].concat(),
        2 => [b"a line before it\n", &rdb[..]].concat(),
        _ => rdb.iter().flat_map(|byte| [*byte, 0]).collect(),
    };
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

fn hex(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect()
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
    disguise.reader(&data).read_to_end(&mut out).expect("it was read before");
    assert_eq!(out.len() as u64, disguise.length);
    assert_eq!(verify::slice(&out, &options()).counts.keys, disguise.report.counts.keys);
    Some(out)
}
