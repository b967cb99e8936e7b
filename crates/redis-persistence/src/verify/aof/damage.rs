//! Names what stopped the walk over the records.

use std::io::{self, Read, Seek};

use crate::aof::resp;
use crate::base::source::Clamped;
use crate::rdb::has_signature;
use crate::report::codes::Code;
use crate::report::facts::Ending;
use crate::{Error, ErrorKind, Reading};

/// From this length on no server finds the memory, whatever its settings: it aborts.
const HOPELESS: u64 = 1 << 40;
/// What the check tools read of a header line in one piece.
const HEADER: u64 = 127;
/// The longest argument by default (`proto-max-bulk-len`).
const USUAL: u64 = 512 << 20;

/// What stopped it.
pub(super) struct Damage {
    pub(super) code: Code,
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

/// Returns how the loader's error looks to a server. `argument` is the length of the argument that was begun.
pub(super) fn ending<F: Read + Seek>(
    input: &mut Clamped<F>,
    loader: &Error,
    argument: Option<u64>,
) -> io::Result<Ending> {
    Ok(match loader.kind() {
        ErrorKind::UnexpectedEof { .. } if argument.is_some_and(|length| length >= HOPELESS) => Ending::NoMemory,
        ErrorKind::UnexpectedEof { .. } => Ending::ShortRead,
        ErrorKind::BadArgLength(_) => Ending::NoMemory,
        ErrorKind::BadArgCount(_) if input.peek(loader.start(), 2)? == b"*\0" => Ending::Unreadable,
        _ => Ending::BadFormat,
    })
}

/// Looks at the bytes around the loader's error. `argument` is the length of the argument that was begun.
pub(super) fn name<F: Read + Seek>(
    input: &mut Clamped<F>,
    loader: &Error,
    argument: Option<u64>,
) -> io::Result<Damage> {
    let (start, at) = (loader.start(), loader.failed_at());
    let (zeros, to_the_end) = input.zeros(at)?;
    if zeros > 0 && to_the_end {
        let message = if at == start {
            format!("zero bytes from here to the end of the file, {zeros} of them")
        } else {
            format!("the record is broken off at byte {at}, and zero bytes follow to the end, {zeros} of them")
        };
        return Ok(Damage {
            code: Code::AofZeroTail,
            message,
            hint: Some("a file system that lost its last writes leaves such a tail: cut the file here".to_owned()),
        });
    }
    let found = input.peek(at, 16)?;
    let shown = found.escape_ascii();
    let plain = |code, message| Damage { code, message, hint: None };
    Ok(match loader.kind() {
        ErrorKind::UnexpectedEof { missing } => cut(loader, *missing, argument),
        ErrorKind::NotARecord(_) if has_signature(&found) => {
            let message = "an RDB image begins here, where a record belongs: two files in one".to_owned();
            plain(Code::AofSecondRdb, message)
        }
        ErrorKind::NotARecord(_) if zeros > 0 => {
            plain(Code::AofBadFormat, format!("{zeros} zero bytes where a record belongs, and other bytes after them"))
        }
        ErrorKind::NotARecord(byte) => plain(
            Code::AofBadFormat,
            format!("0x{byte:02x} where a record begins with * or #; \"{shown}\" stands there"),
        ),
        ErrorKind::BadPrefix { wanted, .. } => plain(
            Code::AofBadFormat,
            format!(
                "\"{shown}\" where a line that begins with {} belongs: a length before it is wrong, or bytes are \
                     missing or too many",
                char::from(*wanted)
            ),
        ),
        ErrorKind::BadArgCount(count) => {
            let line = input.peek(start, HEADER)?;
            let number = resp::strtol(line.get(1..).unwrap_or_default());
            if number.value <= 0 && line.get(1 + number.end..).is_some_and(|rest| rest.starts_with(b"\r\n")) {
                let message =
                    format!("a command of {} arguments: the check tools pass over it, servers refuse it", number.value);
                plain(Code::AofToolOnlyForm, message)
            } else {
                plain(Code::AofBadFormat, format!("servers read the argument count as {count}, and refuse it"))
            }
        }
        ErrorKind::BadArgLength(length) => {
            plain(Code::AofBadFormat, format!("{length} is no argument length: servers abort"))
        }
        _ => plain(Code::AofBadFormat, loader.to_string()),
    })
}

/// The file ends inside the record.
fn cut(error: &Error, missing: u64, argument: Option<u64>) -> Damage {
    let whole = format!("at least {missing} more bytes belong to it");
    match argument.filter(|_| error.reading() == Reading::Arg) {
        Some(length) if length >= HOPELESS => Damage {
            code: Code::AofBadFormat,
            message: format!("an argument of {length} bytes, of which {missing} are not there: servers abort"),
            hint: Some("the length is wrong, not the end of the file".to_owned()),
        },
        Some(length) if length > USUAL => Damage {
            code: Code::AofTruncatedRecord,
            message: format!("the file ends inside an argument of {length} bytes; {whole}"),
            hint: Some("no argument is longer than 512 MiB by default: the length may be wrong".to_owned()),
        },
        _ => Damage {
            code: Code::AofTruncatedRecord,
            message: format!("the file ends inside the record, in {}; {whole}", error.reading()),
            hint: None,
        },
    }
}
