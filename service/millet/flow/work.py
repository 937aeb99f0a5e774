"""One claimed generation, from the spool to a committed analysis.

Everything here may run twice: the objects are a function of what was claimed, the store keeps equal
bytes once, and the first commit wins. A fault of ours is tried again; what still fails ends as "not
analysed" with the fault as its coded reason, so that no series ends in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from millet.codec.shortened import without_pixels
from millet.core.analysis import Analysis
from millet.core.language import Language
from millet.core.media import is_instance, is_sent
from millet.core.nodule import Nodule
from millet.core.notification import grounds
from millet.core.reasons import Reason
from millet.core.uids import object_uid
from millet.errors import DetectorError, Interrupted, ServiceError, StoreError
from millet.flow import judged_report
from millet.flow.ahead import Haste
from millet.flow.analyse import Made, Order, finish, given_up
from millet.flow.drain import Drain
from millet.flow.finding import Progress
from millet.flow.foreign import Bench
from millet.flow.judged_report import holds_reports
from millet.flow.model import Model, Models
from millet.flow.precedence import Precedence
from millet.flow.progress import Reached
from millet.flow.seeking import Seeking
from millet.flow.streaming import Streaming
from millet.ports import Flag, JobQueue, KeptObject, ObjectStore, SeriesKey, Spool, Work

ATTEMPTS = 3
"""How often a fault of ours is tried again: one may be a passing lack of memory, three are not."""

Routed = Callable[[str, Sequence[str]], Sequence[str]]
"""Which of the destinations get the reports of a series that was sent to a called AE title."""
Wanted = Callable[[str], bool]
"""Whether a destination wants a kind of object."""
Committed = Callable[[Work, Analysis], None]
"""Told once an analysis is committed."""
Faulty = Callable[[Work, Exception], None]
"""Told of each failed attempt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Analyser:
    """The callable that durable work runs: `run(series_id, generation)`."""

    jobs: JobQueue
    streaming: Streaming
    spool: Spool
    objects: ObjectStore
    models: Models
    """On the first device; what is done on others is the same."""
    destinations: Mapping[str, Wanted]
    """Whether each wants a kind of object, by its name."""
    committed: Committed
    faulty: Faulty
    drain: Drain
    told: Callable[[Work, Reached], None]
    """Told how far the work has come."""
    seeking: Seeking | None = None
    """Who looks for earlier exams of a patient; None where nobody does."""
    earlier: Callable[[SeriesKey], Analysis | None] = lambda _key: None
    """The newest committed analysis of a series, of whichever generation."""
    paths: Callable[[SeriesKey], Sequence[str]] = lambda _key: ()
    """Where the instances lie that the newest analysis of a series was made of."""
    routed: Routed = lambda _called_ae, destinations: destinations
    recipients: frozenset[str] = frozenset()
    """Destinations that hear of levels."""
    precedence: Precedence = field(default_factory=Precedence)
    language: Language = Language.ENGLISH
    """Of what is made."""

    def run(self, series_id: int, generation: int) -> None:
        """Analyse one generation and commit it; nothing happens if it was replaced or has ended.

        Raises Interrupted when the service stops: the work is taken up again by the next start. Likewise
        where its called title names no model here: it is taken up by who has that.
        """
        with self.drain.work():
            if work := self.jobs.claim(series_id, generation):
                try:
                    model = self._model(work)
                    with self.precedence.work(work.urgency):
                        self._commit(work, self._made(work, model))
                finally:
                    self.streaming.let_go(series_id, generation)

    def give_up(self, series_id: int, generation: int) -> None:
        """End a generation that cannot be analysed for a fault of ours; raises Interrupted as `run` does."""
        if work := self.jobs.claim(series_id, generation):
            self._commit(work, self._given_up(work, self._model(work), Reason.INTERNAL_ERROR))

    def _model(self, work: Work) -> Model:
        """Whose answer is wanted, and nobody else's."""
        if (model := self.models.get(work.model_title)) is None:
            raise Interrupted
        return model

    def _made(self, work: Work, model: Model) -> Made:
        fault = Reason.INTERNAL_ERROR
        prior = self.seeking.asked(work) if self.seeking else None
        order = replace(self._order(work), prior=prior, before=self._before(work))
        for _ in range(ATTEMPTS):
            try:
                ahead = self.streaming.complete(work)
                if holds_reports(ahead.shelf.all()):
                    return self._judged(work, model)
                return finish(order, ahead, model, self._progress(work), _haste(work))
            except DetectorError as failure:
                fault = Reason.DETECTOR_FAILED
                self.faulty(work, failure)
            except ServiceError:
                raise
            except Exception as failure:  # noqa: BLE001 - one bad series must not stop the worker
                self.drain.check()  # what fails because it was cut off is no fault
                fault = Reason.INTERNAL_ERROR
                self.faulty(work, failure)
        return self._given_up(work, model, fault)

    def _judged(self, work: Work, model: Model) -> Made:
        bench = Bench(further=model.criteria, language=self.language)
        return judged_report.finish(
            self._order(work), [*self._instances(work)], partial(self._images, work), bench
        )

    def _images(self, work: Work, series_uid: str) -> list[bytes]:
        """The images of an analysed series of the same site, without pixels; none where they are gone."""
        key = SeriesKey(site=work.key.site, series_uid=series_uid)
        try:
            return [without_pixels(self.spool.read(path)) for path in self.paths(key)]
        except StoreError:
            return []

    def _before(self, work: Work) -> tuple[Nodule, ...]:
        """The nodules of an earlier generation; none where there was none, or it cannot be read any more."""
        try:
            earlier = self.earlier(work.key) if work.generation > 1 else None
        except ValueError:
            return ()
        return earlier.nodules if earlier else ()

    def _given_up(self, work: Work, model: Model, fault: Reason) -> Made:
        """An end that is reached in any case: without a report where none can be made of the instances."""
        try:
            return given_up(self._order(work), self._instances(work), model, fault)
        except Exception as failure:  # noqa: BLE001 - a series that cannot even be ended never ends
            self.faulty(work, failure)
            return given_up(self._order(work), (), model, fault)

    def _order(self, work: Work) -> Order:
        return Order(
            site=work.key.site,
            study_uid=work.study_uid,
            series_uid=work.key.series_uid,
            generation=work.generation,
            created_utc=work.closed_utc,
            predecessor=work.predecessor,
            language=self.language,
        )

    def _instances(self, work: Work) -> Iterator[bytes]:
        return (self.spool.read(path) for path in work.paths)

    def _progress(self, work: Work) -> Progress:
        def progress(stage: str, done: int, total: int) -> None:
            self.precedence.give_way(work.urgency, self.drain.check)
            self.told(work, Reached(stage, done, total))

        return progress

    def _commit(self, work: Work, made: Made) -> None:
        kept = self._kept(made.analysis, made.objects)
        destinations = self.routed(work.called_ae, tuple(self.destinations))
        flag = Flag(
            recipients=tuple(name for name in destinations if name in self.recipients),
            grounds=grounds(made.analysis.triage.reasons, self.language),
        )
        if self.jobs.commit(work, made.analysis, kept, destinations, flag):
            self.committed(work, made.analysis)

    def _kept(self, analysis: Analysis, objects: Mapping[str, bytes]) -> tuple[KeptObject, ...]:
        return tuple(
            KeptObject(
                kind=kind,
                path=self.objects.write(encoded).path,
                sop_instance_uid=object_uid(analysis, kind) if is_instance(kind) else "",
                deliver=is_sent(kind),
                unwanted_by=frozenset(name for name, wants in self.destinations.items() if not wants(kind)),
            )
            for kind, encoded in objects.items()
        )


def _haste(work: Work) -> Haste:
    """Somebody waits for a series that is complete: sooner than for one that still arrives."""
    return Haste(urgency=work.urgency, due_s=0.0)
