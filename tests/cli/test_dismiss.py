"""`millet dismiss` on a journal that others have open."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import analyses
import pytest
from fakes import MemoryObjects
from instances import START_UTC, entry

from millet import cli
from millet.core.analysis import Triage, TriageLevel
from millet.edge.journal import SqlJournal, open_engine, sqlite_url
from millet.edge.journal.migrating import migrate
from millet.ports import Among, KeptObject, Selection

SAID = ("--by", "Erika Muster", "--reason", "taken out of the house")
LEVELS = {1: TriageLevel.NOTABLE, 2: TriageLevel.CRITICAL}


@pytest.fixture
def journal(tmp_path):
    """Two series, whose reports pacs and archive refused, and old, which is gone, was never asked for."""
    engine = open_engine(sqlite_url(tmp_path / "journal.db"))
    migrate(engine)
    made = SqlJournal(engine, lambda *_: None, MemoryObjects())
    for number, level in LEVELS.items():
        recorded = made.record(entry(number, series_uid=f"1.2.{number}"))
        made.close(recorded.series_id, 1, START_UTC)
        told = Triage(level=level, reasons=("because",))
        analysis = replace(analyses.analysis(), triage=told, created_utc=START_UTC)
        kept = [KeptObject(kind="sr", path="aa/sr", deliver=True)]
        made.commit(made.claim(recorded.series_id, 1), analysis, kept, ["pacs", "archive", "old"])
    for destination in ("pacs", "archive"):
        while delivery := made.take(destination, "one", 60.0):
            made.give_up(delivery, "the destination answered 0xA900")
    yield made
    engine.dispose()


@pytest.fixture
def millet(monkeypatch, capsys, tmp_path):
    """`millet ARGUMENTS` on that journal."""
    monkeypatch.setenv("MILLET_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "400")

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["millet", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


@pytest.fixture
def trail(tmp_path):
    """What the audit trail tells."""

    def read():
        lines = [line for path in tmp_path.glob("audit/*.jsonl") for line in path.read_text().splitlines()]
        return [json.loads(line)["what"] for line in lines]

    return read


def among(journal, where):
    """Which deliveries are somewhere, by destination and series."""
    return {(d.destination, d.series_uid) for d in journal.dead_letters(Selection(among=where))}


def test_nothing_is_dismissed_before_somebody_confirms_what_it_is(journal, millet, trail):
    """The most urgent stand first in what is told, and the number to confirm is said; another is refused."""
    code, out, _ = millet("dismiss", *SAID, "--destination", "pacs")
    assert code == 0
    assert out.index("critical") < out.index("notable")
    assert "2 deliveries\nnone is dismissed yet; --confirm 2 dismisses them" in out
    code, out, err = millet("dismiss", *SAID, "--destination", "pacs", "--confirm", "0")
    assert (code, "critical" in out) == (1, True)
    assert "they are 2, not 0" in err
    assert len(among(journal, Among.DEAD)) == 4
    assert trail() == []


@pytest.mark.parametrize(
    ("chosen", "count", "levels"),
    [
        (("--all",), 4, "2 critical, 2 notable"),
        (("--destination", "pacs"), 2, "1 critical, 1 notable"),
        (("--series", "1.2.2"), 2, "2 critical"),
        (("--series", "1.2.1", "--destination", "archive"), 1, "1 notable"),
    ],
    ids=["all", "destination", "series", "both"],
)
def test_what_is_confirmed_is_dismissed_and_kept_in_the_audit_trail(
    journal, millet, trail, chosen, count, levels
):
    """Who, why, how many and of what level; the rest stays dead, and what waits goes on waiting."""
    code, out, err = millet("dismiss", *SAID, *chosen, "--confirm", str(count))
    assert (code, err) == (0, "")
    noun = "delivery" if count == 1 else "deliveries"
    assert out.endswith(f"{count} {noun} dismissed\n")
    assert len(among(journal, Among.DEAD)) == 4 - count
    assert len(among(journal, Among.DISMISSED)) == count
    assert trail() == [f"dismissed {count} {noun} ({levels}), Erika Muster: taken out of the house"]
    assert millet("audit", "verify")[0] == 0
    assert journal.backlog()["old"].waiting == 2


def test_what_was_dismissed_is_listed_and_replayed_if_asked_for(journal, millet):
    """With who and why; a replay of dead letters leaves it alone."""
    millet("dismiss", *SAID, "--destination", "pacs", "--confirm", "2")
    assert "2 deliveries will" in millet("replay", "--all")[1]
    code, out, _ = millet("replay", "--dismissed")
    assert (code, out.count("Erika Muster: taken out of the house; before: the destination")) == (0, 2)
    assert "2 dismissed letters" in out
    assert "2 deliveries will" in millet("replay", "--dismissed", "--destination", "pacs")[1]
    assert not among(journal, Among.DISMISSED)
    assert "no dismissed letter matches" in millet("replay", "--dismissed", "--study", "1.9")[2]


def test_a_dismissal_that_is_taken_back_is_in_the_trail_and_its_reason_is_shown_as_it_was_written(
    journal, millet, trail
):
    """Brackets are no markup."""
    said = ("--by", "Erika Muster", "--reason", "gone [/INC-4711] [ticket 12]")
    assert millet("dismiss", *said, "--destination", "pacs", "--confirm", "2")[0] == 0
    code, out, _ = millet("replay", "--dismissed")
    assert (code, out.count("gone [/INC-4711] [ticket 12]; before: ")) == (0, 2)
    assert millet("replay", "--dismissed", "--all")[0] == 0
    assert trail()[-1] == "takes back the dismissal of 2 deliveries"


def test_what_waits_for_a_destination_that_is_gone_is_dismissed(journal, millet, monkeypatch):
    """Not for one that is configured, where it is tried."""
    asked = ("dismiss", *SAID, "--waiting", "--destination", "old", "--confirm", "2")
    monkeypatch.setenv("MILLET_DESTINATION", "none")
    assert millet(*asked)[0] == 0
    assert "old" not in journal.backlog()
    assert {to for to, _ in among(journal, Among.DISMISSED)} == {"old"}
    monkeypatch.setenv("MILLET_DESTINATION", "folder")
    code, _, err = millet("dismiss", *SAID, "--waiting", "--destination", "folder", "--confirm", "2")
    assert code == 1
    assert "folder is configured" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (SAID, "choose --all"),
        ((*SAID, "--all", "--study", "1.9"), "choose --all"),
        ((*SAID, "--study", "1.9"), "nothing matches"),
        ((*SAID, "--all", "--waiting"), "--waiting needs --destination"),
        (("--all", "--by", "E"), "--reason"),
        (("--all", "--by", " ", "--reason", "none"), "1 to 80 characters"),
    ],
    ids=["no choice", "two choices", "no match", "waiting", "no reason", "no name"],
)
def test_a_dismissal_that_is_not_meant_is_refused(journal, millet, trail, arguments, said):
    """A typing error dismisses nothing."""
    code, _, err = millet("dismiss", *arguments, "--confirm", "4")
    assert code != 0
    assert said in err
    assert len(among(journal, Among.DEAD)) == 4
    assert trail() == []


def test_what_cannot_be_kept_in_the_audit_trail_is_not_done(journal, millet, tmp_path):
    """Nothing is dismissed without a trace."""
    (tmp_path / "audit").write_text("x")
    code, _, err = millet("dismiss", *SAID, "--all", "--confirm", "4")
    assert code == 1
    assert "audit" in err
    assert len(among(journal, Among.DEAD)) == 4
