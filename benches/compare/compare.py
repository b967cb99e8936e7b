#!/usr/bin/env python3
"""Races rdbcheck and aofcheck against the official checkers, on data that a real server wrote.

    cargo build --release -p rdbcheck -p benches
    benches/compare/compare.py                      # all sets, 7 runs each
    benches/compare/compare.py --scale 0.1 --runs 3 --sets small,mixed

All contenders read the same file, one after the other, round by round; the table shows medians. The first run of each
is not counted: it brings the file into the page cache. Ratios above 1 say how many times longer the official checker
takes. `read` is a pass that reads the file in blocks and sums it, which no verifier can undercut.

Needs the servers that `.ci/servers` installs, and Python 3.9 with nothing besides.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time

import data

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.0, help="size of the data; 1 is 300 to 400 MB for each set")
    parser.add_argument("--runs", type=int, default=7, help="runs of each contender")
    parser.add_argument("--sets", default=",".join(data.SETS), help="which sets, separated by commas")
    parser.add_argument("--aof", action="store_true", help="race over the append-only files as well")
    parser.add_argument("--servers", default=os.environ.get("REDIS_PERSISTENCE_SERVERS", os.path.join(ROOT, ".servers")))
    parser.add_argument("--data", default=os.path.join(ROOT, "target", "compare"), help="where the data is kept")
    parser.add_argument("--target", default=os.path.join(ROOT, "target", "release"), help="where the programs lie")
    parser.add_argument("--threads", type=int, action="append", help="numbers of threads to show beside the default")
    return parser.parse_args()


def measure(command):
    """Wall seconds, CPU seconds, peak memory in MiB of one run, and its exit status."""
    before = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - before
    process.returncode = os.waitstatus_to_exitcode(status)
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, process.returncode


def race(contenders, runs):
    """Medians of each contender, by name; those that cannot be started or find damage are left out, and told."""
    results = {}
    for name, command in list(contenders.items()):
        try:
            status = measure(command)[3]
        except OSError as error:
            status = error.strerror
        if status != 0:
            print(f"  {name}: {status}; left out", file=sys.stderr)
            del contenders[name]
    for _ in range(runs):
        for name, command in contenders.items():
            results.setdefault(name, []).append(measure(command)[:3])
    return {name: [statistics.median(column) for column in zip(*rows)] for name, rows in results.items()}


def official(servers, tool):
    """The official checkers that are installed, the one to beat first."""
    found = {}
    for name in ("redis-7.0", "redis-8.6"):
        program = os.path.join(servers, name, "bin", tool)
        if os.path.exists(program):
            found[f"{tool} of {name}"] = [program]
    return found


def table(title, size, results, yardsticks):
    print(f"\n{title} ({size / 1e6:.0f} MB)\n")
    heads = ["", "wall s", "CPU s", "MiB"] + [f"{name}: {what}" for name in yardsticks for what in ("wall", "CPU")]
    print("| " + " | ".join(heads) + " |\n|" + "---|" * len(heads))
    for name, (wall, cpu, peak) in results.items():
        cells = [name, f"{wall:.3f}", f"{cpu:.3f}", f"{peak:.0f}"]
        for yardstick in yardsticks:
            cells += [f"{results[yardstick][0] / wall:.2f}x", f"{results[yardstick][1] / max(cpu, 1e-3):.2f}x"]
        print("| " + " | ".join(cells) + " |")
    sys.stdout.flush()


def size_of(path):
    folder = os.path.dirname(path)
    return sum(os.path.getsize(os.path.join(folder, name)) for name in os.listdir(folder))


def main():
    options = arguments()
    server = os.path.join(options.servers, "redis-7.0", "bin", "redis-server")
    ours = {tool: os.path.join(options.target, tool) for tool in ("rdbcheck", "aofcheck", "pass")}
    for name in options.sets.split(","):
        rdb, manifest = data.make(server, name, options.scale, options.data)
        theirs = official(options.servers, "redis-check-rdb")
        contenders = {tool: [*command, rdb] for tool, command in theirs.items()}
        contenders["read"] = [ours["pass"], "read", rdb]
        contenders["rdbcheck"] = [ours["rdbcheck"], rdb]
        contenders["rdbcheck --duplicates off"] = [ours["rdbcheck"], "--duplicates", "off", rdb]
        contenders["verify::file"] = [ours["pass"], "verify", rdb]
        contenders["verify::file, duplicates off"] = [ours["pass"], "verify", rdb, "default", "off"]
        for threads in options.threads or [1]:
            contenders[f"verify::file, threads {threads}"] = [ours["pass"], "verify", rdb, str(threads)]
            contenders[f"verify::file, duplicates off, threads {threads}"] = [ours["pass"], "verify", rdb, str(threads), "off"]
        results = race(contenders, options.runs)
        table(f"{name}, RDB", os.path.getsize(rdb), results, [n for n in (*theirs, "read") if n in results])
        if options.aof:
            theirs = official(options.servers, "redis-check-aof")
            contenders = {tool: [*command, manifest] for tool, command in theirs.items()}
            contenders["aofcheck"] = [ours["aofcheck"], manifest]
            results = race(contenders, options.runs)
            table(f"{name}, AOF", size_of(manifest), results, [n for n in theirs if n in results])


if __name__ == "__main__":
    main()
