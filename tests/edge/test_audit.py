"""The audit trail's files: durable, chained over rotations, restarts and crashes; a full disk is told."""

import json
import os
import resource
import signal
import stat
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from millet.core.audit import Event, Head, Kind, check
from millet.edge.audit import AuditTrail, Place, chains, key_at
from millet.errors import StoreError

KEY = bytes(32)


class Trails:
    """Trails in one folder, and what they told."""

    def __init__(self, folder) -> None:
        self.folder = folder
        self.heads: dict[str, dict[int, str]] = {}
        self.lost = 0

    def open(self, process: str = "host-0", **place) -> AuditTrail:
        """A trail of one process."""
        made = Place(folder=self.folder, process=process, key=KEY, **place)
        return AuditTrail(made, lambda: datetime.now(UTC), noted=self._note, lost=self._lose)

    def _note(self, process: str, head: Head) -> None:
        self.heads.setdefault(process, {})[head.number] = head.digest

    def _lose(self, events: int) -> None:
        self.lost += events

    def lines(self, process: str = "host-0") -> list[dict]:
        """What was written."""
        return [json.loads(line.content) for line in chains(self.folder)[process]]

    def broken(self, process: str = "host-0") -> str:
        """Where the chain does not hold."""
        found = chains(self.folder)
        return check(found.get(process, iter(())), self.heads.get(process, {})).broken

    def newest(self, process: str = "host-0"):
        """The file that is written to."""
        return max(self.folder.glob(f"audit-{process}-*.jsonl"))


@pytest.fixture
def trails(tmp_path):
    """An empty folder."""
    return Trails(tmp_path / "audit")


def read(number: int) -> Event:
    """Somebody read something."""
    return Event(kind=Kind.RETRIEVED, who=f"reader {number}", series_uid=f"1.2.{number}")


def written(trail: AuditTrail, numbers) -> None:
    """Write events, durable when this returns."""
    for number in numbers:
        trail.write(read(number))
    trail.flush()


def test_what_was_written_is_there_in_order_and_holds(trails):
    """Many at a time are one chain; nobody else may read it."""
    trail = trails.open()
    written(trail, range(500))
    assert [line["who"] for line in trails.lines()] == [f"reader {n}" for n in range(500)]
    assert trails.newest().stat().st_mode & 0o077 == 0
    trail.stop()
    assert trails.broken() == ""
    assert max(trails.heads["host-0"]) == 499


def test_the_chain_goes_on_over_rotations_and_restarts(trails):
    """One chain through many files, whoever writes it."""
    for start in range(3):
        trail = trails.open(rotate_bytes=1500)
        for number in range(10):
            written(trail, [10 * start + number])
        trail.stop()
    assert len(list(trails.folder.glob("*.jsonl"))) > 3
    assert [line["n"] for line in trails.lines()] == list(range(30))
    assert trails.broken() == ""


def test_a_file_that_is_taken_away_is_found(trails):
    """From the middle by the chain, from the end by the head."""
    trail = trails.open(rotate_bytes=1500)
    for number in range(30):
        written(trail, [number])
    trail.stop()
    first, *_, middle, last = sorted(trails.folder.glob("*.jsonl"))
    assert first != middle
    kept = last.read_bytes()
    last.unlink()
    assert "had come to n=29" in trails.broken()
    last.write_bytes(kept)
    middle.unlink()
    assert "lines are missing" in trails.broken()


def test_two_processes_have_two_chains_even_of_one_name(trails):
    """The second of a name writes beside the first, and after it has gone takes its place."""
    first, second = trails.open(), trails.open()
    written(first, [1])
    written(second, [2])
    assert (first.process, second.process) == ("host-0", "host-0.2")
    first.stop()
    again = trails.open()
    written(again, [3])
    assert [line["who"] for line in trails.lines()] == ["reader 1", "reader 3"]
    again.stop()
    second.stop()
    assert trails.broken() == trails.broken("host-0.2") == ""


def test_a_line_that_a_crash_left_half_is_cut_off_and_that_is_told(trails):
    """It was never durable; the chain goes on after the last whole line and says what was cut."""
    trail = trails.open()
    written(trail, [0, 1])
    trail.stop()
    with trails.newest().open("ab") as file:
        file.write(b'{"n":2,"bef')
    trail = trails.open()
    written(trail, [3])
    trail.stop()
    mended = trails.lines()[2]
    assert (mended["event"], mended["what"]) == ("110101", "11 bytes of a half-written line were cut off")
    assert trails.broken() == ""


