"""Acknowledging a study: who asks sees which one it is, and says that they have seen its level.

What was seen travels with the form: where the analysis is another one by now, nothing is acknowledged and the
form comes again. What else of the study counts as seen with it, `core.readers` says.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from millet.core.analysis import TriageLevel
from millet.core.readers import Acknowledgement, Person, check_request
from millet.core.roles import Who
from millet.edge.web.pages import Pages, key_of, who_asks
from millet.edge.web.sources import Sources
from millet.ports import About, SeriesKey, SeriesStatus, Taken, WorklistQuery

SAID: Mapping[Taken, str] = {
    Taken.CHANGED: "changed",
    Taken.OTHER_REQUEST: "used",
}
"""The key of what a form says that comes again."""


class Seen(NamedTuple):
    """What a form says."""

    request: str
    by: str
    generation: int
    level: TriageLevel
    back: str

    @classmethod
    def read(cls, body: bytes) -> Seen:
        """From an HTML form's body (application/x-www-form-urlencoded). Raises ValueError."""
        given = dict(parse_qsl(body.decode("ascii"), max_num_fields=10, errors="strict"))
        return cls(
            request=check_request(given.get("request", "") or secrets.token_hex(16)),
            by=given.get("by", "").strip(),
            generation=int(given.get("generation", "")),
            level=TriageLevel(given.get("level", "")),
            back=local(given.get("back", "")),
        )


class Acknowledging:
    """The form, and what becomes of it."""

    def __init__(self, sources: Sources, pages: Pages) -> None:
        self._sources = sources
        self._pages = pages

    async def ask(self, request: Request) -> Response:
        """The form."""
        return await self._asked(request, local(request.query_params.get("back", "")))

    async def take(self, request: Request) -> Response:
        """What a person says: kept, or asked for again with the reason."""
        key, who = key_of(request), who_asks(request)
        try:
            seen = Seen.read(await request.body())
            by = Person(name=who.name if who else seen.by, recognised=who is not None)
            about = About(key, seen.request)
            said = Acknowledgement(
                by=by, at_utc=self._sources.now_utc(), generation=seen.generation, level=seen.level
            )
        except ValueError as mistake:
            return PlainTextResponse(f"This is no acknowledgement: {mistake}", 400)
        taken = (await asyncio.to_thread(self._sources.readers.acknowledge, about, said)).taken
        if taken is Taken.NO_SERIES:
            return await self._pages.not_found(request, None)
        if not taken.is_kept:
            return await self._asked(request, seen.back, SAID[taken], 409)
        return RedirectResponse(seen.back, 303)

    async def _asked(self, request: Request, back: str, said: str = "", status_code: int = 200) -> Response:
        status = await asyncio.to_thread(self._status, key_of(request))
        if status is None or not status.analysed_generation:
            return await self._pages.not_found(request, None)
        who: Who | None = who_asks(request)
        return self._pages.page(
            request,
            "ask.html",
            status_code,
            status=status,
            said=said,
            back=back,
            person=who.name if who else "",
            request_id=secrets.token_hex(16),
            names=self._sources.names(who),
        )

    def _status(self, key: SeriesKey) -> SeriesStatus | None:
        found = self._sources.worklist.series(
            WorklistQuery(site=key.site, series_uid=key.series_uid, limit=1)
        )
        return found[0] if found else None


def local(address: str) -> str:
    """An address of this server, the worklist for any other."""
    own = address.startswith("/") and not address.startswith(("//", "/\\"))
    return address if own and address.isascii() and address.isprintable() else "/"
