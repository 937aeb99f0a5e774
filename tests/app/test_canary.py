from __future__ import annotations

import logging
import math
import sys
import threading
import time

import pytest
from deliveries import DELIVERY
from fakes import HandClock
from prometheus_client import CollectorRegistry
from reports import analysis, ct_series, nodules

from millet.app.canary import Canary, Returned
from millet.codec import sr
from millet.codec.source import Source
from millet.edge.telemetry import CanaryMetrics
from millet.errors import DeliveryError
from millet.phantom.apart import Apart
from millet.settings import Settings

PATIENCE_S = 60
NO_ROOM = (sys.executable, "-c", "raise SystemExit('no room')")
LAZY = "import sys, time; open(sys.argv[1], 'w').close(); time.sleep(600)"


@pytest.fixture
def registry():
    """Where the metrics are."""
    return CollectorRegistry()


def test_a_phantom_that_cannot_be_drawn_is_a_failed_canary(registry, caplog):
    """It is counted as one, and the log says why."""
    with caplog.at_level(logging.WARNING):
        Canary(Apart(NO_ROOM), Settings(), HandClock(), CanaryMetrics(registry)).step()
    (line,) = caplog.records
    assert line.message == "the canary could not be sent"
    assert line.why == "the phantom was not drawn: no room"
    assert registry.get_sample_value("millet_canary_sent_total", {"result": "failed"}) == 1


def test_a_report_waits_for_the_phantom_that_it_is_compared_with(registry):
    """It is delivered again later, and no sensitivity is told for it."""
    report = sr.encode(analysis(nodules(2)), Source.read(ct_series()))
    returned = Returned(Apart(NO_ROOM), CanaryMetrics(registry), HandClock(), lambda _: None)
    with pytest.raises(DeliveryError, match="no room") as failed:
        returned.deliver(DELIVERY, report)
    assert failed.value.retryable
    assert math.isnan(registry.get_sample_value("millet_canary_sensitivity_ratio"))


def test_stopping_waits_for_no_drawing(registry, tmp_path):
    """The process that draws is ended, and with it the step that asked for it."""
    apart = Apart((sys.executable, "-c", LAZY, str(tmp_path / "begun")), limit_s=600)
    chosen = Settings(canary_every_s=600.0)
    part = Canary(apart, chosen, HandClock(), CanaryMetrics(registry)).part()
    part.start()
    (step,) = (thread for thread in threading.enumerate() if thread.name == "canary")
    ends_s = time.monotonic() + PATIENCE_S
    while not (tmp_path / "begun").exists():
        assert time.monotonic() < ends_s
        time.sleep(0.02)
    part.stop(PATIENCE_S)
    step.join(PATIENCE_S)
    assert not step.is_alive()
    assert registry.get_sample_value("millet_canary_sent_total", {"result": "failed"}) == 1
