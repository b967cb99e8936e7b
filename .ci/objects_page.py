"""Runs docs/fleet.md: its commands, questions and programs, on a bucket of which the answers are known. `.ci/objects.py` calls it."""

import gzip
import os
import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent


class Page:
    """The commands that the page has indented, and what stands in its fences, in order."""

    def __init__(self):
        self.commands, self.sql, self.python = [], [], []
        fence = None
        for line in (ROOT / "docs" / "fleet.md").read_text().splitlines():
            if line.startswith("```"):
                fence = [] if fence is None else None
                if fence is not None:
                    {"sql": self.sql, "python": self.python}[line[3:]].append(fence)
            elif fence is not None:
                fence.append(line)
            elif line.startswith("    "):
                self.commands.append(line.strip())
        self.sql = ["\n".join(lines) for lines in self.sql]
        self.python = ["\n".join(lines) for lines in self.python]


def crc64(bytes_):
    crc = 0
    for byte in bytes_:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x95AC9329AC4BC9B5 if crc & 1 else 0)
    return crc.to_bytes(8, "little")


def rdb(created, keys, version=10):
    """A dump of short strings, written at that time."""

    def text(of):
        return bytes([len(of)]) + of

    parts = [b"REDIS%04d" % version]
    parts += [b"\xfa" + text(name) + text(value) for name, value in ((b"redis-ver", b"7.0.15"), (b"ctime", b"%d" % created))]
    parts += [b"\xfe\x00", *(b"\x00" + text(key.encode()) + text(b"value") for key in keys), b"\xff"]
    whole = b"".join(parts)
    return whole + crc64(whole)


def keys_of(kind, count):
    return [f"{kind}:{number}" for number in range(count)]


def nights():
    """A bucket on two nights: what is added to it on each."""
    now, hour = int(time.time()), 3600
    broken = bytearray(rdb(now - 2 * hour, keys_of("news", 50)))
    broken[60] ^= 1
    first = {
        "shop/1.rdb": rdb(now - 20 * hour, keys_of("user", 100)),
        "cart/1.rdb": rdb(now - 21 * hour, keys_of("item", 100)),
        "cart/2.rdb.gz": gzip.compress(rdb(now - hour, keys_of("item", 60))),
        "mail/1.rdb": rdb(now - 72 * hour, keys_of("mail", 10)),
        "news/1.rdb": rdb(now - 20 * hour, keys_of("news", 50)),
        "news/2.rdb": bytes(broken),
        "jobs/1.rdb": rdb(now - hour, keys_of("job", 5), version=12),
        "notes.txt": b"call the shop\n",
    }
    return [first, {"shop/2.rdb": rdb(now - hour, keys_of("user", 110) + keys_of("session", 40))}]


def run(engines, folder, commands, put):
    """Runs the page as somebody does who has a home of their own and nothing in it."""
    text, home = Page(), folder / "home"
    home.mkdir()
    build, venv, install, check, show, check_keys, without_python = text.commands
    environment = os.environ | {"HOME": str(home)}
    # The compiler's own folders stay where they are.
    for name, default in (("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")):
        if name not in os.environ and (pathlib.Path.home() / default).is_dir():
            environment[name] = str(pathlib.Path.home() / default)

    def shell(command, codes=(0,)):
        began = time.time()
        done = subprocess.run(
            ["bash", "-c", command], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        out = done.stdout.decode()
        print(f"    {time.time() - began:.1f} s: {command.split(' && ')[-1][:70]}", flush=True)
        assert done.returncode in codes, f"{command}: {done.returncode}\n{out[-3000:]}"
        return out

    first, second = nights()
    put("backups", first)
    for command in (build, venv, install):
        shell(command)
    # One is damaged; jobs would not be loaded.
    shell(check, codes=(1,))
    table = shell(show)
    assert table.count("s3://backups/") == len(first), table
    put("backups", second)
    # A run is named by its second.
    time.sleep(1.1)
    shell(check_keys, codes=(1,))
    assert_answers(questions(home / "fleet", text.sql[:-1]))
    put("backups", {"shop/2.rdb": rdb(int(time.time()), keys_of("user", 110) + keys_of("session", 90))})
    time.sleep(1.1)
    shell(check_keys, codes=(1,))
    grew = questions(home / "fleet", [text.sql[-1]])
    assert [row[0] for row in grew[0]] == ["session"], grew
    table = shell(f"PATH={commands}:$PATH; {without_python}", codes=(1,))
    assert table.endswith("8 inputs: 1 DAMAGED, 7 sound; 575 keys\n"), table
    for program in text.python:
        name = next((name for name in ("ray", "pyspark") if f"import {name}" in program or f"from {name}" in program), None)
        if name and name.removeprefix("py") not in engines:
            continue
        began = time.time()
        variables = os.environ | {"PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
        script = home / "program.py"
        # A program whose workers are processes of their own is no script without this.
        script.write_text("def main():\n" + "".join(f"    {line}\n" for line in program.splitlines()) + "if __name__ == '__main__':\n    main()\n")
        done = subprocess.run(
            [sys.executable, script], cwd=home, env=variables, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        print(f"    {time.time() - began:.1f} s: the program with {name or 'concurrent.futures'}", flush=True)
        assert done.returncode == 0, done.stderr.decode()[-3000:]
        last = done.stdout.decode().split("\n")[-2]
        right = {None: "{0: 6, 1: 3}", "ray": "{0: 6, 1: 3}", "pyspark": "2"}[name]
        found = str(dict(sorted(eval(last).items()))) if last.startswith("{") else last
        assert found == right, f"{program}: {last} where it should be {right}"


def questions(folder, blocks):
    """What DuckDB answers to the questions of the page, in a folder with the data sets."""
    import duckdb

    before = os.getcwd()
    os.chdir(folder)
    try:
        with duckdb.connect() as database:
            statements = [statement for block in blocks for statement in database.extract_statements(block)]
            answers = [(statement.query.strip().startswith("SELECT"), database.execute(statement).fetchall()) for statement in statements]
            return [rows for asked, rows in answers if asked]
    finally:
        os.chdir(before)


def assert_answers(answers):
    """Whether the page's questions about the second night are answered as the bucket was made."""
    bad, shrank, late, refused, grew = answers
    at = "s3://backups"
    assert [row[:2] for row in bad] == [(f"{at}/news/2.rdb", "damaged"), (f"{at}/notes.txt", "unknown")], bad
    assert all(row[5] for row in bad), bad
    assert shrank == [(f"{at}/cart/2.rdb.gz", 100, 60)], shrank
    assert [row[0] for row in late] == [at, f"{at}/mail"], late
    assert late[0][1] is None and 72 <= late[1][1] < 73, late
    assert [row[:2] for row in refused] == [(f"{at}/{name}", "valkey-9.1") for name in ("jobs/1.rdb", "news/2.rdb", "notes.txt")], refused
    assert all(row[2] for row in refused), refused
    assert [row[0] for row in grew] == [f"{at}/shop"] and grew[0][1] > 2 * (grew[0][1] - grew[0][2]), grew
