//! Streams: types 15, 19, 21, 26 and 27.
//!
//! ```text
//! nodes     16-byte master id and a listpack each
//! length, last id, [v2: first id, greatest deleted id, entries added]
//! groups    name, last id, [v2: entries read], pending entries, consumers, [v5: ids without an owner]
//! [v4: duration, maximum, producers with their ids, two counters]
//! ```

use super::listpack::Listpack;
use super::writer::{MarkKind, RdbWriter};
use crate::Bytes;

/// An entry id: milliseconds and sequence number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct StreamId {
    /// Milliseconds.
    pub ms: u64,
    /// Sequence number within the millisecond.
    pub seq: u64,
}

impl StreamId {
    /// The id `ms-seq`.
    #[must_use]
    pub fn new(ms: u64, seq: u64) -> Self {
        Self { ms, seq }
    }

    /// The 16 bytes of the form that sorts.
    #[must_use]
    pub fn bytes(self) -> [u8; 16] {
        (u128::from(self.ms) << 64 | u128::from(self.seq)).to_be_bytes()
    }
}

/// The layouts that streams had, by their first server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StreamVersion {
    /// Type 15, 5.0.
    V1,
    /// Type 19, 7.0.
    V2,
    /// Type 21, 7.2 and Valkey.
    V3,
    /// Type 26, 8.6.
    V4,
    /// Type 27, 8.8.
    V5,
}

impl StreamVersion {
    /// The type byte.
    #[must_use]
    pub fn type_byte(self) -> u8 {
        match self {
            Self::V1 => 15,
            Self::V2 => 19,
            Self::V3 => 21,
            Self::V4 => 26,
            Self::V5 => 27,
        }
    }
}

/// A stream. Nothing in it is derived: counters say what the caller put there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// Which layout to write.
    pub version: StreamVersion,
    /// The nodes; servers write them in ascending order of id.
    pub nodes: Vec<StreamNode>,
    /// Number of living entries.
    pub length: u64,
    /// The last id ever given.
    pub last: StreamId,
    /// The first living entry (v2).
    pub first: StreamId,
    /// The greatest id that was deleted (v2).
    pub max_deleted: StreamId,
    /// How many entries were ever added (v2).
    pub entries_added: u64,
    /// Consumer groups, ascending by name.
    pub groups: Vec<Group>,
    /// The producers known for idempotent adding (v4).
    pub idmp: Idmp,
}

/// One node: entries that share a listpack and the names of their fields.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StreamNode {
    /// The id that the entries are relative to.
    pub master: StreamId,
    /// The names that entries may share.
    pub fields: Vec<Bytes>,
    /// The entries, ascending.
    pub entries: Vec<StreamEntry>,
    /// What the node says instead of its true number of living entries.
    pub live: Option<i64>,
    /// What the node says instead of its true number of deleted entries.
    pub deleted: Option<i64>,
}

/// One entry of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamEntry {
    /// Its id.
    pub id: StreamId,
    /// Deleted, but still there.
    pub deleted: bool,
    /// Its fields.
    pub fields: EntryFields,
}

/// The fields of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryFields {
    /// Values for the names of the node.
    Shared(Vec<Bytes>),
    /// Names and values of its own.
    Own(Vec<(Bytes, Bytes)>),
}

/// A consumer group.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Group {
    /// Its name.
    pub name: Bytes,
    /// The last id that was delivered.
    pub last: StreamId,
    /// How many entries it has read (v2); `u64::MAX` = unknown.
    pub entries_read: u64,
    /// Entries delivered and not acknowledged, ascending.
    pub pending: Vec<Pending>,
    /// Consumers, ascending by name.
    pub consumers: Vec<Consumer>,
    /// Pending entries that were given back and have no owner (v5), in the order of giving back.
    pub nacked: Vec<StreamId>,
}

/// One pending entry of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pending {
    /// Which entry.
    pub id: StreamId,
    /// When it was delivered last, in ms.
    pub time: i64,
    /// How often.
    pub count: u64,
}

/// One consumer of a group.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Consumer {
    /// Its name.
    pub name: Bytes,
    /// When it last tried, in ms.
    pub seen: i64,
    /// When it last got something (v3), in ms; -1 = never.
    pub active: i64,
    /// The pending entries that it owns, ascending.
    pub owned: Vec<StreamId>,
}

/// What v4 keeps for adding each message once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idmp {
    /// Seconds that an id is remembered: 1 to 86400.
    pub duration: u64,
    /// Ids remembered per producer: 1 to 10000.
    pub max_entries: u64,
    /// Producers, ascending by id.
    pub producers: Vec<Producer>,
    /// Messages added under an id.
    pub added: u64,
    /// Messages refused because their id was known.
    pub duplicates: u64,
}

impl Default for Idmp {
    fn default() -> Self {
        Self { duration: 100, max_entries: 100, producers: Vec::new(), added: 0, duplicates: 0 }
    }
}

/// A producer and the ids that it gave to its messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Producer {
    /// Its id.
    pub id: Bytes,
    /// The id of each message and the entry it became.
    pub messages: Vec<(Bytes, StreamId)>,
}

