"""What people look at: the worklist and one series, as HTML that is whole without any script."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from millet.core import advice_wording
from millet.core.analysis import Analysis, TriageLevel
from millet.core.language import named, say
from millet.core.roles import Role, Who
from millet.core.wording import words
from millet.edge.web import charts, found, lines
from millet.edge.web.alarms import Alarm, alarms, away
from millet.edge.web.choice import DAYS, ROWS, STATES, Choice
from millet.edge.web.gate import BY_COOKIE, WHO
from millet.edge.web.pictures import PICTURES
from millet.edge.web.release import release
from millet.edge.web.sources import Sources
from millet.ports import Overview, SeriesKey, SeriesStatus, WorklistQuery

HERE = Path(__file__).parent


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
            lines=lines,
            charts=charts,
            words=words,
            told=advice_wording,
            named=named,
            say=say,
            t=sources.voice.t,
            voice=sources.voice,
            release=release(sources.voice),
            levels=TriageLevel,
            states=STATES,
            days=DAYS,
            pictures=PICTURES,
            destination=sources.destination,
        )

    async def worklist(self, request: Request) -> Response:
        """All series, most urgent first, then longest waiting."""
        choice, now_utc, who = Choice.read(request.query_params), self._sources.now_utc(), who_asks(request)
        query = choice.query(self._sources.patience, now_utc, whole_id=self._sources.names(who))
        overview, rows = await asyncio.to_thread(self._listed, query, now_utc)
        return self.page(
            request,
            "worklist.html",
            **self._top(overview, now_utc, who),
            rows=rows[:ROWS],
            more=len(rows) > ROWS,
            choice=choice,
        )

    async def series(self, request: Request) -> Response:
        """One series: its triage level with its reasons, and what was found."""
        key, now_utc, who = key_of(request), self._sources.now_utc(), who_asks(request)
        overview, status, analysis = await asyncio.to_thread(self._look_up, key, now_utc)
        if status is None:
            return await self.not_found(request, None)
        return self.page(
            request,
            "series.html",
            **self._top(overview, now_utc, who),
            status=status,
            analysis=analysis,
            part=found.part(analysis, request.query_params.get("from", "")),
        )

    async def found(self, request: Request) -> Response:
        """The nodules of the newest analysis and the outline of its lungs, for the page's scripts."""
        key = key_of(request)
        made = await asyncio.to_thread(self._found, key)
        if made is None:
            return JSONResponse({"error": "there is no analysis of this series"}, 404)
        return Response(made, media_type="application/json")

    async def not_found(self, request: Request, _error: Exception | None) -> Response:
        """There is nothing at this address."""
        return self._message(request, 404, "nothing-here", ())

    async def unavailable(self, request: Request, _error: Exception) -> Response:
        """The store does not answer; the page tries again by itself."""
        return self._message(request, 503, "store-away", (away(self._sources.voice),))

    def _listed(self, query: WorklistQuery, now_utc: datetime) -> tuple[Overview, list[SeriesStatus]]:
        return self._overview(now_utc), list(self._sources.worklist.series(query))

    def _look_up(
        self, key: SeriesKey, now_utc: datetime
    ) -> tuple[Overview, SeriesStatus | None, Analysis | None]:
        overview = self._overview(now_utc)
        query = WorklistQuery(site=key.site, series_uid=key.series_uid, limit=1)
        known = self._sources.worklist.series(query)
        return (overview, known[0], self._sources.worklist.analysis(key)) if known else (overview, None, None)

    def _overview(self, now_utc: datetime) -> Overview:
        """Before what is shown is read: what changes in between is told, or shown twice, never missed."""
        return self._sources.board.overview(self._sources.patience.overdue_before(now_utc))

    def _found(self, key: SeriesKey) -> bytes | None:
        analysis = self._sources.worklist.analysis(key)
        if analysis is None:
            return None
        outline = self._sources.worklist.object_bytes(key, found.OUTLINE)
        return found.encoded(analysis, outline, self._sources.voice)

    def _top(self, overview: Overview, now_utc: datetime, who: Who | None) -> dict[str, Any]:
        """What every page knows."""
        return {
            "revision": overview.revision,
            "alarms": alarms(overview, self._sources.patience, now_utc, self._sources.voice),
            "now_utc": now_utc,
            "names": self._sources.names(who),
            "patience": self._sources.patience,
            "may_acknowledge": who is None or who.role >= Role.READER,
        }

    def _message(
        self, request: Request, status_code: int, key: str, alarmed: tuple[Alarm, ...]
    ) -> HTMLResponse:
        message = self._sources.voice.t(key)
        return self.page(request, "message.html", status_code, message=message, alarms=alarmed)

    def page(self, request: Request, template: str, status_code: int = 200, **facts: Any) -> HTMLResponse:
        """A template filled; what knows nothing of the journal says so by revision -1, without alarms."""
        asked = {"who": who_asks(request), "by_cookie": request.scope.get("state", {}).get(BY_COOKIE, False)}
        facts = {"revision": -1, "alarms": (), **asked, **facts}
        html = self._environment.get_template(template).render(**facts)
        return HTMLResponse(html.encode("utf-8", "replace"), status_code)


def key_of(request: Request) -> SeriesKey:
    """The series that an address speaks of."""
    return SeriesKey(site=request.path_params["site"], series_uid=request.path_params["series_uid"])


def who_asks(request: Request) -> Who | None:
    """Whom the gate recognised; None where there is none, or nobody was asked for."""
    known: Who | None = request.scope.get("state", {}).get(WHO)
    return known
