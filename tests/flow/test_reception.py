"""What is taken, and what is refused before it is kept."""

from __future__ import annotations

from io import BytesIO

import pytest
from fakes import HandClock, MemorySpool
from instances import SOURCE, ct_dataset, ct_file, received

from millet.codec.elements import data_set_start
from millet.codec.part10 import preface
from millet.errors import RefusedInstance
from millet.flow.reception import HEAD_BYTES, Receptions
from millet.ports import Offer

CT = "1.2.840.10008.5.1.4.1.1.2"


class Bench:
    """Receptions on a spool in memory."""

    def __init__(self, **more):
        self.spool, self.woken = MemorySpool(), []
        self.receptions = Receptions(
            self.spool, HandClock(), lambda: self.woken.append(1), **{"most_bytes": 10**7, **more}
        )

    def refused(self, encoded, offer=None):
        """The status with which bytes are refused."""
        reception = self.receptions.associated()
        with pytest.raises(RefusedInstance) as refusal:
            take(reception, offer or of(1), encoded)
        reception.abandon()
        assert self.spool.paths() == []
        return refusal.value.status


def take(reception, offer, encoded):
    """One instance, its data set in one piece."""
    reception.begin(offer)
    reception.write(encoded[data_set_start(encoded) :])
    reception.end()


def of(number, sop_class=CT):
    """What a request says of slice `number`."""
    return Offer(SOURCE, sop_class, str(ct_dataset(number).SOPInstanceUID), "1.2.840.10008.1.2.1", 1)


def test_an_instance_in_pieces_is_one():
    """However its bytes come, they are kept as they came, and whoever journals them is woken once."""
    bench, encoded = Bench(), ct_file(1)[data_set_start(ct_file(1)) :]
    reception = bench.receptions.associated()
    reception.begin(of(1))
    for at in range(0, len(encoded), 7):
        reception.write(memoryview(encoded)[at : at + 7])
    reception.end()
    assert [bench.spool.read(path) for path in bench.spool.paths()] == [preface(**_words(of(1))) + encoded]
    assert bench.woken == [1]


def test_what_is_no_ct_is_refused_before_it_comes():
    """Another SOP class is told before any byte is written."""
    with pytest.raises(RefusedInstance) as refusal:
        Bench().receptions.associated().begin(of(1, "1.2.840.10008.5.1.4.1.1.4"))
    assert refusal.value.status == 0x0122


def test_reports_are_taken_where_they_are_judged():
    """By the title that was called; elsewhere they are refused as ever."""
    report = "1.2.840.10008.5.1.4.1.1.88.33"
    bench = Bench(classes=lambda called_ae: {CT, report} if called_ae == SOURCE.called_ae else {CT})
    bench.receptions.associated().begin(of(1, report))
    with pytest.raises(RefusedInstance) as refusal:
        bench.receptions.associated().begin(of(1, report)._replace(source=SOURCE._replace(called_ae="OTHER")))
    assert refusal.value.status == 0x0122


def test_the_disk_is_asked_before_it_comes():
    """A disk that is too full is told before any byte is written."""
    bench = Bench()
    bench.spool.full = True
    with pytest.raises(RefusedInstance) as refusal:
        bench.receptions.associated().begin(of(1))
    assert refusal.value.status == 0xA700


def test_what_is_too_large_is_refused():
    """An instance beyond the limit is dropped."""
    assert Bench(most_bytes=500).refused(ct_file(1)) == 0xA700


def test_another_instance_than_was_named_is_refused():
    """The data set must be the instance of the request."""
    assert Bench().refused(ct_file(2)) == 0xA900


def test_large_private_elements_do_not_hide_the_series():
    """Where private elements before the Series Instance UID are longer than the head, more is read."""
    made = ct_dataset(1)
    made.add_new(0x00090010, "LO", "PRIVATE")
    made.add_new(0x00091001, "OB", bytes(3 * HEAD_BYTES))
    encoded = ct_file(1)
    buffer = BytesIO()
    made.save_as(buffer, enforce_file_format=True)
    assert len(buffer.getvalue()) > 3 * HEAD_BYTES > len(encoded)
    bench = Bench()
    bench.receptions.admit(received(1, buffer.getvalue()))
    assert len(bench.spool.paths()) == 1
    without = buffer.getvalue().replace(b"\x20\x00\x0e\x00UI", b"\x20\x00\x0f\x00UI")
    assert Bench().refused(without) == 0xC000


def test_after_a_refusal_the_next_one_is_taken():
    """One association, one bad instance, one good one."""
    bench = Bench()
    reception = bench.receptions.associated()
    with pytest.raises(RefusedInstance):
        take(reception, of(1), ct_file(2))
    reception.abandon()
    take(reception, of(1), ct_file(1))
    reception.close()
    assert len(bench.spool.paths()) == 1


def test_an_instance_is_the_same_bytes_whichever_way_it_came():
    """Out of an archive it has a preface of the archive's: the one of a C-STORE takes its place."""
    bench, named = Bench(), of(1)
    sent = ct_dataset(1)
    sent.file_meta.ImplementationVersionName = "ARCHIVE"
    sent.file_meta.SourceApplicationEntityTitle = "ARCHIVE"
    buffer = BytesIO()
    sent.save_as(buffer, enforce_file_format=True)
    bench.receptions.admit(received(1, buffer.getvalue()))
    bench.receptions.admit(received(1))
    (path,) = {bench.spool.read(path) for path in bench.spool.paths()}
    data_set = ct_file(1)[data_set_start(ct_file(1)) :]
    assert path == preface(**_words(named)) + data_set


def _words(offer):
    return {
        "sop_class_uid": offer.sop_class_uid,
        "sop_instance_uid": offer.sop_instance_uid,
        "transfer_syntax_uid": offer.transfer_syntax_uid,
    }
