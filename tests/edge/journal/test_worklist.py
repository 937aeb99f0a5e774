from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import analyses
import pytest
import sqlalchemy as sa
from fakes import MemoryObjects
from instances import START_UTC, entry
from readers import seen, taken_back

from millet.core.analysis import Outcome, Triage, TriageLevel
from millet.core.canary import NAME, TITLE
from millet.core.geometry import PointMm
from millet.core.language import Language
from millet.core.nodule import Candidate
from millet.edge.journal import SqlJournal, open_engine, snapshot
from millet.edge.journal.tables import delivery
from millet.ports import (
    About,
    Dismissal,
    KeptObject,
    Selection,
    SeriesKey,
    Site,
    Stored,
    WorklistQuery,
)

LEVELS = {1: TriageLevel.NOTABLE, 2: TriageLevel.CRITICAL, 3: TriageLevel.UNFLAGGED}


class Bench:
    """A journal with four series: notable, critical, unflagged, and one that is being received."""

    def __init__(self, url):
        self.engine = open_engine(url)
        self.objects = MemoryObjects()
        self.journal = SqlJournal(self.engine, lambda *_: None, self.objects)
        for number, level in LEVELS.items():
            self.analyse(self.receive(number), level)
        self.receive(4)

    def receive(self, number):
        """One instance of a series of its own; odd ones from another site."""
        source = Site("north" if number % 2 else "south", f"CT{number}", "MILLET")
        return self.journal.record(entry(number, source=source, series_uid=f"1.2.{number}"))

    def analyse(self, recorded, level):
        """Close and commit."""
        self.journal.close(recorded.series_id, recorded.generation, START_UTC)
        work = self.journal.claim(recorded.series_id, recorded.generation)
        told = Triage(level=level, reasons=("because",))
        made = replace(analyses.analysis(), triage=told, created_utc=START_UTC, generation=work.generation)
        kept = KeptObject(kind="sr", path=self.objects.write(level.encode()).path, deliver=True)
        self.journal.commit(work, made, [kept], ["folder"])
        return made

    def uids(self, **query):
        """The last number of each series that matches."""
        return [int(s.key.series_uid[-1]) for s in self.journal.series(WorklistQuery(**query))]


@pytest.fixture
def bench(journal_url):
    """The four series."""
    made = Bench(journal_url)
    yield made
    made.engine.dispose()


def key(number):
    """The key of a series by its number."""
    return SeriesKey(site="north" if number % 2 else "south", series_uid=f"1.2.{number}")


def test_the_most_urgent_series_comes_first(bench):
    """Critical before notable before unflagged, and what is not judged yet last."""
    assert bench.uids() == [2, 1, 3, 4]


def test_the_newest_analysis_decides_the_place(bench):
    """Of the latest generation, also where that of an earlier one is committed after it."""
    source = Site("north", "CT3", "MILLET")
    first = bench.journal.record(entry(10, source=source, series_uid="1.2.3"))
    bench.journal.close(first.series_id, first.generation, START_UTC)
    early = bench.journal.claim(first.series_id, first.generation)
    later = bench.journal.record(entry(11, source=source, series_uid="1.2.3"))
    bench.analyse(later, TriageLevel.CRITICAL)
    assert bench.uids()[:2] == [2, 3]
    told = Triage(level=TriageLevel.UNFLAGGED, reasons=("because",))
    assert bench.journal.commit(early, replace(analyses.analysis(), triage=told, generation=2), [], [])
    assert bench.uids()[:2] == [2, 3]
    assert bench.uids(triage=TriageLevel.UNFLAGGED) == []


def test_pages_follow_each_other(bench):
    """A limit and an offset cut the list; no limit is all."""
    assert bench.uids(limit=2) == [2, 1]
    assert bench.uids(limit=2, offset=2) == [3, 4]
    assert bench.uids(offset=1) == [1, 3, 4]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"site": "north"}, [1, 3]),
        ({"sender": "CT2"}, [2]),
        ({"issuer": "ISS", "patient_id": "P1", "site": "south"}, [2, 4]),
        ({"issuer": "OTHER"}, []),
        ({"accession": "A1", "triage": TriageLevel.NOTABLE}, [1]),
        ({"series_uid": "1.2.4"}, [4]),
        ({"study_uid": "1.2"}, []),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else "",
)
def test_filters_hold_together(bench, query, found):
    """Every filter that is given must hold."""
    assert bench.uids(**query) == found


