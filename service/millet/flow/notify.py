"""Who must hear of a study is told: what the journal says is due becomes messages that the outbox sends.

Theory of operation. A step reads what is due for one recipient, plans it (`core.notification`), makes each
message durable, and notes it in the journal together with its delivery. What the ceiling holds back is left
due: it is planned anew with every step, so that a digest says how things stand when it goes out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from millet.codec import notice
from millet.core.notification import WINDOW_S, News, Rule, news, plan
from millet.ports import (
    Clock,
    Due,
    Message,
    NoticeLog,
    ObjectStore,
    Settled,
)

KIND_DIGITS = 12

Told = Callable[[str, News], None]
"""Told of each study that a recipient hears of: the recipient, and what it is told."""


@dataclass(frozen=True, slots=True)
class Notifier:
    """Tells the recipients of this service; several processes may, and none tells what another told."""

    log: NoticeLog
    objects: ObjectStore
    clock: Clock
    rules: Mapping[str, Rule]
    """By recipient."""
    told: Told

    def step(self) -> None:
        """Tell everybody all that is due and not over the ceiling. Raises StoreError."""
        for recipient, rule in self.rules.items():
            if due := self.log.due(recipient):
                self._tell(recipient, rule, due)

    def _tell(self, recipient: str, rule: Rule, due: Sequence[Due]) -> None:
        found = [(one, news(one.standing, rule.least)) for one in due]
        for one, none in found:
            if none is None:
                knows = Settled(due=one, level=one.standing.before, is_news=False)
                self.log.settle(recipient, [knows], None)
        known = [told for _, told in found if told is not None]
        if not known:
            return
        dues = {told: one for one, told in found if told is not None}
        planned = plan(known, self.log.sent(recipient, WINDOW_S), rule.most_an_hour)
        for message in (*((one,) for one in planned.single), *([planned.digest] if planned.digest else [])):
            self._send(recipient, rule, [(dues[told], told) for told in message])

    def _send(self, recipient: str, rule: Rule, message: Sequence[tuple[Due, News]]) -> None:
        every = [told for _, told in message]
        stored = self.objects.write(notice.encode(recipient, every, rule.identify, self.clock.utc()))
        kind = "digest" if len(every) > 1 else "urgent" if every[0].is_highest else "notice"
        sent = Message(kind=f"{kind}-{stored.digest[:KIND_DIGITS]}", path=stored.path)
        settled = [Settled(due=due, level=told.told_level, is_news=True) for due, told in message]
        if self.log.settle(recipient, settled, sent):
            for told in every:
                self.told(recipient, told)
