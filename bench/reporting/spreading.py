"""How nodules lie in the lungs: does the test of randomness hold its level, is the distribution told?

Exams are places in whole lungs of both simulators (`tests/patterns.py`), for the distribution with a
detector's errors: 5 % missed, 2 % vessels, centres 0.3 mm off along each axis. Level and power are taken
without these errors, since a finding on a vessel is no random nodule. Thresholds of the distribution were
chosen on the first simulator with seeds below 50; all figures here are of seeds from `FIRST_SEED` on.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from table import Row

from millet.core.ground import ground, reference_places
from millet.core.randomness import randomness
from millet.core.spread import Distribution, Randomness
from millet.core.spreading import Fissures, spread_of
from millet.evaluate.estimate import wilson

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from patterns import SPREADS, UNRULED, Scene, scene, scenes
from thorax import SIMULATORS, Thorax, thorax

FIRST_SEED = 1000
RANDOM_EXAMS, CLUSTERED_EXAMS, EXAMS = 1000, 200, 60
"""Exams by test of the level, of the power, and for each distribution and simulator."""
CHESTS = 4
SIZES = ("20 to 79", "80 to 299", "300 to 1,000")
LEVEL = 0.05
COSTS = {20: None, 200: None, 2000: 0.15}
ROUNDS = 9


def rows() -> list[Row]:
    """All figures."""
    return [*level_rows(), *power_rows(), *distribution_rows(), *cost_rows()]


def level_rows() -> Iterator[Row]:
    """How far the share of random exams that are rejected is from the 5 % it should be."""
    tests = list(_tests("uniform", RANDOM_EXAMS))
    for name, values in _by_test(tests):
        rate = float(np.mean(values <= LEVEL))
        low, high = wilson(int((values <= LEVEL).sum()), len(values))
        sizes = np.asarray([count for count, _ in tests])
        parts = [
            values[(sizes >= least) & (sizes < most)] for least, most in ((0, 80), (80, 300), (300, 9999))
        ]
        told = ", ".join(
            f"N {size}: {100 * np.mean(part <= LEVEL):.1f}" for size, part in zip(SIZES, parts, strict=True)
        )
        yield Row(
            name=f"test of randomness at 5 %, off its level: {name}",
            unit="points",
            value=100 * abs(rate - LEVEL),
            n=len(values),
            target=1.5,
            note=f"{100 * rate:.1f} % rejected ({100 * low:.1f} to {100 * high:.1f}); {told}",
        )


def power_rows() -> Iterator[Row]:
    """How often clusters are rejected."""
    tests = list(_tests("thomas", CLUSTERED_EXAMS))
    for name, values in _by_test(tests):
        low, high = wilson(int((values <= LEVEL).sum()), len(values))
        yield Row(
            name=f"Thomas clusters (5 within 8 mm) rejected: {name}",
            unit="",
            value=float(np.mean(values <= LEVEL)),
            low=low,
            high=high,
            n=len(values),
            target=0.9,
            higher_is_better=True,
            note=f"median Clark-Evans {np.median([one.clark_evans for _, one in tests]):.2f}",
        )


def distribution_rows() -> Iterator[Row]:
    """How often the distribution is that of the preset, 100 nodules or more."""
    for number, simulator in enumerate(SIMULATORS):
        right: dict[tuple[str, bool], list[bool]] = {}
        for spread in SPREADS:
            for seed in range(FIRST_SEED, FIRST_SEED + EXAMS):
                exam = scenes(spread, 2 * seed + number)
                for known in (True, False):
                    told = _told(exam, fissures=known) is Distribution(spread)
                    right.setdefault((spread, known), []).append(told)
        for known in (True, False):
            every = [one for spread in SPREADS for one in right[spread, known]]
            low, high = wilson(sum(every), len(every))
            shares = ", ".join(f"{spread} {np.mean(right[spread, known]):.3f}" for spread in SPREADS)
            yield Row(
                name=f"distribution, {simulator} simulator, fissures {'known' if known else 'not known'}",
                unit="",
                value=float(np.mean(every)),
                low=low,
                high=high,
                n=len(every),
                target=0.95 if known else None,
                higher_is_better=True,
                note=shares,
            )


def cost_rows() -> Iterator[Row]:
    """Processor seconds of all of it, by the number of nodules."""
    chest, rng = thorax(), np.random.default_rng(FIRST_SEED)
    for count, target in COSTS.items():
        exam = scene("cost", 0, chest, chest.anywhere(count, rng), rng.uniform(1.5, 4.5, count))
        nodules, known = exam.nodules, _fissures(exam)
        seconds = []
        for _ in range(ROUNDS):
            started = time.process_time()
            spread_of(nodules, chest.lungs, 1, lobe_litres=exam.lobe_litres, fissures=known)
            seconds.append(time.process_time() - started)
        yield Row(
            name=f"an exam's spread, {count} nodules",
            unit="core s",
            value=min(seconds),
            low=min(seconds),
            high=max(seconds),
            n=ROUNDS,
            target=target,
            note="least of the rounds",
        )


def _tests(kind: str, exams: int) -> Iterator[tuple[int, Randomness]]:
    """Nodules and tests of exams of a kind, in chests of both simulators in turn."""
    for seed in range(FIRST_SEED, FIRST_SEED + exams):
        chest: Thorax = thorax(SIMULATORS[seed % 2], seed // 2 % CHESTS)
        centres, diameters = UNRULED[kind](chest, np.random.default_rng([seed, 81]))
        found = randomness(ground(chest.lungs, centres, diameters), centres, diameters)
        if found is not None:
            yield len(centres), found


def _by_test(tests: list[tuple[int, Randomness]]) -> Iterator[tuple[str, np.ndarray]]:
    yield "Clark-Evans", np.asarray([one.clark_evans_p for _, one in tests])
    yield "Ripley", np.asarray([one.ripley_p for _, one in tests])


def _told(exam: Scene, *, fissures: bool) -> Distribution:
    return spread_of(
        exam.nodules, exam.chest.lungs, 1, fissures=_fissures(exam) if fissures else None
    ).distribution


def _fissures(exam: Scene) -> Fissures:
    return Fissures(
        nodules_mm=exam.chest.fissure_mm(exam.centres_mm),
        places_mm=exam.chest.fissure_mm(reference_places(exam.chest.lungs)),
    )