def test_a_line_tells_all_of_a_series(bench):
    """State, outcome, triage, numbers and the patient, as journalled."""
    (line,) = bench.journal.series(WorklistQuery(series_uid="1.2.1"))
    assert (line.state, line.outcome, line.triage, line.nodules) == (
        "analysed",
        Outcome.FINDINGS,
        TriageLevel.NOTABLE,
        2,
    )
    assert (line.patient_name, line.birth_date, line.accession, line.sender) == (
        "Müller^Ä",
        "19600101",
        "A1",
        "CT1",
    )
    assert (line.deliveries_pending, line.instances, line.reason_code) == (1, 1, "")
    assert line.first_received_utc == START_UTC + timedelta(seconds=1)


def test_a_watcher_sees_each_change_after_its_revision(bench):
    """What changes comes with a greater revision, in order; what was seen does not come again."""
    seen = bench.journal.changed(0)
    assert [s.revision for s in seen] == sorted({s.revision for s in seen})
    bench.journal.delivered(bench.journal.take("folder", "one", 60.0))
    (line,) = bench.journal.changed(seen[-1].revision)
    assert (line.key, line.deliveries_pending) == (key(1), 0)
    assert bench.journal.changed(line.revision) == []
    for after, limit in ((0, 10), (0, 2), (seen[1].revision, 10), (line.revision, 10)):
        told = [one.revision for one in bench.journal.changed(after, limit)]
        assert bench.journal.revisions(after, limit) == told


def test_a_delivery_that_was_given_up_is_counted_apart(bench):
    """A dead letter is neither pending nor forgotten: its series says so, no other does."""
    lost = bench.journal.take("folder", "one", 60.0)
    bench.journal.give_up(lost, "refused")
    (line,) = [s for s in bench.journal.series(WorklistQuery()) if s.deliveries_dead]
    assert (line.key.series_uid, line.deliveries_dead, line.deliveries_pending) == (lost.series_uid, 1, 0)


def test_the_newest_analysis_is_told(bench):
    """After a late instance the new generation's analysis and objects take the old one's place."""
    assert bench.journal.object_bytes(key(3), "sr") == b"unflagged"
    source = Site("north", "CT3", "MILLET")
    late = bench.journal.record(entry(9, source=source, series_uid="1.2.3"))
    assert bench.journal.analysis(key(3)).generation == 1
    made = bench.analyse(late, TriageLevel.URGENT)
    assert bench.journal.analysis(key(3)) == made
    assert bench.journal.object_bytes(key(3), "sr") == b"urgent"
    told = [bench.journal.object_bytes(key(3), "sr", generation) for generation in (1, 2, 3)]
    assert told == [b"unflagged", b"urgent", None]


def test_what_is_not_there_is_none(bench):
    """No analysis, no object, no such series: None."""
    assert bench.journal.analysis(key(4)) is None
    assert bench.journal.analysis(SeriesKey(site="south", series_uid="1.2.1")) is None
    assert bench.journal.object_bytes(key(1), "seg") is None
    assert bench.journal.object_bytes(key(4), "sr") is None


def test_a_parked_series_says_why(bench):
    """The reason of a parked series stands where a refusal's would."""
    bench.journal.close(4, 1, START_UTC)
    bench.journal.park(4, 1, "internal-error")
    (line,) = bench.journal.series(WorklistQuery(series_uid="1.2.4"))
    assert (line.state, line.reason_code) == ("parked", "internal-error")


def test_a_delivery_that_is_replayed_is_told(bench):
    """Who watches a series sees that its dead letter waits again."""
    bench.journal.give_up(bench.journal.take("folder", "one", 60.0), "refused")
    seen = bench.journal.changed(0)[-1].revision
    assert bench.journal.replay(Selection()) == 1
    (line,) = bench.journal.changed(seen)
    assert (line.key, line.deliveries_pending, line.deliveries_dead) == (key(1), 1, 0)


