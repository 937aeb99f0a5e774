"""One series of a site's own, analysed as the service would, of which nothing goes anywhere.

No journal, no store, no destination and no metric knows of it: what it came to is all that is left of it.
A fault of ours is tried again as often as in the service, and ends as it would there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass

from millet.core.analysis import Analysis
from millet.core.reasons import Reason
from millet.core.series import SliceHeader
from millet.errors import DetectorError
from millet.flow.ahead import Ahead
from millet.flow.analyse import Made, Order, finish, given_up
from millet.flow.batcher import Batcher
from millet.flow.model import Model
from millet.flow.offline import read_all
from millet.flow.work import ATTEMPTS

FAULTS = frozenset({Reason.DETECTOR_FAILED, Reason.INTERNAL_ERROR})
"""Ends that say something of this machine and nothing of the series: another run may end otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What a series came to."""

    analysis: Analysis
    headers: tuple[SliceHeader, ...]
    """Of the instances that can be read, in an order that does not depend on that of arrival."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shadow:
    """Looks at series side by side: they share the queue of the device."""

    model: Model
    batcher: Batcher
    faulty: Callable[[Exception], None]
    """Told of each failed attempt."""

    def look(self, order: Order, instances: Callable[[], Iterable[bytes]]) -> Looked:
        """Analyse one series; `instances` are read anew for each attempt. Raises OSError of their reading."""
        fault = Reason.INTERNAL_ERROR
        for _ in range(ATTEMPTS):
            with closing(Ahead(order.series_uid, self.model.readers, self.batcher)) as ahead:
                read_all(ahead, instances())
                try:
                    return _looked(ahead, finish(order, ahead, self.model, _silent))
                except DetectorError as failure:
                    fault = Reason.DETECTOR_FAILED
                    self.faulty(failure)
                except Exception as failure:  # noqa: BLE001 - one bad series must not stop the others
                    fault = Reason.INTERNAL_ERROR
                    self.faulty(failure)
        return _looked(ahead, given_up(order, (), self.model, fault))


def _looked(ahead: Ahead, made: Made) -> Looked:
    headers = tuple(one.header for one in ahead.shelf.all() if one.header is not None)
    return Looked(analysis=made.analysis, headers=headers)


def _silent(_stage: str, _done: int, _total: int) -> None:
    return None
