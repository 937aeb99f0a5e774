"""Windows of others on a device of ours: looked at behind everything that is ours.

They wait in the queue that all series share, with the urgency of what is looked at again for comparison
only: between two batches of a series that waits for its report none of them runs. Their turn comes when the
device is idle, or when they have waited so long that they would starve (`core/turns.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from millet.core.turns import BEHIND
from millet.errors import Interrupted
from millet.flow.batcher import Batcher, Look
from millet.ports import Detector, Peaks

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Lending:
    """A detector and the queue of its device. Thread-safe."""

    batcher: Batcher
    detector: Detector

    def look(self, windows: torch.Tensor, when_gone: Callable[[Callable[[], None]], bool]) -> Sequence[Peaks]:
        """Find the peaks of each window (N, D, H, W), wherever it lies. Blocks until all had their turn.

        Args:
            windows: float32 HU clipped to the manifest's range.
            when_gone: told what to do when nobody waits for the answer any more; says whether it will.

        Raises DetectorError, and Interrupted when the service stops or nobody waits.
        """
        one_request = object()

        def take_back() -> None:
            self.batcher.cancel(one_request)

        try:
            asked = [self.batcher.submit(self._look(one_request, window)) for window in windows]
            if not when_gone(take_back):
                take_back()
            return [one.result() for one in asked]
        except CancelledError:
            raise Interrupted from None
        finally:
            take_back()

    def _look(self, one_request: object, window: torch.Tensor) -> Look:
        depth, height, width = window.shape
        return Look(
            series=one_request,
            detector=self.detector,
            shape=(depth, height, width),
            voxels=partial(window.to, self.detector.device),
            urgency=BEHIND,
        )
