from __future__ import annotations

import pytest
from instances import header

from millet.core.asking import Answer, due, says
from millet.core.assembler import ArchiveSays, Arrival, Waits

WAITS = Waits(settle_s=2.0, quiet_s=10.0, gap_wait_s=60.0)
WHOLE = tuple(header(n) for n in range(1, 9))
HOLED = tuple(h for h in WHOLE if h.instance_number != 4)
NOTHING, ALL, MORE = ArchiveSays


def arrival(headers):
    """A series whose last instance came at 100 s."""
    return Arrival(headers=headers, last_instance_s=100.0, open_associations=1, released_s=None)


def answers(*told):
    """Answers by the second in which they were asked for."""
    return [Answer(asked_s=asked_s, instances=instances) for asked_s, instances in told]


@pytest.mark.parametrize(
    ("now_s", "told", "ask"),
    [
        (101.9, [], False),
        (102.0, [], True),
        (105.0, [(102, 7)], False),
        (105.0, [(99, 7)], True),
        (110.0, [(102, 7)], True),
        (110.0, [(102, None)], True),
        (150.0, [(102, 7), (110, 7)], False),
        (150.0, [(102, 9), (110, 9)], False),
        (110.0, [(102, 8)], False),
    ],
    ids=["too soon", "settled", "asked lately", "asked before the last instance", "again when quiet",
         "after no answer", "no third time", "nor when it holds more", "it has said that these are all"],
)  # fmt: skip
def test_when_an_archive_is_asked(now_s, told, ask):
    """Once after settling, once after the quiet, and anew after each instance."""
    assert due(arrival(WHOLE), answers(*told), now_s, WAITS) is ask


@pytest.mark.parametrize(
    ("headers", "told", "meaning"),
    [
        (WHOLE, [], NOTHING),
        (WHOLE, [(102, None)], NOTHING),
        (WHOLE, [(102, 5)], NOTHING),
        (WHOLE, [(102, 8)], ALL),
        (WHOLE, [(102, 9)], MORE),
        (WHOLE, [(99, 9)], NOTHING),
        (WHOLE, [(102, 9), (110, None)], MORE),
        (WHOLE, [(102, 5), (110, 8)], ALL),
        (HOLED, [(102, 7)], NOTHING),
        (HOLED, [(102, 5), (110, 7)], NOTHING),
        (HOLED, [(102, 7), (110, 7)], ALL),
        (HOLED, [(102, 7), (110, 8)], MORE),
    ],
)
def test_what_an_answer_means(headers, told, meaning):
    """More is believed at once; the same at once of a whole stack, of any other when it is said twice."""
    assert says(arrival(headers), answers(*told)) is meaning
