"""What is said in several languages: one table each, held to each other and to what is said."""

from __future__ import annotations

import ast
import copy
import pickle
import re
from pathlib import Path
from string import Formatter

import pytest

import millet
from millet.codec.sr_region import Flaw
from millet.core import prior
from millet.core.change import Fate
from millet.core.criteria_sets import BUNDLED
from millet.core.judgement import Standing
from millet.core.language import PHRASES, Language, coded, listed, named, phrase, said, say, spelled
from millet.core.reasons import Reason

ENGLISH, *OTHERS = Language
SAME = {
    *("advice.lung-rads-2022", "advice.fleischner-2017", "advice.bts-2015", "advice.recist-1.1"),
    *("comma", "joined", "remark", "criteria.missing", "triage.doubt", "reliability.disagree", "dominant"),
    *("gsps.sized", "guideline.percent", "guideline.said", "split.part", "split.energy", "comparison.count"),
    *("split.axial", "split.sagittal", "pattern.mm", "pattern.cv", "picture.axial", "value.p95"),
    *("page.accession", "page.axial", "page.column.patient", "page.column.triage", "page.generation"),
    *("page.nodule.score", "page.patient", "page.prior-of.alone", "page.script.live", "page.signin.token"),
    *("page.zone", "mark.juxtapleural", "mark.perifissural", "judged.counted", "judged.code"),
}
"""Read alike in English and German: names, figures, and words that both have."""
ONLY_CODED = ("organ", "standing", "relation", "fate", "limited", "prior", "left-out", "condition")
"""Kinds of codes that English reports tell as they are (`core.language.coded`)."""
LIMITS = ("model", "threshold", "kernel", "thickness", "inspiration", "coverage", "registration", "count")


def _placeholders(template):
    return {name for _, name, _, _ in Formatter().parse(template) if name}


@pytest.mark.parametrize("language", OTHERS)
def test_every_phrase_is_said_in_every_language(language):
    """With the same values, in words of its own, and nothing that no English report says."""
    english, other = PHRASES[ENGLISH], PHRASES[language]
    assert set(english) <= set(other)
    assert {key.partition(".")[0] for key in set(other) - set(english)} == set(ONLY_CODED)
    for key, template in english.items():
        assert _placeholders(other[key]) == _placeholders(template), key
    assert {key for key, template in english.items() if other[key] == template} == SAME


@pytest.mark.parametrize("language", OTHERS)
def test_every_code_that_a_report_tells_has_words(language):
    """Reasons, standings, fates, limits, why there is no prior or not all of it, and our own conditions."""
    rules = [rule for one in BUNDLED for rule in (*one.reported, *(r for v in one.levels for r in v.rules))]
    rules += [other for rule in rules for other in (rule.where_unknown, rule.alternative) if other]
    priors = [value for name, value in vars(prior).items() if name.isupper() and isinstance(value, str)]
    wanted = {
        *(f"condition.{rule.name}" for rule in rules),
        *(f"organ.{one.organ}" for one in BUNDLED),
        *(f"standing.{one}" for one in Standing),
        *(f"fate.{one}" for one in Fate),
        *(f"limited.{one}" for one in LIMITS),
        *(f"prior.{one}" for one in {*priors, *Flaw}),
        *(f"left-out.{one}" for one in {prior.OTHER_FRAME, *Flaw}),
        *(f"reason.{one}" for one in Reason),
        "relation.between",
    }
    told = {key for key in PHRASES[language] if key.startswith("reason.") or key not in PHRASES[ENGLISH]}
    assert told == wanted


def _asked_by_pages() -> set[str]:
    """Keys in templates, and how keys begin that are put together there."""
    held = (Path(millet.__file__).parent / "edge" / "web" / "pages").glob("*.html")
    return {key for path in held for key in re.findall(r'"([a-z0-9.-]+)"', path.read_text("utf-8"))}


