"""A state that is being written to is copied, checked, put elsewhere, and goes on there."""

from __future__ import annotations

import json
from pathlib import Path

import analyses
import pytest
import sqlalchemy as sa
from instances import SOURCE, START_UTC, ct_file, header

from millet.app import backup, bucket_backup
from millet.app.storing import open_objects
from millet.core.job import State
from millet.edge.journal import SqlJournal, open_engine, snapshot, sqlite_url
from millet.edge.journal.migrating import migrate
from millet.edge.store import Bucket, BucketSpool, LogSpool, ObjectFolder
from millet.errors import ServiceError, StoreError
from millet.ports import Dismissal, Entry, KeptObject, Offer, Selection
from millet.settings import Settings

SERIES = "1.2.826.0.1.3680043.8.498.1"
COUNT = 5


def spool_of(settings: Settings, owner: str) -> LogSpool | BucketSpool:
    """With small segments, so that there are some."""
    if settings.spool_url:
        folder = settings.state_dir / "receivers"
        return BucketSpool(Bucket(settings.spool_url), owner, folder, segment_bytes=8000)
    return LogSpool(settings.state_dir / "spool", owner, segment_bytes=8000)


class Place:
    """A state as the service has it."""

    def __init__(self, folder: Path, spool_url: str = "") -> None:
        self.settings = Settings(state_dir=folder, spool_url=spool_url)
        self.engine = open_engine(sqlite_url(folder / "journal.db"))
        migrate(self.engine)
        self.spool = spool_of(self.settings, "one")
        self.spool.hold()
        self.objects = open_objects(self.settings)
        self.journal = SqlJournal(self.engine, lambda *_: None, self.objects)
        self.writer = self.spool.writer()

    def receive(self, number: int, series_uid: str = SERIES) -> tuple[str, bytes, int]:
        """Spool and journal a slice: its path, its bytes and its series."""
        body = ct_file(number, series_uid)
        told = header(number, series_uid)
        syntax = told.transfer_syntax_uid
        offer = Offer(SOURCE, told.sop_class_uid, told.sop_instance_uid, syntax, 1)
        self.writer.begin(offer, START_UTC)
        self.writer.write(body)
        stored = self.writer.commit()
        entry = Entry(source=SOURCE, header=told, stored=stored, received_utc=START_UTC)
        (recorded,) = self.journal.record_all([entry], {})
        return stored.path, body, recorded.series_id

    def close(self) -> None:
        """Let go of all."""
        self.writer.close()
        self.spool.let_go()
        self.engine.dispose()


@pytest.fixture
def states(tmp_path):
    """States by name; all are closed at the end."""
    made = []

    def make(name: str, spool_url: str = "") -> Place:
        made.append(Place(tmp_path / name, spool_url))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def copied(states, tmp_path, request):
    """A state of two series, one of them closed, and its backup; in a bucket where a test wants that."""
    kept_in = getattr(request, "param", "folder")
    state = states("here", request.getfixturevalue("bucket_url") if kept_in == "bucket" else "")
    state.objects.write(b"a report")
    received = [state.receive(number) for number in range(COUNT)]
    received += [state.receive(number, f"{SERIES}.2") for number in range(COUNT, 2 * COUNT)]
    assert state.journal.close(received[0][2], 1, START_UTC)
    backup.make(state.settings, tmp_path / "copy")
    return state, received, tmp_path / "copy"


def rows(engine: sa.Engine, table: str) -> list[dict[str, object]]:
    """What a dump says of a table."""
    return [json.loads(line)["row"] for name, line in snapshot.dump(engine) if name == table]


