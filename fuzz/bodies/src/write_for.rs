//! What is written for another server: sound, with the same data, or refused.

use std::collections::BTreeSet;
use std::io::Cursor;

use redis_persistence::rewrite::{Kind, NotWritten, OnDuplicate, Options, plan};
use redis_persistence::servers::{Release, Settings, Target};
use redis_persistence::verify::{self, Verdict};
use redis_persistence::{Limits, digest};

/// A byte that chooses a server, whether collections are encoded anew, and whether the file is merged with itself; an RDB.
pub fn write_for(data: &[u8]) {
    let [choice, data @ ..] = data else { return };
    let target = Target::ALL[usize::from(*choice) % Target::ALL.len()];
    let mut options = Options::new(Release::from(target).dialect(&Settings::default()));
    options.anew = choice & 0x80 != 0;
    options.verify.limits = Limits { packed_bytes: 4 << 20, ..Limits::default() };
    options.verify.now_ms = Some(1_700_000_000_000);
    options.on_duplicate = Some(OnDuplicate::Last);
    let mut sources = vec![Cursor::new(data); if choice & 0x40 != 0 { 2 } else { 1 }];
    let mut made = plan(&mut sources, &options);
    if let Err(NotWritten::Refused { by_kind, .. }) = &made {
        let kinds: BTreeSet<Kind> = by_kind.keys().copied().collect();
        options.without.clone_from(&kinds);
        made = plan(&mut sources, &options);
        if let Err(NotWritten::Refused { by_kind, .. }) = &made {
            let again: Vec<_> = by_kind.keys().filter(|kind| kinds.contains(kind)).collect();
            assert!(again.iter().all(|kind| !Kind::NAMES.contains(&kind.as_str())), "{again:?}");
        }
    }
    let Ok(made) = made else { return };
    let mut out = Vec::new();
    let written = made.write(&mut sources, &mut out).expect("memory can be read and written");
    assert_eq!((written.bytes, written.keys), (out.len() as u64, made.keys));
    let report = verify::slice(&out, &options.verify);
    assert_eq!(report.verdict, Verdict::Sound, "{target}: {:?}", report.findings);
    assert_eq!((report.counts.keys, report.counts.expires), (made.keys, made.expires));
    let found = digest::reader(&out[..], &digest::Options::default()).expect("it is sound");
    assert_eq!(found.digest, made.digest, "{target}");
}
