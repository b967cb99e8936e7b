"""Reports on files."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, Union, cast

from . import _native
from ._native import Error
from .report import Document, File, Finding, Loads

if TYPE_CHECKING:
    import mmap

    #: What is read: a path, bytes in memory, or a file object that is open in binary mode.
    Source = Union[str, "os.PathLike[str]", bytes, bytearray, memoryview, "mmap.mmap", BinaryIO]

Verdict = Literal["sound", "damaged", "unknown"]
Tool = Literal["rdbcheck", "aofcheck"]


class FileReport(File):
    """The report on one file, or on one set of append-only files."""

    __slots__ = ("_exit",)

    def __init__(self, data: dict[str, Any], exit_code: int) -> None:
        super().__init__(data)
        self._exit = exit_code

    @property
    def exit_code(self) -> int:
        """What it means for the exit code of the command: 0 sound, 1 damaged or not as demanded, 2 not readable, 3 not to be judged."""
        return self._exit

    @property
    def ok(self) -> bool:
        """Whether it is sound, as demanded, and loaded by each server that was named in ``for_``."""
        return self._exit == 0

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._data, self._exit)


class Report(Document):
    """What the command prints with ``--format json``, as objects, and its exit code.

    A file that is not a tar makes a report on one file; its ``loads_on`` and the like are attributes here too. A report can be pickled.
    """

    __slots__ = ("_text", "_exits", "_exit", "_notes")

    def __init__(self, text: str, exit_code: int, exits: Iterable[int], notes: Iterable[str] = ()) -> None:
        super().__init__(json.loads(text))
        self._text = text
        self._exit = exit_code
        self._exits = list(exits)
        self._notes = list(notes)

    def json(self) -> str:
        """Returns the document, byte for byte as the command prints it."""
        return self._text

    @property
    def files(self) -> list[FileReport]:  # type: ignore[override]
        """One for the input; for a tar, one for each RDB or append-only set in it."""
        return [FileReport(data, code) for data, code in zip(self._data["files"], self._exits)]

    @property
    def file(self) -> FileReport:
        """The report on the one file. A ``ValueError`` if there are several, as in a tar."""
        if len(self._exits) != 1:
            raise ValueError(f"this is a report on {len(self._exits)} files: see .files")
        return self.files[0]

    @property
    def exit_code(self) -> int:
        """The exit code of the command: 0 sound, 1 damaged or not as demanded, 2 not readable, 3 not to be judged."""
        return self._exit

    @property
    def ok(self) -> bool:
        """Whether the exit code is 0."""
        return self._exit == 0

    @property
    def verdict(self) -> Verdict:
        """``damaged`` if any file is, else ``unknown`` if any is, else ``sound``."""
        verdicts = {data["verdict"] for data in self._data["files"]}
        return cast(Verdict, next((one for one in ("damaged", "unknown", "sound") if one in verdicts), "unknown"))

    @property
    def findings(self) -> list[Finding]:
        """The findings of all files, in their order."""
        return [finding for file in self.files for finding in file.findings]

    @property
    def loads_on(self) -> dict[str, Loads]:
        """What each server of ``for_`` would do with the one file, by the name of the server, such as ``redis-7.0``."""
        return self.file.loads_on

    @property
    def notes(self) -> list[str]:
        """Lines that the command prints on standard error beside the report."""
        return list(self._notes)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._text, self._exit, self._exits, self._notes)

    def __repr__(self) -> str:
        files = ", ".join(f"{data['path']!r}: {data['verdict']}" for data in self._data["files"])
        return f"<Report {files}>"


def verify(
    source: Source,
    *,
    name: str | None = None,
    tool: Tool | None = None,
    for_: str | Iterable[str] = (),
    settings: Mapping[str, object] | None = None,
    conf: str | os.PathLike[str] | None = None,
    stats: bool = False,
    separators: str = ":",
    prefix_depth: int = 1,
    memory_of: str | None = None,
    redact: bool = False,
    hex: bool = False,
    timeline: bool = False,
    threads: int | None = None,
    functions: Literal["run", "skip"] = "run",
    quick: bool = False,
    duplicates: Literal["on", "off", "full"] = "on",
    duplicate_memory: int | None = None,
    max_findings: int | None = None,
    max_unpacked: int | None = None,
    unpack_memory: int | None = None,
    now: int | None = None,
    strict: bool = False,
    require_checksum: bool = False,
    expect_keys: int | None = None,
    against: str | os.PathLike[str] | None = None,
) -> Report:
    """Checks an RDB snapshot, an append-only file, or a set of them, packed or not, and returns the report.

    The work is done without the interpreter's lock, and Ctrl+C stops it. Nothing is printed, and nothing is changed.

    Args:
        source: A path; bytes in memory, which are not copied; what has a buffer; or a file object that is open in binary mode, read
            from where it stands to its end, with ``seek`` if it can (any other is laid down in a temporary file first). A folder is
            a set of append-only files or the directory of a server. A text is always a path.
        name: What the report calls an input that is no path. By default the ``name`` of a file object, else ``-``.
        tool: ``rdbcheck`` or ``aofcheck``. By default the one that the name or the first bytes call for.
        for_: Servers, such as ``redis-7.0``, ``valkey-9.1`` or ``newest``: whether each would load it. See ``servers()``.
        settings: Settings of these servers, such as ``{"databases": 32}``.
        conf: Their configuration file.
        stats: Whether sizes, types, prefixes and what a load would need are counted.
        separators: The characters of which each ends a prefix of keys, for ``stats``.
        prefix_depth: Up to which separator prefixes are counted, 0 to 16, for ``stats``.
        memory_of: The server whose memory is estimated, for ``stats``, such as ``redis-8.6``.
        redact: Whether hashes stand in the place of keys and of all other data.
        hex: Whether the bytes around findings are wanted.
        timeline: Whether the timestamps of append-only files are listed.
        threads: On how many threads; one for each processor by default. The report is the same for any number.
        functions: ``run`` runs the code of function libraries in a sandbox, as servers do; ``skip`` leaves that unknown.
        quick: Only the frame and the checksum, not the values.
        duplicates: Whether keys and elements that occur twice are looked for: ``on`` as far as the memory reaches, ``full`` all.
        duplicate_memory: Memory for that search, in bytes (256 MiB).
        max_findings: How many findings are listed (1000). All are counted.
        max_unpacked: It is given up where a packed input unpacks to more, in bytes (4 GiB, or 250 times its size).
        unpack_memory: It is given up where unpacking takes more memory, in bytes (64 MiB).
        now: The time at which expiries are judged, in seconds or milliseconds since the epoch.
        strict: Whether warnings count for the exit code.
        require_checksum: Whether a missing checksum does.
        expect_keys: How many keys there have to be at least.
        against: The seal that it has to fit. By default the one that lies beside it, if one does.

    Raises:
        Error: It cannot be read. ``report`` of the exception is the report that says so, as far as there is one.
        ValueError: The arguments make no sense, such as a server that is not known.
        KeyboardInterrupt: It was stopped.
    """
    given: list[str] = ["--format=json"]
    flags = {"stats": stats, "redact": redact, "hex": hex, "timeline": timeline, "quick": quick, "strict": strict}
    given += [f"--{flag}" for flag, on in {**flags, "require-checksum": require_checksum}.items() if on]
    servers = [for_] if isinstance(for_, str) else list(for_)
    given += [f"--for={server}" for server in servers]
    given += [f"--set={key}={value}" for key, value in (settings or {}).items()]
    options = {
        "conf": conf,
        "separators": separators if stats else None,
        "prefix-depth": prefix_depth if stats else None,
        "memory-of": memory_of,
        "threads": threads,
        "functions": functions,
        "duplicates": duplicates,
        "duplicate-memory": duplicate_memory,
        "max-findings": max_findings,
        "max-unpacked": max_unpacked,
        "unpack-memory": unpack_memory,
        "now": now,
        "expect-keys": expect_keys,
        "against": against,
    }
    given += [f"--{option}={_plain(value)}" for option, value in options.items() if value is not None]
    report = Report(*_native.verify(source, name, tool, given))
    errors = [file.error for file in report.files]
    if errors and all(error is not None for error in errors):
        error = Error(f"{report.files[0].path}: {errors[0]}")
        error.report = report
        raise error
    return report


def aof(path: str | os.PathLike[str], **options: Any) -> Report:
    """Checks an append-only file, a manifest, an ``appendonlydir`` or the directory of a server, as ``aofcheck`` does.

    As :func:`verify` with ``tool="aofcheck"``: it takes the same options and raises the same exceptions.
    """
    return verify(path, tool="aofcheck", **options)


def _plain(value: object) -> str:
    return os.fsdecode(value) if isinstance(value, os.PathLike) else str(value)
