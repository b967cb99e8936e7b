"""The objects of a report: one class for each object of its JSON schema, with the same names.

Written by ``packaging/python/schema.py`` from ``report.schema.json``. Offsets and sizes are in bytes, and count unpacked bytes. Whole
numbers that JSON has as text, because they are above 2^53, are ``int`` here. What a report does not have is ``None``.
"""

from __future__ import annotations

from typing import Literal

from ._record import Record, each, integer, optional, optional_integer, table
from .report_stats import Stats


class Format(Record):
    __slots__ = ()
    _made = {"created": optional_integer}
    family: Literal["redis", "valkey"]
    """By the signature."""
    rdb_version: int
    writer: str | None
    """The version of the server, if the file says it."""
    created: int | None
    """When it was written, if the file says it, in seconds since the epoch."""


class Database(Record):
    __slots__ = ()
    _made = {"keys": integer, "expires": integer, "types": table(integer)}
    keys: int
    expires: int
    types: dict[str, int]


class Counts(Record):
    __slots__ = ()
    _made = {
        "keys": integer,
        "expires": integer,
        "expired": integer,
        "functions": integer,
        "databases": table(Database),
        "types": table(integer),
        "encodings": table(integer),
    }
    keys: int
    expires: int
    """Keys with an expiry."""
    expired: int
    """Keys whose expiry is past."""
    functions: int
    """Libraries of functions."""
    databases: dict[str, Database]
    types: dict[str, int]
    """Keys by type, as the TYPE command names it; module values by the name of the module's type."""
    encodings: dict[str, int]


class NotRead(Record):
    __slots__ = ()
    _made = {
        "size": integer,
        "modified": optional_integer,
        "keys": optional_integer,
        "commands": optional_integer,
        "written": optional_integer,
    }
    file: str
    kind: Literal["dump", "old-style", "old-style-in-folder", "orphan"]
    size: int
    modified: int | None
    """In seconds since the epoch."""
    sound: bool | None
    """Null, like what follows, where it was not looked into: beside a set that is loaded and not older."""
    keys: int | None
    """Of its RDB image."""
    commands: int | None
    written: int | None
    """When its RDB image was made."""


class NextStart(Record):
    __slots__ = ()
    _made = {"not_read": each(NotRead)}
    does: Literal["loads-file", "loads-manifest", "migrates", "starts-empty", "refuses"]
    overwrites: str | None
    """A base that is replaced."""
    appends: str | None
    """A file that is appended to."""
    not_read: list[NotRead]
    """Files with data that the start does not read."""


class Aof(Record):
    __slots__ = ()
    _made = {
        "ok_up_to": optional_integer,
        "ok_up_to_line": optional_integer,
        "diff": optional_integer,
        "commands": integer,
        "commands_by_name": table(integer),
        "databases": table(integer),
        "transactions": integer,
        "first_timestamp": optional_integer,
        "last_timestamp": optional_integer,
        "next_start": optional(NextStart),
    }
    ok_up_to: int | None
    """As the last line of redis-check-aof 8.6.3 has it, which goes no further than the first damaged file; ``None`` where it prints none.
    """
    ok_up_to_line: int | None
    """Likewise, counted over all files."""
    diff: int | None
    """Likewise: the size of that file less ok_up_to."""
    commands: int
    """As far as servers load the files."""
    commands_by_name: dict[str, int]
    """In upper case. At most 4096 names; the others count under the empty name."""
    databases: dict[str, int]
    """Commands by the database that was selected."""
    transactions: int
    """Those that were closed."""
    first_timestamp: int | None
    """In seconds since the epoch."""
    last_timestamp: int | None
    """Last in the files, not the greatest."""
    next_start: NextStart | None
    """What a server would do at its next start, by the manifest and the names of the files, whatever is in them."""


class Part(Record):
    __slots__ = ()
    _made = {"size": optional_integer, "ok_up_to": optional_integer, "loads_up_to": optional_integer, "preamble_end": optional_integer}
    name: str
    role: Literal["base", "incr", "history", "manifest", "orphan"]
    size: int | None
    """``None`` where it is not there, or is no regular file."""
    ok_up_to: int | None
    """Where redis-check-aof would cut it, were it the only file."""
    loads_up_to: int | None
    """Up to where servers load it: its end, or the record that is damaged, or the transaction around that."""
    preamble_end: int | None
    """Where the RDB image ends that it begins with."""


class Cut(Record):
    __slots__ = ()
    _made = {"from": integer, "to": integer}
    file: str
    # from: int, by to_dict()
    to: int
    """Its size after."""


