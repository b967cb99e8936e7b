"""The sets of data that compare.py races over: written by a real server, the same commands as an RDB and as an AOF.

Each set is a generator of commands (lists of bytes). Sizes are of the RDB at scale 1, measured with Redis 7.0.
"""

import json
import os
import random
import shutil
import socket
import subprocess
import time

SEED = 20240607
# Far in the future, so that no key expires while the comparison runs: 2 January 2100.
EXPIRES_FROM = 4_102_531_200_000


def small(scale):
    """Small string keys, every fifth of which expires: 300 MB."""
    rng = random.Random(SEED)
    for number in range(int(6_100_000 * scale)):
        key = b"user:%010d:name" % number
        value = b"%024x" % rng.getrandbits(96)
        if number % 5 == 0:
            yield [b"SET", key, value, b"PXAT", b"%d" % (EXPIRES_FROM + number)]
        else:
            yield [b"SET", key, value]


def words(rng, count):
    """So many short, mostly different texts."""
    return [b"%s:%x" % (rng.choice(WORDS), rng.getrandbits(48)) for _ in range(count)]


WORDS = [b"name", b"address", b"order", b"price", b"session", b"token", b"visited", b"score", b"country", b"updated"]


def mixed(scale):
    """Collections of all kinds, small and large: 300 MB."""
    rng = random.Random(SEED + 1)
    for number in range(int(50_000 * scale)):
        fields = words(rng, 20)
        yield [b"HSET", b"hash:%d" % number, *fields]
        members = words(rng, 20)
        pairs = [part for member in members for part in (b"%.3f" % (rng.random() * 1000), member)]
        yield [b"ZADD", b"ranking:%d" % number, *pairs]
        yield [b"SADD", b"numbers:%d" % number, *[b"%d" % rng.getrandbits(30) for _ in range(60)]]
        yield [b"RPUSH", b"list:%d" % number, *words(rng, 40)]
        for entry in range(8):
            payload = words(rng, 2)
            yield [b"XADD", b"stream:%d" % number, b"%d-%d" % (1_700_000_000_000 + number, entry),
                   b"sensor", payload[0], b"value", payload[1]]
        if number % 10 == 0:
            yield [b"HSET", b"large-hash:%d" % number, *words(rng, 600)]
            yield [b"SADD", b"large-set:%d" % number, *words(rng, 400)]
            pairs = [part for member in words(rng, 300) for part in (b"%.6f" % (rng.random() * 1e6), member)]
            yield [b"ZADD", b"large-ranking:%d" % number, *pairs]
            yield [b"RPUSH", b"large-list:%d" % number, *words(rng, 800)]
            yield [b"XGROUP", b"CREATE", b"stream:%d" % number, b"readers", b"0"]
            yield [b"XREADGROUP", b"GROUP", b"readers", b"one", b"COUNT", b"5", b"STREAMS", b"stream:%d" % number, b">"]


def texts(scale):
    """JSON documents of 2 KB, 400 MB of them before the server compresses them."""
    rng = random.Random(SEED + 2)
    for number in range(int(200_000 * scale)):
        items = [
            {"id": rng.getrandbits(40), "kind": rng.choice(WORDS).decode(), "price": round(rng.random() * 500, 2),
             "available": rng.random() < 0.7, "tags": [rng.choice(WORDS).decode() for _ in range(3)]}
            for _ in range(14)
        ]
        yield [b"SET", b"document:%d" % number, json.dumps({"version": 3, "items": items}).encode()]


def large(scale):
    """Values of 0.25 to 2 MB that no compression shortens: 400 MB."""
    rng = random.Random(SEED + 3)
    left = int(400_000_000 * scale)
    number = 0
    while left > 0:
        size = rng.randint(250_000, 2_000_000)
        left -= size
        number += 1
        yield [b"SET", b"blob:%d" % number, rng.randbytes(size)]


SETS = {"small": small, "mixed": mixed, "texts": texts, "large": large}


def encode(command):
    parts = [b"*%d\r\n" % len(command)]
    for argument in command:
        parts.append(b"$%d\r\n%s\r\n" % (len(argument), argument))
    return b"".join(parts)