def test_a_delivery_that_is_dismissed_is_told(bench):
    """Who watches a series sees that its dead letter is none any more, and did not arrive either."""
    bench.journal.give_up(bench.journal.take("folder", "one", 60.0), "refused")
    seen = bench.journal.changed(0)[-1].revision
    bench.journal.dismiss(Selection(), Dismissal(by="Erika Muster", reason="none"), 1)
    (line,) = bench.journal.changed(seen)
    assert (line.key, line.deliveries_dead, line.deliveries_dismissed) == (key(1), 0, 1)
    assert bench.journal.counts()[1] == {"pending": 2, "dismissed": 1}


def test_a_state_that_only_a_later_release_knows_stops_nobody(bench):
    """While two releases run beside each other, a delivery may be in a state without a name here."""
    with bench.engine.begin() as connection:
        connection.execute(sa.update(delivery).values(state="of-tomorrow"))
    assert len(bench.journal.series(WorklistQuery())) == 4
    assert bench.journal.counts()[1] == {"of-tomorrow": 3}
    assert bench.journal.backlog() == {}
    assert bench.journal.dead_letters(Selection()) == []
    assert bench.journal.take("folder", "one", 60.0) is None
    assert len(snapshot.undelivered(line for _, line in snapshot.dump(bench.engine))) == 3


def test_series_and_deliveries_are_counted(bench):
    """Counts by state, and what waits in the outbox."""
    assert bench.journal.counts() == ({"analysed": 3, "receiving": 1}, {"pending": 3})
    assert bench.journal.backlog()["folder"].waiting == 3
    while delivery := bench.journal.take("folder", "one", 60.0):
        bench.journal.delivered(delivery)
    assert bench.journal.counts()[1] == {"done": 3}
    assert bench.journal.backlog() == {}


def test_who_watches_is_told_after_each_commit_that_is_waited_for(bench):
    """A watcher is called after a change, when it can be read already; not for each instance."""
    told = []
    bench.receive(5)
    bench.journal.watch(lambda: told.append(bench.journal.counts()[0].get("receiving")))
    bench.receive(6)
    assert told == []
    bench.journal.close(4, 1, START_UTC)
    assert told == [2]


def test_a_line_says_who_has_seen_it_and_whether_its_level_rose_since(bench):
    """Acknowledged, until the level is more urgent than what was seen; taken back, nobody has seen it."""
    (line,) = bench.journal.series(WorklistQuery(series_uid="1.2.1"))
    assert (line.analysed_generation, line.acknowledgement, line.is_acknowledged) == (1, None, False)
    said, before = seen(TriageLevel.NOTABLE), bench.journal.revision()
    bench.journal.acknowledge(About(key(1), "a"), said)
    told, calmer = bench.journal.changed(before)
    assert (told.key, told.acknowledgement) == (key(1), said)
    assert (calmer.key, calmer.acknowledgement) == (key(3), seen(TriageLevel.UNFLAGGED))
    assert (told.is_acknowledged, told.risen_since_acknowledged) == (True, False)
    late = bench.journal.record(entry(10, source=Site("north", "CT1", "MILLET"), series_uid="1.2.1"))
    bench.analyse(late, TriageLevel.URGENT)
    (risen,) = bench.journal.series(WorklistQuery(series_uid="1.2.1"))
    assert (risen.analysed_generation, risen.acknowledgement) == (2, said)
    assert (risen.is_acknowledged, risen.risen_since_acknowledged) == (False, True)
    bench.journal.acknowledge(About(key(1), "b"), taken_back(said))
    (line,) = bench.journal.series(WorklistQuery(series_uid="1.2.1"))
    assert (line.acknowledgement, line.risen_since_acknowledged) == (None, False)


