"""What a phantom is asked to be, and what comes back: values that both simulators share."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np

from millet.codec.tables import Mark
from millet.core.volume import Volume
from millet.phantom import after
from millet.phantom.after import After

Progress = Callable[[str, float], None]
REFERENCE_MAS = 40.0
REFERENCE_NOISE_HU = 40.0
"""At REFERENCE_MAS and 1 mm slices; noise goes with one over the root of dose and of slice thickness."""
EVENNESS = 0.62
KINDS = ("solid", "part_solid", "ground_glass", "calcified", "fat")
SPREADS = ("random", "centrilobular", "perilymphatic")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """A protocol.

    `fwhm_mm` is the in-plane blur (0.8 sharp to 1.4 soft); `noise_hu` the standard deviation in the
    middle of the chest; `slice_mm` the thickness, `interval_mm` the distance of the slices where they
    overlap (None: they touch). `edge` is how much a sharp kernel overshoots at edges (0 none, 1.5 a
    hard lung kernel), which makes the noise finer too.
    """

    pixel_mm: float = 0.7
    slice_mm: float = 1.0
    noise_hu: float = 40.0
    fwhm_mm: float = 1.0
    interval_mm: float | None = None
    edge: float = 0.0

    def __post_init__(self) -> None:
        if not (0.3 <= self.pixel_mm <= 3 and 0.3 <= self.slice_mm <= 10):
            raise ValueError(f"voxels of {self.pixel_mm} x {self.slice_mm} mm are no CT")
        if self.noise_hu < 0 or not 0.5 <= self.fwhm_mm <= 3:
            raise ValueError(f"noise {self.noise_hu} HU or blur {self.fwhm_mm} mm out of range")
        if not 0.2 <= self.step_mm <= self.slice_mm:
            raise ValueError(f"slices of {self.slice_mm} mm do not lie {self.step_mm} mm apart")
        if not 0 <= self.edge <= 3:
            raise ValueError(f"edge enhancement {self.edge} out of range 0 to 3")

    @property
    def mas(self) -> float:
        """Tube current times time that would give this noise; 0.1 to 999."""
        ratio = REFERENCE_NOISE_HU / max(self.noise_hu, 1.0)
        return float(np.clip(REFERENCE_MAS * ratio**2 / self.slice_mm, 0.1, 999))

    @property
    def step_mm(self) -> float:
        """The distance of neighbouring slices."""
        return self.slice_mm if self.interval_mm is None else self.interval_mm

    @property
    def planes_a_step(self) -> int:
        """Planes of at most 1 mm from one slice to the next; two or more where a slice takes in parts."""
        fewest = int(np.ceil(self.step_mm - 1e-6))
        planes = self.slice_mm / self.step_mm * fewest
        return fewest if abs(planes - round(planes)) < 1e-6 else max(fewest, 2)

    @property
    def profile(self) -> tuple[float, ...]:
        """What the planes that are averaged into one slice count; only the outer two count less than 1."""
        planes = self.slice_mm / self.step_mm * self.planes_a_step
        count = int(np.ceil(planes - 1e-6))
        outer = 1.0 if count < 2 else min((planes - count + 2) / 2, 1.0)
        return tuple(outer if k in {0, count - 1} else 1.0 for k in range(count))

    @property
    def sub_slices(self) -> int:
        """Planes that are averaged into one slice, by their `profile`."""
        return len(self.profile)

    @property
    def sigma_mm(self) -> float:
        """The in-plane blur as a standard deviation."""
        return self.fwhm_mm / 2.355


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """What a phantom has.

    `kinds` are the shares of each of KINDS among the nodules, `spread` is one of SPREADS. `emphysema`
    is the share of the lungs that it destroyed, `scars` the number of bands; `contrast` is given into
    the blood. With `least_nodules`, the number is drawn evenly from that to `nodules`. With `pair_mm`
    above 0, nodules come two by two, their centres that far apart. With `keep`, only the first so many
    nodules are drawn: the same places, shapes and noise without the neighbours. With `lobes` the first
    simulator draws the fissures of five lobes, as the second always does.
    """

    nodules: int
    diameter_mm: tuple[float, float]
    name: str = "custom"
    normal: bool = False
    """Diameters are normal (mean, standard deviation); else log-uniform between the two."""
    mass: bool = False
    effusion: bool = False
    kinds: Mapping[str, float] = field(default_factory=lambda: {"solid": 1.0})
    spread: str = "random"
    emphysema: float = 0.0
    scars: int = 0
    contrast: bool = False
    least_nodules: int | None = None
    pair_mm: float = 0.0
    keep: int | None = None
    after: After | None = field(default=None, repr=False)
    """The patient of everything else, later; out of `repr`, which names what is drawn the first time."""
    evenness: float = field(default=EVENNESS, repr=False)
    """Of random nodules in the first simulator: how far apart they keep, as a share of the room that each
    has; 0 for anywhere. What is spread more evenly than chance is not random to a test of randomness."""
    lobes: bool = field(default=False, repr=False)
    """Without, the first simulator draws one sheet a lung, which falls to the back and bounds no lobe."""
    patient: str = field(default="MILLET-PHANTOM", repr=False)
    """What its patient's ID begins with."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9-]{0,15}", self.name):
            raise ValueError(f"{self.name!r} is no name for a preset")
        if self.nodules < 0 or not 0 <= (self.least_nodules or 0) <= self.nodules:
            raise ValueError(f"{self.least_nodules} to {self.nodules} nodules cannot be")
        least, most = self.diameter_mm
        if least <= 0 or (not self.normal and most < least) or most < 0:
            raise ValueError(f"no diameters {least} to {most} mm")
        unknown = set(self.kinds) - set(KINDS)
        if unknown or min(self.kinds.values(), default=-1) < 0 or sum(self.kinds.values()) <= 0:
            raise ValueError(f"shares of {', '.join(KINDS)} are wanted, not {dict(self.kinds)}")
        if self.spread not in SPREADS:
            raise ValueError(f"no spread {self.spread!r}; there are {', '.join(SPREADS)}")
        if not 0 <= self.emphysema <= 0.5 or self.scars < 0 or self.pair_mm < 0:
            raise ValueError(f"emphysema {self.emphysema}, scars {self.scars}, pair_mm {self.pair_mm}: no")
        if self.keep is not None and self.keep < 0:
            raise ValueError(f"{self.keep} nodules cannot be kept")
        if self.pair_mm and (self.spread != "random" or self.nodules % 2):
            raise ValueError("pairs are an even number of nodules, spread at random")

    def settled(self, nodules: int | None, seed: int) -> Preset:
        """The same with its number of nodules: the one given, or the one that the seed draws."""
        if nodules is None and self.least_nodules is not None:
            nodules = int(np.random.default_rng([seed, 90]).integers(self.least_nodules, self.nodules + 1))
        return replace(self, nodules=self.nodules if nodules is None else nodules, least_nodules=None)


