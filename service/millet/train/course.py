"""The whole path from an empty folder to the networks of a model: chests, two networks, their thresholds.

The fine network learns on simulated chests first, which every variant of the model shares, then on
simulated and real ones together. A variant leaves out real series, so that figures on those are of a
network that never saw them. The coarse network learns on all at once: it is quick.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from millet.train import calibrate, gather, loop
from millet.train.backgrounds import Background
from millet.train.gather import Real
from millet.train.loss import Parts
from millet.train.net import Net
from millet.train.windows import Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What one of the networks is taught, and on which simulated chests."""

    name: str
    recipe: Recipe
    diameters_mm: tuple[float, float]
    """What it reports: a little less at either end than it was taught."""
    seeds: Sequence[int]
    """Of the first simulator; seeds that judge begin at 100,000."""
    held_out: Sequence[int]
    """Seeds of chests that the threshold is set on."""
    false_per_litre: float
    """What the threshold lets through in nodule-free simulated lung."""


FINE = Subject(
    name="fine",
    recipe=Recipe(grid_mm=1.0, side=48, diameter_mm=(1.3, 9.0)),
    diameters_mm=(1.0, 10.0),
    seeds=range(2000, 2028),
    held_out=range(2900, 2904),
    false_per_litre=0.2,
)
COARSE = Subject(
    name="coarse",
    recipe=Recipe(
        grid_mm=4.0, side=32, diameter_mm=(7.0, 60.0), small_mm=18.0, small_share=0.6, most=6, rim=2
    ),
    diameters_mm=(8.0, 80.0),
    seeds=range(3000, 3006),
    held_out=range(3900, 3902),
    false_per_litre=0.02,
)
REAL_SHARE = 0.6
"""Of the windows, once real chests are there."""
AGAIN_RATE = 1.5e-3
"""Learning rate of a network that has learned before."""
VALIDATION_SEED = 99
VALIDATION_WINDOWS = 240


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """How long to learn: on simulated chests, then with real ones; and the coarse network."""

    simulated: int = 6000
    mixed: int = 6000
    coarse: int = 2000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Learned:
    """One trained network, what it is run on, and where its threshold lies."""

    subject: Subject
    net: Net
    threshold: float
    validation: tuple[Background, ...]


Watch = Callable[[str, float], None]
"""What is being done, and the share of it that is done, 0..1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """A work folder, what to learn on, and for how long; `learn` goes on where the folder was left."""

    work: Path
    real: tuple[Real, ...]
    """Those that this variant learns on."""
    marks: Path | None
    steps: Steps
    watch: Watch
    seed: int = 1
    workers: int = 1
    """Processes that make windows."""
    compiled: bool = False
    """Whether steps are compiled."""
    start: Net | None = None
    """A fine network that has learned before."""

    def learn(self, variant: str) -> tuple[Learned, ...]:
        """Train both networks of a variant."""
        fine = self.start
        if self.steps.simulated:
            fine = self._train(FINE, "simulated", self._chests(FINE, ()), self.steps.simulated, start=fine)
        if self.real and self.steps.mixed:
            chests = self._chests(FINE, self.real)
            fine = self._train(FINE, variant, chests, self.steps.mixed, start=fine)
        if fine is None:
            raise ValueError("no steps, and nothing to start from")
        coarse = self._train(COARSE, variant, self._chests(COARSE, self.real), self.steps.coarse)
        return self._judged(FINE, fine), self._judged(COARSE, coarse)

    def _chests(self, subject: Subject, real: Sequence[Real]) -> list[Background]:
        """Simulated and real ones, real ones as often as their share of the windows asks for."""
        pool = self.work / "chests" / subject.name
        made = gather.gather(pool, subject.recipe.grid_mm, subject.seeds, real, self.marks, self._tell)
        sims, lungs = made[: len(subject.seeds)], made[len(subject.seeds) :]
        if not lungs:
            return sims
        times = max(round(len(sims) * REAL_SHARE / (1 - REAL_SHARE) / len(lungs)), 1)
        return sims + lungs * times

    def _train(
        self,
        subject: Subject,
        variant: str,
        chests: list[Background],
        steps: int,
        *,
        start: Net | None = None,
    ) -> Net:
        what = f"{subject.name} network, {variant}"

        def progress(step: int, last: int, parts: Parts) -> None:
            self.watch(f"{what}, loss {float(parts.total.detach()):.2f}", step / last)

        plan = loop.Plan(seed=self.seed, steps=steps, workers=self.workers, compiled=self.compiled)
        if start is not None:
            plan = replace(plan, seed=self.seed + 1, rate=AGAIN_RATE, settled=True)
        folder = self.work / "networks" / f"{subject.name}-{variant}"
        return loop.train(chests, subject.recipe, plan, folder, start=start, progress=progress)

    def _judged(self, subject: Subject, net: Net) -> Learned:
        """With a threshold, set on chests and windows that were not learned from."""
        pool = self.work / "chests" / f"{subject.name}-held-out"
        chests = gather.gather(pool, subject.recipe.grid_mm, subject.held_out, (), None, self._tell)
        empty = calibrate.scores(
            net, chests, subject.recipe, seed=VALIDATION_SEED, windows=VALIDATION_WINDOWS, empty=True
        )
        level = calibrate.threshold(empty, subject.false_per_litre)
        return Learned(subject=subject, net=net, threshold=level, validation=tuple(chests))

    def _tell(self, chest: str) -> None:
        self.watch(f"chest {chest}", 0.0)
