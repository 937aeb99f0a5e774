"""`millet replay` on a journal whose service is stopped, and on one that others have open."""

from __future__ import annotations

import sys
from dataclasses import replace

import analyses
import pytest
from fakes import MemoryObjects
from instances import START_UTC, entry

from millet import cli
from millet.edge.journal import SqlJournal, open_engine, sqlite_url
from millet.edge.journal.migrating import migrate
from millet.ports import KeptObject, Selection


@pytest.fixture
def journal(tmp_path):
    """Two series, whose reports two destinations refused."""
    engine = open_engine(sqlite_url(tmp_path / "journal.db"))
    migrate(engine)
    made = SqlJournal(engine, lambda *_: None, MemoryObjects())
    for number in (1, 2):
        recorded = made.record(entry(number, series_uid=f"1.2.{number}"))
        made.close(recorded.series_id, 1, START_UTC)
        analysis = replace(analyses.analysis(), created_utc=START_UTC)
        kept = [KeptObject(kind="sr", path="aa/sr", deliver=True)]
        made.commit(made.claim(recorded.series_id, 1), analysis, kept, ["pacs", "archive"])
    for destination in ("pacs", "archive"):
        while delivery := made.take(destination, "one", 60.0):
            made.give_up(delivery, "the destination answered 0xA900")
    yield made
    engine.dispose()


@pytest.fixture
def replay(monkeypatch, capsys, tmp_path):
    """`millet replay ARGUMENTS` on that journal."""

    def run(*arguments, state_dir=tmp_path):
        monkeypatch.setenv("MILLET_STATE_DIR", str(state_dir))
        monkeypatch.setattr(sys, "argv", ["millet", "replay", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


def dead(journal):
    """Which dead letters are left, by destination and series."""
    return {(d.destination, d.series_uid) for d in journal.dead_letters(Selection())}


def test_dead_letters_are_listed_with_why(journal, replay):
    """Without a choice nothing is replayed."""
    code, out, _ = replay()
    assert (code, out.count("0xA900")) == (0, 4)
    assert "4 dead letters" in out
    assert len(dead(journal)) == 4
    assert "2 dead letters" in replay("--destination", "pacs", "--list")[1]
    assert len(dead(journal)) == 4


@pytest.mark.parametrize(
    ("arguments", "left"),
    [
        (("--all",), 0),
        (("--destination", "pacs"), 2),
        (("--series", "1.2.1"), 2),
        (("--series", "1.2.1", "--destination", "archive"), 3),
    ],
    ids=["all", "destination", "series", "both"],
)
def test_what_is_chosen_is_tried_again(journal, replay, arguments, left):
    """Another process that has the journal open finds it due at once."""
    code, out, _ = replay(*arguments)
    assert code == 0
    assert f"{4 - left} deliver" in out
    assert len(dead(journal)) == left
    taken = sum(journal.take(name, "one", 60.0) is not None for name in ["pacs", "archive"] * 2)
    assert taken == 4 - left


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(("--study", "1.9"), "no dead letter matches"), (("--all", "--study", "1.9"), "nothing to choose")],
)
def test_a_choice_that_means_nothing_is_said(journal, replay, arguments, said):
    """A typing error is no success."""
    code, _, err = replay(*arguments)
    assert code == 1
    assert said in err
    assert len(dead(journal)) == 4


def test_where_no_journal_is_none_is_made(replay, tmp_path):
    """A wrong folder is a mistake, and stays as it was."""
    code, _, err = replay(state_dir=tmp_path / "wrong")
    assert code == 1
    assert "no journal" in err
    assert not (tmp_path / "wrong").exists()