_MANY: tuple[Preset, ...] = (
    Preset(
        name="case",
        nodules=220,
        diameter_mm=(3.0, 0.3),
        normal=True,
        mass=True,
        effusion=True,
        evenness=0.0,
        lobes=True,
    ),
    Preset(name="miliary", nodules=500, diameter_mm=(1.5, 5.0)),
    Preset(name="sparse", nodules=3, diameter_mm=(4.0, 12.0)),
    Preset(name="negative", nodules=0, diameter_mm=(3.0, 3.0)),
    Preset(
        name="lunalike",
        nodules=4,
        least_nodules=0,
        diameter_mm=(3.0, 12.0),
        kinds={"solid": 0.7, "part_solid": 0.1, "ground_glass": 0.15, "calcified": 0.05},
    ),
    Preset(name="centrilobular", nodules=400, diameter_mm=(2.0, 5.0), spread="centrilobular"),
    Preset(name="perilymphatic", nodules=400, diameter_mm=(1.5, 5.0), spread="perilymphatic"),
    Preset(name="emphysema", nodules=60, diameter_mm=(2.0, 8.0), emphysema=0.25, scars=6),
    Preset(name="pairs", nodules=200, diameter_mm=(3.0, 0.0), normal=True, pair_mm=4.0),
)
PRESETS = {preset.name: preset for preset in _MANY}
NAMES = tuple(PRESETS)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Phantom:
    """A scan with its truth. `volume` is canonical, int16 HU; `lung_ml` is air-filled lung.

    `preset` is the name of what was asked for and `asked` all of it; `simulator` tells who drew it.
    """

    preset: str
    asked: Preset
    seed: int
    scale: float
    scan: Scan
    volume: Volume
    truth: tuple[Mark, ...]
    lung_ml: float
    effusion_ml: float
    simulator: str = "first"
    followed: tuple[int | None, ...] = ()
    """Of the second of a pair: which of `truth` each of the first one's is, None for what is gone."""

    @property
    def key(self) -> tuple[str, ...]:
        """What identifiers are a function of: everything that the pixels are a function of."""
        return (
            self.simulator,
            repr(self.asked) + " with lobes" * self.asked.lobes + _evenness(self.asked),
            str(self.seed),
            str(len(self.truth)),
            repr(self.scale),
            repr(self.scan),
            *([repr(self.asked.after)] if self.asked.after else []),
        )


def _evenness(asked: Preset) -> str:
    return "" if asked.evenness == EVENNESS else f" evenness {asked.evenness}"


def chosen(preset: str | Preset) -> Preset:
    """The preset of a name, or the one given. Raises ValueError for an unknown name."""
    if isinstance(preset, Preset):
        return preset
    if preset not in PRESETS:
        raise ValueError(f"no preset {preset!r}; there are {', '.join(NAMES)}")
    return PRESETS[preset]


def read(text: str) -> tuple[Preset, Scan]:
    """A preset and a protocol from TOML: tables `preset` and `scan` with the fields of those names.

    In `preset`, `like` names a preset to start from. Raises ValueError that says what does not fit.
    A table `after` asks for the second of a pair.
    """
    tables = tomllib.loads(text)
    second = None if (later := tables.pop("after", None)) is None else after.of(later)
    asked, scan = tables.pop("preset", {}), tables.pop("scan", {})
    if tables or not isinstance(asked, dict) or not isinstance(scan, dict):
        raise ValueError("only tables preset, scan and after are wanted")
    start = chosen(asked.pop("like")) if "like" in asked else Preset(nodules=0, diameter_mm=(3.0, 3.0))
    wanted = _changed(start, {"name": "custom", **asked})
    return replace(wanted, after=second), _changed(Scan(), scan)


_Value = TypeVar("_Value", Preset, Scan)


def _changed(value: _Value, fields: Mapping[str, Any]) -> _Value:
    try:
        return replace(value, **{name: _fitting(value, name, new) for name, new in fields.items()})
    except TypeError as wrong:
        raise ValueError(str(wrong)) from wrong


def _fitting(value: Preset | Scan, name: str, new: Any) -> Any:
    """A field as TOML has it, as the value wants it."""
    old = getattr(value, name, None)
    if isinstance(old, int) and not isinstance(new, int):
        raise TypeError(f"{name} is a whole number, not {new!r}")
    if isinstance(old, float) and not isinstance(new, int | float):
        raise TypeError(f"{name} is a number, not {new!r}")
    return tuple(new) if isinstance(old, tuple) else new