def test_the_worklist_is_filtered_by_state_and_by_who_has_seen_it(bench):
    """A level that rose since is not acknowledged; one that fell is."""
    bench.journal.acknowledge(About(key(1), "a"), seen(TriageLevel.NOTABLE))
    bench.journal.acknowledge(About(key(3), "b"), seen(TriageLevel.UNFLAGGED))
    bench.journal.acknowledge(About(key(4), "c"), seen(None, generation=0))
    assert bench.uids(acknowledged=True) == [1, 3, 4]
    assert bench.uids(acknowledged=False) == [2]
    assert bench.uids(state="receiving") == [4]
    for number, level in ((1, TriageLevel.UNFLAGGED), (3, TriageLevel.CRITICAL)):
        source = Site("north", f"CT{number}", "MILLET")
        late = bench.journal.record(entry(10 + number, source=source, series_uid=f"1.2.{number}"))
        bench.analyse(late, level)
    assert bench.uids(acknowledged=True) == [1, 4]
    assert bench.uids(acknowledged=False) == [2, 3]


def test_what_was_acknowledged_comes_last_and_what_waits_for_long_rises(bench):
    """An unflagged series ranks with the notable ones by its waiting time, and a seen one below all."""
    (oldest,) = [s for s in bench.journal.series(WorklistQuery()) if s.key == key(1)]
    later = oldest.first_received_utc + timedelta(days=1)
    assert bench.uids(aged_before_utc=later) == [2, 1, 3, 4]
    bench.journal.acknowledge(About(key(2), "b"), seen(TriageLevel.CRITICAL))
    assert bench.uids(acknowledged_last=True) == [1, 3, 4, 2]
    assert bench.uids(aged_before_utc=oldest.first_received_utc, acknowledged_last=True) == [1, 3, 4, 2]
    bench.journal.acknowledge(About(key(1), "a"), seen(TriageLevel.NOTABLE))
    assert bench.uids(acknowledged_last=True) == [4, 2, 1, 3]


def test_an_old_unflagged_series_overtakes_a_new_notable_one(bench):
    """Longest waiting first among those that have risen and those that were notable from the start."""
    source = Site("north", "CT9", "MILLET")
    made = replace(entry(9, source=source, series_uid="1.2.9"), received_utc=START_UTC + timedelta(hours=5))
    bench.analyse(bench.journal.record(made), TriageLevel.NOTABLE)
    assert bench.uids() == [2, 1, 9, 3, 4]
    assert bench.uids(aged_before_utc=START_UTC + timedelta(hours=4)) == [2, 1, 3, 4, 9]


def test_series_are_found_by_state_age_and_what_stands_on_a_request(bench):
    """By a part of the accession number in any case or the end of the ID, taken by the letter."""
    lines = {s.key: s for s in bench.journal.series(WorklistQuery())}
    accession, patient_id = lines[key(1)].accession, lines[key(1)].patient_id
    assert bench.uids(text=accession.lower()[1:]) == [2, 1, 3, 4]
    assert bench.uids(text="nothing", id_tail=patient_id[-3:]) == [2, 1, 3, 4]
    assert bench.uids(text="%") == bench.uids(text="_", id_tail="%") == []
    assert bench.uids(states=("receiving",)) == [4]
    after = START_UTC + timedelta(days=1)
    assert bench.uids(since_utc=after) == [2]
    bench.journal.acknowledge(About(key(2), "a"), seen(TriageLevel.CRITICAL))
    assert bench.uids(since_utc=after) == []


def test_the_board_counts_what_waits_failed_and_is_overdue(bench):
    """What somebody acknowledged is not overdue, and what is analysed does not wait."""
    late = {TriageLevel.CRITICAL: START_UTC + timedelta(hours=1), TriageLevel.NOTABLE: START_UTC}
    before = bench.journal.overview(late)
    assert (before.waiting, before.waiting_since_utc, before.failed) == (0, None, 0)
    assert before.overdue == {TriageLevel.CRITICAL: 1, TriageLevel.NOTABLE: 0}
    assert bench.uids(overdue_before_utc=late) == [2]
    bench.journal.acknowledge(About(key(2), "a"), seen(TriageLevel.CRITICAL))
    recorded = bench.receive(5)
    bench.journal.close(recorded.series_id, recorded.generation, START_UTC)
    closed = bench.receive(6)
    bench.journal.close(closed.series_id, closed.generation, START_UTC)
    bench.journal.park(closed.series_id, closed.generation, "internal-error")
    now = bench.journal.overview(late)
    assert (now.waiting, now.waiting_since_utc, now.failed) == (1, START_UTC, 1)
    assert now.overdue == {TriageLevel.CRITICAL: 0, TriageLevel.NOTABLE: 0}
    assert now.revision > before.revision
    assert bench.uids(overdue_before_utc=late) == bench.uids(overdue_before_utc={}) == []


