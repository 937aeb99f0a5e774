"""A modality as hospitals have them: it sends, notes what was acknowledged, and sends the rest again."""

from __future__ import annotations

import hashlib
import itertools
import random
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from faults.scanner import Association, AssociationLost, Slice

SUCCESS = 0x0000
NOT_TAKEN = 0x0122
NEVER = frozenset({0xA9, 0xC0})
"""First bytes of statuses that another try does not heal: it does not match, it is not understood."""
AGAIN_S = 0.15


class Acked(NamedTuple):
    """A response of success: these bytes are the service's responsibility from here on."""

    series_uid: str
    sop_instance_uid: str
    digest: str
    """SHA-256 of the data set."""


@dataclass
class Record:
    """What all senders of a seed know. Thread-safe."""

    acked: set[Acked] = field(default_factory=set)
    responses: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    """SOP Instance UID -> the status that refused it for good."""
    tries: int = 0
    statuses: dict[str, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def tells(self, one: Slice, status: int) -> bool:
        """Note a response; whether the instance is dealt with."""
        with self._lock:
            key = f"0x{status:04X}"
            self.statuses[key] = self.statuses.get(key, 0) + 1
            if status == SUCCESS or status >> 12 == 0xB:
                self.acked.add(acked(one))
                self.responses += 1
                return True
            if status == NOT_TAKEN or status >> 8 in NEVER:
                self.refused[one.sop_instance_uid] = status
                return True
            return False

    def tried(self) -> None:
        """Note an association that was asked for."""
        with self._lock:
            self.tries += 1


def acked(one: Slice) -> Acked:
    """What a success for an instance says."""
    return Acked(one.series_uid, one.sop_instance_uid, hashlib.sha256(one.dataset).hexdigest())


@dataclass(frozen=True, kw_only=True)
class Manner:
    """How a sender goes about it."""

    after_s: float = 0.0
    """When it begins."""
    pause_s: float = 0.0
    """Between two instances."""
    per_association: int = 1000
    """How many instances it sends over one association."""
    aborts: float = 0.0
    """Chance that it ends an association by an abort or a drop in mid-PDU instead of a release."""
    calling_ae: str = "SCANNER"


class Modality(threading.Thread):
    """Sends instances in order until each is acknowledged or refused for good."""

    def __init__(
        self,
        slices: Sequence[Slice],
        manner: Manner,
        ports: Sequence[int],
        record: Record,
        chance: random.Random,
    ) -> None:
        """Takes the first of `ports`, and the next one when an association to it is lost."""
        super().__init__(daemon=True)
        self._todo = list(slices)
        self._manner, self._record, self._chance = manner, record, chance
        self._ports = itertools.cycle(ports)
        self._port = next(self._ports)
        self._ended = threading.Event()
        self.failure: BaseException | None = None

    def run(self) -> None:
        """Until all is dealt with, or `give_up`."""
        try:
            self._ended.wait(self._manner.after_s)
            while self._todo and not self._ended.is_set():
                try:
                    self._associate()
                except AssociationLost:
                    self._port = next(self._ports)
                    self._ended.wait(AGAIN_S)
        except BaseException as failure:
            self.failure = failure
            raise

    def give_up(self) -> None:
        """Send no more."""
        self._ended.set()

    @property
    def left(self) -> int:
        """Instances that are not dealt with."""
        return len(self._todo)

    def _associate(self) -> None:
        self._record.tried()
        association = Association(self._port, self._manner.calling_ae)
        later: list[Slice] = []
        try:
            for _ in range(min(self._manner.per_association, len(self._todo))):
                if self._ended.is_set():
                    break
                one = self._todo[0]
                if not self._record.tells(one, association.store(one)):
                    later.append(one)
                self._todo.pop(0)
                time.sleep(self._manner.pause_s)
            self._part(association)
        finally:
            association.drop()
            self._todo = later + self._todo
        if later:
            self._ended.wait(AGAIN_S)

    def _part(self, association: Association) -> None:
        if self._chance.random() >= self._manner.aborts:
            association.release()
        elif self._todo and self._chance.random() < 0.5:
            association.half_store(self._todo[0], self._chance.randrange(len(self._todo[0].dataset)))
        else:
            association.abort()
