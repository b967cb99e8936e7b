//! Random streams whose counters, ids and owners are true.

use super::Source;
use super::values::element;
use crate::Bytes;
use crate::rdb::stream::{
    Consumer, EntryFields, Group, Idmp, Pending, Producer, Stream, StreamEntry, StreamId, StreamNode, StreamVersion,
};

/// The year 2023, when all random streams begin.
const BEGIN_MS: u64 = 1_700_000_000_000;
/// When all random deliveries were made: after every entry.
const DELIVERED_MS: i64 = 1_700_100_000_000;

impl Source<'_> {
    pub(super) fn stream(&mut self, version: StreamVersion) -> Stream {
        let nodes = if self.rng.chance(10) { Vec::new() } else { self.nodes() };
        let entries = || nodes.iter().flat_map(|node| &node.entries);
        let ids = |deleted| entries().filter(|e| e.deleted == deleted).map(|e| e.id).collect::<Vec<_>>();
        let (live, dead) = (ids(false), ids(true));
        let newest = entries().last().map_or(StreamId::new(BEGIN_MS, 3), |entry| entry.id);
        let last = if self.rng.chance(20) { StreamId::new(newest.ms + 1, 0) } else { newest };
        // Of an empty stream every entry was deleted, the newest too.
        let newest_dead = dead.last().copied().unwrap_or_default();
        let max_deleted = if live.is_empty() { last } else { newest_dead };
        let gone = if live.is_empty() { 1 } else { self.rng.below(4) };
        let mut stream = Stream {
            version,
            length: live.len() as u64,
            last,
            first: live.first().copied().unwrap_or_default(),
            max_deleted,
            entries_added: (live.len() + dead.len()) as u64 + gone,
            groups: Vec::new(),
            idmp: self.idmp(&live),
            nodes,
        };
        for name in self.some_names() {
            let group = self.group(&stream, name, &live);
            stream.groups.push(group);
        }
        stream
    }

    fn nodes(&mut self) -> Vec<StreamNode> {
        let mut id = StreamId::new(BEGIN_MS, self.rng.below(3));
        (0..self.rng.size(1..=3))
            .map(|_| {
                let fields = self.few(Self::members);
                let master = next_id(self, &mut id);
                let mut entries: Vec<StreamEntry> = Vec::new();
                for i in 0..self.count() {
                    let id = if i == 0 { master } else { next_id(self, &mut id) };
                    let deleted = self.rng.chance(20);
                    entries.push(StreamEntry { id, deleted, fields: self.entry_fields(&fields) });
                }
                // A node without a living entry is freed at once.
                if entries.iter().all(|entry| entry.deleted) {
                    entries[0].deleted = false;
                }
                StreamNode { master, fields, entries, live: None, deleted: None }
            })
            .collect()
    }

    /// Runs `make` with small collections, or the fields of all entries would grow with the square of the budget.
    fn few<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> T {
        let most = self.most;
        self.most = most.min(6);
        let made = make(self);
        self.most = most;
        made
    }

    fn entry_fields(&mut self, shared: &[Bytes]) -> EntryFields {
        if self.rng.chance(60) {
            EntryFields::Shared(shared.iter().map(|_| element(self.rng)).collect())
        } else {
            EntryFields::Own(self.few(Self::pairs))
        }
    }

    /// Up to three names, ascending as the servers write them.
    fn some_names(&mut self) -> Vec<Bytes> {
        let n = self.rng.size(0..=3);
        let mut names: Vec<Bytes> = (0..n).map(|_| element(self.rng)).filter(|name| !name.is_empty()).collect();
        names.sort();
        names.dedup();
        names
    }

    fn group(&mut self, stream: &Stream, name: Bytes, live: &[StreamId]) -> Group {
        let (last, entries_read) = match self.rng.below(3) {
            0 => (StreamId::default(), 0),
            1 => (stream.last, stream.entries_added),
            _ => (live.get(live.len() / 2).copied().unwrap_or_default(), u64::MAX),
        };
        let v5 = stream.version >= StreamVersion::V5;
        let mut consumers: Vec<Consumer> = self
            .some_names()
            .into_iter()
            .map(|name| Consumer { name, seen: DELIVERED_MS, active: -1, owned: Vec::new() })
            .collect();
        let (mut pending, mut nacked) = (Vec::new(), Vec::new());
        for &id in live.iter().filter(|&&id| id <= last) {
            if self.rng.chance(40) {
                continue;
            }
            let count = self.rng.range(1..=5);
            let owner = self.rng.size(0..=consumers.len());
            if let Some(consumer) = consumers.get_mut(owner) {
                consumer.active = DELIVERED_MS;
                consumer.owned.push(id);
                pending.push(Pending { id, time: DELIVERED_MS - 1000, count });
            } else if v5 {
                nacked.push(id);
                pending.push(Pending { id, time: 0, count });
            }
        }
        self.rng.shuffle(&mut nacked);
        Group { name, last, entries_read, pending, consumers, nacked }
    }

    fn idmp(&mut self, live: &[StreamId]) -> Idmp {
        let names = if live.is_empty() { Vec::new() } else { self.some_names() };
        let producers: Vec<Producer> = names
            .into_iter()
            .map(|id| {
                let known = self.rng.size(1..=live.len().min(20));
                let messages = live[..known].iter().map(|&id| (format!("m{}-{}", id.ms, id.seq).into_bytes(), id));
                Producer { id, messages: messages.collect() }
            })
            .collect();
        let known: usize = producers.iter().map(|producer| producer.messages.len()).sum();
        let duplicates = if known == 0 { 0 } else { self.rng.below(5) };
        Idmp { producers, added: known as u64, duplicates, ..Idmp::default() }
    }
}

/// An id above all before it. A new millisecond begins with a small number, so numbers go down now and then.
fn next_id(source: &mut Source<'_>, id: &mut StreamId) -> StreamId {
    match source.rng.below(3) {
        0 => id.seq += source.rng.range(1..=3),
        _ => *id = StreamId::new(id.ms + source.rng.range(1..=5000), source.rng.below(4)),
    }
    *id
}
