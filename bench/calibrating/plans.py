"""Which cases the calibration is fitted on and judged by: many nodules in each, of which exams keep a few.

Fitted on real lungs alone, of five patients whom four readers marked. Judged on the patients that a fit left
out, on a sixth whom nobody marked, and on both simulators, whose seeds nothing else draws from.
"""

from __future__ import annotations

from collections.abc import Mapping

from detecting import real
from detecting.plans import SPARSE_PROTOCOLS
from detecting.specs import FIRST, SECOND, Real, Simulated, Spec

from millet.phantom.implant_kinds import A_THIRD_TOUCHING, CRISP, FAINT, GROUND_GLASS, Order, Sort
from millet.phantom.spec import Preset

SEED = 400_000
IMPLANTS = 256
DRAWN = 128
"""Nodules of a simulated chest."""
DIAMETERS_MM = (2.0, 9.0)
CHESTS = 4
"""Of each simulator."""
SMALLER = 0.8
"""Their size. Noise, thickness and kernel go round."""
SHARES: Mapping[str, tuple[Sort, float]] = {
    "faint": (FAINT, 0.25),
    "glass": (GROUND_GLASS, 0.15),
    "crisp": (CRISP, 0.6),
}
KINDS = {"solid": 0.7, "part_solid": 0.1, "ground_glass": 0.15, "calcified": 0.05}

Groups = Mapping[str, tuple[Spec, ...]]


def groups() -> Groups:
    """All cases by what they are: `real` is fitted on, the others are judged only."""
    there = real.there()
    return {
        "real": tuple(_implanted(name) for name in real.LIDC) if there else (),
        "unmarked": (_implanted(real.FUSED),) if there else (),
        FIRST: tuple(_simulated(FIRST, number) for number in range(CHESTS)),
        SECOND: tuple(_simulated(SECOND, number) for number in range(CHESTS)),
    }


def _implanted(series: str) -> Real:
    counts = {name: int(IMPLANTS * share) for name, (_, share) in SHARES.items()}
    counts["crisp"] += IMPLANTS - sum(counts.values())
    orders = tuple(
        Order(
            name=name,
            sort=SHARES[name][0],
            count=count,
            diameter_mm=DIAMETERS_MM,
            spread=A_THIRD_TOUCHING,
        )
        for name, count in counts.items()
    )
    return Real(series=series, orders=orders, seed=SEED)


def _simulated(simulator: str, number: int) -> Simulated:
    return Simulated(
        simulator=simulator,
        preset=Preset(name="calibration", nodules=DRAWN, diameter_mm=DIAMETERS_MM, kinds=KINDS),
        seed=SEED + number,
        scale=SMALLER,
        scan=SPARSE_PROTOCOLS[number % len(SPARSE_PROTOCOLS)],
    )
