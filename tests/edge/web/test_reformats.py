"""Reformats that are kept while they are looked at."""

from __future__ import annotations

import asyncio
import threading

import numpy as np
import pytest

from millet.edge.web.reformats import Reformats


async def here() -> bool:
    """Whoever asks still waits."""
    return False


async def gone() -> bool:
    """Whoever asked has left."""
    return True


def made(size: int = 100) -> np.ndarray:
    """So many bytes."""
    return np.zeros((1, 1, size), np.uint8)


def test_one_is_made_once_for_all_who_ask_meanwhile():
    """They wait for it, in no thread of theirs."""

    async def asking():
        kept, calls, loop = Reformats(), [], asyncio.get_running_loop()
        begun, go = asyncio.Event(), threading.Event()

        def make():
            calls.append(threading.current_thread())
            loop.call_soon_threadsafe(begun.set)
            assert go.wait(30)
            return made()

        asked = [asyncio.create_task(kept.get("a", make, here)) for _ in range(50)]
        await begun.wait()
        go.set()
        return calls, await asyncio.gather(*asked)

    calls, got = asyncio.run(asking())
    assert len(calls) == 1
    assert all(one is got[0] for one in got)


def test_the_one_that_was_looked_at_least_recently_goes_first():
    """What is kept stays within its bytes; a larger one alone is kept all the same."""

    async def asking():
        kept = Reformats(most_bytes=250)
        for name in ("a", "b", "a", "c"):
            await kept.get(name, made, here)
        a_again = await kept.get("a", lambda: pytest.fail("it is kept"), here)
        assert kept.held_bytes == 200
        assert (await kept.get("large", lambda: made(1000), here)).nbytes == 1000
        assert kept.held_bytes == 1000
        return a_again

    assert asyncio.run(asking()) is not None


def test_nothing_is_kept_that_nobody_looks_at():
    """Its memory is given back by itself."""

    async def asking():
        kept = Reformats(kept_s=0.01)
        await kept.get("a", made, here)
        while kept.held_bytes:  # noqa: ASYNC110 - nobody is told when memory is given back
            await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(asking(), 30))


def test_nothing_is_made_for_who_has_left_and_nothing_is_kept_of_a_failure():
    """The next one who asks gets it."""

    async def asking():
        kept = Reformats()
        assert await kept.get("a", lambda: pytest.fail("nobody waits"), gone) is None
        assert await kept.get("a", lambda: None, here) is None

        def fail():
            raise ValueError("unreadable")

        with pytest.raises(ValueError, match="unreadable"):
            await kept.get("a", fail, here)
        return await kept.get("a", made, here)

    assert asyncio.run(asking()).nbytes == 100
