"""The archives of the settings, and who may ask us for commitment."""

from __future__ import annotations

from itertools import count

import pytest
from archives import NAME, WireArchive, uid
from commitments import MemoryCommitments
from fakes import HandClock
from instances import entry, header

from millet.app.committing import requesters
from millet.app.prior_archives import prior_archives
from millet.app.pulling import archives, completing, find
from millet.errors import ArchiveError
from millet.flow.asking import Named
from millet.flow.pull import Door
from millet.ports import SeriesQuery
from millet.settings import load


@pytest.fixture(scope="module")
def wire():
    """A real archive with three slices."""
    made = WireArchive()
    yield made
    made.stop()


def chosen(wire, **more):
    """Settings with that archive in them."""
    facts = {"name": "pacs", "kind": "dimse", "to": str(wire.peer), **more}
    inline = ", ".join(
        f"{k} = {str(v).lower() if isinstance(v, bool) else repr(v)}" for k, v in facts.items()
    )
    peers = '[{ae_title = "SCANNER", host = "10.0.0.7", port = 104}, {ae_title = "OTHER"}]'
    return load({"MILLET_ARCHIVE": f"[{{ {inline} }}]", "MILLET_PEER": peers}, None)


def test_archives_are_called_by_name(wire):
    """And by no other."""
    settings = chosen(wire, tls=False)
    assert [one.name for one in find(settings, "pacs", SeriesQuery(study_uid=NAME.study_uid))] == [NAME]
    with pytest.raises(ArchiveError, match=r"no archive is named 'x' \(pacs\)"):
        find(settings, "x", SeriesQuery(study_uid=NAME.study_uid))
    with pytest.raises(ArchiveError, match="cannot be reached"):  # it speaks no TLS
        archives(chosen(wire, timeout_s=2.0))["pacs"].instances(NAME)


def test_who_listens_may_ask_for_commitment(wire):
    """Peers that are called back, and archives over DIMSE."""
    known = requesters(chosen(wire, tls=False))
    assert {title: str(one.peer) for title, one in known.items()} == {
        "SCANNER": "SCANNER@10.0.0.7:104",
        "ARCHIVE": str(wire.peer),
    }


def test_one_archive_completes_series(wire):
    """It is asked for the number, and what is missing comes through the door; without one nobody is asked."""
    log, clock, ended = MemoryCommitments(), HandClock(), []
    log.record(entry(1))

    def admit(received, number):
        log.classes["default", received.sop_instance_uid] = received.sop_class_uid

    numbers = count(-1, -1)
    door = Door(site="default", admit=admit, ended=ended.append, number=lambda: next(numbers))
    assert completing(chosen(wire, tls=False), log, lambda: door, clock) is None
    desk = completing(chosen(wire, tls=False, completes=True), log, lambda: door, clock)
    assert desk.asking._count(Named(*NAME)) == 3
    assert desk.asking._count(Named("1.2", "../x")) is None
    desk.asking._pull(Named(*NAME))
    assert log.kept("default", {uid(n) for n in range(5)}) == {header(n).sop_instance_uid for n in (1, 2, 3)}
    assert ended == [-1]


def test_archives_are_asked_for_priors_where_they_may_be(wire):
    """Each wait of that is short; whole series are fetched only where that is wanted."""
    assert list(prior_archives(chosen(wire, tls=False), None)) == []
    (one,) = prior_archives(chosen(wire, tls=False, priors=True, priors_s=7), None)
    assert not one.again
    limits = one.reports._caller.limits
    assert (limits.answer_s, limits.retrieve_s, limits.object_bytes) == (7, 7, 128_000_000)
    (study,) = one.reports.find_studies("P1")
    assert (study.study_uid, study.patient_id) == (NAME.study_uid, "P1")
    assert one.images.instances(NAME) == {uid(n) for n in (1, 2, 3)}
    (two,) = prior_archives(chosen(wire, tls=False, priors=True, prior_images=True), None)
    assert two.again


def test_an_archive_that_knows_only_c_move_sends_priors_to_their_own_title(wire):
    """Our DICOM port is known to it as that, beside the title under which exams are pulled."""
    facts = {"retrieve": "move", "move_to": "EXAMS", "priors": True, "priors_to": "PRIORS", "priors_s": 7}
    (one,) = prior_archives(chosen(wire, tls=False, **facts), None)
    for way in (one.reports, one.images):
        assert (way.title, way.archive._move_to, way.limit_s) == ("PRIORS", "PRIORS", 7)
    assert one.images.instances(NAME) == {uid(n) for n in (1, 2, 3)}