@pytest.mark.parametrize("into", ["folder", "bucket"])
@pytest.mark.parametrize("copied", ["folder", "bucket"], indirect=True)
def test_what_was_copied_is_restored_and_goes_on(copied, into, s3, bucket_url, tmp_path):
    """Every row and every byte, wherever it was and is; an analysis that was under way is begun once more."""
    state, received, folder = copied
    assert list(backup.faults(folder)) == []
    there = Settings(state_dir=tmp_path / "there", spool_url=s3.fresh() if into == "bucket" else "")
    put = backup.restore(there, folder)
    assert (put.rows["series"], put.rows["instance"]) == (2, 2 * COUNT)
    engine = open_engine(sqlite_url(there.state_dir / "journal.db"))
    assert rows(engine, "instance") == rows(state.engine, "instance")
    assert {row["state"] for row in rows(engine, "series")} == {State.RECEIVING.value}
    spool = spool_of(there, "two")
    assert [spool.read(path) for path, _, _ in received] == [body for _, body, _ in received]
    assert set(spool.segments()) == set(state.spool.segments())
    spool.hold()
    left = [one for name, upto in spool.readable().items() for one in spool.kept(name, 0, upto)]
    assert {one.stored.path for one in left} == {path for path, _, _ in received}
    spool.let_go()
    assert [open_objects(there).read(path) for path in state.objects.paths()] == [b"a report"]
    journal = SqlJournal(engine, lambda *_: None, ObjectFolder(there.state_dir / "objects"))
    assert journal.close(received[0][2], 1, START_UTC)
    engine.dispose()


def test_what_comes_while_it_is_copied_is_in_all_of_it_or_in_none(states):
    """Rows that are written between two tables of a dump are not in it."""
    state = states("here")
    state.receive(0)
    dump = snapshot.dump(state.engine)
    found = [next(dump)]
    state.receive(1, f"{SERIES}.9")
    found += dump
    assert [name for name, _ in found].count("series") == 1
    assert [name for name, _ in found].count("instance") == 1


def made(state: Place, *, deliver: bool) -> dict[str, str]:
    """An analysis of a series with three objects: their paths by kind. The mask is delivered, or waits."""
    _, _, series_id = state.receive(0)
    assert state.journal.close(series_id, 1, START_UTC)
    paths = {kind: state.objects.write(kind.encode()).path for kind in ("sr", "seg", "mip-axial.png")}
    kept = [KeptObject(kind=kind, path=path, deliver=kind == "seg") for kind, path in paths.items()]
    state.journal.commit(state.journal.claim(series_id, 1), analyses.analysis(), kept, ["folder"])
    if deliver:
        state.journal.delivered(state.journal.take("folder", "one", 100.0))
    return paths


@pytest.mark.parametrize("kept_in", ["folder", "bucket"])
def test_what_retention_removed_is_not_missed(states, tmp_path, request, kept_in):
    """A backup is whole without it, whether it went before the journal was read or afterwards."""
    state = states("here", request.getfixturevalue("bucket_url") if kept_in == "bucket" else "")
    paths = made(state, deliver=True)
    state.objects.remove([paths["seg"]])
    backup.make(state.settings, tmp_path / "after")
    assert list(backup.faults(tmp_path / "after")) == []
    (analysis_id,) = (row["id"] for row in rows(state.engine, "analysis"))
    assert state.journal.forget_large(analysis_id) == ["seg"]
    backup.make(state.settings, tmp_path / "before")
    there = Settings(state_dir=tmp_path / "there")
    backup.restore(there, tmp_path / "before")
    assert sorted(open_objects(there).paths()) == sorted(paths[kind] for kind in ("sr", "mip-axial.png"))
    engine = open_engine(sqlite_url(there.state_dir / "journal.db"))
    assert rows(engine, "object") == rows(state.engine, "object")
    engine.dispose()


def test_what_leaves_the_bucket_while_it_is_copied_is_passed_over(states, bucket_url, tmp_path):
    """An object that retention removed between being listed and being read ends no backup."""
    state = states("here", bucket_url)
    for body in (b"one", b"two", b"three"):
        state.objects.write(body)
    copying = bucket_backup.taken(state.settings, tmp_path / "copy")
    first = next(copying).path.removeprefix("objects/")
    _, gone, kept = state.objects.paths()
    state.objects.remove([gone])
    assert [one.path for one in copying] == [f"objects/{kept}"]
    assert first < gone


