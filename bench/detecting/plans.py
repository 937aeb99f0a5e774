"""Which cases are judged: a fixed subset for 40 minutes on two cores, and the full set.

Networks learn from seeds 0 to 9,999 of the first simulator and never from the second; every seed here is
above that. The chests of some groups are smaller than life (`scale`), where the figure is a share of
nodules and does not depend on how much lung there is; false findings a scan are taken in whole ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from detecting import real
from detecting.specs import FIRST, SECOND, Real, Simulated, Spec
from millet.phantom.implant_kinds import A_THIRD_TOUCHING, ALONG, AT_RANDOM, CRISP, FAINT, GROUND_GLASS, Order
from millet.phantom.spec import PRESETS, Preset, Scan

FIRST_SEED = 100_000
PROTOCOLS = (
    Scan(slice_mm=1.0, noise_hu=40, fwhm_mm=1.0),
    Scan(slice_mm=1.25, noise_hu=30, fwhm_mm=1.3),
    Scan(slice_mm=0.8, noise_hu=55, fwhm_mm=1.1),
    Scan(slice_mm=1.25, noise_hu=45, fwhm_mm=0.9, edge=0.8),
)
"""Soft and sharp, quiet and noisy, all thin."""
SPARSE_PROTOCOLS = (
    *PROTOCOLS[:2],
    Scan(slice_mm=2.0, noise_hu=25, fwhm_mm=1.2),
    Scan(slice_mm=2.5, noise_hu=30),
)
FEW = 20
AMONG = 2000
MOST = 3000
KEPT = 60
"""How many of the 2,000 are also shown alone."""

CRISP_3, CRISP_2, CRISP_1 = "crisp-3-5", "crisp-2-3", "crisp-1.5-2"
FAINT_RANDOM, FAINT_ALONG, GLASS, THICK = "faint-random", "faint-along", "glass", "thick-3-5"


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much of everything."""

    miliary: int
    """Scans a simulator."""
    empty: int
    counts: tuple[int, ...]
    few: int
    pairs: int
    alone: int
    case: int
    sparse: int
    copies: int
    """Copies of each real series with implants."""
    crisp: int
    """Crisp implants a copy and bin in thin slices; half as many of every other sort."""
    scale: float = 0.8
    whole: float = 1.0


SUBSET = Size(
    miliary=4, empty=6, counts=(100, 300, 1000), few=8, pairs=1, alone=1, case=1, sparse=8, copies=2, crisp=80
)
FULL = Size(
    miliary=15,
    empty=40,
    counts=(50, 100, 200, 300, 500, 700, 1000, 1500),
    few=30,
    pairs=6,
    alone=6,
    case=6,
    sparse=60,
    copies=6,
    crisp=80,
)
TINY = Size(
    miliary=1, empty=1, counts=(15,), few=1, pairs=1, alone=1, case=1, sparse=1, copies=1, crisp=6,
    scale=0.35, whole=0.35,
)  # fmt: skip

Groups = Mapping[str, tuple[Spec, ...]]


def groups(size: Size) -> Groups:
    """All cases of the benchmark, by what they are for."""
    made: dict[str, tuple[Spec, ...]] = {}
    for simulator in (FIRST, SECOND):
        made[f"miliary-{simulator}"] = tuple(_miliary(simulator, size))
        made[f"empty-{simulator}"] = tuple(
            _phantom(simulator, PRESETS["negative"], 200 + n, size.whole) for n in range(size.empty)
        )
    made |= _counts(size) | _scenes(size)
    for simulator in (FIRST, SECOND):
        made["sparse"] = made.get("sparse", ()) + tuple(_sparse(simulator, size))
    made |= _real(size)
    return made


def _phantom(
    simulator: str, preset: Preset, number: int, scale: float, scan: Scan | None = None
) -> Simulated:
    """A phantom with a seed of its own by number; the protocol goes round."""
    return Simulated(
        simulator=simulator,
        preset=preset,
        seed=FIRST_SEED + number,
        scale=scale,
        scan=scan or PROTOCOLS[number % len(PROTOCOLS)],
    )


