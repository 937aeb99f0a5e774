"""Looking for the prior of an exam, beside everything else, from its first instance on.

Theory of operation. First what is known: our own analyses, then reports and segmentations of archives, the
newest study first, the best source of each (`core.prior.ranked`). Then what can be read again: if the best
that is known was read by another model, or images of a later study lie in an archive, these are analysed by
the model of today (`flow.again`). Each step leaves the best so far where the work on the exam finds it.

That work waits for the search at most `within_s` after its series is complete, takes what there is then, and
settles it in the journal: whoever repeats the work, and wherever, compares with the same prior. An archive
that is slow or dead so costs a stated reason and nothing else.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple

from millet.codec import prior as documents
from millet.core import prior as priors
from millet.core.followup import Prior, Study
from millet.core.prior import ARCHIVE_LATE, ARCHIVE_SILENT, Facts, Origin, choose, ranked
from millet.errors import ArchiveError, ServiceError
from millet.flow.again import Again, Asked, is_alike
from millet.flow.elsewhere import Offer, PriorArchive, fetched, offered
from millet.flow.followup import find, loaded
from millet.flow.hands import Hands
from millet.flow.model import Model, Models
from millet.ports import Clock, PatientExams, PriorLog, Priors, SeriesKey, UnderWay, Work

SEARCHES = 4
"""At once; an archive that hangs holds one of them for as long as its limits let it. Of what is read again
there is one at a time, which takes the memory of one series."""

TICK_S = 0.2
"""Between two looks at whether the work is cut off."""

Faulty = Callable[[Exception], None]
"""Told when a step of a search failed; the search goes on with what else there is."""


class _Best(NamedTuple):
    """A prior, and of which exam; None for why there is none."""

    prior: Prior
    facts: Facts | None


@dataclass(slots=True)
class _Search:
    """One search, and the best that it has found so far."""

    best: _Best | None = None
    archive: str = ""
    ended: threading.Event = field(default_factory=threading.Event)


@dataclass(kw_only=True, eq=False)
class Seeking:
    """The searches for the priors of all series that this analyser works on. Thread-safe."""

    name: str
    """Of this analyser, as the journal knows it."""
    site: str
    """The hospital whose archives these are; of another site's patients they are not asked."""
    priors: Priors
    log: PriorLog
    archives: Sequence[PriorArchive]
    models: Models
    again: Again | None
    """Who analyses priors again; None where nobody does."""
    within_s: float
    clock: Clock
    faulty: Faulty
    check: Callable[[], None]
    """Raises Interrupted where work is cut off."""
    _searches: dict[tuple[int, int], _Search] = field(default_factory=dict, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def __post_init__(self) -> None:
        self._asking, self._reading = Hands("priors", SEARCHES), Hands("priors read again", 1)

    def step(self) -> None:
        """Begin for series that arrive, and forget those that are done. Raises StoreError."""
        here = {(one.series_id, one.generation): one for one in self.log.under_way(self.name)}
        with self._lock:
            for which in self._searches.keys() - here.keys():
                del self._searches[which]
        for one in here.values():
            if one.model_title in self.models:
                self._begun(one)

    def asked(self, work: Work) -> Callable[[], Prior]:
        """What a generation is compared with: to be called once its analysis has come so far.

        That call waits at most until `within_s` from now. It raises StoreError.
        """
        one = UnderWay(work.series_id, work.generation, work.key, work.model_title)
        search, ends_s = self._begun(one), self.clock.monotonic_s() + self.within_s
        return lambda: self._settled(one, search, ends_s)

    def stop(self) -> None:
        """Begin nothing more; what runs is nobody's loss."""
        self._asking.stop()
        self._reading.stop()
        if self.again:
            self.again.stop()

    def _begun(self, one: UnderWay) -> _Search:
        with self._lock:
            which = one.series_id, one.generation
            known = self._searches.get(which)
            if known is None:
                known = self._searches[which] = _Search(archive=ARCHIVE_LATE if self.archives else "")
                self._asking.do(lambda: self._searched(one, known))
            return known

    def _settled(self, one: UnderWay, search: _Search, ends_s: float) -> Prior:
        kept = self.log.prior(one.series_id, one.generation)
        if kept is None:
            while (left_s := ends_s - self.clock.monotonic_s()) > 0:
                if search.ended.wait(min(left_s, TICK_S)):
                    break
                self.check()
            found = self._found(one, search)
            kept = self.log.keep_prior(one.series_id, one.generation, documents.encode(found))
        try:
            return documents.decode(kept)
        except ValueError:
            return Prior(why_not=priors.UNREADABLE)

    def _found(self, one: UnderWay, search: _Search) -> Prior:
        """The search's best so far, or a later exam of ours that was analysed meanwhile."""
        best, archive = search.best, search.archive
        exams = self.priors.exams(one.key)
        if exams and best and best.facts and not _is_behind(best.facts, exams):
            return replace(best.prior, archive=archive)
        own = find(self.priors, one.key, self.models[one.model_title].digest)
        return replace(best.prior if best and own.study is None else own, archive=archive)

    # the search itself, in threads of its own

    def _searched(self, one: UnderWay, search: _Search) -> None:
        """What is known; then, by the one who does that, what can be read again."""
        try:
            if self.log.prior(one.series_id, one.generation) is None:
                looking = _Looking(self, self._asked_for(one), one.key, search)
                if looking.is_of_images and (left := looking.known()):
                    self._reading.do(lambda: self._again(one, looking, left))
                    return
        except Exception as failure:  # noqa: BLE001 - the report is made all the same
            self.faulty(failure)
            search.archive = ARCHIVE_SILENT if self.archives else ""
        search.ended.set()

    def _again(self, one: UnderWay, looking: _Looking, left: Sequence[_Step]) -> None:
        """Nobody waits any more for a search that is settled."""
        try:
            if self.log.prior(one.series_id, one.generation) is None:
                looking.again(left)
        except Exception as failure:  # noqa: BLE001 - likewise
            self.faulty(failure)
        looking.search.ended.set()

    def _asked_for(self, one: UnderWay) -> Asked:
        exams = self.priors.exams(one.key)
        if exams is None:
            raise ServiceError("a series that arrives is not in the journal")
        model: Model = self.models[one.model_title]
        own = exams.own.read_by(model.digest, analysed=True)
        return Asked(site=one.key.site, own=own, model=model, model_title=one.model_title)


def _is_behind(found: Facts, exams: PatientExams) -> bool:
    """Whether we have a later exam of our own than what was found."""
    newest = ranked(exams.own, exams.others)
    return bool(newest) and (newest[0].date, newest[0].time) > (found.date, found.time)


class _Step(NamedTuple):
    """An exam that might be analysed again, and where archives have it."""

    facts: Facts
    offers: Sequence[Offer]


@dataclass(slots=True)
class _Looking:
    """One search as it goes."""

    of: Seeking
    asked: Asked
    key: SeriesKey
    search: _Search

    @property
    def is_of_images(self) -> bool:
        """Whether it is for an exam that is looked at: a report that is judged is compared with nothing."""
        return self.asked.own.origin is not Origin.REPORT

    def known(self) -> Sequence[_Step]:
        """Find the best that is known; what to analyse again comes back, the best first."""
        exams = self.of.priors.exams(self.key)
        ours = exams.others if exams else ()
        offers, others = self._offered(ours)
        order = ranked(self.asked.own, [*ours, *offers])
        at = self._first_known(order, offers)
        if self.search.best is None:
            why = choose(self.asked.own, [*ours, *others]).why_not
            self._put(Prior(why_not=why or priors.UNREADABLE), None)
        if self.of.again is None:
            return ()
        return [_Step(one, offers.get(one, ())) for one in self._worth_it(order, at)]

    def again(self, left: Sequence[_Step]) -> None:
        """Analyse the first of them that can be. Raises StoreError."""
        for step in left:
            found = self._read(step)
            if found:
                self._put(found, step.facts)
                return

    def _worth_it(self, order: Sequence[Facts], at: int) -> Sequence[Facts]:
        """Images of later studies than is known; what is known, if it was read otherwise, and its images."""
        later = [one for one in order[:at] if one.origin is Origin.IMAGES]
        prior, known = self.search.best or _Best(Prior(), None)
        if prior.study is None or known is None or is_alike(prior.study, self.asked.model):
            return later
        same = [one for one in order[at + 1 :] if one.study_uid == known.study_uid]
        ours = [known] if known.origin is Origin.OURS else []
        return [*later, *ours, *(one for one in same if one.origin is Origin.IMAGES)]

    def _put(self, prior: Prior, facts: Facts | None) -> None:
        self.search.best = _Best(prior, facts)

    def _offered(self, ours: Sequence[Facts]) -> tuple[Mapping[Facts, Sequence[Offer]], Sequence[Facts]]:
        """What all archives have that is not older than what we have ourselves."""
        own = self.asked.own
        newest = ranked(own, ours)
        offers: dict[Facts, list[Offer]] = {}
        others: list[Facts] = []
        silent = ""
        asked = bool(own.patient_id.strip()) and self.key.site == self.of.site
        for archive in self.of.archives if asked else ():
            try:
                found = offered(archive, own, newest[0].date if newest else "")
                for facts, offer in found.offers.items():  # several archives may hold the same study
                    offers.setdefault(facts, []).append(offer)
                others += found.others
            except (ArchiveError, ValueError) as failure:
                silent = ARCHIVE_SILENT
                self.of.faulty(failure)
        self.search.archive = silent
        return offers, others

    def _first_known(self, order: Sequence[Facts], offers: Mapping[Facts, Sequence[Offer]]) -> int:
        """Find the first that tells anything without being analysed; where it stands, or the end."""
        nearest = None
        for at, one in enumerate(order):
            if one.origin is Origin.IMAGES:
                continue
            prior = self._loaded(one, offers)
            if prior.study is not None:
                self._put(prior, one)
                return at
            nearest = nearest or prior
        if nearest:
            self._put(nearest, None)
        return len(order)

    def _loaded(self, one: Facts, offers: Mapping[Facts, Sequence[Offer]]) -> Prior:
        """What is known of one exam, by the first archive that tells."""
        if one.origin is Origin.OURS:
            return loaded(self.of.priors, SeriesKey(site=self.key.site, series_uid=one.series_uid), one)
        prior = Prior(why_not=ARCHIVE_SILENT)
        for offer in offers[one]:
            try:
                prior = fetched(offer, one, self.asked.own)
            except ArchiveError as failure:
                self.of.faulty(failure)
                self.search.archive = ARCHIVE_SILENT
            if prior.study:
                break
        return prior

    def _read(self, step: _Step) -> Prior | None:
        """One exam analysed by the model of today; None where that cannot be."""
        prior, known = self.search.best or _Best(Prior(), None)
        before = prior.study if known and known.study_uid == step.facts.study_uid else None
        for way in self._ways(step, before):
            try:
                found = way()
            except ServiceError as failure:
                self.of.faulty(failure)
            else:
                if found.study:
                    return found
        return None

    def _ways(self, step: _Step, before: Study | None) -> Iterator[Callable[[], Prior]]:
        """From the spool, or from each archive."""
        again, facts = self.of.again, step.facts
        if again and facts.origin is Origin.OURS:
            paths = self.of.priors.paths(SeriesKey(site=self.key.site, series_uid=facts.series_uid))
            yield partial(again.ours, facts, before, paths, self.asked)
        elif again:
            yield from (partial(again.theirs, offer, before, self.asked) for offer in step.offers)
