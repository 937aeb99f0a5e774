"""`millet audit verify` as an operator runs it: a whole trail, and each thing that can be done to one."""

import json
import sys
from datetime import UTC, datetime

import pytest
from logging_state import put_back

from millet import cli
from millet.app.audit import folder_of, open_trail, operated
from millet.core.audit import Event, Kind
from millet.edge.telemetry import configure
from millet.errors import StoreError
from millet.settings import Settings


@pytest.fixture
def settings(tmp_path, monkeypatch):
    """Settings that the command reads, too."""
    monkeypatch.setenv("MILLET_STATE_DIR", str(tmp_path / "state"))
    return Settings(state_dir=tmp_path / "state")


@pytest.fixture
def log(tmp_path):
    """The service's log."""
    path = tmp_path / "service.jsonl"
    with path.open("w") as stream, put_back():
        configure("INFO", stream)
        yield path


@pytest.fixture
def trail(settings, log):
    """A trail of ten lines, its head noted."""
    made = open_trail(settings, "host-0", lambda: datetime.now(UTC), print)
    for number in range(10):
        made.write(Event(kind=Kind.RETRIEVED, who=f"reader {number}"))
    made.stop()
    (path,) = folder_of(settings).glob("*.jsonl")
    return path


@pytest.fixture
def verify(monkeypatch, capsys):
    """Run the command: its exit code and everything that it said."""

    def run(*arguments: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["millet", "audit", "verify", *map(str, arguments)])
        monkeypatch.setenv("COLUMNS", "400")
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out + said.err

    return run


def test_a_whole_trail_is_whole(trail, verify, log):
    """With the heads beside it and with those of the log."""
    for arguments in ((), ("--log", log)):
        code, said = verify(*arguments)
        assert code == 0
        assert "whole" in said
        assert "0 to 9" in said
        assert "1 noted heads" in said


def test_a_changed_line_is_named(trail, verify):
    """File and line of the first that does not fit, and a failure that a shell sees."""
    trail.write_bytes(trail.read_bytes().replace(b"reader 4", b"nobody"))
    code, said = verify()
    assert code == 1
    assert f"{trail.name}:6: the line before it, n=4, is not what it was" in said


def test_a_missing_end_is_named(trail, verify):
    """The head beside the state knows better."""
    trail.write_bytes(b"".join(trail.read_bytes().splitlines(keepends=True)[:7]))
    code, said = verify()
    assert code == 1
    assert "ends with line n=6, but had come to n=9" in said


def test_a_trail_that_is_gone_is_named(trail, verify):
    """Even its whole file."""
    trail.unlink()
    code, said = verify()
    assert code == 1
    assert "had come to n=9" in said


def test_whoever_removes_the_notes_too_is_found_by_the_log(trail, verify, settings, log):
    """A log that was sent elsewhere has the heads."""
    trail.write_bytes(b"".join(trail.read_bytes().splitlines(keepends=True)[:7]))
    for note in (settings.state_dir / "audit-heads").iterdir():
        note.unlink()
    assert verify()[0] == 0
    code, said = verify("--log", log)
    assert code == 1
    assert "had come to n=9" in said


def test_a_folder_without_a_trail_is_a_clear_failure(settings, verify, tmp_path):
    """Not a clean bill."""
    code, said = verify("--folder", tmp_path / "nowhere")
    assert code == 1
    assert "nowhere" in said


def test_what_an_operator_did_is_kept_at_once(settings, verify):
    """By the name of the account, in a chain of the command line's own, that holds over several calls."""
    operated(settings, "replay of delivery 7")
    operated(settings, "replay of delivery 8")
    (path,) = folder_of(settings).glob("audit-*-cli-*.jsonl")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["what"] for line in lines] == ["replay of delivery 7", "replay of delivery 8"]
    assert all(line["who"] for line in lines)
    assert verify()[0] == 0


def test_an_operator_s_act_that_cannot_be_kept_is_an_error(settings):
    """Whoever acts is told before."""
    settings.state_dir.mkdir()
    (settings.state_dir / "audit").write_text("x")
    with pytest.raises(StoreError, match="audit"):
        operated(settings, "replay")
