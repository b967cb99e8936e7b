//! Streams: one node and many, with deleted entries, groups, consumers and pending entries.

use std::io;

use super::{Writer, edge_elements, noise};

pub(super) fn write(writer: &mut Writer<'_>) -> io::Result<()> {
    entries(writer)?;
    emptied(writer)?;
    groups(writer)?;
    if writer.server.knows("XCFGSET")? {
        producers(writer)?;
    }
    Ok(())
}

fn entries(writer: &mut Writer<'_>) -> io::Result<()> {
    writer.run(&["XADD", "stream:one", "1-1", "field", "value"])?;
    // Other fields than those of the first entry of a node are stored with the entry.
    for number in 1..=350 {
        let (id, field) = (format!("{}-{}", number * 1000, number % 3), format!("field {}", number % 7));
        writer.run(&["XADD", "stream:nodes", &id, "same", "1", &field, "2"])?;
    }
    let edges = edge_elements();
    let mut arguments = vec![b"XADD".as_slice(), b"stream:edges", b"5-5"];
    arguments.extend(edges.iter().flat_map(|edge| [edge.as_slice(), edge.as_slice()]));
    writer.run(&arguments)?;
    writer.run(&[b"XADD".as_slice(), b"stream:edges", b"6-0", b"noise", &noise(5000, 5)])?;
    for id in ["0-1", "9223372036854775807-1", "18446744073709551614-0", "18446744073709551615-18446744073709551615"] {
        writer.run(&["XADD", "stream:ids", id, "id", id])?;
    }
    Ok(())
}

fn emptied(writer: &mut Writer<'_>) -> io::Result<()> {
    writer.run(&["XGROUP", "CREATE", "stream:empty:group", "group", "$", "MKSTREAM"])?;
    writer.run(&["XADD", "stream:emptied", "7-7", "field", "value"])?;
    writer.run(&["XDEL", "stream:emptied", "7-7"])?;
    for number in 1..=230 {
        writer.run(&["XADD", "stream:deleted", &format!("{number}-0"), "field", &number.to_string()])?;
    }
    // The first and last of a node, some between, and all of the second node.
    let deleted: Vec<_> = [1, 50, 51, 100, 230].into_iter().chain(101..=200).map(|id| format!("{id}-0")).collect();
    let command = ["XDEL".to_owned(), "stream:deleted".to_owned()];
    writer.run(&command.into_iter().chain(deleted).collect::<Vec<_>>())?;
    writer.run(&["XSETID", "stream:deleted", "1000-5"])?;
    writer.run(&["XADD", "stream:trimmed", "1-0", "field", "value"])?;
    writer.run(&["XADD", "stream:trimmed", "MAXLEN", "1", "2-0", "field", "value"]).map(drop)
}

fn groups(writer: &mut Writer<'_>) -> io::Result<()> {
    let key = "stream:groups";
    for number in 1..=150 {
        writer.run(&["XADD", key, &format!("{number}-1"), "number", &number.to_string()])?;
    }
    for (group, from) in [("readers", "0"), ("idle", "$"), ("middle", "75-1"), ("group without consumers", "0")] {
        writer.run(&["XGROUP", "CREATE", key, group, from])?;
    }
    for (group, consumer, count) in
        [("readers", "alice", "40"), ("readers", "bob", "1"), ("readers", "carol", "90"), ("middle", "alice", "5")]
    {
        writer.run(&["XREADGROUP", "GROUP", group, consumer, "COUNT", count, "STREAMS", key, ">"])?;
    }
    writer.run(&["XREADGROUP", "GROUP", "middle", "careless", "COUNT", "5", "NOACK", "STREAMS", key, ">"])?;
    writer.run(&["XGROUP", "CREATECONSUMER", key, "idle", "never active"])?;
    writer.run(&["XACK", key, "readers", "1-1", "3-1", "41-1", "131-1"])?;
    writer.run(&["XCLAIM", key, "readers", "dave", "0", "5-1", "6-1", "RETRYCOUNT", "70000"])?;
    // A deleted entry stays pending.
    writer.run(&["XDEL", key, "2-1", "60-1"]).map(drop)
}

/// Producers whose entries are added once, however often they are sent.
fn producers(writer: &mut Writer<'_>) -> io::Result<()> {
    let key = "stream:producers";
    for number in ["1", "2", "3"] {
        for producer in ["first", "second"] {
            writer.run(&["XADD", key, "IDMP", producer, number, "*", "number", number])?;
        }
    }
    writer.run(&["XADD", key, "IDMP", "first", "1", "*", "number", "1"]).map(drop)
}
