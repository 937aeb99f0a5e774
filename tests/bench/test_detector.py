from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture(scope="module", autouse=True)
def _importable():
    """The benchmark's folder, which is no package, may be imported from."""
    sys.path.insert(0, str(BENCH))
    yield
    sys.path.remove(str(BENCH))


def marks(count: int, low_mm: float, high_mm: float, seed: int, kind: str = "solid"):
    """Nodules on a lattice, far from each other."""
    from millet.codec.tables import Mark
    from millet.core.geometry import PointMm
    from millet.core.nodule import class_of

    sizes = np.random.default_rng(seed).uniform(low_mm, high_mm, count)
    return tuple(
        Mark(
            centre_mm=PointMm(20.0 * (n % 10), 20.0 * (n // 10 % 10), 20.0 * (n // 100)),
            diameter_mm=float(d),
            nodule_class=class_of(float(d)),
            kind=kind,
        )
        for n, d in enumerate(sizes)
    )


@dataclass(frozen=True)
class Quality:
    """How good a detector is; perfect by default."""

    share: float = 1.0
    """Of the truth, how much it finds."""
    false: int = 0
    error_mm: float = 0.0
    """Of place and diameter."""
    best: float = 0.9
    """Score of what it finds; what is false scores 0.8."""


PERFECT, POOR = Quality(), Quality(share=0.4, false=60, error_mm=0.7)


def result(name: str, truth, quality: Quality, labels=None):
    """What such a detector finds of a truth."""
    from detecting.store import Result

    from millet.core.geometry import PointMm
    from millet.core.nodule import Candidate

    off = quality.error_mm
    hits = [
        Candidate(
            centre_mm=m.centre_mm._replace(x=m.centre_mm.x + off),
            diameter_mm=m.diameter_mm + off,
            score=quality.best - 1e-5 * n,
        )
        for n, m in enumerate(truth)
        if n < quality.share * len(truth)
    ]
    wrong = [
        Candidate(centre_mm=PointMm(-50.0 - 9 * n, 0, 0), diameter_mm=3.0, score=0.8)
        for n in range(quality.false)
    ]
    found = (*hits, *wrong)
    return Result(
        name=name,
        truth=truth,
        labels=labels or ("",) * len(truth),
        ignored=(),
        found=found,
        reported=found,
        measured=found,
        figures={"lung_l": 4.5},
    )


def shuffled(some, seed: int):
    """The same in another order, so that finding the first ones favours nothing."""
    return tuple(some[n] for n in np.random.default_rng(seed).permutation(len(some)))


def results(quality: Quality):
    """Results of all groups by such a detector."""
    from detecting.figures import Results

    sized = [m for low, high in ((1.5, 2), (2, 3), (3, 5)) for m in marks(400, low, high, seed=int(low * 2))]
    places = marks(1200, 2, 3, 9)
    mixed = shuffled([replace(m, centre_mm=n.centre_mm) for m, n in zip(sized, places, strict=True)], 1)
    few, pair = marks(20, 2, 5, 2), marks(20, 2.99, 3.01, 3)
    pairs = shuffled([*pair, *(replace(m, centre_mm=m.centre_mm._replace(z=4.0)) for m in pair)], 2)
    mass = replace(marks(1, 40, 41, 4)[0], centre_mm=few[0].centre_mm._replace(x=-200.0))
    case = (*marks(220, 2.5, 3.5, 5), mass)
    by = {
        "counts": [result("c", mixed[:n], quality) for n in (50, 300, 1200)],
        "few": [result("f", few, PERFECT)] * 10,
        "most": [result("x", mixed, quality)],
        "pairs": [result("p", pairs, quality)] * 5,
        "alone": [result("a", mixed, PERFECT)],
        "among": [result("a", mixed, quality)],
        "case": [result("k", case, quality)],
        "sparse": [result("s", few, quality)] * 15,
    }
    for simulator in ("first", "second"):
        worse = replace(quality, share=quality.share**2) if simulator == "second" else quality
        by[f"miliary-{simulator}"] = [result("m", mixed, worse)] * 2
        by[f"empty-{simulator}"] = [result("e", (), quality)] * 2
    network = {(group, "network"): tuple(some) for group, some in by.items()}
    return Results(by_group=network | _real(quality))


def _real(quality: Quality):
    from detecting import plans, real

    names = {
        "thin": (plans.CRISP_3, plans.CRISP_2, plans.CRISP_1),
        "vague": (plans.FAINT_RANDOM, plans.FAINT_ALONG, plans.GLASS),
        "thick": (plans.THICK,),
    }
    by = {}
    for group, orders in names.items():
        truth = marks(60 * len(orders), 2, 4, 6)
        labels = tuple(f"{orders[n % len(orders)]}@free" for n in range(len(truth)))
        by[group, "network"] = (result("LIDC-IDRI-0295 x", truth, quality, labels),)
        if group == "vague":
            by[group, "log"] = (result("LIDC-IDRI-0295 x", truth, replace(PERFECT, best=0.5), labels),)
    blind = replace(quality, share=0.0) if quality is POOR else quality
    agreed = {name: tuple(f.mark for f in real.findings(name)) for name in real.LIDC}
    by["real", "network"] = tuple(
        replace(result(f"{name} x", some, blind), truth=(), labels=(), ignored=some)
        for name, some in agreed.items()
    )
    by["real", "log"] = tuple(result(f"{name} x", (), replace(PERFECT, false=20)) for name in real.LIDC)
    for who in ("network", "fp16", "int8"):
        by["precision", who] = by["vague", "network"]
    return by


@pytest.fixture(scope="module")
def tables():
    """The rows of a perfect and of a poor detector."""
    from detecting import rows_model, rows_phantom, rows_real

    def rows(some):
        return [
            *rows_phantom.rows(some),
            *rows_real.rows(some),
            *rows_model.precisions(some),
        ]

    return rows(results(PERFECT)), rows(results(POOR))


@pytest.mark.real_data
def test_every_row_is_met_by_a_perfect_detector(tables):
    """All figures of the table are there, measured, and met when nothing is missed and nothing false."""
    good, _ = tables
    assert {row.name: row.met for row in good if row.target is not None and not row.met} == {}
    assert len({row.name for row in good}) == len(good)


@pytest.mark.real_data
def test_every_row_can_fail(tables):
    """A detector that is poor in everything fails every row with a target, but for one that is a ceiling."""
    _, poor = tables
    met = [row.name for row in poor if row.target is not None and row.met]
    assert met == ["slope of found against true, at most"]  # it finds too few, not too many


def test_nothing_measured_is_said():
    """With no result at all every row is there and says that it was not measured."""
    from detecting import rows_phantom, rows_real
    from detecting.figures import Results

    empty = [*rows_phantom.rows(Results(by_group={})), *rows_real.rows(Results(by_group={}))]
    assert len(empty) == 34
    assert all(row.value is None and row.note and row.met is None for row in empty)


def test_no_case_has_a_seed_that_networks_learn_from():
    """Every simulated case of every plan lies beyond the training's seeds; no two are the same case."""
    from detecting import plans, specs

    for size in (plans.SUBSET, plans.FULL):
        groups = plans.groups(size)
        simulated = [s for some in groups.values() for s in some if isinstance(s, specs.Simulated)]
        assert min(s.seed for s in simulated) >= 100_000
        assert all(s.scan.slice_mm <= 1.25 for s in (*groups["miliary-first"], *groups["miliary-second"]))
        keys = {specs.key(s) for s in simulated}
        shared = len(groups["most"]) + 1  # the densest scan and the one among which others are shown
        assert len(keys) == len(simulated) - shared


@pytest.mark.real_data
def test_readers_agree_on_nine_findings():
    """The marks of the five real scans hold four findings of 3 mm and more, and five smaller ones."""
    from detecting import real

    found = [f for name in real.LIDC for f in real.findings(name)]
    assert sum(f.diameter_mm is not None for f in found) == 4
    assert sum(f.diameter_mm is None for f in found) == 5
    assert set(real.HELD_OUT) == {*real.LIDC, real.FUSED}


def test_a_network_is_not_judged_on_what_it_learned_from(tmp_path):
    """On a series that a model's manifest names, its held-out network is asked for, and told to lack."""
    from detecting import real, specs, subjects

    log = subjects.bundled("log/1")
    assert [name for name in real.HELD_OUT if subjects.saw(log, name)] == [
        "LIDC-IDRI-0295",
        real.FUSED,
        "LIDC-IDRI-0028",
    ]
    copy = tmp_path / "other" / "1"
    shutil.copytree(log.folder, copy)
    told = (copy / "manifest.json").read_text().replace('"name": "log"', '"name": "other"', 1)
    (copy / "manifest.json").write_text(told)
    other = subjects.Judged(whole=subjects.Subject(folder=copy))
    assert other.on(specs.Real(series="LIDC-IDRI-0001")) == other.whole
    assert other.on(specs.Real(series="LIDC-IDRI-0028")).folder.parent.name == "without-0028-0306"
    assert subjects.Judged(whole=log).lacking() == []
    assert subjects.Judged(whole=log).seen() == ["LIDC-IDRI-0295", real.FUSED, "LIDC-IDRI-0028"]


def test_results_are_kept_and_code_changes_noticed(tmp_path, monkeypatch):
    """A case is computed once; a result that other sources made is not taken, unless it is asked for."""
    from detecting import specs, subjects
    from detecting.store import Store, Work

    from millet.phantom.spec import PRESETS, Scan

    preset = replace(PRESETS["miliary"], nodules=6)
    spec = specs.Simulated(
        simulator="first", preset=preset, seed=100_000, scale=0.3, scan=Scan(slice_mm=1.25)
    )
    subject = subjects.bundled("log/1")
    store = Store(tmp_path, scans=tmp_path / "scans")
    assert [wrong for _, wrong in store.fill([Work(spec=spec, subjects=(subject,))], 1)] == [""]
    kept = store.result(spec, subject)
    assert kept is not None
    assert len(kept.truth) == 6
    assert len(kept.measured) == len(kept.reported) <= len(kept.found)
    assert list(store.fill([Work(spec=spec, subjects=(subject,))], 1)) == []
    again = Store(tmp_path / "again", scans=tmp_path / "scans")
    monkeypatch.setattr(specs, "make", lambda _spec: pytest.fail("the scan was kept"))
    assert again.compute(Work(spec=spec, subjects=(subject,))) == ""
    assert again.result(spec, subject).found == kept.found
    monkeypatch.setattr(specs, "code", lambda _spec: "another")
    assert store.result(spec, subject) is None
    assert Store(tmp_path, stale=True).result(spec, subject) is not None


def test_an_exam_keeps_some_of_its_nodules_and_all_that_is_false():
    """With none, some and all of them; the findings of those that it lost are gone, and it is one subject."""
    from calibrating.exams import COUNTS, DRAWS, exams
    from detecting.specs import FIRST, Simulated

    from millet.phantom.spec import PRESETS

    made = result("chest", marks(16, 3.0, 5.0, 1), Quality(false=5))
    spec = Simulated(simulator=FIRST, preset=PRESETS["negative"], seed=1)
    some = list(exams(spec, made, 1.0))
    assert len(some) == DRAWS * sum(count <= 16 for count in COUNTS)
    assert {exam.subject for exam in some} == {"chest"}
    for exam, count in zip(some, [c for c in COUNTS for _ in range(DRAWS)], strict=False):
        assert (int(exam.nodule.sum()), int((~exam.nodule).sum())) == (count, 5)
        assert exam.per_litre == pytest.approx((count + 5) / made.figures["lung_l"])
