"""Checks RDB snapshots and append-only files of Redis and Valkey, and reads what RDB files hold.

    >>> import redis_persistence
    >>> redis_persistence.verify("dump.rdb", for_=["redis-7.0"]).ok        # doctest: +SKIP
    True

``verify`` gives the report of the commands ``rdbcheck`` and ``aofcheck`` as objects, ``keys`` and ``inventory`` what an RDB holds. Offsets
and sizes are in bytes, times in milliseconds since the epoch where the name ends in ``_ms``, else in seconds.
"""

from __future__ import annotations

from ._contents import inventory, keys
from ._native import Damaged, Error, InternalError, Inventory, Key, Keys, __version__
from ._native import servers as _servers
from ._verify import FileReport, Report, aof, verify

__all__ = [
    "Damaged",
    "Error",
    "FileReport",
    "InternalError",
    "Inventory",
    "Key",
    "Keys",
    "Report",
    "__version__",
    "aof",
    "inventory",
    "keys",
    "servers",
    "verify",
]


def servers() -> list[str]:
    """Returns the names of the servers that ``for_`` takes, such as ``redis-7.0``; ``newest`` is the newest Redis."""
    return _servers()
