"""What every spool promises: durable when committed, read on from anywhere, whole or not there."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from instances import SOURCE, START_UTC

from millet.edge.store import Bucket, BucketSpool, LogSpool
from millet.edge.store.lease import Times
from millet.errors import RefusedInstance, Removed, StoreError
from millet.ports import Offer

QUICK = Times(beat_s=0.2, term_s=4.0, lease_s=6.0, restart_s=0.5, look_s=0.0)
"""Of a bucket: less patient than in service, and patient enough for a machine that is busy."""


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


def numbers(spool):
    """Of all instances that may be journalled."""
    return sorted(int(one.offer.sop_instance_uid.rpartition(".")[2]) for one in everything(spool))


class Shared:
    """Where the spools of one test lie."""

    def __init__(self, kind, folder, url):
        self.kind, self._folder, self.url = kind, folder, url
        self._held = []

    def spool(self, owner="one", **more):
        """A spool of a process that is not a receiver."""
        if self.kind == "folder":
            return LogSpool(self._folder / "spool", owner, **more)
        return BucketSpool(Bucket(self.url), owner, self._folder / "receivers", times=QUICK, **more)

    def hold(self, owner="one", **more):
        """The spool of a receiver."""
        spool = self.spool(owner, **more)
        spool.hold()
        self._held.append(spool)
        return spool

    def again(self, spool, owner="one"):
        """The next process, on another machine where there is no folder to share."""
        spool.let_go()
        return self.hold(owner)

    def end(self):
        """Let go of all."""
        for spool in self._held:
            spool.let_go()


@pytest.fixture(params=["folder", "bucket"])
def shared(request, tmp_path):
    """Each kind in turn."""
    url = request.getfixturevalue("bucket_url") if request.param == "bucket" else ""
    made = Shared(request.param, tmp_path, url)
    yield made
    made.end()


@pytest.fixture
def spool(shared):
    """One that a process holds."""
    return shared.hold()


def test_what_was_committed_is_read(spool):
    """Bytes and facts come back as they were given."""
    writer = spool.writer()
    stored, body = put(writer, 1)
    assert spool.read(stored.path) == body
    assert spool.read(stored.path, 10) == body[:10]
    (kept,) = everything(spool)
    assert kept[:3] == (stored, offer(1), START_UTC)
    assert (len(stored.digest), stored.size_bytes) == (64, len(body))
    assert spool.is_whole(stored.path, stored.digest)


def test_who_receives_nothing_reads_all_the_same(shared, spool):
    """An analyser, which is no receiver, has the bytes too: all of them, or the first."""
    stored, body = put(spool.writer(), 1, bytes(range(256)) * 1000)
    analyser = shared.spool("two")
    assert analyser.read(stored.path) == body
    assert analyser.read(stored.path, 4096) == body[:4096]
    assert analyser.readable() == {}


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


def test_a_receiver_that_comes_back_reads_on_from_the_journal(shared, spool):
    """What its earlier life left, from where the journal is, and what it gets itself."""
    writer = spool.writer()
    put(writer, 1)
    ((name, upto),) = spool.readable().items()
    (first,) = spool.kept(name, 0, upto)
    spool.journalled(name, first.end)
    put(writer, 2)
    later = shared.again(spool)
    put(later.writer(), 3)
    left = [one for one, end in later.readable().items() if end is None]
    assert left == [name]
    assert [one.offer.sop_instance_uid for one in later.kept(name, first.end, None)] == ["1.2.2"]
    assert numbers(later) == [1, 2, 3]


def test_what_was_not_committed_is_not_there(shared, spool):
    """An instance that was begun, or abandoned, leaves nothing: not now, not after a restart."""
    writer = spool.writer()
    put(writer, 1)
    writer.begin(offer(2), START_UTC)
    writer.write(b"much longer than what comes after it" * 1000)
    assert numbers(spool) == [1]
    writer.abandon()
    put(writer, 3)
    writer.begin(offer(4), START_UTC)
    writer.write(b"half")
    assert numbers(shared.again(spool)) == [1, 3]
    writer.abandon()


def test_an_instance_of_no_bytes_is_one(shared, spool):
    """Nobody sends it, and it costs no neighbour."""
    writer = spool.writer()
    writer.begin(offer(1), START_UTC)
    stored = writer.commit()
    put(writer, 2)
    assert spool.read(stored.path) == b""
    assert numbers(shared.again(spool)) == [1, 2]


@pytest.mark.parametrize("path", ["one/" + "0" * 32, "../secret@0+5", "/etc/passwd@0+5", "", "a/b@1+2"])
def test_nothing_else_is_read(spool, path):
    """A path that the spool did not give is an error, wherever it points."""
    with pytest.raises(StoreError):
        spool.read(path)


def test_what_is_gone_is_told(spool):
    """A segment that was removed is an error to who still wants it, never fewer bytes."""
    stored, _ = put(spool.writer(), 1)
    name = stored.path.partition("@")[0]
    assert list(spool.segments()) == [name]
    spool.journalled(name, spool.readable()[name])
    spool.remove(name)
    assert spool.segments() == {}
    with pytest.raises(Removed):
        spool.is_whole(stored.path, stored.digest)


def test_associations_follow_each_other_in_one_segment(spool):
    """A sender with an association for each instance does not make a segment for each."""
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
    assert numbers(spool) == [n * 100 + i for n in range(4) for i in range(20)]


def test_a_full_segment_is_followed_by_another(shared):
    """And is no longer looked at once all of it is journalled."""
    spool = shared.hold(segment_bytes=10_000)
    writer = spool.writer()
    for number in range(6):
        put(writer, number, b"%d" % number * 3000)
    before = dict(spool.readable())
    assert len(before) == 3
    for name, upto in before.items():
        spool.journalled(name, upto)
    assert len(spool.readable()) == 1
    assert len(spool.segments()) == 3


def test_a_segment_is_closed_when_it_is_full_or_its_receiver_is_gone(shared):
    """Only then may it be removed."""
    spool = shared.hold(segment_bytes=10_000)
    writer = spool.writer()
    for number in range(3):
        put(writer, number, b"%d" % number * 3000)
    closed = {name: spool.is_closed(name, upto) for name, upto in spool.readable().items()}
    assert sorted(closed.values()) == [False, True]
    (growing,) = [name for name, is_closed in closed.items() if not is_closed]
    other = shared.hold("two")
    assert not other.is_closed(growing, 4096)
    spool.let_go()
    assert shared.hold("three").is_closed(growing, 4096)


def test_who_is_closed_takes_nothing(spool):
    """After the end no instance is begun."""
    spool.let_go()
    with pytest.raises((RefusedInstance, StoreError)):
        spool.writer().begin(offer(), START_UTC)


def test_two_receivers_need_two_names(shared, spool, monkeypatch):
    """A second process under the same name is told so at its start."""
    monkeypatch.setattr("millet.edge.store.spool.RESTART_S", 0.2)
    with pytest.raises(StoreError, match="slot of its own"):
        shared.spool().hold()
    put(spool.writer(), 1)


def test_what_a_dead_receiver_left_is_read_by_another(shared, spool):
    """While it lives nobody else reads it; when it is gone, somebody does."""
    put(spool.writer(), 1)
    other = shared.hold("two")
    assert everything(other) == []
    (path,) = [one.stored.path for one in everything(spool)]
    assert other.is_anothers(path)
    assert not spool.is_anothers(path)
    other.let_go()
    spool.let_go()
    assert not other.is_anothers(path)
    assert numbers(shared.hold("three")) == [1]


KILLED = """
import sys
from pathlib import Path
sys.path[:0] = [sys.argv[1], sys.argv[1] + "/contract"]
from test_spool import Shared, offer, START_UTC

