"""A series is fetched from an archive into the same durable intake as what senders bring.

Theory of operation. The archive is asked which instances the series has; those that the journal knows are
not fetched again, since archives recode, and other bytes under a known UID would be kept as a conflict. The
rest is retrieved, whole where nothing is here yet, by instance otherwise: so a pull that broke off goes on
where it ended, and one that is repeated does nothing. What an archive sends is only taken if it is of the
series, and one of its instances. What came is told from what is durable, never from what the archive says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from millet.codec.identifiers import names_of
from millet.errors import ArchiveError, RefusedInstance
from millet.ports import Archive, Clock, KeptLog, Received, Retrieved, SeriesName

DOES_NOT_MATCH = 0xA900
"""DIMSE "Data Set does not match SOP Class" (PS3.4 B.2.3): it is not what was asked for."""
CANNOT_UNDERSTAND = 0xC000
LOOK_EVERY_S = 0.2

Admit = Callable[[Received, int], None]
"""As `Intake.admit`: an instance and the number of its association."""
Begun = Callable[[frozenset[str]], None]
"""Told, before any comes, which instances the archive has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """What became of one pull: of `wanted` instances `here` are durable, `new` of them by this pull."""

    name: SeriesName
    wanted: int
    here: int
    new: int
    refused: int
    """That came and were not of the series, or were not taken."""
    failed: int
    """That the archive says it could not send."""
    why: str = ""
    """What ended it early; empty when it ran to its end."""

    @property
    def complete(self) -> bool:
        """Whether the series is here, all of it that the archive told of."""
        return self.wanted > 0 and self.here == self.wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """The durable intake, as a pull sees it."""

    site: str
    admit: Admit
    ended: Callable[[int], None]
    """As `Intake.association_ended`."""
    number: Callable[[], int]
    """A number for one more source of instances; no association has it."""


class Puller:
    """Fetches series. Thread-safe."""

    def __init__(
        self,
        archives: Mapping[str, Archive],
        kept: KeptLog,
        door: Door,
        clock: Clock,
        wait: Callable[[float], None],
        *,
        settle_s: float = 30.0,
    ) -> None:
        """Make one.

        Args:
            archives: by the names under which they are configured.
            kept: the journal.
            door: where instances go.
            clock: for the end of waiting.
            wait: sleeps, for seconds.
            settle_s: how long instances that come by C-MOVE, or are durable already, may take to be seen in
                the journal.
        """
        self._archives = archives
        self._kept = kept
        self._door = door
        self._clock = clock
        self._wait = wait
        self._settle_s = settle_s

    def pull(self, archive: str, name: SeriesName, begun: Begun = lambda _wanted: None) -> Pulled:
        """Fetch what is missing of a series. Raises ArchiveError, StoreError, ValueError for no series."""
        source = self._archive(archive)
        wanted = source.instances(name.checked())
        begun(wanted)
        before = self._kept.kept(self._door.site, wanted)
        missing = wanted - before
        if not missing:
            return self._told(name, wanted, before, before, Retrieved(frozenset(), 0, 0))
        retrieved = self._retrieve(source, name, missing, only=missing if before else frozenset())
        here = self._settled(wanted, retrieved)
        return self._told(name, wanted, before, here, retrieved)

    def here(self, wanted: frozenset[str]) -> int:
        """How many of these instances the journal knows. Raises StoreError."""
        return len(self._kept.kept(self._door.site, wanted)) if wanted else 0

    def _archive(self, archive: str) -> Archive:
        if archive not in self._archives:
            raise ArchiveError(f"no archive is named {archive!r}")
        return self._archives[archive]

    def _retrieve(
        self, source: Archive, name: SeriesName, missing: frozenset[str], only: frozenset[str]
    ) -> Retrieved:
        number = self._door.number()

        def take(received: Received) -> None:
            """Admit what is of the series, and missing."""
            _check(received, name, missing)
            self._door.admit(replace(received, source=received.source._replace(site=self._door.site)), number)

        try:
            return source.retrieve(name, only, take)
        finally:
            self._door.ended(number)

    def _settled(self, wanted: frozenset[str], retrieved: Retrieved) -> frozenset[str]:
        """What the journal knows in the end: instances are durable a moment before their rows are.

        By C-MOVE none was counted here, and the archive's last answer may overtake the last instance.
        """
        ends_s = self._clock.monotonic_s() + self._settle_s
        while True:
            here = self._kept.kept(self._door.site, wanted)
            if retrieved.came is None:
                is_all = len(here) >= len(wanted) - retrieved.failed
            else:
                is_all = retrieved.came <= here
            if is_all or self._clock.monotonic_s() >= ends_s:
                return here
            self._wait(LOOK_EVERY_S)

    @staticmethod
    def _told(
        name: SeriesName,
        wanted: frozenset[str],
        before: frozenset[str],
        here: frozenset[str],
        retrieved: Retrieved,
    ) -> Pulled:
        return Pulled(
            name=name,
            wanted=len(wanted),
            here=len(here),
            new=len(here - before),
            refused=retrieved.refused,
            failed=retrieved.failed,
            why=retrieved.why,
        )


def _check(received: Received, name: SeriesName, missing: frozenset[str]) -> None:
    """Refuse what was not asked for. Raises RefusedInstance."""
    try:
        told = names_of(received.encoded)
    except ValueError as error:
        raise RefusedInstance(CANNOT_UNDERSTAND, "what the archive sent is no DICOM object") from error
    if (told.study_uid, told.series_uid) != name:
        raise RefusedInstance(DOES_NOT_MATCH, "the archive sent an instance of another series")
    if told.sop_instance_uid != received.sop_instance_uid or told.sop_instance_uid not in missing:
        raise RefusedInstance(DOES_NOT_MATCH, "the archive sent an instance that was not asked for")
