"""An earlier exam analysed again by the model of today, to be compared with and for nothing else.

What it is made of comes from our spool or from an archive, straight into memory: no series of any worklist
is made of it, nothing is delivered, nobody is told. It runs behind all other work, one exam at a time, and
what it found is kept under the name of the model and of what it was made of, so that it is done once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256

from millet.codec import ct, lung_outline
from millet.codec import prior as documents
from millet.codec.identifiers import names_of
from millet.core import prior as priors
from millet.core.analysis import Outcome
from millet.core.comparable import reading
from millet.core.followup import Prior, Study, compare
from millet.core.prior import Facts, Origin, fault, ranked
from millet.core.turns import BEHIND, ROUTINE
from millet.errors import ArchiveError, Interrupted, RefusedInstance, StoreError, UnfitSeries
from millet.flow import followup
from millet.flow.ahead import Ahead, Haste
from millet.flow.analyse import Order, finish
from millet.flow.elsewhere import DOES_NOT_MATCH, Offer
from millet.flow.model import Model
from millet.flow.offline import read_all
from millet.flow.precedence import Precedence
from millet.ports import Archive, PriorLog, Received, SeriesKey, SeriesName, Spool

MOST_INSTANCES = 2000
FEWEST_INSTANCES = 30
"""Of a series that shows a chest: topograms and key images are not fetched."""
NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)
"""Of objects that nobody sees."""

Reading = Callable[[Ahead], None]
"""Have all instances of a series taken. Blocks; raises StoreError or ArchiveError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """On whose behalf an exam is analysed again."""

    site: str
    own: Facts
    """The exam that it will be compared with."""
    model: Model
    model_title: str


def is_alike(study: Study, model: Model) -> bool:
    """Whether an exam was read by this very model, with the same thresholds and ways of measuring."""
    how = study.how
    same = how.conditions is not None and how.conditions.reading == reading(model.manifest)
    return same and how.model_digest == model.digest


@dataclass(kw_only=True)
class Again:
    """Analyses exams again, one at a time: of one thread."""

    log: PriorLog
    spool: Spool
    apart: Callable[[str], Ahead]
    """`Streaming.apart`."""
    precedence: Precedence
    _stopped: threading.Event = field(default_factory=threading.Event, init=False)

    def stop(self) -> None:
        """Break off what is in hand between two steps of it: it raises Interrupted."""
        self._stopped.set()

    def ours(self, facts: Facts, before: Study | None, paths: Sequence[str], asked: Asked) -> Prior:
        """One that lies in our spool. Raises StoreError where it does not, any more.

        `before` is an earlier reading of the same study: what is found again keeps its name of then.
        """

        def read(ahead: Ahead) -> None:
            read_all(ahead, self._spooled(paths))

        return _named(self._once(facts, paths, asked, read), before)

    def theirs(self, offer: Offer, before: Study | None, asked: Asked) -> Prior:
        """The one of an archive's series of a study that is most like our exam. Raises ArchiveError."""
        archive = offer.archive.images
        known = {facts: name for name in offer.series if (facts := self._probed(archive, name))}
        best = ranked(asked.own, [*known])
        if not best:
            whys = [why for facts in known if (why := fault(asked.own, facts))]
            return Prior(why_not=whys[0] if whys else priors.NO_PRIOR)
        name = known[best[0]]
        wanted = archive.instances(name)

        def read(ahead: Ahead) -> None:
            _pull(archive, name, wanted, ahead)

        return _named(self._once(best[0], sorted(wanted), asked, read), before)

    def _probed(self, archive: Archive, name: SeriesName) -> Facts | None:
        """What the first instance of a series says of it; None of one that cannot be a chest CT."""
        wanted = archive.instances(name)
        if not FEWEST_INSTANCES <= len(wanted) <= MOST_INSTANCES:
            return None
        came: list[bytes] = []
        archive.retrieve(name, [min(wanted)], lambda received: came.append(received.encoded))
        with suppress(UnfitSeries):
            header = ct.read_header(came[0]) if came else None
            if header and (header.study_uid, header.series_uid) == name:
                return replace(Facts.of(header), origin=Origin.IMAGES)
        return None

    def _spooled(self, paths: Sequence[str]) -> Iterable[bytes]:
        for path in paths:
            self._check()
            yield self.spool.read(path)

    def _once(self, facts: Facts, made_of: Sequence[str], asked: Asked, read: Reading) -> Prior:
        """What was found before, else what is found now; exams that are not to be analysed are kept too."""
        key = SeriesKey(site=asked.site, series_uid=facts.series_uid)
        named = [asked.model.digest, reading(asked.model.manifest), *made_of]
        by = sha256("\n".join(named).encode()).hexdigest()
        if (kept := self.log.reading(key, by)) is not None:
            return documents.decode(kept)
        found = self._read(facts, asked, read)
        with suppress(StoreError):  # somebody else was quicker, or it is done again next time
            self.log.keep_reading(key, by, documents.encode(found))
        return found

    def _read(self, facts: Facts, asked: Asked, read: Reading) -> Prior:
        ahead = self.apart(asked.model_title)
        try:
            read(ahead)
            order = Order(
                site=asked.site,
                study_uid=facts.study_uid,
                series_uid=facts.series_uid,
                generation=0,
                created_utc=NO_TIME,
            )
            made = finish(order, ahead, asked.model, self._progress, Haste(urgency=BEHIND))
        finally:
            ahead.close()
        kept = made.objects.get(lung_outline.KIND)
        if made.analysis.outcome is Outcome.NOT_ANALYSED or kept is None:
            return Prior(why_not=priors.NOT_ANALYSED)
        lungs, how = lung_outline.decode(kept)
        return Prior(study=followup.study(made.analysis, facts, how, lungs), source=Origin.IMAGES)

    def _progress(self, _stage: str, _done: int, _total: int) -> None:
        """Emergencies first; not routine work, which may be waiting for this."""
        self.precedence.give_way(ROUTINE, self._check)

    def _check(self) -> None:
        if self._stopped.is_set():
            raise Interrupted


def _named(found: Prior, before: Study | None) -> Prior:
    """Its nodules under the tracking UIDs of those of an earlier reading of the same study."""
    if found.study is None or before is None:
        return found
    matched = compare(found.study, before).nodules
    names = {one.number: one.tracking_uid for one in matched if one.number is not None}
    nodules = [
        replace(one, tracking_uid=names.get(one.number, one.tracking_uid)) for one in found.study.nodules
    ]
    return replace(found, study=replace(found.study, nodules=tuple(nodules)))


def _pull(archive: Archive, name: SeriesName, wanted: frozenset[str], ahead: Ahead) -> None:
    """All of a series into memory. Raises ArchiveError where not all of it comes."""
    came: set[str] = set()

    def take(received: Received) -> None:
        """Take what is of the series."""
        told = names_of(received.encoded)
        if (told.study_uid, told.series_uid) != name or told.sop_instance_uid not in wanted:
            raise RefusedInstance(DOES_NOT_MATCH, "the archive sent an instance that was not asked for")
        ahead.take(told.sop_instance_uid, received.encoded)
        came.add(told.sop_instance_uid)

    told = archive.retrieve(name, (), take)
    if came != wanted:
        raise ArchiveError(told.why or "not all of the series came")
