#!/usr/bin/env python3
"""Counts how often each checker is right, on inputs of which the truth is known.

    cargo build --release -p rdbcheck
    benches/compare/verdicts.py
    benches/compare/verdicts.py --peer "rdb 0.4.0=rdb -f protocol"

Append-only files: the crafted inputs of testdata/aof/cases, with what three servers did with each (cases.tsv). A checker is
right if it passes what the server loads with not a byte cut, and fails what the server cuts or refuses.

RDB: the files of testdata/rdb, which servers wrote and load, and those of testdata/broken, which are damaged, foreign or too new
in ways that testdata/ORIGIN.md names. A checker is right if it passes the first and fails the second.

A peer is a library with a command that prints an RDB as Redis commands. What can be measured of it: the sound RDBs of which it
names as many keys as their server counted (testdata/rdb/index.json), and the broken ones of which it says so by its exit code.

Prints the tables that docs/compare.md shows. Needs the servers that `.ci/servers` installs, and Python 3.9 with nothing besides.
"""

import argparse
import csv
import json
import os
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CASES = os.path.join(ROOT, "testdata", "aof", "cases")
# The columns of cases.tsv, and the server as --for takes it.
SERVERS = {"7.0.15": "redis-7.0", "8.6.3": "redis-8.6", "vk9.1.2": "valkey-9.1"}
# Broken files that servers load as they are, and that get a warning or a remark.
SOUND_BUT = {"all-expired", "checksum-off", "replication-mark", "second-rdb"}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--servers", default=os.environ.get("REDIS_PERSISTENCE_SERVERS", os.path.join(ROOT, ".servers")))
    parser.add_argument("--target", default=os.path.join(ROOT, "target", "release"), help="where the programs lie")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=COMMAND", help="the file is its last argument")
    args = parser.parse_args()
    # The checkers run in the folders of their inputs.
    args.servers, args.target = os.path.abspath(args.servers), os.path.abspath(args.target)
    return args


def ends(command, cwd=None):
    """How a command ends: its exit code, or None if it has to be stopped."""
    try:
        done = subprocess.run(command, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
    except subprocess.TimeoutExpired:
        return None, b""
    return done.returncode, done.stdout


def share(right, of):
    return f"{right} of {of}"


def append_only(args):
    """The rows about append-only files."""
    with open(os.path.join(CASES, "cases.tsv"), encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    rows = [row for row in rows if os.path.isdir(os.path.join(CASES, row["id"]))]
    ours, tools = {}, {}
    for row in rows:
        command = [os.path.join(args.target, "aofcheck"), "--json"]
        for server in SERVERS.values():
            command += ["--for", server]
        _, out = ends([*command, row["arg"]], cwd=os.path.join(CASES, row["id"]))
        report = json.loads(out)["files"][0]["loads_on"]
        for column, server in SERVERS.items():
            # "load:1;77->50" is a server that cut the file.
            loads = row[f"load_strict_{column}"].startswith("load") and "->" not in row[f"load_strict_{column}"]
            tools.setdefault(column, []).append((row[f"check_exit_{column}"] == "0") == loads)
            # A server loads, too, what it passes over commands of.
            said = report.get(server, {})
            said = bool(said.get("loads")) or said.get("by_default") == "loads-but-drops"
            ours.setdefault(column, []).append(said == loads)
    for column, server in SERVERS.items():
        name = server.replace("redis-", "Redis ").replace("valkey-", "Valkey ")
        yield (
            f"agrees with what {name} loads, crafted append-only files",
            share(sum(tools[column]), len(tools[column])),
            share(sum(ours[column]), len(ours[column])),
        )


def snapshots(args):
    """The rows about RDBs."""
    tool = os.path.join(args.servers, "redis-8.6", "bin", "redis-check-rdb")
    if not os.path.exists(tool):
        tool = os.path.join(args.servers, "redis-7.0", "bin", "redis-check-rdb")
    ours = os.path.join(args.target, "rdbcheck")
    for folder, passes, name in [("rdb", True, "passes sound RDBs"), ("broken", False, "fails broken RDBs")]:
        folder = os.path.join(ROOT, "testdata", folder)
        files = sorted(name for name in os.listdir(folder) if name.endswith(".rdb"))
        files = [name for name in files if name.removesuffix(".rdb") not in SOUND_BUT]
        right = {command: 0 for command in (tool, ours)}
        for file in files:
            for command in right:
                code, _ = ends([command, os.path.join(folder, file)])
                right[command] += (code == 0) == passes
        yield name, share(right[tool], len(files)), share(right[ours], len(files))


def keys_named(commands):
    """How many keys Redis commands name: all but SELECT have theirs as the first argument."""
    keys, db, at = set(), b"0", 0

    def line():
        nonlocal at
        end = commands.index(b"\r\n", at)
        text, at = commands[at + 1 : end], end + 2
        return text

    while commands.startswith(b"*", at):
        arguments = []
        for _ in range(int(line())):
            length = int(line())
            arguments.append(commands[at : at + length])
            at += length + 2
        if arguments[0] == b"SELECT":
            db = arguments[1]
        else:
            keys.add((db, arguments[1]))
    return len(keys)


def peers(args):
    """The rows about libraries."""
    ours = ("rdbcheck", [os.path.join(args.target, "rdbcheck"), "--json"])
    all_peers = [(name, command.split()) for name, command in (peer.split("=", 1) for peer in args.peer)] + [ours]
    yield "measured", *(name for name, _ in all_peers)
    sound, broken = (os.path.join(ROOT, "testdata", folder) for folder in ("rdb", "broken"))
    with open(os.path.join(sound, "index.json"), encoding="utf-8") as file:
        counted = {name: facts["keys_in_file"] for name, facts in json.load(file).items() if name.endswith(".rdb")}
    right = []
    for name, command in all_peers:
        found = 0
        for file, keys in counted.items():
            code, out = ends([*command, os.path.join(sound, file)])
            try:
                named = json.loads(out)["files"][0]["counts"]["keys"] if name == ours[0] else keys_named(out)
            except (ValueError, IndexError):
                named = None
            found += code == 0 and named == keys
        right.append(share(found, len(counted)))
    yield "names all keys of sound RDBs", *right
    files = [name for name in sorted(os.listdir(broken)) if name.endswith(".rdb")]
    files = [name for name in files if name.removesuffix(".rdb") not in SOUND_BUT]
    yield (
        "fails broken RDBs",
        *(
            share(sum(ends([*command, os.path.join(broken, file)])[0] != 0 for file in files), len(files))
            for _, command in all_peers
        ),
    )


def table(head, *rows):
    print("| " + " | ".join(head) + " |")
    print("|---" * len(head) + "|")
    for row in rows:
        print("| " + " | ".join(row) + " |")


def main():
    args = arguments()
    table(("measured", "official check tool", "rdbcheck, aofcheck"), *snapshots(args), *append_only(args))
    if args.peer:
        print()
        table(*peers(args))


if __name__ == "__main__":
    main()
