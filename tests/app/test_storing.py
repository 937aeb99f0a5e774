"""A bucket that cannot be used is told where the service starts, and to who asks the doctor."""

from __future__ import annotations

import pytest

from millet.app.storing import look, open_objects, open_spool
from millet.edge.store import LogSpool, ObjectFolder
from millet.errors import StoreError
from millet.settings import Settings


def test_without_a_bucket_all_is_in_folders(tmp_path):
    """As it was."""
    chosen = Settings(state_dir=tmp_path)
    assert isinstance(open_spool(chosen, "one"), LogSpool)
    assert isinstance(open_objects(chosen), ObjectFolder)


def test_a_bucket_that_is_not_there_starts_nothing(bucket_url, tmp_path):
    """A name that is misspelt is told at the start, not with the first instance."""
    chosen = Settings(state_dir=tmp_path, spool_url="s3://misspelt/north")
    with pytest.raises(StoreError, match="no bucket of this name"):
        open_spool(chosen, "one")
    with pytest.raises(StoreError, match="no bucket of this name"):
        look(chosen)


def test_a_look_leaves_nothing(bucket_url, s3, tmp_path):
    """What was written to be timed is gone, and what was seen is told."""
    chosen = Settings(state_dir=tmp_path, spool_url=bucket_url)
    assert f"{bucket_url}: 512 KB durable in " in look(chosen)
    assert s3.keys(bucket_url, "probe/") == []


def test_a_receiver_that_is_well_says_nothing(bucket_url, tmp_path):
    """Ready is who holds its lease, or needs none."""
    chosen = Settings(state_dir=tmp_path, spool_url=bucket_url, spool_reserve_bytes=2**62)
    spool = open_spool(chosen, "one")
    assert spool.ill() == ""
    spool.hold()
    assert spool.ill() == ""
    spool.let_go()
