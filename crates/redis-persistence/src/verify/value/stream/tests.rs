#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::base::limits::Limits;
use crate::report::finding::Finding;
use crate::verify::value::testing::{Checked, check, check_within};
use testkit::rdb::{
    Consumer, EntryFields, Family as Magic, File, Group, Idmp as Producers, Key, KeySpan, Listpack, MarkKind, Pending,
    Producer, RdbWriter, Stream, StreamEntry, StreamId, StreamNode, StreamVersion, Value,
};
use testkit::rng::Rng;

const VERSIONS: [(StreamVersion, u32); 5] = [
    (StreamVersion::V1, 9),
    (StreamVersion::V2, 10),
    (StreamVersion::V3, 11),
    (StreamVersion::V4, 13),
    (StreamVersion::V5, 14),
];

fn sid(ms: u64) -> StreamId {
    StreamId::new(ms, 0)
}

fn living(ms: u64) -> StreamEntry {
    StreamEntry { id: sid(ms), deleted: false, fields: EntryFields::Shared(vec![b"v".to_vec()]) }
}

fn deleted(ms: u64) -> StreamEntry {
    StreamEntry { deleted: true, ..living(ms) }
}

fn node(entries: Vec<StreamEntry>) -> StreamNode {
    StreamNode { master: entries[0].id, fields: vec![b"f".to_vec()], entries, ..StreamNode::default() }
}

fn pending(ms: u64) -> Pending {
    Pending { id: sid(ms), time: 1_700_000_000_000, count: 1 }
}

fn consumer(name: &str, owned: &[u64]) -> Consumer {
    let owned = owned.iter().map(|&ms| sid(ms)).collect();
    Consumer { name: name.into(), seen: 1_700_000_000_000, active: -1, owned }
}

/// Two nodes with the living entries 1, 3, 5 and 7, and a group.
fn sound(version: StreamVersion) -> Stream {
    let mut group = Group { name: b"group".to_vec(), last: sid(5), entries_read: 3, ..Group::default() };
    group.pending = vec![pending(1), pending(3), pending(5)];
    group.consumers = vec![consumer("alice", &[1, 5]), consumer("bob", &[3])];
    let message = |name: &str| (name.as_bytes().to_vec(), sid(7));
    Stream {
        version,
        nodes: vec![node(vec![living(1), deleted(2), living(3)]), node(vec![living(5), living(7)])],
        length: 4,
        last: sid(7),
        first: sid(1),
        max_deleted: sid(2),
        entries_added: 5,
        groups: vec![group],
        idmp: Producers {
            producers: vec![Producer { id: b"p".to_vec(), messages: vec![message("a"), message("b")] }],
            added: 2,
            ..Producers::default()
        },
    }
}

/// Writes the stream, checks it, and says where it lies.
#[track_caller]
fn run(stream: Stream) -> (Checked, KeySpan) {
    let (_, version) = VERSIONS.into_iter().find(|(v, _)| *v == stream.version).unwrap();
    let mut file = File::new(Magic::Redis, version);
    file.compression = false;
    file.keys = vec![Key::new(b"stream", Value::Stream(stream))];
    let encoded = file.encode();
    (check(&encoded.bytes), encoded.keys[0].clone())
}

/// The same for one that was changed before.
#[track_caller]
fn changed(change: impl FnOnce(&mut Stream)) -> (Checked, Marks) {
    changed_of(StreamVersion::V5, change)
}

#[track_caller]
fn changed_of(version: StreamVersion, change: impl FnOnce(&mut Stream)) -> (Checked, Marks) {
    let mut stream = sound(version);
    change(&mut stream);
    let (checked, span) = run(stream);
    (checked, Marks(span))
}

struct Marks(KeySpan);

impl Marks {
    /// Where the mark number `n` of that kind begins, its body begins, and it ends.
    fn nth(&self, kind: MarkKind, n: usize) -> [u64; 3] {
        let mark = self.0.marks.iter().filter(|mark| mark.kind == kind).nth(n).unwrap();
        [mark.start as u64, mark.body.unwrap_or(0) as u64, mark.end as u64]
    }

