from __future__ import annotations

import json
from dataclasses import replace

import pytest
from analyses import analysis, checked, refused

from millet.codec import record
from millet.core.analysis import Effusion, Predecessor
from millet.core.nodule import Side

BEFORE = Predecessor(generation=1, study_uid="1.2", series_uid="2.25.3", sop_instance_uid="2.25.4")


@pytest.mark.parametrize(
    "made",
    [
        analysis(3),
        analysis(0),
        refused(),
        replace(analysis(1), effusions=(Effusion(side=Side.LEFT, volume_ml=120.0),)),
        checked(analysis(2)),
        replace(analysis(1), generation=2, predecessor=BEFORE),
    ],
    ids=["findings", "none-found", "not-analysed", "effusion", "checked", "next generation"],
)
def test_a_document_reads_back_as_the_same_analysis(made):
    """Nothing is lost or changed between an analysis and its document."""
    assert record.decode(record.encode(made)) == made


@pytest.mark.parametrize(
    "damage",
    [
        {"schema": 2},
        {"generation": "one"},
        {"outcome": "maybe"},
        {"created_utc": "2026-01-02T03:04:05"},
        {"nodules": [{"number": 1}]},
    ],
    ids=str,
)
def test_a_damaged_document_is_refused(damage):
    """A document that does not describe an analysis raises ValueError, never half an analysis."""
    document = json.loads(record.encode(analysis(1))) | damage
    with pytest.raises(ValueError, match=r".+"):
        record.decode(json.dumps(document))


def test_a_document_that_is_older_than_the_count_was_judged_still_reads():
    """What a later version added is absent, not damage."""
    document = json.loads(record.encode(analysis(1)))
    del document["reliability"]
    assert record.decode(json.dumps(document)) == analysis(1)
