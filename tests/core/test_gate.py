from __future__ import annotations

from dataclasses import replace

import pytest
from instances import header

from millet.core.gate import admit, judge
from millet.core.reasons import Reason, Weight
from millet.errors import UnfitSeries

_MIP, _MPR = ("DERIVED", "SECONDARY", "MIP"), ("DERIVED", "SECONDARY", "MPR")
RULES = [
    ({"age_years": 17.9}, Reason.UNDER_AGE, Weight.REFUSES),
    ({"age_years": None}, Reason.AGE_UNKNOWN, Weight.OUTSIDE_USE),
    ({"image_type": _MIP}, Reason.MAXIMUM_PROJECTION, Weight.REFUSES),
    ({"series_description": "Thorax MIP 8 mm"}, Reason.MAXIMUM_PROJECTION, Weight.REFUSES),
    ({"image_type": _MPR}, Reason.DERIVED_IMAGE, Weight.REFUSES),
    ({"image_type": ("DERIVED", "PRIMARY", "AXIAL")}, Reason.DERIVED_IMAGE, Weight.OUTSIDE_USE),
    ({"descriptions": ("CTAC 3.75",)}, Reason.ATTENUATION_CORRECTION, Weight.REFUSES),
    ({"descriptions": ("PET/CT WHOLE BODY",)}, Reason.ATTENUATION_CORRECTION, Weight.OUTSIDE_USE),
    ({"descriptions": ("CBCT LUNG",)}, Reason.CONE_BEAM, Weight.REFUSES),
    ({"descriptions": ("CT GUIDED BIOPSY",)}, Reason.BIOPSY, Weight.REFUSES),
    ({"descriptions": ("DAILY QA",)}, Reason.QA_PHANTOM, Weight.REFUSES),
    ({"descriptions": ("CATPHAN 600",)}, Reason.QA_PHANTOM, Weight.REFUSES),
    ({"burned_in": True}, Reason.BURNED_IN_ANNOTATION, Weight.REFUSES),
    ({"frames": 300}, Reason.UNSUPPORTED_PIXELS, Weight.REFUSES),
    ({"lossy": True}, Reason.LOSSY_COMPRESSION, Weight.OUTSIDE_USE),
]


@pytest.mark.parametrize(("values", "reason", "weight"), RULES)
def test_each_rule(values, reason: Reason, weight: Weight) -> None:
    """What is outside the declared use is named with its code and weight, and nothing else is."""
    found = judge([replace(header(1), **values), header(2)])
    said = [(remark.reason, remark.weight) for remark in found if remark.weight is weight]
    assert (reason, weight) in said
    assert {remark.reason for remark in found} <= {reason, Reason.DERIVED_IMAGE}


ORDINARY = [
    "CHEST ROUTINE",
    "PHANTOM CASE",
    "FACADE",
    "QUALITY",
    "THORAX +C PORTAL",
    "LOW DOSE LUNG SCREENING ACR",
    "CHEST POST BIOPSY",
    "FOLLOW-UP AFTER ABLATION",
]


@pytest.mark.parametrize("words", ORDINARY)
def test_ordinary_words_pass(words: str) -> None:
    """An adult's original chest CT has nothing to be said, whatever it is called."""
    assert judge([replace(header(1), descriptions=(words,), series_description=words)]) == ()


def test_the_name_of_a_patient_is_not_a_word_of_the_protocol() -> None:
    """A patient called like a quality phantom is a patient."""
    patient = replace(header(1).patient, name="CATPHAN^QA", patient_id="ACR")
    assert judge([replace(header(1), patient=patient)]) == ()


def test_what_is_refused_is_set_aside_while_others_remain() -> None:
    """A projection among slices goes; a series of projections alone is refused."""
    projection = replace(header(1), image_type=_MIP)
    found = admit([projection, header(2)])
    assert found.headers == (header(2),)
    assert (found.remarks[0].reason, found.remarks[0].weight) == (Reason.MAXIMUM_PROJECTION, Weight.NOTE)
    with pytest.raises(UnfitSeries) as refused:
        admit([projection])
    assert refused.value.reason is Reason.MAXIMUM_PROJECTION


def test_one_slice_of_a_minor_refuses_the_series() -> None:
    """Slices that do not state an age make no adult of a patient whom others call a minor."""
    with pytest.raises(UnfitSeries) as refused:
        admit([replace(header(1), age_years=12.0), replace(header(2), age_years=None)])
    assert refused.value.reason is Reason.UNDER_AGE


def test_what_was_looked_through_before_is_judged_as_it_was() -> None:
    """Words that come again, in any order and among hundreds of others, get the answers they got."""
    words = [*ORDINARY, "DAILY QA", "CTAC 3.75", "CT GUIDED BIOPSY", "PET/CT WHOLE BODY"]
    alone = {word: judge([replace(header(1), descriptions=(word,))]) for word in words}
    for number in range(200):
        assert judge([replace(header(1), descriptions=(f"THORAX {number}",))]) == ()
    for word in [*words[::-1], *words]:
        assert judge([replace(header(1), descriptions=(word,))]) == alone[word]


def test_one_slice_of_many_that_is_described_otherwise_is_seen() -> None:
    """Slices of a series may be described in words of their own; their order changes nothing."""
    odd = replace(header(7), descriptions=("CHEST", "DAILY QA"), series_description="Thorax mip")
    many = [replace(header(n), descriptions=("CHEST",)) for n in range(1, 7)]
    found = judge([*many, odd])
    assert {remark.reason for remark in found} == {Reason.QA_PHANTOM, Reason.MAXIMUM_PROJECTION}
    assert judge([odd, *many]) == found
