"""What a spool in a bucket does beside what every spool promises (tests/contract/test_spool.py)."""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from instances import SOURCE, START_UTC

from millet.edge.store import Bucket, BucketSpool
from millet.edge.store.bucket import PART_BYTES
from millet.edge.store.lease import Times
from millet.errors import RefusedInstance, StoreError
from millet.ports import Offer

TIMES = Times(look_s=0.0)
QUICK = Times(beat_s=0.1, term_s=2.0, lease_s=3.0, restart_s=0.5, look_s=0.0)
"""Where a lease is to run out."""


def put(writer, number, body=b""):
    """Commit an instance."""
    writer.begin(Offer(SOURCE, "1.2", f"1.2.{number}", "1.2.840.10008.1.2.1", 7), START_UTC)
    writer.write(body or b"instance %d " % number * 100)
    return writer.commit(b"head")


def found(spool):
    """Numbers of all instances that may be journalled."""
    kept = [one for name, upto in spool.readable().items() for one in spool.kept(name, 0, upto)]
    return sorted(int(one.offer.sop_instance_uid.rpartition(".")[2]) for one in kept)


def until(reached, within_s=20.0):
    """Wait until something is so."""
    end_s = time.monotonic() + within_s
    while not reached():
        assert time.monotonic() < end_s
        time.sleep(0.02)


class Machines:
    """Receivers on machines that share the bucket alone."""

    def __init__(self, url, folder):
        self.url, self._folder, self._held = url, folder, []

    def receiver(self, owner, **more):
        """One that holds its name."""
        spool = BucketSpool(Bucket(self.url), owner, self._folder / owner, **{"times": TIMES, **more})
        spool.hold()
        self._held.append(spool)
        return spool

    def end(self):
        """Let go of all."""
        for spool in self._held:
            spool.let_go()


@pytest.fixture
def machines(bucket_url, tmp_path):
    """A bucket, and who comes."""
    made = Machines(bucket_url, tmp_path)
    yield made
    made.end()


def test_an_instance_is_one_object_in_the_order_in_which_they_came(machines, s3):
    """And the sender says nothing of where it lies."""
    writer = machines.receiver("host-0").writer()
    stored = [put(writer, n) for n in range(12)]
    keys = s3.keys(machines.url, "spool/")
    assert keys == sorted(keys)
    assert [key.partition("/")[2].rpartition("/")[0] for key in keys] == [
        one.path.partition("@")[0] for one in stored
    ]
    assert "1.2" not in "".join(keys)


def test_a_large_instance_goes_in_parts(machines, s3):
    """What is larger than a part does not wait in memory, comes back whole, and leaves nothing half sent."""
    spool = machines.receiver("one")
    writer, piece = spool.writer(), bytes(range(256)) * 4096
    writer.begin(Offer(SOURCE, "1.2", "1.2.3", "1.2.840.10008.1.2.1", 7), START_UTC)
    count = PART_BYTES * 5 // 2 // len(piece)
    for _ in range(count):
        writer.write(piece)
    stored = writer.commit()
    assert spool.is_whole(stored.path, stored.digest)
    assert stored.size_bytes == count * len(piece)
    assert found(spool) == [3]
    writer.begin(Offer(SOURCE, "1.2", "1.2.4", "1.2.840.10008.1.2.1", 7), START_UTC)
    for _ in range(count):
        writer.write(piece)
    writer.abandon()
    assert len(s3.keys(machines.url, "spool/")) == 1
    bucket = machines.url.split("/")[2]
    with urllib.request.urlopen(f"http://127.0.0.1:{s3.port}/{bucket}?uploads", timeout=20) as answer:
        assert b"<Upload>" not in answer.read()


def test_a_segment_is_marked_until_all_of_it_is_journalled(machines, s3):
    """So that a start looks through what may be new, not through all that was ever received."""
    spool = machines.receiver("one", segment_bytes=10_000)
    writer = spool.writer()
    for number in range(4):
        put(writer, number)
    assert len(s3.keys(machines.url, "open/")) == 2
    full, growing = spool.readable().items()
    spool.journalled(*full)
    assert s3.keys(machines.url, "open/") == [f"open/{growing[0]}"]
    spool.journalled(*growing)
    spool.let_go()
    assert s3.keys(machines.url, "open/") == []
    later = machines.receiver("one")
    assert later.readable() == {}
    assert len(later.segments()) == 2


def test_what_was_left_is_looked_through_once(machines, s3):
    """When all that a receiver left is journalled its mark goes, whoever did it."""
    first = machines.receiver("one")
    put(first.writer(), 1)
    first.let_go()
    other = machines.receiver("two")
    ((name, upto),) = other.readable().items()
    (kept,) = other.kept(name, 0, upto)
    assert s3.keys(machines.url, "open/") == [f"open/{name}"]
    other.journalled(name, kept.end)
    assert s3.keys(machines.url, "open/") == []
    assert other.readable() == {}


def test_what_was_journalled_before_the_end_leaves_no_mark(machines, s3):
    """The journal was ahead of the mark: whoever looks finds nothing, and takes it away."""
    first = machines.receiver("one")
    put(first.writer(), 1)
    ((name, end),) = first.readable().items()
    first.let_go()
    other = machines.receiver("two")
    assert list(other.kept(name, end, other.readable()[name])) == []
    assert s3.keys(machines.url, "open/") == []