    /// The numbers of the stream stand behind its last node.
    fn info(&self) -> u64 {
        let last = self.0.marks.iter().rfind(|mark| mark.kind == MarkKind::Listpack);
        last.map_or(self.0.value_at + 1, |mark| mark.end) as u64
    }

    /// Behind the name of that number: of nodes, then groups, consumers, producers.
    fn behind_name(&self, n: usize) -> u64 {
        self.nth(MarkKind::Element, n)[2]
    }

    /// The element number `n` of a node.
    fn in_node(&self, node: usize, n: usize, stream: &StreamNode) -> u64 {
        let blob = stream.listpack();
        let at = crate::rdb::packed::Listpack::new(&blob).unwrap().iter().nth(n).unwrap().unwrap().at;
        self.nth(MarkKind::Listpack, node)[1] + at as u64
    }
}

#[track_caller]
fn only(checked: &Checked, code: Code, start: u64, failed_at: u64) {
    assert_eq!(checked.places(), [(code, start, failed_at)], "{:#?}", checked.findings);
}

#[test]
fn sound_streams_give_nothing() {
    for (version, _) in VERSIONS {
        let (checked, _) = run(sound(version));
        assert_eq!(checked.findings, []);
        assert_eq!(checked.elements, [4]);
        assert!(checked.suspects.is_empty());
    }
    let mut rng = Rng::new(0x57);
    for (version, number) in VERSIONS {
        for round in 0..40 {
            let file = File::arbitrary_of(&mut rng, Magic::Redis, number, 120, &[version.type_byte()]);
            let encoded = file.encode();
            let checked = check(&encoded.bytes);
            let serious: Vec<&Finding> = checked.serious();
            assert!(serious.is_empty(), "{version:?} {round}: {serious:#?}");
            assert!(checked.suspects.is_empty(), "{version:?} {round}");
            let lengths = file.keys.iter().map(|key| match &key.value {
                Value::Stream(stream) => stream.length,
                other => panic!("{other:?} is no stream"),
            });
            let mut lengths: Vec<_> = lengths.collect();
            let mut elements = checked.elements.clone();
            lengths.sort_unstable();
            elements.sort_unstable();
            assert_eq!(lengths, elements, "{version:?} {round}");
        }
    }
}

#[test]
fn files_of_servers_give_nothing() {
    let files: [&[u8]; 5] = [
        include_bytes!("../../../../../../testdata/rdb/redis-6.0-streams.rdb"),
        include_bytes!("../../../../../../testdata/rdb/redis-6.2-streams.rdb"),
        include_bytes!("../../../../../../testdata/rdb/redis-7.0-streams.rdb"),
        include_bytes!("../../../../../../testdata/rdb/redis-8.6-streams.rdb"),
        include_bytes!("../../../../../../testdata/rdb/valkey-9.1-streams.rdb"),
    ];
    for file in files {
        let checked = check(file);
        assert!(checked.serious().is_empty(), "{:#?}", checked.findings);
        assert!(checked.elements.len() > 3);
    }
}

#[test]
fn node_ids() {
    let (checked, at) = changed(|s| s.nodes[1].master = s.nodes[0].master);
    let start = at.nth(MarkKind::Element, 1)[0];
    // With its id the ids of its entries have changed.
    assert_eq!(checked.places()[0], (Code::StreamDuplicateNode, start, start));
    let (checked, at) = changed(|s| s.nodes.swap(0, 1));
    let start = at.nth(MarkKind::Element, 1)[0];
    only(&checked, Code::StreamNodeOrder, start, start);
    let short = {
        let mut w = RdbWriter::redis(9);
        w.key(15, b"s").len(1).str(b"fifteen bytes !").str(&node(vec![living(1)]).listpack());
        w.len(1).len(1).len(0).len(0).finish()
    };
    only(&check(&short), Code::StreamBadNodeId, 13, 13);
    assert_eq!(check(&short).findings[0].end, Some(29));
}

