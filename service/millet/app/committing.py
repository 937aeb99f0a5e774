"""The part that promises: Storage Commitment for what we keep, and for the reports that we send."""

from __future__ import annotations

import logging
import random
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from millet.app.pulling import caller, peer_caller
from millet.core.commitment import PUSH_MODEL
from millet.core.retry import Patience
from millet.core.uids import derived_uid
from millet.edge.journal import SqlJournal
from millet.edge.query import Caller, CommitmentPeers
from millet.edge.scp import Answer, Command, Service
from millet.edge.scp import Caller as Asker
from millet.edge.scp.commands import Field
from millet.flow.commitment import Promises, Questions
from millet.flow.lifecycle import Loop, Part
from millet.ports import Clock, Requester
from millet.settings import Settings

log = logging.getLogger(__name__)

EVERY_S = 1.0
GRACE_S = 30.0
"""How long an instance that was acknowledged may take to be journalled, before it is said not to be here."""
NO_SUCH_OPERATION = 0x0211


@dataclass(frozen=True, kw_only=True)
class Committing:
    """Requests of others -> the journal -> reports to them; questions of ours -> answers in the journal."""

    chosen: Settings
    clock: Clock
    journal: SqlJournal
    destinations: Mapping[str, Caller] = field(default_factory=dict)
    """Whom we ask, by the names of destinations that are to promise what they keep."""

    def part(self) -> Part:
        """Answers what is due."""
        return Part(name="commitment", start=self._loop.start, stop=self._loop.stop)

    @property
    def services(self) -> Mapping[str, Service]:
        """For the DICOM port, by abstract syntax."""
        return {PUSH_MODEL: self._serve}

    @cached_property
    def questions(self) -> Questions:
        """A `Verifier` for the destinations."""
        return Questions(
            self.journal, self._peers, self.clock, lambda: derived_uid("transaction", uuid.uuid4().hex)
        )

    @cached_property
    def _peers(self) -> CommitmentPeers:
        return CommitmentPeers(requesters(self.chosen), self.destinations)

    @cached_property
    def _promises(self) -> Promises:
        chosen = self.chosen
        patience = Patience(
            first_s=chosen.retry_first_s, longest_s=chosen.retry_longest_s, give_up_s=chosen.retry_for_s
        )
        return Promises(self.journal, self._peers, patience, self.clock, _tell, grace_s=GRACE_S)

    @cached_property
    def _loop(self) -> Loop:
        return Loop("commitment", lambda: self._promises.step(random.random), EVERY_S)

    def _serve(self, command: Command, data_set: bytes, asker: Asker) -> Answer:
        match command.field:
            case Field.N_ACTION:
                requester = Requester(self.chosen.site, asker.calling_ae)
                answer = Answer(self._promises.asked(requester, command.kind or 0, data_set))
                self._loop.wake()
                return answer
            case Field.N_EVENT_REPORT:
                return Answer(self.questions.heard(data_set))
        return Answer(NO_SUCH_OPERATION)


def requesters(chosen: Settings) -> Mapping[str, Caller]:
    """Who may ask us and where they listen, by AE title: peers that are called back, and archives."""
    peers = [peer_caller(chosen, one.listens()) for one in chosen.peer if one.host]
    archives = [caller(chosen, one) for one in chosen.archive if one.kind == "dimse"]
    return {one.peer.ae_title: one for one in (*peers, *archives)}


def _tell(what: str, ae_title: str, count: int, why: str) -> None:
    """See `flow.commitment.Tell`."""
    level = logging.INFO if what in {"asked", "told"} else logging.WARNING
    log.log(level, "commitment %s", what, extra={"by": ae_title, "count": count, "why": why})
