"""Rows of a fleet: the same on every pool, and a row for whatever goes wrong. Ray, Spark and a bucket are tried by ``.ci/objects``."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import os
import pathlib
import signal
import tarfile
import typing

import pytest
from conftest import ROOT

pyarrow = pytest.importorskip("pyarrow")
from redis_persistence import _fleet_row, fleet, verify  # noqa: E402

SOUND = ROOT / "testdata/rdb/redis-7.0-multidb.rdb"
DAMAGED = ROOT / "testdata/broken/byte-changed.rdb"
SERVERS = ["redis-7.2", "valkey-9.1"]


def without_times(row: fleet.Row) -> fleet.Row:
    return {name: value for name, value in row.items() if name not in ("checked_at", "seconds", "age", "run")}


def test_a_row_says_what_the_report_says() -> None:
    for path in (SOUND, DAMAGED):
        row, report = fleet.row(path, for_=SERVERS, run="now"), verify(path, for_=SERVERS)
        assert set(row) == set(fleet.SCHEMA.names)
        assert (row["run"], row["source"], row["prefix"], row["files"]) == ("now", str(path), str(path.parent), 1)
        assert (row["verdict"], row["exit_code"]) == (report.verdict, report.exit_code)
        assert (row["bytes"], row["keys"]) == (report.file.size, report.file.counts.keys)
        assert {answer["server"]: answer["loads"] for answer in row["loads_on"]} == {
            server: answer.loads for server, answer in report.loads_on.items()
        }
        assert abs(row["age"] - (row["checked_at"] - row["created"]).total_seconds()) < 1
    assert (row["code"], row["offset"], row["errors"]) == ("rdb-checksum-mismatch", 259, 1)
    assert row["writer"] == "7.0.15"
    assert "test__rdb" in row["loads_on"][0]["because"]


def test_what_cannot_be_read_is_a_row(tmp_path: pathlib.Path) -> None:
    (tmp_path / "empty.rdb").touch()
    (tmp_path / "text.rdb").write_text("no dump\n")
    (tmp_path / "cut.rdb").write_bytes(SOUND.read_bytes()[:300])
    (tmp_path / "cut.rdb.gz").write_bytes(b"\x1f\x8b\x08\x00")
    found = {name: fleet.row(tmp_path / name) for name in ("empty.rdb", "text.rdb", "cut.rdb", "cut.rdb.gz", "missing.rdb", "a\0b")}
    verdicts = {name: (row["verdict"], row["exit_code"]) for name, row in found.items()}
    assert verdicts["empty.rdb"] == verdicts["cut.rdb"] == ("damaged", 1)
    assert verdicts["text.rdb"] == ("unknown", 3)
    assert verdicts["missing.rdb"] == verdicts["a\0b"] == ("unreadable", 2)
    assert all(row["message"] for row in found.values())
    fleet.table(found.values()).validate(full=True)


def test_arguments_that_make_no_sense_are_no_row() -> None:
    for options in ({"for_": ["redis-99"]}, {"no_such": 1}):
        with pytest.raises((ValueError, TypeError)):
            fleet.row(SOUND, **options)  # type: ignore[arg-type]
        with pytest.raises((ValueError, TypeError)):
            next(fleet.check([SOUND], **options))  # type: ignore[arg-type]


def test_files_of_a_tar_are_one_row(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "both.tar"
    with tarfile.open(path, "w") as archive:
        archive.add(SOUND, "first.rdb")
        archive.add(DAMAGED, "second.rdb")
    row = fleet.row(path, for_=SERVERS)
    keys = sum(verify(one).file.counts.keys for one in (SOUND, DAMAGED))  # type: ignore[union-attr]
    assert (row["files"], row["verdict"], row["keys"], row["code"]) == (2, "damaged", keys, "rdb-checksum-mismatch")
    assert "second.rdb: " in row["message"]
    assert [answer["loads"] for answer in row["loads_on"]] == [False, False]


def test_every_pool_gives_the_same_rows() -> None:
    sources = [*sorted((ROOT / "testdata/broken").glob("*.rdb")), SOUND, SOUND, ROOT / "missing"]
    expected = sorted((without_times(fleet.row(source, for_=SERVERS)) for source in sources), key=str)
    spawned = multiprocessing.get_context("spawn")
    pools: list[fleet.Pool] = [
        concurrent.futures.ThreadPoolExecutor(3),
        lambda: concurrent.futures.ProcessPoolExecutor(2, mp_context=spawned),
    ]
    for pool in pools:
        rows = list(fleet.check(sources, pool, for_=SERVERS, run="run"))
        assert {row["run"] for row in rows} == {"run"}
        assert sorted(map(without_times, rows), key=str) == expected


def test_no_more_is_drawn_than_is_in_flight() -> None:
    drawn = 0

    def sources() -> typing.Iterator[pathlib.Path]:
        nonlocal drawn
        for _ in range(500):
            drawn += 1
            yield SOUND

    for taken, _ in enumerate(fleet.check(sources(), concurrent.futures.ThreadPoolExecutor(2), ahead=5), 1):
        assert drawn <= taken + 10
    assert (taken, drawn) == (500, 500)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the workers have to share what is patched")
def test_a_worker_that_dies(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    poison, once = tmp_path / "poison.rdb", tmp_path / "once.rdb"
    for path in (poison, once):
        path.write_bytes(SOUND.read_bytes())
    here = os.getpid()

    def deadly(source: typing.Any, **options: typing.Any) -> typing.Any:
        if os.getpid() != here and str(source) == str(once) and not (tmp_path / "died").exists():
            (tmp_path / "died").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if str(source) == str(poison):
            os.kill(os.getpid(), signal.SIGKILL)
        return verify(source, **options)

    monkeypatch.setattr(_fleet_row, "verify", deadly)
    others = [SOUND] * 20
    sources = [*others[:10], once, poison, *others[10:]]
    forked = multiprocessing.get_context("fork")
    for pool in (concurrent.futures.ProcessPoolExecutor(2, mp_context=forked), lambda: concurrent.futures.ProcessPoolExecutor(2, mp_context=forked)):
        (tmp_path / "died").unlink(missing_ok=True)
        monkeypatch.setattr(fleet, "_maker", lambda _: lambda: concurrent.futures.ProcessPoolExecutor(2, mp_context=forked))
        rows = list(fleet.check(sources, pool))
        assert sorted(row["source"] for row in rows) == sorted(map(str, sources))
        bad = [row for row in rows if row["verdict"] != "sound"]
        assert [(row["source"], row["verdict"], row["exit_code"]) for row in bad] == [(str(poison), "unreadable", 2)]
        assert "died" in bad[0]["message"]
    assert [row["source"] for row in fleet.lost(sources, [row["source"] for row in rows if row["source"] != str(once)])] == [str(once)]


def test_runs_are_partitions(tmp_path: pathlib.Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    folder = tmp_path / "reports"
    for run, sources in (("1", [SOUND]), ("2", [SOUND, DAMAGED]), ("2", [DAMAGED, ROOT / "missing"])):
        counts = fleet.write(fleet.check(sources, concurrent.futures.ThreadPoolExecutor(1), run=run), folder)
        assert sum(counts.values()) == len(sources)
    assert counts == {1: 1, 2: 1}
    assert fleet.write(fleet.table([fleet.row(SOUND, run="3")]), folder) == {0: 1}
    query = f"SELECT run, source, verdict FROM read_parquet('{folder}/*/*.parquet', hive_partitioning = true, hive_types_autocast = false)"
    assert sorted(duckdb.sql(query).fetchall()) == [
        ("1", str(SOUND), "sound"),
        ("2", str(ROOT / "missing"), "unreadable"),
        ("2", str(DAMAGED), "damaged"),
        ("3", str(SOUND), "sound"),
    ]


def test_a_folder_with_a_manifest_is_one_source(tmp_path: pathlib.Path) -> None:
    for name in ("b.rdb", "set/appendonly.aof.manifest", "set/appendonly.aof.1.incr.aof", "a/c.rdb"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert fleet.list_sources(tmp_path) == [f"{tmp_path}/{name}" for name in ("a/c.rdb", "b.rdb", "set/")]


def test_the_command(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    backups = tmp_path / "backups"
    backups.mkdir()
    assert fleet.main([str(backups), "--to", str(tmp_path / "reports")]) == 2
    assert "nothing lies there" in capsys.readouterr().err
    (backups / "dump.rdb").write_bytes(SOUND.read_bytes())
    assert fleet.main([str(backups), "--to", str(tmp_path / "reports"), "--run", "one"]) == 0
    (backups / "text.rdb").write_text("text\n")
    assert fleet.main([str(backups), "--to", str(tmp_path / "reports"), "--run", "two"]) == 3
    assert "2 checked, 1 not sound" in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "reports").iterdir()) == ["run=one", "run=two"]
