"""A backup as a row: the columns, and how a report becomes one."""

from __future__ import annotations

import datetime
import os
import time
from collections.abc import Iterable
from typing import Any, Union

import pyarrow

from ._verify import verify

Place = Union[str, "os.PathLike[str]"]
Row = dict[str, Any]

_TIME = pyarrow.timestamp("us", tz="UTC")

#: The columns of a row. Times are UTC, sizes bytes, durations seconds.
SCHEMA = pyarrow.schema([
    pyarrow.field("run", pyarrow.string(), nullable=False, metadata={"doc": "the run that checked it"}),
    pyarrow.field("source", pyarrow.string(), nullable=False, metadata={"doc": "the path or address of the backup"}),
    pyarrow.field("prefix", pyarrow.string(), nullable=False, metadata={"doc": "the source without its last part"}),
    pyarrow.field("checked_at", _TIME, nullable=False, metadata={"doc": "when the check began"}),
    pyarrow.field("verdict", pyarrow.string(), nullable=False, metadata={"doc": "sound, damaged, unknown or unreadable"}),
    pyarrow.field("exit_code", pyarrow.int32(), nullable=False, metadata={"doc": "that of the command: 0, 1, 2 or 3"}),
    pyarrow.field("files", pyarrow.int32(), metadata={"doc": "how many files it is judged as: several RDBs of a tar"}),
    pyarrow.field("kind", pyarrow.string(), metadata={"doc": "rdb, aof, dump or unknown"}),
    pyarrow.field("packing", pyarrow.string(), metadata={"doc": "how it is packed, if it is"}),
    pyarrow.field("cause", pyarrow.string(), metadata={"doc": "what happened to it, by the name of the cause"}),
    pyarrow.field("code", pyarrow.string(), metadata={"doc": "the first error, or the first finding of what is unknown"}),
    pyarrow.field("offset", pyarrow.int64(), metadata={"doc": "the byte where that failed"}),
    pyarrow.field("message", pyarrow.string(), metadata={"doc": "that finding in words, or why it is not readable"}),
    pyarrow.field("errors", pyarrow.int64(), metadata={"doc": "findings that are errors, of those that were kept"}),
    pyarrow.field("bytes", pyarrow.int64(), metadata={"doc": "its size, unpacked"}),
    pyarrow.field("keys", pyarrow.int64(), metadata={"doc": "keys of the RDB, or of the image of append-only files"}),
    pyarrow.field("expires", pyarrow.int64(), metadata={"doc": "keys with an expiry"}),
    pyarrow.field("commands", pyarrow.int64(), metadata={"doc": "commands of append-only files"}),
    pyarrow.field("created", _TIME, metadata={"doc": "when the server wrote it, if it says that"}),
    pyarrow.field("age", pyarrow.float64(), metadata={"doc": "seconds from then to the check"}),
    pyarrow.field("family", pyarrow.string(), metadata={"doc": "redis or valkey, by its signature"}),
    pyarrow.field("rdb_version", pyarrow.int32()),
    pyarrow.field("writer", pyarrow.string(), metadata={"doc": "the version of the server that wrote it"}),
    pyarrow.field(
        "loads_on",
        pyarrow.list_(pyarrow.struct([
            pyarrow.field("server", pyarrow.string(), nullable=False),
            pyarrow.field("loads", pyarrow.bool_(), nullable=False),
            pyarrow.field("by_default", pyarrow.string()),
            pyarrow.field("because", pyarrow.string()),
        ])),
        metadata={"doc": "for each server that was asked for, whether it loads it, and why not"},
    ),
    pyarrow.field("seconds", pyarrow.float64(), nullable=False, metadata={"doc": "how long the check took"}),
])


def run_name(at: datetime.datetime | None = None) -> str:
    """Returns a name for a run: its time in UTC, such as ``20261201T031500Z``, so that runs sort by their names."""
    return (at or datetime.datetime.now(datetime.timezone.utc)).strftime("%Y%m%dT%H%M%SZ")