class Server:
    """A server of its own folder, reached by a socket in it; it stops when the block ends."""

    def __init__(self, program, folder, aof=True):
        self.folder = folder
        address = os.path.join(folder, "s")
        self.log = open(os.path.join(folder, "log"), "wb")
        self.process = subprocess.Popen(
            [program, "--port", "0", "--unixsocket", address, "--dir", folder, "--save", "",
             "--appendonly", "yes" if aof else "no", "--aof-use-rdb-preamble", "no", "--appendfsync", "no", "--auto-aof-rewrite-percentage", "0"],
            stdout=self.log, stderr=self.log)
        for _ in range(200):
            try:
                self.socket = socket.socket(socket.AF_UNIX)
                self.socket.connect(address)
                return
            except OSError:
                self.socket.close()
                time.sleep(0.05)
        raise RuntimeError(f"{program} does not start; see {folder}/log")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()
        self.process.terminate()
        self.process.wait()
        self.log.close()

    def fill(self, commands):
        """Sends commands without asking for their replies."""
        self.socket.sendall(encode([b"CLIENT", b"REPLY", b"OFF"]))
        batch, size = [], 0
        for command in commands:
            encoded = encode(command)
            batch.append(encoded)
            size += len(encoded)
            if size > 1 << 20:
                self.socket.sendall(b"".join(batch))
                batch, size = [], 0
        self.socket.sendall(b"".join(batch) + encode([b"CLIENT", b"REPLY", b"ON"]))
        self.expect(b"+OK\r\n")

    def run(self, *command):
        self.socket.sendall(encode(command))
        self.expect(b"+OK\r\n")

    def expect(self, wanted):
        reply = b""
        while len(reply) < len(wanted):
            more = self.socket.recv(len(wanted) - len(reply))
            if not more:
                break
            reply += more
        if reply != wanted:
            raise RuntimeError(f"the server answered {reply!r}")


def one_of_many(number):
    """Keys of some kinds, for a dump of 0.5 to 20 kB."""
    rng = random.Random(SEED + 4 + number)
    left = rng.randint(200, 19_000)
    key = 0
    while left > 0:
        key += 1
        kind = rng.randrange(5)
        if kind == 0:
            yield [b"HSET", b"hash:%d" % key, *words(rng, 8)]
        elif kind == 1:
            yield [b"RPUSH", b"list:%d" % key, *words(rng, 8)]
        else:
            yield [b"SET", b"user:%010d:name" % key, b"%024x" % rng.getrandbits(96)]
        left -= 170 if kind < 2 else 45


def make_many(program, count, folder):
    """Makes so many small dumps, and one of all that is in them, unless they are there; answers their paths, and the path of the one."""
    place = os.path.join(folder, f"many-{count}")
    names = [os.path.join(place, f"{number:06}.rdb") for number in range(count)]
    whole = os.path.join(place, "whole")
    if not os.path.exists(whole):
        shutil.rmtree(place, ignore_errors=True)
        os.makedirs(place)
        with Server(program, place, aof=False) as server:
            written = os.path.join(place, "dump.rdb")
            for number, name in enumerate(names):
                server.fill(one_of_many(number))
                server.run(b"SAVE")
                server.run(b"FLUSHALL")
                os.rename(written, name)
            for number in range(count):
                prefixed = ([name, b"%d:%s" % (number, key), *rest] for name, key, *rest in one_of_many(number))
                server.fill(prefixed)
            server.run(b"SAVE")
            os.rename(written, whole)
    return names, whole


def make(program, name, scale, folder):
    """Makes a set, unless it is there, and answers the paths of its RDB and of the manifest of its AOF."""
    place = os.path.join(folder, f"{name}-{scale}")
    rdb = os.path.join(place, "dump.rdb")
    manifest = os.path.join(place, "appendonlydir", "appendonly.aof.manifest")
    if not os.path.exists(rdb):
        shutil.rmtree(place, ignore_errors=True)
        os.makedirs(place)
        with Server(program, place) as server:
            server.fill(SETS[name](scale))
            server.run(b"SAVE")
    return rdb, manifest
