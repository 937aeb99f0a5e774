from __future__ import annotations

import pytest
import sqlalchemy as sa
from fakes import MemoryObjects
from instances import entry

from millet.edge.journal import SqlJournal, open_engine
from millet.errors import StoreError


@pytest.fixture
def engine(journal_url):
    """An empty journal."""
    made = open_engine(journal_url)
    yield made
    made.dispose()


def test_each_series_of_a_batch_has_a_revision_of_its_own(engine):
    """New ones and known ones; a watcher that was cut off between two of them can tell where."""
    journal = SqlJournal(engine, lambda *_: None, MemoryObjects())
    for first in (0, 30):
        before = journal.revision()
        journal.record_all([entry(n, series_uid=f"1.2.{n % 5}") for n in range(first, first + 20)])
        changed = journal.changed(before)
        assert [line.revision for line in changed] == list(range(before + 1, before + 6))
        assert journal.revision() == before + 5
    assert [line.revision for line in journal.changed(0, limit=2)] == [before + 1, before + 2]


def test_a_batch_costs_few_statements(engine):
    """256 instances of eight new series, and 256 more: some statements a batch, one a new series."""
    journal = SqlJournal(engine, lambda *_: None, MemoryObjects())
    told = []
    sa.event.listen(engine, "before_cursor_execute", lambda *found: told.append(found[2]))
    costs = []
    for first in (0, 256):
        told.clear()
        batch = [entry(n, series_uid=f"1.2.{n % 8}") for n in range(first, first + 256)]
        assert all(one.new for one in journal.record_all(batch, {"a": first}))
        costs.append(len(told))
    assert costs[0] <= 8 + 8
    assert costs[1] <= 8


def test_a_batch_that_fails_leaves_nothing(engine):
    """Instances and marks are written together or not at all."""
    journal = SqlJournal(engine, lambda *_: None, MemoryObjects())
    with pytest.raises((StoreError, OverflowError)):
        journal.record_all([entry(1)], {"a": 2**64})
    assert (journal.indexed(), journal.open_series()) == ({}, [])