impl StreamNode {
    /// The listpack of this node.
    #[must_use]
    pub fn listpack(&self) -> Vec<u8> {
        let count = |deleted| self.entries.iter().filter(|e| e.deleted == deleted).count();
        let number = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        let mut lp = Listpack::new();
        lp.int(self.live.unwrap_or(number(count(false)))).int(self.deleted.unwrap_or(number(count(true))));
        lp.int(number(self.fields.len()));
        for field in &self.fields {
            lp.push(field);
        }
        lp.int(0);
        for entry in &self.entries {
            let shared = matches!(entry.fields, EntryFields::Shared(_));
            lp.int(i64::from(entry.deleted) | i64::from(shared) << 1);
            lp.int(entry.id.ms.wrapping_sub(self.master.ms).cast_signed());
            lp.int(entry.id.seq.wrapping_sub(self.master.seq).cast_signed());
            let items = match &entry.fields {
                EntryFields::Shared(values) => {
                    for value in values {
                        lp.push(value);
                    }
                    values.len() + 3
                }
                EntryFields::Own(pairs) => {
                    lp.int(number(pairs.len()));
                    for (field, value) in pairs {
                        lp.push(field).push(value);
                    }
                    2 * pairs.len() + 4
                }
            };
            lp.int(number(items));
        }
        lp.finish()
    }
}

impl Stream {
    /// Appends the value.
    pub fn encode(&self, w: &mut RdbWriter) {
        w.count(self.nodes.len());
        for node in &self.nodes {
            w.marked_str(MarkKind::Element, &node.master.bytes());
            w.marked_str(MarkKind::Listpack, &node.listpack());
        }
        w.len(self.length);
        len_id(w, self.last);
        if self.version >= StreamVersion::V2 {
            len_id(w, self.first);
            len_id(w, self.max_deleted);
            w.len(self.entries_added);
        }
        w.count(self.groups.len());
        for group in &self.groups {
            self.encode_group(w, group);
        }
        if self.version >= StreamVersion::V4 {
            self.encode_idmp(w);
        }
    }

    fn encode_group(&self, w: &mut RdbWriter, group: &Group) {
        w.marked_str(MarkKind::Element, &group.name);
        len_id(w, group.last);
        if self.version >= StreamVersion::V2 {
            w.len(group.entries_read);
        }
        w.count(group.pending.len());
        for pending in &group.pending {
            raw_id(w, MarkKind::PendingId, pending.id);
            w.i64_le(pending.time).len(pending.count);
        }
        w.count(group.consumers.len());
        for consumer in &group.consumers {
            w.marked_str(MarkKind::Element, &consumer.name).i64_le(consumer.seen);
            if self.version >= StreamVersion::V3 {
                w.i64_le(consumer.active);
            }
            w.count(consumer.owned.len());
            for &id in &consumer.owned {
                raw_id(w, MarkKind::OwnedId, id);
            }
        }
        if self.version >= StreamVersion::V5 {
            w.count(group.nacked.len());
            for &id in &group.nacked {
                raw_id(w, MarkKind::NackedId, id);
            }
        }
    }

    fn encode_idmp(&self, w: &mut RdbWriter) {
        w.len(self.idmp.duration).len(self.idmp.max_entries).count(self.idmp.producers.len());
        for producer in &self.idmp.producers {
            w.marked_str(MarkKind::Element, &producer.id).count(producer.messages.len());
            for (message, id) in &producer.messages {
                w.marked_str(MarkKind::Element, message);
                len_id(w, *id);
            }
        }
        w.len(self.idmp.added).len(self.idmp.duplicates);
    }
}

fn len_id(w: &mut RdbWriter, id: StreamId) {
    w.len(id.ms).len(id.seq);
}

fn raw_id(w: &mut RdbWriter, kind: MarkKind, id: StreamId) {
    let start = w.pos();
    w.raw(&id.bytes()).mark(kind, start);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_of_the_real_sample() {
        // From a file of Redis 8.6.3: entries 5-1, X-0 and X-1; the last has names of its own.
        let x = 1_781_777_293_311;
        let entry = |ms, seq, fields| StreamEntry { id: StreamId::new(ms, seq), deleted: false, fields };
        let pair = |f: &str, v: &str| (f.as_bytes().to_vec(), v.as_bytes().to_vec());
        let node = StreamNode {
            master: StreamId::new(5, 1),
            fields: vec![b"f".to_vec()],
            entries: vec![
                entry(5, 1, EntryFields::Shared(vec![b"v".to_vec()])),
                entry(5, 2, EntryFields::Own(vec![pair("f", "w"), pair("g", "x")])),
                entry(x, 0, EntryFields::Shared(vec![b"a".to_vec()])),
            ],
            ..StreamNode::default()
        };
        let lp = node.listpack();
        let items: Vec<String> = super::super::naive_listpack(&lp)
            .expect("sound")
            .iter()
            .map(|i| String::from_utf8(i.text()).expect("text"))
            .collect();
        let want = "3 0 1 f 0 2 0 0 v 4 0 0 1 2 f w g x 8 2 1781777293306 -1 a 4";
        assert_eq!(items.join(" "), want);
    }
}
