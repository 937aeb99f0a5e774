from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from millet.edge.journal import SqlJournal, open_engine, sqlite_url
from millet.edge.spool import DirectorySpool
from millet.errors import RefusedInstance, StoreError


def test_below_the_reserve_instances_are_refused(tmp_path):
    """A disk that is too full answers 0xA700 and keeps nothing."""
    spool = DirectorySpool(tmp_path, reserve_bytes=2**62)
    with pytest.raises(RefusedInstance) as refused:
        spool.write(b"too much")
    assert refused.value.status == 0xA700
    assert spool.paths() == []


def test_a_restart_removes_what_was_half_written(tmp_path):
    """Temporary files of a crash are gone after a start, whole ones stay."""
    kept = DirectorySpool(tmp_path).write(b"whole")
    (tmp_path / "ab" / "half.part").write_bytes(b"ha")
    assert DirectorySpool(tmp_path).paths() == [kept.path]
    assert list(tmp_path.rglob("*.part")) == []


def test_what_was_cut_off_is_written_again(tmp_path):
    """A file that a repair of the disk left short is no reason to tell success."""
    spool = DirectorySpool(tmp_path)
    stored = spool.write(b"the whole instance")
    (tmp_path / stored.path).write_bytes(b"the who")
    assert spool.read(spool.write(b"the whole instance").path) == b"the whole instance"


def test_a_disk_that_fails_is_told_in_our_words(tmp_path):
    """An error of the disk is a StoreError, without a path in it."""
    spool = DirectorySpool(tmp_path)
    stored = spool.write(b"here")
    (tmp_path / stored.path).unlink()
    with pytest.raises(StoreError, match=r"^the disk failed: No such file or directory$"):
        spool.read(stored.path)


KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from instances import entry
from millet.edge.journal import SqlJournal, migrate, open_engine, sqlite_url
from millet.edge.spool import DirectorySpool
from millet.ports import Entry, Site
from dataclasses import replace

folder = Path(sys.argv[1])
spool = DirectorySpool(folder / "spool")
engine = open_engine(sqlite_url(folder / "journal.db"))
migrate(engine)
journal = SqlJournal(engine, lambda *_: None, spool)
number = 0
while True:
    number += 1
    stored = spool.write(b"instance %d" % number * 1000)
    journal.record(replace(entry(number), stored=stored))
    print(number, stored.path, flush=True)
"""


def test_what_was_acknowledged_survives_kill_9(tmp_path):
    """A process killed without warning has kept every instance that it had acknowledged."""
    tests = str(Path(__file__).parents[1])
    process = subprocess.Popen(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {tests!r})\n{KILLED}", str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
    )
    acknowledged = [process.stdout.readline().split() for _ in range(25)]
    process.kill()
    acknowledged += [line.split() for line in process.stdout.read().splitlines() if line.count(" ") == 1]
    process.wait()
    process.stdout.close()

    spool = DirectorySpool(tmp_path / "spool")
    engine = open_engine(sqlite_url(tmp_path / "journal.db"))
    known = SqlJournal(engine, lambda *_: None, spool).known_paths()
    engine.dispose()
    assert len(acknowledged) >= 25
    for number, path in acknowledged:
        assert path in known
        assert spool.read(path) == b"instance %d" % int(number) * 1000
