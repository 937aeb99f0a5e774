"""One series in shadow: the same as elsewhere, and what fails ends as in the service."""

from dataclasses import replace
from datetime import UTC, datetime

import chests
import ct
import numpy as np
import pytest
from strided import LEVEL, MANIFEST, Strided

from millet.core.analysis import Outcome
from millet.errors import DetectorError
from millet.flow.analyse import Order
from millet.flow.batcher import Batcher, running
from millet.flow.model import Model
from millet.flow.offline import analyse
from millet.flow.shadow import FAULTS, Shadow
from millet.flow.work import ATTEMPTS

SPACING_MM = (1.25, 2.0, 2.0)
CONTRACT = replace(MANIFEST, levels=(replace(LEVEL, threshold=0.06),))
ORDER = Order(
    site="default",
    study_uid=f"{ct.ROOT}.1.1",
    series_uid=f"{ct.ROOT}.1.2",
    generation=1,
    created_utc=datetime(2026, 1, 6, 8, 0, tzinfo=UTC),
)


class Ailing(Strided):
    """A toy that fails so often, and then works."""

    def __init__(self, failure, times):
        super().__init__()
        self.failure, self.left = failure, times

    def detect(self, windows):
        """See the port."""
        if self.left:
            self.left -= 1
            raise self.failure
        return super().detect(windows)


@pytest.fixture(scope="module")
def slices():
    """A chest of half the usual size as files."""
    on = chests.grid(shape=(72, 66, 86), spacing=tuple(2 * mm for mm in SPACING_MM))
    hu = chests.volume(on, chests.hu(on), noise_hu=40.0).hu
    axial = (1, 0, 0, 0, 1, 0)
    return ct.files(
        [
            ct.instance(n, plane, np.asarray([-85, -65, -40 + n * SPACING_MM[0]]), axial, SPACING_MM[1:])
            for n, plane in enumerate(hu)
        ]
    )


@pytest.fixture(scope="module")
def well(slices):
    """What they come to."""
    found, failures = looked(slices, Strided())
    assert failures == []
    return found


def looked(slices, toy):
    """What a series comes to, and what failed on the way."""
    failures = []
    with running(Batcher()) as batcher:
        shadow = Shadow(model=Model(CONTRACT, {"toy": toy}), batcher=batcher, faulty=failures.append)
        return shadow.look(ORDER, lambda: slices), failures


def test_it_is_analysed_as_anywhere_else(slices, well):
    """The very same analysis, and the headers of all instances."""
    elsewhere = analyse(ORDER, slices, Model(CONTRACT, {"toy": Strided()}), lambda *_: None)
    assert well.analysis == elsewhere.analysis
    assert len(well.headers) == len(slices)


def test_a_fault_that_passes_changes_nothing(slices, well):
    """It is tried again from the beginning."""
    found, failures = looked(slices, Ailing(ValueError("Doe^Jane"), 1))
    assert found.analysis == well.analysis
    assert len(failures) == 1


def test_a_fault_that_stays_is_the_end(slices):
    """As often as in the service; the series has its coded reason, which says that it is none of its own."""
    found, failures = looked(slices, Ailing(DetectorError("ill"), 10**6))
    assert [type(one) for one in failures] == [DetectorError] * ATTEMPTS
    assert (found.analysis.outcome, found.analysis.reason_code) == (Outcome.NOT_ANALYSED, "detector-failed")
    assert found.analysis.reason_code in FAULTS
    assert len(found.headers) == len(slices)


def test_what_cannot_be_read_is_no_fault(slices):
    """It is not analysed, for a reason of its own, at the first attempt."""
    found, failures = looked([b"\0" * 200, *slices[:5]], Strided())
    assert (found.analysis.reason_code, failures) == ("too-few-slices", [])
    assert len(found.headers) == 5
