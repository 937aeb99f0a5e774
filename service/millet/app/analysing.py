"""The part that analyses: devices, series that arrive, claimed work, and what is told of it."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace

from millet.app.canary import wants
from millet.app.doors import Doors
from millet.app.lending import LentDetectors
from millet.app.loading import STREAMS, WINDOWS, load_models, prove
from millet.app.prior_archives import prior_archives
from millet.app.tracing import Tracing
from millet.codec.decoders import Decode
from millet.core import count_limit
from millet.core.analysis import Analysis
from millet.core.canary import NAME
from millet.core.doors import USUAL
from millet.core.language import Language
from millet.edge.decoding.pool import Decoders
from millet.edge.journal import DurableWork, SqlJournal
from millet.edge.telemetry import Events, Telemetry
from millet.errors import DetectorError
from millet.flow.again import Again
from millet.flow.batcher import Batcher
from millet.flow.drain import Drain
from millet.flow.errands import ErrandDesk
from millet.flow.lifecycle import Loop, Part
from millet.flow.model import Model, Models
from millet.flow.precedence import Precedence
from millet.flow.progress import ProgressBoard, Reached
from millet.flow.provisional import ProvisionalBoard
from millet.flow.seeking import Seeking
from millet.flow.streaming import MOST_DECODERS, Station, Streaming
from millet.flow.work import Analyser, Routed
from millet.ports import Clock, ObjectStore, Spool, Work
from millet.settings import DestinationSection, Settings

log = logging.getLogger(__name__)

RECONCILE_EVERY_S = 1.0
STREAM_EVERY_S = 0.1
PROGRESS_EVERY_S = 0.25
PROVISIONAL_EVERY_S = 0.5
LEFT_EVERY_S = 30.0
PRIORS_EVERY_S = 0.5
TIDY_EVERY_S = 600.0
PATIENCE_S = 0.003
"""How long a window waits for others to run with it on a GPU: a batch takes about as long."""


@dataclass(frozen=True, kw_only=True)
class Analysing:
    """Claimed work -> analysis, objects and deliveries in one commit; and all that can be done before."""

    chosen: Settings
    name: str
    """Of this executor, as the journal knows it."""
    clock: Clock
    journal: SqlJournal
    work: DurableWork
    spool: Spool
    objects: ObjectStore
    destinations: Sequence[DestinationSection]
    routed: Routed
    events: Events
    telemetry: Telemetry
    tracing: Tracing
    doors: Doors
    errands: ErrandDesk

    def part(self) -> Part:
        """Load and prove the models, and make the part. Raises ModelError."""
        devices = load_models(self.chosen)
        for models in devices:
            for model in _each(models):
                prove(model)
        for model in _each(devices[0]):
            self._say(model)
        stations = [self._station(models) for models in devices]
        lent = LentDetectors(self.doors, stations[0].batcher, _each(devices[0]))
        board, drain = ProgressBoard(self.journal), Drain()
        found = ProvisionalBoard(self.journal)
        decoders = Decoders(MOST_DECODERS)
        streaming = self._streaming(stations, (board, found), decoders.decode)
        precedence = Precedence()
        seeking = self._seeking(devices[0], streaming, precedence, drain)
        analyser = self._analyser(devices[0], streaming, board, drain)
        analyser = replace(analyser, seeking=seeking, precedence=precedence)
        self.telemetry.streaming(
            lambda: sum(station.batcher.waiting for station in stations), lambda: streaming.held_bytes
        )

        def show() -> None:
            streaming.show()
            found.step()

        loops = (
            Loop("reconcile", self._reconcile, RECONCILE_EVERY_S),
            Loop("streaming", streaming.step, STREAM_EVERY_S),
            Loop("progress", board.step, PROGRESS_EVERY_S),
            Loop("provisional", show, PROVISIONAL_EVERY_S),
            Loop("priors", seeking.step, PRIORS_EVERY_S),
            Loop("errands", self.errands.tidy, TIDY_EVERY_S),
            Loop("left to others", _Left(self.journal, devices[0].keys()).step, LEFT_EVERY_S),
        )

        def start() -> None:
            self.work.start(analyser.run, analyser.give_up)
            for loop in loops:
                loop.start()
            lent.start()

        def stop(within_s: float) -> bool:
            lent.stop()
            for loop in loops:
                loop.stop(1.0)
            drained = drain.stop(within_s)
            seeking.stop()
            streaming.stop()
            decoders.stop()
            for station in stations:
                station.batcher.stop()
            return drained

        return Part(name="analyse", start=start, stop=stop)

    def _reconcile(self) -> None:
        self.telemetry.working.recovered(len(self.work.reconcile()))

    def _say(self, model: Model) -> None:
        found = model.manifest
        if limit := count_limit.told(found):
            log.warning("model %s/%s %s", found.name, found.version, limit)
        self.telemetry.model(found.name, found.version, model.digest, model.provider, model.precision)
        self.telemetry.working.ready(_name(model), answers=True)

    def _station(self, models: Models) -> Station:
        """All models of a device share its queue."""
        kind = next(iter(models[USUAL].detectors.values())).device.partition(":")[0]
        batcher = Batcher(
            self.clock.monotonic_s,
            streams=STREAMS[kind],
            most=WINDOWS[kind],
            patience_s=0.0 if kind == "cpu" else PATIENCE_S,
            told=self.telemetry.working.batch,
        )
        return Station(batcher, {title: model.readers for title, model in models.items()})

    def _streaming(
        self, stations: Sequence[Station], boards: tuple[ProgressBoard, ProvisionalBoard], decode: Decode
    ) -> Streaming:
        board, found = boards
        return Streaming(
            name=self.name,
            log=self.journal,
            spool=self.spool,
            stations=stations,
            clock=self.clock,
            most_bytes=self.chosen.stream_bytes,
            faulty=self.events.read_ahead_failed,
            told=board.tell,
            found=found.tell,
            decode=decode,
        )

    def _analyser(self, models: Models, streaming: Streaming, board: ProgressBoard, drain: Drain) -> Analyser:
        def told(work: Work, reached: Reached) -> None:
            self.events.analysing(work, *reached)
            self.tracing.stage(work, reached.stage)
            board.tell(work.series_id, reached)

        def committed(work: Work, analysis: Analysis) -> None:
            board.ended(work.series_id)
            self.events.committed(work, analysis)
            self.tracing.committed(work, analysis)
            if analysis.looked:
                self.telemetry.working.ready(_name(models[work.model_title]), answers=True)

        def faulty(work: Work, failure: Exception) -> None:
            self.events.faulty(work, failure)
            self.tracing.failed(work, failure)
            if isinstance(failure, DetectorError):
                self.telemetry.working.ready(_name(models[work.model_title]), answers=False)

        return Analyser(
            jobs=self.journal,
            streaming=streaming,
            spool=self.spool,
            objects=self.objects,
            models=models,
            destinations={**{one.name: one.wants for one in self.destinations}, NAME: wants},
            routed=self.routed,
            recipients=frozenset(one.name for one in self.destinations if one.notifies),
            committed=committed,
            faulty=faulty,
            drain=drain,
            told=told,
            language=Language(self.chosen.language),
            earlier=self.journal.analysis,
            paths=self.journal.paths,
        )

    def _seeking(self, models: Models, streaming: Streaming, precedence: Precedence, drain: Drain) -> Seeking:
        chosen = self.chosen
        again = Again(
            log=self.journal,
            spool=self.spool,
            apart=streaming.apart,
            precedence=precedence,
        )
        return Seeking(
            name=self.name,
            site=chosen.site,
            priors=self.journal,
            log=self.journal,
            archives=prior_archives(chosen, self.errands),
            models=models,
            again=again if chosen.prior_again else None,
            within_s=chosen.prior_wait_s,
            clock=self.clock,
            faulty=self.events.prior_failed,
            check=drain.check,
        )


def _name(model: Model) -> str:
    return f"{model.manifest.name}/{model.manifest.version}"


def _each(models: Models) -> Iterable[Model]:
    """Each model once, however many titles name it."""
    return {id(model): model for model in models.values()}.values()


@dataclass
class _Left:
    """Says which series wait for an analyser that has their model, whenever that changes."""

    journal: SqlJournal
    titles: Collection[str]
    told: frozenset[str] = field(default=frozenset(), init=False)

    def step(self) -> None:
        """Look once."""
        left = self.journal.model_titles() - {*self.titles}
        if left - self.told:
            log.warning(
                "series that were sent to %s wait for an analyser whose [[called]] names a model for it",
                ", ".join(sorted(left)),
            )
        self.told = left