kind, folder, url = sys.argv[2:]
spool = Shared(kind, Path(folder), url).hold()
writer, number = spool.writer(), 0
while True:
    number += 1
    writer.begin(offer(number), START_UTC)
    writer.write(b"instance %d" % number * 1000)
    print(number, writer.commit().path, flush=True)
"""


def killed(shared, folder):
    """What a process had acknowledged when it was killed: number and path."""
    tests = str(Path(__file__).parents[1])
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, tests, shared.kind, str(folder), shared.url],
        stdout=subprocess.PIPE,
        text=True,
    )
    acknowledged = [process.stdout.readline().split() for _ in range(25)]
    process.kill()
    acknowledged += [line.split() for line in process.stdout.read().splitlines() if line.count(" ") == 1]
    process.wait()
    process.stdout.close()
    return acknowledged


def assert_all_there(spool, acknowledged):
    """Each is found without a journal, whole."""
    found = {one.stored.path for one in everything(spool)}
    for number, path in acknowledged:
        assert path in found
        assert spool.read(path) == b"instance %d" % int(number) * 1000


def test_what_was_acknowledged_survives_kill_9(shared, tmp_path):
    """What a process had acknowledged when it was killed, its successor finds, and need not wait for that."""
    acknowledged = killed(shared, tmp_path)
    assert_all_there(shared.hold(), acknowledged)
