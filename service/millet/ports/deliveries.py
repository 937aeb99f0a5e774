"""The journal as the outbox sees it: what is due, what was given up, and what an operator dismissed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple, Protocol

from millet.ports.work import Delivery


@dataclass(frozen=True, slots=True, kw_only=True)
class Later:
    """What is left to be done of a delivery, and when."""

    wait_s: float
    why: str = ""
    sent: bool = False
    """The destination took it: what is left is to verify that it keeps it."""
    counted: bool = True
    """Whether this was a try of the object; where the destination was away, it was none."""


class Topic(NamedTuple):
    """What a delivery says the newest of: a study, or a series."""

    site: str
    uid: str
    is_replaced: bool
    """Whether a newer delivery about it was made to the same destination, or is still to be made."""


class DeliveryQueue(Protocol):
    """The journal as the outbox sees it. Each method is one transaction, blocks, raises StoreError.

    All times are by the journal's clock, whatever that of this machine says.
    """

    def take(self, destination: str, holder: str, lease_s: float) -> Delivery | None:
        """The delivery of a destination that is longest due, or None.

        It is this holder's alone until the lease ends; then it is due again, for anybody. While an older one
        about the same is in somebody's hand, or due itself, a newer one is not given to anybody; one that
        waits for its next try, or was given up, holds up none.
        """

    def topics(self, delivery: Delivery) -> Sequence[Topic]:
        """What a delivery that was taken is about; empty for what has its place beside all others.

        A newer one that is made after this answer is given to nobody before this delivery is out of hand.
        """

    def let_go(self, holder: str) -> None:
        """What a holder had in hand when it was last ended is due again."""

    def delivered(self, delivery: Delivery) -> None:
        """The destination has it, verified where it is asked for."""

    def replaced(self, delivery: Delivery) -> None:
        """A newer one took its place: it is done, and was not sent."""

    def postpone(self, delivery: Delivery, later: Later) -> None:
        """Something is left to be done."""

    def give_up(self, delivery: Delivery, why: str) -> None:
        """It becomes a dead letter, until an operator replays or dismisses it."""


class Among(Enum):
    """Where deliveries are that an operator looks for."""

    DEAD = auto()
    """Given up, and neither replayed nor dismissed."""
    DISMISSED = auto()
    """Ended by an operator, and retention has not removed what was to be sent."""
    WAITING = auto()
    """Still to be made, and in nobody's hand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which dead letters, or of what else; empty for any."""

    destination: str = ""
    study_uid: str = ""
    series_uid: str = ""
    among: Among = Among.DEAD


LONGEST = 80
"""Characters of who dismisses something, and of why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dismissal:
    """Who says that reports need not reach their destination any more, and why. No patient's data."""

    by: str
    reason: str

    def __post_init__(self) -> None:
        for name, text in (("a name", self.by), ("a reason", self.reason)):
            if not text.strip() or not text.isprintable() or len(text) > LONGEST:
                raise ValueError(f"{name} has 1 to {LONGEST} characters that can be printed")

    def __str__(self) -> str:
        return f"{self.by}: {self.reason}"


class DeadLetters(Protocol):
    """What was given up, as an operator sees it. Each method blocks, raises StoreError."""

    def dead_letters(self, selection: Selection) -> Sequence[Delivery]:
        """Those that match, oldest first."""

    def replay(self, selection: Selection) -> int:
        """Have those that match tried again from the beginning, in one transaction; how many they are."""

    def dismiss(self, selection: Selection, said: Dismissal, count: int) -> None:
        """End those that match, in one transaction: they neither wait nor are dead letters.

        None is ended, and StoreError raised, where there are not as many as were counted before.
        """
