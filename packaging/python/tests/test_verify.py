"""``verify`` gives what the commands print, of whatever it is given."""

from __future__ import annotations

import gzip
import io
import mmap
import os
import pathlib
import pickle
import tarfile

import pytest
from conftest import NOW, ROOT, Commands

import redis_persistence
from redis_persistence import Error, Report, verify

SERVERS = ["redis-7.0", "valkey-9.1", "newest"]
DAMAGED = ROOT / "testdata/broken/byte-changed.rdb"
SOUND = ROOT / "testdata/rdb/redis-7.0-functions.rdb"


def inputs() -> list[pathlib.Path]:
    """All test data that a command takes: files, and folders of append-only sets."""
    data = ROOT / "testdata"
    found = [path for path in (data / "broken").iterdir() if path.suffix not in (".txt", ".json")]
    found += [path for folder in ("rdb", "aof/cases", "aof/sets", "field") for path in (data / folder).iterdir() if path.suffix != ".txt"]
    found += [path for path in (data / "field").glob("*/*") if path.is_file() and path.suffix not in (".txt", ".json", ".md", ".conf")]
    # The hostile ones are made to take long: a test of limits has them.
    return sorted(path.relative_to(ROOT) for path in found if "hostile" not in str(path))


def checked(source: object, **options: object) -> Report:
    """The report, also of what cannot be read."""
    try:
        return verify(source, now=NOW, **options)  # type: ignore[arg-type]
    except Error as error:
        assert isinstance(error.report, Report)
        return error.report


def test_there_is_test_data() -> None:
    names = [path.name for path in inputs()]
    assert len(names) > 250 and any(name.endswith(".rdb") for name in names) and any(".aof" in name for name in names)


