from __future__ import annotations

from dataclasses import replace

import pytest
from deliveries import DELIVERY
from instances import ct_file

from millet.codec.identifiers import names_of
from millet.errors import ArchiveError, DeliveryError
from millet.flow.kept import Queries
from millet.ports import SeriesName

REPORT = ct_file(1)
NAMES = names_of(REPORT)
SERIES = SeriesName(NAMES.study_uid, NAMES.series_uid)


class Pacs:
    """What an archive has, by series."""

    def __init__(self):
        self.has = {}
        self.error = None

    def instances(self, name):
        """As ports.Archive."""
        if self.error:
            raise self.error
        return frozenset(self.has.get(name, ()))


@pytest.fixture
def pacs():
    """An empty one."""
    return Pacs()


def test_an_object_that_is_there_is_kept(pacs):
    """In its own series, under its own UID; the answer is told once."""
    pacs.has[SERIES] = {"1.2.3", NAMES.sop_instance_uid}
    queries = Queries(pacs)
    queries.ask(DELIVERY, REPORT)
    assert queries.answered(replace(DELIVERY, delivery_id=2)) is None
    assert queries.answered(DELIVERY) is True
    assert queries.answered(DELIVERY) is None


@pytest.mark.parametrize(
    "has",
    [
        {},
        {SeriesName(NAMES.study_uid, NAMES.series_uid): {"1.2.3"}},
        {SeriesName("1.2", "1.2.3"): {NAMES.sop_instance_uid}},
    ],
    ids=["empty", "other object", "other series"],
)
def test_an_object_that_is_not_there_is_not_kept(pacs, has):
    """Nor where another object of its series is, or it is elsewhere."""
    pacs.has = has
    queries = Queries(pacs)
    queries.ask(DELIVERY, REPORT)
    assert queries.answered(DELIVERY) is False


def test_an_archive_that_cannot_be_asked_is_away(pacs):
    """It is asked again later, and no try is counted."""
    pacs.error = ArchiveError("the archive cannot be called")
    queries = Queries(pacs)
    with pytest.raises(DeliveryError) as failed:
        queries.ask(DELIVERY, REPORT)
    assert (failed.value.retryable, failed.value.away) == (True, True)
    assert queries.answered(DELIVERY) is None


def test_what_has_no_names_cannot_be_looked_for(pacs):
    """An object that is no DICOM file is not verified by any query."""
    with pytest.raises(DeliveryError) as failed:
        Queries(pacs).ask(DELIVERY, b"report")
    assert not failed.value.retryable