#[test]
fn an_entry_that_breaks_the_form() {
    // Elements of a node: 3 numbers, "f", 0, then flags, ms, seq, value and count of each entry.
    let node_of = |elements: &[&str]| {
        let list = Listpack::of(elements);
        let mut w = RdbWriter::redis(9);
        w.compression(false).key(15, b"s").len(1).str(&sid(1).bytes());
        let blob = w.pos() as u64 + if list.len() < 64 { 1 } else { 2 };
        w.str(&list).len(1).len(1).len(0).len(0);
        let starts: Vec<u64> = crate::rdb::packed::Listpack::new(&list)
            .unwrap()
            .iter()
            .map(|entry| blob + entry.unwrap().at as u64)
            .collect();
        (check(&w.finish()), starts, blob + list.len() as u64 - 1)
    };
    let (checked, ..) = node_of(&["1", "0", "1", "f", "0", "2", "0", "0", "v", "4"]);
    assert_eq!(checked.findings, []);
    // The count behind the entry.
    let (checked, at, _) = node_of(&["1", "0", "1", "f", "0", "2", "0", "0", "v", "5"]);
    only(&checked, Code::StreamBadNode, at[5], at[9]);
    assert_eq!(checked.findings[0].element, Some(0));
    // No numbers, no end of the master entry, a negative number of fields.
    let (checked, at, _) = node_of(&["1", "0", "1", "f", "0", "x", "0", "0", "v", "4"]);
    only(&checked, Code::StreamBadNode, at[5], at[5]);
    let (checked, at, _) = node_of(&["1", "0", "1", "f", "7", "2", "0", "0", "v", "4"]);
    only(&checked, Code::StreamBadNode, at[0], at[4]);
    assert_eq!(checked.findings[0].element, None);
    let (checked, at, _) = node_of(&["1", "0", "1", "f", "0", "0", "0", "0", "-1", "2"]);
    only(&checked, Code::StreamBadNode, at[5], at[8]);
    // The listpack ends within the entry, also where the number of fields is absurd.
    let (checked, at, end) = node_of(&["1", "0", "1", "f", "0", "2", "0", "0", "v"]);
    only(&checked, Code::StreamBadNode, at[5], end);
    let (checked, at, end) = node_of(&["1", "0", "1", "f", "0", "0", "0", "0", "9223372036854775807", "2"]);
    only(&checked, Code::StreamBadNode, at[5], end);
    // Nothing at all, so that the length is not known either.
    let (checked, _, end) = node_of(&[]);
    assert_eq!(checked.places(), [(Code::StreamBadNode, end - 6, end)]);
    // Flags.
    let (checked, at, _) = node_of(&["1", "0", "1", "f", "0", "6", "0", "0", "v", "4"]);
    only(&checked, Code::StreamUnknownFlags, at[5], at[5]);
    let (checked, at, _) = node_of(&["0", "1", "1", "f", "0", "3", "0", "0", "v", "4"]);
    assert_eq!(checked.places()[0], (Code::StreamNodeCount, at[0], at[0]));
}

#[test]
fn a_damaged_listpack_does_not_end_the_check() {
    let mut blob = sound(StreamVersion::V1).nodes[0].listpack();
    let last = blob.len() - 2;
    blob[last] = 9;
    let mut w = RdbWriter::redis(9);
    w.compression(false).key(15, b"s").len(1).str(&sid(1).bytes());
    let at = w.pos() as u64 + 1;
    w.str(&blob).len(3).len(3).len(0).len(0);
    let checked = check(&w.finish());
    let (start, failed_at) = (at + last as u64 - 1, at + last as u64);
    let info = at + blob.len() as u64;
    let want = [(Code::ListpackBadBacklen, start, failed_at), (Code::StreamLengthMismatch, info, info)];
    assert_eq!(checked.places(), want);
    assert_eq!(checked.findings[0].element, Some(2));
}