def _many(count: int, size: Size, scale: float) -> Preset:
    """Miliary, with as many as that; fewer where the chest is small beyond the subset's."""
    room = min(1.0, (scale / 0.75) ** 3) if size.whole < 1 else 1.0
    return replace(PRESETS["miliary"], nodules=int(count * room))


def _miliary(simulator: str, size: Size) -> Iterator[Simulated]:
    for number in range(size.miliary):
        yield _phantom(simulator, _many(500, size, size.scale), number, size.scale)


def _counts(size: Size) -> dict[str, tuple[Spec, ...]]:
    """The first simulator from 0 (its empty scans) to 3,000, and many scans of few."""
    small = [
        _phantom(FIRST, _many(n, size, size.scale), 300 + k, size.scale) for k, n in enumerate(size.counts)
    ]
    among = _phantom(FIRST, _many(AMONG, size, size.whole), 400, size.whole)
    most = _phantom(FIRST, _many(MOST, size, size.whole), 500, size.whole)
    return {
        "counts": (*small, among, most),
        "few": tuple(
            _phantom(FIRST, _many(FEW, size, size.scale), 600 + n, size.scale) for n in range(size.few)
        ),
        "most": (most,),
        "among": tuple(replace(among, seed=among.seed + n) for n in range(size.alone)),
        "alone": tuple(
            replace(among, seed=among.seed + n, preset=replace(among.preset, keep=KEPT))
            for n in range(size.alone)
        ),
    }


def _scenes(size: Size) -> dict[str, tuple[Spec, ...]]:
    pairs = replace(PRESETS["pairs"], nodules=200 if size.whole == 1 else 12)
    case = PRESETS["case"] if size.whole == 1 else replace(PRESETS["case"], nodules=20)
    return {
        "pairs": tuple(
            _phantom(simulator, pairs, 700 + n, size.scale)
            for simulator in (FIRST, SECOND)
            for n in range(size.pairs)
        ),
        "case": tuple(
            _phantom(simulator, case, 800 + n, size.whole, Scan())
            for simulator in (FIRST, SECOND)
            for n in range(size.case)
        ),
    }


def _sparse(simulator: str, size: Size) -> Iterator[Simulated]:
    for number in range(size.sparse):
        scan = SPARSE_PROTOCOLS[number % len(SPARSE_PROTOCOLS)]
        yield _phantom(simulator, PRESETS["lunalike"], 900 + number, size.whole, scan)


def _real(size: Size) -> dict[str, tuple[Spec, ...]]:
    crisp, half = size.crisp, size.crisp // 2
    thin = [
        Order(name=name, sort=CRISP, count=crisp, diameter_mm=between, spread=A_THIRD_TOUCHING)
        for name, between in ((CRISP_3, (3.0, 5.0)), (CRISP_2, (2.0, 3.0)), (CRISP_1, (1.5, 2.0)))
    ]
    vague = [
        Order(name=FAINT_RANDOM, sort=FAINT, count=half, diameter_mm=(1.5, 4.0), spread=AT_RANDOM),
        Order(name=FAINT_ALONG, sort=FAINT, count=half, diameter_mm=(1.5, 4.0), spread=ALONG),
        Order(name=GLASS, sort=GROUND_GLASS, count=half, diameter_mm=(2.5, 6.0), spread=AT_RANDOM),
    ]
    thick = [Order(name=THICK, sort=CRISP, count=crisp, diameter_mm=(3.0, 5.0), spread=A_THIRD_TOUCHING)]
    if not real.there():
        return {"thin": (), "vague": (), "thick": (), "real": ()}
    return {
        "thin": _copies(real.THIN, thin, size.copies, 10),
        "vague": _copies(real.THIN, vague, size.copies, 20),
        "thick": _copies(real.THICK, thick, max(size.copies // 2, 1), 30),
        "real": tuple(Real(series=name) for name in (*real.LIDC, real.FUSED)),
    }


def _copies(series: Sequence[str], orders: Sequence[Order], copies: int, seed: int) -> tuple[Real, ...]:
    return tuple(
        Real(series=name, orders=tuple(orders), seed=FIRST_SEED + seed + n)
        for name in series
        for n in range(copies)
    )