def test_flagged_studies_are_counted_by_their_highest_level_and_whether_it_was_seen(bench):
    """A lower level of another series adds none; one that comes with the level later is not acknowledged."""
    since = START_UTC - timedelta(days=1)
    notable, critical = TriageLevel.NOTABLE, TriageLevel.CRITICAL
    assert bench.journal.flagged(since) == {(notable, False): 1, (critical, False): 1}
    bench.journal.acknowledge(About(key(2), "a"), seen(critical))
    assert bench.journal.flagged(since) == {(notable, False): 1, (critical, True): 1}
    bench.analyse(bench.receive(5), critical)
    assert bench.journal.flagged(since) == {(critical, False): 1, (critical, True): 1}
    bench.journal.acknowledge(About(key(1), "b"), seen(notable))
    assert bench.journal.flagged(since) == {(critical, False): 1, (critical, True): 1}
    bench.journal.acknowledge(About(key(5), "c"), seen(critical))
    assert bench.journal.flagged(since) == {(critical, True): 2}
    bench.analyse(bench.receive(7), critical)
    assert bench.journal.flagged(since) == {(critical, False): 1, (critical, True): 1}
    bench.journal.acknowledge(About(key(7), "d"), seen(critical))
    assert bench.journal.flagged(since) == {(critical, True): 2}
    assert bench.journal.flagged(START_UTC + timedelta(days=365)) == {}


def test_when_a_generation_told_its_level_is_known(bench):
    """Of a generation that has no analysis nothing is."""
    assert bench.journal.told_utc(key(2), 1) == START_UTC
    assert bench.journal.told_utc(key(2), 2) is None
    assert bench.journal.told_utc(key(4), 1) is None


def test_the_reason_and_the_time_of_the_newest_analysis_are_in_the_row(bench):
    """So that a list of hundreds reads no documents."""
    lines = {s.key: s for s in bench.journal.series(WorklistQuery())}
    assert (lines[key(2)].triage_reason, lines[key(2)].analysed_utc) == ("because", START_UTC)
    assert (lines[key(4)].triage_reason, lines[key(4)].analysed_utc) == ("", None)


def test_the_slices_behind_an_analysis_are_those_of_its_generation(bench):
    """What came later is not among them; a series without an analysis has none."""
    (only,) = bench.journal.slices(key(3))
    uid = only.header.sop_instance_uid
    assert bench.journal.slice(key(3), uid) == only
    assert bench.journal.slice(key(1), uid) is None
    bench.journal.record(entry(12, source=Site("north", "CT3", "MILLET"), series_uid="1.2.3"))
    assert len(bench.journal.slices(key(3))) == 1
    assert bench.journal.slices(key(4)) == []


CANDIDATE = Candidate(centre_mm=PointMm(-40.5, 2.0, -100.25), diameter_mm=4.5, score=0.75)


def test_what_is_found_while_a_series_arrives_is_told_and_void_when_it_ended(bench):
    """In order, from any point on, with a revision of the series; nothing of one that has ended."""
    journal, of = bench.journal, key(4)
    before = journal.revision()
    journal.provisional_found(4, {"a": CANDIDATE, "b": CANDIDATE}, [])
    journal.provisional_found(4, {}, ["a"])
    assert [line.key for line in journal.changed(before)] == [of]
    told = journal.provisional(of, 0)
    assert [(one.name, one.retracted) for one in told] == [("a", False), ("b", False), ("a", True)]
    assert (told[0].centre_mm, told[0].diameter_mm, told[0].score) == CANDIDATE_FACTS
    assert journal.provisional(of, told[1].number) == told[2:]
    recorded = journal.record(entry(44, source=Site("south", "CT4", "MILLET"), series_uid="1.2.4"))
    bench.analyse(recorded, TriageLevel.NOTABLE)
    assert journal.provisional(of, 0) == []
    journal.provisional_found(4, {"c": CANDIDATE}, [])
    assert journal.provisional(of, 0) == []


