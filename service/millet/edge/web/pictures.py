"""Pictures of a series: its projections, its slices as they were sent, and coronal planes of them."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from millet.codec import reformat
from millet.codec.slice_picture import WINDOWS, Window, picture, png
from millet.core.coronal import Coronal
from millet.core.looked_at import volume_of
from millet.core.series import SliceHeader
from millet.core.stack import Stack, grid
from millet.edge.web.reformats import Grey, Reformats
from millet.edge.web.sources import Sources
from millet.errors import Removed, UnfitSeries
from millet.ports import SeriesKey, StoredSlice

PICTURES = ("mip-coronal.png", "mip-axial.png")
PNG = "image/png"
GONE = "The received instances of this series are no longer kept here."
NO_WINDOW = f"A window is one of {', '.join(WINDOWS)}."


class Volume(NamedTuple):
    """The slices that were analysed, and where each one's bytes lie, by its UID."""

    stack: Stack
    paths: Mapping[str, str]

    @property
    def digest(self) -> str:
        """What tells it from another one of the same series."""
        paths = "\n".join(self.paths[one.sop_instance_uid] for one in self.stack.slices)
        return hashlib.sha256(paths.encode()).hexdigest()[:16]

    def coronal(self, read: Callable[[str], bytes], window: Window) -> Grey:
        """All of its coronal planes. Raises UnfitSeries, StoreError."""
        slices = self.stack.slices
        return reformat.planes(
            grid(self.stack), slices, lambda one: read(self.paths[one.sop_instance_uid]), window
        )


class Pictures:
    """Stored projections, and slices and reformats on demand."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._reformats = Reformats()

    async def projection(self, request: Request) -> Response:
        """A stored picture of the newest analysis."""
        kind = request.path_params["picture"]
        made = None
        if kind in PICTURES:
            made = await asyncio.to_thread(self._sources.worklist.object_bytes, _key(request), kind)
        return _none() if made is None else Response(made, media_type=PNG)

    async def slices(self, request: Request) -> Response:
        """Where the slices of the analysed volume lie, and its coronal planes."""
        stored = await asyncio.to_thread(self._stored, _key(request))
        if not all(one.path for one in stored):
            return JSONResponse({"error": GONE}, 410)
        told = await asyncio.to_thread(_told, stored)
        if told is None:
            return JSONResponse({"error": "there are no slices to be shown of this series"}, 404)
        return JSONResponse(told)

    async def slice(self, request: Request) -> Response:
        """One slice, in the lung window or that of soft tissue."""
        window = WINDOWS.get(request.query_params.get("window", "lung"))
        if window is None:
            return PlainTextResponse(NO_WINDOW, 400)
        log, uid = self._sources.slices, request.path_params["sop_instance_uid"]
        stored = await asyncio.to_thread(log.slice, _key(request), uid) if log else None
        if stored is None:
            return _none()
        if not stored.path:
            return PlainTextResponse(GONE, 410)
        try:
            made = await asyncio.to_thread(
                lambda: picture(self._sources.read(stored.path), stored.header, window)
            )
        except (UnfitSeries, Removed):
            return _none()
        return Response(made, media_type=PNG)

    async def coronal(self, request: Request) -> Response:
        """One coronal plane of a volume, in one of the windows; the first one takes a moment."""
        window, plane = request.query_params.get("window", "lung"), _number(request.path_params["plane"])
        if window not in WINDOWS:
            return PlainTextResponse(NO_WINDOW, 400)
        key, digest = _key(request), request.path_params["volume"]
        try:
            planes = await self._reformats.get(
                (key, digest, window),
                lambda: self._reformatted(key, digest, WINDOWS[window]),
                request.is_disconnected,
            )
        except (UnfitSeries, Removed):
            return _none()
        if planes is None or plane is None or plane >= len(planes):
            return _none()
        return Response(await asyncio.to_thread(png, planes[plane]), media_type=PNG)

    def _stored(self, key: SeriesKey) -> Sequence[StoredSlice]:
        return self._sources.slices.slices(key) if self._sources.slices else ()

    def _reformatted(self, key: SeriesKey, digest: str, window: Window) -> Grey | None:
        """All coronal planes; None where this is not what was analysed last."""
        volume = _volume(self._stored(key))
        if volume is None or volume.digest != digest:
            return None
        return volume.coronal(self._sources.read, window)


def _volume(stored: Sequence[StoredSlice]) -> Volume | None:
    """What was analysed, None where nothing was or it is not single slices."""
    stack = volume_of([one.header for one in stored])
    return None if stack is None else Volume(stack, {one.header.sop_instance_uid: one.path for one in stored})


def _told(stored: Sequence[StoredSlice]) -> dict[str, Any] | None:
    volume = _volume(stored)
    return None if volume is None else {"axial": _axial(volume.stack.slices), "coronal": _coronal(volume)}


def _axial(slices: Sequence[SliceHeader]) -> dict[str, Any]:
    first = slices[0]
    return {
        "rows": first.rows,
        "columns": first.columns,
        "spacing_mm": first.pixel_spacing_mm,
        "row": first.row_direction,
        "column": first.column_direction,
        "slices": [[one.sop_instance_uid, one.position_mm] for one in slices],
    }


def _coronal(volume: Volume) -> dict[str, Any]:
    """The same of the coronal planes, from the front to the back."""
    coronal = Coronal.of(grid(volume.stack))
    planes, rows, columns = coronal.shape
    row, column = coronal.directions
    return {
        "rows": rows,
        "columns": columns,
        "spacing_mm": coronal.spacing_mm,
        "row": row,
        "column": column,
        "slices": [[f"{volume.digest}/{plane}", coronal.place_mm(plane)] for plane in range(planes)],
    }


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else None


def _key(request: Request) -> SeriesKey:
    return SeriesKey(site=request.path_params["site"], series_uid=request.path_params["series_uid"])


def _none() -> Response:
    return PlainTextResponse("There is no such picture.", 404)