#[test]
fn odd_forms_are_one_warning_for_a_node() {
    let mut list = Listpack::new();
    list.push_as(testkit::rdb::LpForm::Int16, b"1").push_as(testkit::rdb::LpForm::Int16, b"0");
    for element in ["1", "f", "0", "2", "0", "0", "v", "4"] {
        list.push(element.as_bytes());
    }
    let mut w = RdbWriter::redis(9);
    w.compression(false).key(15, b"s").len(1).str(&sid(1).bytes());
    let at = w.pos() as u64 + 1 + 6;
    w.str(&list.finish()).len(1).len(1).len(0).len(0);
    only(&check(&w.finish()), Code::PackedNoncanonical, at, at);
}

#[test]
fn counts_of_a_node() {
    let (checked, at) = changed(|s| (s.nodes[0].live, s.nodes[0].deleted) = (Some(3), Some(0)));
    let node = StreamNode { live: Some(3), deleted: Some(0), ..sound(StreamVersion::V5).nodes[0].clone() };
    let first = at.in_node(0, 0, &node);
    let want = [(Code::StreamNodeCount, first, first), (Code::StreamLengthMismatch, at.info(), at.info())];
    assert_eq!(checked.places(), want);
    let (checked, at) = changed(|s| s.nodes[0].deleted = Some(0));
    only(&checked, Code::StreamNodeCount, at.in_node(0, 0, &node), at.in_node(0, 1, &node));
    // A negative count counts for nothing, and then nobody knows the length.
    let (checked, at) = changed(|s| s.nodes[0].live = Some(-1));
    only(&checked, Code::StreamNodeCount, at.in_node(0, 0, &node), at.in_node(0, 0, &node));
}

#[test]
fn the_order_of_entries() {
    let second = |s: &mut Stream| s.nodes[1].entries[1].id = sid(5);
    let (checked, at) = changed(|s| {
        second(s);
        s.last = sid(7);
    });
    let mut stream = sound(StreamVersion::V5);
    second(&mut stream);
    let node = &stream.nodes[1];
    only(&checked, Code::StreamEntryOrder, at.in_node(1, 10, node), at.in_node(1, 11, node));
    assert_eq!(checked.findings[0].element, Some(4));
    // Below the id of the node, and so below the node before it.
    let (checked, _) = changed(|s| s.nodes[1].entries[0].id = sid(3));
    assert_eq!(checked.codes(), [Code::StreamEntryOrder]);
    // A later node may begin where only deleted entries were.
    let (checked, at) = changed(|s| s.nodes[0].entries.push(deleted(6)));
    let start = at.in_node(1, 5, node);
    only(&checked, Code::StreamIdRange, start, start + 2);
}

#[test]
fn ids_with_wraparound_are_in_order() {
    let id = |ms, seq| StreamId::new(ms, seq);
    let entry = |id| StreamEntry { id, ..living(0) };
    let ids = [id(0, 1), id(5, 0), id(1 << 63, 7), id(u64::MAX, 0), id(u64::MAX, u64::MAX)];
    let (checked, _) = changed(|s| {
        *s = Stream { nodes: vec![node(ids.map(entry).to_vec())], groups: vec![], ..s.clone() };
        (s.length, s.entries_added, s.first, s.last) = (5, 5, ids[0], ids[4]);
        s.max_deleted = sid(0);
    });
    assert_eq!(checked.findings, []);
}

