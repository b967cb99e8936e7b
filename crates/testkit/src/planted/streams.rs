//! Faults of streams.

use super::{KEY, Plant};
use crate::rdb::{
    Consumer, EntryFields, Group, Idmp, Listpack, Mark, MarkKind, Pending, Producer, RdbWriter, Stream, StreamEntry,
    StreamId, StreamNode, StreamVersion,
};

const TIME: i64 = 1_700_000_000_000;

fn id(ms: u64) -> StreamId {
    StreamId::new(ms, 0)
}

fn entry(ms: u64) -> StreamEntry {
    StreamEntry { id: id(ms), deleted: false, fields: EntryFields::Shared(vec![b"v".to_vec()]) }
}

fn node(first: u64, second: u64) -> StreamNode {
    let entries = vec![entry(first), entry(second)];
    StreamNode { master: id(first), fields: vec![b"f".to_vec()], entries, ..StreamNode::default() }
}

fn pending(ms: u64) -> Pending {
    Pending { id: id(ms), time: TIME, count: 1 }
}

fn consumer(name: &[u8], owned: &[u64]) -> Consumer {
    Consumer { name: name.to_vec(), seen: TIME, active: -1, owned: owned.iter().map(|ms| id(*ms)).collect() }
}

/// Two nodes with the entries 1, 3, 5 and 7, a group with two consumers, and a producer.
fn sound() -> Stream {
    let group = Group {
        name: b"group".to_vec(),
        last: id(5),
        entries_read: 3,
        pending: vec![pending(1), pending(3), pending(5)],
        consumers: vec![consumer(b"alice", &[1, 5]), consumer(b"bob", &[3])],
        nacked: Vec::new(),
    };
    Stream {
        version: StreamVersion::V5,
        nodes: vec![node(1, 3), node(5, 7)],
        length: 4,
        last: id(7),
        first: id(1),
        max_deleted: id(0),
        entries_added: 4,
        groups: vec![group],
        idmp: Idmp {
            producers: vec![Producer { id: b"p".to_vec(), messages: vec![(b"m".to_vec(), id(7))] }],
            added: 1,
            ..Idmp::default()
        },
    }
}

/// Writes the stream after a change.
fn changed(w: &mut RdbWriter, change: impl FnOnce(&mut Stream)) -> Vec<Mark> {
    let mut stream = sound();
    change(&mut stream);
    w.key(27, KEY);
    w.take_marks();
    stream.encode(w);
    w.take_marks()
}

/// Where the mark number `n` of that kind begins.
fn nth(marks: &[Mark], kind: MarkKind, n: usize) -> usize {
    marks.iter().filter(|mark| mark.kind == kind).nth(n).map_or(usize::MAX, |mark| mark.start)
}

/// Behind the mark number `n` of that kind.
fn behind(marks: &[Mark], kind: MarkKind, n: usize) -> usize {
    marks.iter().filter(|mark| mark.kind == kind).nth(n).map_or(usize::MAX, |mark| mark.end)
}

/// The numbers of a stream stand behind its last node.
fn numbers(marks: &[Mark]) -> usize {
    let last = marks.iter().rfind(|mark| mark.kind == MarkKind::Listpack);
    last.map_or(usize::MAX, |mark| mark.end)
}

/// A byte of the listpack of a node.
fn in_node(marks: &[Mark], node: usize, at: usize) -> usize {
    let mark = marks.iter().filter(|mark| mark.kind == MarkKind::Listpack).nth(node);
    mark.and_then(|mark| mark.body).map_or(usize::MAX, |body| body + at)
}

/// Three numbers of two bytes behind the header, a name of three, the end of the master entry of two.
const FIRST_ENTRY: usize = 6 + 6 + 3 + 2;
/// Flags, two differences, a value, a count.
const ENTRY: usize = 2 + 2 + 2 + 3 + 2;

pub(super) fn plants() -> Vec<Plant> {
    use MarkKind::{Count, Element, NackedId, OwnedId, PendingId};
    let records = |code, write| Plant::records(code, write).since(14);
    vec![
        records("stream-bad-node-id", |w| {
            w.key(15, KEY).len(1);
            let start = w.pos();
            w.str(b"fifteen bytes !").str(&node(1, 3).listpack()).len(2).len(3).len(0).len(0);
            start
        }),
        records("stream-bad-node", |w| {
            w.key(15, KEY).len(1).str(&id(1).bytes());
            let list = Listpack::of(["1", "0", "1", "f", "0", "2", "0", "0", "v", "5"]);
            w.str(&list);
            let start = w.pos() - list.len() + FIRST_ENTRY;
            w.len(1).len(1).len(0).len(0);
            start
        }),
        records("stream-duplicate-node", |w| nth(&changed(w, |s| s.nodes[1].master = id(1)), Element, 1)),
        records("stream-node-order", |w| nth(&changed(w, |s| s.nodes.swap(0, 1)), Element, 1)),
        records("stream-node-count", |w| in_node(&changed(w, |s| s.nodes[0].deleted = Some(1)), 0, 6)),
        records("stream-entry-order", |w| {
            in_node(&changed(w, |s| s.nodes[0].entries[1].id = id(1)), 0, FIRST_ENTRY + ENTRY)
        }),
        records("stream-length-mismatch", |w| numbers(&changed(w, |s| s.length = 9))),
        records("stream-entries-added", |w| numbers(&changed(w, |s| s.entries_added = 2))),
        records("stream-entries-read-range", |w| {
            behind(&changed(w, |s| s.groups[0].entries_read = u64::MAX - 1), Element, 2)
        }),
        records("stream-duplicate-group", |w| nth(&changed(w, |s| s.groups.push(s.groups[0].clone())), Element, 5)),
        records("stream-duplicate-consumer", |w| {
            nth(&changed(w, |s| s.groups[0].consumers[1].name = b"alice".to_vec()), Element, 4)
        }),
        records("stream-duplicate-pending", |w| {
            nth(&changed(w, |s| s.groups[0].pending.insert(1, pending(1))), PendingId, 1)
        }),
        records("stream-pending-unknown", |w| {
            nth(&changed(w, |s| s.groups[0].consumers[1].owned.push(id(4))), OwnedId, 3)
        }),
        records("stream-pending-shared", |w| {
            nth(&changed(w, |s| s.groups[0].consumers[1].owned.push(id(5))), OwnedId, 3)
        }),
        records("stream-pending-unowned", |w| {
            nth(&changed(w, |s| s.groups[0].consumers[1].owned.clear()), PendingId, 1)
        }),
        records("stream-nack-invalid", |w| nth(&changed(w, |s| s.groups[0].nacked.push(id(4))), NackedId, 0)),
        records("stream-idmp-invalid", |w| behind(&changed(w, |s| s.idmp.duration = 0), Count, 6)),
    ]
}
