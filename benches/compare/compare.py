#!/usr/bin/env python3
"""Races rdbcheck and aofcheck against the official checkers, on data that a real server wrote.

    .ci/servers
    cargo build --release -p rdbcheck -p benches
    benches/compare/compare.py                          # all sets, 7 runs each: some minutes
    benches/compare/compare.py --scale 0.1 --runs 3 --sets small,mixed

All contenders read the same file, one after the other, round by round; the tables show medians. The first run of each is
not counted: it brings the file into the page cache. Ratios above 1 say how many times longer the official checker takes.
`read` is a pass that reads the file in blocks and sums it, on as many threads, which no verifier can undercut.

Needs the servers that `.ci/servers` installs, and Python 3.9 with nothing besides. The data is made once, and kept.
"""

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time

import data

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
SERVERS = {"7.0": "redis-7.0", "8.6": "redis-8.6"}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.0, help="size of the data; 1 is 300 to 400 MB for each set")
    parser.add_argument("--runs", type=int, default=7, help="runs of each contender")
    parser.add_argument("--sets", default=",".join(data.SETS), help="which sets, separated by commas")
    parser.add_argument("--servers", default=os.environ.get("REDIS_PERSISTENCE_SERVERS", os.path.join(ROOT, ".servers")))
    parser.add_argument("--data", default=os.path.join(ROOT, "target", "compare"), help="where the data is kept")
    parser.add_argument("--target", default=os.path.join(ROOT, "target", "release"), help="where the programs lie")
    parser.add_argument("--only", choices=["rdb", "aof"], help="only one kind of file")
    return parser.parse_args()


class Run:
    """One run of a command: wall and CPU seconds, peak memory in MiB, exit status."""

    def __init__(self, command):
        before = time.perf_counter()
        null = subprocess.DEVNULL
        process = subprocess.Popen(command, stdin=null, stdout=null, stderr=null)
        _, status, usage = os.wait4(process.pid, 0)
        self.wall = time.perf_counter() - before
        self.cpu = usage.ru_utime + usage.ru_stime
        self.peak = usage.ru_maxrss / 1024
        self.status = process.returncode = os.waitstatus_to_exitcode(status)


def race(contenders, runs):
    """Medians of each contender by name; those that cannot be started or fail on the file are left out, and told."""
    for name, command in list(contenders.items()):
        try:
            status = Run(command).status
        except OSError as error:
            status = error.strerror
        if status != 0:
            print(f"{name}: {status}; left out", file=sys.stderr)
            del contenders[name]
    results = {name: [] for name in contenders}
    for _ in range(runs):
        for name, command in contenders.items():
            results[name].append(Run(command))
    return {
        name: {what: statistics.median(getattr(run, what) for run in all_runs) for what in ("wall", "cpu", "peak")}
        for name, all_runs in results.items()
    }


def theirs(servers, tool, path):
    """The official checkers that are installed."""
    programs = {version: os.path.join(servers, name, "bin", tool) for version, name in SERVERS.items()}
    return {version: [program, path] for version, program in programs.items() if os.path.exists(program)}


def race_rdb(options, rdb):
    check, passes = (os.path.join(options.target, name) for name in ("rdbcheck", "pass"))
    contenders = theirs(options.servers, "redis-check-rdb", rdb)
    contenders["ours"] = [check, rdb]
    contenders["off"] = [check, "--duplicates", "off", rdb]
    contenders["one"] = [check, "--threads", "1", rdb]
    contenders["read"] = [passes, "read", rdb, str(os.cpu_count())]
    other = shutil.which("rdb")
    if other:
        contenders["rdb crate"] = [other, "--format", "nil", rdb]
    return race(contenders, options.runs)


def race_aof(options, manifest):
    check, passes = (os.path.join(options.target, name) for name in ("aofcheck", "pass"))
    contenders = theirs(options.servers, "redis-check-aof", manifest)
    contenders["ours"] = [check, manifest]
    contenders["one"] = [check, "--threads", "1", manifest]
    contenders["read"] = [passes, "read", max(files_beside(manifest), key=os.path.getsize), str(os.cpu_count())]
    return race(contenders, options.runs)


def seconds(result):
    return f"{result['wall']:.3f} ({result['cpu']:.3f})" if result else ""


def times(a, b):
    """How many times longer `a` takes than `b`, by wall and by CPU time."""
    if not a or not b:
        return ""
    return f"{a['wall'] / b['wall']:.1f} ({a['cpu'] / max(b['cpu'], 1e-3):.1f})"


def once(a, b):
    return f"{a['wall'] / b['wall']:.2f}" if a and b else ""


RDB = {
    "set": lambda name, size, r: name,
    "MB": lambda name, size, r: f"{size / 1e6:.0f}",
    "redis-check-rdb 7.0, s": lambda name, size, r: seconds(r.get("7.0")),
    "rdbcheck, s": lambda name, size, r: seconds(r.get("ours")),
    "times 7.0": lambda name, size, r: times(r.get("7.0"), r.get("ours")),
    "duplicates off": lambda name, size, r: times(r.get("7.0"), r.get("off")),
    "times 8.6": lambda name, size, r: times(r.get("8.6"), r.get("ours")),
    "times the rdb crate": lambda name, size, r: times(r.get("rdb crate"), r.get("ours")),
    "of a read": lambda name, size, r: once(r.get("ours"), r.get("read")),
    "of a read, duplicates off": lambda name, size, r: once(r.get("off"), r.get("read")),
    "of one thread": lambda name, size, r: once(r.get("ours"), r.get("one")),
    "MiB": lambda name, size, r: f"{r['ours']['peak']:.0f}" if "ours" in r else "",
    "MiB, duplicates off": lambda name, size, r: f"{r['off']['peak']:.0f}" if "off" in r else "",
}
AOF = {
    "set": RDB["set"],
    "MB": RDB["MB"],
    "redis-check-aof 7.0, s": lambda name, size, r: seconds(r.get("7.0")),
    "aofcheck, s": RDB["rdbcheck, s"],
    "times 7.0": RDB["times 7.0"],
    "times 8.6": RDB["times 8.6"],
    "of a read": RDB["of a read"],
    "of one thread": RDB["of one thread"],
    "MiB": RDB["MiB"],
}


def table(columns, rows):
    print("\n| " + " | ".join(columns) + " |\n|" + "---|" * len(columns))
    for row in rows:
        print("| " + " | ".join(cell(*row) for cell in columns.values()) + " |")


def files_beside(path):
    folder = os.path.dirname(path)
    return [os.path.join(folder, name) for name in os.listdir(folder)]


def processor():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def main():
    options = arguments()
    server = os.path.join(options.servers, SERVERS["7.0"], "bin", "redis-server")
    rdb_rows, aof_rows = [], []
    for name in options.sets.split(","):
        rdb, manifest = data.make(server, name, options.scale, options.data)
        print(f"{name} ...", file=sys.stderr)
        if options.only != "aof":
            rdb_rows.append((name, os.path.getsize(rdb), race_rdb(options, rdb)))
        if options.only != "rdb":
            aof_rows.append((name, sum(map(os.path.getsize, files_beside(manifest))), race_aof(options, manifest)))
    print(f"{processor()}, {os.cpu_count()} processors; medians of {options.runs} runs; wall time (CPU time in brackets)")
    for columns, rows in ((RDB, rdb_rows), (AOF, aof_rows)):
        if rows:
            table(columns, rows)


if __name__ == "__main__":
    main()
