import io
from dataclasses import replace

import pytest
from characters import ADVICE, JUDGEMENT, change, characterised, spread, whole
from pydicom import dcmread
from reports import REFUSED, analysis, ct_series, nodules

from millet.codec import codes, sr, summary_sr
from millet.codec.source import Source
from millet.core.advice import Guideline
from millet.core.analysis import Pattern
from millet.core.change import Change, Fate, LeftOut
from millet.core.spread import Distribution

SOURCE = Source.read(ct_series(2))
EXAM = [sr.encode, lambda made, source: summary_sr.encode(made, source, masks=True)]


def _named(item):
    name = item.ConceptNameCodeSequence[0]
    return name.get("CodeValue") or name.LongCodeValue


def _read(made, encode=sr.encode):
    return dcmread(io.BytesIO(encode(made, SOURCE)))


def _said(ds):
    """What is said of the exam, by concept: texts, and codes by their value."""
    said = {}
    container = next(item for item in ds.ContentSequence if _named(item) == codes.EVALUATIONS.value)
    for item in container.ContentSequence:
        coded = item.get("ConceptCodeSequence")
        value = coded[0].get("CodeValue") or coded[0].LongCodeValue if coded else item.TextValue
        said.setdefault(_named(item), []).append(value)
    return said


def _exam(ds):
    """The measurements of the group of the exam: (concept, site, laterality) to value."""
    container = next(item for item in ds.ContentSequence if _named(item) == codes.MEASUREMENTS.value)
    group = container.ContentSequence[-1]
    values = {}
    for item in group.ContentSequence:
        if item.ValueType != "NUM":
            continue
        sites = item.get("ContentSequence", [])
        place = sites[0].ConceptCodeSequence[0].CodeValue if sites else ""
        side = sites[0].ContentSequence[0].ConceptCodeSequence[0].CodeMeaning if sites else ""
        values[_named(item), place, side] = float(item.MeasuredValueSequence[0].NumericValue)
    return values


def test_counts_of_lobes_and_zones_have_their_place():
    """Each with its side, as number and in 100 ml of lung."""
    values = _exam(_read(whole(30)))
    assert values[codes.LESIONS.value, "", ""] == 30
    assert values[codes.LESIONS.value, codes.LOWER_LOBE.value, "Left"] == 6
    assert values[codes.PER_100_ML.value, codes.MIDDLE_LOBE.value, "Right"] == 4.25
    assert values[codes.LESIONS.value, codes.UPPER_ZONE.value, "Right"] == 5
    assert values[codes.PER_100_ML.value, "", ""] == 4.63


def test_figures_of_the_set_are_measurements():
    """Sizes, randomness, ratios; what is None is left out."""
    values = {concept: value for (concept, *_), value in _exam(_read(whole(30))).items()}
    expected = {
        codes.SIZE_P10: 2.5,
        codes.SIZE_MEDIAN: 3.0,
        codes.SIZE_CV: 0.1,
        codes.SIMULATIONS: 199,
        codes.CLARK_EVANS: 1.02,
        codes.RIPLEY_P: 0.38,
        codes.SUBPLEURAL: 1.1,
        codes.CRANIO_CAUDAL: -0.2,
        codes.GONE_SHARE: 10.0,
        codes.MEDIAN_CHANGE: 25.0,
    }
    assert {code: values[code.value] for code in expected} == expected
    assert codes.FISSURAL.value not in values


@pytest.mark.parametrize("encode", EXAM, ids=["full", "summary"])
def test_criteria_are_told_with_their_thresholds(encode):
    """Set, version, standing, source and level, and each condition with what was found and asked."""
    said = _said(_read(whole(5), encode))
    assert said[codes.CRITERIA.value] == [
        "lung-miliary 1 (lung; proposal: a proposal of ours): level 3, definitely miliary."
    ]
    assert said[codes.CONDITION.value] == [
        "lung-miliary 1: small-nodules 220, asked > 30: holds (proposal)",
        "lung-miliary 1: median-mm not evaluated, asked between 1 and 4: does not hold (proposal)",
    ]


@pytest.mark.parametrize(
    ("level", "says"),
    [
        (0, "a proposal of ours): not evaluated, no lungs."),
        (3, "level 3, definitely miliary; above it not evaluated, no lungs."),
    ],
)
def test_criteria_that_were_not_evaluated_say_why(level, says):
    """No level is given but one that was reached below; each condition is told in any case."""
    made = analysis(judgements=(replace(JUDGEMENT, level=level, not_evaluated="no lungs"),))
    said = _said(_read(made))
    assert said[codes.CRITERIA.value][0].endswith(says)
    assert len(said[codes.CONDITION.value]) == len(JUDGEMENT.conditions)


@pytest.mark.parametrize("encode", EXAM, ids=["full", "summary"])
def test_guidelines_are_told_by_name(encode):
    """One that does not apply says why, and nothing else; another its category and what decided."""
    said = _said(_read(whole(5), encode))
    assert said[Guideline.BROCK.value] == ["does not apply (a miliary pattern, possible or more)."]
    assert said[Guideline.LUNG_RADS.value] == ["0; nodule 1; ct-1-to-3-months."]
    assert len(ADVICE) == 2


def test_a_probability_is_told_where_the_model_applies():
    """As percent, to a tenth."""
    brock = replace(ADVICE[0], applies=True, why_not=(), probability=0.4471, nodule=3)
    said = _said(_read(analysis(nodules(3), advice=(brock,))))
    assert said[Guideline.BROCK.value] == ["44.7 %; nodule 3."]


