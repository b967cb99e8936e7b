"""Each block of Python in the documentation runs, and the types are what the schema says."""

from __future__ import annotations

import pathlib
import re
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT

TEXT = (ROOT / "docs/python.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def test_there_are_blocks() -> None:
    assert len(BLOCKS) >= 3


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.splitlines()[-1])
def test_a_block_runs(block: str, tmp_path: pathlib.Path) -> None:
    shutil.copy(ROOT / "testdata/rdb/redis-7.0-streams.rdb", tmp_path / "dump.rdb")
    ran = subprocess.run([sys.executable, "-c", block], cwd=tmp_path, capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, "") and ran.stdout


def test_the_types_are_those_of_the_schema() -> None:
    subprocess.run([sys.executable, str(ROOT / "packaging/python/schema.py"), "--check"], check=True)


def test_the_package_fits_its_types() -> None:
    pytest.importorskip("mypy")
    config = ROOT / "packaging/python/pyproject.toml"
    ran = subprocess.run([sys.executable, "-m", "mypy", "--config-file", str(config)], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout
    stubs = [sys.executable, "-m", "mypy.stubtest", "redis_persistence._native"]
    ran = subprocess.run(stubs, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout
