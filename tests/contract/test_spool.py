from __future__ import annotations

import pytest
from fakes import MemorySpool

from millet.edge.spool import DirectorySpool
from millet.errors import StoreError


@pytest.fixture(params=["memory", "directory"])
def spool(request, tmp_path):
    """Each implementation in turn."""
    return MemorySpool() if request.param == "memory" else DirectorySpool(tmp_path / "spool")


def test_what_was_written_is_read(spool):
    """Bytes come back as they were given, with their digest and size."""
    stored = spool.write(b"instance")
    assert spool.read(stored.path) == b"instance"
    assert (len(stored.digest), stored.size_bytes) == (64, 8)


def test_the_same_bytes_are_kept_once(spool):
    """Writing twice is writing once."""
    assert spool.write(b"same") == spool.write(b"same")
    spool.write(b"other")
    assert len(spool.paths()) == 2


@pytest.mark.parametrize("path", ["00/" + "0" * 64 + ".dcm", "../secret", "/etc/passwd", ""])
def test_nothing_else_is_read(spool, path):
    """A path that the store did not give is an error, wherever it points."""
    with pytest.raises(StoreError):
        spool.read(path)