@pytest.mark.parametrize("distribution", Distribution)
def test_a_distribution_is_coded(distribution):
    """Centrilobular by its code of DICOM, others by ours; hints say that they are hints."""
    made = analysis(nodules(3), spread=replace(spread(nodules(3)), distribution=distribution))
    said = _said(_read(made))
    assert said[codes.DISTRIBUTION.value] == [codes.DISTRIBUTIONS[distribution].value]
    assert said[codes.HINT.value] == ["miliary-tuberculosis", "haematogenous-metastases"]
    assert "not a diagnosis" in codes.HINT.meaning
    assert "199 random patterns" in said[codes.RIPLEY.value][0]


def test_a_comparison_is_told_whole():
    """Which prior, how many of each fate, how much they changed."""
    (said,) = _said(_read(whole(5)))[codes.COMPARISON.value]
    assert said == (
        "Compared with series 1.2.3.4 of 2025-09-01, 122 days before: 2 gone, 5 grown. "
        "Median change of volume 25 %. Share gone 10 %."
    )


def test_a_limited_comparison_says_so():
    """Nothing is called new or gone."""
    found = characterised(2)
    limited = replace(change(found, gone=0), limited=("model", "kernel"), gone_share=None)
    (said,) = _said(_read(analysis(found, change=limited)))[codes.COMPARISON.value]
    assert said.endswith("Comparison limited: model, kernel; nothing is called new or gone.")


def test_a_prior_that_was_not_used_says_why():
    """And nothing is compared."""
    unused = Change(
        prior_series_uid="",
        prior_date=None,
        interval_days=None,
        limited=(),
        not_used="other-patient",
        nodules=(),
        gone_share=None,
        median_volume_change=None,
    )
    (said,) = _said(_read(analysis(characterised(2), change=unused)))[codes.COMPARISON.value]
    assert said == "Prior not used, because: other-patient."
    late = replace(unused, archive="archive-late", left_out=(LeftOut(reason="no-place", count=3),))
    (said,) = _said(_read(analysis(characterised(2), change=late)))[codes.COMPARISON.value]
    assert said == (
        "Prior not used, because: other-patient. Of the prior's lesions left out: 3 no-place. "
        "Whether archives hold another prior is not known: archive-late."
    )


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("report", ", read by another, from its report: "),
        ("segmentation", ", read by another, from its segmentation: "),
        ("images", ", its images read again by this model: "),
        ("ours", " before: "),
    ],
)
def test_how_the_prior_is_known_is_told(source, words):
    """By whom, and from what."""
    found = characterised(2)
    told = replace(change(found, gone=0), source=source)
    (said,) = _said(_read(analysis(found, change=told)))[codes.COMPARISON.value]
    assert words in said


def test_a_gone_nodule_is_a_group_with_its_tracking_uid():
    """So that a later reader can follow it."""
    made = whole(3)
    container = next(i for i in _read(made).ContentSequence if _named(i) == codes.MEASUREMENTS.value)
    uids = [
        item.UID
        for g in container.ContentSequence
        for item in g.ContentSequence
        if item.ValueType == "UIDREF"
    ]
    lost = [one.tracking_uid for one in made.change.nodules if one.fate is Fate.GONE]
    assert set(lost) <= set(uids)


@pytest.mark.parametrize(("level", "named"), [(0, []), (1, []), (2, ["112129"]), (3, ["112129"])])
def test_the_miliary_pattern_is_a_finding_from_level_two(level, named):
    """By DICOM's own code, beside our level, which says that it is a proposal."""
    pattern = analysis(nodules(3)).pattern
    assert isinstance(pattern, Pattern)
    said = _said(_read(analysis(nodules(3), pattern=replace(pattern, level=level))))
    assert said.get(codes.FINDING.value, []) == named
    assert said[codes.PATTERN.value] == [f"LMP-{level}"]


@pytest.mark.parametrize("encode", EXAM, ids=["full", "summary"])
@pytest.mark.parametrize(
    "made", [whole(5), analysis(), analysis(remarks=[REFUSED])], ids=["found", "none", "no"]
)
def test_every_report_says_what_it_is(made, encode):
    """Unverified, by a device, for research; model, configuration and criteria; what was not assessed."""
    ds = _read(made, encode)
    said = _said(ds)
    assert ds.VerificationFlag == "UNVERIFIED"
    assert "Unverified" in said[codes.COMMENT.value][0]
    assert "Research use" in said[codes.COMMENT.value][0]
    assert "not reviewed" in said[codes.COMMENT.value][0]
    parameters = said[codes.ALGORITHM_PARAMETERS.value]
    assert {f"model-sha256={'ab' * 32}", f"configuration-sha256={'cd' * 32}"} <= set(parameters)
    assert said[codes.NOT_ASSESSED.value] == ["lymph nodes", "bones"]
    if made.lungs:
        assert said[codes.LUNG_VOLUME.value] == ["Lung volume analysed: right 2.5 l, left 2.25 l."]


@pytest.mark.parametrize("encode", EXAM, ids=["full", "summary"])
def test_no_report_reassures(encode):
    """Neither code nor text calls anything low risk, normal, benign or negative."""
    ds = _read(whole(12), encode)
    texts = [str(element.value).lower() for element in ds.iterall() if element.VR in {"UT", "LO"}]
    for word in ("low risk", "normal", "negative", "benign"):
        assert not [text for text in texts if word in text]
