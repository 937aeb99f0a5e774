"""Pulls that callers ask for: a few at once, the others wait, and whoever asks is told how far they are.

A pull belongs to nobody: it goes on when its caller leaves, and is found again under its key. Keys are kept
in memory alone, since a pull that is begun anew fetches only what is missing.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial

from millet.core.origin import Origin
from millet.errors import ArchiveError, ServiceError, StoreError
from millet.flow.hands import Hands
from millet.flow.pull import Pulled, Puller
from millet.ports import (
    Archive,
    Asked,
    PulledSeries,
    PullEnd,
    PullOrder,
    PullState,
    SeriesName,
    SeriesQuery,
)

MOST_WAITING = 100
MOST_KEYS = 10_000
"""That are remembered; the longest known are forgotten first."""

Tell = Callable[[Pulled], None]


class Fetching:
    """A `PullDesk`.

    Args:
        archives: by name.
        puller: pulls from them.
        hands: who does it.
        tell: told of each series that was pulled.
        most_waiting: pulls that are under way or wait.
    """

    def __init__(
        self,
        archives: Mapping[str, Archive],
        puller: Puller,
        hands: Hands,
        *,
        tell: Tell = lambda _pulled: None,
        most_waiting: int = MOST_WAITING,
    ) -> None:
        self._archives = archives
        self._puller = puller
        self._hands = hands
        self._tell = tell
        self._most_waiting = most_waiting
        self._lock = threading.Lock()
        self._known: OrderedDict[str, _Pull] = OrderedDict()
        self._waiting = 0

    @property
    def archives(self) -> Collection[str]:
        """Their names; see `ports.PullDesk`."""
        return self._archives.keys()

    def ask(self, key: str, order: PullOrder) -> tuple[Asked, _Pull | None]:
        """Have series pulled; see `ports.PullDesk`."""
        with self._lock:
            known = self._known.get(key)
            if known and known.order != order:
                return Asked.OTHER_ORDER, None
            if known and known.end in {None, PullEnd.COMPLETE}:
                return Asked.AGAIN, known
            if self._waiting >= self._most_waiting:
                return Asked.TOO_MANY, None
            self._waiting += 1
            made = self._known[key] = _Pull(order, self._puller.here)
            self._known.move_to_end(key)
            if len(self._known) > MOST_KEYS:
                self._known.popitem(last=False)
        self._hands.do(lambda: self._do(made))
        return Asked.NEW, made

    def _do(self, pull: _Pull) -> None:
        try:
            self._pull(pull)
        except ArchiveError as failure:
            pull.ended(PullEnd.NO_ARCHIVE, str(failure))
        except Exception as failure:  # noqa: BLE001 - a pull that fails here must be told as one
            known = isinstance(failure, ServiceError)
            pull.ended(PullEnd.FAILED, str(failure) if known else f"it failed here: {type(failure).__name__}")
        finally:
            with self._lock:
                self._waiting -= 1

    def _pull(self, pull: _Pull) -> None:
        order = pull.order
        archive = self._archives[order.archive]
        names = _found(archive, order.wanted)
        if not names:
            pull.ended(PullEnd.NO_SERIES, "the archive has no such CT series")
            return
        if wrong := _differing(archive, order, names):
            why = f"the series is not the expected one: {', '.join(wrong)} differ"
            pull.ended(PullEnd.NOT_EXPECTED, why, wrong)
            return
        pull.found(names)
        whole = []
        for name in names:
            done = self._puller.pull(order.archive, name, partial(pull.began, name))
            pull.came(done)
            self._tell(done)
            whole.append(done)
        short = [one for one in whole if not one.complete]
        if short:
            pull.ended(PullEnd.INCOMPLETE, _why(short[0]))
        else:
            pull.ended(PullEnd.COMPLETE, "")


class _Pull:
    """A `ports.AskedPull`. It holds the UIDs of the one series that is being fetched: they are many."""

    def __init__(self, order: PullOrder, here: Callable[[frozenset[str]], int]) -> None:
        self.order = order
        self._count = here
        self._lock = threading.Lock()
        self._series: dict[SeriesName, PulledSeries] = {}
        self._fetched: tuple[SeriesName, frozenset[str]] | None = None
        self._ended: tuple[PullEnd | None, str, tuple[str, ...]] = (None, "", ())

    @property
    def end(self) -> PullEnd | None:
        """How it ended; None while it is under way."""
        with self._lock:
            return self._ended[0]

    def state(self) -> PullState:
        """How it stands; see `ports.AskedPull`."""
        with self._lock:  # read before it is counted: what ended has all that it says
            series, fetched, ended = dict(self._series), self._fetched, self._ended
        if fetched:
            series[fetched[0]] = self._counted(*fetched)
        return PullState(list(series.values()), *ended)

    def found(self, names: Collection[SeriesName]) -> None:
        """These are the series."""
        with self._lock:
            self._series = {name: PulledSeries(name, 0, 0) for name in names}

    def began(self, name: SeriesName, wanted: frozenset[str]) -> None:
        """A series is fetched; the archive has these instances of it."""
        with self._lock:
            self._series[name] = PulledSeries(name, len(wanted), 0)
            self._fetched = name, wanted

    def came(self, pulled: Pulled) -> None:
        """A series was fetched, or as much of it as came."""
        with self._lock:
            self._series[pulled.name] = PulledSeries(pulled.name, pulled.wanted, pulled.here)
            self._fetched = None

    def ended(self, how: PullEnd, why: str, differing: tuple[str, ...] = ()) -> None:
        """It is over; of a series that broke off nothing counts as here where the journal is away."""
        broken = []
        if self._fetched:
            with suppress(StoreError):
                broken.append(self._counted(*self._fetched))
        with self._lock:
            self._series.update({one.name: one for one in broken})
            self._fetched = None
            self._ended = how, why, differing

    def _counted(self, name: SeriesName, wanted: frozenset[str]) -> PulledSeries:
        return PulledSeries(name, len(wanted), self._count(wanted))


def _found(archive: Archive, wanted: SeriesQuery) -> list[SeriesName]:
    return [one.name for one in archive.find_series(wanted)]


def _differing(archive: Archive, order: PullOrder, names: list[SeriesName]) -> tuple[str, ...]:
    """The fields in which what was found is not what is expected; the archive is asked for each."""
    wanted, expected = order.wanted, order.expected
    wrong = []
    if expected.patient_id is not None:
        if _found(archive, replace(wanted, patient_id=expected.patient_id)) != names:
            wrong.append("patient_id")
        elif expected.issuer is not None and not _is_issued(archive, expected, names):
            wrong.append("issuer")
    if expected.study_uid is not None and any(name.study_uid != expected.study_uid for name in names):
        wrong.append("study_uid")
    if expected.accession is not None and (
        wanted.accession not in {"", expected.accession}
        or _found(archive, replace(wanted, accession=expected.accession)) != names
    ):
        wrong.append("accession")
    return tuple(wrong)


def _is_issued(archive: Archive, expected: Origin, names: list[SeriesName]) -> bool:
    """Whether all of them are studies of a patient with this issuer."""
    studies = archive.find_studies(expected.patient_id or "")
    issued = {study.study_uid for study in studies if study.issuer == expected.issuer}
    return issued.issuperset(name.study_uid for name in names)


def _why(pulled: Pulled) -> str:
    told = f"{pulled.here} of {pulled.wanted} instances of a series came"
    return f"{told}: {pulled.why}" if pulled.why else told