@pytest.mark.parametrize("path", inputs(), ids=str)
def test_it_is_the_document_of_the_command(path: pathlib.Path, commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    report = checked(path, for_=SERVERS, stats=True)
    ran = commands.run(report.tool, "--format", "json", "--now", NOW, "--stats", *(f"--for={one}" for one in SERVERS), path)
    assert report.json() == ran.stdout.decode()
    assert report.exit_code == ran.returncode
    assert [file.path for file in report.files] == [str(path)]
    (file,) = report.files
    assert file.exit_code == report.exit_code and report.ok == (ran.returncode == 0)
    assert [finding.code for finding in report.findings] == [finding["code"] for finding in file.to_dict()["findings"]]
    if (ROOT / path).is_file() and file.error is None and path.parent.name != "aof":
        bytes_of = checked((ROOT / path).read_bytes(), name=str(path), for_=SERVERS, stats=True, tool=None)
        if bytes_of.tool == report.tool:
            assert said(bytes_of) == said(report)


def said(report: Report) -> dict[str, object]:
    """What does not depend on where a file lies: a manifest alone has no files beside it."""
    data = dict(report.file.to_dict())
    for around in ("findings", "findings_total", "cause", "loads_on", "aof", "parts", "verdict", "kind"):
        if report.tool == "aofcheck":
            data.pop(around)
    return data


@pytest.mark.parametrize("options", [["--quick"], ["--hex"], ["--strict", "--require-checksum", "--expect-keys=999999"]])
def test_options_are_those_of_the_command(options: list[str], commands: Commands) -> None:
    path = ROOT / "testdata/rdb/redis-7.0-functions.rdb"
    given: dict[str, object] = {}
    for option in options:
        name, _, value = option.removeprefix("--").partition("=")
        given[name.replace("-", "_")] = int(value) if value else True
    ran = commands.run("rdbcheck", "--format=json", f"--now={NOW}", *options, path)
    report = checked(path, **given)
    assert (report.json(), report.exit_code) == (ran.stdout.decode(), ran.returncode)


def test_what_is_redacted_does_not_show_keys() -> None:
    path = ROOT / "testdata/rdb/redis-7.0-thresholds-100000.rdb"
    shown, hidden = checked(path, stats=True), checked(path, stats=True, redact=True)
    keys = {large.key for large in shown.file.stats.largest} if shown.file.stats else set()
    assert len(keys) > 2 and shown.verdict == hidden.verdict
    assert not any(key in hidden.json() for key in keys if key)


def test_sources_of_all_kinds(tmp_path: pathlib.Path) -> None:
    data = SOUND.read_bytes()
    expected = checked(data, stats=True).to_dict()["files"][0]
    assert expected["path"] == "-" and expected["verdict"] == "sound" and expected["counts"]["functions"] == 2
    with SOUND.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        sources = [bytearray(data), memoryview(data), mapped, io.BytesIO(data), Pipe(data), memoryview(b"x" + data)[1:]]
        for source in sources:
            assert checked(source, stats=True).to_dict()["files"][0] == expected, source
        assert checked(file, name="-", stats=True).to_dict()["files"][0] == expected
    ahead = io.BytesIO(b"what was read before" + data)
    ahead.seek(20)
    assert checked(ahead, stats=True).to_dict()["files"][0] == expected
    assert checked(open(SOUND, "rb")).file.path == str(SOUND)
    assert checked(os.fspath(SOUND)).file.path == checked(SOUND).file.path == str(SOUND)


class Pipe(io.RawIOBase):
    """A file object that can be read once, a little at a time."""

    def __init__(self, data: bytes) -> None:
        self.rest = data

    def read(self, size: int = -1) -> bytes:
        now, self.rest = self.rest[:7], self.rest[7:]
        return now

    def seekable(self) -> bool:
        return False


def test_what_is_packed(tmp_path: pathlib.Path, commands: Commands) -> None:
    damaged = DAMAGED
    packed = tmp_path / "dump.rdb.gz"
    packed.write_bytes(gzip.compress(damaged.read_bytes()))
    archive = tmp_path / "two.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(SOUND, "data/a.rdb")
        tar.add(damaged, "data/b.rdb")
    for path in (packed, archive):
        ran = commands.run("rdbcheck", "--format=json", f"--now={NOW}", path)
        report = checked(path)
        assert (report.json(), report.exit_code) == (ran.stdout.decode(), ran.returncode)
    assert (report.verdict, [file.verdict for file in report.files]) == ("damaged", ["sound", "damaged"])
    with pytest.raises(ValueError, match="2 files"):
        report.loads_on
    in_memory = checked(packed.read_bytes(), name=str(packed))
    assert in_memory.file.packing == "gzip" and in_memory.file.findings == checked(packed).file.findings
    sets = tmp_path / "aof.tar"
    with tarfile.open(sets, "w") as tar:
        tar.add(ROOT / "testdata/aof/sets/redis-6.2-norewrite-preamble", "aof")
    assert checked(sets).tool == "aofcheck"


def test_folders_and_append_only_files(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "appendonly.aof"
    log.write_bytes(b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n")
    for path in (log, tmp_path):
        report = redis_persistence.aof(path)
        assert (report.tool, report.verdict, report.file.aof and report.file.aof.commands) == ("aofcheck", "sound", 2)
        assert verify(path).tool == "aofcheck"
    assert verify(log.read_bytes()).tool == "aofcheck"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "-").write_bytes(SOUND.read_bytes())
    assert verify("-").verdict == "sound"


def test_what_cannot_be_read_is_an_error(tmp_path: pathlib.Path, capfd: pytest.CaptureFixture[str]) -> None:
    for path, why in [("nowhere.rdb", "No such file"), ("/dev/null", "a device"), (str(tmp_path), "directory")]:
        with pytest.raises(OSError, match=why) as caught:
            verify(path)
        assert isinstance(caught.value, Error) and caught.value.report.exit_code == 2 and caught.value.report.file.path == path
    for wrong in [{"for_": "redis-99"}, {"threads": 0}, {"prefix_depth": 17, "stats": True}, {"settings": {"no": 1}}, {"tool": "redis"}]:
        with pytest.raises(ValueError, match=".") as usage:
            verify(SOUND, **wrong)  # type: ignore[arg-type]
        assert "Usage" not in str(usage.value) and "--help" not in str(usage.value)
    for no_source in [7, None, [SOUND]]:
        with pytest.raises(TypeError, match="a path, bytes or a binary file object"):
            verify(no_source)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="binary mode"):
        verify(io.StringIO("REDIS0011"))  # type: ignore[arg-type]
    assert capfd.readouterr() == ("", "")


def test_an_exception_of_a_file_object_comes_through() -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise ZeroDivisionError("the disk")

    with pytest.raises(ZeroDivisionError, match="the disk"):
        verify(Broken(b"REDIS"))


def test_reports_are_objects() -> None:
    path = DAMAGED
    report = checked(path, for_=SERVERS, stats=True)
    again = pickle.loads(pickle.dumps(report))
    assert again == report and again.json() == report.json() and again.files == report.files
    assert pickle.loads(pickle.dumps(report.file)).exit_code == report.file.exit_code == report.exit_code != 0
    assert set(report.loads_on) > {"redis-7.0", "valkey-9.1"} and {"redis-7.0", "valkey-9.1"} < set(redis_persistence.servers())
    assert str(path) in repr(report) and "verdict='damaged'" in repr(report.file)
    finding = report.findings[0]
    assert finding.severity in ("error", "warning", "note") and isinstance(finding.start, int)
    with pytest.raises(AttributeError):
        finding.no_such_field  # type: ignore[attr-defined]
    without = checked(path)
    assert without.file.stats is None and without.file.packing is None and report.file.stats is not None


def test_the_program_of_the_page_runs(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    page = (ROOT / "docs/python.md").read_text()
    program = page.split("```python\n")[1].split("```")[0]
    (tmp_path / "dump.rdb").write_bytes(DAMAGED.read_bytes())
    monkeypatch.chdir(tmp_path)
    exec(compile(program, "docs/python.md", "exec"), {})
    first, *findings = capsys.readouterr().out.splitlines()
    assert first == "damaged 1 False" and len(findings) > 1
