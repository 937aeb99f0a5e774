"""What is read once for all who watch, and once for all who ask."""

from __future__ import annotations

import asyncio

from analyses import analysis
from worklists import MemoryWorklist, status

from millet.edge.grpc_api.prepared import Lately
from millet.edge.grpc_api.recent import MOST, PORTION, Recent


class Counting(MemoryWorklist):
    """A worklist that counts what it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def changed(self, after_revision, limit=0):
        """Counted."""
        self.asked.append(f"changed {after_revision} {limit}")
        return super().changed(after_revision, limit)

    def analysis(self, key):
        """Counted."""
        self.asked.append("analysis")
        return super().analysis(key)


async def seen_by(recent, revision):
    """The revisions that a watcher is told, portion by portion, until there is nothing more."""
    told = []
    while lines := await recent.after(revision):
        told += [line.revision for line in lines]
        revision = told[-1]
    return told


def test_many_who_keep_up_cost_one_question():
    """Each is told each change once, from what was read once."""
    worklist = Counting()
    worklist.put(status(1))

    async def test():
        recent = Recent(worklist)
        await recent.look()
        for number in (2, 3):
            worklist.put(status(number))
        await recent.look()
        await recent.look()
        assert [await seen_by(recent, 1) for _ in range(50)] == [[2, 3]] * 50

    asyncio.run(test())
    assert worklist.asked == ["changed 1 0"]


def test_who_is_behind_is_told_by_the_journal_in_portions():
    """Everything, in order, also where more changed than is held."""
    worklist = Counting()

    async def test():
        recent = Recent(worklist)
        await recent.look()
        for number in range(1, MOST + 701):
            worklist.put(status(number))
        await recent.look()
        assert await seen_by(recent, 0) == list(range(1, MOST + 701))
        assert await seen_by(recent, 700) == list(range(701, MOST + 701))

    asyncio.run(test())
    assert worklist.asked == ["changed 0 0", f"changed 0 {PORTION}", f"changed {PORTION} {PORTION}"]


def test_who_begins_after_others_is_told_from_what_was_read_for_them():
    """The journal names revisions; lines are read where one of these is not known, and made once."""
    worklist = Counting()
    for number in range(1, 5):
        worklist.put(status(number))

    async def test():
        recent = Recent(worklist)
        await recent.look()
        first, second = await recent.after(0), await recent.after(0)
        assert all(one is other for one, other in zip(first, second, strict=True))
        worklist.change(status(2))
        assert [one.revision for one in await recent.after(0)] == [1, 3, 4, 5]
        assert await seen_by(recent, 0) == [1, 3, 4, 5]
        assert await seen_by(recent, 3) == [4, 5]

    asyncio.run(test())
    assert worklist.asked == [f"changed 0 {PORTION}"] * 2


def test_what_is_known_for_those_who_begin_is_bounded():
    """Whoever is told of more reads it; all of it comes, in order."""
    worklist = Counting()
    for number in range(1, 31):
        worklist.put(status(number))

    async def test():
        recent = Recent(worklist, most_known=20)
        await recent.look()
        for _ in range(3):
            assert await seen_by(recent, 0) == list(range(1, 31))
            assert await seen_by(recent, 15) == list(range(16, 31))

    asyncio.run(test())
    assert worklist.asked == [f"changed 0 {PORTION}"] * 3


def test_of_several_changes_of_a_series_the_newest_is_told():
    """In its place among the others."""
    worklist = Counting()

    async def test():
        recent = Recent(worklist)
        await recent.look()
        for key, revision in ((1, 5), (2, 6), (1, 7)):
            worklist.put(status(key, revision=revision))
            await recent.look()
        assert await seen_by(recent, 0) == [6, 7]
        assert recent.touches(status(1).key, 6)
        assert not recent.touches(status(2).key, 6)

    asyncio.run(test())


def test_who_waits_is_woken_by_a_change_alone():
    """Not by a look that finds nothing."""
    worklist = Counting()
    worklist.put(status(1))

    async def test():
        recent = Recent(worklist)
        await recent.look()
        rung = recent.bell.waiting()
        await recent.look()
        assert not rung.is_set()
        worklist.put(status(2))
        await recent.look()
        assert rung.is_set()

    asyncio.run(test())


def test_an_analysis_is_read_once_until_there_is_a_newer_one():
    """Whoever asks; its messages are made once, too."""
    worklist = Counting()
    key = worklist.put(status(1), analysis(3)).key
    lately = Lately(worklist)
    next(lately.newest(key).streamed())  # one who leaves early
    told = [list(lately.newest(key).streamed()) for _ in range(3)]
    assert [[len(parts) for parts in one] for one in told] == [[1, 1], [2], [2]]
    first, *others = ([part for parts in one for part in parts] for one in told)
    assert all(first[n] is one[n] for one in others for n in range(2))
    assert worklist.asked == ["analysis"]
    worklist.put(status(1), analysis(4))
    assert len(lately.newest(key).analysis.nodules) == 4
    assert lately.newest(status(9).key) is None


def test_what_was_asked_for_lately_is_bounded():
    """The one that was not asked for the longest goes first; the last stays however large."""
    worklist = Counting()
    keys = [worklist.put(status(number), analysis(3)).key for number in (1, 2, 3)]
    lately = Lately(worklist, most_entries=8)
    for at in (0, 1, 0, 2, 0, 1):
        lately.newest(keys[at])
    assert worklist.asked == ["analysis"] * 4
    worklist.put(status(4), analysis(30))
    lately.newest(status(4).key)
    lately.newest(status(4).key)
    assert worklist.asked == ["analysis"] * 5
