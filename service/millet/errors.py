"""Everything this service raises on purpose.

ServiceError
├── SettingsError        the configuration is wrong; every mistake is named at once, nothing starts
├── RefusedInstance      the sender is told now, with a DIMSE status (PS3.4 B.2.3)
│   └── TooLarge         it will not be taken later either
├── UnfitSeries          stored, but not analysable; never retried; carries its coded Reason
├── ModelError           the model's files are missing, altered or of another contract; nothing starts
├── DetectorError        the model failed on a window; retried, then parked
│   └── OutOfMemory      so many windows at once are too much for the device
├── StoreError           the spool or the journal failed; the sender is told to try again
│   └── Removed          what is asked for was removed meanwhile; it is not there later either
├── ArchiveError         an archive cannot be asked, or answers nonsense; the pull ends and may be begun again
└── DeliveryError        a destination refused or is unreachable; `.retryable` and `.away` say which
    └── Replaced         a newer message took its place: nothing is sent, and nothing failed

Beside the tree stands Interrupted: no error, but the way out of work that a stop cuts short.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from millet.core.reasons import Reason


class ServiceError(Exception):
    """Root of every error that this service raises on purpose.

    Messages never hold a patient's name, identifier or date of birth.
    """


class SettingsError(ServiceError):
    """The configuration has one or more mistakes."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("; ".join(self.mistakes))


class RefusedInstance(ServiceError):  # noqa: N818 - named for what the sender is told
    """An instance is not taken; `status` is the DIMSE status of the C-STORE response."""

    def __init__(self, status: int, why: str) -> None:
        self.status = status
        super().__init__(why)


class TooLarge(RefusedInstance):
    """An instance is larger than what is taken."""


class UnfitSeries(ServiceError):  # noqa: N818 - a verdict on the series, not a fault of ours
    """A series is kept but not analysed, for a coded reason."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(f"{reason.value}: {detail}" if detail else reason.value)


class ModelError(ServiceError):
    """A model's folder cannot be used as it is."""


class DetectorError(ServiceError):
    """The detector failed on a window."""


class OutOfMemory(DetectorError):  # noqa: N818 - no fault of the window: fewer at once may do
    """The device has no memory for so many windows at once."""


class StoreError(ServiceError):
    """Bytes or rows could not be made durable."""


class Removed(StoreError):  # noqa: N818 - named for what happened
    """What is asked for is kept no more."""


class DeliveryError(ServiceError):
    """A report did not reach its destination."""

    def __init__(self, why: str, *, retryable: bool, away: bool = False, after_s: float = 0.0) -> None:
        self.retryable = retryable
        self.away = away
        """It is the destination that fails, whatever the object: its tries are not counted."""
        self.after_s = after_s
        """The destination asked not to be tried again any sooner."""
        super().__init__(why)


class Replaced(DeliveryError):  # noqa: N818 - nothing failed
    """A message is old: its recipient has a newer one about the same, or is about to get it."""

    def __init__(self) -> None:
        super().__init__("a newer one took its place", retryable=False)


class ArchiveError(ServiceError):
    """An archive could not be asked, or its answer cannot be used."""


class Interrupted(BaseException):
    """Work is left as it is because the service stops; the next start takes it up again.

    No Exception, so that no handler that survives a bad item, and no engine that records failures,
    mistakes it for one.
    """
