"""A running web server for tests, over a worklist in memory that readers can write in."""

from __future__ import annotations

import asyncio
import threading
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from ports import free_port
from worklists import FIRST, MemoryWorklist

from millet.core.analysis import TriageLevel
from millet.core.readers import Acknowledgement, Feedback, Stand, with_it
from millet.core.waiting import Patience
from millet.edge.web import Sources, WebDoor, WebServer
from millet.ports import About, Acknowledged, SeriesKey, SeriesStatus, Taken

NOW = FIRST + timedelta(hours=1)
PATIENCE = Patience(
    escalate_s={TriageLevel.CRITICAL: 900.0, TriageLevel.URGENT: 7200.0}, age_up_s=14_400.0, backlog_s=600.0
)


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()


class MemoryReaders:
    """A `ReaderLog` whose acknowledgements the worklist shows."""

    def __init__(self, worklist: MemoryWorklist) -> None:
        self._worklist = worklist
        self.requests: dict[str, Acknowledgement] = {}

    def acknowledge(self, about: About, said: Acknowledgement) -> Acknowledged:
        """See the port."""
        if about.request in self.requests:
            return Acknowledged(Taken.AGAIN)
        line = self._worklist.statuses.get(about.key)
        if line is None:
            return Acknowledged(Taken.NO_SERIES)
        if (line.analysed_generation, line.triage) != (said.generation, said.level):
            return Acknowledged(Taken.CHANGED)
        self.requests[about.request] = said
        study = [one for one in self._worklist.statuses.values() if one.study_uid == line.study_uid]
        told = [(one, with_it(said, _stand(line), _stand(one))) for one in study if one is not line]
        kept = [(one, seen) for one, seen in told if seen]
        for one, seen in ((line, said), *kept):
            self._worklist.change(one, acknowledgement=seen)
        return Acknowledged(Taken.NEW, [(one.key, seen) for one, seen in kept])

    def give_feedback(self, _about: About, _said: Feedback) -> Taken:
        """See the port; the page gives none."""
        return Taken.NO_SERIES

    def acknowledgements(self, _key: SeriesKey) -> Sequence[Acknowledgement]:
        """See the port; the page asks the worklist."""
        return []

    def feedback(self, _key: SeriesKey) -> Sequence[Feedback]:
        """See the port; the page asks for none."""
        return []


def _stand(line: SeriesStatus) -> Stand:
    return Stand(line.analysed_generation, line.triage, line.acknowledgement)


def sources(held: MemoryWorklist, **facts: object) -> Sources:
    """Sources over a worklist, an hour after the first series came."""
    usual = {
        "worklist": held,
        "board": held,
        "readers": MemoryReaders(held),
        "ready": dict,
        "metrics": lambda: b"millet_x 1\n",
        "show_patient": False,
        "patience": PATIENCE,
        "now_utc": lambda: NOW,
    }
    return Sources(**{**usual, **facts})


class Site:
    """A running server on a free port, and what it shows."""

    def __init__(self) -> None:
        self.worklist = MemoryWorklist()
        self.reasons = {"journal": "", "model": ""}
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.url = ""
        self.port = free_port()

    def start(self, door: WebDoor | None = None, **facts: object) -> None:
        """Serve from a thread of its own."""
        usual = {"ready": lambda: self.reasons, "destination": "folder"}
        self.sources = sources(self.worklist, **{**usual, **facts})
        self.door = door or WebDoor()
        self.thread.start()
        self.open()

    def open(self) -> None:
        """Listen, on the same port each time."""
        self.server = WebServer(self.sources, self.door)
        self.port = self.wait(self.server.start("127.0.0.1", self.port))
        self.url = f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        """Be away, until `open`."""
        self.wait(self.server.stop())

    def wait(self, coroutine):
        """Run on the server's loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(30)

    def stop(self) -> None:
        """Stop the server and its thread."""
        if self.url:
            self.close()
            self.loop.call_soon_threadsafe(self.loop.stop)
            self.thread.join()
        self.loop.close()

    def put(self, line, analysis=None):
        """Commit a line with a revision of its own, as the journal does, and tell who listens."""
        put = self.worklist.put(replace(line, revision=self.worklist.revision() + 1), analysis)
        if self.url:
            self.server.wake()
        return put

    def get(self, path: str, **headers: str) -> Answer:
        """Ask for a page."""
        return self.ask(urllib.request.Request(self.url + path, headers=headers))

    def post(self, path: str, body: bytes, **headers: str) -> Answer:
        """Send a form; a redirection is not followed."""
        return self.ask(urllib.request.Request(self.url + path, data=body, headers=headers, method="POST"))

    def ask(self, request: urllib.request.Request) -> Answer:
        """Any request."""
        try:
            with _OPENER.open(request, timeout=30) as answer:
                return Answer(answer.status, dict(answer.headers), answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, dict(error.headers), error.read())


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        """Leave it to the test."""


_OPENER = urllib.request.build_opener(_Stay)


def page_of(line) -> str:
    """The path of a series."""
    return f"/series/{line.key.site}/{line.key.series_uid}"
