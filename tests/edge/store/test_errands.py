"""Instances that lie between a receiver and an analyser, in a folder and in a bucket."""

from __future__ import annotations

from datetime import timedelta

import pytest
from instances import START_UTC

from millet.edge.store import Bucket, ErrandBucket, ErrandFolder
from millet.errors import RefusedInstance, StoreError


@pytest.fixture(params=["folder", "bucket"])
def store(request, tmp_path):
    """An empty one of either kind."""
    if request.param == "folder":
        return ErrandFolder(tmp_path / "state" / "errands")
    return ErrandBucket(Bucket(request.getfixturevalue("bucket_url")))


def test_what_was_written_is_read_by_its_path_until_it_is_removed(store):
    """Twice is two; removing what is gone is nothing to do."""
    one, two = (store.write(b"abc", START_UTC) for _ in range(2))
    assert one != two
    assert store.read(one) == b"abc"
    store.remove([one])
    store.remove([one])
    assert store.read(two) == b"abc"
    with pytest.raises(StoreError):
        store.read(one)


def test_what_a_crash_left_is_told_by_its_age(store):
    """Without asking anybody."""
    assert store.older(START_UTC) == []
    old = store.write(b"old", START_UTC)
    store.write(b"new", START_UTC + timedelta(hours=2))
    assert store.older(START_UTC) == []
    assert store.older(START_UTC + timedelta(hours=1)) == [old]


@pytest.mark.parametrize("path", ["../../etc/passwd", "1767323045-../a.dcm", ""])
def test_nothing_but_its_own_paths_is_touched(store, path):
    """Whatever somebody wrote into the journal."""
    with pytest.raises(StoreError, match="not a path"):
        store.read(path)
    with pytest.raises(StoreError, match="not a path"):
        store.remove([path])


def test_a_disk_near_its_reserve_takes_no_priors(tmp_path):
    """What is left is for exams."""
    full = ErrandFolder(tmp_path, reserve_bytes=1 << 60)
    with pytest.raises(RefusedInstance, match="reserve") as refusal:
        full.write(b"abc", START_UTC)
    assert (refusal.value.status, list(tmp_path.iterdir())) == (0xA700, [])
