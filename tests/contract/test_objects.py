from __future__ import annotations

import pytest
from fakes import MemoryObjects

from millet.edge.store import Bucket, BucketObjects, ObjectFolder
from millet.errors import StoreError


@pytest.fixture(params=["memory", "directory", "bucket"])
def objects(request, tmp_path):
    """Each implementation in turn."""
    if request.param == "bucket":
        return BucketObjects(Bucket(request.getfixturevalue("bucket_url")))
    return MemoryObjects() if request.param == "memory" else ObjectFolder(tmp_path / "objects")


def test_what_was_written_is_read(objects):
    """Bytes come back as they were given, with their digest and size."""
    stored = objects.write(b"instance")
    assert objects.read(stored.path) == b"instance"
    assert (len(stored.digest), stored.size_bytes) == (64, 8)


def test_the_same_bytes_are_kept_once(objects):
    """Writing twice is writing once."""
    assert objects.write(b"same") == objects.write(b"same")
    objects.write(b"other")
    assert len(objects.paths()) == 2


@pytest.mark.parametrize("path", ["00/" + "0" * 64 + ".bin", "../secret", "/etc/passwd", ""])
def test_nothing_else_is_read(objects, path):
    """A path that the store did not give is an error, wherever it points."""
    with pytest.raises(StoreError):
        objects.read(path)


def test_what_is_removed_is_gone_and_removing_it_again_is_nothing(objects):
    """What was named is gone, the rest stays, and what is written again is there again."""
    gone, kept = objects.write(b"gone"), objects.write(b"kept")
    for _ in range(2):
        objects.remove([gone.path])
    assert objects.paths() == [kept.path]
    with pytest.raises(StoreError):
        objects.read(gone.path)
    assert objects.read(objects.write(b"gone").path) == b"gone"