KILLED = """
import os, sys
from datetime import UTC, datetime
from pathlib import Path
from millet.core.audit import Event, Kind
from millet.edge.audit import AuditTrail, Place
place = Place(folder=Path(sys.argv[1]), process="host-0", key=bytes(32))
trail = AuditTrail(place, lambda: datetime.now(UTC), noted=lambda *_: None, lost=lambda _: None)
for number in range(1000):
    trail.write(Event(kind=Kind.RETRIEVED, who=f"reader {number}"))
    if number == 400:
        trail.flush()
        print("durable", flush=True)
os.kill(os.getpid(), 9)
"""


def test_what_was_flushed_outlives_a_kill_and_the_chain_goes_on(trails):
    """After kill -9 the first 401 lines are there; the next start goes on behind what is whole."""
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(trails.folder)], capture_output=True, check=False
    )
    assert done.stdout == b"durable\n"
    trail = trails.open()
    written(trail, ["after"])
    trail.stop()
    who = [line["who"] for line in trails.lines() if line["who"]]
    assert who[:401] == [f"reader {n}" for n in range(401)]
    assert who[-1] == "reader after"
    assert trails.broken() == ""


def test_a_disk_that_is_full_stops_nobody_and_the_gap_is_a_line_of_its_own(trails):
    """What found no room is counted at once and written down as soon as there is room again."""
    trail = trails.open()
    written(trail, range(3))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = trails.newest().stat().st_size
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, limits[1]))
        written(trail, range(3, 10))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert trails.newest().stat().st_size == size
    lost = trails.lost
    assert lost == 7
    written(trail, [10])
    trail.stop()
    told = [line["what"] or line["who"] for line in trails.lines()[3:]]
    assert told == [f"{lost} events before this one found no room and are lost", "reader 10"]
    assert trails.broken() == ""


def test_a_trail_that_ends_with_rubbish_does_not_stop_the_service(trails):
    """A new chain begins in a new file; the look at the old one still names the bad line."""
    trail = trails.open()
    written(trail, [0])
    trail.stop()
    with trails.newest().open("ab") as file:
        file.write(b"rubbish\n")
    trail = trails.open()
    written(trail, [1])
    trail.stop()
    trails.heads.clear()
    assert "audit-host-0-000001.jsonl:2: it is no line" in trails.broken()


def test_the_head_is_told_again_and_again_while_it_changes(trails):
    """With no time between, after every batch; a head that did not change is not told twice."""
    trail = trails.open(head_every_s=0.0)
    for number in range(3):
        written(trail, [number])
    trail.flush()
    trail.stop()
    assert sorted(trails.heads["host-0"]) == [0, 1, 2]


def test_the_key_is_made_once_and_for_its_owner_alone(tmp_path):
    """Every process gets the same; one that was shortened is refused."""
    path = tmp_path / "state" / "audit.key"
    key = key_at(path)
    assert key == key_at(path)
    assert len(key) == 32
    assert path.stat().st_mode & 0o077 == 0
    assert [one.name for one in path.parent.iterdir()] == ["audit.key"]
    path.write_bytes(b"short")
    with pytest.raises(StoreError, match="32 bytes"):
        key_at(path)


def test_the_key_is_durable_before_it_has_its_name(tmp_path, monkeypatch):
    """Its bytes are flushed, then it is named, then the name is flushed; one that is there needs no room."""
    done = []
    true_sync, true_link = os.fsync, os.link

    def sync(descriptor):
        facts = os.fstat(descriptor)
        done.append(facts.st_size if stat.S_ISREG(facts.st_mode) else "folder")
        true_sync(descriptor)

    def link(source, target):
        done.append("name")
        true_link(source, target)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(os, "link", link)
    key = key_at(tmp_path / "audit.key")
    assert done == [32, "name", "folder"]
    assert key_at(tmp_path / "audit.key") == key
    assert done == [32, "name", "folder"]


def test_a_folder_that_cannot_be_written_refuses_to_start(tmp_path):
    """A file in its place is told by its name."""
    (tmp_path / "audit").write_text("x")
    with pytest.raises(StoreError, match="audit"):
        Trails(tmp_path / "audit").open()
