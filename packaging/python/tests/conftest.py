"""What the tests share: the test data of the repository, and the commands that the package is held against."""

from __future__ import annotations

import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
#: A time at which expiries are judged, so that two runs say the same: 2024-01-01.
NOW = 1_704_067_200


@pytest.fixture(scope="session")
def testdata() -> pathlib.Path:
    return ROOT / "testdata"


class Commands:
    """The commands ``rdbcheck`` and ``aofcheck``."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder

    def run(self, tool: str, *arguments: object, cwd: pathlib.Path = ROOT, **more: object) -> subprocess.CompletedProcess[bytes]:
        command = [str(self.folder / tool), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, cwd=cwd, **{"stdin": subprocess.DEVNULL, **more})  # type: ignore[call-overload, no-any-return]


@pytest.fixture(scope="session")
def commands() -> Commands:
    folder = pathlib.Path(os.environ.get("COMMANDS", ROOT / "target/debug")).resolve()
    assert (folder / "rdbcheck").exists(), f"no rdbcheck in {folder}: COMMANDS names its folder"
    return Commands(folder)
