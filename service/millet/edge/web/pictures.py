"""Pictures of a series: the projections that its analysis made, and its slices as they were sent."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from millet.codec.slice_picture import WINDOWS, picture
from millet.core.looked_at import volume_of
from millet.core.series import SliceHeader
from millet.core.stack import Stack
from millet.edge.web.sources import Sources
from millet.errors import UnfitSeries
from millet.ports import SeriesKey

PICTURES = ("mip-coronal.png", "mip-axial.png")
PNG = "image/png"


class Pictures:
    """Stored projections, and slices on demand."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    async def projection(self, request: Request) -> Response:
        """A stored picture of the newest analysis."""
        kind = request.path_params["picture"]
        made = None
        if kind in PICTURES:
            made = await asyncio.to_thread(self._sources.worklist.object_bytes, _key(request), kind)
        return _none() if made is None else Response(made, media_type=PNG)

    async def slices(self, request: Request) -> Response:
        """Where the slices of the analysed volume lie, from the feet to the head."""
        stack = await asyncio.to_thread(self._stack, _key(request))
        if stack is None:
            return JSONResponse({"error": "there are no slices to be shown of this series"}, 404)
        return JSONResponse(_told(stack.slices))

    async def slice(self, request: Request) -> Response:
        """One slice, in the lung window or that of soft tissue."""
        window = WINDOWS.get(request.query_params.get("window", "lung"))
        if window is None:
            return PlainTextResponse(f"A window is one of {', '.join(WINDOWS)}.", 400)
        log, uid = self._sources.slices, request.path_params["sop_instance_uid"]
        stored = await asyncio.to_thread(log.slice, _key(request), uid) if log else None
        if stored is None:
            return _none()
        try:
            made = await asyncio.to_thread(
                lambda: picture(self._sources.read(stored.path), stored.header, window)
            )
        except UnfitSeries:
            return _none()
        return Response(made, media_type=PNG)

    def _stack(self, key: SeriesKey) -> Stack | None:
        """The volume that was analysed, None where there was none or it is not single slices."""
        stored = self._sources.slices.slices(key) if self._sources.slices else ()
        return volume_of([one.header for one in stored])


def _told(slices: Sequence[SliceHeader]) -> dict[str, Any]:
    first = slices[0]
    return {
        "rows": first.rows,
        "columns": first.columns,
        "spacing_mm": first.pixel_spacing_mm,
        "row": first.row_direction,
        "column": first.column_direction,
        "slices": [[one.sop_instance_uid, one.position_mm] for one in slices],
    }


def _key(request: Request) -> SeriesKey:
    return SeriesKey(site=request.path_params["site"], series_uid=request.path_params["series_uid"])


def _none() -> Response:
    return PlainTextResponse("There is no such picture.", 404)
