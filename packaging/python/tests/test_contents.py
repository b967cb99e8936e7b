"""``keys`` and ``inventory`` hold what ``rdbcheck list`` prints."""

from __future__ import annotations

import base64
import csv
import gc
import gzip
import io
import json
import pathlib
import tarfile
from typing import Any

import pytest
from conftest import ROOT, Commands

import redis_persistence
from redis_persistence import Damaged, Error, inventory, keys

RDBS = sorted((ROOT / "testdata/rdb").glob("*.rdb"))
COLUMNS = ["db", "key", "type", "encoding", "elements", "bytes", "offset", "expires_ms", "idle", "freq", "slot"]


def listed(commands: Commands, path: pathlib.Path) -> list[dict[str, Any]]:
    ran = commands.run("rdbcheck", "list", "--json", "--values", path)
    return [json.loads(line) for line in ran.stdout.splitlines()]


def text(data: bytes) -> Any:
    """A text as the command writes it."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode()}


def number(score: float) -> Any:
    return score if abs(score) != float("inf") else str(score)


def as_listed(key: redis_persistence.Key) -> Any:
    value, kind = key.value, key.type
    if kind == "string":
        return text(value)
    if kind == "list":
        return [text(item) for item in value]
    if kind == "set":
        return sorted(map(str, map(text, value)))
    if kind == "zset":
        return [{"member": text(member), "score": number(score)} for member, score in value]
    if kind == "hash":
        expires = key.field_expires_ms
        fields = [{"field": text(name), "value": text(of), **({"expires_ms": expires[name]} if name in expires else {})} for name, of in value.items()]
        return fields
    if kind == "stream":
        entries = [{"id": id, "fields": [[text(name), text(of)] for name, of in fields]} for id, fields in value["entries"]]
        groups = [
            {
                **group,
                "name": text(group["name"]),
                "pending": [{"id": id, "time_ms": time, "deliveries": often} for id, time, often in group["pending"]],
                "consumers": [{**consumer, "name": text(consumer["name"])} for consumer in group["consumers"]],
            }
            for group in value["groups"]
        ]
        return {**value, "entries": entries, "groups": groups}
    return None


@pytest.mark.parametrize("path", RDBS, ids=lambda path: path.name)
def test_keys_are_those_of_the_list(path: pathlib.Path, commands: Commands) -> None:
    expected = listed(commands, path)
    found = list(keys(path))
    assert len(found) == len(expected)
    for key, row in zip(found, expected):
        name = row["key"].encode() if row["key"] is not None else base64.b64decode(row["key_base64"])
        assert key.key == name
        for field in COLUMNS:
            if field != "key":
                assert getattr(key, field) == row[field], (field, row)
        value = as_listed(key)
        if key.type == "set":
            assert value == sorted(map(str, row["value"]))
        elif value is not None:
            assert value == row["value"], name
        else:
            assert key.type not in ("string", "list", "set", "zset", "hash", "stream")
    assert [key.value for key in keys(path, values=False)] == [None] * len(expected)


def test_all_types_were_seen() -> None:
    types = {key.type for path in RDBS for key in keys(path, values=False)}
    assert types >= {"string", "list", "set", "zset", "hash", "stream"}, types


@pytest.mark.parametrize("batch_size", [1, 7, 65536])
def test_an_inventory_is_the_list_as_a_table(batch_size: int, commands: Commands, tmp_path: pathlib.Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    path = max(RDBS, key=lambda path: path.stat().st_size)
    table = pyarrow.table(inventory(path, batch_size=batch_size))
    ran = commands.run("rdbcheck", "list", "--csv", path)
    rows = list(csv.DictReader(io.StringIO(ran.stdout.decode("latin-1"), newline="")))
    assert table.column_names == COLUMNS == list(rows[0]) and table.num_rows == len(rows) > 10
    for column in COLUMNS:
        expected = [row[column] for row in rows]
        values = [value.decode("latin-1") if isinstance(value, bytes) else "" if value is None else str(value) for value in table[column].to_pylist()]
        assert values == expected, column
    assert max(len(chunk) for chunk in table["db"].chunks) <= batch_size


def test_libraries_take_an_inventory(tmp_path: pathlib.Path) -> None:
    pyarrow, polars, duckdb = (pytest.importorskip(name) for name in ("pyarrow", "polars", "duckdb"))
    path = ROOT / "testdata/rdb/redis-7.0-streams.rdb"
    count = len(list(keys(path)))
    assert count > 0
    reader = pyarrow.RecordBatchReader.from_stream(inventory(path))
    assert reader.schema.names == COLUMNS and sum(batch.num_rows for batch in reader) == count
    frame = polars.DataFrame(inventory(path))
    assert frame.height == count and frame.columns == COLUMNS and frame.schema["key"] == polars.Binary
    reader = pyarrow.RecordBatchReader.from_stream(inventory(path))
    assert duckdb.execute("SELECT count(*), sum(bytes) FROM reader").fetchall() == [(count, frame["bytes"].sum())]
    direct = inventory(path)
    assert duckdb.execute("SELECT count(*) FROM direct").fetchall() == [(count,)]
    assert pyarrow.schema(inventory(path)).names == COLUMNS
    taken = inventory(path)
    pyarrow.table(taken)
    with pytest.raises(ValueError, match="was taken"):
        pyarrow.table(taken)
    with pytest.raises(ValueError, match="one row"):
        inventory(path, batch_size=0)


def damaged_behind(count: int) -> bytes:
    """An RDB of so many keys, then a byte that is no type."""
    records = b"".join(b"\x00\x05k%04d\x01v" % n for n in range(count))
    return b"REDIS0004" + records + b"\xc8"


def test_damage_comes_after_the_good_keys() -> None:
    pyarrow = pytest.importorskip("pyarrow")
    data = damaged_behind(1000)
    for source in (data, io.BytesIO(data), gzip.compress(data)):
        seen = []
        with pytest.raises(Damaged) as caught:
            for key in keys(source):
                seen.append(key.key)
        assert len(seen) == 1000 and seen[-1] == b"k0999"
        assert caught.value.offset == caught.value.started == len(data) - 1
    taken = inventory(data, batch_size=100)
    reader = pyarrow.RecordBatchReader.from_stream(taken)
    batches = []
    with pytest.raises(Exception, match="k|type|byte"):
        for batch in reader:
            batches.append(batch.num_rows)
    assert sum(batches) == 1000 and isinstance(taken.failed, Damaged) and taken.failed.offset == len(data) - 1


def test_what_cannot_be_read(tmp_path: pathlib.Path) -> None:
    with pytest.raises(Error, match="No such file"):
        list(keys("nowhere.rdb"))
    with pytest.raises(Damaged):
        list(keys(b"no RDB at all, but something else"))
    with pytest.raises(TypeError):
        keys(7)  # type: ignore[arg-type]
    both = tmp_path / "two.tar"
    with tarfile.open(both, "w") as tar:
        for path in RDBS[-2:]:
            tar.add(path, path.name)
    assert len(list(keys(both))) == sum(len(list(keys(path))) for path in RDBS[-2:])


def test_an_iterator_may_be_dropped_early() -> None:
    for _ in range(50):
        first = next(iter(keys(damaged_behind(5000))))
        assert first.key == b"k0000" and "k0000" in repr(first)


def test_what_failed_may_be_dropped_anywhere() -> None:
    """A reader that failed is dropped by the collector of garbage, within a call of this package and by a library without the lock."""
    pyarrow = pytest.importorskip("pyarrow")

    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise ZeroDivisionError("the disk")

    for source, kind in ((damaged_behind(10), Damaged), (Broken(damaged_behind(10)), ZeroDivisionError)):
        for _ in range(20):
            taken = inventory(source)
            reader = pyarrow.RecordBatchReader.from_stream(taken)
            with pytest.raises(Exception):
                reader.read_all()
            assert isinstance(taken.failed, kind)
            circle: list[Any] = [reader]
            circle.append(circle)
            del taken, reader, circle
            assert len(list(keys(damaged_behind(2000)[:-1] + b"\xff"))) == 2000
        gc.collect()
