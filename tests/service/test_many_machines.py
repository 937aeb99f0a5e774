"""Roles on machines that share a PostgreSQL and a bucket, and no folder."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from faults import books
from instances import ct_file
from line import Sender
from peers import OBJECTS, file_names, free_port, storescu, until
from postgres import Postgres

from millet.codec.elements import data_set_start
from millet.edge.store import Bucket


@pytest.fixture
def machine(millet, postgres, bucket_url):
    """A way to start one role, on a state folder of its own, with the page for the test to look at."""
    shared = {"journal_url": postgres.url(postgres.fresh()), "spool_url": bucket_url}

    def start(role, slot, **settings):
        return millet(roles=[role, "api"], slot=slot, **shared, **settings)

    return start


def series_uid_of(folder: Path) -> str:
    """The series of a folder."""
    return str(pydicom.dcmread(next(folder.glob("*.dcm")), stop_before_pixels=True).SeriesInstanceUID)


def assert_reported(looking, deliverer, small_case):
    """One outcome, every instance, each object once, on the machine that delivers."""
    status = looking.ended(series_uid_of(small_case))
    assert status.state == "analysed"
    assert status.instances == len(list(small_case.glob("*.dcm")))
    assert status.nodules > 20
    found = (deliverer.folder / "state" / "reports").rglob("*.dcm")
    assert sorted(path.name for path in found) == file_names(OBJECTS)


def test_what_one_machine_receives_others_analyse_and_deliver(machine, small_case, bucket_url):
    """A series goes its way over three machines; nothing of it lies on their disks but the report."""
    deliverer, receiver = machine("deliver", 2), machine("receive", 0)
    storescu(small_case, receiver.dicom_port)
    analyser = machine("analyse", 1)
    assert_reported(receiver, deliverer, small_case)
    held = [path.name for one in (receiver, analyser, deliverer) for path in one.folder.rglob("*")]
    assert not {"spool", "objects", "journal.db"} & set(held)
    bucket = Bucket(bucket_url)
    assert len(list(bucket.items("spool/"))) == len(list(small_case.glob("*.dcm")))
    assert list(bucket.items("objects/"))
    assert "millet_spool_free_bytes +Inf" in receiver.page("metrics")
    assert receiver.terminate() == 0
    assert list(bucket.items("lease/")) == []
    logs = "".join(one.log.read_text() for one in (receiver, analyser, deliverer))
    assert "sesame-4711" not in logs


def test_what_a_lost_machine_acknowledged_another_receiver_brings_to_its_end(machine, small_case):
    """The receiver is killed with the last response and its machine never returns: nothing is lost."""
    deliverer, lost = machine("deliver", 2), machine("receive", 0, settle_s=600.0)
    storescu(small_case, lost.dicom_port)
    lost.kill()
    machine("analyse", 1)
    assert_reported(machine("receive", 3), deliverer, small_case)


def sent(sender: Sender, number: int) -> int:
    """A slice by its number; the status that is told."""
    encoded = ct_file(number)
    uid = str(pydicom.dcmread(BytesIO(encoded)).SOPInstanceUID)
    return sender.store(uid, encoded[data_set_start(encoded) :])


def test_a_bucket_that_is_away_is_told_to_the_sender(machine, wire):
    """0xA700 and no success while it is away; the association lives, and is served when it is back."""
    receiver = machine("receive", 0)
    with Sender(receiver.dicom_port) as sender:
        assert sent(sender, 1) == 0x0000
        wire.shut(shut=True)
        assert [sent(sender, number) for number in (2, 3)] == [0xA700, 0xA700]
        wire.heal()
        assert [sent(sender, number) for number in (2, 3)] == [0x0000, 0x0000]
        sender.release()
    until(
        "all is journalled",
        lambda: [s for s in receiver.series() if s.instances == 3] or None,
        60,
        receiver.process,
    )


def test_a_receiver_takes_what_comes_while_the_journal_is_away(millet, small_case):
    """It stays ready, tells success of what is durable, and journals it when the database is back."""
    server = Postgres()
    url = server.url(server.fresh())
    receiver = millet(roles=["receive"], metrics_port=free_port(), journal_url=url)
    server.stop()
    storescu(small_case, receiver.dicom_port)
    assert receiver.health("readyz")
    server.start()
    sent = len(list(small_case.glob("*.dcm")))
    until("all is journalled", lambda: len(books.read(url).instances) == sent or None, 60, receiver.process)
    assert receiver.terminate() == 0
    server.end()
