"""The append log on disk, beside what every spool promises (tests/contract/test_spool.py)."""

from __future__ import annotations

import os
import threading
import time

import pytest
from instances import SOURCE, START_UTC

from millet.edge.store import LogSpool, blocks
from millet.edge.store.lock import is_held
from millet.edge.store.spool import LARGE_BUFFERS
from millet.errors import RefusedInstance, Removed, StoreError
from millet.ports import Offer


def offer(number=1, association=7):
    """Instance `number` of an association."""
    return Offer(SOURCE, "1.2", f"1.2.{number}", "1.2.840.10008.1.2.1", association)


def put(writer, number, body=None):
    """Commit an instance, in two pieces."""
    body = body or b"instance %d " % number * 100
    writer.begin(offer(number), START_UTC)
    writer.write(body[:50])
    writer.write(memoryview(body)[50:])
    return writer.commit(), body


def everything(spool):
    """All that may be journalled, in order of segment and place."""
    found = []
    for name, upto in sorted(spool.readable().items()):
        found += spool.kept(name, 0, upto)
    return found


@pytest.fixture
def spool(tmp_path):
    """One that a process holds."""
    made = LogSpool(tmp_path / "spool", "one")
    made.hold()
    yield made
    made.let_go()


def again(spool, tmp_path, owner="one"):
    """The next process."""
    spool.let_go()
    made = LogSpool(tmp_path / "spool", owner)
    made.hold()
    return made


@pytest.mark.parametrize("more", [-5000, -1, 0, 1, 4096, 300_000])
def test_instances_of_any_size_are_whole(spool, tmp_path, more):
    """Smaller and larger than the buffer, ending at a block or not: each comes back, also after a restart."""
    writer = spool.writer()
    bodies = [bytes([n]) * (blocks.LARGE_BYTES + more) for n in (1, 2)] + [b"small"]
    stored = [put(writer, n, body)[0] for n, body in enumerate(bodies)]
    later = again(spool, tmp_path)
    assert [one.stored for one in everything(later)] == stored
    assert [later.read(one.path) for one in stored] == bodies
    later.let_go()


def test_a_disk_without_direct_writes_does_too(tmp_path, monkeypatch):
    """File systems in memory and some on a network refuse them: what is written goes through the cache."""
    true = blocks.os.open

    def refuses(path, flags, *mode):
        if flags & blocks.os.O_DIRECT:
            raise OSError(22, "Invalid argument")
        return true(path, flags, *mode)

    monkeypatch.setattr(blocks.os, "open", refuses)
    spool = LogSpool(tmp_path, "one")
    spool.hold()
    stored, body = put(spool.writer(), 1)
    assert spool.read(stored.path) == body
    spool.let_go()


def test_a_sender_cannot_forge_a_record(spool, tmp_path):
    """Bytes of an instance that look like a record of the spool are never taken for one."""
    writer = spool.writer()
    stored, _ = put(writer, 1)
    name, _, _ = stored.path.partition("@")
    whole = (tmp_path / "spool" / name).read_bytes()
    other = again(spool, tmp_path)
    writer = other.writer()
    put(writer, 2, whole[4096:])
    writer.begin(offer(3), START_UTC)
    writer.write(whole[4096:] * 3)
    writer.abandon()
    last = again(other, tmp_path)
    assert sorted(one.offer.sop_instance_uid for one in everything(last)) == ["1.2.1", "1.2.2"]
    last.let_go()


def test_a_torn_end_costs_nothing_before_it(spool, tmp_path):
    """A power cut may leave a record's head without its body: nobody was told success, and it is left out."""
    writer = spool.writer()
    first, _ = put(writer, 1)
    second, _ = put(writer, 2)
    name, _, where = second.path.partition("@")
    at = int(where.partition("+")[0])
    path = tmp_path / "spool" / name
    whole = path.read_bytes()
    for torn in (whole[: at + 5], whole[:at] + bytes(len(whole) - at), whole[: at - 3]):
        path.write_bytes(torn)
        later = again(spool, tmp_path)
        assert [one.stored for one in everything(later)] == [first]
        later.let_go()


def test_a_store_that_is_away_is_not_one_from_which_was_removed(spool, tmp_path):
    """A volume that is not mounted is an empty folder: what lies on it is there later."""
    path = put(spool.writer(), 1)[0].path
    away = tmp_path / "away"
    folder = tmp_path / "spool" / path.partition("/")[0]
    folder.rename(away)
    with pytest.raises(StoreError) as failed:
        spool.read(path)
    assert not isinstance(failed.value, Removed)
    away.rename(folder)
    (folder / path.partition("/")[2].partition("@")[0]).unlink()
    with pytest.raises(Removed):
        spool.read(path)


