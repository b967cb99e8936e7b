#!/usr/bin/env python3
"""Verifies files of growing size, to see that time grows with the size and memory does not.

    cargo build --release -p rdbcheck -p benches
    benches/compare/growth.py --data /a/folder/with/10/GB [GIGABYTES ...]      # 1 2 4 8

Each file is made, verified and deleted before the next. A gigabyte has 16.8 million keys, so
8 have more than 10^8: the last column shows how many of them the budget lets compare.
"""

import argparse
import json
import os
import statistics
import subprocess

import compare


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sizes", metavar="GIGABYTES", type=float, nargs="*", default=[1, 2, 4, 8])
    parser.add_argument("--data", default=os.path.join(compare.ROOT, "target", "compare"), help="where the data is kept")
    parser.add_argument("--target", default=os.path.join(compare.ROOT, "target", "release"))
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    check, passes = (os.path.join(options.target, name) for name in ("rdbcheck", "pass"))
    os.makedirs(options.data, exist_ok=True)
    print("Wall time, with CPU time in brackets.\n")
    print("| GB | s | s, duplicates off | MiB | MiB, duplicates off | compared |\n|---|---|---|---|---|---|")
    for size in options.sizes:
        path = os.path.join(options.data, f"growth-{size}.rdb")
        try:
            with open(path, "wb") as out:
                subprocess.run([passes, "make", str(round(size * 1000))], stdout=out, check=True)
            on, off = (median(check, more, path, options.runs) for more in ([], ["--duplicates", "off"]))
            document = json.loads(subprocess.run([check, "--json", path], stdout=subprocess.PIPE, check=True).stdout)
        finally:
            os.remove(path)
        said = document["files"][0]
        compared = [finding["message"] for finding in said["findings"]] or [f"all {said['counts']['keys']} keys"]
        print(f"| {size:g} | {compare.seconds(on)} | {compare.seconds(off)} | {on['peak']:.0f} | {off['peak']:.0f} "
              f"| {'; '.join(compared)} |", flush=True)


def median(check, more, path, runs):
    """Medians over the runs but the first, which brings the file into the page cache."""
    results = [compare.Run([check, *more, path]) for _ in range(runs + 1)][1:]
    if any(run.status != 0 for run in results):
        raise SystemExit(f"{path} is not sound")
    return {what: statistics.median(getattr(run, what) for run in results) for what in ("wall", "cpu", "peak")}


if __name__ == "__main__":
    main()
