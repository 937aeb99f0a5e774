from __future__ import annotations

import json
from dataclasses import replace

import exams
import numpy as np
import pytest

from millet.codec import prior as documents
from millet.core.change import LeftOut
from millet.core.followup import Followed, Prior, compare, foreign
from millet.core.geometry import PointMm


def test_a_prior_is_kept_whole():
    """Compared with what was kept, the same is said as compared with what was found."""
    current, study = exams.studies(exams.made(20))
    prior = Prior(study=study, source="ours", archive="archive-late")
    kept = documents.decode(documents.encode(prior))
    assert replace(kept, study=None) == replace(prior, study=None)
    assert (kept.study.nodules, kept.study.how) == (study.nodules, study.how)
    assert (kept.study.taken, kept.study.series_uid) == (study.taken, study.series_uid)
    for name in ("points_mm", "outward", "side"):
        assert np.array_equal(getattr(kept.study.outline, name), getattr(study.outline, name))
    assert compare(current, kept.study) == compare(current, study)
    assert documents.encode(kept) == documents.encode(prior)


def test_what_others_read_and_why_there_is_none_are_kept():
    """Nothing of lungs or conditions is known; what was left out is."""
    lesion = Followed(
        number=1, tracking_uid="1.2", centre_mm=PointMm(1, 2, 3), diameter_mm=5.0, volume_mm3=None
    )
    theirs = Prior(
        study=foreign("1.9", None, [lesion]), source="report", left_out=(LeftOut(reason="no-place", count=2),)
    )
    kept = documents.decode(documents.encode(theirs))
    assert (kept.left_out, kept.study.nodules, kept.study.taken) == (theirs.left_out, (lesion,), None)
    assert documents.decode(documents.encode(Prior(why_not="no-prior"))) == Prior(why_not="no-prior")


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: "{",
        lambda _: "[]",
        lambda found: json.dumps({**found, "schema": 2}),
        lambda found: json.dumps({**found, "source": 7}),
        lambda found: json.dumps({**found, "study": {}}),
        lambda found: json.dumps({**found, "study": [1]}),
    ],
)
def test_a_damaged_document_is_refused(damage):
    """Never guessed at."""
    found = json.loads(documents.encode(Prior(study=exams.studies(exams.made(5))[1])))
    with pytest.raises(ValueError, match=r"document|Expecting"):
        documents.decode(damage(found))