def row(source: Place, *, for_: Iterable[str] = (), run: str = "", **options: Any) -> Row:
    """Checks one backup and returns its row, a dict with the columns of :data:`SCHEMA`.

    ``for_`` names servers that should load it, such as ``["redis-7.2", "valkey-newest"]``; other keywords go to
    :func:`redis_persistence.verify`. Nothing that is wrong with the backup is an exception: what cannot be read has the verdict
    ``unreadable``, the exit code 2, and says why in ``message``. What ends with a slash is a set of append-only files. A ``ValueError`` means that the arguments make no sense.
    """
    began, servers = time.time(), list(for_)
    if os.fspath(source).endswith("/"):
        # A prefix of a store cannot be looked at: what ends so is a set of append-only files.
        options.setdefault("tool", "aofcheck")
    result = _begun(os.fspath(source), run, began)
    try:
        report = verify(os.fspath(source), for_=servers, **options)
    except Exception as error:  # Whatever it is, it is about this one, and the others are still to be checked.
        if isinstance(error, (TypeError, ValueError)):
            try_out(servers, options)
        result |= _unreadable(str(error) or type(error).__name__)
    else:
        result |= _columns(report.to_dict()["files"], began)
        result |= {"verdict": report.verdict, "exit_code": report.exit_code}
    result["seconds"] = time.time() - began
    return result


def _begun(source: str, run: str, began: float) -> Row:
    """Returns a row of which nothing is known yet."""
    known: Row = {"run": run, "source": source, "prefix": _prefix(source), "checked_at": _time(began), "loads_on": [], "seconds": 0.0}
    return dict.fromkeys(SCHEMA.names) | known


def _unreadable(why: str) -> Row:
    return {"verdict": "unreadable", "exit_code": 2, "message": why}


def try_out(servers: Iterable[str], options: Row) -> None:
    """Raises what is wrong with the arguments of a check, which would be wrong for each backup."""
    verify(b"", for_=list(servers), **options)


def _columns(files: list[Row], now: float) -> Row:
    """Returns what the JSON reports on the files of an input say, by column: sums, and the first of what is wrong."""

    def total(*names: str) -> int | None:
        found = []
        for file in files:
            value: Any = file
            for name in names:
                value = (value or {}).get(name)
            if value is not None:
                found.append(int(value))
        return sum(found) if found else None

    bad = next((file for file in files if file["verdict"] != "sound"), None)
    findings = bad["findings"] if bad else []
    first = next((finding for finding in findings if finding["severity"] == "error"), next(iter(findings), None))
    of = bad or files[0]
    message = (first and first["message"]) or of["error"]
    form: Row = next((file["format"] for file in files if file["format"]), {})
    times = [file["format"]["created"] for file in files if file["format"] and file["format"]["created"] is not None]
    created = max(map(int, times), default=None)
    return {
        "files": len(files),
        "kind": of["kind"],
        "packing": of.get("packing"),
        "cause": (of["cause"] or {}).get("code"),
        "code": first and first["code"],
        "offset": first and int(first["failed_at"]),
        "message": f"{of['path']}: {message}" if message and len(files) > 1 else message,
        "errors": sum(finding["severity"] == "error" for file in files for finding in file["findings"]),
        "bytes": total("size"),
        "keys": total("counts", "keys"),
        "expires": total("counts", "expires"),
        "commands": total("aof", "commands"),
        "created": None if created is None else _time(created),
        "age": None if created is None else now - created,
        "family": form.get("family"),
        "rdb_version": form.get("rdb_version"),
        "writer": form.get("writer"),
        "loads_on": [_loads(server, [file["loads_on"][server] for file in files]) for server in files[0]["loads_on"]],
    }


def _loads(server: str, answers: list[Row]) -> Row:
    """Returns what a server does with all files of an input: what it does with the first that it does not load, if there is one."""
    answer = next((answer for answer in answers if not answer["loads"]), answers[0])
    because = "; ".join(why["message"] for why in answer["because"])
    return {"server": server, "loads": answer["loads"], "by_default": answer["by_default"], "because": because or None}


def _time(seconds: float) -> datetime.datetime | None:
    """Returns a time that Arrow can hold, or nothing: a damaged file may say anything."""
    try:
        return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    except (ValueError, OverflowError, OSError):
        return None


def _prefix(source: str) -> str:
    return source.rstrip("/").rpartition("/")[0]


def died(source: str, run: str) -> Row:
    """The row of a backup whose worker died each time that it was checked."""
    return _begun(source, run, time.time()) | _unreadable("the worker that checked it died, each time that it was tried")
