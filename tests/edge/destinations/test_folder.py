from __future__ import annotations

import os
from dataclasses import replace

import pytest
from deliveries import DELIVERY

from millet.edge.destinations import FolderDestination
from millet.errors import DeliveryError


def test_the_folder_is_sorted_by_site_study_and_series(tmp_path):
    """An object lies under its site, study and series, named by kind and generation."""
    folder = FolderDestination(tmp_path)
    folder.deliver(DELIVERY, b"report")
    folder.deliver(DELIVERY, b"report")
    assert (tmp_path / "default/1.2.840.1/1.2.840.1.7/sr-1.dcm").read_bytes() == b"report"
    assert len([p for p in tmp_path.rglob("*") if p.is_file()]) == 1


@pytest.mark.parametrize("evil", ["../../etc", "/etc/passwd", "", "..", "a\0b", "x" * 300])
def test_what_a_sender_made_up_names_no_folder(tmp_path, evil):
    """A UID that is no UID becomes a hash and stays inside."""
    delivery = replace(DELIVERY, study_uid=evil, series_uid=evil)
    folder = FolderDestination(tmp_path / "reports")
    folder.deliver(delivery, b"report")
    assert folder.path_of(delivery).resolve().is_relative_to((tmp_path / "reports").resolve())
    assert len(folder.path_of(delivery).relative_to(tmp_path / "reports").parts) == 4


def test_the_folders_of_a_delivered_object_are_durable_too(tmp_path, monkeypatch):
    """Every folder that a delivery may have made is flushed, from the object's to the one above the root."""
    flushed = set()
    monkeypatch.setattr("os.fsync", lambda descriptor: flushed.add(os.fstat(descriptor).st_ino))
    folder = FolderDestination(tmp_path / "reports")
    folder.deliver(DELIVERY, b"report")
    path = folder.path_of(DELIVERY)
    made = [above for above in path.parents if above.is_relative_to(tmp_path)]
    assert flushed >= {above.stat().st_ino for above in [path, *made]}


def test_a_folder_that_cannot_be_written_is_tried_again(tmp_path):
    """A folder's failure may pass."""
    (tmp_path / "default").write_bytes(b"a file is in the way")
    with pytest.raises(DeliveryError) as failed:
        FolderDestination(tmp_path).deliver(DELIVERY, b"report")
    assert failed.value.away
