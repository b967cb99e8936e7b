#!/usr/bin/env python3
"""Checks and salvages the files that testkit calls bombs, doubled four times, to see that no shape takes a time that grows faster
than its size.

    cargo build --release -p rdbcheck -p benches
    benches/compare/bombs.py                 # CPU time; --count counts instructions with valgrind instead, on one thread
    benches/compare/bombs.py stars places    # those whose name has one of these words

A row is one shape in one mode: what each size took, and by how much the last doubling and all four made it grow. Exits with 1 where
a doubling more than doubled it, beyond what --factor allows.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile

import compare

PARTS = (16, 32, 64, 128, 256)  # of 256


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", metavar="WORD", nargs="*")
    parser.add_argument("--target", default=os.path.join(compare.ROOT, "target", "release"))
    parser.add_argument("--bin", help="where the commands are, if not there")
    parser.add_argument("--count", action="store_true", help="count instructions with valgrind, of a sixteenth of the sizes")
    parser.add_argument("--factor", type=float, default=2.5, help="what one doubling may cost, on the average of the last two")
    options = parser.parse_args()
    bombs = os.path.join(options.target, "bombs")
    rows = subprocess.run([bombs, "list"], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    rows = [row.split("\t") for row in rows]
    if options.words:
        rows = [row for row in rows if any(word in row[2] for word in options.words)]
    unit = "10^6 instructions" if options.count else "s of CPU"
    print(f"| shape | mode | MB | {unit}, each of twice the size | last | all |\n|---|---|---|---|---|---|")
    wrong = [line for number, tool, name in rows for line in shape(options, bombs, number, tool, name)]
    for line in wrong:
        print(line, file=sys.stderr)
    sys.exit(1 if wrong else 0)


def shape(options, bombs, number, tool, name):
    command = os.path.join(options.bin or options.target, tool)
    cost, size = {"check": [], "salvage": []}, 0
    for parts in PARTS:
        with tempfile.TemporaryDirectory() as folder:
            parts = max(parts // 16, 1) if options.count else parts
            made = subprocess.run([bombs, "make", number, str(parts), folder], stdout=subprocess.PIPE, text=True, check=True)
            checked, salvaged = (os.path.join(folder, found) for found in made.stdout.strip().split("\t"))
            size = sum(os.path.getsize(os.path.join(folder, file)) for file in os.listdir(folder) if file != "bomb.rdb")
            out = os.path.join(folder, "out")
            partial = ["--partial"] if tool == "rdbcheck" else []
            cost["check"].append(measure(options, [command, checked]))
            cost["salvage"].append(measure(options, [command, "--salvage", out, *partial, salvaged]))
    wrong = []
    base = 0 if options.count else 0.02
    for mode, took in cost.items():
        last, all_of_it = (took[-1] / max(took[-2], 1e-9)), took[-1] / max(took[0], 1e-9)
        digits = 0 if options.count else 2
        sizes = ", ".join(f"{one:.{digits}f}" for one in took)
        print(f"| {name} | {mode} | {size / 1e6:.1f} | {sizes} | {last:.2f} | {all_of_it:.1f} |", flush=True)
        two = (took[-1] + base) / (took[-3] + base)
        if two > options.factor ** 2:
            wrong.append(f"{name}, {mode}: twice the size twice takes {two:.1f} times as much")
    return wrong


def measure(options, command):
    if not options.count:
        run = compare.Run(command)
        if not 0 <= run.status <= 4:
            raise SystemExit(f"{command}: {run.status}")
        return run.cpu
    valgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", command[0], "--threads", "1", *command[1:]]
    found = subprocess.run(valgrind, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    return int(re.search(r"Collected : (\d+)", found.stderr)[1]) / 1e6


if __name__ == "__main__":
    if shutil.which("valgrind") is None and "--count" in sys.argv:
        sys.exit("valgrind is missing")
    main()
