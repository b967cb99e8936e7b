"""What RDB files hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import _native
from ._native import Inventory, Keys

if TYPE_CHECKING:
    from ._verify import Source


def keys(
    source: Source,
    *,
    name: str | None = None,
    values: bool = True,
    threads: int | None = None,
) -> Keys:
    """Iterates over the keys of an RDB, packed or not, in the order of the file, which is read meanwhile on all threads.

    Memory stays bounded by the largest value, whatever the size of the file. An append-only file is none of these: see ``verify``.
    Of a tar the RDBs in it are read one after the other.

    Args:
        source: A path, bytes, or a binary file object, as for ``verify``.
        name: What errors call an input that is no path.
        values: Whether keys have their ``value``; one that takes more than 1 GiB of memory is None. Without, it is faster.
        threads: On how many threads; one for each processor by default.

    Each key has: ``db``; ``key``, its name as bytes; ``type`` and ``encoding``; ``elements``; ``bytes`` and ``offset``, of its record in
    the file; ``slot``; ``expires_ms``, in milliseconds since the epoch; ``idle``, in seconds; ``freq``, 0 to 255; ``value``; and
    ``field_expires_ms``, of the fields of a hash. What the file does not say is None.

    Raises:
        Damaged: After the keys that could be read: the bytes leave no way on, a value cannot be read, or the checksum does not fit.
        Error: It cannot be read.
    """
    return _native.keys(source, name, (values, threads))


def inventory(source: Source, *, name: str | None = None, batch_size: int = 65536, threads: int | None = None) -> Inventory:
    """Returns the keys of an RDB as a stream of Arrow record batches, without their values: one row for each key.

    What it returns has ``__arrow_c_stream__``, the Arrow PyCapsule interface: ``pyarrow.RecordBatchReader.from_stream``,
    ``polars.DataFrame``, DuckDB and others take it, once, without a copy, while the file is read. Memory stays bounded by a few batches.

    Columns: ``db`` uint64; ``key`` binary; ``type`` and ``encoding`` string; ``elements``, ``bytes`` (of the record in the file) and
    ``offset`` uint64; ``expires_ms`` int64, milliseconds since the epoch; ``idle`` uint64, seconds; ``freq`` uint8; ``slot`` uint16.
    They have the names and the values of ``rdbcheck list --csv``. ``expires_ms``, ``idle`` and ``freq`` can be null.

    Args:
        source: A path, bytes, or a binary file object, as for ``verify``.
        name: What errors call an input that is no path.
        batch_size: How many rows a batch has at most.
        threads: On how many threads; one for each processor by default.

    What fails while it is taken is raised by the library that takes it, after the good batches, with the text of the error; ``failed``
    of the inventory is then the ``Damaged`` or ``Error`` itself.
    """
    return _native.inventory(source, name, (False, threads), batch_size)
