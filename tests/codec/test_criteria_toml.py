from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millet.codec.criteria_toml import LONGEST, decode, encode
from millet.core.criteria import CriteriaSet, Dominant, Level, Rule
from millet.core.criteria_measures import MEASURES
from millet.core.criteria_sets import BUNDLED, LUNG_MILIARY
from millet.core.judgement import Standing

SHORT = """
identifier = "lung-many"
version = "north-1"
organ = "lung"
standing = "proposal"
source = "Department of radiology"
below = "few"
levels = [{ meaning = "many", rules = [
    { name = "n", measure = "count", under_mm = 10, relation = ">", threshold = 100, standing = "proposal" },
] }]
"""

names = st.from_regex(r"[a-z0-9][a-z0-9.-]{0,20}", fullmatch=True)
texts = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=40)
numbers = st.floats(allow_nan=False, allow_infinity=False)
positive = st.floats(1e-3, 1e6)


@st.composite
def rules(draw, name):
    """A rule with what its measure needs, and some of what it takes."""
    measure = draw(st.sampled_from(sorted(MEASURES)))
    word, given = MEASURES[measure], {}
    for field in (*word.needs, *(one for one in word.takes if draw(st.booleans()))):
        kinds = {
            "limit_mm": positive,
            "slab_mm": st.floats(0.1, 1000),
            "lesions": st.integers(1, 200),
            "each_side": st.integers(0, 20),
            "per_side": st.just(value=False),
            "regions": st.lists(names, min_size=1, max_size=6, unique=True).map(tuple),
            "known_share": st.floats(0, 1),
        }
        given[field] = draw(kinds[field])
    threshold, further = draw(numbers), {}
    relation = draw(st.sampled_from([">", ">=", "<", "<=", "between"]))
    if relation == "between":
        further["upper"] = draw(st.floats(threshold, allow_nan=False, allow_infinity=False))
    return Rule(
        name=name,
        measure=measure,
        relation=relation,
        threshold=threshold,
        standing=draw(st.sampled_from(Standing)),
        under_mm=draw(st.floats(0, 50)),
        without_dominant=draw(st.booleans()),
        **given,
        **further,
    )


@st.composite
def sets(draw):
    """Any set of criteria."""
    levels = []
    for number in range(draw(st.integers(1, 3))):
        rule = draw(rules(f"r{number}"))
        if draw(st.booleans()):
            rule = replace(rule, alternative=draw(rules(f"a{number}")))
        if draw(st.booleans()):
            rule = replace(rule, where_unknown=draw(rules(f"w{number}")))
        levels.append(Level(meaning=draw(texts), rules=(rule,)))
    return CriteriaSet(
        identifier=draw(names),
        version=draw(names),
        organ=draw(names),
        standing=draw(st.sampled_from(Standing)),
        source=draw(texts),
        below=draw(texts),
        levels=tuple(levels),
        reported=tuple(draw(rules(f"t{number}")) for number in range(draw(st.integers(0, 2)))),
        dominant=Dominant(least_mm=draw(positive), ratio=draw(positive)),
        modality=draw(st.sampled_from(["", "CT", "MR"])),
    )


@settings(deadline=None)
@given(sets())
def test_what_is_written_is_read(criteria):
    """Any set comes back as the same value, with the same text."""
    document = encode(criteria)
    assert decode(document) == criteria
    assert encode(decode(document)) == document


@pytest.mark.parametrize("criteria", BUNDLED, ids=lambda one: one.identifier)
def test_our_own_sets_are_documents_too(criteria):
    """A site can write one out, change a threshold and read it."""
    document = encode(criteria)
    assert decode(document) == criteria
    assert repr(decode(document)) == repr(criteria)  # the digest is made of it: 50 and 50.0 are one threshold
    assert decode(document.replace('"lmp-proposal-2"', '"north-1"')) == replace(
        criteria, version="north-1" if criteria.version.startswith("lmp") else criteria.version
    )


