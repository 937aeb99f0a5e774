"""The card of a trained model: what it is, what it learned on, and what is known of its limits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from millet.core.manifest import Source
from millet.train.course import Learned, Steps
from millet.train.net import HALO, multiply_adds_per_voxel

_TEXT = """# {name}: centre heat without a ceiling

Triage aid and research software, not a medical device; it makes no diagnosis.

## What it is
Two small convolutional networks of one shape. Each takes 2x2x2 voxels as channels, looks at them at two and
at four voxels' resolution, and says of every voxel whether the centre of a nodule lies in it, where in it,
and how wide the nodule is. A voxel whose heat is the largest of its 27 neighbours is a peak. There is no
TopK, no box, no suppression by overlap, no cap, no normalisation or attention over the window: a score
depends on nothing farther than {halo} voxels, so it cannot depend on how many nodules there are.

| network | grid | sizes it reports | threshold | cost |
| --- | --- | --- | --- | --- |
{networks}

## Why these grids
One millimetre still samples what tells a 1.5 mm nodule from a vessel as wide: common kernels blur by 1 to
1.4 mm. At 0.8 mm the same network would cost twice the arithmetic, and only a network of half the size would
stay within 250 GFLOP for a lung of 4.5 litres. Four millimetres keep a mass of 60 mm within view.

## What it learned on
Windows with nodules drawn into them: solid, faint and vague, ground glass, part solid, calcified; 1.3 to 9 mm
(coarse: 7 to 60 mm); at random, along the pleura, beside vessels, crowded, in pairs; none in a third of the
windows, up to {most} in the others. {steps}
{sources}
{without}
Readers' marks on the real series were neither nodules to learn nor errors: the loss does not look there.
So no real nodule was learned from. The second chest simulator was never trained on.

## Thresholds
Set where nodule-free simulated chests that were not trained on give the stated rate of false peaks for a
litre of lung; no real chest, and no figure of the benchmark, was used to set them.

## What is known of its limits
`make bench-detector` prints what it is held to, with intervals; on real series it asks networks of the same
making that had not seen the patient. Five public scans carry no claim of sensitivity for real nodules.

## Input and output
`hu` (B, 1, D, H, W) float32 HU, sides in multiples of four. `position_voxels` (N, 3) sub-voxel z, y, x;
`diameter_voxels` (N,); `score` (N,) 0..1; `window` (N,) which of the batch. Peaks within the halo of
a window's rim are not exact and belong to the neighbouring window. fp16 and int8 are of the same weights.

Made by `millet train`. Apache-2.0.
"""


def simulated(learned: Sequence[Learned]) -> tuple[Source, ...]:
    """The simulated chests, as sources of the manifest."""
    return tuple(
        Source(
            data=f"Simulated chests {one.subject.seeds[0]} to {one.subject.seeds[-1]} of Millet's first "
            f"simulator ({one.subject.name} network)",
            licence="Apache-2.0",
        )
        for one in learned
    )


def text(
    folder: Path,
    learned: Sequence[Learned],
    sources: Sequence[Source],
    without: Sequence[str],
    steps: Steps,
    *,
    start: Path | None = None,
) -> str:
    """The card, as Markdown; `start` is the checkpoint that the fine network began from."""
    kilo = 2 * multiply_adds_per_voxel() / 1000
    rows = [
        f"| {one.subject.name} | {one.subject.recipe.grid_mm:g} mm | {one.subject.diameters_mm[0]:g} to "
        f"{one.subject.diameters_mm[1]:g} mm | {one.threshold:.3f} ({one.subject.false_per_litre:g} a litre)"
        f" | {kilo:.1f} kFLOP a voxel |"
        for one in learned
    ]
    left_out = f"\nLeft out, so that it can be judged on them: {', '.join(without)}.\n" if without else ""
    return _TEXT.format(
        name=f"{folder.parent.name}/{folder.name}",
        halo=HALO,
        networks="\n".join(rows),
        most=max(one.subject.recipe.most for one in learned),
        steps=_steps(steps, start),
        sources="\n".join(f"- {source.data}: {source.licence}" for source in sources),
        without=left_out,
    )


def _steps(steps: Steps, start: Path | None) -> str:
    begun = f"from `{start.name}`, which had learned before, " if start else ""
    told = f"{begun}{steps.simulated} on simulated chests, {steps.mixed} with real ones too"
    return f"Steps of eight windows:\n{told}; {steps.coarse} for the coarse network.\n"