class Why(Record):
    __slots__ = ()
    _made = {"count": integer}
    code: str
    """The code of a finding, or one of its own that begins with target-."""
    count: int
    first: list[str]
    """Keys, names or places: the first ten."""
    message: str


class Overwrite(Record):
    __slots__ = ()
    file: str
    at: Literal["start", "save", "rewrite"]


class Start(Record):
    __slots__ = ()
    _made = {"keys": optional_integer, "commands": integer, "overwrites": each(Overwrite), "seconds": each(integer)}
    reads: list[str]
    """From the server's directory, in that order."""
    keys: int | None
    """In the RDBs among them; ``None`` where they were not looked into."""
    commands: int
    overwrites: list[Overwrite]
    """Files with data that it does not read, and that are written over or deleted."""
    seconds: list[int]
    """The time of the load, at least and at most: an estimate."""
    loss: list[str]
    """What is lost at a sudden end, by the settings; empty where appendonly is not given."""


class Release(Record):
    __slots__ = ()
    release: str
    by_default: Literal["loads", "loads-but-drops", "loads-after-cut", "refuses", "crashes", "hangs", "starts-empty", "unknown"]
    build: str | None
    """The build that was run, as the server names it."""
    origin: str
    """Where that binary comes from."""


class Loads(Record):
    __slots__ = ()
    _made = {
        "cuts": each(Cut),
        "skips": each(Why),
        "reading": each(Why),
        "because": each(Why),
        "start": optional(Start),
        "releases": each(Release),
    }
    loads: bool
    """As it is, with not a byte cut."""
    by_default: Literal["loads", "loads-but-drops", "loads-after-cut", "refuses", "crashes", "hangs", "starts-empty", "unknown"]
    """What the server does with its settings: its own, or those given with --set and --conf."""
    cuts: list[Cut]
    """What it cuts off then."""
    skips: list[Why]
    """What it leaves out, drops or renames on the way."""
    reading: list[Why]
    """What it loads without a look: reading such a key can end the server, or make it stand still."""
    because: list[Why]
    """Why it does not load as it is."""
    start: Start | None
    """The files of its directory that a server reads at its start, and those that go later unread; ``None`` where it does not come up, and
    for a file alone."""
    basis: Literal["measured", "derived", "documents"]
    """What the answers about this server rest on."""
    releases: list[Release]
    """What each release of it that was run does; if they differ, the answer is that of the worst."""


class HexSpan(Record):
    __slots__ = ()
    _made = {"at": integer}
    at: int
    """The offset of the first byte."""
    hex: str


class Finding(Record):
    __slots__ = ()
    _made = {
        "start": integer,
        "failed_at": integer,
        "end": optional_integer,
        "line": optional_integer,
        "record": optional_integer,
        "db": optional_integer,
        "element": optional_integer,
        "bytes": optional(each(HexSpan)),
    }
    code: str
    """Stable; the option --explain prints its page."""
    severity: Literal["error", "warning", "note"]
    file: str | None
    """The part of a directory."""
    start: int
    """The byte where the thing began."""
    failed_at: int
    """The byte where it failed."""
    end: int | None
    """One past the last byte of the thing."""
    line: int | None
    """From 1, in a text file."""
    record: int | None
    """From 0, in an append-only file."""
    command: str | None
    db: int | None
    key: str | None
    """The key, if its name is UTF-8, or a hash of it under --redact. Long names are cut."""
    key_base64: str | None
    """The key, if its name is not UTF-8."""
    type: str | None
    encoding: str | None
    element: int | None
    """From 0."""
    reading: str | None
    """What was being read."""
    message: str
    hint: str | None
    """What to do, for each error: the command, and what it would lose."""
    bytes: list[HexSpan] | None
    """Only with --hex: the bytes around where the thing began and where it failed."""


class Cause(Record):
    __slots__ = ()
    _made = {"offset": optional_integer}
    code: str
    message: str
    """In a sentence, without the names of keys."""
    reversible: bool
    """Whether it can be undone without loss."""
    command: str | None
    """The command that helps."""
    file: str | None
    """The part of a directory."""
    offset: int | None
    """The byte where it begins."""
    keys: list[str]
    """Keys that it is about, the first ten: escaped, or a hash under --redact."""
    evidence: list[str]
    """What it is told from."""


class Seal(Record):
    """How it was held against a seal that --against names, or that lies beside it; only there where there is one that can be read."""

    __slots__ = ()
    path: str
    sealed_at: int
    """In seconds since the epoch."""
    same: bool
    differs: list[str]
    """What is not as it was: size, sha256, digest; of a set with the name of the file before it."""
    grown: int
    """How many bytes were added to append-only files since."""
    signature: str | None
    """A signature that lies beside the seal. It was not verified."""


