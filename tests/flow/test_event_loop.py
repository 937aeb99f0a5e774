"""The loop of the servers: what is run in it is waited for, and not for ever."""

import asyncio

import pytest

from millet.flow.event_loop import EventLoop


@pytest.fixture
def loop():
    """A loop that runs."""
    made = EventLoop("test")
    made.start()
    yield made
    made.stop()


def test_what_hangs_is_told_and_holds_up_neither_the_next_nor_the_end(loop):
    """A server that does not stop leaves those after it their turn."""

    async def hang() -> None:
        await asyncio.Event().wait()

    async def end() -> None:
        """Do nothing."""

    assert not loop.ends(hang(), within_s=0.01)
    assert loop.ends(end(), within_s=30.0)


def test_what_fails_is_raised(loop):
    """A failure is no end in time."""

    async def fail() -> None:
        raise OSError("no")

    with pytest.raises(OSError, match="no"):
        loop.ends(fail(), within_s=30.0)