#[test]
fn the_length() {
    let (checked, at) = changed(|s| s.length = 3);
    only(&checked, Code::StreamLengthMismatch, at.info(), at.info());
    // One deleted entry explains one missing, up to version 4.
    let longer = |version, length| changed_of(version, |s| s.length = length).0.codes();
    assert_eq!(longer(StreamVersion::V5, 5), [Code::StreamLengthMismatch]);
    assert_eq!(longer(StreamVersion::V4, 5), [Code::StreamLengthDrift]);
    assert_eq!(longer(StreamVersion::V1, 5), [Code::StreamLengthDrift]);
    assert_eq!(longer(StreamVersion::V1, 6), [Code::StreamLengthMismatch]);
    let (checked, at) = changed_of(StreamVersion::V2, |s| s.length = 5);
    only(&checked, Code::StreamLengthDrift, at.info(), at.info());
    // Without nodes.
    let (checked, _) = changed(|s| *s = Stream { nodes: vec![], groups: vec![], length: 1, ..s.clone() });
    assert_eq!(checked.codes(), [Code::StreamLengthMismatch]);
    // An empty stream has no first id, or the greatest of all.
    for first in [sid(0), StreamId::new(u64::MAX, u64::MAX)] {
        let (checked, _) = changed(|s| *s = Stream { nodes: vec![], groups: vec![], length: 0, first, ..s.clone() });
        assert_eq!(checked.findings, []);
    }
}

#[test]
fn the_numbers_of_a_stream() {
    let info = |change: fn(&mut Stream), code: Code| {
        let (checked, at) = changed(change);
        only(&checked, code, at.info(), at.info());
    };
    info(|s| s.first = sid(3), Code::StreamIdRange);
    info(|s| s.max_deleted = sid(8), Code::StreamIdRange);
    info(|s| s.entries_added = u64::MAX, Code::StreamEntriesAdded);
    let (checked, at) = changed(|s| {
        s.last = sid(6);
        s.idmp.producers.clear();
    });
    only(&checked, Code::StreamIdRange, at.info(), at.info());
    let (checked, at) = changed(|s| s.entries_added = 3);
    only(&checked, Code::StreamEntriesAdded, at.info(), at.info());
}

#[test]
fn what_a_group_has_read() {
    let (checked, at) = changed(|s| s.groups[0].entries_read = 6);
    only(&checked, Code::StreamEntriesRead, at.behind_name(2), at.behind_name(2));
    let (checked, at) = changed(|s| s.groups[0].entries_read = u64::MAX - 1);
    only(&checked, Code::StreamEntriesReadRange, at.behind_name(2), at.behind_name(2));
    let (checked, _) = changed(|s| s.groups[0].entries_read = u64::MAX);
    assert_eq!(checked.findings, []);
}

#[test]
fn names_that_occur_twice_are_suspects() {
    let suspects =
        |checked: &Checked| -> Vec<_> { checked.suspects.iter().map(|s| (s.what, s.first, s.later)).collect() };
    let (checked, at) = changed(|s| {
        let group = s.groups[0].clone();
        s.groups.push(group);
    });
    assert_eq!(checked.findings, []);
    let name = |n| at.nth(MarkKind::Element, n)[0];
    assert_eq!(suspects(&checked), [(Code::StreamDuplicateGroup, name(2), name(5))]);
    let (checked, at) = changed(|s| s.groups[0].consumers[1].name = b"alice".to_vec());
    let name = |n| at.nth(MarkKind::Element, n)[0];
    assert_eq!(suspects(&checked), [(Code::StreamDuplicateConsumer, name(3), name(4))]);
    let (checked, at) = changed(|s| {
        let producer = s.idmp.producers[0].clone();
        s.idmp.producers.push(producer);
    });
    let name = |n| at.nth(MarkKind::Element, n)[0];
    assert_eq!(suspects(&checked), [(Code::StreamIdmpInvalid, name(5), name(8))]);
    let (checked, at) = changed(|s| s.idmp.producers[0].messages[1].0 = b"a".to_vec());
    let name = |n| at.nth(MarkKind::Element, n)[0];
    assert_eq!(suspects(&checked), [(Code::StreamIdmpInvalid, name(6), name(7))]);
    // One whose entries have expired is passed over.
    let (checked, _) = changed(|s| s.idmp.producers.push(Producer { id: b"p".to_vec(), messages: vec![] }));
    assert!(checked.suspects.is_empty());
}

