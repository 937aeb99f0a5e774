"""One event loop in a thread of its own, for the servers that are coroutines."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import TimeoutError as TookTooLong
from typing import Any, TypeVar

T = TypeVar("T")


class EventLoop:
    """Runs coroutines for threads that have no loop."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin to run."""
        self._thread.start()

    def call(self, work: Coroutine[Any, Any, T], within_s: float | None = None) -> T:
        """Run a coroutine and wait for its result; TimeoutError when it takes longer."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(within_s)
        except TookTooLong:
            future.cancel()
            raise

    def ends(self, work: Coroutine[Any, Any, None], within_s: float) -> bool:
        """Run a coroutine and wait for its end; whether it came in time."""
        try:
            self.call(work, within_s)
        except TookTooLong:
            return False
        return True

    def stop(self) -> None:
        """End the loop; what still runs in it is cancelled."""
        self.call(_cancel_all(), 10.0)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10.0)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            self._loop.close()


async def _cancel_all() -> None:
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