@pytest.mark.parametrize(
    ("deliver", "kind", "faulty"),
    [(False, "seg", True), (True, "sr", True), (True, "mip-axial.png", True), (True, "seg", False)],
)
def test_an_object_that_somebody_needs_is_missed(states, tmp_path, deliver, kind, faulty):
    """A report is, and a mask that waits for its delivery; one that was delivered may have been removed."""
    state = states("here")
    paths = made(state, deliver=deliver)
    state.objects.remove([paths[kind]])
    backup.make(state.settings, tmp_path / "copy")
    assert list(backup.faults(tmp_path / "copy")) == [f"object {paths[kind]} is missing"] * faulty


def test_an_object_that_was_dismissed_is_not_missed(states, tmp_path):
    """A mask that need not be delivered any more is held for nobody."""
    state = states("here")
    paths = made(state, deliver=False)
    state.journal.give_up(state.journal.take("folder", "one", 100.0), "refused")
    state.journal.dismiss(Selection(), Dismissal(by="Erika Muster", reason="none"), 1)
    state.objects.remove([paths["seg"]])
    backup.make(state.settings, tmp_path / "copy")
    assert list(backup.faults(tmp_path / "copy")) == []


def _segments(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / "spool").rglob("*") if path.is_file() and path.stat().st_size)


def _flip(path: Path) -> None:
    encoded = bytearray(path.read_bytes())
    encoded[-20] ^= 1
    path.write_bytes(encoded)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda folder: _flip(_segments(folder)[0]), "was altered"),
        (lambda folder: _segments(folder)[0].unlink(), "is missing"),
        (lambda folder: _segments(folder)[0].write_bytes(_segments(folder)[0].read_bytes()[:-3900]), "bytes"),
        (lambda folder: _flip(folder / backup.JOURNAL), "was altered"),
    ],
    ids=["altered", "missing", "cut", "journal"],
)
def test_damage_is_named_and_nothing_is_restored(copied, tmp_path, damage, said):
    """Each file that changed and each instance that cannot be read is named; the state stays empty."""
    _, _, folder = copied
    damage(folder)
    found = list(backup.faults(folder))
    assert any(said in fault for fault in found)
    if said != "was altered" or len(found) > 1:
        assert any(fault.startswith("instance ") for fault in found)
    with pytest.raises(ServiceError, match="damaged"):
        backup.restore(Settings(state_dir=tmp_path / "there"), folder)
    assert not (tmp_path / "there").exists()


def test_a_manifest_that_names_what_lies_elsewhere_is_refused(copied, tmp_path):
    """A path that leads out of the backup is not followed."""
    _, _, folder = copied
    text = (folder / backup.MANIFEST).read_text().replace(backup.JOURNAL, "../here/journal.db")
    (folder / backup.MANIFEST).write_text(text)
    with pytest.raises(StoreError, match="outside"):
        list(backup.faults(folder))


def test_nothing_is_overwritten(copied, tmp_path):
    """Neither a backup by another, nor a state by a backup; half a backup is none."""
    state, _, folder = copied
    with pytest.raises(ServiceError, match="not empty"):
        backup.make(state.settings, folder)
    with pytest.raises(ServiceError, match="not empty"):
        backup.restore(state.settings, folder)
    (folder / backup.MANIFEST).unlink()
    with pytest.raises(ServiceError, match="no backup that was finished"):
        backup.read(folder)


def test_a_bucket_that_holds_something_is_not_filled(copied, bucket_url, tmp_path):
    """As for a folder: what is there belongs to somebody."""
    _, _, folder = copied
    BucketSpool(Bucket(bucket_url), "one", tmp_path).reopen(f"one/{0:032x}")
    open_objects(Settings(spool_url=bucket_url)).write(b"another's")
    with pytest.raises(ServiceError, match="is not empty: objects"):
        backup.restore(Settings(state_dir=tmp_path / "there", spool_url=bucket_url), folder)
    assert not (tmp_path / "there").exists()
