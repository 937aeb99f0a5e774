"""The model card that goes with an imported model: where it comes from, and what was not looked at."""

from __future__ import annotations

from collections.abc import Iterator

from millet.core.count_limit import told
from millet.core.manifest import Level, Manifest
from millet.train.bundle import Bundle
from millet.train.trial import Trial

_HEAD = """# {name}: imported

Triage aid and research software, not a medical device; it makes no diagnosis.
{description}

Licence: {licence}. Trained on: {training}.
"""
_LIMIT = """
## Limit by design
This model {limit}. The limit is shown wherever the model is listed or loaded, and every report it makes says
so; a report that reaches it says that there may be more.
"""
_NO_LIMIT = """
## Limit by design
Its manifest states no limit on the number of findings. That was not proved: read the graph for TopK and the
like before you rely on it.
"""
_MEASURED = """
## What was looked at, and what was not
The import ran each graph on two small windows of made-up lung ({windows} voxels) and saw outputs that are
well formed ({peaks} boxes or peaks). No accuracy was measured: not on a phantom, not on a patient. The
operating threshold ({thresholds}) is not the outcome of any measurement of ours; `millet evaluate` is there
to choose one.
"""
_BUNDLE = """
## How it is run
- Grid {spacing} mm (z, y, x), HU {low:g}..{high:g} scaled to {bottom:g}..{top:g}, axes turned to
  {orientation}: the scaling and the turning are in the graph, like anchors and the decoding of boxes. A box
  becomes its centre and the mean of its three sides.
- Windows of {window} voxels (z, y, x), of which the inner {core} are owned.
- Boxes that score above {floor:g}; the best {per_level:,} of each pyramid level; of two that overlap by more
  than {iou:g} the better; the best {per_scan:,} of the scan.

## Where that differs from the bundle under MONAI
- Only windows that hold lung are run, and boxes outside the lungs are dropped before boxes are counted, so
  that none of the {per_scan:,} is spent on the abdomen.
- Windows are cut to the lungs and own their cores. MONAI averages the maps of overlapping windows.
- The heads' group normalisation averages over the window. Another window gives other scores: compare figures
  only where windows are the same, and expect a nodule's score to depend on what lies around it.
- Beyond the scan's border its outermost voxels are repeated; MONAI pads with the lowest HU and clips boxes.
- Overlap is judged between cubes of the mean side, not between the boxes themselves.
"""


def bundle_card(manifest: Manifest, found: Bundle, trial: Trial) -> str:
    """The card of a MONAI bundle."""
    level, frame, rules = manifest.levels[0], found.frame, found.rules
    core = level.core_voxels or (0, 0, 0)
    window = tuple(own + 2 * halo for own, halo in zip(core, level.halo_voxels, strict=True))
    how = _BUNDLE.format(
        spacing=_times(level.spacing_mm),
        low=frame.hu_range[0],
        high=frame.hu_range[1],
        bottom=frame.scaled_range[0],
        top=frame.scaled_range[1],
        orientation=frame.orientation,
        window=_times(window),
        core=_times(core),
        floor=rules.score_floor,
        per_level=rules.most_per_level,
        per_scan=rules.most_per_scan,
        iou=rules.nms_iou,
    )
    return _card(manifest, trial) + how


def plain_card(manifest: Manifest, trial: Trial) -> str:
    """The card of a graph that came without one."""
    return _card(manifest, trial)


def _card(manifest: Manifest, trial: Trial) -> str:
    limit = told(manifest)
    sources = "; ".join(f"{source.data} ({source.licence})" for source in manifest.training)
    return (
        _HEAD.format(
            name=f"{manifest.name}/{manifest.version}",
            description=manifest.description,
            licence=manifest.licence,
            training=sources or "nothing that its manifest tells",
        )
        + (_LIMIT.format(limit=limit) if limit else _NO_LIMIT)
        + _MEASURED.format(
            windows=" and ".join(_times(window) for window in trial.windows),
            peaks=" and ".join(str(count) for count in trial.peaks),
            thresholds=", ".join(_thresholds(manifest.levels)),
        )
    )


def _thresholds(levels: tuple[Level, ...]) -> Iterator[str]:
    for level in levels:
        yield f"{level.threshold:g} for {level.name}"


def _times(values: tuple[float, ...]) -> str:
    return " x ".join(f"{value:g}" for value in values)