def test_what_is_at_hand_is_not_asked_for(machines, monkeypatch):
    """What was just written is journalled from memory; where that failed, from the bucket, the same facts."""
    spool = machines.receiver("one")
    writer = spool.writer()
    for number in range(3):
        writer.begin(Offer(SOURCE, "1.2", f"1.2.{number}", "1.2.840.10008.1.2.1", 7), START_UTC)
        writer.write(b"instance %d " % number * 100)
        writer.commit(b"instance %d" % number)
    ((name, upto),) = spool.readable().items()
    with monkeypatch.context() as blind:
        blind.setattr(Bucket, "last", None)
        first = list(spool.kept(name, 0, upto))
    second = list(spool.kept(name, 0, upto))
    assert [one.head for one in first] == [b"instance 0", b"instance 1", b"instance 2"]
    assert [one.head for one in second] == [b"", b"", b""]
    assert [one[:4] for one in first] == [one[:4] for one in second]


def test_a_bucket_that_is_away_refuses_and_loses_nothing(machines, wire):
    """Nothing is acknowledged while it is away, after a while nothing is even begun; back is back."""
    spool = machines.receiver("one", times=QUICK)
    writer, idle = spool.writer(), spool.writer()
    acknowledged = [put(writer, 1), put(idle, 6)]
    wire.shut(shut=True)
    with pytest.raises(StoreError, match="cannot be reached"):
        put(writer, 2)
    until(spool.ill)
    with pytest.raises(RefusedInstance, match="run out") as refused:
        writer.begin(Offer(SOURCE, "1.2", "1.2.3", "1.2.840.10008.1.2.1", 7), START_UTC)
    assert refused.value.status == 0xA700
    assert found(spool) == [1, 6]
    wire.heal()
    until(lambda: not spool.ill())
    acknowledged += [put(writer, 4), put(idle, 7)]
    assert found(spool) == [1, 4, 6, 7]
    assert all(spool.is_whole(one.path, one.digest) for one in acknowledged)
    assert len({one.path.partition("@")[0] for one in acknowledged}) == 4


def test_a_write_of_unknown_end_is_looked_for_by_the_next_life(machines, s3, monkeypatch):
    """The store took it and the answer was lost: not acknowledged, its name never used again, found later."""
    spool = machines.receiver("one")
    writer = spool.writer()
    put(writer, 1)
    true = Bucket.put

    def lost(bucket, key, body, size_bytes):
        true(bucket, key, body, size_bytes)
        raise StoreError("the bucket failed: no answer")

    with monkeypatch.context() as broken:
        broken.setattr(Bucket, "put", lost)
        with pytest.raises(StoreError, match="no answer"):
            put(writer, 2)
    put(writer, 3)
    assert found(spool) == [1, 3]
    assert len(set(s3.keys(machines.url, "spool/"))) == 3
    for name, upto in spool.readable().items():
        spool.journalled(name, upto)
    spool.let_go()
    assert found(machines.receiver("one")) == [1, 2]


def test_a_receiver_that_was_taken_for_dead_acknowledges_nothing_in_what_others_read(
    machines, s3, wire, monkeypatch
):
    """Cut off longer than its lease: another journals what it left; what comes later is in a new segment."""
    cut = machines.receiver("one", times=QUICK)
    writer = cut.writer()
    first = put(writer, 1)
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3.environment()["AWS_ENDPOINT_URL"])
    other = machines.receiver("two", times=QUICK)
    assert found(other) == []
    writer.begin(Offer(SOURCE, "1.2", "1.2.2", "1.2.840.10008.1.2.1", 7), START_UTC)
    writer.write(b"on its way")
    wire.shut(shut=True)
    until(lambda: found(other) == [1])
    wire.heal()
    until(lambda: not cut.ill())
    with pytest.raises(StoreError, match="ran out meanwhile"):
        writer.commit()
    third = put(writer, 3)
    assert first.path.partition("@")[0] != third.path.partition("@")[0]
    until(lambda: other.is_anothers(third.path))


KILLED = """
import sys
from pathlib import Path
sys.path[:0] = [sys.argv[1], sys.argv[1] + "/edge/store"]
from test_bucket_spool import BucketSpool, Bucket, QUICK, put

spool = BucketSpool(Bucket(sys.argv[2]), "one", Path(sys.argv[3]), times=QUICK)
spool.hold()
writer, number = spool.writer(), 0
while True:
    number += 1
    print(number, put(writer, number).path, flush=True)
"""


def test_what_a_killed_receiver_acknowledged_another_machine_journals(machines, tmp_path):
    """Neither its folder nor its name is there: when its lease has run out, all of it is read."""
    tests = str(Path(__file__).parents[2])
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, tests, machines.url, str(tmp_path / "elsewhere")],
        stdout=subprocess.PIPE,
        text=True,
    )
    acknowledged = [process.stdout.readline() for _ in range(10)]
    process.kill()
    acknowledged += [line for line in process.stdout.read().splitlines() if line.count(" ") == 1]
    process.wait()
    process.stdout.close()
    other = machines.receiver("two", times=QUICK)
    assert found(other) == []
    until(other.readable)
    assert {int(line.split()[0]) for line in acknowledged} <= set(found(other))
    for line in acknowledged:
        number, path = line.split()
        assert other.read(path) == b"instance %d " % int(number) * 100


def test_what_is_no_object_of_the_spool_is_told(machines):
    """A stray object in a segment is an error, never an instance."""
    first = machines.receiver("one")
    stored = put(first.writer(), 1)
    first.let_go()
    name = stored.path.partition("@")[0]
    Bucket(machines.url).put(f"spool/{name}/{9_000_000:019d}", b"stray" * 100, 500)
    with pytest.raises(StoreError, match="none of the spool's"):
        found(machines.receiver("two"))


def test_a_bucket_has_no_reserve(machines):
    """It refuses nothing for lack of room: how much there is nobody says."""
    assert machines.receiver("one").free_bytes() == float("inf")