def _asked_by_scripts() -> set[str]:
    """The same of scripts; a view is said under its own name."""
    held = (Path(millet.__file__).parent / "edge" / "web" / "static").glob("*.js")
    found = {key for path in held for key in re.findall(r't\(["`]([a-z.]+)', path.read_text("utf-8"))}
    return {*found, "axial", "coronal"}


def test_every_phrase_is_said_somewhere():
    """No key of the tables is dead."""
    keys, starts = set(), set()
    for path in Path(millet.__file__).parent.rglob("*.py"):
        if path.name.startswith("phrases_") or "proto" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case ast.JoinedStr(values=[ast.Constant(value=str(start)), *_]):
                    starts.add(start)
                case ast.Constant(value=str(text)):
                    keys.add(text)
    pages, scripts = _asked_by_pages(), _asked_by_scripts()
    keys |= {f"page.{key}" for key in {*keys, *pages}} | {f"page.script.{key}" for key in scripts}
    starts.discard("page.")  # where any of them is said
    starts |= {f"page.{start}" for start in {*starts, *pages} if start.endswith(".")}
    starts |= {f"page.script.{start}" for start in scripts if start.endswith(".")}
    kinds = ("reason.", "weight.", "advice.", "page.class.")  # asked for by kind and code
    asked = (*kinds, *(start for start in starts if re.fullmatch(r"[a-z.-]+\.[a-z-]*", start)))
    assert not [key for key in PHRASES[ENGLISH] if key not in keys and not key.startswith(asked)]


@pytest.mark.parametrize("language", OTHERS)
def test_german_can_be_written_in_latin_1(language):
    """What objects fall back to has every letter."""
    for text in PHRASES[language].values():
        text.encode("latin_1")


def test_a_phrase_is_english_that_can_be_said_again():
    """Also one within another, in a list, and with decimals in prose."""
    lesion = phrase("lesion", side=phrase("side.left"), kind=phrase("kind.mass"), mm=41.54)
    told = phrase("triage.with-mass", lesion=lesion, small=220)
    assert told == "left mass of 41.5 mm beside 220 small nodules in both lungs"
    assert said(told, ENGLISH) == told
    german = "Raumforderung links (41,5 mm) neben 220 kleinen Rundherden in beiden Lungen"
    assert said(told, Language.GERMAN) == german
    assert said(listed((told, lesion)), Language.GERMAN) == f"{german}; Raumforderung links (41,5 mm)"


def test_what_is_no_phrase_stays_as_it_is():
    """A site's own words, a code that nobody knows, and nothing at all."""
    assert said("criteria of ours", Language.GERMAN) == "criteria of ours"
    assert said(coded("condition", "our-own"), Language.GERMAN) == "our-own"
    assert named(Language.GERMAN, "reason", "later") == "later"
    assert listed(()) == ""


def test_a_code_is_told_as_it_is_in_english_and_in_words_elsewhere():
    """So that English reports read as they always did."""
    code = coded("reason", "gantry-tilt")
    assert (code, said(code, ENGLISH), said(code, Language.GERMAN)) == (
        "gantry-tilt",
        "gantry-tilt",
        "Gekippte Gantry",
    )


def test_a_phrase_outlives_copies_and_processes():
    """It can still be said in any language."""
    told = phrase("stack.tilt", angle=12.04)
    for again in (copy.deepcopy(told), pickle.loads(pickle.dumps(told))):
        assert said(again, Language.GERMAN) == "12,0 Grad"


def test_numbers_in_prose_have_the_mark_of_their_language():
    """Rounded by the rule, whole ones without any."""
    assert [spelled(value, Language.GERMAN) for value in (2.5, 3.0, 7)] == ["2,5", "3", "7"]
    assert say(Language.GERMAN, "lung-volume", right=2.345, left=2.0).endswith("rechts 2,345 l, links 2 l.")
    assert spelled(2.5, ENGLISH) == "2.5"
