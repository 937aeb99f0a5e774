"""The append log: durable when committed, read on from anywhere, whole or not there."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from instances import SOURCE, START_UTC

from millet.edge.store import LogSpool, blocks
from millet.errors import RefusedInstance, StoreError
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


def test_what_was_committed_is_read(spool):
    """Bytes and facts come back as they were given."""
    writer = spool.writer()
    stored, body = put(writer, 1)
    assert spool.read(stored.path) == body
    assert spool.read(stored.path, 10) == body[:10]
    (kept,) = everything(spool)
    assert kept[:3] == (stored, offer(1), START_UTC)
    assert (len(stored.digest), stored.size_bytes) == (64, len(body))


def test_reading_goes_on_from_where_it_ended(spool):
    """What was read is not read again, and nothing is left out."""
    writer = spool.writer()
    put(writer, 1)
    ((name, upto),) = spool.readable().items()
    (first,) = spool.kept(name, 0, upto)
    put(writer, 2)
    put(writer, 3)
    upto = spool.readable()[name]
    assert [one.offer.sop_instance_uid for one in spool.kept(name, first.end, upto)] == ["1.2.2", "1.2.3"]


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


def test_what_was_not_committed_is_not_there(spool, tmp_path):
    """An instance that was begun, or abandoned, leaves nothing: not now, not after a restart."""
    writer = spool.writer()
    put(writer, 1)
    writer.begin(offer(2), START_UTC)
    writer.write(b"much longer than what comes after it" * 1000)
    assert len(everything(spool)) == 1
    writer.abandon()
    put(writer, 3)
    writer.begin(offer(4), START_UTC)
    writer.write(b"half")
    later = again(spool, tmp_path)
    assert [one.offer.sop_instance_uid for one in everything(later)] == ["1.2.1", "1.2.3"]
    later.let_go()


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


def test_lost_bytes_are_told(spool, tmp_path):
    """An instance that is no longer whole is an error, never a shorter instance."""
    stored, _ = put(spool.writer(), 1)
    name = stored.path.partition("@")[0]
    os.truncate(tmp_path / "spool" / name, 5000)
    with pytest.raises(StoreError, match="lost bytes"):
        spool.read(stored.path)


@pytest.mark.parametrize("path", ["one/" + "0" * 32, "../secret@0+5", "/etc/passwd@0+5", "", "a/b@1+2"])
def test_nothing_else_is_read(spool, path):
    """A path that the spool did not give is an error, wherever it points."""
    with pytest.raises(StoreError):
        spool.read(path)


def test_associations_follow_each_other_in_one_segment(spool):
    """A sender with an association for each instance does not make a file for each."""
    for number in range(5):
        writer = spool.writer()
        put(writer, number)
        writer.close()
    assert len(spool.segments()) == 1


def test_associations_at_once_do_not_share_a_segment(spool):
    """Each writes where nobody else does."""
    writers = [spool.writer() for _ in range(4)]
    threads = [
        threading.Thread(target=lambda w=w, n=n: [put(w, n * 100 + i) for i in range(20)])
        for n, w in enumerate(writers)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(spool.segments()) == 4
    assert len({one.offer.sop_instance_uid for one in everything(spool)}) == 80


def test_a_full_segment_is_followed_by_another(tmp_path):
    """And is no longer looked at once all of it is journalled."""
    spool = LogSpool(tmp_path, "one", segment_bytes=10_000)
    spool.hold()
    writer = spool.writer()
    for number in range(4):
        put(writer, number)
    before = dict(spool.readable())
    assert len(before) == 2
    for name, upto in before.items():
        spool.journalled(name, upto)
    assert len(spool.readable()) == 1
    assert len(spool.segments()) == 2
    spool.let_go()


def test_below_the_reserve_instances_are_refused(tmp_path):
    """A disk that is too full answers 0xA700 before a byte is written."""
    spool = LogSpool(tmp_path, "one", reserve_bytes=2**62)
    spool.hold()
    with pytest.raises(RefusedInstance) as refused:
        spool.writer().begin(offer(), START_UTC)
    assert refused.value.status == 0xA700
    assert spool.segments() == {}
    spool.let_go()


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


def test_two_receivers_need_two_names(spool, tmp_path, monkeypatch):
    """A second process under the same name is told so at its start."""
    monkeypatch.setattr("millet.edge.store.spool.RESTART_S", 0.2)
    with pytest.raises(StoreError, match="slot of its own"):
        LogSpool(tmp_path / "spool", "one").hold()


def test_what_a_dead_receiver_left_is_read_by_another(spool, tmp_path):
    """While it lives nobody else reads it; when it is gone, somebody does."""
    put(spool.writer(), 1)
    other = LogSpool(tmp_path / "spool", "two")
    other.hold()
    assert everything(other) == []
    (path,) = [one.stored.path for one in everything(spool)]
    assert other.is_anothers(path)
    assert not spool.is_anothers(path)
    other.let_go()
    spool.let_go()
    assert not other.is_anothers(path)
    third = LogSpool(tmp_path / "spool", "three")
    third.hold()
    assert [one.offer.sop_instance_uid for one in everything(third)] == ["1.2.1"]
    third.let_go()


KILLED = """
import sys
from pathlib import Path
from instances import SOURCE, START_UTC
from millet.edge.store import LogSpool
from millet.ports import Offer

spool = LogSpool(Path(sys.argv[1]), "one")
spool.hold()
writer, number = spool.writer(), 0
while True:
    number += 1
    writer.begin(Offer(SOURCE, "1.2", f"1.2.{number}", "1.2", 1), START_UTC)
    writer.write(b"instance %d" % number * 1000)
    print(number, writer.commit().path, flush=True)
"""


def test_what_was_acknowledged_survives_kill_9(tmp_path):
    """What a process had acknowledged when it was killed, its successor finds without a journal."""
    tests = str(Path(__file__).parents[2])
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

    spool = LogSpool(tmp_path, "one")
    spool.hold()
    found = {one.stored.path for one in everything(spool)}
    for number, path in acknowledged:
        assert path in found
        assert spool.read(path) == b"instance %d" % int(number) * 1000
    spool.let_go()
