#!/usr/bin/env python3
"""Times what small files cost: many dumps in one call, and the start of the program.

    .ci/servers
    cargo build --release -p benches && packaging/static
    benches/compare/many.py                             # 10,000 dumps, 9 runs of each: some minutes

`many`: dumps of 0.5 to 20 kB, written by a real server. One call for all, on all threads and on one, against a shell that calls
redis-check-rdb for each, and one that calls rdbcheck for each. A file's own cost is what a call takes beyond the time for one dump
that holds the keys of all, divided by the number of files. `tiny`: a dump of some hundred bytes, from the start of the process to
its end, against /bin/true, in turn. The first run of each is not counted.

Needs the servers that `.ci/servers` installs, and Python 3.9 with nothing besides. The data is made once, and kept.
"""

import argparse
import os
import statistics
import time

import compare
import data

LOOP = 'program=$1; shift; for file; do "$program" "$file"; done'
# So many processes are started for one figure: the time of a single one is too short.
STARTS = 50


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=10_000, help="how many dumps")
    parser.add_argument("--runs", type=int, default=9, help="runs of each contender")
    parser.add_argument("--loops", type=int, default=1, help="runs of the shells, which take long")
    parser.add_argument("--servers", default=os.environ.get("REDIS_PERSISTENCE_SERVERS", os.path.join(compare.ROOT, ".servers")))
    parser.add_argument("--data", default=os.path.join(compare.ROOT, "target", "compare"), help="where the data is kept")
    parser.add_argument("--target", default=os.path.join(compare.ROOT, "target", "release"), help="where the programs lie")
    return parser.parse_args()


def many(options, check, server):
    names, whole = data.make_many(server, options.files, options.data)
    size = sum(map(os.path.getsize, names))
    calls = {"all threads": [check, "--quiet"], "one thread": [check, "--quiet", "--threads", "1"]}
    contenders = {name: [*call, *names] for name, call in calls.items()}
    contenders |= {f"the whole, {name}": [*call, whole] for name, call in calls.items()}
    contenders["text"] = [check, *names]
    contenders["lines"] = [check, "--json-lines", *names]
    results = compare.race(contenders, options.runs)
    loops = {f"a shell and redis-check-rdb {version}": ["sh", "-c", LOOP, "sh", program, *names]
             for version, (program, _) in compare.theirs(options.servers, "redis-check-rdb", "").items()}
    loops["a shell and rdbcheck"] = ["sh", "-c", LOOP, "sh", check, *names]
    results |= compare.race(loops, options.loops)
    ours = results["all threads"]
    print(f"\n{options.files} dumps, {size / 1e6:.0f} MB\n\n| many | s | us a file | beyond its bytes | times ours | MiB |")
    print("|---|---|---|---|---|---|")
    for name, result in results.items():
        of_whole = results.get(f"the whole, {name}", results["the whole, all threads"])["wall"]
        beyond = "" if name.startswith(("a shell", "the whole")) else f"{(result['wall'] - of_whole) / options.files * 1e6:.1f}"
        print(f"| {name} | {compare.seconds(result)} | {result['wall'] / options.files * 1e6:.1f} | {beyond} "
              f"| {result['wall'] / ours['wall']:.2f} | {result['peak']:.0f} |")


def start(command):
    """Seconds from the start of a process to its end, at the median of some."""
    null = os.open(os.devnull, os.O_RDWR)
    actions = [(os.POSIX_SPAWN_DUP2, null, number) for number in (0, 1, 2)]
    taken = []
    for _ in range(STARTS):
        before = time.perf_counter()
        process = os.posix_spawn(command[0], command, os.environ, file_actions=actions)
        os.waitpid(process, 0)
        taken.append(time.perf_counter() - before)
    os.close(null)
    return statistics.median(taken)


def tiny(options, check):
    dump = os.path.join(compare.ROOT, "testdata", "rdb", "redis-7.0-multidb.rdb")
    programs = compare.theirs(options.servers, "redis-check-rdb", dump)
    contenders = {"/bin/true": ["/bin/true"], "rdbcheck": [check, dump]}
    contenders |= {f"redis-check-rdb {version}": command for version, command in programs.items()}
    rounds = [{name: start(command) for name, command in contenders.items()} for _ in range(options.runs + 1)][1:]
    print("\n| tiny | us | times /bin/true |\n|---|---|---|")
    for name in contenders:
        ratio = statistics.median(result[name] / result["/bin/true"] for result in rounds)
        print(f"| {name} | {statistics.median(result[name] for result in rounds) * 1e6:.0f} | {ratio:.2f} |")


def main():
    options = arguments()
    check = os.path.join(options.target, "rdbcheck")
    server = os.path.join(options.servers, compare.SERVERS["7.0"], "bin", "redis-server")
    print(f"{compare.processor()}, {os.cpu_count()} processors; medians of {options.runs} runs; wall time (CPU time in brackets)")
    many(options, check, server)
    tiny(options, check)


if __name__ == "__main__":
    main()
