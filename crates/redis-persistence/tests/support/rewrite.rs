//! Writes what was read.

use redis_persistence::Limits;
use redis_persistence::rdb::{Event, Events, Payload, Writer};

/// Reads a file and writes what was read; nothing if it cannot be read.
pub fn rewrite(data: &[u8], limits: &Limits) -> Option<Vec<u8>> {
    let all: Vec<Event<&[u8]>> = Events::with_limits(data, limits.clone()).collect::<Result<_, _>>().ok()?;
    let Payload::Header(header) = all.first()?.payload else { return None };
    let mut writer = Writer::new(Vec::new(), header.family, header.version).ok()?;
    for event in &all {
        writer.event(event).expect("memory can be written");
    }
    Some(writer.finish().expect("memory can be written"))
}
