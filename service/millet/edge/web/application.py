"""The read-only web application: worklist, one series, metrics, probes.

Nothing is cached anywhere, everything is escaped, and a page may load only what this server serves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from millet.core.analysis import Analysis
from millet.core.language import named
from millet.core.wording import words
from millet.edge.telemetry import CONTENT_TYPE
from millet.edge.web import lines
from millet.edge.web.gate import GateKeeper
from millet.edge.web.hygiene import BodyLimit, HostCheck, RequestName, SameSite, SecurityHeaders
from millet.edge.web.stow import Stow, routes
from millet.errors import StoreError
from millet.ports import Gate, SeriesKey, SeriesStatus, Worklist, WorklistQuery

HERE = Path(__file__).parent
ROWS = 100
"""Series on one page of the worklist; the next page is a link."""
PICTURES = ("mip-axial.png", "mip-coronal.png")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where the pages get what they show. Every callable may block; it is called in a thread."""

    worklist: Worklist
    ready: Callable[[], Mapping[str, str]]
    """Each part of the service and why it is not ready, empty where it is."""
    metrics: Callable[[], bytes]
    """The exposition, with its gauges up to date."""
    show_patient: bool
    """Whether patient names are shown."""
    destination: str = ""
    """Where reports go, in words."""
    stow: Stow | None = None
    """Where instances go that come over HTTP; None takes none."""


def application(
    sources: Sources,
    *,
    gate: Gate | None = None,
    hosts: Collection[str] = (),
) -> Starlette:
    """The application over its sources.

    Args:
        sources: what is shown.
        gate: who may see it; None for everybody.
        hosts: names by which it may be addressed; none for any.
    """
    pages, probes = Pages(sources), Probes(sources.ready, sources.metrics)
    return Starlette(
        routes=[
            Route("/", pages.worklist),
            Route("/series/{site}/{series_uid}", pages.series),
            Route("/series/{site}/{series_uid}/{picture}", pages.picture),
            *(routes(sources.stow) if sources.stow else ()),
            *_probes(probes),
            Mount("/static", StaticFiles(directory=HERE / "static")),
        ],
        middleware=[
            Middleware(RequestName),
            Middleware(SecurityHeaders),
            Middleware(HostCheck, hosts=hosts),
            Middleware(SameSite),
            Middleware(BodyLimit),
            *([Middleware(GateKeeper, gate=gate)] if gate else []),
        ],
        exception_handlers={404: pages.not_found, StoreError: pages.unavailable},
    )


def watching(ready: Callable[[], Mapping[str, str]], metrics: Callable[[], bytes]) -> Starlette:
    """Metrics and probes alone, without a page and without a gate: nothing of a patient is in them."""
    return Starlette(
        routes=_probes(Probes(ready, metrics)),
        middleware=[Middleware(SecurityHeaders), Middleware(BodyLimit)],
    )


def _probes(probes: Probes) -> list[Route]:
    return [
        Route("/metrics", probes.metrics),
        Route("/healthz", probes.live),
        Route("/readyz", probes.ready),
        Route("/startupz", probes.started),
    ]


class Pages:
    """What people look at."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._environment = Environment(
            loader=FileSystemLoader(HERE / "pages"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals.update(
            marks=lines.marks,
            address=lines.address,
            tail=lines.tail,
            day=lines.day,
            minute=lines.minute,
            findings=lines.findings,
            reports=lines.reports,
            words=words,
            named=named,
            levels=lines.LEVELS,
            show_patient=sources.show_patient,
            destination=sources.destination,
        )

    async def worklist(self, request: Request) -> Response:
        """All series, most urgent first, then longest waiting."""
        number = _page_number(request.query_params.get("page", ""))
        query = WorklistQuery(limit=ROWS + 1, offset=(number - 1) * ROWS)
        rows = await asyncio.to_thread(self._sources.worklist.series, query)
        return self._page("worklist.html", rows=rows[:ROWS], number=number, more=len(rows) > ROWS, poll_s=3)

    async def series(self, request: Request) -> Response:
        """One series: its triage level with its reasons, and every nodule."""
        key = _key(request)
        status, analysis = await asyncio.to_thread(self._look_up, key)
        if status is None:
            return await self.not_found(request, None)
        poll_s = 2 if lines.changing(status) else 0
        return self._page(
            "series.html", status=status, analysis=analysis, pictures=PICTURES, key=key, poll_s=poll_s
        )

    async def picture(self, request: Request) -> Response:
        """A stored picture of the newest analysis."""
        kind = request.path_params["picture"]
        found = None
        if kind in PICTURES:
            found = await asyncio.to_thread(self._sources.worklist.object_bytes, _key(request), kind)
        if found is None:
            return await self.not_found(request, None)
        return Response(found, media_type="image/png")

    async def not_found(self, _request: Request, _error: Exception | None) -> Response:
        """There is nothing at this address."""
        return self._page("message.html", 404, message="There is nothing at this address.", poll_s=0)

    async def unavailable(self, _request: Request, _error: Exception) -> Response:
        """The store does not answer; the page tries again by itself."""
        return self._page(
            "message.html", 503, message="The store does not answer. This page tries again.", poll_s=5
        )

    def _look_up(self, key: SeriesKey) -> tuple[SeriesStatus | None, Analysis | None]:
        query = WorklistQuery(site=key.site, series_uid=key.series_uid, limit=1)
        found = self._sources.worklist.series(query)
        return (found[0], self._sources.worklist.analysis(key)) if found else (None, None)

    def _page(self, template: str, status_code: int = 200, **facts: Any) -> HTMLResponse:
        html = self._environment.get_template(template).render(**facts)
        return HTMLResponse(html.encode("utf-8", "replace"), status_code)


class Probes:
    """What machines look at: live, ready and started are three answers."""

    def __init__(self, ready: Callable[[], Mapping[str, str]], metrics: Callable[[], bytes]) -> None:
        self._ready, self._metrics = ready, metrics
        self._has_started = False

    async def metrics(self, _request: Request) -> Response:
        """Prometheus' text format."""
        return Response(await asyncio.to_thread(self._metrics), headers={"content-type": CONTENT_TYPE})

    async def live(self, _request: Request) -> Response:
        """The event loop answers: no reason to restart the process."""
        return JSONResponse({"live": True})

    async def ready(self, _request: Request) -> Response:
        """Whether series may be sent here, and if not, why."""
        reasons = await asyncio.to_thread(self._reasons)
        return JSONResponse({"ready": not reasons, "reasons": reasons}, 503 if reasons else 200)

    async def started(self, _request: Request) -> Response:
        """Whether the service was ready once since it started."""
        reasons = {} if self._has_started else await asyncio.to_thread(self._reasons)
        return JSONResponse({"started": not reasons, "reasons": reasons}, 503 if reasons else 200)

    def _reasons(self) -> dict[str, str]:
        reasons = {part: why for part, why in self._ready().items() if why}
        self._has_started = self._has_started or not reasons
        return reasons


def _key(request: Request) -> SeriesKey:
    return SeriesKey(site=request.path_params["site"], series_uid=request.path_params["series_uid"])


def _page_number(given: str) -> int:
    """A page of the worklist; what is no number is the first."""
    return max(1, int(given)) if given.isascii() and given.isdigit() and len(given) < 9 else 1
