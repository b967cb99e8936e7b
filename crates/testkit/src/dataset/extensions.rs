//! What only some versions have: fields that expire, vector sets, function libraries.

use std::io;

use super::{EXPIRIES, Writer, noise, numbered};

/// Hashes in which all, some or one of the fields expire, packed and not.
pub(super) fn write_expiring_fields(writer: &mut Writer<'_>) -> io::Result<()> {
    if !writer.server.knows("HPEXPIREAT")? {
        return Ok(());
    }
    for (count, expiring) in [(1, 1), (5, 2), (100, 100), (513, 1), (513, 513), (600, 300)] {
        let key = format!("expiring:fields:{expiring}of{count}");
        let fields = numbered("field", count);
        let pairs: Vec<_> = fields.iter().flat_map(|field| [field.clone(), b"value".to_vec()]).collect();
        writer.extend("HSET", &key, &pairs, 2)?;
        for (time, part) in EXPIRIES.iter().zip(fields[..expiring].chunks(expiring.div_ceil(EXPIRIES.len()))) {
            let count = part.len().to_string();
            let mut arguments = ["HPEXPIREAT", &key, time, "FIELDS", &count].map(str::as_bytes).to_vec();
            arguments.extend(part.iter().map(Vec::as_slice));
            writer.run(&arguments)?;
        }
    }
    writer.run(&["PEXPIREAT", "expiring:fields:2of5", EXPIRIES[0]]).map(drop)
}

/// Vector sets in each way of storing a coordinate, with attributes, and with fewer dimensions than were given.
pub(super) fn write_vector_sets(writer: &mut Writer<'_>) -> io::Result<()> {
    if !writer.server.knows("VADD")? {
        return Ok(());
    }
    for (name, reduced, stored, count) in
        [("float", None, "NOQUANT", 40), ("byte", None, "Q8", 300), ("bit", None, "BIN", 3), ("one", None, "Q8", 1)]
            .into_iter()
            .chain([("reduced", Some("4"), "NOQUANT", 20)])
    {
        let key = format!("vectorset:{name}");
        for (number, seed) in (0..count).zip(1..) {
            let coordinates: Vec<_> = noise(8, seed).iter().map(|byte| format!("{}", i32::from(*byte) - 128)).collect();
            let element = format!("element {number}");
            let mut arguments = vec!["VADD", &key];
            arguments.extend(reduced.iter().flat_map(|dimensions| ["REDUCE", dimensions]));
            arguments.extend(["VALUES", "8"]);
            arguments.extend(coordinates.iter().map(String::as_str));
            arguments.extend([element.as_str(), stored, "M", "8"]);
            if number % 3 == 0 {
                arguments.extend(["SETATTR", "{\"third\": true}"]);
            }
            writer.run(&arguments)?;
        }
    }
    Ok(())
}

/// Two function libraries, one of them long enough to be compressed.
pub(super) fn load_functions(writer: &mut Writer<'_>) -> io::Result<()> {
    if !writer.server.knows("FUNCTION")? {
        return Ok(());
    }
    let short = "#!lua name=short\nredis.register_function('one', function() return 1 end)";
    let long: String = (0..50)
        .map(|number| format!("redis.register_function('f{number}', function(keys, args) return {number} end)\n"))
        .collect();
    writer.run(&["FUNCTION", "LOAD", short])?;
    writer.run(&["FUNCTION", "LOAD", &format!("#!lua name=long\n{long}")]).map(drop)
}