CANDIDATE_FACTS = (CANDIDATE.centre_mm, CANDIDATE.diameter_mm, CANDIDATE.score)


def test_what_the_tags_say_of_the_number_of_instances_is_told(bench):
    """Unless they say nothing, or less than came."""
    source = Site("north", "CT9", "MILLET")
    plain = entry(50, source=source, series_uid="1.2.9")
    of = SeriesKey(site="north", series_uid="1.2.9")
    bench.journal.record(replace(plain, header=replace(plain.header, stated_instances=400)))
    assert bench.journal.expected_instances(of) == 400
    bench.journal.record(entry(51, source=source, series_uid="1.2.9"))
    assert bench.journal.expected_instances(of) is None
    assert bench.journal.expected_instances(SeriesKey(site="north", series_uid="9.9")) is None


def test_the_canary_is_in_no_list_and_no_count(bench):
    """Only who asks for its own site sees it."""
    before, last = bench.uids(), max(s.revision for s in bench.journal.series(WorklistQuery()))
    counted = bench.journal.counts()[0]
    source = Site(NAME, TITLE, TITLE)
    recorded = bench.journal.record(entry(9, source=source, series_uid="1.2.9"))
    bench.analyse(recorded, TriageLevel.CRITICAL)
    assert bench.uids() == before
    assert bench.journal.changed(last) == []
    assert bench.journal.counts()[0] == counted
    assert bench.uids(site=NAME) == [9]


def test_the_longest_wait_is_told_by_urgency(bench):
    """From complete to now, of what is not begun; the canary counts as nothing that waits."""
    assert bench.journal.oldest_waits_s() == {}
    canary = bench.journal.record(entry(8, source=Site(NAME, TITLE, TITLE), series_uid="1.2.8"))
    bench.journal.close(canary.series_id, 1, START_UTC)
    assert bench.journal.oldest_waits_s() == {}
    for number, urgency, ago in ((5, 0, 90), (6, 0, 30), (7, 1, 10)):
        came = replace(entry(number, series_uid=f"1.2.{number}"), urgency=urgency)
        closed = datetime.now(UTC) - timedelta(seconds=ago)
        bench.journal.close(bench.journal.record(came).series_id, 1, closed)
    waits = bench.journal.oldest_waits_s()
    assert {urgency: round(waited, -1) for urgency, waited in waits.items()} == {0: 90, 1: 10}


def test_codes_are_told_in_the_language_of_the_service(bench):
    """By whoever shows a line: the journal says which it is."""
    german = SqlJournal(bench.engine, lambda *_: None, bench.objects, Language.GERMAN)
    assert {one.language for one in german.series(WorklistQuery())} == {Language.GERMAN}
    assert {one.language for one in bench.journal.series(WorklistQuery())} == {Language.ENGLISH}


def test_slices_whose_segment_was_removed_are_told_without_a_place(bench):
    """The others of the series keep theirs."""
    segments = {"one/a": 500, "one/b": 500}
    source = Site("north", "CT3", "MILLET")
    entries = [
        replace(
            entry(n, source=source, series_uid="1.2.9"), stored=Stored(f"{name}@100+400", f"{n:064x}", 400)
        )
        for n, name in enumerate(segments)
    ]
    (recorded, _) = bench.journal.record_all(entries, segments)
    bench.analyse(recorded, TriageLevel.NOTABLE)
    assert [one.path for one in bench.journal.slices(key(9))] == ["one/a@100+400", "one/b@100+400"]
    bench.journal.forget_segments(["one/a"])
    assert [one.path for one in bench.journal.slices(key(9))] == ["", "one/b@100+400"]
    assert [bench.journal.slice(key(9), one.header.sop_instance_uid).path for one in entries] == [
        "",
        "one/b@100+400",
    ]
