"""Puts 300 backups into a real S3 server on loopback and has them checked in every way: the commands on the files and on the objects,
Python alone, Ray on two workers of which some are killed, and Spark. All have to say the same of each. `.ci/objects` calls it, with
the commands and the package built, and with what could not be installed in the variable MISSING.

    python .ci/objects.py FOLDER COMMANDS           all of it; FOLDER is emptied, COMMANDS is where the programs lie
    python .ci/objects.py FOLDER COMMANDS --part N  one of python, ray, spark, in a process of its own
"""

import concurrent.futures
import gzip
import io
import json
import lzma
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tarfile
import time

import objects_page

ROOT = pathlib.Path(__file__).resolve().parent.parent
TESTDATA = ROOT / "testdata"
BUCKET = "fleet"
BACKUPS = 300
#: What a row says of a backup, and a report of a command too.
COMPARED = ("verdict", "exit_code", "code", "offset", "keys", "bytes", "loads")
SERVERS = ["redis-7.2", "valkey-9.1"]
#: Rows of Ray after which a worker is killed.
KILLS = (40, 120, 200)


# The objects.


def packed(bytes_, how):
    if how == "gz":
        return gzip.compress(bytes_, mtime=0)
    if how == "xz":
        return lzma.compress(bytes_)
    import pyarrow

    sink = pyarrow.BufferOutputStream()
    with pyarrow.CompressedOutputStream(sink, {"zst": "zstd", "lz4": "lz4"}[how]) as stream:
        stream.write(bytes_)
    return sink.getvalue().to_pybytes()


def tar(members):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, bytes_ in members:
            member = tarfile.TarInfo(name)
            member.size = len(bytes_)
            archive.addfile(member, io.BytesIO(bytes_))
    return out.getvalue()


def objects():
    """The objects by their keys: RDB files below `rdb`, one for each source; append-only files and sets below `aof`."""
    chance = random.Random(22)
    sound = {path.stem: path.read_bytes() for path in sorted(TESTDATA.glob("rdb/*.rdb"))}
    broken = {path.stem: path.read_bytes() for path in sorted(TESTDATA.glob("broken/*.rdb"))}
    found = {f"rdb/sound/{name}.rdb": bytes_ for name, bytes_ in sound.items()}
    found |= {f"rdb/broken/{name}.rdb": bytes_ for name, bytes_ in broken.items()}
    for number, (name, bytes_) in enumerate(sorted((sound | broken).items())):
        how = ("gz", "zst", "lz4", "xz")[number % 4]
        found[f"rdb/packed/{name}.rdb.{how}"] = packed(bytes_, how)
    for number, (name, bytes_) in enumerate(sound.items()):
        if number % 3 == 0:
            cut = packed(bytes_, "gz")
            found[f"rdb/cut/{name}.rdb.gz"] = cut[: chance.randrange(12, len(cut))]
        if number % 2 == 0:
            found[f"rdb/cut/{name}.rdb"] = bytes_[: chance.randrange(10, len(bytes_) - 1)]
    text = (ROOT / "README.md").read_bytes()
    for name, bytes_ in {
        "empty.rdb": b"", "readme.md": text, "noise.bin": chance.randbytes(5000), "zeros.rdb": bytes(70_000),
        "page.html": b"<!doctype html><title>502 Bad Gateway</title>", "list.json": b'[{"a": 1}]',
        "error.xml": b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "nothing.rdb.gz": packed(b"", "gz"),
    }.items():
        found[f"rdb/foreign/{name}"] = bytes_
    for number, name in enumerate(list(sound)[:12]):
        found[f"rdb/tar/{name}.tar"] = tar([("dump.rdb", sound[name])])
        if number % 3 == 0:
            found[f"rdb/tar/{name}.tar.gz"] = packed(tar([("dump.rdb", sound[name][:-9])]), "gz")
    for folder in sorted(TESTDATA.glob("aof/cases/*")):
        for path in sorted(folder.rglob("*")):
            if path.is_file() and (folder / "appendonlydir").is_dir() and "appendonlydir" in path.parts:
                found[f"aof/sets/{folder.name}/{path.relative_to(folder)}"] = path.read_bytes()
    for number in range(BACKUPS - len(backups(found))):
        name = sorted(sound)[number % len(sound)]
        found[f"rdb/again/{number:03}-{name}.rdb"] = sound[name]
    return found


def backups(found):
    """What is checked, by its key: an object, or the prefix of a set."""
    sets = {key.rpartition("/")[0] + "/" for key in found if key.startswith("aof/")}
    return sorted(key for key in found if not key.startswith("aof/")) + sorted(sets)


# The S3 server.


