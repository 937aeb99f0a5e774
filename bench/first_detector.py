"""The analytic detector: found and false on the case phantom and in a real lung, and false ones per litre."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from table import ROOT, Row, write

from millet.codec.tables import Mark
from millet.core.lungs import LungMask, lungs
from millet.core.manifest import Manifest
from millet.core.nodule import Candidate
from millet.core.volume import Volume
from millet.edge import models
from millet.edge.openvino import OpenVinoDetector
from millet.evaluate.match import Matching, match
from millet.flow.detect import find
from millet.flow.read import read
from millet.phantom import implant, presets
from millet.phantom.nodules import Psf
from millet.ports import Detector

DATA = Path(os.environ.get("MILLET_TEST_DATA", ROOT.parent / "shared" / "data"))
SERIES = (
    *(f"lidc-idri/LIDC-IDRI-{number}" for number in ("0001", "0003", "0028", "0295", "0306")),
    "lungfcp-01-0001",
)
IMPLANTED_IN = "lidc-idri/LIDC-IDRI-0295"
BONE_PSF = Psf(in_plane_mm=0.5, across_mm=0.55)
"""Standard deviations for a sharp kernel and 1.25 mm slices."""


class Bench:
    """The bundled model, and what has been measured with it."""

    def __init__(self) -> None:
        self.manifest: Manifest
        self.manifest, graph = models.load(models.bundled() / "log" / "1")
        self.detector: Detector = OpenVinoDetector(graph)
        self.rows: list[Row] = []

    def reported(self, volume: Volume, mask: LungMask) -> list[Candidate]:
        """What is found at the operating threshold."""
        return [c for c in find(volume, mask, self.detector, self.manifest) if self.manifest.reports(c)]

    def score(self, name: str, volume: Volume, truth: Sequence[Mark], seed: int) -> None:
        """Rows for found and false, with the mass by itself."""
        begin = time.perf_counter()
        found = self.reported(volume, lungs(volume))
        seconds = time.perf_counter() - begin
        result = _matched(found, truth)
        small = [n for n, mark in enumerate(truth) if mark.nodule_class == "nodule"]
        missed = sum(n in result.missed for n in small)
        note = f"seed {seed}; {seconds:.0f} s for lungs and detection"
        self.rows += [
            Row(name=f"{name}: nodules found", unit="", value=len(small) - missed, n=len(small), target=190,
                stretch=215, higher_is_better=True, note=note),
            Row(name=f"{name}: false", unit="", value=len(result.false), target=20),
        ]  # fmt: skip
        if len(small) < len(truth):
            mass = len(truth) - len(small) - sum(n not in small for n in result.missed)
            self.rows.append(
                Row(name=f"{name}: mass found", unit="", value=mass, target=1, higher_is_better=True)
            )

    def background(self, name: str, volume: Volume) -> float:
        """A row of findings per litre where few or none are real."""
        mask = lungs(volume)
        per_litre = len(self.reported(volume, mask)) / mask.litres.total_l
        note = f"{mask.litres.total_l:.2f} L"
        self.rows.append(Row(name=f"{name}: findings per litre", unit="1/L", value=per_litre, note=note))
        return per_litre


def main() -> None:
    """Print and write the table of criterion 3."""
    bench = Bench()
    for seed in range(2):
        phantom = presets.make("case", seed=seed)
        bench.score("case phantom", phantom.volume, phantom.truth, seed)
    negative = bench.background("negative phantom", presets.make("negative").volume)
    if not DATA.is_dir():
        bench.rows.append(Row(name="real series", unit="", note=f"not measured: {DATA} is absent"))
        write("first_detector", bench.rows)
        return
    real = []
    for name, volume in _real():
        real.append(bench.background(name, volume))
        if name == IMPLANTED_IN.rpartition("/")[2]:
            for seed in range(2):
                bench.score(f"implanted in {name}", *_implanted(volume, seed), seed)
    ratio = max(negative, 1e-9) / float(np.mean(real))
    note = "mean over the real series; their true nodules count as findings"
    bench.rows.append(
        Row(
            name="negative phantom over real, per litre",
            unit="",
            value=ratio,
            target=0.5,
            higher_is_better=True,
            note=note,
        )
    )
    write("first_detector", bench.rows)


def _real() -> Iterator[tuple[str, Volume]]:
    for path in SERIES:
        folder = DATA / path
        yield folder.name, read([p.read_bytes() for p in sorted(folder.glob("*.dcm"))]).volume


def _implanted(volume: Volume, seed: int) -> tuple[Volume, tuple[Mark, ...]]:
    mask = lungs(volume)
    plane = np.indices(volume.grid.shape[1:]).reshape(2, -1).T
    lung = np.zeros(volume.grid.shape, bool)
    for z in range(len(lung)):
        voxels = np.insert(plane, 0, z, axis=1).astype(float)
        lung[z] = mask.at(volume.grid.to_patient_array(voxels)).reshape(lung[z].shape) > 0
    spheres = implant.random_spheres(volume, lung, seed=seed)
    done = implant.implant(volume, spheres, BONE_PSF)
    return done.volume, done.truth


def _matched(found: Sequence[Candidate], truth: Sequence[Mark]) -> Matching:
    centres = np.asarray([c.centre_mm for c in found], float).reshape(-1, 3)
    places = np.asarray([mark.centre_mm for mark in truth], float).reshape(-1, 3)
    return match(centres, places, np.asarray([mark.diameter_mm for mark in truth], float))


if __name__ == "__main__":
    main()
