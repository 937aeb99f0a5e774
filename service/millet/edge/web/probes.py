"""What machines look at over HTTP: metrics, and live, ready and started as three answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from millet.edge.telemetry import CONTENT_TYPE


class Probes:
    """Metrics and the three probes.

    Args:
        reasons: each part of the service and why it is not ready, empty where it is; may block.
        exposition: Prometheus' text format, with its gauges up to date; may block.
    """

    def __init__(self, reasons: Callable[[], Mapping[str, str]], exposition: Callable[[], bytes]) -> None:
        self._parts = reasons
        self._exposition = exposition
        self._has_started = False

    async def metrics(self, _request: Request) -> Response:
        """Prometheus' text format."""
        return Response(await asyncio.to_thread(self._exposition), headers={"content-type": CONTENT_TYPE})

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
        reasons = {part: why for part, why in self._parts().items() if why}
        self._has_started = self._has_started or not reasons
        return reasons
