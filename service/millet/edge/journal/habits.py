"""What was learned of senders, kept through restarts and shared by all receivers."""

from __future__ import annotations

import sqlalchemy as sa

from millet.codec import flat
from millet.core.habits import Habit, Observation, learn
from millet.edge.journal.base import Base
from millet.edge.journal.database import bump
from millet.edge.journal.tables import sender_habit
from millet.ports import Sender


class SenderHabits(Base):
    """A `ports.Habits`."""

    def habit(self, sender: Sender) -> Habit:
        """What is known of a sender; see `ports.Habits`."""
        with self._reading() as connection:
            return _known(connection, sender) or Habit()

    def learn(self, sender: Sender, seen: Observation) -> Habit:
        """Keep what one series showed; see `ports.Habits`."""
        with self._writing(awaited=False) as connection:
            bump(connection)  # the first lock: two receivers learn one after the other
            known = _known(connection, sender)
            habit = learn(known or Habit(), seen)
            if known is None:
                values = {**sender._asdict(), "document": flat.encode(habit)}
                connection.execute(sa.insert(sender_habit).values(values))
            else:
                here = sa.update(sender_habit).where(*_of(sender))
                connection.execute(here.values(document=flat.encode(habit)))
            return habit


def _known(connection: sa.Connection, sender: Sender) -> Habit | None:
    document = connection.execute(sa.select(sender_habit.c.document).where(*_of(sender))).scalar_one_or_none()
    return None if document is None else flat.decode(Habit, document)


def _of(sender: Sender) -> tuple[sa.ColumnElement[bool], ...]:
    return sender_habit.c.site == sender.site, sender_habit.c.calling_ae == sender.calling_ae