class Server:
    """moto on a port of its own. It is stopped by its id."""

    def __init__(self, program, folder):
        self.log = open(folder / "moto.log", "wb")
        with __import__("socket").socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen([program, "-H", "127.0.0.1", "-p", str(port)], stdout=self.log, stderr=self.log)
        os.environ |= {
            "AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": self.address, "AWS_ALLOW_HTTP": "true", "AWS_EC2_METADATA_DISABLED": "true",
        }

    def __enter__(self):
        import urllib.error
        import urllib.request

        end = time.time() + 60
        while True:
            try:
                urllib.request.urlopen(self.address, timeout=5).close()
                return self
            except urllib.error.HTTPError:
                return self
            except OSError:
                if time.time() > end or self.process.poll() is not None:
                    raise SystemExit(f"the S3 server did not start: {self.log.name}")
                time.sleep(0.1)

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.log.close()


def put(bucket, contents):
    import pyarrow.fs

    place = pyarrow.fs.S3FileSystem(
        region="us-east-1", scheme="http", endpoint_override=os.environ["AWS_ENDPOINT_URL"].partition("://")[2],
        allow_bucket_creation=True,
    )
    place.create_dir(bucket)

    def one(item):
        with place.open_output_stream(f"{bucket}/{item[0]}", compression=None) as stream:
            stream.write(item[1])

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(one, contents.items()))


# What each way says: for each source the columns that are compared.


def of_commands(commands, keys, place):
    """What the commands say of files or objects: the names come out of a list."""
    files = {}
    for tool, ours in (("rdbcheck", lambda key: key.startswith("rdb/")), ("aofcheck", lambda key: key.startswith("aof/"))):
        names = [place + key for key in keys if ours(key)]
        wanted = [f"--for={server}" for server in SERVERS]
        run = subprocess.run(
            [commands / tool, "--json-lines", *wanted, "--files-from", "-"],
            input="\n".join(names).encode(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False,
        )
        assert run.returncode in (0, 1, 2, 3), run.stderr.decode()
        for line in run.stdout.splitlines():
            report = json.loads(line)["file"]
            key = report["path"].removeprefix(place)
            # A member of a tar stands behind the tar.
            key = next((name for name in (key, *parents(key)) if name in keys), None)
            assert key is not None, report["path"]
            files.setdefault(key, []).append(report)
    return {key: of_reports(reports) for key, reports in files.items()}


def parents(name):
    """What a name may lie in: the tar before the colon, folders and sets."""
    yield name.partition(":")[0]
    while "/" in name:
        name = name.rpartition("/")[0]
        yield name + "/"


def of_reports(reports):
    """The same of the reports of an input as `fleet.row` has it."""
    from redis_persistence import _fleet_row

    if len(reports) == 1 and reports[0]["error"] is not None:
        return of_row({"exit_code": 2, "verdict": "unreadable"})
    codes, verdicts = {exit_code(report) for report in reports}, {report["verdict"] for report in reports}
    code = next(code for code in (1, 2, 3, 0) if code in codes)
    verdict = next(verdict for verdict in ("damaged", "unknown", "sound") if verdict in verdicts)
    return of_row(_fleet_row._columns(reports, 0) | {"exit_code": code, "verdict": verdict})


def exit_code(report):
    """What a report means for the exit code, as the help of the commands says."""
    answers = report["loads_on"].values()
    if report["verdict"] == "damaged" or any(not answer["loads"] and answer["by_default"] != "unknown" for answer in answers):
        return 1
    return 3 if report["verdict"] == "unknown" or any(answer["by_default"] == "unknown" for answer in answers) else 0


def of_row(row):
    row = {"errors": None, **row}
    row["loads"] = {answer["server"]: answer["loads"] for answer in row.get("loads_on") or []}
    return [row.get(name) for name in COMPARED]


def rows_by_key(rows, place):
    found = {}
    for row in rows:
        key = row["source"].removeprefix(place)
        assert key not in found, f"two rows of {key}"
        found[key] = of_row(row)
    return found


# The engines, each in a process of its own.


def part_python(keys, place, _folder):
    from redis_persistence import fleet

    alone = rows_by_key((fleet.row(place + key, for_=SERVERS, run="python") for key in keys), place)
    pooled = rows_by_key(fleet.check([place + key for key in keys], for_=SERVERS, run="pool"), place)
    assert pooled == alone, differences(alone, pooled)
    return alone


def part_ray(keys, place, folder):
    import ray

    from redis_persistence import fleet

    # Sockets of Ray have names that are too long for most folders.
    ray.init(num_cpus=2, include_dashboard=False, object_store_memory=256 << 20, logging_level="ERROR", log_to_driver=False)
    names = [place + key for key in keys]
    rows, killed = [], []
    data = fleet.ray_dataset(names, for_=SERVERS, run="ray")
    for batch in data.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
        rows += batch.to_pylist()
        if len(killed) < len(KILLS) and len(rows) >= KILLS[len(killed)]:
            killed.append(kill_a_worker())
    assert not fleet.lost(names, [row["source"] for row in rows]), "Ray lost some"
    ray.shutdown()
    print(f"    workers of Ray that were killed: {len([pid for pid in killed if pid])}")
    assert all(killed), "no worker of Ray was found at work"
    return rows_by_key(rows, place)


def kill_a_worker():
    """Kills a worker of Ray that this process started, while it works, and returns its id."""
    end = time.time() + 20
    while time.time() < end:
        for pid in children(os.getpid()):
            try:
                title = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
                if title.startswith(b"ray::MapBatches"):
                    os.kill(pid, signal.SIGKILL)
                    return pid
            except OSError:
                pass
    return None


def children(of):
    """The ids of all processes that one started, and of those that these did."""
    parents_ = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
                parents_[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])
            except OSError:
                pass
    found, more = set(), {of}
    while more:
        more = {pid for pid, parent in parents_.items() if parent in more} - found
        found |= more
    return found