#[test]
fn pending_entries_and_their_owners() {
    let one = |change: fn(&mut Group), code: Code, kind: MarkKind, n: usize| {
        let (checked, at) = changed(|s| change(&mut s.groups[0]));
        let start = at.nth(kind, n)[0];
        only(&checked, code, start, start);
    };
    use MarkKind::{NackedId, OwnedId, PendingId};
    one(|g| g.pending.insert(1, pending(1)), Code::StreamDuplicatePending, PendingId, 1);
    one(|g| g.consumers[0].owned.insert(1, sid(1)), Code::StreamDuplicatePending, OwnedId, 1);
    one(|g| g.consumers[1].owned.push(sid(4)), Code::StreamPendingUnknown, OwnedId, 3);
    one(|g| g.consumers[1].owned.push(sid(5)), Code::StreamPendingShared, OwnedId, 3);
    one(|g| g.consumers[1].owned.clear(), Code::StreamPendingUnowned, PendingId, 1);
    one(|g| g.pending.swap(1, 2), Code::StreamPendingOrder, PendingId, 2);
    one(|g| g.consumers[0].owned.reverse(), Code::StreamPendingOrder, OwnedId, 1);
    one(|g| g.nacked.push(sid(3)), Code::StreamNackInvalid, NackedId, 0);
    one(|g| g.nacked.push(sid(4)), Code::StreamNackInvalid, NackedId, 0);
    let give_back = |g: &mut Group| {
        g.consumers[1].owned.clear();
        g.nacked.push(sid(3));
    };
    let (checked, _) = changed(|s| give_back(&mut s.groups[0]));
    assert_eq!(checked.findings, []);
    let (checked, at) = changed(|s| {
        give_back(&mut s.groups[0]);
        s.groups[0].nacked.push(sid(3));
    });
    only(&checked, Code::StreamNackInvalid, at.nth(NackedId, 1)[0], at.nth(NackedId, 1)[0]);
}

#[test]
fn pending_entries_that_are_gone_are_a_note() {
    // 2 is deleted, 4 lies between two nodes, 9 behind them.
    let (checked, at) = changed(|s| {
        s.groups[0].pending = [1, 2, 3, 4, 9].map(pending).to_vec();
        s.groups[0].consumers = vec![consumer("alice", &[1, 2, 3, 4, 9])];
    });
    let start = at.nth(MarkKind::PendingId, 1)[0];
    only(&checked, Code::StreamPendingGone, start, start);
    assert!(checked.findings[0].message.contains("stream: 3; the first is 2-0"), "{}", checked.findings[0].message);
    assert!(checked.serious().is_empty());
}

#[test]
fn times_that_cannot_be() {
    let (checked, at) = changed(|s| s.groups[0].pending[0].time = -1);
    let start = at.nth(MarkKind::PendingId, 0)[0];
    only(&checked, Code::StreamGroupImplausible, start, start);
    let (checked, at) = changed(|s| s.groups[0].consumers[0].seen = i64::MAX);
    only(&checked, Code::StreamGroupImplausible, at.behind_name(3), at.behind_name(3));
    let (checked, at) = changed(|s| s.groups[0].consumers[1].active = -2);
    only(&checked, Code::StreamGroupImplausible, at.behind_name(4), at.behind_name(4));
    let (checked, _) = changed(|s| s.groups[0].pending[0] = Pending { time: 0, count: 0, ..pending(1) });
    assert_eq!(checked.findings, []);
}

#[test]
fn producers() {
    // Counts: nodes, groups, pending, consumers, two of owned ids, NACK zone.
    let behind_groups = |at: &Marks| at.nth(MarkKind::Count, 6)[2];
    let (checked, at) = changed(|s| s.idmp.duration = 0);
    only(&checked, Code::StreamIdmpInvalid, behind_groups(&at), behind_groups(&at));
    let (checked, at) = changed(|s| s.idmp.max_entries = 10_001);
    only(&checked, Code::StreamIdmpInvalid, behind_groups(&at), behind_groups(&at));
    let (checked, at) = changed(|s| s.idmp.producers[0].messages[1].1 = sid(8));
    only(&checked, Code::StreamIdmpImplausible, at.behind_name(7), at.behind_name(7));
    let (checked, _) = changed(|s| (s.idmp.added, s.idmp.duplicates) = (0, 1));
    assert_eq!(checked.codes(), [Code::StreamIdmpImplausible]);
    let (checked, _) = changed(|s| {
        s.idmp.producers[0].messages = (0..10_001).map(|n| (n.to_string().into_bytes(), sid(7))).collect();
    });
    assert_eq!(checked.codes(), [Code::StreamIdmpImplausible]);
}

