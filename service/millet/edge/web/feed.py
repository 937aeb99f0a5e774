"""What open pages are told as it happens, as server-sent events (WHATWG HTML, 9.2).

Theory of operation. One look at the journal serves all pages that are open. A message says after which
revision it comes and which one it makes: a page that has another one than the first has missed something,
for whatever reason, and loads itself anew. So nobody is queued for, a slow page gets the newest message
alone, and after a lost connection nothing has to be found again. A message comes at every change, and at
least every `BEAT_S` seconds: a page that hears nothing for longer knows that it is stale. Each stream begins
with the release of the service: a page that is of another one has old scripts.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from millet.edge.web import lines
from millet.edge.web.alarms import Alarm, alarms, away
from millet.edge.web.release import release
from millet.edge.web.sources import Sources
from millet.errors import StoreError
from millet.ports import Overview, SeriesStatus

log = logging.getLogger(__name__)

BEAT_S = 10.0
"""Between two messages at most."""
POLL_S = 0.5
"""How often the journal is looked at for commits of other processes."""
STREAM_S = 60.0
"""After this a stream ends, the page comes again, and is asked again for its right."""
RETRY_MS = 500


class Feed:
    """Looks at the journal while somebody listens, and tells all of them."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._hello = f"retry: {RETRY_MS}\nevent: release\ndata: {release(sources.voice)}\n\n".encode()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._look: asyncio.Task[None] | None = None
        self._woken = asyncio.Event()
        self._told = asyncio.Event()
        self._stopping = False
        self._revision = 0
        self._message = b""
        self._due_s = 0.0

    async def start(self) -> None:
        """Begin to look."""
        self._loop = asyncio.get_running_loop()
        self._look = asyncio.create_task(self._follow())

    def wake(self) -> None:
        """Something was committed; callable from any thread, at any time."""
        if self._loop and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._woken.set)

    async def stop(self) -> None:
        """End all streams."""
        self._stopping = True
        self._woken.set()
        if self._look:
            await self._look  # asked, not cancelled: `wait_for` of Python 3.11 can swallow a cancellation
        self._tell(b"")

    async def events(self, _request: Request) -> Response:
        """The stream of one page."""
        return StreamingResponse(self._messages(), media_type="text/event-stream")

    async def _messages(self) -> AsyncIterator[bytes]:
        yield self._hello
        clock = asyncio.get_running_loop().time
        until_s = clock() + STREAM_S
        while not self._stopping and (left_s := until_s - clock()) > 0:
            told = self._told
            if self._message:
                yield self._message
            with suppress(TimeoutError):
                await asyncio.wait_for(told.wait(), left_s)

    async def _follow(self) -> None:
        overview = None
        while not self._stopping:
            try:
                overview = await self._step(overview)
            except StoreError:
                if overview is not None or not self._message:
                    self._tell(self._message_of(self._revision, [away(self._sources.voice)], []))
                overview, self._due_s = None, 0.0
            except Exception:
                log.exception("the pages could not be told of changes")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), POLL_S)
            self._woken.clear()

    async def _step(self, before: Overview | None) -> Overview:
        """Look once, and tell if there is something to tell."""
        now_utc = self._sources.now_utc()
        overview, changed = await asyncio.to_thread(self._seen, before, now_utc)
        now_s = asyncio.get_running_loop().time()
        if overview != before or now_s >= self._due_s:
            told = alarms(overview, self._sources.patience, now_utc, self._sources.voice)
            after = before.revision if before else overview.revision
            self._revision = overview.revision
            self._tell(self._message_of(after, told, changed))
            self._due_s = now_s + BEAT_S
        return overview

    def _seen(self, before: Overview | None, now_utc: datetime) -> tuple[Overview, Sequence[SeriesStatus]]:
        overview = self._sources.board.overview(self._sources.patience.overdue_before(now_utc))
        if before is None or overview.revision == before.revision:
            return overview, ()
        return overview, self._sources.worklist.changed(before.revision)

    def _message_of(self, after: int, alarmed: Sequence[Alarm], changed: Sequence[SeriesStatus]) -> bytes:
        findings = self._sources.voice.findings
        told = {
            "after": after,
            "revision": self._revision,
            "alarms": [[one.kind, one.text, one.address] for one in alarmed],
            "changed": [[lines.address(one.key), lines.place(one), findings(one)] for one in changed],
        }
        return f"event: worklist\ndata: {json.dumps(told, separators=(',', ':'))}\n\n".encode()

    def _tell(self, message: bytes) -> None:
        self._message = message
        self._told.set()
        self._told = asyncio.Event()
