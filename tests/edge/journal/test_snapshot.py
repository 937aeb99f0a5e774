"""A journal as lines: out of one kind of database and into another, which counts on behind it."""

from __future__ import annotations

import pytest
from instances import SERIES, entry

from millet.edge.journal import SqlJournal, open_engine, snapshot
from millet.errors import StoreError


@pytest.fixture
def journals(new_journal):
    """A filled journal and an empty one of another kind, with their engines."""
    engines = {kind: open_engine(new_journal(kind)) for kind in ("sqlite", "postgresql")}
    yield {kind: (engine, SqlJournal(engine, lambda *_: None, None)) for kind, engine in engines.items()}
    for engine in engines.values():
        engine.dispose()


@pytest.mark.parametrize(("from_", "to"), [("sqlite", "postgresql"), ("postgresql", "sqlite")])
def test_rows_move_between_databases(journals, from_, to):
    """Every row is there as it was, times too, and the next one gets a number of its own."""
    (source, filled), (target, empty) = journals[from_], journals[to]
    filled.record_all([entry(number) for number in range(5)], {"one/a": 500})
    lines = list(snapshot.dump(source))
    assert snapshot.load(target, (line for _, line in lines)) == len(lines)
    assert list(snapshot.dump(target)) == lines
    assert (snapshot.count(source), snapshot.count(target)) == (1, 1)
    assert empty.indexed() == {"one/a": 500}
    (recorded,) = empty.record_all([entry(7, series_uid=f"{SERIES}.2")], {})
    assert recorded.new
    with pytest.raises(StoreError, match="not empty"):
        snapshot.load(target, (line for _, line in lines))


@pytest.mark.parametrize("line", ["{", "[]", '{"table": "series"}', '{"table": "nothing", "row": {}}'])
def test_lines_that_are_none_fill_nothing(journals, line):
    """Whatever stands there: a StoreError, and a journal that is as empty as it was."""
    engine, journal = journals["sqlite"]
    before = list(snapshot.dump(engine))
    with pytest.raises(StoreError):
        snapshot.load(engine, [line])
    assert list(snapshot.dump(engine)) == before
    assert journal.indexed() == {}