def part_spark(keys, place, folder):
    os.environ["PYSPARK_PYTHON"] = sys.executable
    from pyspark.sql import SparkSession

    from redis_persistence import fleet

    settings = {
        "spark.ui.enabled": "false", "spark.driver.bindAddress": "127.0.0.1", "spark.driver.host": "127.0.0.1",
        "spark.local.dir": str(folder), "spark.sql.warehouse.dir": str(folder / "warehouse"),
        "spark.ui.showConsoleProgress": "false", "spark.driver.memory": "1g",
    }
    builder = SparkSession.builder.master("local[2]").appName("fleet")
    for name, value in settings.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    frame = fleet.spark_frame(spark, [place + key for key in keys], for_=SERVERS, run="spark")
    rows = [row.asDict(recursive=True) for row in frame.collect()]
    spark.stop()
    return rows_by_key(rows, place)


PARTS = {"python": part_python, "ray": part_ray, "spark": part_spark}


# All of it.


def differences(expected, found):
    lines = [f"missing: {key}" for key in expected.keys() - found.keys()]
    lines += [f"too many: {key}" for key in found.keys() - expected.keys()]
    lines += [
        f"{key}: {found[key]} where it should be {expected[key]}" for key in expected if key in found and found[key] != expected[key]
    ]
    return "\n".join([f"{len(lines)} differences", *lines[:20]])


def run_part(name, folder, commands):
    answer = folder / f"{name}.json"
    process = subprocess.run(
        [sys.executable, __file__, str(folder), str(commands), "--part", name], stdout=None, stderr=open(folder / f"{name}.log", "wb")
    )
    if process.returncode:
        sys.stderr.write((folder / f"{name}.log").read_text(errors="replace")[-4000:])
        raise SystemExit(f"{name} failed")
    return json.loads(answer.read_text())


def main():
    folder, commands = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
    all_, place = objects(), f"s3://{BUCKET}/"
    keys = backups(all_)
    assert len(keys) == BACKUPS, len(keys)
    if sys.argv[3:4] == ["--part"]:
        name = sys.argv[4]
        (folder / f"{name}.json").write_text(json.dumps(PARTS[name](keys, place, folder)))
        return
    missing = os.environ.get("MISSING", "").split()
    shutil.rmtree(folder, ignore_errors=True)
    disk = folder / "disk"
    for key, bytes_ in all_.items():
        (disk / key).parent.mkdir(parents=True, exist_ok=True)
        (disk / key).write_bytes(bytes_)

    def timed(what, work):
        began = time.time()
        result = work()
        print(f"{what}: {time.time() - began:.1f} s", flush=True)
        return result

    expected = timed("the commands on files", lambda: of_commands(commands, keys, f"{disk}/"))
    assert expected.keys() == set(keys), differences(dict.fromkeys(keys), expected)
    verdicts = [row[0] for row in expected.values()]
    counts = {verdict: verdicts.count(verdict) for verdict in sorted(set(verdicts))}
    assert min(counts.get(verdict, 0) for verdict in ("sound", "damaged", "unknown", "unreadable")) > 0, counts
    with Server(os.environ["S3_SERVER"], folder):
        timed(f"{len(all_)} objects into the S3 server", lambda: put(BUCKET, all_))
        ways = {"the commands on objects": lambda: of_commands(commands, keys, place)}
        ways |= {name: lambda name=name: run_part(name, folder, commands) for name in PARTS if name not in missing}
        failed = False
        for name, way in ways.items():
            found = timed(name, way)
            if found != expected:
                failed = True
                print(f"{name} differs from the commands on files: {differences(expected, found)}", file=sys.stderr)
        timed("docs/fleet.md", lambda: objects_page.run([name for name in PARTS if name not in missing], folder, commands, put))
    if failed:
        raise SystemExit(1)
    print(f"{len(keys)} backups in {len(all_)} objects, {counts}: the same by {', '.join(ways)}")


if __name__ == "__main__":
    main()
