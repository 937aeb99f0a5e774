"""The journal as notifications see it: of what a recipient must hear, and what it was told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from millet.core.analysis import TriageLevel
from millet.core.notification import Standing
from millet.ports.work import Delivery


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A study of which something was committed since a recipient was told last."""

    standing: Standing
    revision: int
    """Of the journal, at that commit."""
    analysis_id: int
    """Whose level is the study's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What a recipient knows of a study now."""

    due: Due
    level: TriageLevel | None
    is_news: bool
    """Whether it is told something; else it knew all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is sent: durable in the object store."""

    kind: str
    path: str


class ImageReference(NamedTuple):
    """An instance of a series."""

    sop_class_uid: str
    sop_instance_uid: str


class NoticeLog(Protocol):
    """Each method is one transaction, blocks, raises StoreError."""

    def due(self, recipient: str) -> Sequence[Due]:
        """The studies that are due, longest first."""

    def sent(self, recipient: str, within_s: float) -> int:
        """How many messages were made for a recipient within a time, those of the highest level left out."""

    def settle(self, recipient: str, settled: Sequence[Settled], message: Message | None) -> bool:
        """Note what a recipient knows together with the delivery of the message that says so.

        False, and nothing is noted, where one of the studies is due no longer, or again.
        """

    def images(self, about: Delivery) -> Sequence[ImageReference]:
        """The instances of the series that a message is about."""
