"""Our values <-> protobuf."""

import string
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, date, timedelta, timezone
from types import UnionType
from typing import Union, get_args, get_origin, get_type_hints

import pytest
import reports
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from millet.codec import wire
from millet.core import analysis as values
from millet.core.advice import Advice, Guideline
from millet.core.change import Change
from millet.core.character import Axes, Character
from millet.core.geometry import PointMm
from millet.core.judgement import Judgement
from millet.core.language import Language
from millet.core.nodule import Nodule, NoduleClass, Side, class_of
from millet.core.reasons import Reason, Remark, Weight
from millet.core.spread import Spread
from millet.proto.millet.v1 import analysis_service_pb2 as pb

numbers = st.floats(allow_nan=False, allow_infinity=False)
counts = st.integers(0, 2**31 - 1)
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
uids = st.text(string.digits + ".", min_size=1, max_size=64)
some_time = st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-7))]))
points = st.builds(PointMm, numbers, numbers, numbers)
ends = st.tuples(points, points)
axes = st.builds(Axes, long_mm=ends, short_mm=ends)


def any_of(hint):
    """Whatever a field of that type may hold."""
    if get_origin(hint) is tuple:
        return st.lists(any_of(get_args(hint)[0]), max_size=2).map(tuple)
    if get_origin(hint) in {UnionType, Union}:
        return st.one_of(*(st.none() if one is type(None) else any_of(one) for one in get_args(hint)))
    if hint is Axes:
        return axes
    if is_dataclass(hint):
        hints = get_type_hints(hint)
        return st.builds(hint, **{one.name: any_of(hints[one.name]) for one in fields(hint)})
    plain = {float: numbers, int: counts, str: words, bool: st.booleans(), date: st.dates()}
    return plain[hint] if hint in plain else st.sampled_from(hint)


nodules = st.builds(
    Nodule,
    number=counts,
    tracking_uid=uids,
    centre_mm=st.builds(PointMm, numbers, numbers, numbers),
    diameter_mm=numbers,
    volume_mm3=numbers,
    mean_hu=numbers,
    score=st.floats(0, 1),
    side=st.sampled_from(Side),
    source_sop_instance_uid=uids,
    character=st.none() | any_of(Character),
)
remarks = st.builds(
    Remark,
    reason=st.sampled_from(Reason),
    weight=st.sampled_from([Weight.OUTSIDE_USE, Weight.NOTE]),
    detail=words,
)
effusions = st.builds(values.Effusion, side=st.sampled_from(Side), volume_ml=numbers)
volumes = st.builds(
    values.VolumeSummary,
    label=words,
    slices=counts,
    spacing_mm=st.none() | numbers,
    chosen=st.booleans(),
    why=words,
)
patterns = st.builds(
    values.Pattern,
    level=st.integers(0, 3),
    criteria_version=words,
    nodules_right=counts,
    nodules_left=counts,
    small_nodules=counts,
    median_diameter_mm=st.none() | numbers,
    diameter_cv=st.none() | numbers,
    slabs_10mm_with_10=counts,
)
provenances = st.builds(
    values.Provenance,
    software_version=words,
    model_name=words,
    model_version=words,
    model_digest=words,
    configuration_digest=words,
    provider=words,
    precision=words,
    calibration=words,
)

reliabilities = st.builds(
    values.Reliability,
    second_reader=words,
    small_nodules=counts,
    second_small_nodules=st.none() | counts,
    noise_hu=st.none() | numbers,
    detectability=st.none() | numbers,
    detectability_mm=numbers,
)
predecessors = st.builds(
    values.Predecessor, generation=counts, study_uid=uids, series_uid=uids, sop_instance_uid=uids
)


def advice(why_not, category, management, probability, **told):
    """An advice that says something exactly where nothing forbids it."""
    applies = not why_not
    return Advice(
        applies=applies,
        why_not=why_not,
        category=category if applies else "",
        management=management if applies else "",
        probability=probability if applies else None,
        **told,
    )


some_codes = st.lists(words, max_size=2).map(tuple)
advices = st.builds(
    advice,
    guideline=st.sampled_from(Guideline),
    why_not=some_codes,
    category=words,
    management=words,
    probability=st.none() | numbers,
    nodule=st.none() | counts,
    assumes=some_codes,
)


