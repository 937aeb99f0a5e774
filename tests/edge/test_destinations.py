from __future__ import annotations

import os
from dataclasses import replace
from io import BytesIO

import pytest
from instances import START_UTC, ct_file
from pydicom import dcmread
from pydicom.uid import CTImageStorage, MRImageStorage
from pynetdicom import AE, evt

from millet.core.peer import Peer
from millet.edge.folder import FolderDestination
from millet.edge.scu import StorageScu
from millet.errors import DeliveryError
from millet.ports import Delivery

DELIVERY = Delivery(
    delivery_id=1,
    destination="PACS@127.0.0.1:104",
    kind="sr",
    path="aa/bb",
    sop_instance_uid="1.2.3",
    site="default",
    study_uid="1.2.840.1",
    series_uid="1.2.840.1.7",
    generation=1,
    created_utc=START_UTC,
    attempts=0,
)


@pytest.fixture
def pacs():
    """Make a peer that answers each C-STORE with a status, and keeps what it got."""
    servers = []

    def make(status=0x0000, sop_class=CTImageStorage, calling=()):
        kept = []

        def take(event):
            kept.append(event.encoded_dataset())
            return status

        entity = AE(ae_title="PACS")
        entity.add_supported_context(sop_class)
        entity.add_supported_context("1.2.840.10008.1.1")
        entity.require_calling_aet = list(calling)
        servers.append(
            entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, take)])
        )
        peer = Peer(ae_title="PACS", host="127.0.0.1", port=servers[-1].server_address[1])
        return StorageScu(peer, "MILLET", timeout_s=5), kept

    yield make
    for server in servers:
        server.shutdown()


@pytest.mark.parametrize("status", [0x0000, 0x0111, 0xB000, 0xB007], ids=hex)
def test_an_object_is_delivered(pacs, status):
    """Success, a warning, and "I have it already" all mean that it is there, unchanged."""
    scu, kept = pacs(status)
    scu.deliver(DELIVERY, ct_file(1))
    assert dcmread(BytesIO(kept[0])) == dcmread(BytesIO(ct_file(1)))


@pytest.mark.parametrize(
    ("status", "retryable"),
    [(0xA700, True), (0x0110, True), (0xA900, False), (0xC000, False), (0x0122, False)],
    ids=["full", "failure", "mismatch", "not understood", "not supported"],
)
def test_a_refusal_says_whether_to_try_again(pacs, status, retryable):
    """What the destination may heal is tried again, what the object cannot change is not."""
    scu, _ = pacs(status)
    with pytest.raises(DeliveryError, match=f"0x{status:04X}") as refused:
        scu.deliver(DELIVERY, ct_file(1))
    assert refused.value.retryable is retryable


@pytest.mark.filterwarnings(  # pynetdicom drops the socket of a refused connection without closing it
    "ignore:unclosed <socket:ResourceWarning"
)
def test_an_unreachable_peer_is_tried_again():
    """Nobody listens: try again."""
    scu = StorageScu(Peer(ae_title="PACS", host="127.0.0.1", port=1), "MILLET", timeout_s=2)
    with pytest.raises(DeliveryError, match="cannot be reached") as failed:
        scu.deliver(DELIVERY, ct_file(1))
    assert failed.value.retryable


def test_a_peer_that_does_not_know_us_is_tried_again(pacs):
    """A rejected association is a matter of the destination's configuration: try again."""
    scu, _ = pacs(calling=("SOMEBODY",))
    with pytest.raises(DeliveryError, match="rejected") as failed:
        scu.echo()
    assert failed.value.retryable


def test_a_peer_that_takes_no_such_object_is_not_asked_again(pacs):
    """No accepted presentation context: it never will be taken."""
    scu, _ = pacs(sop_class=MRImageStorage)
    with pytest.raises(DeliveryError, match="takes no such object") as failed:
        scu.deliver(DELIVERY, ct_file(1))
    assert not failed.value.retryable


def test_the_echo_of_a_peer_that_answers(pacs):
    """C-ECHO to a living peer passes."""
    scu, _ = pacs()
    scu.echo()


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
    assert failed.value.retryable
