"""What must not be forgotten: tables and durable work, one adapter."""

from millet.edge.journal.clock import JournalClock
from millet.edge.journal.commitments import Commitments
from millet.edge.journal.database import journal_url, migrate_apart, open_engine, sqlite_url
from millet.edge.journal.deliveries import Deliveries
from millet.edge.journal.durable import DurableWork
from millet.edge.journal.journal import SqlJournal

__all__ = [
    "Commitments",
    "Deliveries",
    "DurableWork",
    "JournalClock",
    "SqlJournal",
    "journal_url",
    "migrate_apart",
    "open_engine",
    "sqlite_url",
]