class TimelineRow(Record):
    __slots__ = ()
    _made = {"offset": integer, "bytes": integer, "timestamp": optional_integer, "commands": integer, "stamps": integer}
    file: str
    role: Literal["base", "incr", "history"]
    """history files come first, the oldest before the others."""
    image: bool
    """Whether it is the RDB image at the start of a history file, made at the timestamp."""
    offset: int
    bytes: int
    timestamp: int | None
    """In seconds since the epoch; ``None`` before the first one of a file."""
    commands: int
    stamps: int
    """More than 1 where there are too many for a row each."""


class Change(Record):
    __slots__ = ()
    _made = {
        "start": integer,
        "end": integer,
        "line": integer,
        "timestamp": optional_integer,
        "commands": integer,
        "keys": integer,
        "commands_before": integer,
        "keys_before_estimated": integer,
    }
    file: str
    role: Literal["base", "incr", "history"]
    kind: Literal["flushall", "flushdb", "swapdb", "deletes"]
    start: int
    """Where its first command begins: what --cut-before and --leave-out take."""
    end: int
    line: int
    """Counted from 1 where the records of the file begin."""
    db: int
    timestamp: int | None
    """The last one before it in the file, in seconds since the epoch."""
    commands: int
    """How many it is: more than 1 for deletions in a row."""
    keys: int
    """How many keys deletions name; else 0."""
    commands_before: int
    """How many commands stand before it in the file."""
    keys_before_estimated: int
    """How many keys those name since the file began or the last FLUSHALL; those of an RDB image not among them."""


class File(Record):
    """An input: a file, or a directory with its parts."""

    __slots__ = ()
    _made = {
        "size": optional_integer,
        "format": optional(Format),
        "counts": optional(Counts),
        "aof": optional(Aof),
        "parts": each(Part),
        "loads_on": table(Loads),
        "findings": each(Finding),
        "findings_total": integer,
        "cause": optional(Cause),
        "seal": optional(Seal),
        "stats": optional(Stats),
        "timeline": optional(each(TimelineRow)),
        "changes": optional(each(Change)),
    }
    path: str
    """As it was named; bytes that are not UTF-8 are replaced."""
    kind: Literal["rdb", "aof", "aof-dir", "dump", "unknown"]
    """dump: what DUMP answers; a server that loads it is one whose RESTORE takes it."""
    verdict: Literal["sound", "damaged", "unknown"]
    """sound: no finding is an error. damaged: at least one is. unknown: it could not be read (then error says why), or it cannot be judged.
    """
    error: str | None
    """In one line why the input could not be read."""
    size: int | None
    """In bytes."""
    format: Format | None
    counts: Counts | None
    checksum: Literal["ok", "mismatch", "disabled", "absent"] | None
    """``None`` where the end of the records was not reached."""
    duplicates: Literal["checked", "by-hash", "partial", "off"] | None
    aof: Aof | None
    parts: list[Part]
    """The files of a set; one for a single append-only file."""
    loads_on: dict[str, Loads]
    """Whether a server loads it, for each one that was asked for."""
    findings: list[Finding]
    """Those that were kept, by their place in the file."""
    findings_total: int
    """How many there are, kept or not."""
    cause: Cause | None
    """What happened to the file, as far as its bytes and findings tell."""
    path_base64: str | None
    """The path, if it is not UTF-8: two such paths can look the same in `path`."""
    seal: Seal | None
    """How it was held against a seal that --against names, or that lies beside it; only there where there is one that can be read."""
    packing_damage: str | None
    """What is wrong with the packing or the archive around the file, if something is: the file was read as far as it unpacks."""
    packing: Literal["gzip", "zstd", "lz4", "xz", "valkey"] | None
    """How the input was packed, if it was. All offsets and sizes count unpacked bytes."""
    stats: Stats | None
    """Only with --stats: numbers about the RDB, or about the image at the start of an append-only file."""
    timeline: list[TimelineRow] | None
    """Only with --timeline: stretches of records, each from one timestamp up to the next."""
    changes: list[Change] | None
    """Only with --timeline: FLUSHALL, FLUSHDB, SWAPDB, and DEL and UNLINK in a row that name 100 keys and more; the first thousand."""


class Document(Record):
    """One document for all inputs of a run. Fields that do not apply are ``None``. Consumers must accept fields that are added later."""

    __slots__ = ()
    _made = {"files": each(File)}
    schema_version: Literal[1]
    tool: Literal["rdbcheck", "aofcheck"]
    version: str
    """The version of the tool."""
    files: list[File]
    """One entry for each input, in the order of the command line."""
