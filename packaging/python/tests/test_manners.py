"""What the package does to the process that it runs in: nothing that was not asked for."""

from __future__ import annotations

import pathlib
import signal
import subprocess
import sys
import threading
import time

import pytest
from conftest import ROOT

from redis_persistence import keys, verify

SLOW = """
import io, signal, sys, time
import redis_persistence

class Slow(io.RawIOBase):
    "A dump of keys without an end, a little at a time."
    begun = False
    def readable(self):
        return True
    def seekable(self):
        return False
    def read(self, size=-1):
        time.sleep(0.001)
        if self.begun:
            return b"\\x00\\x01k\\x01v" * 10
        self.begun = True
        print("begun", flush=True)
        return b"REDIS0004"

before = signal.getsignal(signal.SIGINT)
try:
    {call}
except KeyboardInterrupt:
    assert signal.getsignal(signal.SIGINT) is before
    assert redis_persistence.verify(b"REDIS0004\\xff").verdict == "sound"
    sys.exit(42)
"""

CALLS = {
    "verify": "redis_persistence.verify(Slow())",
    "keys": "list(redis_persistence.keys(Slow()))",
    "inventory": "import pyarrow; pyarrow.table(redis_persistence.inventory(Slow()))",
}


@pytest.mark.parametrize("call", CALLS)
def test_ctrl_c_stops_it(call: str) -> None:
    script = SLOW.replace("{call}", CALLS[call])
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stdout.readline() == "begun\n"
        time.sleep(0.3)
        sent = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    # Of an inventory the library that takes it raises its own.
    expected = 1 if call == "inventory" else 42
    assert process.returncode == expected and (call != "inventory" or "KeyboardInterrupt" in errors), (process.returncode, errors)
    assert time.monotonic() - sent < 5


def test_other_threads_go_on_meanwhile(tmp_path: pathlib.Path) -> None:
    large = tmp_path / "large.rdb"
    record = b"\x00\x05%05d\x40\x64" + b"v" * 100
    with large.open("wb") as file:
        file.write(b"REDIS0004" + b"".join(record.replace(b"%05d", b"%05d" % (n % 100_000)) for n in range(200_000)) + b"\xff")
    ticks, over = [0], threading.Event()

    def tick() -> None:
        while not over.wait(0.001):
            ticks[0] += 1

    thread = threading.Thread(target=tick)
    thread.start()
    began = time.monotonic()
    report = verify(large)
    took = time.monotonic() - began
    over.set()
    thread.join()
    assert report.file.counts and report.file.counts.keys == 200_000
    # With the lock held there would be none.
    assert ticks[0] > took * 1000 / 50, (ticks, took)


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    for path in sorted((ROOT / "testdata/broken").glob("*.rdb"))[:20]:
        try:
            verify(path, for_="newest")
            list(keys(path))
        except (OSError, ValueError):
            pass
    assert capfd.readouterr() == ("", "")
