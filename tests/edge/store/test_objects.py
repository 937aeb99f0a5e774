from __future__ import annotations

import os
import time

import pytest

from millet.edge.store import Bucket, BucketObjects, ObjectFolder
from millet.errors import StoreError


def test_a_restart_removes_what_was_half_written(tmp_path):
    """Temporary files of a crash are gone after a start; whole ones stay, and what another writes now."""
    kept = ObjectFolder(tmp_path).write(b"whole")
    (tmp_path / "ab" / "half.part").write_bytes(b"ha")
    (tmp_path / "ab" / "others.part").write_bytes(b"ha")
    hours_ago_s = time.time() - 7200
    os.utime(tmp_path / "ab" / "half.part", (hours_ago_s, hours_ago_s))
    assert ObjectFolder(tmp_path).paths() == [kept.path]
    assert [one.name for one in tmp_path.rglob("*.part")] == ["others.part"]


def test_what_was_cut_off_is_written_again(tmp_path):
    """A file that a repair of the disk left short is no reason to tell success."""
    objects = ObjectFolder(tmp_path)
    stored = objects.write(b"the whole instance")
    (tmp_path / stored.path).write_bytes(b"the who")
    assert objects.read(objects.write(b"the whole instance").path) == b"the whole instance"


def test_a_disk_that_fails_is_told_in_our_words(tmp_path):
    """An error of the disk is a StoreError, without a path in it."""
    objects = ObjectFolder(tmp_path)
    stored = objects.write(b"here")
    (tmp_path / stored.path).unlink()
    with pytest.raises(StoreError, match=r"^the disk failed: No such file or directory$"):
        objects.read(stored.path)


@pytest.mark.parametrize("path", ["../journal.db", "aa/../../journal.db", "/etc/passwd", ""])
@pytest.mark.parametrize("kept_in", ["folder", "bucket"])
def test_nothing_else_is_removed(tmp_path, request, kept_in, path):
    """A path that the store did not give is an error, wherever it points."""
    objects = (
        ObjectFolder(tmp_path / "objects")
        if kept_in == "folder"
        else BucketObjects(Bucket(request.getfixturevalue("bucket_url")))
    )
    (tmp_path / "journal.db").write_bytes(b"a journal")
    kept = objects.write(b"kept")
    with pytest.raises(StoreError, match="not a path"):
        objects.remove([kept.path, path])
    assert (tmp_path / "journal.db").exists()