@st.composite
def analyses(draw: st.DrawFn) -> values.Analysis:
    """Any valid analysis: findings, none found, or not analysed."""
    found = draw(st.lists(nodules, max_size=4))
    fluid = draw(st.lists(effusions, max_size=2))
    said = draw(st.lists(remarks, max_size=3))
    outcome = values.Outcome.FINDINGS if found or fluid else values.Outcome.NONE_FOUND
    if outcome is values.Outcome.NONE_FOUND and draw(st.booleans()):
        outcome = values.Outcome.NOT_ANALYSED
        said.append(Remark(reason=draw(st.sampled_from(Reason)), weight=Weight.REFUSES, detail=draw(words)))
    return values.Analysis(
        site=draw(words),
        study_uid=draw(uids),
        series_uid=draw(uids),
        frame_of_reference_uid=draw(uids),
        generation=draw(counts),
        created_utc=draw(some_time),
        outcome=outcome,
        remarks=tuple(said),
        volumes=tuple(draw(st.lists(volumes, max_size=3))),
        nodules=tuple(found),
        triage=values.Triage(
            level=draw(st.sampled_from(values.TriageLevel)), reasons=tuple(draw(st.lists(words, max_size=3)))
        ),
        pattern=draw(st.none() | patterns),
        lungs=draw(st.none() | st.builds(values.Lungs, right_l=numbers, left_l=numbers)),
        effusions=tuple(fluid),
        not_assessed=tuple(draw(st.lists(words, max_size=3))),
        provenance=draw(provenances),
        reliability=draw(st.none() | reliabilities),
        predecessor=draw(st.none() | predecessors),
        spread=draw(st.none() | any_of(Spread)),
        judgements=tuple(draw(st.lists(any_of(Judgement), max_size=2))),
        advice=tuple(draw(st.lists(advices, max_size=2))),
        change=draw(st.none() | any_of(Change)),
        language=draw(st.sampled_from(Language)),
    )


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(analyses())
def test_an_analysis_survives_the_wire_unchanged(analysis):
    """Encoded, sent as bytes and decoded, an analysis is the same value, to the last bit."""
    sent = wire.analysis_to_wire(analysis).SerializeToString()
    assert wire.analysis_from_wire(pb.Analysis.FromString(sent)) == analysis
    assert pb.Analysis.FromString(sent).count_reliable == analysis.count_reliable


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(analyses())
def test_a_message_states_what_follows_from_the_analysis(analysis):
    """Reason code and class of each nodule are written out for clients that do not know our rules."""
    message = wire.analysis_to_wire(analysis)
    assert message.reason_code == analysis.reason_code
    assert bool(message.reason_text) == bool(analysis.reason_code)
    classes = [NoduleClass[pb.NoduleClass.Name(n.nodule_class).split("_")[-1]] for n in message.nodules]
    assert classes == [class_of(n.diameter_mm) for n in analysis.nodules]


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(analyses())
def test_a_page_holds_a_part_of_both_lists_only(analysis):
    """Of the nodules and of those of the change; everything else is in each page."""
    whole, page = wire.analysis_to_wire(analysis), wire.analysis_to_wire(analysis, slice(1, None))
    assert [wire.nodule_from_wire(n) for n in page.nodules] == list(analysis.nodules[1:])
    assert list(page.change.nodules) == list(whole.change.nodules)[1:]
    for one in (whole, page):
        del one.nodules[:]
        if analysis.change:
            del one.change.nodules[:]
    assert whole == page


@pytest.mark.parametrize(
    ("ours", "theirs", "prefix"),
    [
        (values.TriageLevel, pb.TriageLevel, "TRIAGE_LEVEL_"),
        (values.Outcome, pb.Outcome, "OUTCOME_"),
        (Side, pb.Side, "SIDE_"),
        (NoduleClass, pb.NoduleClass, "NODULE_CLASS_"),
        (Weight, pb.RemarkWeight, "REMARK_WEIGHT_"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_the_enums_of_both_sides_agree(ours, theirs, prefix):
    """Each of our values has its number in our order, and 0 is no value."""
    assert theirs.keys() == [f"{prefix}UNSPECIFIED", *(f"{prefix}{member.name}" for member in ours)]
    assert theirs.values() == list(range(len(ours) + 1))


def test_a_level_or_outcome_not_given_is_unspecified():
    """None and 0 are each other's translation."""
    assert wire.level_from_wire(wire.level_to_wire(None)) is None
    assert wire.outcome_to_wire(None) == 0
    assert [wire.level_from_wire(wire.level_to_wire(level)) for level in values.TriageLevel] == list(
        values.TriageLevel
    )


def test_a_message_is_in_the_language_of_its_analysis():
    """So are the words beside its codes; one of a version that knew but English is in English."""
    made = replace(reports.analysis(remarks=[reports.REFUSED]), language=Language.GERMAN)
    sent = wire.analysis_to_wire(made)
    assert (sent.language, sent.reason_text) == ("de", "Nicht unterstützte Transfersyntax")
    assert sent.remarks[0].text == sent.reason_text
    sent.ClearField("language")
    assert wire.analysis_from_wire(sent).language is Language.ENGLISH


def test_a_number_of_a_later_version_is_an_error():
    """A level that this version does not know is not taken for another one."""
    with pytest.raises(ValueError, match="TriageLevel has no value 77"):
        wire.level_from_wire(77)


def test_a_detail_that_utf8_cannot_carry_still_goes_out():
    """A lone surrogate in a text never blocks a message."""
    remark = Remark(reason=Reason.NOT_CT, weight=Weight.NOTE, detail="a\udcffb")
    assert wire.remark_to_wire(remark).detail == "a?b"
    assert wire.remark_from_wire(wire.remark_to_wire(replace(remark, detail="ü"))).detail == "ü"