def test_lost_bytes_are_told(spool, tmp_path):
    """An instance that is no longer whole is an error, never a shorter instance."""
    stored, _ = put(spool.writer(), 1)
    name = stored.path.partition("@")[0]
    os.truncate(tmp_path / "spool" / name, 5000)
    with pytest.raises(StoreError, match="lost bytes"):
        spool.read(stored.path)


def test_below_the_reserve_instances_are_refused(tmp_path):
    """A disk that is too full answers 0xA700 before a byte is written."""
    spool = LogSpool(tmp_path, "one", reserve_bytes=2**62)
    spool.hold()
    with pytest.raises(RefusedInstance) as refused:
        spool.writer().begin(offer(), START_UTC)
    assert refused.value.status == 0xA700
    assert spool.segments() == {}
    spool.let_go()


def test_nothing_is_durable_once_the_folder_is_let_go(spool):
    """Neither an instance that was begun before, nor the next: another receiver may have the folder."""
    writer = spool.writer()
    put(writer, 1)
    writer.begin(offer(2), START_UTC)
    spool.let_go()
    with pytest.raises(StoreError, match="closed"):
        writer.commit()
    with pytest.raises(RefusedInstance, match="closed"):
        writer.begin(offer(3), START_UTC)
    writer.close()
    spool.hold()
    assert [one.offer.sop_instance_uid for one in everything(spool)] == ["1.2.1"]


def test_a_disk_that_fills_while_an_instance_comes_loses_no_other(spool, monkeypatch):
    """An instance that could not be written is dropped; the ones before and after it are kept."""
    writer = spool.writer()
    put(writer, 1)
    writer.begin(offer(2), START_UTC)
    with monkeypatch.context() as broken:
        broken.setattr(blocks.os, "pwrite", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
        with pytest.raises(StoreError, match=r"^the disk failed: No space left$"):
            writer.commit()
    writer.abandon()
    put(writer, 3)
    assert [one.offer.sop_instance_uid for one in everything(spool)] == ["1.2.1", "1.2.3"]


def test_whoever_begins_and_does_not_go_on_has_no_large_buffer(spool):
    """Large buffers are few, and for associations that have sent an instance; others lend them anew."""
    for _ in range(2 * LARGE_BUFFERS):
        spool.writer().begin(offer(1), START_UTC)
    proven = [spool.writer() for _ in range(LARGE_BUFFERS + 1)]
    for number, writer in enumerate(proven):
        put(writer, number)
        writer.begin(offer(number), START_UTC)
    assert [len(writer._buffer) for writer in proven] == [blocks.LARGE_BYTES] * LARGE_BUFFERS + [
        blocks.SMALL_BYTES
    ]
    proven[0].close()
    (again := spool.writer()).begin(offer(1), START_UTC)
    again.abandon()
    put(again, 2)
    again.begin(offer(3), START_UTC)
    assert len(again._buffer) == blocks.LARGE_BYTES


def test_each_flush_is_timed(tmp_path):
    """What is told to operators: one time an instance, and only when it is durable."""
    told = []
    spool = LogSpool(tmp_path / "spool", "one", flushed=told.append)
    spool.hold()
    writer = spool.writer()
    for number in (1, 2, 3):
        put(writer, number, b"body")
    spool.let_go()
    assert len(told) == 3
    assert min(told) > 0


def test_what_is_becoming_durable_is_waited_for_at_the_end(tmp_path):
    """Another receiver reads what a process leaves to its end once: nothing is acknowledged behind that."""
    flushing, go_on = threading.Event(), threading.Event()

    def flushed(_seconds):
        flushing.set()
        assert go_on.wait(60)

    spool, other = LogSpool(tmp_path, "one", flushed=flushed), LogSpool(tmp_path, "two")
    spool.hold()
    other.hold()
    last = spool.writer()
    committing = threading.Thread(target=put, args=(last, 1))
    committing.start()
    assert flushing.wait(60)
    ending = threading.Thread(target=spool.let_go)
    ending.start()
    while not is_closed(spool):
        time.sleep(0.01)
    assert is_held(tmp_path / "one")
    go_on.set()
    for one in (committing, ending):
        one.join(60)
    assert not is_held(tmp_path / "one")
    assert [one.offer.sop_instance_uid for one in everything(other)] == ["1.2.1"]
    other.let_go()


def is_closed(spool) -> bool:
    """Whether no instance can be begun any more."""
    writer = spool.writer()
    try:
        writer.begin(offer(9), START_UTC)
    except RefusedInstance:
        return True
    writer.abandon()
    return False
