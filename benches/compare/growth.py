#!/usr/bin/env python3
"""Verifies files of growing size, to see that time grows with the size and memory does not.

    cargo build --release -p rdbcheck -p benches
    benches/compare/growth.py --data /a/folder/with/20/GB [GIGABYTES ...]      # 1 2 4 8
"""

import argparse
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
    print("| GB | s | s, duplicates off | MiB | MiB, duplicates off |\n|---|---|---|---|---|")
    for size in options.sizes:
        path = os.path.join(options.data, f"growth-{size}.rdb")
        if not os.path.exists(path):
            with open(path + ".part", "wb") as out:
                subprocess.run([passes, "make", str(round(size * 1000))], stdout=out, check=True)
            os.rename(path + ".part", path)
        cells = {}
        for more in ([], ["--duplicates", "off"]):
            runs = [compare.Run([check, *more, path]) for _ in range(options.runs + 1)][1:]
            if any(run.status != 0 for run in runs):
                raise SystemExit(f"{path} is not sound")
            cells[bool(more)] = [statistics.median(getattr(run, what) for run in runs) for what in ("wall", "peak")]
        (wall, peak), (off_wall, off_peak) = cells[False], cells[True]
        print(f"| {size:g} | {wall:.2f} | {off_wall:.2f} | {peak:.0f} | {off_peak:.0f} |", flush=True)


if __name__ == "__main__":
    main()
