"""A loaded model, as everything that analyses takes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from millet.core.criteria import CriteriaSet
from millet.core.manifest import Manifest
from millet.flow.ahead import Reader
from millet.flow.second_reader import SecondReader
from millet.ports import Detector


class Model(NamedTuple):
    """A loaded model: its contract and, by graph, the detectors that run it in one precision."""

    manifest: Manifest
    detectors: Mapping[str, Detector]
    second: SecondReader | None = None
    """Who counts beside it; None where the model is the second reader itself."""
    criteria: tuple[CriteriaSet, ...] = ()
    """Further sets of criteria, judged beside ours."""

    @property
    def reader(self) -> Reader:
        """Who looks, and whose findings are reported."""
        return Reader(f"{self.manifest.name}/{self.manifest.version}", self.manifest, self.detectors)

    @property
    def readers(self) -> tuple[Reader, ...]:
        """Everybody who looks."""
        return (self.reader, self.second.reader) if self.second else (self.reader,)

    @property
    def provider(self) -> str:
        """What runs the graphs, as the engines name it."""
        return ", ".join(sorted({detector.provider for detector in self.detectors.values()}))

    @property
    def precision(self) -> str:
        """What the graphs are written in."""
        return ", ".join(sorted({detector.precision for detector in self.detectors.values()}))

    @property
    def digest(self) -> str:
        """SHA-256 over the graphs in use. Raises ModelError."""
        return self.manifest.digest(self.precision)


Models = Mapping[str, Model]
"""Those of one device, by the called AE title that names each, see `core.doors`."""
