"""A case of the benchmark: what is asked for, and the scan with its truth that is made from it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from table import ROOT

from detecting import real
from millet.codec.tables import Mark
from millet.core.lungs import lungs
from millet.core.volume import Volume
from millet.phantom import implant, implant_kinds, implant_sites, presets
from millet.phantom.implant_kinds import Order
from millet.phantom.spec import Preset, Scan

FIRST, SECOND = "first", "second"
_CODE = ROOT / "service" / "millet"
_JUDGED = [
    *(
        _CODE / "core" / f"{name}.py"
        for name in ("lungs", "resample", "lattice", "cover", "candidates", "measure")
    ),
    _CODE / "flow" / "detect.py",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """A phantom of either simulator."""

    simulator: str
    preset: Preset
    seed: int
    scale: float = 1.0
    scan: Scan = Scan()  # noqa: RUF009 - a frozen value may be shared

    @property
    def name(self) -> str:
        """A few words."""
        return f"{self.simulator} {self.preset.name} {self.preset.nodules} seed {self.seed}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Real:
    """A real series, with implants or as it is."""

    series: str
    orders: tuple[Order, ...] = ()
    seed: int = 0

    @property
    def name(self) -> str:
        """A few words."""
        what = " ".join(order.name for order in self.orders) or "as it is"
        return f"{self.series} {what} seed {self.seed}"


Spec = Simulated | Real


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Made:
    """A scan and its truth; `labels` says of each mark what order it is of and where it lies."""

    volume: Volume
    truth: tuple[Mark, ...]
    labels: tuple[str, ...]
    ignored: tuple[Mark, ...] = ()


def make(spec: Spec) -> Made:
    """Make the scan of a case."""
    return _simulated(spec) if isinstance(spec, Simulated) else _real(spec)


def key(spec: Spec) -> str:
    """The name under which results of a case are kept."""
    return hashlib.sha256(repr(spec).encode()).hexdigest()[:16]


def code(spec: Spec) -> str:
    """A digest of the sources that a result depends on beside model and case."""
    phantom = _CODE / "phantom"
    if isinstance(spec, Real):
        drawn = [phantom / f"{name}.py" for name in ("lesion", "implant", "implant_kinds", "implant_sites")]
    else:
        drawn = sorted((phantom / "second" if spec.simulator == SECOND else phantom).glob("*.py"))
        drawn = [path for path in drawn if not path.name.startswith(("lesion", "implant", "dicom"))]
    return _digest([*drawn, *_JUDGED])


def _digest(paths: list[Path]) -> str:
    whole = hashlib.sha256()
    for path in paths:
        whole.update(path.read_bytes() if path.exists() else b"")
    return whole.hexdigest()[:16]


def _simulated(spec: Simulated) -> Made:
    if spec.simulator == SECOND:
        from millet.phantom.second import presets as second

        maker = second.make
    else:
        maker = presets.make
    phantom = maker(spec.preset, seed=spec.seed, scale=spec.scale, scan=spec.scan)
    return Made(volume=phantom.volume, truth=phantom.truth, labels=("",) * len(phantom.truth))


def _real(spec: Real) -> Made:
    volume = real.series(spec.series)
    ignored = real.marks(spec.series)
    if not spec.orders:
        return Made(volume=volume, truth=(), labels=(), ignored=ignored)
    rng = np.random.default_rng([spec.seed, 1905])
    ground = implant_sites.survey(volume, lungs(volume), real.kept_clear(spec.series), rng)
    drawn = implant_kinds.draw(ground, spec.orders, rng)
    done = implant.lay(volume, [one.lesion for one in drawn], real.blur(spec.series))
    labels = tuple(f"{one.order}@{one.site}" for one in drawn)
    whole = Volume(hu=np.rint(done.volume.hu).astype(np.int16), grid=volume.grid)  # as a scanner stores it
    return Made(volume=whole, truth=done.truth, labels=labels, ignored=ignored)
