"""The models that are judged: the network, those that never saw a patient, and the analytic detector."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from table import ROOT

from detecting import real
from detecting.specs import Real, Spec
from millet.core.manifest import Manifest
from millet.edge import models
from millet.edge.openvino import OpenVinoDetector
from millet.ports import Detector

HELD_OUT = ROOT / "bench" / "models"
ANALYTIC = "log/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A model in one precision, by the folder that it lies in."""

    folder: Path
    precision: str = "fp32"

    @property
    def digest(self) -> str:
        """What its results are kept under."""
        found = manifest(self)
        return f"{found.name}-{found.version}-{self.precision}-{found.digest(self.precision)[:12]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """The model under test: `whole`, or on a series that it learned from the one that did not."""

    whole: Subject

    @property
    def analytic(self) -> bool:
        """Whether it is the analytic detector, for which nothing stands in."""
        return self.whole == bundled(ANALYTIC)

    def on(self, spec: Spec) -> Subject:
        """Which network a case is given to."""
        if not isinstance(spec, Real) or self.analytic or not saw(self.whole, spec.series):
            return self.whole
        return Subject(folder=_folder(spec.series), precision=self.whole.precision)

    def lacking(self) -> list[str]:
        """The held-out networks that are needed and not there, or learned from what they should not have."""
        needed = [] if self.analytic else [name for name in real.HELD_OUT if saw(self.whole, name)]
        there = {name: (_folder(name) / "manifest.json").is_file() for name in needed}
        bad = [name for name in needed if not there[name] or saw(Subject(folder=_folder(name)), name)]
        return sorted({real.HELD_OUT[name] for name in bad})

    def seen(self) -> list[str]:
        """The real series that are judged by a model that learned from them."""
        return [name for name in real.HELD_OUT if saw(self.on(Real(series=name)), name)]


def saw(subject: Subject, series: str) -> bool:
    """Whether a model's manifest names a real series among what it learned from."""
    word = "Lung-Fused-CT-Pathology" if series == real.FUSED else series
    return any(word in source.data for source in manifest(subject).training)


def _folder(series: str) -> Path:
    return HELD_OUT / real.HELD_OUT[series] / "1"


def bundled(model: str, precision: str = "fp32") -> Subject:
    """A bundled model by `name/version`."""
    return Subject(folder=models.find(models.bundled(), model), precision=precision)


@lru_cache(maxsize=16)
def manifest(subject: Subject) -> Manifest:
    """Its manifest, checked."""
    return models.load(subject.folder, subject.precision)[0]


@lru_cache(maxsize=8)
def detectors(subject: Subject, threads: int) -> Mapping[str, Detector]:
    """Its graphs, ready to run."""
    graphs = models.load(subject.folder, subject.precision)[1]
    return {
        name: OpenVinoDetector(graph, precision=subject.precision, threads=threads)
        for name, graph in graphs.items()
    }