def test_a_short_document_is_a_set():
    """What has a default may be left out, whole numbers may stand for numbers."""
    made = decode(SHORT)
    assert made.levels[0].rules[0].threshold == 100.0
    assert made.levels[0].rules[0].under_mm == 10.0
    assert (made.reported, made.dominant) == ((), None)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('"count"', '"profusion"', "levels[0].rules[0].measure: 'profusion' is none of count"),
        ("threshold = 100, ", "", "levels[0].rules[0].threshold: is missing"),
        ("under_mm = 10", "under_mm = true", "levels[0].rules[0].under_mm: True is not a number"),
        ("under_mm = 10", "lesions = 1.5", "levels[0].rules[0].lesions: 1.5 is not a whole number"),
        ("under_mm = 10", "regions = [1]", "levels[0].rules[0].regions[0]: a whole number is not a text"),
        ("under_mm = 10", "per_side = 1", "levels[0].rules[0].per_side: a whole number is not true or false"),
        ("under_mm = 10", "alternative = 3", "levels[0].rules[0].alternative: a whole number is not a table"),
        ("under_mm = 10", "threshhold = 3", "levels[0].rules[0].threshhold: is no field of it"),
        ("threshold = 100", "threshold = nan", "levels[0].rules[0].threshold: must be a finite number"),
        (
            "threshold = 100",
            f"threshold = {10**400}",
            "levels[0].rules[0].threshold: a whole number is not a number",
        ),
        ('"lung-many"', '"Lung"', "identifier: 'Lung' is no name"),
        (
            'standing = "proposal"\nsource',
            'standing = "law"\nsource',
            "standing: 'law' is not one of proposal",
        ),
        ("levels = [", "levels = 3 # [", "levels: a whole number is not a list"),
        ("identifier", "= identifier", "not TOML: "),
        ("threshold = 100", f"threshold = {'1' * 9000}", "not TOML: "),
    ],
)
def test_a_mistake_is_named_by_its_path(old, new, says):
    """Where it stands and what was expected there."""
    document = SHORT.replace(old, new, 1)
    document = document.split("# [")[0] if "# [" in document else document
    with pytest.raises(ValueError, match=" ") as refused:
        decode(document)
    assert says in str(refused.value)


def test_all_mistakes_are_told_together_and_not_too_many():
    """Two of them both; of a hundred twenty and a number."""
    with pytest.raises(ValueError, match=r"organ: is missing; source: is missing") as refused:
        decode(SHORT.replace("organ", "oorgan").replace("source", "ssource"))
    assert "oorgan: is no field of it" in str(refused.value)
    with pytest.raises(ValueError, match="and 81 more"):
        decode(SHORT + "\n".join(f"x{n} = 1" for n in range(101)))


@pytest.mark.parametrize(
    "document",
    [
        "#" * (LONGEST + 1),
        "a = " + "[" * 5000 + "]" * 5000,
        "levels = " + str(["x"] * 1000),
        "a." * 3000 + "b = 1",
    ],
    ids=["long", "deep-lists", "many-levels", "deep-tables"],
)
def test_a_document_without_end_is_refused(document):
    """Length, depth and number are bounded."""
    with pytest.raises(ValueError, match=r"characters|nested|levels|field"):
        decode(document)


def test_the_documents_of_the_guide_are_sets():
    """The short one can be read as it stands; the long one is ours, to the letter."""
    page = (Path(__file__).parents[2] / "docs/how-to/criteria.md").read_text("utf-8")
    short, ours = re.findall(r"```toml\n(identifier.*?)```", page, re.DOTALL)
    assert decode(short).identifier == "lung-many"
    assert ours == encode(LUNG_MILIARY)
    assert re.findall(r"^\| `([\w-]+)` \|.*\|.*\|.*\|$", page.split("| Measure |")[1], re.MULTILINE) == list(
        MEASURES
    )