#[test]
fn past_the_budget_owners_are_not_checked() {
    let mut stream = sound(StreamVersion::V3);
    let group = &mut stream.groups[0];
    group.pending = (1..=1000).map(pending).collect();
    group.consumers = vec![consumer("alice", &(1..=1000).collect::<Vec<_>>()), consumer("bob", &[5000])];
    let mut file = File::new(Magic::Redis, 11);
    file.keys = vec![Key::new(b"stream", Value::Stream(stream))];
    let encoded = file.encode();
    let at = Marks(encoded.keys[0].clone());
    let codes = |budget| {
        let limits = Limits { duplicate_bytes: budget, ..Limits::default() };
        check_within(&encoded.bytes, &limits)
    };
    let enough = codes(1000 * 24 * 4 / 3);
    assert_eq!(enough.codes(), [Code::StreamPendingGone, Code::StreamPendingUnknown]);
    let checked = codes(500 * 24 * 4 / 3);
    let over = at.nth(MarkKind::PendingId, 500)[0];
    let unchecked = checked.findings.iter().find(|f| f.code == Code::StreamPendingUnchecked).unwrap();
    assert_eq!((unchecked.start, unchecked.failed_at), (over, over));
    assert!(!checked.codes().contains(&Code::StreamPendingUnknown));
}

#[test]
fn owners_are_found_wherever_they_stand() {
    // 300 entries dealt to three consumers in turns, so that each looks for its own between those of the others.
    let (checked, _) = changed(|s| {
        let ids: Vec<u64> = (1..=300).map(|n| n * 3).collect();
        s.groups[0].pending = ids.iter().map(|&ms| pending(ms)).collect();
        let owned = |k: usize| ids.iter().skip(k).step_by(3).copied().collect::<Vec<_>>();
        s.groups[0].consumers =
            ["a", "b", "c"].into_iter().zip(0..).map(|(name, k)| consumer(name, &owned(k))).collect();
        s.groups[0].consumers[2].owned.rotate_left(50);
    });
    assert_eq!(checked.codes(), [Code::StreamPendingGone, Code::StreamPendingOrder]);
}

#[test]
fn any_byte_may_be_any_other() {
    let mut file = File::new(Magic::Redis, 14);
    file.compression = false;
    let mut stream = sound(StreamVersion::V5);
    stream.groups[0].consumers[1].owned.clear();
    stream.groups[0].nacked.push(sid(3));
    file.keys = vec![Key::new(b"stream", Value::Stream(stream))];
    let mut encoded = file.encode();
    let span = encoded.keys[0].clone();
    let mut found = std::collections::BTreeSet::new();
    for at in span.value_at..span.end {
        for flip in [1, 2, 0x10, 0x40, 0x80, 0xFF] {
            encoded.bytes[at] ^= flip;
            encoded.fix_checksum();
            let report = crate::verify::slice(&encoded.bytes, &crate::verify::Options::default());
            let end = encoded.bytes.len() as u64;
            for finding in &report.findings {
                assert!(finding.start <= finding.failed_at && finding.failed_at <= end, "{finding:#?}");
                found.insert(finding.code);
            }
            encoded.bytes[at] ^= flip;
        }
    }
    let wanted = [Code::StreamEntryOrder, Code::StreamNodeOrder, Code::StreamPendingUnknown, Code::ListpackBadBacklen];
    assert!(wanted.iter().all(|code| found.contains(code)), "{found:?}");
}
