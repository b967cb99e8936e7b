"""The objects of a report, with `stats`: one class for each object of its JSON schema, with the same names.

Written by ``packaging/python/schema.py`` from ``report.schema.json``. Offsets and sizes are in bytes, and count unpacked bytes. Whole
numbers that JSON has as text, because they are above 2^53, are ``int`` here. What a report does not have is ``None``.
"""

from __future__ import annotations

from typing import Literal

from ._record import Record, each, integer, optional, optional_integer, table


class Spread(Record):
    """What each key takes in the file."""

    __slots__ = ()
    _made = {"total": integer, "p50": integer, "p99": integer, "max": integer, "powers": each(integer)}
    total: int
    p50: int
    p99: int
    max: int
    powers: list[int]
    """The histogram: how many are below 2, and from each power of two to the next from there on."""


class OfType(Record):
    __slots__ = ()
    _made = {
        "keys": integer,
        "expires": integer,
        "expired": integer,
        "memory_bytes": optional_integer,
        "bytes": Spread,
        "elements": optional(Spread),
        "ttl_seconds": optional(Spread),
        "idle_seconds": optional(Spread),
        "frequency": optional(Spread),
    }
    keys: int
    expires: int
    expired: int
    memory_bytes: int | None
    """What the keys take in the server that memory_of names, as MEMORY USAGE tells it; ``None`` for modules and arrays."""
    bytes: Spread
    """What each key takes in the file."""
    elements: Spread | None
    """``None`` for strings."""
    ttl_seconds: Spread | None
    """From now, or from the time that --now gives, to the expiries of keys that have not expired; ``None`` where there is none."""
    idle_seconds: Spread | None
    """For how long nobody had used a key when the file was written; ``None`` where the file does not say it."""
    frequency: Spread | None
    """How often keys were used, as the logarithmic counter of LFU; ``None`` where the file does not say it."""


class LargeKey(Record):
    __slots__ = ()
    _made = {"db": integer, "bytes": integer, "elements": integer, "offset": integer, "memory_bytes": optional_integer}
    db: int
    key: str | None
    key_base64: str | None
    type: str
    encoding: str
    bytes: int
    elements: int
    offset: int
    """Where its record begins."""
    memory_bytes: int | None


class Prefix(Record):
    __slots__ = ()
    _made = {"keys": integer, "bytes": integer}
    prefix: str
    """With the separator; escaped where it is not UTF-8."""
    keys: int
    bytes: int


class KeysAndBytes(Record):
    __slots__ = ()
    _made = {"keys": integer, "bytes": integer}
    keys: int
    bytes: int


class StatsPrefix(Record):
    __slots__ = ()
    _made = {"prefixes": each(Prefix), "without_prefix": KeysAndBytes, "other_prefixes": KeysAndBytes}
    prefixes: list[Prefix]
    """The first 1,000 by bytes."""
    without_prefix: KeysAndBytes
    other_prefixes: KeysAndBytes


class Estimate(Record):
    __slots__ = ()
    _made = {"memory_bytes": integer, "cpu_ms": integer}
    memory_bytes: int
    """What a server that has loaded it takes, beyond an empty one."""
    cpu_ms: int
    """Processor time of the load."""
    basis: str
    """What the numbers rest on."""


class Stats(Record):
    """Only with --stats: numbers about the RDB, or about the image at the start of an append-only file."""

    __slots__ = ()
    _made = {
        "databases": table(table(OfType)),
        "largest": each(LargeKey),
        "prefixes": each(Prefix),
        "without_prefix": KeysAndBytes,
        "other_prefixes": KeysAndBytes,
        "deeper_prefixes": each(StatsPrefix),
        "estimate": Estimate,
    }
    databases: dict[str, dict[str, OfType]]
    """By type in each. The 64 databases of the lowest numbers are told apart; others are counted in the last of them."""
    largest: list[LargeKey]
    """By their bytes in the file, the largest first."""
    prefixes: list[Prefix]
    """Keys by what stands before the first separator."""
    without_prefix: KeysAndBytes
    other_prefixes: KeysAndBytes
    deeper_prefixes: list[StatsPrefix]
    """The same for what stands before the second separator, before the third, and so on, as deep as --prefix-depth says."""
    memory_of: Literal["redis-6.2", "redis-7.0", "redis-8.6", "valkey-9.1"]
    memory_basis: str
    """On what the estimate of memory_bytes was measured."""
    estimate: Estimate
