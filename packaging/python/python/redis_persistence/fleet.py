"""Checks the backups of a fleet: each one a row, the rows a Parquet data set, partitioned by run.

    from redis_persistence import fleet

    sources = fleet.list_sources("s3://backups/")
    fleet.write(fleet.check(sources, for_=["valkey-9.1"]), "reports")

The engines are those of others: :func:`check` takes a pool of ``concurrent.futures``, :func:`ray_dataset` runs on Ray Data,
:func:`spark_frame` on Spark. All of them run :func:`row` for each backup, and give the same rows. What cannot be read (no object,
wrong credentials, no dump, a transfer that was cut) is a row that says so, and the rest goes on.

It needs pyarrow. Ray and pyspark are needed by their functions alone. ``python -m redis_persistence.fleet --help`` is the command.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import itertools
import multiprocessing
import os
import sys
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from typing import Any, Union

import pyarrow
import pyarrow.dataset
import pyarrow.fs

from ._contents import inventory
from ._fleet_row import SCHEMA, Place, Row, died, row, run_name, try_out

Pool = Union[concurrent.futures.Executor, Callable[[], concurrent.futures.Executor], None]

__all__ = [
    "SCHEMA", "check", "inventories", "list_sources", "lost", "ray_dataset", "row", "run_name", "spark_frame", "table",
    "write", "write_inventories",
]

#: What an object may take, for engines that place tasks by memory: the table of keys, two windows, and the interpreter.
MEMORY = 768 << 20


def check(
    sources: Iterable[Place],
    pool: Pool = None,
    *,
    for_: Iterable[str] = (),
    run: str | None = None,
    ahead: int | None = None,
    tries: int = 2,
    **options: Any,
) -> Iterator[Row]:
    """Checks backups on a pool of ``concurrent.futures`` and yields their rows as they are done, in any order.

    ``pool`` is an executor, or something that makes one when it is called; without it a process for each processor works. Each check
    has one thread, unless ``threads`` is given. At most ``ahead`` backups are in flight, by default twice as many as processors, so
    that ``sources`` may be as long as it likes. Where a worker dies, all that were in flight are checked again, one by one on a new
    pool; one that takes its worker down ``tries`` times while nothing else runs gets a row that says so.
    """
    options.setdefault("threads", 1)
    try_out(for_, options)
    run, make = run or run_name(), _maker(pool)
    task = {"for_": tuple(for_), "run": run, **options}
    executor, own = (pool, False) if isinstance(pool, concurrent.futures.Executor) else (make(), True)
    ahead = ahead or 2 * (os.cpu_count() or 1)
    # Of those in flight when a worker died, each is tried alone, so many times more.
    waiting = (os.fspath(source) for source in sources)
    suspects: list[tuple[str, int]] = []
    flight: dict[concurrent.futures.Future[Row], tuple[str, int]] = {}
    try:
        while True:
            try:
                while not suspects and len(flight) < ahead and (source := next(waiting, None)) is not None:
                    flight[_submit(executor, source, task)] = source, tries
                if suspects and not flight:
                    source, left = suspects.pop()
                    flight[_submit(executor, source, task)] = source, left
                if not flight:
                    return
                done, _ = concurrent.futures.wait(flight, return_when=concurrent.futures.FIRST_COMPLETED)
                for future in done:
                    result = future.result()
                    del flight[future]
                    yield result
            except concurrent.futures.BrokenExecutor:
                alone = len(flight) == 1
                for source, left in flight.values():
                    left -= alone
                    if left:
                        suspects.append((source, left))
                    else:
                        yield died(source, run)
                flight.clear()
                if own:
                    executor.shutdown(wait=False)
                executor, own = make(), True
    finally:
        if own:
            executor.shutdown(wait=False, cancel_futures=True)


def _submit(executor: concurrent.futures.Executor, source: str, task: Row) -> concurrent.futures.Future[Row]:
    try:
        return executor.submit(row, source, **task)
    except concurrent.futures.BrokenExecutor as error:
        # The worker died between two backups: this one is held like those in flight.
        failed: concurrent.futures.Future[Row] = concurrent.futures.Future()
        failed.set_exception(error)
        return failed


def _maker(pool: Pool) -> Callable[[], concurrent.futures.Executor]:
    if callable(pool):
        return pool
    # A fork of a program that has threads may hang.
    context = multiprocessing.get_context("spawn")
    return lambda: concurrent.futures.ProcessPoolExecutor(os.cpu_count(), mp_context=context)


def ray_dataset(
    sources: Iterable[Place],
    *,
    for_: Iterable[str] = (),
    run: str | None = None,
    num_cpus: int = 1,
    memory: int = MEMORY,
    max_retries: int = 3,
    **options: Any,
) -> Any:
    """Returns a Ray data set of the rows: each backup is a task of its own, which asks for ``num_cpus`` and ``memory`` bytes.

    Results are streamed. Where a worker dies, Ray runs its task again, ``max_retries`` times; a backup that kills each of them is
    left out by Ray rather than ending the run, and :func:`lost` tells which those are.
    """
    import ray.data

    places, run, for_ = [os.fspath(source) for source in sources], run or run_name(), tuple(for_)
    options.setdefault("threads", num_cpus)
    try_out(for_, options)
    ray.data.DataContext.get_current().max_errored_blocks = -1
    items = ray.data.from_items([{"source": place} for place in places], override_num_blocks=max(1, len(places)))

    def one(batch: Any) -> Any:
        rows = [row(source, for_=for_, run=run, **options) for source in batch["source"].to_pylist()]
        return pyarrow.Table.from_pylist(rows, schema=SCHEMA)

    return items.map_batches(
        one, batch_size=None, batch_format="pyarrow", num_cpus=num_cpus, memory=memory, max_retries=max_retries
    )


def spark_frame(
    spark: Any,
    sources: Iterable[Place],
    *,
    for_: Iterable[str] = (),
    run: str | None = None,
    partitions: int | None = None,
    **options: Any,
) -> Any:
    """Returns a Spark data frame of the rows, by ``mapInArrow`` over the sources: a task for each of ``partitions``, or else four
    for each processor of the cluster.

    Where a worker dies, Spark runs its task again, as ``spark.task.maxFailures`` says; a master of ``local[2]`` runs none again,
    ``local[2, 4]`` does.
    """
    from pyspark.sql.pandas.types import from_arrow_schema

    places, run, for_ = [os.fspath(source) for source in sources], run or run_name(), tuple(for_)
    options.setdefault("threads", 1)
    try_out(for_, options)
    partitions = partitions or min(len(places), 4 * spark.sparkContext.defaultParallelism) or 1

    def rows(batches: Iterable[Any]) -> Iterator[Any]:
        for batch in batches:
            for source in batch.column(0).to_pylist():
                yield pyarrow.RecordBatch.from_pylist([row(source, for_=for_, run=run, **options)], schema=SCHEMA)

    # Round robin, so that no task has all the large ones of a prefix.
    frame = spark.createDataFrame([(place,) for place in places], "source string").repartition(partitions)
    return frame.mapInArrow(rows, from_arrow_schema(SCHEMA))


def lost(sources: Iterable[Place], found: Iterable[str], *, run: str | None = None) -> list[Row]:
    """Returns a row for each of ``sources`` that an engine gave none of, because its worker died each time that it was tried.

    ``found`` are the sources of which there is a row.
    """
    found, run = set(found), run or run_name()
    return [died(source, run) for source in (os.fspath(source) for source in sources) if source not in found]


def table(rows: Iterable[Row]) -> Any:
    """Returns an Arrow table of rows."""
    return pyarrow.Table.from_pylist(list(rows), schema=SCHEMA)


def write(rows: Any, folder: Place) -> dict[int, int]:
    """Writes rows to a Parquet data set in ``folder`` (a path or an address), partitioned by run, and returns how many there are of
    each exit code.

    ``rows`` are dicts, or anything that gives an Arrow stream, such as a table. They are written as they come. A run that is there
    already is replaced.
    """
    counts: dict[int, int] = {}

    def batches() -> Iterator[Any]:
        for batch in _batches(rows):
            for code in batch.column("exit_code").to_pylist():
                counts[code] = counts.get(code, 0) + 1
            yield batch

    _write(batches(), SCHEMA, folder)
    return counts


def _batches(rows: Any) -> Iterator[Any]:
    if hasattr(rows, "__arrow_c_stream__"):
        yield from pyarrow.RecordBatchReader.from_stream(rows).cast(SCHEMA)
        return
    rows = iter(rows)
    while few := list(itertools.islice(rows, 1024)):
        yield pyarrow.RecordBatch.from_pylist(few, schema=SCHEMA)


def _write(batches: Iterable[Any], schema: Any, folder: Place) -> None:
    place, base = _filesystem(os.fspath(folder))
    pyarrow.dataset.write_dataset(
        pyarrow.RecordBatchReader.from_batches(schema, batches),
        base,
        filesystem=place,
        format="parquet",
        partitioning=pyarrow.dataset.partitioning(pyarrow.schema([schema.field("run")]), flavor="hive"),
        existing_data_behavior="delete_matching",
        max_open_files=8,
    )


def inventories(
    sources: Iterable[Place], *, run: str | None = None, failed: MutableMapping[str, str] | None = None
) -> Iterator[Any]:
    """Yields Arrow batches with a row for each key of each backup: ``run``, ``source``, and the columns of
    :func:`redis_persistence.inventory`.

    What has no inventory, because it is damaged or cannot be read, is passed over; the reason is put into ``failed``, by source.
    """
    run = run or run_name()
    for source in (os.fspath(source) for source in sources):
        try:
            for batch in pyarrow.RecordBatchReader.from_stream(inventory(source)):
                columns = [pyarrow.array([text] * len(batch), pyarrow.string()) for text in (run, source)]
                names = ["run", "source", *batch.schema.names]
                yield pyarrow.RecordBatch.from_arrays([*columns, *batch.columns], names)
        except Exception as error:  # As in a row: it is about this one.
            if failed is not None:
                failed[source] = str(error) or type(error).__name__


def write_inventories(sources: Iterable[Place], folder: Place, *, run: str | None = None) -> dict[str, str]:
    """Writes inventories to a Parquet data set in ``folder``, partitioned by run, and returns what has none, with the reason."""
    failed: dict[str, str] = {}
    batches = inventories(sources, run=run, failed=failed)
    first = next(batches, None)
    if first is not None:
        _write(itertools.chain([first], batches), first.schema, folder)
    return failed


def list_sources(place: Place, *, filesystem: Any = None) -> list[str]:
    """Returns what lies in a folder or under a prefix, such as ``/var/backups`` or ``s3://backups/``, sorted.

    A folder with the manifest of append-only files is one source, its files are none by themselves. Credentials, region and endpoint
    of S3 come out of the environment (``AWS_ACCESS_KEY_ID``, ``AWS_SECRET_ACCESS_KEY``, ``AWS_REGION``, ``AWS_ENDPOINT_URL``), or
    ``filesystem`` is one of pyarrow.
    """
    place = os.fspath(place)
    scheme, colon, _ = place.partition("://")
    found, base = _filesystem(place)
    selected = (filesystem or found).get_file_info(pyarrow.fs.FileSelector(base, recursive=True))
    files = [info.path for info in selected if info.type == pyarrow.fs.FileType.File]
    sets = {path.rpartition("/")[0] for path in files if path.endswith(".manifest")}
    alone = [path for path in files if path.rpartition("/")[0] not in sets]
    return [scheme + colon + path if colon else path for path in sorted([*(folder + "/" for folder in sets), *alone])]


def _filesystem(place: str) -> tuple[Any, str]:
    """Returns the file system of a path or an address, and the place in it."""
    scheme, colon, rest = place.partition("://")
    if not colon:
        return pyarrow.fs.LocalFileSystem(), os.path.abspath(place)
    if scheme != "s3":
        found, base = pyarrow.fs.FileSystem.from_uri(place)
        return found, base
    options = {"region": os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"}
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if endpoint:
        address = urllib.parse.urlsplit(endpoint)
        options |= {"scheme": address.scheme, "endpoint_override": address.netloc + address.path.rstrip("/")}
    return pyarrow.fs.S3FileSystem(**options), rest.rstrip("/")


def main(arguments: list[str] | None = None) -> int:
    """The command: checks what lies under a prefix or in a folder, and writes a Parquet data set of the reports."""
    parser = argparse.ArgumentParser(prog="python -m redis_persistence.fleet", description=main.__doc__)
    parser.add_argument("place", help="a prefix such as s3://backups/, or a folder")
    parser.add_argument("--to", default="reports", help="where the data set lies (default: reports)")
    parser.add_argument("--for", dest="for_", action="append", default=[], metavar="SERVER", help="should load on it; may be repeated")
    parser.add_argument("--run", default=run_name(), help="the name of this run (default: the time)")
    parser.add_argument("--inventories", metavar="FOLDER", help="write a data set of all keys, too")
    options = parser.parse_args(arguments)
    try:
        sources = list_sources(options.place)
        if not sources:
            raise FileNotFoundError("nothing lies there")
    except OSError as error:
        print(f"{options.place}: {error}", file=sys.stderr)
        return 2
    counts = write(check(sources, for_=options.for_, run=options.run), options.to)
    bad = sum(count for code, count in counts.items() if code)
    print(f"{len(sources)} checked, {bad} not sound or not as demanded; {options.to}, run {options.run}")
    if options.inventories:
        failed = write_inventories(sources, options.inventories, run=options.run)
        print(f"{len(sources) - len(failed)} inventories; {options.inventories}")
    return next((code for code in (1, 2, 3) if counts.get(code)), 0)


if __name__ == "__main__":
    sys.exit(main())
